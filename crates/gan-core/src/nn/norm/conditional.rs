//! Batch normalisation with weights that depend on a condition.

use burn::module::{Flag, Module, Param, RunningState};
use burn::prelude::*;
use serde::{Deserialize, Serialize};

use super::batch::Statistics;
use crate::error::ConfigError;
use crate::nn::{Initializer, Linear, LinearConfig, SpectralNormConfig};
use crate::rng::Stream;

/// Configuration to create a [`ConditionalBatchNorm`] layer using the
/// [init function](ConditionalBatchNormConfig::init).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConditionalBatchNormConfig {
    /// Size of axis 1, 1 or more.
    pub channels: usize,
    /// Length of a condition, 1 or more.
    pub condition_size: usize,
    /// Added to the variance, above 0. Default: 1e-5.
    pub epsilon: f64,
    /// Share of the newest batch in the running statistics, in `[0, 1]`. Default: 0.1.
    pub momentum: f64,
    /// Initial values of the maps from condition to gain and bias. Default: zeros, so that the layer
    /// begins as a batch normalisation without weights.
    pub initializer: Initializer,
    /// Whether the maps have spectral normalisation, as in BigGAN. Default: no.
    #[serde(default)]
    pub spectral_norm: Option<SpectralNormConfig>,
}

impl ConditionalBatchNormConfig {
    /// PyTorch's constants, maps of zeros.
    pub fn new(channels: usize, condition_size: usize) -> Self {
        Self {
            channels,
            condition_size,
            epsilon: 1e-5,
            momentum: 0.1,
            initializer: Initializer::Zeros,
            spectral_norm: None,
        }
    }

    /// Initial values of the maps.
    #[must_use]
    pub fn with_initializer(self, initializer: Initializer) -> Self {
        Self {
            initializer,
            ..self
        }
    }

    /// Whether the maps have spectral normalisation.
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
    /// If a number is outside its range.
    pub fn validate(&self) -> Result<(), ConfigError> {
        super::BatchNormConfig::new(self.channels)
            .with_epsilon(self.epsilon)
            .with_momentum(self.momentum)
            .with_initializer(self.initializer)
            .validate()?;
        crate::nn::check_size("condition_size", self.condition_size)
    }

    /// Draws the parameters.
    ///
    /// # Panics
    ///
    /// Panics if the configuration is not valid.
    pub fn init(&self, stream: &mut Stream, device: &Device) -> ConditionalBatchNorm {
        crate::nn::expect_valid(self.validate());
        let size = self.channels;
        let map = LinearConfig::new(self.condition_size, size)
            .with_bias(false)
            .with_initializer(self.initializer)
            .with_spectral_norm(self.spectral_norm);
        ConditionalBatchNorm {
            gain: map.init(stream, device),
            bias: map.init(stream, device),
            running_mean: RunningState::new(Tensor::zeros([size], device)),
            running_var: RunningState::new(Tensor::ones([size], device)),
            training: Param::from_bool(true),
            standing: Param::from_bool(false),
            epsilon: self.epsilon,
            momentum: self.momentum,
        }
    }
}

/// Batch normalisation whose weight and bias are dense maps of a condition:
/// [de Vries et al. 2017](https://arxiv.org/abs/1707.00683), as in
/// [BigGAN](https://arxiv.org/abs/1809.11096), appendix B.
///
/// `(x − mean) / √(variance + epsilon) · (1 + gain(condition)) + bias(condition)`
///
/// With one-hot rows as conditions the maps are tables with a weight and a bias per class, as in
/// [Miyato and Koyama 2018](https://arxiv.org/abs/1802.05637). Statistics are those of
/// [`BatchNorm`](super::BatchNorm), over all classes.
///
/// Should be created using [`ConditionalBatchNormConfig`].
#[derive(Module, Debug)]
pub struct ConditionalBatchNorm {
    /// Condition to weight, less 1.
    pub gain: Linear,
    /// Condition to bias.
    pub bias: Linear,
    /// `[channels]`.
    pub running_mean: RunningState<Tensor<1>>,
    /// `[channels]`.
    pub running_var: RunningState<Tensor<1>>,
    /// Switched off by `freeze()`.
    pub training: Param<Flag>,
    /// Switched on by [`standing_statistics`](crate::game::standing_statistics): batches are normalised
    /// by their own statistics, and the running ones become their sums.
    pub standing: Param<Flag>,
    /// Added to the variance.
    pub epsilon: f64,
    /// Share of the newest batch in the running statistics.
    pub momentum: f64,
}

