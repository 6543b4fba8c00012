//! The products of a dense layer.
//!
//! ```text
//! C[m][n] = start[m] + Σ_k A(m, k) · B(k, n)
//! ```
//!
//! A library for products of any kind packs both sides. Here a batch is small and a weight is large, so
//! packing the weight would cost as much as multiplying with it. `A` is read where it lies, one number for
//! a whole row of a tile; only `B` is packed, a panel of a few vectors of columns at a time. Whoever calls
//! chooses the sides so that the weight is `A`, or a `B` whose rows are copied as they lie.

use std::cell::Cell;
use std::ops::Range;

use super::buffer::{grow, initialised, uninitialised};
use super::simd::{Level, Vector, level, transpose_block};
use super::team::each;

/// Rows of a tile, and vectors of columns in a panel with AVX-512 and without: so the sums of a tile fill the
/// registers.
const TILE: usize = 6;
const VECTORS_AVX512: usize = 4;
const VECTORS: usize = 2;

/// Rows that use a part of a panel one after the other, while it is in the first-level cache.
const BLOCK: usize = 48;

/// Rows of a panel used in one go: 32 KiB with vectors of sixteen.
const DEPTH: usize = 128;

/// Products with fewer multiplications stay on one thread.
const SERIAL: usize = 1 << 18;

thread_local! {
    /// A packed panel, and a block of the result.
    static BUFFER: Cell<Vec<f32>> = const { Cell::new(Vec::new()) };
}

/// A matrix in memory: element `(i, j)` is `values[i · row + j · column]`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct View<'a> {
    values: &'a [f32],
    row: usize,
    column: usize,
}

impl<'a> View<'a> {
    /// A matrix whose rows of `width` lie one after the other.
    pub(crate) fn rows(values: &'a [f32], width: usize) -> Self {
        Self {
            values,
            row: width,
            column: 1,
        }
    }

    /// Its transpose.
    pub(crate) fn transposed(self) -> Self {
        Self {
            row: self.column,
            column: self.row,
            ..self
        }
    }

    fn covers(&self, rows: usize, columns: usize) -> bool {
        rows * columns == 0
            || self.values.len() > (rows - 1) * self.row + (columns - 1) * self.column
    }
}

/// Whether the products below are compiled for the vectors of this processor.
pub(crate) fn is_fast() -> bool {
    level() != Level::Portable
}

/// `A · B` of `[m, k]` and `[k, n]`, row by row.
pub(crate) fn product(a: View, b: View, [m, k, n]: [usize; 3]) -> Vec<f32> {
    compute(level(), a, b, [m, k, n], None, false)
}

/// `(A · B)ᵀ`, row by row, with `start[m]` added to what row `m` of the product becomes.
pub(crate) fn transposed_product(
    a: View,
    b: View,
    [m, k, n]: [usize; 3],
    start: Option<&[f32]>,
) -> Vec<f32> {
    compute(level(), a, b, [m, k, n], start, true)
}

fn compute(
    level: Level,
    a: View,
    b: View,
    [m, k, n]: [usize; 3],
    start: Option<&[f32]>,
    transposed: bool,
) -> Vec<f32> {
    assert!(
        a.covers(m, k),
        "A has {} floats of {m} × {k}",
        a.values.len()
    );
    assert!(
        b.covers(k, n),
        "B has {} floats of {k} × {n}",
        b.values.len()
    );
    assert!(start.is_none_or(|start| start.len() == m));
    if k == 0 {
        let start = |i: usize| start.map_or(0.0, |start| start[i % m]);
        return (0..m * n)
            .map(|i| if transposed { start(i) } else { 0.0 })
            .collect();
    }
    let mut c = uninitialised(m * n);
    let work = Work {
        level,
        a,
        b,
        size: [m, k, n],
        start,
        transposed,
        c: c.as_mut_ptr().cast(),
    };
    work.run();
    // SAFETY: the tasks cover all rows and columns.
    unsafe { initialised(c) }
}

/// A product that several threads work on.
struct Work<'a> {
    level: Level,
    a: View<'a>,
    b: View<'a>,
    /// Rows, depth and columns.
    size: [usize; 3],
    start: Option<&'a [f32]>,
    transposed: bool,
    c: *mut f32,
}

