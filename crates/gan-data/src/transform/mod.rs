//! Transforms of 8-bit pictures: crop, resize, flip.

mod resize;

use burn::config::Config;
use serde::{Deserialize, Serialize};

pub use resize::resize;

use crate::random::Draws;
use crate::{DataError, Picture};

/// Names the stream of random draws of the transforms.
const STREAM: u64 = 0x7472_616e;

/// Which part of a picture is kept. The part has the proportions of the target size, or is a
/// square when no size is set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Crop {
    /// All of it; resizing to other proportions then distorts.
    #[default]
    None,
    /// The largest part that fits, from the middle.
    Centre,
    /// A part at a random place.
    Random {
        /// The part is between this fraction and all of the largest part that fits, in length, not
        /// in area; in `(0, 1]`. Less than 1 needs a target size.
        min_scale: f32,
    },
}

/// What happens to every picture before it becomes floats: crop, then resize, then flip.
///
/// # Example
///
/// ```
/// use gan_data::transform::{Crop, TransformConfig};
/// let config = TransformConfig::new().with_size(Some([64, 64])).with_crop(Crop::Centre);
/// assert!(config.validate().is_ok());
/// ```
#[derive(Config, Debug, PartialEq)]
pub struct TransformConfig {
    /// `[height, width]` after the transform, each at least 1. Default: `None`, kept as it is
    pub size: Option<[usize; 2]>,
    /// Which part is kept. Default: [`Crop::None`]
    #[config(default = "Crop::None")]
    pub crop: Crop,
    /// Probability that a picture is mirrored left to right, in `[0, 1]`. Default: `0`
    #[config(default = 0.0)]
    pub flip_probability: f64,
}

impl Default for TransformConfig {
    fn default() -> Self {
        Self::new()
    }
}

/// A part of a picture, in pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Window {
    left: usize,
    top: usize,
    width: usize,
    height: usize,
}

impl TransformConfig {
    /// Checks the values of the fields.
    ///
    /// # Errors
    ///
    /// [`DataError::Config`] names the first field whose value is not allowed.
    pub fn validate(&self) -> Result<(), DataError> {
        if let Some([height, width]) = self.size
            && (height == 0 || width == 0 || height > MAX_SIDE || width > MAX_SIDE)
        {
            let message = format!("{height} x {width} is not allowed; use 1 to {MAX_SIDE} pixels");
            return Err(DataError::config("size", message));
        }
        if let Crop::Random { min_scale } = self.crop {
            if !(min_scale > 0.0 && min_scale <= 1.0) {
                let message = format!("{min_scale} is not allowed; use more than 0 and at most 1");
                return Err(DataError::config("crop.min_scale", message));
            }
            if min_scale < 1.0 && self.size.is_none() {
                let message = "a random crop of varying scale gives pictures of different sizes; \
                               set size as well";
                return Err(DataError::config("crop.min_scale", message));
            }
        }
        if !(0.0..=1.0).contains(&self.flip_probability) {
            let message = format!("{} is not allowed; use 0 to 1", self.flip_probability);
            return Err(DataError::config("flip_probability", message));
        }
        Ok(())
    }

    /// Transforms one picture. The random draws depend on `seed`, `epoch` and `index` only.
    ///
    /// # Panics
    ///
    /// Panics if the configuration is not [valid](Self::validate).
    pub fn apply(&self, mut picture: Picture, seed: u64, epoch: u64, index: usize) -> Picture {
        let mut draws = Draws::new(&[STREAM, seed, epoch, index as u64]);
        if let Some(window) = self.window(&picture, &mut draws) {
            picture = cut(&picture, window);
        }
        if let Some([height, width]) = self.size {
            picture = resize(picture, height, width);
        }
        if draws.chance(self.flip_probability) {
            flip(&mut picture);
        }
        picture
    }

    fn window(&self, picture: &Picture, draws: &mut Draws) -> Option<Window> {
        let [height, width] = self.size.unwrap_or([1, 1]);
        let fit = |scale: f32| {
            // the largest window of these proportions: one side is that of the picture
            let by_width = picture.width * height <= picture.height * width;
            let (full_width, full_height) = if by_width {
                (picture.width, divide(picture.width * height, width))
            } else {
                (divide(picture.height * width, height), picture.height)
            };
            let part = |side: usize, limit: usize| {
                ((side as f32 * scale).round() as usize).clamp(1, limit)
            };
            (
                part(full_width, picture.width),
                part(full_height, picture.height),
            )
        };
        match self.crop {
            Crop::None => None,
            Crop::Centre => {
                let (width, height) = fit(1.0);
                let (left, top) = ((picture.width - width) / 2, (picture.height - height) / 2);
                Some(Window {
                    left,
                    top,
                    width,
                    height,
                })
            }
            Crop::Random { min_scale } => {
                let (width, height) = fit(draws.between(min_scale, 1.0));
                let left = draws.below(picture.width - width + 1);
                let top = draws.below(picture.height - height + 1);
                Some(Window {
                    left,
                    top,
                    width,
                    height,
                })
            }
        }
    }
}

/// Sides above this are taken for a mistake.
const MAX_SIDE: usize = 16_384;

/// Division rounded to the nearest.
fn divide(numerator: usize, denominator: usize) -> usize {
    (numerator + denominator / 2) / denominator
}

fn cut(picture: &Picture, window: Window) -> Picture {
    let channels = picture.channels;
    let mut pixels = Vec::with_capacity(window.width * window.height * channels);
    for row in window.top..window.top + window.height {
        let start = (row * picture.width + window.left) * channels;
        pixels.extend_from_slice(&picture.pixels[start..start + window.width * channels]);
    }
    Picture {
        width: window.width,
        height: window.height,
        channels,
        pixels,
        label: picture.label,
        caption: picture.caption.clone(),
    }
}

/// Mirrors a picture left to right, in place.
pub fn flip(picture: &mut Picture) {
    let channels = picture.channels;
    for row in picture.pixels.chunks_exact_mut(picture.width * channels) {
        row.reverse();
        // now the channels of every pixel are reversed, too
        row.chunks_exact_mut(channels).for_each(<[u8]>::reverse);
    }
}

#[cfg(test)]
mod tests;
