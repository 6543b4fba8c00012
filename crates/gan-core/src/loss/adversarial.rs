//! Adversarial losses.
//!
//! All take raw scores (logits), `[batch, outputs]`, and average over everything: the sigmoid lives
//! here and not at the end of a critic, so that a score of ±100 still has an exact loss.

use core::fmt::Debug;

use burn::prelude::*;
use burn::tensor::activation;
use serde::{Deserialize, Serialize};

use crate::error::ConfigError;
use crate::game::{State, StateError};

/// What each player minimises. Implement it to bring a loss of your own.
pub trait Objective: Debug + Send + Sync {
    /// What the critic minimises.
    ///
    /// # Shapes
    ///
    /// - real: `[batch, outputs]`, scores of real samples
    /// - fake: `[batch, outputs]`, scores of generated samples
    /// - output: `[1]`
    fn critic_loss(&self, real: Tensor<2>, fake: Tensor<2>) -> Tensor<1>;

    /// What the generator minimises; `real` is there if
    /// [`needs_real_for_generator`](Objective::needs_real_for_generator) says so.
    ///
    /// # Shapes
    ///
    /// As for [`critic_loss`](Objective::critic_loss).
    fn generator_loss(&self, real: Option<Tensor<2>>, fake: Tensor<2>) -> Tensor<1>;

    /// Whether the generator's loss looks at the scores of real samples too. Default: no.
    fn needs_real_for_generator(&self) -> bool {
        false
    }

    /// What the critic believes of real and of generated samples, `[1]` each, for people to look at:
    /// a probability of being real where the loss gives the scores that meaning. Both tensors are off
    /// the tape. Default: the mean scores.
    fn beliefs(&self, real: Tensor<2>, fake: Tensor<2>) -> (Tensor<1>, Tensor<1>) {
        (real.mean(), fake.mean())
    }

    /// Looks at the scores of the critic's last step in a round, after it; both are off the tape. This
    /// is where a loss that balances the players moves its state. Default: nothing.
    fn observe(&mut self, _real: Tensor<2>, _fake: Tensor<2>) {}

    /// What the state is worth a line in the log: names and scalars `[1]`, off the tape. Default: none.
    fn readings(&self) -> Vec<(&'static str, Tensor<1>)> {
        Vec::new()
    }

    /// Puts the state of the loss into a checkpoint. Default: there is none.
    fn save(&self, _state: &mut State) {}

    /// Takes the state of the loss back. Default: there is none.
    ///
    /// # Errors
    ///
    /// If it is missing or of another shape.
    fn load(&mut self, _state: &State) -> Result<(), StateError> {
        Ok(())
    }
}

/// The adversarial losses of the literature, on scores `r` of real and `f` of generated samples.
///
/// | loss | critic minimises | generator minimises |
/// | --- | --- | --- |
/// | `non_saturating` | `E softplus(−r) + E softplus(f)` | `E softplus(−f)` |
/// | `saturating` | the same | `−E softplus(f)` |
/// | `least_squares` | `½ E (r − 1)² + ½ E f²` | `½ E (f − 1)²` |
/// | `hinge` | `E relu(1 − r) + E relu(1 + f)` | `−E f` |
/// | `wasserstein` | `E f − E r` | `−E f` |
/// | `relativistic` | `E softplus(f − r)` | `E softplus(r − f)` |
/// | `relativistic_average` | `E softplus(E f − r) + E softplus(f − E r)` | the same with `r` and `f` exchanged |
/// | `relativistic_average_least_squares` | `E (r − E f − 1)² + E (f − E r + 1)²` | exchanged |
/// | `relativistic_average_hinge` | `E relu(1 − r + E f) + E relu(1 + f − E r)` | exchanged |
/// | `boundary_seeking` | as `non_saturating` | `½ E f²` |
/// | `softmax` | `ln Z − E r`, `Z = Σ eʳ + Σ eᶠ` | `ln Z −` the mean of all scores |
/// | `energy_based` | `E relu(margin + f) − E r` | `−E f` |
///
/// In `energy_based` a score is minus an energy, 0 or less, as an
/// [autoencoder](crate::nn::Autoencoder) gives it. The loss of [BEGAN](super::Began) has a state and is
/// a type of its own.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AdversarialLoss {
    /// Binary cross-entropy with the generator's loss of section 3 of
    /// [Goodfellow et al. 2014](https://arxiv.org/abs/1406.2661), the one used in practice.
    NonSaturating,
    /// The minimax game as written (equation 1 of the same paper). The generator's gradient vanishes
    /// while the critic wins.
    Saturating,
    /// [Mao et al. 2016](https://arxiv.org/abs/1611.04076), equation 9: targets 0, 1 and 1.
    LeastSquares,
    /// [Lim and Ye 2017](https://arxiv.org/abs/1705.02894), as in SAGAN and BigGAN.
    Hinge,
    /// [Arjovsky et al. 2017](https://arxiv.org/abs/1701.07875); needs weight clipping or a gradient
    /// penalty, or the scores run away.
    Wasserstein,
    /// [Jolicoeur-Martineau 2018](https://arxiv.org/abs/1807.00734), pair by pair (RSGAN).
    Relativistic,
    /// The same paper, against the other side's mean (RaSGAN).
    RelativisticAverage,
    /// The same paper, with squares (RaLSGAN).
    RelativisticAverageLeastSquares,
    /// The same paper, with hinges (RaHingeGAN).
    RelativisticAverageHinge,
    /// [Hjelm et al. 2017](https://arxiv.org/abs/1702.08431), for continuous samples: the generator aims
    /// at the boundary, where the critic cannot decide. `½ (ln D − ln(1 − D))²` is half the square of the
    /// logit.
    BoundarySeeking,
    /// [Lin 2017](https://arxiv.org/abs/1704.06191), equations 4 and 5: the critic spreads all
    /// probability over the real samples of a batch, the generator over all samples. The paper's `D` is
    /// minus our score.
    Softmax,
    /// [Zhao et al. 2016](https://arxiv.org/abs/1609.03126), equations 1 and 2, for a critic whose score
    /// is minus an energy.
    EnergyBased {
        /// Energy above which a generated sample is left alone, above 0; 10 in the paper for MNIST with
        /// squared errors summed over pixels, less for means.
        margin: f64,
    },
}

