//! Frequency bands of pictures.

/// The wavelet `sym2`, low-pass.
const SYM2: [f64; 4] = [
    -0.129_409_522_550_921_45,
    0.224_143_868_041_857_35,
    0.836_516_303_737_469,
    0.482_962_913_144_690_25,
];

/// How many bands there are.
pub(super) const NUM_BANDS: usize = 4;

/// How much of a natural picture is in each band, lowest first (power falls with frequency).
pub(super) const EXPECTED_POWER: [f64; NUM_BANDS] =
    [10.0 / 13.0, 1.0 / 13.0, 1.0 / 13.0, 1.0 / 13.0];

/// Symmetric filters of one odd length, lowest band first, that sum to the identity.
///
/// Section B.2 of [Karras et al. 2020](https://arxiv.org/abs/2006.06676): every level halves the
/// resolution of all bands so far and splits off the upper half.
pub(super) fn filters() -> [Vec<f64>; NUM_BANDS] {
    let low = autocorrelation(&SYM2);
    let alternating: Vec<f64> = (0..4).map(|k| SYM2[k] * (-1f64).powi(k as i32)).collect();
    let high = autocorrelation(&alternating);
    let mut bands = vec![vec![1.0]];
    for _ in 1..NUM_BANDS {
        bands = bands
            .iter()
            .map(|band| convolve(&spread(band), &low))
            .collect();
        let length = bands[0].len();
        let mut next = vec![0.0; length];
        let begin = (length - high.len()) / 2;
        next[begin..begin + high.len()].copy_from_slice(&high);
        bands.push(next);
    }
    bands
        .try_into()
        .expect("one band to begin with and one a level")
}

/// Half the filter convolved with its mirror image: symmetric, and applied once instead of twice.
fn autocorrelation(filter: &[f64]) -> Vec<f64> {
    let mirrored: Vec<f64> = filter.iter().rev().copied().collect();
    convolve(filter, &mirrored)
        .iter()
        .map(|v| v / 2.0)
        .collect()
}

fn convolve(a: &[f64], b: &[f64]) -> Vec<f64> {
    let mut out = vec![0.0; a.len() + b.len() - 1];
    for (i, a) in a.iter().enumerate() {
        for (j, b) in b.iter().enumerate() {
            out[i + j] += a * b;
        }
    }
    out
}

/// A zero between any two values.
fn spread(filter: &[f64]) -> Vec<f64> {
    let mut out = vec![0.0; 2 * filter.len() - 1];
    for (i, value) in filter.iter().enumerate() {
        out[2 * i] = *value;
    }
    out
}

/// A filter along an axis of `size` pixels as a matrix `size × size`, row by row; the border is mirrored.
pub(super) fn as_matrix(filter: &[f64], size: usize) -> Vec<f32> {
    let half = (filter.len() / 2) as i64;
    let mut matrix = vec![0.0; size * size];
    for out in 0..size {
        for (tap, weight) in filter.iter().enumerate() {
            let index = mirror(out as i64 + tap as i64 - half, size as i64);
            matrix[out * size + index as usize] += weight;
        }
    }
    matrix.into_iter().map(|v: f64| v as f32).collect()
}

fn mirror(index: i64, size: i64) -> i64 {
    if size == 1 {
        return 0;
    }
    let period = 2 * (size - 1);
    let index = index.rem_euclid(period);
    index.min(period - index)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn response(filter: &[f64], frequency: f64) -> f64 {
        let half = (filter.len() / 2) as f64;
        let terms = filter.iter().enumerate();
        terms
            .map(|(k, v)| v * ((k as f64 - half) * frequency).cos())
            .sum()
    }

    #[test]
    fn the_bands_sum_to_the_identity() {
        let bands = filters();
        let length = bands[0].len();
        assert_eq!(length, 43);
        for k in 0..length {
            let sum: f64 = bands.iter().map(|band| band[k]).sum();
            let wanted = if k == length / 2 { 1.0 } else { 0.0 };
            // What the twelve digits of the wavelet allow.
            assert!((sum - wanted).abs() < 1e-11, "{k}: {sum}");
        }
    }

    /// Constant pictures are in the lowest band, a checkerboard in the highest, and each band has its
    /// share in the middle of its octave.
    #[test]
    fn each_band_passes_its_octave() {
        let bands = filters();
        let pi = std::f64::consts::PI;
        for (frequency, band) in [
            (0.0, 0),
            (pi, 3),
            (0.75 * pi, 3),
            (0.375 * pi, 2),
            (0.19 * pi, 1),
        ] {
            let at: Vec<f64> = bands.iter().map(|b| response(b, frequency)).collect();
            assert!(at[band] > 0.7, "{frequency}: {at:?}");
        }
    }

    #[test]
    fn filters_are_symmetric() {
        for band in filters() {
            let mirrored: Vec<f64> = band.iter().rev().copied().collect();
            assert!(
                band.iter()
                    .zip(&mirrored)
                    .all(|(a, b)| (a - b).abs() < 1e-12)
            );
        }
    }

    #[test]
    fn a_matrix_filters_with_mirrored_borders() {
        let matrix = as_matrix(&[1.0, 2.0, 3.0], 3);
        // Of 0 1 2: row 0 sees 1 0 1, row 1 sees 0 1 2, row 2 sees 1 2 1.
        assert_eq!(matrix, [2.0, 4.0, 0.0, 1.0, 2.0, 3.0, 0.0, 4.0, 2.0]);
        assert_eq!(as_matrix(&[1.0, 2.0, 3.0], 1), [6.0]);
    }
}
