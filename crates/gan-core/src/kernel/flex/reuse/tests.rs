//! Of [`reuse`](super): what is found, what is not, and that it changes no number.

use burn::module::Module;
use burn::prelude::*;

use super::*;
use crate::dual::{Dual, Forward};
use crate::kernel::flex::node::{like, tensor};
use crate::nn::{Conv2d, Conv2dConfig, GroupNorm, GroupNormConfig, Linear, LinearConfig};
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

#[derive(Module, Debug)]
struct Network {
    first: Conv2d,
    norm: GroupNorm,
    second: Conv2d,
    last: Linear,
}

impl Network {
    fn new() -> Self {
        let (mut stream, device) = (Stream::new(1, "net", 0), Device::flex().autodiff());
        let conv = |from, to| Conv2dConfig::new(from, to, 3).with_padding(1);
        Self {
            first: conv(2, 4).init(&mut stream, &device),
            norm: GroupNormConfig::instance(4).init(&mut stream, &device),
            second: conv(4, 5).init(&mut stream, &device),
            last: LinearConfig::new(5 * 2 * 3, 1).init(&mut stream, &device),
        }
    }

    fn judge(&self, x: Dual<4>) -> Dual<2> {
        let x = self.norm.apply(self.first.apply(x).leaky_relu(0.2));
        let x = self.second.apply(x).leaky_relu(0.2).avg_pool2d(2);
        self.last.apply(x.flatten())
    }
}

/// Weight gradients of a penalty: with what the first pass wrote down, or without.
fn gradients(reused: bool) -> Vec<Vec<f32>> {
    let network = Network::new();
    let device = Device::flex().autodiff();
    let random = |name| Stream::new(2, name, 0).normal([3, 2, 4, 6], &device);
    let (x, along) = (random("x"), random("along"));
    let ((), pass) = record(|| {
        let x = x.clone().require_grad();
        let frozen = network.clone().no_grad();
        let _ = frozen.judge(x.into()).primal.sum().backward();
    });
    assert_eq!(pass.products.len(), 3);
    let backs: Vec<Back> = pass
        .products
        .iter()
        .map(|product| product.back.clone())
        .collect();
    assert!(backs.iter().all(|back| back.get().is_some()));
    let work = || {
        network
            .judge(Dual::new(x, along))
            .tangent
            .expect("it went in")
    };
    let loss = if reused {
        let (found, loss) = replay(pass, || {
            let loss = work();
            (
                PASS.with_borrow(|pass| pass.as_ref().and_then(|pass| pass.last)),
                loss,
            )
        });
        assert_eq!(found, Some(2));
        // The direction's nodes hold on to the gradients, but the first's: nobody asks for that of the
        // direction that went in.
        let holders: Vec<usize> = backs.iter().map(Arc::strong_count).collect();
        assert_eq!(holders, [1, 2, 2]);
        loss
    } else {
        drop(pass);
        work()
    };
    let gradients = loss.sum().backward();
    let weight = |layer: &Conv2d| layer.weight.val().grad(&gradients).expect("tracked");
    let last = network.last.weight.val().grad(&gradients).expect("tracked");
    let norm = network.norm.weight.as_ref().expect("it has one").val();
    let norm = norm.grad(&gradients).expect("tracked");
    vec![
        crate::testing::values(&weight(&network.first)),
        crate::testing::values(&weight(&network.second)),
        crate::testing::values(&last),
        crate::testing::values(&norm),
    ]
}

#[test]
fn a_penalty_has_the_same_gradients_to_the_bit_with_and_without() {
    let found = gradients(true);
    assert!(found.iter().all(|g| g.iter().any(|g| g.abs() > 1e-3)));
    assert_eq!(found, gradients(false));
}
