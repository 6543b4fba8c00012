//! Convolutions, ordinary, transposed and after a resize.

use burn::module::{Module, Param};
use burn::prelude::*;
use serde::{Deserialize, Serialize};

use super::{Initializer, SpectralNorm, SpectralNormConfig, init};
use crate::dual::{Dual, Forward};
use crate::error::ConfigError;
use crate::kernel;
use crate::rng::Stream;

/// Configuration to create a [`Conv2d`], [`ConvTranspose2d`] or [`ResizeConv2d`] layer.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Conv2dConfig {
    /// Channels that come in, 1 or more.
    pub in_channels: usize,
    /// Channels that go out, 1 or more.
    pub out_channels: usize,
    /// Height and width of the kernel, 1 or more.
    pub kernel_size: usize,
    /// Step between two outputs (inputs, when transposed), 1 or more. Default: 1.
    pub stride: usize,
    /// Zeros added on each side (cut off each side, when transposed). Default: 0.
    pub padding: usize,
    /// Whether something is added to each channel. Default: `true`.
    pub bias: bool,
    /// Initial values. Default: PyTorch's.
    pub initializer: Initializer,
    /// Weights divided by their largest singular value. Default: no.
    #[serde(default)]
    pub spectral_norm: Option<SpectralNormConfig>,
}

impl Conv2dConfig {
    /// Stride 1, no padding, with bias and PyTorch's initial values.
    pub fn new(in_channels: usize, out_channels: usize, kernel_size: usize) -> Self {
        Self {
            in_channels,
            out_channels,
            kernel_size,
            stride: 1,
            padding: 0,
            bias: true,
            initializer: Initializer::PyTorch,
            spectral_norm: None,
        }
    }

    /// Step between two outputs (inputs, when transposed).
    #[must_use]
    pub fn with_stride(self, stride: usize) -> Self {
        Self { stride, ..self }
    }

    /// Zeros added on each side (cut off each side, when transposed).
    #[must_use]
    pub fn with_padding(self, padding: usize) -> Self {
        Self { padding, ..self }
    }

    /// Whether something is added to each channel.
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
    /// If a size other than the padding is 0 or the initialiser is not valid.
    pub fn validate(&self) -> Result<(), ConfigError> {
        super::check_size("in_channels", self.in_channels)?;
        super::check_size("out_channels", self.out_channels)?;
        super::check_size("kernel_size", self.kernel_size)?;
        super::check_size("stride", self.stride)?;
        self.initializer.validate()
    }

    /// Draws the parameters of a convolution.
    ///
    /// # Panics
    ///
    /// Panics if the configuration is not valid.
    pub fn init(&self, stream: &mut Stream, device: &Device) -> Conv2d {
        let k = self.kernel_size;
        let shape = [self.out_channels, self.in_channels, k, k];
        let inputs = init::fan_in(shape) as f64;
        let (weight, bias) = self.parameters(shape, inputs, stream, device);
        let spectral_norm = self
            .spectral_norm
            .map(|config| config.init(weight.val(), 0, stream));
        Conv2d {
            weight,
            bias,
            spectral_norm,
            stride: self.stride,
            padding: self.padding,
        }
    }

    /// Draws the parameters of a transposed convolution.
    ///
    /// # Panics
    ///
    /// Panics if the configuration is not valid.
    pub fn init_transposed(&self, stream: &mut Stream, device: &Device) -> ConvTranspose2d {
        let k = self.kernel_size;
        let shape = [self.in_channels, self.out_channels, k, k];
        // Neighbouring outputs take turns at the positions of the kernel.
        let inputs = (self.in_channels * k * k) as f64 / self.stride.pow(2) as f64;
        let (weight, bias) = self.parameters(shape, inputs, stream, device);
        let spectral_norm = self
            .spectral_norm
            .map(|config| config.init(weight.val(), 1, stream));
        ConvTranspose2d {
            weight,
            bias,
            spectral_norm,
            stride: self.stride,
            padding: self.padding,
        }
    }

    /// Draws the parameters of a convolution that first doubles height and width. Padding is set so
    /// that the convolution itself keeps the size.
    ///
    /// # Panics
    ///
    /// Panics if the configuration is not valid, the kernel is even, or the stride is not 1.
    pub fn init_resize(&self, stream: &mut Stream, device: &Device) -> ResizeConv2d {
        assert!(
            self.kernel_size % 2 == 1 && self.stride == 1,
            "ResizeConv2d: the kernel ({}) must be odd and the stride ({}) 1",
            self.kernel_size,
            self.stride
        );
        ResizeConv2d {
            conv: self.with_padding(self.kernel_size / 2).init(stream, device),
        }
    }

