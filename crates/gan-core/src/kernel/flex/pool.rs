//! Pools: rows of a window are joined first, whole rows at a time, then columns.

use burn::backend::Flex;
use burn::prelude::*;
use rayon::prelude::*;

use super::buffer::{initialised, uninitialised};
use super::node::{tensor, values};
use super::simd::vectorised;
use crate::kernel::Pool;

/// The caller checked that the tensor is on flex without autodiff, and that the window fits.
pub(crate) fn pool2d(
    pool: Pool,
    x: Tensor<4>,
    size: usize,
    stride: usize,
    padding: usize,
) -> Tensor<4> {
    let [batch, channels, height, width] = x.dims();
    let out = [height, width].map(|side| (side + 2 * padding - size) / stride + 1);
    let x = super::contiguous(x);
    let mut y = uninitialised(batch * channels * out[0] * out[1]);
    let windows = |side: usize, count: usize| -> Vec<[usize; 2]> {
        let window = |index: usize| {
            let first = index * stride;
            let from = first.saturating_sub(padding);
            [from, (first + size - padding).min(side)]
        };
        (0..count).map(window).collect()
    };
    let (rows, columns) = (windows(height, out[0]), windows(width, out[1]));
    let share = |[from, to]: &[usize; 2]| match pool {
        Pool::Max => 1.0,
        Pool::Mean => 1.0 / (to - from) as f32,
    };
    let shares: Vec<f32> = columns.iter().map(share).collect();
    // Padded with what changes nothing: a window never looks where it may not.
    let nothing = match pool {
        Pool::Max => f32::NEG_INFINITY,
        Pool::Mean => 0.0,
    };
    let buffers = || (vec![nothing; width + 2 * padding], vec![0.0; out[1]]);
    y.par_chunks_mut(out[0] * out[1])
        .zip(values(&x).par_chunks(height * width))
        .for_each_init(buffers, |(line, joined), (y, x)| {
            for (y, row) in y.chunks_mut(out[1]).zip(&rows) {
                let ([from, to], share) = (row, share(row));
                vectorised(|| {
                    let inside = &mut line[padding..padding + width];
                    inside.copy_from_slice(&x[from * width..][..width]);
                    for row in from + 1..*to {
                        join(pool, inside, x[row * width..][..width].iter());
                    }
                    for (step, joined) in line.iter().step_by(stride).zip(joined.iter_mut()) {
                        *joined = *step;
                    }
                    for offset in 1..size {
                        join(pool, joined, line[offset..].iter().step_by(stride));
                    }
                    for ((y, joined), column) in y.iter_mut().zip(&*joined).zip(&shares) {
                        y.write(joined * (share * column));
                    }
                });
            }
        });
    // SAFETY: every row of every plane has been written.
    let y = unsafe { initialised(y) };
    Tensor::from_primitive::<Flex>(tensor(y, [batch, channels, out[0], out[1]]))
}

#[inline]
fn join<'a>(pool: Pool, to: &mut [f32], from: impl Iterator<Item = &'a f32>) {
    match pool {
        Pool::Max => {
            for (to, from) in to.iter_mut().zip(from) {
                // Not `max`, which would lose what is not a number.
                if *from > *to || from.is_nan() {
                    *to = *from;
                }
            }
        }
        Pool::Mean => {
            for (to, from) in to.iter_mut().zip(from) {
                *to += from;
            }
        }
    }
}
