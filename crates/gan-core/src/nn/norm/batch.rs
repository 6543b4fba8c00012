//! Batch normalisation.

use burn::module::{Flag, Module, Param, RunningState};
use burn::prelude::*;
use burn::tensor::module;
use serde::{Deserialize, Serialize};

use crate::dual::{Dual, Forward};
use crate::error::ConfigError;
use crate::kernel;
use crate::nn::{Initializer, init};
use crate::rng::Stream;

/// Configuration to create a [`BatchNorm`] layer using the [init function](BatchNormConfig::init).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BatchNormConfig {
    /// Size of axis 1, 1 or more.
    pub channels: usize,
    /// Added to the variance, above 0. Default: 1e-5.
    pub epsilon: f64,
    /// Share of the newest batch in the running statistics, in `[0, 1]`. Default: 0.1.
    pub momentum: f64,
    /// Initial values of the weight. Default: ones.
    pub initializer: Initializer,
}

impl BatchNormConfig {
    /// PyTorch's constants.
    pub fn new(channels: usize) -> Self {
        Self {
            channels,
            epsilon: 1e-5,
            momentum: 0.1,
            initializer: Initializer::PyTorch,
        }
    }

    /// Added to the variance.
    #[must_use]
    pub fn with_epsilon(self, epsilon: f64) -> Self {
        Self { epsilon, ..self }
    }

    /// Share of the newest batch in the running statistics.
    #[must_use]
    pub fn with_momentum(self, momentum: f64) -> Self {
        Self { momentum, ..self }
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
        crate::nn::check_positive("epsilon", self.epsilon)?;
        if !(0.0..=1.0).contains(&self.momentum) {
            return Err(ConfigError::new(
                "momentum",
                self.momentum,
                "between 0 and 1",
            ));
        }
        self.initializer.validate()
    }

    /// Draws the parameters.
    ///
    /// # Panics
    ///
    /// Panics if the configuration is not valid.
    pub fn init(&self, stream: &mut Stream, device: &Device) -> BatchNorm {
        crate::nn::expect_valid(self.validate());
        let size = self.channels;
        BatchNorm {
            weight: self.initializer.norm_weight(size, stream, device),
            bias: init::parameter(vec![0.0; size], [size], device),
            running_mean: RunningState::new(Tensor::zeros([size], device)),
            running_var: RunningState::new(Tensor::ones([size], device)),
            training: Param::from_bool(true),
            standing: Param::from_bool(false),
            epsilon: self.epsilon,
            momentum: self.momentum,
        }
    }
}

/// Mean 0 and variance 1 of each channel over the batch, then a weight and a bias per channel:
/// [Batch Normalization](https://arxiv.org/abs/1502.03167).
///
/// `(x − mean) / √(variance + epsilon) · weight + bias`
///
/// On a device with autodiff the statistics are those of the batch, and the running ones follow:
/// `running ← (1 − momentum) · running + momentum · batch`, with the unbiased variance, as in PyTorch.
/// `no_grad()` does not change that; only a device without autodiff (`valid()`) or `freeze()` makes
/// the running statistics be used. Clones share running statistics until `valid()`.
///
/// Should be created using [`BatchNormConfig`].
#[derive(Module, Debug)]
pub struct BatchNorm {
    /// `[channels]`.
    pub weight: Param<Tensor<1>>,
    /// `[channels]`.
    pub bias: Param<Tensor<1>>,
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

impl BatchNorm {
    /// Applies the layer to `[batch, channels, …]`; the shape stays.
    ///
    /// # Panics
    ///
    /// Panics if axis 1 is not the channels, or in training if there is but one value per channel,
    /// which has no variance.
    pub fn forward<const D: usize>(&self, x: Tensor<D>) -> Tensor<D> {
        let statistics = Statistics {
            running_mean: &self.running_mean,
            running_var: &self.running_var,
            training: self.training.is_enabled(),
            standing: self.standing.is_enabled(),
            epsilon: self.epsilon,
            momentum: self.momentum,
        };
        statistics.normalize(x, self.weight.val(), self.bias.val())
    }
}

/// The running statistics of a layer, and the rule they follow.
pub(crate) struct Statistics<'a> {
    pub(crate) running_mean: &'a RunningState<Tensor<1>>,
    pub(crate) running_var: &'a RunningState<Tensor<1>>,
    pub(crate) training: bool,
    pub(crate) standing: bool,
    pub(crate) epsilon: f64,
    pub(crate) momentum: f64,
}

