//! Batch and pixel normalisation.

use burn::prelude::*;
use burn::tensor::module;

/// Output of [`batch_norm_train`] with the statistics it used.
#[derive(Clone, Debug)]
pub struct BatchNormTrain<const D: usize> {
    /// Normalised, scaled and shifted.
    pub output: Tensor<D>,
    /// Mean of every channel, `[channels]`, off the tape.
    pub mean: Tensor<1>,
    /// Biased variance of every channel, `[channels]`, off the tape.
    pub variance: Tensor<1>,
}

/// `(x − mean) / √(variance + ε) · gamma + beta` with the statistics of this batch.
///
/// # Shapes
///
/// - x: `[batch, channels, …]`
/// - gamma, beta: `[channels]`
pub fn batch_norm_train<const D: usize>(
    x: Tensor<D>,
    gamma: Tensor<1>,
    beta: Tensor<1>,
    epsilon: f64,
) -> BatchNormTrain<D> {
    let channels = x.dims()[1];
    assert_eq!(
        channels,
        gamma.dims()[0],
        "batch_norm: the input has {channels} channels, gamma has {}",
        gamma.dims()[0]
    );
    #[cfg(feature = "flex")]
    if super::flex::node::is_supported(&x) && x.device().is_autodiff() {
        return super::flex::norm::batch_norm_train(x, gamma, beta, epsilon);
    }
    plain_batch_norm_train(x, gamma, beta, epsilon)
}

/// [`batch_norm_train`] in Burn's own operation.
pub(crate) fn plain_batch_norm_train<const D: usize>(
    x: Tensor<D>,
    gamma: Tensor<1>,
    beta: Tensor<1>,
    epsilon: f64,
) -> BatchNormTrain<D> {
    let result = module::batch_norm_train(x, gamma, beta, epsilon);
    let off_tape = |x: Tensor<1>| {
        if x.device().is_autodiff() {
            x.inner()
        } else {
            x
        }
    };
    BatchNormTrain {
        output: result.output,
        mean: off_tape(result.mean),
        variance: off_tape(result.variance),
    }
}

/// `x / √(mean over channels of x² + ε)`, the channels being axis 1.
pub fn pixel_norm<const D: usize>(x: Tensor<D>, epsilon: f64) -> Tensor<D> {
    #[cfg(feature = "flex")]
    if super::flex::node::is_supported(&x) {
        return super::flex::pixel_norm::pixel_norm(x, epsilon);
    }
    plain_pixel_norm(x, epsilon)
}

/// [`pixel_norm`] in Burn's own operations.
pub(crate) fn plain_pixel_norm<const D: usize>(x: Tensor<D>, epsilon: f64) -> Tensor<D> {
    let mean = x.clone().square().mean_dim(1);
    x * mean.add_scalar(epsilon).sqrt().recip()
}

#[cfg(test)]
mod tests {
    use burn::tensor::Tolerance;

    use super::*;
    use crate::rng::Stream;

    type Norm = fn(Tensor<4>, Tensor<1>, Tensor<1>, f64) -> BatchNormTrain<4>;

    fn run(norm: Norm) -> Vec<TensorData> {
        let device = Device::flex().autodiff();
        let mut stream = Stream::new(2, "norm", 0);
        let x = (stream.normal([5, 3, 6, 7], &device) * 3.0 + 2.0)
            .detach()
            .require_grad();
        let gamma = stream.normal([3], &device).require_grad();
        let beta = stream.normal([3], &device).require_grad();
        let weight = stream.normal([5, 3, 6, 7], &device);
        let result = norm(x.clone(), gamma.clone(), beta.clone(), 1e-5);
        let gradients = (result.output.clone() * weight).sum().backward();
        let gradient = |x: Tensor<1>| x.grad(&gradients).expect("tracked").into_data();
        vec![
            result.output.into_data(),
            result.mean.into_data(),
            result.variance.into_data(),
            x.grad(&gradients).expect("tracked").into_data(),
            gradient(gamma),
            gradient(beta),
        ]
    }

    #[test]
    fn kernel_and_plain_operation_agree_in_value_and_gradients() {
        for (ours, plain) in run(batch_norm_train)
            .iter()
            .zip(run(plain_batch_norm_train))
        {
            ours.assert_approx_eq::<f32>(&plain, Tolerance::rel_abs(1e-4, 1e-4));
        }
    }

    #[test]
    fn the_output_has_mean_beta_and_deviation_gamma() {
        let device = Device::flex().autodiff();
        let x = Stream::new(2, "norm", 1).normal([64, 1, 4, 4], &device) * 5.0 - 3.0;
        let gamma = Tensor::from_data([2.0], &device);
        let beta = Tensor::from_data([0.5], &device);
        let y = batch_norm_train(x, gamma, beta, 1e-5).output;
        let mean = y.clone().mean().into_scalar::<f32>();
        let deviation = y.var(0).mean().sqrt().into_scalar::<f32>();
        assert!((mean - 0.5).abs() < 1e-4, "mean {mean}");
        assert!((deviation - 2.0).abs() < 0.1, "deviation {deviation}");
    }

    #[test]
    fn pixel_norm_agrees_with_plain_operations_in_value_and_gradient() {
        let device = Device::flex().autodiff();
        for epsilon in [1e-8, 0.5] {
            let run = |norm: fn(Tensor<4>, f64) -> Tensor<4>| {
                let mut stream = Stream::new(2, "norm", 2);
                let x = stream.normal([3, 5, 4, 7], &device).require_grad();
                let weight = stream.normal([3, 5, 4, 7], &device);
                let y = norm(x.clone(), epsilon);
                let gradients = (y.clone() * weight).sum().backward();
                let gradient = x.grad(&gradients).expect("tracked").into_data();
                (
                    y.clone().inner().into_data(),
                    gradient,
                    norm(x.inner(), epsilon).into_data(),
                )
            };
            let (ours, plain) = (run(pixel_norm), run(plain_pixel_norm));
            let tolerance = Tolerance::rel_abs(1e-4, 1e-5);
            ours.0.assert_approx_eq::<f32>(&plain.0, tolerance);
            ours.1.assert_approx_eq::<f32>(&plain.1, tolerance);
            ours.2.assert_approx_eq::<f32>(&plain.2, tolerance);
        }
    }
}
