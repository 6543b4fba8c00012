//! Singular values, as many as there are, of a matrix in float64.

use rayon::prelude::*;

use crate::score::matrix::{View, add_scaled, dot, multiply};

/// Rows that are updated together. A constant, so that sums do not depend on the number of threads.
const STRIPE: usize = 64;
/// Values that are searched together, in vectors.
const LANES: usize = 8;
/// Halvings of an interval: more than a float64 has digits.
const HALVINGS: usize = 54;

/// Sum of the singular values of a matrix, row-major `[rows, columns]`: its nuclear norm. Exact to
/// rounding, relative to the largest of them, whatever the rank.
///
/// Reflections from both sides (Golub and Kahan, 1965) leave two diagonals `d` and `e`. The singular
/// values are the positive eigenvalues of the symmetric tridiagonal matrix with zeros on the diagonal
/// and `d₁ e₁ d₂ e₂ …` beside it, which are found by counting (Sturm's theorem) and halving. No step can
/// fail to converge.
pub(super) fn nuclear_norm(matrix: Vec<f64>, rows: usize, columns: usize) -> f64 {
    if rows.min(columns) == 0 {
        return 0.0;
    }
    let tall = if rows < columns {
        (0..columns)
            .flat_map(|j| matrix.iter().skip(j).step_by(columns).copied())
            .collect()
    } else {
        matrix
    };
    let off_diagonal = bidiagonal(tall, rows.min(columns));
    positive_eigenvalues(&off_diagonal).iter().sum()
}

/// The reflection `I − factor · v vᵀ` that maps a vector to a multiple of the first unit vector.
struct Reflection {
    /// The multiple.
    image: f64,
    factor: f64,
}

impl Reflection {
    /// Turns the vector into `v`.
    fn of(vector: &mut [f64]) -> Self {
        let norm = dot(vector, vector).sqrt();
        if norm == 0.0 {
            return Self {
                image: 0.0,
                factor: 0.0,
            };
        }
        // Away from the vector, so that nothing cancels.
        let image = -norm.copysign(vector[0]);
        let factor = 1.0 / (norm * (norm + vector[0].abs()));
        vector[0] -= image;
        Self { image, factor }
    }
}

/// Reflects from both sides until two diagonals are left: `d₁ e₁ d₂ …` of `[rows, columns]`,
/// rows ≥ columns.
///
/// One pass over the matrix per column: reflecting a row from the left, from the right, and adding its
/// share to the products that the next column needs, while it is in the cache.
fn bidiagonal(mut matrix: Vec<f64>, columns: usize) -> Vec<f64> {
    let mut diagonals = Vec::with_capacity(2 * columns);
    let rows = matrix.len() / columns;
    // The column to reflect, and its products with all columns.
    let mut left: Vec<f64> = matrix.iter().step_by(columns).copied().collect();
    let mut products = vec![0.0; columns];
    let all = View::new(&matrix, rows, columns, columns);
    multiply(
        &mut products,
        0.0,
        1.0,
        View::new(&left, 1, rows, rows),
        all,
    );
    for k in 0..columns {
        let first = left[0];
        let reflection = Reflection::of(&mut left);
        diagonals.push(reflection.image);
        if k + 1 == columns {
            break;
        }
        let (head, rest) = matrix[k * columns..].split_at_mut(columns);
        let head = &mut head[k + 1..];
        let shift = left[0] - first; // −image
        let mut along: Vec<f64> = products[k + 1..].to_vec();
        add_scaled(&mut along, shift, head);
        along.iter_mut().for_each(|x| *x *= reflection.factor);
        add_scaled(head, -left[0], &along);
        let right = Reflection::of(head);
        diagonals.push(right.image);
        let step = Step {
            left: &left[1..],
            along: &along,
            right: head,
            factor: right.factor,
            begin: k + 1,
        };
        (left, products) = step.apply(rest, columns);
    }
    diagonals
}

/// What happens to the rows below the current one.
struct Step<'a> {
    /// `v` of the left reflection, one entry per row.
    left: &'a [f64],
    /// What a row loses per unit of `left`.
    along: &'a [f64],
    /// `v` of the right reflection.
    right: &'a [f64],
    factor: f64,
    /// First column that changes.
    begin: usize,
}

impl Step<'_> {
    /// Returns the next column and its products with all columns.
    fn apply(&self, rows: &mut [f64], columns: usize) -> (Vec<f64>, Vec<f64>) {
        let stripe = |(index, rows): (usize, &mut [f64])| {
            let mut column = Vec::with_capacity(STRIPE);
            let mut products = vec![0.0; columns];
            let left = &self.left[index * STRIPE..];
            for (row, left) in rows.chunks_mut(columns).zip(left) {
                let row = &mut row[self.begin..];
                add_scaled(row, -left, self.along);
                let share = self.factor * dot(row, self.right);
                add_scaled(row, -share, self.right);
                column.push(row[0]);
                add_scaled(&mut products[self.begin..], row[0], row);
            }
            (column, products)
        };
        let parts: Vec<_> = rows
            .par_chunks_mut(STRIPE * columns)
            .enumerate()
            .map(stripe)
            .collect();
        let mut column = Vec::with_capacity(self.left.len());
        let mut products = vec![0.0; columns];
        for (part_column, part) in parts {
            column.extend(part_column);
            add_scaled(&mut products, 1.0, &part);
        }
        (column, products)
    }
}

