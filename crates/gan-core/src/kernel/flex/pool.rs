//! Pools: rows of a window are joined first, then columns, all places of a plane at a time.
//!
//! A plane is laid out with a border of what changes nothing, so that a window may begin at every place.
//! Vectors then run over the whole plane, however narrow its rows are; places where no window begins are
//! computed in vain, which costs less than beginning anew in every row.

use std::mem::MaybeUninit;

use burn::backend::Flex;
use burn::prelude::*;

use super::Primitive;
use super::buffer::{initialised, uninitialised};
use super::node::{PullBack, map, tensor, values};
use super::simd::vectorised;
use super::team;
use crate::kernel::Pool;

/// Planes that share the buffers of a part.
const PLANES: usize = 8;

/// The caller checked that the tensor is on flex without autodiff, and that the window fits.
pub(crate) fn pool2d(
    pool: Pool,
    x: Tensor<4>,
    size: usize,
    stride: usize,
    padding: usize,
) -> Tensor<4> {
    Tensor::from_primitive::<Flex>(pooled(pool, &super::contiguous(x), size, stride, padding))
}

fn pooled(pool: Pool, x: &Primitive, size: usize, stride: usize, padding: usize) -> Primitive {
    let [batch, channels, height, width] = dims(x);
    let out = [height, width].map(|side| (side + 2 * padding - size) / stride + 1);
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
    // A window never looks where it may not.
    let nothing = match pool {
        Pool::Max => f32::NEG_INFINITY,
        Pool::Mean => 0.0,
    };
    let padded = [height, width].map(|side| side + 2 * padding);
    // Several planes to a part, which has its buffers once.
    let planes = values(x).chunks(PLANES * height * width);
    let parts = y.chunks_mut(PLANES * out[0] * out[1]).zip(planes);
    team::share(parts, |(y, x)| {
        let mut plane = vec![nothing; padded[0] * padded[1]];
        let mut joined = vec![nothing; out[0] * padded[1]];
        let mut sums = vec![nothing; out[0] * padded[1] - (size - 1)];
        let planes = x.chunks(height * width);
        for (y, x) in y.chunks_mut(out[0] * out[1]).zip(planes) {
            let inside = plane[padding * padded[1]..].chunks_mut(padded[1]);
            for (to, from) in inside.zip(x.chunks(width)) {
                to[padding..padding + width].copy_from_slice(from);
            }
            if stride == 1 {
                join_all(pool, &mut joined, &plane, size, padded[1]);
            } else {
                for (row, joined) in joined.chunks_mut(padded[1]).enumerate() {
                    let from = &plane[row * stride * padded[1]..];
                    join_all(pool, joined, from, size, padded[1]);
                }
            }
            join_all(pool, &mut sums, &joined, size, 1);
            let lines = y.chunks_mut(out[1]).zip(sums.chunks(padded[1]));
            for ((y, sums), share_of_rows) in lines.zip(rows.iter().map(share)) {
                let sums = sums.iter().step_by(stride);
                for ((y, sum), share) in y.iter_mut().zip(sums).zip(&shares) {
                    y.write(sum * (share_of_rows * share));
                }
            }
        }
    });
    // SAFETY: every row of every plane has been written.
    let y = unsafe { initialised(y) };
    tensor(y, [batch, channels, out[0], out[1]])
}

/// `to[i]` from the `count` values `from[i + step · k]`.
fn join_all(pool: Pool, to: &mut [f32], from: &[f32], count: usize, step: usize) {
    let length = to.len();
    to.copy_from_slice(&from[..length]);
    for k in 1..count {
        let from = &from[k * step..][..length];
        vectorised(|| join(pool, to, from));
    }
}

fn dims(x: &Primitive) -> [usize; 4] {
    let shape = x.layout().shape();
    [0, 1, 2, 3].map(|axis| shape[axis])
}

/// Means over squares that do not overlap.
#[derive(Clone, Debug)]
struct MeanPool {
    size: usize,
    /// Of the input.
    dims: [usize; 4],
}

impl PullBack for MeanPool {
    /// Every pixel of a square gets its share; what is left over at the right and bottom gets nothing.
    fn pull_back(&self, upstream: &Primitive) -> Primitive {
        let [_, _, height, width] = self.dims;
        let out = [height, width].map(|side| side / self.size);
        let share = 1.0 / (self.size * self.size) as f32;
        let mut gradient = uninitialised(self.dims.iter().product());
        let parts = gradient.chunks_mut(height * width);
        team::share(
            parts.zip(values(upstream).chunks(out[0] * out[1])),
            |(to, from)| {
                vectorised(|| {
                    let (whole, rest) = to.split_at_mut(out[0] * self.size * width);
                    rest.fill(MaybeUninit::new(0.0));
                    let rows = whole.chunks_exact_mut(self.size * width);
                    for (rows, from) in rows.zip(from.chunks_exact(out[1])) {
                        for row in rows.chunks_exact_mut(width) {
                            repeat(row, from, self.size, share);
                        }
                    }
                });
            },
        );
        // SAFETY: every row of every plane has been written.
        tensor(unsafe { initialised(gradient) }, self.dims)
    }
}

/// Every value `size` times side by side, times `share`; zeros in what is left.
#[inline(always)]
fn repeat(to: &mut [MaybeUninit<f32>], from: &[f32], size: usize, share: f32) {
    let (to, rest) = to.split_at_mut(from.len() * size);
    rest.fill(MaybeUninit::new(0.0));
    if size == 2 {
        let (pairs, _) = to.as_chunks_mut::<2>();
        for (to, from) in pairs.iter_mut().zip(from) {
            *to = [MaybeUninit::new(from * share); 2];
        }
    } else {
        for (to, from) in to.chunks_exact_mut(size).zip(from) {
            to.fill(MaybeUninit::new(from * share));
        }
    }
}

/// Means over squares that do not overlap, on the tape or off it. The caller checked that one fits.
pub(crate) fn mean_pool(x: Tensor<4>, size: usize) -> Tensor<4> {
    map(x, |x| {
        let dims = dims(x);
        (
            pooled(Pool::Mean, x, size, size, 0),
            MeanPool { size, dims },
        )
    })
}

#[inline(always)]
fn join(pool: Pool, to: &mut [f32], from: &[f32]) {
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
