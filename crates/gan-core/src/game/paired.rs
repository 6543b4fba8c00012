//! Pictures made of pictures, where it is known what shall come out.

use burn::prelude::*;
use serde::{Deserialize, Serialize};

use super::gan::unless_broken;
use super::pair::Pair;
use super::{
    Clock, Ema, EmaConfig, Game, GanConfig, Player, Report, SampleRequest, State, StateError,
};
use crate::error::ConfigError;
use crate::loss::{AdversarialLoss, Objective};
use crate::nn::{Critic, Generator, check_not_negative};
use crate::optim::{LearningRateSchedule, OptimizerConfig};
use crate::sample::LatentPrior;

/// Sources and what shall be made of them.
#[derive(Clone, Debug)]
pub struct PairedBatch {
    /// `[batch, in_channels, height, width]` in `[-1, 1]`.
    pub sources: Tensor<4>,
    /// `[batch, channels, height, width]` in `[-1, 1]`, in the same order.
    pub targets: Tensor<4>,
}

/// How the two of a [`PairedGan`] play.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PairedConfig {
    /// What each player minimises.
    pub loss: AdversarialLoss,
    /// Weight of the adversarial loss in the generator's, 0 or more; with 0 the generator only
    /// reconstructs. Default: 1.
    #[serde(default = "one")]
    pub adversarial_weight: f64,
    /// Weight `λ` of the mean absolute difference from the target in the generator's loss, 0 or more.
    pub reconstruction_weight: f64,
    /// What moves the generator.
    pub generator_optimizer: OptimizerConfig,
    /// What moves the critic.
    pub critic_optimizer: OptimizerConfig,
    /// How both learning rates change as pictures are shown. Default: not at all.
    #[serde(default)]
    pub learning_rate_schedule: Option<LearningRateSchedule>,
    /// Moving average of the generator, which samples are drawn from. Default: none.
    #[serde(default)]
    pub ema: Option<EmaConfig>,
}

fn one() -> f64 {
    1.0
}

impl PairedConfig {
    /// That of [pix2pix](https://arxiv.org/abs/1611.07004), sections 3.4 and 6.2: the non-saturating loss,
    /// `λ = 100`, and Adam with a learning rate of 2e-4, 0.5 and 0.999.
    ///
    /// The paper halves the critic's loss to slow it down. That is left out: the steps of Adam do not depend on the scale of a loss.
    pub fn pix2pix() -> Self {
        let adam = OptimizerConfig::adam(2e-4, 0.5, 0.999);
        Self {
            loss: AdversarialLoss::NonSaturating,
            adversarial_weight: one(),
            reconstruction_weight: 100.0,
            generator_optimizer: adam,
            critic_optimizer: adam,
            learning_rate_schedule: None,
            ema: None,
        }
    }

    /// The same for a training of `total_kimg` thousand pictures, where a
    /// [schedule](LearningRateSchedule::ending_at) without an end of its own ends.
    #[must_use]
    pub fn ending_at(self, total_kimg: f64) -> Self {
        let end = |schedule: LearningRateSchedule| schedule.ending_at(total_kimg);
        Self {
            learning_rate_schedule: self.learning_rate_schedule.map(end),
            ..self
        }
    }

    /// Its part that every game of two has, for a generator with this noise.
    pub fn two_player(&self, noise: LatentPrior) -> GanConfig {
        GanConfig {
            critic_optimizer: self.critic_optimizer,
            learning_rate_schedule: self.learning_rate_schedule,
            ema: self.ema,
            ..GanConfig::new(self.loss, noise, self.generator_optimizer)
        }
    }

    /// Says what is wrong.
    ///
    /// # Errors
    ///
    /// If a number is not finite or outside its range.
    pub fn validate(&self) -> Result<(), ConfigError> {
        check_not_negative("adversarial_weight", self.adversarial_weight)?;
        check_not_negative("reconstruction_weight", self.reconstruction_weight)?;
        self.two_player(LatentPrior::Uniform { size: 1 }).validate()
    }
}

/// A generator that makes pictures of pictures, against a critic who sees both side by side:
/// [Image-to-Image Translation with Conditional Adversarial Networks](https://arxiv.org/abs/1611.07004),
/// equations 1, 3 and 4.
///
/// The generator takes rows `noise ‖ source`, the source flattened, so that
/// [`SampleRequest::latents`] says what is to be made. The critic takes source and picture one after the other along the
/// channels. In a round the generator makes one picture of each source; the critic takes a step on it,
/// and then the generator one, as in the authors' code.
///
/// | reported | meaning |
/// | --- | --- |
/// | `critic`, `generator` | the adversarial losses |
/// | `d_real`, `d_fake` | what the critic [believes](Objective::beliefs) of targets and of what is made |
/// | `reconstruction` | mean absolute difference from the target, pixels in `[-1, 1]` |
/// | `critic_gradient`, `generator_gradient` | norms |
///
/// A loss or a gradient that is not finite moves nobody.
#[derive(Debug)]
pub struct PairedGan<G: Generator<4>, C: Critic<4>> {
    config: PairedConfig,
    noise: LatentPrior,
    objective: Box<dyn Objective>,
    pair: Pair<G, C>,
}

