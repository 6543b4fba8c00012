//! Trained runs, to draw from.

mod drawing;
mod sheet;
mod source;
mod translator;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use burn::prelude::*;
use burn::tensor::TensorData;
use gan_core::game::{Clock, State, restore_module};
use gan_core::nn::{ConvCritic, ImageCritic, ImageCriticConfig, ImageShape};
use gan_core::rng::Stream;
use gan_core::sample::{LatentPath, LatentPrior, walk};
use gan_core::train::RunDir;
use gan_core::weights::{SpectralNorms, WeightsFile, from_state_dict, state_dict};
use gan_data::source::Pictures;
use gan_models::{ClassGanConfig, ImageGanConfig, Rows, SemiSupervisedConfig};
use serde_json::Value;

use self::drawing::Drawing;
pub use self::sheet::Sheet;
use self::source::Source;
pub use self::source::Which;
pub use self::translator::{Done, Translator, Work};
use crate::Failure;
use crate::backend::Backend;
use crate::cli::RunArgs;
use crate::pictures::{as_configured, find_data, natural_data};
use crate::progress::Screen;
use crate::resolve::DataConfig;

/// Pictures in a batch for standing statistics.
const STANDING_BATCH: usize = 64;
/// Seed of the first of them, above those that a person asks for.
const STANDING_SEED: u64 = 1 << 40;

/// The player who draws, in a checkpoint.
pub const GENERATOR: &str = "generator";
/// The moving average of its weights.
const AVERAGE: &str = "average";
const CRITIC: &str = "critic";

/// A run to draw from.
pub struct Trained {
    /// Where it stands.
    pub clock: Clock,
    /// Where to say something.
    pub screen: Screen,
    drawing: Box<dyn Drawing>,
    data: DataConfig,
    backend: Backend,
}

fn not_convolutional() -> Failure {
    let message = "--run: the critic is not a plain convolutional one; train with the preset dcgan or default";
    Failure::usage(message)
}

/// `state` with the weights of a file in place of the generator's and of its average's.
fn with_generator(mut state: State, path: &Path) -> Result<State, Failure> {
    let wanted = state.group(GENERATOR)?;
    let tensors = WeightsFile::open(path).and_then(|file| from_state_dict(file, wanted));
    let tensors = tensors.map_err(|error| Failure::new(format!("--weights {error}")))?;
    for group in [GENERATOR, AVERAGE] {
        if let Some(old) = state.groups.get_mut(group) {
            old.clone_from(&tensors);
        }
    }
    Ok(state)
}

/// Whether a run, by its configuration, makes pictures of pictures.
fn translates(config: &Value) -> bool {
    config["model"].get("task").is_some()
}

impl Trained {
    /// Loads the newest good checkpoint of a run, with the generator of another file if one is named.
    ///
    /// # Errors
    ///
    /// If the folder is no run, none of its checkpoints is good, or the file is of another network.
    pub fn open(arguments: &RunArgs) -> Result<Self, Failure> {
        let screen = Screen::new(arguments.quiet);
        let backend = arguments.backend.as_deref();
        let mut trained = Self::open_at(
            &arguments.run,
            &arguments.checkpoint,
            arguments.raw,
            backend,
            &screen,
        )?;
        if let Some(path) = &arguments.weights {
            trained.replace_generator(path)?;
        }
        Ok(trained)
    }

    /// Puts the weights of a file in place of the generator's and of its average's.
    fn replace_generator(&mut self, path: &Path) -> Result<(), Failure> {
        let state = with_generator(self.drawing.state(), path)?;
        Ok(self.drawing.restore(&state)?)
    }

