//! Group normalisation, with instance and layer normalisation as its ends.

use burn::module::{Module, Param};
use burn::prelude::*;
use serde::{Deserialize, Serialize};

use crate::dual::{Dual, Forward};
use crate::error::ConfigError;
use crate::nn::{Initializer, init};
use crate::rng::Stream;

/// Configuration to create a [`GroupNorm`] layer using the [init function](GroupNormConfig::init).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GroupNormConfig {
    /// Number of groups; must divide the channels.
    pub groups: usize,
    /// Size of axis 1, 1 or more.
    pub channels: usize,
    /// Added to the variance, above 0. Default: 1e-5.
    pub epsilon: f64,
    /// Whether there is a weight and a bias per channel. Default: `true`.
    pub affine: bool,
    /// Initial values of the weight. Default: ones.
    pub initializer: Initializer,
}

impl GroupNormConfig {
    /// Groups of neighbouring channels.
    pub fn new(groups: usize, channels: usize) -> Self {
        Self {
            groups,
            channels,
            epsilon: 1e-5,
            affine: true,
            initializer: Initializer::PyTorch,
        }
    }

    /// [Instance normalisation](https://arxiv.org/abs/1607.08022): every channel is a group. Differs
    /// from PyTorch's in having weight and bias unless `affine` is switched off.
    pub fn instance(channels: usize) -> Self {
        Self::new(channels, channels)
    }

    /// [Layer normalisation](https://arxiv.org/abs/1607.06450): all channels are one group. Differs
    /// from PyTorch's on pictures: weight and bias are per channel, not per pixel.
    pub fn layer(channels: usize) -> Self {
        Self::new(1, channels)
    }

    /// Added to the variance.
    #[must_use]
    pub fn with_epsilon(self, epsilon: f64) -> Self {
        Self { epsilon, ..self }
    }

    /// Whether there is a weight and a bias per channel.
    #[must_use]
    pub fn with_affine(self, affine: bool) -> Self {
        Self { affine, ..self }
    }

    /// Initial values of the weight.
    #[must_use]
    pub fn with_initializer(self, initializer: Initializer) -> Self {
        Self {
            initializer,
            ..self
        }
    }

    /// Says what is wrong.
    ///
    /// # Errors
    ///
    /// If a number is outside its range, or the groups do not divide the channels.
    pub fn validate(&self) -> Result<(), ConfigError> {
        crate::nn::check_size("channels", self.channels)?;
        if self.groups == 0 || !self.channels.is_multiple_of(self.groups) {
            let allowed = format!("a divisor of the {} channels", self.channels);
            return Err(ConfigError::new("groups", self.groups, allowed));
        }
        crate::nn::check_positive("epsilon", self.epsilon)?;
        self.initializer.validate()
    }

    /// Draws the parameters.
    ///
    /// # Panics
    ///
    /// Panics if the configuration is not valid.
    pub fn init(&self, stream: &mut Stream, device: &Device) -> GroupNorm {
        crate::nn::expect_valid(self.validate());
        let size = self.channels;
        let weight = || self.initializer.norm_weight(size, stream, device);
        GroupNorm {
            weight: self.affine.then(weight),
            bias: self
                .affine
                .then(|| init::parameter(vec![0.0; size], [size], device)),
            groups: self.groups,
            channels: size,
            epsilon: self.epsilon,
        }
    }
}

/// Mean 0 and variance 1 of each group of channels of each sample, then a weight and a bias per
/// channel: [Group Normalization](https://arxiv.org/abs/1803.08494).
///
/// Should be created using [`GroupNormConfig`].
#[derive(Module, Debug)]
pub struct GroupNorm {
    /// `[channels]`.
    pub weight: Option<Param<Tensor<1>>>,
    /// `[channels]`.
    pub bias: Option<Param<Tensor<1>>>,
    /// Number of groups.
    pub groups: usize,
    /// Size of axis 1.
    pub channels: usize,
    /// Added to the variance.
    pub epsilon: f64,
}

impl GroupNorm {
    /// Applies the layer to `[batch, channels, …]`; the shape stays.
    ///
    /// # Panics
    ///
    /// Panics if axis 1 is not the channels.
    pub fn forward<const D: usize>(&self, x: Tensor<D>) -> Tensor<D> {
        self.apply(x.into()).primal
    }
}

impl<const D: usize> Forward<D, D> for GroupNorm {
    fn apply(&self, x: Dual<D>) -> Dual<D> {
        let dims = x.primal.dims();
        assert_eq!(
            dims[1], self.channels,
            "GroupNorm: axis 1 of the input ({}) must be the channels ({})",
            dims[1], self.channels
        );
        let affine = self.weight.as_ref().zip(self.bias.as_ref());
        let affine = affine.map(|(weight, bias)| [weight.val(), bias.val()]);
        x.group_norm(self.groups, self.epsilon, affine)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{assert_close, assert_jvp};

    fn init(config: GroupNormConfig) -> GroupNorm {
        let mut layer = config.init(&mut Stream::new(1, "norm", 0), &Device::flex());
        if config.affine {
            layer.weight = Some(Param::from_data([1.0f32, 2.0, -1.0, 0.5], &Device::flex()));
            layer.bias = Some(Param::from_data([0.1f32, 0.2, 0.3, 0.4], &Device::flex()));
        }
        layer
    }

    fn picture() -> Tensor<4> {
        Stream::new(1, "x", 0).normal([2, 4, 3, 3], &Device::flex())
    }

    #[test]
    fn tangents_match_central_differences() {
        for groups in [1, 2, 4] {
            let layer = init(GroupNormConfig::new(groups, 4));
            assert_jvp(|x| layer.apply(x), picture());
        }
        let layer = init(GroupNormConfig::layer(4));
        assert_jvp(|x| layer.apply(x), picture().reshape([18, 4]));
    }

    #[test]
    fn it_agrees_with_burns() {
        use burn::nn::GroupNormConfig as BurnConfig;
        let layer = init(GroupNormConfig::new(2, 4));
        let mut burns = BurnConfig::new(2, 4).init(&Device::flex());
        (burns.gamma, burns.beta) = (layer.weight.clone(), layer.bias.clone());
        assert_close(&layer.forward(picture()), &burns.forward(picture()), 1e-5);
    }

    /// A row of 1, 2, 3, 6 has mean 3 and variance 3.5.
    #[test]
    fn a_row_is_standardised() {
        let layer = init(GroupNormConfig::layer(4).with_affine(false));
        assert!(layer.weight.is_none() && layer.bias.is_none());
        let x = Tensor::<2>::from_floats([[1.0, 2.0, 3.0, 6.0]], &Device::flex());
        let wanted = [[-1.069_04, -0.534_52, 0.0, 1.603_57]];
        let wanted = Tensor::<2>::from_floats(wanted, &Device::flex());
        assert_close(&layer.forward(x), &wanted, 1e-4);
    }

    #[test]
    fn one_sample_does_not_see_another() {
        let layer = init(GroupNormConfig::instance(4));
        let alone = layer.forward(picture().narrow(0, 0, 1));
        let together = layer.forward(picture()).narrow(0, 0, 1);
        assert_close(&alone, &together, 1e-6);
    }

    #[test]
    #[should_panic(expected = "axis 1 of the input (4) must be the channels (6)")]
    fn another_number_of_channels_is_refused() {
        let _ = init(GroupNormConfig::new(2, 6).with_affine(false)).forward(picture());
    }

    #[test]
    #[should_panic(expected = "`groups` is 3; it must be a divisor of the 4 channels")]
    fn groups_must_divide_the_channels() {
        let _ = init(GroupNormConfig::new(3, 4));
    }
}
