//! From flags to a configuration, pictures and a run folder.

mod fit;
mod preset;
mod resume;

use std::sync::Arc;

use gan_core::error::ConfigError;
use gan_core::nn::ImageShape;
use gan_core::train::{GuardConfig, RunDir, TrainConfig, TrainError};
use gan_data::source::Pictures;
use gan_models::{ImageGanConfig, Model};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use self::fit::check_labels;
pub(crate) use self::fit::check_proportions;
use self::preset::{check_named_preset, check_preset, from_preset};
use self::resume::{check_program, check_resumable, find_run};
use crate::Failure;
use crate::backend::Backend;
use crate::cli::TrainArgs;
use crate::evaluate::{EvaluateConfig, default_config};
use crate::memory;
use crate::pictures::{as_configured, find_data, natural_data};
use crate::progress::Screen;
use crate::set::{self, Change};

/// Everything that decides the result of a run: `config.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunConfig<M = ImageGanConfig> {
    /// Seed of everything random.
    pub seed: u64,
    /// The real pictures.
    pub data: DataConfig,
    /// Both players, the rules, the batch size and the length.
    pub model: M,
    /// What the run leaves behind, and when.
    pub train: CadenceConfig,
}

/// What a run leaves behind, and when. Cadences are in thousands of real pictures; 0 is never.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CadenceConfig {
    /// Between lines of the log. Default: 1
    pub log_kimg: f64,
    /// Between pictures of samples. Default: 10
    pub sample_kimg: f64,
    /// Between checkpoints. Default: 50
    pub checkpoint_kimg: f64,
    /// Checkpoints that are kept, 1 or more. Default: 2
    pub keep_checkpoints: usize,
    /// When to give up on a course; `None` for never.
    pub guard: Option<GuardConfig>,
    /// Scores on the way; `None` for none. Default: as in [`EvaluateConfig`] for MNIST, else none
    #[serde(default)]
    pub evaluate: Option<EvaluateConfig>,
}

impl Default for CadenceConfig {
    fn default() -> Self {
        let train = TrainConfig::default();
        Self {
            log_kimg: 1.0,
            sample_kimg: 10.0,
            checkpoint_kimg: 50.0,
            keep_checkpoints: train.keep_checkpoints,
            guard: train.guard,
            evaluate: None,
        }
    }
}

impl<M: Model> RunConfig<M> {
    /// What the trainer is told.
    pub fn train_config(&self) -> TrainConfig {
        TrainConfig {
            total_kimg: self.model.total_kimg(),
            log_kimg: self.train.log_kimg,
            sample_kimg: self.train.sample_kimg,
            checkpoint_kimg: self.train.checkpoint_kimg,
            keep_checkpoints: self.train.keep_checkpoints,
            guard: self.train.guard,
        }
    }
}

/// The real pictures, and what is made of them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataConfig {
    /// `mnist` (wherever it is found), `synthetic` (drawn by this program) or a path.
    pub source: String,
    /// Height and width they are cropped and resized to, in pixels: 28, or a power of two from 8 to
    /// 1024. Default: that of the first picture, or the next smaller one that is allowed
    pub size: usize,
    /// 1 (grey), 3 (RGB) or 4 (with alpha). Default: as in the first picture
    pub channels: usize,
    /// Probability that a picture is mirrored left to right, 0 to 1. Default: 0
    pub flip_probability: f64,
}

/// What the flags ask for, with everything filled in.
pub struct Resolved<M> {
    /// The configuration.
    pub config: RunConfig<M>,
    /// The real pictures.
    pub data: Arc<dyn Pictures>,
    /// The run to go on with.
    pub run: Option<RunDir>,
}

