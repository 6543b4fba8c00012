//! Memory of the kernels.

use std::mem::MaybeUninit;

/// The first `floats` of a buffer that grows as needed and never shrinks.
pub(crate) fn grow(buffer: &mut Vec<f32>, floats: usize) -> &mut [f32] {
    if buffer.len() < floats {
        buffer.resize(floats, 0.0);
    }
    &mut buffer[..floats]
}

/// A vector whose every element the caller is about to write.
pub(crate) fn uninitialised(floats: usize) -> Vec<MaybeUninit<f32>> {
    let mut values = Vec::with_capacity(floats);
    // SAFETY: `MaybeUninit` needs no initialisation.
    unsafe { values.set_len(floats) };
    values
}

/// Writes `f(x, other)` for every element.
#[inline(always)]
pub(crate) fn write_each(
    y: &mut [MaybeUninit<f32>],
    x: &[f32],
    other: &[f32],
    f: impl Fn(f32, f32) -> f32,
) {
    for ((y, x), other) in y.iter_mut().zip(x).zip(other) {
        y.write(f(*x, *other));
    }
}

/// A slice whose every element has been written.
///
/// # Safety
///
/// Every element must have been written.
pub(crate) unsafe fn written(values: &mut [MaybeUninit<f32>]) -> &mut [f32] {
    // SAFETY: same layout; the caller has written every element.
    unsafe { &mut *(std::ptr::from_mut(values) as *mut [f32]) }
}

/// A vector whose every element has been written.
///
/// # Safety
///
/// Every element must have been written.
pub(crate) unsafe fn initialised(values: Vec<MaybeUninit<f32>>) -> Vec<f32> {
    let mut values = std::mem::ManuallyDrop::new(values);
    // SAFETY: same layout; the caller has written every element.
    unsafe { Vec::from_raw_parts(values.as_mut_ptr().cast(), values.len(), values.capacity()) }
}
