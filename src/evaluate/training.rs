//! Scores while a model is trained.

use std::sync::Arc;

use burn::prelude::*;
use gan_core::error::ConfigError;
use gan_core::game::{Game, SampleRequest};
use gan_core::nn::ImageShape;
use gan_core::train::{BoxError, Measurement};
use gan_data::source::Pictures;
use gan_metrics::features::{FeatureNetwork, Features, FeaturesConfig};
use gan_metrics::score::FrechetConfig;
use gan_metrics::suite::{Metric, SetStatistics, SuiteConfig, evaluate};
use gan_models::Model;
use serde::{Deserialize, Serialize};

use super::sets::{Drawn, FAKE, Question, Stored, collect};
use super::weights::features;
use crate::Failure;
use crate::progress::Screen;
use crate::resolve::DataConfig;

/// Scores on the way: `train.evaluate` of a `config.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EvaluateConfig {
    /// Between evaluations, in thousands of real pictures, above 0. Default: 50
    pub kimg: f64,
    /// Scores; the first decides which checkpoint is the best. Default: `fid`
    pub metrics: Vec<Metric>,
    /// Generated pictures, for the seeds 0, 1, 2, …, as `sample` would draw them. Default: 2000
    pub samples: usize,
    /// Real pictures, at most. Default: 10000
    pub reals: usize,
    /// What the scores are computed from. Default: `digits`, for grey pictures of 28 by 28
    pub features: FeaturesConfig,
    /// End the run after so many evaluations in a row that were not the best; 0 for never. Default: 0
    pub stop_after_worse: u64,
}

impl Default for EvaluateConfig {
    fn default() -> Self {
        Self {
            kimg: 50.0,
            metrics: vec![Metric::Fid],
            samples: 2000,
            reals: 10_000,
            features: FeaturesConfig::default(),
            stop_after_worse: 0,
        }
    }
}

impl EvaluateConfig {
    /// Says what is wrong with the settings for pictures of the shape `image`.
    ///
    /// # Errors
    ///
    /// If a number is out of its range, there are no metrics, or the features cannot take the pictures.
    pub fn validate(&self, image: ImageShape) -> Result<(), ConfigError> {
        let wrong = |field: &str, value: String, allowed: &str| {
            Err(ConfigError::new(field, value, allowed).within("train.evaluate"))
        };
        // Above this, pictures could not be counted.
        if !(self.kimg > 0.0 && self.kimg <= 1e15) {
            return wrong("kimg", self.kimg.to_string(), "a number above 0");
        }
        for (field, value) in [("samples", self.samples), ("reals", self.reals)] {
            if !(100..=10_000_000).contains(&value) {
                return wrong(field, value.to_string(), "100 to 10000000");
            }
        }
        if self.metrics.is_empty() {
            return wrong(
                "metrics",
                "empty".into(),
                "one metric or more, as in [\"fid\"]",
            );
        }
        let network = self.features.network;
        let own = match network {
            FeatureNetwork::Digits => Some([28, 1]),
            FeatureNetwork::Cifar => Some([32, 3]),
            _ => None,
        };
        if own.is_some_and(|own| own != [image.size, image.channels]) {
            let allowed = "digits for grey pictures of 28 x 28, cifar for RGB ones of 32 x 32, or inception \
                           or vgg";
            return wrong("features.network", network.to_string(), allowed);
        }
        Ok(())
    }
}

/// The settings if none are given: scores of MNIST, which cost little. There are no features for other
/// pictures without a file of weights.
pub(crate) fn default_config(name: &str, data: &DataConfig) -> Option<EvaluateConfig> {
    let is_mnist = name == "mnist" && data.size == 28 && data.channels == 1;
    is_mnist.then(EvaluateConfig::default)
}

/// Scores a game of the model `M`.
pub(crate) struct Judge<M: Model> {
    config: EvaluateConfig,
    model: M,
    features: Box<dyn Features>,
    reals: Stored,
    data: String,
    /// Collected when they are first needed.
    real: Option<SetStatistics>,
    device: Device,
    screen: Screen,
}

impl<M: Model> Judge<M> {
    /// Loads the features. The real pictures are `data`, as the networks see them.
    pub(crate) fn new(
        config: &EvaluateConfig,
        model: &M,
        data: Arc<dyn Pictures>,
        device: &Device,
        screen: &Screen,
    ) -> Result<Self, Failure> {
        let flags = [
            "train.evaluate.features",
            "--set train.evaluate.features.weights=FILE",
            "train.evaluate.features.checksum",
        ];
        let features = features(config.features.clone(), flags, device, screen)?;
        let name = data.name();
        let size = model.image().size;
        Ok(Self {
            reals: Stored::new(data, config.reals, Some(size), "--data"),
            config: config.clone(),
            model: model.clone(),
            features,
            data: name,
            real: None,
            device: device.clone(),
            screen: screen.clone(),
        })
    }

    /// The scores of the game as it is.
    pub(crate) fn measure(&mut self, game: &M::Game) -> Result<Vec<Measurement>, BoxError> {
        let failed = |failure: Failure| BoxError::from(format!("cannot evaluate: {failure}"));
        let suite = SuiteConfig {
            // The curve of one run compares with itself; a program says so where it matters.
            frechet: FrechetConfig { allow_few: true },
            ..SuiteConfig::default()
        };
        let by_class = self.config.metrics.contains(&Metric::IntraFid);
        let question = Question {
            features: &*self.features,
            classes: self.config.features.labels(),
            by_class: if by_class { self.model.num_labels() } else { 0 },
        };
        let real = match self.real.take() {
            Some(real) => real,
            None => {
                let real = self
                    .reals
                    .collect_cached(question, &suite, &self.screen, None);
                real.map_err(failed)?
            }
        };
        let draw = |seeds: &[u64], classes: &[usize]| {
            let rows = self.model.rows(seeds, classes, None, &self.device);
            game.sample(&SampleRequest {
                latents: rows.joined(),
                averaged: true,
            })
        };
        let drawn = Drawn {
            count: self.config.samples,
            classes: self.model.num_classes(),
            labels: self.model.num_labels(),
            draw: &draw,
        };
        let fake = collect(&drawn, question, FAKE, &suite, None).map_err(failed)?;
        let scores = evaluate(&real, &fake, &self.config.metrics, &suite)?;
        let measured = scores.into_iter().map(|score| Measurement {
            metric: score.name,
            value: score.value,
            better: score.better,
            features: self.features.name(),
            samples: fake.count(),
            reals: real.count(),
            data: self.data.clone(),
        });
        let measured = measured.collect();
        self.real = Some(real);
        Ok(measured)
    }
}
