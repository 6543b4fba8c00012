//! What the critic says in its own step, and the penalty on it.

use burn::prelude::*;

use super::{Draws, Gan};
use crate::game::Clock;
use crate::nn::{Critic, Generator};
use crate::penalty::{Penalty, PenaltyConfig, PenaltyPoints};

impl<G: Generator<D>, C: Critic<D>, const D: usize> Gan<G, C, D> {
    /// The scores of what the critic sees of real and generated samples, and the penalty with its weight
    /// in rounds that have one. A penalty at the samples of one side has their scores too.
    pub(super) fn judge_both(
        &self,
        [seen_real, seen_fake]: [Tensor<D>; 2],
        samples: [Tensor<D>; 2],
        clock: &Clock,
        draws: &mut Draws,
    ) -> ([Tensor<2>; 2], Option<Penalty>) {
        let critic = self.pair.critic.module();
        let due = |config: &PenaltyConfig| clock.every(config.every);
        let Some(config) = self.config.penalty.filter(due) else {
            return (score_both(critic, seen_real, seen_fake), None);
        };
        let place = config.rule.points();
        let [real, fake] = samples;
        let points = place.draw(real, fake, &mut draws.penalty);
        let (at_points, penalty) = draws.penalize(&config, critic, points, C::score);
        let scores = match place {
            PenaltyPoints::Real => [at_points, critic.score(seen_fake.into()).primal],
            PenaltyPoints::Fake => [critic.score(seen_real.into()).primal, at_points],
            _ => score_both(critic, seen_real, seen_fake),
        };
        (scores, Some(penalty))
    }
}

/// The scores of both, in one pass where samples do not see each other; a critic that compares
/// samples must not be shown real and generated ones in one batch.
pub(super) fn score_both<C: Critic<D>, const D: usize>(
    critic: &C,
    real: Tensor<D>,
    fake: Tensor<D>,
) -> [Tensor<2>; 2] {
    if critic.couples_samples() {
        return [real, fake].map(|x| critic.score(x.into()).primal);
    }
    let (reals, fakes) = (real.dims()[0], fake.dims()[0]);
    let scores = critic.score(Tensor::cat(vec![real, fake], 0).into()).primal;
    [
        scores.clone().narrow(0, 0, reals),
        scores.narrow(0, reals, fakes),
    ]
}
