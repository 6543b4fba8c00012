//! Multilayer perceptrons that draw and judge pictures.

use burn::module::Module;
use burn::prelude::*;
use serde::{Deserialize, Serialize};

use super::{
    Activation, Critic, Generator, ImageShape, Initializer, Mlp, MlpConfig, Norm,
    SpectralNormConfig,
};
use crate::dual::{Dual, Forward};
use crate::error::ConfigError;
use crate::rng::Stream;

/// Configuration to create an [`MlpGenerator`] using the [init function](MlpGeneratorConfig::init).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MlpGeneratorConfig {
    /// What is drawn.
    pub image: ImageShape,
    /// Length of a latent vector, 1 or more.
    pub latent_size: usize,
    /// Widths of the hidden layers.
    pub widths: Vec<usize>,
    /// After every hidden layer. Default: ReLU.
    pub activation: Activation,
    /// After the last layer. Default: tanh, for pictures in `[-1, 1]`.
    pub output_activation: Activation,
    /// Before the activation of every hidden layer. Default: none.
    pub norm: Norm,
    /// Initial values. Default: PyTorch's.
    pub initializer: Initializer,
    /// Weights divided by their largest singular value. Default: no.
    #[serde(default)]
    pub spectral_norm: Option<SpectralNormConfig>,
}

impl MlpGeneratorConfig {
    /// ReLU, tanh, no normalisation, PyTorch's initial values.
    pub fn new(image: ImageShape, latent_size: usize, widths: impl Into<Vec<usize>>) -> Self {
        Self {
            image,
            latent_size,
            widths: widths.into(),
            activation: Activation::Relu,
            output_activation: Activation::Tanh,
            norm: Norm::None,
            initializer: Initializer::PyTorch,
            spectral_norm: None,
        }
    }

    /// Says what is wrong.
    ///
    /// # Errors
    ///
    /// If a size is 0 or a part is not valid.
    pub fn validate(&self) -> Result<(), ConfigError> {
        self.image.validate()?;
        super::check_size("latent_size", self.latent_size)?;
        self.mlp().validate()
    }

    fn mlp(&self) -> MlpConfig {
        let mut widths = vec![self.latent_size];
        widths.extend(&self.widths);
        widths.push(self.image.num_values());
        MlpConfig {
            widths,
            hidden_activation: self.activation,
            output_activation: self.output_activation,
            norm: self.norm,
            initializer: self.initializer,
            spectral_norm: self.spectral_norm,
        }
    }

    /// Draws the parameters.
    ///
    /// # Panics
    ///
    /// Panics if the configuration is not valid.
    pub fn init(&self, stream: &mut Stream, device: &Device) -> MlpGenerator {
        super::expect_valid(self.validate());
        MlpGenerator {
            mlp: self.mlp().init(stream, device),
            image: self.image,
            latent_size: self.latent_size,
        }
    }
}

/// A multilayer perceptron that draws pictures.
///
/// Should be created using [`MlpGeneratorConfig`].
#[derive(Module, Debug)]
pub struct MlpGenerator {
    /// Latent to pixels.
    pub mlp: Mlp,
    /// What is drawn.
    #[module(skip)]
    pub image: ImageShape,
    /// Length of a latent vector.
    pub latent_size: usize,
}

impl Forward<2, 4> for MlpGenerator {
    fn apply(&self, z: Dual<2>) -> Dual<4> {
        let batch = z.primal.dims()[0];
        let ImageShape { channels, size } = self.image;
        self.mlp.apply(z).reshape([batch, channels, size, size])
    }
}

impl Generator<4> for MlpGenerator {
    fn generate(&self, z: Tensor<2>) -> Tensor<4> {
        self.apply(z.into()).primal
    }

    fn latent_size(&self) -> usize {
        self.latent_size
    }
}

/// Configuration to create an [`MlpCritic`] using the [init function](MlpCriticConfig::init).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MlpCriticConfig {
    /// What is judged.
    pub image: ImageShape,
    /// Widths of the hidden layers.
    pub widths: Vec<usize>,
    /// After every hidden layer. Default: leaky ReLU with slope 0.2.
    pub activation: Activation,
    /// Before the activation of every hidden layer. Default: none.
    pub norm: Norm,
    /// Initial values. Default: PyTorch's.
    pub initializer: Initializer,
    /// Weights divided by their largest singular value. Default: no.
    #[serde(default)]
    pub spectral_norm: Option<SpectralNormConfig>,
}

impl MlpCriticConfig {
    /// Leaky ReLU, no normalisation, PyTorch's initial values.
    pub fn new(image: ImageShape, widths: impl Into<Vec<usize>>) -> Self {
        Self {
            image,
            widths: widths.into(),
            activation: Activation::LeakyRelu { slope: 0.2 },
            norm: Norm::None,
            initializer: Initializer::PyTorch,
            spectral_norm: None,
        }
    }

