//! Limits on the critic's scores.

use burn::prelude::*;
use serde::{Deserialize, Serialize};

use crate::error::ConfigError;
use crate::game::{Clock, State, StateError};
use crate::loss::constant;

/// `E r²` of the scores of real samples, which keeps a Wasserstein critic's from drifting away: section A.1
/// of [Progressive Growing of GANs](https://arxiv.org/abs/1710.10196), which adds 0.001 of it.
pub fn drift(real: Tensor<2>) -> Tensor<1> {
    real.square().mean()
}

/// Configuration to create a [`Lecam`] using the [init function](LecamConfig::init).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LecamConfig {
    /// Weight, 0 or more; 0.3 in the authors' scripts for BigGAN on CIFAR.
    pub lambda: f64,
    /// What the averages keep of themselves in a step, in `[0, 1)`. Default: 0.99.
    #[serde(default = "decay")]
    pub decay: f64,
    /// Thousands of real samples before the penalty begins, 0 or more. Default: 0; PyTorch-StudioGAN
    /// waits for 1000 rounds.
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

/// The regulariser of [LeCam-GAN](https://arxiv.org/abs/2104.03310), `R_LC`:
/// `E (r − α_F)² + E (f − α_R)²`, where `α_R` and `α_F` are moving averages of the scores of real and of
/// generated samples.
///
/// The averages begin as plain means, so that the first scores do not count for more than others. Before
/// there are any, the penalty is 0. Differs from the authors' code, which leaves out real scores
/// below `α_F` and generated ones above `α_R`, and moves the averages before it uses them.
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
            let average = constant(average.clone(), &x.device()).reshape([1, 1]);
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
    }
}
