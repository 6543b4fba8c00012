//! Networks that turn pictures into features.

mod choice;
mod cifar;
mod classifier;
mod digits;
mod inception;
mod layers;
mod published;
mod resize;
mod vgg;
mod weights;

use std::fmt;

use burn::prelude::*;
use burn::tensor::activation::softmax;

pub use choice::{FeatureNetwork, FeaturesConfig};
pub use cifar::{CifarClassifier, CifarFeatures};
pub use digits::{DigitClassifier, DigitFeatures};
pub use inception::{InceptionFeatures, InceptionV3};
pub use published::PublishedFile;
pub use resize::ResizeMode;
pub use vgg::{Lpips, Vgg16, VggFeatures};
pub use weights::{Checksum, Weights, save_half};
pub(crate) use weights::{hexadecimal, sha256};

use crate::error::{MetricError, check_size};

/// Size of a batch of pictures of 8 bits per channel, stored `[count][height][width][channels]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PictureShape {
    /// Number of pictures.
    pub count: usize,
    /// Height in pixels.
    pub height: usize,
    /// Width in pixels.
    pub width: usize,
    /// Interleaved channels: 1 grey, 3 RGB.
    pub channels: usize,
}

impl PictureShape {
    /// Bytes of one picture.
    pub fn picture_size(&self) -> usize {
        self.height * self.width * self.channels
    }

    /// Bytes of all pictures.
    pub fn num_bytes(&self) -> usize {
        self.count * self.picture_size()
    }

    /// Of pictures `[count, channels, height, width]`.
    pub(crate) fn of(pictures: &Tensor<4>) -> Self {
        let [count, channels, height, width] = pictures.dims();
        Self {
            count,
            height,
            width,
            channels,
        }
    }

    /// Whether there are as many bytes as the shape says.
    ///
    /// # Errors
    ///
    /// [`MetricError::Size`] if not.
    pub fn check_bytes(&self, pictures: &[u8]) -> Result<(), MetricError> {
        check_size(
            format_args!("bytes of {} pictures of {self}", self.count),
            pictures.len(),
            self.num_bytes(),
            "give pictures and shape of one batch",
        )
    }
}

impl fmt::Display for PictureShape {
    /// Size of one picture, as in `28x28 grey` (height first).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{} ", self.height, self.width)?;
        match self.channels {
            1 => f.write_str("grey"),
            3 => f.write_str("RGB"),
            channels => write!(f, "with {channels} channels"),
        }
    }
}

/// Features of a batch of pictures.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FeatureBatch {
    /// Row-major `[count, size]`.
    pub values: Vec<f32>,
    /// Row-major `[count, classes]`, each row sums to 1; `None` if the network does not classify.
    pub probabilities: Option<Vec<f32>>,
    /// Number of classes; 0 if the network does not classify.
    pub classes: usize,
}

/// Turns pictures into features that a score compares.
pub trait Features {
    /// Name with everything that decides the numbers: network, weights, resizing mode. Scores carry
    /// it, and statistics are kept under it.
    fn name(&self) -> String;

    /// Number of features of one picture.
    fn size(&self) -> usize;

    /// Features of `pictures`, which are [`shape.num_bytes()`](PictureShape::num_bytes) bytes.
    ///
    /// # Errors
    ///
    /// If the network cannot take pictures of this shape.
    fn features(&self, pictures: &[u8], shape: PictureShape) -> Result<FeatureBatch, MetricError>;
}

/// How far pictures are from each other, for the [path length](crate::suite::path_length): two pictures of
/// it differ by less than a level of 8 bits, so they come as they were drawn.
pub trait PictureDistance {
    /// Name with everything that decides the numbers: network and weights.
    fn name(&self) -> String;

    /// Distance of each picture of `a` to the one in `b` at the same place: 0 or more, and growing with the
    /// square of a small difference.
    ///
    /// # Shapes
    ///
    /// - a, b: `[batch, channels, height, width]` in `[-1, 1]`
    /// - output: `[batch]`
    ///
    /// # Errors
    ///
    /// If the network cannot take pictures of this shape.
    ///
    /// # Panics
    ///
    /// Panics if the shapes of `a` and `b` differ.
    fn between(&self, a: Tensor<4>, b: Tensor<4>) -> Result<Vec<f64>, MetricError>;
}

/// Passes pictures through a network, `at_once` at a time. Of `bytes`, the network makes features
/// `[batch, size]`, and logits `[batch, classes]` if it has classes.
fn in_chunks(
    pictures: &[u8],
    shape: PictureShape,
    at_once: usize,
    [size, classes]: [usize; 2],
    network: impl Fn(&[u8]) -> (Tensor<2>, Option<Tensor<2>>),
) -> FeatureBatch {
    let mut values = Vec::with_capacity(shape.count * size);
    let mut probabilities = Vec::with_capacity(shape.count * classes);
    for bytes in pictures.chunks(at_once * shape.picture_size()) {
        let (features, logits) = network(bytes);
        values.extend(host_values(features));
        if let Some(logits) = logits {
            probabilities.extend(host_values(softmax(logits, 1)));
        }
    }
    FeatureBatch {
        values,
        probabilities: (classes > 0).then_some(probabilities),
        classes,
    }
}

/// The values of a tensor, row by row.
fn host_values<const D: usize>(x: Tensor<D>) -> Vec<f32> {
    floats(x.into_data())
}

/// Values of any floating type.
fn floats(data: TensorData) -> Vec<f32> {
    data.convert::<f32>()
        .try_to_vec()
        .expect("it has just been converted to f32")
}
