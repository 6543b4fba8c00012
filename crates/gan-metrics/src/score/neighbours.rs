//! Distances of all pairs, and nearest neighbours.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::matrix::{View, dot, multiply, widen};
use super::rows::Rows;
use crate::error::MetricError;

/// Rows whose distances are computed together.
const QUERIES: usize = 128;
/// Rows they are compared with at a time.
const REFERENCES: usize = 512;
/// Squared distances below this part of the squared lengths are computed anew, because the fast formula
/// has lost their digits.
const CANCELLED: f64 = 1e-9;

/// Gives `fold` the squared Euclidean distances of each query to all references, block by block: index
/// of the query, index of the first reference of the block, distances. Equal rows have distance 0
/// exactly. Returns the state of each query.
pub(crate) fn fold_distances<S: Send>(
    queries: &Rows<'_>,
    references: &Rows<'_>,
    begin: impl Fn() -> S + Sync,
    fold: impl Fn(&mut S, usize, usize, &[f64]) + Sync,
) -> Vec<S> {
    let size = queries.size();
    let reference_squares = squares(references.values(), size);
    let block = |(index, rows): (usize, &[f32])| {
        let first_query = index * QUERIES;
        let own_squares = squares(rows, size);
        let own = widen(rows);
        let mut states: Vec<S> = own_squares.iter().map(|_| begin()).collect();
        let mut distances = vec![0.0; own_squares.len() * REFERENCES.min(references.count())];
        let blocks = references.values().chunks(REFERENCES * size);
        for (index, (others, squares)) in
            blocks.zip(reference_squares.chunks(REFERENCES)).enumerate()
        {
            let distances = &mut distances[..own_squares.len() * squares.len()];
            squared_distances(distances, (&own, &own_squares), (&widen(others), squares));
            for (query, row) in distances.chunks(squares.len()).enumerate() {
                let state = &mut states[query];
                fold(state, first_query + query, index * REFERENCES, row);
            }
        }
        states
    };
    queries
        .values()
        .par_chunks(QUERIES * size)
        .enumerate()
        .flat_map_iter(block)
        .collect()
}

/// Squared length of each row.
fn squares(values: &[f32], size: usize) -> Vec<f64> {
    values
        .par_chunks(size)
        .map(|row| row.iter().map(|x| f64::from(*x).powi(2)).sum())
        .collect()
}

/// `|x − y|² = |x|² + |y|² − 2 x·y` of all pairs, row-major; both sets come with their squared lengths.
fn squared_distances(
    distances: &mut [f64],
    (own, own_squares): (&[f64], &[f64]),
    (others, other_squares): (&[f64], &[f64]),
) {
    let size = own.len() / own_squares.len();
    let left = View::new(own, own_squares.len(), size, size);
    let right = View::new(others, other_squares.len(), size, size).transposed();
    multiply(distances, 0.0, -2.0, left, right);
    let rows = distances.chunks_mut(other_squares.len());
    for ((row, x), x_square) in rows.zip(own.chunks(size)).zip(own_squares) {
        let pairs = others.chunks(size).zip(other_squares);
        for (distance, (y, y_square)) in row.iter_mut().zip(pairs) {
            let lengths = x_square + y_square;
            *distance += lengths;
            if *distance < CANCELLED * lengths {
                let difference: Vec<f64> = x.iter().zip(y).map(|(x, y)| x - y).collect();
                *distance = dot(&difference, &difference);
            }
        }
    }
}

/// The nearest items found so far, nearest first; of equal ones, that with the lower index.
#[derive(Clone, Debug)]
pub(crate) struct Nearest {
    count: usize,
    /// Squared distances and indices.
    pub found: Vec<(f64, usize)>,
}

impl Nearest {
    pub fn new(count: usize) -> Self {
        Self {
            count,
            found: Vec::with_capacity(count + 1),
        }
    }

    pub fn offer(&mut self, distance: f64, index: usize) {
        if self.found.len() == self.count
            && self.found.last().is_some_and(|last| distance >= last.0)
        {
            return;
        }
        let place = self.found.partition_point(|(other, _)| *other <= distance);
        self.found.insert(place, (distance, index));
        self.found.truncate(self.count);
    }
}

