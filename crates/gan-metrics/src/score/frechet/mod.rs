//! The Fréchet distance of two sets of features: FID, with the features of Inception.

mod factor;
mod intra_class;
mod singular_values;

use std::fmt;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use self::factor::{Factor, factor};
pub use self::intra_class::{IntraClass, intra_class_distance};
use self::singular_values::nuclear_norm;
use super::matrix::{View, multiply};
use super::moments::Gaussian;
use crate::error::{MetricError, check_count, check_size};

/// How errors call the two sets.
const SETS: [&str; 2] = ["the real pictures", "the generated pictures"];
/// Rows of the product of the roots that are computed together.
const STRIPE: usize = 64;

/// What is allowed in a [`frechet_distance`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FrechetConfig {
    /// Go on with fewer pictures than features. The covariance then has no full rank; the distance is
    /// still exact for it, but biased upwards, and does not compare with one from more pictures.
    /// Default: `false`
    pub allow_few: bool,
}

impl FrechetConfig {
    /// Whether a set has enough pictures for `size` features.
    pub(crate) fn check_count(self, set: &str, found: u64, size: usize) -> Result<(), MetricError> {
        if self.allow_few {
            return Ok(());
        }
        let advice = format_args!(
            "give as many pictures as there are features ({size}) or more, or allow few (the value \
             is then biased upwards)"
        );
        check_count(set, "a Fréchet distance", found, size as u64, advice)
    }
}

/// Result of [`frechet_distance`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FrechetDistance {
    /// The distance, 0 or more; lower is better.
    pub value: f64,
    /// The part that comes from the means.
    pub mean_term: f64,
    /// The part that comes from the covariances.
    pub covariance_term: f64,
    /// Number of features.
    pub size: usize,
    /// Pictures and numerical rank of the covariance, real.
    pub real: SetRank,
    /// Pictures and numerical rank of the covariance, generated.
    pub fake: SetRank,
}

/// How much a covariance can say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetRank {
    /// Pictures.
    pub count: u64,
    /// Numerical rank of the covariance.
    pub rank: usize,
}

impl FrechetDistance {
    /// Whether a covariance has not full rank: too few pictures, or features that depend on each
    /// other.
    pub fn is_rank_deficient(&self) -> bool {
        self.real.rank.min(self.fake.rank) < self.size
    }
}

impl fmt::Display for FrechetDistance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.6}", self.value)?;
        if self.is_rank_deficient() {
            write!(
                f,
                " (rank of the covariances: real {}, generated {}, of {})",
                self.real.rank, self.fake.rank, self.size
            )?;
        }
        Ok(())
    }
}

/// Distance of two Gaussians, `‖μ₁ − μ₂‖² + tr(Σ₁ + Σ₂ − 2 (Σ₁Σ₂)^½)`: equation 6 of
/// [GANs Trained by a Two Time-Scale Update Rule](https://arxiv.org/abs/1706.08500).
///
/// `tr (Σ₁Σ₂)^½` is the sum of the roots of the eigenvalues of `Σ₁^½ Σ₂ Σ₁^½`. With `Σᵢ = RᵢᵀRᵢ` these
/// roots are the singular values of `R₁R₂ᵀ`, and so they are computed: no eigenvalue is rounded before
/// its root is taken, so nothing is lost where a covariance has not full rank, and nothing can become
/// imaginary or NaN. The ranks are in the result.
///
/// # Errors
///
/// If the sizes differ, a number is not finite, or a set has fewer pictures than features and that is
/// not allowed.
pub fn frechet_distance(
    real: &Gaussian,
    fake: &Gaussian,
    config: FrechetConfig,
) -> Result<FrechetDistance, MetricError> {
    distance_of(SETS, [real, fake], config)
}

