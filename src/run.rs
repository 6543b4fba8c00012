//! A training session: everything around the rounds of a game, put together from `gan-core`'s trainer
//! and `gan-data`'s loader.

mod process;
mod told;

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use burn::prelude::*;
use gan_core::game::{Clock, Game, SampleRequest};
use gan_core::train::{
    BoxError, Command, DataInfo, Evaluate, Every, Log, LossPlot, ReportPage, RunDir, RunInfo,
    Samples, ShowProgress, Trainer,
};
use gan_core::words;
use gan_data::io::write_grid;
use gan_data::source::Pictures;
use gan_data::transform::{Crop, TransformConfig};
use gan_data::{Batch, Loader, LoaderConfig, PixelRange, Summary, write_reals};
use gan_models::{ImageGanConfig, Model, Shown};

use self::process::stop_on_ctrl_c;
pub use self::process::writable;
use crate::Failure;
use crate::backend::Backend;
use crate::cli::TrainArgs;
use crate::evaluate::Judge;
use crate::labelled::test_split;
use crate::next;
use crate::pictures::channel_mode;
use crate::progress::Screen;
use crate::resolve::{Resolved, RunConfig, resolve};
use crate::{draw_losses, draw_metrics};

/// Real pictures on a picture of the run.
const REALS: usize = 64;
/// Pictures whose translations are on a picture of the run.
const TRANSLATED: usize = 16;
/// Samples side by side on a picture of the run.
const COLUMNS: usize = 8;
/// Steps of a continuous code on a picture of what it does.
const SWEEP: usize = 11;
/// Pictures decoded for the report on the data.
const LOOKED_AT: usize = 64;

/// A training session: configuration, device, pictures and screen, from the flags. `M` says which
/// presets there are and what is played.
pub struct Session<M: Model = ImageGanConfig> {
    arguments: TrainArgs,
    program: &'static str,
    config: RunConfig<M>,
    backend: Backend,
    data: Arc<dyn Pictures>,
    info: DataInfo,
    run: Option<RunDir>,
    screen: Screen,
}

impl Session {
    /// A session of a model without labels that begins at the preset `default`, if no other is named.
    ///
    /// # Errors
    ///
    /// As [`open_at`](Session::open_at).
    pub fn open(arguments: &TrainArgs, program: &'static str) -> Result<Self, Failure> {
        Self::open_at(arguments, program, "default")
    }
}

impl<M: Model> Session<M> {
    /// Finds the pictures, fills in the configuration, opens the device, and tells a person about
    /// them. `begin_at` is the preset if none is named. Nothing is written.
    ///
    /// # Errors
    ///
    /// A flag, a file or a value that is not allowed, by name.
    pub fn open_at(
        arguments: &TrainArgs,
        program: &'static str,
        begin_at: &str,
    ) -> Result<Self, Failure> {
        let screen = Screen::new(arguments.quiet);
        let backend = Backend::open(arguments.backend.as_deref())?;
        let Resolved { config, data, run } = resolve::<M>(arguments, begin_at, &backend, &screen)?;
        let summary = Summary::of(data.as_ref(), LOOKED_AT)?;
        screen.say(format!("data     {summary}"));
        if let Some(note) = told::differences(&summary, config.model.image()) {
            screen.note(note);
        }
        if let Some(warning) = backend.warning(config.model.is_convolutional()) {
            screen.note(warning);
        }
        let info = DataInfo {
            name: summary.name,
            count: summary.count,
            fingerprint: summary.fingerprint,
        };
        Ok(Self {
            arguments: arguments.clone(),
            program,
            config,
            backend,
            data,
            info,
            run,
            screen,
        })
    }

    /// All of a training: the session, its game with fresh weights, and every round of it. `begin_at` is
    /// the preset if none is named.
    ///
    /// # Errors
    ///
    /// As [`open_at`](Session::open_at) and [`play`](Session::play).
    pub fn train(
        arguments: &TrainArgs,
        program: &'static str,
        begin_at: &str,
    ) -> Result<(), Failure> {
        let mut session = Self::open_at(arguments, program, begin_at)?;
        let config = session.config();
        let mut game = config.model.init(config.seed, session.device())?;
        session.play(&mut game)
    }

    /// The configuration.
    pub fn config(&self) -> &RunConfig<M> {
        &self.config
    }

    /// The device, without autodiff.
    pub fn device(&self) -> &Device {
        &self.backend.device
    }

    /// The real pictures.
    pub fn data(&self) -> &Arc<dyn Pictures> {
        &self.data
    }

    /// Where to say something.
    pub fn screen(&self) -> &Screen {
        &self.screen
    }

