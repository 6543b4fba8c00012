//! How long a run is and what it leaves behind.

use serde::{Deserialize, Serialize};

use super::error::TrainError;
use super::{Every, GuardConfig};

/// How long a run is and what it leaves behind. Cadences are in thousands of real pictures shown to
/// the critic; 0 is never.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TrainConfig {
    /// Length, above 0. A finished run can be continued with a larger one. Default: 1200
    pub total_kimg: f64,
    /// Between lines of the log. Default: 1
    pub log_kimg: f64,
    /// Between pictures of samples. Default: 50
    pub sample_kimg: f64,
    /// Between checkpoints. Default: 50
    pub checkpoint_kimg: f64,
    /// Checkpoints that are kept, besides the best, 1 or more. Default: 2
    pub keep_checkpoints: usize,
    /// When to give up on a course; `None` for never. Default: see [`GuardConfig`]
    pub guard: Option<GuardConfig>,
}

impl Default for TrainConfig {
    fn default() -> Self {
        Self {
            total_kimg: 1200.0,
            log_kimg: 1.0,
            sample_kimg: 50.0,
            checkpoint_kimg: 50.0,
            keep_checkpoints: 2,
            guard: Some(GuardConfig::default()),
        }
    }
}

impl TrainConfig {
    /// Says what is wrong.
    ///
    /// # Errors
    ///
    /// If a number is not finite or outside its range.
    pub fn validate(&self) -> Result<(), TrainError> {
        let wrong = |field, value: String, allowed| TrainError::Config {
            field,
            value,
            allowed,
        };
        // Above this, pictures could not be counted.
        let longest = 1e15;
        if !(self.total_kimg > 0.0 && self.total_kimg <= longest) {
            let allowed = "a number above 0";
            return Err(wrong("total_kimg", self.total_kimg.to_string(), allowed));
        }
        for (field, value) in [
            ("log_kimg", self.log_kimg),
            ("sample_kimg", self.sample_kimg),
            ("checkpoint_kimg", self.checkpoint_kimg),
        ] {
            if !(value >= 0.0 && value <= longest) {
                let allowed = "a number above 0, or 0 for never";
                return Err(wrong(field, value.to_string(), allowed));
            }
        }
        if self.keep_checkpoints == 0 {
            return Err(wrong("keep_checkpoints", "0".into(), "1 or more"));
        }
        self.guard.map_or(Ok(()), |guard| guard.validate())
    }

    /// Length in pictures, at least 1.
    pub fn total_images(&self) -> u64 {
        ((self.total_kimg * 1000.0).round() as u64).max(1)
    }

    /// When the log gets a line.
    pub fn log_every(&self) -> Every {
        Every::kimg(self.log_kimg)
    }

    /// When samples are drawn.
    pub fn sample_every(&self) -> Every {
        Every::kimg(self.sample_kimg)
    }

    /// When a checkpoint is made.
    pub fn checkpoint_every(&self) -> Every {
        Every::kimg(self.checkpoint_kimg)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrong_settings_are_named() {
        let check = |change: fn(&mut TrainConfig)| {
            let mut config = TrainConfig::default();
            change(&mut config);
            config.validate().unwrap_err().to_string()
        };
        assert!(TrainConfig::default().validate().is_ok());
        let message = check(|c| c.total_kimg = 0.0);
        assert_eq!(message, "`total_kimg` is 0; allowed is a number above 0");
        assert!(check(|c| c.total_kimg = f64::NAN).contains("`total_kimg` is NaN"));
        assert!(check(|c| c.log_kimg = -1.0).contains("`log_kimg` is -1"));
        assert!(check(|c| c.sample_kimg = f64::INFINITY).contains("`sample_kimg` is inf"));
        assert!(check(|c| c.checkpoint_kimg = f64::NAN).contains("checkpoint_kimg"));
        assert!(check(|c| c.keep_checkpoints = 0).contains("keep_checkpoints"));
        assert!(check(|c| c.guard.as_mut().unwrap().window = 0).contains("guard.window"));
    }

    #[test]
    fn unknown_settings_are_refused_and_missing_ones_have_defaults() {
        let config: TrainConfig = serde_json::from_str(r#"{"total_kimg": 3}"#).unwrap();
        assert_eq!(config.total_images(), 3000);
        assert_eq!(config.keep_checkpoints, 2);
        assert!(serde_json::from_str::<TrainConfig>(r#"{"totl_kimg": 3}"#).is_err());
    }
}
