//! Convolution, its adjoint and the gradient of its weight, over [`shift_gemm`](super::shift_gemm).
//!
//! A convolution of stride `s` is one of stride 1 over the `s²` interleaved sub-pictures
//! ("phases") of its padded input; a transposed one is `s²` convolutions of stride 1, one for each
//! phase of its output. Both read zero-padded planes laid end to end, several pictures at a time, so
//! that the vectors do not care how narrow a picture is.

use std::cell::{Cell, RefCell};

use rayon::prelude::*;

use super::buffer::{grow, initialised, uninitialised};
use super::packing::{Packing, Placement};
use super::shift_gemm::{LANES, Runs, SLACK, correlation, pack_panels, product};
use super::simd::vectorised;

thread_local! {
    /// Packed input and product of one task, kept from call to call: fresh memory would have to be
    /// cleared by the kernel page by page.
    static SCRATCH: RefCell<(Vec<f32>, Vec<f32>)> = const { RefCell::new((Vec::new(), Vec::new())) };

    /// Both sides of a weight gradient, shared by its tasks.
    static SHARED: Cell<(Vec<f32>, Vec<f32>)> = const { Cell::new((Vec::new(), Vec::new())) };
}

/// The sizes of a convolution from `big` to `small` pictures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ConvShape {
    /// Pictures.
    pub batch: usize,
    /// Channels on the big side.
    pub big_channels: usize,
    /// Height and width on the big side (the input of a convolution).
    pub big: [usize; 2],
    /// Channels on the small side.
    pub small_channels: usize,
    /// Height and width on the small side (its output).
    pub small: [usize; 2],
    /// Height and width of the kernel.
    pub kernel: [usize; 2],
    /// Stride.
    pub stride: usize,
    /// Zero padding above and below, left and right.
    pub padding: [usize; 2],
}

/// Floats of packed input a task works on: half of a second-level cache of 1 MiB.
const GROUP_FLOATS: usize = 128 * 1024;

impl ConvShape {
    /// Floats in one picture on the big side.
    pub(crate) fn big_floats(&self) -> usize {
        self.big_channels * self.big[0] * self.big[1]
    }

    /// Floats in one picture on the small side.
    pub(crate) fn small_floats(&self) -> usize {
        self.small_channels * self.small[0] * self.small[1]
    }

    /// Pictures per task, given the packed floats of one.
    fn group(&self, floats: usize) -> usize {
        let fair = self.batch.div_ceil(2 * rayon::current_num_threads());
        (GROUP_FLOATS / floats.max(1)).clamp(1, fair.max(1))
    }

    /// Values of a kernel.
    fn area(&self) -> usize {
        self.kernel[0] * self.kernel[1]
    }

    /// How far a kernel reaches in a phase.
    fn reach(&self) -> [usize; 2] {
        self.kernel.map(|kernel| (kernel - 1) / self.stride)
    }

    /// Rows and columns of a plane of the packed big side.
    fn phase_plane(&self) -> [usize; 2] {
        [0, 1].map(|axis| {
            if self.stride == 1 {
                // The zeros after a row are also the zeros before the next one.
                let after = (self.kernel[axis] - 1).saturating_sub(self.padding[axis]);
                (self.big[axis] + self.padding[axis].max(after)).max(self.small[axis])
            } else {
                self.small[axis] + self.reach()[axis]
            }
        })
    }
}

/// Convolution: `[batch, big_channels, big]` → `[batch, small_channels, small]`, weight
/// `[small_channels, big_channels, kernel, kernel]`.
pub(crate) fn convolve(
    x: &[f32],
    weight: &[f32],
    bias: Option<&[f32]>,
    shape: &ConvShape,
) -> Vec<f32> {
    let panels = pack_weight(weight, shape);
    match bias {
        Some(bias) => convolve_packed(x, &panels, shape, |m| {
            let bias = bias[m];
            move |value| value + bias
        }),
        None => convolve_packed(x, &panels, shape, |_| |value| value),
    }
}

/// The weight of a [`convolve`] as [`convolve_packed`] reads it: batch and size of the pictures do not
/// matter.
pub(crate) fn pack_weight(weight: &[f32], shape: &ConvShape) -> Vec<f32> {
    let taps = phase_taps(shape, &big_packing(shape, 1));
    let depth = shape.big_channels * shape.area();
    let mut panels = Vec::new();
    pack_panels(shape.small_channels, taps.len(), &mut panels, |m, k| {
        weight[m * depth + taps[k].weight]
    });
    panels
}

