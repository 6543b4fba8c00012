//! Pixel normalisation, one pass forward and one backward, pictures in parallel.

use std::mem::MaybeUninit;

use burn::prelude::*;

use super::Primitive;
use super::buffer::{initialised, uninitialised};
use super::node::{PullBack, like, map, values};
use super::norm::Sizes;
use super::simd::vectorised;
use super::team::share;

/// The normalised values, and for every pixel what its values were multiplied with.
fn forward(x: &Primitive, epsilon: f64) -> (Primitive, Vec<f32>) {
    let Sizes {
        batch,
        channels,
        area,
    } = Sizes::of(x);
    let mut y = uninitialised(batch * channels * area);
    let mut inverse = vec![0.0; batch * area];
    let pictures = y
        .chunks_mut(channels * area)
        .zip(values(x).chunks(channels * area))
        .zip(inverse.chunks_mut(area));
    share(pictures, |((y, x), inverse)| {
        vectorised(move || scale_pixels(y, x, inverse, epsilon as f32));
    });
    // SAFETY: every picture has been written.
    (like(unsafe { initialised(y) }, x), inverse)
}

#[inline(always)]
fn scale_pixels(y: &mut [MaybeUninit<f32>], x: &[f32], inverse: &mut [f32], epsilon: f32) {
    let area = inverse.len();
    let channels = (x.len() / area) as f32;
    for plane in x.chunks_exact(area) {
        for (sum, x) in inverse.iter_mut().zip(plane) {
            *sum += x * x;
        }
    }
    for inverse in &mut *inverse {
        *inverse = 1.0 / (*inverse / channels + epsilon).sqrt();
    }
    for (y, x) in y.chunks_exact_mut(area).zip(x.chunks_exact(area)) {
        for ((y, x), inverse) in y.iter_mut().zip(x).zip(&*inverse) {
            y.write(x * inverse);
        }
    }
}

/// `r · (g − y · mean(y · g))`.
#[inline(always)]
fn pull_back(
    result: &mut [MaybeUninit<f32>],
    gradient: &[f32],
    y: &[f32],
    inverse: &[f32],
    along: &mut [f32],
) {
    let area = inverse.len();
    let channels = (y.len() / area) as f32;
    along.fill(0.0);
    for (gradient, y) in gradient.chunks_exact(area).zip(y.chunks_exact(area)) {
        for ((along, gradient), y) in along.iter_mut().zip(gradient).zip(y) {
            *along += gradient * y;
        }
    }
    for along in &mut *along {
        *along /= channels;
    }
    let planes = gradient.chunks_exact(area).zip(y.chunks_exact(area));
    for (result, (gradient, y)) in result.chunks_exact_mut(area).zip(planes) {
        let pixels = gradient.iter().zip(y).zip(inverse).zip(&*along);
        for (result, (((gradient, y), inverse), along)) in result.iter_mut().zip(pixels) {
            result.write(inverse * (gradient - y * along));
        }
    }
}

/// The output and, for every pixel, what its values were multiplied with.
#[derive(Clone, Debug)]
struct Normalised {
    y: Primitive,
    inverse: Vec<f32>,
}

impl PullBack for Normalised {
    fn pull_back(&self, upstream: &Primitive) -> Primitive {
        let Sizes { channels, area, .. } = Sizes::of(&self.y);
        let picture = channels * area;
        let y = values(&self.y);
        let mut gradient = uninitialised(y.len());
        let pictures = gradient
            .chunks_mut(picture)
            .zip(values(upstream).chunks(picture))
            .zip(y.chunks(picture))
            .zip(self.inverse.chunks(area));
        share(pictures, |(((gradient, upstream), y), inverse)| {
            let along = &mut vec![0.0; area];
            vectorised(move || pull_back(gradient, upstream, y, inverse, along));
        });
        // SAFETY: every picture has been written.
        like(unsafe { initialised(gradient) }, &self.y)
    }
}

/// Pixel normalisation on flex, on the tape or off it.
pub(crate) fn pixel_norm<const D: usize>(x: Tensor<D>, epsilon: f64) -> Tensor<D> {
    map(x, |x| {
        let (y, inverse) = forward(x, epsilon);
        (y.clone(), Normalised { y, inverse })
    })
}
