//! Linear maps: dense, convolution, transposed convolution.

use burn::prelude::*;
use burn::tensor::module;
use burn::tensor::ops::{ConvOptions, ConvTransposeOptions};

#[cfg(feature = "flex")]
use super::flex::{self, node::Direction, shape::ConvShape};

/// `x · weightᵀ + bias`.
///
/// # Shapes
///
/// - x: `[batch, in]`
/// - weight: `[out, in]`, bias: `[out]` (PyTorch's layout)
/// - output: `[batch, out]`
pub fn linear(x: Tensor<2>, weight: Tensor<2>, bias: Option<Tensor<1>>) -> Tensor<2> {
    assert_channels("linear", x.dims()[1], weight.dims()[1]);
    #[cfg(feature = "flex")]
    if flex::node::is_supported(&x) {
        return flex::linear::linear(x, weight, bias);
    }
    plain_linear(x, weight, bias)
}

/// [`linear`] in Burn's own operations.
pub(crate) fn plain_linear(x: Tensor<2>, weight: Tensor<2>, bias: Option<Tensor<1>>) -> Tensor<2> {
    let y = x.matmul(weight.transpose());
    match bias {
        Some(bias) => y + bias.unsqueeze(),
        None => y,
    }
}

/// Two-dimensional convolution with the same stride and zero padding on both axes.
///
/// # Shapes
///
/// - x: `[batch, in, height, width]`
/// - weight: `[out, in, kernel, kernel]`, bias: `[out]`
/// - output: `[batch, out, (height + 2·padding − kernel) / stride + 1, …]`
pub fn conv2d(
    x: Tensor<4>,
    weight: Tensor<4>,
    bias: Option<Tensor<1>>,
    stride: usize,
    padding: usize,
) -> Tensor<4> {
    assert_channels("conv2d", x.dims()[1], weight.dims()[1]);
    #[cfg(feature = "flex")]
    if flex::node::is_supported(&x) {
        let [batch, big_channels, height, width] = x.dims();
        let [small_channels, _, kernel, _] = weight.dims();
        let small = [height, width].map(|size| {
            let padded = size + 2 * padding;
            assert!(
                padded >= kernel,
                "conv2d: kernel ({kernel}) larger than the padded input ({padded})"
            );
            (padded - kernel) / stride + 1
        });
        let shape = ConvShape {
            batch,
            big_channels,
            big: [height, width],
            small_channels,
            small,
            kernel: [kernel; 2],
            stride,
            padding: [padding; 2],
        };
        return flex::node::conv(Direction::Down, x, weight, bias, shape);
    }
    plain_conv2d(x, weight, bias, stride, padding)
}

pub(super) fn assert_channels(what: &str, input: usize, weight: usize) {
    assert_eq!(
        input, weight,
        "{what}: the input has {input} channels, the weight wants {weight}"
    );
}

/// [`conv2d`] in Burn's own operation.
pub(crate) fn plain_conv2d(
    x: Tensor<4>,
    weight: Tensor<4>,
    bias: Option<Tensor<1>>,
    stride: usize,
    padding: usize,
) -> Tensor<4> {
    let options = ConvOptions::new([stride; 2], [padding; 2], [1; 2], 1);
    module::conv2d(x, weight, bias, options)
}

/// Transposed convolution, the adjoint of [`conv2d`].
///
/// # Shapes
///
/// - x: `[batch, in, height, width]`
/// - weight: `[in, out, kernel, kernel]`, bias: `[out]`
/// - output: `[batch, out, (height − 1)·stride − 2·padding + kernel, …]`
pub fn conv_transpose2d(
    x: Tensor<4>,
    weight: Tensor<4>,
    bias: Option<Tensor<1>>,
    stride: usize,
    padding: usize,
) -> Tensor<4> {
    assert_channels("conv_transpose2d", x.dims()[1], weight.dims()[0]);
    #[cfg(feature = "flex")]
    if flex::node::is_supported(&x) {
        let [batch, small_channels, height, width] = x.dims();
        let [_, big_channels, kernel, _] = weight.dims();
        let shape = ConvShape {
            batch,
            big_channels,
            big: [height, width].map(|size| (size - 1) * stride + kernel - 2 * padding),
            small_channels,
            small: [height, width],
            kernel: [kernel; 2],
            stride,
            padding: [padding; 2],
        };
        return flex::node::conv(Direction::Up, x, weight, bias, shape);
    }
    plain_conv_transpose2d(x, weight, bias, stride, padding)
}

/// [`conv_transpose2d`] in Burn's own operation.
pub(crate) fn plain_conv_transpose2d(
    x: Tensor<4>,
    weight: Tensor<4>,
    bias: Option<Tensor<1>>,
    stride: usize,
    padding: usize,
) -> Tensor<4> {
    let options = ConvTransposeOptions::new([stride; 2], [padding; 2], [0; 2], [1; 2], 1);
    module::conv_transpose2d(x, weight, bias, options)
}

