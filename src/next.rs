//! The commands that a person may want after a training.

use gan_core::sample::Condition;
use gan_core::train::{Command, RunDir};
use gan_models::Model;
use serde_json::Value;

const CARGO: &str = "cargo run --release --example";

/// What a model makes its pictures of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// Latents.
    Latents,
    /// Latents and one of so many classes.
    Classes(usize),
    /// Other pictures.
    Pictures,
}

impl Asked {
    /// What `model` makes its pictures of.
    pub fn of<M: Model>(model: &M) -> Self {
        match model.num_classes() {
            _ if model.translates() => Self::Pictures,
            0 => Self::Latents,
            count => Self::Classes(count),
        }
    }
}

/// The commands for the run of `program` whose length is `total_kimg`.
pub fn commands(run: &RunDir, program: &str, total_kimg: f64, asked: Asked) -> Vec<Command> {
    let path = quoted(&run.path().to_string_lossy());
    let drawing = match asked {
        Asked::Pictures => vec![Command::new(
            "Apply it to pictures (without --in: to those that were held out, with scores)",
            sample(run, asked),
        )],
        _ => vec![
            Command::new("Draw samples", sample(run, asked)),
            Command::new("Score it", evaluate(run)),
        ],
    };
    let mut commands = vec![
        Command::new("Go on, if it was stopped", go_on(run, program, None)),
        Command::new(
            "Go on for longer",
            go_on(run, program, Some(2.0 * total_kimg)),
        ),
    ];
    commands.extend(drawing);
    commands.extend([
        Command::new(
            "Train it once more, from the start",
            format!("{CARGO} {program} -- --config {path}/config.json"),
        ),
        Command::new(
            "Write this page again",
            format!("{CARGO} report -- --run {path}"),
        ),
    ]);
    commands
}

/// Goes on with a run, up to `kimg` if it was finished before.
pub fn go_on(run: &RunDir, program: &str, kimg: Option<f64>) -> String {
    let path = quoted(&run.path().to_string_lossy());
    let longer = kimg.map_or(String::new(), |kimg| format!(" --kimg {kimg}"));
    format!("{CARGO} {program} -- --resume {path}{longer}")
}

/// Draws from a run, or applies it.
pub fn sample(run: &RunDir, asked: Asked) -> String {
    let path = quoted(&run.path().to_string_lossy());
    let what = match asked {
        Asked::Latents => "--num 64".to_owned(),
        Asked::Classes(count) => format!("--classes 0-{} --num 10", count - 1),
        Asked::Pictures => {
            return format!("{CARGO} apply -- --run {path} --in PICTURES --out results");
        }
    };
    format!("{CARGO} sample -- --run {path} {what} --grid samples.png")
}

/// Scores a run.
pub fn evaluate(run: &RunDir) -> String {
    let path = quoted(&run.path().to_string_lossy());
    format!("{CARGO} evaluate -- --run {path}")
}

/// The commands for a run that is there, as far as its files tell.
pub fn of_run(run: &RunDir) -> Vec<Command> {
    let (Ok(info), Ok(config)) = (run.read_info(), run.read_config()) else {
        return Vec::new();
    };
    let number = |place: &str| config.pointer(place).and_then(Value::as_f64);
    let Some(total) = number("/model/total_kimg") else {
        return Vec::new();
    };
    let condition = config.pointer("/model/condition").cloned();
    let condition = condition.and_then(|value| serde_json::from_value(value).ok());
    let asked = match condition.as_ref().map_or(0, Condition::choices) {
        _ if config.pointer("/model/task").is_some() => Asked::Pictures,
        0 => Asked::Latents,
        count => Asked::Classes(count),
    };
    commands(run, &info.program, total, asked)
}

/// A word as a shell wants it.
fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._-+:@%,=".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}
