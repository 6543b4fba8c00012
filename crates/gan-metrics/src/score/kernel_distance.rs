//! The kernel distance of two sets of features: KID, with the features of Inception.

use gan_core::rng::Stream;
use rayon::prelude::*;

use super::estimate::Estimate;
use super::matrix::{View, multiply, widen};
use super::rows::Rows;
use crate::error::MetricError;

/// Rows of a kernel matrix that are computed together.
const STRIPE: usize = 128;

/// How a [`kernel_distance`] is computed. The defaults are those of the authors of KID. For a
/// [`squared_discrepancy`], degree and offset count.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct KernelDistanceConfig {
    /// Number of subsets. Default: 100
    pub subsets: usize,
    /// Pictures in a subset, at least 2. Default: 1000
    pub subset_size: usize,
    /// Degree of the kernel. Default: 3
    pub degree: u8,
    /// Added to the scaled product, in the kernel. Default: 1
    pub offset: f64,
    /// Seed of the subsets. Default: 0
    pub seed: u64,
}

impl Default for KernelDistanceConfig {
    fn default() -> Self {
        Self {
            subsets: 100,
            subset_size: 1000,
            degree: 3,
            offset: 1.0,
            seed: 0,
        }
    }
}

/// Mean and deviation, over subsets drawn without replacement, of the
/// [squared discrepancy](squared_discrepancy).
/// [Demystifying MMD GANs](https://arxiv.org/abs/1801.01401), section 4. Lower is better; the mean may be
/// a little below 0.
///
/// The subsets do not depend on the order of the rows.
///
/// # Errors
///
/// If the features differ in size, there are no subsets, a subset has fewer than 2 pictures, or a set is
/// smaller than a subset.
pub fn kernel_distance(
    real: &Rows<'_>,
    fake: &Rows<'_>,
    config: KernelDistanceConfig,
) -> Result<Estimate, MetricError> {
    real.same_size(fake)?;
    if config.subsets == 0 {
        return Err(MetricError::setting("subsets", 0, "1 or more"));
    }
    if config.subset_size < 2 {
        return Err(MetricError::setting(
            "subset_size",
            config.subset_size,
            "2 or more",
        ));
    }
    for rows in [real, fake] {
        rows.at_least(
            config.subset_size,
            "a kernel distance",
            "give more, or lower the subset size",
        )?;
    }
    let (real_order, fake_order) = (order_by_content(real), order_by_content(fake));
    let values: Vec<f64> = (0..config.subsets as u64)
        .into_par_iter()
        .map(|subset| {
            let mut stream = Stream::new(config.seed, "kernel distance", subset);
            let real = draw(real, &real_order, config.subset_size, &mut stream);
            let fake = draw(fake, &fake_order, config.subset_size, &mut stream);
            discrepancy(&real, &fake, config.subset_size, config.subset_size, config)
        })
        .collect();
    Ok(Estimate::of(&values))
}

/// Unbiased estimate of the squared maximum mean discrepancy of two whole sets, with the kernel
/// `(x · y / size + offset) ^ degree`: equation 4 of
/// [Demystifying MMD GANs](https://arxiv.org/abs/1801.01401). Time grows with the square of the count.
///
/// # Errors
///
/// If the features differ in size, or a set has fewer than 2 pictures.
pub fn squared_discrepancy(
    real: &Rows<'_>,
    fake: &Rows<'_>,
    config: KernelDistanceConfig,
) -> Result<f64, MetricError> {
    real.same_size(fake)?;
    for rows in [real, fake] {
        rows.at_least(2, "a discrepancy", "give more")?;
    }
    let (a, b) = (widen(real.values()), widen(fake.values()));
    Ok(discrepancy(&a, &b, real.count(), fake.count(), config))
}

fn discrepancy(a: &[f64], b: &[f64], m: usize, n: usize, config: KernelDistanceConfig) -> f64 {
    let size = a.len() / m;
    let (pairs_a, pairs_b) = ((m * (m - 1)) as f64, (n * (n - 1)) as f64);
    let within_a = kernel_sum(a, a, size, true, config) / pairs_a;
    let within_b = kernel_sum(b, b, size, true, config) / pairs_b;
    let between = kernel_sum(a, b, size, false, config) / (m * n) as f64;
    within_a + within_b - 2.0 * between
}

/// Sum of the kernel over all pairs, or over those off the diagonal.
fn kernel_sum(
    a: &[f64],
    b: &[f64],
    size: usize,
    skip_diagonal: bool,
    config: KernelDistanceConfig,
) -> f64 {
    let count = b.len() / size;
    let right = View::new(b, count, size, size).transposed();
    let stripe = |(stripe, rows): (usize, &[f64])| {
        let height = rows.len() / size;
        let mut products = vec![0.0; height * count];
        multiply(
            &mut products,
            0.0,
            1.0 / size as f64,
            View::new(rows, height, size, size),
            right,
        );
        let kernel = |product: f64| (product + config.offset).powi(i32::from(config.degree));
        let mut sum = 0.0;
        for (i, row) in products.chunks(count).enumerate() {
            let all: f64 = row.iter().map(|product| kernel(*product)).sum();
            let own = if skip_diagonal {
                kernel(row[stripe * STRIPE + i])
            } else {
                0.0
            };
            sum += all - own;
        }
        sum
    };
    let sums: Vec<f64> = a
        .par_chunks(STRIPE * size)
        .enumerate()
        .map(stripe)
        .collect();
    sums.iter().sum()
}