    /// Plays the whole run in its folder, from where it stopped if it did; with `--dry-run`, only
    /// one round.
    ///
    /// # Errors
    ///
    /// The data, the disk, another configuration than the run began with, or divergence.
    pub fn play(&mut self, game: &mut M::Game) -> Result<(), Failure> {
        let image = self.config.model.image();
        let size = image.size;
        let counts = game.parameter_counts();
        let counts = counts.iter().map(|(name, count)| format!("{name} {count}"));
        let channels = words::count(image.channels, "channel");
        self.screen.say(format!(
            "model    {}: {size} x {size} pixels, {channels}, {} parameters, batch {}, {} kimg, seed {}, \
             on {}",
            self.config.model.name(),
            counts.collect::<Vec<_>>().join(", "),
            self.config.model.batch_size(),
            self.config.model.total_kimg(),
            self.config.seed,
            self.backend.describe()
        ));
        let mut loader = self.loader()?;
        if self.arguments.dry_run {
            return self.dry_run(game, &loader);
        }
        if let Some(run) = &self.run
            && std::fs::read_dir(run.checkpoints()).is_ok_and(|mut all| all.next().is_none())
        {
            self.screen.note(format!(
                "{} has no checkpoint: beginning at the start",
                run.path().display()
            ));
        }
        // Before anything is made, since its weights may be the wrong ones.
        let evaluate = self.evaluate()?;
        let run = self.prepare_run(game)?;
        self.screen
            .say(format!("run      {}", run.path().display()));
        let mut trainer = self.trainer(run.clone(), evaluate)?;
        // Only the process that holds the lock may write here.
        run.write_config(&serde_json::to_value(&self.config)?)?;
        let begin = Instant::now();
        let model = &self.config.model;
        let outcome = trainer.run(game, |clock| {
            if loader.position() != clock.round {
                loader.seek(clock.round);
            }
            let batch = |batch| game_batch(model, batch, clock);
            loader.next().map(|loaded| loaded.map(batch))
        });
        let outcome = outcome.inspect_err(|error| self.report_divergence(&run, error))?;
        self.draw_sweeps(&run, game)?;
        self.tell_what_next(&run, &outcome, begin.elapsed());
        Ok(())
    }

    /// `code-1.png`, …: what each continuous code of the model does.
    fn draw_sweeps(&self, run: &RunDir, game: &M::Game) -> Result<(), Failure> {
        let mut stream = Samples::stream(self.config.seed);
        let model = &self.config.model;
        let sweeps = model.sweeps(SWEEP, &mut stream, &self.backend.device);
        for (index, rows) in sweeps.into_iter().enumerate() {
            let pictures = game.sample(&SampleRequest {
                latents: rows.joined(),
                averaged: true,
            });
            let path = run.path().join(format!("code-{}.png", index + 1));
            write_grid(&path, &pictures, PixelRange::Signed, SWEEP)?;
        }
        Ok(())
    }

    /// What is made of each picture before the networks see it.
    fn transform(&self) -> TransformConfig {
        TransformConfig::new()
            .with_size(Some(self.config.model.loaded_size()))
            .with_crop(Crop::Centre)
            .with_flip_probability(self.config.data.flip_probability)
    }

    /// What the samples of the run are drawn from: for a model that makes pictures of pictures, of some that
    /// are held out where the data set has such.
    fn shown(&self) -> Result<Shown, Failure> {
        let (model, device) = (&self.config.model, self.device());
        let pictures = match model.translates() {
            true => Some(self.pictures_to_show()?),
            false => None,
        };
        let mut stream = Samples::stream(self.config.seed);
        Ok(model.fixed_rows(COLUMNS, pictures, &mut stream, device))
    }

    fn pictures_to_show(&self) -> Result<Tensor<4>, Failure> {
        let mode = channel_mode(&self.config.data)?;
        let held_out = test_split(&self.config.data, self.data.as_ref(), mode)?;
        let data = held_out.unwrap_or_else(|| self.data.clone());
        let transform = self.transform().with_flip_probability(0.0);
        // In an order of its own: the first ones may all be of one class.
        let count = match TRANSLATED.min(data.len()) {
            few @ 0..COLUMNS => few,
            many => many / COLUMNS * COLUMNS, // in full rows
        };
        let config = LoaderConfig::new(count)
            .with_seed(self.config.seed)
            .with_transform(transform);
        Ok(Loader::new(data, config, self.device())?.batch(0)?.images)
    }

    fn loader(&self) -> Result<Loader, Failure> {
        let config = LoaderConfig::new(self.config.model.batch_size())
            .with_seed(self.config.seed)
            .with_transform(self.transform());
        Loader::new(self.data.clone(), config, self.device()).map_err(|error| {
            let error = error.to_string();
            match error.strip_prefix("batch_size: ") {
                // The program always drops a short last batch.
                Some(rest) => {
                    let rest = rest.replace(", or turn drop_last off", "");
                    Failure::usage(format!("--batch (model.batch_size): {rest}"))
                }
                None => Failure::new(error),
            }
        })
    }

