//! Pixel normalisation, one pass forward and one backward, pictures in parallel.

use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::NoCheckpointing;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::{Autodiff, Flex};
use burn::prelude::*;
use rayon::prelude::*;

use super::Primitive;
use super::node::{tracked, values};
use super::simd::vectorised;

/// `[batch, channels, area]`
fn sizes(x: &Primitive) -> [usize; 3] {
    let shape = x.layout().shape();
    [shape[0], shape[1], shape[2..].iter().product()]
}

/// The normalised values, and for every pixel what its values were multiplied with.
fn forward(x: &Primitive, epsilon: f64) -> (Primitive, Vec<f32>) {
    let [batch, channels, area] = sizes(x);
    let mut y = values(x).to_vec();
    let mut inverse = vec![0.0; batch * area];
    y.par_chunks_mut(channels * area)
        .zip(inverse.par_chunks_mut(area))
        .for_each(|(y, inverse)| vectorised(move || scale_pixels(y, inverse, epsilon as f32)));
    let shape = x.layout().shape().clone();
    (Primitive::from_data(TensorData::new(y, shape)), inverse)
}

#[inline(always)]
fn scale_pixels(y: &mut [f32], inverse: &mut [f32], epsilon: f32) {
    let area = inverse.len();
    let channels = (y.len() / area) as f32;
    for plane in y.chunks_exact(area) {
        for (sum, y) in inverse.iter_mut().zip(plane) {
            *sum += y * y;
        }
    }
    for inverse in &mut *inverse {
        *inverse = 1.0 / (*inverse / channels + epsilon).sqrt();
    }
    for plane in y.chunks_exact_mut(area) {
        for (y, inverse) in plane.iter_mut().zip(&*inverse) {
            *y *= inverse;
        }
    }
}

/// `r · (g − y · mean(y · g))`, in place of `g`.
#[inline(always)]
fn pull_back(gradient: &mut [f32], y: &[f32], inverse: &[f32], along: &mut [f32]) {
    let area = inverse.len();
    let channels = (y.len() / area) as f32;
    for (gradient, y) in gradient.chunks_exact(area).zip(y.chunks_exact(area)) {
        for ((along, gradient), y) in along.iter_mut().zip(gradient).zip(y) {
            *along += gradient * y;
        }
    }
    for along in &mut *along {
        *along /= channels;
    }
    for (gradient, y) in gradient.chunks_exact_mut(area).zip(y.chunks_exact(area)) {
        let pixels = gradient.iter_mut().zip(y).zip(inverse).zip(&*along);
        for (((gradient, y), inverse), along) in pixels {
            *gradient = inverse * (*gradient - y * along);
        }
    }
}

#[derive(Debug)]
struct PixelNorm;

impl Backward<Flex, 1> for PixelNorm {
    /// The output, which the next layer keeps anyway, and the inverse lengths.
    type State = (Primitive, Vec<f32>);

    fn backward(
        self,
        ops: Ops<Self::State, 1>,
        gradients: &mut Gradients,
        _checkpointer: &mut Checkpointer,
    ) {
        let upstream = gradients.consume::<Flex>(&ops.node).to_contiguous();
        let (y, inverse) = ops.state;
        let [parent] = ops.parents;
        let Some(node) = parent else { return };
        let [_, channels, area] = sizes(&y);
        let mut gradient = values(&upstream).to_vec();
        gradient
            .par_chunks_mut(channels * area)
            .zip(values(&y).par_chunks(channels * area))
            .zip(inverse.par_chunks(area))
            .for_each(|((gradient, y), inverse)| {
                let mut along = vec![0.0; area];
                vectorised(move || pull_back(gradient, y, inverse, &mut along));
            });
        let gradient = TensorData::new(gradient, y.layout().shape().clone());
        gradients.register::<Flex>(node.id, Primitive::from_data(gradient));
    }
}

/// Pixel normalisation on flex, on the tape or off it.
pub(crate) fn pixel_norm<const D: usize>(x: Tensor<D>, epsilon: f64) -> Tensor<D> {
    if !x.device().is_autodiff() {
        let (y, _) = forward(&super::contiguous(x), epsilon);
        return Tensor::from_primitive::<Flex>(y);
    }
    let x = tracked(x);
    let prepared = PixelNorm
        .prepare::<NoCheckpointing>([x.node()])
        .compute_bound()
        .stateful();
    let (y, inverse) = forward(&x.into_primitive().to_contiguous(), epsilon);
    let y = match prepared {
        OpsKind::Tracked(prepared) => prepared.finish((y.clone(), inverse), y),
        OpsKind::UnTracked(prepared) => prepared.finish(y),
    };
    Tensor::from_primitive::<Autodiff<Flex>>(y)
}
