//! Learning rates that change while a game goes on.

use serde::{Deserialize, Serialize};

use crate::error::ConfigError;
use crate::game::Clock;
use crate::nn::{check_not_negative, check_positive};

/// What both learning rates are multiplied by in the course of a game. It depends on the pictures shown, and
/// how many are to be shown, alone, so that a resumed game needs no state for it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind", deny_unknown_fields)]
pub enum LearningRateSchedule {
    /// 1, then a straight line to `factor`, which then stays: constant for the first half and falling to
    /// 0 in pix2pix and [CycleGAN](https://arxiv.org/abs/1703.10593) (section 4 there), falling to 0 from
    /// the beginning to the end in the authors' SNGAN on CIFAR-10. With `from_kimg = 0` and `factor`
    /// above 1 it is a warm-up.
    Linear {
        /// Thousands of real samples before it falls, 0 or more.
        from_kimg: f64,
        /// Thousands of real samples when it is down, above `from_kimg`. Default: the end of the
        /// training, which a [model](LearningRateSchedule::ending_at) knows; with a longer training the
        /// line is longer.
        #[serde(default)]
        until_kimg: Option<f64>,
        /// What is left, 0 or more.
        factor: f64,
    },
    /// `min(1, √(from / kimg))`: falls ever more slowly and needs no known end.
    InverseSquareRoot {
        /// Thousands of real samples before it falls, above 0.
        from_kimg: f64,
    },
}

impl LearningRateSchedule {
    /// The same for a training of `total_kimg` thousand real samples: a line without an end of its own ends
    /// there.
    #[must_use]
    pub fn ending_at(self, total_kimg: f64) -> Self {
        match self {
            Self::Linear {
                from_kimg,
                until_kimg: None,
                factor,
            } => Self::Linear {
                from_kimg,
                until_kimg: Some(total_kimg),
                factor,
            },
            other => other,
        }
    }

    /// Whether it can be asked for a factor: a line has an end.
    pub(crate) fn has_end(&self) -> bool {
        !matches!(
            self,
            Self::Linear {
                until_kimg: None,
                ..
            }
        )
    }

    /// The factor at `clock`.
    ///
    /// # Panics
    ///
    /// Panics if the line has no end: see [`ending_at`](Self::ending_at).
    pub fn factor_at(&self, clock: &Clock) -> f64 {
        let kimg = clock.kimg();
        match *self {
            Self::Linear {
                from_kimg,
                until_kimg,
                factor,
            } => {
                let until_kimg = until_kimg.expect("a game refuses a line without an end");
                let part = ((kimg - from_kimg) / (until_kimg - from_kimg)).clamp(0.0, 1.0);
                1.0 + part * (factor - 1.0)
            }
            Self::InverseSquareRoot { from_kimg } if kimg <= from_kimg => 1.0,
            Self::InverseSquareRoot { from_kimg } => (from_kimg / kimg).sqrt(),
        }
    }

    /// Says what is wrong with the numbers.
    ///
    /// # Errors
    ///
    /// If a number is not finite or outside its range.
    pub fn validate(&self) -> Result<(), ConfigError> {
        match *self {
            Self::Linear {
                from_kimg,
                until_kimg,
                factor,
            } => {
                check_not_negative("from_kimg", from_kimg)?;
                if let Some(until_kimg) = until_kimg
                    && !(until_kimg > from_kimg && until_kimg.is_finite())
                {
                    let allowed = format!("a finite number above from_kimg, {from_kimg}");
                    return Err(ConfigError::new("until_kimg", until_kimg, allowed));
                }
                check_not_negative("factor", factor)
            }
            Self::InverseSquareRoot { from_kimg } => check_positive("from_kimg", from_kimg),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(schedule: LearningRateSchedule, kimg: u64) -> f64 {
        let mut clock = Clock::new(0);
        clock.images = kimg * 1000;
        schedule.factor_at(&clock)
    }

    #[test]
    fn a_line_between_two_plateaus() {
        let schedule = LearningRateSchedule::Linear {
            from_kimg: 100.0,
            until_kimg: Some(200.0),
            factor: 0.2,
        };
        for (kimg, factor) in [(0, 1.0), (100, 1.0), (150, 0.6), (200, 0.2), (900, 0.2)] {
            assert!((at(schedule, kimg) - factor).abs() < 1e-12, "{kimg}");
        }
    }

    #[test]
    fn a_line_without_an_end_ends_with_the_training() {
        let open = r#"{"kind": "linear", "from_kimg": 100, "factor": 0}"#;
        let open: LearningRateSchedule = serde_json::from_str(open).unwrap();
        assert!(open.validate().is_ok() && !open.has_end());
        for (total, factor) in [(200.0, 0.5), (300.0, 0.75)] {
            let schedule = open.ending_at(total);
            assert!(schedule.has_end());
            assert!((at(schedule, 150) - factor).abs() < 1e-12, "{total}");
        }
        let closed = open.ending_at(200.0);
        assert_eq!(closed.ending_at(300.0), closed, "its own end counts");
        let root = LearningRateSchedule::InverseSquareRoot { from_kimg: 1.0 };
        assert_eq!(root.ending_at(300.0), root);
        let early = open.ending_at(100.0).validate().unwrap_err();
        assert_eq!(early.field, "until_kimg");
    }

    #[test]
    fn the_root_halves_when_the_pictures_quadruple() {
        let schedule = LearningRateSchedule::InverseSquareRoot { from_kimg: 50.0 };
        for (kimg, factor) in [(0, 1.0), (50, 1.0), (200, 0.5), (800, 0.25)] {
            assert!((at(schedule, kimg) - factor).abs() < 1e-12, "{kimg}");
        }
    }

    #[test]
    fn wrong_numbers_are_named() {
        let linear = |from_kimg, until_kimg, factor| LearningRateSchedule::Linear {
            from_kimg,
            until_kimg: Some(until_kimg),
            factor,
        };
        let root = |from_kimg| LearningRateSchedule::InverseSquareRoot { from_kimg };
        for (schedule, field) in [
            (linear(-1.0, 2.0, 0.0), "from_kimg"),
            (linear(2.0, 2.0, 0.0), "until_kimg"),
            (linear(2.0, f64::INFINITY, 0.0), "until_kimg"),
            (linear(0.0, 2.0, f64::NAN), "factor"),
            (root(0.0), "from_kimg"),
        ] {
            let error = schedule.validate().unwrap_err();
            assert_eq!(error.field, field);
        }
    }
}
