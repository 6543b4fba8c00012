//! The critic that reconstructs.

use burn::module::Module;
use burn::prelude::*;
use serde::{Deserialize, Serialize};

use super::{Critic, Mlp, MlpConfig};
use crate::dual::{Dual, Forward};
use crate::error::ConfigError;
use crate::rng::Stream;

/// What counts as an error of reconstruction, per value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReconstructionError {
    /// `|x − y|`, as in BEGAN.
    #[default]
    Absolute,
    /// `(x − y)²`, as in EBGAN.
    Squared,
}

impl ReconstructionError {
    /// Minus the mean error of each row, `[batch, 1]`.
    pub(super) fn score(self, x: Dual<2>, again: Dual<2>) -> Dual<2> {
        let error = x + again * -1.0;
        let error = match self {
            Self::Absolute => error.pointwise(|e| e.abs(), |e| e.detach().sign()),
            Self::Squared => error.pointwise(|e| e.square(), |e| e * 2.0),
        };
        error.mean_dim(1) * -1.0
    }
}

/// Configuration to create an [`Autoencoder`] using the [init function](AutoencoderConfig::init).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AutoencoderConfig {
    /// From a sample to its code: its first width is the number of values in a sample, its last the
    /// length of the code.
    pub encoder: MlpConfig,
    /// From the code back to a sample.
    pub decoder: MlpConfig,
    /// What counts as an error. Default: the absolute difference.
    #[serde(default)]
    pub error: ReconstructionError,
}

impl AutoencoderConfig {
    /// Dense layers of these widths, the first for the values of a sample and the last for the code, and
    /// the same back.
    pub fn new(widths: impl Into<Vec<usize>>) -> Self {
        let widths = widths.into();
        let back: Vec<usize> = widths.iter().rev().copied().collect();
        Self {
            encoder: MlpConfig::new(widths),
            decoder: MlpConfig::new(back),
            error: ReconstructionError::Absolute,
        }
    }

    /// Says what is wrong.
    ///
    /// # Errors
    ///
    /// If a part is not valid, or the decoder does not lead from the code back to a sample.
    pub fn validate(&self) -> Result<(), ConfigError> {
        self.encoder.validate().map_err(|e| e.within("encoder"))?;
        self.decoder.validate().map_err(|e| e.within("decoder"))?;
        let ends = |widths: &[usize]| (widths[0], widths[widths.len() - 1]);
        let (values, code) = ends(&self.encoder.widths);
        if ends(&self.decoder.widths) != (code, values) {
            let value = format!("{:?}", self.decoder.widths);
            let allowed = format!("a list from {code} to {values}");
            return Err(ConfigError::new("decoder.widths", value, allowed));
        }
        Ok(())
    }

    /// Draws the parameters.
    ///
    /// # Panics
    ///
    /// Panics if the configuration is not valid.
    pub fn init(&self, stream: &mut Stream, device: &Device) -> Autoencoder {
        super::expect_valid(self.validate());
        Autoencoder {
            encoder: self.encoder.init(stream, device),
            decoder: self.decoder.init(stream, device),
            error: self.error,
            couples_samples: self.encoder.norm.couples_samples()
                || self.decoder.norm.couples_samples(),
        }
    }
}

/// A critic whose score is minus the mean error of a reconstruction, as in
/// [EBGAN](https://arxiv.org/abs/1609.03126) and [BEGAN](https://arxiv.org/abs/1703.10717). Its features
/// are the code. It takes samples of any rank.
///
/// Should be created using [`AutoencoderConfig`].
#[derive(Module, Debug)]
pub struct Autoencoder {
    /// Sample to code.
    pub encoder: Mlp,
    /// Code to sample.
    pub decoder: Mlp,
    /// What counts as an error.
    #[module(skip)]
    pub error: ReconstructionError,
    /// Whether it has batch normalisation.
    pub couples_samples: bool,
}

impl<const D: usize> Critic<D> for Autoencoder {
    fn score(&self, x: Dual<D>) -> Dual<2> {
        self.score_with_features(x).0
    }

    fn score_with_features(&self, x: Dual<D>) -> (Dual<2>, Option<Dual<2>>) {
        let x = x.flatten();
        let code = self.encoder.apply(x.clone());
        let again = self.decoder.apply(code.clone());
        (self.error.score(x, again), Some(code))
    }

    fn has_features(&self) -> bool {
        true
    }

    fn couples_samples(&self) -> bool {
        self.couples_samples
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::Activation;
    use crate::testing::{assert_close, assert_jvp};

    fn config() -> AutoencoderConfig {
        let mut config = AutoencoderConfig::new([6, 5, 3]);
        config.encoder.hidden_activation = Activation::Tanh;
        config.decoder.hidden_activation = Activation::Tanh;
        config
    }

    fn init(config: &AutoencoderConfig) -> Autoencoder {
        config.init(&mut Stream::new(1, "autoencoder", 0), &Device::flex())
    }

    fn picture() -> Tensor<4> {
        Stream::new(1, "x", 0).normal([4, 1, 2, 3], &Device::flex())
    }

    #[test]
    fn the_score_is_minus_the_mean_error() {
        let mut config = config();
        for error in [ReconstructionError::Absolute, ReconstructionError::Squared] {
            config.error = error;
            let critic = init(&config);
            let x: Tensor<2> = picture().reshape([4, 6]);
            let code = critic.encoder.forward(x.clone());
            let difference = x - critic.decoder.forward(code.clone());
            let wanted = match error {
                ReconstructionError::Absolute => difference.abs(),
                ReconstructionError::Squared => difference.square(),
            };
            let (score, features) = critic.score_with_features(picture().into());
            assert_close(&score.primal, &wanted.mean_dim(1).neg(), 1e-6);
            assert_close(&features.expect("the code").primal, &code, 0.0);
        }
    }

    #[test]
    fn its_tangent_matches_a_central_difference() {
        let mut config = config();
        config.error = ReconstructionError::Squared;
        let critic = init(&config);
        assert_jvp(|x: Dual<4>| critic.score(x), picture());
        config.error = ReconstructionError::Absolute;
        let critic = init(&config);
        assert_jvp(|x: Dual<4>| critic.score(x), picture());
    }

    #[test]
    fn a_decoder_that_leads_elsewhere_is_refused() {
        let mut config = config();
        config.decoder = MlpConfig::new([3, 5, 7]);
        let error = config.validate().expect_err("7 is not 6");
        assert_eq!(error.field, "decoder.widths");
        config.encoder.widths.clear();
        let error = config.validate().expect_err("there are no widths");
        assert_eq!(error.field, "encoder.widths");
    }
}
