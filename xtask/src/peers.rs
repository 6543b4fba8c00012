//! Our programs beside their peers on this machine.

use std::path::{Path, PathBuf};
use std::process::Command;

use clap::Args;
use clap::builder::PossibleValuesParser;
use serde_json::Value;

use crate::program::{json, succeed};
use crate::report::{self, Row};
use crate::{python, report::markdown};

/// Who does the same work.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Peer {
    /// `benches/peers/run.py`.
    PyTorch,
    /// `examples/peer_burn.rs`.
    Burn,
}

/// Work that both sides do.
struct Case {
    name: &'static str,
    peer: Peer,
    /// Rounds that are timed in a turn; drawings of 10,000 digits where it samples.
    rounds: usize,
}

const CASES: [Case; 6] = [
    Case::new("vanilla", Peer::PyTorch, 60),
    Case::new("dcgan-28", Peer::PyTorch, 60),
    Case::new("dcgan-64", Peer::PyTorch, 8),
    Case::new("sampling-vanilla", Peer::PyTorch, 3),
    Case::new("sampling-dcgan-28", Peer::PyTorch, 3),
    Case::new("wgan", Peer::Burn, 15),
];

/// How far parameters and running statistics may be apart after a round, relative to 1 or to the
/// value where that is larger.
const TOLERANCE: f64 = 1e-3;

/// How far the steps of the parameters may be apart, in units of their length. A first step of Adam or RMSProp
/// is the sign of the gradient: where that is almost 0, rounding decides. This is one sign of 400.
const STEP_TOLERANCE: f64 = 0.1;

impl Case {
    const fn new(name: &'static str, peer: Peer, rounds: usize) -> Self {
        Self { name, peer, rounds }
    }

    /// The case whose round is what this one is about.
    fn model(&self) -> &'static str {
        self.name.strip_prefix("sampling-").unwrap_or(self.name)
    }
}

impl Peer {
    fn name(self) -> &'static str {
        match self {
            Self::PyTorch => "PyTorch",
            Self::Burn => "Burn",
        }
    }
}

/// What was asked for.
#[derive(Args, Debug)]
pub struct Options {
    /// How often each side runs each case
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..))]
    turns: u16,
    /// Only these cases, with commas between them
    #[arg(long, value_name = "CASE,…", value_delimiter = ',', value_parser = PossibleValuesParser::new(CASES.map(|case| case.name)))]
    only: Vec<String>,
    /// A Python that has what benches/peers/requirements.txt names [default: a virtual environment in
    /// target/peers-venv, made at first use: about 6 GB]
    #[arg(long, value_name = "PATH")]
    python: Option<PathBuf>,
    /// Print JSON with every turn instead of a table
    #[arg(long)]
    json: bool,
}

impl Options {
    fn cases(&self) -> Vec<&'static Case> {
        let is_wanted =
            |case: &&Case| self.only.is_empty() || self.only.iter().any(|name| name == case.name);
        CASES.iter().filter(is_wanted).collect()
    }
}

/// Checks that both sides compute the same round, then prints medians, ratios and peak memory.
///
/// # Errors
///
/// If a program cannot be built, set up or run, or the two sides do not compute the same round.
pub fn run(options: &Options) -> Result<(), String> {
    let cases = options.cases();
    let sides = Sides::new(options, &cases)?;
    let mut parity: Vec<Value> = Vec::new();
    for case in &cases {
        if !parity.iter().any(|found| found["case"] == case.model()) {
            let found = sides.compare_round(case)?;
            eprintln!("the same round: {found}");
            parity.push(found);
        }
    }
    let mut rows = Vec::new();
    for case in cases {
        let mut turns = Vec::new();
        for turn in 1..=options.turns {
            let both = [sides.ours(case)?, sides.theirs(case)?];
            let [ours, theirs] = both.each_ref().map(|side| &side["ms"]);
            let (name, peer) = (case.name, case.peer.name());
            eprintln!(
                "{name}, turn {turn} of {}: {ours} ms, {peer} {theirs} ms",
                options.turns
            );
            turns.push(both);
        }
        let (case, peer) = (case.name, case.peer.name());
        rows.push(Row { case, peer, turns });
    }
    if options.json {
        println!("{:#}", report::json(&parity, &rows));
    } else {
        println!("{}", markdown(&rows));
    }
    Ok(())
}

/// Both sides, ready to run.
struct Sides {
    /// Where our programs are.
    programs: PathBuf,
    /// Where PyTorch's are.
    scripts: PathBuf,
    /// What runs those, if a case wants them.
    python: Option<PathBuf>,
    /// Where the rounds that are compared are written.
    rounds: PathBuf,
}

