//! What is added to the adversarial losses, and what the critic sees instead of the samples.

use burn::module::Module;
use burn::prelude::*;

use super::scores::score_both;
use super::{Draws, Gan, GanConfig};
use crate::augment::{Adaptive, AugmentConfig, Warp};
use crate::game::{Clock, State, StateError};
use crate::loss::{feature_matching, pull_away};
use crate::nn::{Critic, Generator};
use crate::penalty::{
    ConsistencyConfig, HistoricalAverage, Lecam, Sum, drift, inconsistency, orthogonal_penalty,
};

/// The terms that have a state.
#[derive(Debug)]
pub(super) struct Terms<G: Module, C: Module> {
    lecam: Option<Lecam>,
    generator_history: Option<HistoricalAverage<G>>,
    critic_history: Option<HistoricalAverage<C>>,
    adaptive: Option<Adaptive>,
}

impl<G: Module, C: Module> Terms<G, C> {
    pub(super) fn new(config: &GanConfig, generator: &G, critic: &C, device: &Device) -> Self {
        let remembers = config.historical_average.is_some();
        Self {
            lecam: config.lecam.map(|lecam| lecam.init(device)),
            generator_history: remembers.then(|| HistoricalAverage::new("generator", generator)),
            critic_history: remembers.then(|| HistoricalAverage::new("critic", critic)),
            adaptive: match config.augment {
                Some(AugmentConfig::Adaptive(adaptive)) => Some(adaptive.init(device)),
                _ => None,
            },
        }
    }

    /// After a critic step; the scores are off the tape.
    pub(super) fn observe(&mut self, real: Tensor<2>, fake: Tensor<2>) {
        if let Some(adaptive) = &mut self.adaptive {
            adaptive.observe(real.clone());
        }
        if let Some(lecam) = &mut self.lecam {
            lecam.observe(real, fake);
        }
    }

    pub(super) fn end_round(&mut self, generator: &G, critic: &C) {
        if let Some(history) = &mut self.generator_history {
            history.update(generator);
        }
        if let Some(history) = &mut self.critic_history {
            history.update(critic);
        }
    }

    pub(super) fn augment_probability(&self) -> Option<Tensor<1>> {
        self.adaptive.as_ref().map(Adaptive::probability)
    }

    pub(super) fn save(&self, state: &mut State) {
        if let Some(lecam) = &self.lecam {
            lecam.save(state);
        }
        if let Some(adaptive) = &self.adaptive {
            adaptive.save(state);
        }
        if let Some(history) = &self.generator_history {
            history.save(state);
        }
        if let Some(history) = &self.critic_history {
            history.save(state);
        }
    }

    pub(super) fn load(&mut self, state: &State) -> Result<(), StateError> {
        if let Some(lecam) = &mut self.lecam {
            lecam.load(state)?;
        }
        if let Some(adaptive) = &mut self.adaptive {
            adaptive.load(state)?;
        }
        if let Some(history) = &mut self.generator_history {
            history.load(state)?;
        }
        if let Some(history) = &mut self.critic_history {
            history.load(state)?;
        }
        Ok(())
    }
}

impl<G: Generator<D>, C: Critic<D>, const D: usize> Gan<G, C, D> {
    /// What `part` samples go through in this round before the critic sees them.
    pub(super) fn draw_warp(&self, part: usize, dims: [usize; D], clock: &Clock) -> Warp {
        let Some(config) = self.config.augment else {
            return Warp::default();
        };
        let shape = picture_shape(part, dims);
        let stream = &mut clock.stream("augment");
        match (config, &self.terms.adaptive) {
            (AugmentConfig::DiffAugment(config), _) => {
                config.draw(shape, stream, &self.pair.device)
            }
            (AugmentConfig::Adaptive(_), Some(adaptive)) => {
                adaptive.draw(shape, stream, &self.pair.device)
            }
            (AugmentConfig::Adaptive(_), None) => Warp::default(),
        }
    }

