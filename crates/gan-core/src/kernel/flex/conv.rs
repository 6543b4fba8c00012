//! Convolution and its adjoint, over [`shift_gemm`](super::shift_gemm) and
//! [`correlation`](super::correlation).
//!
//! A transposed convolution of stride `s` is `s²` convolutions of stride 1, one for each of the
//! interleaved sub-pictures ("phases") of its output. Both kinds read zero-padded planes laid end to end,
//! several pictures at a time; pictures without padding are read where they are, if the vectors run along
//! the channels.

use std::cell::RefCell;
use std::mem::MaybeUninit;

use super::buffer::{grow, initialised, uninitialised};
use super::correlation::{LANES, PANEL, Runs, correlation};
use super::packing::{Finish, Packing, Placement};
use super::shape::{ConvShape, OutputPhases, Tap, big_packing, big_taps};
use super::shift_gemm::{SLACK, pack_panels, product};
use super::simd::vectorised;
use super::team::share;

thread_local! {
    /// Packed input and product of one task, kept from call to call: fresh memory would have to be
    /// cleared by the kernel page by page.
    static SCRATCH: RefCell<(Vec<f32>, Vec<f32>)> = const { RefCell::new((Vec::new(), Vec::new())) };
}

/// Floats of packed input a task works on: half of a second-level cache of 1 MiB.
const GROUP_FLOATS: usize = 128 * 1024;

/// Floats of products that are computed before they are placed: they stay in the second-level cache.
const PRODUCT_FLOATS: usize = 64 * 1024;

/// Terms whose weights one task lays out.
const TERMS: usize = 256;

/// Pixels per tile of [`correlation`], for all its tiles.
const TILE: usize = 48;

/// The weights of one product in the order its kernel reads them: batch and size of the pictures do
/// not matter.
#[derive(Clone, Debug)]
pub(crate) enum PackedWeight {
    /// For few channels: panels for [`product`], whose vectors run along the pixels.
    Panels {
        /// See [`pack_panels`].
        panels: Vec<f32>,
        /// Channels of the output.
        channels: usize,
    },
    /// For many: [`correlation`]'s vectors run along the channels, so that no place between rows
    /// and pictures is computed in vain.
    Rows {
        /// In panels of `[term][PANEL]`.
        rows: Vec<f32>,
        /// Channels of the output, padded with zeros to whole vectors.
        width: usize,
    },
}

impl PackedWeight {
    /// `value(m, tap)` is the weight of a term in output channel `m`.
    fn new(
        way: Way,
        channels: usize,
        taps: &[Tap],
        value: impl Fn(usize, &Tap) -> f32 + Sync,
    ) -> Self {
        if way == Way::AlongPixels {
            let mut panels = Vec::new();
            pack_panels(channels, taps.len(), &mut panels, |m, k| value(m, &taps[k]));
            return Self::Panels { panels, channels };
        }
        let width = channels.next_multiple_of(LANES);
        let mut rows = vec![0.0; taps.len() * width];
        // A phase of the output may be without terms.
        let panels = rows.chunks_mut((PANEL * taps.len()).max(1)).enumerate();
        let parts = panels.flat_map(|(panel, rows)| {
            let height = rows.len() / taps.len();
            let stretches = rows.chunks_mut(TERMS * height).zip(taps.chunks(TERMS));
            stretches.map(move |(rows, taps)| (panel * PANEL, height, rows, taps))
        });
        share(parts, |(first, height, rows, taps)| {
            // Channel by channel: the weights of a channel are neighbours, or nearly.
            for m in 0..height.min(channels - first) {
                for (row, tap) in rows.chunks_exact_mut(height).zip(taps) {
                    row[m] = value(first + m, tap);
                }
            }
        });
        Self::Rows { rows, width }
    }
}

/// Which way the vectors of a product run.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    AlongPixels,
    AlongChannels,
}