/// Fills in what the flags leave open, in the order preset (`begin_at` if none is named), `--config`,
/// other flags, `--set`; with `--resume`, the configuration of the run takes the place of the preset.
///
/// # Errors
///
/// A flag, a file or a value that is not allowed, by name.
pub fn resolve<M: Model>(
    arguments: &TrainArgs,
    begin_at: &str,
    backend: &Backend,
    screen: &Screen,
) -> Result<Resolved<M>, Failure> {
    // Before the pictures are looked for, which may take a download.
    if let Some(name) = &arguments.preset {
        check_preset::<M>("--preset", name)?;
    }
    let run = arguments
        .resume
        .as_ref()
        .map(|run| find_run(run.as_deref(), &arguments.out))
        .transpose()?;
    let old = run.as_ref().map(RunDir::read_config).transpose()?;
    if let (Some(run), Some(old)) = (&run, &old) {
        check_program::<M>(run, old)?;
    }
    let patch = arguments
        .config
        .as_deref()
        .map(set::read_patch)
        .transpose()?;
    let changes = changes(arguments);
    check_named_preset::<M>(arguments, patch.as_ref(), &changes)?;

    let source = wanted_source(arguments, old.as_ref(), patch.as_ref())?;
    let (source, data) = find_data(source.as_deref(), screen)?;
    let natural = natural_data(source, &data)?;
    let begin = match (&old, &arguments.preset) {
        (Some(old), None) => old.clone(),
        _ => {
            let wanted = data_config(&natural, patch.as_ref(), &changes, arguments)?;
            let classes = data.class_names().map_or(0, |names| names.len());
            let train = CadenceConfig {
                evaluate: default_config(&data.name(), &wanted),
                ..CadenceConfig::default()
            };
            from_preset::<M>(
                arguments,
                begin_at,
                patch.as_ref(),
                (wanted, train),
                classes,
            )?
        }
    };
    let mut config: RunConfig<M> = overlay(begin, patch.as_ref(), &changes, arguments)?;
    if config.data.source != natural.source && arguments.data.is_some() {
        config.data.source.clone_from(&natural.source);
    }
    // Absurd sizes first: nothing may be computed with them.
    memory::check_sizes(&serde_json::to_value(&config.model)?)
        .and_then(|()| validate(&config))
        .and_then(|()| check_memory(&config.model, backend))
        .map_err(|error| blame(&error, &changes, arguments))?;
    if let Some(run) = &run {
        check_resumable(run, &config)?;
    }
    let data = as_configured(data, &natural, &config.data)?;
    check_labels(&config.model, data.as_ref())?;
    check_proportions(&config.model, data.as_ref(), "--data")?;
    Ok(Resolved { config, data, run })
}

/// Refuses players that cannot fit into the memory of this machine, where they would be.
fn check_memory<M: Model>(model: &M, backend: &Backend) -> Result<(), ConfigError> {
    if !backend.is_on_processor() {
        return Ok(());
    }
    let players = model.player_sizes(&backend.device);
    let players = players.map_err(|error| error.within("model"))?;
    memory::check_players(&players, memory::of_machine())
}

/// The flags that stand for one value each, then `--set`.
fn changes(arguments: &TrainArgs) -> Vec<Change> {
    let mut changes = Vec::new();
    if let Some(kimg) = arguments.kimg {
        changes.push(Change::new("--kimg", "model.total_kimg", kimg));
    }
    if let Some(batch) = arguments.batch {
        changes.push(Change::new("--batch", "model.batch_size", batch));
    }
    if let Some(seed) = arguments.seed {
        changes.push(Change::new("--seed", "seed", seed));
    }
    if let Some(every) = arguments.every {
        changes.push(Change::new("--every", "train.sample_kimg", every));
    }
    match arguments.evaluate {
        Some(0.0) => changes.push(Change::new("--evaluate", "train.evaluate", Value::Null)),
        Some(kimg) => changes.push(Change::new("--evaluate", "train.evaluate.kimg", kimg)),
        None => {}
    }
    if let Some(evaluations) = arguments.stop_after_worse {
        let key = "train.evaluate.stop_after_worse";
        changes.push(Change::new("--stop-after-worse", key, evaluations));
    }
    changes.extend(arguments.set.iter().cloned());
    changes
}

/// What is asked for as the source of the pictures, if anything is.
fn wanted_source(
    arguments: &TrainArgs,
    old: Option<&Value>,
    patch: Option<&Value>,
) -> Result<Option<String>, Failure> {
    let in_json = |config: &Value| Some(config.get("data")?.get("source")?.as_str()?.to_owned());
    let Some(path) = &arguments.data else {
        return Ok(patch.and_then(in_json).or_else(|| old.and_then(in_json)));
    };
    let Some(text) = path.to_str() else {
        let shown = path.display();
        let message = "the name is not UTF-8, as config.json needs it; rename it";
        return Err(Failure::usage(format!("--data {shown}: {message}")));
    };
    Ok(Some(text.to_owned()))
}

