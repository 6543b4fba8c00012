//! Networks that turn pictures into features.

use crate::error::MetricError;

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
