//! Pictures, and any of the networks for them as one type.

use burn::module::Module;
use burn::prelude::*;
use serde::{Deserialize, Serialize};

use super::{
    ConvAutoencoder, ConvAutoencoderConfig, ConvCritic, ConvCriticConfig, ConvGenerator,
    ConvGeneratorConfig, Critic, Generator, Initializer, MlpCritic, MlpCriticConfig, MlpGenerator,
    MlpGeneratorConfig, SpectralNormConfig,
};
use crate::dual::Dual;
use crate::error::ConfigError;
use crate::rng::Stream;

/// Channels and size of square pictures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImageShape {
    /// 1 (grey) to 4 (colour with alpha).
    pub channels: usize,
    /// Height and width: 28, or a power of two from 8 to 1024.
    pub size: usize,
}

impl ImageShape {
    /// Channels, height and width.
    pub fn new(channels: usize, size: usize) -> Self {
        Self { channels, size }
    }

    /// Says what is wrong.
    ///
    /// # Errors
    ///
    /// If the channels or the size are outside their range.
    pub fn validate(&self) -> Result<(), ConfigError> {
        if !(1..=4).contains(&self.channels) {
            let allowed = "between 1 and 4";
            return Err(ConfigError::new("image.channels", self.channels, allowed));
        }
        if !(self.size == 28 || (self.size.is_power_of_two() && (8..=1024).contains(&self.size))) {
            let allowed = "28, or a power of two from 8 to 1024";
            return Err(ConfigError::new("image.size", self.size, allowed));
        }
        Ok(())
    }

    /// Values in a picture.
    pub fn num_values(&self) -> usize {
        self.channels * self.size * self.size
    }

    /// The smallest size a convolutional network works at: 7 for 28, else 4.
    pub fn base_size(&self) -> usize {
        if self.size == 28 { 7 } else { 4 }
    }

    /// How often [`base_size`](Self::base_size) must be doubled to give the size.
    pub fn num_doublings(&self) -> usize {
        (self.size / self.base_size()).ilog2() as usize
    }
}

/// Configuration of any generator of pictures; `kind` says which.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum ImageGeneratorConfig {
    /// A multilayer perceptron.
    Mlp(MlpGeneratorConfig),
    /// A convolutional network.
    Conv(ConvGeneratorConfig),
}

impl ImageGeneratorConfig {
    /// Says what is wrong.
    ///
    /// # Errors
    ///
    /// If the configuration inside is not valid.
    pub fn validate(&self) -> Result<(), ConfigError> {
        match self {
            Self::Mlp(config) => config.validate(),
            Self::Conv(config) => config.validate(),
        }
    }

    /// What is drawn.
    pub fn image(&self) -> ImageShape {
        match self {
            Self::Mlp(config) => config.image,
            Self::Conv(config) => config.image,
        }
    }

    /// Length of a latent vector.
    pub fn latent_size(&self) -> usize {
        match self {
            Self::Mlp(config) => config.latent_size,
            Self::Conv(config) => config.latent_size,
        }
    }

    /// Draws the parameters.
    ///
    /// # Panics
    ///
    /// Panics if the configuration is not valid.
    pub fn init(&self, stream: &mut Stream, device: &Device) -> ImageGenerator {
        match self {
            Self::Mlp(config) => ImageGenerator::Mlp(config.init(stream, device)),
            Self::Conv(config) => ImageGenerator::Conv(config.init(stream, device)),
        }
    }
}

/// Any generator of pictures.
///
/// Should be created using [`ImageGeneratorConfig`].
#[derive(Module, Debug)]
#[allow(clippy::large_enum_variant)] // There is one per program.
pub enum ImageGenerator {
    /// A multilayer perceptron.
    Mlp(MlpGenerator),
    /// A convolutional network.
    Conv(ConvGenerator),
}

impl Generator<4> for ImageGenerator {
    fn generate(&self, z: Tensor<2>) -> Tensor<4> {
        match self {
            Self::Mlp(generator) => generator.generate(z),
            Self::Conv(generator) => generator.generate(z),
        }
    }

    fn latent_size(&self) -> usize {
        match self {
            Self::Mlp(generator) => generator.latent_size(),
            Self::Conv(generator) => generator.latent_size(),
        }
    }
}