/// The part `data` of the configuration, which the preset must fit.
fn data_config(
    natural: &DataConfig,
    patch: Option<&Value>,
    changes: &[Change],
    arguments: &TrainArgs,
) -> Result<DataConfig, Failure> {
    let mut config = json!({ "data": natural });
    let mut flag = String::new();
    if let (Some(data), Some(path)) = (patch.and_then(|patch| patch.get("data")), &arguments.config)
    {
        flag = format!("--config {}", path.display());
        set::merge(&mut config, &json!({ "data": data }), &flag, "")?;
    }
    for change in changes
        .iter()
        .filter(|change| change.key.starts_with("data."))
    {
        change.apply(&mut config)?;
        flag.clone_from(&change.flag);
    }
    set::read(&config["data"], &flag)
}

/// The shape of the pictures as the networks see them.
fn image(data: &DataConfig) -> Result<ImageShape, ConfigError> {
    let image = ImageShape::new(data.channels, data.size);
    match image.validate() {
        Ok(()) => Ok(image),
        Err(mut error) => {
            error.field = error.field.replace("image.", "data.");
            Err(error)
        }
    }
}

/// `config` with the file and the flags on top of it. Each is checked on its own, so that the
/// message names the one that is wrong.
fn overlay<M: Model>(
    mut config: Value,
    patch: Option<&Value>,
    changes: &[Change],
    arguments: &TrainArgs,
) -> Result<RunConfig<M>, Failure> {
    let mut flag = "config.json of the run".to_owned();
    let mut read: RunConfig<M> = set::read(&config, &flag)?;
    // As this version writes it, so that settings that were left out are there to be set.
    config = serde_json::to_value(&read)?;
    if let (Some(patch), Some(path)) = (patch, &arguments.config) {
        flag = format!("--config {}", path.display());
        set::merge(&mut config, patch, &flag, "")?;
        read = set::read(&config, &flag)?;
    }
    for change in changes {
        // Who sets a part of the evaluation wants one.
        if change.key.starts_with("train.evaluate.") && config["train"]["evaluate"].is_null() {
            config["train"]["evaluate"] = serde_json::to_value(EvaluateConfig::default())?;
        }
        change.apply(&mut config)?;
        read = set::read(&config, &change.flag)?;
    }
    Ok(read)
}

/// Everything that can be known to be wrong before anything is made.
fn validate<M: Model>(config: &RunConfig<M>) -> Result<(), ConfigError> {
    let image = image(&config.data)?;
    let flip = config.data.flip_probability;
    if !(0.0..=1.0).contains(&flip) {
        return Err(ConfigError::new("data.flip_probability", flip, "0 to 1"));
    }
    config
        .model
        .validate()
        .map_err(|error| error.within("model"))?;
    let drawn = config.model.image();
    if drawn != image {
        let text =
            |image: ImageShape| format!("{} x {} x {}", image.channels, image.size, image.size);
        let allowed = format!(
            "{} like the pictures; or set data.channels and data.size too",
            text(image)
        );
        return Err(ConfigError::new(
            "model.generator.image",
            text(drawn),
            allowed,
        ));
    }
    let [height, width] = config.model.loaded_size();
    if height != width && flip > 0.0 {
        let allowed = "0 for pairs side by side: source and target would change places";
        return Err(ConfigError::new("data.flip_probability", flip, allowed));
    }
    if let Some(evaluate) = &config.train.evaluate {
        if config.model.translates() {
            let allowed =
                "null: a model that makes pictures of pictures is scored by the program `apply`";
            return Err(ConfigError::new("train.evaluate", "set", allowed));
        }
        evaluate.validate(image)?;
    }
    config
        .train_config()
        .validate()
        .map_err(|error| match error {
            TrainError::Config {
                field,
                value,
                allowed,
            } => ConfigError::new(field, value, allowed).within("train"),
            other => ConfigError::new("train", other, "valid"),
        })
}

/// Names the flag that a wrong value came from.
fn blame(error: &ConfigError, changes: &[Change], arguments: &TrainArgs) -> Failure {
    // The field itself, a choice around it, a part of it, or a key that what is allowed depends on.
    let blamed = |change: &&Change| {
        let key = change.key.strip_prefix("model.").unwrap_or(&change.key);
        error.field == change.key
            || error.field.starts_with(&format!("{}.", change.key))
            || change.key.starts_with(&format!("{}.", error.field))
            || error.allowed.contains(key)
    };
    let flag = changes
        .iter()
        .rev()
        .find(blamed)
        .map(|change| change.flag.clone());
    let file = arguments
        .config
        .as_ref()
        .map(|path| format!("--config {}", path.display()));
    match flag.or(file) {
        Some(flag) => Failure::usage(format!("{flag}: {error}")),
        None => Failure::usage(error.to_string()),
    }
}
