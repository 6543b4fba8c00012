//! The game of two players who know classes or codes.

use burn::prelude::*;

use super::gan::{Draws, unless_broken};
use super::pair::{Pair, part_size};
use super::{Clock, Ema, Game, GanConfig, Player, Report, SampleRequest, State, StateError};
use crate::error::ConfigError;
use crate::loss::Objective;
use crate::nn::{BoundCritic, ClassCritic, Critic, Generator, Verdict, one_hot};
use crate::penalty::{
    Penalty, PenaltyPoints, clip_weights, judge_and_penalize, orthogonal_penalty,
};
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
/// pictures of random classes; the generator step draws random classes again.
///
/// Reported is what [`Gan`](super::Gan) reports, and
///
/// | name | meaning |
/// | --- | --- |
/// | `critic_class`, `generator_class` | what they minimise beside the adversarial loss, for heads that have a loss |
///
/// A loss or a gradient that is not finite moves nobody.
#[derive(Debug)]
pub struct ClassGan<G: Generator<4>, C: ClassCritic> {
    config: GanConfig,
    condition: Condition,
    objective: Box<dyn Objective>,
    pair: Pair<G, C>,
}

/// What a critic step has to say; all `[1]` and off the tape.
struct CriticStep {
    loss: Tensor<1>,
    class: Option<Tensor<1>>,
    beliefs: (Tensor<1>, Tensor<1>),
    penalty: Option<Tensor<1>>,
    gradient_norm: Tensor<1>,
}

/// Pictures on the tape's device, and their conditions, `[batch, width]`.
struct Samples {
    images: Tensor<4>,
    classes: Tensor<2>,
}

