//! Scores of pairs of pictures: a result and what it should be.

use rayon::prelude::*;

use super::matrix::add_scaled;
use crate::error::{MetricError, check_size};
use crate::features::PictureShape;

/// Constants of [`ssim`] and [`ms_ssim`]. The defaults are those of the papers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PairConfig {
    /// Pixels of the window, an odd number. Default: 11
    pub window: usize,
    /// Standard deviation of the Gaussian window, in pixels. Default: 1.5
    pub sigma: f64,
    /// `K₁`, which steadies the comparison of brightness. Default: 0.01
    pub k1: f64,
    /// `K₂`, which steadies the comparison of contrast. Default: 0.03
    pub k2: f64,
    /// Exponents of the scales of [`ms_ssim`], the finest first. Default: 0.0448, 0.2856, 0.3001,
    /// 0.2363, 0.1333
    pub scale_weights: [f64; 5],
}

impl Default for PairConfig {
    fn default() -> Self {
        Self {
            window: 11,
            sigma: 1.5,
            k1: 0.01,
            k2: 0.03,
            scale_weights: [0.0448, 0.2856, 0.3001, 0.2363, 0.1333],
        }
    }
}

/// Largest value of a pixel.
const PEAK: f64 = 255.0;

/// Peak signal-to-noise ratio of each pair, in decibels: `10 log₁₀(255² / mean squared error)`. Higher is
/// better; infinite for equal pictures.
///
/// Both buffers are `[count][height][width][channels]`.
///
/// # Errors
///
/// If a buffer has not the size of `shape`.
pub fn psnr(outputs: &[u8], targets: &[u8], shape: PictureShape) -> Result<Vec<f64>, MetricError> {
    check(outputs, targets, shape)?;
    let size = shape.picture_size();
    let of = |(output, target): (&[u8], &[u8])| {
        let pairs = output.iter().zip(target);
        let squares: u64 = pairs.map(|(a, b)| u64::from(a.abs_diff(*b)).pow(2)).sum();
        10.0 * (PEAK * PEAK * size as f64 / squares as f64).log10()
    };
    Ok(outputs
        .par_chunks(size)
        .zip(targets.par_chunks(size))
        .map(of)
        .collect())
}

/// Structural similarity of each pair, mean over the channels and over all places where the window fits;
/// 1 for equal pictures.
///
/// Equation 13 of [Image Quality Assessment](https://doi.org/10.1109/TIP.2003.819861), with its Gaussian
/// window and biased moments. Both buffers are `[count][height][width][channels]`.
///
/// # Errors
///
/// If a buffer has not the size of `shape`, the pictures are smaller than the window, or the window
/// makes no sense.
pub fn ssim(
    outputs: &[u8],
    targets: &[u8],
    shape: PictureShape,
    config: PairConfig,
) -> Result<Vec<f64>, MetricError> {
    check_window(shape, config, 1)?;
    let similarity = Similarity::new(config);
    per_channel(outputs, targets, shape, |output, target| {
        similarity.of(output, target).0
    })
}

/// Structural similarity over five scales of each pair, mean over the channels; 1 for equal pictures.
///
/// Equation 7 of [Multiscale Structural Similarity](https://doi.org/10.1109/ACSSC.2003.1292216). A scale
/// is half of the one before, by the mean of 2 × 2 pixels; an odd row or column is repeated. A negative
/// comparison counts as 0. Both buffers are `[count][height][width][channels]`.
///
/// # Errors
///
/// If a buffer has not the size of `shape`, the pictures of the last scale are smaller than the window
/// (so with 11 pixels, below 161), or the window makes no sense.
pub fn ms_ssim(
    outputs: &[u8],
    targets: &[u8],
    shape: PictureShape,
    config: PairConfig,
) -> Result<Vec<f64>, MetricError> {
    check_window(shape, config, config.scale_weights.len())?;
    let similarity = Similarity::new(config);
    per_channel(outputs, targets, shape, |output, target| {
        let (mut output, mut target) = (output.clone(), target.clone());
        let mut product = 1.0;
        let last = config.scale_weights.len() - 1;
        for (scale, weight) in config.scale_weights.iter().enumerate() {
            let (whole, contrast) = similarity.of(&output, &target);
            let factor = if scale == last { whole } else { contrast };
            product *= factor.max(0.0).powf(*weight);
            if scale < last {
                (output, target) = (output.halved(), target.halved());
            }
        }
        product
    })
}

fn check(outputs: &[u8], targets: &[u8], shape: PictureShape) -> Result<(), MetricError> {
    if shape.picture_size() == 0 {
        return Err(MetricError::Pictures {
            place: "the pictures".into(),
            reason: format!("{shape:?} has no pixels; give pictures of 1 x 1 or more"),
        });
    }
    for (what, buffer) in [("the outputs", outputs), ("the targets", targets)] {
        check_size(
            format_args!("{what}: number of bytes"),
            buffer.len(),
            shape.num_bytes(),
            format_args!("give {} pictures of one size", shape.count),
        )?;
    }
    Ok(())
}

