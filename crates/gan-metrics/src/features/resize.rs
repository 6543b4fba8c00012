//! Resizing as the published programs do it, with their differences.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::PictureShape;
use crate::error::{MetricError, by_name};

/// How pictures are brought to the size and range of a network. Scores with different modes do not
/// compare: [On Aliased Resizing](https://arxiv.org/abs/2104.11222) measured how much they differ.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum ResizeMode {
    /// As `pytorch-fid`: bilinear between pixel areas, without antialiasing; range `2·v/255 − 1`.
    #[default]
    PytorchFid,
    /// As `clean-fid`: Pillow's bicubic filter with antialiasing, in floats; range `(v − 128) / 128`.
    Clean,
    /// As the first FIDs, in TensorFlow 1, and `torch-fidelity`: bilinear between the upper left
    /// corners of pixels, without antialiasing; range `(v − 128) / 128`.
    LegacyTensorflow,
}

impl ResizeMode {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::PytorchFid, Self::Clean, Self::LegacyTensorflow];

    /// As in files and flags.
    pub fn name(self) -> &'static str {
        match self {
            Self::PytorchFid => "pytorch-fid",
            Self::Clean => "clean",
            Self::LegacyTensorflow => "legacy-tensorflow",
        }
    }

    /// Resizes one picture to a square of `side` pixels, into three planes of red, green and blue, from
    /// 0 to 255; grey is repeated.
    ///
    /// # Panics
    ///
    /// Panics if the picture has not 1 or 3 channels, no pixels, or not the bytes of its shape; the count
    /// in `shape` does not matter.
    pub fn resize(self, picture: &[u8], shape: PictureShape, side: usize) -> Vec<f32> {
        let PictureShape {
            height,
            width,
            channels,
            ..
        } = shape;
        assert!(
            channels == 1 || channels == 3,
            "resize: {channels} channels are neither grey nor RGB"
        );
        assert!(height * width * side > 0, "resize: there are no pixels");
        assert_eq!(picture.len(), shape.picture_size(), "resize: bytes");
        let (rows, columns) = (self.taps(height, side), self.taps(width, side));
        let mut planes = Vec::with_capacity(3 * side * side);
        for channel in 0..channels {
            // Width first, rounded to f32 between the passes, as Pillow does.
            let mut narrow = Vec::with_capacity(height * side);
            for row in picture.chunks_exact(width * channels) {
                let value = |index: usize| f64::from(row[index * channels + channel]);
                narrow.extend(columns.iter().map(|taps| taps.sum(value) as f32));
            }
            let mut sums = vec![0.0f64; side];
            for taps in &rows {
                sums.fill(0.0);
                for (row, weight) in narrow[taps.first * side..].chunks(side).zip(&taps.weights) {
                    for (sum, value) in sums.iter_mut().zip(row) {
                        *sum += weight * f64::from(*value);
                    }
                }
                planes.extend(sums.iter().map(|sum| self.clip(*sum as f32)));
            }
        }
        if channels == 1 {
            planes.extend_from_within(..);
            planes.extend_from_within(..side * side);
        }
        planes
    }

    /// What the network is given for a value from 0 to 255.
    pub fn normalise(self, value: f32) -> f32 {
        match self {
            Self::PytorchFid => 2.0 * (value / 255.0) - 1.0,
            Self::Clean | Self::LegacyTensorflow => (value - 128.0) / 128.0,
        }
    }

    /// A cubic filter overshoots at edges.
    fn clip(self, value: f32) -> f32 {
        match self {
            Self::Clean => value.clamp(0.0, 255.0),
            _ => value,
        }
    }

    fn taps(self, source: usize, target: usize) -> Vec<Taps> {
        let taps = |index| match self {
            // The references compute positions in f32; in f64 they would differ by a thousandth of a
            // grey level.
            Self::PytorchFid => {
                let scale = source as f32 / target as f32;
                let position = (scale * (index as f32 + 0.5) - 0.5).max(0.0);
                Taps::between(position, source)
            }
            Self::LegacyTensorflow => {
                let scale = source as f32 / target as f32;
                Taps::between(index as f32 * scale, source)
            }
            Self::Clean => Taps::bicubic(index, source, target),
        };
        (0..target).map(taps).collect()
    }
}

impl fmt::Display for ResizeMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for ResizeMode {
    type Err = MetricError;

    fn from_str(text: &str) -> Result<Self, MetricError> {
        by_name(text, Self::ALL, Self::name)
            .map_err(|names| MetricError::setting("resize", text, format!("one of {names}")))
    }
}

/// The source pixels of a target pixel: the first of them and their weights.
struct Taps {
    first: usize,
    weights: Vec<f64>,
}

