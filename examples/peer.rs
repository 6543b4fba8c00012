//! Times our side of `benches/peers/compare.py`: prints one JSON line with the median round.
//!
//! `cargo run --release --example peer -- --case vanilla --rounds 60`
//!
//! With `--parity FOLDER` it plays one round instead, and writes the game before and after it and what
//! went in, for `benches/peers/parity.py`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use burn::prelude::*;
use clap::Parser;
use gan::{Failure, cli};
use gan_core::game::{Clock, Game, SampleRequest};
use gan_core::nn::ImageShape;
use gan_core::rng::Stream;
use gan_core::train::{Checkpoints, Extra, RunDir};
use gan_models::{ImageGan, ImageGanConfig, preset};

/// Time one of the peers' cases with our players.
#[derive(Parser)]
struct Arguments {
    /// vanilla, dcgan-28, dcgan-64, sampling-vanilla, sampling-dcgan-28, or the name of a preset.
    #[arg(long, default_value = "vanilla")]
    case: String,
    /// Rounds timed, after ten that are not.
    #[arg(long, default_value_t = 60)]
    rounds: usize,
    /// Pictures in a batch.
    #[arg(long, default_value_t = 64)]
    batch: usize,
    /// Narrowest width of dcgan-64: PyTorch's example has 64, the paper 128.
    #[arg(long, default_value_t = 64)]
    base: usize,
    /// Play one round and write it below this folder.
    #[arg(long)]
    parity: Option<PathBuf>,
}

fn config(case: &str, base: usize) -> Result<ImageGanConfig, Failure> {
    let name = case.trim_start_matches("sampling-");
    Ok(match name {
        "dcgan-28" => preset("dcgan", ImageShape::new(1, 28))?,
        "dcgan-64" => gan_models::dcgan_with_base(ImageShape::new(3, 64), base),
        name => preset(name, ImageShape::new(1, 28))?,
    })
}

/// Median milliseconds of `count` calls after ten uncounted ones.
fn median(count: usize, mut work: impl FnMut()) -> f64 {
    let mut times: Vec<f64> = (0..count + 10)
        .map(|_| {
            let start = Instant::now();
            work();
            start.elapsed().as_secs_f64() * 1e3
        })
        .skip(10)
        .collect();
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

/// Peak resident memory in MiB, where the system tells.
fn peak_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    let kilobytes: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kilobytes / 1024)
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
    let mut latents = || {
        let latents = config.gan.latent.draw(batch, &mut stream, &real.device());
        latents.into_data()
    };
    let inputs = [
        ("z_critic".to_owned(), latents()),
        ("z_generator".to_owned(), latents()),
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
        let shape = [arguments.batch, image.channels, image.size, image.size];
        let real = clock.stream("real").uniform(shape, -1.0, 1.0, &device);
        if let Some(folder) = &arguments.parity {
            return write_round(folder, &mut game, &config, real, clock);
        }
        let mut play = || {
            // Reading the report ends the round: nothing is left running when the clock is read.
            game.round(real.clone(), &clock).read();
            clock.advance(arguments.batch);
        };
        play();
        let startup = started.elapsed().as_secs_f64();
        let milliseconds = if arguments.case.starts_with("sampling") {
            let mut stream = clock.stream("latents");
            median(3, || {
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
            median(arguments.rounds, play)
        };
        println!(
            r#"{{"name": "{}", "batch": {}, "ms": {milliseconds:.2}, "startup_to_first_round_s": {startup:.2}, "peak_rss_mib": {}}}"#,
            arguments.case,
            arguments.batch,
            peak_memory().unwrap_or(0),
        );
        Ok(())
    })
}
