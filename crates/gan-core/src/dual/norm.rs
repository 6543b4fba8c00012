//! Normalisation of dual numbers.

use burn::prelude::*;

use super::Dual;
use crate::kernel;

impl<const D: usize> Dual<D> {
    /// Mean 0 and variance 1 of every group of neighbouring channels (axis 1) of every sample:
    /// `(x − mean) / √(variance + epsilon)`; then times the weight and plus the bias of the channel, if
    /// `affine` has them, both `[channels]`.
    ///
    /// # Panics
    ///
    /// Panics if `groups` does not divide the channels, or the weight wants another number of them.
    pub fn group_norm(self, groups: usize, epsilon: f64, affine: Option<[Tensor<1>; 2]>) -> Self {
        let (primal, tangent) =
            kernel::group_norm(self.primal, self.tangent, groups, epsilon, affine);
        Dual { primal, tangent }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Stream;
    use crate::testing::{assert_close, assert_jvp};

    #[test]
    fn tangents_match_central_differences() {
        let x = Stream::new(1, "x", 0).normal([2, 4, 5], &Device::flex());
        let weight = Tensor::<1>::from_floats([0.5, -2.0, 1.5, 1.0], &Device::flex());
        let affine = || Some([weight.clone(), weight.clone()]);
        for groups in [1, 2, 4] {
            assert_jvp(|x| x.group_norm(groups, 1e-5, None), x.clone());
            // An epsilon as large as the variance: it must be in the tangent too.
            assert_jvp(|x| x.group_norm(groups, 1.0, None), x.clone());
            assert_jvp(|x| x.group_norm(groups, 1e-5, affine()), x.clone());
        }
    }

    #[test]
    fn groups_have_mean_zero_and_variance_one() {
        let x = Stream::new(1, "x", 0).normal([2, 6, 25], &Device::flex()) * 3.0 + 7.0;
        let y = Dual::from(x).group_norm(3, 1e-5, None).primal;
        let y: Tensor<3> = y.reshape([2, 3, 50]);
        let zeros = Tensor::zeros([2, 3, 1], &Device::flex());
        assert_close(&y.clone().mean_dim(2), &zeros, 1e-5);
        assert_close(&y.square().mean_dim(2), &(zeros + 1.0), 1e-4);
    }

    /// Rows of 1 and 3 are −1 and 1 before the affine map.
    #[test]
    fn weight_and_bias_are_those_of_the_channel() {
        let device = Device::flex();
        let x = Tensor::<2>::from_floats([[1.0, 3.0], [3.0, 1.0]], &device);
        let weight = Tensor::from_floats([2.0, 10.0], &device);
        let bias = Tensor::from_floats([0.0, 1.0], &device);
        let y = Dual::from(x)
            .group_norm(1, 1e-9, Some([weight, bias]))
            .primal;
        let wanted = Tensor::from_floats([[-2.0, 11.0], [2.0, -9.0]], &device);
        assert_close(&y, &wanted, 1e-5);
    }
}
