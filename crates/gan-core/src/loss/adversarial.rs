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
    /// [Hjelm et al. 2017](https://arxiv.org/abs/1702.08431), section 2.3: the generator aims at the
    /// boundary, where the critic cannot decide. `½ (ln D − ln(1 − D))²` is half the square of the
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
                let (mean_r, mean_f) = (mean(&r), mean(&f));
                cross_entropy(r - mean_f, smoothing) + softplus(f - mean_r).mean()
            }
            Self::RelativisticAverageLeastSquares => {
                let (mean_r, mean_f) = (mean(&r), mean(&f));
                (r - mean_f - (1.0 - smoothing)).square().mean()
                    + (f - mean_r + 1.0).square().mean()
            }
            Self::RelativisticAverageHinge => {
                let (mean_r, mean_f) = (mean(&r), mean(&f));
                Self::Hinge.smoothed_critic_loss(r - mean_f, f - mean_r, smoothing)
            }
            Self::Softmax => {
                let mean_r = r.clone().mean();
                log_sum_exp(all(r, f)) - mean_r
            }
            Self::EnergyBased { margin } => activation::relu(f + *margin).mean() - r.mean(),
        }
    }

    /// Whether it looks at differences of scores only.
    fn is_relativistic(&self) -> bool {
        matches!(
            self,
            Self::Relativistic
                | Self::RelativisticAverage
                | Self::RelativisticAverageLeastSquares
                | Self::RelativisticAverageHinge
        )
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
        let needed = || {
            real.clone()
                .expect("this loss needs the scores of real samples")
        };
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
        self.is_relativistic() || *self == Self::Softmax
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
                let over =
                    |x: &Tensor<2>, y: &Tensor<2>| x.clone() - y.clone().mean().reshape([1, 1]);
                (
                    probability(over(&real, &fake)),
                    probability(over(&fake, &real)),
                )
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

/// `x`, which is off the tape, as a constant for what `other` is on.
pub(crate) fn beside<const D: usize>(x: Tensor<1>, other: &Tensor<D>) -> Tensor<1> {
    if other.device().is_autodiff() {
        Tensor::from_inner(x)
    } else {
        x
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

fn mean(x: &Tensor<2>) -> Tensor<2> {
    x.clone().mean().reshape([1, 1])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn device() -> Device {
        Device::flex().autodiff()
    }

    fn column(values: &[f32]) -> Tensor<2> {
        Tensor::<1>::from_floats(values, &device()).reshape([values.len(), 1])
    }

    fn scalar(x: Tensor<1>) -> f64 {
        f64::from(x.into_scalar::<f32>())
    }

    fn values(x: Tensor<2>) -> Vec<f64> {
        let x = x.into_data().try_to_vec::<f32>().unwrap();
        x.into_iter().map(f64::from).collect()
    }

    fn sp(x: f64) -> f64 {
        x.max(0.0) + (-x.abs()).exp().ln_1p()
    }

    fn sigmoid(x: f64) -> f64 {
        1.0 / (1.0 + (-x).exp())
    }

    const R: [f64; 2] = [1.0, -2.0];
    const F: [f64; 2] = [0.5, -1.0];

    fn average(x: &[f64], f: impl Fn(f64) -> f64) -> f64 {
        x.iter().map(|x| f(*x)).sum::<f64>() / x.len() as f64
    }

    /// (critic's loss, generator's loss) written out from the papers.
    fn by_hand(loss: AdversarialLoss) -> (f64, f64) {
        use AdversarialLoss as L;
        let (mean_r, mean_f) = (-0.5, -0.25);
        let pairs = |sign: f64| (sp(sign * (F[0] - R[0])) + sp(sign * (F[1] - R[1]))) / 2.0;
        let bce = average(&R, |r| sp(-r)) + average(&F, sp);
        match loss {
            L::NonSaturating => (bce, average(&F, |f| sp(-f))),
            L::Saturating => (bce, -average(&F, sp)),
            L::LeastSquares => (
                0.5 * average(&R, |r| (r - 1.0).powi(2)) + 0.5 * average(&F, |f| f * f),
                0.5 * average(&F, |f| (f - 1.0).powi(2)),
            ),
            L::Hinge => ((0.0 + 3.0) / 2.0 + (1.5 + 0.0) / 2.0, 0.25),
            L::Wasserstein => (-0.25 + 0.5, 0.25),
            L::Relativistic => (pairs(1.0), pairs(-1.0)),
            L::RelativisticAverage => (
                average(&R, |r| sp(mean_f - r)) + average(&F, |f| sp(f - mean_r)),
                average(&F, |f| sp(mean_r - f)) + average(&R, |r| sp(r - mean_f)),
            ),
            L::RelativisticAverageLeastSquares => (
                average(&R, |r| (r - mean_f - 1.0).powi(2))
                    + average(&F, |f| (f - mean_r + 1.0).powi(2)),
                average(&F, |f| (f - mean_r - 1.0).powi(2))
                    + average(&R, |r| (r - mean_f + 1.0).powi(2)),
            ),
            // r − E f: 1.25, −1.75; f − E r: 1.0, −0.5.
            L::RelativisticAverageHinge => (
                (0.0 + 2.75) / 2.0 + (2.0 + 0.5) / 2.0,
                (0.0 + 1.5) / 2.0 + (2.25 + 0.0) / 2.0,
            ),
            L::BoundarySeeking => (bce, 0.5 * average(&F, |f| f * f)),
            L::Softmax => {
                let z: f64 = R.iter().chain(&F).map(|x| x.exp()).sum();
                (z.ln() + 0.5, z.ln() + 0.375)
            }
            L::EnergyBased { margin } => (average(&F, |f| (margin + f).max(0.0)) + 0.5, 0.25),
        }
    }

    fn tensors() -> (Tensor<2>, Tensor<2>) {
        (column(&R.map(|x| x as f32)), column(&F.map(|x| x as f32)))
    }

    fn close(a: f64, b: f64, what: &dyn Debug) {
        assert!(
            (a - b).abs() < 1e-5 * b.abs().max(1.0),
            "{what:?}: {a} is not {b}"
        );
    }

    #[test]
    fn softplus_of_minus_one_is_the_constant_of_the_tables() {
        let loss = AdversarialLoss::NonSaturating;
        close(
            scalar(loss.generator_loss(None, column(&[1.0]))),
            0.313_261_69,
            &loss,
        );
    }

    #[test]
    fn both_players_losses_match_the_formulas_written_out() {
        for loss in AdversarialLoss::ALL {
            let (critic, generator) = by_hand(loss);
            let (r, f) = tensors();
            close(
                scalar(loss.critic_loss(r.clone(), f.clone())),
                critic,
                &loss,
            );
            close(scalar(loss.generator_loss(Some(r), f)), generator, &loss);
        }
    }

    /// d loss / d score for each real and each fake, both players.
    fn gradients(loss: &dyn Objective) -> [Vec<f64>; 3] {
        let (r, f) = tensors();
        let (r, f) = (r.require_grad(), f.require_grad());
        let grads = loss.critic_loss(r.clone(), f.clone()).backward();
        let (dr, df) = (r.grad(&grads).unwrap(), f.grad(&grads).unwrap());
        let grads = loss.generator_loss(Some(r.detach()), f.clone()).backward();
        [values(dr), values(df), values(f.grad(&grads).unwrap())]
    }

    #[test]
    fn gradients_match_their_derivatives_by_hand() {
        use AdversarialLoss as L;
        let half = |x: &[f64; 2], d: &dyn Fn(f64) -> f64| vec![d(x[0]) / 2.0, d(x[1]) / 2.0];
        let expected = |loss| match loss {
            L::NonSaturating => [
                half(&R, &|r| -sigmoid(-r)),
                half(&F, &sigmoid),
                half(&F, &|f| -sigmoid(-f)),
            ],
            L::Saturating => [
                half(&R, &|r| -sigmoid(-r)),
                half(&F, &sigmoid),
                half(&F, &|f| -sigmoid(f)),
            ],
            L::LeastSquares => [
                half(&R, &|r| r - 1.0),
                half(&F, &|f| f),
                half(&F, &|f| f - 1.0),
            ],
            // r = 1 sits on the hinge's corner: no push; f = −1 as well.
            L::Hinge => [vec![0.0, -0.5], vec![0.5, 0.0], vec![-0.5, -0.5]],
            L::Wasserstein => [vec![-0.5, -0.5], vec![0.5, 0.5], vec![-0.5, -0.5]],
            L::Relativistic => {
                let s = [sigmoid(F[0] - R[0]) / 2.0, sigmoid(F[1] - R[1]) / 2.0];
                let g = [sigmoid(R[0] - F[0]) / 2.0, sigmoid(R[1] - F[1]) / 2.0];
                [s.map(|s| -s).to_vec(), s.to_vec(), g.map(|g| -g).to_vec()]
            }
            L::RelativisticAverage => {
                let (mean_r, mean_f) = (-0.5, -0.25);
                let own = |x: &[f64; 2], other: f64, up: f64| {
                    x.map(|x| -up * sigmoid(up * (other - x)) / 2.0)
                };
                let sum = |x: [f64; 2]| x[0] + x[1];
                // Critic raises r over mean f and lowers f under mean r.
                let (dr, df) = (own(&R, mean_f, 1.0), own(&F, mean_r, -1.0));
                // Generator the other way round.
                let (gr, gf) = (own(&R, mean_f, -1.0), own(&F, mean_r, 1.0));
                [
                    dr.map(|d| d - sum(df) / 2.0).to_vec(),
                    df.map(|d| d - sum(dr) / 2.0).to_vec(),
                    gf.map(|d| d - sum(gr) / 2.0).to_vec(),
                ]
            }
            L::RelativisticAverageLeastSquares => {
                let (mean_r, mean_f) = (-0.5, -0.25);
                let own = |x: &[f64; 2], other: f64, up: f64| x.map(|x| x - other - up);
                let sum = |x: [f64; 2]| x[0] + x[1];
                let (dr, df) = (own(&R, mean_f, 1.0), own(&F, mean_r, -1.0));
                let (gr, gf) = (own(&R, mean_f, -1.0), own(&F, mean_r, 1.0));
                [
                    dr.map(|d| d - sum(df) / 2.0).to_vec(),
                    df.map(|d| d - sum(dr) / 2.0).to_vec(),
                    gf.map(|d| d - sum(gr) / 2.0).to_vec(),
                ]
            }
            // Active for the critic: the second real, both generated; for the generator: the second
            // generated, the first real. Each pushes its own score and the other side's mean by ½.
            L::RelativisticAverageHinge => [
                vec![0.0 - 0.5, -0.5 - 0.5],
                vec![0.5 + 0.25, 0.5 + 0.25],
                vec![0.0 - 0.25, -0.5 - 0.25],
            ],
            L::BoundarySeeking => [
                half(&R, &|r| -sigmoid(-r)),
                half(&F, &sigmoid),
                half(&F, &|f| f),
            ],
            L::Softmax => {
                let z: f64 = R.iter().chain(&F).map(|x| x.exp()).sum();
                [
                    R.map(|r| r.exp() / z - 0.5).to_vec(),
                    F.map(|f| f.exp() / z).to_vec(),
                    F.map(|f| f.exp() / z - 0.25).to_vec(),
                ]
            }
            // f = −1 has just the energy of the margin: no push.
            L::EnergyBased { .. } => [vec![-0.5, -0.5], vec![0.5, 0.0], vec![-0.5, -0.5]],
        };
        for loss in L::ALL {
            for (got, want) in gradients(&loss).iter().zip(expected(loss)) {
                for (got, want) in got.iter().zip(&want) {
                    close(*got, *want, &loss);
                }
            }
        }
    }

    #[test]
    fn the_critic_parts_the_scores_and_the_generator_raises_its_own() {
        for loss in AdversarialLoss::ALL {
            let r = column(&[0.3, -0.2]).require_grad();
            let f = column(&[0.1, -0.4]).require_grad();
            let grads = loss.critic_loss(r.clone(), f.clone()).backward();
            assert!(
                values(r.grad(&grads).unwrap()).iter().all(|g| *g < 0.0),
                "{loss:?}"
            );
            if loss != AdversarialLoss::LeastSquares {
                assert!(
                    values(f.grad(&grads).unwrap()).iter().all(|g| *g > 0.0),
                    "{loss:?}"
                );
            }
            // These two draw scores to where the critic cannot decide, from both sides.
            if matches!(
                loss,
                AdversarialLoss::BoundarySeeking | AdversarialLoss::Softmax
            ) {
                continue;
            }
            let grads = loss.generator_loss(Some(r.detach()), f.clone()).backward();
            assert!(
                values(f.grad(&grads).unwrap()).iter().all(|g| *g < 0.0),
                "{loss:?}"
            );
        }
    }

    #[test]
    fn extreme_scores_have_finite_losses_and_gradients() {
        for loss in AdversarialLoss::ALL {
            for (r, f) in [(100.0, -100.0), (-100.0, 100.0), (100.0, 100.0), (0.0, 0.0)] {
                let (r, f) = (column(&[r]).require_grad(), column(&[f]).require_grad());
                let critic = loss.critic_loss(r.clone(), f.clone());
                let generator = loss.generator_loss(Some(r.clone().detach()), f.clone());
                assert!(scalar(critic.clone()).is_finite(), "{loss:?}");
                assert!(scalar(generator.clone()).is_finite(), "{loss:?}");
                let grads = (critic + generator).backward();
                assert!(values(r.grad(&grads).unwrap())[0].is_finite(), "{loss:?}");
                assert!(values(f.grad(&grads).unwrap())[0].is_finite(), "{loss:?}");
            }
        }
        let lost = AdversarialLoss::NonSaturating.generator_loss(None, column(&[-100.0]));
        close(scalar(lost), 100.0, &"a lost generator");
    }

    #[test]
    fn smoothing_moves_the_optimum_of_real_scores_and_nothing_else() {
        let smoothed = AdversarialLoss::NonSaturating
            .with_label_smoothing(0.1)
            .unwrap();
        let best = (0.9f64 / 0.1).ln() as f32; // σ(best) = 0.9
        let r = column(&[best]).require_grad();
        let grads = smoothed.critic_loss(r.clone(), column(&[0.7])).backward();
        close(
            values(r.grad(&grads).unwrap())[0],
            0.0,
            &"gradient at the optimum",
        );
        let (plain, f) = (AdversarialLoss::NonSaturating, column(&[0.7]));
        let (a, b) = (
            smoothed.generator_loss(None, f.clone()),
            plain.generator_loss(None, f),
        );
        close(scalar(a), scalar(b), &"generator");
        let squares = AdversarialLoss::LeastSquares
            .with_label_smoothing(0.25)
            .unwrap();
        close(
            scalar(squares.critic_loss(column(&[0.75]), column(&[0.0]))),
            0.0,
            &"squares",
        );
        let pairs = AdversarialLoss::Relativistic
            .with_label_smoothing(0.1)
            .unwrap();
        let by_hand = 0.9 * sp(-1.5) + 0.1 * sp(1.5);
        close(
            scalar(pairs.critic_loss(column(&[2.0]), column(&[0.5]))),
            by_hand,
            &"pairs",
        );
    }

    #[test]
    fn smoothing_refuses_what_makes_no_sense() {
        for bad in [-0.1, 1.0, f64::NAN, f64::INFINITY] {
            assert!(
                AdversarialLoss::NonSaturating
                    .with_label_smoothing(bad)
                    .is_err()
            );
        }
        let error = AdversarialLoss::Hinge
            .with_label_smoothing(0.1)
            .unwrap_err();
        assert!(error.to_string().contains("no targets"), "{error}");
        assert!(AdversarialLoss::Hinge.with_label_smoothing(0.0).is_ok());
        let error = AdversarialLoss::EnergyBased { margin: 0.0 }
            .with_label_smoothing(0.0)
            .unwrap_err();
        assert_eq!(error.field, "loss.margin");
    }

    #[test]
    fn names_in_files_are_snake_case() {
        let names = AdversarialLoss::ALL.map(|loss| serde_json::to_string(&loss).unwrap());
        assert_eq!(names[0], "\"non_saturating\"");
        assert_eq!(names[6], "\"relativistic_average\"");
        assert_eq!(names[11], r#"{"energy_based":{"margin":1.0}}"#);
        for (name, loss) in names.iter().zip(AdversarialLoss::ALL) {
            assert_eq!(serde_json::from_str::<AdversarialLoss>(name).unwrap(), loss);
        }
    }

    #[test]
    #[should_panic(expected = "needs the scores of real samples")]
    fn a_relativistic_generator_needs_real_scores() {
        let _ = AdversarialLoss::Relativistic.generator_loss(None, column(&[0.0]));
    }

    /// Scores 2 above those of the other side mean σ(2) = 0.8808, whatever is added to all of them.
    #[test]
    fn beliefs_are_probabilities_where_scores_mean_that() {
        let device = Device::flex();
        for shift in [0.0, 100.0] {
            let real = Tensor::from_floats([[3.0 + shift], [3.0 + shift]], &device);
            let fake = Tensor::from_floats([[1.0 + shift], [1.0 + shift]], &device);
            let (real, fake) = AdversarialLoss::RelativisticAverage.beliefs(real, fake);
            assert!((real.into_scalar::<f32>() - 0.880_797).abs() < 1e-4);
            assert!((fake.into_scalar::<f32>() - 0.119_203).abs() < 1e-4);
        }
        let score = || Tensor::<2>::from_floats([[2.0]], &device);
        let (real, _) = AdversarialLoss::NonSaturating.beliefs(score(), score());
        assert!((real.into_scalar::<f32>() - 0.880_797).abs() < 1e-5);
        let (real, _) = AdversarialLoss::Hinge.beliefs(score(), score());
        assert_eq!(real.into_scalar::<f32>(), 2.0);
    }
}
