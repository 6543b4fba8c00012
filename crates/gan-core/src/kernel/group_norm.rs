//! Group normalisation of a value and of a direction.

use burn::prelude::*;

/// `(x − mean) / √(variance + epsilon)` over every group of neighbouring channels of every sample, times
/// `weight` plus `bias` if `affine` has them; and what that makes of a direction `tangent`, differentiable
/// in everything that went in.
///
/// # Shapes
///
/// - x, tangent and both outputs: `[batch, channels, …]`
/// - weight, bias: `[channels]`
///
/// # Panics
///
/// Panics if `groups` does not divide the channels, or the weight wants another number of them.
pub fn group_norm<const D: usize>(
    x: Tensor<D>,
    tangent: Option<Tensor<D>>,
    groups: usize,
    epsilon: f64,
    affine: Option<[Tensor<1>; 2]>,
) -> (Tensor<D>, Option<Tensor<D>>) {
    let channels = x.dims()[1];
    assert!(
        groups > 0 && channels.is_multiple_of(groups),
        "group_norm: {groups} groups do not divide {channels} channels"
    );
    for numbers in affine.iter().flatten() {
        super::conv::assert_channels("group_norm", channels, numbers.dims()[0]);
    }
    #[cfg(feature = "flex")]
    if super::flex::node::is_supported(&x) {
        return super::flex::group_norm::group_norm(x, tangent, groups, epsilon, affine);
    }
    plain_group_norm(x, tangent, groups, epsilon, affine)
}

/// [`group_norm`] in Burn's own operations.
///
/// With `y` the standardised values and `s = √(variance + epsilon)`, the direction becomes
/// `(t − mean(t) − y · mean(y · t)) / s`.
pub(crate) fn plain_group_norm<const D: usize>(
    x: Tensor<D>,
    tangent: Option<Tensor<D>>,
    groups: usize,
    epsilon: f64,
    affine: Option<[Tensor<1>; 2]>,
) -> (Tensor<D>, Option<Tensor<D>>) {
    let dims = x.dims();
    let rest = dims[1..].iter().product::<usize>() / groups;
    let rows = |x: Tensor<D>| -> Tensor<3> { x.reshape([dims[0], groups, rest]) };
    let x = rows(x);
    let centered = x.clone() - x.mean_dim(2);
    let variance = centered.clone().square().mean_dim(2);
    let inverse = variance.add_scalar(epsilon).sqrt().recip();
    let y = centered * inverse.clone();
    let tangent = tangent.map(|t| {
        let t = rows(t);
        let t = t.clone() - t.mean_dim(2);
        let along = (y.clone() * t.clone()).mean_dim(2);
        ((t - y.clone() * along) * inverse).reshape(dims)
    });
    let y = y.reshape(dims);
    let Some(affine) = affine else {
        return (y, tangent);
    };
    let mut shape = [1; D];
    shape[1] = dims[1];
    let [weight, bias] = affine.map(|numbers| numbers.reshape(shape));
    (
        y * weight.clone() + bias,
        tangent.map(|tangent| tangent * weight),
    )
}

#[cfg(test)]
mod tests {
    use burn::tensor::Tolerance;

    use super::*;
    use crate::rng::Stream;

    type GroupNorm<const D: usize> = fn(
        Tensor<D>,
        Option<Tensor<D>>,
        usize,
        f64,
        Option<[Tensor<1>; 2]>,
    ) -> (Tensor<D>, Option<Tensor<D>>);

    /// Value and direction, and the gradients of a mixture of both in everything that goes in.
    fn run<const D: usize>(
        norm: GroupNorm<D>,
        shape: [usize; D],
        groups: usize,
        epsilon: f64,
        (with_tangent, with_affine): (bool, bool),
    ) -> Vec<TensorData> {
        let device = Device::flex().autodiff();
        let mut stream = Stream::new(2, "norm", 0);
        let x = (stream.normal(shape, &device) * 3.0 + 2.0).detach();
        let (x, t) = (x.require_grad(), stream.normal(shape, &device));
        let t = with_tangent.then(|| t.require_grad());
        let affine = with_affine
            .then(|| [(); 2].map(|()| stream.normal([shape[1]], &device).require_grad()));
        let (y, change) = norm(x.clone(), t.clone(), groups, epsilon, affine.clone());
        let mut loss = (stream.normal(shape, &device) * y.clone()).sum();
        if let Some(change) = &change {
            loss = loss + (stream.normal(shape, &device) * change.clone()).sum();
        }
        let gradients = loss.backward();
        let mut results = vec![
            y.into_data(),
            x.grad(&gradients).expect("tracked").into_data(),
        ];
        results.extend(change.map(Tensor::into_data));
        results.extend(t.map(|t| t.grad(&gradients).expect("tracked").into_data()));
        for numbers in affine.iter().flatten() {
            results.push(numbers.grad(&gradients).expect("tracked").into_data());
        }
        // The same numbers off the tape.
        let off = |x: Tensor<D>| x.inner();
        let (y, change) = norm(
            off(x),
            with_tangent.then(|| off(stream.normal(shape, &device))),
            groups,
            epsilon,
            affine.map(|affine| affine.map(Tensor::inner)),
        );
        results.push(y.into_data());
        results.extend(change.map(Tensor::into_data));
        results
    }