/// Indices of the rows, sorted by their values.
fn order_by_content(rows: &Rows<'_>) -> Vec<usize> {
    let mut order: Vec<usize> = (0..rows.count()).collect();
    order.par_sort_by(|a, b| {
        let pairs = rows.row(*a).iter().zip(rows.row(*b));
        let mut unequal = pairs
            .map(|(a, b)| a.total_cmp(b))
            .filter(|order| order.is_ne());
        unequal.next().unwrap_or(std::cmp::Ordering::Equal)
    });
    order
}

/// Rows of a random subset.
fn draw(rows: &Rows<'_>, order: &[usize], count: usize, stream: &mut Stream) -> Vec<f64> {
    let mut order = order.to_vec();
    let mut values = Vec::with_capacity(count * rows.size());
    for place in 0..count {
        let other = place + stream.below(order.len() - place);
        order.swap(place, other);
        values.extend(rows.row(order[place]).iter().map(|value| f64::from(*value)));
    }
    values
}

#[cfg(test)]
mod tests {
    use super::*;

    fn normals(seed: u64, count: usize, shift: f32) -> Vec<f32> {
        let values = Stream::new(seed, "kid", 0).normals(count * 4);
        values.iter().map(|x| x + shift).collect()
    }

    fn rows(values: &[f32]) -> Rows<'_> {
        Rows::new("the pictures", values, 4).unwrap()
    }

    const SMALL: KernelDistanceConfig = KernelDistanceConfig {
        subsets: 8,
        subset_size: 50,
        degree: 3,
        offset: 1.0,
        seed: 1,
    };

    #[test]
    fn two_points_each_can_be_done_by_hand() {
        // Products / 1: x = {0, 1}, y = {1, 2}; kernel (xy + 1)³
        let x = Rows::new("x", &[0.0, 1.0], 1).unwrap();
        let y = Rows::new("y", &[1.0, 2.0], 1).unwrap();
        // within x: k(0,1) = 1; within y: k(1,2) = 27; between: (1 + 1 + 8 + 27) / 4
        let found = squared_discrepancy(&x, &y, KernelDistanceConfig::default()).unwrap();
        assert_eq!(found, 1.0 + 27.0 - 2.0 * 37.0 / 4.0);
    }

    #[test]
    fn order_does_not_matter_and_the_seed_does() {
        let (a, b) = (normals(1, 200, 0.0), normals(2, 300, 0.5));
        let backwards: Vec<f32> = b.chunks(4).rev().flatten().copied().collect();
        let value = |b: &[f32], config| kernel_distance(&rows(&a), &rows(b), config).unwrap();
        assert_eq!(value(&b, SMALL), value(&backwards, SMALL));
        assert_ne!(
            value(&b, SMALL),
            value(&b, KernelDistanceConfig { seed: 2, ..SMALL })
        );
    }

    #[test]
    fn one_subset_of_all_is_the_whole() {
        let (a, b) = (normals(3, 150, 0.0), normals(4, 150, 0.5));
        let config = KernelDistanceConfig {
            subsets: 1,
            subset_size: 150,
            ..SMALL
        };
        let subset = kernel_distance(&rows(&a), &rows(&b), config).unwrap();
        let whole = squared_discrepancy(&rows(&a), &rows(&b), config).unwrap();
        assert!(
            (subset.mean - whole).abs() < 1e-12,
            "{} {whole}",
            subset.mean
        );
        assert_eq!(subset.deviation, 0.0);
    }

    #[test]
    fn it_is_nothing_for_one_distribution_and_grows_with_the_shift() {
        let a = normals(5, 1000, 0.0);
        let value = |shift| {
            let b = normals(6, 1000, shift);
            kernel_distance(&rows(&a), &rows(&b), SMALL).unwrap().mean
        };
        let (none, little, much) = (value(0.0), value(0.3), value(0.6));
        assert!(
            none.abs() < 0.1 && little > 0.3 && much > 2.0 * little,
            "{none} {little} {much}"
        );
    }

    #[test]
    fn wrong_settings_are_named() {
        let a = normals(7, 40, 0.0);
        let text = |config| {
            kernel_distance(&rows(&a), &rows(&a), config)
                .unwrap_err()
                .to_string()
        };
        assert!(
            text(SMALL)
                .contains("40 pictures are too few for a kernel distance, which needs at least 50")
        );
        assert!(
            text(KernelDistanceConfig {
                subsets: 0,
                ..SMALL
            })
            .contains("`subsets` is 0")
        );
        assert!(
            text(KernelDistanceConfig {
                subset_size: 1,
                ..SMALL
            })
            .contains("`subset_size` is 1")
        );
    }
}