    /// The folder of the run, with all that is in it before the first round. `config.json` comes
    /// last and makes it a run.
    fn prepare_run(&mut self, game: &M::Game) -> Result<RunDir, Failure> {
        if let Some(run) = &self.run {
            run.check_data(&self.info)?;
            return Ok(run.clone());
        }
        let sample_rows = self.sample_rows()?;
        let name = format!("{}-{}", self.info.name, self.config.model.name());
        let run = RunDir::create(&self.arguments.out, &name)
            .map_err(|error| Failure::new(format!("--out {error}")))?;
        let seed = self.config.seed;
        write_reals(
            run.reals(),
            self.data.as_ref(),
            REALS,
            &self.transform(),
            seed,
        )?;
        let device = self.backend.describe();
        let mut info = RunInfo::new(self.program, device, self.config.seed, self.info.clone());
        let counts = game.parameter_counts().into_iter();
        info.parameters = counts
            .map(|(name, count)| (name.to_owned(), count))
            .collect();
        info.sample_rows = sample_rows;
        run.write_info(&info)?;
        Ok(run)
    }

    /// What the rows of the sample grids show: the classes, or choices of a code; or sources, results and
    /// targets in turn. Empty if nothing is asked of the pictures.
    fn sample_rows(&self) -> Result<Vec<String>, Failure> {
        let (model, shown) = (&self.config.model, self.shown()?);
        let count = shown.rows.latents.dims()[0].div_ceil(COLUMNS);
        if shown.beside.is_some() {
            let names = ["source", "result", "target"].map(String::from);
            return Ok(names.iter().cycle().take(3 * count).cloned().collect());
        }
        let names = match model.num_labels() {
            0 => None,
            _ => self.data.class_names(),
        };
        let name = |row: usize| match names.as_ref().and_then(|names| names.get(row)) {
            Some(name) => name.clone(),
            None => format!("code {row}"),
        };
        Ok((0..count.min(model.num_classes())).map(name).collect())
    }

    /// What the report of this run ends with.
    fn commands(&self, run: &RunDir) -> Vec<Command> {
        let model = &self.config.model;
        let asked = next::Asked::of(model);
        next::commands(run, self.program, model.total_kimg(), asked)
    }

    fn trainer(
        &mut self,
        run: RunDir,
        evaluate: Option<Evaluate<M::Game>>,
    ) -> Result<Trainer<M::Game>, Failure> {
        let train = self.config.train_config();
        let shown = self.shown()?;
        let rows = shown.rows.clone().joined();
        let samples = Samples::new(train.sample_every(), rows, move |path, made| {
            let columns = COLUMNS.min(made.dims()[0]);
            let pictures = shown.arranged(made, columns);
            write_grid(path, &pictures, PixelRange::Signed, columns)
                .map_err(|error| without_path(path, &error))
        });
        let sink = self.screen.sink();
        let screen = self.screen.clone();
        let report = ReportPage::new(self.commands(&run));
        let mut trainer = Trainer::new(run, train, self.config.seed)?
            .with_hook(Log::new(train.log_every()))
            .with_hook(samples);
        if let Some(evaluate) = evaluate {
            trainer = trainer.with_hook(evaluate);
        }
        Ok(trainer
            .with_hook(LossPlot::new(|path, log| {
                draw_losses(path, log).map_err(|error| without_path(path, &error))
            }))
            .with_hook(report)
            .with_hook(ShowProgress::new(sink))
            .with_notify(move |notice| screen.note(notice.to_string()))
            .with_stop_flag(stop_on_ctrl_c(&self.screen)?))
    }

    /// What scores the game on the way, if anything is to.
    fn evaluate(&self) -> Result<Option<Evaluate<M::Game>>, Failure> {
        let Some(config) = &self.config.train.evaluate else {
            return Ok(None);
        };
        let data = self.data.clone();
        let (model, device) = (&self.config.model, &self.backend.device);
        let mut judge = Judge::new(config, model, data, device, &self.screen)?;
        let hook = Evaluate::new(Every::kimg(config.kimg), move |game: &M::Game, _| {
            judge.measure(game)
        });
        let hook = hook
            .with_stop_after_worse(config.stop_after_worse)
            .with_plot(|path, metrics| {
                draw_metrics(path, metrics).map_err(|error| without_path(path, &error))
            });
        Ok(Some(hook))
    }
}

/// A batch of the loader as the game of `M` wants it.
fn game_batch<M: Model>(model: &M, batch: Batch, clock: &Clock) -> <M::Game as Game>::Batch {
    model.batch(batch.images, batch.labels, clock)
}

/// An error without the path it begins with: the trainer names the file already.
fn without_path(path: &Path, error: &impl ToString) -> BoxError {
    let text = error.to_string();
    let prefix = format!("{}: cannot write the file: ", path.display());
    text.strip_prefix(&prefix).unwrap_or(&text).into()
}