impl<G: Generator<4>, C: Critic<4>> PairedGan<G, C> {
    /// A game that has not begun. Both modules live on one device with `autodiff()`. `noise` is what
    /// comes before the `source_size` values of a source in the generator's rows.
    ///
    /// # Errors
    ///
    /// If the configuration is not valid, a schedule has no end, or the generator takes other rows.
    ///
    /// # Panics
    ///
    /// Panics if the generator has no parameters or was made on a device without autodiff.
    pub fn new(
        config: PairedConfig,
        noise: LatentPrior,
        source_size: usize,
        generator: G,
        critic: C,
    ) -> Result<Self, ConfigError> {
        config.validate()?;
        let two_player = config.two_player(noise);
        let pair = Pair::new(&two_player, noise.size() + source_size, generator, critic)?;
        Ok(Self {
            objective: two_player.objective(&pair.device)?,
            config,
            noise,
            pair,
        })
    }

    /// The generator.
    pub fn generator(&self) -> &Player<G> {
        &self.pair.generator
    }

    /// The critic.
    pub fn critic(&self) -> &Player<C> {
        &self.pair.critic
    }

    /// The moving average of the generator, if there is one.
    pub fn average(&self) -> Option<&Ema<G>> {
        self.pair.average.as_ref()
    }

    /// The critic learns to tell targets from what is made. What it says is off the tape.
    fn critic_step(&mut self, batch: &PairedBatch, made: Tensor<4>) -> (Report, Tensor<1>) {
        self.pair.begin_critic_step();
        let critic = self.pair.critic.module();
        let judge = |pictures| critic.score(beside(batch, pictures).into()).primal;
        let (real, fake) = (judge(batch.targets.clone()), judge(made.detach()));
        let (d_real, d_fake) = self
            .objective
            .beliefs(real.clone().inner(), fake.clone().inner());
        self.objective
            .observe(real.clone().inner(), fake.clone().inner());
        let loss = self.objective.critic_loss(real, fake);
        let report = Report::default()
            .with("critic", loss.clone())
            .with("d_real", d_real)
            .with("d_fake", d_fake);
        let step = self.pair.critic.minimize(unless_broken(loss));
        (report, step.gradient_norm)
    }
}

/// What the critic sees.
fn beside(batch: &PairedBatch, pictures: Tensor<4>) -> Tensor<4> {
    Tensor::cat(vec![batch.sources.clone(), pictures], 1)
}

impl<G: Generator<4>, C: Critic<4>> Game for PairedGan<G, C> {
    type Batch = PairedBatch;

    fn round(&mut self, batch: PairedBatch, clock: &Clock) -> Report {
        let images = Self::batch_size(&batch);
        let batch = PairedBatch {
            sources: Tensor::from_inner(batch.sources.inner()),
            targets: Tensor::from_inner(batch.targets.inner()),
        };
        self.pair.begin_round(clock);
        let noise = &mut clock.stream("latents");
        let noise = self.noise.draw(images, noise, &self.pair.device);
        let rows = Tensor::cat(vec![noise, batch.sources.clone().flatten(1, 3)], 1);
        let made = self.pair.generator.module().generate(rows);
        let (report, critic_gradient) = self.critic_step(&batch, made.clone());

        // The generator pleases the critic and comes close to the target.
        let critic = self.pair.critic.opponent();
        let score = |pictures| critic.score(beside(&batch, pictures).into()).primal;
        let on_made = score(made.clone());
        let needs_real = self.objective.needs_real_for_generator();
        let on_real = needs_real.then(|| score(batch.targets.clone()));
        let loss = self.objective.generator_loss(on_real, on_made);
        let difference = (made - batch.targets.clone()).abs().mean();
        let report = report
            .with("generator", loss.clone())
            .with("reconstruction", difference.clone());
        let total =
            loss * self.config.adversarial_weight + difference * self.config.reconstruction_weight;
        let healthy = critic_gradient.clone() * 0.0 + 1.0;
        let total = unless_broken(total) * Tensor::from_inner(healthy);
        let step = self.pair.generator.minimize(total);
        self.pair.follow(clock, images);
        report
            .with("critic_gradient", critic_gradient)
            .with("generator_gradient", step.gradient_norm)
    }

    fn batch_size(batch: &PairedBatch) -> usize {
        batch.targets.dims()[0]
    }

    /// That of a row, with the source.
    fn latent_size(&self) -> usize {
        self.pair.generator.module().latent_size()
    }

    fn sample(&self, request: &SampleRequest) -> Tensor<4> {
        self.pair.draw(request.latents.clone(), request.averaged)
    }

    fn use_standing_statistics(&mut self, latents: &[Tensor<2>], averaged: bool) -> bool {
        self.pair.use_standing_statistics::<4>(latents, averaged)
    }

    fn state(&self) -> State {
        let mut state = self.pair.state();
        self.objective.save(&mut state);
        state
    }

    fn restore(&mut self, state: &State) -> Result<(), StateError> {
        self.pair.restore(state)?;
        self.objective.load(state)
    }

    fn scale_learning_rate(&mut self, factor: f64) {
        self.pair.scale_learning_rate(factor);
    }

    fn parameter_counts(&self) -> Vec<(&'static str, usize)> {
        self.pair.parameter_counts()
    }
}

#[cfg(test)]
mod tests;
