//! A critic that learns classes from few labels and many pictures.

use burn::prelude::*;

use super::gan::{Draws, unless_broken};
use super::pair::Pair;
use super::{Clock, Game, GanConfig, Player, Report, SampleRequest, State, StateError};
use crate::error::ConfigError;
use crate::loss::{Objective, feature_matching};
use crate::nn::{ClassCritic, Generator, Verdict, one_hot};

/// The few pictures with labels.
#[derive(Clone, Debug)]
pub struct Labelled {
    /// `[count, channels, height, width]` in `[-1, 1]`.
    pub images: Tensor<4>,
    /// `[count]`, from 0 to the number of classes less one.
    pub labels: Tensor<1, Int>,
}

/// Semi-supervised learning with a GAN, section 5 of
/// [Improved Techniques for Training GANs](https://arxiv.org/abs/1606.03498): the critic is a
/// classifier of `K` classes and a last one for generated pictures
/// ([`LabelHead::KPlusOne`](crate::nn::LabelHead::KPlusOne)); the generator matches the mean features
/// of real pictures (section 3.1).
///
/// A batch is real pictures without labels. In every round the critic also sees as many labelled
/// pictures, drawn with replacement from those it was given. [`GanConfig::loss`] is the critic's;
/// the paper's is the non-saturating one. Penalty, weight limit and more than one critic step are not
/// used.
///
/// | reported | meaning |
/// | --- | --- |
/// | `critic` | loss of telling real from generated pictures |
/// | `classes` | cross-entropy of the labelled pictures |
/// | `generator` | squared distance of the mean features |
/// | `d_real`, `d_fake`, `critic_gradient`, `generator_gradient` | as in [`Gan`](super::Gan) |
#[derive(Debug)]
pub struct SemiSupervised<G: Generator<4>, C: ClassCritic> {
    config: GanConfig,
    classes: usize,
    objective: Box<dyn Objective>,
    pair: Pair<G, C>,
    labelled: Option<Labelled>,
}

impl<G: Generator<4>, C: ClassCritic> SemiSupervised<G, C> {
    /// A game that has not begun; it wants [labelled pictures](Self::with_labelled) first.
    ///
    /// # Errors
    ///
    /// If the configuration is not valid, asks for a penalty, a weight limit or several critic steps,
    /// or the generator takes latents of another size.
    ///
    /// # Panics
    ///
    /// Panics if the generator has no parameters or was made on a device without autodiff.
    pub fn new(
        config: GanConfig,
        classes: usize,
        generator: G,
        critic: C,
    ) -> Result<Self, ConfigError> {
        refuse_unplayed(&config)?;
        let unused = [
            ("penalty", config.penalty.is_some()),
            ("weight_clip", config.weight_clip.is_some()),
            ("critic_steps", config.critic_steps != 1),
        ];
        if let Some((field, _)) = unused.iter().find(|(_, is_set)| *is_set) {
            let allowed = "left out: this game does not use it";
            return Err(ConfigError::new(*field, "set", allowed));
        }
        let smoothing = config.label_smoothing.unwrap_or(0.0);
        Ok(Self {
            pair: Pair::new(&config, config.latent.size(), generator, critic)?,
            objective: Box::new(config.loss.with_label_smoothing(smoothing)?),
            classes,
            config,
            labelled: None,
        })
    }

    /// Gives it the pictures with labels. They belong to the data and are no part of the state.
    #[must_use]
    pub fn with_labelled(mut self, labelled: Labelled) -> Self {
        self.labelled = Some(labelled);
        self
    }

    /// The critic.
    pub fn critic(&self) -> &Player<C> {
        &self.pair.critic
    }

    /// Class logits `[batch, classes]` of pictures `[batch, channels, height, width]`, off the tape.
    ///
    /// # Panics
    ///
    /// Panics if the critic has no classifier.
    pub fn classify(&self, images: Tensor<4>) -> Tensor<2> {
        let images = images.inner();
        let nobody = Tensor::zeros([images.dims()[0], self.classes], &images.device());
        let verdict = self.pair.critic.module().valid();
        let verdict = verdict.judge(images.into(), &nobody);
        verdict.logits.expect("a critic with a classifier")
    }

