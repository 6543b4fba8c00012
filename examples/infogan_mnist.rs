//! Trains a generator whose code comes to mean something without any labels: handwritten digits if nothing else is asked for.
//!
//! ```text
//! cargo run --release --example infogan_mnist
//! cargo run --release --example sample -- --run runs/00000-mnist-infogan --classes 0-9 --num 10 --grid grid.png
//! ```

use std::process::ExitCode;

use clap::Parser;
use gan::cli::{self, TrainArgs};
use gan::run::Session;
use gan_models::{ClassGanConfig, Model};

/// Train a generator whose code finds classes by itself. Without flags: MNIST, or synthetic
/// digits if there is no MNIST.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    #[command(flatten)]
    train: TrainArgs,
}

fn main() -> ExitCode {
    cli::main(|arguments: Arguments| {
        // The pictures with their labels, the configuration and the device, from the flags.
        let mut session: Session<ClassGanConfig> =
            Session::open_at(&arguments.train, "infogan_mnist", "infogan")?;
        // Both players with fresh weights, their optimisers, and the rules they play by.
        let mut game = session
            .config()
            .model
            .init(session.config().seed, session.device())?;
        // Round after round, with logs, pictures (a row per class) and checkpoints in the run folder.
        session.play(&mut game)
    })
}