/// [`convolve`] with a packed weight; `finish(channel)` makes outputs of sums.
pub(crate) fn convolve_packed<F: Fn(f32) -> f32>(
    x: &[f32],
    panels: &[f32],
    shape: &ConvShape,
    finish: impl Fn(usize) -> F + Send + Sync,
) -> Vec<f32> {
    let packing = big_packing(shape, 1);
    let group = shape.group(packing.floats());
    let packing = Packing {
        pictures: group,
        ..packing
    };
    let offsets: Vec<usize> = phase_taps(shape, &packing)
        .iter()
        .map(|tap| tap.offset)
        .collect();
    let channels = shape.small_channels;
    let placement = Placement {
        size: shape.small,
        stride: 1,
        phase: [0, 0],
        count: shape.small,
    };
    let mut y = uninitialised(shape.batch * shape.small_floats());
    y.par_chunks_mut(group * shape.small_floats())
        .zip(x.par_chunks(group * shape.big_floats()))
        .for_each(|(y, x)| {
            with_packed(&packing, x, |b, c| {
                multiply_and_place(
                    &packing,
                    panels,
                    channels,
                    &offsets,
                    b,
                    c,
                    |m, from, picture| {
                        let to =
                            &mut y[(picture * channels + m) * shape.small[0] * shape.small[1]..];
                        placement.place(from, packing.plane[1], to, finish(m));
                    },
                );
            });
        });
    // SAFETY: every picture, channel and pixel has been placed.
    unsafe { initialised(y) }
}

/// Transposed convolution: `[batch, small_channels, small]` → `[batch, big_channels, big]`, weight
/// `[small_channels, big_channels, kernel, kernel]`; the adjoint of [`convolve`].
pub(crate) fn convolve_transposed(
    x: &[f32],
    weight: &[f32],
    bias: Option<&[f32]>,
    shape: &ConvShape,
) -> Vec<f32> {
    let phases = OutputPhases::new(shape);
    let packing = phases.packing(shape, 1);
    let group = shape.group(packing.floats());
    let packing = Packing {
        pictures: group,
        ..packing
    };
    let channels = shape.big_channels;
    let area = shape.area();
    let jobs: Vec<(Vec<f32>, Vec<usize>, Placement)> = phases
        .each(shape, &packing)
        .map(|(taps, placement)| {
            let mut panels = Vec::new();
            pack_panels(channels, taps.len(), &mut panels, |m, k| {
                weight[(taps[k].channel * channels + m) * area + taps[k].weight]
            });
            let offsets = taps.iter().map(|tap| tap.offset).collect();
            (panels, offsets, placement)
        })
        .collect();
    let mut y = uninitialised(shape.batch * shape.big_floats());
    y.par_chunks_mut(group * shape.big_floats())
        .zip(x.par_chunks(group * shape.small_floats()))
        .for_each(|(y, x)| {
            with_packed(&packing, x, |b, c| {
                for (panels, offsets, placement) in &jobs {
                    multiply_and_place(
                        &packing,
                        panels,
                        channels,
                        offsets,
                        b,
                        c,
                        |m, from, picture| {
                            let bias = bias.map_or(0.0, |bias| bias[m]);
                            let to =
                                &mut y[(picture * channels + m) * shape.big[0] * shape.big[1]..];
                            placement.place(from, packing.plane[1], to, |value| value + bias);
                        },
                    );
                }
            });
        });
    // SAFETY: the phases cover every pixel of every channel.
    unsafe { initialised(y) }
}

/// Packs the pictures of a task and hands out the packed buffer and one for the product.
fn with_packed(packing: &Packing, x: &[f32], work: impl FnOnce(&Packed<'_>, &mut Vec<f32>)) {
    SCRATCH.with_borrow_mut(|(packed, result)| {
        let b = grow(packed, packing.floats());
        vectorised(|| packing.pack(x, 0..packing.rows(), b));
        let pictures = x.len() / (packing.channels * packing.size[0] * packing.size[1]);
        work(&Packed { b, pictures }, result);
    });
}

struct Packed<'a> {
    b: &'a [f32],
    pictures: usize,
}

