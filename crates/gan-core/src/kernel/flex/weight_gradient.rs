//! The gradient of a convolution's weight.

use std::cell::Cell;

use super::buffer::grow;
use super::correlation::{LANES, PANEL, Runs, correlation};
use super::packing::Packing;
use super::shape::{ConvShape, big_packing, big_taps};
use super::simd::{transpose_block, vectorised};
use super::team::share;

thread_local! {
    /// Both sides of a weight gradient, shared by its tasks.
    static SHARED: Cell<(Vec<f32>, Vec<f32>)> = const { Cell::new((Vec::new(), Vec::new())) };
}

/// Floats of packed input that all tasks share: a second-level cache of 1 MiB for each of four.
const GROUP_FLOATS: usize = 1024 * 1024;

/// Gradient of the weight, `[small_channels, big_channels, kernel, kernel]`, from pictures on both
/// sides.
pub(crate) fn weight_gradient(big: &[f32], small: &[f32], shape: &ConvShape) -> Vec<f32> {
    let packing = big_packing(shape, 1).in_place_if_whole();
    // Several times what a task packs: the pictures of a group are shared by all tasks.
    let group = (GROUP_FLOATS / packing.floats().max(1)).clamp(1, shape.batch.max(1));
    let packing = Packing {
        pictures: group,
        ..packing
    };
    let taps = big_taps(shape, &packing);
    let offsets: Vec<usize> = taps.iter().map(|tap| tap.offset).collect();
    let width = shape.small_channels.next_multiple_of(LANES);
    let area = shape.small[0] * shape.small[1];
    let mut sums = vec![0.0; taps.len() * width];
    // Taken out, not borrowed for as long as the tasks below run.
    let (mut b_buffer, mut g_buffer) = SHARED.take();
    let g = grow(&mut g_buffer, group * area * width);
    for (big, small) in big
        .chunks(group * shape.big_floats())
        .zip(small.chunks(group * shape.small_floats()))
    {
        let b = if packing.in_place {
            big
        } else {
            pack(big, &packing, &mut b_buffer)
        };
        let pictures = small.len() / shape.small_floats();
        let g = &mut g[..pictures * area * width];
        let panels = g.chunks_mut(pictures * area * PANEL).enumerate();
        let parts = panels.flat_map(|(panel, g)| {
            let floats = g.len() / pictures;
            let small = small.chunks(shape.small_floats());
            g.chunks_mut(floats)
                .zip(small.map(move |small| &small[panel * PANEL * area..]))
        });
        share(parts, |(g, small)| lay_channels_last(small, area, g));
        let starts: Vec<usize> = (0..pictures)
            .flat_map(|picture| {
                let first = picture * packing.picture_stride();
                (0..shape.small[0]).map(move |y| first + y * shape.stride * packing.plane[1])
            })
            .collect();
        let runs = Runs {
            starts: &starts,
            length: shape.small[1],
            step: shape.stride,
        };
        // Rows per task: a function of the shape, so that the sums do not depend on the threads.
        let rows = offsets.len().div_ceil(8).next_multiple_of(6).min(48);
        let parts = sums.chunks_mut(rows * width).zip(offsets.chunks(rows));
        share(parts, |(sums, offsets)| {
            correlation(g, width, offsets, b, &runs, true, sums);
        });
    }
    SHARED.set((b_buffer, g_buffer));
    let depth = taps.len();
    let mut gradient = vec![0.0; shape.small_channels * depth];
    // Rows of the gradient by the vector, so that a line of the sums is read once.
    let blocks = gradient.chunks_mut(LANES * depth).enumerate();
    share(blocks, |(block, gradient)| {
        let sums = &sums[block * LANES..];
        let channels = gradient.len() / depth;
        // SAFETY: both sides have all terms of so many channels.
        unsafe {
            let gradient = gradient.as_mut_ptr();
            transpose_block(sums.as_ptr(), width, [depth, channels], gradient, depth);
        }
    });
    gradient
}

/// The pictures in planes, by all threads.
fn pack<'a>(pictures: &[f32], packing: &Packing, buffer: &'a mut Vec<f32>) -> &'a [f32] {
    let b = grow(buffer, packing.floats());
    let stride = packing.channel_stride();
    share(b.chunks_mut(8 * stride).enumerate(), |(i, b)| {
        let channels = b.len() / stride;
        vectorised(|| packing.pack(pictures, i * 8..i * 8 + channels, b));
    });
    b
}

/// `[channel][pixel]` → `[pixel][channel]`, for as many channels as a panel has room for. The padding of
/// the channels keeps what an earlier gradient left there: nobody reads its sums.
#[inline]
fn lay_channels_last(from: &[f32], area: usize, to: &mut [f32]) {
    let height = to.len() / area;
    let channels = height.min(from.len() / area);
    assert_eq!(to.len(), area * height);
    // SAFETY: both sides have all pixels of so many channels.
    unsafe {
        transpose_block(
            from.as_ptr(),
            area,
            [channels, area],
            to.as_mut_ptr(),
            height,
        );
    }
}
