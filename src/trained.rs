//! Trained runs, to draw from.

use std::path::Path;
use std::sync::Arc;

use burn::prelude::*;
use gan_core::game::{Clock, Game, SampleRequest};
use gan_core::nn::ImageShape;
use gan_core::sample::{LatentPath, walk};
use gan_core::train::{Checkpoints, Found, RunDir, Saved};
use gan_data::source::Pictures;
use gan_models::{ClassGanConfig, ImageGanConfig, Model, Rows, SemiSupervisedConfig};
use serde_json::Value;

use crate::Failure;
use crate::backend::Backend;
use crate::cli::RunArgs;
use crate::pictures::{as_configured, find_data, natural_data};
use crate::progress::Screen;
use crate::resolve::{DataConfig, RunConfig};
use crate::set;

/// Pictures in a batch for standing statistics.
const STANDING_BATCH: usize = 64;
/// Seed of the first of them, above those that a person asks for.
const STANDING_SEED: u64 = 1 << 40;

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

/// Which checkpoint of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Which {
    /// The newest good one.
    #[default]
    Latest,
    /// The one with the best score.
    Best,
    /// The one made after this round.
    Round(u64),
}

impl Which {
    /// Reads `latest`, `best` or a number.
    ///
    /// # Errors
    ///
    /// Says what is allowed.
    pub fn parse(text: &str) -> Result<Self, String> {
        match text {
            "latest" => Ok(Self::Latest),
            "best" => Ok(Self::Best),
            _ => text
                .parse()
                .map(Self::Round)
                .map_err(|_| "it must be latest, best or the number of a round".into()),
        }
    }
}

/// What can be asked of a trained model of any kind.
trait Drawing {
    fn draw(&self, rows: Tensor<2>) -> Tensor<4>;
    fn rows(&self, seeds: &[u64], classes: &[usize], truncation: Option<f64>) -> Rows;
    fn image(&self) -> ImageShape;
    fn num_classes(&self) -> usize;
    fn num_labels(&self) -> usize;
    fn use_standing_statistics(&mut self, batches: &[Tensor<2>]) -> bool;
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

    fn num_labels(&self) -> usize {
        self.model.num_labels()
    }

    fn use_standing_statistics(&mut self, batches: &[Tensor<2>]) -> bool {
        self.game.use_standing_statistics(batches, self.averaged)
    }
}

impl Trained {
    /// Loads the newest good checkpoint of a run.
    ///
    /// # Errors
    ///
    /// If the folder is no run, or none of its checkpoints is good.
    pub fn open(arguments: &RunArgs) -> Result<Self, Failure> {
        let screen = Screen::new(arguments.quiet);
        let backend = arguments.backend.as_deref();
        Self::open_at(
            &arguments.run,
            &Which::Latest,
            arguments.raw,
            backend,
            &screen,
        )
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

/// A run, and what to load of it.
struct Source<'a> {
    run: &'a RunDir,
    config: &'a Value,
    which: &'a Which,
    raw: bool,
    backend: Backend,
    screen: Screen,
}

impl Source<'_> {
    fn load<M: Model + 'static>(self) -> Result<Trained, Failure> {
        let place = self.run.config().display().to_string();
        let config: RunConfig<M> = set::read(self.config, &place)?;
        let mut game = config.model.init(config.seed, &self.backend.device)?;
        let saved = self.saved(config.train.keep_checkpoints)?;
        game.restore(&saved.state)
            .map_err(|error| Failure::new(format!("{}: {error}", saved.path.display())))?;
        let loaded = Loaded {
            model: config.model,
            game,
            averaged: !self.raw,
            device: self.backend.device.clone(),
        };
        Ok(Trained {
            clock: saved.clock,
            screen: self.screen,
            drawing: Box::new(loaded),
            data: config.data,
            backend: self.backend,
        })
    }

    fn saved(&self, keep: usize) -> Result<Saved, Failure> {
        let checkpoints = Checkpoints::new(self.run, keep);
        if let Which::Round(round) = self.which {
            return self.of_round(&checkpoints, *round);
        }
        let Found { good, damaged } = checkpoints.latest_good()?;
        let folder = self.run.checkpoints();
        let Some(saved) = good else {
            let reasons: String = damaged.iter().map(|damage| format!("; {damage}")).collect();
            return Err(Failure::new(format!(
                "{}: there is no checkpoint that can be used{reasons}; train the run further",
                folder.display()
            )));
        };
        for damage in &damaged {
            self.screen.note(format!(
                "cannot use the checkpoint {damage}; using the one before"
            ));
        }
        let best = saved.best.as_ref().map(|best| best.round);
        match (self.which, best) {
            (Which::Best, Some(round)) => self.of_round(&checkpoints, round),
            (Which::Best, None) => Err(Failure::new(format!(
                "--checkpoint best: no checkpoint in {} has a score; train with --evaluate, or use latest",
                folder.display()
            ))),
            _ => Ok(saved),
        }
    }

    fn of_round(&self, checkpoints: &Checkpoints, round: u64) -> Result<Saved, Failure> {
        let path = checkpoints.path_of(round);
        if !path.is_dir() {
            return Err(Failure::new(format!(
                "--checkpoint: there is no {}; the folder beside it has those that were kept",
                path.display()
            )));
        }
        Checkpoints::load(&path).map_err(|damage| Failure::new(format!("--checkpoint {damage}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checkpoints_are_named() {
        assert_eq!(Which::parse("best"), Ok(Which::Best));
        assert_eq!(Which::parse("latest"), Ok(Which::Latest));
        assert_eq!(Which::parse("120"), Ok(Which::Round(120)));
        assert!(
            Which::parse("-1")
                .unwrap_err()
                .contains("number of a round")
        );
    }
}