#[cfg(test)]
mod tests {
    use burn::tensor::Tolerance;

    use super::*;
    use crate::rng::Stream;

    type Conv = fn(Tensor<4>, Tensor<4>, Option<Tensor<1>>, usize, usize) -> Tensor<4>;

    /// Value and gradients of input, weight and bias.
    /// `output_axis` is the axis of the weight that counts the output channels.
    fn run(
        (conv, output_axis): (Conv, usize),
        input: [usize; 4],
        weight: [usize; 4],
        bias: bool,
        k: [usize; 2],
    ) -> Vec<TensorData> {
        let device = Device::flex().autodiff();
        let mut stream = Stream::new(5, "conv", 0);
        let x = stream.normal(input, &device).require_grad();
        let channels = weight[output_axis];
        let weight = stream.normal(weight, &device).require_grad();
        let bias = bias.then(|| stream.normal([channels], &device).require_grad());
        let y = conv(x.clone(), weight.clone(), bias.clone(), k[0], k[1]);
        let gradients = y.clone().square().mean().backward();
        let mut results = vec![y.into_data()];
        results.push(x.grad(&gradients).expect("tracked").into_data());
        results.push(weight.grad(&gradients).expect("tracked").into_data());
        if let Some(bias) = bias {
            results.push(bias.grad(&gradients).expect("tracked").into_data());
        }
        results
    }

    fn assert_same(ours: &[TensorData], plain: &[TensorData]) {
        assert_eq!(ours.len(), plain.len());
        for (ours, plain) in ours.iter().zip(plain) {
            ours.assert_approx_eq::<f32>(plain, Tolerance::rel_abs(1e-4, 1e-4));
        }
    }

    #[test]
    fn kernel_and_plain_convolution_agree_in_value_and_gradients() {
        for (bias, k) in [(true, [2, 1]), (false, [1, 1]), (true, [1, 2])] {
            let (input, weight) = ([3, 5, 8, 8], [7, 5, 4, 4]);
            assert_same(
                &run((conv2d, 0), input, weight, bias, k),
                &run((plain_conv2d, 0), input, weight, bias, k),
            );
        }
    }

    #[test]
    fn kernel_and_plain_transposed_convolution_agree_in_value_and_gradients() {
        for (bias, k) in [(true, [2, 1]), (false, [1, 1]), (true, [1, 0])] {
            let (input, weight) = ([3, 5, 6, 6], [5, 7, 4, 4]);
            assert_same(
                &run((conv_transpose2d, 1), input, weight, bias, k),
                &run((plain_conv_transpose2d, 1), input, weight, bias, k),
            );
        }
    }

    #[test]
    fn kernel_and_plain_dense_layer_agree_in_value_and_gradients() {
        let device = Device::flex().autodiff();
        for with_bias in [true, false] {
            let run = |linear: fn(Tensor<2>, Tensor<2>, Option<Tensor<1>>) -> Tensor<2>| {
                let mut stream = Stream::new(5, "linear", 0);
                let x = stream.normal([9, 5], &device).require_grad();
                let weight = stream.normal([7, 5], &device).require_grad();
                let bias = with_bias.then(|| stream.normal([7], &device).require_grad());
                let y = linear(x.clone(), weight.clone(), bias.clone());
                let gradients = y.clone().square().mean().backward();
                let mut results = vec![y.into_data()];
                results.push(x.grad(&gradients).expect("tracked").into_data());
                results.push(weight.grad(&gradients).expect("tracked").into_data());
                results.extend(bias.map(|b| b.grad(&gradients).expect("tracked").into_data()));
                results
            };
            assert_same(&run(linear), &run(plain_linear));
        }
    }

    #[test]
    fn a_frozen_weight_gets_no_gradient_and_the_input_still_does() {
        let device = Device::flex().autodiff();
        let mut stream = Stream::new(5, "conv", 1);
        let x = stream.normal([2, 3, 6, 6], &device).require_grad();
        let weight = stream.normal([4, 3, 3, 3], &device);
        let gradients = conv2d(x.clone(), weight.clone(), None, 1, 1)
            .sum()
            .backward();
        assert!(x.grad(&gradients).is_some());
        assert!(weight.grad(&gradients).is_none());
    }

    #[test]
    #[should_panic(expected = "conv2d: the input has 2 channels, the weight wants 3")]
    fn channels_must_agree() {
        let device = Device::flex();
        let x = Tensor::zeros([1, 2, 4, 4], &device);
        conv2d(x, Tensor::zeros([1, 3, 3, 3], &device), None, 1, 1);
    }
}
