//! Convolutions of networks that are only used, never trained.

use burn::prelude::*;
use burn::tensor::module;
use burn::tensor::ops::ConvOptions;

#[cfg(feature = "flex")]
use super::flex::{self, conv::PackedWeight, shape::ConvShape};

/// A convolution with bias, and ReLU if wanted, whose weight never changes: for networks that are used
/// and not trained. Kernel and padding may differ between height and width.
///
/// On the flex backend the weight is brought into the order of the kernel once, and bias and ReLU
/// cost no pass of their own. Nothing is recorded on a tape.
#[derive(Clone, Debug)]
pub struct FrozenConv2d {
    weight: Weight,
    bias: Tensor<1>,
    /// `[out, in, height, width]`.
    dims: [usize; 4],
    stride: usize,
    padding: [usize; 2],
    relu: bool,
}

#[derive(Clone, Debug)]
enum Weight {
    Plain(Box<Tensor<4>>),
    #[cfg(feature = "flex")]
    Packed {
        weight: PackedWeight,
        bias: Vec<f32>,
    },
}

impl FrozenConv2d {
    /// A convolution with zero `padding` `[height, width]` and the same `stride` on both axes.
    ///
    /// # Shapes
    ///
    /// - weight: `[out, in, height, width]`
    /// - bias: `[out]`
    ///
    /// # Panics
    ///
    /// Panics if the bias has another length, the stride is 0, or the tensors are tracked.
    pub fn new(
        weight: Tensor<4>,
        bias: Tensor<1>,
        stride: usize,
        padding: [usize; 2],
        relu: bool,
    ) -> Self {
        let dims = weight.dims();
        assert!(stride > 0, "FrozenConv2d: the stride is 0");
        assert!(
            !weight.device().is_autodiff() && !bias.device().is_autodiff(),
            "FrozenConv2d: the weight must be on a device without autodiff"
        );
        assert_eq!(
            bias.dims(),
            [dims[0]],
            "FrozenConv2d: the weight has {} outputs, the bias another number",
            dims[0]
        );
        Self {
            weight: Weight::new(weight, &bias, stride),
            bias,
            dims,
            stride,
            padding,
            relu,
        }
    }

    /// Applies the layer.
    ///
    /// # Shapes
    ///
    /// - x: `[batch, in, height, width]`
    /// - output: `[batch, out, (height + 2·padding − kernel) / stride + 1, …]`
    ///
    /// # Panics
    ///
    /// Panics if the channels differ or the kernel is larger than the padded input.
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let [_, channels, height, width] = x.dims();
        let [_, inputs, kernel_height, kernel_width] = self.dims;
        super::conv::assert_channels("FrozenConv2d", channels, inputs);
        let padded = [height + 2 * self.padding[0], width + 2 * self.padding[1]];
        assert!(
            padded[0] >= kernel_height && padded[1] >= kernel_width,
            "FrozenConv2d: kernel ({kernel_height}x{kernel_width}) larger than the padded input \
             ({}x{})",
            padded[0],
            padded[1]
        );
        match &self.weight {
            #[cfg(feature = "flex")]
            Weight::Packed { weight, bias } if flex::is_flex(&x) => {
                self.packed(x, weight, bias, padded)
            }
            #[cfg(feature = "flex")]
            Weight::Packed { .. } => panic!("FrozenConv2d: the input is not f32 on flex"),
            Weight::Plain(weight) => {
                let options = ConvOptions::new([self.stride; 2], self.padding, [1; 2], 1);
                let y = module::conv2d(x, (**weight).clone(), Some(self.bias.clone()), options);
                if self.relu { y.clamp_min(0.0) } else { y }
            }
        }
    }

    #[cfg(feature = "flex")]
    fn packed(
        &self,
        x: Tensor<4>,
        weight: &PackedWeight,
        bias: &[f32],
        padded: [usize; 2],
    ) -> Tensor<4> {
        use burn::backend::Flex;
        use flex::conv::convolve_packed;

        let [batch, big_channels, height, width] = x.dims();
        let [small_channels, _, kernel_height, kernel_width] = self.dims;
        let kernel = [kernel_height, kernel_width];
        let shape = ConvShape {
            batch,
            big_channels,
            big: [height, width],
            small_channels,
            small: [0, 1].map(|axis| (padded[axis] - kernel[axis]) / self.stride + 1),
            kernel,
            stride: self.stride,
            padding: self.padding,
        };
        let x = flex::contiguous(x);
        let x = flex::node::values(&x);
        let y = if self.relu {
            convolve_packed(x, weight, &shape, |m| {
                let bias = bias[m];
                // Not `max`, which would turn NaN into 0.
                move |value| {
                    let y = value + bias;
                    if y < 0.0 { 0.0 } else { y }
                }
            })
        } else {
            convolve_packed(x, weight, &shape, |m| {
                let bias = bias[m];
                move |value| value + bias
            })
        };
        let [rows, columns] = shape.small;
        let y = flex::node::tensor(y, [batch, small_channels, rows, columns]);
        Tensor::from_primitive::<Flex>(y)
    }
}

