//! Perceptual path length: how smoothly pictures follow latents.

use std::ops::Range;

use gan_core::rng::Stream;
use serde::{Deserialize, Serialize};

use super::estimate::Estimate;
use super::matrix::{dot, widen};
use crate::error::{MetricError, check_size};

/// What to do about numbers of the caller that do not fit.
const CORRECT: &str = "correct the function that gives them";

/// The line between two latents.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Interpolation {
    /// Straight; for StyleGAN's intermediate latents.
    Linear,
    /// Along the great circle of the normalised latents, as StyleGAN's code does for normal ones: its
    /// generator brings every latent to one length. torch-fidelity calls it `slerp_unit`.
    Spherical,
    /// Along the great circle from one length to the other, for generators that know latents as they are
    /// drawn; torch-fidelity calls it `slerp_any`.
    Arc,
}

impl Interpolation {
    /// As in files and in what is said of a score.
    pub fn name(self) -> &'static str {
        match self {
            Self::Linear => "linear",
            Self::Spherical => "spherical",
            Self::Arc => "arc",
        }
    }
}

/// How a [`perceptual_path_length`] is computed. The defaults are those of StyleGAN.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PathLengthConfig {
    /// Number of pairs of latents. Default: 100,000
    pub samples: usize,
    /// Step along the line between them, which is 1 long. Default: 1e-4
    pub epsilon: f64,
    /// The line. Default: spherical
    pub interpolation: Interpolation,
    /// Whether steps begin at the first latent instead of anywhere on the line. Default: `false`
    pub at_ends: bool,
    /// Distances below this percentile are left out. Default: 1
    pub lower_percentile: f64,
    /// Distances above this percentile are left out. Default: 99
    pub upper_percentile: f64,
    /// Pairs that are drawn together; does not change the result. Default: 64
    pub batch_size: usize,
    /// Seed of the places on the lines. Default: 0
    pub seed: u64,
}

impl Default for PathLengthConfig {
    fn default() -> Self {
        Self {
            samples: 100_000,
            epsilon: 1e-4,
            interpolation: Interpolation::Spherical,
            at_ends: false,
            lower_percentile: 1.0,
            upper_percentile: 99.0,
            batch_size: 64,
            seed: 0,
        }
    }
}

impl PathLengthConfig {
    fn validate(&self) -> Result<(), MetricError> {
        for (field, value) in [("samples", self.samples), ("batch_size", self.batch_size)] {
            if value == 0 {
                return Err(MetricError::setting(field, value, "1 or more"));
            }
        }
        if !(self.epsilon > 0.0 && self.epsilon <= 1.0) {
            return Err(MetricError::setting(
                "epsilon",
                self.epsilon,
                "above 0 and at most 1",
            ));
        }
        let (lower, upper) = (self.lower_percentile, self.upper_percentile);
        if !(0.0..=100.0).contains(&lower) {
            return Err(MetricError::setting(
                "lower_percentile",
                lower,
                "from 0 to 100",
            ));
        }
        if !(lower..=100.0).contains(&upper) {
            let allowed = format!("from lower_percentile ({lower}) to 100");
            return Err(MetricError::setting("upper_percentile", upper, allowed));
        }
        Ok(())
    }
}

/// Mean and deviation, over pairs of latents, of the distance between the pictures at two near points of
/// the line between them, over the square of the step. Lower is smoother. Section 4.1 of
/// [A Style-Based Generator Architecture](https://arxiv.org/abs/1812.04948).
///
/// `latent` draws the latent of an index; pair `i` is of the indices `2i` and `2i + 1`. `distance` gets
/// which pairs a batch has and the latents at the two points, both `[batch, size]`, and gives the distance
/// of the pictures of each; LPIPS in the paper, which is a square by nature.
///
/// # Errors
///
/// If the configuration makes no sense, a latent has another size, `distance` fails or gives another
/// number of distances, or one is not finite.
pub fn perceptual_path_length(
    config: &PathLengthConfig,
    mut latent: impl FnMut(u64) -> Vec<f32>,
    mut distance: impl FnMut(Range<usize>, &[f64], &[f64]) -> Result<Vec<f64>, MetricError>,
) -> Result<Estimate, MetricError> {
    config.validate()?;
    let mut distances = Vec::with_capacity(config.samples);
    let mut size = None;
    for first in (0..config.samples).step_by(config.batch_size) {
        let batch = first..config.samples.min(first + config.batch_size);
        let (mut here, mut there) = (Vec::new(), Vec::new());
        for index in batch.clone().map(|index| index as u64) {
            let (from, to) = (latent(2 * index), latent(2 * index + 1));
            let size = *size.get_or_insert(from.len());
            for latent in [&from, &to] {
                let what = "the latents: numbers of a latent";
                check_size(what, latent.len(), size, CORRECT)?;
            }
            let begin = match config.at_ends {
                true => 0.0,
                false => f64::from(Stream::new(config.seed, "path length", index).unit()),
            };
            let line = Line::new(&from, &to, config.interpolation);
            here.extend(line.at(begin));
            there.extend(line.at(begin + config.epsilon));
        }
        let found = distance(batch.clone(), &here, &there)?;
        check_size(
            "the distances of a batch",
            found.len(),
            batch.len(),
            CORRECT,
        )?;
        let square = config.epsilon.powi(2);
        distances.extend(found.iter().map(|distance| distance / square));
    }
    if let Some(row) = distances.iter().position(|distance| !distance.is_finite()) {
        return Err(MetricError::NotFinite {
            set: "the distances along the paths".into(),
            row: row as u64,
            column: 0,
            value: distances[row],
        });
    }
    Ok(Estimate::of(&kept(distances, config)))
}

