//! The game of two players who know classes or codes.

mod parts;
mod verdicts;

use burn::prelude::*;

use self::parts::{CriticStep, Rows, Samples};
use super::gan::terms::{Ask, Seen, Terms};
use super::gan::{Draws, unless_broken};
use super::pair::{Pair, part_size};
use super::{Clock, Ema, Game, GanConfig, Player, Report, SampleRequest, State, StateError};
use crate::error::ConfigError;
use crate::loss::Objective;
use crate::nn::{ClassCritic, Generator, one_hot};
use crate::rng::Stream;
use crate::sample::Condition;

/// Pictures and their classes.
#[derive(Clone, Debug)]
pub struct ClassBatch {
    /// `[batch, channels, height, width]` in `[-1, 1]`.
    pub images: Tensor<4>,
    /// `[batch]`; −1 where the class is not known. `None` for games that need no labels.
    pub labels: Option<Tensor<1, Int>>,
}

/// A generator of pictures of a class against a critic who knows the class, after
/// [Conditional Generative Adversarial Nets](https://arxiv.org/abs/1411.1784); with other
/// [heads](crate::nn::LabelHead) ACGAN, InfoGAN, projection and contrastive critics.
///
/// The generator takes rows `latent ‖ condition`, so that [`SampleRequest::latents`] says what is to
/// be drawn. Every critic step gets a part of the batch with its labels, and as many generated
/// pictures of random classes; the generator step draws random classes again. All terms and
/// augmentations of [`Gan`](super::Gan) are played; heads see pictures as augmented as the critic does.
///
/// Reported is what [`Gan`](super::Gan) reports, and
///
/// | name | meaning |
/// | --- | --- |
/// | `critic_class`, `generator_class` | what they minimise beside the adversarial loss, for heads that have a loss |
/// | `critic_real` | what the critic learns from real pictures [alone](ClassCritic::real_loss), if anything |
///
/// A loss or a gradient that is not finite moves nobody.
#[derive(Debug)]
pub struct ClassGan<G: Generator<4>, C: ClassCritic> {
    config: GanConfig,
    condition: Condition,
    objective: Box<dyn Objective>,
    pair: Pair<G, C>,
    terms: Terms<G, C>,
}

impl<G: Generator<4>, C: ClassCritic> ClassGan<G, C> {
    /// A game that has not begun. Both modules live on one device with `autodiff()`.
    /// [`GanConfig::latent`] is without the condition.
    ///
    /// # Errors
    ///
    /// If the configuration or the condition is not valid, or the generator takes rows of another size.
    ///
    /// # Panics
    ///
    /// Panics if the generator has no parameters or was made on a device without autodiff.
    pub fn new(
        config: GanConfig,
        condition: Condition,
        generator: G,
        critic: C,
    ) -> Result<Self, ConfigError> {
        condition.validate()?;
        config.validate_with_classes(condition)?;
        let row_size = config.latent.size() + condition.width();
        let pair = Pair::new(&config, row_size, generator, critic)?;
        let (generator, critic) = (pair.generator.module(), pair.critic.module());
        Ok(Self {
            objective: config.objective(&pair.device)?,
            terms: Terms::new(&config, generator, critic, &pair.device),
            pair,
            condition,
            config,
        })
    }

    /// How the two play.
    pub fn config(&self) -> &GanConfig {
        &self.config
    }

