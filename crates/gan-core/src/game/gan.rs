//! The game of two players: any generator, any critic, any adversarial loss.

mod config;
mod draws;
mod scores;
pub(super) mod terms;

use burn::module::Module;
use burn::prelude::*;

pub use config::{GanConfig, InstanceNoise};

pub(super) use self::draws::Draws;
use self::terms::{Ask, Seen, Terms};
use super::pair::{Pair, part_size};
use super::{Clock, Ema, Game, Player, Report, SampleRequest, State, StateError};
use crate::error::ConfigError;
use crate::loss::Objective;
use crate::nn::{Critic, Generator};

/// A generator against a critic, Algorithm 1 of
/// [Generative Adversarial Networks](https://arxiv.org/abs/1406.2661) and its descendants.
///
/// A batch is a tensor of real samples, `[batch, …]`. It is split into `critic_steps` equal parts, and
/// every part is compared with as many generated samples from fresh latents; a remainder is dropped.
/// Then the generator takes one step, on as many fresh latents as a part has samples, or on
/// [those](GanConfig::shared_batch) of the last part.
///
/// Reported, each from the last critic step of the round and the generator step:
///
/// | name | meaning |
/// | --- | --- |
/// | `critic`, `generator` | the adversarial losses, without penalty |
/// | `d_real`, `d_fake` | what the critic [believes](Objective::beliefs) of real and generated samples: a probability for the cross-entropy and relativistic losses, the mean score for all others |
/// | `penalty` | value of the penalty, only in rounds that have one |
/// | `critic_terms`, `generator_terms` | all that is added to the losses besides, with its weights, where there is something |
/// | `augment_p` | probability of a change, with adaptive augmentation |
/// | [readings](Objective::readings) of the loss | where it has a state |
/// | `critic_gradient`, `generator_gradient` | norms before clipping |
///
/// Layers with [spectral normalisation](crate::nn::SpectralNorm) improve their estimate before each critic step, and
/// those of the generator once in a round. Augmentation is drawn once for all critic steps and the generator's step.
///
/// A loss or a gradient that is not finite moves nobody: after a bad critic step the generator does
/// not move either, and its gradient is reported as NaN.
#[derive(Debug)]
pub struct Gan<G: Module, C: Module, const D: usize> {
    config: GanConfig,
    objective: Box<dyn Objective>,
    pair: Pair<G, C>,
    terms: Terms<G, C>,
}

/// What a generator step has to say; all `[1]` and off the tape.
struct GeneratorStep {
    loss: Tensor<1>,
    terms: Option<Tensor<1>>,
    gradient_norm: Tensor<1>,
}

/// Samples of the last critic step that the generator learns from.
struct Shared<const D: usize> {
    latents: Tensor<2>,
    /// On the tape.
    fake: Tensor<D>,
    on_real: Tensor<2>,
}

/// What a critic step has to say; all `[1]` and off the tape.
struct CriticStep {
    loss: Tensor<1>,
    d_real: Tensor<1>,
    d_fake: Tensor<1>,
    penalty: Option<Tensor<1>>,
    terms: Option<Tensor<1>>,
    gradient_norm: Tensor<1>,
}

impl<G: Generator<D>, C: Critic<D>, const D: usize> Gan<G, C, D> {
    /// A game that has not begun. Both modules live on one device with `autodiff()`.
    ///
    /// # Errors
    ///
    /// If the configuration is [not valid](GanConfig::validate), its latent size is not the
    /// generator's, or it asks for what only pictures or critics with features have.
    ///
    /// # Panics
    ///
    /// Panics if the generator has no parameters or was made on a device without autodiff.
    pub fn new(config: GanConfig, generator: G, critic: C) -> Result<Self, ConfigError> {
        config.validate_without_classes()?;
        if let (Some(field), true) = (config.needs_pictures(), D != 4) {
            let allowed = "left out: it needs pictures [batch, channels, height, width]";
            return Err(ConfigError::new(field, "on", allowed));
        }
        if let (Some(field), false) = (config.needs_features(), critic.has_features()) {
            let allowed = "left out, or the critic must implement `score_with_features`";
            return Err(ConfigError::new(field, "on", allowed));
        }
        let pair = Pair::new(&config, config.latent.size(), generator, critic)?;
        let (generator, critic) = (pair.generator.module(), pair.critic.module());
        Ok(Self {
            objective: config.objective(&pair.device)?,
            terms: Terms::new(&config, generator, critic, &pair.device),
            config,
            pair,
        })
    }

    /// Plays for another objective than [`GanConfig::loss`]; label smoothing is then its own matter.
    #[must_use]
    pub fn with_objective(mut self, objective: impl Objective + 'static) -> Self {
        self.objective = Box::new(objective);
        self
    }