impl ConditionalBatchNorm {
    /// Applies the layer.
    ///
    /// # Shapes
    ///
    /// - x: `[batch, channels, height, width]`
    /// - condition: `[batch, condition_size]`
    /// - output: as `x`
    ///
    /// # Panics
    ///
    /// As [`BatchNorm::forward`](super::BatchNorm::forward).
    pub fn forward(&self, x: Tensor<4>, condition: Tensor<2>) -> Tensor<4> {
        let [batch, channels, _, _] = x.dims();
        let statistics = Statistics {
            running_mean: &self.running_mean,
            running_var: &self.running_var,
            training: self.training.is_enabled(),
            standing: self.standing.is_enabled(),
            epsilon: self.epsilon,
            momentum: self.momentum,
        };
        let device = x.device();
        let (ones, zeros) = (
            Tensor::ones([channels], &device),
            Tensor::zeros([channels], &device),
        );
        let per_channel = |t: Tensor<2>| t.reshape([batch, channels, 1, 1]);
        let gain = per_channel(self.gain.forward(condition.clone()) + 1.0);
        let bias = per_channel(self.bias.forward(condition));
        statistics.normalize(x, ones, zeros) * gain + bias
    }
}

#[cfg(test)]
mod tests {
    use super::super::BatchNormConfig;
    use super::*;

    #[test]
    fn with_maps_of_zeros_it_is_batch_normalisation() {
        let device = Device::flex().autodiff();
        let stream = &mut Stream::new(1, "w", 0);
        let layer = ConditionalBatchNormConfig::new(3, 2).init(stream, &device);
        let plain = BatchNormConfig::new(3).init(stream, &device);
        let x = stream.normal([4, 3, 2, 2], &device) * 2.0 + 1.0;
        let condition = stream.normal([4, 2], &device);
        // Twice in training, then once with the running statistics.
        for _ in 0..2 {
            let difference = layer.forward(x.clone(), condition.clone()) - plain.forward(x.clone());
            assert!(difference.abs().max().into_scalar::<f32>() < 1e-6);
        }
        let (layer, plain) = (layer.valid(), plain.valid());
        let (x, condition) = (x.inner(), condition.inner());
        let difference = layer.forward(x.clone(), condition) - plain.forward(x);
        assert!(difference.abs().max().into_scalar::<f32>() < 1e-6);
    }

    #[test]
    fn a_condition_scales_and_shifts_its_own_sample() {
        let device = Device::flex().autodiff();
        let stream = &mut Stream::new(1, "w", 0);
        let mut layer = ConditionalBatchNormConfig::new(1, 2).init(stream, &device);
        let set = |rows: [[f32; 2]; 1]| {
            move |_: Tensor<2>| Tensor::from_floats(rows, &Device::flex().autodiff())
        };
        layer.gain.weight = layer.gain.weight.map(set([[1.0, 0.0]]));
        layer.bias.weight = layer.bias.weight.map(set([[0.0, 5.0]]));
        // Mean 0 and variance 1 already.
        let x = Tensor::<4>::from_floats([[[[1.0, -1.0]]], [[[1.0, -1.0]]]], &device);
        let condition = Tensor::from_floats([[1.0, 0.0], [0.0, 1.0]], &device);
        let y: Vec<f32> = layer
            .forward(x, condition)
            .into_data()
            .try_to_vec()
            .unwrap();
        for (found, expected) in y.iter().zip([2.0, -2.0, 6.0, 4.0]) {
            assert!((found - expected).abs() < 1e-4, "{y:?}");
        }
    }
}
