//! Penalties on the length of a gradient, exact although Burn differentiates once only.
//!
//! A penalty is `P(θ) = Σ_i s_i φ(‖g_i‖)` with `g_i = ∇_{x_i} S` and `S = Σ_j D(x_j; θ)`. Its gradient
//! in `θ` is that of `J_S(x; θ) · u`, where `u_i = s_i φ'(‖g_i‖) · g_i / ‖g_i‖` is held constant:
//! `uᵀ ∇_x S` is the derivative of `S` along `u`. So one ordinary backward finds `g`, and one forward
//! pass of a dual number along `u` gives a scalar whose ordinary gradient is the penalty's.

use burn::module::Module;
use burn::prelude::*;

use super::GradientPenalty;
use crate::dual::Dual;
use crate::kernel::Pass;
use crate::nn::Critic;

/// A penalty, ready for a loss and for a log. Both of shape `[1]`.
#[derive(Clone, Debug)]
pub struct Penalty {
    /// Its gradient in the parameters is that of the penalty; its value means nothing.
    pub surrogate: Tensor<1>,
    /// The value of the penalty, off the tape.
    pub value: Tensor<1>,
}

/// The penalty `Σ_i shares_i · φ(‖∇_{x_i} Σ_j D(x_j)‖)`, a mean for all rules but maxGP; exact for
/// critics that couple samples as well.
///
/// Where a gradient is zero its direction is taken to be zero, as PyTorch does for the norm.
///
/// The critic must be the same function when called twice: no dropout, no noise drawn inside.
///
/// # Shapes
///
/// - x: `[batch, …]` on the critic's autodiff device; what made it gets no gradient
///
/// # Panics
///
/// Panics if the critic has a layer without a rule for dual numbers, such as batch normalisation.
pub fn gradient_penalty<const D: usize, C: Critic<D>>(
    rule: &impl GradientPenalty,
    critic: &C,
    x: Tensor<D>,
) -> Penalty {
    gradient_penalty_of(rule, critic, x, |critic, x| critic.score(x))
}

/// [`gradient_penalty`] of whatever `judge` makes of a module: a critic that is also told labels, or one
/// that answers with a map of logits. All entries of the answer are summed.
///
/// `judge` is called with the module and with a frozen copy of it, and must be the same function each
/// time.
///
/// ```
/// use burn::prelude::*;
/// use gan_core::dual::Forward;
/// use gan_core::nn::LinearConfig;
/// use gan_core::penalty::{PenaltyRule, gradient_penalty_of};
/// use gan_core::rng::Stream;
///
/// let device = Device::flex().autodiff();
/// let (mut stream, rule) = (Stream::new(1, "doc", 0), PenaltyRule::R1 { gamma: 10.0 });
/// let layer = LinearConfig::new(2, 3).init(&mut stream, &device);
/// let x = stream.normal([4, 2], &device);
/// let penalty = gradient_penalty_of(&rule, &layer, x, |layer, x| layer.apply(x).tanh());
/// let gradients = penalty.surrogate.backward(); // those of the penalty
/// assert!(layer.weight.val().grad(&gradients).is_some());
/// ```
///
/// # Panics
///
/// As [`gradient_penalty`].
pub fn gradient_penalty_of<const D: usize, const E: usize, M: Module>(
    rule: &impl GradientPenalty,
    module: &M,
    x: Tensor<D>,
    judge: impl Fn(&M, Dual<D>) -> Dual<E>,
) -> Penalty {
    judge_and_penalize(rule, 1.0, module, x, judge).1
}

