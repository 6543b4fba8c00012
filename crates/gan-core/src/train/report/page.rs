//! Puts a page together.

use std::fmt::Write;
use std::time::Duration;

use serde_json::Value;

use super::Command;
use super::charts;
use super::curve::{Chart, gaps_in_words};
use super::evaluation::Evaluation;
use super::files::RunFiles;
use super::gallery;
use super::html::{count, escape, fill, fixed, number};
use crate::train::RunInfo;
use crate::words;

/// The whole page. The same files and commands give the same bytes.
pub(super) fn page(files: &RunFiles, commands: &[Command]) -> String {
    let title = title(files);
    let log = charts::of_log(files);
    let scores = charts::of_scores(files);
    let evaluation = files.evaluation.as_ref();
    let evaluation = evaluation.map_or(String::new(), Evaluation::html);
    let body = [
        head(files, &title),
        warnings(files, &log),
        gallery::samples(files),
        gallery::neighbours(files),
        section("scores", "Scores", &(evaluation + &plots(files, &scores))),
        section("curves", "Curves", &plots(files, &log)),
        section("facts", "What was trained", &facts(files)),
        section("commands", "Commands", &listing(commands)),
        section("configuration", "Configuration", &configuration(files)),
        section("missing", "Not shown", &problems(files)),
    ]
    .concat();
    fill(
        include_str!("page.html"),
        &[
            ("title", &escape(&title)),
            ("style", include_str!("page.css")),
            ("script", include_str!("page.js")),
            ("body", &body),
        ],
    )
}

/// A section with a heading, or nothing.
fn section(id: &str, heading: &str, content: &str) -> String {
    if content.is_empty() {
        return String::new();
    }
    format!(
        "<section aria-labelledby=\"{id}\">\n<h2 id=\"{id}\">{heading}</h2>\n{content}</section>\n"
    )
}

/// The value at the first of these places of the configuration that has one.
fn setting<'a>(files: &'a RunFiles, places: &[&str]) -> Option<&'a Value> {
    let config = files.config.as_ref()?;
    places.iter().find_map(|place| config.pointer(place))
}

fn text_setting(files: &RunFiles, places: &[&str]) -> Option<String> {
    match setting(files, places)? {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

fn title(files: &RunFiles) -> String {
    let data = files.info.as_ref().map(|info| info.data.name.clone());
    let preset = text_setting(files, &["/model/preset", "/preset"]);
    match (preset, data) {
        (Some(preset), Some(data)) => format!("{preset} on {data}"),
        _ => files.name.clone(),
    }
}

fn head(files: &RunFiles, title: &str) -> String {
    let mut html = format!(
        "<header>\n<p class=\"over\">Training run <b>{}</b></p>\n<h1>{}</h1>\n<dl class=\"tiles\">\n",
        escape(&files.name),
        escape(title)
    );
    let mut tile = |name: &str, value: String, unit: &str| {
        let _ = writeln!(
            html,
            "<div><dt>{}</dt><dd>{} <small>{}</small></dd></div>",
            escape(name),
            escape(&value),
            escape(unit)
        );
    };
    if let Some(last) = files.log.last() {
        let total = setting(
            files,
            &["/model/total_kimg", "/train/total_kimg", "/total_kimg"],
        );
        let of = total
            .and_then(Value::as_f64)
            .map(|total| format!("of {}", fixed(total, whole(total))));
        let of = of.map_or("kimg".into(), |of| format!("{of} kimg"));
        tile("Real pictures shown", fixed(last.kimg, 1), &of);
    }
    if let Some(seconds) = charts::seconds(files) {
        tile(
            "Training time",
            words::time(Duration::from_secs_f64(seconds.min(1e12))),
            "",
        );
        let shown = files
            .timing
            .last()
            .map_or(0.0, |last| last.images_per_second);
        tile("Speed", fixed(shown, 0), "pictures/s");
    }
    for (name, scores) in files.metrics.iter().take(4) {
        let last = scores
            .iter()
            .rev()
            .find_map(|score| Some((score.kimg, score.value?)));
        if let Some((kimg, value)) = last {
            tile(
                &charts::score_name(name),
                number(value),
                &format!("at {} kimg", fixed(kimg, whole(kimg))),
            );
        }
    }
    html.push_str("</dl>\n</header>\n");
    html
}

/// Decimals of a number that is mostly a whole one.
fn whole(value: f64) -> usize {
    usize::from(value.fract() != 0.0)
}

fn warnings(files: &RunFiles, charts: &[Chart]) -> String {
    let mut items: Vec<String> = files
        .notices
        .iter()
        .map(|notice| format!("{}.", notice.text.trim_end_matches('.')))
        .collect();
    items.extend(gaps_in_words(charts).map(|gaps| format!("{gaps}.")));
    if items.is_empty() {
        return String::new();
    }
    let items: String = items
        .iter()
        .map(|item| format!("<li>{}</li>\n", escape(&capitalised(item))))
        .collect();
    format!(
        "<section class=\"warnings\" aria-labelledby=\"warnings\">\n<h2 id=\"warnings\">Warnings</h2>\n<ul>\n{items}</ul>\n</section>\n"
    )
}

fn capitalised(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(|first| first.to_uppercase().to_string());
    first.unwrap_or_default() + letters.as_str()
}

fn plots(files: &RunFiles, charts: &[Chart]) -> String {
    if charts.is_empty() {
        return String::new();
    }
    let log = files.log.iter().map(|entry| entry.kimg);
    let scores = files.metrics.values().flatten().map(|score| score.kimg);
    let end = log
        .chain(scores)
        .filter(|kimg| kimg.is_finite())
        .fold(0.0, f64::max)
        .max(1e-6);
    let charts: String = charts.iter().map(|chart| chart.html(end)).collect();
    format!("<div class=\"charts\">\n{charts}</div>\n")
}

/// Names and values, side by side.
fn facts(files: &RunFiles) -> String {
    let loss = text_setting(files, &["/model/gan/loss", "/gan/loss"]);
    let rounds = files.log.last().map(|last| fixed(last.round as f64, 0));
    let of_config = [
        ("Model", text_setting(files, &["/model/preset", "/preset"])),
        ("Loss", loss.map(|name| name.replace('_', " "))),
        ("Learning rates", learning_rates(files)),
        (
            "Batch",
            text_setting(files, &["/model/batch_size", "/batch_size"]),
        ),
        ("Rounds", rounds),
        ("Size", picture_size(files)),
        ("Source of the data", text_setting(files, &["/data/source"])),
    ];
    let rows = of_config
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)))
        .chain(files.info.iter().flat_map(info_facts));
    let rows: String = rows
        .map(|(name, value)| format!("<div><dt>{name}</dt><dd>{}</dd></div>\n", escape(&value)))
        .collect();
    if rows.is_empty() {
        return rows;
    }
    format!("<dl class=\"facts\">\n{rows}</dl>\n")
}

