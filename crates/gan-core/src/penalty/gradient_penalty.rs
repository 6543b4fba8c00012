//! Penalties on the length of the critic's gradient, exact although Burn differentiates once only.
//!
//! A penalty is `P(θ) = E φ(‖g_i‖)` with `g_i = ∇_{x_i} S` and `S = Σ_j D(x_j; θ)`. Its gradient in
//! `θ` is that of `J_S(x; θ) · u`, where `u_i = φ'(‖g_i‖) · g_i / ‖g_i‖ / batch` is held constant:
//! `uᵀ ∇_x S` is the derivative of `S` along `u`. So one ordinary backward finds `g`, and one forward
//! pass of a dual number along `u` gives a scalar whose ordinary gradient is the penalty's.

use burn::prelude::*;
use serde::{Deserialize, Serialize};

use crate::dual::Dual;
use crate::error::ConfigError;
use crate::nn::Critic;
use crate::rng::Stream;

/// A penalty on the length of a gradient. Implement it to bring one of your own.
pub trait GradientPenalty {
    /// The penalty `φ(n)` of a gradient of length `n`, elementwise.
    fn phi(&self, norm: Tensor<1>) -> Tensor<1>;

    /// Its derivative `φ'(n)`, elementwise.
    fn slope(&self, norm: Tensor<1>) -> Tensor<1>;
}

/// Where a penalty is evaluated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PenaltyPoints {
    /// At real samples.
    Real,
    /// At generated samples.
    Fake,
    /// At `α·real + (1 − α)·fake` with one uniform `α` per pair.
    Between,
    /// At real samples plus `½ · s · U[0, 1)` per value, `s` the standard deviation of the batch.
    Perturbed,
}

/// The gradient penalties of the literature; `n` is `‖∇ₓ D(x)‖`, one number per sample.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind", deny_unknown_fields)]
pub enum PenaltyRule {
    /// `γ/2 · n²` at real samples, [Mescheder et al. 2018](https://arxiv.org/abs/1801.04406),
    /// equation 9.
    R1 {
        /// Weight `γ`, 0 or more; 10 in the paper, less for small pictures.
        gamma: f64,
    },
    /// `γ/2 · n²` at generated samples, equation 10 of the same paper.
    R2 {
        /// Weight `γ`, 0 or more.
        gamma: f64,
    },
    /// `λ (n − target)²` between, [Gulrajani et al. 2017](https://arxiv.org/abs/1704.00028).
    WganGp {
        /// Weight `λ`, 0 or more; 10 in the paper.
        lambda: f64,
        /// The length aimed at, 0 or more. Default: 1; ProGAN has used 750.
        #[serde(default = "one")]
        target: f64,
        /// Leave shorter gradients alone. Default: no.
        #[serde(default)]
        one_sided: bool,
    },
    /// `λ max(0, n − 1)²` between, [Petzka et al. 2017](https://arxiv.org/abs/1709.08894).
    WganLp {
        /// Weight `λ`, 0 or more.
        lambda: f64,
    },
    /// `λ (n − k)²` at perturbed real samples, [Kodali et al. 2017](https://arxiv.org/abs/1705.07215).
    Dragan {
        /// Weight `λ`, 0 or more; 10 in the paper.
        lambda: f64,
        /// The length aimed at, 0 or more; 1 in the paper.
        k: f64,
    },
    /// `λ n²` between, [Thanh-Tung et al. 2019](https://arxiv.org/abs/1902.03984).
    ZeroCentered {
        /// Weight `λ`, 0 or more.
        lambda: f64,
    },
}

fn one() -> f64 {
    1.0
}

/// `weight · (n − target)²`, for longer gradients only if `one_sided`: every rule is one of these.
struct Parabola {
    weight: f64,
    target: f64,
    one_sided: bool,
}

impl Parabola {
    fn excess(&self, norm: Tensor<1>) -> Tensor<1> {
        let excess = norm - self.target;
        if self.one_sided {
            excess.clamp_min(0.0)
        } else {
            excess
        }
    }
}

impl PenaltyRule {
    /// Where it is evaluated.
    pub fn points(&self) -> PenaltyPoints {
        match self {
            Self::R1 { .. } => PenaltyPoints::Real,
            Self::R2 { .. } => PenaltyPoints::Fake,
            Self::WganGp { .. } | Self::WganLp { .. } | Self::ZeroCentered { .. } => {
                PenaltyPoints::Between
            }
            Self::Dragan { .. } => PenaltyPoints::Perturbed,
        }
    }

    fn parabola(&self) -> Parabola {
        let (weight, target, one_sided) = match *self {
            Self::R1 { gamma } | Self::R2 { gamma } => (gamma / 2.0, 0.0, false),
            Self::WganGp {
                lambda,
                target,
                one_sided,
            } => (lambda, target, one_sided),
            Self::WganLp { lambda } => (lambda, 1.0, true),
            Self::Dragan { lambda, k } => (lambda, k, false),
            Self::ZeroCentered { lambda } => (lambda, 0.0, false),
        };
        Parabola {
            weight,
            target,
            one_sided,
        }
    }
}

