//! What the critic says in its own step, and the penalty on it.

use std::cell::RefCell;

use burn::prelude::*;

use super::parts::Samples;
use super::{ClassGan, Draws};
use crate::dual::Dual;
use crate::game::Clock;
use crate::nn::{ClassCritic, Generator, Verdict};
use crate::penalty::{Penalty, PenaltyConfig, PenaltyPoints};
use crate::rng::Stream;

impl<G: Generator<4>, C: ClassCritic> ClassGan<G, C> {
    /// The verdicts on what the critic sees of real and generated samples, and the penalty with its
    /// weight in rounds that have one. A penalty at the samples of one side has their verdict too.
    /// Between real and generated pictures the critic is asked about the classes of the real ones.
    pub(super) fn judge_both(
        &self,
        seen: &[Samples; 2],
        [real, fake]: [&Samples; 2],
        clock: &Clock,
        draws: &mut Draws,
    ) -> ((Verdict, Verdict), Option<Penalty>) {
        let critic = self.pair.critic.module();
        let due = |config: &PenaltyConfig| clock.every(config.every);
        let Some(config) = self.config.penalty.filter(due) else {
            return (verdicts(critic, &seen[0], &seen[1]), None);
        };
        let place = config.rule.points();
        let classes = match place {
            PenaltyPoints::Fake => &fake.classes,
            _ => &real.classes,
        };
        let images = [real, fake].map(|samples| samples.images.clone());
        let [real, fake] = images;
        let points = place.draw(real, fake, &mut draws.penalty);
        // The penalty wants the score alone, the loss all that was said with it.
        let said = RefCell::new(None);
        let score = |critic: &C, x: Dual<4>| {
            let verdict = critic.judge(x, classes);
            let score = verdict.score.clone();
            said.replace(Some(verdict));
            score
        };
        let (score, penalty) = draws.penalize(&config, critic, points, score);
        let said = said.into_inner().expect("a penalty asks the critic");
        let at_points = Verdict {
            score: score.into(),
            ..said
        };
        let both = match place {
            PenaltyPoints::Real => (at_points, judge(critic, &seen[1])),
            PenaltyPoints::Fake => (judge(critic, &seen[0]), at_points),
            _ => verdicts(critic, &seen[0], &seen[1]),
        };
        (both, Some(penalty))
    }

    /// The verdict on real pictures under wrong classes: all as many classes further, by a number that is drawn.
    pub(super) fn judge_mismatched(&self, real: &Samples, stream: &mut Stream) -> Verdict {
        let count = self.condition.width();
        let further = 1 + stream.below(count - 1);
        let parts = [(further, count - further), (0, further)];
        let part = |(first, size)| real.classes.clone().narrow(1, first, size);
        let wrong = Samples {
            images: real.images.clone(),
            classes: Tensor::cat(parts.map(part).to_vec(), 1),
        };
        judge(self.pair.critic.module(), &wrong)
    }
}

fn judge<C: ClassCritic>(critic: &C, samples: &Samples) -> Verdict {
    critic.judge(samples.images.clone().into(), &samples.classes)
}

/// The verdicts on both, in one pass where samples do not see each other.
fn verdicts<C: ClassCritic>(critic: &C, real: &Samples, fake: &Samples) -> (Verdict, Verdict) {
    if critic.couples_samples() {
        return (judge(critic, real), judge(critic, fake));
    }
    let both = Samples {
        images: Tensor::cat(vec![real.images.clone(), fake.images.clone()], 0),
        classes: Tensor::cat(vec![real.classes.clone(), fake.classes.clone()], 0),
    };
    judge(critic, &both).split(real.images.dims()[0])
}