    /// What the generator is told.
    pub fn condition(&self) -> Condition {
        self.condition
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

    /// The critic learns to tell `real` from what the generator makes now, and what its head learns.
    fn critic_step(
        &mut self,
        real: Samples,
        clock: &Clock,
        draws: &mut Draws,
        classes: &mut Stream,
    ) -> CriticStep {
        self.pair.begin_critic_step();
        let rows = self.rows(real.images.dims()[0], draws, classes);
        let images = self.pair.generator.opponent().generate(rows.row());
        let mut noisy = |images: Tensor<4>, classes: &Tensor<2>| Samples {
            images: draws.add_noise(images),
            classes: classes.clone(),
        };
        let fake = noisy(images, &rows.classes);
        let real = noisy(real.images, &real.classes);
        let seen = [&real, &fake].map(|samples| samples.changed(|x| draws.warp(x)));
        let ((on_real, on_fake), penalty) = self.judge_both(&seen, [&real, &fake], clock, draws);
        let critic = self.pair.critic.module();
        let scores = [&on_real, &on_fake].map(|verdict| verdict.score.primal.clone());
        let [r, f] = scores.clone();
        let mut loss = self.objective.critic_loss(r.clone(), f);
        if let Some(share) = self.config.mismatched {
            let verdict = self.judge_mismatched(&seen[0], &mut draws.mismatched);
            let mismatched = self.objective.critic_loss(r, verdict.score.primal);
            loss = loss * (1.0 - share) + mismatched * share;
        }
        let reported = loss.clone().inner();
        let class = critic.critic_class_loss((&on_real, &real.classes), (&on_fake, &fake.classes));
        let alone = critic.real_loss(&real.images, &mut draws.alone);

        let terms = self.critic_terms(scores.clone(), seen, rows.latents, clock, draws);
        let mut total = loss;
        for term in [&class, &alone, &terms].into_iter().flatten() {
            total = total + term.clone();
        }
        if let Some(penalty) = &penalty {
            total = total + penalty.surrogate.clone();
        }
        let step = self.pair.move_critic(unless_broken(total));
        let [r, f] = scores.map(Tensor::inner);
        let beliefs = self.objective.beliefs(r.clone(), f.clone());
        self.objective.observe(r.clone(), f.clone());
        self.terms.observe(r, f);
        CriticStep {
            loss: reported,
            class: class.map(Tensor::inner),
            alone: alone.map(Tensor::inner),
            beliefs,
            penalty: penalty.map(|penalty| penalty.value),
            terms: terms.map(Tensor::inner),
            gradient_norm: step.gradient_norm,
        }
    }

    /// What the critic minimises besides, asked about the same classes again.
    fn critic_terms(
        &self,
        scores: [Tensor<2>; 2],
        [real, fake]: [Samples; 2],
        latents: Tensor<2>,
        clock: &Clock,
        draws: &mut Draws,
    ) -> Option<Tensor<1>> {
        let critic = self.pair.critic.module();
        let score = |x: Tensor<4>, y: &Tensor<2>| critic.judge(x.into(), y).score.primal;
        let ask = Ask {
            real: &|x| score(x, &real.classes),
            fake: &|x| score(x, &fake.classes),
            generate: &|latents| {
                let row = Tensor::cat(vec![latents, fake.classes.clone()], 1);
                self.pair.generator.opponent().generate(row)
            },
        };
        let seen = Seen {
            scores,
            samples: [real.images.clone(), fake.images.clone()],
            latents,
        };
        self.terms.of_critic(critic, seen, &ask, clock, draws)
    }

    /// The generator learns to please the critic. `healthy` is 1, or NaN if it must not move.
    fn generator_step(
        &mut self,
        real: Samples,
        healthy: Tensor<1>,
        clock: &Clock,
        (draws, classes): (&mut Draws, &mut Stream),
        report: Report,
    ) -> Report {
        let rows = self.rows(real.images.dims()[0], draws, classes);
        let generator = self.pair.generator.module();
        let fake = generator.generate(rows.row());
        let noisy = draws.add_noise(fake.clone());
        let critic = self.pair.critic.opponent();
        let needs_real =
            self.objective.needs_real_for_generator() || self.config.feature_matching.is_some();
        let on_real = needs_real.then(|| {
            let images = draws.add_noise(real.images);
            critic.judge(draws.warp(images).into(), &real.classes)
        });
        let seen = draws.warp(noisy);
        let on_fake = critic.judge(seen.clone().into(), &rows.classes);
        let best = match self.config.top_k {
            Some(top_k) => top_k.select(on_fake.score.primal.clone(), clock),
            None => on_fake.score.primal.clone(),
        };
        let features = [on_real.as_ref(), Some(&on_fake)]
            .map(|verdict| verdict.map(|verdict| verdict.features.clone()));
        let on_real = on_real.map(|verdict| verdict.score.primal);
        let loss = self.objective.generator_loss(on_real, best);
        let mut report = report.with("generator", loss.clone());
        let mut total = loss;
        if let Some(class) = critic.generator_class_loss(&seen, &on_fake, &rows.classes) {
            report = report.with("generator_class", class.clone());
            total = total + class;
        }
        let generate = |latents| {
            let row = Tensor::cat(vec![latents, rows.classes.clone()], 1);
            generator.generate(row)
        };
        let made = (fake, rows.latents.clone());
        let terms = self
            .terms
            .of_generator(generator, features, made, generate, draws);
        if let Some(terms) = terms {
            report = report.with("generator_terms", terms.clone());
            total = total + terms;
        }
        let total = unless_broken(total) * Tensor::from_inner(healthy);
        let step = self.pair.generator.minimize(total);
        report.with("generator_gradient", step.gradient_norm)
    }

    fn rows(&self, count: usize, draws: &mut Draws, classes: &mut Stream) -> Rows {
        let device = &self.pair.device;
        Rows {
            latents: self.config.latent.draw(count, &mut draws.latents, device),
            classes: self.condition.draw(count, classes, device),
        }
    }

    /// The conditions of real pictures; zeros where nobody knows them.
    fn real_classes(&self, batch: &ClassBatch) -> Tensor<2> {
        let images = batch.images.dims()[0];
        let classes = match (&self.condition, &batch.labels) {
            (Condition::Classes { count }, Some(labels)) => one_hot(labels.clone().inner(), *count),
            (Condition::Classes { .. }, None) => {
                panic!("a game of classes needs pictures with labels")
            }
            (Condition::Code { .. }, _) => {
                let device = self.pair.device.clone().without_autodiff();
                Tensor::zeros([images, self.condition.width()], &device)
            }
        };
        Tensor::from_inner(classes)
    }
}

impl<G: Generator<4>, C: ClassCritic> Game for ClassGan<G, C> {
    type Batch = ClassBatch;

