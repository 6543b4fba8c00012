//! Precision, recall, density and coverage.

use serde::{Deserialize, Serialize};

use super::neighbours::{fold_distances, radii};
use super::rows::Rows;
use crate::error::{MetricError, check_count};

/// How [`manifold_scores`] are computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ManifoldConfig {
    /// A picture's ball reaches to its so-manieth nearest neighbour in its own set. Default: 3, as in
    /// the paper on precision and recall (that on density and coverage recommends 5).
    pub neighbours: usize,
}

impl Default for ManifoldConfig {
    fn default() -> Self {
        Self { neighbours: 3 }
    }
}

impl ManifoldConfig {
    /// Whether a set has enough pictures.
    pub(crate) fn check_count(self, set: &str, found: u64) -> Result<(), MetricError> {
        let (score, needed) = ("precision and recall", self.neighbours as u64 + 1);
        let advice = "give more, or lower the number of neighbours";
        check_count(set, score, found, needed, advice)
    }
}

/// Result of [`manifold_scores`]. Higher is better.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Manifold {
    /// Share of generated pictures in the ball of a real one: do they look real?
    pub precision: f64,
    /// Share of real pictures in the ball of a generated one: is all of the data drawn?
    pub recall: f64,
    /// Mean number of real balls around a generated picture, over the number of neighbours; may exceed
    /// 1. Unlike precision, an outlier among the real pictures hardly raises it.
    pub density: f64,
    /// Share of real pictures with a generated one in their ball.
    pub coverage: f64,
}

/// Estimates the manifolds of the real and the generated pictures by balls around their features, and
/// compares them.
///
/// Precision and recall: equations 1 and 2 of
/// [Improved Precision and Recall Metric](https://arxiv.org/abs/1904.06991). Density and coverage:
/// equations 4 and 5 of [Reliable Fidelity and Diversity Metrics](https://arxiv.org/abs/2002.09797). Balls
/// are closed, as in the former; the code of the latter takes open ones, which differs only where a
/// picture is exactly on the edge of a ball, as copies are.
///
/// Both sets are in memory, and time grows with the squares and the product of their sizes. The numbers
/// depend on these sizes, so compare equal ones.
///
/// # Errors
///
/// If the features differ in size, no neighbours are asked for, or a set has not more pictures than
/// neighbours are asked for.
pub fn manifold_scores(
    real: &Rows<'_>,
    fake: &Rows<'_>,
    config: ManifoldConfig,
) -> Result<Manifold, MetricError> {
    let neighbours = config.neighbours;
    if neighbours == 0 {
        return Err(MetricError::setting("neighbours", 0, "1 or more"));
    }
    real.same_size(fake)?;
    for rows in [real, fake] {
        config.check_count(rows.set(), rows.count() as u64)?;
    }
    let (real_radii, fake_radii) = (radii(real, neighbours), radii(fake, neighbours));
    // Real balls around each generated picture.
    let around_fake: Vec<u64> = fold_distances(
        fake,
        real,
        || 0,
        |count, _, first, distances| {
            let radii = &real_radii[first..];
            *count += distances
                .iter()
                .zip(radii)
                .filter(|(d, radius)| d <= radius)
                .count() as u64;
        },
    );
    // Whether each real picture is in a generated ball, and has a generated picture in its own.
    let around_real: Vec<[bool; 2]> = fold_distances(
        real,
        fake,
        || [false; 2],
        |found, own, first, distances| {
            let radii = &fake_radii[first..];
            found[0] |= distances.iter().zip(radii).any(|(d, radius)| d <= radius);
            found[1] |= distances
                .iter()
                .any(|distance| *distance <= real_radii[own]);
        },
    );
    let share = |count: usize, all: usize| count as f64 / all as f64;
    let in_balls = |kind: usize| around_real.iter().filter(|found| found[kind]).count();
    let balls: u64 = around_fake.iter().sum();
    Ok(Manifold {
        precision: share(
            around_fake.iter().filter(|count| **count > 0).count(),
            fake.count(),
        ),
        recall: share(in_balls(0), real.count()),
        density: balls as f64 / (neighbours * fake.count()) as f64,
        coverage: share(in_balls(1), real.count()),
    })
}

#[cfg(test)]
mod tests {
    use gan_core::rng::Stream;

    use super::*;

    fn rows(values: &[f32]) -> Rows<'_> {
        Rows::new("the pictures", values, 2).unwrap()
    }

    fn normals(seed: u64, count: usize) -> Vec<f32> {
        Stream::new(seed, "manifold", 0).normals(count * 2)
    }

    #[test]
    fn a_set_compared_with_itself_is_perfect() {
        let values = normals(1, 700);
        let scores =
            manifold_scores(&rows(&values), &rows(&values), ManifoldConfig::default()).unwrap();
        assert_eq!(
            (scores.precision, scores.recall, scores.coverage),
            (1.0, 1.0, 1.0)
        );
        // Each point is in its own ball and in about three of others.
        assert!(
            scores.density > 1.0 && scores.density < 1.6,
            "{}",
            scores.density
        );
    }

    #[test]
    fn a_collapsed_generator_is_precise_and_recalls_nothing() {
        let real = normals(2, 500);
        let fake: Vec<f32> = normals(3, 500).iter().map(|x| x * 0.01).collect();
        let scores =
            manifold_scores(&rows(&real), &rows(&fake), ManifoldConfig::default()).unwrap();
        assert!(scores.precision > 0.9 && scores.density > 0.5, "{scores:?}");
        assert!(scores.recall < 0.05 && scores.coverage < 0.1, "{scores:?}");
    }

    #[test]
    fn noise_far_away_is_neither() {
        let real = normals(4, 100);
        let fake: Vec<f32> = normals(5, 100).iter().map(|x| x + 100.0).collect();
        let scores =
            manifold_scores(&rows(&real), &rows(&fake), ManifoldConfig::default()).unwrap();
        let zero = Manifold {
            precision: 0.0,
            recall: 0.0,
            density: 0.0,
            coverage: 0.0,
        };
        assert_eq!(scores, zero);
    }

    #[test]
    fn order_does_not_matter() {
        let (real, fake) = (normals(6, 400), normals(7, 300));
        let backwards: Vec<f32> = fake.chunks(2).rev().flatten().copied().collect();
        let scores = |fake: &[f32]| {
            manifold_scores(&rows(&real), &rows(fake), ManifoldConfig::default()).unwrap()
        };
        assert_eq!(scores(&fake), scores(&backwards));
    }

    #[test]
    fn too_few_pictures_are_named() {
        let three = normals(8, 3);
        let error = manifold_scores(&rows(&three), &rows(&three), ManifoldConfig::default());
        let text = error.unwrap_err().to_string();
        assert!(
            text.contains(
                "3 pictures are too few for precision and recall, which needs at least 4"
            ),
            "{text}"
        );
        let none = manifold_scores(
            &rows(&three),
            &rows(&three),
            ManifoldConfig { neighbours: 0 },
        );
        assert!(none.unwrap_err().to_string().contains("`neighbours` is 0"));
    }
}
