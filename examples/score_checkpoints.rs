//! Scores the checkpoints of a run on CIFAR-10: how the pictures become better, and what truncation does.
//!
//! ```text
//! cargo run --release --example score_checkpoints -- --run runs/00000-cifar10-biggan
//! cargo run --release --example score_checkpoints -- --run runs/00000-cifar10-biggan --truncation 2,1,0.5
//! ```

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use burn::prelude::*;
use clap::Parser;
use gan::backend::Backend;
use gan::classifier::{Example, examples};
use gan::resolve::RunConfig;
use gan::{Failure, cli};
use gan_core::game::{Game, SampleRequest};
use gan_core::train::{Checkpoints, RunDir};
use gan_data::io::pictures_from;
use gan_data::source::{Split, open};
use gan_data::{ChannelMode, PixelRange};
use gan_metrics::features::{CifarClassifier, CifarFeatures, Features, PictureShape};
use gan_metrics::score::{
    FrechetConfig, Gaussian, ManifoldConfig, Moments, Rows, frechet_distance, manifold_scores,
};
use gan_models::{ClassGanConfig, Model};

/// Pictures drawn at a time.
const CHUNK: usize = 250;
/// Pictures in a batch for standing statistics.
const STANDING_BATCH: usize = 64;

/// Score the checkpoints of a run on CIFAR-10, the untrained networks first.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// The folder of the run
    #[arg(long, value_name = "DIR")]
    run: PathBuf,
    /// Generated pictures for a score, of all classes in turn
    #[arg(long, value_name = "N", default_value = "5000", value_parser = cli::count)]
    num: usize,
    /// Only the newest checkpoint, with latents within these distances of the mean
    #[arg(long, value_name = "LIMITS", value_delimiter = ',', value_parser = cli::positive)]
    truncation: Vec<f64>,
    /// Statistics of batch normalisation from so many batches of 64 generated pictures
    #[arg(long, value_name = "N", value_parser = cli::count)]
    standing_statistics: Option<usize>,
    /// Use the weights as they are instead of their moving average
    #[arg(long)]
    raw: bool,
}

/// What generated pictures are compared with.
struct Reals {
    features: CifarFeatures,
    all: Gaussian,
    /// As many as are generated.
    some: Vec<f32>,
}

impl Reals {
    fn new(train: &[Example], count: usize, device: &Device) -> Result<Self, Failure> {
        let features = CifarFeatures::new(device)?;
        let values = features_of(
            &features,
            train.iter().flat_map(|(pixels, _)| pixels.clone()),
        )?
        .0;
        let mut moments = Moments::new(features.size());
        moments.add(&Rows::new("the real pictures", &values, features.size())?)?;
        // The classes lie one after the other.
        let step = (train.len() / count).max(1);
        let some = values.chunks(features.size()).step_by(step).take(count);
        let some = some.flatten().copied().collect();
        let all = moments.gaussian("the real pictures")?;
        Ok(Self {
            features,
            all,
            some,
        })
    }

    /// One line about pictures that ought to be of `classes`.
    fn score(&self, what: &str, pixels: Vec<u8>, classes: &[usize]) -> Result<(), Failure> {
        let size = self.features.size();
        let (values, probabilities) = features_of(&self.features, pixels)?;
        let fakes = Rows::new("the generated pictures", &values, size)?;
        let mut moments = Moments::new(size);
        moments.add(&fakes)?;
        let fake = moments.gaussian("the generated pictures")?;
        let distance = frechet_distance(&self.all, &fake, FrechetConfig::default())?;
        let reals = Rows::new("the real pictures", &self.some, size)?;
        let manifold = manifold_scores(&reals, &fakes, ManifoldConfig::default())?;
        let right = probabilities.chunks(CifarClassifier::CLASSES).zip(classes);
        let right = right.filter(|(row, class)| row.iter().all(|p| *p <= row[**class]));
        println!(
            "| {what} | {:.3} | {:.3} | {:.3} | {:.1} % |",
            distance.value,
            manifold.precision,
            manifold.recall,
            100.0 * right.count() as f64 / classes.len() as f64
        );
        Ok(())
    }
}

