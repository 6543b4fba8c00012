//! Scores of pairs of pictures: a result and what it should be.

use std::fmt;
use std::str::FromStr;

use gan_core::train::Better;

use super::Score;
use crate::error::{MetricError, by_name};
use crate::features::{Lpips, PictureDistance, PictureShape};
use crate::score::{Estimate, PairConfig, ms_ssim, psnr, ssim};

/// Scores of pairs that can be asked for by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PairMetric {
    /// [`Lpips`]: `lpips`.
    Lpips,
    /// [`psnr`], in decibels: `psnr`.
    Psnr,
    /// [`ssim`]: `ssim`.
    Ssim,
    /// [`ms_ssim`]: `ms-ssim`.
    MsSsim,
}

impl PairMetric {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Lpips, Self::Psnr, Self::Ssim, Self::MsSsim];

    /// As in flags.
    pub fn name(self) -> &'static str {
        match self {
            Self::Lpips => "lpips",
            Self::Psnr => "psnr",
            Self::Ssim => "ssim",
            Self::MsSsim => "ms-ssim",
        }
    }
}

impl fmt::Display for PairMetric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for PairMetric {
    type Err = MetricError;

    fn from_str(text: &str) -> Result<Self, MetricError> {
        by_name(text, Self::ALL, Self::name)
            .map_err(|names| MetricError::setting("metrics", text, format!("of {names}")))
    }
}

/// Collects the scores of pairs: of each, the mean and the standard deviation over the pairs. The result
/// does not depend on the batches.
#[derive(Debug)]
pub struct PairCollector<'a> {
    metrics: Vec<PairMetric>,
    lpips: Option<&'a Lpips>,
    config: PairConfig,
    /// Size of one picture.
    picture: Option<PictureShape>,
    /// Of each metric and pair.
    values: Vec<Vec<f64>>,
}

impl<'a> PairCollector<'a> {
    /// For `metrics`; `lpips` is needed if it is one of them.
    ///
    /// # Errors
    ///
    /// If it is needed and not there.
    pub fn new(
        metrics: &[PairMetric],
        lpips: Option<&'a Lpips>,
        config: PairConfig,
    ) -> Result<Self, MetricError> {
        if lpips.is_none() && metrics.contains(&PairMetric::Lpips) {
            let allowed = "one that needs no weights, since there are none of LPIPS";
            return Err(MetricError::setting("metrics", PairMetric::Lpips, allowed));
        }
        Ok(Self {
            metrics: metrics.to_vec(),
            lpips,
            config,
            picture: None,
            values: vec![Vec::new(); metrics.len()],
        })
    }

    /// Adds pairs: the pictures at the same place of two buffers, both
    /// [`shape.num_bytes()`](PictureShape::num_bytes) bytes.
    ///
    /// # Errors
    ///
    /// If a buffer has another size, the pictures are of another size than those before, or a score
    /// cannot take pictures of this size.
    pub fn add(
        &mut self,
        outputs: &[u8],
        targets: &[u8],
        shape: PictureShape,
    ) -> Result<(), MetricError> {
        let one = PictureShape { count: 1, ..shape };
        let first = *self.picture.get_or_insert(one);
        if first != one {
            return Err(MetricError::Pictures {
                place: "the pairs".into(),
                reason: format!(
                    "there are pictures of {first} and of {one}; resize them to one size"
                ),
            });
        }
        for (metric, values) in self.metrics.iter().zip(&mut self.values) {
            let of_pairs = match (metric, self.lpips) {
                (PairMetric::Lpips, Some(lpips)) => lpips.distances(outputs, targets, shape),
                // Refused by `new`.
                (PairMetric::Lpips, None) => Ok(Vec::new()),
                (PairMetric::Psnr, _) => psnr(outputs, targets, shape),
                (PairMetric::Ssim, _) => ssim(outputs, targets, shape, self.config),
                (PairMetric::MsSsim, _) => ms_ssim(outputs, targets, shape, self.config),
            };
            values.extend(of_pairs.map_err(|error| named(*metric, error))?);
        }
        Ok(())
    }

    /// The scores, in the order in which they were asked for. Equal pairs have no finite PSNR: they are
    /// left out of it, and it says how many.
    ///
    /// # Errors
    ///
    /// If there are no pairs, or PSNR is asked for and all are equal.
    pub fn scores(&self) -> Result<Vec<Score>, MetricError> {
        let all = self.metrics.iter().zip(&self.values);
        all.map(|(metric, values)| self.score(*metric, values))
            .collect()
    }

    fn score(&self, metric: PairMetric, values: &[f64]) -> Result<Score, MetricError> {
        let finite: Vec<f64> = values.iter().copied().filter(|v| v.is_finite()).collect();
        if finite.is_empty() {
            let reason = match values.len() {
                0 => "there are no pairs; add some".to_owned(),
                pairs => format!(
                    "all {pairs} pairs are equal, so it is infinite; leave it out, or compare with other \
                     pictures"
                ),
            };
            return Err(MetricError::Pictures {
                place: metric.to_string(),
                reason,
            });
        }
        let estimate = Estimate::of(&finite);
        let (better, more) = match (metric, self.lpips) {
            (PairMetric::Lpips, Some(lpips)) => (Better::Lower, format!("; {}", lpips.name())),
            (PairMetric::Lpips, None) => (Better::Lower, String::new()),
            (PairMetric::Psnr, _) => (Better::Higher, String::new()),
            _ => {
                let window = self.config.window;
                (Better::Higher, format!("; window of {window} pixels"))
            }
        };
        let equal = match values.len() - finite.len() {
            0 => String::new(),
            equal => format!("; {equal} more are equal"),
        };
        let pairs = finite.len();
        let how = format!("{pairs} pairs{equal}{more}");
        Ok(Score {
            deviation: Some(estimate.deviation),
            ..Score::new(&metric.name().replace('-', "_"), estimate.mean, better, how)
        })
    }
}

