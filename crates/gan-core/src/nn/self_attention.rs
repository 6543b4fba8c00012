//! Self-attention between the places of a picture.

use burn::module::{Module, Param};
use burn::prelude::*;
use serde::{Deserialize, Serialize};

use super::{Conv2d, Conv2dConfig, Initializer, SpectralNormConfig, init};
use crate::dual::{Dual, Forward};
use crate::error::ConfigError;
use crate::rng::Stream;

/// Configuration to create a [`SelfAttention`] layer using the
/// [init function](SelfAttentionConfig::init).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SelfAttentionConfig {
    /// Channels that come in and go out, 1 or more.
    pub channels: usize,
    /// Spectral normalisation of the convolutions, as in SAGAN and BigGAN. Default: none.
    #[serde(default)]
    pub spectral_norm: Option<SpectralNormConfig>,
    /// Initial values of the convolutions. Default: PyTorch's.
    pub initializer: Initializer,
}

impl SelfAttentionConfig {
    /// No spectral normalisation, PyTorch's initial values.
    pub fn new(channels: usize) -> Self {
        Self {
            channels,
            spectral_norm: None,
            initializer: Initializer::PyTorch,
        }
    }

    /// Spectral normalisation of the convolutions.
    #[must_use]
    pub fn with_spectral_norm(self, spectral_norm: Option<SpectralNormConfig>) -> Self {
        Self {
            spectral_norm,
            ..self
        }
    }

    /// Initial values of the convolutions.
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
    /// If there are no channels or the initialiser is not valid.
    pub fn validate(&self) -> Result<(), ConfigError> {
        super::check_size("channels", self.channels)?;
        self.initializer.validate()
    }

    /// Draws the parameters.
    ///
    /// # Panics
    ///
    /// Panics if the configuration is not valid.
    pub fn init(&self, stream: &mut Stream, device: &Device) -> SelfAttention {
        super::expect_valid(self.validate());
        let mut conv_1x1 = |from, to| {
            Conv2dConfig::new(from, to, 1)
                .with_bias(false)
                .with_initializer(self.initializer)
                .with_spectral_norm(self.spectral_norm)
                .init(stream, device)
        };
        let channels = self.channels;
        let (key_channels, value_channels) = ((channels / 8).max(1), (channels / 2).max(1));
        SelfAttention {
            query: conv_1x1(channels, key_channels),
            key: conv_1x1(channels, key_channels),
            value: conv_1x1(channels, value_channels),
            output: conv_1x1(value_channels, channels),
            gamma: init::parameter(vec![0.0], [1], device),
        }
    }
}

/// Every place of a picture looks at all others and adds what it sees:
/// [Self-Attention GAN](https://arxiv.org/abs/1805.08318), section 3.
///
/// With 1 × 1 convolutions of the input `x`, `q` and `k` of an eighth of the channels and `v` of half
/// of them, place `j` gets `y_j = x_j + γ · output(Σ_i softmax_i(q_j · k_i) · v_i)`. The convolutions
/// have no bias, and `γ` begins at 0: the layer learns to be used.
///
/// Differs from the paper, as its authors' code does: keys and values are the largest of every 2 × 2
/// square, which makes the products a quarter of the size. Fewer than 8 channels give one of `q` and `k`.
///
/// Should be created using [`SelfAttentionConfig`].
#[derive(Module, Debug)]
pub struct SelfAttention {
    /// `channels → channels / 8`: what a place looks for.
    pub query: Conv2d,
    /// `channels → channels / 8`: what it is found by.
    pub key: Conv2d,
    /// `channels → channels / 2`: what is then seen.
    pub value: Conv2d,
    /// `channels / 2 → channels`.
    pub output: Conv2d,
    /// `[1]`, how much of it is added.
    pub gamma: Param<Tensor<1>>,
}

impl SelfAttention {
    /// Applies the layer.
    ///
    /// # Shapes
    ///
    /// - input: `[batch, channels, height, width]`, height and width 2 or more
    /// - output: the same
    ///
    /// # Panics
    ///
    /// Panics if the picture is smaller than 2 × 2 or has other channels.
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        self.apply(x.into()).primal
    }
}

