//! Training of the small classifiers of `gan-metrics`.

use burn::module::Module;
use burn::prelude::*;
use gan_core::game::{Player, snapshot_module};
use gan_core::loss::cross_entropy;
use gan_core::nn::one_hot;
use gan_core::optim::OptimizerConfig;
use gan_core::rng::Stream;
use gan_data::PixelRange;
use gan_data::source::Pictures;
use gan_metrics::features::save_half;

use crate::Failure;
use crate::progress::Screen;

const BATCH: usize = 128;
/// Adam's first learning rate; it falls to 0 along a straight line.
const LEARNING_RATE: f64 = 2e-3;

/// A picture in `[height][width][channels]`, and its class.
pub type Example = (Vec<u8>, i32);

/// How a classifier is trained.
#[derive(Clone, Copy, Debug)]
pub struct Course {
    /// What the random numbers are drawn for.
    pub name: &'static str,
    /// Decides order and distortions.
    pub seed: u64,
    /// Times that every picture is seen.
    pub epochs: usize,
    /// Channels, height and width.
    pub shape: [usize; 3],
    /// Number of classes.
    pub classes: usize,
    /// Makes `[channels][height][width]` in `[-1, 1]` of a picture of the training, each time another.
    pub distort: fn(&[u8], &mut Stream) -> Vec<f32>,
}

/// All pictures of a set with their labels.
///
/// # Errors
///
/// If a picture cannot be read.
pub fn examples(set: &dyn Pictures) -> Result<Vec<Example>, Failure> {
    (0..set.len())
        .map(|index| Ok((set.get(index)?.pixels, set.label(index).unwrap_or(0) as i32)))
        .collect()
}

impl Course {
    /// Trains with Adam on `train`, prints the share of `test` that is right after each epoch, and gives
    /// the weights as half-precision safetensors. `logits` is the network.
    pub fn run<M: Module>(
        &self,
        network: M,
        logits: impl Fn(&M, Tensor<4>) -> Tensor<2>,
        [train, test]: [&[Example]; 2],
        device: &Device,
    ) -> Vec<u8> {
        let adam = OptimizerConfig::adam(LEARNING_RATE, 0.9, 0.99);
        let mut player = Player::new(self.name, network, adam);
        let screen = Screen::new(false);
        let mut left = self.epochs * (train.len() / BATCH);
        for epoch in 0..self.epochs {
            let mut stream = Stream::new(self.seed, "epoch", epoch as u64);
            let mut order: Vec<usize> = (0..train.len()).collect();
            (1..order.len()).for_each(|last| order.swap(last, stream.below(last + 1)));
            for indices in order.chunks_exact(BATCH) {
                let distorted = |index: &usize| (self.distort)(&train[*index].0, &mut stream);
                let pictures = self.tensor(indices.iter().flat_map(distorted).collect(), device);
                let labels: Vec<i32> = indices.iter().map(|index| train[*index].1).collect();
                let labels = Tensor::from_data(TensorData::new(labels, [BATCH]), device);
                let loss = cross_entropy(
                    logits(player.module(), pictures),
                    one_hot(labels, self.classes),
                );
                player.minimize(loss);
                player.scale_learning_rate((left - 1) as f64 / left as f64);
                left -= 1;
            }
            let (valid, device) = (player.module().valid(), device.clone().without_autodiff());
            let right = self.accuracy(|pictures| logits(&valid, pictures), test, &device);
            let (epoch, percent) = (epoch + 1, 100.0 * right);
            screen.say(format!(
                "epoch {epoch:2}: {percent:.2} % of the test pictures"
            ));
        }
        save_half(&snapshot_module(player.module()))
    }

    /// Part of the pictures whose class is found.
    fn accuracy(
        &self,
        logits: impl Fn(Tensor<4>) -> Tensor<2>,
        set: &[Example],
        device: &Device,
    ) -> f64 {
        let right = set.chunks(500).map(|chunk| {
            let pixels = chunk
                .iter()
                .flat_map(|(picture, _)| planes(picture, self.shape[0]));
            let found = logits(self.tensor(pixels.collect(), device)).argmax(1);
            let found = found.into_data().convert::<i32>();
            let found: Vec<i32> = found.try_to_vec().expect("it has just been converted");
            let pairs = found.iter().zip(chunk);
            pairs.filter(|(found, (_, label))| *found == label).count()
        });
        right.sum::<usize>() as f64 / set.len() as f64
    }

    fn tensor(&self, pixels: Vec<f32>, device: &Device) -> Tensor<4> {
        let [channels, height, width] = self.shape;
        let count = pixels.len() / (channels * height * width);
        let data = TensorData::new(pixels, [count, channels, height, width]);
        Tensor::from_data(data, device)
    }
}

/// Interleaved bytes as one plane per channel, in `[-1, 1]`.
pub fn planes(picture: &[u8], channels: usize) -> Vec<f32> {
    let plane = |channel: usize| picture.iter().skip(channel).step_by(channels);
    (0..channels)
        .flat_map(plane)
        .map(|byte| PixelRange::Signed.encode(*byte))
        .collect()
}
