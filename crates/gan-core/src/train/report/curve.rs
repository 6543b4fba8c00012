//! Curves as SVG that a page can hold, with their values for whoever points at them.

use std::fmt::Write;

use super::html::{count, escape, fixed, number};

/// Points drawn of one curve, however long the log. More than a screen has pixels for.
pub(super) const MOST_POINTS: usize = 500;
/// Up to so many points are drawn as dots, too: each may stand for much.
const DOTS_TO: usize = 30;
/// Fewer points than this are drawn as they are; more get a smooth curve on top.
const SMOOTH_FROM: usize = 60;
/// Width and height of the drawing; the page stretches it.
const SIDE: f64 = 1000.0;

/// A diagram with one or more curves over thousands of pictures.
#[derive(Clone, Debug)]
pub(super) struct Chart {
    pub title: String,
    /// What it shows and how to read it, if the title does not say it.
    pub note: String,
    pub curves: Vec<Curve>,
    /// Whether the vertical axis begins at 0.
    pub from_zero: bool,
}

/// Points in the order of time.
#[derive(Clone, Debug)]
pub(super) struct Curve {
    pub label: String,
    /// Thousands of pictures, and the value; `None` where it was not finite.
    pub points: Vec<(f64, Option<f64>)>,
}

impl Curve {
    fn values(&self) -> impl Iterator<Item = f64> {
        self.points.iter().filter_map(|(_, value)| *value)
    }
}

impl Chart {
    /// The chart as HTML; `end` is where the horizontal axis ends, so that all charts of a page have
    /// the same one.
    pub fn html(&self, end: f64) -> String {
        let all: Vec<f64> = self.curves.iter().flat_map(Curve::values).collect();
        let [mut low, mut high] = span(all.clone());
        if self.from_zero {
            (low, high) = (0.0, high.max(1e-9));
        }
        let frame = Frame { end, low, high };
        let title = escape(&self.title);
        let mut html = format!("<figure class=\"chart\">\n<figcaption><h3>{title}</h3>");
        if !self.note.is_empty() {
            let _ = write!(html, "<p>{}</p>", escape(&self.note));
        }
        let outside = all.iter().filter(|value| **value < low || **value > high);
        match outside.count() {
            0 => {}
            some => {
                let values = count(some, "value");
                let _ = write!(
                    html,
                    "<p>{values} outside the frame, so that the rest can be seen.</p>"
                );
            }
        }
        html.push_str("</figcaption>\n");
        html.push_str(&self.table());
        let _ = write!(
            html,
            "<div class=\"plot\">{}{}\n</div>\n</figure>\n",
            frame.labels(),
            self.svg(&frame)
        );
        html
    }

    /// Names of the curves with the values that matter, which is also the legend.
    fn table(&self) -> String {
        let mut html = String::from(
            "<table class=\"legend\"><thead><tr><th scope=\"col\"><span class=\"unseen\">Curve</span></th>\
             <th scope=\"col\">last</th><th scope=\"col\">lowest</th><th scope=\"col\">highest</th></tr></thead><tbody>\n",
        );
        for (index, curve) in self.curves.iter().enumerate() {
            let text = |value: Option<f64>| value.map_or("–".into(), number);
            let _ = writeln!(
                html,
                "<tr><th scope=\"row\"><i class=\"key c{index}\"></i>{}</th><td>{}</td><td>{}</td><td>{}</td></tr>",
                escape(&curve.label),
                text(curve.values().last()),
                text(curve.values().reduce(f64::min)),
                text(curve.values().reduce(f64::max)),
            );
        }
        html.push_str("</tbody></table>\n");
        html
    }

