//! The scores of a run that was evaluated afterwards.

use std::fmt::Write;

use serde::Deserialize;

use super::charts::score_name;
use super::html::{count, escape, number};

/// `evaluation.json`, as the program `evaluate` of this repository writes it; who writes another one may
/// leave fields out.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Evaluation {
    real: Option<Set>,
    fake: Option<Set>,
    features: Option<String>,
    scores: Vec<Score>,
}

#[derive(Clone, Debug, Deserialize)]
struct Set {
    name: String,
    count: u64,
}

#[derive(Clone, Debug, Deserialize)]
struct Score {
    name: String,
    value: Option<f64>,
    deviation: Option<f64>,
    #[serde(default)]
    how: String,
}

impl Evaluation {
    /// As a table.
    pub fn html(&self) -> String {
        let set = |set: &Option<Set>| {
            let set = set.as_ref()?;
            Some(format!(
                "{} of {}",
                count(set.count as usize, "picture"),
                set.name
            ))
        };
        let about = match (set(&self.fake), set(&self.real)) {
            (Some(fake), Some(real)) => format!("{fake}, compared with {real}"),
            (fake, real) => fake.or(real).unwrap_or_default(),
        };
        let features = self.features.as_ref();
        let features = features.map_or(String::new(), |name| format!("; features {name}"));
        let mut html = format!(
            "<div class=\"scroll\"><table class=\"scores\"><caption>{}{}</caption><thead><tr><th scope=\"col\">Score</th>\
             <th scope=\"col\">Value</th><th scope=\"col\">How</th></tr></thead><tbody>\n",
            escape(&about),
            escape(&features)
        );
        for score in &self.scores {
            let value = score.value.map_or("not finite".into(), number);
            let deviation = score
                .deviation
                .map_or(String::new(), |by| format!(" ± {}", number(by)));
            let _ = writeln!(
                html,
                "<tr><th scope=\"row\">{}</th><td>{value}{deviation}</td><td>{}</td></tr>",
                escape(&score_name(&score.name)),
                escape(&score.how)
            );
        }
        html.push_str("</tbody></table></div>\n");
        html
    }
}
