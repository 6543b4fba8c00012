//! Features of small colour pictures, from a small classifier of CIFAR-10 whose weights are in this
//! crate.

use burn::module::Module;
use burn::prelude::*;
use gan_core::dual::{Dual, Forward};
use gan_core::nn::{ConvBlock, Linear, LinearConfig};
use gan_core::rng::Stream;

use super::classifier::{Shipped, check_picture, conv_blocks, signed_pictures};
use super::{FeatureBatch, Features, PictureShape, in_chunks};
use crate::error::MetricError;

/// Made by `examples/train_cifar_classifier.rs` of the project's repository; the checksum is also in
/// `docs/metrics.md`.
const WEIGHTS: Shipped = Shipped {
    place: "the CIFAR-10 classifier of gan-metrics",
    bytes: include_bytes!("../../weights/cifar.safetensors"),
    sha256: "TODO",
};
/// Pictures that pass through the network together.
const CHUNK: usize = 250;

/// A convolutional network that tells the ten classes of CIFAR-10 apart.
///
/// Six convolutions with batch normalisation and ReLU (32 → 32 → 16 → 16 → 8 → 8 → 8 pixels), the mean of
/// each channel, which are the features, and a dense layer to ten logits.
#[derive(Module, Debug)]
pub struct CifarClassifier {
    /// Convolution, batch normalisation, ReLU.
    pub blocks: Vec<ConvBlock>,
    /// From the features to the logits.
    pub classes: Linear,
}

impl CifarClassifier {
    /// Height and width of a picture.
    pub const SIDE: usize = 32;
    /// Channels of a picture.
    pub const CHANNELS: usize = 3;
    /// Number of features of a picture.
    pub const SIZE: usize = 96;
    /// Number of classes, in the order of their names, which is that of CIFAR-10.
    pub const CLASSES: usize = 10;

    /// Draws the parameters.
    pub fn init(stream: &mut Stream, device: &Device) -> Self {
        // in, out, kernel, stride, padding
        let layers = [
            [Self::CHANNELS, 32, 3, 1, 1],
            [32, 48, 4, 2, 1],
            [48, 64, 3, 1, 1],
            [64, 64, 4, 2, 1],
            [64, 96, 3, 1, 1],
            [96, Self::SIZE, 1, 1, 0],
        ];
        Self {
            blocks: conv_blocks(&layers, stream, device),
            classes: LinearConfig::new(Self::SIZE, Self::CLASSES).init(stream, device),
        }
    }

    /// Features and logits.
    ///
    /// # Shapes
    ///
    /// - pictures: `[batch, 3, 32, 32]` in `[-1, 1]`
    /// - output: `[batch, 96]` and `[batch, 10]`
    pub fn forward(&self, pictures: Tensor<4>) -> (Tensor<2>, Tensor<2>) {
        let x = self
            .blocks
            .iter()
            .fold(Dual::from(pictures), |x, block| block.apply(x));
        let features = x.mean_pool();
        let logits = self.classes.apply(features.clone());
        (features.primal, logits.primal)
    }
}

/// [`CifarClassifier`] with the weights that come with this crate.
///
/// Takes RGB pictures of 32 by 32 pixels. It was trained on 20,000 pictures of CIFAR-10, far fewer than
/// the networks of published scores: its distances order models and checkpoints of CIFAR-10, and
/// compare with no published FID.
#[derive(Debug)]
pub struct CifarFeatures {
    network: CifarClassifier,
    device: Device,
}

impl CifarFeatures {
    /// Puts the network on a device.
    ///
    /// # Errors
    ///
    /// If the weights in the crate are damaged.
    pub fn new(device: &Device) -> Result<Self, MetricError> {
        let device = device.clone().without_autodiff();
        let network = CifarClassifier::init(&mut Stream::new(0, "cifar", 0), &device);
        let network = WEIGHTS.load(network)?;
        Ok(Self { network, device })
    }
}

impl Features for CifarFeatures {
    fn name(&self) -> String {
        format!("cifar-{}", &WEIGHTS.sha256[..8])
    }

    fn size(&self) -> usize {
        CifarClassifier::SIZE
    }

    fn features(&self, pictures: &[u8], shape: PictureShape) -> Result<FeatureBatch, MetricError> {
        shape.check_bytes(pictures)?;
        let picture = [CifarClassifier::SIDE, CifarClassifier::CHANNELS];
        check_picture(shape, picture, "CIFAR features")?;
        let sizes = [CifarClassifier::SIZE, CifarClassifier::CLASSES];
        Ok(in_chunks(pictures, shape, CHUNK, sizes, |bytes| {
            let pictures = signed_pictures(bytes, picture, &self.device);
            let (features, logits) = self.network.forward(pictures);
            (features, Some(logits))
        }))
    }
}
