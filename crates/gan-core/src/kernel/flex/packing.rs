//! Pictures as zero-padded planes laid end to end, and products laid out as pictures again.

use std::mem::MaybeUninit;
use std::ops::Range;

use super::shift_gemm::SLACK;

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
                let from = &from
                    [picture * picture_floats + channel * self.size[0] * self.size[1]..]
                    [..self.size[0] * self.size[1]];
                let to = &mut to[picture * self.plane_floats()..][..self.plane_floats()];
                self.pack_plane(from, phase, to);
            }
            to[pictures * self.plane_floats()..].fill(0.0);
        }
    }

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
        for (u, to) in to.chunks_mut(self.plane[1]).enumerate() {
            let y = (stride * u + phase[0]).wrapping_sub(self.before[0]);
            if y >= height || first >= last {
                to.fill(0.0);
                continue;
            }
            let from = &from[y * width..][..width];
            let start = stride * first + phase[1] - self.before[1];
            to[..first].fill(0.0);
            to[last..].fill(0.0);
            let to = &mut to[first..last];
            match stride {
                1 => to.copy_from_slice(&from[start..start + to.len()]),
                2 => {
                    for (to, from) in to.iter_mut().zip(from[start..].chunks(2)) {
                        *to = from[0];
                    }
                }
                _ => {
                    for (to, from) in to.iter_mut().zip(from[start..].iter().step_by(stride)) {
                        *to = *from;
                    }
                }
            }
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
            if self.stride == 1 {
                for (to, from) in to.iter_mut().zip(from) {
                    to.write(finish(*from));
                }
            } else {
                for (to, from) in to.iter_mut().step_by(self.stride).zip(from) {
                    to.write(finish(*from));
                }
            }
        }
    }
}