/// The upper half of the eigenvalues, ascending, of the symmetric tridiagonal matrix with zeros on the
/// diagonal and `beside` next to it (an odd number of entries).
fn positive_eigenvalues(beside: &[f64]) -> Vec<f64> {
    let count = beside.len().div_ceil(2);
    let squares: Vec<f64> = beside.iter().map(|x| x * x).collect();
    // Gershgorin: no eigenvalue is larger than a sum of two neighbours.
    let pairs = beside.windows(2).map(|pair| pair[0].abs() + pair[1].abs());
    let bound = pairs.fold(beside[0].abs(), f64::max);
    if bound == 0.0 {
        return vec![0.0; count];
    }
    let smallest = f64::MIN_POSITIVE * bound.max(1.0).powi(2);
    let search = |first: usize| {
        let (mut low, mut high) = ([0.0; LANES], [bound * (1.0 + 1e-12); LANES]);
        for _ in 0..HALVINGS {
            let middle: [f64; LANES] = std::array::from_fn(|lane| 0.5 * (low[lane] + high[lane]));
            let below = count_below(&squares, &middle, smallest);
            for lane in 0..LANES {
                // The matrix has as many negative eigenvalues as positive ones.
                if below[lane] > (count + first + lane) as f64 {
                    high[lane] = middle[lane];
                } else {
                    low[lane] = middle[lane];
                }
            }
        }
        let values: [f64; LANES] = std::array::from_fn(|lane| 0.5 * (low[lane] + high[lane]));
        values
    };
    let starts: Vec<usize> = (0..count).step_by(LANES).collect();
    let mut values: Vec<f64> = starts.into_par_iter().flat_map_iter(search).collect();
    values.truncate(count);
    values
}

/// How many eigenvalues are below each of `bounds`: the negative pivots of `T − bound · I`.
fn count_below(squares: &[f64], bounds: &[f64; LANES], smallest: f64) -> [f64; LANES] {
    let mut pivots: [f64; LANES] = std::array::from_fn(|lane| -bounds[lane]);
    let mut counts = [0.0; LANES];
    let mut look = |pivots: &mut [f64; LANES]| {
        for lane in 0..LANES {
            // A pivot of zero is moved by less than rounding would, so that no division overflows.
            if pivots[lane].abs() < smallest {
                pivots[lane] = -smallest;
            }
            counts[lane] += if pivots[lane] < 0.0 { 1.0 } else { 0.0 };
        }
    };
    look(&mut pivots);
    for square in squares {
        for lane in 0..LANES {
            pivots[lane] = -bounds[lane] - square / pivots[lane];
        }
        look(&mut pivots);
    }
    counts
}

#[cfg(test)]
mod tests {
    use gan_core::rng::Stream;

    use super::*;

    /// A matrix with the given singular values: two random reflections around a diagonal.
    fn matrix(values: &[f64], rows: usize, columns: usize) -> Vec<f64> {
        let mut stream = Stream::new(7, "singular values", 0);
        let mut unit = |size: usize| {
            let v: Vec<f64> = stream.normals(size).iter().map(|x| f64::from(*x)).collect();
            let norm = dot(&v, &v).sqrt();
            v.iter().map(|x| x / norm).collect::<Vec<f64>>()
        };
        let (u, v) = (unit(rows), unit(columns));
        let mut matrix = vec![0.0; rows * columns];
        for i in 0..rows {
            for j in 0..columns {
                matrix[i * columns + j] = (0..values.len())
                    .map(|k| {
                        let left = f64::from(u8::from(i == k)) - 2.0 * u[i] * u[k];
                        let right = f64::from(u8::from(j == k)) - 2.0 * v[j] * v[k];
                        left * values[k] * right
                    })
                    .sum();
            }
        }
        matrix
    }

    #[test]
    fn the_sum_is_that_of_the_values_put_in() {
        for (rows, columns) in [
            (1usize, 1usize),
            (2, 1),
            (1, 3),
            (70, 70),
            (150, 90),
            (90, 150),
        ] {
            for rank in [1, rows.min(columns).div_ceil(2), rows.min(columns)] {
                let values: Vec<f64> = (0..rank).map(|k| 0.5 + (k * k) as f64).collect();
                let sum: f64 = values.iter().sum();
                let found = nuclear_norm(matrix(&values, rows, columns), rows, columns);
                assert!(
                    (found - sum).abs() < 1e-13 * sum * rank as f64,
                    "{rows} x {columns}, rank {rank}: {found} instead of {sum}"
                );
            }
        }
    }

    #[test]
    fn each_value_is_found() {
        // NumPy: np.linalg.svd([[3, 1, 0], [0, 2, -1], [0, 0, 1]], compute_uv=False)
        let values = positive_eigenvalues(&[3.0, 1.0, 2.0, -1.0, 1.0]);
        let expected = [0.8595646305122, 2.1326374935798, 3.2730728630677];
        for (found, expected) in values.iter().zip(expected) {
            assert!((found - expected).abs() < 1e-12, "{values:?}");
        }
    }

    #[test]
    fn equal_values_zeros_and_nothing_are_no_trouble() {
        let identity: Vec<f64> = (0..400).map(|i| f64::from(u8::from(i % 21 == 0))).collect();
        assert!((nuclear_norm(identity, 20, 20) - 20.0).abs() < 1e-12);
        assert_eq!(nuclear_norm(vec![0.0; 12], 4, 3), 0.0);
        assert_eq!(nuclear_norm(Vec::new(), 0, 3), 0.0);
    }
}