impl AdversarialLoss {
    /// Every loss, with usual constants.
    pub const ALL: [Self; 12] = [
        Self::NonSaturating,
        Self::Saturating,
        Self::LeastSquares,
        Self::Hinge,
        Self::Wasserstein,
        Self::Relativistic,
        Self::RelativisticAverage,
        Self::RelativisticAverageLeastSquares,
        Self::RelativisticAverageHinge,
        Self::BoundarySeeking,
        Self::Softmax,
        Self::EnergyBased { margin: 1.0 },
    ];

    /// Says what is wrong with its constants.
    ///
    /// # Errors
    ///
    /// If the margin is not finite and above 0.
    pub fn validate(&self) -> Result<(), ConfigError> {
        match self {
            Self::EnergyBased { margin } => crate::nn::check_positive("margin", *margin),
            _ => Ok(()),
        }
    }

    /// Whether the loss has a target for real samples that can be smoothed.
    pub fn has_targets(&self) -> bool {
        !matches!(
            self,
            Self::Hinge
                | Self::Wasserstein
                | Self::RelativisticAverageHinge
                | Self::Softmax
                | Self::EnergyBased { .. }
        )
    }

    /// The same loss with the target of real samples lowered from 1 to `1 − smoothing` in the
    /// critic's loss: one-sided label smoothing, section 3.4 of
    /// [Salimans et al. 2016](https://arxiv.org/abs/1606.03498), who use 0.1.
    ///
    /// # Errors
    ///
    /// If `smoothing` is not in `[0, 1)`, or is above 0 for a loss without
    /// [targets](AdversarialLoss::has_targets); if a constant of the loss is not valid.
    pub fn with_label_smoothing(self, smoothing: f64) -> Result<SmoothedLoss, ConfigError> {
        self.validate().map_err(|error| error.within("loss"))?;
        if !(0.0..1.0).contains(&smoothing) {
            return Err(ConfigError::new("label_smoothing", smoothing, "in [0, 1)"));
        }
        if smoothing > 0.0 && !self.has_targets() {
            return Err(ConfigError::new(
                "label_smoothing",
                smoothing,
                "left out: hinge losses, wasserstein, softmax and energy_based have no targets to smooth",
            ));
        }
        Ok(SmoothedLoss {
            loss: self,
            smoothing,
        })
    }

    /// The critic's loss with real samples' target at `1 − smoothing`.
    fn smoothed_critic_loss(&self, r: Tensor<2>, f: Tensor<2>, smoothing: f64) -> Tensor<1> {
        match self {
            Self::NonSaturating | Self::Saturating | Self::BoundarySeeking => {
                cross_entropy(r, smoothing) + softplus(f).mean()
            }
            Self::LeastSquares => {
                ((r - (1.0 - smoothing)).square().mean() + f.square().mean()) * 0.5
            }
            Self::Hinge => {
                activation::relu(r.neg() + 1.0).mean() + activation::relu(f + 1.0).mean()
            }
            Self::Wasserstein => f.mean() - r.mean(),
            Self::Relativistic => cross_entropy(r - f, smoothing),
            Self::RelativisticAverage => {
                let (r, f) = over_means(r, f);
                Self::NonSaturating.smoothed_critic_loss(r, f, smoothing)
            }
            Self::RelativisticAverageLeastSquares => {
                let (r, f) = over_means(r, f);
                (r - (1.0 - smoothing)).square().mean() + (f + 1.0).square().mean()
            }
            Self::RelativisticAverageHinge => {
                let (r, f) = over_means(r, f);
                Self::Hinge.smoothed_critic_loss(r, f, smoothing)
            }
            Self::Softmax => {
                let mean_r = r.clone().mean();
                log_sum_exp(all(r, f)) - mean_r
            }
            Self::EnergyBased { margin } => activation::relu(f + *margin).mean() - r.mean(),
        }
    }
}

