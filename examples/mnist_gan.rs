//! Trains a generator of pictures against a critic: handwritten digits if nothing else is asked for.
//!
//! ```text
//! cargo run --release --example mnist_gan
//! cargo run --release --example mnist_gan -- --preset vanilla --data DIR --kimg 1200 --seed 1
//! cargo run --release --example mnist_gan -- --resume
//! ```

use std::process::ExitCode;

use clap::Parser;
use gan::cli::{self, TrainArgs};
use gan::run::Session;

/// Train a generator of pictures against a critic. Without flags: MNIST, or synthetic digits if there
/// is no MNIST, for two to three minutes on two cores.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    #[command(flatten)]
    train: TrainArgs,
}

fn main() -> ExitCode {
    cli::main(|arguments: Arguments| {
        // The pictures, the configuration and the device, from the flags.
        let mut session = Session::open(&arguments.train, "mnist_gan")?;
        // Both players with fresh weights, their optimisers, and the rules they play by.
        let mut game = session
            .config()
            .model
            .init(session.config().seed, session.device())?;
        // Round after round, with logs, pictures and checkpoints in the run folder.
        session.play(&mut game)
    })
}
