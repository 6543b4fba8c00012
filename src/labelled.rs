//! A few pictures with labels, and how often a classifier is wrong.

use std::sync::Arc;

use burn::prelude::*;
use gan_core::game::Labelled;
use gan_core::words::count;
use gan_data::source::{Pictures, Split, find_mnist_test, open};
use gan_data::transform::{Crop, TransformConfig};
use gan_data::{ChannelMode, DataError, Loader, LoaderConfig};
use gan_models::Model;

use crate::Failure;
use crate::resolve::DataConfig;
use crate::run::Session;

/// Pictures that are classified at a time.
const CHUNK: usize = 500;

impl<M: Model> Session<M> {
    /// The first `per_class` pictures of each class in an order that the seed decides.
    ///
    /// # Errors
    ///
    /// If a class has fewer pictures, or a picture cannot be read.
    pub fn labelled(&self, per_class: usize) -> Result<Labelled, Failure> {
        let names = self.data().class_names().unwrap_or_default();
        let config = loader_config(&self.config().data, 1).with_seed(self.config().seed);
        let loader = Loader::new(self.data().clone(), config, self.device())?;
        let mut found = vec![0; names.len()];
        let (mut images, mut labels) = (Vec::new(), Vec::new());
        for index in 0..self.data().len() as u64 {
            if images.len() == per_class * names.len() {
                break;
            }
            let batch = loader.batch(index)?;
            let Some(label) = batch.labels else { continue };
            let class = label.clone().into_scalar::<i64>() as usize;
            if found.get(class).is_some_and(|count| *count < per_class) {
                found[class] += 1;
                images.push(batch.images);
                labels.push(label);
            }
        }
        if images.is_empty() || images.len() < per_class * names.len() {
            let message = format!(
                "--data: a class has fewer than {}",
                count(per_class, "picture")
            );
            return Err(Failure::new(message));
        }
        Ok(Labelled {
            images: Tensor::cat(images, 0),
            labels: Tensor::cat(labels, 0),
        })
    }

    /// The pictures held out, if the data set has some: the test split of MNIST and CIFAR-10.
    ///
    /// # Errors
    ///
    /// If they are there and cannot be read.
    pub fn held_out(&self) -> Result<Option<HeldOut>, Failure> {
        let data = test_split(&self.config().data, self.data().as_ref(), ChannelMode::Keep)?;
        Ok(data.map(|data| HeldOut {
            data,
            config: self.config().data.clone(),
            device: self.device().clone(),
        }))
    }
}

/// The test split of the data set of which `train` is the training split, if it has one.
pub(crate) fn test_split(
    config: &DataConfig,
    train: &dyn Pictures,
    mode: ChannelMode,
) -> Result<Option<Arc<dyn Pictures>>, Failure> {
    let data = match config.source.as_str() {
        "synthetic" => return Ok(None),
        "mnist" => find_mnist_test()?,
        path => match open(path.as_ref(), Split::Test, mode) {
            // It is there, or there would be no training split.
            Err(DataError::NotFound { .. }) => None,
            opened => Some(opened?),
        },
    };
    // A source without a test split gives the training pictures, which are not held out.
    Ok(data.filter(|data| data.fingerprint() != train.fingerprint()))
}

/// Pictures with labels that nobody was trained on.
pub struct HeldOut {
    data: Arc<dyn Pictures>,
    config: DataConfig,
    device: Device,
}

impl HeldOut {
    /// Share of pictures to which `classify` gives the largest logit for another class than theirs,
    /// and their number.
    ///
    /// # Errors
    ///
    /// If a picture cannot be read.
    pub fn error_rate(
        &self,
        classify: impl Fn(Tensor<4>) -> Tensor<2>,
    ) -> Result<(f64, usize), Failure> {
        let config = loader_config(&self.config, CHUNK)
            .with_shuffle(false)
            .with_drop_last(false);
        let loader = Loader::new(self.data.clone(), config, &self.device)?;
        let (mut wrong, mut count) = (0.0, 0);
        for index in 0..loader.batches_per_epoch() {
            let batch = loader.batch(index)?;
            let Some(labels) = batch.labels else { continue };
            let images = labels.dims()[0];
            let named = classify(batch.images).argmax(1).reshape([images]);
            let errors = named.not_equal(labels).int().sum();
            wrong += errors.into_scalar::<i64>() as f64;
            count += images;
        }
        Ok((wrong / count.max(1) as f64, count))
    }
}

/// The pictures as the session's model sees them, never mirrored.
pub(crate) fn loader_config(data: &DataConfig, batch_size: usize) -> LoaderConfig {
    let transform = TransformConfig::new()
        .with_size(Some([data.size, data.size]))
        .with_crop(Crop::Centre);
    LoaderConfig::new(batch_size).with_transform(transform)
}
