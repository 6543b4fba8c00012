//! Activations of dual numbers.

use burn::tensor::activation;

use super::Dual;
use crate::kernel;

impl<const D: usize> Dual<D> {
    /// `max(x, slope · x)` for a slope in `[0, 1]`.
    pub fn leaky_relu(self, slope: f64) -> Self {
        let y = kernel::leaky_relu(self.primal, slope);
        let tangent = self
            .tangent
            .map(|t| kernel::leaky_relu_tangent(t, y.clone(), slope));
        Dual { primal: y, tangent }
    }

    /// `max(x, 0)`.
    pub fn relu(self) -> Self {
        self.leaky_relu(0.0)
    }

    /// Hyperbolic tangent.
    pub fn tanh(self) -> Self {
        let y = kernel::tanh(self.primal);
        let tangent = self
            .tangent
            .map(|t| t * y.clone().square().neg().add_scalar(1.0));
        Dual { primal: y, tangent }
    }

    /// `1 / (1 + e^−x)`.
    pub fn sigmoid(self) -> Self {
        let y = activation::sigmoid(self.primal);
        let tangent = self.tangent.map(|t| t * (y.clone() - y.clone().square()));
        Dual { primal: y, tangent }
    }

    /// `x · sigmoid(x)`, also called swish.
    pub fn silu(self) -> Self {
        self.pointwise(activation::silu, |x| {
            let s = activation::sigmoid(x.clone());
            s.clone() + x * (s.clone() - s.square())
        })
    }

    /// `ln(1 + e^x)`.
    pub fn softplus(self) -> Self {
        self.pointwise(|x| activation::softplus(x, 1.0), activation::sigmoid)
    }

    /// `x` where it is positive, `alpha · (e^x − 1)` elsewhere.
    pub fn elu(self, alpha: f64) -> Self {
        self.pointwise(
            |x| activation::elu(x, alpha),
            |x| {
                let positive = x.clone().detach().greater_elem(0.0);
                // Clamped so that the branch not taken cannot overflow and turn into NaN.
                let left = x.clamp_max(0.0).exp().mul_scalar(alpha);
                left.mask_fill(positive, 1.0)
            },
        )
    }
}

#[cfg(test)]
mod tests {
    use burn::prelude::*;

    use super::*;
    use crate::testing::{assert_close, assert_jvp, central_difference};

    /// Both signs, nowhere near the kink at 0: the direction is at most about 3, the step 0.01.
    fn input(device: &Device) -> Tensor<2> {
        Tensor::from_floats([[-3.0, -1.0, -0.3, -0.1], [0.1, 0.4, 1.2, 2.5]], device)
    }

    #[test]
    fn tangents_match_central_differences() {
        let x = input(&Device::flex());
        assert_jvp(|x| x.leaky_relu(0.2), x.clone());
        assert_jvp(|x| x.relu(), x.clone());
        assert_jvp(|x| x.tanh(), x.clone());
        assert_jvp(|x| x.sigmoid(), x.clone());
        assert_jvp(|x| x.silu(), x.clone());
        assert_jvp(|x| x.softplus(), x.clone());
        assert_jvp(|x| x.elu(0.7), x);
    }

    #[test]
    fn values_are_the_closed_forms() {
        let x = Tensor::<1>::from_floats([-1.0, 2.0], &Device::flex());
        let check = |f: fn(Dual<1>) -> Dual<1>, wanted: [f32; 2]| {
            let found = f(x.clone().into()).primal;
            assert_close(&found, &Tensor::from_floats(wanted, &Device::flex()), 1e-5);
        };
        check(|x| x.leaky_relu(0.2), [-0.2, 2.0]);
        check(|x| x.relu(), [0.0, 2.0]);
        check(|x| x.tanh(), [-0.761_594_2, 0.964_027_6]);
        check(|x| x.sigmoid(), [0.268_941_4, 0.880_797_1]);
        check(|x| x.silu(), [-0.268_941_4, 1.761_594_2]);
        check(|x| x.softplus(), [0.313_261_7, 2.126_928]);
        check(|x| x.elu(0.5), [-0.316_060_3, 2.0]);
    }

    /// The gradient of a penalty is Burn's gradient of the tangent: the derivative in a rule must be
    /// on the tape, except the masks.
    #[test]
    fn tangents_of_smooth_activations_are_differentiable() {
        let smooth: [fn(Dual<2>) -> Dual<2>; 5] = [
            |x| x.tanh(),
            |x| x.sigmoid(),
            |x| x.silu(),
            |x| x.softplus(),
            |x| x.elu(0.7),
        ];
        let device = Device::flex();
        for f in smooth {
            let tangent = |x: Tensor<2>| {
                let ones = Tensor::ones_like(&x);
                f(Dual::new(x, ones)).tangent.expect("it went in")
            };
            let tracked = input(&device.clone().autodiff()).require_grad();
            let gradients = tangent(tracked.clone()).sum().backward();
            let found = tracked.grad(&gradients).expect("it is tracked");
            let x = input(&device);
            let wanted = central_difference(tangent, x.clone(), Tensor::ones_like(&x), 1e-2);
            assert_close(&found, &wanted, 2e-3);
        }
    }

    #[test]
    fn a_huge_input_does_not_make_elu_nan() {
        let x = Tensor::<1>::from_floats([200.0, -200.0], &Device::flex());
        let y = Dual::new(x.clone(), Tensor::ones_like(&x)).elu(1.0);
        let wanted = Tensor::from_floats([1.0, 0.0], &Device::flex());
        assert_close(&y.tangent.expect("it went in"), &wanted, 1e-6);
    }
}
