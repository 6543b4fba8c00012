//! Limits on the critic's scores, and a choice among them.

use burn::prelude::*;
use serde::{Deserialize, Serialize};

use crate::error::ConfigError;
use crate::game::{Clock, State, StateError};
use crate::loss::beside;

/// `E r²` of the scores of real samples, which keeps a Wasserstein critic's from drifting away: section A.1
/// of [Progressive Growing of GANs](https://arxiv.org/abs/1710.10196), which adds 0.001 of it.
pub fn drift(real: Tensor<2>) -> Tensor<1> {
    real.square().mean()
}

/// Configuration to create a [`Lecam`] using the [init function](LecamConfig::init).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LecamConfig {
    /// Weight, 0 or more; 0.01 to 0.5 in the paper, more for less data.
    pub lambda: f64,
    /// What the averages keep of themselves in a step, in `[0, 1)`. Default: 0.99.
    #[serde(default = "decay")]
    pub decay: f64,
    /// Thousands of real samples before the penalty begins, 0 or more. Default: 0.
    #[serde(default)]
    pub from_kimg: f64,
}

fn decay() -> f64 {
    0.99
}

impl LecamConfig {
    /// Says what is wrong.
    ///
    /// # Errors
    ///
    /// If a number is outside its range.
    pub fn validate(&self) -> Result<(), ConfigError> {
        crate::nn::check_not_negative("lambda", self.lambda)?;
        if !(0.0..1.0).contains(&self.decay) {
            return Err(ConfigError::new("decay", self.decay, "in [0, 1)"));
        }
        crate::nn::check_not_negative("from_kimg", self.from_kimg)
    }

    /// Averages that have seen nothing.
    ///
    /// # Panics
    ///
    /// Panics if the configuration is not valid.
    pub fn init(&self, device: &Device) -> Lecam {
        crate::nn::expect_valid(self.validate());
        let zero = || Tensor::zeros([1], &device.clone().without_autodiff());
        Lecam {
            config: *self,
            real: zero(),
            fake: zero(),
            steps: 0,
        }
    }
}

/// The regulariser of [LeCam-GAN](https://arxiv.org/abs/2104.03310), equation 5:
/// `E (r − α_F)² + E (f − α_R)²`, where `α_R` and `α_F` are moving averages of the scores of real and of
/// generated samples.
///
/// The averages begin as plain means, so that the first scores do not count for more than others. Before
/// there are any, the penalty is 0. Differs from the authors' code, which leaves out scores that are already
/// on the far side of the other average.
///
/// Should be created using [`LecamConfig`].
#[derive(Debug)]
pub struct Lecam {
    config: LecamConfig,
    real: Tensor<1>,
    fake: Tensor<1>,
    steps: u64,
}

impl Lecam {
    /// The penalty of scores `[batch, outputs]`, with its weight, once it has begun.
    pub fn penalty(&self, real: Tensor<2>, fake: Tensor<2>, clock: &Clock) -> Option<Tensor<1>> {
        if self.steps == 0 || clock.kimg() < self.config.from_kimg {
            return None;
        }
        let apart = |x: Tensor<2>, average: &Tensor<1>| {
            let average = beside(average.clone(), &x).reshape([1, 1]);
            (x - average).square().mean()
        };
        Some((apart(real, &self.fake) + apart(fake, &self.real)) * self.config.lambda)
    }

    /// Looks at the scores of a critic's step; off the tape. Scores that are not finite are passed over.
    pub fn observe(&mut self, real: Tensor<2>, fake: Tensor<2>) {
        let steps = self.steps as f64;
        let decay = self.config.decay.min(steps / (steps + 1.0));
        let towards = |average: &Tensor<1>, x: Tensor<2>| {
            let x = x.mean();
            let moved = average.clone() * decay + x.clone() * (1.0 - decay);
            average.clone().mask_where(x.is_finite(), moved)
        };
        self.real = towards(&self.real, real);
        self.fake = towards(&self.fake, fake);
        self.steps += 1;
    }

    /// Puts the averages into a checkpoint.
    pub fn save(&self, state: &mut State) {
        state.save_scalar("lecam.real", &self.real);
        state.save_scalar("lecam.fake", &self.fake);
        let steps = self.steps as f64;
        state.numbers.insert("lecam.steps".into(), steps);
    }

