//! Virtual batch normalisation.

use burn::module::{Module, Param};
use burn::prelude::*;
use serde::{Deserialize, Serialize};

use crate::dual::{Dual, Forward};
use crate::error::ConfigError;
use crate::nn::{Initializer, init};
use crate::rng::Stream;

/// Configuration to create a [`VirtualBatchNorm`] layer using the
/// [init function](VirtualBatchNormConfig::init).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VirtualBatchNormConfig {
    /// Size of axis 1, 1 or more.
    pub channels: usize,
    /// Samples of the reference batch, which come first in every batch, 1 or more.
    pub reference: usize,
    /// Added to the variance, above 0. Default: 1e-5.
    pub epsilon: f64,
    /// Initial values of the weight. Default: ones.
    pub initializer: Initializer,
}

impl VirtualBatchNormConfig {
    /// An epsilon of 1e-5 and weights of 1.
    pub fn new(channels: usize, reference: usize) -> Self {
        Self {
            channels,
            reference,
            epsilon: 1e-5,
            initializer: Initializer::PyTorch,
        }
    }

    /// Added to the variance.
    #[must_use]
    pub fn with_epsilon(self, epsilon: f64) -> Self {
        Self { epsilon, ..self }
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
    /// If a number is outside its range.
    pub fn validate(&self) -> Result<(), ConfigError> {
        crate::nn::check_size("channels", self.channels)?;
        crate::nn::check_size("reference", self.reference)?;
        crate::nn::check_positive("epsilon", self.epsilon)?;
        self.initializer.validate()
    }

    /// Draws the parameters.
    ///
    /// # Panics
    ///
    /// Panics if the configuration is not valid.
    pub fn init(&self, stream: &mut Stream, device: &Device) -> VirtualBatchNorm {
        crate::nn::expect_valid(self.validate());
        let size = self.channels;
        VirtualBatchNorm {
            weight: self.initializer.norm_weight(size, stream, device),
            bias: init::parameter(vec![0.0; size], [size], device),
            reference: self.reference,
            epsilon: self.epsilon,
        }
    }
}

/// Every sample is normalised by the statistics of a reference batch and itself, so that it does not
/// depend on the other samples it is drawn with: section 3.5 of
/// [Improved Techniques](https://arxiv.org/abs/1606.03498). The reference batch comes first in every
/// input, and is normalised by its own statistics.
///
/// With the mean `m` and the mean square `s` of a channel in the `R` samples of the reference, and `m'`
/// and `s'` in the sample: `mean = (R m + m') / (R + 1)`, `variance = (R s + s') / (R + 1) − mean²`, then
/// `(x − mean) / √(variance + epsilon) · weight + bias`.
///
/// Should be created using [`VirtualBatchNormConfig`].
#[derive(Module, Debug)]
pub struct VirtualBatchNorm {
    /// `[channels]`.
    pub weight: Param<Tensor<1>>,
    /// `[channels]`.
    pub bias: Param<Tensor<1>>,
    /// Samples of the reference batch.
    pub reference: usize,
    /// Added to the variance.
    pub epsilon: f64,
}

impl VirtualBatchNorm {
    /// Applies the layer to `[reference + batch, channels, …]`; the shape stays.
    ///
    /// # Panics
    ///
    /// Panics if axis 1 is not the channels, or there is no sample after the reference batch.
    pub fn forward<const D: usize>(&self, x: Tensor<D>) -> Tensor<D> {
        self.apply(x.into()).primal
    }

