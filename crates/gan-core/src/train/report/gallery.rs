//! The pictures of a page.

use std::fmt::Write;

use super::files::{Grid, RunFiles};
use super::html::{escape, fixed};
use crate::train::sample_name::When;

/// Width of a grid on the page, in CSS pixels, if it can be enlarged so far.
const WIDTH: u32 = 520;
/// Width of the wide picture of neighbours.
const WIDE: u32 = 720;

/// Samples over time, with real pictures beside them.
pub(super) fn samples(files: &RunFiles) -> String {
    if files.grids.is_empty() && files.reals.is_none() {
        return String::new();
    }
    let mut html = String::from(
        "<section aria-labelledby=\"samples\">\n<h2 id=\"samples\">Samples</h2>\n<div class=\"pair\">\n",
    );
    html.push_str(&viewer(files));
    if let Some(reals) = &files.reals {
        let picture = reals.element("Grid of real pictures of the data set", WIDTH);
        let _ = write!(
            html,
            "<figure class=\"reals\">\n<figcaption><h3>Real</h3><p>Pictures of the data set, as the networks see them.</p></figcaption>\n\
             <div class=\"sheet\">{picture}</div>\n</figure>\n"
        );
    }
    html.push_str("</div>\n</section>\n");
    html
}

fn viewer(files: &RunFiles) -> String {
    if files.grids.is_empty() {
        return String::new();
    }
    let rows = files
        .info
        .as_ref()
        .map_or(&[][..], |info| &info.sample_rows);
    let mut html = String::from(
        "<div class=\"viewer\" id=\"viewer\">\n<div class=\"caption\"><h3>Generated</h3><p>",
    );
    html.push_str("Always from the same latents");
    if !rows.is_empty() {
        html.push_str("; the rows are named");
    }
    if files.grids_found > files.grids.len() {
        let _ = write!(
            html,
            "; {} of {} grids, evenly chosen",
            files.grids.len(),
            files.grids_found
        );
    }
    html.push_str(".</p></div>\n<div class=\"sheet\">\n");
    html.push_str(&row_names(rows));
    html.push_str("<div class=\"frames\">\n");
    for grid in &files.grids {
        html.push_str(&frame(grid, files));
    }
    let last = files.grids.len() - 1;
    let _ = write!(
        html,
        "</div>\n</div>\n<div class=\"player\">\n\
         <button type=\"button\" id=\"play\" aria-pressed=\"false\"><span>Play</span></button>\n\
         <label class=\"unseen\" for=\"time\">Time of the samples</label>\n\
         <input type=\"range\" id=\"time\" min=\"0\" max=\"{last}\" value=\"{last}\" step=\"1\">\n\
         <output id=\"when\" for=\"time\">{}</output>\n</div>\n</div>\n",
        when(&files.grids[last], files)
    );
    html
}

/// What the rows show, beside the grid and as high as it.
fn row_names(rows: &[String]) -> String {
    if rows.is_empty() {
        return String::new();
    }
    let items = rows
        .iter()
        .map(|row| format!("<li><span>{}</span></li>", escape(row)));
    format!(
        "<ol class=\"rows\" aria-label=\"Rows of the grid\">{}</ol>\n",
        items.collect::<String>()
    )
}

fn frame(grid: &Grid, files: &RunFiles) -> String {
    let when = when(grid, files);
    let picture = grid
        .picture
        .element(&format!("Grid of generated pictures: {when}"), WIDTH);
    format!("<figure data-when=\"{when}\">{picture}<figcaption>{when}</figcaption></figure>\n")
}

fn when(grid: &Grid, files: &RunFiles) -> String {
    match grid.when {
        When::Untrained => "untrained".into(),
        When::Kimg(kimg) => {
            let decimals = if kimg.fract() == 0.0 { 0 } else { 1 };
            format!("{} kimg", fixed(kimg, decimals))
        }
        When::Round(round) => format!("round {}", fixed(round as f64, 0)),
        When::Last => match files.log.last() {
            Some(last) => format!("{} kimg, last", fixed(last.kimg, 1)),
            None => "last".into(),
        },
    }
}

/// Samples beside what they may have been copied from.
pub(super) fn neighbours(files: &RunFiles) -> String {
    let Some(picture) = &files.neighbours else {
        return String::new();
    };
    let picture = picture.element(
        "Generated pictures, each with the training pictures that are nearest to it",
        WIDE,
    );
    format!(
        "<section aria-labelledby=\"neighbours\">\n<h2 id=\"neighbours\">Nearest training pictures</h2>\n\
         <p class=\"note\">A row begins with a generated picture; after the gap come the training pictures nearest to it. If the first of them is the same \
         picture, the generator has learnt it by heart.</p>\n<div class=\"sheet\">{picture}</div>\n</section>\n"
    )
}
