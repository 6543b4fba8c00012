//! One group of one picture at a time: what fits into a cache.

use std::mem::MaybeUninit;

use super::super::Primitive;
use super::super::buffer::{write_each, written};
use super::super::norm::{Sizes, sum};

/// How the values lie: groups are neighbouring channels of a picture.
#[derive(Clone, Copy, Debug)]
pub(super) struct Groups {
    pub(super) sizes: Sizes,
    pub(super) groups: usize,
}

impl Groups {
    pub(super) fn of(x: &Primitive, groups: usize) -> Self {
        let sizes = Sizes::of(x);
        Self { sizes, groups }
    }

    pub(super) fn picture(&self) -> usize {
        self.sizes.channels * self.sizes.area
    }

    /// Values of a group.
    pub(super) fn length(&self) -> usize {
        self.picture() / self.groups
    }

    /// Channels of a group.
    pub(super) fn channels(&self) -> usize {
        self.sizes.channels / self.groups
    }

    /// What belongs to the channels of group `index`; all are 1 (or 0) where there is nothing.
    pub(super) fn part<'a>(&self, x: Option<&'a [f32]>, index: usize) -> Option<&'a [f32]> {
        x.map(|x| &x[index * self.channels()..][..self.channels()])
    }
}

/// Mean of a group and `1 / √(variance + ε)`.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Moments {
    pub(super) mean: f32,
    pub(super) inverse: f32,
}

impl Moments {
    #[inline(always)]
    pub(super) fn of(x: &[f32], epsilon: f64) -> Self {
        let mean = mean(x, x, |x, _| x);
        let variance = f64::from(self::mean(x, x, |x, _| (x - mean) * (x - mean)));
        Self {
            mean,
            inverse: (1.0 / (variance + epsilon).sqrt()) as f32,
        }
    }

    #[inline(always)]
    pub(super) fn standard(self, x: f32) -> f32 {
        (x - self.mean) * self.inverse
    }
}

/// Mean of a direction in a group, and of its product with the standardised values.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Along {
    pub(super) mean: f32,
    pub(super) product: f32,
}

impl Along {
    #[inline(always)]
    pub(super) fn of(t: &[f32], x: &[f32], moments: Moments) -> Self {
        let mean = mean(t, t, |t, _| t);
        Self {
            mean,
            product: self::mean(t, x, |t, x| (t - mean) * moments.standard(x)),
        }
    }

    /// `J t`
    #[inline(always)]
    pub(super) fn turn(self, t: f32, x: f32, moments: Moments) -> f32 {
        moments.inverse * (t - self.mean - moments.standard(x) * self.product)
    }
}

#[inline(always)]
pub(super) fn mean(x: &[f32], y: &[f32], f: impl Fn(f32, f32) -> f32) -> f32 {
    (sum(x, y, f) / x.len() as f64) as f32
}

/// `f(value, number of the channel)` in place, for the values of a group.
#[inline(always)]
pub(super) fn change(x: &mut [f32], numbers: Option<&[f32]>, f: impl Fn(f32, f32) -> f32) {
    let Some(numbers) = numbers else { return };
    if x.len() == numbers.len() {
        for (x, number) in x.iter_mut().zip(numbers) {
            *x = f(*x, *number);
        }
        return;
    }
    for (plane, number) in x.chunks_exact_mut(x.len() / numbers.len()).zip(numbers) {
        for x in plane {
            *x = f(*x, *number);
        }
    }
}

/// Sum of `f` over every channel of a group.
#[inline(always)]
pub(super) fn sum_channels(
    sums: &mut [f32],
    x: &[f32],
    y: &[f32],
    f: impl Fn(f32, f32) -> f32 + Copy,
) {
    let area = x.len() / sums.len();
    if area == 1 {
        for ((sum, x), y) in sums.iter_mut().zip(x).zip(y) {
            *sum = f(*x, *y);
        }
        return;
    }
    let planes = x.chunks_exact(area).zip(y.chunks_exact(area));
    for (to, (x, y)) in sums.iter_mut().zip(planes) {
        *to = sum(x, y, f) as f32;
    }
}

/// Writes `f(x, other)` for every value, and returns them.
#[inline(always)]
pub(super) fn filled<'a>(
    y: &'a mut [MaybeUninit<f32>],
    x: &[f32],
    other: &[f32],
    f: impl Fn(f32, f32) -> f32,
) -> &'a mut [f32] {
    assert!(y.len() == x.len() && y.len() == other.len());
    write_each(y, x, other, f);
    // SAFETY: the three slices have one length, so every element has been written.
    unsafe { written(y) }
}

/// A group in the step back of a direction.
pub(super) struct TangentRow<'a> {
    /// Gradient of the output.
    pub(super) g: &'a [f32],
    pub(super) x: &'a [f32],
    pub(super) t: &'a [f32],
    pub(super) weight: Option<&'a [f32]>,
    pub(super) moments: Moments,
    pub(super) along: Along,
}

impl TangentRow<'_> {
    /// With `h = w · g`, the direction gets `J h`, and the input the derivative of `h · J t`:
    /// `−r² · (s · (cov(h, t) − 3 α β) + β · (h − mean(h)) + α · (t − mean(t)))`, where
    /// `α = mean(s · h)` and `β = mean(s · t)`. `h` is written over.
    #[inline(always)]
    pub(super) fn pull_back(
        &self,
        h: &mut [f32],
        dt: &mut [MaybeUninit<f32>],
        dx: &mut [MaybeUninit<f32>],
    ) {
        let (moments, along) = (self.moments, self.along);
        h.copy_from_slice(self.g);
        change(h, self.weight, |h, weight| h * weight);
        let (t, x) = (self.t, self.x);
        let back = Along::of(h, x, moments);
        let covariance = mean(h, t, |h, t| (h - back.mean) * (t - along.mean));
        write_each(dt, h, x, |h, x| back.turn(h, x, moments));
        let squared = moments.inverse * moments.inverse;
        let of_value = covariance - 3.0 * back.product * along.product;
        let values = h.iter().zip(x).zip(t);
        for (dx, ((h, x), t)) in dx.iter_mut().zip(values) {
            let sum = moments.standard(*x) * of_value
                + along.product * (h - back.mean)
                + back.product * (t - along.mean);
            dx.write(-squared * sum);
        }
    }

    /// The gradient of the weight; `h` is written over.
    #[inline(always)]
    pub(super) fn weight_gradient(&self, h: &mut [f32], sums: &mut [f32]) {
        // What the direction became, before the weight.
        for (h, (t, x)) in h.iter_mut().zip(self.t.iter().zip(self.x)) {
            *h = self.along.turn(*t, *x, self.moments);
        }
        sum_channels(sums, self.g, h, |g, turned| g * turned);
    }
}