    fn assert_kernel_is_plain<const D: usize>(shape: [usize; D], groups: usize, epsilon: f64) {
        for options in [(true, true), (true, false), (false, true), (false, false)] {
            let ours = run(group_norm, shape, groups, epsilon, options);
            let plain = run(plain_group_norm, shape, groups, epsilon, options);
            assert_eq!(ours.len(), plain.len());
            for (ours, plain) in ours.iter().zip(&plain) {
                ours.assert_approx_eq::<f32>(plain, Tolerance::rel_abs(1e-4, 2e-5));
            }
        }
    }

    #[test]
    fn kernel_and_plain_operations_agree_in_value_direction_and_gradients() {
        for groups in [1, 2, 6] {
            for epsilon in [1e-5, 1.0] {
                assert_kernel_is_plain([5, 6, 4, 7], groups, epsilon);
            }
        }
        assert_kernel_is_plain([3, 2, 40, 41], 2, 1e-5);
        assert_kernel_is_plain([7, 24], 1, 1e-5);
        assert_kernel_is_plain([7, 24], 3, 1e-5);
        assert_kernel_is_plain([1, 6, 5], 3, 1e-5);
    }

    /// The gradient of a direction in the input is a second derivative: here against differences.
    #[test]
    fn the_gradients_of_a_direction_are_its_derivatives() {
        let device = Device::flex();
        let random = |name: &str| Stream::new(3, name, 0).normal::<4>([2, 4, 3, 5], &device);
        let on_tape = |x: Tensor<4>| Tensor::from_inner(x).require_grad();
        let along = |x: Tensor<4>, t: Tensor<4>| {
            let weight = Stream::new(3, "w", 0).normal(x.dims(), &x.device());
            let numbers = Stream::new(3, "n", 0).normal([4], &x.device());
            let (_, change) = group_norm(x, Some(t), 2, 1e-3, Some([numbers.clone(), numbers]));
            (change.expect("it went in") * weight).sum()
        };
        let (x, t) = (on_tape(random("x")), on_tape(random("t")));
        let gradients = along(x.clone(), t.clone()).backward();
        let number = |x: Tensor<1>| x.into_scalar::<f32>();
        for (what, tracked) in [("input", &x), ("direction", &t)] {
            let direction = random("d");
            let found = tracked.grad(&gradients).expect("tracked") * direction.clone();
            let moved = |step: f64| {
                let offset = direction.clone() * step;
                number(match what {
                    "input" => along(random("x") + offset, random("t")),
                    _ => along(random("x"), random("t") + offset),
                })
            };
            let (found, wanted) = (number(found.sum()), (moved(1e-2) - moved(-1e-2)) / 2e-2);
            assert!(wanted.abs() > 0.1, "{what}: {wanted}");
            assert!(
                (found - wanted).abs() < 5e-3 * wanted.abs(),
                "{what}: {found} {wanted}"
            );
        }
    }

    /// A frozen weight's own gradient is left out, and nothing else.
    #[test]
    fn a_frozen_weight_changes_no_other_gradient() {
        let device = Device::flex().autodiff();
        let gradients = |is_frozen: bool| {
            let mut stream = Stream::new(4, "norm", 0);
            let [x, t] = [(); 2].map(|()| stream.normal::<4>([3, 4, 2, 9], &device));
            let [x, t] = [x, t].map(|x| x.detach().require_grad());
            let affine = [(); 2].map(|()| stream.normal::<1>([4], &device).detach());
            let affine = affine.map(|x| x.set_require_grad(!is_frozen));
            let (y, change) = group_norm(x.clone(), Some(t.clone()), 2, 1e-5, Some(affine.clone()));
            let loss = (y * stream.normal([3, 4, 2, 9], &device)).sum()
                + (change.expect("it went in") * stream.normal([3, 4, 2, 9], &device)).sum();
            let found = loss.backward();
            assert!(affine.iter().all(|x| x.grad(&found).is_none() == is_frozen));
            [x, t].map(|x| x.grad(&found).expect("tracked").into_data())
        };
        assert_eq!(gradients(true), gradients(false));
    }

    #[test]
    #[should_panic(expected = "group_norm: 4 groups do not divide 6 channels")]
    fn groups_must_divide_the_channels() {
        let x = Tensor::<2>::zeros([1, 6], &Device::flex());
        let _ = group_norm(x, None, 4, 1e-5, None);
    }
}
