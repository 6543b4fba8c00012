//! Which preset a configuration begins at.

use gan_models::Model;
use serde_json::Value;

use super::{CadenceConfig, DataConfig, RunConfig, image};
use crate::Failure;
use crate::cli::TrainArgs;
use crate::set::Change;

pub(super) fn check_preset<M: Model>(flag: &str, name: &str) -> Result<(), Failure> {
    if M::PRESETS.contains(&name) {
        return Ok(());
    }
    let names = M::PRESETS.join(", ");
    let message = format!("{flag}: there is no preset `{name}`; use one of {names}");
    Err(Failure::usage(message))
}

/// `model.preset` says what a configuration began as, so no `--set` can change it, and in a file it
/// chooses the preset as `--preset` does.
pub(super) fn check_named_preset<M: Model>(
    arguments: &TrainArgs,
    patch: Option<&Value>,
    changes: &[Change],
) -> Result<(), Failure> {
    if let Some(change) = changes.iter().find(|change| change.key == "model.preset") {
        let message = "the preset is chosen with --preset NAME";
        return Err(Failure::usage(format!("{}: {message}", change.flag)));
    }
    let (Some(name), Some(path)) = (patch.and_then(preset_in), &arguments.config) else {
        return Ok(());
    };
    let flag = format!("--config {}", path.display());
    check_preset::<M>(&format!("{flag}: `model.preset`"), name)?;
    match &arguments.preset {
        Some(wanted) if wanted != name => Err(Failure::usage(format!(
            "--preset {wanted}: {flag} has the preset `{name}`; leave one of the two out"
        ))),
        _ => Ok(()),
    }
}

/// The preset that a configuration, or a part of one, names.
pub(super) fn preset_in(config: &Value) -> Option<&str> {
    config.get("model")?.get("preset")?.as_str()
}

/// The configuration of a preset for these pictures.
pub(super) fn from_preset<M: Model>(
    arguments: &TrainArgs,
    begin_at: &str,
    patch: Option<&Value>,
    (data, mut train): (DataConfig, CadenceConfig),
    classes: usize,
) -> Result<Value, Failure> {
    let in_file = patch.and_then(preset_in);
    let name = arguments.preset.as_deref().or(in_file).unwrap_or(begin_at);
    let image = image(&data).map_err(|error| Failure::usage(format!("--set {error}")))?;
    let model = M::preset(name, image, classes)
        .map_err(|error| Failure::usage(format!("--preset: {error}")))?;
    // Scores on the way are of pictures that are drawn from seeds.
    train.evaluate = train.evaluate.filter(|_| !model.translates());
    let config = RunConfig {
        seed: 0,
        data,
        model,
        train,
    };
    Ok(serde_json::to_value(config)?)
}
