//! Batch normalisation in three passes forward and two backward, channels in parallel.

use burn::backend::Flex;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops};
use burn::prelude::*;

use super::Primitive;
use super::buffer::{initialised, uninitialised, write_each};
use super::node::{like, record, tensor, tracked, untyped, values};
use super::simd::vectorised;
use super::team::{map, share};
use crate::kernel::BatchNormTrain;

/// `[batch, channels, area]`
#[derive(Clone, Copy, Debug)]
pub(super) struct Sizes {
    pub batch: usize,
    pub channels: usize,
    pub area: usize,
}

impl Sizes {
    pub fn of(x: &Primitive) -> Self {
        let shape = x.layout().shape();
        Self {
            batch: shape[0],
            channels: shape[1],
            area: shape[2..].iter().product(),
        }
    }

    /// Values of a channel.
    fn count(&self) -> f64 {
        (self.batch * self.area) as f64
    }

    /// The planes of `channel`, one per picture.
    fn planes<'a>(&self, x: &'a [f32], channel: usize) -> impl Iterator<Item = &'a [f32]> {
        let Self {
            batch,
            channels,
            area,
        } = *self;
        (0..batch).map(move |n| &x[(n * channels + channel) * area..][..area])
    }

    /// Sum of a channel.
    #[inline(always)]
    fn total(&self, x: &[f32], channel: usize) -> f64 {
        self.planes(x, channel).map(|p| sum(p, p, |x, _| x)).sum()
    }
}

/// Sum of `f` over two planes, in sixteen running sums so that the loop vectorises.
#[inline(always)]
pub(super) fn sum(x: &[f32], y: &[f32], f: impl Fn(f32, f32) -> f32) -> f64 {
    let mut sums = [0.0f32; 16];
    let (mut xs, mut ys) = (x.chunks_exact(16), y.chunks_exact(16));
    for (x, y) in (&mut xs).zip(&mut ys) {
        for ((sum, x), y) in sums.iter_mut().zip(x).zip(y) {
            *sum += f(*x, *y);
        }
    }
    let rest = xs.remainder().iter().zip(ys.remainder());
    let rest: f32 = rest.map(|(x, y)| f(*x, *y)).sum();
    f64::from(sums.iter().sum::<f32>() + rest)
}

/// Sum of every channel, over pictures and pixels.
pub(super) fn channel_sums(x: &Primitive) -> Vec<f32> {
    let (sizes, x) = (Sizes::of(x), values(x));
    map(sizes.channels, |channel| {
        vectorised(|| sizes.total(x, channel)) as f32
    })
}

/// Mean and biased variance of every channel; the variance from the centred values.
fn moments_of(x: &[f32], sizes: &Sizes) -> Vec<(f32, f32)> {
    map(sizes.channels, |channel| {
        vectorised(move || {
            let mean = (sizes.total(x, channel) / sizes.count()) as f32;
            let squares: f64 = sizes
                .planes(x, channel)
                .map(|p| sum(p, p, |x, _| (x - mean) * (x - mean)))
                .sum();
            (mean, (squares / sizes.count()) as f32)
        })
    })
}

/// Writes `f(channel)(x, other)` for every value, pictures in parallel.
fn map_channels<F: Fn(f32, f32) -> f32 + Copy>(
    x: &[f32],
    other: &[f32],
    sizes: &Sizes,
    f: impl Fn(usize) -> F + Sync,
) -> Vec<f32> {
    let mut y = uninitialised(x.len());
    let picture = sizes.channels * sizes.area;
    let pictures = y
        .chunks_mut(picture)
        .zip(x.chunks(picture))
        .zip(other.chunks(picture));
    share(pictures, |((y, x), other)| {
        let planes = y
            .chunks_mut(sizes.area)
            .zip(x.chunks(sizes.area))
            .zip(other.chunks(sizes.area));
        for (channel, ((y, x), other)) in planes.enumerate() {
            let f = f(channel);
            vectorised(move || write_each(y, x, other, f));
        }
    });
    // SAFETY: the three slices have one length, so every element has been written.
    unsafe { initialised(y) }
}

/// The input with its statistics.
#[derive(Clone, Debug)]
struct State {
    x: Primitive,
    gamma: Primitive,
    /// Mean and `1 / √(variance + ε)` of every channel.
    statistics: Vec<(f32, f32)>,
}

