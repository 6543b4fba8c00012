//! Walks through the latent space of a trained run, and shows the way as an animation.
//!
//! ```text
//! cargo run --release --example interpolate -- --run runs/00000-mnist-default --out walk.gif
//! ```

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use gan::cli::{self, RunArgs, Seeds};
use gan::run::writable;
use gan::trained::Trained;
use gan_core::sample::LatentPath;
use gan_core::words::count;
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
    /// Walk from class to class, as in 0-9, and stay at one latent; --keys is then their number
    #[arg(long, value_name = "LIST", value_parser = Seeds::parse, allow_hyphen_values = true)]
    classes: Option<Seeds>,
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
        let named = arguments
            .classes
            .as_ref()
            .map(|Seeds(list)| list.as_slice());
        let count = named.map_or(arguments.keys, <[u64]>::len);
        let frames = cli::frames(count, arguments.steps)?;
        let places = trained.classes(None, (SIDE * SIDE) as usize)?;
        let across = named.map(|_| trained.classes(named, count)).transpose()?;

        // One closed walk per place in the grid: past latents of its own within one class, or past
        // the classes at a latent of its own.
        let walks: Vec<_> = (0..SIDE * SIDE)
            .map(|place| {
                let first = arguments.seed.wrapping_add(place * count as u64);
                let keys = (0..count as u64).map(|key| first.wrapping_add(key));
                let stay = arguments.seed.wrapping_add(place);
                let (seeds, classes) = match &across {
                    Some(classes) => (vec![stay; count], classes.clone()),
                    None => {
                        let class = places.get(place as usize);
                        (
                            keys.collect(),
                            class.map_or(vec![], |class| vec![*class; count]),
                        )
                    }
                };
                trained.walk(&seeds, &classes, arguments.steps, path)
            })
            .collect();
        let pictures = (0..frames)
            .map(|frame| {
                let latents = walks
                    .iter()
                    .map(|walk| walk.clone().narrow(0, frame, 1))
                    .collect();
                let images = trained.draw_rows(burn::Tensor::cat(latents, 0));
                grid(&images, PixelRange::Signed, SIDE as usize)
            })
            .collect::<Result<Vec<_>, _>>()?;

        let out = writable(&arguments.out, "--out", "gif")?;
        write_gif(&out, &pictures, DELAY)?;
        trained
            .screen
            .say(format!("{} in {}", count(frames, "frame"), out.display()));
        Ok(())
    })
}