impl Statistics<'_> {
    /// `(x − mean) / √(variance + epsilon) · weight + bias`, with the statistics of the batch in
    /// training, which the running ones follow, else with the running ones.
    pub(crate) fn normalize<const D: usize>(
        &self,
        x: Tensor<D>,
        weight: Tensor<1>,
        bias: Tensor<1>,
    ) -> Tensor<D> {
        if self.standing || x.device().is_autodiff() && self.training {
            return self.normalize_by_batch(x, weight, bias);
        }
        let device = x.device();
        let mean = self.running_mean.value_sync().to_device(&device);
        let var = self.running_var.value_sync().to_device(&device);
        module::batch_norm(x, weight, bias, mean, var, self.epsilon)
    }

    fn normalize_by_batch<const D: usize>(
        &self,
        x: Tensor<D>,
        weight: Tensor<1>,
        bias: Tensor<1>,
    ) -> Tensor<D> {
        let dims = x.dims();
        let count = dims.iter().product::<usize>() / dims[1];
        assert!(
            count > 1,
            "BatchNorm: training needs more than one value per channel; the input is {dims:?}"
        );
        let result = kernel::batch_norm_train(x, weight, bias, self.epsilon);
        let unbiased = count as f64 / (count - 1) as f64;
        self.follow(self.running_mean, result.mean, 1.0);
        self.follow(self.running_var, result.variance, unbiased);
        result.output
    }

    fn follow(&self, running: &RunningState<Tensor<1>>, batch: Tensor<1>, factor: f64) {
        let old = running.value_sync();
        if self.standing {
            let batch = batch.to_device(&old.device());
            return running.update(old + batch * factor);
        }
        let batch = Tensor::from_inner(batch * (self.momentum * factor));
        running.update((old * (1.0 - self.momentum) + batch).detach());
    }
}

impl<const D: usize> Forward<D, D> for BatchNorm {
    /// # Panics
    ///
    /// Panics if there is a tangent: a critic with batch normalisation cannot be penalised.
    fn apply(&self, x: Dual<D>) -> Dual<D> {
        assert!(
            x.tangent.is_none(),
            "a critic with batch normalisation cannot have a gradient penalty: the score of one \
             sample depends on the others, so there is no gradient per sample; use layer or \
             instance normalisation, or none"
        );
        self.forward(x.primal).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{assert_close, values};

    fn layer(device: &Device) -> BatchNorm {
        BatchNormConfig::new(2).init(&mut Stream::new(1, "norm", 0), device)
    }

    /// Channel 0 holds 1, 3: mean 2, biased variance 1, unbiased 2. Channel 1 holds 0, 10: mean 5,
    /// biased variance 25, unbiased 50.
    fn input(device: &Device) -> Tensor<2> {
        Tensor::from_floats([[1.0, 0.0], [3.0, 10.0]], device)
    }

    fn training() -> Device {
        Device::flex().autodiff()
    }

    #[test]
    fn training_normalises_by_the_batch() {
        let y = layer(&training()).forward(input(&training()));
        let wanted = Tensor::from_floats([[-1.0, -1.0], [1.0, 1.0]], &training());
        assert_close(&y, &wanted, 1e-4);
    }

    #[test]
    fn running_statistics_are_pytorchs_with_unbiased_variance() {
        let layer = layer(&training());
        let _ = layer.forward(input(&training()));
        let valid = layer.valid();
        let close = |found: Tensor<1>, wanted: [f32; 2]| {
            assert_close(&found, &Tensor::from_floats(wanted, &Device::flex()), 1e-5);
        };
        close(valid.running_mean.value(), [0.2, 0.5]); // 0.1 · mean
        close(valid.running_var.value(), [1.1, 5.9]); // 0.9 + 0.1 · unbiased variance
        // (1 − 0.2) / √1.1 and so on.
        let y = valid.forward(input(&Device::flex())).slice([0..1, 0..2]);
        close(y.reshape([2]), [0.762_77, -0.205_85]);
    }

    #[test]
    fn without_gradients_it_still_trains_but_frozen_it_does_not() {
        let layer = layer(&training());
        let batch = layer.forward(input(&training()));
        assert_close(
            &layer.clone().no_grad().forward(input(&training())),
            &batch,
            1e-6,
        );
        let frozen = layer.clone().freeze().forward(input(&training()));
        let difference = (frozen - batch).abs().max().into_scalar::<f32>();
        assert!(difference > 0.1, "{difference}");
    }

    #[test]
    fn pictures_are_normalised_per_channel() {
        let device = training();
        let x = Stream::new(1, "x", 0).normal([4, 2, 3, 3], &device) * 3.0 + 5.0;
        let y = layer(&device).forward(x).swap_dims(0, 1).reshape([2, 36]);
        let means = values(&y.clone().mean_dim(1));
        let squares = values(&y.square().mean_dim(1));
        assert!(means.iter().all(|v| v.abs() < 1e-4), "{means:?}");
        assert!(
            squares.iter().all(|v| (v - 1.0).abs() < 1e-3),
            "{squares:?}"
        );
    }

    #[test]
    #[should_panic(expected = "cannot have a gradient penalty")]
    fn a_tangent_is_refused() {
        let x = input(&training());
        let _ = layer(&training()).apply(Dual::new(x.clone(), x));
    }

    #[test]
    #[should_panic(expected = "more than one value per channel")]
    fn a_single_value_has_no_variance() {
        let _ = layer(&training()).forward(Tensor::<2>::zeros([1, 2], &training()));
    }
}
