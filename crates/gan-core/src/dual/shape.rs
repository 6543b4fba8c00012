//! Linear maps of dual numbers that have no parameters: shapes, sums, means, borders.

use burn::prelude::*;
use burn::tensor::ops::PadMode;

use super::Dual;
use crate::kernel;

impl<const D: usize> Dual<D> {
    /// The same values in another shape.
    ///
    /// # Panics
    ///
    /// Panics if the number of values differs.
    pub fn reshape<const E: usize>(self, shape: [usize; E]) -> Dual<E> {
        self.linear_map(|x| x.reshape(shape))
    }

    /// `[batch, …]` to `[batch, everything else]`.
    pub fn flatten(self) -> Dual<2> {
        let dims = self.primal.dims();
        self.reshape([dims[0], dims[1..].iter().product()])
    }

    /// Reorders the axes.
    ///
    /// # Panics
    ///
    /// Panics if `axes` is not a permutation of `0..D`.
    pub fn permute(self, axes: [usize; D]) -> Self {
        self.linear_map(|x| x.permute(axes.map(|axis| axis as isize)))
    }

    /// `length` entries from `start` along `axis`.
    ///
    /// # Panics
    ///
    /// Panics if there are not that many.
    pub fn narrow(self, axis: usize, start: usize, length: usize) -> Self {
        self.linear_map(|x| x.narrow(axis, start, length))
    }

    /// One after the other along `axis`. Where only some have a tangent, the others get zeros.
    ///
    /// # Panics
    ///
    /// Panics if there are none, or the shapes differ in another axis.
    pub fn concat(parts: Vec<Self>, axis: usize) -> Self {
        let moving = parts.iter().any(|part| part.tangent.is_some());
        let tangent = moving.then(|| {
            let tangents = parts.iter().map(|part| {
                let zeros = || Tensor::zeros_like(&part.primal);
                part.tangent.clone().unwrap_or_else(zeros)
            });
            Tensor::cat(tangents.collect(), axis)
        });
        let primals = parts.into_iter().map(|part| part.primal).collect();
        Dual {
            primal: Tensor::cat(primals, axis),
            tangent,
        }
    }

    /// Sum along `axis`, which stays with length 1.
    pub fn sum_dim(self, axis: usize) -> Self {
        self.linear_map(|x| x.sum_dim(axis))
    }

    /// Mean along `axis`, which stays with length 1.
    pub fn mean_dim(self, axis: usize) -> Self {
        self.linear_map(|x| x.mean_dim(axis))
    }
}

impl Dual<4> {
    /// Mean of each channel: `[batch, channels, height, width]` to `[batch, channels]`.
    pub fn mean_pool(self) -> Dual<2> {
        let [n, c, h, w] = self.primal.dims();
        self.reshape([n, c, h * w]).mean_dim(2).reshape([n, c])
    }

    /// Sum of each channel: `[batch, channels, height, width]` to `[batch, channels]`.
    pub fn sum_pool(self) -> Dual<2> {
        let [n, c, h, w] = self.primal.dims();
        self.reshape([n, c, h * w]).sum_dim(2).reshape([n, c])
    }

    /// Mean of every `size × size` square; what is left over at the right and bottom is dropped.
    ///
    /// # Panics
    ///
    /// Panics if `size` is 0, or larger than height or width.
    pub fn avg_pool2d(self, size: usize) -> Self {
        self.linear_map(|x| kernel::mean_pool(x, size))
    }

    /// `width` zeros on all four sides.
    pub fn pad(self, width: usize) -> Self {
        self.linear_map(|x| x.pad((width, width, width, width), PadMode::Constant(0.0)))
    }

    /// `width` mirrored pixels on all four sides, the border itself not repeated.
    ///
    /// # Panics
    ///
    /// Panics if `width` is not smaller than height and width.
    pub fn pad_reflect(self, width: usize) -> Self {
        self.linear_map(|x| x.pad((width, width, width, width), PadMode::Reflect))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Stream;
    use crate::testing::{assert_close, assert_jvp, values};

    fn input() -> Tensor<4> {
        Stream::new(1, "x", 0).normal([2, 3, 4, 4], &Device::flex())
    }

    fn count(shape: [usize; 4]) -> Dual<4> {
        let numbers = (0..shape.iter().product::<usize>()).map(|v| v as f32);
        let data = TensorData::new(numbers.collect::<Vec<_>>(), shape);
        Tensor::from_data(data, &Device::flex()).into()
    }

    #[test]
    fn tangents_match_central_differences() {
        assert_jvp(|x| x.reshape([4, 24]), input());
        assert_jvp(|x| x.flatten(), input());
        assert_jvp(|x| x.permute([1, 0, 3, 2]), input());
        assert_jvp(|x| x.narrow(1, 1, 2), input());
        assert_jvp(|x| Dual::concat(vec![x.clone() * 3.0, x], 1), input());
        assert_jvp(|x| x.sum_dim(2), input());
        assert_jvp(|x| x.mean_dim(3), input());
        assert_jvp(|x| x.mean_pool(), input());
        assert_jvp(|x| x.sum_pool(), input());
        assert_jvp(|x| x.avg_pool2d(2), input());
        assert_jvp(|x| x.pad(1), input());
        assert_jvp(|x| x.pad_reflect(2), input());
    }

    #[test]
    fn a_constant_part_of_a_concatenation_gets_a_zero_tangent() {
        let x = input();
        let moving = Dual::new(x.clone(), x.clone());
        let both = Dual::concat(vec![moving, x.clone().into()], 0);
        let wanted = Tensor::cat(vec![x.clone(), x.zeros_like()], 0);
        assert_close(&both.tangent.expect("one part moves"), &wanted, 0.0);
    }

    #[test]
    fn pooling_undoes_upsampling() {
        let x = input();
        let y = Dual::from(x.clone()).upsample_nearest().avg_pool2d(2);
        assert_close(&y.primal, &x, 1e-6);
    }

    #[test]
    fn pools_are_means_and_sums_of_channels() {
        assert_eq!(values(&count([1, 2, 2, 2]).mean_pool().primal), [1.5, 5.5]);
        assert_eq!(values(&count([1, 2, 2, 2]).sum_pool().primal), [6.0, 22.0]);
    }

    #[test]
    fn padding_is_zero_or_mirrored() {
        let zero = count([1, 1, 1, 1]) + Tensor::ones([1, 1, 1, 1], &Device::flex()).into();
        let wanted = [0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0];
        assert_eq!(values(&zero.pad(1).primal), wanted);
        let mirrored = count([1, 1, 2, 2]).pad_reflect(1).primal;
        assert_eq!(values(&mirrored)[..4], [3.0, 2.0, 3.0, 2.0]);
    }
}
