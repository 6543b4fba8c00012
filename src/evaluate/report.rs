//! What the program `evaluate` says.

use gan_core::train::Better;
use gan_metrics::features::PictureShape;
use gan_metrics::suite::Score;
use serde::Serialize;

use crate::Failure;

/// The scores of a set of pictures, and how they were made.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// What it was compared with; `None` if the scores need no real pictures.
    pub real: Option<SetReport>,
    /// What was scored.
    pub fake: SetReport,
    /// The features, with weights and resizing; `None` if no score is of features.
    pub features: Option<String>,
    /// The scores.
    pub scores: Vec<Score>,
}

impl Report {
    /// Of these pictures, without a score.
    pub(super) fn new(fake: SetReport) -> Self {
        Self {
            real: None,
            fake,
            features: None,
            scores: Vec::new(),
        }
    }
}

/// A set of pictures in a [`Report`].
#[derive(Clone, Debug, Serialize)]
pub struct SetReport {
    /// Path, name of the data, or the run with round and thousands of pictures.
    pub name: String,
    /// Checksum of the data; `None` for pictures that were drawn.
    pub fingerprint: Option<String>,
    /// Pictures that were looked at.
    pub count: u64,
    /// Size of one, as in `28x28 grey`.
    pub picture: String,
}

impl SetReport {
    /// Before the pictures were looked at.
    pub(super) fn new(name: impl Into<String>, fingerprint: Option<String>) -> Self {
        Self {
            name: name.into(),
            fingerprint,
            count: 0,
            picture: String::new(),
        }
    }

    /// After pictures of this number and size were looked at.
    pub(super) fn of(self, shape: PictureShape) -> Self {
        Self {
            count: shape.count as u64,
            picture: shape.to_string(),
            ..self
        }
    }
}

/// A table for stdout, or JSON.
pub(super) fn text(report: &Report, json: bool) -> Result<String, Failure> {
    if json {
        Ok(serde_json::to_string_pretty(report)?)
    } else {
        Ok(table(report))
    }
}

fn table(report: &Report) -> String {
    let set = |what: &str, set: &SetReport| {
        let SetReport {
            name,
            count,
            picture,
            ..
        } = set;
        format!("{what}  {count} pictures, {picture}, of {name}")
    };
    let real = report.real.as_ref().map(|real| set("real     ", real));
    let features = report.features.as_ref();
    let mut lines: Vec<String> = real.into_iter().collect();
    lines.push(set("generated", &report.fake));
    lines.extend(features.map(|features| format!("features   {features}")));
    lines.push(String::new());
    let values: Vec<String> = report.scores.iter().map(ToString::to_string).collect();
    let names = report.scores.iter().map(|score| score.name.len()).max();
    let digits = values.iter().map(|value| value.chars().count()).max();
    let (names, digits) = (names.unwrap_or(0), digits.unwrap_or(0));
    for (score, value) in report.scores.iter().zip(&values) {
        let better = match score.better {
            Better::Lower => "lower is better",
            Better::Higher => "higher is better",
        };
        let (name, how) = (&score.name, &score.how);
        lines.push(format!(
            "{name:names$}  {value:>digits$}  {better:16}  {how}"
        ));
    }
    lines.join("\n")
}