/// Configuration of any critic of pictures; `kind` says which.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum ImageCriticConfig {
    /// A multilayer perceptron.
    Mlp(MlpCriticConfig),
    /// A convolutional network.
    Conv(ConvCriticConfig),
    /// A convolutional network that reconstructs.
    Autoencoder(ConvAutoencoderConfig),
}

impl ImageCriticConfig {
    /// Says what is wrong.
    ///
    /// # Errors
    ///
    /// If the configuration inside is not valid.
    pub fn validate(&self) -> Result<(), ConfigError> {
        match self {
            Self::Mlp(config) => config.validate(),
            Self::Conv(config) => config.validate(),
            Self::Autoencoder(config) => config.validate(),
        }
    }

    /// What is judged.
    pub fn image(&self) -> ImageShape {
        match self {
            Self::Mlp(config) => config.image,
            Self::Conv(config) => config.image,
            Self::Autoencoder(config) => config.encoder.image,
        }
    }

    /// Whether it can have a gradient penalty: not with batch normalisation.
    pub fn can_be_penalised(&self) -> bool {
        match self {
            Self::Mlp(config) => !config.norm.couples_samples(),
            Self::Conv(config) => !config.norm.couples_samples(),
            Self::Autoencoder(config) => !config.couples_samples(),
        }
    }

    /// Whether it compares the pictures of a batch, apart from batch normalisation.
    pub fn compares_pictures(&self) -> bool {
        match self {
            Self::Mlp(_) => false,
            Self::Conv(config) => config.compares_pictures(),
            Self::Autoencoder(config) => config.encoder.compares_pictures(),
        }
    }

    /// How its weights begin.
    pub fn initializer(&self) -> Initializer {
        match self {
            Self::Mlp(config) => config.initializer,
            Self::Conv(config) => config.initializer,
            Self::Autoencoder(config) => config.encoder.initializer,
        }
    }

    /// Whether its weights are divided by their largest singular value.
    pub fn spectral_norm(&self) -> Option<SpectralNormConfig> {
        match self {
            Self::Mlp(config) => config.spectral_norm,
            Self::Conv(config) => config.spectral_norm,
            Self::Autoencoder(config) => config.encoder.spectral_norm,
        }
    }

    /// Draws the parameters.
    ///
    /// # Panics
    ///
    /// Panics if the configuration is not valid.
    pub fn init(&self, stream: &mut Stream, device: &Device) -> ImageCritic {
        match self {
            Self::Mlp(config) => ImageCritic::Mlp(config.init(stream, device)),
            Self::Conv(config) => ImageCritic::Conv(config.init(stream, device)),
            Self::Autoencoder(config) => ImageCritic::Autoencoder(config.init(stream, device)),
        }
    }
}

/// Any critic of pictures.
///
/// Should be created using [`ImageCriticConfig`].
#[derive(Module, Debug)]
#[allow(clippy::large_enum_variant)] // There is one per program.
pub enum ImageCritic {
    /// A multilayer perceptron.
    Mlp(MlpCritic),
    /// A convolutional network.
    Conv(ConvCritic),
    /// A convolutional network that reconstructs.
    Autoencoder(ConvAutoencoder),
}

impl ImageCritic {
    /// Length of the [features](Critic::score_with_features).
    pub fn feature_size(&self) -> usize {
        let logit = match self {
            Self::Mlp(critic) => critic.mlp.layers.last().expect("an MLP has a last layer"),
            Self::Conv(critic) => &critic.logit,
            Self::Autoencoder(critic) => return critic.decoder.latent_size,
        };
        logit.weight.dims()[1]
    }
}

impl Critic<4> for ImageCritic {
    fn score(&self, x: Dual<4>) -> Dual<2> {
        match self {
            Self::Mlp(critic) => critic.score(x),
            Self::Conv(critic) => critic.score(x),
            Self::Autoencoder(critic) => critic.score(x),
        }
    }

    fn score_with_features(&self, x: Dual<4>) -> (Dual<2>, Option<Dual<2>>) {
        match self {
            Self::Mlp(critic) => critic.score_with_features(x),
            Self::Conv(critic) => critic.score_with_features(x),
            Self::Autoencoder(critic) => critic.score_with_features(x),
        }
    }

