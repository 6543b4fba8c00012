//! The settings of the two-player game.

use burn::prelude::*;
use serde::{Deserialize, Serialize};

use crate::augment::AugmentConfig;
use crate::error::ConfigError;
use crate::game::{Clock, EmaConfig};
use crate::loss::{AdversarialLoss, BeganConfig, Objective};
use crate::nn::{check_not_negative, check_positive};
use crate::optim::{LearningRateSchedule, OptimizerConfig};
use crate::penalty::{ConsistencyConfig, LecamConfig, OrthogonalConfig, PenaltyConfig, TopKConfig};
use crate::sample::{Condition, LatentPrior};

/// How the two play.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GanConfig {
    /// What each player minimises.
    pub loss: AdversarialLoss,
    /// A weight `k` of the generated samples in the critic's loss that keeps the players in balance: the
    /// controller of [BEGAN](crate::loss::Began). Needs the loss `wasserstein`, and a critic whose score is
    /// minus an error. Default: none.
    #[serde(default)]
    pub balance: Option<BeganConfig>,
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
    /// How both learning rates change as pictures are shown. Default: not at all.
    #[serde(default)]
    pub learning_rate_schedule: Option<LearningRateSchedule>,
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
    /// What is done to every picture before the critic sees it. Default: nothing.
    #[serde(default)]
    pub augment: Option<AugmentConfig>,
    /// Weight of `E r²` in the critic's loss, 0 or more; 0.001 in ProGAN. Default: none.
    #[serde(default)]
    pub drift: Option<f64>,
    /// Pulls the scores of each side to the average of the other. Default: none.
    #[serde(default)]
    pub lecam: Option<LecamConfig>,
    /// The critic shall not mind small changes. Default: none.
    #[serde(default)]
    pub consistency: Option<ConsistencyConfig>,
    /// Pushes weights towards orthogonality. Default: none.
    #[serde(default)]
    pub orthogonal: Option<OrthogonalConfig>,
    /// Weight of the distance of both players from the [mean](crate::penalty::HistoricalAverage) of their
    /// past, 0 or more. Default: none.
    #[serde(default)]
    pub historical_average: Option<f64>,
    /// Weight of [feature matching](crate::loss::feature_matching) in the generator's loss, 0 or more.
    /// Default: none.
    #[serde(default)]
    pub feature_matching: Option<f64>,
    /// Weight of the [pulling-away term](crate::loss::pull_away) in the generator's loss, 0 or more; 0.1 in
    /// EBGAN. Default: none.
    #[serde(default)]
    pub pull_away: Option<f64>,
    /// Only the best generated samples count in the generator's step. Default: all.
    #[serde(default)]
    pub top_k: Option<TopKConfig>,
    /// The generator learns from the generated samples of the last critic step instead of from new ones, as in tutorials;
    /// and, where its loss compares with real samples, from the scores these had there. It saves a pass of the
    /// generator, and then one of the critic. Instance noise is drawn anew, and
    /// [feature matching](Self::feature_matching) judges the real samples anew. Default: no.
    #[serde(default)]
    pub shared_batch: bool,
    /// Share `s` of the critic's loss, in `(0, 1)`, that is about real samples under a wrong class, which it shall
    /// take for generated: `(1 − s) · L(real, fake) + s · L(real, mismatched)`. One half in GAN-CLS
    /// ([Reed et al. 2016](https://arxiv.org/abs/1605.05396), algorithm 1). Needs classes, a label for every
    /// sample, and a critic whose score depends on it. Default: none.
    #[serde(default)]
    pub mismatched: Option<f64>,
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
    /// One critic step per generator step, the same optimiser for both, and nothing else.
    pub fn new(loss: AdversarialLoss, latent: LatentPrior, optimizer: OptimizerConfig) -> Self {
        Self {
            loss,
            balance: None,
            latent,
            critic_steps: 1,
            generator_optimizer: optimizer,
            critic_optimizer: optimizer,
            learning_rate_schedule: None,
            label_smoothing: None,
            instance_noise: None,
            gradient_clip_norm: None,
            weight_clip: None,
            penalty: None,
            augment: None,
            drift: None,
            lecam: None,
            consistency: None,
            orthogonal: None,
            historical_average: None,
            feature_matching: None,
            pull_away: None,
            top_k: None,
            shared_batch: false,
            mismatched: None,
            ema: None,
        }
    }

    /// The same for a training of `total_kimg` thousand real samples, where a
    /// [schedule](LearningRateSchedule::ending_at) without an end of its own ends.
    #[must_use]
    pub fn ending_at(self, total_kimg: f64) -> Self {
        let end = |schedule: LearningRateSchedule| schedule.ending_at(total_kimg);
        Self {
            learning_rate_schedule: self.learning_rate_schedule.map(end),
            ..self
        }
    }

    /// What the players minimise, with all it keeps. `device` is theirs.
    ///
    /// # Errors
    ///
    /// If the loss or the smoothing is not valid.
    pub(crate) fn objective(&self, device: &Device) -> Result<Box<dyn Objective>, ConfigError> {
        if let Some(balance) = self.balance {
            return Ok(Box::new(balance.init(device)));
        }
        let smoothing = self.label_smoothing.unwrap_or(0.0);
        Ok(Box::new(self.loss.with_label_smoothing(smoothing)?))
    }

    /// Says what is wrong.
    ///
    /// # Errors
    ///
    /// If a number is not finite or outside its range, label smoothing is asked of a loss without
    /// targets, or a choice of the best samples of a loss on pairs.
    pub fn validate(&self) -> Result<(), ConfigError> {
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
        if let Some(schedule) = self.learning_rate_schedule {
            let within = |error: ConfigError| error.within("learning_rate_schedule");
            schedule.validate().map_err(within)?;
        }
        self.loss
            .with_label_smoothing(self.label_smoothing.unwrap_or(0.0))?;
        if let Some(balance) = self.balance {
            let within = |error: ConfigError| error.within("balance");
            balance.validate().map_err(within)?;
            if self.loss != AdversarialLoss::Wasserstein {
                let allowed = "left out, or the loss must be `wasserstein`";
                return Err(ConfigError::new("balance", "on", allowed));
            }
        }
        if let Some(noise) = self.instance_noise {
            check_not_negative("instance_noise.std", noise.std)?;
            check_positive("instance_noise.until_kimg", noise.until_kimg)?;
        }
        if let Some(limit) = self.gradient_clip_norm {
            check_positive("gradient_clip_norm", limit)?;
        }
        if let Some(limit) = self.weight_clip {
            check_positive("weight_clip", limit)?;
        }
        if let Some(penalty) = self.penalty {
            penalty.validate()?;
        }
        self.validate_terms()?;
        if let Some(share) = self.mismatched
            && !(share > 0.0 && share < 1.0)
        {
            return Err(ConfigError::new("mismatched", share, "between 0 and 1"));
        }
        if let Some(ema) = self.ema {
            check_positive("ema.half_life_kimg", ema.half_life_kimg)?;
            if let Some(ramp_up) = ema.ramp_up {
                check_positive("ema.ramp_up", ramp_up)?;
            }
        }
        Ok(())
    }

    /// [`validate`](Self::validate), for a game without classes.
    ///
    /// # Errors
    ///
    /// As there, and if it is about classes.
    pub fn validate_without_classes(&self) -> Result<(), ConfigError> {
        self.validate()?;
        if self.mismatched.is_some() {
            let allowed = "left out: there are no classes in this game";
            return Err(ConfigError::new("mismatched", "set", allowed));
        }
        Ok(())
    }

    /// [`validate`](Self::validate), for a [game of classes](crate::game::ClassGan).
    ///
    /// # Errors
    ///
    /// As there, and if it shares a batch, which that game does not play, or wants wrong classes where there
    /// are none.
    pub fn validate_with_classes(&self, condition: Condition) -> Result<(), ConfigError> {
        self.validate()?;
        if self.shared_batch {
            let allowed = "left out: a game of classes does not play it";
            return Err(ConfigError::new("shared_batch", "set", allowed));
        }
        let has_wrong_classes = matches!(condition, Condition::Classes { count } if count > 1);
        if self.mismatched.is_some() && !has_wrong_classes {
            let allowed = "left out, or the condition must be two classes or more";
            return Err(ConfigError::new("mismatched", "set", allowed));
        }
        Ok(())
    }

    /// What is added to the losses, and what changes the pictures.
    fn validate_terms(&self) -> Result<(), ConfigError> {
        let within = |parent| move |error: ConfigError| error.within(parent);
        if let Some(augment) = self.augment {
            augment.validate().map_err(within("augment"))?;
        }
        if let Some(lecam) = self.lecam {
            lecam.validate().map_err(within("lecam"))?;
        }
        if let Some(consistency) = self.consistency {
            consistency.validate().map_err(within("consistency"))?;
        }
        if let Some(orthogonal) = self.orthogonal {
            orthogonal.validate().map_err(within("orthogonal"))?;
        }
        for (field, weight) in [
            ("drift", self.drift),
            ("historical_average", self.historical_average),
            ("feature_matching", self.feature_matching),
            ("pull_away", self.pull_away),
        ] {
            check_not_negative(field, weight.unwrap_or(0.0))?;
        }
        if let Some(top_k) = self.top_k {
            top_k.validate().map_err(within("top_k"))?;
            if self.loss == AdversarialLoss::Relativistic {
                let allowed = "left out with the loss `relativistic`, which compares pairs";
                return Err(ConfigError::new("top_k", "on", allowed));
            }
        }
        Ok(())
    }

    /// A setting that needs pictures, if one is on.
    pub(super) fn needs_pictures(&self) -> Option<&'static str> {
        let changes = |consistency: ConsistencyConfig| consistency.changes_pictures();
        if self.augment.is_some() {
            Some("augment")
        } else if self.consistency.is_some_and(changes) {
            Some("consistency")
        } else {
            None
        }
    }

    /// A setting that needs a critic with features, if one is on.
    pub(super) fn needs_features(&self) -> Option<&'static str> {
        if self.feature_matching.is_some() {
            Some("feature_matching")
        } else {
            self.pull_away.map(|_| "pull_away")
        }
    }
}