/// What `judge` answers at `x`, on the tape, with `weight` times [`gradient_penalty_of`] it: a loss at the
/// very samples of a penalty needs no pass of its own. The weight is in the surrogate and not in the
/// value.
///
/// ```
/// use burn::prelude::*;
/// use gan_core::dual::Forward;
/// use gan_core::nn::LinearConfig;
/// use gan_core::penalty::{PenaltyRule, judge_and_penalize};
/// use gan_core::rng::Stream;
///
/// let device = Device::flex().autodiff();
/// let (mut stream, rule) = (Stream::new(1, "doc", 0), PenaltyRule::R1 { gamma: 10.0 });
/// let critic = LinearConfig::new(2, 1).init(&mut stream, &device);
/// let real: Tensor<2> = stream.normal([4, 2], &device);
/// let judge = |critic: &_, x| Forward::<2, 2>::apply(critic, x);
/// let (on_real, penalty) = judge_and_penalize(&rule, 16.0, &critic, real, judge);
/// let loss = penalty.surrogate - on_real.mean();
/// assert!(critic.weight.val().grad(&loss.backward()).is_some());
/// ```
///
/// # Panics
///
/// As [`gradient_penalty`].
pub fn judge_and_penalize<const D: usize, const E: usize, M: Module>(
    rule: &impl GradientPenalty,
    weight: f64,
    module: &M,
    x: Tensor<D>,
    judge: impl Fn(&M, Dual<D>) -> Dual<E>,
) -> (Tensor<E>, Penalty) {
    let x = x.detach();
    let (gradient, pass) =
        input_gradient(module, x.clone(), |frozen, x| judge(frozen, x).primal.sum());
    let norm = sum_of_squares(gradient.clone()).sqrt();
    let shares = rule.shares(norm.clone());
    let value = (rule.phi(norm.clone()) * shares.clone()).sum();
    // The weight here rather than in the surrogate: there it would be in the gradient of every tangent,
    // which would not be that of the first pass.
    let slope = rule.slope(norm.clone()) * shares * weight;
    let along = along(gradient, norm, slope);
    let answer = pass.replay(|| judge(module, Dual::new(x, along)));
    let surrogate = answer
        .tangent
        .expect("a tangent went in, and a critic depends on its input")
        .sum();
    (answer.primal, Penalty { surrogate, value })
}

/// `∇_x total(x)`, off the tape, and what was computed on the way: the pass of the dual number sees the
/// same values, and the gradient of its tangents is this one.
pub(super) fn input_gradient<const D: usize, M: Module>(
    module: &M,
    x: Tensor<D>,
    total: impl FnOnce(&M, Dual<D>) -> Tensor<1>,
) -> (Tensor<D>, Pass) {
    // Frozen, so that backward skips the weights; not `valid()`, which leaves training mode.
    let frozen = module.clone().no_grad();
    // `detach` keeps a leaf's flag, and a fresh leaf is needed to ask for the gradient.
    let x = Tensor::from_inner(x.inner()).require_grad();
    Pass::record(|| {
        let total = total(&frozen, x.clone().into());
        x.grad(&total.backward())
            .unwrap_or_else(|| x.inner().zeros_like())
    })
}

/// `slope · g / ‖g‖` for every sample, as a constant of the tape's device.
pub(super) fn along<const D: usize>(
    gradient: Tensor<D>,
    norm: Tensor<1>,
    slope: Tensor<1>,
) -> Tensor<D> {
    let mut per_sample = [1; D];
    per_sample[0] = gradient.dims()[0];
    // Where the gradient is zero 0/0 would be NaN; with a far smaller limit slope/limit is infinite
    // and times zero NaN again.
    let factor = slope / norm.clamp_min(1e-12);
    Tensor::from_inner(gradient * factor.reshape(per_sample))
}

/// `[batch, …]` → `[batch]`.
pub(super) fn sum_of_squares<const D: usize>(x: Tensor<D>) -> Tensor<1> {
    let batch = x.dims()[0];
    let flat: Tensor<2> = x.reshape([batch as i64, -1]);
    flat.square().sum_dim(1).reshape([batch])
}

#[cfg(test)]
mod tests {
    use burn::module::{Module, Param};

    use super::*;
    use crate::penalty::PenaltyRule;
    use crate::rng::Stream;