impl<G: Generator<4>, C: ClassCritic> ClassGan<G, C> {
    /// A game that has not begun. Both modules live on one device with `autodiff()`.
    /// [`GanConfig::latent`] is without the condition.
    ///
    /// # Errors
    ///
    /// If the configuration or the condition is not valid, the generator takes rows of another size,
    /// or the configuration has a term that this game does not play: augmentation, drift, LeCam,
    /// consistency, historical averages, feature matching, pulling away, top-k.
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
        refuse_unplayed(&config)?;
        let row_size = config.latent.size() + condition.width();
        let smoothing = config.label_smoothing.unwrap_or(0.0);
        Ok(Self {
            pair: Pair::new(&config, row_size, generator, critic)?,
            objective: Box::new(config.loss.with_label_smoothing(smoothing)?),
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
        let rows = self.rows(real.images.dims()[0], draws, classes);
        let images = self.pair.generator.opponent().generate(rows.row());
        let fake = Samples {
            images: draws.add_noise(images),
            classes: rows.classes,
        };
        let real = Samples {
            images: draws.add_noise(real.images),
            ..real
        };
        let critic = self.pair.critic.module();
        let (on_real, on_fake) = judge_both(critic, &real, &fake);
        let (r, f) = (on_real.score.primal.clone(), on_fake.score.primal.clone());
        let beliefs = self.objective.beliefs(r.clone().inner(), f.clone().inner());
        let loss = self.objective.critic_loss(r, f);
        let reported = loss.clone().inner();
        let class = critic.critic_class_loss((&on_real, &real.classes), (&on_fake, &fake.classes));

        let penalty = self.penalty(real, fake, clock, draws);
        let mut total = loss;
        if let Some(class) = &class {
            total = total + class.clone();
        }
        if let Some(weight) = self.config.orthogonal.map(|both| both.critic)
            && weight > 0.0
        {
            total = total + orthogonal_penalty(critic) * weight;
        }
        if let Some(penalty) = &penalty {
            total = total + penalty.surrogate.clone();
        }
        let step = self.pair.critic.minimize(unless_broken(total));
        if let Some(limit) = self.config.weight_clip {
            let clip = |critic| clip_weights(critic, limit);
            self.pair.critic.change(clip);
        }
        CriticStep {
            loss: reported,
            class: class.map(Tensor::inner),
            beliefs,
            penalty: penalty.map(|penalty| penalty.value),
            gradient_norm: step.gradient_norm,
        }
    }

    /// The generator learns to please the critic. `healthy` is 1, or NaN if it must not move.
    fn generator_step(
        &mut self,
        real: Samples,
        healthy: Tensor<1>,
        draws: &mut Draws,
        classes: &mut Stream,
        report: Report,
    ) -> Report {
        let rows = self.rows(real.images.dims()[0], draws, classes);
        let fake = draws.add_noise(self.pair.generator.module().generate(rows.row()));
        let critic = self.pair.critic.opponent();
        let on_real = self.objective.needs_real_for_generator().then(|| {
            let images = draws.add_noise(real.images);
            critic.judge(images.into(), &real.classes).score.primal
        });
        let on_fake = critic.judge(fake.into(), &rows.classes);
        let loss = self
            .objective
            .generator_loss(on_real, on_fake.score.primal.clone());
        let mut report = report.with("generator", loss.clone());
        let mut total = loss;
        if let Some(class) = critic.generator_class_loss(&on_fake, &rows.classes) {
            report = report.with("generator_class", class.clone());
            total = total + class;
        }
        if let Some(weight) = self.config.orthogonal.map(|both| both.generator)
            && weight > 0.0
        {
            total = total + orthogonal_penalty(self.pair.generator.module()) * weight;
        }
        let total = unless_broken(total) * Tensor::from_inner(healthy);
        let step = self.pair.generator.minimize(total);
        report.with("generator_gradient", step.gradient_norm)
    }

    /// The penalty with its weight, in rounds that have one. Between real and generated pictures the
    /// critic is asked about the classes of the real ones.
    fn penalty(
        &self,
        real: Samples,
        fake: Samples,
        clock: &Clock,
        draws: &mut Draws,
    ) -> Option<Penalty> {
        let config = self.config.penalty?;
        if !clock.every(config.every) {
            return None;
        }
        let points = config.rule.points();
        let classes = match points {
            PenaltyPoints::Fake => fake.classes,
            _ => real.classes,
        };
        let points = points.draw(real.images, fake.images, &mut draws.penalty);
        let critic = self.pair.critic.module().clone();
        let bound = BoundCritic { critic, classes };
        let judge = |bound: &BoundCritic<C>, x| bound.score(x);
        let weight = config.every as f64;
        Some(judge_and_penalize(&config.rule, weight, &bound, points, judge).1)
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

/// What the generator takes.
struct Rows {
    latents: Tensor<2>,
    classes: Tensor<2>,
}

impl Rows {
    fn row(&self) -> Tensor<2> {
        Tensor::cat(vec![self.latents.clone(), self.classes.clone()], 1)
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
        let mut draws = Draws::new(&self.config, clock);
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
        if let Some(class) = critic.class {
            report = report.with("critic_class", class);
        }
        if let Some(penalty) = critic.penalty {
            report = report.with("penalty", penalty);
        }
        report = report.with("critic_gradient", critic.gradient_norm);
        report = self.generator_step(real, healthy, &mut draws, &mut random_classes, report);
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
        self.pair.state()
    }

    fn restore(&mut self, state: &State) -> Result<(), StateError> {
        self.pair.restore(state)
    }

    fn scale_learning_rate(&mut self, factor: f64) {
        self.pair.scale_learning_rate(factor);
    }

    fn parameter_counts(&self) -> Vec<(&'static str, usize)> {
        self.pair.parameter_counts()
    }
}

/// Terms of [`Gan`](super::Gan) that this game does not play must not be silently left out.
pub(super) fn refuse_unplayed(config: &GanConfig) -> Result<(), ConfigError> {
    let terms = [
        ("augment", config.augment.is_some()),
        ("drift", config.drift.is_some()),
        ("lecam", config.lecam.is_some()),
        ("consistency", config.consistency.is_some()),
        ("historical_average", config.historical_average.is_some()),
        ("feature_matching", config.feature_matching.is_some()),
        ("pull_away", config.pull_away.is_some()),
        ("top_k", config.top_k.is_some()),
    ];
    match terms.iter().find(|(_, is_set)| *is_set) {
        Some((field, _)) => {
            let allowed = "left out: this game does not play it";
            Err(ConfigError::new(*field, "set", allowed))
        }
        None => Ok(()),
    }
}

/// The verdicts on both, in one pass where samples do not see each other.
fn judge_both<C: ClassCritic>(critic: &C, real: &Samples, fake: &Samples) -> (Verdict, Verdict) {
    let judge = |samples: &Samples| critic.judge(samples.images.clone().into(), &samples.classes);
    if critic.couples_samples() {
        return (judge(real), judge(fake));
    }
    let both = Samples {
        images: Tensor::cat(vec![real.images.clone(), fake.images.clone()], 0),
        classes: Tensor::cat(vec![real.classes.clone(), fake.classes.clone()], 0),
    };
    judge(&both).split(real.images.dims()[0])
}