    /// As many labelled pictures as there are others, and their classes as rows.
    fn draw_labelled(&self, count: usize, clock: &Clock) -> (Tensor<4>, Tensor<2>) {
        let labelled = self.labelled.as_ref();
        let labelled = labelled.expect("semi-supervised learning needs labelled pictures");
        let there = labelled.images.dims()[0];
        let mut stream = clock.stream("labelled");
        let index: Vec<i64> = (0..count).map(|_| stream.below(there) as i64).collect();
        let images = labelled.images.clone().inner();
        let index = Tensor::<1, Int>::from_data(TensorData::new(index, [count]), &images.device());
        let labels = labelled.labels.clone().inner().select(0, index.clone());
        (
            Tensor::from_inner(images.select(0, index)),
            Tensor::from_inner(one_hot(labels, self.classes)),
        )
    }

    /// Without a class.
    fn judge(&self, critic: &C, images: Tensor<4>) -> Verdict {
        let nobody = Tensor::zeros([images.dims()[0], self.classes], &images.device());
        critic.judge(images.into(), &nobody)
    }

    fn latents(&self, count: usize, draws: &mut Draws) -> Tensor<2> {
        let latent = self.config.latent;
        latent.draw(count, &mut draws.latents, &self.pair.device)
    }
}

impl<G: Generator<4>, C: ClassCritic> Game for SemiSupervised<G, C> {
    type Batch = Tensor<4>;

    /// # Panics
    ///
    /// Panics if it was given no labelled pictures.
    fn round(&mut self, batch: Tensor<4>, clock: &Clock) -> Report {
        let images = Self::batch_size(&batch);
        self.pair.begin_round(clock);
        let mut draws = Draws::new(&self.config, clock);
        let real = draws.add_noise(Tensor::from_inner(batch.inner()));

        self.pair.begin_critic_step();
        // The critic tells real from generated pictures, and classes of the labelled ones.
        let latents = self.latents(images, &mut draws);
        let fake = self.pair.generator.opponent().generate(latents);
        let fake = draws.add_noise(fake);
        let (labelled, classes) = self.draw_labelled(images, clock);
        let labelled = draws.add_noise(labelled);
        let critic = self.pair.critic.module();
        let on_real = self.judge(critic, real.clone()).score.primal;
        let on_fake = self.judge(critic, fake).score.primal;
        let named = critic.judge(labelled.into(), &classes);
        let (d_real, d_fake) = self
            .objective
            .beliefs(on_real.clone().inner(), on_fake.clone().inner());
        let loss = self.objective.critic_loss(on_real, on_fake);
        let class_loss = critic
            .critic_class_loss((&named, &classes), (&named, &classes))
            .expect("a critic with a classifier");
        let mut report = Report::default()
            .with("critic", loss.clone())
            .with("classes", class_loss.clone())
            .with("d_real", d_real)
            .with("d_fake", d_fake);
        let step = self.pair.critic.minimize(unless_broken(loss + class_loss));
        let healthy = step.gradient_norm.clone() * 0.0 + 1.0;
        report = report.with("critic_gradient", step.gradient_norm);

        // The generator makes pictures with the mean features of real ones.
        let latents = self.latents(images, &mut draws);
        let fake = draws.add_noise(self.pair.generator.module().generate(latents));
        let critic = self.pair.critic.opponent();
        let of_real = self.judge(&critic, real).features;
        let of_fake = self.judge(&critic, fake).features;
        let loss = feature_matching(of_real, of_fake);
        report = report.with("generator", loss.clone());
        let total = unless_broken(loss) * Tensor::from_inner(healthy);
        let step = self.pair.generator.minimize(total);
        self.pair.follow(clock, images);
        report.with("generator_gradient", step.gradient_norm)
    }

    fn batch_size(batch: &Tensor<4>) -> usize {
        batch.dims()[0]
    }

    fn latent_size(&self) -> usize {
        self.config.latent.size()
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
fn refuse_unplayed(config: &GanConfig) -> Result<(), ConfigError> {
    let terms = [
        ("balance", config.balance.is_some()),
        ("augment", config.augment.is_some()),
        ("drift", config.drift.is_some()),
        ("lecam", config.lecam.is_some()),
        ("consistency", config.consistency.is_some()),
        ("historical_average", config.historical_average.is_some()),
        ("feature_matching", config.feature_matching.is_some()),
        ("pull_away", config.pull_away.is_some()),
        ("top_k", config.top_k.is_some()),
        ("mismatched", config.mismatched.is_some()),
        ("shared_batch", config.shared_batch),
    ];
    match terms.iter().find(|(_, is_set)| *is_set) {
        Some((field, _)) => {
            let allowed = "left out: this game does not play it";
            Err(ConfigError::new(*field, "set", allowed))
        }
        None => Ok(()),
    }
}
