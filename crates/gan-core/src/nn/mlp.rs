//! The multilayer perceptron.

use burn::module::Module;
use burn::prelude::*;
use serde::{Deserialize, Serialize};

use super::{
    Activation, Critic, Generator, Initializer, Linear, LinearConfig, Norm, NormActivation,
    NormLayer, SpectralNormConfig,
};
use crate::dual::{Dual, Forward};
use crate::error::ConfigError;
use crate::rng::Stream;

/// Configuration to create an [`Mlp`] using the [init function](MlpConfig::init).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MlpConfig {
    /// Lengths of the rows: input, hidden layers, output. At least two.
    pub widths: Vec<usize>,
    /// After every hidden layer. Default: leaky ReLU with slope 0.2.
    pub hidden_activation: Activation,
    /// After the last layer. Default: none.
    pub output_activation: Activation,
    /// Before the activation of every hidden layer. Default: none.
    pub norm: Norm,
    /// Initial values. Default: PyTorch's.
    pub initializer: Initializer,
    /// Weights divided by their largest singular value. Default: no.
    #[serde(default)]
    pub spectral_norm: Option<SpectralNormConfig>,
}

impl MlpConfig {
    /// Leaky ReLU, no normalisation, PyTorch's initial values.
    pub fn new(widths: impl Into<Vec<usize>>) -> Self {
        Self {
            widths: widths.into(),
            hidden_activation: Activation::LeakyRelu { slope: 0.2 },
            output_activation: Activation::Identity,
            norm: Norm::None,
            initializer: Initializer::PyTorch,
            spectral_norm: None,
        }
    }

    /// Says what is wrong.
    ///
    /// # Errors
    ///
    /// If there are fewer than two widths or one is 0, or a part is not valid.
    pub fn validate(&self) -> Result<(), ConfigError> {
        if self.widths.len() < 2 {
            let value = format!("{:?}", self.widths);
            return Err(ConfigError::new("widths", value, "a list of two or more"));
        }
        super::check_sizes("widths", &self.widths)?;
        if matches!(self.norm, Norm::Instance { .. }) {
            let allowed = "another: one value per channel has no variance";
            return Err(ConfigError::new("norm", "instance", allowed));
        }
        for width in &self.widths[1..self.widths.len() - 1] {
            self.norm.validate(*width).map_err(|e| e.within("norm"))?;
        }
        let named = |activation: Activation, field: &str| {
            activation.validate().map_err(|e| e.within(field))
        };
        named(self.hidden_activation, "hidden_activation")?;
        named(self.output_activation, "output_activation")?;
        self.initializer.validate()
    }

    /// Draws the parameters.
    ///
    /// # Panics
    ///
    /// Panics if the configuration is not valid.
    pub fn init(&self, stream: &mut Stream, device: &Device) -> Mlp {
        super::expect_valid(self.validate());
        let last = self.widths.len() - 2;
        let initializer = self.initializer;
        let mut mlp = Mlp {
            layers: Vec::new(),
            after: Vec::new(),
        };
        for (index, pair) in self.widths.windows(2).enumerate() {
            let (norm, activation) = if index == last {
                (Norm::None, self.output_activation)
            } else {
                (self.norm, self.hidden_activation)
            };
            let layer = LinearConfig::new(pair[0], pair[1])
                .with_bias(!norm.cancels_bias())
                .with_initializer(initializer)
                .with_spectral_norm(self.spectral_norm);
            mlp.layers.push(layer.init(stream, device));
            let after = NormActivation::new(pair[1], norm, activation, initializer, stream, device);
            mlp.after.push(after);
        }
        mlp
    }
}

/// Dense layers, each followed by a normalisation and an activation.
///
/// A layer before batch normalisation has no bias: it would have no effect.
///
/// Should be created using [`MlpConfig`].
#[derive(Module, Debug)]
pub struct Mlp {
    /// First to last.
    pub layers: Vec<Linear>,
    /// What follows each.
    pub after: Vec<NormActivation>,
}

impl Mlp {
    /// Applies all layers: `[batch, first width]` to `[batch, last width]`.
    pub fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        self.apply(x.into()).primal
    }
}

impl Forward<2, 2> for Mlp {
    fn apply(&self, x: Dual<2>) -> Dual<2> {
        self.apply_layers(x, 0..self.layers.len())
    }
}

