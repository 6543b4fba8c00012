//! A choice among the generated samples by their scores.

use burn::prelude::*;
use serde::{Deserialize, Serialize};

use crate::error::ConfigError;
use crate::game::Clock;

/// In the generator's step only the samples with the best scores count:
/// [Sinha et al. 2020](https://arxiv.org/abs/2002.06224). The others push away from where the critic already
/// sees reality.
///
/// The part that counts falls from 1 to `minimum`: `max(decay^(kimg / every_kimg), minimum)`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TopKConfig {
    /// What is left of the part after `every_kimg`, in `(0, 1]`. Default: 0.99.
    #[serde(default = "top_decay")]
    pub decay: f64,
    /// Thousands of real samples, above 0. Default: 50, an epoch of CIFAR-10.
    #[serde(default = "every_kimg")]
    pub every_kimg: f64,
    /// The smallest part, in `(0, 1]`. Default: 0.5.
    #[serde(default = "minimum")]
    pub minimum: f64,
}

fn top_decay() -> f64 {
    0.99
}

fn every_kimg() -> f64 {
    50.0
}

fn minimum() -> f64 {
    0.5
}

impl Default for TopKConfig {
    fn default() -> Self {
        Self {
            decay: top_decay(),
            every_kimg: every_kimg(),
            minimum: minimum(),
        }
    }
}

impl TopKConfig {
    /// Says what is wrong.
    ///
    /// # Errors
    ///
    /// If a number is outside its range.
    pub fn validate(&self) -> Result<(), ConfigError> {
        for (field, value) in [("decay", self.decay), ("minimum", self.minimum)] {
            if !(value > 0.0 && value <= 1.0) {
                return Err(ConfigError::new(field, value, "in (0, 1]"));
            }
        }
        crate::nn::check_positive("every_kimg", self.every_kimg)
    }

    /// How many of `batch` samples count at `clock`; 1 or more.
    pub fn count_at(&self, batch: usize, clock: &Clock) -> usize {
        let part = self.decay.powf(clock.kimg() / self.every_kimg);
        let part = part.max(self.minimum);
        ((batch as f64 * part).round() as usize).clamp(1, batch)
    }

    /// The scores that count, `[count, outputs]`, best first; all of them, in their order, while all
    /// count. Where a sample has several scores, their mean decides.
    pub fn select(&self, scores: Tensor<2>, clock: &Clock) -> Tensor<2> {
        let batch = scores.dims()[0];
        let count = self.count_at(batch, clock);
        if count == batch {
            return scores;
        }
        let means = scores.clone().detach().mean_dim(1).reshape([batch]);
        let best = means.argsort_descending(0).narrow(0, 0, count);
        scores.select(0, best)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::values;

    fn at(images: u64) -> Clock {
        Clock {
            images,
            ..Clock::new(1)
        }
    }

    #[test]
    fn only_the_best_scores_have_a_gradient() {
        let top = TopKConfig {
            decay: 0.5,
            every_kimg: 1.0,
            minimum: 0.5,
        };
        let device = Device::flex().autodiff();
        let f = Tensor::<2>::from_floats([[0.1], [3.0], [-1.0], [2.0]], &device).require_grad();
        assert_eq!(
            values(&top.select(f.clone(), &at(0))),
            [0.1, 3.0, -1.0, 2.0]
        );
        let best = top.select(f.clone(), &at(1000));
        assert_eq!(values(&best), [3.0, 2.0]);
        let gradient = f.grad(&best.mean().backward()).unwrap();
        assert_eq!(values(&gradient), [0.0, 0.5, 0.0, 0.5]);
    }

    #[test]
    fn a_sample_with_several_scores_is_judged_by_their_mean() {
        let top = TopKConfig {
            minimum: 0.5,
            decay: 0.01,
            every_kimg: 1.0,
        };
        let device = Device::flex();
        let maps = Tensor::<2>::from_floats([[9.0, -9.0], [1.0, 1.0]], &device);
        assert_eq!(values(&top.select(maps, &at(5000))), [1.0, 1.0]);
    }

    #[test]
    fn the_part_that_counts_falls_to_its_minimum() {
        let top = TopKConfig::default();
        let counts = [0, 50, 500, 5_000, 50_000].map(|kimg| top.count_at(100, &at(kimg * 1000)));
        assert_eq!(counts, [100, 99, 90, 50, 50]);
        assert_eq!(top.count_at(1, &at(u64::MAX / 2)), 1);
    }

    #[test]
    fn numbers_outside_their_range_are_refused() {
        let top = |decay, every_kimg, minimum| {
            let config = TopKConfig {
                decay,
                every_kimg,
                minimum,
            };
            config.validate().expect_err("it is bad").field
        };
        assert_eq!(top(0.0, 1.0, 0.5), "decay");
        assert_eq!(top(0.9, 0.0, 0.5), "every_kimg");
        assert_eq!(top(0.9, 1.0, 1.5), "minimum");
    }
}
