//! Measures what a critic has learnt of classes that it was never told: a linear classifier on its
//! max-pooled features, section 5.1 of [DCGAN](https://arxiv.org/abs/1511.06434).
//!
//! ```text
//! cargo run --release --example critic_classifier -- --run runs/00000-mnist-dcgan
//! ```

use std::process::ExitCode;

use burn::module::Module;
use burn::prelude::*;
use clap::Parser;
use gan::cli::{self, RunArgs};
use gan::critic::{Labelled, TrainedCritic};
use gan_core::game::Player;
use gan_core::loss::cross_entropy;
use gan_core::nn::{ConvCritic, ImageShape, Initializer, LinearConfig, one_hot, pooled_features};
use gan_core::optim::OptimizerConfig;
use gan_core::rng::Stream;

/// Cells of the grid along a side.
const GRID: usize = 4;
const BATCH: usize = 250;
/// Of Adam; it falls to 0 along a straight line.
const LEARNING_RATE: f64 = 1e-3;

/// Train a linear classifier on the features of a trained critic, and on pixels to compare.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    #[command(flatten)]
    run: RunArgs,
    /// Pictures with labels to learn from
    #[arg(long, value_name = "N", default_value = "10000", value_parser = cli::count, allow_negative_numbers = true)]
    train: usize,
    /// Pictures to test with: of the test split, or others of the data set if it has none
    #[arg(long, value_name = "N", default_value = "10000", value_parser = cli::count, allow_negative_numbers = true)]
    test: usize,
    /// Times that every training picture is seen
    #[arg(long, value_name = "N", default_value = "20", value_parser = cli::count, allow_negative_numbers = true)]
    epochs: usize,
    /// Weight of the squared weights of the classifier
    #[arg(long, value_name = "W", default_value = "0.001", value_parser = cli::zero_or_more, allow_negative_numbers = true)]
    decay: f64,
    /// Decides which pictures, and their order
    #[arg(long, value_name = "N", default_value = "0", value_parser = cli::seed, allow_negative_numbers = true)]
    seed: u64,
}

fn main() -> ExitCode {
    cli::main(|arguments: Arguments| {
        let of = TrainedCritic::open(&arguments.run)?;
        let [train, test] = of.split(arguments.train, arguments.test, arguments.seed)?;
        let classes = of.class_names().len();
        let ImageShape { channels, size } = of.trained.image();
        let (learnt, fresh) = (features(&of.critic), features(&of.fresh_critic()?));
        let pixels = |images: Tensor<4>| {
            let count = images.dims()[0];
            images.reshape([count, channels * size * size])
        };
        let kinds: [(&str, &dyn Fn(Tensor<4>) -> Tensor<2>); 3] = [
            ("features of the critic", &learnt),
            ("features of a critic that has not learnt", &fresh),
            ("pixels", &pixels),
        ];
        for (name, rows) in kinds {
            let (train, test) = (set(&train, rows), set(&test, rows));
            let right = classify(&arguments, classes, &train, &test);
            of.trained.screen.say(format!(
                "{name}: {} numbers, {:.2} % of {} right",
                train.0.dims()[1],
                100.0 * right,
                test.1.len()
            ));
        }
        Ok(())
    })
}

/// Max-pooled features of all convolutions of a critic.
fn features(critic: &ConvCritic) -> impl Fn(Tensor<4>) -> Tensor<2> + use<> {
    let critic = critic.valid();
    move |images| pooled_features(&critic.feature_maps(images), GRID)
}

/// A row per picture, and the labels.
fn set<'a>(
    pictures: &'a Labelled,
    rows: &dyn Fn(Tensor<4>) -> Tensor<2>,
) -> (Tensor<2>, &'a [usize]) {
    let chunks = pictures.images.iter().map(|images| rows(images.clone()));
    (Tensor::cat(chunks.collect(), 0), &pictures.labels)
}

/// Softmax regression on standardised rows; the share of test pictures that it names.
fn classify(
    arguments: &Arguments,
    classes: usize,
    (train, labels): &(Tensor<2>, &[usize]),
    (test, wanted): &(Tensor<2>, &[usize]),
) -> f64 {
    let mean = train.clone().mean_dim(0);
    let deviation = (train.clone() - mean.clone()).square().mean_dim(0).sqrt();
    let standard = |rows: &Tensor<2>| (rows.clone() - mean.clone()) / (deviation.clone() + 1e-3);
    let (train, test) = (standard(train), standard(test));
    let device = train.device().autodiff();
    let layer = LinearConfig::new(train.dims()[1], classes).with_initializer(Initializer::Zeros);
    let layer = layer.init(&mut Stream::new(0, "classifier", 0), &device);
    let adam = OptimizerConfig::adam(LEARNING_RATE, 0.9, 0.999);
    let mut player = Player::new("classifier", layer, adam);
    let rounds = arguments.epochs * labels.len().div_ceil(BATCH);
    for round in 0..rounds {
        let first = round * BATCH % labels.len();
        let count = BATCH.min(labels.len() - first);
        let classes_of: Vec<i64> = labels[first..first + count]
            .iter()
            .map(|l| *l as i64)
            .collect();
        let y = Tensor::from_data(TensorData::new(classes_of, [count]), &device);
        let x = Tensor::from_inner(train.clone().narrow(0, first, count));
        let layer = player.module();
        let squares = layer.weight.val().square().sum() * arguments.decay;
        let loss = cross_entropy(layer.forward(x), one_hot(y, classes)) + squares;
        player.minimize(loss);
        let left = (rounds - round) as f64;
        player.scale_learning_rate((left - 1.0) / left);
    }
    let named = player.module().valid().forward(test).argmax(1);
    let named = named.into_data().convert::<i64>();
    let named: Vec<i64> = named.try_to_vec().expect("it has just been converted");
    let right = named
        .iter()
        .zip(*wanted)
        .filter(|(named, wanted)| **named == **wanted as i64);
    right.count() as f64 / wanted.len() as f64
}