    fn has_features(&self) -> bool {
        true
    }

    fn couples_samples(&self) -> bool {
        match self {
            Self::Mlp(critic) => critic.couples_samples(),
            Self::Conv(critic) => critic.couples_samples(),
            Self::Autoencoder(critic) => critic.couples_samples(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::Norm;
    use crate::testing::assert_close;

    #[test]
    fn sizes_come_from_doubling_a_base() {
        let parts = |size| {
            let image = ImageShape::new(1, size);
            image.validate().expect("it is valid");
            assert_eq!(image.base_size() << image.num_doublings(), size);
            (image.base_size(), image.num_doublings())
        };
        assert_eq!(
            [28, 8, 32, 64, 1024].map(parts),
            [(7, 2), (4, 1), (4, 3), (4, 4), (4, 8)]
        );
    }

    #[test]
    fn other_sizes_and_channels_are_refused() {
        for size in [0, 1, 4, 27, 30, 56, 2048] {
            let error = ImageShape::new(1, size).validate().expect_err("a bad size");
            assert_eq!(error.field, "image.size");
        }
        for channels in [0, 5] {
            let error = ImageShape::new(channels, 32)
                .validate()
                .expect_err("bad channels");
            assert_eq!(error.field, "image.channels");
        }
    }

    fn configs() -> Vec<(ImageGeneratorConfig, ImageCriticConfig)> {
        let image = ImageShape::new(2, 8);
        vec![
            (
                ImageGeneratorConfig::Mlp(MlpGeneratorConfig::new(image, 6, [8])),
                ImageCriticConfig::Mlp(MlpCriticConfig::new(image, [8])),
            ),
            (
                ImageGeneratorConfig::Conv(ConvGeneratorConfig::dcgan(image, 6, [8])),
                ImageCriticConfig::Conv(ConvCriticConfig::dcgan(image, [8])),
            ),
        ]
    }

    /// A file is the whole truth: what is read back draws and judges the same.
    #[test]
    fn a_config_read_back_gives_the_same_network() {
        let device = Device::flex();
        for (generator, critic) in configs() {
            let text = serde_json::to_string(&generator).expect("it can be written");
            let read: ImageGeneratorConfig = serde_json::from_str(&text).expect("it can be read");
            assert_eq!(read, generator);
            let draw = |config: &ImageGeneratorConfig| {
                let generator = config.init(&mut Stream::new(1, "g", 0), &device);
                assert_eq!(generator.latent_size(), config.latent_size());
                generator.generate(Stream::new(1, "z", 0).normal([3, 6], &device))
            };
            assert_close(&draw(&read), &draw(&generator), 0.0);

            let text = serde_json::to_string(&critic).expect("it can be written");
            let read: ImageCriticConfig = serde_json::from_str(&text).expect("it can be read");
            assert_eq!(read, critic);
            let x = draw(&generator);
            let score = |config: &ImageCriticConfig| {
                let critic = config.init(&mut Stream::new(1, "c", 0), &device);
                critic.score(x.clone().into()).primal
            };
            assert_close(&score(&read), &score(&critic), 0.0);
            assert_eq!(x.dims(), [3, 2, 8, 8]);
        }
    }

    #[test]
    fn a_field_nobody_knows_is_refused() {
        for (generator, critic) in configs() {
            let mut value = serde_json::to_value(&generator).expect("it can be written");
            value["colour"] = 1.into();
            let error = serde_json::from_value::<ImageGeneratorConfig>(value);
            assert!(
                error
                    .expect_err("it is unknown")
                    .to_string()
                    .contains("colour")
            );
            let mut value = serde_json::to_value(&critic).expect("it can be written");
            value["colour"] = 1.into();
            assert!(serde_json::from_value::<ImageCriticConfig>(value).is_err());
        }
        assert!(serde_json::from_str::<ImageCriticConfig>(r#"{"kind":"x"}"#).is_err());
    }

    #[test]
    fn only_batch_normalisation_rules_out_a_penalty() {
        let mut config = ConvCriticConfig::dcgan(ImageShape::new(1, 8), [8]);
        assert!(!ImageCriticConfig::Conv(config.clone()).can_be_penalised());
        config.norm = Norm::None;
        assert!(ImageCriticConfig::Conv(config).can_be_penalised());
    }
}
