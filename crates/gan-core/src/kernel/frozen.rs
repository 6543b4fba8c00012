//! Convolutions of networks that are only used, never trained.

use burn::prelude::*;
use burn::tensor::module;
use burn::tensor::ops::ConvOptions;

use super::conv::{assert_channels, assert_fits};
#[cfg(feature = "flex")]
use super::flex::conv::{PackedWeight, convolve_packed, pack_weight};
#[cfg(feature = "flex")]
use super::flex::{self, packing::Finish, shape::ConvShape};

/// A convolution with bias, and ReLU if wanted, whose weight never changes: for networks that are used
/// and not trained. Kernel and padding may differ between height and width.
///
/// On the flex backend the weight is brought into the order of the kernel once, and bias and ReLU
/// cost no pass of their own. Nothing is recorded on a tape.
#[derive(Clone, Debug)]
pub struct FrozenConv2d {
    weight: Weight,
    /// `[out, in, height, width]`.
    dims: [usize; 4],
    stride: usize,
    padding: [usize; 2],
    relu: bool,
}

#[derive(Clone, Debug)]
enum Weight {
    /// With the bias.
    Plain(Box<(Tensor<4>, Tensor<1>)>),
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
            weight: Weight::new(weight, bias, stride),
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
    /// Panics if the channels differ, the kernel is larger than the padded input, or the input is on
    /// another backend than the weight or of another type.
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        assert_channels("FrozenConv2d", x.dims()[1], self.dims[1]);
        assert_fits("FrozenConv2d", x.dims(), self.dims, self.padding);
        match &self.weight {
            #[cfg(feature = "flex")]
            Weight::Packed { weight, bias } => self.packed(x, weight, bias),
            Weight::Plain(parameters) => {
                let (weight, bias) = (**parameters).clone();
                let options = ConvOptions::new([self.stride; 2], self.padding, [1; 2], 1);
                let y = module::conv2d(x, weight, Some(bias), options);
                if self.relu { y.clamp_min(0.0) } else { y }
            }
        }
    }

    #[cfg(feature = "flex")]
    fn packed(&self, x: Tensor<4>, weight: &PackedWeight, bias: &[f32]) -> Tensor<4> {
        assert!(
            flex::is_flex(&x),
            "FrozenConv2d: the input is not f32 on flex"
        );
        let shape = ConvShape::down(x.dims(), self.dims, self.stride, self.padding);
        let finish = Finish {
            bias: Some(bias),
            relu: self.relu,
        };
        let x = flex::contiguous(x);
        let y = convolve_packed(flex::node::values(&x), weight, &shape, finish);
        Tensor::from_primitive::<burn::backend::Flex>(flex::node::tensor(y, shape.small_dims()))
    }
}

impl Weight {
    #[cfg_attr(not(feature = "flex"), expect(unused_variables))]
    fn new(weight: Tensor<4>, bias: Tensor<1>, stride: usize) -> Self {
        #[cfg(feature = "flex")]
        if flex::is_flex(&weight) {
            let dims = weight.dims();
            // Batch and sizes of the pictures do not decide the order of the weight.
            let shape = ConvShape::down([1, dims[1], dims[2], dims[3]], dims, stride, [0, 0]);
            let (weight, bias) = (flex::contiguous(weight), flex::contiguous(bias));
            return Self::Packed {
                weight: pack_weight(flex::node::values(&weight), &shape),
                bias: flex::node::values(&bias).to_vec(),
            };
        }
        Self::Plain(Box::new((weight, bias)))
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
