//! Minibatch discrimination.

use burn::module::{Module, Param};
use burn::prelude::*;
use serde::{Deserialize, Serialize};

use super::Initializer;
use crate::dual::{Dual, Forward};
use crate::error::ConfigError;
use crate::rng::Stream;

/// Configuration to create a [`MinibatchDiscrimination`] layer using the
/// [init function](MinibatchDiscriminationConfig::init).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MinibatchDiscriminationConfig {
    /// Numbers that are added to a row, 1 or more. Default: 100, as in the authors' code.
    pub kernels: usize,
    /// Length of what is compared for each of them, 1 or more. Default: 5, as in the authors' code.
    pub size: usize,
    /// Initial values. Default: N(0, 0.05²), as in the authors' code.
    pub initializer: Initializer,
}

impl Default for MinibatchDiscriminationConfig {
    fn default() -> Self {
        Self {
            kernels: 100,
            size: 5,
            initializer: Initializer::Normal { std: 0.05 },
        }
    }
}

impl MinibatchDiscriminationConfig {
    /// Says what is wrong.
    ///
    /// # Errors
    ///
    /// If a size is 0 or the initialiser is not valid.
    pub fn validate(&self) -> Result<(), ConfigError> {
        super::check_size("kernels", self.kernels)?;
        super::check_size("size", self.size)?;
        self.initializer.validate()
    }

    /// Draws the parameters for rows of length `in_features`.
    ///
    /// # Panics
    ///
    /// Panics if the configuration is not valid.
    pub fn init(
        &self,
        in_features: usize,
        stream: &mut Stream,
        device: &Device,
    ) -> MinibatchDiscrimination {
        super::expect_valid(self.validate());
        let shape = [in_features, self.kernels * self.size];
        MinibatchDiscrimination {
            weight: self.initializer.weight(shape, stream, device),
            kernels: self.kernels,
        }
    }
}

/// Tells a critic how near a sample is to the others of its batch: section 3.2 of
/// [Improved Techniques for Training GANs](https://arxiv.org/abs/1606.03498).
///
/// With `M_i = x_i · weight` as rows `M_ib`, the numbers `o_ib = Σ_{j ≠ i} exp(−‖M_ib − M_jb‖₁)` follow
/// the input.
///
/// Differs from the paper in leaving out `j = i`, which always adds 1, as the authors' code does.
///
/// Should be created using [`MinibatchDiscriminationConfig`].
#[derive(Module, Debug)]
pub struct MinibatchDiscrimination {
    /// `[in, kernels · size]`.
    pub weight: Param<Tensor<2>>,
    /// Numbers that are added to a row.
    pub kernels: usize,
}

impl MinibatchDiscrimination {
    /// Applies the layer: `[batch, in]` to `[batch, in + kernels]`.
    pub fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        self.apply(x.into()).primal
    }
}

impl Forward<2, 2> for MinibatchDiscrimination {
    fn apply(&self, x: Dual<2>) -> Dual<2> {
        let [batch, _] = x.primal.dims();
        let size = self.weight.dims()[1] / self.kernels;
        // [batch, batch, kernels, size]: what sample i and sample j differ by.
        let differences = |rows: Tensor<2>| {
            let rows = rows.matmul(self.weight.val());
            let to = rows.clone().reshape([batch, 1, self.kernels, size]);
            to - rows.reshape([1, batch, self.kernels, size])
        };
        let sum_last = |t: Tensor<4>| t.sum_dim(3).reshape([batch, batch, self.kernels]);
        let difference = differences(x.primal.clone());
        let near = sum_last(difference.clone().abs()).neg().exp();
        let closeness = near.clone().sum_dim(1).reshape([batch, self.kernels]) - 1.0;
        let tangent = x.tangent.map(|t| {
            // d exp(−‖m‖₁) = −exp(−‖m‖₁) · Σ sign(m) · dm; signs are constant between kinks.
            let change = sum_last(difference.detach().sign() * differences(t.clone()));
            let change = (near * change).sum_dim(1).neg();
            Tensor::cat(vec![t, change.reshape([batch, self.kernels])], 1)
        });
        Dual {
            primal: Tensor::cat(vec![x.primal, closeness], 1),
            tangent,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::assert_jvp;

    /// Comparisons of length 2.
    fn with_kernels(kernels: usize) -> MinibatchDiscriminationConfig {
        MinibatchDiscriminationConfig {
            kernels,
            size: 2,
            ..MinibatchDiscriminationConfig::default()
        }
    }

    #[test]
    fn it_adds_how_near_the_others_are() {
        let device = Device::flex();
        let config = with_kernels(1);
        let mut layer = config.init(1, &mut Stream::new(1, "w", 0), &device);
        layer.weight = layer
            .weight
            .map(|_| Tensor::from_floats([[1.0, -2.0]], &device));
        // Distances: 3 between the first two, 6 and 3 to the third.
        let x = Tensor::from_floats([[0.0], [1.0], [2.0]], &device);
        let y: Vec<f32> = layer.forward(x).into_data().try_to_vec().unwrap();
        let (near, far) = ((-3f32).exp(), (-6f32).exp());
        let expected = [0.0, near + far, 1.0, 2.0 * near, 2.0, near + far];
        for (found, expected) in y.iter().zip(expected) {
            assert!((found - expected).abs() < 1e-6, "{y:?}");
        }
    }

    #[test]
    fn the_tangent_matches_a_central_difference() {
        let device = Device::flex();
        let stream = &mut Stream::new(1, "w", 0);
        let config = MinibatchDiscriminationConfig {
            initializer: Initializer::Normal { std: 0.5 },
            ..with_kernels(3)
        };
        let layer = config.init(4, stream, &device);
        assert_jvp(|x| layer.apply(x), stream.normal([5, 4], &device) * 2.0);
    }

    #[test]
    fn sizes_of_zero_are_refused_by_name() {
        assert_eq!(with_kernels(0).validate().unwrap_err().field, "kernels");
    }
}
