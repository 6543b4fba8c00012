//! Every adversarial loss with and without a brake on the critic, at equal pictures of MNIST: a table in
//! Markdown. A cell that is in the file of results is not played again.
//!
//! ```text
//! cargo run --release --example loss_table -- --data DIR --kimg 20 --out losses.jsonl
//! ```

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use burn::data::dataset::Dataset;
use burn::prelude::*;
use clap::Parser;
use gan::{Failure, cli};
use gan_core::game::{Clock, Game, Gan, SampleRequest};
use gan_core::loss::{AdversarialLoss, BeganConfig};
use gan_core::nn::{
    AutoencoderConfig, Critic, ImageCriticConfig, ImageGenerator, ImageShape, SpectralNormConfig,
};
use gan_core::rng::Stream;
use gan_data::source::{Mnist, Split};
use gan_data::{ChannelMode, Loader, LoaderConfig, PixelRange};
use gan_metrics::features::{DigitFeatures, Features, PictureShape};
use gan_metrics::score::{FrechetConfig, Gaussian, Moments, Rows, frechet_distance};
use gan_models::preset;
use serde_json::{Value, json};

/// Train a small GAN for every loss and brake, and score its digits.
#[derive(Parser)]
struct Arguments {
    /// Folder with the four files of MNIST
    #[arg(long, value_name = "FOLDER")]
    data: PathBuf,
    /// Thousands of real pictures that each cell may see
    #[arg(long, default_value_t = 20)]
    kimg: u64,
    /// Generated digits that are scored
    #[arg(long, default_value_t = 5000, value_parser = cli::count)]
    samples: usize,
    /// Decides weights, latents and the order of the pictures
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Where results are kept, one line of JSON per cell
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

const BRAKES: [&str; 4] = ["none", "r1", "wgan_gp", "spectral_norm"];
const DIGIT: ImageShape = ImageShape {
    channels: 1,
    size: 28,
};

/// What all cells share.
struct Scorer {
    arguments: Arguments,
    features: DigitFeatures,
    real: Gaussian,
}

impl Scorer {
    /// Plays the preset `default` with another loss and brake; `began` is no `AdversarialLoss`.
    fn cell(&self, name: &str, loss: AdversarialLoss, brake: &str) -> Result<f64, Failure> {
        let mut config = preset("default", DIGIT)?;
        config.gan.loss = loss;
        config.gan.penalty = match brake {
            "r1" => config.gan.penalty,
            "wgan_gp" => {
                serde_json::from_value(json!({"rule": {"kind": "wgan_gp", "lambda": 10}}))?
            }
            _ => None,
        };
        let spectral_norm = (brake == "spectral_norm").then(SpectralNormConfig::default);
        let stream = |name| Stream::new(self.arguments.seed, name, 0);
        let device = Device::flex().autodiff();
        let generator = config
            .generator
            .init(&mut stream("generator-weights"), &device);
        let critic = &mut stream("critic-weights");
        if name == "began" || matches!(loss, AdversarialLoss::EnergyBased { .. }) {
            // Their score is minus the error of a reconstruction.
            let mut autoencoder = AutoencoderConfig::new([DIGIT.num_values(), 256, 64]);
            autoencoder.encoder.spectral_norm = spectral_norm;
            autoencoder.decoder.spectral_norm = spectral_norm;
            config.gan.pull_away = (name != "began").then_some(0.1);
            let game = Gan::new(config.gan, generator, autoencoder.init(critic, &device))?;
            return self.play(match name {
                "began" => game.with_objective(BeganConfig::default().init(&device)),
                _ => game,
            });
        }
        if let ImageCriticConfig::Conv(critic) = &mut config.critic {
            critic.spectral_norm = spectral_norm;
        }
        let critic = config.critic.init(critic, &device);
        self.play(Gan::new(config.gan, generator, critic)?)
    }

