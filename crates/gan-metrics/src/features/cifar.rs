//! Features of small colour pictures, from a small classifier of CIFAR-10.

use std::path::Path;

use burn::module::Module;
use burn::prelude::*;
use gan_core::dual::{Dual, Forward};
use gan_core::nn::{ConvBlock, Linear, LinearConfig};
use gan_core::rng::Stream;
use gan_core::weights::read_safetensors;

use super::classifier::{Pass, conv_blocks, with_weights};
use super::{Checksum, FeatureBatch, Features, PictureShape, sha256};
use crate::error::MetricError;

/// Of the network without training.
const SEED: u64 = 0;

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

/// [`CifarClassifier`] as features of RGB pictures of 32 by 32 pixels: trained, with a file of
/// `examples/train_cifar_classifier.rs` of the project's repository, or with the first weights of a fixed
/// seed.
///
/// Distances of either order models and checkpoints; they compare with no published FID, nor with each
/// other. Without training, features see colours, edges and textures, and there are no
/// probabilities of classes.
#[derive(Debug)]
pub struct CifarFeatures {
    network: CifarClassifier,
    /// Beginning of the checksum of the file; `None` without training.
    weights: Option<String>,
    device: Device,
}

impl CifarFeatures {
    /// The network without training.
    pub fn untrained(device: &Device) -> Self {
        let device = device.clone().without_autodiff();
        Self {
            network: CifarClassifier::init(&mut Stream::new(SEED, "cifar", 0), &device),
            weights: None,
            device,
        }
    }

    /// The network with the weights in a file.
    ///
    /// # Errors
    ///
    /// If the file cannot be read, is of another network, or not the one whose checksum is wanted.
    /// None was published: [`Checksum::Published`] takes any.
    pub fn open(path: &Path, checksum: &Checksum, device: &Device) -> Result<Self, MetricError> {
        let bytes = std::fs::read(path).map_err(MetricError::io(path, "read the file"))?;
        let found = sha256(&bytes);
        if let Checksum::Sha256(wanted) = checksum
            && *wanted != found
        {
            let reason = format!("its SHA-256 is {found} and should be {wanted}; fetch it again");
            return Err(MetricError::weights(path, reason));
        }
        let untrained = Self::untrained(device);
        let tensors = read_safetensors(path, &bytes)?;
        Ok(Self {
            network: with_weights(untrained.network, path, tensors)?,
            weights: Some(found[..8].into()),
            device: untrained.device,
        })
    }
}

impl Features for CifarFeatures {
    fn name(&self) -> String {
        let weights = self.weights.as_deref();
        format!("cifar-{}", weights.unwrap_or("untrained"))
    }

    fn size(&self) -> usize {
        CifarClassifier::SIZE
    }

    fn features(&self, pictures: &[u8], shape: PictureShape) -> Result<FeatureBatch, MetricError> {
        let classes = match self.weights {
            Some(_) => CifarClassifier::CLASSES,
            None => 0,
        };
        let pass = Pass {
            place: "CIFAR features",
            side: CifarClassifier::SIDE,
            channels: CifarClassifier::CHANNELS,
            sizes: [CifarClassifier::SIZE, classes],
            device: &self.device,
        };
        pass.run(pictures, shape, |pictures| self.network.forward(pictures))
    }
}
