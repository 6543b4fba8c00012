//! Trains the digit classifier whose weights are in `crates/gan-metrics/weights`.
//!
//! ```text
//! cargo run --release --example train_digit_classifier -- --data DIR --out digits.safetensors
//! ```

use std::path::PathBuf;
use std::process::ExitCode;

use burn::data::dataset::Dataset;
use burn::module::Module;
use burn::prelude::*;
use clap::Parser;
use gan::backend::Backend;
use gan::{Failure, cli};
use gan_core::game::{Player, snapshot_module};
use gan_core::loss::cross_entropy;
use gan_core::nn::one_hot;
use gan_core::optim::OptimizerConfig;
use gan_core::rng::Stream;
use gan_data::io::write_atomically;
use gan_data::source::{Mnist, Pictures, Split};
use gan_data::{ChannelMode, PixelRange};
use gan_metrics::features::{DigitClassifier, save_half};

const SIDE: usize = DigitClassifier::SIDE;
const BATCH: usize = 128;
/// Adam's first learning rate; it falls to 0 along a straight line.
const LEARNING_RATE: f64 = 2e-3;

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
        let mut weights = Stream::new(arguments.seed, "digits", 0);
        let network = DigitClassifier::init(&mut weights, &device);
        let adam = OptimizerConfig::adam(LEARNING_RATE, 0.9, 0.99);
        let mut player = Player::new("digits", network, adam);
        let rounds = arguments.epochs * (train.len() / BATCH);
        let mut left = rounds;
        for epoch in 0..arguments.epochs {
            let mut stream = Stream::new(arguments.seed, "epoch", epoch as u64);
            let mut order: Vec<usize> = (0..train.len()).collect();
            (1..order.len()).for_each(|last| order.swap(last, stream.below(last + 1)));
            for indices in order.chunks_exact(BATCH) {
                let distorted = |index: &usize| distort(&train[*index].0, &mut stream);
                let pixels = indices.iter().flat_map(distorted).collect();
                let labels = indices.iter().map(|index| train[*index].1).collect();
                player.minimize(loss(player.module(), pixels, labels, &device));
                player.scale_learning_rate((left - 1) as f64 / left as f64);
                left -= 1;
            }
            let right = accuracy(
                &player.module().valid(),
                &test,
                &device.clone().without_autodiff(),
            );
            println!(
                "epoch {:2}: {:.2} % of the test digits",
                epoch + 1,
                100.0 * right
            );
        }
        write_atomically(
            &arguments.out,
            &save_half(&snapshot_module(player.module())),
        )?;
        Ok(())
    })
}

/// All pictures of a split with their labels.
fn open(arguments: &Arguments, split: Split) -> Result<Vec<(Vec<u8>, i32)>, Failure> {
    let set = Mnist::open(&arguments.data, split, ChannelMode::Grey)?;
    (0..set.len())
        .map(|index| Ok((set.get(index)?.pixels, set.label(index).unwrap_or(0) as i32)))
        .collect()
}

/// Cross entropy.
fn loss(
    network: &DigitClassifier,
    pixels: Vec<f32>,
    labels: Vec<i32>,
    device: &Device,
) -> Tensor<1> {
    let count = labels.len();
    let pictures = TensorData::new(pixels, [count, 1, SIDE, SIDE]);
    let labels = Tensor::from_data(TensorData::new(labels, [count]), device);
    let (_, logits) = network.forward(Tensor::from_data(pictures, device));
    cross_entropy(logits, one_hot(labels, 10))
}

/// Part of the pictures whose digit is found.
fn accuracy(network: &DigitClassifier, set: &[(Vec<u8>, i32)], device: &Device) -> f64 {
    let right = set.chunks(500).map(|chunk| {
        let bytes = chunk.iter().flat_map(|(picture, _)| picture);
        let pixels: Vec<f32> = bytes.map(|byte| PixelRange::Signed.encode(*byte)).collect();
        let pictures = TensorData::new(pixels, [chunk.len(), 1, SIDE, SIDE]);
        let (_, logits) = network.forward(Tensor::from_data(pictures, device));
        let found = logits.argmax(1).into_data().convert::<i32>();
        let found: Vec<i32> = found.try_to_vec().expect("it has just been converted");
        let pairs = found.iter().zip(chunk);
        pairs.filter(|(found, (_, label))| *found == label).count()
    });
    right.sum::<usize>() as f64 / set.len() as f64
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
