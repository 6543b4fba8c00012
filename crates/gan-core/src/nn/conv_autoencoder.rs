//! The convolutional critic that reconstructs.

use burn::module::Module;
use burn::prelude::*;
use serde::{Deserialize, Serialize};

use super::{
    ConvCritic, ConvCriticConfig, ConvGenerator, ConvGeneratorConfig, Critic, ReconstructionError,
};
use crate::dual::{Dual, Forward};
use crate::error::ConfigError;
use crate::rng::Stream;

/// Configuration to create a [`ConvAutoencoder`] using the [init function](ConvAutoencoderConfig::init).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConvAutoencoderConfig {
    /// From a picture to its code: a critic with a code in place of a score.
    pub encoder: ConvCriticConfig,
    /// From the code back to a picture: a generator whose latent is the code.
    pub decoder: ConvGeneratorConfig,
    /// What counts as an error. Default: the absolute difference.
    #[serde(default)]
    pub error: ReconstructionError,
}

impl ConvAutoencoderConfig {
    /// Says what is wrong.
    ///
    /// # Errors
    ///
    /// If a part is not valid, or what is drawn is not what is judged.
    pub fn validate(&self) -> Result<(), ConfigError> {
        self.encoder.validate().map_err(|e| e.within("encoder"))?;
        self.decoder.validate().map_err(|e| e.within("decoder"))?;
        let (judged, drawn) = (self.encoder.image, self.decoder.image);
        if drawn != judged {
            let allowed = format!("{judged:?}, what the encoder takes");
            let value = format!("{drawn:?}");
            return Err(ConfigError::new("decoder.image", value, allowed));
        }
        Ok(())
    }

    /// Whether a normalisation makes the score of one picture depend on the others.
    pub fn couples_samples(&self) -> bool {
        self.encoder.norm.couples_samples() || self.decoder.norm.couples_samples()
    }

    /// Draws the parameters.
    ///
    /// # Panics
    ///
    /// Panics if the configuration is not valid.
    pub fn init(&self, stream: &mut Stream, device: &Device) -> ConvAutoencoder {
        super::expect_valid(self.validate());
        let code = self.decoder.latent_size;
        ConvAutoencoder {
            encoder: self.encoder.init_encoder(code, stream, device),
            decoder: self.decoder.init(stream, device),
            error: self.error,
            couples_samples: self.couples_samples() || self.encoder.compares_pictures(),
        }
    }
}

/// A critic of pictures whose score is minus the mean error of a reconstruction, as in
/// [EBGAN](https://arxiv.org/abs/1609.03126) and [BEGAN](https://arxiv.org/abs/1703.10717). Its features
/// are the code.
///
/// Should be created using [`ConvAutoencoderConfig`].
#[derive(Module, Debug)]
pub struct ConvAutoencoder {
    /// Picture to code.
    pub encoder: ConvCritic,
    /// Code to picture.
    pub decoder: ConvGenerator,
    /// What counts as an error.
    #[module(skip)]
    pub error: ReconstructionError,
    /// Whether it has batch normalisation or compares pictures.
    pub couples_samples: bool,
}

impl Critic<4> for ConvAutoencoder {
    fn score(&self, x: Dual<4>) -> Dual<2> {
        self.score_with_features(x).0
    }

    fn score_with_features(&self, x: Dual<4>) -> (Dual<2>, Option<Dual<2>>) {
        let code = self.encoder.apply(x.clone());
        let again = self.decoder.apply(code.clone());
        let score = self.error.score(x.flatten(), again.flatten());
        (score, Some(code))
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
    use crate::nn::{Activation, ImageShape, Norm, parameter_count};
    use crate::testing::{assert_close, assert_jvp};

    fn config() -> ConvAutoencoderConfig {
        let image = ImageShape::new(2, 8);
        ConvAutoencoderConfig {
            encoder: ConvCriticConfig {
                norm: Norm::None,
                activation: Activation::Tanh,
                ..ConvCriticConfig::dcgan(image, [4])
            },
            decoder: ConvGeneratorConfig {
                norm: Norm::None,
                activation: Activation::Tanh,
                ..ConvGeneratorConfig::dcgan(image, 3, [4])
            },
            error: ReconstructionError::Squared,
        }
    }

    fn device() -> Device {
        Device::flex().autodiff()
    }

    fn init(config: &ConvAutoencoderConfig) -> ConvAutoencoder {
        config.init(&mut Stream::new(1, "autoencoder", 0), &device())
    }

    fn picture() -> Tensor<4> {
        Stream::new(1, "x", 0).normal([3, 2, 8, 8], &device())
    }

    #[test]
    fn the_score_is_minus_the_mean_error_of_what_the_decoder_draws() {
        let critic = init(&config());
        let (score, code) = critic.score_with_features(picture().into());
        let code = code.expect("the code").primal;
        assert_eq!(code.dims(), [3, 3]);
        let drawn = critic.decoder.apply(code.into()).primal;
        let error = (picture() - drawn).square().reshape([3, 128]).mean_dim(1);
        assert_close(&score.primal, &error.neg(), 1e-6);
    }

    /// Encoder: 4 × 4 kernels from 2 to 4 channels, dense from 4 × 4 × 4 to 3. Decoder: 3 to 4 channels
    /// at 4 × 4, then to 2.
    #[test]
    fn it_has_the_parameters_of_its_halves() {
        let encoder = 2 * 4 * 16 + 4 + 4 * 16 * 3 + 3;
        let decoder = 3 * 4 * 16 + 4 + 4 * 2 * 16 + 2;
        assert_eq!(parameter_count(&init(&config())), encoder + decoder);
    }

    #[test]
    fn its_tangent_matches_a_central_difference() {
        let critic = init(&config());
        assert_jvp(|x| critic.score(x), picture());
    }

    #[test]
    fn halves_that_do_not_fit_are_refused() {
        let mut bad = config();
        bad.decoder.image.channels = 1;
        assert_eq!(bad.validate().unwrap_err().field, "decoder.image");
        bad.decoder.latent_size = 0;
        assert_eq!(bad.validate().unwrap_err().field, "decoder.latent_size");
        assert!(!config().couples_samples());
        let mut coupled = config();
        coupled.decoder.norm = Norm::batch();
        assert!(coupled.couples_samples() && init(&coupled).couples_samples);
    }
}
