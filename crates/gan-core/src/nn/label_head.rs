//! What a critic makes of labels: interchangeable parts on its features.

mod layer;

use burn::prelude::*;
use serde::{Deserialize, Serialize};

pub use layer::LabelHeadLayer;

use super::{EmbeddingConfig, Initializer, LinearConfig, SpectralNormConfig};
use crate::error::ConfigError;
use crate::rng::Stream;

/// How a critic uses labels; `φ` are its features, `y` the class, `K` the number of classes.
///
/// | head | score | critic minimises beside the adversarial loss | generator |
/// | --- | --- | --- | --- |
/// | `none` | as it is | – | – |
/// | `projection` | `+ ⟨φ, v_y⟩` | – | – |
/// | `auxiliary` | as it is | `CE` of a classifier on real (and generated) samples | `CE` on generated ones |
/// | `twin_auxiliary` | as it is | `CE` on real, and `CE` of a second classifier on generated samples | `CE − CE` of the second |
/// | `auxiliary_discriminative` | as it is | `CE` over `2K` classes: real ones and generated ones | `CE` against the real class − `CE` against the generated one |
/// | `contrastive` | as it is | `2C` of real samples | `2C` of generated ones |
/// | `data_to_data` | as it is | `D2D-CE` of real samples | `D2D-CE` of generated ones |
/// | `k_plus_one` | `+ ln Σ e^c` of class logits `c` | `CE` of a classifier on real samples | `CE` on generated ones |
/// | `information` | as it is | how badly the code is recognised in generated samples | the same |
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind", deny_unknown_fields)]
#[non_exhaustive]
pub enum LabelHead {
    /// Labels are not used, or enter elsewhere.
    #[default]
    None,
    /// [Miyato and Koyama 2018](https://arxiv.org/abs/1802.05637), equation 3: the inner product with
    /// a vector of the class is added to the score.
    Projection,
    /// [Odena et al. 2016](https://arxiv.org/abs/1610.09585), section 3: ACGAN.
    Auxiliary {
        /// Weight of the cross-entropy, 0 or more; 1 in the paper.
        weight: f64,
        /// Whether the critic's classifier also learns from generated samples, as in the paper.
        on_fake: bool,
    },
    /// [Gong et al. 2019](https://arxiv.org/abs/1907.02690): TAC-GAN.
    TwinAuxiliary {
        /// Weight of all cross-entropies, 0 or more; 1 in the paper.
        weight: f64,
    },
    /// [Hou et al. 2021](https://arxiv.org/abs/2107.10060): ADC-GAN.
    AuxiliaryDiscriminative {
        /// Weight of all cross-entropies, 0 or more; 1 in the paper.
        weight: f64,
    },
    /// The 2C loss of ContraGAN, [Kang and Park 2020](https://arxiv.org/abs/2006.12681), equation 8.
    Contrastive {
        /// Length of the embedding, 1 or more; 1024 in the paper.
        size: usize,
        /// Temperature, above 0; 1 in the paper.
        temperature: f64,
        /// Weight of the loss, 0 or more; 1 in the paper.
        weight: f64,
    },
    /// The data-to-data cross-entropy of ReACGAN,
    /// [Kang et al. 2021](https://arxiv.org/abs/2111.01118), equation 8.
    DataToData {
        /// Length of the embedding, 1 or more; 512 in the paper.
        size: usize,
        /// Temperature, above 0; 0.5 to 0.75 in the paper.
        temperature: f64,
        /// Similarity with the vector of the class that is enough, −1 to 1; 0.98 in the paper.
        positive_margin: f64,
        /// Similarity with samples of other classes that is allowed, −1 to 1; −0.02 in the paper.
        negative_margin: f64,
        /// Weight of the loss, 0 or more; 1 in the paper.
        weight: f64,
    },
    /// [Salimans et al. 2016](https://arxiv.org/abs/1606.03498), section 5: one more class is
    /// "generated". The network's own score is minus the logit of that class; with the non-saturating
    /// loss, that is the cross-entropy over `K + 1` classes. Samples without a label do not count in
    /// `CE`.
    KPlusOne {
        /// Weight of the cross-entropies, 0 or more; 1 in the paper.
        weight: f64,
    },
    /// The second network of InfoGAN, [Chen et al. 2016](https://arxiv.org/abs/1606.03657),
    /// equation 5: recognises the code in generated samples. The first `categories` coordinates of a
    /// code are one-hot, the others are read as Gaussians of variance 1.
    Information {
        /// Width of its hidden layer, 1 or more; 128 in the paper.
        hidden: usize,
        /// Choices of the categorical code.
        categories: usize,
        /// Weight of the categorical code, 0 or more; 1 in the paper.
        categorical_weight: f64,
        /// Weight of the continuous codes, 0 or more; 0.1 in the paper.
        continuous_weight: f64,
    },
}

