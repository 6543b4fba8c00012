//! Pictures as zero-padded planes laid end to end, and products laid out as pictures again.

use std::mem::MaybeUninit;
use std::ops::Range;

use super::correlation::LANES;
use super::shift_gemm::SLACK;
use super::simd::transpose;

/// Zero-padded planes of a few pictures: `[channel · s² + phase][picture][row][column]`.
#[derive(Clone, Copy)]
pub(crate) struct Packing {
    pub channels: usize,
    pub size: [usize; 2],
    pub stride: usize,
    /// Zeros before the first row and column, in pixels of the picture.
    pub before: [usize; 2],
    pub plane: [usize; 2],
    /// Pictures the rows have room for.
    pub pictures: usize,
    /// Zeros past the end of a row that a tap may reach.
    pub tail: usize,
}

impl Packing {
    pub(crate) fn plane_floats(&self) -> usize {
        self.plane[0] * self.plane[1]
    }

    pub(crate) fn columns(&self) -> usize {
        self.pictures * self.plane_floats()
    }

    pub(crate) fn row_stride(&self) -> usize {
        self.columns().next_multiple_of(16) + self.tail + SLACK
    }

    pub(crate) fn rows(&self) -> usize {
        self.channels * self.stride * self.stride
    }

    pub(crate) fn floats(&self) -> usize {
        self.rows() * self.row_stride()
    }

    /// Fills `rows` of `to` (which starts at the first of them) from pictures `[n][c][h][w]`.
    #[inline]
    pub(crate) fn pack(&self, from: &[f32], rows: Range<usize>, to: &mut [f32]) {
        let picture_floats = self.channels * self.size[0] * self.size[1];
        let pictures = from.len() / picture_floats;
        let phases = self.stride * self.stride;
        for (row, to) in rows.zip(to.chunks_mut(self.row_stride())) {
            let (channel, phase) = (row / phases, row % phases);
            let phase = [phase / self.stride, phase % self.stride];
            for picture in 0..pictures {
                let first = picture * picture_floats + channel * self.size[0] * self.size[1];
                self.pack_plane(
                    &from[first..],
                    phase,
                    &mut to[picture * self.plane_floats()..],
                );
            }
            to[pictures * self.plane_floats()..].fill(0.0);
        }
    }

    /// Writes a plane, and perhaps something past its end, from the picture that `from` begins with.
    #[inline]
    fn pack_plane(&self, from: &[f32], phase: [usize; 2], to: &mut [f32]) {
        let [height, width] = self.size;
        let stride = self.stride;
        // Column v of the plane is column s·v + phase − before of the picture.
        let first = self.before[1].saturating_sub(phase[1]).div_ceil(stride);
        let last = (width + self.before[1])
            .saturating_sub(phase[1])
            .div_ceil(stride)
            .min(self.plane[1]);
        for u in 0..self.plane[0] {
            let to = &mut to[u * self.plane[1]..];
            let y = (stride * u + phase[0]).wrapping_sub(self.before[0]);
            if y >= height || first >= last {
                to[..self.plane[1]].fill(0.0);
                continue;
            }
            let start = y * width + stride * first + phase[1] - self.before[1];
            let from = &from[start..];
            let has_room = to.len() >= last + LANES && from.len() >= stride * LANES;
            if self.plane[1] <= LANES && stride <= 2 && has_room {
                // Whole vectors; what they write too much is written over by what comes next.
                to[..LANES].fill(0.0);
                copy_every(stride, from, &mut to[first..first + LANES]);
                to[last..last + LANES].fill(0.0);
            } else {
                to[..first].fill(0.0);
                to[last..self.plane[1]].fill(0.0);
                copy_every(stride, from, &mut to[first..last]);
            }
        }
    }
}

/// `to[i] = from[i · stride]`
#[inline]
fn copy_every(stride: usize, from: &[f32], to: &mut [f32]) {
    match stride {
        1 => match to.as_chunks_mut::<LANES>() {
            // One vector rather than a call.
            ([to], []) => *to = *from.first_chunk().expect("as long as `to`"),
            _ => to.copy_from_slice(&from[..to.len()]),
        },
        2 => {
            let mut blocks = to.chunks_exact_mut(LANES);
            let mut pairs = from.chunks_exact(2 * LANES);
            let mut done = 0;
            for (to, from) in (&mut blocks).zip(&mut pairs) {
                to.copy_from_slice(&std::array::from_fn::<f32, LANES, _>(|i| from[2 * i]));
                done += LANES;
            }
            for (to, from) in to[done..]
                .iter_mut()
                .zip(from[2 * done..].iter().step_by(2))
            {
                *to = *from;
            }
        }
        _ => {
            for (to, from) in to.iter_mut().zip(from.iter().step_by(stride)) {
                *to = *from;
            }
        }
    }
}