impl Forward<4, 4> for SelfAttention {
    fn apply(&self, x: Dual<4>) -> Dual<4> {
        let [n, _, h, w] = x.primal.dims();
        assert!(
            h >= 2 && w >= 2,
            "SelfAttention: a picture of {h} × {w} is too small; it must be 2 × 2 or larger"
        );
        let places = |x: Dual<4>| {
            let [n, channels, h, w] = x.primal.dims();
            x.reshape([n, channels, h * w])
        };
        let query = places(self.query.apply(x.clone())); // [n, c / 8, h · w]
        let key = places(self.key.apply(x.clone()).max_pool2d(2)); // [n, c / 8, h · w / 4]
        let value = places(self.value.apply(x.clone()).max_pool2d(2)); // [n, c / 2, h · w / 4]
        let attention = query.transpose().matmul(key).softmax(2); // [n, h · w, h · w / 4]
        let seen = value.matmul(attention.transpose()); // [n, c / 2, h · w]
        let channels = seen.primal.dims()[1];
        let seen = self.output.apply(seen.reshape([n, channels, h, w]));
        let gamma = self.gamma.val().reshape([1; 4]);
        x + seen.linear_map(|seen| seen * gamma.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{assert_close, assert_jvp, values};

    fn stream() -> Stream {
        Stream::new(7, "attention", 0)
    }

    fn layer(config: SelfAttentionConfig, gamma: f32, device: &Device) -> SelfAttention {
        let mut layer = config.init(&mut stream(), device);
        layer.gamma = Param::from_data([gamma], device);
        layer
    }

    fn picture(device: &Device) -> Tensor<4> {
        Stream::new(1, "x", 0).normal([2, 16, 4, 6], device)
    }

    #[test]
    fn the_tangent_matches_a_central_difference() {
        let device = Device::flex();
        let orthogonal = Initializer::Orthogonal { gain: 1.0 };
        for spectral_norm in [None, Some(SpectralNormConfig::default())] {
            let config = SelfAttentionConfig::new(8)
                .with_spectral_norm(spectral_norm)
                .with_initializer(orthogonal);
            let layer = layer(config, 1.5, &device);
            // Few squares, with values far apart: a step of 0.01 must not change which is largest.
            let x = Stream::new(1, "x", 0).normal([1, 8, 2, 6], &device) * 2.0;
            assert_jvp(|x| layer.apply(x), x);
        }
    }

    #[test]
    fn it_begins_as_the_identity() {
        let device = Device::flex();
        let layer = SelfAttentionConfig::new(16).init(&mut stream(), &device);
        assert_close(&layer.forward(picture(&device)), &picture(&device), 0.0);
    }

    /// With equal keys everybody sees the mean of the values, with 1 × 1 convolutions by hand.
    #[test]
    fn equal_keys_give_the_mean_of_the_pooled_values() {
        let device = Device::flex();
        let mut layer = layer(SelfAttentionConfig::new(2), 2.0, &device);
        let set = |layer: &mut Conv2d, weight: Tensor<2>| {
            let [out, inside] = weight.dims();
            layer.weight = Param::from_tensor(weight.reshape([out, inside, 1, 1]));
        };
        set(&mut layer.key, Tensor::zeros([1, 2], &device));
        set(&mut layer.value, Tensor::from_floats([[1.0, 0.0]], &device));
        set(
            &mut layer.output,
            Tensor::from_floats([[0.0], [1.0]], &device),
        );
        let x = Tensor::<1>::from_floats([1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0], &device);
        let x = Tensor::cat(vec![x.clone(), x * 0.0], 0).reshape([1, 2, 2, 4]);
        // The largest of the two squares are 6 and 8; twice their mean goes into channel 1.
        let y = layer.forward(x);
        assert_eq!(values(&y)[..8], [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0]);
        assert!(values(&y)[8..].iter().all(|v| (v - 14.0).abs() < 1e-5));
    }

    /// Every place can see every other: a change at one corner reaches the opposite one.
    #[test]
    fn the_far_corner_sees_it() {
        let device = Device::flex();
        let layer = layer(SelfAttentionConfig::new(16), 1.0, &device);
        let x = picture(&device);
        let mut corner = vec![0.0; 16 * 2 * 4 * 6];
        corner.iter_mut().step_by(24).for_each(|v| *v = 5.0);
        let moved = x.clone() + Tensor::from_data(TensorData::new(corner, [2, 16, 4, 6]), &device);
        let last = |x: Tensor<4>| layer.forward(x).narrow(2, 3, 1).narrow(3, 5, 1);
        let change = (last(moved) - last(x)).abs().max().into_scalar::<f32>();
        assert!(change > 1e-3, "{change}");
    }

    #[test]
    fn every_parameter_gets_a_gradient_and_spectral_vectors_do_not() {
        let device = Device::flex().autodiff();
        let spectral_norm = Some(SpectralNormConfig::default());
        let config = SelfAttentionConfig::new(16).with_spectral_norm(spectral_norm);
        let layer = layer(config, 0.5, &device);
        assert_eq!(
            crate::nn::parameter_count(&layer),
            2 * 16 * 2 + 2 * 16 * 8 + 1
        );
        let gradients = layer.forward(picture(&device)).square().sum().backward();
        for conv in [&layer.query, &layer.key, &layer.value, &layer.output] {
            let gradient = conv.weight.val().grad(&gradients).expect("tracked");
            assert!(gradient.abs().max().into_scalar::<f32>() > 1e-6);
        }
        assert!(layer.gamma.val().grad(&gradients).is_some());
    }

    #[test]
    #[should_panic(expected = "a picture of 1 × 4 is too small")]
    fn a_picture_without_squares_is_refused() {
        let device = Device::flex();
        let layer = SelfAttentionConfig::new(2).init(&mut stream(), &device);
        layer.forward(Tensor::zeros([1, 2, 1, 4], &device));
    }

    #[test]
    fn bad_configurations_are_refused() {
        let error = SelfAttentionConfig::new(0).validate();
        assert_eq!(error.expect_err("no channels").field, "channels");
    }
}
