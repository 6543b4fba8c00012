//! Times critic steps with gradient penalties, our side of `benches/peers/penalty.py`: one JSON line.
//!
//! `cargo run --release --example penalty_cost -- --critic conv --penalties none,r1,wgan_gp`

use std::process::ExitCode;
use std::time::Instant;

use burn::prelude::*;
use clap::Parser;
use gan::{Failure, cli};
use gan_core::game::Player;
use gan_core::nn::{
    Activation, ConvCriticConfig, Critic, ImageCritic, ImageCriticConfig, ImageShape, Initializer,
    MinibatchStddevConfig, MlpCriticConfig, Norm,
};
use gan_core::optim::OptimizerConfig;
use gan_core::penalty::{PenaltyPoints, PenaltyRule, judge_and_penalize};
use gan_core::rng::Stream;
use serde_json::json;

/// Time critic steps with gradient penalties.
#[derive(Parser)]
struct Arguments {
    /// mlp, conv, conv-norm (28 pixels, grey) or residual (32 pixels, colour)
    #[arg(long, default_value = "conv")]
    critic: String,
    /// Kinds of penalty, or none, with commas between them
    #[arg(long, default_value = "none,r1,wgan_gp", value_delimiter = ',')]
    penalties: Vec<String>,
    /// Steps timed for each, after five that are not
    #[arg(long, default_value_t = 30)]
    steps: usize,
    /// Real samples in a step, and as many generated ones
    #[arg(long, default_value_t = 64)]
    batch: usize,
}

fn critic(name: &str) -> Result<ImageCriticConfig, Failure> {
    let leaky = Activation::LeakyRelu { slope: 0.2 };
    let conv = |image, widths: &[usize]| ConvCriticConfig {
        norm: Norm::None,
        activation: leaky,
        ..ConvCriticConfig::dcgan(image, widths)
    };
    let (grey, colour) = (ImageShape::new(1, 28), ImageShape::new(3, 32));
    Ok(match name {
        "mlp" => ImageCriticConfig::Mlp(MlpCriticConfig::new(grey, [512, 256])),
        "conv" => ImageCriticConfig::Conv(conv(grey, &[64, 128])),
        "conv-norm" => ImageCriticConfig::Conv(ConvCriticConfig {
            norm: Norm::Instance { epsilon: 1e-5 },
            ..conv(grey, &[64, 128])
        }),
        "residual" => ImageCriticConfig::Conv(ConvCriticConfig {
            residual: true,
            minibatch_stddev: Some(MinibatchStddevConfig::default()),
            initializer: Initializer::PyTorch,
            ..conv(colour, &[32, 64, 128])
        }),
        _ => {
            let message = format!("--critic: {name} is not mlp, conv, conv-norm or residual");
            return Err(Failure::usage(message));
        }
    })
}

fn rule(name: &str) -> Result<Option<PenaltyRule>, Failure> {
    let rule = match name {
        "none" => return Ok(None),
        "r1" | "r2" => json!({"kind": name, "gamma": 1}),
        "wgan_div" => json!({"kind": name}),
        "dragan" => json!({"kind": name, "lambda": 10, "k": 1}),
        _ => json!({"kind": name, "lambda": 10}),
    };
    Ok(Some(serde_json::from_value(rule)?))
}

/// The step of `Gan`: both batches in one pass where samples do not see each other, and a penalty at real
/// or generated samples in the pass that scores them.
fn step(player: &mut Player<ImageCritic>, rule: Option<PenaltyRule>, batch: &Tensor<4>) {
    let count = batch.dims()[0] / 2;
    let half = |index: usize| batch.clone().narrow(0, index * count, count);
    let critic = player.module();
    let score = |x: Tensor<4>| critic.score(x.into()).primal;
    let penalty = rule.map(|rule| {
        let mut stream = Stream::new(1, "penalty", 0);
        let points = rule.points().draw(half(0), half(1), &mut stream);
        let judge = |critic: &ImageCritic, x| critic.score(x);
        let (scores, penalty) = judge_and_penalize(&rule, 1.0, critic, points, judge);
        (rule.points(), scores, penalty)
    });
    let (on_real, on_fake) = match &penalty {
        Some((PenaltyPoints::Real, scores, _)) => (scores.clone(), score(half(1))),
        Some((PenaltyPoints::Fake, scores, _)) => (score(half(0)), scores.clone()),
        _ if critic.couples_samples() => (score(half(0)), score(half(1))),
        _ => {
            let scores = score(batch.clone());
            (
                scores.clone().narrow(0, 0, count),
                scores.narrow(0, count, count),
            )
        }
    };
    let mut loss = on_fake.mean() - on_real.mean();
    if let Some((_, _, penalty)) = penalty {
        loss = loss + penalty.surrogate;
    }
    player.minimize(loss).gradient_norm.into_data();
}

fn main() -> ExitCode {
    cli::main(|arguments: Arguments| {
        let device = Device::flex().autodiff();
        let config = critic(&arguments.critic)?;
        let mut stream = Stream::new(1, "bench", 0);
        let image = config.image();
        let shape = [2 * arguments.batch, image.channels, image.size, image.size];
        let batch = stream.uniform(shape, -1.0, 1.0, &device);
        let mut times = serde_json::Map::new();
        for name in &arguments.penalties {
            let rule = rule(name)?;
            let adam = OptimizerConfig::adam(1e-4, 0.0, 0.9);
            let mut player = Player::new("critic", config.init(&mut stream, &device), adam);
            let mut seconds: Vec<f64> = (0..arguments.steps + 5)
                .map(|_| {
                    let start = Instant::now();
                    step(&mut player, rule, &batch);
                    start.elapsed().as_secs_f64()
                })
                .skip(5)
                .collect();
            seconds.sort_by(f64::total_cmp);
            times.insert(name.clone(), json!(1e3 * seconds[seconds.len() / 2]));
        }
        cli::say(serde_json::Value::Object(times));
        Ok(())
    })
}
