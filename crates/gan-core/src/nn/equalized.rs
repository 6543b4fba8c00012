//! Layers with equalised learning rate.

use burn::module::{Module, Param};
use burn::prelude::*;
use serde::{Deserialize, Serialize};

use super::{Initializer, init};
use crate::dual::{Dual, Forward};
use crate::error::ConfigError;
use crate::kernel;
use crate::rng::Stream;

/// Configuration to create an [`EqualizedLinear`] layer.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EqualizedLinearConfig {
    /// Length of an input row, 1 or more.
    pub in_features: usize,
    /// Length of an output row, 1 or more.
    pub out_features: usize,
    /// Scale of the output, above 0: √2 before ReLU. Default: 1.
    pub gain: f64,
    /// How much faster (above 1) or slower the layer learns, above 0; 0.01 in StyleGAN's mapping.
    /// Default: 1.
    pub lr_multiplier: f64,
}

impl EqualizedLinearConfig {
    /// Gain 1, learning rate of the optimiser.
    pub fn new(in_features: usize, out_features: usize) -> Self {
        Self {
            in_features,
            out_features,
            gain: 1.0,
            lr_multiplier: 1.0,
        }
    }

    /// Scale of the output.
    #[must_use]
    pub fn with_gain(self, gain: f64) -> Self {
        Self { gain, ..self }
    }

    /// How much faster or slower the layer learns.
    #[must_use]
    pub fn with_lr_multiplier(self, lr_multiplier: f64) -> Self {
        Self {
            lr_multiplier,
            ..self
        }
    }

    /// Says what is wrong.
    ///
    /// # Errors
    ///
    /// If a size is 0 or a factor not finite and above 0.
    pub fn validate(&self) -> Result<(), ConfigError> {
        super::check_size("in_features", self.in_features)?;
        super::check_size("out_features", self.out_features)?;
        super::check_positive("gain", self.gain)?;
        super::check_positive("lr_multiplier", self.lr_multiplier)
    }

    /// Draws the parameters.
    ///
    /// # Panics
    ///
    /// Panics if the configuration is not valid.
    pub fn init(&self, stream: &mut Stream, device: &Device) -> EqualizedLinear {
        super::expect_valid(self.validate());
        let std = 1.0 / self.lr_multiplier;
        let shape = [self.out_features, self.in_features];
        EqualizedLinear {
            weight: Initializer::Normal { std }.weight(shape, stream, device),
            bias: init::parameter(vec![0.0; self.out_features], [self.out_features], device),
            weight_scale: self.gain / (self.in_features as f64).sqrt() * self.lr_multiplier,
            bias_scale: self.lr_multiplier,
        }
    }
}

/// A dense layer whose weight is stored as N(0, 1) and scaled when it is used, so that all layers
/// learn equally fast under Adam: section 4.1 of
/// [Progressive Growing of GANs](https://arxiv.org/abs/1710.10196).
///
/// `x · (weight · gain · lr / √in)ᵀ + bias · lr`; the stored weight begins as N(0, 1/lr²).
///
/// Should be created using [`EqualizedLinearConfig`].
#[derive(Module, Debug)]
pub struct EqualizedLinear {
    /// `[out, in]`, before scaling.
    pub weight: Param<Tensor<2>>,
    /// `[out]`, before scaling.
    pub bias: Param<Tensor<1>>,
    /// Factor of the weight.
    pub weight_scale: f64,
    /// Factor of the bias.
    pub bias_scale: f64,
}

impl EqualizedLinear {
    /// Applies the layer: `[batch, in]` to `[batch, out]`.
    pub fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        self.apply(x.into()).primal
    }
}

impl Forward<2, 2> for EqualizedLinear {
    fn apply(&self, x: Dual<2>) -> Dual<2> {
        let weight = self.weight.val() * self.weight_scale;
        let bias = self.bias.val() * self.bias_scale;
        Dual {
            primal: kernel::linear(x.primal, weight.clone(), Some(bias)),
            tangent: x.tangent.map(|t| kernel::linear(t, weight, None)),
        }
    }
}

/// Configuration to create an [`EqualizedConv2d`] layer.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EqualizedConv2dConfig {
    /// Channels that come in, 1 or more.
    pub in_channels: usize,
    /// Channels that go out, 1 or more.
    pub out_channels: usize,
    /// Height and width of the kernel, 1 or more.
    pub kernel_size: usize,
    /// Step between two outputs, 1 or more. Default: 1.
    pub stride: usize,
    /// Zeros added on each side. Default: 0.
    pub padding: usize,
    /// Scale of the output, above 0: √2 before ReLU. Default: 1.
    pub gain: f64,
    /// How much faster (above 1) or slower the layer learns, above 0. Default: 1.
    pub lr_multiplier: f64,
}

impl EqualizedConv2dConfig {
    /// Stride 1, no padding, gain 1, learning rate of the optimiser.
    pub fn new(in_channels: usize, out_channels: usize, kernel_size: usize) -> Self {
        Self {
            in_channels,
            out_channels,
            kernel_size,
            stride: 1,
            padding: 0,
            gain: 1.0,
            lr_multiplier: 1.0,
        }
    }

    /// Step between two outputs.
    #[must_use]
    pub fn with_stride(self, stride: usize) -> Self {
        Self { stride, ..self }
    }

    /// Zeros added on each side.
    #[must_use]
    pub fn with_padding(self, padding: usize) -> Self {
        Self { padding, ..self }
    }

