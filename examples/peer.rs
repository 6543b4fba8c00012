//! Times our side of `cargo xtask peers`: prints one JSON line with the median round.
//!
//! `cargo run --release --example peer -- --case vanilla --rounds 60`
//!
//! With `--parity FOLDER` it plays one round instead, and writes the game before and after it and what
//! went in, for `benches/peers/parity.py` and `peer_burn`.

#[path = "peer/measure.rs"]
mod measure;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use burn::prelude::*;
use clap::Parser;
use gan::{Failure, cli};
use gan_core::game::{Clock, Game, GanConfig, SampleRequest};
use gan_core::loss::AdversarialLoss;
use gan_core::nn::{
    Activation, ImageCriticConfig, ImageGeneratorConfig, ImageShape, MlpCriticConfig,
    MlpGeneratorConfig, Norm,
};
use gan_core::optim::OptimizerConfig;
use gan_core::rng::Stream;
use gan_core::train::{Checkpoints, Extra, RunDir};
use gan_models::{ImageGan, ImageGanConfig, preset};

/// Time one of the peers' cases with our players.
#[derive(Parser)]
struct Arguments {
    /// vanilla, dcgan-28, dcgan-64 (or another size), wgan (the work of Burn's example of that name),
    /// or the name of a preset; sampling-vanilla and so on for drawing 10,000 pictures.
    #[arg(long, default_value = "vanilla")]
    case: String,
    /// Rounds timed, after ten that are not.
    #[arg(long, default_value_t = 60)]
    rounds: usize,
    /// Pictures in a round [default: 64; of wgan 512 for each of five critic steps].
    #[arg(long)]
    batch: Option<usize>,
    /// Narrowest width of dcgan at 64 pixels: PyTorch's example has 64, the paper 128.
    #[arg(long, default_value_t = 64)]
    base: usize,
    /// Play one round and write it below this folder.
    #[arg(long)]
    parity: Option<PathBuf>,
}

fn config(case: &str, base: usize) -> Result<ImageGanConfig, Failure> {
    let name = case.trim_start_matches("sampling-");
    let grey = ImageShape::new(1, 28);
    let size = name
        .strip_prefix("dcgan-")
        .and_then(|size| size.parse().ok());
    Ok(match (name, size) {
        ("wgan", _) => wgan(grey)?,
        (_, None) => preset(name, grey)?,
        (_, Some(28)) => preset("dcgan", grey)?,
        (_, Some(size)) => {
            let image = ImageShape::new(3, size);
            image.validate()?;
            gan_models::dcgan_with_base(image, base)
        }
    })
}

/// What Burn's example `wgan` trains: its sizes and constants, with the learning rate of the paper.
fn wgan(image: ImageShape) -> Result<ImageGanConfig, Failure> {
    let leaky = Activation::LeakyRelu { slope: 0.2 };
    let mut config = preset("vanilla", image)?;
    config.generator = ImageGeneratorConfig::Mlp(MlpGeneratorConfig {
        activation: leaky,
        norm: Norm::Batch {
            epsilon: 0.8,
            momentum: 0.1,
        },
        ..MlpGeneratorConfig::new(image, 100, [128, 256, 512, 1024])
    });
    config.critic = ImageCriticConfig::Mlp(MlpCriticConfig::new(image, [512, 256]));
    let optimizer = OptimizerConfig::RmsProp {
        lr: 5e-5,
        alpha: 0.99,
        epsilon: 8e-8,
    };
    config.gan = GanConfig {
        critic_steps: 5,
        weight_clip: Some(0.01),
        ..GanConfig::new(AdversarialLoss::Wasserstein, config.gan.latent, optimizer)
    };
    config.batch_size = 5 * 512;
    Ok(config)
}

/// Writes everything before the first round with its inputs, plays it, and writes everything again.
fn write_round(
    folder: &Path,
    game: &mut ImageGan,
    config: &ImageGanConfig,
    real: Tensor<4>,
    mut clock: Clock,
) -> Result<(), Failure> {
    let batch = real.dims()[0];
    // What the game is going to draw: its latents come from this stream, the critic's first.
    let mut stream: Stream = clock.stream("latents");
    let mut latents = |count| {
        let latents = config.gan.latent.draw(count, &mut stream, &real.device());
        latents.into_data()
    };
    let inputs = [
        ("z_critic".to_owned(), latents(batch)),
        (
            "z_generator".to_owned(),
            latents(batch / config.gan.critic_steps),
        ),
        ("real".to_owned(), real.to_data()),
    ];
    let run = RunDir::create(folder, "parity")?;
    let mut checkpoints = Checkpoints::new(&run, 2);
    let mut before = game.state();
    before.groups.insert("inputs".into(), inputs.into());
    let before = checkpoints.save(&before, &clock, &Extra::default())?;
    game.round(real, &clock).read();
    clock.advance(batch);
    let after = checkpoints.save(&game.state(), &clock, &Extra::default())?;
    println!(r#"{{"before": {before:?}, "after": {after:?}}}"#);
    Ok(())
}

fn main() -> ExitCode {
    let started = Instant::now();
    cli::main(|arguments: Arguments| {
        let config = config(&arguments.case, arguments.base)?;
        let device = Device::flex();
        let mut game = config.init(1, &device)?;
        let image = config.image();
        let mut clock = Clock::new(1);
        let batch = arguments.batch.unwrap_or(match &*arguments.case {
            "wgan" => config.batch_size,
            _ => 64,
        });
        let shape = [batch, image.channels, image.size, image.size];
        let real = clock.stream("real").uniform(shape, -1.0, 1.0, &device);
        if let Some(folder) = &arguments.parity {
            return write_round(folder, &mut game, &config, real, clock);
        }
        let mut play = || {
            // Reading the report ends the round: nothing is left running when the clock is read.
            game.round(real.clone(), &clock).read();
            clock.advance(batch);
        };
        play();
        let startup = started.elapsed().as_secs_f64();
        let milliseconds = if arguments.case.starts_with("sampling") {
            let mut stream = clock.stream("latents");
            measure::median(3, 1, || {
                for _ in 0..20 {
                    let latents = config.gan.latent.draw(500, &mut stream, &device);
                    let request = SampleRequest {
                        latents,
                        averaged: true,
                    };
                    game.sample(&request).into_data();
                }
            })
        } else {
            measure::median(arguments.rounds, 10, play)
        };
        measure::report(&arguments.case, batch, milliseconds, startup);
        Ok(())
    })
}
