//! `loss.png` and `metric.png`.

use std::error::Error;
use std::path::Path;
use std::sync::Once;

use gan_core::train::{BoxError, LogEntry, MetricEntry};
use gan_data::Picture;
use gan_data::io::write_picture;
use plotters::prelude::*;
use plotters::style::register_font;

const WIDTH: u32 = 960;
const HEIGHT: u32 = 720;
/// Height of a score.
const PANEL: u32 = 360;
const FONT: &str = "sans-serif";
const COLOURS: [RGBColor; 2] = [RGBColor(31, 90, 180), RGBColor(214, 96, 20)];

/// Curves of so few points have marks on them.
const MARKED: usize = 60;

/// A curve: its label and its points.
type Curve<'a> = (&'a str, Vec<(f64, f64)>);

/// Draws the losses of both players, and below them what the critic thinks of real and generated
/// pictures, over the thousands of pictures shown. The same log gives the same bytes.
///
/// # Errors
///
/// If the file cannot be written.
pub fn draw_losses(path: &Path, log: &[LogEntry]) -> Result<(), BoxError> {
    register();
    let mut pixels = vec![255; (WIDTH * HEIGHT * 3) as usize];
    draw(&mut pixels, log).map_err(|error| BoxError::from(error.to_string()))?;
    write(path, pixels, HEIGHT)
}

/// Draws a panel for each score over the thousands of pictures shown. The same scores give the same
/// bytes.
///
/// # Errors
///
/// If the file cannot be written.
pub fn draw_metrics(path: &Path, metrics: &[(String, Vec<MetricEntry>)]) -> Result<(), BoxError> {
    register();
    let height = PANEL * metrics.len() as u32;
    let mut pixels = vec![255; (WIDTH * height * 3) as usize];
    let mut draw = || -> Result<(), Box<dyn Error>> {
        let area = BitMapBackend::with_buffer(&mut pixels, (WIDTH, height)).into_drawing_area();
        area.fill(&WHITE)?;
        let areas = area.split_evenly((metrics.len(), 1));
        for (area, (name, entries)) in areas.iter().zip(metrics) {
            let point = |entry: &MetricEntry| Some((entry.kimg, entry.value?));
            let how = entries.last().map_or(String::new(), |entry| {
                format!("{}, {} samples", entry.features, entry.samples)
            });
            let points: Vec<(f64, f64)> = entries.iter().filter_map(point).collect();
            panel(area, &format!("{name} ({how})"), &[("", points)])?;
        }
        area.present()?;
        Ok(())
    };
    draw().map_err(|error| BoxError::from(error.to_string()))?;
    write(path, pixels, height)
}

fn write(path: &Path, pixels: Vec<u8>, height: u32) -> Result<(), BoxError> {
    let picture = Picture {
        width: WIDTH as usize,
        height: height as usize,
        channels: 3,
        pixels,
        label: None,
        caption: None,
    };
    Ok(write_picture(path, &picture)?)
}

/// No font of the system is used, so the picture is the same everywhere.
fn register() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let registered = register_font(FONT, FontStyle::Normal, dejavu::sans::regular());
        assert!(registered.is_ok(), "the embedded font must be a font");
    });
}

fn draw(pixels: &mut [u8], log: &[LogEntry]) -> Result<(), Box<dyn Error>> {
    let area = BitMapBackend::with_buffer(pixels, (WIDTH, HEIGHT)).into_drawing_area();
    area.fill(&WHITE)?;
    let (above, below) = area.split_vertically(HEIGHT * 11 / 20);
    let curve = |label, name: &str| (label, points(log, name));
    let losses = [curve("critic", "critic"), curve("generator", "generator")];
    panel(&above, "loss", &losses)?;
    let beliefs = [curve("D(x)", "d_real"), curve("D(G(z))", "d_fake")];
    panel(&below, "critic's verdict", &beliefs)?;
    area.present()?;
    Ok(())
}

/// The values of one name; rounds in which it was not finite are left out.
fn points(log: &[LogEntry], name: &str) -> Vec<(f64, f64)> {
    let value = |entry: &LogEntry| entry.values.get(name).copied().flatten();
    log.iter()
        .filter_map(|entry| Some((entry.kimg, f64::from(value(entry)?))))
        .collect()
}

fn panel<B: DrawingBackend>(
    area: &DrawingArea<B, plotters::coord::Shift>,
    title: &str,
    curves: &[Curve],
) -> Result<(), Box<dyn Error>>
where
    B::ErrorType: 'static,
{
    let all = || curves.iter().flat_map(|(_, points)| points);
    let end = all().map(|(kimg, _)| *kimg).fold(0.0, f64::max).max(1e-3);
    let [low, high] = span(all().map(|(_, value)| *value).collect());
    let mut chart = ChartBuilder::on(area)
        .caption(title, (FONT, 20))
        .margin(12)
        .x_label_area_size(36)
        .y_label_area_size(64)
        .build_cartesian_2d(0.0..end, low..high)?;
    chart
        .configure_mesh()
        .x_desc("kimg")
        .label_style((FONT, 14))
        .axis_desc_style((FONT, 14))
        .light_line_style(RGBColor(244, 244, 244))
        .bold_line_style(RGBColor(222, 222, 222))
        .draw()?;
    for ((_, points), colour) in curves.iter().zip(COLOURS) {
        chart.draw_series(LineSeries::new(points.iter().copied(), &colour))?;
        // A few points are seen as such.
        if points.len() <= MARKED {
            let mark = |point: &(f64, f64)| Circle::new(*point, 3, colour.filled());
            chart.draw_series(points.iter().map(mark))?;
        }
    }
    if curves.len() > 1 {
        legend(area, curves)?;
    }
    Ok(())
}