impl GradientPenalty for PenaltyRule {
    fn phi(&self, norm: Tensor<1>) -> Tensor<1> {
        let parabola = self.parabola();
        parabola.excess(norm).square() * parabola.weight
    }

    fn slope(&self, norm: Tensor<1>) -> Tensor<1> {
        let parabola = self.parabola();
        parabola.excess(norm) * (2.0 * parabola.weight)
    }
}

impl PenaltyPoints {
    /// The samples to evaluate at, off the tape of whatever made them.
    ///
    /// # Shapes
    ///
    /// - real, fake: `[batch, …]`, the same for both
    /// - output: `[batch, …]`
    ///
    /// # Panics
    ///
    /// Panics if the shapes differ where both are used.
    pub fn draw<const D: usize>(
        &self,
        real: Tensor<D>,
        fake: Tensor<D>,
        stream: &mut Stream,
    ) -> Tensor<D> {
        match self {
            Self::Real => real.detach(),
            Self::Fake => fake.detach(),
            Self::Between => {
                assert_eq!(
                    real.dims(),
                    fake.dims(),
                    "a penalty between real and fake needs as many of each, of one shape"
                );
                let mut shape = [1; D];
                shape[0] = real.dims()[0];
                let alpha = stream.uniform(shape, 0.0, 1.0, &real.device());
                let (real, fake) = (real.detach(), fake.detach());
                fake.clone() + (real - fake) * alpha
            }
            Self::Perturbed => {
                let real = real.detach();
                let uniform = stream.uniform(real.dims(), 0.0, 1.0, &real.device());
                let centered = real.clone() - real.clone().mean().reshape([1; D]);
                let deviation = centered.square().mean().sqrt().reshape([1; D]);
                real + uniform * deviation * 0.5
            }
        }
    }
}

/// A gradient penalty and how often to apply it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PenaltyConfig {
    /// Which penalty.
    pub rule: PenaltyRule,
    /// In every so many rounds, with as many times its weight ("lazy regularisation", 16 in
    /// StyleGAN2); 1 or more. Default: 1.
    #[serde(default = "every_round")]
    pub every: u64,
}

fn every_round() -> u64 {
    1
}

impl PenaltyConfig {
    /// Says what is wrong with the numbers.
    ///
    /// # Errors
    ///
    /// If a number is not finite or outside its range.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let check = |field: &str, value: f64| {
            if value.is_finite() && value >= 0.0 {
                Ok(())
            } else {
                Err(ConfigError::new(
                    format!("penalty.rule.{field}"),
                    value,
                    "a finite number, 0 or more",
                ))
            }
        };
        match self.rule {
            PenaltyRule::R1 { gamma } | PenaltyRule::R2 { gamma } => check("gamma", gamma)?,
            PenaltyRule::WganLp { lambda } | PenaltyRule::ZeroCentered { lambda } => {
                check("lambda", lambda)?;
            }
            PenaltyRule::WganGp { lambda, target, .. } => {
                check("lambda", lambda)?;
                check("target", target)?;
            }
            PenaltyRule::Dragan { lambda, k } => {
                check("lambda", lambda)?;
                check("k", k)?;
            }
        }
        if self.every == 0 {
            return Err(ConfigError::new("penalty.every", 0, "1 or more rounds"));
        }
        Ok(())
    }
}

/// A penalty, ready for a loss and for a log. Both of shape `[1]`.
#[derive(Clone, Debug)]
pub struct Penalty {
    /// Its gradient in the critic's parameters is that of the penalty; its value means nothing.
    pub surrogate: Tensor<1>,
    /// The value of the penalty, off the tape.
    pub value: Tensor<1>,
}

/// The penalty `mean_i φ(‖∇_{x_i} Σ_j D(x_j)‖)`, exact for critics that couple samples as well.
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
    let x = x.detach();
    let gradient = input_gradient(critic, x.clone());
    let batch = gradient.dims()[0];
    let norm = per_sample_norm(gradient.clone());
    let value = rule.phi(norm.clone()).mean();

    let mut per_sample = [1; D];
    per_sample[0] = batch;
    // Where the critic is flat 0/0 would be NaN; with a far smaller limit slope/limit is infinite and
    // times zero NaN again.
    let factor = rule.slope(norm.clone()) / norm.clamp_min(1e-12) / batch as f64;
    let along = Tensor::from_inner(gradient * factor.reshape(per_sample));
    let scores = critic.score(Dual::new(x, along));
    let surrogate = scores
        .tangent
        .expect("a tangent went in, and a critic depends on its input")
        .sum();
    Penalty { surrogate, value }
}