fn multiply_and_place(
    packing: &Packing,
    panels: &[f32],
    rows: usize,
    offsets: &[usize],
    packed: &Packed<'_>,
    result: &mut Vec<f32>,
    mut place: impl FnMut(usize, &[f32], usize),
) {
    let columns = packed.pictures * packing.plane_floats();
    let stride = columns + SLACK;
    let c = grow(result, rows * stride);
    product(panels, rows, offsets, packed.b, columns, c, stride);
    for picture in 0..packed.pictures {
        for m in 0..rows {
            let from = &c[m * stride + picture * packing.plane_floats()..];
            vectorised(|| place(m, &from[..packing.plane_floats()], picture));
        }
    }
}

/// One term of the sum: where it reads, and what it is multiplied with.
struct Tap {
    channel: usize,
    /// Index into the weight (of one output channel for a convolution; within the kernel for a
    /// transposed one).
    weight: usize,
    offset: usize,
}

fn big_packing(shape: &ConvShape, pictures: usize) -> Packing {
    let plane = shape.phase_plane();
    let reach = shape.reach();
    Packing {
        channels: shape.big_channels,
        size: shape.big,
        stride: shape.stride,
        before: shape.padding,
        plane,
        pictures,
        tail: reach[0] * plane[1] + reach[1],
    }
}

fn phase_taps(shape: &ConvShape, packing: &Packing) -> Vec<Tap> {
    let (kernel, stride) = (shape.kernel, shape.stride);
    let row_stride = packing.row_stride();
    let mut taps = Vec::new();
    for channel in 0..shape.big_channels {
        for phase_y in 0..stride.min(kernel[0]) {
            for phase_x in 0..stride.min(kernel[1]) {
                let row = (channel * stride + phase_y) * stride + phase_x;
                for y in (phase_y..kernel[0]).step_by(stride) {
                    for x in (phase_x..kernel[1]).step_by(stride) {
                        taps.push(Tap {
                            channel,
                            weight: (channel * kernel[0] + y) * kernel[1] + x,
                            offset: row * row_stride + y / stride * packing.plane[1] + x / stride,
                        });
                    }
                }
            }
        }
    }
    taps
}

/// How the small side must be padded so that every phase of the output finds its input.
struct OutputPhases {
    before: [usize; 2],
    after: [usize; 2],
    furthest: [usize; 2],
}

impl OutputPhases {
    fn new(shape: &ConvShape) -> Self {
        let mut before = [0, 0];
        let mut after = [0, 0];
        let mut furthest = [0, 0];
        for axis in 0..2 {
            for phase in 0..shape.stride {
                for (_, shift) in axis_taps(shape, axis, phase) {
                    before[axis] = before[axis].max((-shift).max(0) as usize);
                    furthest[axis] = furthest[axis].max(shift.max(0) as usize);
                    let count = phase_count(shape.big[axis], phase, shape.stride) as isize;
                    let past = count - 1 + shift - (shape.small[axis] as isize - 1);
                    after[axis] = after[axis].max(past.max(0) as usize);
                }
            }
        }
        Self {
            before,
            after,
            furthest,
        }
    }

    fn packing(&self, shape: &ConvShape, pictures: usize) -> Packing {
        let most = [0, 1].map(|axis| phase_count(shape.big[axis], 0, shape.stride));
        let plane = [0, 1].map(|axis| {
            (shape.small[axis] + self.before[axis].max(self.after[axis])).max(most[axis])
        });
        Packing {
            channels: shape.small_channels,
            size: shape.small,
            stride: 1,
            before: self.before,
            plane,
            pictures,
            tail: (self.before[0] + self.furthest[0]) * plane[1]
                + self.before[1]
                + self.furthest[1],
        }
    }

    fn each(
        &self,
        shape: &ConvShape,
        packing: &Packing,
    ) -> impl Iterator<Item = (Vec<Tap>, Placement)> {
        let stride = shape.stride;
        (0..stride * stride).map(move |phase| {
            let phase = [phase / stride, phase % stride];
            let taps = self.taps(shape, packing, phase);
            let placement = Placement {
                size: shape.big,
                stride,
                phase,
                count: [0, 1].map(|axis| phase_count(shape.big[axis], phase[axis], stride)),
            };
            (taps, placement)
        })
    }

    fn taps(&self, shape: &ConvShape, packing: &Packing, phase: [usize; 2]) -> Vec<Tap> {
        let at = |axis: usize, shift: isize| (self.before[axis] as isize + shift) as usize;
        let mut taps = Vec::new();
        for channel in 0..shape.small_channels {
            for (y, shift_y) in axis_taps(shape, 0, phase[0]) {
                for (x, shift_x) in axis_taps(shape, 1, phase[1]) {
                    taps.push(Tap {
                        channel,
                        weight: y * shape.kernel[1] + x,
                        offset: channel * packing.row_stride()
                            + at(0, shift_y) * packing.plane[1]
                            + at(1, shift_x),
                    });
                }
            }
        }
        taps
    }
}

