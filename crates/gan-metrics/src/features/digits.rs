//! Features of handwritten digits, from a small classifier whose weights are in this crate.

use burn::module::Module;
use burn::prelude::*;
use gan_core::dual::{Dual, Forward};
use gan_core::game::restore_module;
use gan_core::nn::{
    Activation, Conv2dConfig, ConvBlock, Initializer, Linear, LinearConfig, Norm, NormActivation,
    SpatialLayer,
};
use gan_core::rng::Stream;

use super::weights::{read_safetensors, sha256};
use super::{FeatureBatch, Features, PictureShape, in_chunks};
use crate::error::MetricError;

/// Made by `examples/train_digit_classifier.rs` of the project's repository.
const WEIGHTS: &[u8] = include_bytes!("../../weights/digits.safetensors");
/// Of [`WEIGHTS`]; also in `docs/metrics.md`.
const WEIGHTS_SHA256: &str = "1fb9a6ca25cf7d2ae396e8012e754dcce0181964065004d860dd3e1db8714220";
/// Pictures that pass through the network together.
const CHUNK: usize = 250;

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
            (1, 16, 3, 1, 1),
            (16, 32, 4, 2, 1),
            (32, 48, 3, 1, 1),
            (48, 64, 4, 2, 1),
            (64, 64, 4, 1, 0),
        ];
        let initializer = Initializer::KaimingNormal {
            gain: std::f64::consts::SQRT_2,
        };
        let blocks = layers.map(|(from, to, kernel, stride, padding)| {
            let conv = Conv2dConfig::new(from, to, kernel)
                .with_stride(stride)
                .with_padding(padding)
                .with_bias(false)
                .with_initializer(initializer);
            ConvBlock {
                layer: SpatialLayer::Conv(conv.init(stream, device)),
                pool: false,
                after: NormActivation::new(
                    to,
                    Norm::batch(),
                    Activation::Relu,
                    initializer,
                    stream,
                    device,
                ),
            }
        });
        Self {
            blocks: blocks.into(),
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
        let place = "the digit classifier of gan-metrics";
        if sha256(WEIGHTS) != WEIGHTS_SHA256 {
            let reason = "its weights are damaged; take weights/digits.safetensors from the \
                          repository again";
            return Err(MetricError::weights(place, reason));
        }
        let halves = read_safetensors(place.as_ref(), WEIGHTS)?;
        let tensors = halves
            .into_iter()
            .map(|(name, data)| (name, data.convert::<f32>()))
            .collect();
        let device = device.clone().without_autodiff();
        let network = DigitClassifier::init(&mut Stream::new(0, "digits", 0), &device);
        let network = restore_module(network, "digits", &tensors)
            .map_err(|error| MetricError::weights(place, error.to_string()))?;
        Ok(Self { network, device })
    }
}

impl Features for DigitFeatures {
    fn name(&self) -> String {
        format!("digits-{}", &WEIGHTS_SHA256[..8])
    }

    fn size(&self) -> usize {
        DigitClassifier::SIZE
    }

    fn features(&self, pictures: &[u8], shape: PictureShape) -> Result<FeatureBatch, MetricError> {
        shape.check_bytes(pictures)?;
        let side = DigitClassifier::SIDE;
        if [shape.height, shape.width, shape.channels] != [side, side, 1] {
            return Err(MetricError::Pictures {
                place: "digit features".into(),
                reason: format!(
                    "they need grey pictures of {side}x{side}, and these are {shape}; \
                     choose other features or resize the pictures"
                ),
            });
        }
        let sizes = [DigitClassifier::SIZE, DigitClassifier::CLASSES];
        Ok(in_chunks(pictures, shape, CHUNK, sizes, |bytes| {
            let signed = bytes.iter().map(|byte| f32::from(*byte) / 127.5 - 1.0);
            let pixels: Vec<f32> = signed.collect();
            let data = TensorData::new(pixels, [bytes.len() / (side * side), 1, side, side]);
            let (features, logits) = self.network.forward(Tensor::from_data(data, &self.device));
            (features, Some(logits))
        }))
    }
}
