//! Parameter updates in place, in parallel, one pass over memory but for Muon, whose matrices are small.

use burn::backend::Flex;
use burn::prelude::*;

use super::node::values;
use super::orthogonal::orthogonalized;
use super::simd::vectorised;
use super::team::{map, share};
use super::{Primitive, contiguous};
use crate::kernel::{AdamStep, MuonStep, RmsPropStep};

/// Elements per task: 64 KiB of each array, so that a task's slices stay in the second-level cache.
const CHUNK: usize = 16 * 1024;

/// The elements of a contiguous tensor; copied first if somebody else holds them too.
fn slice_mut(x: &mut Primitive) -> &mut [f32] {
    let (start, end) = x
        .layout()
        .contiguous_offsets()
        .expect("made contiguous by the caller");
    &mut x.storage_mut::<f32>()[start..end]
}

pub(crate) fn adam_step<const D: usize>(
    parameter: Tensor<D>,
    gradient: Tensor<D>,
    (first, second): (Tensor<D>, Tensor<D>),
    scale: Tensor<1>,
    step: &AdamStep,
) -> (Tensor<D>, Tensor<D>, Tensor<D>) {
    let scale = scale.into_scalar::<f32>();
    if !scale.is_finite() {
        return (parameter, first, second);
    }
    let (mut p, g) = (contiguous(parameter), contiguous(gradient));
    let (mut m, mut v) = (contiguous(first), contiguous(second));
    let coefficients = Coefficients::new(step, scale);
    let parts = slice_mut(&mut p)
        .chunks_mut(CHUNK)
        .zip(values(&g).chunks(CHUNK))
        .zip(slice_mut(&mut m).chunks_mut(CHUNK))
        .zip(slice_mut(&mut v).chunks_mut(CHUNK));
    share(parts, |(((p, g), m), v)| coefficients.apply(p, g, m, v));
    (
        Tensor::from_primitive::<Flex>(p),
        Tensor::from_primitive::<Flex>(m),
        Tensor::from_primitive::<Flex>(v),
    )
}

struct Coefficients {
    scale: f32,
    weight_decay: f32,
    beta_1: f32,
    beta_2: f32,
    rate: f32,
    root: f32,
    epsilon: f32,
    keep: f32,
}

impl Coefficients {
    fn new(step: &AdamStep, scale: f32) -> Self {
        let (rate, root) = step.corrections();
        Self {
            scale,
            weight_decay: step.weight_decay as f32,
            beta_1: step.beta_1 as f32,
            beta_2: step.beta_2 as f32,
            rate: rate as f32,
            root: root as f32,
            epsilon: step.epsilon as f32,
            keep: (1.0 - step.lr * step.decoupled_decay) as f32,
        }
    }

    fn apply(&self, p: &mut [f32], g: &[f32], m: &mut [f32], v: &mut [f32]) {
        vectorised(|| self.apply_generic(p, g, m, v));
    }

    /// No fused multiply-add: the result is the same to the bit whatever the processor has.
    #[inline(always)]
    fn apply_generic(&self, p: &mut [f32], g: &[f32], m: &mut [f32], v: &mut [f32]) {
        for (((p, g), m), v) in p.iter_mut().zip(g).zip(m.iter_mut()).zip(v.iter_mut()) {
            let g = g * self.scale + *p * self.weight_decay;
            *m = *m * self.beta_1 + g * (1.0 - self.beta_1);
            *v = *v * self.beta_2 + g * g * (1.0 - self.beta_2);
            let denominator = v.sqrt() * self.root + self.epsilon;
            *p = *p * self.keep - *m * self.rate / denominator;
        }
    }
}

