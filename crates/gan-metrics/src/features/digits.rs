//! Features of handwritten digits, from a small classifier whose weights are in this crate.

use burn::module::Module;
use burn::prelude::*;
use gan_core::dual::{Dual, Forward};
use gan_core::nn::{ConvBlock, Linear, LinearConfig};
use gan_core::rng::Stream;

use super::classifier::{Pass, Shipped, conv_blocks};
use super::{FeatureBatch, Features, PictureDistance, PictureShape, host_values};
use crate::error::MetricError;

/// Made by `examples/train_digit_classifier.rs` of the project's repository; the checksum is also in
/// `docs/metrics.md`.
const WEIGHTS: Shipped = Shipped {
    place: "the digit classifier of gan-metrics",
    bytes: include_bytes!("../../weights/digits.safetensors"),
    sha256: "1fb9a6ca25cf7d2ae396e8012e754dcce0181964065004d860dd3e1db8714220",
};

/// A convolutional network that tells handwritten digits apart.
///
/// Five convolutions with batch normalisation and ReLU (28 → 28 → 14 → 14 → 7 → 4 pixels), a dense
/// layer to [`SIZE`](Self::SIZE) features, ReLU, and a dense layer to ten logits.
#[derive(Module, Debug)]
pub struct DigitClassifier {
    /// Convolution, batch normalisation, ReLU.
    pub blocks: Vec<ConvBlock>,
    /// To the features.
    pub features: Linear,
    /// From the features, after ReLU, to the logits.
    pub classes: Linear,
}

impl DigitClassifier {
    /// Height and width of a picture.
    pub const SIDE: usize = 28;
    /// Number of features of a picture.
    pub const SIZE: usize = 64;
    /// Number of classes: the digit is the class.
    pub const CLASSES: usize = 10;

    /// Draws the parameters.
    pub fn init(stream: &mut Stream, device: &Device) -> Self {
        // in, out, kernel, stride, padding
        let layers = [
            [1, 16, 3, 1, 1],
            [16, 32, 4, 2, 1],
            [32, 48, 3, 1, 1],
            [48, 64, 4, 2, 1],
            [64, 64, 4, 1, 0],
        ];
        Self {
            blocks: conv_blocks(&layers, stream, device),
            features: LinearConfig::new(64 * 4 * 4, Self::SIZE).init(stream, device),
            classes: LinearConfig::new(Self::SIZE, Self::CLASSES).init(stream, device),
        }
    }

    /// Features (before their ReLU) and logits.
    ///
    /// # Shapes
    ///
    /// - pictures: `[batch, 1, 28, 28]` in `[-1, 1]`, the digit bright
    /// - output: `[batch, 64]` and `[batch, 10]`
    pub fn forward(&self, pictures: Tensor<4>) -> (Tensor<2>, Tensor<2>) {
        let x = self
            .blocks
            .iter()
            .fold(Dual::from(pictures), |x, block| block.apply(x));
        let features = self.features.apply(x.flatten());
        let logits = self.classes.apply(features.clone().relu());
        (features.primal, logits.primal)
    }
}

/// [`DigitClassifier`] with the weights that come with this crate.
///
/// Takes grey pictures of 28 by 28 pixels, bright digits on black as in MNIST. The features are the
/// inputs of the last ReLU; the probabilities are those of the ten digits.
#[derive(Debug)]
pub struct DigitFeatures {
    network: DigitClassifier,
    device: Device,
}

impl DigitFeatures {
    /// Puts the network on a device.
    ///
    /// # Errors
    ///
    /// If the weights in the crate are damaged.
    pub fn new(device: &Device) -> Result<Self, MetricError> {
        let device = device.clone().without_autodiff();
        let network = DigitClassifier::init(&mut Stream::new(0, "digits", 0), &device);
        let network = WEIGHTS.load(network)?;
        Ok(Self { network, device })
    }

    fn pass(&self) -> Pass<'_> {
        Pass {
            place: "digit features",
            side: DigitClassifier::SIDE,
            channels: 1,
            sizes: [DigitClassifier::SIZE, DigitClassifier::CLASSES],
            device: &self.device,
        }
    }
}

impl Features for DigitFeatures {
    fn name(&self) -> String {
        format!("digits-{}", &WEIGHTS.sha256[..8])
    }

    fn size(&self) -> usize {
        DigitClassifier::SIZE
    }

    fn features(&self, pictures: &[u8], shape: PictureShape) -> Result<FeatureBatch, MetricError> {
        let network = |pictures| self.network.forward(pictures);
        self.pass().run(pictures, shape, network)
    }
}

/// The squared Euclidean distance of the 64 features.
impl PictureDistance for DigitFeatures {
    fn name(&self) -> String {
        Features::name(self)
    }

    fn between(&self, a: Tensor<4>, b: Tensor<4>) -> Result<Vec<f64>, MetricError> {
        self.pass().check_picture(PictureShape::of(&a))?;
        let [a, b] = [a, b].map(|pictures| host_values(self.network.forward(pictures).0));
        let square = |(a, b): (&f32, &f32)| (f64::from(*a) - f64::from(*b)).powi(2);
        let rows = a
            .chunks(DigitClassifier::SIZE)
            .zip(b.chunks(DigitClassifier::SIZE));
        Ok(rows
            .map(|(a, b)| a.iter().zip(b).map(square).sum())
            .collect())
    }
}