    fn svg(&self, frame: &Frame) -> String {
        let labels: Vec<&str> = self.curves.iter().map(|curve| &*curve.label).collect();
        let mut svg = format!(
            "<svg viewBox=\"0 0 {SIDE} {SIDE}\" preserveAspectRatio=\"none\" role=\"img\" \
             aria-label=\"{}: {} over {} thousand pictures; the table above has the values\" \
             data-end=\"{}\" data-low=\"{}\" data-high=\"{}\">\n",
            escape(&self.title),
            escape(&labels.join(" and ")),
            number(frame.end),
            frame.end,
            frame.low,
            frame.high,
        );
        svg.push_str(&frame.grid());
        for (index, curve) in self.curves.iter().enumerate() {
            let shown = thin(&curve.points);
            let is_smoothed = curve.points.len() >= SMOOTH_FROM;
            let class = if is_smoothed { "raw" } else { "line" };
            let (mut x, mut y) = (String::new(), String::new());
            for (kimg, value) in &shown {
                let comma = if x.is_empty() { "" } else { "," };
                let _ = write!(x, "{comma}{}", rounded(*kimg));
                let value = value.map_or(String::new(), |value| rounded(value).to_string());
                let _ = write!(y, "{comma}{value}");
            }
            let _ = writeln!(
                svg,
                "<g class=\"curve c{index}\" data-label=\"{}\" data-x=\"{x}\" data-y=\"{y}\">\
                 <path class=\"{class}\" d=\"{}\"/>",
                escape(&curve.label),
                frame.path(&shown)
            );
            if curve.points.len() <= DOTS_TO {
                let dots = frame.dots(&shown);
                let _ = writeln!(svg, "<path class=\"dots\" d=\"{dots}\"/>");
            }
            if is_smoothed {
                let smooth = frame.path(&smooth(&curve.points));
                let _ = writeln!(svg, "<path class=\"line\" d=\"{smooth}\"/>");
            }
            svg.push_str("</g>\n");
        }
        svg.push_str("</svg>");
        svg
    }

    /// Values in no chart because they were not finite.
    pub fn gaps(&self) -> usize {
        let points = self.curves.iter().flat_map(|curve| &curve.points);
        points.filter(|(_, value)| value.is_none()).count()
    }
}

/// What the drawing shows: 0 to `end` thousand pictures, and values from `low` to `high`.
struct Frame {
    end: f64,
    low: f64,
    high: f64,
}

impl Frame {
    fn x(&self, kimg: f64) -> f64 {
        kimg / self.end * SIDE
    }

    fn y(&self, value: f64) -> f64 {
        (self.high - value) / (self.high - self.low) * SIDE
    }

    fn grid(&self) -> String {
        let (values, _) = ticks(self.low, self.high, 5);
        let lines = values.into_iter().map(|value| {
            let y = self.y(value);
            format!("<path class=\"grid\" d=\"M0 {y:.1}H{SIDE}\"/>")
        });
        lines.collect::<String>() + "\n"
    }

    /// The numbers beside the drawing. They are no part of it, so that they are not stretched.
    fn labels(&self) -> String {
        let mut html = String::from("<div class=\"axes\" aria-hidden=\"true\">");
        let (values, decimals) = ticks(self.low, self.high, 5);
        for value in values {
            let text = if value.abs() >= 1e7 {
                number(value)
            } else {
                fixed(value, decimals)
            };
            let top = self.y(value) / SIDE * 100.0;
            let _ = write!(
                html,
                "<span class=\"y\" style=\"top:{top:.2}%\">{text}</span>"
            );
        }
        let (kimgs, decimals) = ticks(0.0, self.end, 5);
        for kimg in kimgs {
            let left = self.x(kimg) / SIDE * 100.0;
            let text = fixed(kimg, decimals);
            let _ = write!(
                html,
                "<span class=\"x\" style=\"left:{left:.2}%\">{text}</span>"
            );
        }
        html.push_str("<span class=\"unit\">kimg</span></div>\n");
        html
    }

    /// The `d` of a path of lines without length, which round caps make dots.
    fn dots(&self, points: &[(f64, Option<f64>)]) -> String {
        let points = points
            .iter()
            .filter_map(|(kimg, value)| Some((kimg, (*value)?)));
        let dots =
            points.map(|(kimg, value)| format!("M{:.1} {:.1}h0", self.x(*kimg), self.y(value)));
        dots.collect()
    }

    /// The `d` of a path; a value that is not there leaves a gap.
    fn path(&self, points: &[(f64, Option<f64>)]) -> String {
        let mut path = String::new();
        let mut pen_is_down = false;
        for (index, (kimg, value)) in points.iter().enumerate() {
            let Some(value) = value else {
                pen_is_down = false;
                continue;
            };
            // Far outside is as good as infinitely far, and browsers can draw it.
            let (x, y) = (self.x(*kimg), self.y(*value).clamp(-1e4, 1e4));
            let pen = if pen_is_down { 'L' } else { 'M' };
            let _ = write!(path, "{pen}{x:.1} {y:.1}");
            let is_alone =
                !pen_is_down && points.get(index + 1).is_none_or(|next| next.1.is_none());
            if is_alone {
                path.push_str("h0"); // a dot, with round caps
            }
            pen_is_down = true;
        }
        path
    }
}