/// [`frechet_distance`] of sets that errors call by `names`.
fn distance_of(
    names: [&str; 2],
    [real, fake]: [&Gaussian; 2],
    config: FrechetConfig,
) -> Result<FrechetDistance, MetricError> {
    let size = real.size();
    for (name, gaussian) in names.into_iter().zip([real, fake]) {
        check(name, gaussian, size, config)?;
    }
    let (root_real, root_fake) = rayon::join(
        || factor(&real.covariance, &real.mean),
        || factor(&fake.covariance, &fake.mean),
    );
    let ranks = [root_real.rank, root_fake.rank];
    let product = product_of_roots(&root_real, &root_fake, size);
    let trace_of_root = nuclear_norm(product, ranks[0], ranks[1]);
    let trace = |g: &Gaussian| g.covariance.iter().step_by(size + 1).sum::<f64>();
    let mean_term: f64 = real
        .mean
        .iter()
        .zip(&fake.mean)
        .map(|(a, b)| (a - b).powi(2))
        .sum();
    // A distance is not negative; rounding may make it so.
    let covariance_term = (trace(real) + trace(fake) - 2.0 * trace_of_root).max(0.0);
    Ok(FrechetDistance {
        value: mean_term + covariance_term,
        mean_term,
        covariance_term,
        size,
        real: SetRank {
            count: real.count,
            rank: ranks[0],
        },
        fake: SetRank {
            count: fake.count,
            rank: ranks[1],
        },
    })
}

/// `R₁R₂ᵀ`, row-major `[rank, rank]`.
fn product_of_roots(real: &Factor, fake: &Factor, size: usize) -> Vec<f64> {
    let mut product = vec![0.0; real.rank * fake.rank];
    if product.is_empty() {
        return product;
    }
    let right = View::new(&fake.rows, fake.rank, size, size).transposed();
    product
        .par_chunks_mut(STRIPE * fake.rank)
        .zip(real.rows.par_chunks(STRIPE * size))
        .for_each(|(product, rows)| {
            let left = View::new(rows, rows.len() / size, size, size);
            multiply(product, 0.0, 1.0, left, right);
        });
    product
}

/// Whether a set can be compared with one of `size` features.
fn check(
    set: &str,
    gaussian: &Gaussian,
    size: usize,
    config: FrechetConfig,
) -> Result<(), MetricError> {
    let advice = "use the same features for both sets";
    let what = format_args!("{set}: features of a picture");
    check_size(what, gaussian.size(), size, advice)?;
    let what = format_args!("{set}: numbers of the covariance");
    check_size(what, gaussian.covariance.len(), size * size, advice)?;
    let bad = |values: &[f64]| values.iter().position(|value| !value.is_finite());
    if let Some(at) = bad(&gaussian.mean).or_else(|| bad(&gaussian.covariance)) {
        return Err(MetricError::Pictures {
            place: set.to_owned(),
            reason: format!(
                "their statistics are not finite (feature {}); check the pictures and the weights of \
                 the features",
                at % size
            ),
        });
    }
    config.check_count(set, gaussian.count, size)
}

#[cfg(test)]
mod tests {
    use gan_core::rng::Stream;

    use super::super::{Moments, Rows};
    use super::*;

    const FEW: FrechetConfig = FrechetConfig { allow_few: true };

    pub(super) fn gaussian(values: &[f32], size: usize) -> Gaussian {
        let mut moments = Moments::new(size);
        moments
            .add(&Rows::new("the pictures", values, size).unwrap())
            .unwrap();
        moments.gaussian("the pictures").unwrap()
    }

    fn normals(seed: u64, count: usize, size: usize) -> Vec<f32> {
        Stream::new(seed, "frechet", 0).normals(count * size)
    }

    #[test]
    fn two_diagonal_gaussians_have_the_closed_form() {
        let of = |means: &[f64], deviations: &[f64]| {
            let size = means.len();
            let mut covariance = vec![0.0; size * size];
            for (i, deviation) in deviations.iter().enumerate() {
                covariance[i * size + i] = deviation * deviation;
            }
            Gaussian {
                count: 1000,
                mean: means.to_vec(),
                covariance,
            }
        };
        // ‖μ₁ − μ₂‖² + Σ (s₁ − s₂)²
        let real = of(&[1.0, 2.0, 3.0], &[1.0, 2.0, 0.0]);
        let fake = of(&[1.5, 2.0, 1.0], &[3.0, 1.5, 0.25]);
        let distance = frechet_distance(&real, &fake, FrechetConfig::default()).unwrap();
        assert!((distance.mean_term - 4.25).abs() < 1e-14);
        assert!((distance.covariance_term - (4.0 + 0.25 + 0.0625)).abs() < 1e-13);
        assert_eq!((distance.real.rank, distance.fake.rank), (2, 3));
        assert_eq!(
            distance.to_string(),
            "8.562500 (rank of the covariances: real 2, generated 3, of 3)"
        );
    }

