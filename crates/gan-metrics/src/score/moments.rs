//! Mean and covariance of any number of features in bounded memory.

use rayon::prelude::*;

use super::matrix::{View, multiply};
use super::rows::Rows;
use crate::error::{MetricError, check_count, check_size};

/// Rows that are summed together. A constant, so that a result does not depend on the batches.
const BLOCK_ROWS: usize = 1024;
/// Columns of one tile of the covariance, the unit of parallel work.
const TILE: usize = 256;

/// Sums of a set of features while it is read: mean and scatter in float64.
///
/// Rows are gathered into blocks; a block is centred on its own mean, and blocks are joined by the
/// rule of Chan, Golub and LeVeque (1983), `M = M_a + M_b + n_a n_b / n · δ δᵀ` with the difference
/// `δ` of the means. So nothing cancels, and the result does not depend on how rows came in batches, not
/// even in its last bit. Memory: `4 · size²` bytes and one block.
#[derive(Clone, Debug)]
pub struct Moments {
    size: usize,
    count: u64,
    mean: Vec<f64>,
    /// `Σ (x − mean)(x − mean)ᵀ`, tiles on and above the diagonal.
    tiles: Vec<Tile>,
    pending: Vec<f32>,
}

#[derive(Clone, Debug)]
struct Tile {
    row: usize,
    column: usize,
    /// `[height, width]`.
    values: Vec<f64>,
}

/// Mean and covariance of a set of features.
#[derive(Clone, Debug, PartialEq)]
pub struct Gaussian {
    /// Items they were computed from.
    pub count: u64,
    /// `[size]`.
    pub mean: Vec<f64>,
    /// Unbiased (divided by `count − 1`), symmetric, row-major `[size, size]`.
    pub covariance: Vec<f64>,
}

impl Gaussian {
    /// Number of features.
    pub fn size(&self) -> usize {
        self.mean.len()
    }
}

impl Moments {
    /// Of no items yet, with `size` features each.
    ///
    /// # Panics
    ///
    /// Panics if `size` is 0.
    pub fn new(size: usize) -> Self {
        assert!(size > 0, "Moments: size must be 1 or more");
        let starts = || (0..size).step_by(TILE);
        let width = |start: usize| TILE.min(size - start);
        let tiles = starts()
            .flat_map(|row| {
                starts()
                    .filter(move |column| *column >= row)
                    .map(move |c| (row, c))
            })
            .map(|(row, column)| Tile {
                row,
                column,
                values: vec![0.0; width(row) * width(column)],
            })
            .collect();
        Self {
            size,
            count: 0,
            mean: vec![0.0; size],
            tiles,
            pending: Vec::new(),
        }
    }

    /// Number of features.
    pub fn size(&self) -> usize {
        self.size
    }

    /// Items so far.
    pub fn count(&self) -> u64 {
        self.count + (self.pending.len() / self.size) as u64
    }

    /// Adds items.
    ///
    /// # Errors
    ///
    /// If the rows have another size.
    pub fn add(&mut self, rows: &Rows<'_>) -> Result<(), MetricError> {
        rows.have_size("features", self.size)?;
        let full = BLOCK_ROWS * self.size;
        let mut values = rows.values();
        while !values.is_empty() {
            let room = full - self.pending.len();
            let (now, later) = values.split_at(room.min(values.len()));
            self.pending.extend_from_slice(now);
            values = later;
            if self.pending.len() == full {
                self.flush();
            }
        }
        Ok(())
    }

    /// Adds the items of another accumulation.
    ///
    /// # Errors
    ///
    /// If they have another size.
    pub fn merge(&mut self, mut other: Self) -> Result<(), MetricError> {
        let what = "the moments to merge: features of a picture";
        let advice = "use the same features for all pictures";
        check_size(what, other.size, self.size, advice)?;
        self.flush();
        other.flush();
        if other.count == 0 {
            return Ok(());
        }
        for (tile, other) in self.tiles.iter_mut().zip(&other.tiles) {
            for (value, other) in tile.values.iter_mut().zip(&other.values) {
                *value += other;
            }
        }
        let step = self.join(&other.mean, other.count);
        self.add_products(&step);
        Ok(())
    }

    /// Mean and covariance of all items so far.
    ///
    /// # Errors
    ///
    /// If there are fewer than two items; `set` names them.
    pub fn gaussian(&self, set: &str) -> Result<Gaussian, MetricError> {
        let mut all = self.clone();
        all.flush();
        check_count(set, "a covariance", all.count, 2, "add pictures")?;
        let size = self.size;
        let scale = 1.0 / (all.count - 1) as f64;
        let mut covariance = vec![0.0; size * size];
        for tile in &all.tiles {
            let width = TILE.min(size - tile.column);
            for (i, row) in tile.values.chunks(width).enumerate() {
                for (j, value) in row.iter().enumerate() {
                    let (i, j) = (tile.row + i, tile.column + j);
                    covariance[i * size + j] = value * scale;
                    covariance[j * size + i] = value * scale;
                }
            }
        }
        Ok(Gaussian {
            count: all.count,
            mean: all.mean,
            covariance,
        })
    }

    /// Sums the rows that wait.
    fn flush(&mut self) {
        let pending = std::mem::take(&mut self.pending);
        if pending.is_empty() {
            return;
        }
        let count = pending.len() / self.size;
        let mut mean = vec![0.0; self.size];
        for row in pending.chunks(self.size) {
            for (mean, value) in mean.iter_mut().zip(row) {
                *mean += f64::from(*value);
            }
        }
        mean.iter_mut().for_each(|mean| *mean /= count as f64);
        let mut centred: Vec<f64> = Vec::with_capacity(pending.len() + self.size);
        for row in pending.chunks(self.size) {
            centred.extend(row.iter().zip(&mean).map(|(x, mean)| f64::from(*x) - mean));
        }
        // The step between the means is one more row of the same product.
        centred.extend(self.join(&mean, count as u64));
        self.add_products(&centred);
        self.pending = pending;
        self.pending.clear();
    }