/// Says which score cannot take pictures.
fn named(metric: PairMetric, error: MetricError) -> MetricError {
    match error {
        MetricError::Pictures { reason, .. } => MetricError::Pictures {
            place: metric.to_string(),
            reason,
        },
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHAPE: PictureShape = PictureShape {
        count: 3,
        height: 12,
        width: 13,
        channels: 1,
    };

    fn pictures(step: usize) -> Vec<u8> {
        (0..SHAPE.num_bytes())
            .map(|i| (i * step % 251) as u8)
            .collect()
    }

    fn collector(metrics: &[PairMetric]) -> PairCollector<'static> {
        PairCollector::new(metrics, None, PairConfig::default()).unwrap()
    }

    #[test]
    fn names_are_read() {
        for metric in PairMetric::ALL {
            assert_eq!(metric.name().parse::<PairMetric>().unwrap(), metric);
        }
        let error = "ms_ssim".parse::<PairMetric>().unwrap_err().to_string();
        assert!(error.contains("of lpips, psnr, ssim, ms-ssim"), "{error}");
    }

    #[test]
    fn scores_are_means_over_the_pairs_whatever_the_batches() {
        let (outputs, targets) = (pictures(7), pictures(11));
        let metrics = [PairMetric::Ssim, PairMetric::Psnr];
        let mut whole = collector(&metrics);
        whole.add(&outputs, &targets, SHAPE).unwrap();
        let whole = whole.scores().unwrap();
        let size = SHAPE.picture_size();
        let one = PictureShape { count: 1, ..SHAPE };
        let mut single = collector(&metrics);
        for (output, target) in outputs.chunks(size).zip(targets.chunks(size)) {
            single.add(output, target, one).unwrap();
        }
        assert_eq!(single.scores().unwrap(), whole);
        let of = [
            ssim(&outputs, &targets, SHAPE, PairConfig::default()).unwrap(),
            psnr(&outputs, &targets, SHAPE).unwrap(),
        ];
        for (score, values) in whole.iter().zip(of) {
            let Estimate { mean, deviation } = Estimate::of(&values);
            assert_eq!((score.value, score.deviation), (mean, Some(deviation)));
        }
        assert_eq!(whole[0].name, "ssim");
        assert_eq!(whole[0].how, "3 pairs; window of 11 pixels");
        assert_eq!(
            (&*whole[1].how, whole[1].better),
            ("3 pairs", Better::Higher)
        );
    }

    #[test]
    fn equal_pairs_have_no_psnr() {
        let (outputs, mut targets) = (pictures(7), pictures(7));
        let mut pairs = collector(&[PairMetric::Psnr]);
        pairs.add(&outputs, &targets, SHAPE).unwrap();
        let text = pairs.scores().unwrap_err().to_string();
        assert!(text.contains("psnr: all 3 pairs are equal"), "{text}");
        targets[0] ^= 1;
        pairs.add(&outputs, &targets, SHAPE).unwrap();
        let score = &pairs.scores().unwrap()[0];
        assert_eq!(score.how, "1 pairs; 5 more are equal");
        let wanted = 10.0 * (255.0f64.powi(2) * 12.0 * 13.0).log10();
        assert!((score.value - wanted).abs() < 1e-9, "{score}");
    }

    #[test]
    fn bad_pairs_are_one_line_each() {
        let text = |error: MetricError| error.to_string();
        let missing = PairCollector::new(&[PairMetric::Lpips], None, PairConfig::default());
        let missing = text(missing.unwrap_err());
        assert!(missing.contains("`metrics` is lpips"), "{missing}");
        let mut pairs = collector(&[PairMetric::Psnr]);
        let none = text(pairs.scores().unwrap_err());
        assert!(none.contains("psnr: there are no pairs"), "{none}");
        let bytes = pictures(7);
        pairs.add(&bytes, &bytes, SHAPE).unwrap();
        let other = PictureShape {
            height: 13,
            width: 12,
            ..SHAPE
        };
        assert_eq!(
            text(pairs.add(&bytes, &bytes, other).unwrap_err()),
            "the pairs: there are pictures of 12x13 grey and of 13x12 grey; resize them to one size"
        );
        assert!(pairs.add(&bytes[1..], &bytes, SHAPE).is_err());
        let mut pairs = collector(&[PairMetric::MsSsim]);
        let small = text(pairs.add(&bytes, &bytes, SHAPE).unwrap_err());
        assert!(
            small.starts_with("ms-ssim: ") && small.contains("161 or more"),
            "{small}"
        );
    }
}