impl Way {
    /// For so many channels of the output. Pixels that a vector runs along must be neighbours in the input.
    fn of(channels: usize, stride: usize) -> Self {
        if channels < LANES && stride == 1 {
            Self::AlongPixels
        } else {
            Self::AlongChannels
        }
    }

    /// How its input is laid out, for as many pictures as a task takes.
    fn packing(self, packing: Packing, shape: &ConvShape) -> Packing {
        grouped(
            match self {
                Self::AlongPixels => packing,
                Self::AlongChannels => packing.in_place_if_whole(),
            },
            shape,
        )
    }
}

/// Convolution: `[batch, big_channels, big]` → `[batch, small_channels, small]`, weight
/// `[small_channels, big_channels, kernel height, kernel width]`.
pub(crate) fn convolve(
    x: &[f32],
    weight: &[f32],
    bias: Option<&[f32]>,
    shape: &ConvShape,
) -> Vec<f32> {
    let finish = Finish { bias, relu: false };
    convolve_packed(x, &pack_weight(weight, shape), shape, finish)
}

/// The weight of a [`convolve`] as [`convolve_packed`] reads it.
pub(crate) fn pack_weight(weight: &[f32], shape: &ConvShape) -> PackedWeight {
    let taps = big_taps(shape, &big_packing(shape, 1));
    let (channels, depth) = (shape.small_channels, taps.len());
    let value = |m: usize, tap: &Tap| weight[m * depth + tap.weight];
    PackedWeight::new(Way::of(channels, shape.stride), channels, &taps, value)
}

/// [`convolve`] with a packed weight.
pub(crate) fn convolve_packed(
    x: &[f32],
    weight: &PackedWeight,
    shape: &ConvShape,
    finish: Finish<'_>,
) -> Vec<f32> {
    let way = Way::of(shape.small_channels, shape.stride);
    let packing = way.packing(big_packing(shape, 1), shape);
    let placement = Placement {
        size: shape.small,
        stride: 1,
        phase: [0, 0],
        count: shape.small,
    };
    let taps = big_taps(shape, &packing);
    let job = Job::new(weight, &taps, placement, &packing, shape.stride);
    run(&packing, &[job], x, shape.small_channels, finish)
}

/// Transposed convolution: `[batch, small_channels, small]` → `[batch, big_channels, big]`, weight
/// `[small_channels, big_channels, kernel height, kernel width]`; the adjoint of [`convolve`].
pub(crate) fn convolve_transposed(
    x: &[f32],
    weight: &[f32],
    bias: Option<&[f32]>,
    shape: &ConvShape,
) -> Vec<f32> {
    let phases = OutputPhases::new(shape);
    // Each phase has stride 1.
    let way = Way::of(shape.big_channels, 1);
    let packing = way.packing(phases.packing(shape, 1), shape);
    let (channels, area) = (shape.big_channels, shape.area());
    let (weights, parts): (Vec<_>, Vec<_>) = phases
        .each(shape, &packing)
        .map(|(taps, placement)| {
            let value =
                |m: usize, tap: &Tap| weight[(tap.channel * channels + m) * area + tap.weight];
            let weight = PackedWeight::new(way, channels, &taps, value);
            (weight, (taps, placement))
        })
        .unzip();
    let jobs: Vec<Job<'_>> = weights
        .iter()
        .zip(parts)
        .map(|(weight, (taps, placement))| Job::new(weight, &taps, placement, &packing, 1))
        .collect();
    run(&packing, &jobs, x, channels, Finish { bias, relu: false })
}

/// Room for as many pictures as a task takes.
fn grouped(packing: Packing, shape: &ConvShape) -> Packing {
    // Four parts to a thread: if the last one is late, the others wait for a quarter of its work.
    let fair = shape.batch.div_ceil(4 * rayon::current_num_threads());
    let pictures = (GROUP_FLOATS / packing.floats().max(1)).clamp(1, fair.max(1));
    Packing {
        pictures,
        ..packing
    }
}

