//! Adaptive augmentation.

use burn::prelude::*;
use serde::{Deserialize, Serialize};

use super::{PipelineConfig, Warp};
use crate::error::ConfigError;
use crate::game::{State, StateError};
use crate::loss::constant;
use crate::rng::Stream;

/// Configuration to create an [`Adaptive`] using the [init function](AdaptiveConfig::init).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AdaptiveConfig {
    /// Which changes are made. Default: those the paper found best.
    #[serde(default)]
    pub pipeline: PipelineConfig,
    /// How sure the critic shall be of real pictures: the mean sign of its score aimed at, in `(-1, 1)`, or
    /// none to keep the probability where it begins. Default: 0.6.
    #[serde(default = "target")]
    pub target: Option<f64>,
    /// Thousands of real pictures in which the probability can go from 0 to 1, above 0. Default: 500.
    #[serde(default = "kimg")]
    pub kimg: f64,
    /// Critic steps between two changes of the probability, 1 or more. Default: 4.
    #[serde(default = "interval")]
    pub interval: u64,
    /// The probability to begin with, in `[0, 1]`. Default: 0.
    #[serde(default)]
    pub initial: f64,
}

fn target() -> Option<f64> {
    Some(0.6)
}

fn kimg() -> f64 {
    500.0
}

fn interval() -> u64 {
    4
}

impl Default for AdaptiveConfig {
    fn default() -> Self {
        Self {
            pipeline: PipelineConfig::default(),
            target: target(),
            kimg: kimg(),
            interval: interval(),
            initial: 0.0,
        }
    }
}

impl AdaptiveConfig {
    /// Says what is wrong.
    ///
    /// # Errors
    ///
    /// If a number is outside its range.
    pub fn validate(&self) -> Result<(), ConfigError> {
        if let Some(target) = self.target
            && !(target > -1.0 && target < 1.0)
        {
            return Err(ConfigError::new("target", target, "in (-1, 1)"));
        }
        crate::nn::check_positive("kimg", self.kimg)?;
        if self.interval == 0 {
            return Err(ConfigError::new("interval", 0, "1 or more"));
        }
        if !(0.0..=1.0).contains(&self.initial) {
            return Err(ConfigError::new("initial", self.initial, "in [0, 1]"));
        }
        Ok(())
    }

    /// A controller that has seen nothing.
    ///
    /// # Panics
    ///
    /// Panics if the configuration is not valid.
    pub fn init(&self, device: &Device) -> Adaptive {
        crate::nn::expect_valid(self.validate());
        let device = device.clone().without_autodiff();
        Adaptive {
            config: *self,
            p: Tensor::from_floats([self.initial as f32], &device),
            signs: Tensor::zeros([1], &device),
            steps: 0,
            images: 0,
        }
    }
}

/// The controller of [adaptive discriminator augmentation](https://arxiv.org/abs/2006.06676), section 3:
/// the probability of every change rises while the mean sign of the critic's scores of real pictures is above
/// the target, and falls while it is below.
///
/// Scores must be logits with 0 for "undecided"; a Wasserstein critic's are not. Scores that are not finite
/// count as undecided.
///
/// Should be created using [`AdaptiveConfig`].
#[derive(Debug)]
pub struct Adaptive {
    config: AdaptiveConfig,
    p: Tensor<1>,
    /// Sum of the mean signs since the last change.
    signs: Tensor<1>,
    /// Steps since the last change.
    steps: u64,
    /// Pictures since the last change.
    images: u64,
}

impl Adaptive {
    /// The probability of a change, `[1]`, off the tape.
    pub fn probability(&self) -> Tensor<1> {
        self.p.clone()
    }

    /// Draws changes for pictures of `shape` on `device`.
    pub fn draw(&self, shape: [usize; 4], stream: &mut Stream, device: &Device) -> Warp {
        let p = constant(self.p.clone(), device);
        self.config.pipeline.draw(shape, p, stream)
    }

    /// Looks at the scores of real pictures in a critic's step; off the tape.
    pub fn observe(&mut self, real: Tensor<2>) {
        let Some(target) = self.config.target else {
            return;
        };
        self.images += real.dims()[0] as u64;
        self.steps += 1;
        let sure = real.clone().sign();
        let sure = sure.mask_fill(real.is_finite().bool_not(), 0.0);
        self.signs = self.signs.clone() + sure.mean();
        if self.steps == self.config.interval {
            let excess = self.signs.clone() / self.steps as f64 - target;
            let step = self.images as f64 / (self.config.kimg * 1000.0);
            self.p = (self.p.clone() + excess.sign() * step).clamp(0.0, 1.0);
            self.signs = self.signs.zeros_like();
            (self.steps, self.images) = (0, 0);
        }
    }

