//! Walks through the latent space of a trained run, and shows the way as an animation.
//!
//! ```text
//! cargo run --release --example interpolate -- --run runs/00000-mnist-default --out walk.gif
//! ```

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use gan::cli::{self, RunArgs};
use gan::run::{Trained, writable};
use gan_core::sample::{LatentPath, walk};
use gan_data::PixelRange;
use gan_data::io::{grid, write_gif};

/// Walks side by side, in rows and columns of this many.
const SIDE: u64 = 4;
/// How long a frame is shown, in milliseconds.
const DELAY: u32 = 60;

/// Walk through the latent space of a trained run.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    #[command(flatten)]
    run: RunArgs,
    /// The GIF file
    #[arg(long, value_name = "FILE", default_value = "walk.gif")]
    out: PathBuf,
    /// Frames from one place to the next
    #[arg(long, value_name = "N", default_value = "16", value_parser = cli::count, allow_negative_numbers = true)]
    steps: usize,
    /// Places on the way; it ends where it begins
    #[arg(long, value_name = "N", default_value = "6", value_parser = cli::count, allow_negative_numbers = true)]
    keys: usize,
    /// Other seeds, other places
    #[arg(long, value_name = "N", default_value = "0", value_parser = cli::seed, allow_negative_numbers = true)]
    seed: u64,
    /// Walk in straight lines instead of along great circles
    #[arg(long)]
    linear: bool,
}

fn main() -> ExitCode {
    cli::main(|arguments: Arguments| {
        let trained = Trained::open(&arguments.run)?;
        let path = if arguments.linear {
            LatentPath::Linear
        } else {
            LatentPath::Spherical
        };
        let frames = cli::frames(arguments.keys, arguments.steps)?;

        // One closed walk per place in the grid, each past latents of its own.
        let keys = arguments.keys as u64;
        let walks: Vec<_> = (0..SIDE * SIDE)
            .map(|place| {
                let first = arguments.seed.wrapping_add(place * keys);
                let seeds: Vec<u64> = (0..keys).map(|key| first.wrapping_add(key)).collect();
                let waypoints = trained.prior().by_seed(&seeds, None, trained.device());
                walk(waypoints, arguments.steps, path, true)
            })
            .collect();
        let pictures = (0..frames)
            .map(|frame| {
                let latents = walks
                    .iter()
                    .map(|walk| walk.clone().narrow(0, frame, 1))
                    .collect();
                let images = trained.draw(burn::Tensor::cat(latents, 0));
                grid(&images, PixelRange::Signed, SIDE as usize)
            })
            .collect::<Result<Vec<_>, _>>()?;

        let out = writable(&arguments.out, "--out", "gif")?;
        write_gif(&out, &pictures, DELAY)?;
        trained
            .screen
            .say(format!("{frames} frames in {}", out.display()));
        Ok(())
    })
}
