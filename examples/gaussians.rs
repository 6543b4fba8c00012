//! Trains GANs on Gaussians in the plane and counts the modes they find.
//!
//! ```text
//! cargo run --release --example gaussians -- --seeds 0-4 --picture ring.png
//! cargo run --release --example gaussians -- --mixture grid --loss wasserstein --penalty '{"kind": "wgan_gp", "lambda": 0.1}'
//! ```

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use clap::Parser;
use gan::Failure;
use gan::cli::{self, Seeds};
use gan::gaussians::{Mixture, Toy};
use gan_core::loss::AdversarialLoss;
use gan_core::penalty::PenaltyRule;
use gan_core::rng::Stream;
use gan_data::Picture;
use gan_data::io::write_picture;
use serde_json::json;

/// Train on Gaussians in the plane, once for every seed.
#[derive(Parser)]
struct Arguments {
    /// ring (8 modes) or grid (25)
    #[arg(long, default_value = "ring")]
    mixture: String,
    /// As in a configuration file
    #[arg(long, default_value = "relativistic")]
    loss: String,
    /// none, or as in a configuration file
    #[arg(long, default_value = r#"{"kind": "r1", "gamma": 0.05}"#)]
    penalty: String,
    /// Generator steps
    #[arg(long, default_value_t = 10_000)]
    rounds: u64,
    /// Another seed, another run
    #[arg(long, default_value = "0", value_parser = Seeds::parse)]
    seeds: Seeds,
    /// A PNG file for the mixture (grey) and samples of the first seed (red)
    #[arg(long, value_name = "FILE")]
    picture: Option<PathBuf>,
}

/// Samples that are scored.
const COUNT: usize = 10_000;

/// The square from −2 to 2, with a dot for every point; later ones lie on earlier ones.
fn scatter(clouds: [(&[f32], [u8; 3]); 2]) -> Picture {
    const SIDE: usize = 200;
    let mut pixels = vec![255; SIDE * SIDE * 3];
    for (points, colour) in clouds {
        for point in points.as_chunks::<2>().0 {
            let [x, y] = point.map(|value| ((value + 2.0) / 4.0 * SIDE as f32) as usize);
            if x < SIDE && y < SIDE {
                pixels[(y * SIDE + x) * 3..][..3].copy_from_slice(&colour);
            }
        }
    }
    Picture {
        width: SIDE,
        height: SIDE,
        channels: 3,
        pixels,
        label: None,
        caption: None,
    }
}

fn main() -> ExitCode {
    cli::main(|arguments: Arguments| {
        let Some(mixture) = Mixture::named(&arguments.mixture) else {
            let message = format!("--mixture: {} is not ring or grid", arguments.mixture);
            return Err(Failure::usage(message));
        };
        let loss: AdversarialLoss = serde_json::from_value(json!(arguments.loss))
            .map_err(|error| Failure::usage(format!("--loss: {error}")))?;
        let penalty: Option<PenaltyRule> = match arguments.penalty.as_str() {
            "none" => None,
            text => serde_json::from_str(text)
                .map_err(|error| Failure::usage(format!("--penalty: {error}")))?,
        };
        let toy = Toy::new(loss, penalty, arguments.rounds);
        for (index, seed) in arguments.seeds.0.iter().enumerate() {
            let start = Instant::now();
            let points = toy.play(&mixture, *seed, COUNT)?;
            let seconds = start.elapsed().as_secs_f64();
            let score = mixture.score(&points)?;
            let percent = 100.0 * score.quality;
            cli::say(format!(
                "seed {seed}: {} of {} modes, {percent:.1} % of samples within 3 deviations, {seconds:.0} s",
                score.hit, score.total
            ));
            if let (0, Some(path)) = (index, &arguments.picture) {
                let real = mixture.draw(COUNT, &mut Stream::new(*seed, "picture", 0));
                write_picture(path, &scatter([(&real, [170; 3]), (&points, [200, 0, 0])]))?;
            }
        }
        Ok(())
    })
}
