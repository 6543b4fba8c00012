//! Convolutions as steps of Burn's tape.

use burn::prelude::*;

use super::Primitive;
use super::affine::{Affine, affine};
use super::conv::{convolve, convolve_transposed};
use super::node::{tensor, values};
use super::norm::channel_sums;
use super::shape::ConvShape;
use super::weight_gradient::weight_gradient;

/// Which way a convolution goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    /// From the big side to the small one.
    Down,
    /// From the small side to the big one: transposed.
    Up,
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Conv {
    direction: Direction,
    shape: ConvShape,
}

impl Conv {
    fn reverse(self) -> Self {
        let direction = match self.direction {
            Direction::Down => Direction::Up,
            Direction::Up => Direction::Down,
        };
        Self { direction, ..self }
    }
}

impl Affine for Conv {
    fn forward(&self, x: &Primitive, weight: &Primitive, bias: Option<&Primitive>) -> Primitive {
        let (x, weight, bias) = (values(x), values(weight), bias.map(values));
        let shape = &self.shape;
        match self.direction {
            Direction::Down => tensor(convolve(x, weight, bias, shape), shape.small_dims()),
            Direction::Up => tensor(
                convolve_transposed(x, weight, bias, shape),
                shape.big_dims(),
            ),
        }
    }

    fn x_gradient(&self, y: &Primitive, weight: &Primitive) -> Primitive {
        self.reverse().forward(y, weight, None)
    }

    fn weight_gradient(&self, y: &Primitive, x: &Primitive) -> Primitive {
        let shape = &self.shape;
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
    }

    /// Sum over pictures and pixels.
    fn bias_gradient(&self, y: &Primitive) -> Primitive {
        let sums = channel_sums(y);
        let channels = sums.len();
        tensor(sums, [channels])
    }
}

/// A convolution on flex, on the tape or off it.
pub(crate) fn conv(
    direction: Direction,
    x: Tensor<4>,
    weight: Tensor<4>,
    bias: Option<Tensor<1>>,
    shape: ConvShape,
) -> Tensor<4> {
    affine(Conv { direction, shape }, x, weight, bias)
}
