//! Helpers for testing layers of one's own.
//!
//! Behind the feature `testing`. All of them panic with a message when a check fails, as tests do.

use std::collections::BTreeMap;
use std::path::Path;

use burn::prelude::*;
use burn::tensor::TensorData;

use crate::dual::Dual;
use crate::rng::Stream;
use crate::train::checkpoint_file::read_tensors;

/// Relative error of a tangent that [`assert_jvp`] allows.
const RELATIVE: f32 = 1e-2;

/// Error that [`assert_jvp`] allows as a part of the largest derivative: what cancellation in `f32`
/// costs.
const FLOOR: f32 = 2e-3;

/// Step of the central difference in [`assert_jvp`], for inputs of size around 1.
const STEP: f64 = 1e-2;

/// The derivative of `f` at `x` along `direction`, numerically:
/// `(f(x + step·direction) − f(x − step·direction)) / (2·step)`.
///
/// Wrong where `f` has a kink between the two points.
pub fn central_difference<const I: usize, const O: usize>(
    f: impl Fn(Tensor<I>) -> Tensor<O>,
    x: Tensor<I>,
    direction: Tensor<I>,
    step: f64,
) -> Tensor<O> {
    let offset = direction.mul_scalar(step);
    let ahead = f(x.clone() + offset.clone());
    let behind = f(x - offset);
    (ahead - behind).div_scalar(2.0 * step)
}

/// Checks that the tangent of a layer is its derivative, along a random direction.
///
/// `x` should have a size around 1 and stay 0.05 away from kinks.
///
/// # Panics
///
/// Panics if the tangent differs from a central difference by more than 1 % (plus 0.2 % of the
/// largest derivative), if it has not the shape of the value, if the value depends on whether there is
/// a tangent, if a dual without tangent gets one, or if the derivative is so small that the check
/// could not fail.
pub fn assert_jvp<const I: usize, const O: usize>(
    layer: impl Fn(Dual<I>) -> Dual<O>,
    x: Tensor<I>,
) {
    let direction = Stream::new(0, "assert_jvp", 0).normal(x.dims(), &x.device());
    assert_jvp_along(layer, x, direction);
}

/// [`assert_jvp`] along a direction of one's own.
///
/// # Panics
///
/// As [`assert_jvp`].
pub fn assert_jvp_along<const I: usize, const O: usize>(
    layer: impl Fn(Dual<I>) -> Dual<O>,
    x: Tensor<I>,
    direction: Tensor<I>,
) {
    let plain = layer(x.clone().into());
    assert!(
        plain.tangent.is_none(),
        "a value without a direction must come out without one"
    );
    let dual = layer(Dual::new(x.clone(), direction.clone()));
    assert_close(&dual.primal, &plain.primal, 1e-5);

    let expected = central_difference(|x| layer(x.into()).primal, x, direction, STEP);
    let expected_dims = expected.dims();
    let tangent = dual
        .tangent
        .unwrap_or_else(|| Tensor::zeros(expected_dims, &expected.device()));
    assert_eq!(
        tangent.dims(),
        expected_dims,
        "the tangent must have the shape of the value"
    );
    let (tangent, expected) = (values(&tangent), values(&expected));
    let largest = expected.iter().fold(0.0f32, |most, v| most.max(v.abs()));
    assert!(
        largest > 1e-3,
        "the largest derivative is {largest}: too small to check anything"
    );
    for (index, (found, wanted)) in tangent.iter().zip(&expected).enumerate() {
        let allowed = RELATIVE * wanted.abs() + FLOOR * largest;
        assert!(
            (found - wanted).abs() <= allowed,
            "the tangent is {found} at {index}; the central difference is {wanted} ± {allowed}"
        );
    }
}

/// Checks that two tensors have one shape and differ nowhere by more than `tolerance`.
///
/// # Panics
///
/// Panics if they do not, or where a value is NaN.
pub fn assert_close<const D: usize>(found: &Tensor<D>, wanted: &Tensor<D>, tolerance: f32) {
    assert_eq!(found.dims(), wanted.dims(), "shapes differ");
    for (index, (a, b)) in values(found).iter().zip(values(wanted)).enumerate() {
        assert!(
            (a - b).abs() <= tolerance,
            "{a} is not {b} ± {tolerance} at {index}"
        );
    }
}

/// The values of a tensor, row by row.
pub fn values<const D: usize>(tensor: &Tensor<D>) -> Vec<f32> {
    tensor
        .to_data()
        .convert::<f32>()
        .try_to_vec()
        .expect("it has just been converted to f32")
}

/// The tensors of a safetensors file by name: values computed elsewhere, to compare one's own with.
///
/// # Panics
///
/// Panics if the file cannot be read.
pub fn tensors_of_file(path: impl AsRef<Path>) -> BTreeMap<String, TensorData> {
    let path = path.as_ref();
    let bytes = std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    read_tensors(&bytes).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn input() -> Tensor<2> {
        Stream::new(1, "x", 0).normal([3, 4], &Device::flex())
    }

    #[test]
    fn a_central_difference_of_a_square_is_exact() {
        let x = input();
        let found = central_difference(|x| x.square(), x.clone(), Tensor::ones_like(&x), 0.5);
        assert_close(&found, &(x * 2.0), 1e-5);
    }

    #[test]
    fn a_right_rule_passes() {
        assert_jvp(|x| x.pointwise(|x| x.square(), |x| x * 2.0), input());
    }

    #[test]
    #[should_panic(expected = "the central difference is")]
    fn a_rule_that_is_two_percent_off_is_caught() {
        assert_jvp(|x| x.pointwise(|x| x.square(), |x| x * 2.04), input());
    }

    #[test]
    #[should_panic(expected = "the central difference is")]
    fn a_forgotten_tangent_is_caught() {
        assert_jvp(|x| Dual::from(x.primal.square()), input());
    }

    #[test]
    #[should_panic(expected = "too small to check anything")]
    fn a_check_that_cannot_fail_is_refused() {
        assert_jvp(|x| Dual::from(x.primal * 0.0), input());
    }

    #[test]
    #[should_panic(expected = "is not")]
    fn nan_is_close_to_nothing() {
        let nan = Tensor::<1>::from_floats([f32::NAN], &Device::flex());
        assert_close(&nan, &nan, 1.0);
    }
}
