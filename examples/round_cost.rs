//! What every loss, penalty and brake costs: times rounds with each of them in turn, and prints them in units of a
//! plain round (`non_saturating` and nothing else) as Markdown.
//!
//! ```text
//! cargo run --release --example round_cost -- --preset default
//! cargo run --release --example round_cost -- --preset vanilla
//! ```

use std::process::ExitCode;
use std::time::Instant;

use burn::prelude::*;
use clap::Parser;
use gan::Failure;
use gan::cli;
use gan_core::game::{Clock, Game, Gan, GanConfig};
use gan_core::loss::{AdversarialLoss, BeganConfig};
use gan_core::nn::{ImageCriticConfig, ImageShape, SpectralNormConfig};
use gan_core::rng::Stream;
use gan_models::{ImageGan, preset};
use serde_json::{Value, json};

/// Time rounds of a preset with every loss, penalty and brake.
#[derive(Parser)]
struct Arguments {
    /// default (a convolutional critic) or vanilla (a perceptron)
    #[arg(long, default_value = "default")]
    preset: String,
    /// Times that everything is timed, in turn; the median counts
    #[arg(long, default_value_t = 3, value_parser = cli::count)]
    turns: usize,
}

/// Rounds timed at once: a lazy penalty acts in one of them.
const ROUNDS: usize = 16;

/// A game that is timed.
struct Timed {
    name: String,
    game: ImageGan,
    images: Tensor<4>,
    clock: Clock,
    ratios: Vec<f64>,
}

impl Timed {
    /// Seconds of a round.
    fn round(&mut self) -> f64 {
        let start = Instant::now();
        self.game.round(self.images.clone(), &self.clock).read();
        self.clock.advance(self.images.dims()[0]);
        start.elapsed().as_secs_f64()
    }
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// A name, and what it changes in a plain configuration.
fn settings() -> Vec<(String, Value)> {
    let mut settings = vec![("plain".to_owned(), json!({}))];
    for loss in AdversarialLoss::ALL {
        settings.push((json!(loss).to_string(), json!({"loss": loss})));
    }
    settings.push(("began".into(), json!({})));
    let kinds = ["wgan_gp", "wgan_lp", "max_gp", "zero_centered"];
    let kinds = kinds.map(|kind| json!({"kind": kind, "lambda": 10}));
    let rules = ["r1", "r2"].map(|kind| json!({"kind": kind, "gamma": 1}));
    let others = [
        json!({"kind": "wgan_div"}),
        json!({"kind": "dragan", "lambda": 10, "k": 1}),
    ];
    for rule in rules.into_iter().chain(kinds).chain(others) {
        settings.push((rule["kind"].to_string(), json!({"penalty": {"rule": rule}})));
    }
    let lazy = json!({"penalty": {"rule": {"kind": "r1", "gamma": 1}, "every": 16}});
    settings.push(("r1, every 16".into(), lazy));
    settings.push(("spectral_norm".into(), json!({})));
    for change in [
        json!({"label_smoothing": 0.1}),
        json!({"feature_matching": 1}),
        json!({"pull_away": 0.1}),
        json!({"weight_clip": 0.01}),
        json!({"gradient_clip_norm": 1}),
        json!({"instance_noise": {"std": 0.1, "until_kimg": 1000}}),
        json!({"orthogonal": {"critic": 1e-4}}),
        json!({"drift": 0.001}),
        json!({"lecam": {"lambda": 0.3}}),
        json!({"consistency": {"lambda_real": 10, "flip": false}}),
        json!({"consistency": {"lambda_real": 10, "lambda_fake": 10, "flip": false}}),
        json!({"consistency": {"latent": {"std": 0.05, "lambda_critic": 20, "lambda_generator": 0.5}}}),
        json!({"historical_average": 0.1}),
        json!({"top_k": {}}),
        json!({"augment": {"kind": "diff_augment", "policy": "color,translation,cutout"}}),
        json!({"augment": {"kind": "adaptive"}}),
    ] {
        settings.push((change.to_string(), change));
    }
    settings
}

fn game(preset_name: &str, name: &str, change: &Value) -> Result<(ImageGan, usize), gan::Failure> {
    let mut config = preset(preset_name, ImageShape::new(1, 28))?;
    let latent = config.gan.latent;
    let plain = GanConfig::new(
        AdversarialLoss::NonSaturating,
        latent,
        config.gan.critic_optimizer,
    );
    let mut gan = json!(plain);
    for (key, value) in change.as_object().into_iter().flatten() {
        gan[key] = value.clone();
    }
    config.gan = serde_json::from_value(gan)?;
    if name == "spectral_norm" {
        match &mut config.critic {
            ImageCriticConfig::Conv(critic) => {
                critic.spectral_norm = Some(SpectralNormConfig::default())
            }
            ImageCriticConfig::Mlp(critic) => {
                critic.spectral_norm = Some(SpectralNormConfig::default())
            }
            ImageCriticConfig::Autoencoder(_) => {
                return Err(Failure::new("an autoencoder has no spectral norm"));
            }
        }
    }
    let device = Device::flex();
    let game: Gan<_, _, 4> = config.init(1, &device)?;
    let game = match name {
        "began" => game.with_objective(BeganConfig::default().init(&device)),
        _ => game,
    };
    Ok((game, config.batch_size))
}

fn main() -> ExitCode {
    cli::main(|arguments: Arguments| {
        let mut players = Vec::new();
        for (name, change) in settings() {
            let (game, batch) = game(&arguments.preset, &name, &change)?;
            let mut stream = Stream::new(1, "bench", 0);
            players.push(Timed {
                name,
                game,
                images: stream.uniform([batch, 1, 28, 28], -1.0, 1.0, &Device::flex()),
                clock: Clock::new(1),
                ratios: Vec::new(),
            });
        }
        // The first turn warms up. Every round has a plain one beside it, so that a processor that
        // changes its pace slows both.
        let (mut plain, mut others) = (players.remove(0), players);
        for turn in 0..=arguments.turns {
            for other in &mut others {
                let (mut ours, mut theirs) = (0.0, 0.0);
                for _ in 0..ROUNDS {
                    theirs += plain.round();
                    ours += other.round();
                }
                if turn > 0 {
                    other.ratios.push(ours / theirs);
                    plain.ratios.push(theirs / ROUNDS as f64);
                }
            }
        }
        let plain_ms = 1e3 * median(&mut plain.ratios);
        let preset = &arguments.preset;
        cli::say(format!(
            "| {preset}, {plain_ms:.1} ms | plain rounds |\n| --- | --- |"
        ));
        for other in &mut others {
            let ratio = median(&mut other.ratios);
            cli::say(format!("| `{}` | {ratio:.2} |", other.name));
        }
        Ok(())
    })
}