    /// The distance of the digits after the training.
    fn play<C: Critic<4>>(&self, mut game: Gan<ImageGenerator, C, 4>) -> Result<f64, Failure> {
        let (seed, device) = (self.arguments.seed, Device::flex());
        let data = Mnist::open(&self.arguments.data, Split::Train, ChannelMode::Grey)?;
        let order = LoaderConfig::new(32).with_seed(seed).with_workers(Some(0));
        let batches = Loader::new(Arc::new(data), order, &device)?;
        let mut clock = Clock::new(seed);
        for batch in batches {
            if clock.images >= 1000 * self.arguments.kimg {
                break;
            }
            game.round(batch?.images, &clock);
            clock.advance(32);
        }
        let mut bytes = Vec::new();
        for start in (0..self.arguments.samples).step_by(500) {
            let count = (self.arguments.samples - start).min(500);
            let stream = &mut Stream::new(seed, "samples", start as u64);
            let latents = game.config().latent.draw(count, stream, &device);
            let averaged = true;
            let pictures = game.sample(&SampleRequest { latents, averaged });
            let values: Vec<f32> = pictures.into_data().try_to_vec()?;
            bytes.extend(values.iter().map(|value| PixelRange::Signed.decode(*value)));
        }
        let fake = gaussian(&self.features, "the generated digits", &bytes)?;
        Ok(frechet_distance(&self.real, &fake, FrechetConfig::default())?.value)
    }
}

fn gaussian(features: &DigitFeatures, set: &str, bytes: &[u8]) -> Result<Gaussian, Failure> {
    let side = DIGIT.size;
    let shape = PictureShape {
        count: bytes.len() / (side * side),
        height: side,
        width: side,
        channels: 1,
    };
    let batch = features.features(bytes, shape)?;
    let mut moments = Moments::new(features.size());
    moments.add(&Rows::new(set, &batch.values, features.size())?)?;
    Ok(moments.gaussian(set)?)
}

/// The number of a cell in the lines of earlier runs.
fn found(lines: &str, cell: &Value) -> Option<f64> {
    let mut lines = lines
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok());
    lines
        .find(|line| line["cell"] == *cell)
        .and_then(|line| line["distance"].as_f64())
}

fn main() -> ExitCode {
    cli::main(|arguments: Arguments| {
        let features = DigitFeatures::new(&Device::flex())?;
        let test = Mnist::open(&arguments.data, Split::Test, ChannelMode::Grey)?;
        let mut bytes = Vec::new();
        for index in 0..test.len() {
            bytes.extend(test.get(index)?.pixels);
        }
        let real = gaussian(&features, "the test digits", &bytes)?;
        let scorer = Scorer {
            arguments,
            features,
            real,
        };
        let arguments = &scorer.arguments;
        let mut losses: Vec<(String, AdversarialLoss)> = Vec::new();
        for mut loss in AdversarialLoss::ALL {
            // Mean absolute errors of digits in [-1, 1] are below that of a black picture, about 0.26.
            if let AdversarialLoss::EnergyBased { margin } = &mut loss {
                *margin = 0.2;
            }
            let value = json!(loss);
            let key = value.as_object().and_then(|object| object.keys().next());
            let name = key.map(String::as_str).or(value.as_str());
            losses.push((name.unwrap_or_default().into(), loss));
        }
        losses.push(("began".into(), AdversarialLoss::NonSaturating));
        let mut table = format!(
            "| loss | {} |\n| --- |{}\n",
            BRAKES.join(" | "),
            " --- |".repeat(4)
        );
        for (name, loss) in losses {
            table += &format!("| `{name}` |");
            for brake in BRAKES {
                let lines = fs::read_to_string(&arguments.out).unwrap_or_default();
                let cell = json!([
                    name,
                    brake,
                    arguments.kimg,
                    arguments.samples,
                    arguments.seed
                ]);
                let distance = if let Some(distance) = found(&lines, &cell) {
                    distance
                } else {
                    let start = Instant::now();
                    let distance = scorer.cell(&name, loss, brake)?;
                    let seconds = start.elapsed().as_secs_f64();
                    let line = json!({"cell": cell, "distance": distance, "seconds": seconds});
                    eprintln!("{line}");
                    let file = OpenOptions::new()
                        .create(true)
                        .append(true)
                        .open(&arguments.out);
                    writeln!(file?, "{line}")?;
                    distance
                };
                table += &format!(" {distance:.1} |");
            }
            table += "\n";
        }
        cli::say(table.trim_end());
        Ok(())
    })
}