impl LabelHead {
    /// ACGAN with the paper's constants.
    pub fn auxiliary() -> Self {
        Self::Auxiliary {
            weight: 1.0,
            on_fake: true,
        }
    }

    /// InfoGAN with the constants of its section 7 for `categories`.
    pub fn information(categories: usize) -> Self {
        Self::Information {
            hidden: 128,
            categories,
            categorical_weight: 1.0,
            continuous_weight: 0.1,
        }
    }

    /// Says what is wrong, for conditions of `width` values.
    ///
    /// # Errors
    ///
    /// If a number is outside its range, or there are more categories than values.
    pub fn validate(&self, width: usize) -> Result<(), ConfigError> {
        let not_negative = |field: &str, value: f64| {
            if value >= 0.0 && value.is_finite() {
                return Ok(());
            }
            Err(ConfigError::new(field, value, "a finite number, 0 or more"))
        };
        let margin = |field: &str, value: f64| {
            if (-1.0..=1.0).contains(&value) {
                return Ok(());
            }
            Err(ConfigError::new(field, value, "between -1 and 1"))
        };
        match *self {
            Self::None | Self::Projection => Ok(()),
            Self::Auxiliary { weight, .. }
            | Self::TwinAuxiliary { weight }
            | Self::AuxiliaryDiscriminative { weight }
            | Self::KPlusOne { weight } => not_negative("weight", weight),
            Self::Contrastive {
                size,
                temperature,
                weight,
            } => {
                super::check_size("size", size)?;
                super::check_positive("temperature", temperature)?;
                not_negative("weight", weight)
            }
            Self::DataToData {
                size,
                temperature,
                positive_margin,
                negative_margin,
                weight,
            } => {
                super::check_size("size", size)?;
                super::check_positive("temperature", temperature)?;
                margin("positive_margin", positive_margin)?;
                margin("negative_margin", negative_margin)?;
                not_negative("weight", weight)
            }
            Self::Information {
                hidden,
                categories,
                categorical_weight,
                continuous_weight,
            } => {
                super::check_size("hidden", hidden)?;
                if categories > width {
                    let allowed = format!("{width} or fewer, the length of a code");
                    return Err(ConfigError::new("categories", categories, allowed));
                }
                not_negative("categorical_weight", categorical_weight)?;
                not_negative("continuous_weight", continuous_weight)
            }
        }
    }

    /// Draws the parameters for features of length `features` and conditions of `width` values.
    ///
    /// # Panics
    ///
    /// Panics if it is not valid.
    pub fn init(
        &self,
        (features, width): (usize, usize),
        initializer: Initializer,
        spectral_norm: Option<SpectralNormConfig>,
        stream: &mut Stream,
        device: &Device,
    ) -> LabelHeadLayer {
        super::expect_valid(self.validate(width));
        let linear = |from: usize, to: usize, stream: &mut Stream| {
            let config = LinearConfig::new(from, to)
                .with_initializer(initializer)
                .with_spectral_norm(spectral_norm);
            config.init(stream, device)
        };
        let mut layer = LabelHeadLayer {
            rule: *self,
            embedding: None,
            hidden: None,
            classifier: None,
            second: None,
        };
        let mut embed = |size: usize, stream: &mut Stream| {
            let config = EmbeddingConfig::new(width, size)
                .with_initializer(initializer)
                .with_spectral_norm(spectral_norm);
            layer.embedding = Some(config.init(stream, device));
        };
        match *self {
            Self::None => {}
            Self::Projection => embed(features, stream),
            Self::Auxiliary { .. } | Self::KPlusOne { .. } => {
                layer.classifier = Some(linear(features, width, stream))
            }
            Self::TwinAuxiliary { .. } => {
                layer.classifier = Some(linear(features, width, stream));
                layer.second = Some(linear(features, width, stream));
            }
            Self::AuxiliaryDiscriminative { .. } => {
                layer.classifier = Some(linear(features, 2 * width, stream));
            }
            Self::Contrastive { size, .. } | Self::DataToData { size, .. } => {
                embed(size, stream);
                layer.classifier = Some(linear(features, size, stream));
            }
            Self::Information { hidden, .. } => {
                layer.hidden = Some(linear(features, hidden, stream));
                layer.classifier = Some(linear(hidden, width, stream));
            }
        }
        layer
    }
}

#[cfg(test)]
mod tests;