    /// Scale of the output.
    #[must_use]
    pub fn with_gain(self, gain: f64) -> Self {
        Self { gain, ..self }
    }

    /// Says what is wrong.
    ///
    /// # Errors
    ///
    /// If a size other than the padding is 0 or a factor not finite and above 0.
    pub fn validate(&self) -> Result<(), ConfigError> {
        super::check_size("in_channels", self.in_channels)?;
        super::check_size("out_channels", self.out_channels)?;
        super::check_size("kernel_size", self.kernel_size)?;
        super::check_size("stride", self.stride)?;
        super::check_positive("gain", self.gain)?;
        super::check_positive("lr_multiplier", self.lr_multiplier)
    }

    /// Draws the parameters.
    ///
    /// # Panics
    ///
    /// Panics if the configuration is not valid.
    pub fn init(&self, stream: &mut Stream, device: &Device) -> EqualizedConv2d {
        super::expect_valid(self.validate());
        let (k, std) = (self.kernel_size, 1.0 / self.lr_multiplier);
        let shape = [self.out_channels, self.in_channels, k, k];
        let fan_in = init::fan_in(shape) as f64;
        EqualizedConv2d {
            weight: Initializer::Normal { std }.weight(shape, stream, device),
            bias: init::parameter(vec![0.0; self.out_channels], [self.out_channels], device),
            weight_scale: self.gain / fan_in.sqrt() * self.lr_multiplier,
            bias_scale: self.lr_multiplier,
            stride: self.stride,
            padding: self.padding,
        }
    }
}

/// [`EqualizedLinear`] as a convolution.
///
/// Should be created using [`EqualizedConv2dConfig`].
#[derive(Module, Debug)]
pub struct EqualizedConv2d {
    /// `[out, in, kernel, kernel]`, before scaling.
    pub weight: Param<Tensor<4>>,
    /// `[out]`, before scaling.
    pub bias: Param<Tensor<1>>,
    /// Factor of the weight.
    pub weight_scale: f64,
    /// Factor of the bias.
    pub bias_scale: f64,
    /// Step between two outputs.
    pub stride: usize,
    /// Zeros added on each side.
    pub padding: usize,
}

impl EqualizedConv2d {
    /// Applies the layer: `[batch, in, height, width]` to
    /// `[batch, out, (height + 2·padding − kernel) / stride + 1, …]`.
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        self.apply(x.into()).primal
    }
}

impl Forward<4, 4> for EqualizedConv2d {
    fn apply(&self, x: Dual<4>) -> Dual<4> {
        let weight = self.weight.val() * self.weight_scale;
        let bias = self.bias.val() * self.bias_scale;
        let conv = |x, bias| kernel::conv2d(x, weight.clone(), bias, self.stride, self.padding);
        Dual {
            primal: conv(x.primal, Some(bias)),
            tangent: x.tangent.map(|t| conv(t, None)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{assert_jvp, values};

    fn stream() -> Stream {
        Stream::new(7, "equalized", 0)
    }

    #[test]
    fn tangents_match_central_differences() {
        let (mut s, device) = (stream(), Device::flex());
        let linear = EqualizedLinearConfig::new(6, 4).with_lr_multiplier(0.1);
        let linear = linear.init(&mut s, &device);
        assert_jvp(|x| linear.apply(x), s.normal([3, 6], &device));
        let conv = EqualizedConv2dConfig::new(3, 4, 3)
            .with_stride(2)
            .with_padding(1);
        let conv = conv.init(&mut s, &device);
        assert_jvp(|x| conv.apply(x), s.normal([2, 3, 6, 6], &device));
    }

    #[test]
    fn outputs_have_variance_gain_squared_whatever_the_multiplier() {
        let (mut s, device) = (stream(), Device::flex());
        for lr_multiplier in [1.0, 0.01] {
            let config = EqualizedLinearConfig::new(200, 300).with_gain(2.0);
            let layer = config
                .with_lr_multiplier(lr_multiplier)
                .init(&mut s, &device);
            let y = layer.forward(s.normal([50, 200], &device));
            let variance = y.square().mean().into_scalar::<f32>();
            assert!((variance / 4.0 - 1.0).abs() < 0.1, "{variance}");
        }
        let config = EqualizedConv2dConfig::new(40, 50, 3).with_gain(2.0);
        let y = config
            .init(&mut s, &device)
            .forward(s.normal([8, 40, 8, 8], &device));
        let variance = y.square().mean().into_scalar::<f32>();
        assert!((variance / 4.0 - 1.0).abs() < 0.1, "{variance}");
    }

    #[test]
    fn the_multiplier_scales_the_bias() {
        let device = Device::flex();
        let config = EqualizedLinearConfig::new(1, 1).with_lr_multiplier(0.01);
        let mut layer = config.init(&mut stream(), &device);
        layer.bias = Param::from_data([300.0f32], &device);
        let y = values(&layer.forward(Tensor::zeros([1, 1], &device)));
        assert!((y[0] - 3.0).abs() < 1e-5, "{y:?}");
    }

    #[test]
    fn bad_factors_are_refused() {
        let config = EqualizedLinearConfig::new(1, 1);
        for bad in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            assert!(config.with_gain(bad).validate().is_err());
            assert!(config.with_lr_multiplier(bad).validate().is_err());
            assert!(
                EqualizedConv2dConfig::new(1, 1, 1)
                    .with_gain(bad)
                    .validate()
                    .is_err()
            );
        }
    }
}
