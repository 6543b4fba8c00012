//! Which scores there are, and how they are computed.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::{MetricError, by_name};
use crate::score::{FrechetConfig, KernelDistanceConfig, ManifoldConfig};

/// Scores that can be asked for by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Metric {
    /// The Fréchet distance: `fid`.
    Fid,
    /// The kernel distance: `kid`.
    Kid,
    /// Precision and recall: `pr`.
    #[serde(rename = "pr")]
    PrecisionRecall,
    /// Density and coverage: `dc`.
    #[serde(rename = "dc")]
    DensityCoverage,
    /// The Inception Score: `is`.
    #[serde(rename = "is")]
    InceptionScore,
    /// How many classes are drawn and how evenly: `classes`.
    Classes,
    /// How often a picture shows the class it was asked to show: `accuracy`.
    Accuracy,
    /// The mean Fréchet distance of the classes, section 4 of
    /// [cGANs with projection](https://arxiv.org/abs/1802.05637): `intra`.
    #[serde(rename = "intra")]
    IntraFid,
    /// How often a picture is not nearest to a training picture that it might be a copy of:
    /// `authenticity`.
    Authenticity,
}

impl Metric {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Fid,
        Self::Kid,
        Self::PrecisionRecall,
        Self::DensityCoverage,
        Self::InceptionScore,
        Self::Classes,
        Self::Accuracy,
        Self::IntraFid,
        Self::Authenticity,
    ];

    /// As in files and flags.
    pub fn name(self) -> &'static str {
        match self {
            Self::Fid => "fid",
            Self::Kid => "kid",
            Self::PrecisionRecall => "pr",
            Self::DensityCoverage => "dc",
            Self::InceptionScore => "is",
            Self::Classes => "classes",
            Self::Accuracy => "accuracy",
            Self::IntraFid => "intra",
            Self::Authenticity => "authenticity",
        }
    }
}

impl fmt::Display for Metric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Metric {
    type Err = MetricError;

    fn from_str(text: &str) -> Result<Self, MetricError> {
        by_name(text, Self::ALL, Self::name)
            .map_err(|names| MetricError::setting("metrics", text, format!("of {names}")))
    }
}

/// How the scores of [`evaluate`](super::evaluate) are computed. The defaults are those of the papers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SuiteConfig {
    /// Bytes of features that are kept of each set, for scores that compare pairs of pictures: KID,
    /// precision and recall, density and coverage, authenticity, neighbours. They are computed from the
    /// first pictures, so these should come in random order. Default: 128 MiB, that is 16,384 pictures
    /// with Inception features and 524,288 with digit features
    pub keep_bytes: usize,
    /// The Fréchet distance.
    pub frechet: FrechetConfig,
    /// The kernel distance. Where there are fewer pictures than a subset should have, it has half of
    /// them, and the score says so.
    pub kernel: KernelDistanceConfig,
    /// Precision and recall. Default: 3 neighbours
    pub precision: ManifoldConfig,
    /// Density and coverage. Default: 5 neighbours
    pub density: ManifoldConfig,
    /// Splits of the Inception Score. Default: 10
    pub splits: usize,
}

impl Default for SuiteConfig {
    fn default() -> Self {
        Self {
            keep_bytes: 128 << 20,
            frechet: FrechetConfig::default(),
            kernel: KernelDistanceConfig::default(),
            precision: ManifoldConfig { neighbours: 3 },
            density: ManifoldConfig { neighbours: 5 },
            splits: 10,
        }
    }
}

impl SuiteConfig {
    /// Pictures whose `size` features are kept.
    pub fn kept(&self, size: usize) -> usize {
        self.keep_bytes / (size_of::<f32>() * size)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_the_same_in_flags_and_files() {
        for metric in Metric::ALL {
            assert_eq!(metric.name().parse::<Metric>().unwrap(), metric);
            let json = serde_json::to_string(&metric).unwrap();
            assert_eq!(json, format!("\"{metric}\""));
        }
        assert_eq!(
            "fd".parse::<Metric>().unwrap_err().to_string(),
            "`metrics` is fd; it must be of fid, kid, pr, dc, is, classes, accuracy, intra, authenticity"
        );
    }
}
