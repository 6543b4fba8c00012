//! Pictures as zero-padded planes laid end to end, and products laid out as pictures again.

use std::mem::MaybeUninit;
use std::ops::Range;

use super::correlation::LANES;
use super::shift_gemm::SLACK;
use super::simd::transpose;

/// Zero-padded planes of a few pictures, `[channel][picture][row][column]`; or the pictures as they are.
#[derive(Clone, Copy)]
pub(crate) struct Packing {
    pub channels: usize,
    pub size: [usize; 2],
    /// Zeros before the first row and column.
    pub before: [usize; 2],
    pub plane: [usize; 2],
    /// Pictures the rows have room for.
    pub pictures: usize,
    /// Zeros past the end of a row that a tap may reach.
    pub tail: usize,
    /// Nothing is packed: `[picture][channel][row][column]`, read where it is.
    pub in_place: bool,
}

impl Packing {
    pub(crate) fn plane_floats(&self) -> usize {
        self.plane[0] * self.plane[1]
    }

    /// From a channel to the next one.
    pub(crate) fn channel_stride(&self) -> usize {
        if self.in_place {
            return self.plane_floats();
        }
        let columns = self.pictures * self.plane_floats();
        columns.next_multiple_of(16) + self.tail + SLACK
    }

    /// From a picture to the next one.
    pub(crate) fn picture_stride(&self) -> usize {
        let planes = if self.in_place { self.channels } else { 1 };
        planes * self.plane_floats()
    }

    pub(crate) fn floats(&self) -> usize {
        let pictures = if self.in_place { self.pictures } else { 1 };
        pictures * self.channels * self.channel_stride()
    }

    /// The same without packing, if there are no zeros in it.
    ///
    /// Channels that are a whole number of kilobytes apart stay packed: their lines would push each other out of
    /// the cache.
    pub(crate) fn in_place_if_whole(self) -> Self {
        let whole = self.plane == self.size && self.before == [0, 0];
        Self {
            in_place: whole && !self.plane_floats().is_multiple_of(256),
            ..self
        }
    }

    /// Fills the planes of `channels` (the first of them at the beginning of `to`) from pictures
    /// `[n][c][h][w]`.
    #[inline]
    pub(crate) fn pack(&self, from: &[f32], channels: Range<usize>, to: &mut [f32]) {
        let area = self.size[0] * self.size[1];
        let pictures = from.len() / (self.channels * area);
        for (channel, to) in channels.zip(to.chunks_mut(self.channel_stride())) {
            for picture in 0..pictures {
                let from = &from[(picture * self.channels + channel) * area..];
                self.pack_plane(from, &mut to[picture * self.plane_floats()..]);
            }
            to[pictures * self.plane_floats()..].fill(0.0);
        }
    }

    /// Writes a plane, and perhaps something past its end, from the picture that `from` begins with.
    #[inline]
    fn pack_plane(&self, from: &[f32], to: &mut [f32]) {
        let [height, width] = self.size;
        let first = self.before[1];
        let last = first + width;
        for u in 0..self.plane[0] {
            let to = &mut to[u * self.plane[1]..];
            let y = u.wrapping_sub(self.before[0]);
            if y >= height {
                to[..self.plane[1]].fill(0.0);
                continue;
            }
            let from = &from[y * width..];
            if self.plane[1] <= LANES && to.len() >= last + LANES && from.len() >= LANES {
                // Whole vectors; what they write too much is written over by what comes next.
                to[..LANES].fill(0.0);
                to[first..first + LANES].copy_from_slice(&from[..LANES]);
                to[last..last + LANES].fill(0.0);
            } else {
                to[..first].fill(0.0);
                to[first..last].copy_from_slice(&from[..width]);
                to[last..self.plane[1]].fill(0.0);
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
        if self.count[1] == 0 {
            return; // The first column of this phase lies outside.
        }
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

    /// Where in the input the pixels of the product begin to read, `step` of its pixels apart.
    pub(crate) fn pixels(&self, packing: &Packing, step: usize) -> Vec<usize> {
        let [rows, columns] = self.count;
        (0..packing.pictures * rows)
            .flat_map(|row| {
                let (picture, u) = (row / rows, row % rows);
                let start = picture * packing.picture_stride() + step * u * packing.plane[1];
                (0..columns).map(move |column| start + step * column)
            })
            .collect()
    }

    /// `[pixel][width]` → pictures `[channel][row][column]`, through `finish`. `pixels` are numbered through
    /// all pictures, and `to` is all of these.
    ///
    /// `products` must have room for [`LANES`] pixels past the last one.
    #[inline]
    pub(crate) fn place_pixels(
        &self,
        products: &[f32],
        width: usize,
        pixels: Range<usize>,
        channels: usize,
        to: &mut [MaybeUninit<f32>],
        finish: Finish<'_>,
    ) {
        let area = self.size[0] * self.size[1];
        // A placement without gaps is one long row.
        let [rows, columns] = if self.stride == 1 && self.count == self.size {
            [1, area]
        } else {
            self.count
        };
        // Squares of pixels and channels, transposed on the way: where planes are a power of two
        // apart, lines of several channels written in turn would push each other out of the cache.
        let mut square = [0.0; LANES * LANES];
        let mut pixel = pixels.start;
        while pixel < pixels.end {
            let (line, column) = (pixel / columns, pixel % columns);
            let end = pixels.end.min((line + 1) * columns);
            let (picture, u) = (line / rows, line % rows);
            let row = (self.stride * u + self.phase[0]) * self.size[1] + self.phase[1];
            for first in (0..channels).step_by(LANES) {
                let lanes = first..channels.min(first + LANES);
                for i in (pixel..end).step_by(LANES) {
                    let count = LANES.min(end - i);
                    let from = &products[(i - pixels.start) * width + first..];
                    transpose(from, width, &mut square, LANES);
                    let at = row + self.stride * (column + i - pixel);
                    for (channel, square) in lanes.clone().zip(square.chunks_exact(LANES)) {
                        let to = &mut to[(picture * channels + channel) * area + at..];
                        write_every(self.stride, &square[..count], to, finish.of(channel));
                    }
                }
            }
            pixel = end;
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
