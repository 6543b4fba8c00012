//! What the kernels need to be steps of Burn's tape.

use std::fmt::Debug;
use std::marker::PhantomData;

use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::NoCheckpointing;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::{Autodiff, Flex};
use burn::prelude::*;
use burn::tensor::{DType, GradientCheckpointingStrategy};

use super::Primitive;

/// A flex tensor that may be on the tape.
pub(crate) type Tracked = burn::backend::tensor::FloatTensor<Autodiff<Flex>>;

/// Whether a tensor lives on flex, on the tape or off it, in `f32` and without checkpointing.
pub(crate) fn is_supported<const D: usize>(x: &Tensor<D>) -> bool {
    let device = x.device();
    device.gradient_checkpointing_strategy() != Some(GradientCheckpointingStrategy::Balanced)
        && super::lives_on_flex(&device)
        && x.dtype() == DType::F32
}

/// The values of a contiguous tensor.
pub(crate) fn values(x: &Primitive) -> &[f32] {
    x.as_slice().expect("made contiguous f32 by the caller")
}

/// A tensor of values.
pub(crate) fn tensor<const D: usize>(values: Vec<f32>, dims: [usize; D]) -> Primitive {
    Primitive::from_data(TensorData::new(values, dims))
}

/// A tensor of values in the shape of another one.
pub(crate) fn like(values: Vec<f32>, other: &Primitive) -> Primitive {
    Primitive::from_data(TensorData::new(values, other.layout().shape().clone()))
}

/// The tensor inside one of a device with autodiff.
pub(crate) fn tracked<const D: usize>(x: Tensor<D>) -> Tracked {
    x.try_into_primitive::<Autodiff<Flex>>()
        .expect("the caller checked that the tensor lives on flex with autodiff")
}

/// A tensor for the caller of a kernel.
pub(crate) fn untyped<const D: usize>(x: Tracked) -> Tensor<D> {
    Tensor::from_primitive::<Autodiff<Flex>>(x)
}

/// Runs `work` on the contiguous parents and puts its result on the tape, if somebody's gradient
/// goes through it.
///
/// `work` is also told which parents want a gradient; it returns the result and what the step back
/// needs.
pub(crate) fn record<S: Backward<Flex, N>, const N: usize>(
    step: S,
    parents: [Tracked; N],
    work: impl FnOnce([Primitive; N], [bool; N]) -> (Primitive, S::State),
) -> Tracked {
    let wanted = parents.each_ref().map(|parent| parent.is_tracked());
    let prepared = step
        .prepare::<NoCheckpointing>(parents.each_ref().map(|parent| parent.node()))
        .compute_bound()
        .stateful();
    let parents = parents.map(|parent| parent.into_primitive().to_contiguous());
    let (value, state) = work(parents, wanted);
    match prepared {
        OpsKind::Tracked(prepared) => prepared.finish(state, value),
        OpsKind::UnTracked(prepared) => prepared.finish(value),
    }
}

/// What a map of one tensor keeps for its step back.
pub(crate) trait PullBack: Clone + Debug + Send + Sync + 'static {
    /// The gradient of the input, from that of the output.
    fn pull_back(&self, upstream: &Primitive) -> Primitive;
}

#[derive(Debug)]
struct Step<P>(PhantomData<P>);

impl<P: PullBack> Backward<Flex, 1> for Step<P> {
    type State = P;

    fn backward(self, ops: Ops<P, 1>, gradients: &mut Gradients, _checkpointer: &mut Checkpointer) {
        let upstream = gradients.consume::<Flex>(&ops.node).to_contiguous();
        let [parent] = ops.parents;
        if let Some(node) = parent {
            gradients.register::<Flex>(node.id, ops.state.pull_back(&upstream));
        }
    }
}

/// A map of one tensor on flex, on the tape or off it; `work` returns the result and what the step back
/// needs.
pub(crate) fn map<P: PullBack, const D: usize>(
    x: Tensor<D>,
    work: impl FnOnce(&Primitive) -> (Primitive, P),
) -> Tensor<D> {
    if !x.device().is_autodiff() {
        return Tensor::from_primitive::<Flex>(work(&super::contiguous(x)).0);
    }
    let step = Step(PhantomData);
    untyped(record(step, [tracked(x)], |[x], _| work(&x)))
}
