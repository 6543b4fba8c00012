//! Trains the classifier of CIFAR-10 whose features `evaluate --features cifar --weights FILE` takes.
//!
//! ```text
//! cargo run --release --example train_cifar_classifier -- --data DIR --out cifar.safetensors
//! ```

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use gan::backend::Backend;
use gan::classifier::{Course, examples, planes};
use gan::cli;
use gan_core::rng::Stream;
use gan_data::ChannelMode;
use gan_data::io::write_atomically;
use gan_data::source::{Split, open};
use gan_metrics::features::CifarClassifier;

const SIDE: usize = CifarClassifier::SIDE;
const CHANNELS: usize = CifarClassifier::CHANNELS;
/// Pixels by which a picture is moved at most.
const SHIFT: usize = 3;
/// Height and width of the square that is covered.
const COVERED: usize = 8;

/// Train a classifier of CIFAR-10; a quarter of an hour on one core for 20,000 pictures.
#[derive(Parser)]
struct Arguments {
    /// CIFAR-10, or a folder or zip of its pictures with the folders train and test
    #[arg(long, value_name = "PATH")]
    data: PathBuf,
    /// Where to write the weights, as half-precision safetensors
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Times that every training picture is seen
    #[arg(long, default_value_t = 24, value_parser = cli::count)]
    epochs: usize,
    /// Decides initial weights, order and distortions
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

fn main() -> ExitCode {
    cli::main(|arguments: Arguments| {
        let device = Backend::open(None)?.device.autodiff();
        let set = |split| examples(open(&arguments.data, split, ChannelMode::Rgb)?.as_ref());
        let (train, test) = (set(Split::Train)?, set(Split::Test)?);
        let course = Course {
            name: "cifar",
            seed: arguments.seed,
            epochs: arguments.epochs,
            shape: [CHANNELS, SIDE, SIDE],
            classes: CifarClassifier::CLASSES,
            distort,
        };
        let mut weights = Stream::new(arguments.seed, "cifar", 0);
        let network = CifarClassifier::init(&mut weights, &device);
        let logits = |network: &CifarClassifier, pictures| network.forward(pictures).1;
        let weights = course.run(network, logits, [&train, &test], &device);
        write_atomically(&arguments.out, &weights)?;
        Ok(())
    })
}

/// Mirrored or not, moved by up to [`SHIFT`] pixels with the edges repeated, and a square of zeros
/// over it ([Cutout](https://arxiv.org/abs/1708.04552)); in `[-1, 1]`.
fn distort(picture: &[u8], stream: &mut Stream) -> Vec<f32> {
    let pixels = planes(picture, CHANNELS);
    let is_mirrored = stream.below(2) == 1;
    let [down, right] = [0; 2].map(|_| stream.below(2 * SHIFT + 1));
    let [top, left] = [0; 2].map(|_| stream.below(SIDE));
    let source =
        |place: usize, shift: usize| (place + shift).clamp(SHIFT, SIDE + SHIFT - 1) - SHIFT;
    let covered =
        |place: usize, first: usize| (first..first + COVERED).contains(&(place + COVERED / 2));
    let at = |index: usize| {
        let (channel, row, column) = (index / (SIDE * SIDE), index / SIDE % SIDE, index % SIDE);
        if covered(row, top) && covered(column, left) {
            return 0.0;
        }
        let column = if is_mirrored {
            SIDE - 1 - column
        } else {
            column
        };
        pixels[(channel * SIDE + source(row, down)) * SIDE + source(column, right)]
    };
    (0..CHANNELS * SIDE * SIDE).map(at).collect()
}