fn check_window(shape: PictureShape, config: PairConfig, scales: usize) -> Result<(), MetricError> {
    if config.window.is_multiple_of(2) {
        return Err(MetricError::setting("window", config.window, "odd"));
    }
    if !(config.sigma > 0.0 && config.sigma.is_finite()) {
        return Err(MetricError::setting("sigma", config.sigma, "above 0"));
    }
    let halvings = 1 << (scales - 1);
    let smallest = (config.window - 1) * halvings + 1;
    for side in [shape.height, shape.width] {
        if side < smallest {
            return Err(MetricError::Pictures {
                place: "the pictures".into(),
                reason: format!(
                    "{} x {} pixels are too few for {scales} scales of a window of {} pixels; give \
                     pictures of {smallest} or more",
                    shape.width, shape.height, config.window
                ),
            });
        }
    }
    Ok(())
}

/// One channel of a picture.
#[derive(Clone, Debug)]
struct Plane {
    width: usize,
    values: Vec<f64>,
}

impl Plane {
    fn of(picture: &[u8], channel: usize, shape: PictureShape) -> Self {
        let pixels = picture.iter().skip(channel).step_by(shape.channels);
        Self {
            width: shape.width,
            values: pixels.map(|value| f64::from(*value)).collect(),
        }
    }

    fn times(&self, other: &Self) -> Self {
        let products = self.values.iter().zip(&other.values).map(|(a, b)| a * b);
        Self {
            width: self.width,
            values: products.collect(),
        }
    }

    /// Filtered along both axes where the window fits.
    fn filtered(&self, window: &[f64]) -> Vec<f64> {
        let width = self.width + 1 - window.len();
        let height = self.values.len() / self.width;
        let mut narrow = Vec::with_capacity(width * height);
        for row in self.values.chunks(self.width) {
            let sums = row.windows(window.len());
            narrow
                .extend(sums.map(|part| part.iter().zip(window).map(|(x, w)| x * w).sum::<f64>()));
        }
        let mut result = vec![0.0; width * (height + 1 - window.len())];
        for (y, row) in result.chunks_mut(width).enumerate() {
            for (dy, weight) in window.iter().enumerate() {
                add_scaled(row, *weight, &narrow[(y + dy) * width..][..width]);
            }
        }
        result
    }

    /// Mean of 2 × 2 pixels.
    fn halved(&self) -> Self {
        let height = self.values.len() / self.width;
        let at = |y: usize, x: usize| {
            self.values[y.min(height - 1) * self.width + x.min(self.width - 1)]
        };
        let width = self.width.div_ceil(2);
        let mean = |(y, x): (usize, usize)| {
            0.25 * (at(2 * y, 2 * x)
                + at(2 * y, 2 * x + 1)
                + at(2 * y + 1, 2 * x)
                + at(2 * y + 1, 2 * x + 1))
        };
        let places = (0..height.div_ceil(2)).flat_map(|y| (0..width).map(move |x| (y, x)));
        Self {
            width,
            values: places.map(mean).collect(),
        }
    }
}

/// Mean over the channels of each pair.
fn per_channel(
    outputs: &[u8],
    targets: &[u8],
    shape: PictureShape,
    score: impl Fn(&Plane, &Plane) -> f64 + Sync,
) -> Result<Vec<f64>, MetricError> {
    check(outputs, targets, shape)?;
    let size = shape.picture_size();
    let of = |(output, target): (&[u8], &[u8])| {
        let plane = |picture, channel| Plane::of(picture, channel, shape);
        let scores = (0..shape.channels).map(|c| score(&plane(output, c), &plane(target, c)));
        scores.sum::<f64>() / shape.channels as f64
    };
    Ok(outputs
        .par_chunks(size)
        .zip(targets.par_chunks(size))
        .map(of)
        .collect())
}

/// Compares planes.
struct Similarity {
    /// Gaussian weights along one axis, with sum 1.
    window: Vec<f64>,
    /// `(K₁ · 255)²`.
    c1: f64,
    /// `(K₂ · 255)²`.
    c2: f64,
}

impl Similarity {
    fn new(config: PairConfig) -> Self {
        let centre = (config.window / 2) as f64;
        let bell = |i: usize| (-0.5 * ((i as f64 - centre) / config.sigma).powi(2)).exp();
        let sum: f64 = (0..config.window).map(bell).sum();
        Self {
            window: (0..config.window).map(|i| bell(i) / sum).collect(),
            c1: (config.k1 * PEAK).powi(2),
            c2: (config.k2 * PEAK).powi(2),
        }
    }

    /// Means over all places of the similarity, and of its part without brightness.
    fn of(&self, output: &Plane, target: &Plane) -> (f64, f64) {
        let [x, y, xx, yy, xy] = [
            output.filtered(&self.window),
            target.filtered(&self.window),
            output.times(output).filtered(&self.window),
            target.times(target).filtered(&self.window),
            output.times(target).filtered(&self.window),
        ];
        let (c1, c2) = (self.c1, self.c2);
        let (mut whole, mut contrast) = (0.0, 0.0);
        for i in 0..x.len() {
            let brightness = (2.0 * x[i] * y[i] + c1) / (x[i] * x[i] + y[i] * y[i] + c1);
            let covariance = xy[i] - x[i] * y[i];
            let variances = xx[i] - x[i] * x[i] + yy[i] - y[i] * y[i];
            let structure = (2.0 * covariance + c2) / (variances + c2);
            whole += brightness * structure;
            contrast += structure;
        }
        (whole / x.len() as f64, contrast / x.len() as f64)
    }
}