impl Sides {
    /// Builds our side and finds or makes the Python of the other.
    fn new(options: &Options, cases: &[&Case]) -> Result<Self, String> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"))
            .parent()
            .expect("xtask is a folder of the repository");
        let target = match std::env::var_os("CARGO_TARGET_DIR") {
            Some(folder) => std::env::current_dir()
                .map_err(|error| format!("the current folder: {error}"))?
                .join(folder),
            None => root.join("target"),
        };
        let scripts = root.join("benches/peers");
        let requirements = scripts.join("requirements.txt");
        let wants = |peer: Peer| cases.iter().any(|case| case.peer == peer);
        let python = match &options.python {
            _ if !wants(Peer::PyTorch) => None,
            Some(path) => Some(python::given(path, &requirements)?),
            None => Some(python::environment(
                &target.join("peers-venv"),
                &requirements,
            )?),
        };
        let cargo = std::env::var_os("CARGO").unwrap_or("cargo".into());
        let mut build = Command::new(cargo);
        build.current_dir(root).env("CARGO_TARGET_DIR", &target);
        build.args(["build", "--release", "--locked", "--example", "peer"]);
        if wants(Peer::Burn) {
            build.args(["--example", "peer_burn"]);
        }
        succeed(&mut build)?;
        Ok(Self {
            programs: target.join("release/examples"),
            scripts,
            python,
            rounds: target.join("peers-rounds"),
        })
    }

    /// A program of ours, or one that is built like ours.
    fn example(&self, name: &str) -> Command {
        Command::new(self.programs.join(name))
    }

    /// A program of the other side, without arguments but the case.
    fn peer(&self, case: &Case, script: &str) -> Command {
        match (&self.python, case.peer) {
            (Some(python), Peer::PyTorch) => {
                let mut command = Command::new(python);
                command.arg(self.scripts.join(script));
                command
            }
            _ => self.example("peer_burn"),
        }
    }

    /// One round on both sides from the same weights, noise and pictures.
    fn compare_round(&self, case: &Case) -> Result<Value, String> {
        let mut ours = self.example("peer");
        ours.args(["--case", case.model(), "--parity"]);
        let written = json(ours.arg(&self.rounds))?;
        let mut theirs = self.peer(case, "parity.py");
        theirs.args((case.peer == Peer::PyTorch).then_some(case.model()));
        for folder in ["before", "after"] {
            theirs.arg(written[folder].as_str().ok_or("peer names no folder")?);
        }
        let found = json(&mut theirs)?;
        match apart(&found) {
            None => Ok(found),
            Some(what) => Err(format!(
                "{}: ours and {} do not compute the same round: {what}; timing them would compare nothing",
                case.model(),
                case.peer.name()
            )),
        }
    }

    fn ours(&self, case: &Case) -> Result<Value, String> {
        let rounds = case.rounds.to_string();
        json(
            self.example("peer")
                .args(["--case", case.name, "--rounds", &rounds]),
        )
    }

    fn theirs(&self, case: &Case) -> Result<Value, String> {
        let rounds = case.rounds.to_string();
        let mut command = self.peer(case, "run.py");
        if case.peer == Peer::PyTorch {
            command.args(["--only", case.name]);
        }
        let mut printed = json(command.args(["--rounds", &rounds]))?;
        Ok(match case.peer {
            Peer::PyTorch => printed["results"][0].take(),
            Peer::Burn => printed,
        })
    }
}

/// The quantity that is too far apart, if one is; what is not a number is.
fn apart(found: &Value) -> Option<String> {
    let limits = [
        ("parameters", TOLERANCE),
        ("statistics", TOLERANCE),
        ("step", STEP_TOLERANCE),
    ];
    limits.into_iter().find_map(|(name, limit)| {
        let value = &found[name];
        let is_close = value.as_f64().is_some_and(|value| value <= limit);
        (!is_close).then(|| format!("{name} are {value} apart, more than {limit}"))
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_chooses_cases_and_nothing_chooses_all() {
        let names = |only: &[&str]| -> Vec<&str> {
            let options = Options {
                turns: 1,
                only: only.iter().map(|&name| name.to_owned()).collect(),
                python: None,
                json: false,
            };
            options.cases().iter().map(|case| case.name).collect()
        };
        assert_eq!(names(&[]).len(), CASES.len());
        assert_eq!(names(&["dcgan-64", "vanilla"]), ["vanilla", "dcgan-64"]);
    }

    #[test]
    fn sampling_is_about_the_round_of_its_model() {
        assert_eq!(
            Case::new("sampling-vanilla", Peer::PyTorch, 3).model(),
            "vanilla"
        );
        assert_eq!(Case::new("wgan", Peer::Burn, 3).model(), "wgan");
    }

    #[test]
    fn rounds_that_are_apart_are_told_with_what_is() {
        let mut found = json!({"parameters": 1e-4, "statistics": 1e-7, "step": 1e-3});
        assert_eq!(apart(&found), None);
        found["statistics"] = json!(0.5);
        assert!(
            apart(&found)
                .unwrap()
                .starts_with("statistics are 0.5 apart")
        );
        found["statistics"] = Value::Null; // what JSON has in place of NaN
        assert!(apart(&found).is_some());
    }
}
