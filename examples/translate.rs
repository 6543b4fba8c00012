//! Trains a generator that makes pictures of pictures: colour of grey ones, pictures without a hole of pictures with
//! one, sharp ones of small ones.
//!
//! ```text
//! cargo run --release --example translate -- --data cifar10.zip --preset colourise
//! cargo run --release --example translate -- --data cifar10.zip --preset inpaint --kimg 50
//! cargo run --release --example translate -- --data facades --preset pix2pix --set model.task.direction=b_to_a
//! cargo run --release --example apply -- --run runs/00000-cifar10-colourise --in photos --out coloured
//! ```

use std::process::ExitCode;

use clap::Parser;
use gan::cli::{self, TrainArgs};
use gan::run::Session;
use gan_models::TranslationConfig;

/// Train a generator that makes pictures of pictures. Without flags: the preset super-resolve on MNIST, or synthetic
/// digits if there is no MNIST.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    #[command(flatten)]
    train: TrainArgs,
}

fn main() -> ExitCode {
    cli::main(|arguments: Arguments| {
        Session::<TranslationConfig>::train(&arguments.train, "translate", "super-resolve")
    })
}
