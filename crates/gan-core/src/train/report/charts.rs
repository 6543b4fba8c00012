//! Which curves a page shows, and what is said about them.

use std::collections::BTreeSet;

use super::curve::{Chart, Curve};
use super::files::RunFiles;
use super::html::count;
use crate::train::{LogEntry, MetricEntry};

/// Charts of values that this module does not know, as another game may report.
const MOST_OTHERS: usize = 12;

/// The charts of the scores.
pub(super) fn of_scores(files: &RunFiles) -> Vec<Chart> {
    let charts = files.metrics.iter().map(|(name, scores)| Chart {
        title: score_name(name),
        note: how_made(scores),
        curves: vec![Curve {
            label: score_name(name),
            points: scores
                .iter()
                .map(|score| (score.kimg, score.value.filter(|value| value.is_finite())))
                .collect(),
        }],
        from_zero: false,
    });
    charts.collect()
}

/// A name of a score as its friends write it.
pub(super) fn score_name(name: &str) -> String {
    match name {
        "fid" | "kid" | "is" | "ppl" | "lpips" | "psnr" | "ssim" => name.to_uppercase(),
        _ => name.replace(['_', '-'], " "),
    }
}

/// With what a score was made; all lines of a file are alike, so the last one is asked.
fn how_made(scores: &[MetricEntry]) -> String {
    let Some(last) = scores.last() else {
        return String::new();
    };
    let against = match last.reals {
        0 => String::new(),
        reals => format!(
            " against {} of {}",
            count(reals as usize, "picture"),
            last.data
        ),
    };
    let samples = count(last.samples as usize, "sample");
    format!("{samples}{against}, features {}", last.features)
}

/// The charts of the log and of the speed.
pub(super) fn of_log(files: &RunFiles) -> Vec<Chart> {
    let log = &files.log;
    let names: BTreeSet<&str> = log
        .iter()
        .flat_map(|entry| entry.values.keys())
        .map(String::as_str)
        .collect();
    let has = |name: &&str| names.contains(name);
    let gradients: Vec<&str> = names
        .iter()
        .copied()
        .filter(|name| name.ends_with("_gradient"))
        .collect();
    let players = gradients
        .iter()
        .filter_map(|name| name.strip_suffix("_gradient"));
    // A game that reports no gradients may still have the usual players.
    let players: BTreeSet<&str> = players.chain(["critic", "generator"]).filter(has).collect();
    let beliefs: Vec<&str> = ["d_real", "d_fake"].into_iter().filter(has).collect();
    let known: BTreeSet<&str> = [&gradients, &beliefs]
        .into_iter()
        .flatten()
        .chain(&players)
        .copied()
        .collect();
    let players: Vec<&str> = players.into_iter().collect();

    let mut charts = vec![
        chart("Losses", "", log, &players),
        chart(
            "What the critic thinks",
            "Mean verdict on real pictures, D(x), and on generated ones, D(G(z)). As probabilities, 0.5 for both means \
             that it cannot tell them apart.",
            log,
            &beliefs,
        ),
        chart("Length of the gradients", "", log, &gradients),
    ];
    let others = names.difference(&known).take(MOST_OTHERS);
    charts.extend(others.map(|name| chart(&label(name), "", log, &[name])));
    charts.push(speed(files));
    charts.retain(|chart| chart.curves.iter().any(|curve| !curve.points.is_empty()));
    charts
}

fn chart(title: &str, note: &str, log: &[LogEntry], names: &[&str]) -> Chart {
    let curve = |name: &&str| Curve {
        label: label(name),
        points: log
            .iter()
            .filter(|entry| entry.kimg.is_finite())
            .filter_map(|entry| Some((entry.kimg, entry.values.get(*name)?.map(f64::from))))
            .collect(),
    };
    Chart {
        title: title.into(),
        note: note.into(),
        curves: names.iter().map(curve).collect(),
        from_zero: false,
    }
}

/// A name of the log as a person would say it.
fn label(name: &str) -> String {
    match name {
        "d_real" => "D(x), real".into(),
        "d_fake" => "D(G(z)), generated".into(),
        "penalty" => "Gradient penalty".into(),
        _ => name
            .strip_suffix("_gradient")
            .unwrap_or(name)
            .replace('_', " "),
    }
}

fn speed(files: &RunFiles) -> Chart {
    let mut points: Vec<(f64, Option<f64>)> = Vec::new();
    for pair in files.timing.windows(2) {
        let (kimg, seconds) = (
            pair[1].kimg - pair[0].kimg,
            pair[1].seconds - pair[0].seconds,
        );
        // Between two processes there is no speed.
        if !(kimg > 0.0 && seconds > 0.0) {
            continue;
        }
        // What was played again counts as it went the last time.
        let again = points.partition_point(|(at, _)| *at < pair[1].kimg);
        points.truncate(again);
        points.push((pair[1].kimg, Some(1000.0 * kimg / seconds)));
    }
    Chart {
        title: "Speed".into(),
        note: "Real pictures per second.".into(),
        curves: vec![Curve {
            label: "pictures/s".into(),
            points,
        }],
        from_zero: true,
    }
}

/// Seconds spent in rounds, as far as the log of times goes, over all processes.
pub(super) fn seconds(files: &RunFiles) -> Option<f64> {
    let last = files.timing.last()?.seconds;
    let ends = files
        .timing
        .windows(2)
        .filter(|pair| pair[1].seconds < pair[0].seconds)
        .map(|pair| pair[0].seconds);
    let total = ends.sum::<f64>() + last;
    (total.is_finite() && total >= 0.0).then_some(total)
}
