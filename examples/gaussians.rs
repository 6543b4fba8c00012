//! Trains a GAN on a mixture of Gaussians in the plane, counts the modes it finds and draws them.
//!
//! ```text
//! cargo run --release --example gaussians -- --modes grid25 --penalty r1 --seed 1 --out grid.png
//! ```

use std::f32::consts::TAU;
use std::path::PathBuf;
use std::process::ExitCode;

use burn::prelude::*;
use clap::Parser;
use gan::{Failure, cli};
use gan_core::game::{Clock, EmaConfig, Game, Gan, GanConfig, SampleRequest};
use gan_core::nn::MlpConfig;
use gan_core::rng::Stream;
use gan_data::{Picture, io::write_picture};
use serde_json::{Value, json};

/// Train on Gaussians in the plane.
#[derive(Parser)]
struct Arguments {
    /// ring8 (radius 2, deviation 0.02) or grid25 (two apart, deviation 0.05)
    #[arg(long, default_value = "ring8")]
    modes: String,
    /// As in a configuration file: non_saturating, wasserstein, hinge, …
    #[arg(long, default_value = "non_saturating")]
    loss: String,
    /// none, or as in a configuration file: '{"kind": "r1", "gamma": 0.1}'
    #[arg(long, default_value = "none")]
    penalty: String,
    /// Critic steps per generator step
    #[arg(long, default_value_t = 1)]
    critic_steps: usize,
    /// Generator steps
    #[arg(long, default_value_t = 10_000)]
    rounds: u64,
    /// Samples per step
    #[arg(long, default_value_t = 256)]
    batch: usize,
    /// Width of the three hidden layers of both players
    #[arg(long, default_value_t = 128)]
    width: usize,
    /// Learning rate at the start; it falls a hundredfold to the end
    #[arg(long, default_value_t = 1e-3)]
    lr: f64,
    #[arg(long, default_value_t = 0.0)]
    beta: f64,
    #[arg(long, default_value_t = 2)]
    latent: usize,
    /// Another seed, another run
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// A PNG file for the modes (grey) and 10,000 samples (red)
    #[arg(long)]
    out: Option<PathBuf>,
}

/// The centres of a mixture, and its standard deviation.
fn mixture(name: &str) -> Result<(Vec<[f32; 2]>, f32), Failure> {
    let angle = |i: usize| TAU * i as f32 / 8.0;
    let on_ring = |i| [2.0 * angle(i).cos(), 2.0 * angle(i).sin()];
    let in_grid = |i| [2.0 * (i % 5) as f32 - 4.0, 2.0 * (i / 5) as f32 - 4.0];
    match name {
        "ring8" => Ok(((0..8).map(on_ring).collect(), 0.02)),
        "grid25" => Ok(((0..25).map(in_grid).collect(), 0.05)),
        _ => Err(Failure::usage(format!(
            "--modes: {name} is not ring8 or grid25"
        ))),
    }
}

fn config(arguments: &Arguments) -> Result<GanConfig, Failure> {
    let beta = arguments.beta;
    let adam = json!({"kind": "adam", "lr": arguments.lr, "beta_1": beta, "beta_2": 0.99, "epsilon": 1e-8});
    let mut config = json!({
        "loss": arguments.loss,
        "latent": {"kind": "normal", "size": arguments.latent},
        "critic_steps": arguments.critic_steps,
        "generator_optimizer": adam,
        "critic_optimizer": adam,
    });
    if arguments.penalty != "none" {
        config["penalty"] = json!({"rule": serde_json::from_str::<Value>(&arguments.penalty)?});
    }
    let mut config: GanConfig = serde_json::from_value(config)?;
    let kimg = (arguments.rounds as usize * arguments.batch * arguments.critic_steps) as f64 / 1e3;
    config.ema = Some(EmaConfig {
        half_life_kimg: kimg / 100.0,
        ramp_up: Some(0.05),
    });
    Ok(config)
}

/// A square of the plane from −5 to 5, with a dot for every point.
fn scatter(clouds: [(&[[f32; 2]], [u8; 3]); 2]) -> Picture {
    const SIZE: usize = 512;
    let mut pixels = vec![255; SIZE * SIZE * 3];
    for (points, colour) in clouds {
        for point in points {
            let [x, y] = point.map(|v| ((v + 5.0) / 10.0 * SIZE as f32) as usize);
            if x < SIZE && y < SIZE {
                pixels[(y * SIZE + x) * 3..][..3].copy_from_slice(&colour);
            }
        }
    }
    Picture {
        width: SIZE,
        height: SIZE,
        channels: 3,
        pixels,
        label: None,
        caption: None,
    }
}

fn main() -> ExitCode {
    cli::main(|arguments: Arguments| {
        let (centres, deviation) = mixture(&arguments.modes)?;
        let device = Device::flex();
        let mut clock = Clock::new(arguments.seed);
        let player = |inputs, outputs, name: &str| {
            let width = arguments.width;
            let config = MlpConfig::new([inputs, width, width, width, outputs]);
            config.init(
                &mut Stream::new(arguments.seed, name, 0),
                &device.clone().autodiff(),
            )
        };
        let (generator, critic) = (
            player(arguments.latent, 2, "generator"),
            player(2, 1, "critic"),
        );
        let mut game = Gan::new(config(&arguments)?, generator, critic)?;

        let draw = |stream: &mut Stream, count: usize| -> Vec<[f32; 2]> {
            let point = |_| {
                let (centre, noise) = (centres[stream.below(centres.len())], stream.normals(2));
                [0, 1].map(|axis| centre[axis] + deviation * noise[axis])
            };
            (0..count).map(point).collect()
        };
        let count = arguments.batch * arguments.critic_steps;
        let start = std::time::Instant::now();
        for _ in 0..arguments.rounds {
            let points = draw(&mut clock.stream("data"), count).concat();
            game.round(
                Tensor::from_data(TensorData::new(points, [count, 2]), &device),
                &clock,
            );
            clock.advance(count);
            game.scale_learning_rate(0.01f64.powf(1.0 / arguments.rounds as f64));
        }
        let seconds = start.elapsed().as_secs_f64();

        let latents =
            Stream::new(arguments.seed, "samples", 0).normal([10_000, arguments.latent], &device);
        let samples = game.sample(&SampleRequest {
            latents,
            averaged: true,
        });
        let samples: Vec<f32> = samples.into_data().try_to_vec()?;
        let samples: Vec<[f32; 2]> = samples
            .chunks(2)
            .map(|point| [point[0], point[1]])
            .collect();
        let near = |point: &[f32; 2]| {
            let distance = |centre: &[f32; 2]| (centre[0] - point[0]).hypot(centre[1] - point[1]);
            centres
                .iter()
                .position(|centre| distance(centre) <= 3.0 * deviation)
        };
        let mut hits = vec![0; centres.len()];
        samples
            .iter()
            .filter_map(near)
            .for_each(|mode| hits[mode] += 1);
        // A mode counts with a fifth of its share.
        let reached = hits
            .iter()
            .filter(|hits| **hits * centres.len() * 5 >= samples.len())
            .count();
        let share = 100.0 * hits.iter().sum::<usize>() as f64 / samples.len() as f64;
        println!(
            "{reached} of {} modes, {share:.1} % of samples within 3 deviations, {seconds:.1} s",
            centres.len()
        );
        if let Some(path) = &arguments.out {
            let real = draw(&mut Stream::new(arguments.seed, "real", 0), 20_000);
            write_picture(path, &scatter([(&real, [190; 3]), (&samples, [200, 0, 0])]))?;
        }
        Ok(())
    })
}
