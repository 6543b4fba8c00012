//! Products and softmax of dual numbers: what attention is made of.

use burn::prelude::*;
use burn::tensor::activation;

use super::Dual;

impl<const D: usize> core::ops::Mul for Dual<D> {
    type Output = Self;

    /// Elementwise, with the product rule.
    fn mul(self, other: Self) -> Self {
        product(self, other, |a, b| a * b)
    }
}

impl<const D: usize> Dual<D> {
    /// Product of the matrices in the last two axes, `[…, a, b] · […, b, c]` to `[…, a, c]`.
    ///
    /// # Panics
    ///
    /// Panics if the shapes do not fit.
    pub fn matmul(self, other: Self) -> Self {
        product(self, other, Tensor::matmul)
    }

    /// The last two axes exchanged.
    pub fn transpose(self) -> Self {
        self.linear_map(Tensor::transpose)
    }

    /// `e^x / Σ e^x` along `axis`.
    ///
    /// With `y` the result, the tangent is `y · (t − Σ y · t)`.
    pub fn softmax(self, axis: usize) -> Self {
        let y = activation::softmax(self.primal, axis);
        let tangent = self.tangent.map(|t| {
            let mean = (y.clone() * t.clone()).sum_dim(axis);
            y.clone() * (t - mean)
        });
        Dual { primal: y, tangent }
    }
}

/// A map linear in both arguments, with the product rule.
fn product<const D: usize>(
    a: Dual<D>,
    b: Dual<D>,
    f: impl Fn(Tensor<D>, Tensor<D>) -> Tensor<D>,
) -> Dual<D> {
    let left = a.tangent.map(|t| f(t, b.primal.clone()));
    let right = b.tangent.map(|t| f(a.primal.clone(), t));
    let tangent = match (left, right) {
        (Some(left), Some(right)) => Some(left + right),
        (left, right) => left.or(right),
    };
    Dual {
        primal: f(a.primal, b.primal),
        tangent,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Stream;
    use crate::testing::{assert_close, assert_jvp, values};

    fn input() -> Tensor<3> {
        Stream::new(1, "x", 0).normal([2, 3, 4], &Device::flex())
    }

    #[test]
    fn tangents_match_central_differences() {
        let constant = || Dual::from(Stream::new(2, "y", 0).normal([2, 4, 3], &Device::flex()));
        // Either side moves, or both.
        assert_jvp(|x| x.matmul(constant()), input());
        assert_jvp(|x| constant().matmul(x), input());
        assert_jvp(|x| x.clone().matmul(x.transpose()), input());
        assert_jvp(|x| x.clone() * x.clone() * x, input());
        assert_jvp(|x| x * constant().transpose(), input());
        assert_jvp(|x| x.transpose(), input());
        assert_jvp(|x| x.softmax(2), input());
        assert_jvp(|x| x.softmax(1), input());
    }

    #[test]
    fn softmax_is_a_distribution_and_survives_large_logits() {
        let x = Tensor::<1>::from_floats([0.0, 3.0f32.ln()], &Device::flex());
        let y = Dual::from(x.clone()).softmax(0).primal;
        assert_close(
            &y,
            &Tensor::from_floats([0.25, 0.75], &Device::flex()),
            1e-6,
        );
        let y = Dual::new(x.clone() * 1e4, x).softmax(0);
        assert!(
            values(&y.tangent.expect("it went in"))
                .iter()
                .all(|t| t.is_finite())
        );
    }

    /// The gradient of a penalty is Burn's gradient of the tangent.
    #[test]
    fn the_tangent_of_softmax_is_differentiable() {
        let tangent = |x: Tensor<3>| {
            let along = Stream::new(3, "t", 0).normal(x.dims(), &x.device());
            let weights = Stream::new(4, "w", 0).normal(x.dims(), &x.device());
            Dual::new(x, along).softmax(2).tangent.expect("it went in") * weights
        };
        let tracked = Tensor::from_data(input().into_data(), &Device::flex().autodiff());
        let tracked = tracked.require_grad();
        let gradients = tangent(tracked.clone()).sum().backward();
        let found = tracked.grad(&gradients).expect("it is tracked");
        let direction = Stream::new(5, "d", 0).normal([2, 3, 4], &Device::flex());
        let difference = crate::testing::central_difference(
            |x| tangent(x).sum(),
            input(),
            direction.clone(),
            1e-2,
        );
        assert_close(&(found * direction).sum(), &difference, 2e-3);
    }
}
