//! The dense layer.

use burn::module::{Module, Param};
use burn::prelude::*;
use serde::{Deserialize, Serialize};

use super::{Initializer, SpectralNorm, SpectralNormConfig};
use crate::dual::{Dual, Forward};
use crate::error::ConfigError;
use crate::kernel;
use crate::rng::Stream;

/// Configuration to create a [`Linear`] layer using the [init function](LinearConfig::init).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LinearConfig {
    /// Length of an input row, 1 or more.
    pub in_features: usize,
    /// Length of an output row, 1 or more.
    pub out_features: usize,
    /// Whether something is added. Default: `true`.
    pub bias: bool,
    /// Initial values. Default: PyTorch's.
    pub initializer: Initializer,
    /// Weights divided by their largest singular value. Default: no.
    #[serde(default)]
    pub spectral_norm: Option<SpectralNormConfig>,
}

impl LinearConfig {
    /// With bias and PyTorch's initial values.
    pub fn new(in_features: usize, out_features: usize) -> Self {
        Self {
            in_features,
            out_features,
            bias: true,
            initializer: Initializer::PyTorch,
            spectral_norm: None,
        }
    }

    /// Whether something is added.
    #[must_use]
    pub fn with_bias(self, bias: bool) -> Self {
        Self { bias, ..self }
    }

    /// Initial values.
    #[must_use]
    pub fn with_initializer(self, initializer: Initializer) -> Self {
        Self {
            initializer,
            ..self
        }
    }

    /// Divides the weight by its largest singular value.
    #[must_use]
    pub fn with_spectral_norm(self, spectral_norm: Option<SpectralNormConfig>) -> Self {
        Self {
            spectral_norm,
            ..self
        }
    }

    /// Says what is wrong.
    ///
    /// # Errors
    ///
    /// If a size is 0 or the initialiser is not valid.
    pub fn validate(&self) -> Result<(), ConfigError> {
        super::check_size("in_features", self.in_features)?;
        super::check_size("out_features", self.out_features)?;
        self.initializer.validate()
    }

    /// Draws the parameters.
    ///
    /// # Panics
    ///
    /// Panics if the configuration is not valid.
    pub fn init(&self, stream: &mut Stream, device: &Device) -> Linear {
        super::expect_valid(self.validate());
        let shape = [self.out_features, self.in_features];
        let weight = self.initializer.weight(shape, stream, device);
        let bias = self.bias.then(|| {
            let (out, fan_in) = (self.out_features, self.in_features);
            self.initializer.bias(out, fan_in, stream, device)
        });
        let spectral_norm = self
            .spectral_norm
            .map(|config| config.init(weight.val(), 0, stream));
        Linear {
            weight,
            bias,
            spectral_norm,
        }
    }
}

/// `x · weightᵀ + bias`.
///
/// Should be created using [`LinearConfig`].
#[derive(Module, Debug)]
pub struct Linear {
    /// `[out, in]`, PyTorch's layout.
    pub weight: Param<Tensor<2>>,
    /// `[out]`.
    pub bias: Option<Param<Tensor<1>>>,
    /// What the weight is divided by.
    pub spectral_norm: Option<SpectralNorm>,
}

impl Linear {
    /// Applies the layer.
    ///
    /// # Shapes
    ///
    /// - input: `[batch, in]`
    /// - output: `[batch, out]`
    pub fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        self.apply(x.into()).primal
    }
}

impl Forward<2, 2> for Linear {
    fn apply(&self, x: Dual<2>) -> Dual<2> {
        let weight = SpectralNorm::apply_to(&self.spectral_norm, &self.weight, 0);
        let bias = self.bias.as_ref().map(Param::val);
        Dual {
            primal: kernel::linear(x.primal, weight.clone(), bias),
            tangent: x.tangent.map(|t| kernel::linear(t, weight, None)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{assert_jvp, values};

    fn stream() -> Stream {
        Stream::new(7, "linear", 0)
    }

    #[test]
    fn it_multiplies_by_the_transposed_weight_and_adds_the_bias() {
        let device = Device::flex();
        let layer = Linear {
            weight: Param::from_data([[1.0f32, 2.0], [3.0, 4.0], [5.0, 6.0]], &device),
            bias: Some(Param::from_data([0.5f32, 0.0, -0.5], &device)),
            spectral_norm: None,
        };
        let y = layer.forward(Tensor::from_floats([[1.0, 10.0]], &device));
        assert_eq!(values(&y), [21.5, 43.0, 64.5]);
    }

    #[test]
    fn its_tangent_matches_a_central_difference() {
        let device = Device::flex();
        let layer = LinearConfig::new(6, 4).init(&mut stream(), &device);
        assert_jvp(|x| layer.apply(x), stream().normal([3, 6], &device));
    }

    #[test]
    fn the_bias_can_be_left_out() {
        let config = LinearConfig::new(6, 4).with_bias(false);
        let layer = config.init(&mut stream(), &Device::flex());
        assert!(layer.bias.is_none());
        assert_eq!(layer.weight.dims(), [4, 6]);
    }

    #[test]
    #[should_panic(expected = "`in_features` is 0; it must be 1 or more")]
    fn an_empty_row_is_refused() {
        let _ = LinearConfig::new(0, 4).init(&mut stream(), &Device::flex());
    }
}
