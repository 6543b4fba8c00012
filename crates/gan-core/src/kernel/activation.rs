//! Activations.

use burn::prelude::*;
use burn::tensor::activation;

/// `max(x, slope · x)` for a slope in `[0, 1]`; slope 0 is ReLU.
pub fn leaky_relu<const D: usize>(x: Tensor<D>, slope: f64) -> Tensor<D> {
    #[cfg(feature = "flex")]
    if super::flex::node::is_supported(&x) {
        return super::flex::activation::leaky_relu(x, slope);
    }
    plain_leaky_relu(x, slope)
}

/// What [`leaky_relu`] makes of a direction: `tangent` where its output `y` is positive, `slope · tangent`
/// elsewhere. `y` gets no gradient: the derivative is constant between kinks.
pub fn leaky_relu_tangent<const D: usize>(
    tangent: Tensor<D>,
    y: Tensor<D>,
    slope: f64,
) -> Tensor<D> {
    #[cfg(feature = "flex")]
    if super::flex::node::is_supported(&tangent) {
        return super::flex::activation::leaky_relu_tangent(tangent, y, slope);
    }
    plain_leaky_relu_tangent(tangent, y, slope)
}

/// [`leaky_relu_tangent`] in Burn's own operations.
pub(crate) fn plain_leaky_relu_tangent<const D: usize>(
    tangent: Tensor<D>,
    y: Tensor<D>,
    slope: f64,
) -> Tensor<D> {
    let positive = y.detach().greater_elem(0.0).float();
    tangent * positive.mul_scalar(1.0 - slope).add_scalar(slope)
}

/// [`leaky_relu`] in Burn's own operations.
pub(crate) fn plain_leaky_relu<const D: usize>(x: Tensor<D>, slope: f64) -> Tensor<D> {
    if slope == 0.0 {
        activation::relu(x)
    } else {
        activation::leaky_relu(x, slope)
    }
}

/// Hyperbolic tangent.
pub fn tanh<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    #[cfg(feature = "flex")]
    if super::flex::node::is_supported(&x) {
        return super::flex::activation::tanh(x);
    }
    x.tanh()
}

/// Square root. Burn's own step back raises its input to a power, number by number.
pub fn sqrt<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    #[cfg(feature = "flex")]
    if super::flex::node::is_supported(&x) {
        return super::flex::activation::sqrt(x);
    }
    x.sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Stream;

    #[test]
    fn kernel_and_plain_operation_agree_in_value_and_gradient() {
        let device = Device::flex().autodiff();
        for slope in [0.0, 0.2] {
            let run = |f: fn(Tensor<2>, f64) -> Tensor<2>| {
                let x = Stream::new(1, "x", 0)
                    .normal([7, 5], &device)
                    .require_grad();
                let y = f(x.clone(), slope);
                let gradients = (y.clone().square().sum()).backward();
                (
                    y.into_data(),
                    x.grad(&gradients).expect("tracked").into_data(),
                )
            };
            let (ours, plain) = (run(leaky_relu), run(plain_leaky_relu));
            ours.0.assert_approx_eq::<f32>(&plain.0, Default::default());
            ours.1.assert_approx_eq::<f32>(&plain.1, Default::default());
        }
    }

    #[test]
    fn kernel_and_plain_tanh_and_root_agree_in_value_and_gradient() {
        let device = Device::flex().autodiff();
        let agree = |x: Tensor<2>, ours: fn(Tensor<2>) -> Tensor<2>, plain: fn(_) -> Tensor<2>| {
            let run = |f: fn(Tensor<2>) -> Tensor<2>| {
                let x = x.clone().detach().require_grad();
                let y = f(x.clone());
                let gradients = (y.clone() * (y.clone() + 1.0)).sum().backward();
                let gradient = x.grad(&gradients).expect("tracked");
                (y.into_data(), gradient.into_data())
            };
            let (ours, plain) = (run(ours), run(plain));
            ours.0.assert_approx_eq::<f32>(&plain.0, Default::default());
            ours.1.assert_approx_eq::<f32>(&plain.1, Default::default());
        };
        let x = Stream::new(1, "x", 0).normal([70, 51], &device) * 3.0;
        agree(x.clone(), tanh, |x| x.tanh());
        agree(x.abs() + 1e-3, sqrt, |x| x.sqrt());
    }

    #[test]
    fn kernel_and_plain_tangent_agree_in_value_and_gradient() {
        for device in [Device::flex(), Device::flex().autodiff()] {
            for slope in [0.0, 0.2] {
                let run = |f: fn(Tensor<2>, Tensor<2>, f64) -> Tensor<2>| {
                    let mut stream = Stream::new(1, "x", 0);
                    let mut t = stream.normal([7, 5], &device);
                    let mut y = stream.normal([7, 5], &device);
                    if device.is_autodiff() {
                        (t, y) = (t.require_grad(), y.require_grad());
                    }
                    let out = f(t.clone(), y.clone(), slope);
                    let gradient = device.is_autodiff().then(|| {
                        let gradients = out.clone().square().sum().backward();
                        assert!(y.grad(&gradients).is_none());
                        t.grad(&gradients).expect("tracked").into_data()
                    });
                    (out.into_data(), gradient)
                };
                let (ours, plain) = (run(leaky_relu_tangent), run(plain_leaky_relu_tangent));
                ours.0.assert_approx_eq::<f32>(&plain.0, Default::default());
                if let Some((ours, plain)) = ours.1.zip(plain.1) {
                    ours.assert_approx_eq::<f32>(&plain, Default::default());
                }
            }
        }
    }
}
