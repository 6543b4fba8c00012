//! The random numbers of a round.

use burn::module::Module;
use burn::prelude::*;

use super::GanConfig;
use crate::augment::Warp;
use crate::dual::Dual;
use crate::game::Clock;
use crate::penalty::{Penalty, PenaltyConfig, judge_and_penalize};
use crate::rng::Stream;

/// The random numbers of a round. One stream per purpose, so that turning one thing on does not
/// change what the others draw.
pub(in crate::game) struct Draws {
    pub(in crate::game) latents: Stream,
    noise: Stream,
    pub(in crate::game) penalty: Stream,
    pub(in crate::game) consistency: Stream,
    /// For what a critic of classes learns from real samples by themselves.
    pub(in crate::game) alone: Stream,
    /// Which classes are the wrong ones.
    pub(in crate::game) mismatched: Stream,
    noise_std: f64,
    /// What everything goes through before the critic sees it.
    pub(in crate::game) warp: Warp,
}

impl Draws {
    pub(in crate::game) fn new(config: &GanConfig, clock: &Clock) -> Self {
        Self {
            latents: clock.stream("latents"),
            noise: clock.stream("instance-noise"),
            penalty: clock.stream("penalty"),
            consistency: clock.stream("consistency"),
            alone: clock.stream("real-alone"),
            mismatched: clock.stream("mismatched"),
            noise_std: config
                .instance_noise
                .map_or(0.0, |noise| noise.std_at(clock)),
            warp: Warp::default(),
        }
    }

    pub(in crate::game) fn add_noise<const D: usize>(&mut self, x: Tensor<D>) -> Tensor<D> {
        if self.noise_std == 0.0 {
            return x;
        }
        let noise = self.noise.normal(x.dims(), &x.device());
        x + noise * self.noise_std
    }

    /// What `score` makes of the critic at `points`, which it sees through the warp of the round, and
    /// the penalty there with its weight. `score` is called twice; the second time is on the tape.
    pub(in crate::game) fn penalize<C: Module, const D: usize>(
        &self,
        config: &PenaltyConfig,
        critic: &C,
        points: Tensor<D>,
        score: impl Fn(&C, Dual<D>) -> Dual<2>,
    ) -> (Tensor<2>, Penalty) {
        let judge = |critic: &C, x| score(critic, self.warp.apply_to_samples(x));
        judge_and_penalize(&config.rule, config.every as f64, critic, points, judge)
    }

    /// What the critic sees of `x`.
    pub(in crate::game) fn warp<const D: usize>(&self, x: Tensor<D>) -> Tensor<D> {
        self.warp.apply_to_samples(x.into()).primal
    }
}