    /// Loads a checkpoint of the run in `folder`; `raw` is to draw with the weights as they are instead
    /// of their moving average, `backend` the name of one.
    ///
    /// # Errors
    ///
    /// If the folder is no run, or has no such checkpoint that is good.
    pub fn open_at(
        folder: &Path,
        which: &Which,
        raw: bool,
        backend: Option<&str>,
        screen: &Screen,
    ) -> Result<Self, Failure> {
        let run = RunDir::open(folder).map_err(|error| Failure::new(format!("--run {error}")))?;
        let config = run.read_config()?;
        if translates(&config) {
            return Err(Failure::usage(format!(
                "--run {}: this run makes pictures of pictures and draws nothing without them; use \
                 cargo run --release --example apply -- --run {0}",
                folder.display()
            )));
        }
        let source = Source {
            run: &run,
            config: &config,
            which,
            raw,
            backend: Backend::open(backend)?,
            screen: screen.clone(),
        };
        // Only a model that knows classes has a condition.
        let knows_classes = config["model"].get("condition").is_some();
        let is_semi_supervised = config["model"].get("labelled_per_class").is_some();
        match (knows_classes, is_semi_supervised) {
            (true, _) => source.load::<ClassGanConfig>(),
            (_, true) => source.load::<SemiSupervisedConfig>(),
            _ => source.load::<ImageGanConfig>(),
        }
    }

    /// Classes that the real pictures must have labels of; 0 if they need none.
    pub fn num_labels(&self) -> usize {
        self.drawing.num_labels()
    }

    /// The real pictures that the run was trained on, not yet cropped and resized.
    ///
    /// # Errors
    ///
    /// If they are not where they were, or cannot be read.
    pub fn data(&self, screen: &Screen) -> Result<Arc<dyn Pictures>, Failure> {
        let (source, data) = find_data(Some(&self.data.source), screen)?;
        let natural = natural_data(source, &data)?;
        as_configured(data, &natural, &self.data)
    }

    /// Where the real pictures are, and what is made of them.
    pub(crate) fn data_config(&self) -> &DataConfig {
        &self.data
    }

    /// What is drawn.
    pub fn image(&self) -> ImageShape {
        self.drawing.image()
    }

    /// Classes or choices of a code that pictures can be asked for; 0 if none.
    pub fn num_classes(&self) -> usize {
        self.drawing.num_classes()
    }

    /// The device, without autodiff.
    pub fn device(&self) -> &Device {
        &self.backend.device
    }

    /// The classes of `--classes`, checked; if none are named and there are some, `count` of them in
    /// turn.
    ///
    /// # Errors
    ///
    /// If there is no such class.
    pub fn classes(&self, named: Option<&[u64]>, count: usize) -> Result<Vec<usize>, Failure> {
        let there = self.num_classes();
        match named {
            None if there == 0 => Ok(Vec::new()),
            None => Ok((0..count).map(|index| index % there).collect()),
            Some(_) if there == 0 => Err(Failure::usage(
                "--classes: this model knows no classes; leave the flag out",
            )),
            Some(named) => match named.iter().find(|class| **class >= there as u64) {
                Some(wrong) => Err(Failure::usage(format!(
                    "--classes: there is no class {wrong}; the classes are 0 to {}",
                    there - 1
                ))),
                None => Ok(named.iter().map(|class| *class as usize).collect()),
            },
        }
    }

    /// Draws pictures `[seeds, channels, height, width]` in `[-1, 1]`, one per seed, of the class in
    /// the same place of `classes` if there are classes.
    pub fn draw(&self, seeds: &[u64], classes: &[usize], truncation: Option<f64>) -> Tensor<4> {
        let rows = self.drawing.rows(seeds, classes, truncation);
        self.drawing.draw(rows.joined())
    }

    /// From now on draws with statistics of batch normalisation over so many batches of 64 generated
    /// pictures, of all classes in turn and of latents with this truncation, in the place of those of the
    /// training: [`standing_statistics`](gan_core::game::standing_statistics).
    ///
    /// # Errors
    ///
    /// If the generator has no batch normalisation.
    pub fn use_standing_statistics(
        &mut self,
        batches: usize,
        truncation: Option<f64>,
    ) -> Result<(), Failure> {
        let rows: Vec<Tensor<2>> = (0..batches as u64)
            .map(|batch| {
                let first = STANDING_SEED + batch * STANDING_BATCH as u64;
                let seeds: Vec<u64> = (first..first + STANDING_BATCH as u64).collect();
                let classes = self.classes(None, STANDING_BATCH)?;
                Ok(self.drawing.rows(&seeds, &classes, truncation).joined())
            })
            .collect::<Result<_, Failure>>()?;
        if self.drawing.use_standing_statistics(&rows) {
            return Ok(());
        }
        Err(Failure::usage(
            "--standing-statistics: this generator has no batch normalisation; leave the flag out",
        ))
    }

