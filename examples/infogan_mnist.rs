//! Trains a generator whose code comes to mean something without any labels: handwritten
//! digits if nothing else is asked for.
//!
//! ```text
//! cargo run --release --example infogan_mnist
//! cargo run --release --example sample -- --run runs/00000-mnist-infogan --classes 0-9 --num 10 --grid grid.png
//! ```

use std::process::ExitCode;

use clap::Parser;
use gan::cli::{self, TrainArgs};
use gan::run::Session;
use gan_models::ClassGanConfig;

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
        Session::<ClassGanConfig>::train(&arguments.train, "infogan_mnist", "infogan")
    })
}
