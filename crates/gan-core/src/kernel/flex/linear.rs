//! A dense layer as one step of Burn's tape.
//!
//! With Burn's operations the gradient of a weight in PyTorch's layout comes out transposed, and is
//! copied into place by everybody who reads it: a third of a round of the tutorial's GAN.

use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::NoCheckpointing;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::ops::FloatTensorOps;
use burn::backend::{Autodiff, Flex};
use burn::prelude::*;
use rayon::prelude::*;

use super::Primitive;
use super::node::{tensor, tracked, values};
use super::simd::vectorised;

/// `[a, b]` → `[b, a]`, a view.
fn transposed(x: Primitive) -> Primitive {
    Flex::float_swap_dims(x, 0, 1)
}

fn forward(x: &Primitive, weight: &Primitive, bias: Option<&Primitive>) -> Primitive {
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

/// Sum over the batch; columns in parallel, rows in order.
fn bias_gradient(y: &Primitive) -> Primitive {
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

/// What the gradients need; nothing for those that nobody takes.
#[derive(Clone, Debug)]
struct State {
    x: Option<Primitive>,
    weight: Option<Primitive>,
}

impl State {
    fn x_gradient(&mut self, y: &Primitive) -> Option<Primitive> {
        let weight = self.weight.take()?;
        Some(Flex::float_matmul(y.clone(), weight))
    }

    fn weight_gradient(&mut self, y: &Primitive) -> Option<Primitive> {
        let x = self.x.take()?;
        Some(Flex::float_matmul(transposed(y.clone()), x))
    }
}

#[derive(Debug)]
struct Linear;

impl<const N: usize> Backward<Flex, N> for Linear {
    type State = State;

    fn backward(
        self,
        ops: Ops<Self::State, N>,
        gradients: &mut Gradients,
        _checkpointer: &mut Checkpointer,
    ) {
        let y = gradients.consume::<Flex>(&ops.node).to_contiguous();
        let mut state = ops.state;
        let mut parents = ops.parents.into_iter();
        if let Some(node) = parents.next().flatten()
            && let Some(gradient) = state.x_gradient(&y)
        {
            gradients.register::<Flex>(node.id, gradient);
        }
        if let Some(node) = parents.next().flatten()
            && let Some(gradient) = state.weight_gradient(&y)
        {
            gradients.register::<Flex>(node.id, gradient);
        }
        if let Some(node) = parents.next().flatten() {
            gradients.register::<Flex>(node.id, bias_gradient(&y));
        }
    }
}

/// A dense layer on flex, on the tape or off it.
pub(crate) fn linear(x: Tensor<2>, weight: Tensor<2>, bias: Option<Tensor<1>>) -> Tensor<2> {
    if !x.device().is_autodiff() {
        let (x, weight) = (super::contiguous(x), super::contiguous(weight));
        let bias = bias.map(super::contiguous);
        return Tensor::from_primitive::<Flex>(forward(&x, &weight, bias.as_ref()));
    }
    let (x, weight) = (tracked(x), tracked(weight));
    let (x_tracked, weight_tracked) = (x.is_tracked(), weight.is_tracked());
    let state = |x: &Primitive, weight: &Primitive| State {
        x: weight_tracked.then(|| x.clone()),
        weight: x_tracked.then(|| weight.clone()),
    };
    let y = if let Some(bias) = bias {
        let bias = tracked(bias);
        let prepared = Backward::<Flex, 3>::prepare::<NoCheckpointing>(
            Linear,
            [x.node(), weight.node(), bias.node()],
        )
        .compute_bound()
        .stateful();
        let x = x.into_primitive().to_contiguous();
        let weight = weight.into_primitive().to_contiguous();
        let y = forward(&x, &weight, Some(&bias.into_primitive().to_contiguous()));
        match prepared {
            OpsKind::Tracked(prepared) => prepared.finish(state(&x, &weight), y),
            OpsKind::UnTracked(prepared) => prepared.finish(y),
        }
    } else {
        let prepared =
            Backward::<Flex, 2>::prepare::<NoCheckpointing>(Linear, [x.node(), weight.node()])
                .compute_bound()
                .stateful();
        let x = x.into_primitive().to_contiguous();
        let weight = weight.into_primitive().to_contiguous();
        let y = forward(&x, &weight, None);
        match prepared {
            OpsKind::Tracked(prepared) => prepared.finish(state(&x, &weight), y),
            OpsKind::UnTracked(prepared) => prepared.finish(y),
        }
    };
    Tensor::from_primitive::<Autodiff<Flex>>(y)
}