/// The names of the curves, beside the title, where no curve can be.
fn legend<B: DrawingBackend>(
    area: &DrawingArea<B, plotters::coord::Shift>,
    curves: &[Curve],
) -> Result<(), Box<dyn Error>>
where
    B::ErrorType: 'static,
{
    const EACH: i32 = 120;
    let right = WIDTH as i32 - EACH * curves.len() as i32;
    for (index, ((label, _), colour)) in curves.iter().zip(COLOURS).enumerate() {
        let (x, y) = (right + EACH * index as i32, 24);
        area.draw(&PathElement::new(
            [(x, y), (x + 18, y)],
            colour.stroke_width(2),
        ))?;
        area.draw(&Text::new(*label, (x + 26, y - 8), (FONT, 16)))?;
    }
    Ok(())
}

/// The ends of the vertical axis: all values but the wildest hundredth at either end, so that one
/// spike does not flatten the rest.
fn span(mut values: Vec<f64>) -> [f64; 2] {
    if values.is_empty() {
        return [0.0, 1.0];
    }
    values.sort_by(f64::total_cmp);
    let cut = values.len() / 100;
    let (low, high) = (values[cut], values[values.len() - 1 - cut]);
    let margin = (0.05 * (high - low)).max(1e-6 * high.abs()).max(1e-6);
    [low - margin, high + margin]
}

#[cfg(test)]
mod tests {
    use std::fs;

    use gan_core::game::Clock;

    use super::*;

    fn log(count: u64) -> Vec<LogEntry> {
        let entry = |round: u64| {
            let clock = Clock {
                seed: 0,
                round,
                images: round * 64,
            };
            let wave = (round as f32 * 0.1).sin();
            let generator = if round == 7 { f32::NAN } else { 1.0 + wave };
            let values = [
                ("critic", wave),
                ("generator", generator),
                ("d_real", 0.7),
                ("d_fake", 0.2),
            ];
            LogEntry::new(&clock, &values)
        };
        (1..=count).map(entry).collect()
    }

    fn drawn(count: u64) -> Vec<u8> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("loss.png");
        draw_losses(&path, &log(count)).unwrap();
        fs::read(path).unwrap()
    }

    #[test]
    fn the_same_log_gives_the_same_bytes_and_another_does_not() {
        assert_eq!(drawn(100), drawn(100));
        assert_ne!(drawn(100), drawn(101));
    }

    #[test]
    fn a_log_of_one_line_or_none_can_be_drawn() {
        assert!(drawn(1).starts_with(b"\x89PNG"));
        assert!(drawn(0).starts_with(b"\x89PNG"));
    }

    #[test]
    fn both_curves_and_their_names_are_there() {
        let mut pixels = vec![255; (WIDTH * HEIGHT * 3) as usize];
        register();
        draw(&mut pixels, &log(100)).unwrap();
        for colour in COLOURS {
            let colour = [colour.0, colour.1, colour.2];
            let count = pixels.chunks(3).filter(|pixel| *pixel == colour).count();
            assert!(count > 100, "{colour:?}: {count} pixels");
        }
        let dark = pixels
            .chunks(3)
            .filter(|pixel| pixel.iter().all(|value| *value < 60))
            .count();
        assert!(dark > 500, "labels and axes: {dark} pixels");
    }

    #[test]
    fn scores_have_a_panel_each() {
        let entry = |round: u64| MetricEntry {
            round,
            kimg: round as f64,
            value: (round != 3).then_some(40.0 / round as f64),
            features: "digits".into(),
            samples: 2000,
            reals: 10_000,
            data: "mnist".into(),
        };
        let entries: Vec<MetricEntry> = (1..9).map(entry).collect();
        let folder = tempfile::tempdir().unwrap();
        let drawn = |count: usize| {
            let path = folder.path().join("metric.png");
            let metrics = vec![("fid".to_owned(), entries.clone()); count];
            draw_metrics(&path, &metrics).unwrap();
            fs::read(path).unwrap()
        };
        assert_eq!(drawn(2), drawn(2));
        let height = |png: &[u8]| u32::from_be_bytes([png[20], png[21], png[22], png[23]]);
        assert_eq!((height(&drawn(1)), height(&drawn(3))), (PANEL, 3 * PANEL));
    }

    #[test]
    fn one_spike_does_not_flatten_the_rest() {
        let mut values = vec![0.0; 150];
        values.extend(vec![1.0; 50]);
        values.push(1e9);
        let [low, high] = span(values);
        assert!(low < 0.0 && (1.0..1.2).contains(&high), "{low} {high}");
        let [low, high] = span(vec![3.0]);
        assert!(low < 3.0 && high > 3.0);
    }
}