/// An item near another one.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Neighbour {
    /// Index in the set searched.
    pub index: usize,
    /// Euclidean distance of the features.
    pub distance: f64,
}

/// The `count` nearest rows of `references` for every row of `queries`, nearest first.
///
/// With features of pictures this shows what a generator has seen: the training pictures nearest to
/// what it draws.
///
/// # Errors
///
/// If the features differ in size, or there are fewer references than neighbours wanted.
pub fn nearest_neighbours(
    queries: &Rows<'_>,
    references: &Rows<'_>,
    count: usize,
) -> Result<Vec<Vec<Neighbour>>, MetricError> {
    references.same_size(queries)?;
    references.at_least(
        count.max(1),
        "nearest neighbours",
        "give more, or ask for fewer neighbours",
    )?;
    let nearest = nearest(queries, references, count, |_, _| true);
    let neighbour = |(distance, index): (f64, usize)| Neighbour {
        index,
        distance: distance.sqrt(),
    };
    Ok(nearest
        .into_iter()
        .map(|nearest| nearest.found.into_iter().map(neighbour).collect())
        .collect())
}

/// The `count` nearest references of each query among those that `allow(query, reference)`.
fn nearest(
    queries: &Rows<'_>,
    references: &Rows<'_>,
    count: usize,
    allow: impl Fn(usize, usize) -> bool + Sync,
) -> Vec<Nearest> {
    fold_distances(
        queries,
        references,
        || Nearest::new(count),
        |nearest, query, first, distances| {
            for (offset, distance) in distances.iter().enumerate() {
                if allow(query, first + offset) {
                    nearest.offer(*distance, first + offset);
                }
            }
        },
    )
}

/// Result of [`memorisation`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Memorisation {
    /// Share of generated pictures that are further from their nearest training picture than that
    /// picture is from its own nearest neighbour. About a half for new pictures of the same
    /// distribution; 0 for copies.
    pub authenticity: f64,
    /// Mean distance of the generated pictures to their nearest training picture.
    pub fake_to_real: f64,
    /// Mean distance of the training pictures to their nearest other training picture.
    pub real_to_real: f64,
    /// The nearest training picture of each generated one.
    pub nearest: Vec<Neighbour>,
}

/// Whether a generator copies: distances of generated to training pictures, beside distances among
/// training pictures.
///
/// The authenticity of section 4 of
/// [How Faithful is your Synthetic Data?](https://arxiv.org/abs/2102.08921).
///
/// # Errors
///
/// If the features differ in size, there are fewer than 2 training pictures, or no generated ones.
pub fn memorisation(real: &Rows<'_>, fake: &Rows<'_>) -> Result<Memorisation, MetricError> {
    real.at_least(2, "memorisation", "give more")?;
    fake.at_least(1, "memorisation", "give some")?;
    let nearest = nearest_neighbours(fake, real, 1)?;
    let nearest: Vec<Neighbour> = nearest.into_iter().map(|all| all[0]).collect();
    let radii: Vec<f64> = radii(real, 1).iter().map(|square| square.sqrt()).collect();
    // Roots on both sides: a square of a root would be off by a rounding, and equal distances differ.
    let is_authentic = |neighbour: &&Neighbour| neighbour.distance > radii[neighbour.index];
    let count = nearest.len() as f64;
    Ok(Memorisation {
        authenticity: nearest.iter().filter(is_authentic).count() as f64 / count,
        fake_to_real: nearest.iter().map(|near| near.distance).sum::<f64>() / count,
        real_to_real: radii.iter().sum::<f64>() / radii.len() as f64,
        nearest,
    })
}

/// Squared distance of each row to its `count`-th nearest other row. There must be more than `count`
/// rows.
pub(crate) fn radii(rows: &Rows<'_>, count: usize) -> Vec<f64> {
    nearest(rows, rows, count, |own, other| own != other)
        .iter()
        .map(|nearest| nearest.found[count - 1].0)
        .collect()
}

#[cfg(test)]
mod tests {
    use gan_core::rng::Stream;