impl Taps {
    /// Two neighbours of a position.
    fn between(position: f32, source: usize) -> Self {
        let first = (position as usize).min(source - 1);
        let share = f64::from((position - first as f32).clamp(0.0, 1.0));
        if first + 1 == source {
            return Self {
                first,
                weights: vec![1.0],
            };
        }
        Self {
            first,
            weights: vec![1.0 - share, share],
        }
    }

    /// Keys' cubic with a = −0.5, stretched by the factor of reduction.
    fn bicubic(index: usize, source: usize, target: usize) -> Self {
        let scale = source as f64 / target as f64;
        let stretch = scale.max(1.0);
        let centre = (index as f64 + 0.5) * scale;
        let reach = 2.0 * stretch;
        let first = (centre - reach + 0.5).max(0.0) as usize;
        let last = ((centre + reach + 0.5) as usize).min(source);
        let mut weights: Vec<f64> = (first..last)
            .map(|tap| cubic((tap as f64 - centre + 0.5) / stretch))
            .collect();
        let sum: f64 = weights.iter().sum();
        weights.iter_mut().for_each(|weight| *weight /= sum);
        Self { first, weights }
    }

    fn sum(&self, value: impl Fn(usize) -> f64) -> f64 {
        let terms = self.weights.iter().enumerate();
        terms
            .map(|(index, weight)| weight * value(self.first + index))
            .sum()
    }
}

fn cubic(x: f64) -> f64 {
    const A: f64 = -0.5;
    let x = x.abs();
    if x < 1.0 {
        ((A + 2.0) * x - (A + 3.0)) * x * x + 1.0
    } else if x < 2.0 {
        (((x - 5.0) * x + 8.0) * x - 4.0) * A
    } else {
        0.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(height: usize, width: usize, channels: usize) -> PictureShape {
        PictureShape {
            count: 1,
            height,
            width,
            channels,
        }
    }

    #[test]
    fn a_picture_of_the_right_size_stays_as_it_is() {
        let picture: Vec<u8> = (0..48).map(|byte| byte * 5).collect();
        for mode in ResizeMode::ALL {
            let planes = mode.resize(&picture, shape(4, 4, 3), 4);
            for (index, byte) in picture.iter().enumerate() {
                let found = planes[index % 3 * 16 + index / 3];
                assert!((found - f32::from(*byte)).abs() < 1e-4, "{mode}: {found}");
            }
        }
    }

    #[test]
    fn a_flat_picture_stays_flat_and_grey_is_repeated() {
        for mode in ResizeMode::ALL {
            let planes = mode.resize(&[77; 35], shape(5, 7, 1), 9);
            assert_eq!(planes.len(), 3 * 81);
            assert!(planes.iter().all(|v| (v - 77.0).abs() < 1e-4), "{mode}");
        }
        let two = ResizeMode::PytorchFid.resize(&[0, 200], shape(1, 2, 1), 2);
        assert_eq!(two, [0.0, 200.0].repeat(6));
    }

    #[test]
    fn doubling_shows_where_the_modes_put_the_pixels() {
        let double = |mode: ResizeMode| mode.resize(&[0, 100], shape(1, 2, 1), 4)[..4].to_vec();
        assert_eq!(double(ResizeMode::PytorchFid), [0.0, 25.0, 75.0, 100.0]);
        assert_eq!(
            double(ResizeMode::LegacyTensorflow),
            [0.0, 50.0, 100.0, 100.0]
        );
        // A cubic filter overshoots, and only what no byte can be is cut off.
        let clean = double(ResizeMode::Clean);
        assert!(clean[3] > 105.0 && clean[0] == 0.0, "{clean:?}");
        let white = ResizeMode::Clean.resize(&[0, 255], shape(1, 2, 1), 4);
        assert_eq!([white[0], white[3]], [0.0, 255.0]);
    }

    #[test]
    fn black_and_white_are_at_the_ends_of_the_range() {
        let ends = |mode: ResizeMode| [mode.normalise(0.0), mode.normalise(255.0)];
        assert_eq!(ends(ResizeMode::PytorchFid), [-1.0, 1.0]);
        assert_eq!(ends(ResizeMode::Clean), [-1.0, 127.0 / 128.0]);
        assert_eq!(ends(ResizeMode::LegacyTensorflow), [-1.0, 127.0 / 128.0]);
    }

    #[test]
    fn names_are_read_back_and_others_refused() {
        for mode in ResizeMode::ALL {
            assert_eq!(mode.name().parse::<ResizeMode>().expect("known"), mode);
            let text = serde_json::to_string(&mode).expect("it can be written");
            assert_eq!(text, format!("\"{mode}\""));
        }
        let error = "bicubic".parse::<ResizeMode>().expect_err("unknown");
        assert_eq!(
            error.to_string(),
            "`resize` is bicubic; it must be one of pytorch-fid, clean, legacy-tensorflow"
        );
    }
}
