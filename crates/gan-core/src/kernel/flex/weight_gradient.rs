//! The gradient of a convolution's weight.

use std::cell::Cell;

use super::buffer::grow;
use super::correlation::{LANES, Runs, correlation};
use super::packing::Packing;
use super::shape::{ConvShape, big_packing, phase_taps};
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
    let packing = big_packing(shape, 1);
    // Several times what a task packs: the pictures of a group are shared by all tasks.
    let group = (GROUP_FLOATS / packing.floats().max(1)).clamp(1, shape.batch.max(1));
    let packing = Packing {
        pictures: group,
        ..packing
    };
    let taps = phase_taps(shape, &packing);
    let offsets: Vec<usize> = taps.iter().map(|tap| tap.offset).collect();
    let width = shape.small_channels.next_multiple_of(LANES);
    let mut sums = vec![0.0; taps.len() * width];
    // Taken out, not borrowed for as long as the tasks below run.
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
        share(b.chunks_mut(block).enumerate(), |(i, b)| {
            let rows = b.len() / packing.row_stride();
            vectorised(|| packing.pack(big, i * 8..i * 8 + rows, b));
        });
        let pictures = small.len() / shape.small_floats();
        let area = shape.small[0] * shape.small[1];
        let g = &mut g[..pictures * area * width];
        let both = g.chunks_mut(area * width);
        share(
            both.zip(small.chunks(shape.small_floats())),
            |(g, small)| {
                lay_channels_last(small, area, width, g);
            },
        );
        let starts: Vec<usize> = (0..pictures)
            .flat_map(|picture| {
                (0..shape.small[0])
                    .map(move |y| picture * packing.plane_floats() + y * packing.plane[1])
            })
            .collect();
        let runs = Runs {
            starts: &starts,
            length: shape.small[1],
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
        for (tap, sums) in taps.iter().zip(sums.chunks_exact(width)) {
            let column = gradient[tap.weight..].iter_mut().step_by(depth);
            for (gradient, sum) in column.zip(&sums[block * LANES..]) {
                *gradient = *sum;
            }
        }
    });
    gradient
}

/// `[channel][pixel]` → `[pixel][channel]`. The padding of the channels keeps what an earlier gradient
/// left there: nobody reads its sums.
#[inline]
fn lay_channels_last(from: &[f32], area: usize, width: usize, to: &mut [f32]) {
    let channels = from.len() / area;
    assert!(channels <= width && to.len() >= area * width);
    // SAFETY: both sides have all pixels of so many channels.
    unsafe {
        transpose_block(
            from.as_ptr(),
            area,
            [channels, area],
            to.as_mut_ptr(),
            width,
        );
    }
}