/// One product: the weights, where they read, and where the result goes.
struct Job<'a> {
    weight: &'a PackedWeight,
    /// Where in the packed input the terms of the sum begin.
    offsets: Vec<usize>,
    /// Where the pixels of the output begin to read, for every picture a task has room for.
    pixels: Vec<usize>,
    placement: Placement,
}

impl<'a> Job<'a> {
    fn new(
        weight: &'a PackedWeight,
        taps: &[Tap],
        placement: Placement,
        packing: &Packing,
        stride: usize,
    ) -> Self {
        Self {
            weight,
            offsets: taps.iter().map(|tap| tap.offset).collect(),
            pixels: placement.pixels(packing, stride),
            placement,
        }
    }

    /// Multiplies and places, for the pictures of one task.
    fn run(
        &self,
        packed: &Packed<'_>,
        result: &mut Vec<f32>,
        y: &mut [MaybeUninit<f32>],
        finish: Finish<'_>,
    ) {
        match self.weight {
            PackedWeight::Panels { panels, channels } => {
                let plane = packed.packing.plane_floats();
                let columns = packed.pictures * plane;
                let stride = columns + SLACK;
                let c = grow(result, channels * stride);
                let offsets = &self.offsets;
                product(panels, *channels, offsets, packed.b, columns, c, stride);
                let area = self.placement.size[0] * self.placement.size[1];
                for (i, y) in y.chunks_exact_mut(area).enumerate() {
                    let (picture, m) = (i / channels, i % channels);
                    let from = &c[m * stride + picture * plane..][..plane];
                    let width = packed.packing.plane[1];
                    vectorised(|| self.placement.place(from, width, y, finish.of(m)));
                }
            }
            PackedWeight::Rows { rows, width } => {
                let (width, pictures) = (*width, packed.pictures);
                let pixels = &self.pixels[..pictures * self.placement.count_pixels()];
                let runs = Runs {
                    starts: &self.offsets,
                    length: 1,
                    step: 1,
                };
                let area = self.placement.size[0] * self.placement.size[1];
                let channels = y.len() / (pictures * area);
                let step = (PRODUCT_FLOATS / width).max(1).next_multiple_of(TILE);
                let c = grow(result, (step.min(pixels.len()) + LANES) * width);
                for first in (0..pixels.len()).step_by(step) {
                    let range = first..pixels.len().min(first + step);
                    let pixels = &pixels[range.clone()];
                    let products = &mut c[..pixels.len() * width];
                    correlation(rows, width, pixels, packed.b, &runs, false, products);
                    let placement = &self.placement;
                    vectorised(|| placement.place_pixels(c, width, range, channels, y, finish));
                }
            }
        }
    }
}

/// All products of a convolution, groups of pictures in parallel.
fn run(
    packing: &Packing,
    jobs: &[Job<'_>],
    x: &[f32],
    channels: usize,
    finish: Finish<'_>,
) -> Vec<f32> {
    let from = packing.channels * packing.size[0] * packing.size[1];
    let size = jobs[0].placement.size;
    let to = channels * size[0] * size[1];
    let mut y = uninitialised(x.len() / from * to);
    let outputs = y.chunks_mut(packing.pictures * to);
    share(outputs.zip(x.chunks(packing.pictures * from)), |(y, x)| {
        SCRATCH.with_borrow_mut(|(packed, result)| {
            let b = if packing.in_place {
                x
            } else {
                let b = grow(packed, packing.floats());
                vectorised(|| packing.pack(x, 0..packing.channels, b));
                &*b
            };
            let packed = Packed {
                packing,
                b,
                pictures: x.len() / from,
            };
            for job in jobs {
                job.run(&packed, result, y, finish);
            }
        });
    });
    // SAFETY: the jobs place every pixel of every channel and picture.
    unsafe { initialised(y) }
}

/// The input of a task.
struct Packed<'a> {
    packing: &'a Packing,
    b: &'a [f32],
    pictures: usize,
}

#[cfg(test)]
mod tests;