#[derive(Debug)]
struct BatchNorm;

impl Backward<Flex, 3> for BatchNorm {
    type State = State;

    fn backward(
        self,
        ops: Ops<Self::State, 3>,
        gradients: &mut Gradients,
        _checkpointer: &mut Checkpointer,
    ) {
        let upstream = gradients.consume::<Flex>(&ops.node).to_contiguous();
        let State {
            x,
            gamma,
            statistics,
        } = ops.state;
        let sizes = Sizes::of(&x);
        let (x_values, upstream_values) = (values(&x), values(&upstream));
        // dβ = Σ dy, dγ = Σ dy · x̂
        let sums: Vec<(f32, f32)> = map(sizes.channels, |channel| {
            let (mean, inverse) = statistics[channel];
            let (mut beta, mut gamma) = (0.0, 0.0);
            let planes = sizes
                .planes(upstream_values, channel)
                .zip(sizes.planes(x_values, channel));
            for (dy, x) in planes {
                beta += vectorised(|| sum(dy, dy, |dy, _| dy));
                gamma += vectorised(|| sum(dy, x, |dy, x| dy * (x - mean) * inverse));
            }
            (beta as f32, gamma as f32)
        });
        let [x_node, gamma_node, beta_node] = ops.parents;
        if let Some(node) = x_node {
            // dx = γ/σ · (dy − mean(dy) − x̂ · mean(dy · x̂))
            let count = sizes.count() as f32;
            let gamma = values(&gamma);
            let dx = map_channels(x_values, upstream_values, &sizes, |channel| {
                let (mean, inverse) = statistics[channel];
                let (beta_mean, gamma_mean) = (sums[channel].0 / count, sums[channel].1 / count);
                let factor = gamma[channel] * inverse;
                move |x, dy| factor * (dy - beta_mean - (x - mean) * inverse * gamma_mean)
            });
            gradients.register::<Flex>(node.id, like(dx, &x));
        }
        if let Some(node) = gamma_node {
            let gamma: Vec<f32> = sums.iter().map(|(_, gamma)| *gamma).collect();
            gradients.register::<Flex>(node.id, tensor(gamma, [sizes.channels]));
        }
        if let Some(node) = beta_node {
            let beta: Vec<f32> = sums.iter().map(|(beta, _)| *beta).collect();
            gradients.register::<Flex>(node.id, tensor(beta, [sizes.channels]));
        }
    }
}

/// Batch normalisation with the statistics of the batch, on the tape.
pub(crate) fn batch_norm_train<const D: usize>(
    x: Tensor<D>,
    gamma: Tensor<1>,
    beta: Tensor<1>,
    epsilon: f64,
) -> BatchNormTrain<D> {
    let device = x.device().without_autodiff();
    let mut moments = Vec::new();
    let parents = [tracked(x), tracked(gamma), tracked(beta)];
    let output = record(BatchNorm, parents, |[x, gamma, beta], _| {
        let sizes = Sizes::of(&x);
        moments = moments_of(values(&x), &sizes);
        let inverse = |variance: f32| (1.0 / (f64::from(variance) + epsilon).sqrt()) as f32;
        let statistics: Vec<(f32, f32)> = moments
            .iter()
            .map(|(mean, variance)| (*mean, inverse(*variance)))
            .collect();
        let (scale, shift) = (values(&gamma), values(&beta));
        let y = map_channels(values(&x), values(&x), &sizes, |channel| {
            let (mean, inverse) = statistics[channel];
            let (factor, shift) = (inverse * scale[channel], shift[channel]);
            move |x, _| (x - mean) * factor + shift
        });
        let y = like(y, &x);
        let state = State {
            x,
            gamma,
            statistics,
        };
        (y, state)
    });
    let mean: Vec<f32> = moments.iter().map(|(mean, _)| *mean).collect();
    let variance: Vec<f32> = moments.iter().map(|(_, variance)| *variance).collect();
    BatchNormTrain {
        output: untyped(output),
        mean: Tensor::from_data(mean.as_slice(), &device),
        variance: Tensor::from_data(variance.as_slice(), &device),
    }
}