/// `∇_x Σ_j D(x_j)`, off the tape.
fn input_gradient<const D: usize, C: Critic<D>>(critic: &C, x: Tensor<D>) -> Tensor<D> {
    // Frozen, so that backward skips the weights; not `valid()`, which leaves training mode.
    let frozen = critic.clone().no_grad();
    // `detach` keeps a leaf's flag, and a fresh leaf is needed to ask for the gradient.
    let x = Tensor::from_inner(x.inner()).require_grad();
    let scores = frozen.score(x.clone().into()).primal;
    x.grad(&scores.sum().backward())
        .unwrap_or_else(|| x.inner().zeros_like())
}

/// `[batch, …]` → `[batch]`.
fn per_sample_norm<const D: usize>(x: Tensor<D>) -> Tensor<1> {
    let batch = x.dims()[0];
    let flat: Tensor<2> = x.reshape([batch as i64, -1]);
    flat.square().sum_dim(1).sqrt().reshape([batch])
}

#[cfg(test)]
mod tests {
    use burn::module::{Module, Param};

    use super::*;

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

    fn rules() -> [PenaltyRule; 7] {
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
        ]
    }

    fn values<const D: usize>(x: Tensor<D>) -> Vec<f64> {
        let x = x.into_data().try_to_vec::<f32>().unwrap();
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
            PenaltyRule::ZeroCentered { lambda } => (lambda * n * n, 2.0 * lambda * n),
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

    #[test]
    fn points_between_lie_on_the_segment_with_one_share_per_sample() {
        let real = Tensor::<3>::ones([50, 2, 2], &device());
        let fake = real.zeros_like();
        let mut stream = Stream::new(1, "penalty", 0);
        let x = values(PenaltyPoints::Between.draw(real, fake, &mut stream));
        let shares: Vec<f64> = x.chunks(4).map(|sample| sample[0]).collect();
        assert!(
            x.chunks(4)
                .all(|sample| sample.iter().all(|v| *v == sample[0]))
        );
        assert!(shares.iter().all(|a| (0.0..1.0).contains(a)));
        let spread =
            shares.iter().cloned().fold(0.0, f64::max) - shares.iter().cloned().fold(1.0, f64::min);
        assert!(spread > 0.8, "{spread}");
    }

    #[test]
    fn other_points_are_where_they_say() {
        let (real, fake) = (random("real", [40, 5]), random("fake", [40, 5]));
        let mut stream = Stream::new(1, "penalty", 0);
        let mut draw =
            |points: PenaltyPoints| values(points.draw(real.clone(), fake.clone(), &mut stream));
        assert_eq!(draw(PenaltyPoints::Real), values(real.clone()));
        assert_eq!(draw(PenaltyPoints::Fake), values(fake.clone()));
        let x = values(real.clone());
        let mean = x.iter().sum::<f64>() / 200.0;
        let deviation = (x.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / 200.0).sqrt();
        let shift: Vec<f64> = draw(PenaltyPoints::Perturbed)
            .iter()
            .zip(x)
            .map(|(p, x)| p - x)
            .collect();
        assert!(
            shift
                .iter()
                .all(|s| *s > -1e-6 && *s < 0.5 * deviation + 1e-6)
        );
        let mean = shift.iter().sum::<f64>() / 200.0;
        assert!((mean - 0.25 * deviation).abs() < 0.05, "{mean}");
    }

    #[test]
    #[should_panic(expected = "as many of each")]
    fn points_between_need_pairs() {
        let mut stream = Stream::new(1, "penalty", 0);
        PenaltyPoints::Between.draw(random("a", [3, 2]), random("b", [2, 2]), &mut stream);
    }

    #[test]
    fn settings_are_read_checked_and_refused_by_name() {
        let text = r#"{"rule": {"kind": "wgan_gp", "lambda": 10.0}}"#;
        let config: PenaltyConfig = serde_json::from_str(text).unwrap();
        let rule = PenaltyRule::WganGp {
            lambda: 10.0,
            target: 1.0,
            one_sided: false,
        };
        assert_eq!(config, PenaltyConfig { rule, every: 1 });
        assert!(config.validate().is_ok());
        let every = PenaltyConfig { rule, every: 0 };
        assert_eq!(every.validate().unwrap_err().field, "penalty.every");
        for bad in [-1.0, f64::NAN, f64::INFINITY] {
            let rule = PenaltyRule::R1 { gamma: bad };
            let error = PenaltyConfig { rule, every: 1 }.validate().unwrap_err();
            assert_eq!(error.field, "penalty.rule.gamma");
        }
        let text = r#"{"rule": {"kind": "r1", "gamma": 1.0, "gama": 2.0}}"#;
        assert!(serde_json::from_str::<PenaltyConfig>(text).is_err());
    }
}
