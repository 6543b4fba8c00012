//! Trained runs, to draw from.

use burn::prelude::*;
use gan_core::game::{Clock, Game, SampleRequest};
use gan_core::nn::ImageShape;
use gan_core::sample::{LatentPath, walk};
use gan_core::train::{Checkpoints, RunDir};
use gan_models::{ClassGanConfig, ImageGanConfig, Model, Rows, SemiSupervisedConfig};
use serde_json::Value;

use crate::Failure;
use crate::backend::Backend;
use crate::cli::RunArgs;
use crate::progress::Screen;
use crate::resolve::RunConfig;
use crate::set;

/// A run to draw from.
pub struct Trained {
    /// Where it stands.
    pub clock: Clock,
    /// Where to say something.
    pub screen: Screen,
    drawing: Box<dyn Drawing>,
    backend: Backend,
}

/// What can be asked of a trained model of any kind.
trait Drawing {
    fn draw(&self, rows: Tensor<2>) -> Tensor<4>;
    fn rows(&self, seeds: &[u64], classes: &[usize], truncation: Option<f64>) -> Rows;
    fn image(&self) -> ImageShape;
    fn num_classes(&self) -> usize;
}

struct Loaded<M: Model> {
    model: M,
    game: M::Game,
    averaged: bool,
    device: Device,
}

impl<M: Model> Drawing for Loaded<M> {
    fn draw(&self, latents: Tensor<2>) -> Tensor<4> {
        self.game.sample(&SampleRequest {
            latents,
            averaged: self.averaged,
        })
    }

    fn rows(&self, seeds: &[u64], classes: &[usize], truncation: Option<f64>) -> Rows {
        self.model.rows(seeds, classes, truncation, &self.device)
    }

    fn image(&self) -> ImageShape {
        self.model.image()
    }

    fn num_classes(&self) -> usize {
        self.model.num_classes()
    }
}

impl Trained {
    /// Loads the newest good checkpoint of a run.
    ///
    /// # Errors
    ///
    /// If the folder is no run, or none of its checkpoints is good.
    pub fn open(arguments: &RunArgs) -> Result<Self, Failure> {
        let run =
            RunDir::open(&arguments.run).map_err(|error| Failure::new(format!("--run {error}")))?;
        let config = run.read_config()?;
        // Only a model that knows classes has a condition.
        let knows_classes = config["model"].get("condition").is_some();
        let is_semi_supervised = config["model"].get("labelled_per_class").is_some();
        match (knows_classes, is_semi_supervised) {
            (true, _) => Self::load::<ClassGanConfig>(arguments, &run, &config),
            (_, true) => Self::load::<SemiSupervisedConfig>(arguments, &run, &config),
            _ => Self::load::<ImageGanConfig>(arguments, &run, &config),
        }
    }

    fn load<M: Model + 'static>(
        arguments: &RunArgs,
        run: &RunDir,
        config: &Value,
    ) -> Result<Self, Failure> {
        let screen = Screen::new(arguments.quiet);
        let backend = Backend::open(arguments.backend.as_deref())?;
        let config: RunConfig<M> = set::read(config, &run.config().display().to_string())?;
        let mut game = config.model.init(config.seed, &backend.device)?;
        let found = Checkpoints::new(run, config.train.keep_checkpoints).latest_good()?;
        let folder = run.checkpoints();
        let Some(saved) = found.good else {
            let reasons = found.damaged.iter().map(|damage| format!("; {damage}"));
            let reasons: String = reasons.collect();
            return Err(Failure::new(format!(
                "{}: there is no checkpoint that can be used{reasons}; train the run further",
                folder.display()
            )));
        };
        for damage in &found.damaged {
            screen.note(format!(
                "cannot use the checkpoint {damage}; using the one before"
            ));
        }
        game.restore(&saved.state)
            .map_err(|error| Failure::new(format!("{}: {error}", saved.path.display())))?;
        let loaded = Loaded {
            model: config.model,
            game,
            averaged: !arguments.raw,
            device: backend.device.clone(),
        };
        Ok(Self {
            clock: saved.clock,
            screen,
            drawing: Box::new(loaded),
            backend,
        })
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