/// Those between the percentiles; where a percentile is between two of them, both are in.
fn kept(mut distances: Vec<f64>, config: &PathLengthConfig) -> Vec<f64> {
    distances.sort_by(f64::total_cmp);
    let last = (distances.len() - 1) as f64;
    let first = (last * config.lower_percentile / 100.0).floor() as usize;
    let end = (last * config.upper_percentile / 100.0).ceil() as usize;
    // Ties with an end are in too.
    let (low, high) = (distances[first], distances[end]);
    distances.retain(|distance| (low..=high).contains(distance));
    distances
}

/// The line between two latents.
struct Line {
    from: Vec<f64>,
    to: Vec<f64>,
    interpolation: Interpolation,
    angle: f64,
}

impl Line {
    fn new(from: &[f32], to: &[f32], interpolation: Interpolation) -> Self {
        let (mut from, mut to) = (widen(from), widen(to));
        if interpolation == Interpolation::Spherical {
            for latent in [&mut from, &mut to] {
                let norm = dot(latent, latent).sqrt();
                if norm > 0.0 {
                    latent.iter_mut().for_each(|x| *x /= norm);
                }
            }
        }
        let lengths = (dot(&from, &from) * dot(&to, &to)).sqrt();
        // NaN, and so no great circle, if one of them is 0.
        let angle = (dot(&from, &to) / lengths).clamp(-1.0, 1.0).acos();
        Self {
            from,
            to,
            interpolation,
            angle,
        }
    }