    fn parameters(
        &self,
        shape: [usize; 4],
        inputs: f64,
        stream: &mut Stream,
        device: &Device,
    ) -> (Param<Tensor<4>>, Option<Param<Tensor<1>>>) {
        super::expect_valid(self.validate());
        let weight = self
            .initializer
            .weight_with_inputs(shape, inputs, stream, device);
        let bias = self.bias.then(|| {
            let fan_in = init::fan_in(shape);
            self.initializer
                .bias(self.out_channels, fan_in, stream, device)
        });
        (weight, bias)
    }
}

/// Convolution with a square kernel and zero padding.
///
/// Should be created using [`Conv2dConfig`].
#[derive(Module, Debug)]
pub struct Conv2d {
    /// `[out, in, kernel, kernel]`.
    pub weight: Param<Tensor<4>>,
    /// `[out]`.
    pub bias: Option<Param<Tensor<1>>>,
    /// What the weight is divided by.
    pub spectral_norm: Option<SpectralNorm>,
    /// Step between two outputs.
    pub stride: usize,
    /// Zeros added on each side.
    pub padding: usize,
}

impl Conv2d {
    /// Applies the layer.
    ///
    /// # Shapes
    ///
    /// - input: `[batch, in, height, width]`
    /// - output: `[batch, out, (height + 2·padding − kernel) / stride + 1, …]`
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        self.apply(x.into()).primal
    }
}

impl Forward<4, 4> for Conv2d {
    fn apply(&self, x: Dual<4>) -> Dual<4> {
        let weight = SpectralNorm::apply_to(&self.spectral_norm, &self.weight, 0);
        let conv = |x, bias| kernel::conv2d(x, weight.clone(), bias, self.stride, self.padding);
        Dual {
            primal: conv(x.primal, self.bias.as_ref().map(Param::val)),
            tangent: x.tangent.map(|t| conv(t, None)),
        }
    }
}

/// Transposed convolution with a square kernel; the adjoint of [`Conv2d`].
///
/// Should be created using [`Conv2dConfig::init_transposed`].
#[derive(Module, Debug)]
pub struct ConvTranspose2d {
    /// `[in, out, kernel, kernel]`.
    pub weight: Param<Tensor<4>>,
    /// `[out]`.
    pub bias: Option<Param<Tensor<1>>>,
    /// What the weight is divided by.
    pub spectral_norm: Option<SpectralNorm>,
    /// Step between two inputs, seen in the output.
    pub stride: usize,
    /// What is cut off each side.
    pub padding: usize,
}

impl ConvTranspose2d {
    /// Applies the layer.
    ///
    /// # Shapes
    ///
    /// - input: `[batch, in, height, width]`
    /// - output: `[batch, out, (height − 1)·stride − 2·padding + kernel, …]`
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        self.apply(x.into()).primal
    }
}

impl Forward<4, 4> for ConvTranspose2d {
    fn apply(&self, x: Dual<4>) -> Dual<4> {
        let weight = SpectralNorm::apply_to(&self.spectral_norm, &self.weight, 1);
        let conv =
            |x, bias| kernel::conv_transpose2d(x, weight.clone(), bias, self.stride, self.padding);
        Dual {
            primal: conv(x.primal, self.bias.as_ref().map(Param::val)),
            tangent: x.tangent.map(|t| conv(t, None)),
        }
    }
}

/// Every pixel repeated twice along both axes, then a convolution that keeps the size: a doubling
/// without the checkerboard of transposed convolutions
/// ([Odena et al. 2016](https://doi.org/10.23915/distill.00003)).
///
/// Should be created using [`Conv2dConfig::init_resize`].
#[derive(Module, Debug)]
pub struct ResizeConv2d {
    /// The convolution.
    pub conv: Conv2d,
}

impl ResizeConv2d {
    /// Applies the layer.
    ///
    /// # Shapes
    ///
    /// - input: `[batch, in, height, width]`
    /// - output: `[batch, out, 2·height, 2·width]`
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        self.apply(x.into()).primal
    }
}

