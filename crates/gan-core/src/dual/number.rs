//! The dual number and the trait of layers that can push one through themselves.

use burn::prelude::*;

/// A tensor and, optionally, its derivative along one direction. `None` is an exact zero.
#[derive(Clone, Debug)]
pub struct Dual<const D: usize> {
    /// The value.
    pub primal: Tensor<D>,
    /// The derivative of the value along the direction that went in; same shape as `primal`.
    pub tangent: Option<Tensor<D>>,
}

impl<const D: usize> From<Tensor<D>> for Dual<D> {
    fn from(primal: Tensor<D>) -> Self {
        Self {
            primal,
            tangent: None,
        }
    }
}

impl<const D: usize> Dual<D> {
    /// A value with a direction.
    ///
    /// # Panics
    ///
    /// Panics if the shapes differ.
    pub fn new(primal: Tensor<D>, tangent: Tensor<D>) -> Self {
        assert_eq!(
            primal.dims(),
            tangent.dims(),
            "Dual: primal and tangent must have one shape"
        );
        Self {
            primal,
            tangent: Some(tangent),
        }
    }

    /// Applies a linear map: the tangent goes through the same map.
    pub fn linear_map<const E: usize>(self, f: impl Fn(Tensor<D>) -> Tensor<E>) -> Dual<E> {
        Dual {
            primal: f(self.primal),
            tangent: self.tangent.map(f),
        }
    }

    /// Applies an elementwise map `f` with derivative `df`. Both see the primal; `df` is only
    /// called when there is a tangent.
    pub fn pointwise(
        self,
        f: impl FnOnce(Tensor<D>) -> Tensor<D>,
        df: impl FnOnce(Tensor<D>) -> Tensor<D>,
    ) -> Self {
        let tangent = self.tangent.map(|t| t * df(self.primal.clone()));
        Dual {
            primal: f(self.primal),
            tangent,
        }
    }
}

impl<const D: usize> core::ops::Add for Dual<D> {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        let tangent = match (self.tangent, other.tangent) {
            (Some(a), Some(b)) => Some(a + b),
            (a, b) => a.or(b),
        };
        Dual {
            primal: self.primal + other.primal,
            tangent,
        }
    }
}

impl<const D: usize> core::ops::Mul<f64> for Dual<D> {
    type Output = Self;

    fn mul(self, factor: f64) -> Self {
        self.linear_map(|x| x.mul_scalar(factor))
    }
}

/// A layer that can push a dual number through itself.
///
/// `apply` on a dual without tangent is the layer's ordinary forward; a layer implements its
/// `forward` through it, so the two cannot disagree. The tangent must be differentiable by Burn in
/// the layer's parameters.
pub trait Forward<const I: usize, const O: usize> {
    /// Pushes value and, if there is one, direction through the layer.
    fn apply(&self, x: Dual<I>) -> Dual<O>;
}
