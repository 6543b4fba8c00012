//! Trains a GAN on a mixture of Gaussians in the plane, counts the modes it finds and draws them.
//!
//! ```text
//! cargo run --release --example gaussians -- --modes grid25 --penalty r1 --seed 1 --out grid.png
//! ```

use std::f32::consts::TAU;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use burn::prelude::*;
use clap::Parser;
use gan::{Failure, cli};
use gan_core::game::{Clock, EmaConfig, Game, Gan, GanConfig, SampleRequest};
use gan_core::nn::MlpConfig;
use gan_core::optim::OptimizerConfig;
use gan_core::penalty::PenaltyConfig;
use gan_core::rng::Stream;
use gan_core::sample::LatentPrior;
use gan_core::testing::values;
use gan_data::Picture;
use gan_data::io::write_picture;
use serde_json::json;

/// Train on Gaussians in the plane.
#[derive(Parser)]
struct Arguments {
    /// ring8 (radius 2, deviation 0.02) or grid25 (two apart, deviation 0.05)
    #[arg(long, default_value = "ring8")]
    modes: String,
    /// non_saturating, wasserstein, hinge, … (docs/losses.md)
    #[arg(long, default_value = "non_saturating")]
    loss: String,
    /// none, or a penalty (docs/penalties.md)
    #[arg(long, default_value = "r1")]
    penalty: String,
    /// Weight of the penalty
    #[arg(long, default_value_t = 0.1)]
    weight: f64,
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
    /// Another seed, another run
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// A PNG file: 10,000 samples, and the modes as circles of three deviations
    #[arg(long)]
    out: Option<PathBuf>,
}

/// The centres and the standard deviation of a mixture.
fn mixture(name: &str) -> Result<(Vec<[f32; 2]>, f32), Failure> {
    let on_ring = |i| [2.0 * (TAU * i as f32 / 8.0).cos(), 2.0 * (TAU * i as f32 / 8.0).sin()];
    let in_grid = |i| [2.0 * (i % 5) as f32 - 4.0, 2.0 * (i / 5) as f32 - 4.0];
    match name {
        "ring8" => Ok(((0..8).map(on_ring).collect(), 0.02)),
        "grid25" => Ok(((0..25).map(in_grid).collect(), 0.05)),
        _ => Err(Failure::usage(format!("--modes: {name} is not ring8 or grid25"))),
    }
}

/// What is in a configuration file; a penalty's weight has another name in each.
fn config(arguments: &Arguments) -> Result<GanConfig, Failure> {
    let weight = match arguments.penalty.as_str() {
        "r1" | "r2" => "gamma",
        "wgan_div" => "k",
        _ => "lambda",
    };
    let mut rule = json!({"kind": arguments.penalty, weight: arguments.weight});
    if arguments.penalty == "dragan" {
        rule["k"] = 1.into();
    }
    let adam = OptimizerConfig::adam(arguments.lr, 0.0, 0.99);
    let usage = |error: serde_json::Error| Failure::usage(error.to_string());
    Ok(GanConfig {
        loss: serde_json::from_value(json!(arguments.loss)).map_err(usage)?,
        latent: LatentPrior::Normal { size: 2 },
        critic_steps: arguments.critic_steps,
        generator_optimizer: adam,
        critic_optimizer: adam,
        label_smoothing: None,
        instance_noise: None,
        gradient_clip_norm: None,
        weight_clip: None,
        penalty: match arguments.penalty.as_str() {
            "none" => None,
            _ => Some(PenaltyConfig {
                rule: serde_json::from_value(rule).map_err(usage)?,
                every: 1,
            }),
        },
        ema: None,
    })
}