    /// Takes the averages back.
    ///
    /// # Errors
    ///
    /// If something is missing.
    pub fn load(&mut self, state: &State) -> Result<(), StateError> {
        let real = state.load_scalar("lecam.real", &self.real)?;
        let fake = state.load_scalar("lecam.fake", &self.fake)?;
        self.steps = state.number("lecam.steps")? as u64;
        (self.real, self.fake) = (real, fake);
        Ok(())
    }
}

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

    fn scores(values: [f32; 4]) -> Tensor<2> {
        let device = Device::flex().autodiff();
        Tensor::<1>::from_floats(values, &device)
            .reshape([4, 1])
            .require_grad()
    }

    fn at(images: u64) -> Clock {
        Clock {
            images,
            ..Clock::new(1)
        }
    }

    #[test]
    fn drift_is_the_mean_square() {
        let r = scores([1.0, 2.0, -3.0, 0.0]);
        let loss = drift(r.clone());
        assert_eq!(values(&loss), [3.5]);
        assert_eq!(
            values(&r.grad(&loss.backward()).unwrap()),
            [0.5, 1.0, -1.5, 0.0]
        );
    }

    fn lecam() -> Lecam {
        let config = LecamConfig {
            lambda: 2.0,
            decay: 0.75,
            from_kimg: 1.0,
        };
        config.init(&Device::flex().autodiff())
    }

    /// Means 1, 3 of real and −1, −2 of generated scores, then a third step that keeps 2/3, a fourth that
    /// keeps 3/4 and a fifth that keeps 3/4, not 4/5.
    #[test]
    fn lecam_averages_are_plain_means_until_the_decay_takes_over() {
        let mut lecam = lecam();
        let mut wanted = 0.0;
        for (step, value) in [1.0f32, 3.0, 8.0, -4.0, 12.0].into_iter().enumerate() {
            lecam.observe(scores([value; 4]).inner(), scores([-value; 4]).inner());
            let keep = [0.0, 0.5, 2.0 / 3.0, 0.75, 0.75][step];
            wanted = wanted * keep + value * (1.0 - keep);
            assert!((values(&lecam.real)[0] - wanted).abs() < 1e-5);
            assert!((values(&lecam.fake)[0] + wanted).abs() < 1e-5);
        }
    }

    #[test]
    fn lecam_pulls_each_side_to_the_average_of_the_other() {
        let mut lecam = lecam();
        let (r, f) = (scores([1.0, 2.0, 3.0, 2.0]), scores([0.0, -1.0, 0.0, 1.0]));
        assert!(lecam.penalty(r.clone(), f.clone(), &at(1000)).is_none());
        lecam.observe(scores([4.0; 4]).inner(), scores([-2.0; 4]).inner());
        assert!(lecam.penalty(r.clone(), f.clone(), &at(999)).is_none());
        let loss = lecam.penalty(r.clone(), f.clone(), &at(1000)).unwrap();
        // E (r + 2)² = (9 + 16 + 25 + 16) / 4, E (f − 4)² = (16 + 25 + 16 + 9) / 4.
        assert!((values(&loss)[0] - 2.0 * (16.5 + 16.5)).abs() < 1e-4);
        let grads = loss.backward();
        assert_eq!(values(&r.grad(&grads).unwrap()), [3.0, 4.0, 5.0, 4.0]);
        assert_eq!(values(&f.grad(&grads).unwrap()), [-4.0, -5.0, -4.0, -3.0]);
    }

    #[test]
    fn lecam_passes_over_what_is_not_finite_and_comes_back() {
        let mut lecam = self::lecam();
        lecam.observe(scores([4.0; 4]).inner(), scores([-2.0; 4]).inner());
        lecam.observe(
            scores([f32::NAN; 4]).inner(),
            scores([f32::INFINITY; 4]).inner(),
        );
        assert_eq!(values(&lecam.real), [4.0]);
        assert_eq!(values(&lecam.fake), [-2.0]);
        let mut state = State::default();
        lecam.save(&mut state);
        let mut other = self::lecam();
        other.load(&state).unwrap();
        for each in [&mut lecam, &mut other] {
            each.observe(scores([1.0; 4]).inner(), scores([2.0; 4]).inner());
        }
        assert_eq!(values(&lecam.real), values(&other.real));
        let error = other.load(&State::default()).unwrap_err();
        assert_eq!(error, StateError::MissingNumber("lecam.real".into()));
    }

    #[test]
    fn only_the_best_scores_have_a_gradient() {
        let top = TopKConfig {
            decay: 0.5,
            every_kimg: 1.0,
            minimum: 0.5,
        };
        let f = scores([0.1, 3.0, -1.0, 2.0]);
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
        let lecam = |lambda, decay, from_kimg| {
            let config = LecamConfig {
                lambda,
                decay,
                from_kimg,
            };
            config.validate().expect_err("it is bad").field
        };
        assert_eq!(lecam(-1.0, 0.9, 0.0), "lambda");
        assert_eq!(lecam(1.0, 1.0, 0.0), "decay");
        assert_eq!(lecam(1.0, 0.9, f64::NAN), "from_kimg");
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