impl Weight {
    #[cfg(feature = "flex")]
    fn new(weight: Tensor<4>, bias: &Tensor<1>, stride: usize) -> Self {
        if !flex::is_flex(&weight) {
            return Self::Plain(Box::new(weight));
        }
        let [small_channels, big_channels, height, width] = weight.dims();
        // Batch and sizes of the pictures do not decide the order of the weight.
        let shape = ConvShape {
            batch: 1,
            big_channels,
            big: [height, width],
            small_channels,
            small: [1, 1],
            kernel: [height, width],
            stride,
            padding: [0, 0],
        };
        let weight = flex::contiguous(weight);
        let bias = flex::contiguous(bias.clone());
        Self::Packed {
            weight: flex::conv::pack_weight(flex::node::values(&weight), &shape),
            bias: flex::node::values(&bias).to_vec(),
        }
    }

    #[cfg(not(feature = "flex"))]
    fn new(weight: Tensor<4>, _bias: &Tensor<1>, _stride: usize) -> Self {
        Self::Plain(Box::new(weight))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Stream;
    use crate::testing::{assert_close, values};

    #[test]
    fn it_is_burns_convolution_with_relu() {
        let device = Device::flex();
        let mut stream = Stream::new(3, "frozen", 0);
        for (kernel, stride, padding) in [
            ([3, 3], 1, [1, 1]),
            ([1, 7], 1, [0, 3]),
            ([7, 1], 1, [3, 0]),
            ([3, 3], 2, [0, 0]),
            ([1, 1], 1, [0, 0]),
        ] {
            let x = stream.normal([5, 4, 17, 18], &device);
            let weight = stream.normal([10, 4, kernel[0], kernel[1]], &device);
            let bias = stream.normal([10], &device);
            let options = ConvOptions::new([stride; 2], padding, [1; 2], 1);
            let wanted = module::conv2d(x.clone(), weight.clone(), Some(bias.clone()), options);
            let linear = FrozenConv2d::new(weight.clone(), bias.clone(), stride, padding, false);
            assert_close(&linear.forward(x.clone()), &wanted, 1e-4);
            let relu = FrozenConv2d::new(weight, bias, stride, padding, true);
            assert_close(&relu.forward(x), &wanted.clamp_min(0.0), 1e-4);
        }
    }

    #[test]
    fn a_value_that_is_not_a_number_stays_one() {
        let device = Device::flex();
        let one = Tensor::ones([1, 1, 1, 1], &device);
        let layer = FrozenConv2d::new(one.clone(), Tensor::zeros([1], &device), 1, [0, 0], true);
        assert!(values(&layer.forward(one * f32::NAN))[0].is_nan());
    }

    #[test]
    #[should_panic(expected = "FrozenConv2d: the input has 2 channels, the weight wants 1")]
    fn channels_must_agree() {
        let device = Device::flex();
        let one = Tensor::ones([1, 1, 1, 1], &device);
        let layer = FrozenConv2d::new(one, Tensor::zeros([1], &device), 1, [0, 0], true);
        layer.forward(Tensor::zeros([1, 2, 4, 4], &device));
    }

    #[test]
    #[should_panic(expected = "kernel (3x3) larger than the padded input (2x4)")]
    fn the_kernel_must_fit() {
        let device = Device::flex();
        let weight = Tensor::ones([1, 1, 3, 3], &device);
        let layer = FrozenConv2d::new(weight, Tensor::zeros([1], &device), 1, [0, 0], true);
        layer.forward(Tensor::zeros([1, 1, 2, 4], &device));
    }
}