/// Six digits, which is what a log of `f32` has to say.
fn rounded(value: f64) -> f64 {
    format!("{value:.5e}").parse().unwrap_or(value)
}

/// The ends of the vertical axis: all values, unless the wildest fortieth at either end takes up more than
/// half of it and would flatten the rest.
fn span(mut values: Vec<f64>) -> [f64; 2] {
    let Some(last) = values.len().checked_sub(1) else {
        return [0.0, 1.0];
    };
    values.sort_by(f64::total_cmp);
    let cut = values.len() / 40;
    let (mut low, mut high) = (values[0], values[last]);
    let most = (values[cut], values[last - cut]);
    if most.1 - most.0 < 0.5 * (high - low) {
        (low, high) = most;
    }
    let margin = (0.06 * (high - low)).max(1e-6 * high.abs()).max(1e-9);
    [low - margin, high + margin]
}

/// About `wanted` round numbers from `low` to `high`, and the decimals they have.
fn ticks(low: f64, high: f64, wanted: usize) -> (Vec<f64>, usize) {
    let rough = (high - low) / wanted as f64;
    let power = 10f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0]
        .into_iter()
        .map(|factor| factor * power)
        .find(|step| *step >= rough * 0.999)
        .unwrap_or(power);
    let first = (low / step - 1e-9).ceil() as i64;
    let last = (high / step + 1e-9).floor() as i64;
    let decimals = (-(step * 1.001).log10().floor()).clamp(0.0, 9.0) as usize;
    let ticks = (first..=last).take(2 * wanted + 2);
    (ticks.map(|tick| tick as f64 * step).collect(), decimals)
}

/// At most [`MOST_POINTS`] of the points: of every stretch its lowest and its highest, so that no spike
/// is lost, and the last point of all.
fn thin(points: &[(f64, Option<f64>)]) -> Vec<(f64, Option<f64>)> {
    if points.len() <= MOST_POINTS {
        return points.to_vec();
    }
    let stretch = points.len().div_ceil(MOST_POINTS / 2 - 1);
    let mut kept = Vec::with_capacity(MOST_POINTS);
    for (number, part) in points.chunks(stretch).enumerate() {
        let value = |index: &usize| part[*index].1;
        let finite = || (0..part.len()).filter(|index| value(index).is_some());
        let by_value = |a: &usize, b: &usize| {
            let key = |index| value(index).unwrap_or(0.0);
            key(a).total_cmp(&key(b))
        };
        let ends = finite().min_by(by_value).zip(finite().max_by(by_value));
        let (a, b) = ends.map_or((0, 0), |(low, high)| (low.min(high), low.max(high)));
        kept.push(part[a]);
        if b != a {
            kept.push(part[b]);
        }
        let is_last = (number + 1) * stretch >= points.len();
        if is_last && b + 1 != part.len() {
            kept.push(part[part.len() - 1]);
        }
    }
    kept
}

/// Means of a fortieth of the points around each of at most 200 of them.
fn smooth(points: &[(f64, Option<f64>)]) -> Vec<(f64, Option<f64>)> {
    let reach = points.len() / 80 + 1;
    let count = points.len().min(200);
    let mean = |index: usize| {
        let part = &points[index.saturating_sub(reach)..(index + reach + 1).min(points.len())];
        let values = part.iter().filter_map(|(_, value)| *value);
        let (sum, count) =
            values.fold((0.0, 0.0), |(sum, count), value| (sum + value, count + 1.0));
        (points[index].0, (count > 0.0).then(|| sum / count))
    };
    (0..count)
        .map(|number| mean(number * (points.len() - 1) / (count - 1).max(1)))
        .collect()
}