#[cfg(test)]
mod tests {
    use gan_core::rng::Stream;

    use super::*;

    fn shape(count: usize, side: usize, channels: usize) -> PictureShape {
        PictureShape {
            count,
            height: side,
            width: side,
            channels,
        }
    }

    fn noise(seed: u64, shape: PictureShape) -> Vec<u8> {
        let mut stream = Stream::new(seed, "pair", 0);
        (0..shape.num_bytes())
            .map(|_| stream.below(256) as u8)
            .collect()
    }

    #[test]
    fn equal_pictures_are_perfect() {
        let shape = shape(2, 165, 3);
        let pictures = noise(1, shape);
        assert_eq!(
            psnr(&pictures, &pictures, shape).unwrap(),
            [f64::INFINITY; 2]
        );
        for scores in [
            ssim(&pictures, &pictures, shape, PairConfig::default()),
            ms_ssim(&pictures, &pictures, shape, PairConfig::default()),
        ] {
            assert!(
                scores
                    .unwrap()
                    .iter()
                    .all(|score| (score - 1.0).abs() < 1e-12)
            );
        }
    }

    #[test]
    fn a_constant_difference_has_closed_forms() {
        let shape = shape(1, 20, 1);
        let (black, grey) = (vec![0; 400], vec![51; 400]);
        let decibels = psnr(&black, &grey, shape).unwrap()[0];
        assert!((decibels - 10.0 * 25f64.log10()).abs() < 1e-12);
        let c1 = (0.01f64 * 255.0).powi(2);
        let similarity = ssim(&black, &grey, shape, PairConfig::default()).unwrap()[0];
        assert!(
            (similarity - c1 / (51.0 * 51.0 + c1)).abs() < 1e-9,
            "{similarity}"
        );
    }

    #[test]
    fn more_noise_is_worse() {
        let shape = shape(1, 176, 1);
        let clean: Vec<u8> = (0..176 * 176).map(|i| (i % 176 + i / 352) as u8).collect();
        let noise = noise(2, shape);
        let mut last = [f64::INFINITY, 1.0, 1.0];
        for part in [8, 4, 2] {
            let mixed: Vec<u8> = clean
                .iter()
                .zip(&noise)
                .map(|(c, n)| c.saturating_add(n / part))
                .collect();
            let scores = [
                psnr(&mixed, &clean, shape).unwrap()[0],
                ssim(&mixed, &clean, shape, PairConfig::default()).unwrap()[0],
                ms_ssim(&mixed, &clean, shape, PairConfig::default()).unwrap()[0],
            ];
            assert!(
                scores.iter().zip(last).all(|(score, last)| *score < last),
                "{scores:?} {last:?}"
            );
            last = scores;
        }
    }

    #[test]
    fn each_pair_has_its_own_score() {
        let one = shape(1, 16, 2);
        let (a, b, c) = (noise(3, one), noise(4, one), noise(5, one));
        let pair = ssim(
            &[a.clone(), b.clone()].concat(),
            &[c.clone(), b.clone()].concat(),
            shape(2, 16, 2),
            PairConfig::default(),
        );
        let first = ssim(&a, &c, one, PairConfig::default()).unwrap()[0];
        let pair = pair.unwrap();
        assert_eq!(pair[0], first);
        assert!((pair[1] - 1.0).abs() < 1e-12);
    }

    #[test]
    fn wrong_sizes_are_named() {
        let small = shape(1, 10, 1);
        let text = ssim(&[0; 100], &[0; 100], small, PairConfig::default())
            .unwrap_err()
            .to_string();
        assert!(
            text.contains("10 x 10 pixels are too few for 1 scales of a window of 11"),
            "{text}"
        );
        let medium = shape(1, 160, 1);
        let text = ms_ssim(&[0; 25600], &[0; 25600], medium, PairConfig::default())
            .unwrap_err()
            .to_string();
        assert!(text.contains("give pictures of 161 or more"), "{text}");
        let text = psnr(&[0; 99], &[0; 100], small).unwrap_err().to_string();
        assert!(
            text.contains("the outputs: number of bytes: 99 instead of 100"),
            "{text}"
        );
        let even = PairConfig {
            window: 4,
            ..PairConfig::default()
        };
        assert!(ssim(&[0; 100], &[0; 100], small, even).is_err());
        let flat = PairConfig {
            sigma: 0.0,
            ..PairConfig::default()
        };
        assert!(ssim(&[0; 100], &[0; 100], small, flat).is_err());
        assert!(psnr(&[], &[], shape(0, 0, 1)).is_err());
    }
}
