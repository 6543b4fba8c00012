//! Which run `--resume` goes on with, and whether it can.

use std::fs;
use std::path::Path;

use gan_core::train::{RunDir, RunDirError};
use gan_models::Model;
use serde_json::Value;

use super::RunConfig;
use super::preset::preset_in;
use crate::{Failure, set};

/// The folder of `--resume`: the one that is named, or the newest in `root`.
pub(super) fn find_run(named: Option<&Path>, root: &Path) -> Result<RunDir, Failure> {
    if let Some(path) = named {
        return RunDir::open(path).map_err(|error| Failure::new(format!("--resume {error}")));
    }
    let newest = fs::read_dir(root)
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.join("config.json").is_file())
        .max();
    match newest {
        Some(path) => Ok(RunDir::open(path)?),
        None => Err(Failure::new(format!(
            "--resume: there is no run in {}; start one without --resume, or name its folder",
            root.display()
        ))),
    }
}

/// Refuses a run of another program, which trains other models.
pub(super) fn check_program<M: Model>(run: &RunDir, config: &Value) -> Result<(), Failure> {
    let preset = preset_in(config);
    if preset.is_none_or(|preset| M::PRESETS.contains(&preset)) {
        return Ok(());
    }
    let (Ok(info), path) = (run.read_info(), run.path().display()) else {
        return Ok(());
    };
    Err(Failure::usage(format!(
        "--resume: {path} was made by another program; go on with cargo run --release --example {} -- \
         --resume {path}, or name another run",
        info.program
    )))
}

/// Refuses to go on with another configuration; only the length may grow, and the pictures may have
/// moved (their checksum is compared later).
pub(super) fn check_resumable<M: Model>(
    run: &RunDir,
    config: &RunConfig<M>,
) -> Result<(), Failure> {
    // Flags are what can have changed it, so this is their failure.
    match run.check_config(
        &serde_json::to_value(config)?,
        &["model.total_kimg", "data.source"],
    ) {
        Err(error @ RunDirError::ConfigChanged { .. }) => {
            return Err(Failure::usage(error.to_string()));
        }
        other => other?,
    }
    let old: RunConfig<M> = set::read(&run.read_config()?, &run.config().display().to_string())?;
    let (old, new) = (old.model.total_kimg(), config.model.total_kimg());
    if new < old {
        return Err(Failure::usage(format!(
            "--kimg: {new} is less than the {old} of {}; give the same or more",
            run.path().display()
        )));
    }
    Ok(())
}
