//! The gradient penalties of the literature, as functions of the length of a gradient.

use burn::prelude::*;
use serde::{Deserialize, Serialize};

use super::PenaltyPoints;
use crate::error::ConfigError;
use crate::nn::check_not_negative;

/// A penalty on the length of a gradient. Implement it to bring one of your own.
///
/// The penalty of a batch is `Σ_i shares_i · φ(n_i)`, with `n_i` the length at sample `i`.
pub trait GradientPenalty {
    /// The penalty `φ(n)` of a gradient of length `n`, elementwise.
    fn phi(&self, norm: Tensor<1>) -> Tensor<1>;

    /// Its derivative `φ'(n)`, elementwise.
    fn slope(&self, norm: Tensor<1>) -> Tensor<1>;

    /// What part each sample has in the penalty of the batch. Default: all the same, a mean.
    fn shares(&self, norm: Tensor<1>) -> Tensor<1> {
        equal_shares(norm)
    }
}

fn equal_shares(norm: Tensor<1>) -> Tensor<1> {
    let batch = norm.dims()[0];
    norm.ones_like() / batch as f64
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
    /// `λ (n − target)²` between, [Gulrajani et al. 2017](https://arxiv.org/abs/1704.00028),
    /// equation 3.
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
    /// `k · n^p` between, [Wu et al. 2017](https://arxiv.org/abs/1712.01026), equation 8.
    WganDiv {
        /// Weight `k`, 0 or more. Default: 2.
        #[serde(default = "two")]
        k: f64,
        /// Power `p`, 1 or more. Default: 6.
        #[serde(default = "six")]
        p: f64,
    },
    /// `λ max_i n_i²` over the batch, between,
    /// [Zhou et al. 2019](https://arxiv.org/abs/1902.05687) (Lipschitz GAN, maxGP). Samples that share the
    /// maximum share the penalty.
    MaxGp {
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

fn two() -> f64 {
    2.0
}

fn six() -> f64 {
    6.0
}

/// `weight · (n − target)^power`, for longer gradients only if `one_sided`: every rule is one of
/// these.
struct Curve {
    weight: f64,
    target: f64,
    one_sided: bool,
    power: f64,
}

impl Curve {
    fn excess(&self, norm: Tensor<1>) -> Tensor<1> {
        let excess = norm - self.target;
        if self.one_sided {
            excess.clamp_min(0.0)
        } else {
            excess
        }
    }
}

/// `base^power`; squares and first powers of negative numbers are exact.
fn power(base: Tensor<1>, power: f64) -> Tensor<1> {
    if power == 2.0 {
        base.square()
    } else if power == 1.0 {
        base
    } else {
        base.powf_scalar(power)
    }
}

impl PenaltyRule {
    /// Where it is evaluated.
    pub fn points(&self) -> PenaltyPoints {
        match self {
            Self::R1 { .. } => PenaltyPoints::Real,
            Self::R2 { .. } => PenaltyPoints::Fake,
            Self::WganGp { .. }
            | Self::WganLp { .. }
            | Self::WganDiv { .. }
            | Self::MaxGp { .. }
            | Self::ZeroCentered { .. } => PenaltyPoints::Between,
            Self::Dragan { .. } => PenaltyPoints::Perturbed,
        }
    }

    /// Says what is wrong with the numbers.
    ///
    /// # Errors
    ///
    /// If a number is not finite or outside its range.
    pub fn validate(&self) -> Result<(), ConfigError> {
        match *self {
            Self::R1 { gamma } | Self::R2 { gamma } => check_not_negative("gamma", gamma),
            Self::WganLp { lambda } | Self::ZeroCentered { lambda } | Self::MaxGp { lambda } => {
                check_not_negative("lambda", lambda)
            }
            Self::WganGp { lambda, target, .. } => {
                check_not_negative("lambda", lambda)?;
                check_not_negative("target", target)
            }
            Self::WganDiv { k, p } => {
                check_not_negative("k", k)?;
                if !(p >= 1.0 && p.is_finite()) {
                    return Err(ConfigError::new("p", p, "a finite number, 1 or more"));
                }
                Ok(())
            }
            Self::Dragan { lambda, k } => {
                check_not_negative("lambda", lambda)?;
                check_not_negative("k", k)
            }
        }
    }

    fn curve(&self) -> Curve {
        let parabola = |weight, target, one_sided| Curve {
            weight,
            target,
            one_sided,
            power: 2.0,
        };
        match *self {
            Self::R1 { gamma } | Self::R2 { gamma } => parabola(gamma / 2.0, 0.0, false),
            Self::WganGp {
                lambda,
                target,
                one_sided,
            } => parabola(lambda, target, one_sided),
            Self::WganLp { lambda } => parabola(lambda, 1.0, true),
            Self::WganDiv { k, p } => Curve {
                power: p,
                ..parabola(k, 0.0, false)
            },
            Self::Dragan { lambda, k } => parabola(lambda, k, false),
            Self::ZeroCentered { lambda } | Self::MaxGp { lambda } => parabola(lambda, 0.0, false),
        }
    }
}

impl GradientPenalty for PenaltyRule {
    fn phi(&self, norm: Tensor<1>) -> Tensor<1> {
        let curve = self.curve();
        power(curve.excess(norm), curve.power) * curve.weight
    }

    fn slope(&self, norm: Tensor<1>) -> Tensor<1> {
        let curve = self.curve();
        power(curve.excess(norm), curve.power - 1.0) * (curve.weight * curve.power)
    }

    fn shares(&self, norm: Tensor<1>) -> Tensor<1> {
        if let Self::MaxGp { .. } = self {
            let largest = norm.clone().equal(norm.max()).float();
            largest.clone() / largest.sum()
        } else {
            equal_shares(norm)
        }
    }
}
