//! A dense layer as one step of Burn's tape.
//!
//! With Burn's operations the gradient of a weight in PyTorch's layout comes out transposed, and is
//! copied into place by everybody who reads it: a third of a round of the tutorial's GAN.

use burn::backend::Flex;
use burn::backend::ops::FloatTensorOps;
use burn::prelude::*;

use super::Primitive;
use super::affine::{Affine, affine};
use super::matrix_product::{View, is_fast, product, transposed_product};
use super::node::{tensor, values};
use super::simd::vectorised;
use super::team::share;

/// `[a, b]` → `[b, a]`, a view.
fn transposed(x: Primitive) -> Primitive {
    Flex::float_swap_dims(x, 0, 1)
}

/// Rows and columns.
fn dims(x: &Primitive) -> [usize; 2] {
    let shape = x.layout().shape();
    [shape[0], shape[1]]
}

/// A contiguous matrix.
fn view(x: &Primitive) -> View<'_> {
    View::rows(values(x), dims(x)[1])
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Dense;

impl Affine for Dense {
    /// Computed as `weight · xᵀ`, so that it is the batch that is packed and not the weight.
    fn forward(&self, x: &Primitive, weight: &Primitive, bias: Option<&Primitive>) -> Primitive {
        if !is_fast() {
            return plain_forward(x, weight, bias);
        }
        let ([batch, depth], [width, _]) = (dims(x), dims(weight));
        let (a, b) = (view(weight), view(x).transposed());
        let y = transposed_product(a, b, [width, depth, batch], bias.map(values));
        tensor(y, [batch, width])
    }

    fn x_gradient(&self, y: &Primitive, weight: &Primitive) -> Primitive {
        if !is_fast() {
            return Flex::float_matmul(y.clone(), weight.clone());
        }
        let ([batch, width], [_, depth]) = (dims(y), dims(weight));
        let x = product(view(y), view(weight), [batch, width, depth]);
        tensor(x, [batch, depth])
    }

    fn weight_gradient(&self, y: &Primitive, x: &Primitive) -> Primitive {
        if !is_fast() {
            return Flex::float_matmul(transposed(y.clone()), x.clone());
        }
        let ([batch, width], [_, depth]) = (dims(y), dims(x));
        let weight = product(view(y).transposed(), view(x), [width, batch, depth]);
        tensor(weight, [width, depth])
    }

    /// Sum over the batch; columns in parallel, rows in order.
    fn bias_gradient(&self, y: &Primitive) -> Primitive {
        let width = y.layout().shape()[1];
        let mut sums = vec![0.0f32; width];
        let block = width.div_ceil(4).max(1);
        share(sums.chunks_mut(block).enumerate(), |(i, sums)| {
            for row in values(y).chunks_exact(width) {
                let row = &row[i * block..][..sums.len()];
                vectorised(|| {
                    for (sum, y) in sums.iter_mut().zip(row) {
                        *sum += y;
                    }
                });
            }
        });
        tensor(sums, [width])
    }
}

/// In Burn's products, for processors that ours are not compiled for.
fn plain_forward(x: &Primitive, weight: &Primitive, bias: Option<&Primitive>) -> Primitive {
    let mut y = Flex::float_matmul(x.clone(), transposed(weight.clone()));
    if let Some(bias) = bias {
        let bias = values(bias);
        for row in y.storage_mut::<f32>().chunks_exact_mut(bias.len()) {
            for (y, bias) in row.iter_mut().zip(bias) {
                *y += bias;
            }
        }
    }
    y
}

/// A dense layer on flex, on the tape or off it.
pub(crate) fn linear(x: Tensor<2>, weight: Tensor<2>, bias: Option<Tensor<1>>) -> Tensor<2> {
    affine(Dense, x, weight, bias)
}
