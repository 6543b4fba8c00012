//! The settings of the two-player game.

use serde::{Deserialize, Serialize};

use crate::error::ConfigError;
use crate::game::{Clock, EmaConfig};
use crate::loss::AdversarialLoss;
use crate::optim::OptimizerConfig;
use crate::penalty::PenaltyConfig;
use crate::sample::LatentPrior;

/// How the two play.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GanConfig {
    /// What each player minimises.
    pub loss: AdversarialLoss,
    /// Where latents come from.
    pub latent: LatentPrior,
    /// Critic steps per generator step, 1 or more; every step gets its own part of the batch.
    /// Default: 1; WGAN uses 5.
    #[serde(default = "one")]
    pub critic_steps: usize,
    /// What moves the generator.
    pub generator_optimizer: OptimizerConfig,
    /// What moves the critic.
    pub critic_optimizer: OptimizerConfig,
    /// How far below 1 the critic's target for real samples is, in `[0, 1)`; 0.1 is usual. Default:
    /// none.
    #[serde(default)]
    pub label_smoothing: Option<f64>,
    /// Gaussian noise on everything the critic sees. Default: none.
    #[serde(default)]
    pub instance_noise: Option<InstanceNoise>,
    /// Longest gradient of a player, above 0; longer ones are scaled down. Default: no limit.
    #[serde(default)]
    pub gradient_clip_norm: Option<f64>,
    /// Largest weight of the critic in absolute value, above 0; 0.01 in WGAN. Default: no limit.
    #[serde(default)]
    pub weight_clip: Option<f64>,
    /// Penalty on the critic's gradient. Default: none.
    #[serde(default)]
    pub penalty: Option<PenaltyConfig>,
    /// Moving average of the generator, which samples are drawn from. Default: none.
    #[serde(default)]
    pub ema: Option<EmaConfig>,
}

fn one() -> usize {
    1
}

/// Gaussian noise on everything the critic sees, fading linearly to none, as in
/// [Sønderby et al. 2016](https://arxiv.org/abs/1610.04490).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InstanceNoise {
    /// Standard deviation at the start, in units of the data (pictures are in `[-1, 1]`), 0 or more.
    pub std: f64,
    /// Thousands of real samples until it is gone, above 0.
    pub until_kimg: f64,
}

impl InstanceNoise {
    /// The standard deviation at `clock`.
    pub fn std_at(&self, clock: &Clock) -> f64 {
        self.std * (1.0 - clock.kimg() / self.until_kimg).max(0.0)
    }
}

impl GanConfig {
    /// Says what is wrong.
    ///
    /// # Errors
    ///
    /// If a number is not finite or outside its range, or label smoothing is asked of a loss without
    /// targets.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let positive = |field: &str, value: f64| {
            if value > 0.0 && value.is_finite() {
                Ok(())
            } else {
                Err(ConfigError::new(field, value, "a finite number above 0"))
            }
        };
        self.latent.validate()?;
        if self.critic_steps == 0 {
            return Err(ConfigError::new("critic_steps", 0, "1 or more"));
        }
        self.generator_optimizer
            .validate()
            .map_err(|error| error.within("generator_optimizer"))?;
        self.critic_optimizer
            .validate()
            .map_err(|error| error.within("critic_optimizer"))?;
        self.loss
            .with_label_smoothing(self.label_smoothing.unwrap_or(0.0))?;
        if let Some(noise) = self.instance_noise {
            if !(noise.std >= 0.0 && noise.std.is_finite()) {
                let allowed = "a finite number, 0 or more";
                return Err(ConfigError::new("instance_noise.std", noise.std, allowed));
            }
            positive("instance_noise.until_kimg", noise.until_kimg)?;
        }
        if let Some(limit) = self.gradient_clip_norm {
            positive("gradient_clip_norm", limit)?;
        }
        if let Some(limit) = self.weight_clip {
            positive("weight_clip", limit)?;
        }
        if let Some(penalty) = self.penalty {
            penalty.validate()?;
        }
        if let Some(ema) = self.ema {
            positive("ema.half_life_kimg", ema.half_life_kimg)?;
            if let Some(ramp_up) = ema.ramp_up {
                positive("ema.ramp_up", ramp_up)?;
            }
        }
        Ok(())
    }
}
