//! The critic of a trained run, and the pictures that it has judged.

use std::sync::Arc;

use burn::prelude::*;
use gan_core::nn::ConvCritic;
use gan_data::Loader;
use gan_data::source::Pictures;

use crate::Failure;
use crate::cli::RunArgs;
use crate::labelled::{loader_config, test_split};
use crate::pictures::channel_mode;
use crate::resolve::DataConfig;
use crate::trained::Trained;

/// Pictures that are read at a time.
const CHUNK: usize = 250;

/// A trained critic with its data set.
pub struct TrainedCritic {
    /// With gradients.
    pub critic: ConvCritic,
    /// The run it is from.
    pub trained: Trained,
    config: DataConfig,
    data: Arc<dyn Pictures>,
}

/// Pictures with their classes.
pub struct Labelled {
    /// In chunks of `[250, channels, height, width]`, on a device without autodiff; the last may be
    /// shorter.
    pub images: Vec<Tensor<4>>,
    /// The class of every picture.
    pub labels: Vec<usize>,
}

impl TrainedCritic {
    /// Loads the critic of a run and finds the real pictures that the run names.
    ///
    /// # Errors
    ///
    /// As [`Trained::open`]; if the critic is no convolutional one, or the pictures have gone.
    pub fn open(arguments: &RunArgs) -> Result<Self, Failure> {
        let trained = Trained::open(arguments)?;
        let data = trained.data(&trained.screen)?;
        Ok(Self {
            critic: trained.conv_critic()?,
            config: trained.data_config().clone(),
            trained,
            data,
        })
    }

    /// Names of the classes; empty if there are none.
    pub fn class_names(&self) -> Vec<String> {
        self.data.class_names().unwrap_or_default()
    }

    /// The critic before it has learnt anything.
    ///
    /// # Errors
    ///
    /// As [`Trained::conv_critic`].
    pub fn fresh_critic(&self) -> Result<ConvCritic, Failure> {
        self.trained.fresh_conv_critic()
    }

    /// The first `count` pictures of the data set, or all if there are fewer, in chunks.
    ///
    /// # Errors
    ///
    /// If one cannot be read.
    pub fn pictures(&self, count: usize) -> Result<Vec<Tensor<4>>, Failure> {
        let count = count.min(self.data.len());
        let config = loader_config(&self.config, CHUNK.min(count)).with_shuffle(false);
        let loader = Loader::new(self.data.clone(), config, self.trained.device())?;
        let chunks = loader
            .batches_per_epoch()
            .min((count / CHUNK.min(count)) as u64);
        (0..chunks)
            .map(|index| Ok(loader.batch(index)?.images))
            .collect()
    }

    /// The first `train` pictures in an order that `seed` decides, and `test` others: of the test split
    /// of the data set if it has one, else those that follow. No picture is mirrored.
    ///
    /// # Errors
    ///
    /// If there are fewer, they have no classes, or one cannot be read.
    pub fn split(&self, train: usize, test: usize, seed: u64) -> Result<[Labelled; 2], Failure> {
        let held_out = test_split(
            &self.config,
            self.data.as_ref(),
            channel_mode(&self.config)?,
        )?;
        let first = self.read(&self.data, seed, 0, train)?;
        let second = match &held_out {
            Some(data) => self.read(data, seed, 0, test)?,
            None => self.read(&self.data, seed, train, test)?,
        };
        Ok([first, second])
    }

    /// The pictures `from` to `from + count − 1` of a shuffled set.
    fn read(
        &self,
        data: &Arc<dyn Pictures>,
        seed: u64,
        from: usize,
        count: usize,
    ) -> Result<Labelled, Failure> {
        if from + count > data.len() || !from.is_multiple_of(CHUNK) || !count.is_multiple_of(CHUNK)
        {
            return Err(Failure::usage(format!(
                "--train, --test: multiples of {CHUNK} are wanted, and in all not more than the {} \
                 pictures there are",
                data.len()
            )));
        }
        let config = loader_config(&self.config, CHUNK).with_seed(seed);
        let loader = Loader::new(data.clone(), config, self.trained.device())?;
        let (mut images, mut labels) = (Vec::new(), Vec::with_capacity(count));
        for index in from / CHUNK..(from + count) / CHUNK {
            let batch = loader.batch(index as u64)?;
            let Some(classes) = batch.labels else {
                return Err(Failure::new("the pictures of this run have no classes"));
            };
            let classes = classes.into_data().convert::<i64>();
            let classes: Vec<i64> = classes.try_to_vec().expect("it has just been converted");
            labels.extend(classes.into_iter().map(|class| class as usize));
            images.push(batch.images);
        }
        Ok(Labelled { images, labels })
    }
}