    /// Puts the controller into a checkpoint.
    pub fn save(&self, state: &mut State) {
        state.save_scalar("augment.p", &self.p);
        state.save_scalar("augment.signs", &self.signs);
        let numbers = [
            ("augment.steps", self.steps),
            ("augment.images", self.images),
        ];
        for (name, value) in numbers {
            state.numbers.insert(name.into(), value as f64);
        }
    }

    /// Takes the controller back.
    ///
    /// # Errors
    ///
    /// If something is missing.
    pub fn load(&mut self, state: &State) -> Result<(), StateError> {
        let p = state.load_scalar("augment.p", &self.p)?;
        let signs = state.load_scalar("augment.signs", &self.signs)?;
        let steps = state.number("augment.steps")? as u64;
        self.images = state.number("augment.images")? as u64;
        (self.p, self.signs, self.steps) = (p, signs, steps);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::values;

    fn controller(initial: f64) -> Adaptive {
        let config = AdaptiveConfig {
            kimg: 0.08,
            interval: 2,
            initial,
            ..AdaptiveConfig::default()
        };
        config.init(&Device::flex().autodiff())
    }

    fn scores(scores: [f32; 4]) -> Tensor<2> {
        Tensor::<1>::from_floats(scores, &Device::flex()).reshape([4, 1])
    }

    fn p(adaptive: &Adaptive) -> f32 {
        values(&adaptive.probability())[0]
    }

    /// Two steps of four pictures are 0.1 of 80 pictures.
    #[test]
    fn it_rises_when_the_critic_is_sure_and_falls_when_it_is_not() {
        let mut adaptive = controller(0.5);
        adaptive.observe(scores([3.0, 0.1, 9.0, 1.0]));
        assert_eq!(p(&adaptive), 0.5, "it waits for its interval");
        adaptive.observe(scores([3.0, 0.1, 9.0, -1.0])); // (1 + 0.5) / 2 > 0.6
        assert!((p(&adaptive) - 0.6).abs() < 1e-6);
        for _ in 0..2 {
            adaptive.observe(scores([3.0, 0.1, 9.0, -1.0])); // 0.5 < 0.6
        }
        assert!((p(&adaptive) - 0.5).abs() < 1e-6);
    }

    #[test]
    fn it_stays_between_0_and_1_and_may_be_fixed() {
        let mut adaptive = controller(0.05);
        for _ in 0..4 {
            adaptive.observe(scores([-1.0; 4]));
        }
        assert_eq!(p(&adaptive), 0.0);
        let mut adaptive = controller(0.95);
        for _ in 0..4 {
            adaptive.observe(scores([1.0; 4]));
        }
        assert_eq!(p(&adaptive), 1.0);
        let fixed = AdaptiveConfig {
            target: None,
            interval: 1,
            initial: 0.3,
            ..AdaptiveConfig::default()
        };
        let mut fixed = fixed.init(&Device::flex());
        fixed.observe(scores([1.0; 4]));
        assert_eq!(p(&fixed), 0.3);
    }

    #[test]
    fn scores_that_are_not_finite_count_as_undecided() {
        let mut adaptive = controller(0.5);
        for _ in 0..2 {
            adaptive.observe(scores([f32::NAN, f32::INFINITY, 1.0, 1.0]));
        }
        assert!((p(&adaptive) - 0.4).abs() < 1e-6);
    }

    #[test]
    fn it_comes_back_between_two_changes() {
        let mut adaptive = controller(0.5);
        adaptive.observe(scores([1.0; 4]));
        let mut state = State::default();
        adaptive.save(&mut state);
        let mut other = controller(0.0);
        other.load(&state).unwrap();
        for each in [&mut adaptive, &mut other] {
            each.observe(scores([1.0, 1.0, 1.0, -1.0]));
        }
        assert_eq!(p(&other), p(&adaptive));
        assert!((p(&other) - 0.6).abs() < 1e-6);
        let error = other.load(&State::default()).unwrap_err();
        assert_eq!(error, StateError::MissingNumber("augment.p".into()));
    }

    #[test]
    fn numbers_outside_their_range_are_refused() {
        let field = |edit: fn(&mut AdaptiveConfig)| {
            let mut config = AdaptiveConfig::default();
            edit(&mut config);
            config.validate().expect_err("it is bad").field
        };
        assert_eq!(field(|c| c.target = Some(1.0)), "target");
        assert_eq!(field(|c| c.target = Some(f64::NAN)), "target");
        assert_eq!(field(|c| c.kimg = 0.0), "kimg");
        assert_eq!(field(|c| c.interval = 0), "interval");
        assert_eq!(field(|c| c.initial = 1.5), "initial");
    }
}
