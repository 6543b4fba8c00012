//! Convolutions and activations as steps of Burn's tape.

use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::NoCheckpointing;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::{Autodiff, Flex};
use burn::prelude::*;
use burn::tensor::{DType, GradientCheckpointingStrategy};
use rayon::prelude::*;

use super::Primitive;
use super::buffer::{initialised, uninitialised};
use super::conv::{convolve, convolve_transposed};
use super::norm::sum;
use super::shape::ConvShape;
use super::simd::vectorised;
use super::weight_gradient::weight_gradient;

type Tracked = burn::backend::tensor::FloatTensor<Autodiff<Flex>>;

/// Which way a convolution goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    /// From the big side to the small one.
    Down,
    /// From the small side to the big one: transposed.
    Up,
}

impl Direction {
    fn reverse(self) -> Self {
        match self {
            Self::Down => Self::Up,
            Self::Up => Self::Down,
        }
    }

    fn run(self, x: &[f32], weight: &[f32], bias: Option<&[f32]>, shape: &ConvShape) -> Vec<f32> {
        match self {
            Self::Down => convolve(x, weight, bias, shape),
            Self::Up => convolve_transposed(x, weight, bias, shape),
        }
    }

    fn output_dims(self, shape: &ConvShape) -> [usize; 4] {
        let (channels, [height, width]) = match self {
            Self::Down => (shape.small_channels, shape.small),
            Self::Up => (shape.big_channels, shape.big),
        };
        [shape.batch, channels, height, width]
    }
}

pub(crate) fn values(x: &Primitive) -> &[f32] {
    x.as_slice().expect("made contiguous f32 by the caller")
}

pub(crate) fn tensor<const D: usize>(values: Vec<f32>, dims: [usize; D]) -> Primitive {
    Primitive::from_data(TensorData::new(values, dims))
}

fn run(
    direction: Direction,
    x: &Primitive,
    weight: &Primitive,
    bias: Option<&Primitive>,
    shape: &ConvShape,
) -> Primitive {
    let y = direction.run(values(x), values(weight), bias.map(values), shape);
    tensor(y, direction.output_dims(shape))
}

/// A convolution on flex, on the tape or off it.
pub(crate) fn conv(
    direction: Direction,
    x: Tensor<4>,
    weight: Tensor<4>,
    bias: Option<Tensor<1>>,
    shape: ConvShape,
) -> Tensor<4> {
    if !x.device().is_autodiff() {
        let (x, weight) = (super::contiguous(x), super::contiguous(weight));
        let bias = bias.map(super::contiguous);
        let y = run(direction, &x, &weight, bias.as_ref(), &shape);
        return Tensor::from_primitive::<Flex>(y);
    }
    let (x, weight) = (tracked(x), tracked(weight));
    let y = match bias {
        Some(bias) => conv_with_bias(direction, x, weight, tracked(bias), shape),
        None => conv_without_bias(direction, x, weight, shape),
    };
    Tensor::from_primitive::<Autodiff<Flex>>(y)
}

pub(crate) fn tracked<const D: usize>(x: Tensor<D>) -> Tracked {
    x.try_into_primitive::<Autodiff<Flex>>()
        .expect("the caller checked that the tensor lives on flex with autodiff")
}

#[derive(Clone, Debug)]
struct ConvState {
    direction: Direction,
    x: Option<Primitive>,
    weight: Option<Primitive>,
    shape: ConvShape,
}

impl ConvState {
    /// Gradients of input and weight, where there is somebody to take them.
    fn backward(&self, y: &Primitive) -> (Option<Primitive>, Option<Primitive>) {
        let shape = &self.shape;
        let x_gradient = self.weight.as_ref().map(|weight| {
            let x = self.direction.reverse();
            run(x, y, weight, None, shape)
        });
        let weight_gradient = self.x.as_ref().map(|x| {
            let (big, small) = match self.direction {
                Direction::Down => (x, y),
                Direction::Up => (y, x),
            };
            let gradient = weight_gradient(values(big), values(small), shape);
            let [height, width] = shape.kernel;
            tensor(
                gradient,
                [shape.small_channels, shape.big_channels, height, width],
            )
        });
        (x_gradient, weight_gradient)
    }
}