    /// Means `[samples, channels, 1]` of the samples become those they are normalised by: of the
    /// reference alone, and of the reference with one more sample.
    fn with_reference(&self, means: Tensor<3>) -> Tensor<3> {
        let [samples, channels, _] = means.dims();
        let reference = means.clone().narrow(0, 0, self.reference).mean_dim(0);
        let others = means.narrow(0, self.reference, samples - self.reference);
        let count = self.reference as f64;
        let mixed = (others + reference.clone() * count) / (count + 1.0);
        let reference = reference.expand([self.reference, channels, 1]);
        Tensor::cat(vec![reference, mixed], 0)
    }
}

impl<const D: usize> Forward<D, D> for VirtualBatchNorm {
    fn apply(&self, x: Dual<D>) -> Dual<D> {
        let dims = x.primal.dims();
        let channels = self.weight.dims()[0];
        assert_eq!(
            dims[1], channels,
            "VirtualBatchNorm: axis 1 of the input ({}) must be the channels ({channels})",
            dims[1]
        );
        assert!(
            dims[0] > self.reference,
            "VirtualBatchNorm: the input has {} samples; it must begin with the {} of the reference \
             batch and have more",
            dims[0],
            self.reference
        );
        let values = dims[2..].iter().product();
        let rows = x.reshape([dims[0], channels, values]);
        let means = |x: Tensor<3>| self.with_reference(x.mean_dim(2));
        let mean = means(rows.primal.clone());
        let square = means(rows.primal.clone().square());
        // Rounding can take a variance of nothing below zero.
        let variance = (square - mean.clone().square()).clamp_min(0.0) + self.epsilon;
        let scale = variance.sqrt().recip();
        let centred = rows.primal.clone() - mean.clone();
        let affine = |weight: &Param<Tensor<1>>| weight.val().reshape([1, channels, 1]);
        let tangent = rows.tangent.map(|tangent| {
            let moved = means(tangent.clone());
            let squares = means(rows.primal * tangent.clone() * 2.0);
            let variance = squares - mean * moved.clone() * 2.0;
            let rescaled = scale.clone().powi_scalar(3) * variance * -0.5;
            let tangent = (tangent - moved) * scale.clone() + centred.clone() * rescaled;
            tangent * affine(&self.weight)
        });
        let primal = centred * scale * affine(&self.weight) + affine(&self.bias);
        Dual { primal, tangent }.reshape(dims)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{assert_close, assert_jvp};

    fn device() -> Device {
        Device::flex()
    }

    fn init(reference: usize) -> VirtualBatchNorm {
        let config = VirtualBatchNormConfig::new(2, reference);
        let mut layer = config.init(&mut Stream::new(1, "norm", 0), &device());
        layer.weight = Param::from_data([1.5f32, -0.5], &device());
        layer.bias = Param::from_data([0.25f32, 1.0], &device());
        layer
    }

    fn pictures(samples: usize) -> Tensor<4> {
        Stream::new(1, "x", 0).normal([samples, 2, 3, 3], &device()) * 2.0 + 1.0
    }

    #[test]
    fn tangents_match_central_differences() {
        let layer = init(3);
        assert_jvp(|x| layer.apply(x), pictures(5));
        assert_jvp(
            |x| layer.apply(x),
            pictures(5).flatten::<1>(0, 3).reshape([45, 2]),
        );
    }

    /// The reference of 0 and 4 has mean 2 and variance 4; with a third sample of 5 the mean is 3 and the
    /// variance (0 + 16 + 25) / 3 − 9.
    #[test]
    fn a_sample_is_normalised_by_the_reference_and_itself() {
        let mut layer = VirtualBatchNormConfig::new(1, 2)
            .with_epsilon(1e-9)
            .init(&mut Stream::new(1, "norm", 0), &device());
        layer.weight = Param::from_data([1.0f32], &device());
        let x = Tensor::<2>::from_floats([[0.0], [4.0], [5.0]], &device());
        let deviation = (41.0f32 / 3.0 - 9.0).sqrt();
        let wanted = Tensor::<2>::from_floats([[-1.0], [1.0], [2.0 / deviation]], &device());
        assert_close(&layer.forward(x), &wanted, 1e-5);
    }

    /// What batch normalisation does not have: neighbours change nothing.
    #[test]
    fn samples_do_not_see_each_other() {
        let layer = init(3);
        let all = pictures(6);
        let together = layer.forward(all.clone());
        for index in 3..6 {
            let one = Tensor::cat(
                vec![all.clone().narrow(0, 0, 3), all.clone().narrow(0, index, 1)],
                0,
            );
            let alone = layer.forward(one);
            let found = together.clone().narrow(0, index, 1);
            assert_close(&alone.narrow(0, 3, 1), &found, 1e-5);
        }
        let reference = layer.forward(all.clone().narrow(0, 0, 4)).narrow(0, 0, 3);
        assert_close(&reference, &together.narrow(0, 0, 3), 1e-6);
    }

    #[test]
    #[should_panic(expected = "must begin with the 3 of the reference batch")]
    fn a_batch_without_samples_is_refused() {
        init(3).forward(pictures(3));
    }

    #[test]
    fn bad_settings_are_refused_by_name() {
        let field = |config: VirtualBatchNormConfig| config.validate().unwrap_err().field;
        assert_eq!(field(VirtualBatchNormConfig::new(0, 2)), "channels");
        assert_eq!(field(VirtualBatchNormConfig::new(2, 0)), "reference");
        let config = VirtualBatchNormConfig::new(2, 2).with_epsilon(0.0);
        assert_eq!(field(config), "epsilon");
    }
}
