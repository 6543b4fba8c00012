//! For those who use the loaders of Burn instead of ours.

use std::sync::Arc;

use burn::data::dataloader::batcher::Batcher;
use burn::data::dataset::{Dataset, DatasetError};
use burn::prelude::*;

use super::plan::Stack;
use crate::source::Pictures;
use crate::{Batch, Picture, PixelRange};

/// A data set as `burn::data::dataloader::DataLoaderBuilder` wants it: with Burn's own error type.
#[derive(Clone)]
pub struct BurnPictures(pub Arc<dyn Pictures>);

impl Dataset<Picture> for BurnPictures {
    fn get(&self, index: usize) -> Result<Picture, DatasetError> {
        self.0.get(index).map_err(DatasetError::new)
    }

    fn len(&self) -> usize {
        self.0.len()
    }
}

/// Stacks pictures of one size into a [`Batch`] for Burn's data loaders.
#[derive(Clone, Copy, Debug, Default)]
pub struct PictureBatcher {
    /// The range of the values.
    pub range: PixelRange,
}

impl Batcher<Picture, Batch> for PictureBatcher {
    /// # Panics
    ///
    /// Panics if there are no pictures or they differ in size or channels: this trait of Burn has
    /// no way to return an error.
    fn batch(&self, items: Vec<Picture>, device: &Device) -> Batch {
        let first = items
            .first()
            .expect("PictureBatcher: a batch needs at least one picture");
        let shape = [first.channels, first.height, first.width];
        let count = items.len();
        let mut stack = Stack::new(self.range, count * first.pixels.len());
        for picture in &items {
            let other = [picture.channels, picture.height, picture.width];
            assert_eq!(
                shape, other,
                "PictureBatcher: pictures of different shapes [C, H, W]"
            );
            stack.push(picture);
        }
        let labels: Option<Vec<i32>> = items
            .iter()
            .map(|picture| picture.label.map(|label| label as i32))
            .collect();
        let [channels, height, width] = shape;
        let values = TensorData::new(stack.into_values(), [count, channels, height, width]);
        Batch {
            images: Tensor::from_data(values, device),
            labels: labels
                .map(|labels| Tensor::from_data(TensorData::new(labels, [count]), device)),
            range: self.range,
        }
    }
}