/// Sum over pictures and pixels.
fn bias_gradient(y: &Primitive, dims: [usize; 4]) -> Primitive {
    let [batch, channels, height, width] = dims;
    let (area, y) = (height * width, values(y));
    let sums: Vec<f32> = (0..channels)
        .into_par_iter()
        .map(|channel| {
            (0..batch)
                .map(|n| {
                    let plane = &y[(n * channels + channel) * area..][..area];
                    vectorised(|| sum(plane, plane, |y, _| y))
                })
                .sum::<f64>() as f32
        })
        .collect();
    tensor(sums, [channels])
}

#[derive(Debug)]
struct ConvWithBias;

impl Backward<Flex, 3> for ConvWithBias {
    type State = ConvState;

    fn backward(
        self,
        ops: Ops<Self::State, 3>,
        gradients: &mut Gradients,
        _checkpointer: &mut Checkpointer,
    ) {
        let y = gradients.consume::<Flex>(&ops.node).to_contiguous();
        let [x, weight, bias] = ops.parents;
        let (x_gradient, weight_gradient) = ops.state.backward(&y);
        if let Some((node, gradient)) = x.zip(x_gradient) {
            gradients.register::<Flex>(node.id, gradient);
        }
        if let Some((node, gradient)) = weight.zip(weight_gradient) {
            gradients.register::<Flex>(node.id, gradient);
        }
        if let Some(node) = bias {
            let dims = ops.state.direction.output_dims(&ops.state.shape);
            gradients.register::<Flex>(node.id, bias_gradient(&y, dims));
        }
    }
}

#[derive(Debug)]
struct ConvWithoutBias;

impl Backward<Flex, 2> for ConvWithoutBias {
    type State = ConvState;

    fn backward(
        self,
        ops: Ops<Self::State, 2>,
        gradients: &mut Gradients,
        _checkpointer: &mut Checkpointer,
    ) {
        let y = gradients.consume::<Flex>(&ops.node).to_contiguous();
        let [x, weight] = ops.parents;
        let (x_gradient, weight_gradient) = ops.state.backward(&y);
        if let Some((node, gradient)) = x.zip(x_gradient) {
            gradients.register::<Flex>(node.id, gradient);
        }
        if let Some((node, gradient)) = weight.zip(weight_gradient) {
            gradients.register::<Flex>(node.id, gradient);
        }
    }
}

/// Keeps only what somebody's gradient needs: a constant input or a frozen weight costs nothing.
fn state(
    direction: Direction,
    shape: ConvShape,
    (x, x_tracked): (&Primitive, bool),
    (weight, weight_tracked): (&Primitive, bool),
) -> ConvState {
    ConvState {
        direction,
        x: weight_tracked.then(|| x.clone()),
        weight: x_tracked.then(|| weight.clone()),
        shape,
    }
}

fn conv_with_bias(
    direction: Direction,
    x: Tracked,
    weight: Tracked,
    bias: Tracked,
    shape: ConvShape,
) -> Tracked {
    let (x_tracked, weight_tracked) = (x.is_tracked(), weight.is_tracked());
    let prepared = ConvWithBias
        .prepare::<NoCheckpointing>([x.node(), weight.node(), bias.node()])
        .compute_bound()
        .stateful();
    let x = x.into_primitive().to_contiguous();
    let weight = weight.into_primitive().to_contiguous();
    let bias = bias.into_primitive().to_contiguous();
    let y = run(direction, &x, &weight, Some(&bias), &shape);
    match prepared {
        OpsKind::Tracked(prepared) => {
            let state = state(direction, shape, (&x, x_tracked), (&weight, weight_tracked));
            prepared.finish(state, y)
        }
        OpsKind::UnTracked(prepared) => prepared.finish(y),
    }
}

fn conv_without_bias(
    direction: Direction,
    x: Tracked,
    weight: Tracked,
    shape: ConvShape,
) -> Tracked {
    let (x_tracked, weight_tracked) = (x.is_tracked(), weight.is_tracked());
    let prepared = ConvWithoutBias
        .prepare::<NoCheckpointing>([x.node(), weight.node()])
        .compute_bound()
        .stateful();
    let x = x.into_primitive().to_contiguous();
    let weight = weight.into_primitive().to_contiguous();
    let y = run(direction, &x, &weight, None, &shape);
    match prepared {
        OpsKind::Tracked(prepared) => {
            let state = state(direction, shape, (&x, x_tracked), (&weight, weight_tracked));
            prepared.finish(state, y)
        }
        OpsKind::UnTracked(prepared) => prepared.finish(y),
    }
}

/// Elements per task of an elementwise pass.
const CHUNK: usize = 32 * 1024;