/// What makes an output of a sum.
#[derive(Clone, Copy)]
pub(crate) struct Finish<'a> {
    /// Added, by channel.
    pub bias: Option<&'a [f32]>,
    /// Whether what is negative becomes 0.
    pub relu: bool,
}

impl Finish<'_> {
    /// For the sums of a channel.
    #[inline]
    pub(crate) fn of(&self, channel: usize) -> impl Fn(f32) -> f32 + Copy + use<> {
        let bias = self.bias.map_or(0.0, |bias| bias[channel]);
        let floor = if self.relu { 0.0 } else { f32::NEG_INFINITY };
        move |sum| {
            let y = sum + bias;
            // Not `max`, which would turn NaN into a number.
            if y < floor { floor } else { y }
        }
    }
}

/// Where the columns of a product go in a picture of the output.
pub(crate) struct Placement {
    /// Size of the output picture.
    pub size: [usize; 2],
    /// Stride between neighbouring columns of the product.
    pub stride: usize,
    /// First pixel.
    pub phase: [usize; 2],
    /// Rows and columns of this phase.
    pub count: [usize; 2],
}

impl Placement {
    /// Writes `finish` of what belongs to the picture.
    #[inline]
    pub(crate) fn place(
        &self,
        from: &[f32],
        plane_width: usize,
        to: &mut [MaybeUninit<f32>],
        finish: impl Fn(f32) -> f32,
    ) {
        for u in 0..self.count[0] {
            let from = &from[u * plane_width..][..self.count[1]];
            let to = &mut to[(self.stride * u + self.phase[0]) * self.size[1] + self.phase[1]..];
            write_every(self.stride, from, to, &finish);
        }
    }

    /// Pixels of this phase.
    pub(crate) fn count_pixels(&self) -> usize {
        self.count[0] * self.count[1]
    }

    /// Where in the packed input the columns of the product begin, those between rows and pictures
    /// left out.
    pub(crate) fn pixels(&self, packing: &Packing) -> Vec<usize> {
        let [rows, columns] = self.count;
        (0..packing.pictures * rows)
            .flat_map(|row| {
                let start = row / rows * packing.plane_floats() + row % rows * packing.plane[1];
                (0..columns).map(move |column| start + column)
            })
            .collect()
    }

    /// `[picture][pixel][width]` → pictures `[channel][row][column]`, through `finish`.
    ///
    /// `products` must have room for [`LANES`] pixels past the last one.
    #[inline]
    pub(crate) fn place_pixels(
        &self,
        products: &[f32],
        width: usize,
        pictures: usize,
        to: &mut [MaybeUninit<f32>],
        finish: Finish<'_>,
    ) {
        let area = self.size[0] * self.size[1];
        let channels = to.len() / (pictures * area);
        // A placement without gaps is one long row.
        let [rows, columns] = if self.stride == 1 && self.count == self.size {
            [1, area]
        } else {
            self.count
        };
        // Squares of pixels and channels, transposed on the way: where planes are a power of two
        // apart, lines of several channels written in turn would push each other out of the cache.
        let mut square = [0.0; LANES * LANES];
        for picture in 0..pictures {
            for first in (0..channels).step_by(LANES) {
                let lanes = first..channels.min(first + LANES);
                for u in 0..rows {
                    let row = (self.stride * u + self.phase[0]) * self.size[1] + self.phase[1];
                    for v in (0..columns).step_by(LANES) {
                        let count = LANES.min(columns - v);
                        let from = ((picture * rows + u) * columns + v) * width + first;
                        transpose(&products[from..], width, &mut square, LANES);
                        for (channel, square) in lanes.clone().zip(square.chunks_exact(LANES)) {
                            let at = (picture * channels + channel) * area + row + self.stride * v;
                            let to = &mut to[at..];
                            write_every(self.stride, &square[..count], to, finish.of(channel));
                        }
                    }
                }
            }
        }
    }
}

/// `to[i · stride] = finish(from[i])`
#[inline]
fn write_every(
    stride: usize,
    from: &[f32],
    to: &mut [MaybeUninit<f32>],
    finish: impl Fn(f32) -> f32,
) {
    if stride == 1 {
        for (to, from) in to.iter_mut().zip(from) {
            to.write(finish(*from));
        }
    } else {
        for (to, from) in to.iter_mut().step_by(stride).zip(from) {
            to.write(finish(*from));
        }
    }
}
