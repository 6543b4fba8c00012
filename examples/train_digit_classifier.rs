//! Trains the digit classifier whose weights are in `crates/gan-metrics/weights`.
//!
//! ```text
//! cargo run --release --example train_digit_classifier -- --data DIR --out digits.safetensors
//! ```

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use gan::backend::Backend;
use gan::classifier::{Course, Example, examples};
use gan::{Failure, cli};
use gan_core::rng::Stream;
use gan_data::ChannelMode;
use gan_data::io::write_atomically;
use gan_data::source::{Mnist, Split};
use gan_metrics::features::DigitClassifier;

const SIDE: usize = DigitClassifier::SIDE;

/// Train a classifier of MNIST digits; a few minutes on two cores.
#[derive(Parser)]
struct Arguments {
    /// Folder with the four files of MNIST
    #[arg(long, value_name = "FOLDER")]
    data: PathBuf,
    /// Where to write the weights, as half-precision safetensors
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Times that every training picture is seen
    #[arg(long, default_value_t = 12, value_parser = cli::count)]
    epochs: usize,
    /// Decides initial weights, order and distortions
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

fn main() -> ExitCode {
    cli::main(|arguments: Arguments| {
        let device = Backend::open(None)?.device.autodiff();
        let (train, test) = (
            open(&arguments, Split::Train)?,
            open(&arguments, Split::Test)?,
        );
        let course = Course {
            name: "digits",
            seed: arguments.seed,
            epochs: arguments.epochs,
            shape: [1, SIDE, SIDE],
            classes: DigitClassifier::CLASSES,
            distort,
        };
        let mut weights = Stream::new(arguments.seed, "digits", 0);
        let network = DigitClassifier::init(&mut weights, &device);
        let logits = |network: &DigitClassifier, pictures| network.forward(pictures).1;
        let weights = course.run(network, logits, [&train, &test], &device);
        write_atomically(&arguments.out, &weights)?;
        Ok(())
    })
}

/// All pictures of a split with their labels.
fn open(arguments: &Arguments, split: Split) -> Result<Vec<Example>, Failure> {
    examples(&Mnist::open(&arguments.data, split, ChannelMode::Grey)?)
}

/// Turned by up to 11°, scaled and sheared by up to 10 %, moved by up to 2 pixels; in `[-1, 1]`.
fn distort(picture: &[u8], stream: &mut Stream) -> Vec<f32> {
    let mut within = |limit: f32| limit * (2.0 * stream.unit() - 1.0);
    let (sin, cos) = within(0.2).sin_cos();
    let (scale_x, scale_y, shear) = (1.0 + within(0.1), 1.0 + within(0.1), within(0.1));
    let (move_x, move_y) = (within(2.0), within(2.0));
    let at = |x: f32, y: f32| {
        let inside = |v: f32| (0.0..SIDE as f32).contains(&v);
        if inside(x) && inside(y) {
            f32::from(picture[y as usize * SIDE + x as usize])
        } else {
            0.0
        }
    };
    let middle = (SIDE as f32 - 1.0) / 2.0;
    let sample = |index: usize| {
        let (x, y) = (
            (index % SIDE) as f32 - middle,
            (index / SIDE) as f32 - middle,
        );
        let (x, y) = (scale_x * (x + shear * y), scale_y * y);
        let (x, y) = (
            cos * x - sin * y + middle + move_x,
            sin * x + cos * y + middle + move_y,
        );
        let (left, top) = (x.floor(), y.floor());
        let upper = at(left, top) + (x - left) * (at(left + 1.0, top) - at(left, top));
        let lower =
            at(left, top + 1.0) + (x - left) * (at(left + 1.0, top + 1.0) - at(left, top + 1.0));
        (upper + (y - top) * (lower - upper)) / 127.5 - 1.0
    };
    (0..SIDE * SIDE).map(sample).collect()
}
