//! The vectors the micro-kernels are written with, and the choice of one at run time.

/// Which vectors this processor has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Level {
    /// Arrays of eight floats; the compiler makes of them what the target allows.
    Portable,
    /// 256-bit vectors with fused multiply-add.
    #[cfg(target_arch = "x86_64")]
    Avx2,
    /// 512-bit vectors, with the extensions every such processor but the first has.
    #[cfg(target_arch = "x86_64")]
    Avx512,
}

/// The best level of this processor; the standard library caches the answer.
pub(crate) fn level() -> Level {
    #[cfg(target_arch = "x86_64")]
    {
        if std::arch::is_x86_feature_detected!("avx512f")
            && std::arch::is_x86_feature_detected!("avx512bw")
            && std::arch::is_x86_feature_detected!("avx512dq")
            && std::arch::is_x86_feature_detected!("avx512vl")
        {
            return Level::Avx512;
        }
        if std::arch::is_x86_feature_detected!("avx2") && std::arch::is_x86_feature_detected!("fma")
        {
            return Level::Avx2;
        }
    }
    Level::Portable
}

/// Runs `work` compiled for the vectors of this processor.
///
/// The compiler is free to vectorise what it inlines here, which it decides by length: packing and
/// placing a convolution's pictures stay functions for any processor. (Forcing them in brought nothing
/// measurable.) It never fuses a multiplication with an addition by itself, so the result does not
/// depend on the processor.
#[inline]
pub(crate) fn vectorised<R>(work: impl FnOnce() -> R) -> R {
    match level() {
        // SAFETY: the processor has the vectors of its level.
        #[cfg(target_arch = "x86_64")]
        Level::Avx512 => unsafe { run_avx512(work) },
        // SAFETY: as above.
        #[cfg(target_arch = "x86_64")]
        Level::Avx2 => unsafe { run_avx2(work) },
        Level::Portable => work(),
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
unsafe fn run_avx512<R>(work: impl FnOnce() -> R) -> R {
    work()
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
unsafe fn run_avx2<R>(work: impl FnOnce() -> R) -> R {
    work()
}

/// `to[i · to_stride + j] = from[j · from_stride + i]` for `i` and `j` below 16.
#[inline]
pub(crate) fn transpose(from: &[f32], from_stride: usize, to: &mut [f32], to_stride: usize) {
    assert!(from.len() >= 15 * from_stride + 16 && to.len() >= 15 * to_stride + 16);
    match level() {
        // SAFETY: the processor has the vectors of its level; the assertion bounds both sides.
        #[cfg(target_arch = "x86_64")]
        Level::Avx512 => unsafe {
            x86::transpose(from.as_ptr(), from_stride, to.as_mut_ptr(), to_stride);
        },
        _ => {
            for i in 0..16 {
                for j in 0..16 {
                    to[i * to_stride + j] = from[j * from_stride + i];
                }
            }
        }
    }
}

/// `to[j · to_stride + i] = from[i · from_stride + j]` for `i < rows` and `j < columns`.
///
/// # Safety
///
/// Both sides must be valid for that, and not overlap.
#[inline]
pub(crate) unsafe fn transpose_block(
    from: *const f32,
    from_stride: usize,
    [rows, columns]: [usize; 2],
    to: *mut f32,
    to_stride: usize,
) {
    #[cfg(target_arch = "x86_64")]
    let has_vectors = level() == Level::Avx512;
    for i in (0..rows).step_by(16) {
        for j in (0..columns).step_by(16) {
            let [height, width] = [16.min(rows - i), 16.min(columns - j)];
            // SAFETY: the caller vouches for all of both sides.
            unsafe {
                let (from, to) = (from.add(i * from_stride + j), to.add(j * to_stride + i));
                #[cfg(target_arch = "x86_64")]
                if has_vectors && height == 16 && width == 16 {
                    x86::transpose(from, from_stride, to, to_stride);
                    continue;
                }
                for j in 0..width {
                    for i in 0..height {
                        *to.add(j * to_stride + i) = *from.add(i * from_stride + j);
                    }
                }
            }
        }
    }
}

/// A vector of `LANES` floats.
///
/// # Safety
///
/// The methods may only be called on a processor that has the vectors; pointers must be valid for
/// `LANES` floats (no alignment needed).
pub(crate) trait Vector: Copy {
    /// Floats in a vector.
    const LANES: usize;
    unsafe fn zero() -> Self;
    unsafe fn splat(value: *const f32) -> Self;
    unsafe fn load(from: *const f32) -> Self;
    unsafe fn store(self, to: *mut f32);
    /// `self + a · b`
    unsafe fn fma(self, a: Self, b: Self) -> Self;
}

impl Vector for [f32; 8] {
    const LANES: usize = 8;

    #[inline(always)]
    unsafe fn zero() -> Self {
        [0.0; 8]
    }

    #[inline(always)]
    unsafe fn splat(value: *const f32) -> Self {
        unsafe { [*value; 8] }
    }

    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        unsafe { from.cast::<[f32; 8]>().read_unaligned() }
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        unsafe { to.cast::<[f32; 8]>().write_unaligned(self) }
    }

    #[inline(always)]
    unsafe fn fma(mut self, a: Self, b: Self) -> Self {
        for lane in 0..8 {
            self[lane] += a[lane] * b[lane];
        }
        self
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::*;

    use super::Vector;

    /// # Safety
    ///
    /// The processor must have AVX-512, and both sides sixteen rows of sixteen floats.
    #[inline]
    #[target_feature(enable = "avx512f")]
    pub(super) unsafe fn transpose(
        from: *const f32,
        from_stride: usize,
        to: *mut f32,
        to_stride: usize,
    ) {
        // SAFETY: the caller vouches for the rows.
        let rows: [__m512; 16] =
            std::array::from_fn(|j| unsafe { _mm512_loadu_ps(from.add(j * from_stride)) });
        // Within every quarter of a vector: pairs of rows, then fours. `fours[4 g + c]` holds, in
        // quarter q, column 4 q + c of the rows 4 g to 4 g + 3.
        let pairs: [__m512d; 16] = std::array::from_fn(|i| {
            let (a, b) = (rows[i & !1], rows[i | 1]);
            _mm512_castps_pd(if i % 2 == 0 {
                _mm512_unpacklo_ps(a, b)
            } else {
                _mm512_unpackhi_ps(a, b)
            })
        });
        let fours: [__m512; 16] = std::array::from_fn(|i| {
            let first = i / 4 * 4 + i % 4 / 2;
            let (a, b) = (pairs[first], pairs[first + 2]);
            _mm512_castpd_ps(if i % 2 == 0 {
                _mm512_unpacklo_pd(a, b)
            } else {
                _mm512_unpackhi_pd(a, b)
            })
        });
        for c in 0..4 {
            let [a, b, d, e] = [fours[c], fours[4 + c], fours[8 + c], fours[12 + c]];
            // Even quarters, then odd ones.
            let even = [
                _mm512_shuffle_f32x4::<0x88>(a, b),
                _mm512_shuffle_f32x4::<0x88>(d, e),
            ];
            let odd = [
                _mm512_shuffle_f32x4::<0xdd>(a, b),
                _mm512_shuffle_f32x4::<0xdd>(d, e),
            ];
            let columns = [
                _mm512_shuffle_f32x4::<0x88>(even[0], even[1]),
                _mm512_shuffle_f32x4::<0x88>(odd[0], odd[1]),
                _mm512_shuffle_f32x4::<0xdd>(even[0], even[1]),
                _mm512_shuffle_f32x4::<0xdd>(odd[0], odd[1]),
            ];
            for (quarter, column) in columns.into_iter().enumerate() {
                // SAFETY: the caller vouches for the rows.
                unsafe { _mm512_storeu_ps(to.add((4 * quarter + c) * to_stride), column) };
            }
        }
    }

    impl Vector for __m256 {
        const LANES: usize = 8;

        #[inline(always)]
        unsafe fn zero() -> Self {
            unsafe { _mm256_setzero_ps() }
        }

        #[inline(always)]
        unsafe fn splat(value: *const f32) -> Self {
            unsafe { _mm256_set1_ps(*value) }
        }

        #[inline(always)]
        unsafe fn load(from: *const f32) -> Self {
            unsafe { _mm256_loadu_ps(from) }
        }

        #[inline(always)]
        unsafe fn store(self, to: *mut f32) {
            unsafe { _mm256_storeu_ps(to, self) }
        }

        #[inline(always)]
        unsafe fn fma(self, a: Self, b: Self) -> Self {
            unsafe { _mm256_fmadd_ps(a, b, self) }
        }
    }

    impl Vector for __m512 {
        const LANES: usize = 16;

        #[inline(always)]
        unsafe fn zero() -> Self {
            unsafe { _mm512_setzero_ps() }
        }

        #[inline(always)]
        unsafe fn splat(value: *const f32) -> Self {
            unsafe { _mm512_set1_ps(*value) }
        }

        #[inline(always)]
        unsafe fn load(from: *const f32) -> Self {
            unsafe { _mm512_loadu_ps(from) }
        }

        #[inline(always)]
        unsafe fn store(self, to: *mut f32) {
            unsafe { _mm512_storeu_ps(to, self) }
        }

        #[inline(always)]
        unsafe fn fma(self, a: Self, b: Self) -> Self {
            unsafe { _mm512_fmadd_ps(a, b, self) }
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// The levels that this processor has, the best one last.
    pub(crate) fn levels() -> Vec<Level> {
        let mut levels = vec![Level::Portable];
        #[cfg(target_arch = "x86_64")]
        if level() == Level::Avx512 {
            levels.push(Level::Avx2);
        }
        if level() != Level::Portable {
            levels.push(level());
        }
        levels
    }

    #[test]
    fn a_transposed_square_has_rows_for_columns() {
        let from: Vec<f32> = (0..16 * 20).map(|i| i as f32).collect();
        let mut to = vec![-1.0; 15 * 23 + 16];
        transpose(&from, 20, &mut to, 23);
        for (i, row) in to.chunks(23).enumerate() {
            for (j, value) in row.iter().enumerate() {
                let wanted = if j < 16 { (j * 20 + i) as f32 } else { -1.0 };
                assert_eq!(*value, wanted, "row {i}, column {j}");
            }
        }
    }

    #[test]
    fn a_transposed_block_of_any_size_leaves_the_rest_alone() {
        for [rows, columns] in [[1, 1], [16, 16], [5, 40], [33, 18], [0, 3]] {
            let from: Vec<f32> = (0..rows * 50).map(|i| i as f32).collect();
            let mut to = vec![-1.0; columns * 47];
            // SAFETY: rows of 50 and of 47 floats.
            unsafe {
                transpose_block(from.as_ptr(), 50, [rows, columns], to.as_mut_ptr(), 47);
            }
            for (j, row) in to.chunks(47).enumerate() {
                for (i, value) in row.iter().enumerate() {
                    let wanted = if i < rows { (i * 50 + j) as f32 } else { -1.0 };
                    assert_eq!(*value, wanted, "{rows} × {columns}: row {i}, column {j}");
                }
            }
        }
    }
}
