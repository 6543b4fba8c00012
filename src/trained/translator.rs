//! Trained runs that make pictures of pictures.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use burn::prelude::*;
use gan_core::game::{Clock, Game, SampleRequest};
use gan_core::nn::ImageShape;
use gan_core::rng::Stream;
use gan_core::train::RunDir;
use gan_data::source::{Pictures, Split, open};
use gan_data::transform::{Crop, TransformConfig};
use gan_data::{ChannelMode, Loader, LoaderConfig};
use gan_models::{Task, TranslationConfig};

use super::drawing::Loaded;
use super::source::Source;
use super::{translates, with_generator};
use crate::Failure;
use crate::backend::Backend;
use crate::cli::RunArgs;
use crate::folder;
use crate::labelled::test_split;
use crate::pictures::{channel_mode, find_data};
use crate::progress::Screen;
use crate::resolve::{DataConfig, check_proportions};

/// Pictures of 64 pixels made at a time; of larger ones, fewer.
const CHUNK: usize = 64;

/// A run that makes pictures of pictures.
pub struct Translator {
    /// Where it stands.
    pub clock: Clock,
    /// Where to say something.
    pub screen: Screen,
    loaded: Loaded<TranslationConfig>,
    data: DataConfig,
}

/// Pictures for a [`Translator`].
pub struct Work {
    loader: Loader,
    /// Pictures made at a time.
    chunk: usize,
    /// What the results are called.
    pub names: Vec<String>,
    /// Whether what shall come out is known.
    pub are_known: bool,
    flag: &'static str,
}

impl Work {
    /// Number of calls of [`translate`](Translator::translate) for all of it.
    pub fn num_chunks(&self) -> usize {
        self.names.len().div_ceil(self.chunk)
    }

    /// What the results of a chunk are called; beyond the last one there are none.
    pub fn names_of(&self, chunk: usize) -> &[String] {
        self.names.chunks(self.chunk).nth(chunk).unwrap_or_default()
    }
}

/// Some of its pictures.
pub struct Done {
    /// What was given to the generator, to be looked at, `[count, channels, height, width]` in `[-1, 1]`.
    pub sources: Tensor<4>,
    /// What came out, of the same shape.
    pub results: Tensor<4>,
    /// What should have, if it is known.
    pub targets: Option<Tensor<4>>,
}

impl Translator {
    /// Loads the newest good checkpoint of a run, with the generator of another file if one is named.
    ///
    /// # Errors
    ///
    /// If the folder is no run, or one that draws from latents; if none of its checkpoints is good, or the
    /// file is of another network.
    pub fn open(arguments: &RunArgs) -> Result<Self, Failure> {
        let shown = arguments.run.display();
        let run = RunDir::open(&arguments.run);
        let run = run.map_err(|error| Failure::new(format!("--run {error}")))?;
        let config = run.read_config()?;
        if !translates(&config) {
            return Err(Failure::usage(format!(
                "--run {shown}: this run draws from latents and makes nothing of pictures; use cargo run \
                 --release --example sample -- --run {shown}"
            )));
        }
        let source = Source {
            run: &run,
            config: &config,
            which: &arguments.checkpoint,
            raw: arguments.raw,
            backend: Backend::open(arguments.backend.as_deref())?,
            screen: Screen::new(arguments.quiet),
        };
        let (mut loaded, clock, data) = source.game::<TranslationConfig>()?;
        if let Some(path) = &arguments.weights {
            let state = with_generator(loaded.game.state(), path)?;
            loaded.game.restore(&state)?;
        }
        Ok(Self {
            clock,
            screen: source.screen,
            loaded,
            data,
        })
    }

    fn task(&self) -> Task {
        self.loaded.model.task
    }

    /// What is made.
    pub fn image(&self) -> ImageShape {
        self.loaded.model.generator.image
    }

    /// The sources in a folder, archive or file, the first `num` of them or all: grey pictures, small ones, drawings,
    /// whatever the run makes its pictures of; to fill holes, pictures with transparent pixels.
    ///
    /// # Errors
    ///
    /// If there are none, they cannot be read, or they look like pairs of source and target.
    pub fn sources(&self, path: &Path, num: Option<usize>) -> Result<Work, Failure> {
        let mode = match self.task() {
            Task::Inpaint { .. } => ChannelMode::Rgba,
            _ => channel_mode(&self.data)?,
        };
        let size = [self.task().given_size(self.image()); 2];
        let data = opened(path, "--in", mode)?;
        let first = data.get(0)?;
        if matches!(self.task(), Task::SideBySide { .. }) && first.width == 2 * first.height {
            return Err(Failure::new(format!(
                "--in {}: the first picture is twice as wide as high, like source and target side by side; give \
                 sources alone, or pairs with --test",
                path.display()
            )));
        }
        self.work(data, size, "--in", num)
    }

    /// Pictures as in training, the first `num` of them or all, of which it makes the sources itself.
    ///
    /// # Errors
    ///
    /// If there are none, they cannot be read, or they are no pairs where the run makes pictures of pairs.
    pub fn known(&self, path: &Path, num: Option<usize>) -> Result<Work, Failure> {
        let data = opened(path, "--test", channel_mode(&self.data)?)?;
        check_proportions(&self.loaded.model, data.as_ref(), "--test")?;
        let size = self.task().loaded_size(self.image());
        self.work(data, size, "--test", num)
    }