fn info_facts(info: &RunInfo) -> Vec<(&'static str, String)> {
    let each = info.parameters.iter();
    let each = each.map(|(player, number)| format!("{player} {}", fixed(*number as f64, 0)));
    let pictures = count(info.data.count, "picture");
    let mut facts = vec![
        ("Parameters", each.collect::<Vec<_>>().join(", ")),
        ("Data", format!("{}, {pictures}", info.data.name)),
        ("Seed", info.seed.to_string()),
        ("Device", format!("{}, {}", info.device, info.platform)),
        (
            "Program",
            format!(
                "{}, gan-core {}, Burn {}",
                info.program, info.gan_core, info.burn
            ),
        ),
        ("Checksum of the data", info.data.fingerprint.clone()),
    ];
    facts.retain(|(_, value)| !value.is_empty());
    facts
}

fn picture_size(files: &RunFiles) -> Option<String> {
    let size = text_setting(files, &["/data/size"])?;
    let channels = match setting(files, &["/data/channels"]).and_then(Value::as_u64) {
        Some(1) => ", grey",
        Some(3) => ", RGB",
        Some(4) => ", RGBA",
        _ => "",
    };
    Some(format!("{size} × {size} pixels{channels}"))
}

/// Every `lr` of the configuration, with the name of whose it is.
fn learning_rates(files: &RunFiles) -> Option<String> {
    fn walk(name: &str, value: &Value, found: &mut Vec<String>) {
        let Value::Object(fields) = value else {
            return;
        };
        for (key, field) in fields {
            match field.as_f64() {
                Some(rate) if key == "lr" => {
                    let name = name.trim_end_matches("optimizer").replace('_', " ");
                    found.push(format!("{} {rate}", name.trim()));
                }
                _ => walk(key, field, found),
            }
        }
    }
    let mut found = Vec::new();
    walk("", files.config.as_ref()?, &mut found);
    (!found.is_empty()).then(|| found.join(", "))
}

fn listing(commands: &[Command]) -> String {
    let items = commands.iter().map(|command| {
        format!(
            "<div class=\"command\"><h3>{}</h3><pre><code>{}</code></pre></div>\n",
            escape(&command.title),
            escape(&command.line)
        )
    });
    items.collect()
}

fn configuration(files: &RunFiles) -> String {
    let Some(config) = &files.config else {
        return String::new();
    };
    // A value that was read can be written.
    let text = serde_json::to_string_pretty(config).unwrap_or_default();
    format!(
        "<details><summary>Everything that decides the result (<code>config.json</code>)</summary>\n\
         <pre tabindex=\"0\" aria-label=\"config.json\">{}</pre></details>\n",
        escape(&text)
    )
}

fn problems(files: &RunFiles) -> String {
    if files.problems.is_empty() {
        return String::new();
    }
    let items: String = files
        .problems
        .iter()
        .map(|problem| format!("<li>{}</li>\n", escape(problem)))
        .collect();
    format!("<ul class=\"problems\">\n{items}</ul>\n")
}
