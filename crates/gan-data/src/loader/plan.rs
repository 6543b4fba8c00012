//! What is in which batch.

use std::sync::{Arc, Mutex, PoisonError};

use burn::prelude::*;

use super::LoaderConfig;
use crate::random::Draws;
use crate::source::Pictures;
use crate::{Batch, DataError, Picture, PixelRange};

/// Names the stream of random draws of the order.
const STREAM: u64 = 0x6f72_6465;

/// A batch that is not on a device yet.
pub(super) struct Raw {
    /// `[batch, channels, height, width]`
    values: Vec<f32>,
    labels: Option<Vec<i32>>,
    count: usize,
}

impl Raw {
    pub(super) fn upload(self, shape: [usize; 3], range: PixelRange, device: &Device) -> Batch {
        let [channels, height, width] = shape;
        let values = TensorData::new(self.values, [self.count, channels, height, width]);
        Batch {
            images: Tensor::from_data(values, device),
            labels: self
                .labels
                .map(|labels| Tensor::from_data(TensorData::new(labels, [self.count]), device)),
            range,
        }
    }
}

/// Floats of pictures, stacked.
pub(super) struct Stack {
    table: [f32; 256],
    values: Vec<f32>,
}

impl Stack {
    pub(super) fn new(range: PixelRange, capacity: usize) -> Self {
        Self {
            table: std::array::from_fn(|value| range.encode(value as u8)),
            values: Vec::with_capacity(capacity),
        }
    }

    /// Appends a picture, channel by channel.
    pub(super) fn push(&mut self, picture: &Picture) {
        for channel in 0..picture.channels {
            let bytes = picture
                .pixels
                .iter()
                .skip(channel)
                .step_by(picture.channels);
            self.values
                .extend(bytes.map(|byte| self.table[usize::from(*byte)]));
        }
    }

    pub(super) fn into_values(self) -> Vec<f32> {
        self.values
    }
}

/// Everything that the content of the batches depends on; shared by the worker threads.
pub(super) struct Plan {
    data: Arc<dyn Pictures>,
    pub(super) config: LoaderConfig,
    /// `[channels, height, width]` of every picture.
    pub(super) shape: [usize; 3],
    has_labels: bool,
    /// The orders of the last epochs in use. Workers may be in two neighbouring epochs.
    orders: Mutex<Vec<(u64, Arc<Vec<usize>>)>>,
}

impl Plan {
    pub(super) fn new(data: Arc<dyn Pictures>, config: LoaderConfig) -> Result<Self, DataError> {
        let first = config.transform.apply(data.get(0)?, config.seed, 0, 0);
        Ok(Self {
            shape: [first.channels, first.height, first.width],
            has_labels: data.label(0).is_some(),
            data,
            config,
            orders: Mutex::new(Vec::new()),
        })
    }

    pub(super) fn batches_per_epoch(&self) -> u64 {
        let (count, size) = (self.data.len(), self.config.batch_size);
        let batches = if self.config.drop_last {
            count / size
        } else {
            count.div_ceil(size)
        };
        batches as u64
    }

    /// The order of the pictures in an epoch: a permutation of `0..len`.
    pub(super) fn order(&self, epoch: u64) -> Arc<Vec<usize>> {
        // held while drawing, so that the other workers wait instead of drawing the same
        let mut orders = self.orders.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, order)) = orders.iter().find(|(number, _)| *number == epoch) {
            return Arc::clone(order);
        }
        let mut order: Vec<usize> = (0..self.data.len()).collect();
        if self.config.shuffle {
            Draws::new(&[STREAM, self.config.seed, epoch]).shuffle(&mut order);
        }
        let order = Arc::new(order);
        if orders.len() >= 3 {
            orders.remove(0);
        }
        orders.push((epoch, Arc::clone(&order)));
        order
    }

    /// Reads and transforms one picture.
    pub(super) fn picture(&self, index: usize, epoch: u64) -> Result<Picture, DataError> {
        let picture = self.data.get(index)?;
        let picture = self
            .config
            .transform
            .apply(picture, self.config.seed, epoch, index);
        let shape = [picture.channels, picture.height, picture.width];
        if shape == self.shape {
            return Ok(picture);
        }
        let name = self.data.name();
        let show = |[channels, height, width]: [usize; 3]| {
            format!("{width} x {height} pixels with {channels} channels")
        };
        let found = format!("picture {index} of {name} is {}", show(shape));
        let first = format!("picture 0 is {}", show(self.shape));
        if shape[0] != self.shape[0] {
            let message = format!("{found}, but {first}; convert all to grey, RGB or RGBA");
            return Err(DataError::config("channels", message));
        }
        let message = format!("{found}, but {first}; set size, so that all become one size");
        Err(DataError::config("size", message))
    }

    /// Reads the pictures of one batch.
    pub(super) fn collect(&self, batch: u64) -> Result<Raw, DataError> {
        let per_epoch = self.batches_per_epoch();
        let epoch = batch / per_epoch;
        let order = self.order(epoch);
        let start = (batch % per_epoch) as usize * self.config.batch_size;
        let indices = &order[start..order.len().min(start + self.config.batch_size)];
        let pixels: usize = self.shape.iter().product();
        let mut stack = Stack::new(self.config.range, indices.len() * pixels);
        let mut labels = self.has_labels.then(|| Vec::with_capacity(indices.len()));
        for &index in indices {
            let picture = self.picture(index, epoch)?;
            stack.push(&picture);
            if let Some(labels) = &mut labels {
                labels.push(self.label(&picture, index)?);
            }
        }
        Ok(Raw {
            values: stack.into_values(),
            labels,
            count: indices.len(),
        })
    }

    fn label(&self, picture: &Picture, index: usize) -> Result<i32, DataError> {
        let label = picture.label.or_else(|| self.data.label(index));
        label
            .and_then(|label| i32::try_from(label).ok())
            .ok_or_else(|| {
                let message = format!(
                    "picture {index} of {} has none, but picture 0 has",
                    self.data.name()
                );
                DataError::config("labels", message)
            })
    }
}