/// What to say about values that are in no chart.
pub(super) fn gaps_in_words(charts: &[Chart]) -> Option<String> {
    let gaps: usize = charts.iter().map(Chart::gaps).sum();
    (gaps > 0).then(|| {
        let (values, was) = (count(gaps, "value"), if gaps == 1 { "was" } else { "were" });
        format!("{values} in the log {was} not finite (NaN or infinite): gaps in the curves")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wave(count: usize) -> Vec<(f64, Option<f64>)> {
        let value = |index: usize| (index as f64 * 0.1).sin();
        (0..count)
            .map(|index| (index as f64, Some(value(index))))
            .collect()
    }

    #[test]
    fn ticks_are_round_numbers() {
        assert_eq!(ticks(0.0, 40.0, 4), (vec![0.0, 10.0, 20.0, 30.0, 40.0], 0));
        assert_eq!(ticks(-0.31, 0.62, 5).0.len(), 5);
        assert_eq!(ticks(0.1, 0.9, 4).1, 1);
        assert_eq!(ticks(0.0, 1300.0, 5).0, [0.0, 500.0, 1000.0]);
        for (low, high) in [(0.0, 1e-9), (-3.0, 1e12), (7.0, 7.0 + 1e-6)] {
            let (ticks, _) = ticks(low, high, 4);
            assert!((1..=10).contains(&ticks.len()), "{low} {high}: {ticks:?}");
        }
    }

    #[test]
    fn one_spike_does_not_flatten_the_rest() {
        let mut values: Vec<f64> = (0..80).map(|index| f64::from(index % 5)).collect();
        values[7] = 1000.0;
        let [low, high] = span(values.clone());
        assert!(low < 0.0 && (4.0..5.0).contains(&high), "{low} {high}");
        values[7] = 6.0; // no spike: nothing is cut off
        assert!(span(values)[1] > 6.0);
        assert!(span(vec![3.0])[0] < 3.0);
        assert_eq!(span(vec![]), [0.0, 1.0]);
    }

    #[test]
    fn thinning_keeps_spikes_and_both_ends() {
        let mut points = wave(100_000);
        points[77_777].1 = Some(9.0);
        points[50_000].1 = None;
        let thinned = thin(&points);
        assert!(thinned.len() <= MOST_POINTS, "{}", thinned.len());
        assert!(thinned.is_sorted_by(|a, b| a.0 < b.0));
        assert!(thinned.contains(&(77_777.0, Some(9.0))));
        assert_eq!(thinned.last(), points.last());
        assert_eq!(thin(&wave(10)), wave(10));
    }

    #[test]
    fn a_value_that_is_not_there_leaves_a_gap() {
        let frame = Frame {
            end: 4.0,
            low: 0.0,
            high: 1.0,
        };
        let points = [
            (0.0, Some(0.0)),
            (1.0, Some(1.0)),
            (2.0, None),
            (4.0, Some(0.5)),
        ];
        assert_eq!(frame.path(&points), "M0.0 1000.0L250.0 0.0M1000.0 500.0h0");
        let chart = Chart {
            title: "t".into(),
            note: String::new(),
            curves: vec![Curve {
                label: "c".into(),
                points: points.to_vec(),
            }],
            from_zero: false,
        };
        assert!(
            gaps_in_words(&[chart])
                .unwrap()
                .starts_with("1 value in the log")
        );
    }

    #[test]
    fn a_chart_says_what_is_outside_of_it() {
        let mut points = wave(100);
        points[3].1 = Some(1e6);
        let mut chart = Chart {
            title: "t".into(),
            note: String::new(),
            curves: vec![Curve {
                label: "c".into(),
                points,
            }],
            from_zero: false,
        };
        assert!(chart.html(100.0).contains("<p>1 value outside the frame"));
        chart.curves[0].points = wave(100);
        assert!(!chart.html(100.0).contains("outside the frame"));
    }

    #[test]
    fn a_chart_has_its_values_as_text() {
        let chart = Chart {
            title: "Loss <b>".into(),
            note: "a & b".into(),
            curves: vec![Curve {
                label: "critic \"x\"".into(),
                points: vec![(1.0, Some(0.25)), (2.0, Some(2000.0)), (3.0, Some(-1.5))],
            }],
            from_zero: false,
        };
        let html = chart.html(3.0);
        for part in [
            "Loss &lt;b&gt;",
            "a &amp; b",
            "critic &quot;x&quot;",
            "<td>−1.500</td><td>−1.500</td><td>2,000</td>",
            "data-x=\"1,2,3\" data-y=\"0.25,2000,-1.5\"",
        ] {
            assert!(html.contains(part), "{part} is not in {html}");
        }
    }
}