    /// # Panics
    ///
    /// Panics if the batch has fewer pictures than there are critic steps, or no labels where the
    /// condition is a class.
    fn round(&mut self, batch: ClassBatch, clock: &Clock) -> Report {
        let images = Self::batch_size(&batch);
        let steps = self.config.critic_steps;
        let part = part_size(images, steps);
        let classes = self.real_classes(&batch);
        let pictures = Tensor::from_inner(batch.images.inner());
        self.pair.begin_round(clock);
        self.pair.critic.change(|critic| critic.begin_round(clock));
        let mut draws = Draws::new(&self.config, clock);
        draws.warp = self.terms.draw_warp(part, pictures.dims(), clock);
        let mut random_classes = clock.stream("classes");

        let mut healthy = Tensor::ones([1], &pictures.device().without_autodiff());
        let mut last = None;
        for step in 0..steps {
            let real = || Samples {
                images: pictures.clone().narrow(0, step * part, part),
                classes: classes.clone().narrow(0, step * part, part),
            };
            let critic = self.critic_step(real(), clock, &mut draws, &mut random_classes);
            healthy = healthy + critic.gradient_norm.clone() * 0.0;
            last = Some((real(), critic));
        }
        let (real, critic) = last.expect("validated to be one step or more");
        let mut report = Report::default()
            .with("critic", critic.loss)
            .with("d_real", critic.beliefs.0)
            .with("d_fake", critic.beliefs.1);
        for (name, value) in [
            ("critic_class", critic.class),
            ("critic_real", critic.alone),
            ("penalty", critic.penalty),
            ("critic_terms", critic.terms),
            ("augment_p", self.terms.augment_probability()),
        ] {
            if let Some(value) = value {
                report = report.with(name, value);
            }
        }
        for (name, value) in self.objective.readings() {
            report = report.with(name, value);
        }
        report = report.with("critic_gradient", critic.gradient_norm);
        let random = (&mut draws, &mut random_classes);
        report = self.generator_step(real, healthy, clock, random, report);
        self.terms
            .end_round(self.pair.generator.module(), self.pair.critic.module());
        self.pair.follow(clock, images);
        report
    }

    fn batch_size(batch: &ClassBatch) -> usize {
        batch.images.dims()[0]
    }

    /// Latent and condition.
    fn latent_size(&self) -> usize {
        self.config.latent.size() + self.condition.width()
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