impl Mlp {
    /// What the last layer sees.
    pub fn features(&self, x: Dual<2>) -> Dual<2> {
        self.apply_layers(x, 0..self.layers.len() - 1)
    }

    /// The last layer alone, on [features](Mlp::features).
    pub fn apply_last(&self, features: Dual<2>) -> Dual<2> {
        let last = self.layers.len() - 1;
        self.apply_layers(features, last..last + 1)
    }

    fn apply_layers(&self, x: Dual<2>, range: core::ops::Range<usize>) -> Dual<2> {
        range.fold(x, |x, index| {
            self.after[index].apply(self.layers[index].apply(x))
        })
    }
}

/// For points and other rows of numbers; pictures have `MlpGenerator`.
impl Generator<2> for Mlp {
    fn generate(&self, z: Tensor<2>) -> Tensor<2> {
        self.forward(z)
    }

    fn latent_size(&self) -> usize {
        self.layers[0].weight.dims()[1]
    }
}

/// For points and other rows of numbers; pictures have `MlpCritic`.
impl Critic<2> for Mlp {
    fn score(&self, x: Dual<2>) -> Dual<2> {
        self.apply(x)
    }

    fn couples_samples(&self) -> bool {
        let is_batch = |after: &NormActivation| matches!(after.norm, Some(NormLayer::Batch(_)));
        self.after.iter().any(is_batch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::parameter_count;
    use crate::testing::{assert_close, assert_jvp};

    fn init(config: &MlpConfig) -> Mlp {
        config.init(&mut Stream::new(1, "mlp", 0), &Device::flex().autodiff())
    }

    fn row(width: usize) -> Tensor<2> {
        Stream::new(1, "x", 0).normal([3, width], &Device::flex().autodiff())
    }

    #[test]
    fn the_tangent_matches_a_central_difference() {
        let config = MlpConfig {
            hidden_activation: Activation::Silu,
            output_activation: Activation::Tanh,
            norm: Norm::Layer { epsilon: 1e-5 },
            ..MlpConfig::new([5, 8, 6, 2])
        };
        let mlp = init(&config);
        assert_jvp(|x| mlp.apply(x), row(5));
    }

    #[test]
    fn it_is_its_layers_one_after_the_other() {
        let mlp = init(&MlpConfig::new([5, 4, 2]));
        let hidden = Dual::from(mlp.layers[0].forward(row(5))).leaky_relu(0.2);
        let wanted = mlp.layers[1].forward(hidden.primal);
        assert_close(&mlp.forward(row(5)), &wanted, 1e-6);
    }

    #[test]
    fn batch_normalisation_takes_the_place_of_the_bias() {
        let config = MlpConfig {
            norm: Norm::batch(),
            ..MlpConfig::new([5, 4, 2])
        };
        assert_eq!(parameter_count(&init(&config)), 5 * 4 + 4 + 4 + 4 * 2 + 2);
    }

    #[test]
    fn it_plays_either_side_of_a_game_of_points() {
        let mut config = MlpConfig::new([5, 4, 1]);
        let mlp = init(&config);
        assert_eq!(mlp.latent_size(), 5);
        assert_close(&mlp.generate(row(5)), &mlp.forward(row(5)), 0.0);
        assert_close(&mlp.score(row(5).into()).primal, &mlp.forward(row(5)), 0.0);
        assert!(!mlp.couples_samples());
        config.norm = Norm::batch();
        assert!(init(&config).couples_samples());
    }

    #[test]
    fn bad_configurations_are_refused() {
        let field = |config: MlpConfig| config.validate().expect_err("it is bad").field;
        assert_eq!(field(MlpConfig::new([5])), "widths");
        assert_eq!(field(MlpConfig::new([5, 0, 2])), "widths");
        let mut config = MlpConfig::new([5, 4, 2]);
        config.norm = Norm::Instance { epsilon: 1e-5 };
        assert_eq!(field(config.clone()), "norm");
        config.norm = Norm::Group {
            groups: 3,
            epsilon: 1e-5,
        };
        assert_eq!(field(config.clone()), "norm.groups");
        config.norm = Norm::None;
        config.hidden_activation = Activation::LeakyRelu { slope: 2.0 };
        assert_eq!(field(config), "hidden_activation.slope");
    }
}
