//! Trains a generator of pictures of any class against a critic who knows the class:
//! handwritten digits if nothing else is asked for.
//!
//! ```text
//! cargo run --release --example conditional_mnist
//! cargo run --release --example sample -- --run runs/00000-mnist-cgan-conv --classes 0-9 --num 10 --grid grid.png
//! ```

use std::process::ExitCode;

use clap::Parser;
use gan::cli::{self, TrainArgs};
use gan::run::Session;
use gan_models::ClassGanConfig;

/// Train a generator of pictures of any class. Without flags: the preset cgan-conv on MNIST, or synthetic
/// digits if there is no MNIST.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    #[command(flatten)]
    train: TrainArgs,
}

fn main() -> ExitCode {
    cli::main(|arguments: Arguments| {
        Session::<ClassGanConfig>::train(&arguments.train, "conditional_mnist", "cgan-conv")
    })
}
