//! Minibatch standard deviation.

use burn::module::Module;
use burn::prelude::*;
use serde::{Deserialize, Serialize};

use crate::dual::{Dual, Forward};
use crate::error::ConfigError;
use crate::kernel;

/// Configuration to create a [`MinibatchStddev`] layer using the
/// [init function](MinibatchStddevConfig::init).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MinibatchStddevConfig {
    /// Most samples in a group, 1 or more. Default: 4.
    #[serde(default = "default_group_size")]
    pub group_size: usize,
    /// Added to the variance before the square root, above 0. Default: 1e-8.
    #[serde(default = "default_epsilon")]
    pub epsilon: f64,
}

fn default_group_size() -> usize {
    4
}

fn default_epsilon() -> f64 {
    1e-8
}

impl Default for MinibatchStddevConfig {
    fn default() -> Self {
        Self {
            group_size: default_group_size(),
            epsilon: default_epsilon(),
        }
    }
}

impl MinibatchStddevConfig {
    /// Says what is wrong.
    ///
    /// # Errors
    ///
    /// If the group size is 0 or epsilon not finite and above 0.
    pub fn validate(&self) -> Result<(), ConfigError> {
        super::check_size("group_size", self.group_size)?;
        super::check_positive("epsilon", self.epsilon)
    }

    /// Makes the layer; it has no parameters.
    ///
    /// # Panics
    ///
    /// Panics if the configuration is not valid.
    pub fn init(&self) -> MinibatchStddev {
        super::expect_valid(self.validate());
        MinibatchStddev {
            group_size: self.group_size,
            epsilon: self.epsilon,
        }
    }
}

/// Appends one feature map holding the standard deviation across a group of samples, so that a critic
/// can see a lack of variety.
///
/// Section 3 of [Progressive Growing of GANs](https://arxiv.org/abs/1710.10196):
/// `mean_chw(√(var_n(x) + ε))`. Sample `i` is in group `i mod (batch / group_size)`, as in the
/// authors' code.
///
/// Differs from the paper where the group size does not divide the batch: the largest divisor of the
/// batch that is not above the group size takes its place. In groups of one (a batch of 1, say) the
/// map is √ε.
///
/// Should be created using [`MinibatchStddevConfig`].
#[derive(Module, Debug)]
pub struct MinibatchStddev {
    /// Most samples in a group.
    pub group_size: usize,
    /// Added to the variance before the square root.
    pub epsilon: f64,
}

impl MinibatchStddev {
    /// Applies the layer.
    ///
    /// # Shapes
    ///
    /// - input: `[batch, channels, height, width]`
    /// - output: `[batch, channels + 1, height, width]`
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        self.apply(x.into()).primal
    }

    fn group_size_for(&self, batch: usize) -> usize {
        let most = self.group_size.min(batch).max(1);
        let divides = |size: &usize| batch.is_multiple_of(*size);
        (1..=most)
            .rev()
            .find(divides)
            .expect("1 divides everything")
    }
}

impl Forward<4, 4> for MinibatchStddev {
    fn apply(&self, x: Dual<4>) -> Dual<4> {
        let [n, c, h, w] = x.primal.dims();
        let group = self.group_size_for(n);
        let grouped = |t: Tensor<4>| t.reshape([group, n / group, c * h * w]);
        let spread = |s: Tensor<3>| {
            s.repeat_dim(0, group)
                .reshape([n, 1, 1, 1])
                .expand([n, 1, h, w])
        };

        let y = grouped(x.primal.clone());
        let centered = y.clone() - y.mean_dim(0);
        let variance = centered.clone().square().mean_dim(0);
        let stddev = kernel::sqrt(variance.add_scalar(self.epsilon)); // [1, batch / group, chw]

        let tangent = x.tangent.map(|t| {
            let dt = grouped(t.clone());
            let dt = dt.clone() - dt.mean_dim(0);
            let change = (centered * dt).mean_dim(0) / stddev.clone();
            Tensor::cat(vec![t, spread(change.mean_dim(2))], 1)
        });
        Dual {
            primal: Tensor::cat(vec![x.primal, spread(stddev.mean_dim(2))], 1),
            tangent,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Stream;
    use crate::testing::{assert_close, assert_jvp, values};

    fn layer(group_size: usize) -> MinibatchStddev {
        let config = MinibatchStddevConfig {
            group_size,
            ..MinibatchStddevConfig::default()
        };
        config.init()
    }

    fn picture(batch: usize) -> Tensor<4> {
        Stream::new(1, "x", 0).normal([batch, 3, 2, 2], &Device::flex())
    }

    /// Two groups, {0, 2} and {1, 3}: the deviation of {0, 4} is 2, of {1, 7} 3.
    #[test]
    fn appends_the_mean_deviation_of_the_group() {
        let x = Tensor::<1>::from_floats([0.0, 1.0, 4.0, 7.0], &Device::flex());
        let y = layer(2).forward(x.reshape([4, 1, 1, 1])).narrow(1, 1, 1);
        let wanted = Tensor::<1>::from_floats([2.0, 3.0, 2.0, 3.0], &Device::flex());
        assert_close(&y, &wanted.reshape([4, 1, 1, 1]), 1e-4);
    }

    #[test]
    fn the_tangent_matches_a_central_difference() {
        for (group_size, batch) in [(4, 8), (2, 6), (8, 6)] {
            let layer = layer(group_size);
            let map = |x: Dual<4>| layer.apply(x).narrow(1, 3, 1);
            assert_jvp(map, picture(batch));
        }
    }

    #[test]
    fn a_group_that_does_not_divide_the_batch_shrinks() {
        assert_eq!(layer(4).group_size_for(8), 4);
        assert_eq!(layer(4).group_size_for(6), 3);
        assert_eq!(layer(4).group_size_for(7), 1);
        assert_eq!(layer(4).group_size_for(2), 2);
        assert_close(
            &layer(4).forward(picture(6)),
            &layer(3).forward(picture(6)),
            0.0,
        );
    }

    #[test]
    fn equal_samples_have_no_deviation() {
        let y = layer(4)
            .forward(picture(1).repeat_dim(0, 4))
            .narrow(1, 3, 1);
        assert!(values(&y).iter().all(|v| (v - 1e-4).abs() < 1e-6)); // √ε
    }

    #[test]
    #[should_panic(expected = "`group_size` is 0; it must be 1 or more")]
    fn an_empty_group_is_refused() {
        let _ = layer(0);
    }
}