    /// Draws the rows that [`draw`](Self::draw) makes its pictures of: latents, with the class after them
    /// if there are classes.
    pub fn rows(&self, seeds: &[u64], classes: &[usize]) -> Tensor<2> {
        self.drawing.rows(seeds, classes, None).joined()
    }

    /// The same in its two parts.
    pub(crate) fn parts(&self, seeds: &[u64], classes: &[usize], truncation: Option<f64>) -> Rows {
        self.drawing.rows(seeds, classes, truncation)
    }

    /// Where its latents come from.
    pub(crate) fn latent(&self) -> LatentPrior {
        self.drawing.latent()
    }

    /// The configuration of the model as JSON: the part `model` of `config.json`.
    pub fn model(&self) -> String {
        self.drawing.model()
    }

    /// The convolutional critic of the run, on a device with autodiff.
    ///
    /// # Errors
    ///
    /// If the critic of the run is of another kind.
    pub fn conv_critic(&self) -> Result<ConvCritic, Failure> {
        let state = self.drawing.state();
        let fresh = self.fresh_conv_critic()?;
        // A checkpoint knows the critic as one of several kinds.
        match restore_module(ImageCritic::Conv(fresh), CRITIC, state.group(CRITIC)?)? {
            ImageCritic::Conv(critic) => Ok(critic),
            ImageCritic::Mlp(_) | ImageCritic::Autoencoder(_) => Err(not_convolutional()),
        }
    }

    /// [`conv_critic`](Self::conv_critic) with weights that have learnt nothing.
    ///
    /// # Errors
    ///
    /// As there.
    pub fn fresh_conv_critic(&self) -> Result<ConvCritic, Failure> {
        let model: Value = serde_json::from_str(&self.model())?;
        let stream = &mut Stream::new(0, "critic-weights", 0);
        match serde_json::from_value(model["critic"].clone()) {
            Ok(ImageCriticConfig::Conv(config)) => {
                Ok(config.init(stream, &self.device().clone().autodiff()))
            }
            _ => Err(not_convolutional()),
        }
    }

    /// The weights of a player under the names they have in PyTorch; for the generator, their average
    /// where there is one and it is used.
    ///
    /// # Errors
    ///
    /// If there is no such player.
    pub fn state_dict(
        &self,
        player: &str,
        norms: SpectralNorms,
    ) -> Result<BTreeMap<String, TensorData>, Failure> {
        let state = self.drawing.state();
        let players = || {
            let players = state.groups.keys().filter(|group| {
                let group = group.as_str();
                group != AVERAGE && !group.ends_with("-optimizer")
            });
            players.cloned().collect::<Vec<_>>().join(", ")
        };
        let averaged = self.drawing.is_averaged() && player == GENERATOR;
        let average = state.groups.get(AVERAGE).filter(|_| averaged);
        match average.or_else(|| state.groups.get(player)) {
            Some(tensors) => Ok(state_dict(tensors, norms)),
            None => Err(Failure::usage(format!(
                "--player {player}: there is no such player; the players are {}",
                players()
            ))),
        }
    }

    /// A closed walk past what [`draw`](Self::draw) would draw, `steps` rows to each: latents along
    /// `path`, classes in straight lines. The rows are for [`draw_rows`](Self::draw_rows).
    pub fn walk(
        &self,
        seeds: &[u64],
        classes: &[usize],
        steps: usize,
        path: LatentPath,
    ) -> Tensor<2> {
        let rows = self.drawing.rows(seeds, classes, None);
        let walked = Rows {
            latents: walk(rows.latents, steps, path, true),
            condition: rows
                .condition
                .map(|rows| walk(rows, steps, LatentPath::Linear, true)),
        };
        walked.joined()
    }

    /// Draws pictures for rows of a walk.
    pub fn draw_rows(&self, rows: Tensor<2>) -> Tensor<4> {
        self.drawing.draw(rows)
    }
}