    /// How the two play.
    pub fn config(&self) -> &GanConfig {
        &self.config
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

    /// The critic learns to tell `real` from what the generator makes now, and keeps it if told so.
    fn critic_step(
        &mut self,
        real: Tensor<D>,
        keeps: bool,
        clock: &Clock,
        draws: &mut Draws,
    ) -> (CriticStep, Option<Shared<D>>) {
        self.pair.begin_critic_step();
        let latents = self.latents(real.dims()[0], draws);
        let (fake, on_tape) = self.make(latents.clone(), keeps);
        let (real, fake) = (draws.add_noise(real), draws.add_noise(fake));
        let seen = [&real, &fake].map(|x| draws.warp(x.clone()));
        let (scores, penalty) = self.judge_both(seen.clone(), [real, fake], clock, draws);
        let [on_real, on_fake] = scores;
        let scores = [&on_real, &on_fake].map(|scores| scores.clone().inner());
        let shared = on_tape.map(|fake| Shared {
            latents: latents.clone(),
            fake,
            on_real: on_real.clone().detach(),
        });
        let loss = self.objective.critic_loss(on_real.clone(), on_fake.clone());
        let reported = loss.clone().inner();

        let critic = self.pair.critic.module();
        let score = |x: Tensor<D>| critic.score(x.into()).primal;
        let ask = Ask {
            real: &score,
            fake: &score,
            generate: &|latents| self.pair.generator.opponent().generate(latents),
        };
        let seen = Seen {
            scores: [on_real, on_fake],
            samples: seen,
            latents,
        };
        let terms = self.terms.of_critic(critic, seen, &ask, clock, draws);
        let mut total = loss;
        if let Some(terms) = &terms {
            total = total + terms.clone();
        }
        if let Some(penalty) = &penalty {
            total = total + penalty.surrogate.clone();
        }
        let step = self.pair.move_critic(unless_broken(total));
        let [real, fake] = scores;
        let (d_real, d_fake) = self.objective.beliefs(real.clone(), fake.clone());
        self.objective.observe(real.clone(), fake.clone());
        self.terms.observe(real, fake);
        let step = CriticStep {
            loss: reported,
            d_real,
            d_fake,
            penalty: penalty.map(|penalty| penalty.value),
            terms: terms.map(Tensor::inner),
            gradient_norm: step.gradient_norm,
        };
        (step, shared)
    }

    /// What the generator makes now, off the tape; and the same on it, if that is kept.
    fn make(&self, latents: Tensor<2>, keeps: bool) -> (Tensor<D>, Option<Tensor<D>>) {
        if !keeps {
            return (self.pair.generator.opponent().generate(latents), None);
        }
        let fake = self.pair.generator.module().generate(latents);
        (fake.clone().detach(), Some(fake))
    }

    /// The generator learns to please the critic. `healthy` is 1, or NaN if the generator must not move.
    fn generator_step(
        &mut self,
        real: Tensor<D>,
        shared: Option<Shared<D>>,
        healthy: Tensor<1>,
        clock: &Clock,
        draws: &mut Draws,
    ) -> GeneratorStep {
        let (latents, fake, seen_before) = match shared {
            Some(shared) => (shared.latents, shared.fake, Some(shared.on_real)),
            None => {
                let latents = self.latents(real.dims()[0], draws);
                let fake = self.pair.generator.module().generate(latents.clone());
                (latents, fake, None)
            }
        };
        let critic = self.pair.critic.opponent();
        let noisy = draws.add_noise(fake.clone());
        let needs_features = self.config.feature_matching.is_some();
        let needs_real = self.objective.needs_real_for_generator() || needs_features;
        let on_real = needs_real.then(|| match seen_before {
            Some(scores) if !needs_features => (scores, None),
            _ => {
                let real = draws.add_noise(real);
                self.judge(&critic, draws.warp(real))
            }
        });
        let on_fake = self.judge(&critic, draws.warp(noisy));
        let features = [
            on_real.as_ref().and_then(|on_real| on_real.1.clone()),
            on_fake.1,
        ];
        let best = match self.config.top_k {
            Some(top_k) => top_k.select(on_fake.0, clock),
            None => on_fake.0,
        };
        let loss = self
            .objective
            .generator_loss(on_real.map(|(scores, _)| scores), best);
        let reported = loss.clone().inner();
        let generator = self.pair.generator.module();
        let generate = |latents| generator.generate(latents);
        let made = (fake, latents);
        let terms = self
            .terms
            .of_generator(generator, features, made, generate, draws);
        let mut total = loss;
        if let Some(terms) = &terms {
            total = total + terms.clone();
        }
        let total = unless_broken(total) * Tensor::from_inner(healthy);
        let step = self.pair.generator.minimize(total);
        GeneratorStep {
            loss: reported,
            terms: terms.map(Tensor::inner),
            gradient_norm: step.gradient_norm,
        }
    }

    /// Scores, and features where something is made of them.
    fn judge(&self, critic: &C, x: Tensor<D>) -> (Tensor<2>, Option<Tensor<2>>) {
        if self.config.needs_features().is_none() {
            return (critic.score(x.into()).primal, None);
        }
        let (scores, features) = critic.score_with_features(x.into());
        (scores.primal, features.map(|features| features.primal))
    }

    fn latents(&self, count: usize, draws: &mut Draws) -> Tensor<2> {
        self.config
            .latent
            .draw(count, &mut draws.latents, &self.pair.device)
    }
}

impl<G: Generator<D>, C: Critic<D>, const D: usize> Game for Gan<G, C, D> {
    type Batch = Tensor<D>;

