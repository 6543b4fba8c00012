//! What the flags want to have scored.

use std::path::{Path, PathBuf};

use gan_core::train::RunDir;
use gan_data::ChannelMode;

use super::EvaluateArgs;
use super::sets::opened;
use crate::Failure;

/// What is scored.
pub(super) enum Subject {
    /// What a run draws.
    Run(PathBuf),
    /// Pictures of files, `real` and `fake`.
    Files([PathBuf; 2]),
}

impl Subject {
    /// What the flags name. Nothing is loaded, but all paths are there: a mistyped one shall not be found out
    /// after the download of some weights.
    ///
    /// # Errors
    ///
    /// If a path is not there, or there is nothing to compare.
    pub(super) fn new(arguments: &EvaluateArgs) -> Result<Self, Failure> {
        let EvaluateArgs {
            run, real, fake, ..
        } = arguments;
        for (path, flag) in [(real, "--real"), (fake, "--fake")] {
            if let Some(path) = path.as_ref().filter(|path| !path.exists()) {
                opened(path, flag, ChannelMode::Keep)?;
            }
        }
        let is_run = |path: &&PathBuf| {
            path.join("config.json").is_file() && path.join("checkpoints").is_dir()
        };
        if let Some(run) = run.as_ref().or(fake.as_ref().filter(is_run)) {
            let opened = RunDir::open(run);
            opened.map_err(|error| Failure::new(format!("--run {error}")))?;
            return Ok(Self::Run(run.clone()));
        }
        match (real, fake) {
            (Some(real), Some(fake)) => Ok(Self::Files([real.clone(), fake.clone()])),
            _ => Err(Failure::usage(
                "nothing to compare: give --run DIR, or --real PATH and --fake PATH",
            )),
        }
    }

    /// The folder of the run, if one is scored.
    pub(super) fn run(&self) -> Option<&Path> {
        match self {
            Self::Run(run) => Some(run),
            Self::Files(_) => None,
        }
    }
}
