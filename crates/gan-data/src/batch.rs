//! A batch of pictures as floats.

use burn::prelude::*;

use crate::PixelRange;

/// A batch of pictures on a device, with the range of its values.
#[derive(Clone, Debug)]
pub struct Batch {
    /// `[batch, channels, height, width]`, values in `range`.
    pub images: Tensor<4>,
    /// `[batch]` class indices; `None` when the data set has no classes.
    pub labels: Option<Tensor<1, Int>>,
    /// The range of the values of `images`.
    pub range: PixelRange,
}
