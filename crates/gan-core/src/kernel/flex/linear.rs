//! A dense layer as one step of Burn's tape.
//!
//! With Burn's operations the gradient of a weight in PyTorch's layout comes out transposed, and is
//! copied into place by everybody who reads it: a third of a round of the tutorial's GAN.

use burn::backend::Flex;
use burn::backend::ops::FloatTensorOps;
use burn::prelude::*;
use rayon::prelude::*;

use super::Primitive;
use super::affine::{Affine, affine};
use super::node::{tensor, values};
use super::simd::vectorised;

/// `[a, b]` → `[b, a]`, a view.
fn transposed(x: Primitive) -> Primitive {
    Flex::float_swap_dims(x, 0, 1)
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Dense;

impl Affine for Dense {
    fn forward(&self, x: &Primitive, weight: &Primitive, bias: Option<&Primitive>) -> Primitive {
        let mut y = Flex::float_matmul(x.clone(), transposed(weight.clone()));
        if let Some(bias) = bias {
            let bias = values(bias);
            for row in y.storage_mut::<f32>().chunks_exact_mut(bias.len()) {
                vectorised(|| {
                    for (y, bias) in row.iter_mut().zip(bias) {
                        *y += bias;
                    }
                });
            }
        }
        y
    }

    fn x_gradient(&self, y: &Primitive, weight: &Primitive) -> Primitive {
        Flex::float_matmul(y.clone(), weight.clone())
    }

    fn weight_gradient(&self, y: &Primitive, x: &Primitive) -> Primitive {
        Flex::float_matmul(transposed(y.clone()), x.clone())
    }

    /// Sum over the batch; columns in parallel, rows in order.
    fn bias_gradient(&self, y: &Primitive) -> Primitive {
        let width = y.layout().shape()[1];
        let mut sums = vec![0.0f32; width];
        let block = width.div_ceil(4).max(1);
        sums.par_chunks_mut(block)
            .enumerate()
            .for_each(|(i, sums)| {
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

/// A dense layer on flex, on the tape or off it.
pub(crate) fn linear(x: Tensor<2>, weight: Tensor<2>, bias: Option<Tensor<1>>) -> Tensor<2> {
    affine(Dense, x, weight, bias)
}
