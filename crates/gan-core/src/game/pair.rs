//! A generator, its average and a critic: what games of two have in common.

use burn::module::Module;
use burn::prelude::*;

use super::{Clock, Ema, GanConfig, Player, State, StateError, Step, standing_statistics};
use crate::error::ConfigError;
use crate::nn::{Generator, advance_spectral_norms, has_spectral_norms};
use crate::optim::LearningRateSchedule;
use crate::penalty::clip_weights;

/// A generator with its average, and a critic.
#[derive(Debug)]
pub(crate) struct Pair<G: Module, C: Module> {
    pub(crate) generator: Player<G>,
    pub(crate) critic: Player<C>,
    pub(crate) average: Option<Ema<G>>,
    /// Whether generator and critic have layers with spectral normalisation.
    spectral: [bool; 2],
    schedule: Option<LearningRateSchedule>,
    /// Largest weight of the critic.
    weight_clip: Option<f64>,
    /// For samples, of the average or not.
    standing: Option<(bool, G)>,
    pub(crate) device: Device,
}

impl<G: Module, C: Module> Pair<G, C> {
    /// # Errors
    ///
    /// If the configuration is not valid, or the generator does not take rows of `row_size`.
    ///
    /// # Panics
    ///
    /// Panics if the generator has no parameters or was made on a device without autodiff.
    pub(crate) fn new<const D: usize>(
        config: &GanConfig,
        row_size: usize,
        generator: G,
        critic: C,
    ) -> Result<Self, ConfigError>
    where
        G: Generator<D>,
    {
        config.validate()?;
        if config.learning_rate_schedule.is_some_and(|s| !s.has_end()) {
            let field = "learning_rate_schedule.until_kimg";
            let allowed =
                "a number where no model says how long it trains (`GanConfig::ending_at`)";
            return Err(ConfigError::new(field, "none", allowed));
        }
        let taken = generator.latent_size();
        if row_size != taken {
            let allowed = format!("{taken}, what the generator takes");
            return Err(ConfigError::new("latent.size", row_size, allowed));
        }
        let device = generator.devices().into_iter().next();
        let device = device.expect("a generator must have parameters");
        assert!(
            device.is_autodiff(),
            "players must be made on a device with autodiff: `device.autodiff()`"
        );
        let clip = config.gradient_clip_norm;
        let generator = Player::new("generator", generator, config.generator_optimizer);
        let generator = generator.with_gradient_clipping(clip);
        let critic = Player::new("critic", critic, config.critic_optimizer);
        Ok(Self {
            average: config.ema.map(|ema| Ema::new(generator.module(), ema)),
            spectral: [
                has_spectral_norms(generator.module()),
                has_spectral_norms(critic.module()),
            ],
            schedule: config.learning_rate_schedule,
            weight_clip: config.weight_clip,
            generator,
            standing: None,
            critic: critic.with_gradient_clipping(clip),
            device,
        })
    }

    /// What happens once before a round: the learning rates follow their schedule, layers of the generator
    /// with spectral normalisation improve their estimate.
    pub(crate) fn begin_round(&mut self, clock: &Clock) {
        if let Some(schedule) = self.schedule {
            let factor = schedule.factor_at(clock);
            self.generator.set_learning_rate_factor(factor);
            self.critic.set_learning_rate_factor(factor);
        }
        let [generator, _] = self.spectral;
        if generator {
            advance_spectral_norms(self.generator.module());
        }
    }

    /// What happens before every step of the critic: its layers with spectral normalisation improve their
    /// estimate. A step moves the weights, and an estimate that is five steps old lets the critic be
    /// steeper than it should.
    pub(crate) fn begin_critic_step(&self) {
        let [_, critic] = self.spectral;
        if critic {
            advance_spectral_norms(self.critic.module());
        }
    }

    /// The critic takes a step, and keeps its weights within their limit.
    pub(crate) fn move_critic(&mut self, loss: Tensor<1>) -> Step {
        let step = self.critic.minimize(loss);
        if let Some(limit) = self.weight_clip {
            self.critic.change(|critic| clip_weights(critic, limit));
        }
        step
    }

    /// The average follows the generator, after a round over `images` pictures.
    pub(crate) fn follow(&mut self, clock: &Clock, images: usize) {
        self.standing = None;
        if let Some(average) = &mut self.average {
            average.update(self.generator.module(), clock, images);
        }
    }

    /// Samples for rows, off the tape.
    pub(crate) fn draw<const D: usize>(&self, rows: Tensor<2>, averaged: bool) -> Tensor<D>
    where
        G: Generator<D>,
    {
        match (&self.standing, &self.average) {
            (Some((of_average, standing)), _) if *of_average == averaged => {
                standing.generate(rows.inner())
            }
            (_, Some(average)) if averaged => average.module().generate(rows.inner()),
            _ => self.generator.module().valid().generate(rows.inner()),
        }
    }

    /// See [`Game::use_standing_statistics`](super::Game::use_standing_statistics).
    pub(crate) fn use_standing_statistics<const D: usize>(
        &mut self,
        rows: &[Tensor<2>],
        averaged: bool,
    ) -> bool
    where
        G: Generator<D>,
    {
        let module = match &self.average {
            Some(average) if averaged => average.module(),
            _ => self.generator.module(),
        };
        let standing = standing_statistics(module, rows.len(), |generator, batch| {
            generator.generate(rows[batch].clone());
        });
        self.standing = standing.map(|generator| (averaged, generator));
        self.standing.is_some()
    }

    pub(crate) fn state(&self) -> State {
        let mut state = State::default();
        self.generator.save(&mut state);
        self.critic.save(&mut state);
        if let Some(average) = &self.average {
            average.save(&mut state);
        }
        state
    }

    pub(crate) fn restore(&mut self, state: &State) -> Result<(), StateError> {
        self.standing = None;
        self.generator.load(state)?;
        self.critic.load(state)?;
        match &mut self.average {
            Some(average) => average.load(state),
            None => Ok(()),
        }
    }

    pub(crate) fn scale_learning_rate(&mut self, factor: f64) {
        self.generator.scale_learning_rate(factor);
        self.critic.scale_learning_rate(factor);
    }

    pub(crate) fn parameter_counts(&self) -> Vec<(&'static str, usize)> {
        vec![
            (self.generator.name(), self.generator.parameter_count()),
            (self.critic.name(), self.critic.parameter_count()),
        ]
    }
}

/// Samples of each critic step, if a batch of `images` is split into `steps` equal parts.
///
/// # Panics
///
/// Panics if there are fewer samples than steps.
pub(crate) fn part_size(images: usize, steps: usize) -> usize {
    let part = images / steps;
    assert!(
        part > 0,
        "a batch of {images} cannot be split over {steps} critic steps"
    );
    part
}