    #[test]
    fn a_set_is_at_no_distance_from_itself_whatever_its_rank() {
        for (count, size) in [(500, 40), (40, 40), (12, 200), (2, 64)] {
            let set = gaussian(&normals(1, count, size), size);
            let distance = frechet_distance(&set, &set, FEW).unwrap();
            assert!(distance.value < 1e-9, "{count} of {size}: {distance:?}");
            assert_eq!(distance.real.rank, size.min(count - 1));
            assert_eq!(distance.is_rank_deficient(), count <= size);
        }
    }

    #[test]
    fn it_is_symmetric_and_grows_with_the_shift() {
        let a = normals(2, 300, 30);
        let real = gaussian(&a, 30);
        let mut last = 0.0;
        for shift in [0.1, 0.2, 0.4] {
            let b: Vec<f32> = normals(3, 300, 30).iter().map(|x| x + shift).collect();
            let fake = gaussian(&b, 30);
            let there = frechet_distance(&real, &fake, FEW).unwrap().value;
            let back = frechet_distance(&fake, &real, FEW).unwrap().value;
            assert!((there - back).abs() < 1e-11 * there, "{there} {back}");
            assert!(there > last, "{there} after {last}");
            last = there;
        }
    }

    #[test]
    fn sets_in_different_subspaces_have_no_root_in_common() {
        // Covariances with orthogonal ranges: the root of their product is 0.
        let even: Vec<f32> = normals(4, 100, 10)
            .iter()
            .enumerate()
            .map(|(i, x)| if i % 2 == 0 { *x } else { 0.0 })
            .collect();
        let odd: Vec<f32> = std::iter::once(0.0)
            .chain(even[..999].iter().copied())
            .collect();
        let (real, fake) = (gaussian(&even, 10), gaussian(&odd, 10));
        let distance = frechet_distance(&real, &fake, FrechetConfig::default()).unwrap();
        let trace = |g: &Gaussian| g.covariance.iter().step_by(11).sum::<f64>();
        let sum = trace(&real) + trace(&fake);
        assert!((distance.covariance_term - sum).abs() < 1e-12 * sum);
        assert_eq!((distance.real.rank, distance.fake.rank), (5, 5));
    }

    #[test]
    fn identical_pictures_are_a_point() {
        let point = gaussian(&[0.3; 500], 5);
        let cloud = gaussian(&normals(5, 100, 5), 5);
        let distance = frechet_distance(&cloud, &point, FrechetConfig::default()).unwrap();
        assert_eq!(distance.fake.rank, 0);
        let trace: f64 = cloud.covariance.iter().step_by(6).sum();
        assert!((distance.covariance_term - trace).abs() < 1e-12 * trace);
    }

    #[test]
    fn what_makes_no_sense_is_named() {
        let many = gaussian(&normals(6, 100, 8), 8);
        let few = gaussian(&normals(6, 7, 8), 8);
        let text = |real, fake| {
            frechet_distance(real, fake, FrechetConfig::default())
                .unwrap_err()
                .to_string()
        };
        assert_eq!(
            text(&many, &few),
            "the generated pictures: 7 pictures are too few for a Fréchet distance, which needs at \
             least 8; give as many pictures as there are features (8) or more, or allow few (the value \
             is then biased upwards)"
        );
        assert!(text(&few, &many).starts_with("the real pictures: 7"));
        let other = gaussian(&normals(6, 100, 4), 4);
        assert!(text(&many, &other).contains("4 instead of 8"));
        let mut broken = many.clone();
        broken.mean[3] = f64::NAN;
        assert!(text(&broken, &many).contains("not finite (feature 3)"));
        let mut cut = many.clone();
        cut.covariance.pop();
        assert!(text(&cut, &many).contains("numbers of the covariance: 63 instead of 64"));
    }
}