/// No fused multiply-add, as in [`adam_step`].
pub(crate) fn rms_prop_step<const D: usize>(
    parameter: Tensor<D>,
    gradient: Tensor<D>,
    square: Tensor<D>,
    scale: Tensor<1>,
    step: &RmsPropStep,
) -> (Tensor<D>, Tensor<D>) {
    let scale = scale.into_scalar::<f32>();
    if !scale.is_finite() {
        return (parameter, square);
    }
    let (mut p, g) = (contiguous(parameter), contiguous(gradient));
    let mut v = contiguous(square);
    let [lr, alpha, epsilon] = [step.lr, step.alpha, step.epsilon].map(|x| x as f32);
    let parts = slice_mut(&mut p)
        .chunks_mut(CHUNK)
        .zip(values(&g).chunks(CHUNK))
        .zip(slice_mut(&mut v).chunks_mut(CHUNK));
    share(parts, |((p, g), v)| {
        vectorised(move || {
            for ((p, g), v) in p.iter_mut().zip(g).zip(v.iter_mut()) {
                let g = g * scale;
                *v = *v * alpha + g * g * (1.0 - alpha);
                *p -= g / (v.sqrt() + epsilon) * lr;
            }
        });
    });
    (
        Tensor::from_primitive::<Flex>(p),
        Tensor::from_primitive::<Flex>(v),
    )
}

pub(crate) fn muon_step(
    parameter: Tensor<1>,
    gradient: Tensor<1>,
    average: Tensor<1>,
    scale: Tensor<1>,
    step: &MuonStep,
) -> (Tensor<1>, Tensor<1>) {
    let scale = scale.into_scalar::<f32>();
    if !scale.is_finite() {
        return (parameter, average);
    }
    let (mut p, g) = (contiguous(parameter), contiguous(gradient));
    let mut m = contiguous(average);
    let momentum = step.momentum as f32;
    let parts = slice_mut(&mut m).chunks_mut(CHUNK);
    share(parts.zip(values(&g).chunks(CHUNK)), |(m, g)| {
        vectorised(move || {
            for (m, g) in m.iter_mut().zip(g) {
                *m = *m * momentum + g * scale * (1.0 - momentum);
            }
        });
    });
    let direction = orthogonalized(values(&m), step.size, step.epsilon);
    let length = step.length() as f32;
    let parts = slice_mut(&mut p).chunks_mut(CHUNK);
    share(parts.zip(direction.chunks(CHUNK)), |(p, direction)| {
        vectorised(move || {
            for (p, direction) in p.iter_mut().zip(direction) {
                *p -= direction * length;
            }
        });
    });
    (
        Tensor::from_primitive::<Flex>(p),
        Tensor::from_primitive::<Flex>(m),
    )
}

pub(crate) fn lerp<const D: usize>(average: Tensor<D>, online: Tensor<D>, decay: f64) -> Tensor<D> {
    let (mut a, o) = (contiguous(average), contiguous(online));
    let decay = decay as f32;
    let parts = slice_mut(&mut a).chunks_mut(CHUNK);
    share(parts.zip(values(&o).chunks(CHUNK)), |(a, o)| {
        vectorised(move || {
            for (a, o) in a.iter_mut().zip(o) {
                *a = *a * decay + *o * (1.0 - decay);
            }
        });
    });
    Tensor::from_primitive::<Flex>(a)
}

/// Chunks are summed in a fixed order, so the result does not depend on the number of threads.
pub(crate) fn sum_of_squares<const D: usize>(x: Tensor<D>) -> Tensor<1> {
    let device = x.device();
    let x = contiguous(x);
    Tensor::from_data([sum_of_squares_of(values(&x)) as f32], &device)
}

pub(crate) fn sum_of_squares_of(x: &[f32]) -> f64 {
    let chunks: Vec<&[f32]> = x.chunks(CHUNK).collect();
    let parts = map(chunks.len(), |i| {
        f64::from(vectorised(|| squares(chunks[i])))
    });
    parts.iter().sum()
}

/// Sixteen running sums, so that the loop vectorises.
#[inline(always)]
fn squares(chunk: &[f32]) -> f32 {
    let mut sums = [0.0f32; 16];
    let mut blocks = chunk.chunks_exact(16);
    for block in &mut blocks {
        for (sum, x) in sums.iter_mut().zip(block) {
            *sum += x * x;
        }
    }
    let rest: f32 = blocks.remainder().iter().map(|x| x * x).sum();
    sums.iter().sum::<f32>() + rest
}