    /// Those of the run's own data set that it was not trained on, the first `num` of them or all.
    ///
    /// # Errors
    ///
    /// If there are none, or they cannot be read.
    pub fn held_out(&self, num: Option<usize>) -> Result<Work, Failure> {
        let mode = channel_mode(&self.data)?;
        let (_, train) = find_data(Some(&self.data.source), &self.screen)?;
        let Some(data) = test_split(&self.data, train.as_ref(), mode)? else {
            return Err(Failure::usage(format!(
                "{}: nothing of it was held out; name pictures as in training with --test PATH, or sources with \
                 --in PATH",
                self.data.source
            )));
        };
        let size = self.task().loaded_size(self.image());
        self.work(data, size, "--test", num)
    }

    fn work(
        &self,
        data: Arc<dyn Pictures>,
        size: [usize; 2],
        flag: &'static str,
        num: Option<usize>,
    ) -> Result<Work, Failure> {
        let mut names = names(data.as_ref());
        names.truncate(num.unwrap_or(usize::MAX));
        let fitting = CHUNK * 64 * 64 / self.image().size.pow(2);
        let chunk = fitting.clamp(1, CHUNK).min(names.len());
        let transform = TransformConfig::new()
            .with_size(Some(size))
            .with_crop(Crop::Centre);
        let config = LoaderConfig::new(chunk)
            .with_transform(transform)
            .with_shuffle(false)
            .with_drop_last(false);
        Ok(Work {
            loader: Loader::new(data, config, &self.loaded.device)?,
            chunk,
            names,
            are_known: flag == "--test",
            flag,
        })
    }

    /// Chunk `chunk` of the pictures of `work`, from 0. Holes and dropout are drawn
    /// from `seed`, for each picture by itself.
    ///
    /// # Errors
    ///
    /// If a picture cannot be read, or has no hole to fill.
    pub fn translate(&self, work: &Work, chunk: usize, seed: u64) -> Result<Done, Failure> {
        let pictures = work.loader.batch(chunk as u64);
        let pictures = pictures.map_err(|error| Failure::new(format!("{} {error}", work.flag)))?;
        // The data may go on after the pictures that were asked for.
        let names = work.names_of(chunk);
        let pictures = pictures.images.narrow(0, 0, names.len());
        let (task, image) = (self.task(), self.image());
        let (sources, targets) = if work.are_known {
            let stream = &mut Stream::new(seed, "source", chunk as u64);
            let pair = task.pair(pictures, stream);
            (pair.sources, Some(pair.targets))
        } else {
            self.check_holes(&pictures, names)?;
            (task.source(pictures, image), None)
        };
        let first = chunk * work.chunk;
        let seeds: Vec<u64> = (first..first + names.len())
            .map(|index| seed.wrapping_add(index as u64))
            .collect();
        let rows = self.loaded.model.rows_of(sources.clone(), &seeds);
        let made = self.loaded.game.sample(&SampleRequest {
            latents: rows.joined(),
            averaged: self.loaded.averaged,
        });
        Ok(Done {
            results: task.finished(sources.clone(), made),
            sources: task.shown(sources, image),
            targets,
        })
    }

    fn check_holes(&self, given: &Tensor<4>, names: &[String]) -> Result<(), Failure> {
        let Task::Inpaint { .. } = self.task() else {
            return Ok(());
        };
        let [count, channels, ..] = given.dims();
        let alpha = given.clone().narrow(1, channels - 1, 1).flatten::<2>(1, 3);
        let least: Vec<f32> = alpha.min_dim(1).into_data().try_to_vec()?;
        match (0..count).find(|index| least[*index] >= 0.0) {
            None => Ok(()),
            Some(index) => Err(Failure::new(format!(
                "--in: the picture of {} has no transparent pixels, so that there is nothing to fill; make those \
                 transparent that shall be filled",
                names[index]
            ))),
        }
    }
}

fn opened(path: &Path, flag: &str, mode: ChannelMode) -> Result<Arc<dyn Pictures>, Failure> {
    let data = open(path, Split::Test, mode);
    let data = data.map_err(|error| Failure::new(format!("{flag} {error}")))?;
    if data.is_empty() {
        let shown = path.display();
        let message = format!("{flag} {shown}: there are no pictures in it");
        return Err(Failure::new(message));
    }
    Ok(data)
}

/// The names of the pictures, as PNG files in one folder; their numbers where they have none, or not
/// different ones.
fn names(data: &dyn Pictures) -> Vec<String> {
    let name = |index| {
        let name = data.file_name(index)?;
        let name = Path::new(&name).with_extension("png");
        Some(name.to_string_lossy().replace('/', "-"))
    };
    let names: Option<Vec<String>> = (0..data.len()).map(name).collect();
    let are_different =
        |names: &Vec<String>| names.iter().collect::<BTreeSet<_>>().len() == names.len();
    names
        .filter(are_different)
        .unwrap_or_else(|| folder::numbered(data.len()))
}
