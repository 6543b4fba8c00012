//! Trains a small BigGAN on pictures that have classes: CIFAR-10, or folders of pictures.
//!
//! ```text
//! cargo run --release --example biggan_cifar -- --data DIR --kimg 1000
//! cargo run --release --example biggan_cifar -- --data DIR --preset sngan
//! cargo run --release --example sample -- --run runs/00000-cifar10-biggan --classes 0-9 --num 10 --grid grid.png
//! ```

use std::process::ExitCode;

use clap::Parser;
use gan::cli::{self, TrainArgs};
use gan::run::Session;
use gan_models::ClassGanConfig;

/// Train a generator of pictures of any class. --data names CIFAR-10 or folders of pictures, one per
/// class. Without flags: the preset biggan on MNIST, or synthetic
/// digits if there is no MNIST.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    #[command(flatten)]
    train: TrainArgs,
}

fn main() -> ExitCode {
    cli::main(|arguments: Arguments| {
        Session::<ClassGanConfig>::train(&arguments.train, "biggan_cifar", "biggan")
    })
}
