//! Where sources come from.

use burn::prelude::*;
use burn::tensor::module;
use burn::tensor::ops::{InterpolateMode, InterpolateOptions, PadMode};
use gan_core::error::ConfigError;
use gan_core::game::PairedBatch;
use gan_core::nn::ImageShape;
use gan_core::rng::Stream;
use serde::{Deserialize, Serialize};

/// Weights of red, green and blue in the brightness: ITU-R BT.601, as where `gan-data` makes pictures grey.
const LUMA: [f32; 3] = [0.299, 0.587, 0.114];

/// What is made of what. All but the last make the source of the target, so that any pictures will do.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Task {
    /// Colours of brightness.
    Colourise,
    /// What is in a square hole, which has a random place in each picture. The source has the mean colour of
    /// the rest there, and one more channel that is 1 in the hole and −1 elsewhere.
    Inpaint {
        /// Side of the hole as a part of the picture's, above 0 and below 1: 0.5 in
        /// [Context Encoders](https://arxiv.org/abs/1604.07379).
        hole: f64,
    },
    /// Detail. The source is made smaller, each pixel the mean of those it stands for, and larger again by bicubic
    /// interpolation.
    SuperResolve {
        /// How much smaller: 2, 4 or 8.
        factor: usize,
    },
    /// Pictures of line drawings. A line is drawn where brightness changes.
    Edges {
        /// How dark a line is: a change of brightness from black to white over `gain` pixels, or fewer, gives
        /// black. Above 0.
        gain: f64,
    },
    /// Pairs that are files: one half of each is the source, the other the target, as in the data sets of
    /// [pix2pix](https://arxiv.org/abs/1611.07004).
    SideBySide {
        /// Which is which.
        direction: Direction,
    },
}

/// Which half of a file is the source; A is the left one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// Left to right.
    AToB,
    /// Right to left.
    BToA,
}

impl Task {
    /// Channels of a source for targets of the shape `image`.
    pub fn source_channels(&self, image: ImageShape) -> usize {
        match self {
            Self::Colourise | Self::Edges { .. } => 1,
            Self::Inpaint { .. } => image.channels + 1,
            Self::SuperResolve { .. } | Self::SideBySide { .. } => image.channels,
        }
    }

    /// Height and width of what [`pair`](Self::pair) takes, for targets of the shape `image`.
    pub fn loaded_size(&self, image: ImageShape) -> [usize; 2] {
        match self {
            Self::SideBySide { .. } => [image.size, 2 * image.size],
            _ => [image.size; 2],
        }
    }

    /// Height and width of what [`source`](Self::source) takes, for targets of the shape `image`.
    pub fn given_size(&self, image: ImageShape) -> usize {
        match self {
            Self::SuperResolve { factor } => image.size / factor,
            _ => image.size,
        }
    }

    /// Says what is wrong, for targets of the shape `image`.
    ///
    /// # Errors
    ///
    /// If a number is outside its range, or such pictures have no colours or too few pixels for it.
    pub fn validate(&self, image: ImageShape) -> Result<(), ConfigError> {
        match *self {
            Self::Colourise if image.channels != 3 => {
                let allowed = "another: only RGB pictures, with 3 channels, have colours to find";
                Err(ConfigError::new("kind", "colourise", allowed))
            }
            Self::Inpaint { .. } if image.channels == 4 => {
                let allowed = "another, or set data.channels to 3: transparent pixels are the hole";
                Err(ConfigError::new("kind", "inpaint", allowed))
            }
            Self::Inpaint { hole } => {
                let side = hole_side(hole, image.size);
                if hole > 0.0 && (1..image.size).contains(&side) {
                    return Ok(());
                }
                let allowed = format!(
                    "above 0 and below 1, and leave a pixel of {} in the hole and outside",
                    image.size
                );
                Err(ConfigError::new("hole", hole, allowed))
            }
            Self::SuperResolve { factor } if ![2, 4, 8].contains(&factor) => {
                Err(ConfigError::new("factor", factor, "2, 4 or 8"))
            }
            Self::SuperResolve { factor } if !image.size.is_multiple_of(factor) => {
                let allowed = format!("a divisor of the {} pixels", image.size);
                Err(ConfigError::new("factor", factor, allowed))
            }
            Self::Edges { gain } if !(gain > 0.0 && gain.is_finite()) => {
                Err(ConfigError::new("gain", gain, "a finite number above 0"))
            }
            _ => Ok(()),
        }
    }

    /// Sources and targets of pictures as the loader has them; `stream` is for what is drawn.
    ///
    /// # Shapes
    ///
    /// - loaded: `[batch, channels, height, width]` of [`loaded_size`](Self::loaded_size), in `[-1, 1]`
    ///
    /// # Panics
    ///
    /// Panics if the pictures have another size or the task is not valid for them.
    pub fn pair(&self, loaded: Tensor<4>, stream: &mut Stream) -> PairedBatch {
        let [batch, _, size, width] = loaded.dims();
        let sources = match *self {
            Self::SideBySide { direction } => {
                let [left, right] =
                    [0, size].map(|start| loaded.clone().narrow(3, start, width - size));
                let (sources, targets) = match direction {
                    Direction::AToB => (left, right),
                    Direction::BToA => (right, left),
                };
                return PairedBatch { sources, targets };
            }
            Self::Colourise => brightness(loaded.clone()),
            Self::Inpaint { hole } => {
                let holes = holes([batch, size], hole, stream, &loaded.device());
                with_hole(loaded.clone(), holes)
            }
            Self::SuperResolve { factor } => {
                enlarged(gan_core::kernel::mean_pool(loaded.clone(), factor), size)
            }
            Self::Edges { gain } => edges(loaded.clone(), gain),
        };
        PairedBatch {
            sources,
            targets: loaded,
        }
    }

