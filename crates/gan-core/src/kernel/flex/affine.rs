//! Maps that are linear in input and weight, with a bias: dense layers and convolutions.

use std::fmt::Debug;
use std::marker::PhantomData;

use burn::backend::Flex;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops};
use burn::prelude::*;

use super::Primitive;
use super::node::{record, tracked, untyped};
use super::reuse::{self, Back};

/// A map that is linear in `x` and in `weight`, with its three gradients; `y` is the gradient of the
/// output.
pub(crate) trait Affine: Copy + Debug + PartialEq + Send + Sync + 'static {
    /// The output.
    fn forward(&self, x: &Primitive, weight: &Primitive, bias: Option<&Primitive>) -> Primitive;

    /// The gradient of the input.
    fn x_gradient(&self, y: &Primitive, weight: &Primitive) -> Primitive;

    /// The gradient of the weight.
    fn weight_gradient(&self, y: &Primitive, x: &Primitive) -> Primitive;

    /// The gradient of the bias.
    fn bias_gradient(&self, y: &Primitive) -> Primitive;
}

/// What the gradients need; nothing for those that nobody takes: a constant input or a frozen weight
/// costs nothing.
#[derive(Clone, Debug)]
struct State<A> {
    map: A,
    x: Option<Primitive>,
    weight: Option<Primitive>,
    /// Where the gradient of the input may be found.
    back: Option<Back>,
}

/// The output, and what the gradients need.
fn forward<A: Affine>(
    map: A,
    parents @ [x, weight]: [&Primitive; 2],
    bias: Option<&Primitive>,
    [x_wanted, weight_wanted]: [bool; 2],
) -> (Primitive, State<A>) {
    let compute = || map.forward(x, weight, bias);
    let (y, back) = reuse::output(map, parents, bias, compute);
    let state = State {
        map,
        x: weight_wanted.then(|| x.clone()),
        weight: x_wanted.then(|| weight.clone()),
        back: back.filter(|_| x_wanted),
    };
    (y, state)
}

#[derive(Debug)]
struct Step<A>(PhantomData<A>);

/// Two parents, input and weight, or three with the bias.
impl<A: Affine, const N: usize> Backward<Flex, N> for Step<A> {
    type State = State<A>;

    fn backward(
        self,
        ops: Ops<Self::State, N>,
        gradients: &mut Gradients,
        _checkpointer: &mut Checkpointer,
    ) {
        let y = gradients.consume::<Flex>(&ops.node).to_contiguous();
        let State {
            map,
            x,
            weight,
            back,
        } = ops.state;
        let mut parents = ops.parents.into_iter();
        if let Some((node, weight)) = parents.next().flatten().zip(weight) {
            let compute = || map.x_gradient(&y, &weight);
            let gradient = reuse::input_gradient(back.as_ref(), &y, compute);
            gradients.register::<Flex>(node.id, gradient);
        }
        if let Some((node, x)) = parents.next().flatten().zip(x) {
            gradients.register::<Flex>(node.id, map.weight_gradient(&y, &x));
        }
        if let Some(node) = parents.next().flatten() {
            gradients.register::<Flex>(node.id, map.bias_gradient(&y));
        }
    }
}

/// The map on flex, on the tape or off it.
pub(crate) fn affine<A: Affine, const D: usize>(
    map: A,
    x: Tensor<D>,
    weight: Tensor<D>,
    bias: Option<Tensor<1>>,
) -> Tensor<D> {
    if !x.device().is_autodiff() {
        let (x, weight) = (super::contiguous(x), super::contiguous(weight));
        let bias = bias.map(super::contiguous);
        return Tensor::from_primitive::<Flex>(map.forward(&x, &weight, bias.as_ref()));
    }
    let (x, weight, step) = (tracked(x), tracked(weight), Step(PhantomData));
    untyped(match bias {
        Some(bias) => record(
            step,
            [x, weight, tracked(bias)],
            |[x, weight, bias], [x_wanted, weight_wanted, _]| {
                forward(map, [&x, &weight], Some(&bias), [x_wanted, weight_wanted])
            },
        ),
        None => record(step, [x, weight], |[x, weight], wanted| {
            forward(map, [&x, &weight], None, wanted)
        }),
    })
}
