//! What is added to the adversarial losses, and what the critic sees instead of the samples.

use burn::module::Module;
use burn::prelude::*;

use super::{Draws, GanConfig};
use crate::augment::{Adaptive, AugmentConfig, Warp};
use crate::game::{Clock, State, StateError};
use crate::loss::{feature_matching, pull_away};
use crate::penalty::{
    ConsistencyConfig, HistoricalAverage, Lecam, Sum, drift, inconsistency, orthogonal_penalty,
};

/// All that is added, with what it keeps: the same for every game of two.
#[derive(Debug)]
pub(in crate::game) struct Terms<G: Module, C: Module> {
    config: GanConfig,
    device: Device,
    lecam: Option<Lecam>,
    generator_history: Option<HistoricalAverage<G>>,
    critic_history: Option<HistoricalAverage<C>>,
    adaptive: Option<Adaptive>,
}

impl<G: Module, C: Module> Terms<G, C> {
    pub(in crate::game) fn new(
        config: &GanConfig,
        generator: &G,
        critic: &C,
        device: &Device,
    ) -> Self {
        let remembers = config.historical_average.is_some();
        Self {
            config: *config,
            device: device.clone(),
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
    pub(in crate::game) fn observe(&mut self, real: Tensor<2>, fake: Tensor<2>) {
        if let Some(adaptive) = &mut self.adaptive {
            adaptive.observe(real.clone());
        }
        if let Some(lecam) = &mut self.lecam {
            lecam.observe(real, fake);
        }
    }

    pub(in crate::game) fn end_round(&mut self, generator: &G, critic: &C) {
        if let Some(history) = &mut self.generator_history {
            history.update(generator);
        }
        if let Some(history) = &mut self.critic_history {
            history.update(critic);
        }
    }

    pub(in crate::game) fn augment_probability(&self) -> Option<Tensor<1>> {
        self.adaptive.as_ref().map(Adaptive::probability)
    }

    pub(in crate::game) fn save(&self, state: &mut State) {
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

    pub(in crate::game) fn load(&mut self, state: &State) -> Result<(), StateError> {
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

/// What a critic step has seen.
pub(in crate::game) struct Seen<const D: usize> {
    /// Scores of real and of generated samples.
    pub(in crate::game) scores: [Tensor<2>; 2],
    /// The samples as the critic saw them.
    pub(in crate::game) samples: [Tensor<D>; 2],
    /// What the generated ones were made of.
    pub(in crate::game) latents: Tensor<2>,
}

/// What the terms ask a game for: scores of other samples in the place of those of a critic step.
pub(in crate::game) struct Ask<'a, const D: usize> {
    /// Scores of real samples.
    pub(in crate::game) real: &'a dyn Fn(Tensor<D>) -> Tensor<2>,
    /// Scores of generated samples.
    pub(in crate::game) fake: &'a dyn Fn(Tensor<D>) -> Tensor<2>,
    /// Samples of other latents.
    pub(in crate::game) generate: &'a dyn Fn(Tensor<2>) -> Tensor<D>,
}

impl<G: Module, C: Module> Terms<G, C> {
    /// What `part` samples go through in this round before the critic sees them.
    pub(in crate::game) fn draw_warp<const D: usize>(
        &self,
        part: usize,
        dims: [usize; D],
        clock: &Clock,
    ) -> Warp {
        let Some(config) = self.config.augment else {
            return Warp::default();
        };
        let shape = picture_shape(part, dims);
        let stream = &mut clock.stream("augment");
        match (config, &self.adaptive) {
            (AugmentConfig::DiffAugment(config), _) => config.draw(shape, stream, &self.device),
            (AugmentConfig::Adaptive(_), Some(adaptive)) => {
                adaptive.draw(shape, stream, &self.device)
            }
            (AugmentConfig::Adaptive(_), None) => Warp::default(),
        }
    }

    /// What the critic minimises besides, with its weights.
    pub(in crate::game) fn of_critic<const D: usize>(
        &self,
        critic: &C,
        seen: Seen<D>,
        ask: &Ask<D>,
        clock: &Clock,
        draws: &mut Draws,
    ) -> Option<Tensor<1>> {
        let config = &self.config;
        let mut sum = Sum::default();
        if let Some(weight) = config.drift {
            sum.add(drift(seen.scores[0].clone()) * weight);
        }
        if let Some(lecam) = &self.lecam {
            let [real, fake] = seen.scores.clone();
            if let Some(term) = lecam.penalty(real, fake, clock) {
                sum.add(term);
            }
        }
        if let Some(consistency) = &config.consistency {
            self.add_consistency(consistency, seen, ask, draws, &mut sum);
        }
        if let Some(weight) = config.orthogonal.map(|both| both.critic)
            && weight > 0.0
        {
            sum.add(orthogonal_penalty(critic) * weight);
        }
        if let (Some(history), Some(weight)) = (&self.critic_history, config.historical_average) {
            sum.add(history.penalty(critic) * weight);
        }
        sum.total()
    }

    fn add_consistency<const D: usize>(
        &self,
        config: &ConsistencyConfig,
        seen: Seen<D>,
        ask: &Ask<D>,
        draws: &mut Draws,
        sum: &mut Sum,
    ) {
        let [on_real, on_fake] = seen.scores;
        let [real, fake] = seen.samples;
        if config.changes_pictures() {
            let shape = picture_shape(real.dims()[0], real.dims());
            let warp = config.draw(shape, &mut draws.consistency, &self.device);
            let change = |x: Tensor<D>| warp.apply_to_samples(x.into()).primal;
            sum.add(inconsistency(on_real, (ask.real)(change(real))) * config.lambda_real);
            if config.lambda_fake > 0.0 {
                let changed = (ask.fake)(change(fake));
                sum.add(inconsistency(on_fake.clone(), changed) * config.lambda_fake);
            }
        }
        if let Some(latent) = config.latent {
            let moved = draws.move_latents(seen.latents, latent.std);
            let changed = (ask.fake)(draws.warp((ask.generate)(moved)));
            sum.add(inconsistency(on_fake, changed) * latent.lambda_critic);
        }
    }

    /// What the generator minimises besides, with its weights. `features` are those of real and of
    /// generated samples, `fake` what was made of `latents`; `generate` makes samples of other latents.
    pub(in crate::game) fn of_generator<const D: usize>(
        &self,
        generator: &G,
        features: [Option<Tensor<2>>; 2],
        (fake, latents): (Tensor<D>, Tensor<2>),
        generate: impl Fn(Tensor<2>) -> Tensor<D>,
        draws: &mut Draws,
    ) -> Option<Tensor<1>> {
        let config = &self.config;
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
            sum.add(inconsistency(fake, generate(moved)) * -latent.lambda_generator);
        }
        if let Some(weight) = config.orthogonal.map(|both| both.generator)
            && weight > 0.0
        {
            sum.add(orthogonal_penalty(generator) * weight);
        }
        if let (Some(history), Some(weight)) = (&self.generator_history, config.historical_average)
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
/// Panics if they are not pictures, which the games have ruled out.
fn picture_shape<const D: usize>(count: usize, dims: [usize; D]) -> [usize; 4] {
    assert_eq!(D, 4, "only pictures can be changed");
    [count, dims[1], dims[2], dims[3]]
}