    /// Sources of pictures that are given as such: grey ones, small ones, drawings, halves; to fill holes,
    /// pictures whose fourth channel is below 0 in the hole.
    ///
    /// # Shapes
    ///
    /// - given: `[batch, channels, height, width]` of [`given_size`](Self::given_size), in `[-1, 1]`;
    ///   channels as the targets have them, but 4 for [`Inpaint`](Self::Inpaint)
    /// - output: `[batch, source_channels, size, size]`
    pub fn source(&self, given: Tensor<4>, image: ImageShape) -> Tensor<4> {
        match self {
            Self::Colourise | Self::Edges { .. } => brightness(given),
            Self::SuperResolve { .. } => enlarged(given, image.size),
            Self::SideBySide { .. } => given,
            Self::Inpaint { .. } => {
                let holes = given.clone().narrow(1, 3, 1).lower_elem(0.0).float();
                let colours = given.narrow(1, 0, 3);
                match image.channels {
                    1 => with_hole(brightness(colours), holes),
                    _ => with_hole(colours, holes),
                }
            }
        }
    }

    /// Sources as pictures with the channels of the targets, to be looked at.
    ///
    /// # Shapes
    ///
    /// - sources: `[batch, source_channels, height, width]`
    /// - output: `[batch, channels, height, width]`
    pub fn shown(&self, sources: Tensor<4>, image: ImageShape) -> Tensor<4> {
        match self {
            Self::Colourise | Self::Edges { .. } => sources.repeat_dim(1, image.channels),
            Self::Inpaint { .. } => sources.narrow(1, 0, image.channels),
            Self::SuperResolve { .. } | Self::SideBySide { .. } => sources,
        }
    }

    /// What a person gets: what is known of a picture with a hole is put back around what was made.
    ///
    /// # Shapes
    ///
    /// - sources: `[batch, source_channels, height, width]`
    /// - made: `[batch, channels, height, width]`, as the output
    pub fn finished(&self, sources: Tensor<4>, made: Tensor<4>) -> Tensor<4> {
        let Self::Inpaint { .. } = self else {
            return made;
        };
        let channels = made.dims()[1];
        let hole = sources
            .clone()
            .narrow(1, channels, 1)
            .greater_elem(0.0)
            .float();
        let known = sources.narrow(1, 0, channels);
        known.clone() + (made - known) * hole
    }
}

/// `[batch, channels, …]` to `[batch, 1, …]`; grey pictures stay, alpha does not count.
fn brightness(x: Tensor<4>) -> Tensor<4> {
    if x.dims()[1] < 3 {
        return x.narrow(1, 0, 1);
    }
    let weights = Tensor::<1>::from_floats(LUMA, &x.device()).reshape([1, 3, 1, 1]);
    (x.narrow(1, 0, 3) * weights).sum_dim(1)
}

/// Pixels of a hole.
fn hole_side(hole: f64, size: usize) -> usize {
    (hole * size as f64).round() as usize
}

/// 1 in a square hole at a random place, 0 elsewhere, `[batch, 1, size, size]`.
fn holes([batch, size]: [usize; 2], hole: f64, stream: &mut Stream, device: &Device) -> Tensor<4> {
    let side = hole_side(hole, size);
    let mut values = vec![0.0f32; batch * size * size];
    for picture in values.chunks_mut(size * size) {
        let (top, left) = (stream.below(size - side + 1), stream.below(size - side + 1));
        for row in picture.chunks_mut(size).skip(top).take(side) {
            row[left..left + side].fill(1.0);
        }
    }
    Tensor::from_data(TensorData::new(values, [batch, 1, size, size]), device)
}

/// The mean colour of what is outside in the holes, and the holes as one more channel.
fn with_hole(x: Tensor<4>, holes: Tensor<4>) -> Tensor<4> {
    let outside: Tensor<4> = 1.0 - holes.clone();
    let count = outside.clone().sum_dim(2).sum_dim(3).clamp_min(1.0);
    let mean = (x.clone() * outside.clone()).sum_dim(2).sum_dim(3) / count;
    let filled = x * outside + mean * holes.clone();
    Tensor::cat(vec![filled, holes * 2.0 - 1.0], 1)
}

fn enlarged(small: Tensor<4>, size: usize) -> Tensor<4> {
    let options = InterpolateOptions::new(InterpolateMode::Bicubic)
        .with_align_corners(false)
        .with_output_size([size, size]);
    module::interpolate(small, options).clamp(-1.0, 1.0)
}

/// Dark lines on white where brightness changes: the length of its gradient by central differences, the border
/// repeated.
fn edges(x: Tensor<4>, gain: f64) -> Tensor<4> {
    let x = brightness(x);
    let [.., height, width] = x.dims();
    let padded = x.pad((1, 1, 1, 1), PadMode::Edge);
    let along = |axis: usize| {
        let (length, other, across) = match axis {
            2 => (height, width, 3),
            _ => (width, height, 2),
        };
        let middle = padded.clone().narrow(across, 1, other);
        middle.clone().narrow(axis, 2, length) - middle.narrow(axis, 0, length)
    };
    // Two pixels apart, and black to white is 2.
    let slope = (along(2).square() + along(3).square()).sqrt() / 4.0;
    1.0 - (slope * gain).clamp_max(1.0) * 2.0
}
