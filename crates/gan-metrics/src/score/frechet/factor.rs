//! A square root of a covariance that knows its rank.

use rayon::prelude::*;

use crate::score::matrix::{View, add_scaled, multiply};

/// Rows of the factor found between two updates of the whole remainder.
const PANEL: usize = 32;
/// Rows of the remainder that are updated together, the unit of parallel work.
const STRIPE: usize = 128;

/// A matrix `R` with `S = Rᵀ R`.
#[derive(Debug)]
pub(super) struct Factor {
    /// Number of rows: the numerical rank of `S`.
    pub rank: usize,
    /// Row-major `[rank, size]`.
    pub rows: Vec<f64>,
}

/// Factors a covariance, row-major `[size, size]`, by Cholesky's method with pivots: the next row is
/// the one with most variance left, until only rounding errors are left.
///
/// It is the correlation that is factored, so a feature with little variance counts as much as one
/// with much. A feature whose variance is at most what rounding `mean` leaves is constant. What is left
/// counts as rounding below `size · ε`, the bound of LAPACK's `dpstrf`.
pub(super) fn factor(covariance: &[f64], mean: &[f64]) -> Factor {
    let size = mean.len();
    let deviations: Vec<f64> = mean
        .iter()
        .enumerate()
        .map(|(i, mean)| {
            let deviation = covariance[i * size + i].max(0.0).sqrt();
            let rounding = 4.0 * f64::EPSILON * mean.abs();
            if deviation > rounding { deviation } else { 0.0 }
        })
        .collect();
    let inverse: Vec<f64> = deviations
        .iter()
        .map(|deviation| {
            if *deviation > 0.0 {
                1.0 / deviation
            } else {
                0.0
            }
        })
        .collect();
    let mut rest: Vec<f64> = covariance
        .par_chunks(size)
        .zip(&inverse)
        .flat_map_iter(|(row, scale)| {
            row.iter()
                .zip(&inverse)
                .map(move |(x, other)| x * scale * other)
        })
        .collect();
    let mut rows = Vec::new();
    let mut is_pivot = vec![false; size];
    while add_panel(&mut rows, &mut rest, &mut is_pivot) {}
    for row in rows.chunks_mut(size) {
        row.iter_mut()
            .zip(&deviations)
            .for_each(|(x, deviation)| *x *= deviation);
    }
    Factor {
        rank: rows.len() / size,
        rows,
    }
}

/// Adds rows to the factor of `rest`, and takes them off `rest`. Returns whether there may be more.
fn add_panel(rows: &mut Vec<f64>, rest: &mut [f64], is_pivot: &mut [bool]) -> bool {
    let size = is_pivot.len();
    let tolerance = size as f64 * f64::EPSILON;
    let begin = rows.len();
    let mut left: Vec<f64> = (0..size).map(|i| rest[i * size + i]).collect();
    let mut more = true;
    for _ in 0..PANEL {
        let free = (0..size).filter(|i| !is_pivot[*i]);
        let Some(pivot) = free.max_by(|a, b| left[*a].total_cmp(&left[*b])) else {
            more = false;
            break;
        };
        if left[pivot] <= tolerance {
            more = false;
            break;
        }
        let mut row = rest[pivot * size..(pivot + 1) * size].to_vec();
        for earlier in rows[begin..].chunks(size) {
            add_scaled(&mut row, -earlier[pivot], earlier);
        }
        let root = left[pivot].sqrt();
        for i in 0..size {
            row[i] = if is_pivot[i] { 0.0 } else { row[i] / root };
            left[i] -= row[i] * row[i];
        }
        row[pivot] = root;
        is_pivot[pivot] = true;
        rows.extend(row);
    }
    let panel = &rows[begin..];
    if panel.is_empty() {
        // The one before was full, and the last.
        return false;
    }
    let count = panel.len() / size;
    rest.par_chunks_mut(STRIPE * size)
        .enumerate()
        .for_each(|(stripe, rest)| {
            let height = rest.len() / size;
            let left = View::new(&panel[stripe * STRIPE..], count, height, size).transposed();
            multiply(rest, 1.0, -1.0, left, View::new(panel, count, size, size));
        });
    more
}

#[cfg(test)]
mod tests {
    use gan_core::rng::Stream;

    use super::*;

    /// `XᵀX` of random rows.
    fn covariance(rank: usize, size: usize) -> Vec<f64> {
        let rows = Stream::new(rank as u64, "factor", 0).normals(rank * size);
        let rows: Vec<f64> = rows.iter().map(|x| f64::from(*x)).collect();
        let rows = View::new(&rows, rank, size, size);
        let mut product = vec![0.0; size * size];
        multiply(&mut product, 0.0, 1.0, rows.transposed(), rows);
        product
    }

    fn assert_factors(covariance: &[f64], size: usize, rank: usize) {
        let factor = factor(covariance, &vec![0.0; size]);
        assert_eq!(factor.rank, rank);
        let rows = View::new(&factor.rows, rank, size, size);
        let mut product = vec![0.0; size * size];
        multiply(&mut product, 0.0, 1.0, rows.transposed(), rows);
        for (index, (found, expected)) in product.iter().zip(covariance).enumerate() {
            let scale = (covariance[index / size * (size + 1)]
                * covariance[index % size * (size + 1)])
                .sqrt();
            assert!(
                (found - expected).abs() <= 1e-12 * scale,
                "{index}: {found} {expected}"
            );
        }
    }

    #[test]
    fn it_is_a_root_and_finds_the_rank() {
        // The last two end with a full panel, in more than one stripe.
        let all = [(1, 1), (200, 150), (40, 150), (3, 40), (32, 64)];
        for (rank, size) in all.into_iter().chain([(200, 160), (64, 160)]) {
            assert_factors(&covariance(rank, size), size, rank.min(size));
        }
    }

    #[test]
    fn scales_do_not_matter() {
        let size = 20;
        let mut matrix = covariance(30, size);
        for i in 0..size {
            for j in 0..size {
                matrix[i * size + j] *= 10f64.powi(i as i32 - 10) * 10f64.powi(j as i32 - 10);
            }
        }
        assert_factors(&matrix, size, size);
    }

    #[test]
    fn nothing_has_rank_zero_and_a_constant_feature_adds_none() {
        assert_eq!(factor(&[0.0; 9], &[1.0; 3]).rank, 0);
        // The second feature is a constant that rounding has moved a little.
        assert_eq!(factor(&[1.0, 0.0, 0.0, 1e-30], &[0.0, 10.0]).rank, 1);
    }
}