/// Pixels `phase, phase + stride, …` below `size`.
fn phase_count(size: usize, phase: usize, stride: usize) -> usize {
    size.saturating_sub(phase).div_ceil(stride)
}

/// Kernel positions that reach output pixel `s·q + phase`, with the shift `i − q` of the input pixel.
fn axis_taps(shape: &ConvShape, axis: usize, phase: usize) -> impl Iterator<Item = (usize, isize)> {
    let (stride, target) = (
        shape.stride as isize,
        (phase + shape.padding[axis]) as isize,
    );
    (0..shape.kernel[axis]).filter_map(move |k| {
        let distance = target - k as isize;
        (distance.rem_euclid(stride) == 0).then_some((k, distance.div_euclid(stride)))
    })
}

/// Gradient of the weight, `[small_channels, big_channels, kernel, kernel]`, from pictures on both
/// sides.
pub(crate) fn weight_gradient(big: &[f32], small: &[f32], shape: &ConvShape) -> Vec<f32> {
    let packing = big_packing(shape, 1);
    // Several times what a task packs: the pictures of a group are shared by all tasks.
    let group = (8 * GROUP_FLOATS / packing.floats().max(1)).clamp(1, shape.batch.max(1));
    let packing = Packing {
        pictures: group,
        ..packing
    };
    let taps = phase_taps(shape, &packing);
    let offsets: Vec<usize> = taps.iter().map(|tap| tap.offset).collect();
    let width = shape.small_channels.next_multiple_of(LANES);
    let mut sums = vec![0.0; taps.len() * width];
    // Taken out rather than borrowed: while this thread waits for the tasks below, it may be given
    // another gradient to compute.
    let (mut b_buffer, mut g_buffer) = SHARED.take();
    let b = grow(&mut b_buffer, packing.floats());
    let g = grow(
        &mut g_buffer,
        group * shape.small[0] * shape.small[1] * width,
    );
    for (big, small) in big
        .chunks(group * shape.big_floats())
        .zip(small.chunks(group * shape.small_floats()))
    {
        let block = 8 * packing.row_stride();
        b.par_chunks_mut(block).enumerate().for_each(|(i, b)| {
            let rows = b.len() / packing.row_stride();
            vectorised(|| packing.pack(big, i * 8..i * 8 + rows, b));
        });
        let pictures = small.len() / shape.small_floats();
        let area = shape.small[0] * shape.small[1];
        let g = &mut g[..pictures * area * width];
        g.par_chunks_mut(area * width)
            .zip(small.par_chunks(shape.small_floats()))
            .for_each(|(g, small)| vectorised(|| transpose(small, area, width, g)));
        let starts = (0..pictures)
            .flat_map(|picture| {
                (0..shape.small[0])
                    .map(move |y| picture * packing.plane_floats() + y * packing.plane[1])
            })
            .collect();
        let runs = Runs {
            starts,
            length: shape.small[1],
        };
        // Rows per task: a function of the shape, so that the sums do not depend on the threads.
        let rows = offsets.len().div_ceil(8).next_multiple_of(6).min(48);
        sums.par_chunks_mut(rows * width)
            .zip(offsets.par_chunks(rows))
            .for_each(|(sums, offsets)| correlation(g, width, offsets, b, &runs, sums));
    }
    SHARED.set((b_buffer, g_buffer));
    let depth = taps.len();
    let mut gradient = vec![0.0; shape.small_channels * depth];
    for (m, gradient) in gradient.chunks_mut(depth).enumerate() {
        for (tap, sums) in taps.iter().zip(sums.chunks(width)) {
            gradient[tap.weight] = sums[m];
        }
    }
    gradient
}

/// `[channel][pixel]` → `[pixel][channel]`, the channels padded with what is there (zeros).
#[inline]
fn transpose(from: &[f32], area: usize, width: usize, to: &mut [f32]) {
    // Sixteen channels at a time: a cache line of the target is written at once.
    for (block, from) in from.chunks(LANES * area).enumerate() {
        for (pixel, to) in to.chunks_mut(width).enumerate() {
            let to = &mut to[block * LANES..];
            for (to, from) in to.iter_mut().zip(from[pixel..].iter().step_by(area)) {
                *to = *from;
            }
        }
    }
}

#[cfg(test)]
mod tests;
