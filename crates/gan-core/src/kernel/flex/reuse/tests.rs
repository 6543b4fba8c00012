//! Of [`reuse`](super): what is found, what is not, and that it changes no number.

use burn::prelude::*;

use super::*;
use crate::kernel::flex::node::{like, tensor};
use crate::rng::Stream;

/// A map that is not linear at all, but says so.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Shift(f32);

impl Affine for Shift {
    fn forward(&self, x: &Primitive, _weight: &Primitive, _bias: Option<&Primitive>) -> Primitive {
        like(values(x).iter().map(|x| x + self.0).collect(), x)
    }

    fn x_gradient(&self, y: &Primitive, _weight: &Primitive) -> Primitive {
        y.clone()
    }

    fn weight_gradient(&self, y: &Primitive, _x: &Primitive) -> Primitive {
        y.clone()
    }

    fn bias_gradient(&self, y: &Primitive) -> Primitive {
        y.clone()
    }
}

fn numbers(seed: u64) -> Primitive {
    let x: Tensor<2> = Stream::new(seed, "x", 0).normal([3, 20_000], &Device::flex());
    tensor(crate::testing::values(&x), [3, 20_000])
}

fn copy(x: &Primitive) -> Primitive {
    like(values(x).to_vec(), x)
}

/// The output by way of [`output`], and whether it had to be computed.
fn ask(map: Shift, x: &Primitive, weight: &Primitive) -> (Primitive, bool, Option<Back>) {
    let mut computed = false;
    let (y, back) = output(map, [x, weight], None, || {
        computed = true;
        map.forward(x, weight, None)
    });
    (y, computed, back)
}

#[test]
fn what_is_the_same_to_the_bit_is_computed_once() {
    let (x, weight) = (numbers(1), numbers(2));
    let ((first, computed, back), pass) = record(|| ask(Shift(1.0), &x, &weight));
    assert!(computed && back.is_some());
    replay(pass, || {
        // The very tensor, and another one with the same values.
        assert!(!ask(Shift(1.0), &x, &weight).1);
        let (again, computed, _) = ask(Shift(1.0), &copy(&x), &copy(&weight));
        assert!(!computed);
        assert_eq!(values(&again), values(&first));
        // One bit of one value, another map, another weight.
        let mut other = values(&x).to_vec();
        other[59_999] = f32::from_bits(other[59_999].to_bits() ^ 1);
        assert!(ask(Shift(1.0), &like(other, &x), &weight).1);
        assert!(ask(Shift(2.0), &x, &weight).1);
        assert!(ask(Shift(1.0), &x, &x).1);
    });
    // Afterwards nothing is remembered.
    let (_, computed, back) = ask(Shift(1.0), &x, &weight);
    assert!(computed && back.is_none());
}

#[test]
fn a_direction_finds_the_gradient_of_the_value_before_it() {
    let (x, weight) = (numbers(1), numbers(2));
    let ((_, _, back), pass) = record(|| ask(Shift(1.0), &x, &weight));
    let upstream = numbers(4);
    let first = input_gradient(back.as_ref(), &upstream, || numbers(5));
    replay(pass, || {
        let _ = ask(Shift(1.0), &x, &weight);
        let (_, computed, back) = ask(Shift(1.0), &numbers(3), &weight);
        assert!(computed);
        let again = input_gradient(back.as_ref(), &copy(&upstream), || panic!("it is known"));
        assert_eq!(values(&again), values(&first));
        let other = input_gradient(back.as_ref(), &numbers(6), || numbers(7));
        assert_eq!(values(&other), values(&numbers(7)));
        // With another weight it would be another gradient.
        assert!(ask(Shift(1.0), &numbers(3), &x).2.is_none());
    });
}

#[test]
fn what_was_remembered_before_comes_back_even_after_a_panic() {
    let (x, weight) = (numbers(1), numbers(2));
    let (_, pass) = record(|| {
        let inner = std::panic::catch_unwind(|| record(|| panic!("on purpose")));
        assert!(inner.is_err());
        let _ = ask(Shift(1.0), &x, &weight);
    });
    assert_eq!(pass.products.len(), 1);
}