    /// `D(x) = x · w`, so that the gradient is `w` everywhere.
    #[derive(Module, Debug)]
    struct Linear {
        w: Param<Tensor<2>>,
    }

    impl Critic<2> for Linear {
        fn score(&self, x: Dual<2>) -> Dual<2> {
            x.linear_map(|x| x.matmul(self.w.val()))
        }
    }

    /// Smooth, and if `coupled` every sample sees the batch: `h ⊙ (1 + mean_batch(h))`.
    #[derive(Module, Debug)]
    struct Smooth {
        first: Param<Tensor<2>>,
        second: Param<Tensor<2>>,
        coupled: bool,
    }

    impl Critic<2> for Smooth {
        fn score(&self, x: Dual<2>) -> Dual<2> {
            let h = x
                .linear_map(|x| x.matmul(self.first.val()))
                .pointwise(|x| x.tanh(), |x| x.tanh().square().neg() + 1.0);
            let h = if self.coupled {
                let mean = h.primal.clone().mean_dim(0) + 1.0;
                Dual {
                    tangent: h
                        .tangent
                        .map(|t| t.clone() * mean.clone() + h.primal.clone() * t.mean_dim(0)),
                    primal: h.primal * mean,
                }
            } else {
                h
            };
            h.linear_map(|h| h.matmul(self.second.val()))
        }
    }

    fn device() -> Device {
        Device::flex().autodiff()
    }

    fn linear(w: [f32; 2]) -> Linear {
        let w = Tensor::<1>::from_floats(w, &device()).reshape([2, 1]);
        Linear {
            w: Param::from_tensor(w),
        }
    }

    fn random<const D: usize>(name: &str, shape: [usize; D]) -> Tensor<D> {
        Stream::new(11, name, 0).normal(shape, &device())
    }

    fn smooth(coupled: bool) -> Smooth {
        Smooth {
            first: Param::from_tensor(random("first", [3, 5])),
            // Large enough for gradients longer than 1, which the one-sided rules need.
            second: Param::from_tensor(random("second", [5, 1]) * 8.0),
            coupled,
        }
    }

    fn rules() -> [PenaltyRule; 10] {
        let gp = |target, one_sided| PenaltyRule::WganGp {
            lambda: 10.0,
            target,
            one_sided,
        };
        [
            PenaltyRule::R1 { gamma: 3.0 },
            PenaltyRule::R2 { gamma: 0.5 },
            gp(1.0, false),
            gp(0.25, true),
            PenaltyRule::WganLp { lambda: 2.0 },
            PenaltyRule::Dragan {
                lambda: 10.0,
                k: 2.0,
            },
            PenaltyRule::ZeroCentered { lambda: 4.0 },
            PenaltyRule::WganDiv { k: 2.0, p: 6.0 },
            PenaltyRule::WganDiv { k: 0.5, p: 3.5 },
            PenaltyRule::MaxGp { lambda: 3.0 },
        ]
    }

    fn values<const D: usize>(x: Tensor<D>) -> Vec<f64> {
        let x = crate::testing::values(&x);
        x.into_iter().map(f64::from).collect()
    }

    fn value(penalty: &Penalty) -> f64 {
        values(penalty.value.clone())[0]
    }

    fn close(a: f64, b: f64, tolerance: f64, what: &PenaltyRule) {
        assert!(
            (a - b).abs() <= tolerance * b.abs().max(1e-3),
            "{what:?}: {a} is not {b}"
        );
    }