/// Features and probabilities of pictures, byte after byte.
fn features_of(
    features: &CifarFeatures,
    pixels: impl IntoIterator<Item = u8>,
) -> Result<(Vec<f32>, Vec<f32>), Failure> {
    let pixels: Vec<u8> = pixels.into_iter().collect();
    let (side, channels) = (CifarClassifier::SIDE, CifarClassifier::CHANNELS);
    let shape = PictureShape {
        count: pixels.len() / (side * side * channels),
        height: side,
        width: side,
        channels,
    };
    let batch = features.features(&pixels, shape)?;
    Ok((batch.values, batch.probabilities.unwrap_or_default()))
}

fn main() -> ExitCode {
    cli::main(|arguments: Arguments| {
        let device = Backend::open(None)?.device;
        let run = RunDir::open(&arguments.run)?;
        let config: RunConfig<ClassGanConfig> = serde_json::from_value(run.read_config()?)?;
        let set = |split| {
            let set = open(Path::new(&config.data.source), split, ChannelMode::Rgb)?;
            examples(set.as_ref())
        };
        let reals = Reals::new(&set(Split::Train)?, arguments.num, &device)?;
        println!(
            "| {} | distance | precision | recall | right class |",
            reals.features.name()
        );
        println!("| --- | --- | --- | --- | --- |");
        let test = set(Split::Test)?;
        let classes: Vec<usize> = test.iter().map(|(_, label)| *label as usize).collect();
        let pixels = test.into_iter().flat_map(|(pixels, _)| pixels).collect();
        reals.score("test pictures", pixels, &classes)?;

        let mut game = config.model.init(config.seed, &device)?;
        let draw = |what: &str, game: &mut _, truncation| {
            let (pixels, classes) = pictures(&arguments, &config.model, game, truncation, &device)?;
            reals.score(what, pixels, &classes)
        };
        let mut folders = checkpoints(&run)?;
        if arguments.truncation.is_empty() {
            draw("0 kimg", &mut game, None)?;
        } else {
            folders.drain(..folders.len().saturating_sub(1));
        }
        for folder in folders {
            let saved = Checkpoints::load(&folder)?;
            game.restore(&saved.state)?;
            let kimg = saved.clock.kimg();
            if arguments.truncation.is_empty() {
                draw(&format!("{kimg:.0} kimg"), &mut game, None)?;
            }
            for limit in &arguments.truncation {
                draw(&format!("{limit}"), &mut game, Some(*limit))?;
            }
        }
        Ok(())
    })
}

/// The checkpoints, oldest first.
fn checkpoints(run: &RunDir) -> Result<Vec<PathBuf>, Failure> {
    let entries = std::fs::read_dir(run.checkpoints())?;
    let mut folders: Vec<PathBuf> = entries
        .map(|entry| Ok(entry?.path()))
        .collect::<Result<_, std::io::Error>>()?;
    folders.retain(|folder| folder.is_dir());
    folders.sort();
    Ok(folders)
}

/// Bytes of generated pictures, and their classes.
fn pictures(
    arguments: &Arguments,
    model: &ClassGanConfig,
    game: &mut <ClassGanConfig as Model>::Game,
    truncation: Option<f64>,
    device: &Device,
) -> Result<(Vec<u8>, Vec<usize>), Failure> {
    let averaged = !arguments.raw;
    let rows = |seeds: std::ops::Range<usize>| {
        let classes: Vec<usize> = seeds.clone().map(|i| i % model.num_classes()).collect();
        let seeds: Vec<u64> = seeds.map(|seed| seed as u64).collect();
        (
            model.rows(&seeds, &classes, truncation, device).joined(),
            classes,
        )
    };
    if let Some(batches) = arguments.standing_statistics {
        // Other latents than those that are scored.
        let first = |batch: usize| arguments.num + batch * STANDING_BATCH;
        let latents = (0..batches).map(|batch| rows(first(batch)..first(batch + 1)).0);
        if !game.use_standing_statistics(&latents.collect::<Vec<_>>(), averaged) {
            let message = "--standing-statistics: this generator has no batch normalisation";
            return Err(Failure::usage(message));
        }
    }
    let (mut pixels, mut all) = (Vec::new(), Vec::new());
    for first in (0..arguments.num).step_by(CHUNK) {
        let (latents, classes) = rows(first..arguments.num.min(first + CHUNK));
        let images = game.sample(&SampleRequest { latents, averaged });
        let drawn = pictures_from(&images, PixelRange::Signed)?;
        pixels.extend(drawn.into_iter().flat_map(|picture| picture.pixels));
        all.extend(classes);
    }
    Ok((pixels, all))
}