impl Forward<4, 4> for ResizeConv2d {
    fn apply(&self, x: Dual<4>) -> Dual<4> {
        self.conv.apply(x.upsample_nearest())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{assert_jvp, values};

    fn stream() -> Stream {
        Stream::new(7, "conv", 0)
    }

    fn picture() -> Tensor<4> {
        stream().normal([2, 3, 6, 6], &Device::flex())
    }

    #[test]
    fn tangents_match_central_differences() {
        let (mut s, device) = (stream(), Device::flex());
        let config = Conv2dConfig::new(3, 4, 4).with_stride(2).with_padding(1);
        let conv = config.init(&mut s, &device);
        assert_jvp(|x| conv.apply(x), picture());
        let transposed = config.init_transposed(&mut s, &device);
        assert_jvp(|x| transposed.apply(x), picture());
        let resize = Conv2dConfig::new(3, 4, 3).init_resize(&mut s, &device);
        assert_jvp(|x| resize.apply(x), picture());
    }

    #[test]
    fn sizes_halve_and_double() {
        let (mut s, device) = (stream(), Device::flex());
        let config = Conv2dConfig::new(3, 5, 4).with_stride(2).with_padding(1);
        assert_eq!(
            config.init(&mut s, &device).forward(picture()).dims(),
            [2, 5, 3, 3]
        );
        let transposed = config.init_transposed(&mut s, &device);
        assert_eq!(transposed.weight.dims(), [3, 5, 4, 4]);
        assert_eq!(transposed.forward(picture()).dims(), [2, 5, 12, 12]);
        let resize = Conv2dConfig::new(3, 5, 3).init_resize(&mut s, &device);
        assert_eq!(resize.forward(picture()).dims(), [2, 5, 12, 12]);
    }

    #[test]
    fn a_kernel_is_not_flipped() {
        let device = Device::flex();
        let layer = Conv2d {
            weight: Param::from_data([[[[1.0f32, 2.0], [3.0, 4.0]]]], &device),
            bias: Some(Param::from_data([0.5f32], &device)),
            spectral_norm: None,
            stride: 1,
            padding: 0,
        };
        let x = Tensor::from_floats([[[[1.0, 10.0], [100.0, 1000.0]]]], &device);
        assert_eq!(values(&layer.forward(x)), [4321.5]);
    }

    /// `⟨conv(x), y⟩ = ⟨x, convᵀ(y)⟩` with the same weight.
    #[test]
    fn the_transposed_convolution_is_the_adjoint() {
        let (mut s, device) = (stream(), Device::flex());
        let config = Conv2dConfig::new(3, 5, 4).with_stride(2).with_padding(1);
        let conv = config.with_bias(false).init(&mut s, &device);
        let transposed = ConvTranspose2d {
            weight: conv.weight.clone(),
            bias: None,
            spectral_norm: None,
            stride: 2,
            padding: 1,
        };
        let (x, y) = (picture(), s.normal([2, 5, 3, 3], &device));
        let left = (conv.forward(x.clone()) * y.clone())
            .sum()
            .into_scalar::<f32>();
        let right = (x * transposed.forward(y)).sum().into_scalar::<f32>();
        assert!((left - right).abs() < 1e-3, "{left} {right}");
        assert!(left.abs() > 0.1, "{left}");
    }

    #[test]
    #[should_panic(expected = "the kernel (4) must be odd and the stride (1) 1")]
    fn an_even_kernel_cannot_keep_the_size() {
        let _ = Conv2dConfig::new(3, 5, 4).init_resize(&mut stream(), &Device::flex());
    }

    #[test]
    #[should_panic(expected = "`stride` is 0; it must be 1 or more")]
    fn a_stride_of_zero_is_refused() {
        let config = Conv2dConfig::new(3, 5, 4).with_stride(0);
        let _ = config.init(&mut stream(), &Device::flex());
    }

    /// Outputs of a transposed convolution keep the variance of its inputs.
    #[test]
    fn kaiming_counts_what_an_output_of_a_transposed_convolution_is_made_of() {
        let config = Conv2dConfig::new(64, 1, 4)
            .with_stride(2)
            .with_padding(1)
            .with_initializer(Initializer::KaimingNormal { gain: 1.0 });
        let mut stream = Stream::new(1, "layer", 0);
        let layer = config.init_transposed(&mut stream, &Device::flex());
        let y = layer.forward(stream.normal([16, 64, 8, 8], &Device::flex()));
        let inside = y.narrow(2, 2, 12).narrow(3, 2, 12);
        let variance = inside.square().mean().into_scalar::<f32>();
        assert!((variance - 1.0).abs() < 0.3, "variance {variance}");
    }
}