    /// What the critic minimises besides, with its weights. `seen` are the samples as the critic saw them
    /// when it gave the `scores`; `latents` are those of the generated ones.
    pub(super) fn critic_terms(
        &self,
        scores: [Tensor<2>; 2],
        seen: [Tensor<D>; 2],
        latents: Tensor<2>,
        clock: &Clock,
        draws: &mut Draws,
    ) -> Option<Tensor<1>> {
        let (config, critic) = (&self.config, self.pair.critic.module());
        let mut sum = Sum::default();
        if let Some(weight) = config.drift {
            sum.add(drift(scores[0].clone()) * weight);
        }
        if let Some(lecam) = &self.terms.lecam {
            let [real, fake] = scores.clone();
            if let Some(term) = lecam.penalty(real, fake, clock) {
                sum.add(term);
            }
        }
        if let Some(consistency) = &config.consistency {
            self.add_consistency(consistency, scores, seen, latents, draws, &mut sum);
        }
        if let Some(weight) = config.orthogonal.map(|both| both.critic)
            && weight > 0.0
        {
            sum.add(orthogonal_penalty(critic) * weight);
        }
        if let (Some(history), Some(weight)) =
            (&self.terms.critic_history, config.historical_average)
        {
            sum.add(history.penalty(critic) * weight);
        }
        sum.total()
    }

    fn add_consistency(
        &self,
        config: &ConsistencyConfig,
        [on_real, on_fake]: [Tensor<2>; 2],
        [real, fake]: [Tensor<D>; 2],
        latents: Tensor<2>,
        draws: &mut Draws,
        sum: &mut Sum,
    ) {
        let critic = self.pair.critic.module();
        if config.changes_pictures() {
            let shape = picture_shape(real.dims()[0], real.dims());
            let warp = config.draw(shape, &mut draws.consistency, &self.pair.device);
            let change = |x: Tensor<D>| warp.apply_to_samples(x.into());
            if config.lambda_fake == 0.0 {
                let changed = critic.score(change(real)).primal;
                sum.add(inconsistency(on_real, changed) * config.lambda_real);
            } else {
                let (real, fake) = (change(real).primal, change(fake).primal);
                let [changed_real, changed_fake] = score_both(critic, real, fake);
                sum.add(inconsistency(on_real, changed_real) * config.lambda_real);
                let on_fake = on_fake.clone();
                sum.add(inconsistency(on_fake, changed_fake) * config.lambda_fake);
            }
        }
        if let Some(latent) = config.latent {
            let moved = draws.move_latents(latents, latent.std);
            let fake = draws.warp(self.pair.generator.opponent().generate(moved));
            let changed = critic.score(fake.into()).primal;
            sum.add(inconsistency(on_fake, changed) * latent.lambda_critic);
        }
    }

    /// What the generator minimises besides, with its weights. `features` are those of real and of
    /// generated samples, `fake` what was made of `latents`.
    pub(super) fn generator_terms(
        &self,
        features: [Option<Tensor<2>>; 2],
        fake: Tensor<D>,
        latents: Tensor<2>,
        draws: &mut Draws,
    ) -> Option<Tensor<1>> {
        let (config, generator) = (&self.config, self.pair.generator.module());
        let mut sum = Sum::default();
        let [real_features, fake_features] = features;
        if let (Some(weight), Some(real), Some(fake)) =
            (config.feature_matching, real_features, &fake_features)
        {
            sum.add(feature_matching(real, fake.clone()) * weight);
        }
        if let (Some(weight), Some(fake)) = (config.pull_away, fake_features) {
            sum.add(pull_away(fake) * weight);
        }
        if let Some(latent) = config.consistency.and_then(|config| config.latent)
            && latent.lambda_generator > 0.0
        {
            let moved = draws.move_latents(latents, latent.std);
            let changed = generator.generate(moved);
            sum.add(inconsistency(fake, changed) * -latent.lambda_generator);
        }
        if let Some(weight) = config.orthogonal.map(|both| both.generator)
            && weight > 0.0
        {
            sum.add(orthogonal_penalty(generator) * weight);
        }
        if let (Some(history), Some(weight)) =
            (&self.terms.generator_history, config.historical_average)
        {
            sum.add(history.penalty(generator) * weight);
        }
        sum.total()
    }
}

impl Draws {
    fn move_latents(&mut self, latents: Tensor<2>, std: f64) -> Tensor<2> {
        let change = self.consistency.normal(latents.dims(), &latents.device());
        latents + change * std
    }
}

/// The shape of `count` pictures like those of `dims`.
///
/// # Panics
///
/// Panics if they are not pictures, which [`Gan::new`] has ruled out.
fn picture_shape<const D: usize>(count: usize, dims: [usize; D]) -> [usize; 4] {
    assert_eq!(D, 4, "only pictures can be changed");
    [count, dims[1], dims[2], dims[3]]
}