/// One parallel pass over `x` (and `other`).
///
/// `f` is copied into every task: behind a reference its constants would be read again for every
/// element, because the compiler cannot know that the output does not overwrite them.
fn elementwise(
    x: &[f32],
    other: &[f32],
    f: impl Fn(f32, f32) -> f32 + Copy + Send + Sync,
) -> Vec<f32> {
    let mut y = uninitialised(x.len());
    y.par_chunks_mut(CHUNK)
        .zip(x.par_chunks(CHUNK))
        .zip(other.par_chunks(CHUNK))
        .for_each(move |((y, x), other)| {
            vectorised(move || {
                for ((y, x), other) in y.iter_mut().zip(x).zip(other) {
                    y.write(f(*x, *other));
                }
            });
        });
    // SAFETY: the three slices have one length, so every element has been written.
    unsafe { initialised(y) }
}

fn leaky(x: &Primitive, slope: f32) -> Primitive {
    let y = elementwise(
        values(x),
        values(x),
        move |x, _| if x > 0.0 { x } else { slope * x },
    );
    Primitive::from_data(TensorData::new(y, x.layout().shape().clone()))
}

#[derive(Debug)]
struct LeakyRelu;

impl Backward<Flex, 1> for LeakyRelu {
    /// The output: its sign is the input's, and the next layer keeps it anyway.
    type State = (Primitive, f32);

    fn backward(
        self,
        ops: Ops<Self::State, 1>,
        gradients: &mut Gradients,
        _checkpointer: &mut Checkpointer,
    ) {
        let upstream = gradients.consume::<Flex>(&ops.node).to_contiguous();
        let (y, slope) = ops.state;
        let [parent] = ops.parents;
        if let Some(node) = parent {
            gradients.register::<Flex>(node.id, leaky_tangent(&upstream, &y, slope));
        }
    }
}

/// Leaky ReLU on flex, on the tape or off it.
pub(crate) fn leaky_relu<const D: usize>(x: Tensor<D>, slope: f64) -> Tensor<D> {
    let slope = slope as f32;
    if !x.device().is_autodiff() {
        return Tensor::from_primitive::<Flex>(leaky(&super::contiguous(x), slope));
    }
    let x = tracked(x);
    let prepared = LeakyRelu
        .prepare::<NoCheckpointing>([x.node()])
        .compute_bound()
        .stateful();
    let y = leaky(&x.into_primitive().to_contiguous(), slope);
    let y = match prepared {
        OpsKind::Tracked(prepared) => prepared.finish((y.clone(), slope), y),
        OpsKind::UnTracked(prepared) => prepared.finish(y),
    };
    Tensor::from_primitive::<Autodiff<Flex>>(y)
}

fn leaky_tangent(tangent: &Primitive, y: &Primitive, slope: f32) -> Primitive {
    let masked = elementwise(values(tangent), values(y), move |t, y| {
        if y > 0.0 { t } else { slope * t }
    });
    Primitive::from_data(TensorData::new(masked, tangent.layout().shape().clone()))
}

/// The tangent of a leaky ReLU with output `y`, on the tape or off it.
pub(crate) fn leaky_relu_tangent<const D: usize>(
    tangent: Tensor<D>,
    y: Tensor<D>,
    slope: f64,
) -> Tensor<D> {
    let slope = slope as f32;
    if !tangent.device().is_autodiff() {
        let (tangent, y) = (super::contiguous(tangent), super::contiguous(y));
        return Tensor::from_primitive::<Flex>(leaky_tangent(&tangent, &y, slope));
    }
    let tangent = tracked(tangent);
    let y = tracked(y).into_primitive().to_contiguous();
    // Linear in the tangent, so the step back is the activation's own.
    let prepared = LeakyRelu
        .prepare::<NoCheckpointing>([tangent.node()])
        .compute_bound()
        .stateful();
    let masked = leaky_tangent(&tangent.into_primitive().to_contiguous(), &y, slope);
    let masked = match prepared {
        OpsKind::Tracked(prepared) => prepared.finish((y, slope), masked),
        OpsKind::UnTracked(prepared) => prepared.finish(masked),
    };
    Tensor::from_primitive::<Autodiff<Flex>>(masked)
}

/// Whether a tensor lives on flex, on the tape or off it, in `f32` and without checkpointing.
pub(crate) fn is_supported<const D: usize>(x: &Tensor<D>) -> bool {
    let device = x.device();
    device.gradient_checkpointing_strategy() != Some(GradientCheckpointingStrategy::Balanced)
        && super::lives_on_flex(&device)
        && x.dtype() == DType::F32
}
