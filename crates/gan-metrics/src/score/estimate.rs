//! A number with how far it may be off.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Mean and spread of a score over subsets of the data.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    /// Mean over the subsets.
    pub mean: f64,
    /// Standard deviation over the subsets (divided by their number); 0 for one.
    pub deviation: f64,
}

impl Estimate {
    /// Of the values of the subsets.
    ///
    /// # Panics
    ///
    /// Panics if there is none.
    pub fn of(values: &[f64]) -> Self {
        assert!(!values.is_empty(), "an estimate of no values");
        let count = values.len() as f64;
        let mean = values.iter().sum::<f64>() / count;
        let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
        Self {
            mean,
            deviation: (squares / count).sqrt(),
        }
    }
}

impl fmt::Display for Estimate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.6} ± {:.6}", self.mean, self.deviation)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_numpys_mean_and_std() {
        let estimate = Estimate::of(&[1.0, 2.0, 6.0]);
        assert_eq!(estimate.mean, 3.0);
        assert!((estimate.deviation - (14.0f64 / 3.0).sqrt()).abs() < 1e-15);
        assert_eq!(Estimate::of(&[4.0]).to_string(), "4.000000 ± 0.000000");
    }
}
