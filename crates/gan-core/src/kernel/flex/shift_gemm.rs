//! The two products a convolution is made of, without ever writing an im2col matrix.
//!
//! A convolution of stride 1 over rows laid end to end is a matrix product whose right-hand matrix
//! has overlapping rows: row `k` (a channel and a tap) is the channel's data read from an offset.
//! So the right-hand side is given as one buffer and a table of offsets.
//!
//! ```text
//! product:     C[m][n]  = Σ_k A[k][m] · B[offset[k] + n]
//! correlation: D[k][m] += Σ_n G[n][m] · B[offset[k] + n]
//! ```
//!
//! The first is here, the second in [`correlation`](super::correlation).

use super::simd::{Level, Vector, level};

/// Floats that may be read past the end of a row of `B`, and must be there.
pub(crate) const SLACK: usize = 64;

/// Rows of `C` computed together; the left-hand matrix is packed in panels of this many.
pub(crate) const PANEL: usize = 8;

/// Packs `A` (given by `value(m, k)`) into panels `[m / PANEL][k][m % PANEL]`; the last panel is as
/// narrow as what is left.
pub(crate) fn pack_panels(
    rows: usize,
    depth: usize,
    panels: &mut Vec<f32>,
    value: impl Fn(usize, usize) -> f32,
) {
    panels.clear();
    panels.reserve(rows * depth);
    for first in (0..rows).step_by(PANEL) {
        let height = PANEL.min(rows - first);
        for k in 0..depth {
            panels.extend((0..height).map(|m| value(first + m, k)));
        }
    }
}

/// `C[m][n] = Σ_k A[k][m] · B[offset[k] + n]` for `n < columns`; row `m` of `C` starts at
/// `m · row_stride`.
///
/// `B` must hold [`SLACK`] floats past the last column it is read at, and `C` past its last row.
pub(crate) fn product(
    panels: &[f32],
    rows: usize,
    offsets: &[usize],
    b: &[f32],
    columns: usize,
    c: &mut [f32],
    row_stride: usize,
) {
    let reach = offsets.iter().max().copied().unwrap_or(0) + columns + SLACK;
    assert!(b.len() >= reach, "B has {} floats of {reach}", b.len());
    assert_eq!(panels.len(), rows * offsets.len());
    assert!(rows == 0 || c.len() >= (rows - 1) * row_stride + columns + SLACK);
    assert!(row_stride >= columns + SLACK);
    let job = Product {
        panels,
        rows,
        offsets,
        b,
        columns,
        row_stride,
    };
    // SAFETY: bounds asserted above; the processor has the vectors of its level.
    unsafe {
        match level() {
            #[cfg(target_arch = "x86_64")]
            Level::Avx512 => job.run_avx512(c),
            #[cfg(target_arch = "x86_64")]
            Level::Avx2 => job.run_avx2(c),
            Level::Portable => job.run::<[f32; 8], 2, 4, 8>(c),
        }
    }
}

struct Product<'a> {
    panels: &'a [f32],
    rows: usize,
    offsets: &'a [usize],
    b: &'a [f32],
    columns: usize,
    row_stride: usize,
}

impl Product<'_> {
    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx512f")]
    unsafe fn run_avx512(&self, c: &mut [f32]) {
        unsafe { self.run::<std::arch::x86_64::__m512, 3, 4, 4>(c) }
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2,fma")]
    unsafe fn run_avx2(&self, c: &mut [f32]) {
        unsafe { self.run::<std::arch::x86_64::__m256, 1, 2, 4>(c) }
    }

    /// `W8`, `W4`, `W2`: vectors side by side for panels of 5–8, 3–4, 1–2 rows, so that the
    /// accumulators fill the registers.
    #[inline(always)]
    unsafe fn run<V: Vector, const W8: usize, const W4: usize, const W2: usize>(
        &self,
        c: &mut [f32],
    ) {
        let depth = self.offsets.len();
        for first in (0..self.rows).step_by(PANEL) {
            let height = PANEL.min(self.rows - first);
            let panel = &self.panels[first * depth..][..height * depth];
            let c = &mut c[first * self.row_stride..];
            unsafe {
                match height {
                    8 => self.panel::<V, 8, W8>(panel, c),
                    7 => self.panel::<V, 7, W8>(panel, c),
                    6 => self.panel::<V, 6, W8>(panel, c),
                    5 => self.panel::<V, 5, W8>(panel, c),
                    4 => self.panel::<V, 4, W4>(panel, c),
                    3 => self.panel::<V, 3, W4>(panel, c),
                    2 => self.panel::<V, 2, W2>(panel, c),
                    _ => self.panel::<V, 1, W2>(panel, c),
                }
            }
        }
    }

    #[inline(always)]
    unsafe fn panel<V: Vector, const M: usize, const W: usize>(
        &self,
        panel: &[f32],
        c: &mut [f32],
    ) {
        let mut n = 0;
        while n < self.columns {
            let c = unsafe { c.as_mut_ptr().add(n) };
            // The last tile is as narrow as what is left: 64 columns are 48 and 16.
            let vectors = (self.columns - n).div_ceil(V::LANES).min(W);
            unsafe {
                match vectors {
                    1 => self.tile::<V, M, 1>(panel, n, c),
                    2 if W > 2 => self.tile::<V, M, 2>(panel, n, c),
                    3 if W > 3 => self.tile::<V, M, 3>(panel, n, c),
                    _ => self.tile::<V, M, W>(panel, n, c),
                }
            }
            n += vectors * V::LANES;
        }
    }

    /// `M × (W · LANES)` values of `C`.
    #[inline(always)]
    unsafe fn tile<V: Vector, const M: usize, const W: usize>(
        &self,
        panel: &[f32],
        n: usize,
        c: *mut f32,
    ) {
        unsafe {
            let mut sums = [[V::zero(); W]; M];
            let b = self.b.as_ptr().add(n);
            let mut a = panel.as_ptr();
            for offset in self.offsets {
                let row = b.add(*offset);
                let mut columns = [V::zero(); W];
                for (w, column) in columns.iter_mut().enumerate() {
                    *column = V::load(row.add(w * V::LANES));
                }
                for (m, sums) in sums.iter_mut().enumerate() {
                    let factor = V::splat(a.add(m));
                    for (sum, column) in sums.iter_mut().zip(columns) {
                        *sum = sum.fma(factor, column);
                    }
                }
                a = a.add(M);
            }
            for (m, sums) in sums.iter().enumerate() {
                for (w, sum) in sums.iter().enumerate() {
                    sum.store(c.add(m * self.row_stride + w * V::LANES));
                }
            }
        }
    }
}
