//! The second product of [`shift_gemm`](super::shift_gemm): vectors along the rows of the result.

use super::simd::{Level, Vector, level};

/// Rows of `D` are padded to a multiple of this.
pub(crate) const LANES: usize = 16;

/// `G` lies in panels of so many of its rows, each `[columns][rows of the panel]`; the last one may be
/// narrower. What a tile reads is then one stretch of memory, whatever the width: columns that are a
/// power of two apart would push each other out of the first-level cache.
pub(crate) const PANEL: usize = 4 * LANES;

/// Runs of columns of `G`, and where `B` is read for the first column of each.
#[derive(Clone, Copy)]
pub(crate) struct Runs<'a> {
    /// Offset into `B` of the first column of every run; run `i` is columns `i · length …` of `G`.
    pub starts: &'a [usize],
    /// Columns in a run.
    pub length: usize,
    /// From one column of a run to the next in `B`.
    pub step: usize,
}

/// Columns of `G` per pass: those of a panel, 32 KiB, stay in the first-level cache.
const STRETCH: usize = 128;

/// `D[k][m] += Σ_n G[n][m] · B[offset[k] + n]`, with the columns `n` of `B` given as runs; what `D`
/// held before counts only if `add`.
///
/// `G` is in panels of `[columns][PANEL]` ([`PANEL`]) and `D` `[offsets.len()][width]`, with `width` a
/// multiple of [`LANES`]: the vectors run along `m`, so nothing has to be summed across a vector.
pub(crate) fn correlation(
    g: &[f32],
    width: usize,
    offsets: &[usize],
    b: &[f32],
    runs: &Runs<'_>,
    add: bool,
    d: &mut [f32],
) {
    let job = Correlation {
        g,
        width,
        offsets,
        b,
        runs,
        add,
    };
    job.compute(level(), d);
}

struct Correlation<'a> {
    g: &'a [f32],
    width: usize,
    offsets: &'a [usize],
    b: &'a [f32],
    runs: &'a Runs<'a>,
    add: bool,
}