impl Objective for AdversarialLoss {
    fn critic_loss(&self, real: Tensor<2>, fake: Tensor<2>) -> Tensor<1> {
        self.smoothed_critic_loss(real, fake, 0.0)
    }

    /// # Panics
    ///
    /// Panics if a relativistic loss or the softmax gets no scores of real samples.
    fn generator_loss(&self, real: Option<Tensor<2>>, fake: Tensor<2>) -> Tensor<1> {
        let needed = || real.expect("this loss needs the scores of real samples");
        match self {
            Self::NonSaturating => softplus(fake.neg()).mean(),
            Self::Saturating => softplus(fake).mean().neg(),
            Self::LeastSquares => (fake - 1.0).square().mean() * 0.5,
            Self::Hinge | Self::Wasserstein | Self::EnergyBased { .. } => fake.mean().neg(),
            Self::BoundarySeeking => fake.square().mean() * 0.5,
            Self::Softmax => {
                let scores = all(needed(), fake);
                log_sum_exp(scores.clone()) - scores.mean()
            }
            Self::Relativistic
            | Self::RelativisticAverage
            | Self::RelativisticAverageLeastSquares
            | Self::RelativisticAverageHinge => {
                self.critic_loss(fake, needed()) // the same game from the other side
            }
        }
    }

    fn needs_real_for_generator(&self) -> bool {
        matches!(
            self,
            Self::Relativistic
                | Self::RelativisticAverage
                | Self::RelativisticAverageLeastSquares
                | Self::RelativisticAverageHinge
                | Self::Softmax
        )
    }

    /// The mean of `σ(score)` for the cross-entropy losses. The relativistic ones only see differences
    /// of scores: there it is the probability of being more real than the other side is on average.
    fn beliefs(&self, real: Tensor<2>, fake: Tensor<2>) -> (Tensor<1>, Tensor<1>) {
        let probability = |x: Tensor<2>| activation::sigmoid(x).mean();
        match self {
            Self::NonSaturating | Self::Saturating | Self::BoundarySeeking => {
                (probability(real), probability(fake))
            }
            Self::Relativistic | Self::RelativisticAverage => {
                let (real, fake) = over_means(real, fake);
                (probability(real), probability(fake))
            }
            _ => (real.mean(), fake.mean()),
        }
    }
}

/// A loss with one-sided label smoothing; made by [`AdversarialLoss::with_label_smoothing`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SmoothedLoss {
    loss: AdversarialLoss,
    smoothing: f64,
}

impl Objective for SmoothedLoss {
    fn critic_loss(&self, real: Tensor<2>, fake: Tensor<2>) -> Tensor<1> {
        self.loss.smoothed_critic_loss(real, fake, self.smoothing)
    }

    fn generator_loss(&self, real: Option<Tensor<2>>, fake: Tensor<2>) -> Tensor<1> {
        self.loss.generator_loss(real, fake)
    }

    fn needs_real_for_generator(&self) -> bool {
        self.loss.needs_real_for_generator()
    }

    fn beliefs(&self, real: Tensor<2>, fake: Tensor<2>) -> (Tensor<1>, Tensor<1>) {
        self.loss.beliefs(real, fake)
    }
}

/// `log(1 + eˣ)`, exact in both tails. Not Burn's `softplus`, which is made of four operations on
/// the tape instead of one.
pub(super) fn softplus(x: Tensor<2>) -> Tensor<2> {
    activation::log_sigmoid(x.neg()).neg()
}

/// `−t log σ(x) − (1 − t) log(1 − σ(x))` for the target `t = 1 − smoothing`, averaged.
fn cross_entropy(x: Tensor<2>, smoothing: f64) -> Tensor<1> {
    let loss = softplus(x.clone().neg()).mean();
    if smoothing == 0.0 {
        loss
    } else {
        loss + x.mean() * smoothing
    }
}

/// `ln Σ eˣ`; the largest is taken out first, so that nothing overflows.
fn log_sum_exp(x: Tensor<1>) -> Tensor<1> {
    let largest = x.clone().detach().max();
    (x - largest.clone()).exp().sum().log() + largest
}

/// The scores of both sides in one row.
fn all(r: Tensor<2>, f: Tensor<2>) -> Tensor<1> {
    Tensor::cat(vec![r.flatten::<1>(0, 1), f.flatten(0, 1)], 0)
}

/// How far each score is above the mean of the other side's.
fn over_means(r: Tensor<2>, f: Tensor<2>) -> (Tensor<2>, Tensor<2>) {
    let mean = |x: &Tensor<2>| x.clone().mean().reshape([1, 1]);
    let (mean_r, mean_f) = (mean(&r), mean(&f));
    (r - mean_f, f - mean_r)
}

#[cfg(test)]
mod tests;