    /// Says what is wrong.
    ///
    /// # Errors
    ///
    /// If a size is 0 or a part is not valid.
    pub fn validate(&self) -> Result<(), ConfigError> {
        self.image.validate()?;
        self.mlp().validate()
    }

    fn mlp(&self) -> MlpConfig {
        let mut widths = vec![self.image.num_values()];
        widths.extend(&self.widths);
        widths.push(1);
        MlpConfig {
            widths,
            hidden_activation: self.activation,
            output_activation: Activation::Identity,
            norm: self.norm,
            initializer: self.initializer,
            spectral_norm: self.spectral_norm,
        }
    }

    /// Draws the parameters.
    ///
    /// # Panics
    ///
    /// Panics if the configuration is not valid.
    pub fn init(&self, stream: &mut Stream, device: &Device) -> MlpCritic {
        super::expect_valid(self.validate());
        MlpCritic {
            mlp: self.mlp().init(stream, device),
            couples_samples: self.norm.couples_samples(),
        }
    }
}

/// A multilayer perceptron that judges pictures.
///
/// Should be created using [`MlpCriticConfig`].
#[derive(Module, Debug)]
pub struct MlpCritic {
    /// Pixels to logit.
    pub mlp: Mlp,
    /// Whether it has batch normalisation.
    pub couples_samples: bool,
}

impl Forward<4, 2> for MlpCritic {
    fn apply(&self, x: Dual<4>) -> Dual<2> {
        self.mlp.apply(x.flatten())
    }
}

impl Critic<4> for MlpCritic {
    fn score(&self, x: Dual<4>) -> Dual<2> {
        self.apply(x)
    }

    fn score_with_features(&self, x: Dual<4>) -> (Dual<2>, Option<Dual<2>>) {
        let features = self.mlp.features(x.flatten());
        (self.mlp.apply_last(features.clone()), Some(features))
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
    use crate::nn::parameter_count;
    use crate::testing::{assert_jvp, values};

    fn mnist() -> ImageShape {
        ImageShape::new(1, 28)
    }

    fn stream() -> Stream {
        Stream::new(1, "mlp", 0)
    }

    fn device() -> Device {
        Device::flex().autodiff()
    }

    /// Sums of `in · out + out` by hand.
    #[test]
    fn the_tutorial_gan_has_its_parameter_counts() {
        let generator = MlpGeneratorConfig::new(mnist(), 100, [256, 512, 1024]);
        let generator = generator.init(&mut stream(), &device());
        assert_eq!(parameter_count(&generator), 1_486_352);
        let critic = MlpCriticConfig::new(mnist(), [1024, 512, 256]);
        let critic = critic.init(&mut stream(), &device());
        assert_eq!(parameter_count(&critic), 1_460_225);
    }

    #[test]
    fn a_generator_draws_pictures_between_minus_one_and_one() {
        let config = MlpGeneratorConfig::new(ImageShape::new(3, 8), 5, [16]);
        let generator = config.init(&mut stream(), &device());
        let x = generator.generate(stream().normal([4, 5], &device()) * 100.0);
        assert_eq!(x.dims(), [4, 3, 8, 8]);
        assert!(values(&x).iter().all(|v| v.abs() <= 1.0));
        assert_eq!(generator.latent_size(), 5);
        assert_jvp(
            |z| generator.mlp.apply(z).tanh(),
            stream().normal([4, 5], &device()),
        );
    }

    #[test]
    fn a_critic_gives_a_logit_and_its_derivative() {
        let mut config = MlpCriticConfig::new(ImageShape::new(3, 8), [16]);
        config.activation = Activation::Silu;
        let critic = config.init(&mut stream(), &device());
        assert!(!critic.couples_samples());
        let x = stream().normal([4, 3, 8, 8], &device());
        assert_eq!(critic.score(x.clone().into()).primal.dims(), [4, 1]);
        assert_jvp(|x| critic.score(x), x);
        config.norm = Norm::batch();
        assert!(config.init(&mut stream(), &device()).couples_samples());
    }

    #[test]
    fn bad_configurations_are_refused() {
        let config = MlpGeneratorConfig::new(ImageShape::new(5, 28), 100, [1]);
        assert_eq!(
            config.validate().expect_err("5 channels").field,
            "image.channels"
        );
        let config = MlpGeneratorConfig::new(mnist(), 0, [1]);
        assert_eq!(
            config.validate().expect_err("no latent").field,
            "latent_size"
        );
        let config = MlpCriticConfig::new(mnist(), [0]);
        assert_eq!(config.validate().expect_err("no width").field, "widths");
    }
}
