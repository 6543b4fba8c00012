//! How many modes of a toy distribution are hit.

use serde::{Deserialize, Serialize};

use super::neighbours::nearest_neighbours;
use super::rows::Rows;
use crate::error::MetricError;

/// How [`mode_scores`] counts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ModesConfig {
    /// Standard deviation of a mode, above 0.
    pub deviation: f64,
    /// A sample belongs to a mode up to so many standard deviations away. Default: 3, as in
    /// [VEEGAN](https://arxiv.org/abs/1705.07761), section 4.1
    pub within: f64,
    /// Samples that a mode must have to be hit, 1 or more. Default: 1, as there
    pub minimum: u64,
}

impl ModesConfig {
    /// The rule of VEEGAN for modes with this standard deviation.
    pub fn new(deviation: f64) -> Self {
        Self {
            deviation,
            within: 3.0,
            minimum: 1,
        }
    }
}

/// Result of [`mode_scores`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Modes {
    /// Modes with enough samples.
    pub hit: usize,
    /// Modes there are.
    pub total: usize,
    /// Share of all samples that belong to a mode.
    pub quality: f64,
    /// Samples that belong to each mode.
    pub counts: Vec<u64>,
}

/// Counts which of the `modes` (their centres, `[count, dimensions]`) have samples near them.
///
/// A sample belongs to the nearest mode, if it is near enough.
///
/// # Errors
///
/// If there are no samples or modes, the dimensions differ, or a number of the configuration is not
/// above 0.
pub fn mode_scores(
    samples: &Rows<'_>,
    modes: &Rows<'_>,
    config: ModesConfig,
) -> Result<Modes, MetricError> {
    for (field, value) in [("deviation", config.deviation), ("within", config.within)] {
        if !(value > 0.0 && value.is_finite()) {
            return Err(MetricError::setting(field, value, "above 0"));
        }
    }
    if config.minimum == 0 {
        return Err(MetricError::setting("minimum", 0, "1 or more"));
    }
    samples.at_least(1, "mode coverage", "give some")?;
    let radius = config.within * config.deviation;
    let mut counts = vec![0; modes.count()];
    for nearest in nearest_neighbours(samples, modes, 1)? {
        if nearest[0].distance <= radius {
            counts[nearest[0].index] += 1;
        }
    }
    let near: u64 = counts.iter().sum();
    Ok(Modes {
        hit: counts
            .iter()
            .filter(|count| **count >= config.minimum)
            .count(),
        total: counts.len(),
        quality: near as f64 / samples.count() as f64,
        counts,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const MODES: [f32; 6] = [0.0, 0.0, 10.0, 0.0, 0.0, 10.0];

    fn scores(samples: &[f32], config: ModesConfig) -> Result<Modes, MetricError> {
        let samples = Rows::new("the samples", samples, 2)?;
        mode_scores(&samples, &Rows::new("the modes", &MODES, 2)?, config)
    }

    #[test]
    fn a_sample_counts_for_the_nearest_mode_if_it_is_near() {
        // On a mode; 3 deviations away; a little more; on another mode; between two.
        let samples = [0.0, 0.0, 0.0, 1.5, 0.0, 1.6, 10.0, 0.1, 5.0, 0.0];
        let found = scores(&samples, ModesConfig::new(0.5)).unwrap();
        assert_eq!(
            (found.hit, found.total, found.counts),
            (2, 3, vec![2, 1, 0])
        );
        assert_eq!(found.quality, 0.6);
        let strict = ModesConfig {
            minimum: 2,
            ..ModesConfig::new(0.5)
        };
        assert_eq!(scores(&samples, strict).unwrap().hit, 1);
        let wide = ModesConfig {
            within: 4.0,
            ..ModesConfig::new(0.5)
        };
        assert_eq!(scores(&samples, wide).unwrap().quality, 0.8);
    }

    #[test]
    fn what_makes_no_sense_is_named() {
        let text = |result: Result<Modes, MetricError>| result.unwrap_err().to_string();
        assert_eq!(
            text(scores(&[0.0; 2], ModesConfig::new(0.0))),
            "`deviation` is 0; it must be above 0"
        );
        let none = ModesConfig {
            minimum: 0,
            ..ModesConfig::new(1.0)
        };
        assert!(text(scores(&[0.0; 2], none)).contains("`minimum` is 0"));
        assert!(text(scores(&[], ModesConfig::new(1.0))).contains("too few for mode coverage"));
        assert!(
            text(scores(&[f32::NAN; 2], ModesConfig::new(1.0))).contains("the samples: value 0")
        );
        let three = Rows::new("the samples", &[0.0; 3], 3).unwrap();
        let modes = Rows::new("the modes", &MODES, 2).unwrap();
        assert!(mode_scores(&three, &modes, ModesConfig::new(1.0)).is_err());
    }
}