    use super::*;

    fn normals(seed: u64, count: usize, size: usize) -> Vec<f32> {
        Stream::new(seed, "neighbours", 0).normals(count * size)
    }

    #[test]
    fn they_are_the_nearest_of_all_pairs_over_several_blocks() {
        let (a, b) = (normals(1, 150, 5), normals(2, 1100, 5));
        let (a, b) = (
            Rows::new("a", &a, 5).unwrap(),
            Rows::new("b", &b, 5).unwrap(),
        );
        let found = nearest_neighbours(&a, &b, 3).unwrap();
        for (query, found) in found.iter().enumerate() {
            let mut all: Vec<(f64, usize)> = (0..b.count())
                .map(|other| {
                    let pairs = a.row(query).iter().zip(b.row(other));
                    let square: f64 = pairs.map(|(a, b)| f64::from(a - b).powi(2)).sum();
                    (square.sqrt(), other)
                })
                .collect();
            all.sort_by(|a, b| a.0.total_cmp(&b.0));
            for (found, (distance, index)) in found.iter().zip(all) {
                assert_eq!(found.index, index);
                assert!((found.distance - distance).abs() < 1e-6);
            }
        }
    }

    #[test]
    fn equal_rows_are_at_no_distance_however_long() {
        let values: Vec<f32> = normals(3, 20, 50).iter().map(|x| x * 1e-3 + 1e4).collect();
        let rows = Rows::new("a", &values, 50).unwrap();
        for (index, found) in nearest_neighbours(&rows, &rows, 2)
            .unwrap()
            .iter()
            .enumerate()
        {
            assert_eq!((found[0].index, found[0].distance), (index, 0.0));
            let pairs = rows.row(index).iter().zip(rows.row(found[1].index));
            let exact: f64 = pairs
                .map(|(a, b)| (f64::from(*a) - f64::from(*b)).powi(2))
                .sum();
            assert!((found[1].distance - exact.sqrt()).abs() < 1e-12);
        }
    }

    #[test]
    fn ties_go_to_the_lower_index() {
        let rows = Rows::new("a", &[0.0, 1.0, 1.0, -1.0], 1).unwrap();
        let found = nearest_neighbours(&rows, &rows, 4).unwrap();
        let order: Vec<usize> = found[0].iter().map(|n| n.index).collect();
        assert_eq!(order, [0, 1, 2, 3]);
    }

    #[test]
    fn copies_are_not_authentic_and_new_pictures_are_half_of_the_time() {
        let (real, new) = (normals(4, 600, 3), normals(5, 600, 3));
        let copies: Vec<f32> = real[..300].iter().map(|x| x + 1e-6).collect();
        let rows = |values| Rows::new("the pictures", values, 3).unwrap();
        let copied = memorisation(&rows(&real), &rows(&copies)).unwrap();
        assert_eq!(copied.authenticity, 0.0);
        assert_eq!(copied.nearest[7].index, 7);
        assert!(copied.fake_to_real < 1e-5 && copied.real_to_real > 0.1);
        let fresh = memorisation(&rows(&real), &rows(&new)).unwrap();
        assert!(
            (fresh.authenticity - 0.5).abs() < 0.15,
            "{}",
            fresh.authenticity
        );
    }

    #[test]
    fn a_picture_as_far_as_the_nearest_real_neighbour_is_not_authentic() {
        // Both distances are the root of 2, whose square is more than 2 after rounding.
        let real = Rows::new("the reals", &[0.0, 0.0, 1.0, 1.0], 2).unwrap();
        let fake = Rows::new("the fakes", &[-1.0, -1.0], 2).unwrap();
        assert_eq!(memorisation(&real, &fake).unwrap().authenticity, 0.0);
    }

    #[test]
    fn too_few_is_an_error() {
        let one = Rows::new("the real pictures", &[1.0], 1).unwrap();
        let text = nearest_neighbours(&one, &one, 2).unwrap_err().to_string();
        assert!(
            text.contains("1 picture is too few for nearest neighbours"),
            "{text}"
        );
        assert!(memorisation(&one, &one).is_err());
    }
}