    /// Algorithm 1 of Goodfellow et al. (2014).
    ///
    /// # Panics
    ///
    /// Panics if the batch has fewer samples than there are critic steps.
    fn round(&mut self, batch: Tensor<D>, clock: &Clock) -> Report {
        let images = Self::batch_size(&batch);
        let part = part_size(images, self.config.critic_steps);
        let batch = Tensor::from_inner(batch.inner());
        self.pair.begin_round(clock);
        let mut draws = Draws::new(&self.config, clock);
        draws.warp = self.terms.draw_warp(part, batch.dims(), clock);

        let mut healthy = Tensor::ones([1], &batch.device().without_autodiff());
        let mut last = None;
        for step in 0..self.config.critic_steps {
            let real = batch.clone().narrow(0, step * part, part);
            let keeps = self.config.shared_batch && step + 1 == self.config.critic_steps;
            let (critic, shared) = self.critic_step(real.clone(), keeps, clock, &mut draws);
            healthy = healthy + critic.gradient_norm.clone() * 0.0;
            last = Some((real, critic, shared));
        }
        let (real, critic, shared) = last.expect("validated to be one step or more");
        let generator = self.generator_step(real, shared, healthy, clock, &mut draws);
        self.terms
            .end_round(self.pair.generator.module(), self.pair.critic.module());
        self.pair.follow(clock, images);

        let mut report = Report::default()
            .with("critic", critic.loss)
            .with("generator", generator.loss)
            .with("d_real", critic.d_real)
            .with("d_fake", critic.d_fake);
        for (name, value) in [
            ("penalty", critic.penalty),
            ("critic_terms", critic.terms),
            ("generator_terms", generator.terms),
            ("augment_p", self.terms.augment_probability()),
        ] {
            if let Some(value) = value {
                report = report.with(name, value);
            }
        }
        for (name, value) in self.objective.readings() {
            report = report.with(name, value);
        }
        report
            .with("critic_gradient", critic.gradient_norm)
            .with("generator_gradient", generator.gradient_norm)
    }

    fn batch_size(batch: &Tensor<D>) -> usize {
        batch.dims()[0]
    }

    fn latent_size(&self) -> usize {
        self.config.latent.size()
    }

    /// Samples of rank 4 as they are; others become pictures `[count, 1, 1, values]`.
    fn sample(&self, request: &SampleRequest) -> Tensor<4> {
        let samples: Tensor<D> = self.pair.draw(request.latents.clone(), request.averaged);
        let dims = samples.dims();
        if D == 4 {
            samples.reshape([dims[0], dims[1], dims[2], dims[3]])
        } else {
            samples.reshape([dims[0], 1, 1, dims[1..].iter().product()])
        }
    }

    fn use_standing_statistics(&mut self, latents: &[Tensor<2>], averaged: bool) -> bool {
        self.pair.use_standing_statistics::<D>(latents, averaged)
    }

    fn state(&self) -> State {
        let mut state = self.pair.state();
        self.objective.save(&mut state);
        self.terms.save(&mut state);
        state
    }

    fn restore(&mut self, state: &State) -> Result<(), StateError> {
        self.pair.restore(state)?;
        self.objective.load(state)?;
        self.terms.load(state)
    }

    fn scale_learning_rate(&mut self, factor: f64) {
        self.pair.scale_learning_rate(factor);
    }

    fn parameter_counts(&self) -> Vec<(&'static str, usize)> {
        self.pair.parameter_counts()
    }
}

/// The loss, with a gradient that is NaN if its value is not finite: an infinite loss can have a
/// finite gradient, and must not move anybody either.
pub(super) fn unless_broken(loss: Tensor<1>) -> Tensor<1> {
    let factor = loss.clone().detach() * 0.0 + 1.0;
    loss * factor
}

#[cfg(test)]
mod terms_tests;
#[cfg(test)]
mod tests;