    /// φ and φ' of the papers for a gradient of length `n`.
    fn by_hand(rule: PenaltyRule, n: f64) -> (f64, f64) {
        match rule {
            PenaltyRule::R1 { gamma } | PenaltyRule::R2 { gamma } => {
                (gamma / 2.0 * n * n, gamma * n)
            }
            PenaltyRule::WganGp {
                lambda,
                target,
                one_sided,
            } => {
                let excess = if one_sided {
                    (n - target).max(0.0)
                } else {
                    n - target
                };
                (lambda * excess * excess, 2.0 * lambda * excess)
            }
            PenaltyRule::WganLp { lambda } => {
                let excess = (n - 1.0).max(0.0);
                (lambda * excess * excess, 2.0 * lambda * excess)
            }
            PenaltyRule::Dragan { lambda, k } => (lambda * (n - k).powi(2), 2.0 * lambda * (n - k)),
            PenaltyRule::ZeroCentered { lambda } | PenaltyRule::MaxGp { lambda } => {
                (lambda * n * n, 2.0 * lambda * n)
            }
            PenaltyRule::WganDiv { k, p } => (k * n.powf(p), k * p * n.powf(p - 1.0)),
        }
    }

    #[test]
    fn on_a_linear_critic_value_and_gradient_are_known() {
        for w in [[0.6, -0.8], [0.3, 0.4], [3.0, 4.0]] {
            let n = f64::from(w[0] * w[0] + w[1] * w[1]).sqrt();
            for rule in rules() {
                for batch in [1, 5] {
                    let critic = linear(w);
                    let penalty = gradient_penalty(&rule, &critic, random("x", [batch, 2]));
                    let (phi, slope) = by_hand(rule, n);
                    close(value(&penalty), phi, 1e-4, &rule);
                    let grads = penalty.surrogate.backward();
                    let gradient = values(critic.w.val().grad(&grads).unwrap());
                    for (got, w) in gradient.iter().zip(w) {
                        close(*got, slope * f64::from(w) / n, 1e-4, &rule);
                    }
                }
            }
        }
    }

    #[test]
    fn a_flat_critic_has_a_finite_penalty_and_gradient() {
        for rule in rules() {
            let critic = linear([0.0, 0.0]);
            let penalty = gradient_penalty(&rule, &critic, random("x", [3, 2]));
            close(value(&penalty), by_hand(rule, 0.0).0, 1e-6, &rule);
            let grads = penalty.surrogate.backward();
            let gradient = values(critic.w.val().grad(&grads).unwrap());
            assert!(gradient.iter().all(|g| *g == 0.0), "{rule:?}: {gradient:?}");
        }
    }

    /// The critic moved by `step` along `(first, second)`.
    fn moved(critic: &Smooth, (first, second): (&Tensor<2>, &Tensor<2>), step: f64) -> Smooth {
        let along = |param: &Param<Tensor<2>>, direction: &Tensor<2>| {
            Param::from_tensor(Tensor::from_inner(
                param.val().inner() + direction.clone() * step,
            ))
        };
        Smooth {
            first: along(&critic.first, first),
            second: along(&critic.second, second),
            coupled: critic.coupled,
        }
    }

    #[test]
    fn the_gradient_is_the_derivative_of_the_value() {
        for coupled in [false, true] {
            for rule in rules() {
                for batch in [1, 6] {
                    let critic = smooth(coupled);
                    // Small, so that tanh is far from flat.
                    let x = random("x", [batch, 3]) * 0.3;
                    let grads = gradient_penalty(&rule, &critic, x.clone())
                        .surrogate
                        .backward();
                    let first = critic.first.val().grad(&grads).unwrap();
                    let second = critic.second.val().grad(&grads).unwrap();
                    let square = values(first.clone().square().sum())[0]
                        + values(second.clone().square().sum())[0];
                    assert!(square > 0.0, "{rule:?}: the check would check nothing");
                    // Along the gradient itself, with a step of fixed length.
                    let step = 3e-3 / square.sqrt();
                    let at = |step| {
                        let critic = moved(&critic, (&first, &second), step);
                        value(&gradient_penalty(&rule, &critic, x.clone()))
                    };
                    let numeric = (at(step) - at(-step)) / (2.0 * step);
                    close(numeric, square, 1e-2, &rule);
                    // And along a direction that has nothing to do with it.
                    let (a, b) = (random("a", [3, 5]).inner(), random("b", [5, 1]).inner());
                    let exact = values((a.clone() * first.clone()).sum())[0]
                        + values((b.clone() * second.clone()).sum())[0];
                    let at = |step| {
                        let critic = moved(&critic, (&a, &b), step);
                        value(&gradient_penalty(&rule, &critic, x.clone()))
                    };
                    let numeric = (at(1e-3) - at(-1e-3)) / 2e-3;
                    let error = (numeric - exact).abs();
                    assert!(
                        error < 1e-2 * square.sqrt().max(1.0),
                        "{rule:?}: {numeric}, {exact}"
                    );
                }
            }
        }
    }