impl Correlation<'_> {
    /// With the vectors of a level, which the processor has.
    fn compute(&self, level: Level, d: &mut [f32]) {
        let (offsets, runs) = (self.offsets, self.runs);
        assert!(self.width.is_multiple_of(LANES));
        assert_eq!(self.g.len(), runs.starts.len() * runs.length * self.width);
        assert_eq!(d.len(), offsets.len() * self.width);
        let last = |values: &[usize]| values.iter().max().copied().unwrap_or(0);
        let run = runs.length.saturating_sub(1) * runs.step + 1;
        let (reach, floats) = (last(offsets) + last(runs.starts) + run, self.b.len());
        assert!(floats >= reach, "B has {floats} floats of {reach}");
        if runs.starts.is_empty() && !self.add {
            d.fill(0.0);
        }
        // SAFETY: bounds asserted above; the processor has the vectors of its level.
        unsafe {
            match level {
                #[cfg(target_arch = "x86_64")]
                Level::Avx512 => self.run_avx512(d),
                #[cfg(target_arch = "x86_64")]
                Level::Avx2 => self.run_avx2(d),
                Level::Portable => self.run_narrow::<[f32; 8]>(d),
            }
        }
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx512f")]
    unsafe fn run_avx512(&self, d: &mut [f32]) {
        use std::arch::x86_64::__m512;
        for m in (0..self.width).step_by(PANEL) {
            // SAFETY: within a function with the feature; bounds asserted in `compute`.
            unsafe {
                match (self.width - m) / LANES {
                    0 => unreachable!("the width is a multiple of LANES"),
                    1 => self.columns::<__m512, 1, 12>(m, d),
                    2 => self.columns::<__m512, 2, 8>(m, d),
                    3 => self.columns::<__m512, 3, 8>(m, d),
                    _ => self.columns::<__m512, 4, 6>(m, d),
                }
            }
        }
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2,fma")]
    unsafe fn run_avx2(&self, d: &mut [f32]) {
        unsafe { self.run_narrow::<std::arch::x86_64::__m256>(d) }
    }

    /// For sixteen registers of eight lanes.
    #[inline(always)]
    unsafe fn run_narrow<V: Vector>(&self, d: &mut [f32]) {
        for m in (0..self.width).step_by(LANES) {
            unsafe { self.columns::<V, 2, 6>(m, d) };
        }
    }

    /// Columns `m .. m + M · V::LANES` of `D`, in passes over about [`STRETCH`] columns of `G`.
    #[inline(always)]
    unsafe fn columns<V: Vector, const M: usize, const K: usize>(&self, m: usize, d: &mut [f32]) {
        let step = (STRETCH / self.runs.length.max(1)).max(1);
        let count = self.runs.starts.len();
        for first in (0..count).step_by(step) {
            unsafe { self.block::<V, M, K>(m, &(first..count.min(first + step)), d) };
        }
    }

    /// The sums over a range of runs.
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
            if self.add || runs.start > 0 {
                for (k, sums) in sums.iter_mut().enumerate() {
                    for (i, sum) in sums.iter_mut().enumerate() {
                        *sum = V::load(d.add(k * self.width + i * V::LANES));
                    }
                }
            }
            let mut offsets = [0; K];
            offsets.copy_from_slice(&self.offsets[k..k + K]);
            let panel = m / PANEL * PANEL;
            let height = PANEL.min(self.width - panel);
            let columns = self.runs.starts.len() * self.runs.length;
            let first = columns * panel + runs.start * self.runs.length * height;
            let mut g = self.g.as_ptr().add(first + m - panel);
            for start in &self.runs.starts[runs.clone()] {
                let b = self.b.as_ptr().add(*start);
                for n in (0..self.runs.length).map(|n| n * self.runs.step) {
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
                    g = g.add(height);
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

#[cfg(test)]
mod tests {
    use super::super::simd::tests::levels;
    use super::*;
    use crate::rng::Stream;

    /// `[columns][width]` in panels.
    fn panels(rows: &[f32], width: usize) -> Vec<f32> {
        let firsts = (0..width).step_by(PANEL);
        let panel = |first: usize| {
            let lanes = first..width.min(first + PANEL);
            let columns = rows.chunks(width);
            columns.flat_map(move |row| row[lanes.clone()].to_vec())
        };
        firsts.flat_map(panel).collect()
    }

    /// Widths of one vector to more than two panels; columns of less than a stretch and of more; rows of all tiles.
    #[test]
    fn correlations_equal_their_definition_with_the_vectors_of_every_level() {
        let mut stream = Stream::new(1, "correlation", 0);
        for (width, rows, starts, length, step) in [
            (16, 1, 1, 1, 1),
            (16, 29, 300, 1, 1),
            (32, 19, 131, 1, 1),
            (48, 13, 5, 3, 2),
            (64, 11, 129, 1, 1),
            (80, 23, 40, 7, 1),
            (144, 9, 13, 21, 2),
            (448, 7, 2, 260, 3),
        ] {
            let offsets: Vec<usize> = (0..rows).map(|k| (k * 7) % 31).collect();
            let starts: Vec<usize> = (0..starts).map(|i| (i * 5) % 41).collect();
            let runs = Runs {
                starts: &starts,
                length,
                step,
            };
            let columns = starts.len() * length;
            let g = stream.normals(columns * width);
            let b = stream.normals(72 + step * length);
            let before = stream.normals(rows * width);
            for add in [false, true] {
                let expected = |k: usize, m: usize| {
                    let terms = (0..columns).map(|n| {
                        let at = starts[n / length] + n % length * step + offsets[k];
                        f64::from(g[n * width + m]) * f64::from(b[at])
                    });
                    let held = if add { before[k * width + m] } else { 0.0 };
                    terms.sum::<f64>() + f64::from(held)
                };
                let job = Correlation {
                    g: &panels(&g, width),
                    width,
                    offsets: &offsets,
                    b: &b,
                    runs: &runs,
                    add,
                };
                for level in levels() {
                    let mut d = before.clone();
                    job.compute(level, &mut d);
                    let scale = (columns as f64).sqrt();
                    for (i, ours) in d.iter().enumerate() {
                        let theirs = expected(i / width, i % width);
                        assert!(
                            (f64::from(*ours) - theirs).abs() < 1e-5 * scale,
                            "{level:?}, width {width} at {i}: {ours}, not {theirs}"
                        );
                    }
                }
            }
        }
    }
}
