//! Pixel normalisation.

use burn::module::Module;
use burn::prelude::*;
use serde::{Deserialize, Serialize};

use crate::dual::{Dual, Forward};
use crate::error::ConfigError;
use crate::kernel;

/// Configuration to create a [`PixelNorm`] layer using the [init function](PixelNormConfig::init).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PixelNormConfig {
    /// Added to the mean square, above 0. Default: 1e-8.
    pub epsilon: f64,
}

impl Default for PixelNormConfig {
    fn default() -> Self {
        Self { epsilon: 1e-8 }
    }
}

impl PixelNormConfig {
    /// Says what is wrong.
    ///
    /// # Errors
    ///
    /// If epsilon is not finite and above 0.
    pub fn validate(&self) -> Result<(), ConfigError> {
        crate::nn::check_positive("epsilon", self.epsilon)
    }

    /// Makes the layer; it has no parameters.
    ///
    /// # Panics
    ///
    /// Panics if the configuration is not valid.
    pub fn init(&self) -> PixelNorm {
        crate::nn::expect_valid(self.validate());
        PixelNorm {
            epsilon: self.epsilon,
        }
    }
}

/// `x / √(mean_c(x²) + epsilon)`: section 4.2 of
/// [Progressive Growing of GANs](https://arxiv.org/abs/1710.10196). On `[batch, size]` it puts latents
/// on a sphere.
///
/// Should be created using [`PixelNormConfig`].
#[derive(Module, Debug)]
pub struct PixelNorm {
    /// Added to the mean square.
    pub epsilon: f64,
}

impl PixelNorm {
    /// Applies the layer to `[batch, channels, …]`; the shape stays.
    pub fn forward<const D: usize>(&self, x: Tensor<D>) -> Tensor<D> {
        self.apply(x.into()).primal
    }
}

impl<const D: usize> Forward<D, D> for PixelNorm {
    fn apply(&self, x: Dual<D>) -> Dual<D> {
        let y = kernel::pixel_norm(x.primal.clone(), self.epsilon);
        // d(x · r) = r · (t − y · mean(y · t)), r the inverse length.
        let tangent = x.tangent.map(|t| {
            let mean = x.primal.square().mean_dim(1);
            let inverse = mean.add_scalar(self.epsilon).sqrt().recip();
            let along = (y.clone() * t.clone()).mean_dim(1);
            (t - y.clone() * along) * inverse
        });
        Dual { primal: y, tangent }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Stream;
    use crate::testing::{assert_close, assert_jvp, values};

    #[test]
    fn the_tangent_matches_a_central_difference() {
        let device = Device::flex();
        let x = Stream::new(1, "x", 0).normal([2, 4, 3, 3], &device);
        for epsilon in [1e-8, 0.5] {
            let layer = PixelNormConfig { epsilon }.init();
            assert_jvp(|x| layer.apply(x), x.clone());
        }
    }

    /// The mean square of 3 and 4 is 12.5.
    #[test]
    fn channels_get_a_mean_square_of_one() {
        let x = Tensor::<2>::from_floats([[3.0, 4.0]], &Device::flex());
        let y = PixelNormConfig::default().init().forward(x);
        let wanted = Tensor::from_floats([[0.848_528, 1.131_371]], &Device::flex());
        assert_close(&y, &wanted, 1e-5);
    }

    #[test]
    fn zero_stays_zero() {
        let x = Tensor::<2>::zeros([1, 3], &Device::flex());
        assert_eq!(
            values(&PixelNormConfig::default().init().forward(x)),
            [0.0; 3]
        );
    }
}
