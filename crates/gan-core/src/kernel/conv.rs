//! Linear maps: dense, convolution, transposed convolution.

use burn::prelude::*;
use burn::tensor::module;
use burn::tensor::ops::{ConvOptions, ConvTransposeOptions};

#[cfg(feature = "flex")]
use super::flex::{self, conv_step::Direction, shape::ConvShape};

/// `x · weightᵀ + bias`.
///
/// # Shapes
///
/// - x: `[batch, in]`
/// - weight: `[out, in]`, bias: `[out]` (PyTorch's layout)
/// - output: `[batch, out]`
///
/// # Panics
///
/// Panics if the weight wants another number of inputs.
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
/// - weight: `[out, in, kernel height, kernel width]`, bias: `[out]`
/// - output: `[batch, out, (height + 2·padding − kernel height) / stride + 1, …]`
///
/// # Panics
///
/// Panics if the channels differ, the stride is 0, or the kernel is larger than the padded input.
pub fn conv2d(
    x: Tensor<4>,
    weight: Tensor<4>,
    bias: Option<Tensor<1>>,
    stride: usize,
    padding: usize,
) -> Tensor<4> {
    assert_channels("conv2d", x.dims()[1], weight.dims()[1]);
    assert_fits("conv2d", x.dims(), weight.dims(), [padding; 2]);
    #[cfg(feature = "flex")]
    if flex::node::is_supported(&x) {
        let shape = ConvShape::down(x.dims(), weight.dims(), stride, [padding; 2]);
        return flex::conv_step::conv(Direction::Down, x, weight, bias, shape);
    }
    plain_conv2d(x, weight, bias, stride, padding)
}

pub(super) fn assert_channels(what: &str, input: usize, weight: usize) {
    assert_eq!(
        input, weight,
        "{what}: the input has {input} channels, the weight wants {weight}"
    );
}

pub(super) fn assert_fits(what: &str, x: [usize; 4], weight: [usize; 4], padding: [usize; 2]) {
    let [kernel_height, kernel_width] = [weight[2], weight[3]];
    let [height, width] = [x[2] + 2 * padding[0], x[3] + 2 * padding[1]];
    assert!(
        height >= kernel_height && width >= kernel_width,
        "{what}: kernel ({kernel_height}x{kernel_width}) larger than the padded input \
         ({height}x{width})"
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
/// - weight: `[in, out, kernel height, kernel width]`, bias: `[out]`
/// - output: `[batch, out, (height − 1)·stride − 2·padding + kernel height, …]`
///
/// # Panics
///
/// Panics if the channels differ, the stride is 0, or the padding leaves nothing of the output.
pub fn conv_transpose2d(
    x: Tensor<4>,
    weight: Tensor<4>,
    bias: Option<Tensor<1>>,
    stride: usize,
    padding: usize,
) -> Tensor<4> {
    let (dims, kernel) = (x.dims(), weight.dims());
    assert_channels("conv_transpose2d", dims[1], kernel[0]);
    for axis in [2, 3] {
        assert!(
            dims[axis] > 0 && (dims[axis] - 1) * stride + kernel[axis] > 2 * padding,
            "conv_transpose2d: a padding of {padding} leaves nothing of the output"
        );
    }
    #[cfg(feature = "flex")]
    if flex::node::is_supported(&x) {
        let shape = ConvShape::up(dims, kernel, stride, [padding; 2]);
        return flex::conv_step::conv(Direction::Up, x, weight, bias, shape);
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
            for kernel in [[4, 4], [4, 3]] {
                let (input, weight) = ([3, 5, 8, 8], [7, 5, kernel[0], kernel[1]]);
                assert_same(
                    &run((conv2d, 0), input, weight, bias, k),
                    &run((plain_conv2d, 0), input, weight, bias, k),
                );
            }
        }
    }

    #[test]
    fn kernel_and_plain_transposed_convolution_agree_in_value_and_gradients() {
        for (bias, k) in [(true, [2, 1]), (false, [1, 1]), (true, [1, 0])] {
            for kernel in [[4, 4], [4, 3]] {
                let (input, weight) = ([3, 5, 6, 6], [5, 7, kernel[0], kernel[1]]);
                assert_same(
                    &run((conv_transpose2d, 1), input, weight, bias, k),
                    &run((plain_conv_transpose2d, 1), input, weight, bias, k),
                );
            }
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

    #[test]
    #[should_panic(expected = "conv2d: kernel (3x5) larger than the padded input (4x4)")]
    fn the_kernel_must_fit() {
        let device = Device::flex();
        let x = Tensor::zeros([1, 1, 2, 2], &device);
        conv2d(x, Tensor::zeros([1, 1, 3, 5], &device), None, 1, 1);
    }

    #[test]
    #[should_panic(expected = "conv_transpose2d: a padding of 2 leaves nothing of the output")]
    fn the_padding_of_a_transposed_convolution_must_leave_something() {
        let device = Device::flex();
        let x = Tensor::zeros([1, 1, 1, 1], &device);
        conv_transpose2d(x, Tensor::zeros([1, 1, 3, 3], &device), None, 1, 2);
    }
}
