//! The two products a convolution is made of, without ever writing an im2col matrix.
//!
//! A convolution of stride 1 over rows laid end to end is a matrix product whose right-hand matrix
//! has overlapping rows: row `k` (a channel and a tap) is the channel's data read from an offset.
//! So the right-hand side is given as one buffer and a table of offsets.
//!
//! ```text
//! product:     C[m][n]  = Σ_k A[k][m] · B[offset[k] + n]
//! correlation: D[m][k] += Σ_n G[m][n] · B[offset[k] + n]
//! ```

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

/// Rows of `D` are padded to a multiple of this.
pub(crate) const LANES: usize = 16;

/// Runs of columns of `G`, and where `B` is read for the first column of each.
pub(crate) struct Runs {
    /// Offset into `B` of the first column of every run; run `i` is columns `i · length …` of `G`.
    pub starts: Vec<usize>,
    /// Columns in a run.
    pub length: usize,
}

/// Columns of `G` per pass, so that they and what they meet of `B` stay in the second-level cache.
const STRETCH: usize = 256;

/// `D[k][m] += Σ_n G[n][m] · B[offset[k] + n]`, with the columns `n` of `B` given as runs.
///
/// `G` is `[columns][width]` and `D` `[offsets.len()][width]`, with `width` a multiple of
/// [`LANES`]: the vectors run along `m`, so nothing has to be summed across a vector.
pub(crate) fn correlation(
    g: &[f32],
    width: usize,
    offsets: &[usize],
    b: &[f32],
    runs: &Runs,
    d: &mut [f32],
) {
    assert!(width.is_multiple_of(LANES));
    assert_eq!(g.len(), runs.starts.len() * runs.length * width);
    assert_eq!(d.len(), offsets.len() * width);
    let last = |values: &[usize]| values.iter().max().copied().unwrap_or(0);
    let reach = last(offsets) + last(&runs.starts) + runs.length;
    assert!(b.len() >= reach, "B has {} floats of {reach}", b.len());
    let job = Correlation {
        g,
        width,
        offsets,
        b,
        runs,
    };
    // SAFETY: bounds asserted above; the processor has the vectors of its level.
    unsafe {
        match level() {
            #[cfg(target_arch = "x86_64")]
            Level::Avx512 => job.run_avx512(d),
            #[cfg(target_arch = "x86_64")]
            Level::Avx2 => job.run_avx2(d),
            Level::Portable => job.run_narrow::<[f32; 8]>(d),
        }
    }
}

struct Correlation<'a> {
    g: &'a [f32],
    width: usize,
    offsets: &'a [usize],
    b: &'a [f32],
    runs: &'a Runs,
}

impl Correlation<'_> {
    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx512f")]
    unsafe fn run_avx512(&self, d: &mut [f32]) {
        use std::arch::x86_64::__m512;
        self.stretches(|runs| {
            let mut m = 0;
            while m < self.width {
                // SAFETY: within a function with the feature; bounds asserted in `correlation`.
                unsafe {
                    match (self.width - m) / LANES {
                        0 => unreachable!("the width is a multiple of LANES"),
                        1 => self.block::<__m512, 1, 12>(m, &runs, d),
                        2 => self.block::<__m512, 2, 8>(m, &runs, d),
                        3 => self.block::<__m512, 3, 8>(m, &runs, d),
                        _ => self.block::<__m512, 4, 6>(m, &runs, d),
                    }
                }
                m += LANES * ((self.width - m) / LANES).min(4);
            }
        });
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2,fma")]
    unsafe fn run_avx2(&self, d: &mut [f32]) {
        unsafe { self.run_narrow::<std::arch::x86_64::__m256>(d) }
    }

    /// For sixteen registers of eight lanes.
    #[inline(always)]
    unsafe fn run_narrow<V: Vector>(&self, d: &mut [f32]) {
        self.stretches(|runs| {
            for m in (0..self.width).step_by(LANES) {
                unsafe { self.block::<V, 2, 6>(m, &runs, d) };
            }
        });
    }

    /// Ranges of runs of about [`STRETCH`] columns.
    #[inline(always)]
    fn stretches(&self, mut work: impl FnMut(std::ops::Range<usize>)) {
        let step = (STRETCH / self.runs.length.max(1)).max(1);
        let count = self.runs.starts.len();
        for first in (0..count).step_by(step) {
            work(first..count.min(first + step));
        }
    }

    /// Columns `m .. m + M · LANES` of `D`.
    #[inline(always)]
    unsafe fn block<V: Vector, const M: usize, const K: usize>(
        &self,
        m: usize,
        runs: &std::ops::Range<usize>,
        d: &mut [f32],
    ) {
        let mut k = 0;
        let depth = self.offsets.len();
        while k < depth {
            unsafe {
                let d = d.as_mut_ptr().add(k * self.width + m);
                if depth - k >= K {
                    self.tile::<V, M, K>(m, k, runs, d);
                    k += K;
                } else if depth - k >= 4 {
                    self.tile::<V, M, 4>(m, k, runs, d);
                    k += 4;
                } else {
                    self.tile::<V, M, 1>(m, k, runs, d);
                    k += 1;
                }
            }
        }
    }

    #[inline(always)]
    unsafe fn tile<V: Vector, const M: usize, const K: usize>(
        &self,
        m: usize,
        k: usize,
        runs: &std::ops::Range<usize>,
        d: *mut f32,
    ) {
        unsafe {
            let mut sums = [[V::zero(); M]; K];
            for (k, sums) in sums.iter_mut().enumerate() {
                for (i, sum) in sums.iter_mut().enumerate() {
                    *sum = V::load(d.add(k * self.width + i * V::LANES));
                }
            }
            let mut offsets = [0; K];
            offsets.copy_from_slice(&self.offsets[k..k + K]);
            let mut g = self
                .g
                .as_ptr()
                .add(runs.start * self.runs.length * self.width + m);
            for start in &self.runs.starts[runs.clone()] {
                let b = self.b.as_ptr().add(*start);
                for n in 0..self.runs.length {
                    let mut left = [V::zero(); M];
                    for (i, left) in left.iter_mut().enumerate() {
                        *left = V::load(g.add(i * V::LANES));
                    }
                    for (sums, offset) in sums.iter_mut().zip(offsets) {
                        let right = V::splat(b.add(offset + n));
                        for (sum, left) in sums.iter_mut().zip(left) {
                            *sum = sum.fma(left, right);
                        }
                    }
                    g = g.add(self.width);
                }
            }
            for (k, sums) in sums.iter().enumerate() {
                for (i, sum) in sums.iter().enumerate() {
                    sum.store(d.add(k * self.width + i * V::LANES));
                }
            }
        }
    }
}