    /// The point at part `t` of the way.
    fn at(&self, t: f64) -> Vec<f64> {
        let sine = self.angle.sin();
        let (a, b) = match self.interpolation {
            Interpolation::Spherical | Interpolation::Arc if sine > 0.0 => (
                ((1.0 - t) * self.angle).sin() / sine,
                (t * self.angle).sin() / sine,
            ),
            _ => (1.0 - t, t),
        };
        self.from
            .iter()
            .zip(&self.to)
            .map(|(from, to)| a * from + b * to)
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn latent(index: u64) -> Vec<f32> {
        Stream::new(1, "latents", index).normals(4)
    }

    /// Squared Euclidean distance of the latents themselves.
    fn squares(_: Range<usize>, a: &[f64], b: &[f64]) -> Result<Vec<f64>, MetricError> {
        let pairs = a.chunks(4).zip(b.chunks(4));
        Ok(pairs
            .map(|(a, b)| a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum())
            .collect())
    }

    const CONFIG: PathLengthConfig = PathLengthConfig {
        samples: 101,
        epsilon: 1e-4,
        interpolation: Interpolation::Linear,
        at_ends: false,
        lower_percentile: 0.0,
        upper_percentile: 100.0,
        batch_size: 64,
        seed: 0,
    };

    #[test]
    fn on_a_straight_line_it_is_the_squared_distance_of_the_ends() {
        let found = perceptual_path_length(&CONFIG, latent, squares).unwrap();
        let all: Vec<f64> = (0..101)
            .map(|i| {
                let ends = latent(2 * i).into_iter().zip(latent(2 * i + 1));
                ends.map(|(a, b)| (f64::from(a) - f64::from(b)).powi(2))
                    .sum()
            })
            .collect();
        let expected = Estimate::of(&all);
        assert!((found.mean - expected.mean).abs() < 1e-6 * expected.mean);
        assert!((found.deviation - expected.deviation).abs() < 1e-6 * expected.mean);
        // The 101 values have percentiles at each of them.
        let mut sorted = all;
        sorted.sort_by(f64::total_cmp);
        let middle = PathLengthConfig {
            lower_percentile: 1.0,
            upper_percentile: 98.5,
            ..CONFIG
        };
        let found = perceptual_path_length(&middle, latent, squares)
            .unwrap()
            .mean;
        let expected = Estimate::of(&sorted[1..100]).mean;
        assert!(
            (found - expected).abs() < 1e-6 * expected,
            "{found} {expected}"
        );
    }

    #[test]
    fn on_the_sphere_it_is_the_squared_angle() {
        let config = PathLengthConfig {
            interpolation: Interpolation::Spherical,
            samples: 1,
            ..CONFIG
        };
        let ends = |index| {
            if index == 0 {
                vec![2.0, 0.0, 0.0, 0.0]
            } else {
                vec![0.0, 0.5, 0.0, 0.0]
            }
        };
        let found = perceptual_path_length(&config, ends, squares).unwrap().mean;
        assert!(
            (found - std::f64::consts::FRAC_PI_2.powi(2)).abs() < 1e-6,
            "{found}"
        );
    }

    /// Between (3, 0) and (0, 1) it goes from one length to the other, at right angles:
    /// `(3 cos a, sin a)` with `a = t π/2`, whose speed has the mean square `(π/2)² (3² + 1) / 2`.
    #[test]
    fn an_arc_keeps_the_lengths() {
        let config = PathLengthConfig {
            interpolation: Interpolation::Arc,
            samples: 20_000,
            ..CONFIG
        };
        let ends = |index: u64| match index % 2 {
            0 => vec![3.0, 0.0, 0.0, 0.0],
            _ => vec![0.0, 1.0, 0.0, 0.0],
        };
        let found = perceptual_path_length(&config, ends, squares).unwrap().mean;
        let wanted = 5.0 * std::f64::consts::FRAC_PI_2.powi(2);
        // Four deviations of the mean: the square goes from 1 to 9 with the deviation 4 / √2.
        let room = 4.0 * wanted * (0.8 / 2f64.sqrt()) / 20_000f64.sqrt();
        assert!((found - wanted).abs() < room, "{found} {wanted}");
        let zero = perceptual_path_length(&config, |_| vec![0.0; 4], squares).unwrap();
        assert_eq!(zero.mean, 0.0);
    }

    #[test]
    fn a_batch_says_which_pairs_it_has() {
        let mut seen = Vec::new();
        let ends = |index: u64| vec![(index / 2) as f32; 4];
        perceptual_path_length(&CONFIG, ends, |pairs, here, there| {
            for (pair, point) in pairs.clone().zip(here.chunks(4)) {
                assert_eq!(point, [pair as f64; 4]);
            }
            seen.extend(pairs.clone());
            squares(pairs, here, there)
        })
        .unwrap();
        assert!(seen.into_iter().eq(0..CONFIG.samples));
    }

    #[test]
    fn batches_do_not_matter() {
        let of = |batch_size| {
            perceptual_path_length(
                &PathLengthConfig {
                    batch_size,
                    ..CONFIG
                },
                latent,
                squares,
            )
            .unwrap()
        };
        assert_eq!(of(64), of(7));
    }

    #[test]
    fn what_makes_no_sense_is_named() {
        let text = |config: PathLengthConfig| {
            perceptual_path_length(&config, latent, squares)
                .unwrap_err()
                .to_string()
        };
        assert!(
            text(PathLengthConfig {
                samples: 0,
                ..CONFIG
            })
            .contains("`samples` is 0")
        );
        assert!(
            text(PathLengthConfig {
                epsilon: 0.0,
                ..CONFIG
            })
            .contains("`epsilon` is 0")
        );
        assert!(
            text(PathLengthConfig {
                lower_percentile: -1.0,
                ..CONFIG
            })
            .contains("`lower_percentile`")
        );
        let low = PathLengthConfig {
            lower_percentile: 50.0,
            upper_percentile: 40.0,
            ..CONFIG
        };
        assert!(text(low).contains("from lower_percentile (50) to 100"));
        let nan = |_: Range<usize>, a: &[f64], _: &[f64]| Ok(vec![f64::NAN; a.len() / 4]);
        let error = perceptual_path_length(&CONFIG, latent, nan)
            .unwrap_err()
            .to_string();
        assert!(error.contains("is NaN"), "{error}");
        let none = |_: Range<usize>, _: &[f64], _: &[f64]| Ok(Vec::new());
        assert!(perceptual_path_length(&CONFIG, latent, none).is_err());
        let growing = |index| vec![0.0; index as usize + 1];
        assert!(perceptual_path_length(&CONFIG, growing, squares).is_err());
        // Equal in a pair, other than in the pair before.
        let growing = |index: u64| vec![0.0; 4 * (index as usize / 2 + 1)];
        let error = perceptual_path_length(&CONFIG, growing, |_, a, b| {
            Ok(vec![0.0; a.len().min(b.len())])
        });
        let text = error.unwrap_err().to_string();
        assert!(
            text.contains("numbers of a latent: 8 instead of 4"),
            "{text}"
        );
    }
}
