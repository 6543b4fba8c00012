//! Normalisation of dual numbers.

use burn::prelude::*;

use super::Dual;

impl Dual<3> {
    /// Mean 0 and variance 1 along the last axis: `(x − mean) / √(variance + epsilon)`.
    ///
    /// With `y` the result and `s = √(variance + epsilon)`, the tangent is
    /// `(t − mean(t) − y · mean(y · t)) / s`.
    pub fn standardize(self, epsilon: f64) -> Self {
        let centered = self.primal.clone() - self.primal.mean_dim(2);
        let variance = centered.clone().square().mean_dim(2);
        let inverse = variance.add_scalar(epsilon).sqrt().recip();
        let y = centered * inverse.clone();
        let tangent = self.tangent.map(|t| {
            let t = t.clone() - t.mean_dim(2);
            let along = (y.clone() * t.clone()).mean_dim(2);
            (t - y.clone() * along) * inverse
        });
        Dual { primal: y, tangent }
    }
}

impl<const D: usize> Dual<D> {
    /// Multiplies each channel (axis 1) by its `weight` and adds its `bias`, both `[channels]`.
    pub fn affine(self, weight: Tensor<1>, bias: Tensor<1>) -> Self {
        let mut shape = [1; D];
        shape[1] = weight.dims()[0];
        let weight = weight.reshape(shape);
        let scaled = self.linear_map(|x| x * weight.clone());
        Dual {
            primal: scaled.primal + bias.reshape(shape),
            tangent: scaled.tangent,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Stream;
    use crate::testing::{assert_close, assert_jvp, values};

    #[test]
    fn tangents_match_central_differences() {
        let x = Stream::new(1, "x", 0).normal([2, 3, 5], &Device::flex());
        assert_jvp(|x| x.standardize(1e-5), x.clone());
        // An epsilon as large as the variance: it must be in the tangent too.
        assert_jvp(|x| x.standardize(1.0), x.clone());
        let weight = Tensor::<1>::from_floats([0.5, -2.0, 1.5], &Device::flex());
        assert_jvp(|x| x.affine(weight.clone(), weight.clone()), x);
    }

    #[test]
    fn standardized_rows_have_mean_zero_and_variance_one() {
        let x = Stream::new(1, "x", 0).normal([2, 3, 50], &Device::flex()) * 3.0 + 7.0;
        let y = Dual::from(x).standardize(1e-5).primal;
        let zeros = Tensor::zeros([2, 3, 1], &Device::flex());
        assert_close(&y.clone().mean_dim(2), &zeros, 1e-5);
        assert_close(&y.square().mean_dim(2), &(zeros + 1.0), 1e-4);
    }

    #[test]
    fn an_affine_map_works_on_channels() {
        let device = Device::flex();
        let x = Tensor::<2>::from_floats([[1.0, 2.0], [3.0, 4.0]], &device);
        let weight = Tensor::from_floats([2.0, 10.0], &device);
        let bias = Tensor::from_floats([0.0, 1.0], &device);
        let y = Dual::from(x).affine(weight, bias).primal;
        assert_eq!(values(&y), [2.0, 21.0, 6.0, 41.0]);
    }
}