    /// Moves the mean to that of all items; returns `sqrt(n_a n_b / n) · δ`.
    fn join(&mut self, mean: &[f64], count: u64) -> Vec<f64> {
        let (before, new) = (self.count as f64, count as f64);
        let all = before + new;
        self.count += count;
        let weight = (before * new / all).sqrt();
        let step = |(own, mean): (&mut f64, &f64)| {
            let difference = mean - *own;
            *own += difference * (new / all);
            difference * weight
        };
        self.mean.iter_mut().zip(mean).map(step).collect()
    }

    /// Adds `rowsᵀ · rows` to the scatter.
    fn add_products(&mut self, rows: &[f64]) {
        let size = self.size;
        let count = rows.len() / size;
        self.tiles.par_iter_mut().for_each(|tile| {
            let part = |start: usize| {
                let width = TILE.min(size - start);
                View::new(&rows[start..], count, width, size)
            };
            let (left, right) = (part(tile.row).transposed(), part(tile.column));
            multiply(&mut tile.values, 1.0, 1.0, left, right);
        });
    }
}

#[cfg(test)]
mod tests {
    use gan_core::rng::Stream;

    use super::*;

    fn moments(values: &[f32], size: usize, batch: usize) -> Moments {
        let mut moments = Moments::new(size);
        for batch in values.chunks(batch * size) {
            moments
                .add(&Rows::new("the pictures", batch, size).unwrap())
                .unwrap();
        }
        moments
    }

    fn gaussian(values: &[f32], size: usize, batch: usize) -> Gaussian {
        moments(values, size, batch)
            .gaussian("the pictures")
            .unwrap()
    }

    /// Two passes, as in a textbook.
    fn textbook(values: &[f32], size: usize) -> Gaussian {
        let count = values.len() / size;
        let mean: Vec<f64> = (0..size)
            .map(|j| {
                values
                    .iter()
                    .skip(j)
                    .step_by(size)
                    .map(|x| f64::from(*x))
                    .sum::<f64>()
                    / count as f64
            })
            .collect();
        let mut covariance = vec![0.0; size * size];
        for row in values.chunks(size) {
            for i in 0..size {
                for j in 0..size {
                    covariance[i * size + j] += (f64::from(row[i]) - mean[i])
                        * (f64::from(row[j]) - mean[j])
                        / (count - 1) as f64;
                }
            }
        }
        Gaussian {
            count: count as u64,
            mean,
            covariance,
        }
    }

    fn largest_difference(a: &Gaussian, b: &Gaussian) -> f64 {
        let all = |g: &Gaussian| [g.mean.clone(), g.covariance.clone()].concat();
        all(a)
            .iter()
            .zip(all(b))
            .map(|(a, b)| (a - b).abs())
            .fold(0.0, f64::max)
    }

    #[test]
    fn it_is_the_textbook_over_several_blocks_and_tiles() {
        let size = TILE + 7;
        let values = Stream::new(1, "moments", 0).normals(2100 * size);
        let values: Vec<f32> = values.iter().map(|x| x * 0.5 + 1000.0).collect();
        let found = gaussian(&values, size, 2100);
        assert_eq!(found.count, 2100);
        let difference = largest_difference(&found, &textbook(&values, size));
        assert!(difference < 1e-10, "{difference}");
    }

    #[test]
    fn batches_do_not_matter_to_the_last_bit() {
        let values = Stream::new(2, "moments", 0).normals(2500 * 5);
        let expected = gaussian(&values, 5, 2500);
        for batch in [1, 7, 1024, 1025] {
            assert_eq!(gaussian(&values, 5, batch), expected, "batch {batch}");
        }
    }

    #[test]
    fn order_does_not_matter() {
        let values = Stream::new(3, "moments", 0).normals(3000 * 3);
        let backwards: Vec<f32> = values.chunks(3).rev().flatten().copied().collect();
        let difference =
            largest_difference(&gaussian(&values, 3, 100), &gaussian(&backwards, 3, 100));
        assert!(difference < 1e-13, "{difference}");
    }

    #[test]
    fn parts_can_be_merged() {
        let values = Stream::new(4, "moments", 0).normals(1500 * 4);
        let values: Vec<f32> = values
            .iter()
            .enumerate()
            .map(|(i, x)| x + i as f32 / 1e3)
            .collect();
        let mut whole = Moments::new(4);
        for part in [
            &values[..40],
            &values[40..5000],
            &values[5000..5000],
            &values[5000..],
        ] {
            whole.merge(moments(part, 4, 64)).unwrap();
        }
        assert_eq!(whole.count(), 1500);
        let whole = whole.gaussian("the pictures").unwrap();
        let difference = largest_difference(&whole, &textbook(&values, 4));
        assert!(difference < 1e-11, "{difference}");
    }

    #[test]
    fn what_cannot_be_summed_is_an_error() {
        let mut moments = moments(&[1.0, 2.0], 2, 1);
        assert_eq!(
            moments
                .gaussian("the real pictures")
                .unwrap_err()
                .to_string(),
            "the real pictures: 1 picture is too few for a covariance, which needs at least 2; \
             add pictures"
        );
        let rows = Rows::new("the fakes", &[1.0; 3], 3).unwrap();
        assert!(
            moments
                .add(&rows)
                .unwrap_err()
                .to_string()
                .contains("3 instead of 2")
        );
        assert!(moments.merge(Moments::new(3)).is_err());
    }
}