// SAFETY: every task writes elements of `c` that no other task touches.
unsafe impl Sync for Work<'_> {}

/// A tile of the result on its way.
struct Tile<'a> {
    a: *const f32,
    panel: &'a [f32],
    c: *mut f32,
    c_row: usize,
    /// Whether `c` holds a part of the sum already.
    goes_on: bool,
    /// What the sums of the rows start with.
    start: Option<&'a [f32]>,
}

impl Work<'_> {
    /// Tasks are panels of columns, and parts of the rows where there are few panels. A sum is made by
    /// one task in one order, so that the result does not depend on how many there are.
    fn run(&self) {
        let [m, k, n] = self.size;
        let width = match self.level {
            #[cfg(target_arch = "x86_64")]
            Level::Avx512 => VECTORS_AVX512 * 16,
            _ => VECTORS * 8,
        };
        let panels = n.div_ceil(width);
        let threads = rayon::current_num_threads();
        let is_serial = threads == 1 || m * k * n < SERIAL;
        let parts = if is_serial {
            1
        } else {
            (2 * threads).div_ceil(panels.max(1)).min(m.div_ceil(BLOCK))
        };
        let rows = m.div_ceil(parts.max(1)).next_multiple_of(TILE);
        let parts = m.div_ceil(rows.max(1));
        let task = |i: usize| {
            let first = i % parts * rows;
            let rows = first..m.min(first + rows);
            // SAFETY: the processor has the vectors of its level; `compute` checked the bounds.
            unsafe {
                match self.level {
                    #[cfg(target_arch = "x86_64")]
                    Level::Avx512 => self.task_avx512(i / parts * width, rows),
                    #[cfg(target_arch = "x86_64")]
                    Level::Avx2 => self.task_avx2(i / parts * width, rows),
                    Level::Portable => self.task::<[f32; 8], VECTORS>(i / parts * width, rows),
                }
            }
        };
        if is_serial {
            (0..panels * parts).for_each(task);
        } else {
            each(panels * parts, task);
        }
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
    unsafe fn task_avx512(&self, first: usize, rows: Range<usize>) {
        unsafe { self.task::<std::arch::x86_64::__m512, VECTORS_AVX512>(first, rows) }
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2,fma")]
    unsafe fn task_avx2(&self, first: usize, rows: Range<usize>) {
        unsafe { self.task::<std::arch::x86_64::__m256, VECTORS>(first, rows) }
    }

    /// The given rows of the panel that begins at column `first`.
    #[inline(always)]
    unsafe fn task<V: Vector, const W: usize>(&self, first: usize, rows: Range<usize>) {
        let [_, k, n] = self.size;
        let columns = (n - first).min(W * V::LANES);
        let width = columns.next_multiple_of(V::LANES);
        // Taken out rather than borrowed, as in the other kernels.
        let mut buffer = BUFFER.take();
        let floats = grow(&mut buffer, (k + BLOCK) * width);
        let (panel, block) = floats.split_at_mut(k * width);
        unsafe { self.pack(first, columns, panel, width) };
        // Straight to its place where a row of the block is a row of the result.
        let is_direct = !self.transposed && columns == width;
        for row in rows.clone().step_by(BLOCK) {
            let height = BLOCK.min(rows.end - row);
            let (c, c_row) = if is_direct {
                (unsafe { self.c.add(row * n + first) }, n)
            } else {
                (block.as_mut_ptr(), width)
            };
            for from in (0..k).step_by(DEPTH) {
                let panel = &panel[from * width..k.min(from + DEPTH) * width];
                for m in (0..height).step_by(TILE) {
                    let a = (row + m) * self.a.row + from * self.a.column;
                    let tile = Tile {
                        a: unsafe { self.a.values.as_ptr().add(a) },
                        panel,
                        c: unsafe { c.add(m * c_row) },
                        c_row,
                        goes_on: from > 0,
                        start: self.start.map(|start| &start[row + m..]),
                    };
                    unsafe { self.by_height::<V, W>(TILE.min(height - m), width, &tile) };
                }
            }
            if !is_direct {
                unsafe { self.place(block, width, row..row + height, first..first + columns) };
            }
        }
        BUFFER.set(buffer);
    }

    /// Columns `first..first + columns` of `B`, a row of `width` floats for each step of the depth. What is
    /// beyond them is not written, and of what is made from it nobody reads anything.
    #[inline(always)]
    unsafe fn pack(&self, first: usize, columns: usize, panel: &mut [f32], width: usize) {
        let View {
            values,
            row,
            column,
        } = self.b;
        if column == 1 {
            for (k, to) in panel.chunks_exact_mut(width).enumerate() {
                to[..columns].copy_from_slice(&values[k * row + first..][..columns]);
            }
        } else {
            let size = [columns, self.size[1]];
            let from = &values[first * column];
            // SAFETY: `B` covers its columns, and the panel has a row for each step of the depth.
            unsafe { transpose_block(from, column, size, panel.as_mut_ptr(), width) };
        }
    }

    /// Moves a block of the result to its place.
    #[inline(always)]
    unsafe fn place(&self, block: &[f32], width: usize, rows: Range<usize>, columns: Range<usize>) {
        let [m, _, n] = self.size;
        unsafe {
            if self.transposed {
                let to = self.c.add(columns.start * m + rows.start);
                transpose_block(block.as_ptr(), width, [rows.len(), columns.len()], to, m);
            } else {
                for (row, from) in rows.zip(block.chunks_exact(width)) {
                    let to = self.c.add(row * n + columns.start);
                    to.copy_from_nonoverlapping(from.as_ptr(), columns.len());
                }
            }
        }
    }

    #[inline(always)]
    unsafe fn by_height<V: Vector, const W: usize>(
        &self,
        height: usize,
        width: usize,
        tile: &Tile,
    ) {
        let vectors = width / V::LANES;
        unsafe {
            match height {
                6 => self.by_width::<V, 6, W>(vectors, tile),
                5 => self.by_width::<V, 5, W>(vectors, tile),
                4 => self.by_width::<V, 4, W>(vectors, tile),
                3 => self.by_width::<V, 3, W>(vectors, tile),
                2 => self.by_width::<V, 2, W>(vectors, tile),
                _ => self.by_width::<V, 1, W>(vectors, tile),
            }
        }
    }

    #[inline(always)]
    unsafe fn by_width<V: Vector, const M: usize, const W: usize>(
        &self,
        vectors: usize,
        tile: &Tile,
    ) {
        unsafe {
            match vectors {
                1 => self.tile::<V, M, 1>(tile),
                2 if W > 2 => self.tile::<V, M, 2>(tile),
                3 if W > 3 => self.tile::<V, M, 3>(tile),
                _ => self.tile::<V, M, W>(tile),
            }
        }
    }

    /// `M × (W · LANES)` sums over the rows of a part of a panel.
    #[inline(always)]
    unsafe fn tile<V: Vector, const M: usize, const W: usize>(&self, tile: &Tile) {
        let at = |m: usize, w: usize| unsafe { tile.c.add(m * tile.c_row + w * V::LANES) };
        unsafe {
            let mut sums = [[V::zero(); W]; M];
            for (m, sums) in sums.iter_mut().enumerate() {
                for (w, sum) in sums.iter_mut().enumerate() {
                    if tile.goes_on {
                        *sum = V::load(at(m, w));
                    } else if let Some(start) = tile.start {
                        *sum = V::splat(&start[m]);
                    }
                }
            }
            let mut a = tile.a;
            for row in tile.panel.chunks_exact(W * V::LANES) {
                let mut columns = [V::zero(); W];
                for (w, column) in columns.iter_mut().enumerate() {
                    *column = V::load(row.as_ptr().add(w * V::LANES));
                }
                for (m, sums) in sums.iter_mut().enumerate() {
                    let factor = V::splat(a.add(m * self.a.row));
                    for (sum, column) in sums.iter_mut().zip(columns) {
                        *sum = sum.fma(factor, column);
                    }
                }
                a = a.wrapping_add(self.a.column);
            }
            for (m, sums) in sums.iter().enumerate() {
                for (w, sum) in sums.iter().enumerate() {
                    sum.store(at(m, w));
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

    fn values(stream: &mut Stream, count: usize) -> Vec<f32> {
        (0..count).map(|_| stream.unit() - 0.5).collect()
    }

    /// In `f64`, as the formula says.
    fn wanted(a: View, b: View, [m, k, n]: [usize; 3], start: Option<&[f32]>) -> Vec<f64> {
        let at = |x: View, i, j| f64::from(x.values[i * x.row + j * x.column]);
        (0..m * n)
            .map(|i| {
                let sum: f64 = (0..k).map(|k| at(a, i / n, k) * at(b, k, i % n)).sum();
                sum + start.map_or(0.0, |start| f64::from(start[i / n]))
            })
            .collect()
    }

    fn assert_near(found: &[f32], wanted: impl Iterator<Item = f64>, case: &str) {
        let mut count = 0;
        for (i, (found, wanted)) in found.iter().zip(wanted).enumerate() {
            assert!(
                (f64::from(*found) - wanted).abs() < 1e-4,
                "{case}: {i}: {found}, {wanted}"
            );
            count += 1;
        }
        assert_eq!(count, found.len(), "{case}");
    }

    /// Sizes at, below and above the tile, the block, the panel and the depth.
    const SIZES: [[usize; 3]; 12] = [
        [1, 1, 1],
        [6, 128, 64],
        [7, 129, 65],
        [5, 3, 16],
        [64, 100, 31],
        [48, 17, 48],
        [49, 256, 15],
        [130, 300, 129],
        [97, 64, 784],
        [2, 700, 80],
        [0, 3, 4],
        [3, 0, 4],
    ];

    #[test]
    fn every_layout_equals_the_formula() {
        let mut stream = Stream::new(3, "product", 0);
        for (level, size @ [m, k, n]) in levels().into_iter().flat_map(|l| SIZES.map(|s| (l, s))) {
            let (a, b) = (values(&mut stream, m * k), values(&mut stream, k * n));
            let start = values(&mut stream, m);
            for a in [View::rows(&a, k), View::rows(&a, m).transposed()] {
                for b in [View::rows(&b, n), View::rows(&b, k).transposed()] {
                    let case = format!("{level:?}, {size:?}, {}, {}", a.column, b.column);
                    let plain = wanted(a, b, size, None);
                    let found = compute(level, a, b, size, None, false);
                    assert_near(&found, plain.into_iter(), &case);
                    let started = wanted(a, b, size, Some(&start));
                    let columns = (0..m * n).map(|i| started[i % m * n + i / m]);
                    let found = compute(level, a, b, size, Some(&start), true);
                    assert_near(&found, columns, &case);
                }
            }
        }
    }

    #[test]
    fn threads_do_not_change_a_bit() {
        let mut stream = Stream::new(3, "product", 1);
        let size @ [m, k, n] = [200, 130, 100];
        let (a, b) = (values(&mut stream, m * k), values(&mut stream, k * n));
        let run = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
            let (a, b) = (View::rows(&a, k), View::rows(&b, n));
            pool.expect("threads").install(|| product(a, b, size))
        };
        assert_eq!(run(1), run(2));
        assert_eq!(run(1), run(7));
    }

    #[test]
    fn what_is_not_finite_stays_in_its_row_and_column() {
        let mut a = vec![1.0; 7 * 20];
        a[3 * 20 + 5] = f32::NAN;
        let b = vec![1.0; 20 * 33];
        let found = product(View::rows(&a, 20), View::rows(&b, 33), [7, 20, 33]);
        for (i, value) in found.iter().enumerate() {
            assert_eq!(value.is_nan(), i / 33 == 3, "{i}");
        }
    }

    #[test]
    #[should_panic(expected = "A has 5 floats of 2 × 3")]
    fn a_short_matrix_is_refused() {
        product(
            View::rows(&[0.0; 5], 3),
            View::rows(&[0.0; 3], 1),
            [2, 3, 1],
        );
    }
}