    #[test]
    fn the_answer_is_the_critics_and_the_weight_is_in_the_surrogate_alone() {
        let (rule, critic) = (PenaltyRule::R1 { gamma: 3.0 }, smooth(true));
        let x = random("x", [4, 3]) * 0.3;
        let plain = gradient_penalty(&rule, &critic, x.clone());
        let judge = |critic: &Smooth, x: Dual<2>| critic.score(x);
        let (answer, heavy) = judge_and_penalize(&rule, 16.0, &critic, x.clone(), judge);
        let wanted = critic.score(x.into()).primal;
        assert_eq!(values(answer.clone()), values(wanted.clone()));
        assert_eq!(value(&heavy), value(&plain));
        let gradient = |loss: Tensor<1>| values(critic.first.val().grad(&loss.backward()).unwrap());
        // Loss and penalty in one backward.
        let found = gradient(heavy.surrogate + answer.square().mean());
        let penalty = gradient(plain.surrogate * 16.0);
        let loss = gradient(wanted.square().mean());
        for (found, (penalty, loss)) in found.iter().zip(penalty.iter().zip(loss)) {
            close(*found, penalty + loss, 1e-5, &rule);
        }
    }

    #[test]
    fn the_player_keeps_its_gradients_after_the_frozen_pass() {
        let critic = linear([1.0, 2.0]);
        let _ = gradient_penalty(
            &PenaltyRule::R1 { gamma: 1.0 },
            &critic,
            random("x", [2, 2]),
        );
        assert!(critic.w.val().is_require_grad());
    }

    #[test]
    fn what_made_the_samples_gets_no_gradient() {
        let made = random("made", [2, 3]).require_grad();
        let critic = smooth(false);
        let penalty =
            gradient_penalty(&PenaltyRule::R2 { gamma: 1.0 }, &critic, made.clone() * 2.0);
        assert!(made.grad(&penalty.surrogate.backward()).is_none());
    }

    /// `D(x) = ½ |x|²`, whose gradient at `x` is `x` itself.
    #[test]
    fn the_longest_gradient_of_a_batch_is_penalised_alone_and_ties_share() {
        let rule = PenaltyRule::MaxGp { lambda: 3.0 };
        let judge = |scale: &Linear, x: Dual<2>| {
            let half = x.clone() * x * 0.5;
            half.linear_map(|x| x.matmul(scale.w.val()))
        };
        let x = Tensor::from_floats([[3.0, 0.0], [0.0, 4.0], [1.0, 1.0]], &device());
        let penalty = gradient_penalty_of(&rule, &linear([1.0, 1.0]), x, judge);
        close(value(&penalty), 3.0 * 16.0, 1e-5, &rule);
        // The two longest are as long: 3 · 16 · w₁² for one, 3 · 16 · w₂² for the other, halved.
        let critic = linear([1.0, 1.0]);
        let x = Tensor::from_floats([[4.0, 0.0], [0.0, 4.0], [1.0, 1.0]], &device());
        let penalty = gradient_penalty_of(&rule, &critic, x, judge);
        let gradients = penalty.surrogate.backward();
        for slope in values(critic.w.val().grad(&gradients).unwrap()) {
            close(slope, 3.0 * 16.0, 1e-5, &rule);
        }
    }
}
