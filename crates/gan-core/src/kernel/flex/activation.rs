//! Activations as steps of Burn's tape, one parallel pass each way.

use burn::prelude::*;

use super::buffer::{initialised, uninitialised, write_each};
use super::node::{PullBack, like, map, tracked, values};
use super::simd::vectorised;
use super::team::share;
use super::{Primitive, contiguous};

/// Elements per task of an elementwise pass.
const CHUNK: usize = 32 * 1024;

/// One parallel pass over `x` (and `other`).
///
/// `f` is copied into every task: behind a reference its constants would be read again for every
/// element, because the compiler cannot know that the output does not overwrite them.
fn elementwise(
    x: &Primitive,
    other: &Primitive,
    f: impl Fn(f32, f32) -> f32 + Copy + Send + Sync,
) -> Primitive {
    let (values_x, values_other) = (values(x), values(other));
    let mut y = uninitialised(values_x.len());
    let parts = y
        .chunks_mut(CHUNK)
        .zip(values_x.chunks(CHUNK))
        .zip(values_other.chunks(CHUNK));
    share(parts, move |((y, x), other)| {
        vectorised(move || write_each(y, x, other, f));
    });
    // SAFETY: the three slices have one length, so every element has been written.
    like(unsafe { initialised(y) }, x)
}

/// An activation whose derivative can be told from its output.
#[derive(Clone, Copy, Debug)]
enum Activation {
    LeakyRelu { slope: f32 },
    Tanh,
    Sqrt,
}

impl Activation {
    fn apply(self, x: &Primitive) -> Primitive {
        match self {
            Self::LeakyRelu { slope } => {
                elementwise(x, x, move |x, _| if x > 0.0 { x } else { slope * x })
            }
            Self::Tanh => elementwise(x, x, |x, _| tanh_of(x)),
            Self::Sqrt => elementwise(x, x, |x, _| x.sqrt()),
        }
    }

    /// What it makes of a direction, or of the gradient of its output `y`.
    fn tangent(self, direction: &Primitive, y: &Primitive) -> Primitive {
        match self {
            Self::LeakyRelu { slope } => {
                elementwise(
                    direction,
                    y,
                    move |t, y| {
                        if y > 0.0 { t } else { slope * t }
                    },
                )
            }
            Self::Tanh => elementwise(direction, y, |t, y| t * (1.0 - y * y)),
            Self::Sqrt => elementwise(direction, y, |t, y| t * (0.5 / y)),
        }
    }
}

/// An activation with its output, which the next layer keeps anyway.
#[derive(Clone, Debug)]
struct Activated {
    activation: Activation,
    y: Primitive,
}

impl PullBack for Activated {
    fn pull_back(&self, upstream: &Primitive) -> Primitive {
        self.activation.tangent(upstream, &self.y)
    }
}

fn activate<const D: usize>(activation: Activation, x: Tensor<D>) -> Tensor<D> {
    map(x, |x| {
        let y = activation.apply(x);
        (y.clone(), Activated { activation, y })
    })
}

/// Leaky ReLU on flex, on the tape or off it.
pub(crate) fn leaky_relu<const D: usize>(x: Tensor<D>, slope: f64) -> Tensor<D> {
    let slope = slope as f32;
    activate(Activation::LeakyRelu { slope }, x)
}

/// Hyperbolic tangent on flex, on the tape or off it.
pub(crate) fn tanh<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    activate(Activation::Tanh, x)
}

/// Square root on flex, on the tape or off it.
pub(crate) fn sqrt<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    activate(Activation::Sqrt, x)
}

/// The tangent of a leaky ReLU with output `y`, on the tape or off it.
pub(crate) fn leaky_relu_tangent<const D: usize>(
    tangent: Tensor<D>,
    y: Tensor<D>,
    slope: f64,
) -> Tensor<D> {
    let slope = slope as f32;
    let activation = Activation::LeakyRelu { slope };
    let y = if y.device().is_autodiff() {
        tracked(y).into_primitive().to_contiguous()
    } else {
        contiguous(y)
    };
    // Linear in the tangent, so the step back is the activation's own.
    map(tangent, |tangent| {
        (activation.tangent(tangent, &y), Activated { activation, y })
    })
}

/// `tanh x = m / (m + 2)` with `m = e^2x − 1`, without a branch and without a call, so that it is
/// compiled to vectors; the same to the bit on every processor.
#[inline(always)]
fn tanh_of(x: f32) -> f32 {
    /// Beyond it the result rounds to ±1.
    const LIMIT: f32 = 20.0;
    /// `1.5 · 2²³`: a number added to it and taken off again is rounded to a whole one.
    const ROUND: f32 = 12_582_912.0;
    /// `ln 2` in two parts, the first short enough for exact products.
    const LN_2: [f32; 2] = [355.0 / 512.0, -2.121_944_4e-4];
    let x = (2.0 * x).clamp(-LIMIT, LIMIT);
    let shifted = x * std::f32::consts::LOG2_E + ROUND;
    let n = shifted - ROUND;
    let r = x - n * LN_2[0] - n * LN_2[1];
    // e^r − 1 by Taylor: r is at most ln 2 / 2, so the next term is below 2⁻³⁰ of the sum.
    // Written out: the compiler makes vectors of a loop only if there is no other loop in it.
    let term = |series: f32, k: f32| 1.0 + series * r * (1.0 / k);
    let from_fifth = term(term(term(term(1.0, 8.0), 7.0), 6.0), 5.0);
    let small = term(term(term(from_fifth, 4.0), 3.0), 2.0) * r;
    // 2ⁿ by its exponent. The last bits of the shifted number are n; a cast would saturate, and the
    // compiler makes no vectors of that. Where x is NaN the power is anything and the sum below is NaN.
    let power = f32::from_bits((shifted.to_bits() << 23).wrapping_add(127 << 23));
    let m = power * small + (power - 1.0);
    m / (m + 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tanh_is_exact_to_a_few_last_places() {
        let mut worst: f64 = 0.0;
        for i in -4_000_000..=4_000_000i32 {
            let x = (i as f32 / 4e5).powi(3);
            let exact = f64::from(x).tanh();
            let error = (f64::from(tanh_of(x)) - exact).abs() / exact.abs().max(1e-30);
            worst = worst.max(error);
        }
        assert!(worst < 4.0 * f64::from(f32::EPSILON), "{worst}");
    }

    #[test]
    fn tanh_of_what_is_not_finite() {
        assert_eq!(tanh_of(f32::INFINITY), 1.0);
        assert_eq!(tanh_of(f32::NEG_INFINITY), -1.0);
        assert!(tanh_of(f32::NAN).is_nan());
        assert_eq!(tanh_of(0.0), 0.0);
    }
}
