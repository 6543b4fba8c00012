//! What the published networks are made of.

use burn::prelude::*;
use gan_core::kernel::{FrozenConv2d, Pool, pool2d};
use rayon::prelude::*;

use super::{PictureShape, ResizeMode, Weights};
use crate::error::MetricError;

/// One layer of a network that is only used.
#[derive(Debug)]
pub(super) enum Layer {
    Conv(Box<FrozenConv2d>),
    /// Several chains of layers over the same input, the maps of their outputs one after the other.
    Branches(Vec<Vec<Self>>),
    /// The largest of every `size` x `size` pixels.
    MaxPool {
        size: usize,
        stride: usize,
        padding: usize,
    },
    /// The mean of every 3 x 3 pixels at stride 1; places outside the picture do not count.
    AvgPool,
}

impl Layer {
    pub(super) fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        match self {
            Self::Conv(conv) => conv.forward(x),
            Self::Branches(branches) => {
                let branch = |layers: &Vec<Self>| chain(layers, x.clone());
                Tensor::cat(branches.iter().map(branch).collect(), 1)
            }
            Self::MaxPool {
                size,
                stride,
                padding,
            } => pool2d(Pool::Max, x, *size, *stride, *padding),
            Self::AvgPool => pool2d(Pool::Mean, x, 3, 1, 1),
        }
    }
}

/// Layers one after the other.
pub(super) fn chain(layers: &[Layer], x: Tensor<4>) -> Tensor<4> {
    layers.iter().fold(x, |x, layer| layer.forward(x))
}

/// Sizes of a convolution.
#[derive(Clone, Copy)]
pub(super) struct ConvSizes {
    pub inputs: usize,
    pub outputs: usize,
    pub kernel: [usize; 2],
    pub stride: usize,
    pub padding: [usize; 2],
}

impl ConvSizes {
    /// Stride 1, no padding.
    pub(super) fn new(inputs: usize, outputs: usize, kernel: [usize; 2]) -> Self {
        Self {
            inputs,
            outputs,
            kernel,
            stride: 1,
            padding: [0, 0],
        }
    }

    /// As much padding as keeps the size.
    pub(super) fn same(self) -> Self {
        Self {
            padding: self.kernel.map(|kernel| kernel / 2),
            ..self
        }
    }

    pub(super) fn stride(self, stride: usize) -> Self {
        Self { stride, ..self }
    }

    fn weight_shape(&self) -> [usize; 4] {
        [self.outputs, self.inputs, self.kernel[0], self.kernel[1]]
    }

    /// A convolution with ReLU.
    fn freeze(&self, weight: Vec<f32>, bias: Vec<f32>, device: &Device) -> Layer {
        let weight = Tensor::from_data(TensorData::new(weight, self.weight_shape()), device);
        let bias = Tensor::from_data(TensorData::new(bias, [self.outputs]), device);
        let conv = FrozenConv2d::new(weight, bias, self.stride, self.padding, true);
        Layer::Conv(Box::new(conv))
    }

    /// Convolution with bias and ReLU, from `name.weight` and `name.bias`.
    pub(super) fn load(
        &self,
        weights: &mut Weights,
        name: &str,
        device: &Device,
    ) -> Result<Layer, MetricError> {
        let weight = weights.take(&format!("{name}.weight"), self.weight_shape())?;
        let bias = weights.take(&format!("{name}.bias"), [self.outputs])?;
        Ok(self.freeze(weight, bias, device))
    }

    /// Convolution, batch normalisation and ReLU, from `name.conv.…` and `name.bn.…`. The
    /// normalisation is folded into the convolution, in f64.
    pub(super) fn load_normalised(
        &self,
        weights: &mut Weights,
        name: &str,
        epsilon: f64,
        device: &Device,
    ) -> Result<Layer, MetricError> {
        let mut weight = weights.take(&format!("{name}.conv.weight"), self.weight_shape())?;
        let mut norm = |part| weights.take(&format!("{name}.bn.{part}"), [self.outputs]);
        let (scale, shift) = (norm("weight")?, norm("bias")?);
        let (mean, variance) = (norm("running_mean")?, norm("running_var")?);
        let mut bias = Vec::with_capacity(self.outputs);
        let depth = weight.len() / self.outputs;
        for (channel, weight) in weight.chunks_mut(depth).enumerate() {
            let deviation = (f64::from(variance[channel]) + epsilon).sqrt();
            let factor = f64::from(scale[channel]) / deviation;
            for weight in weight {
                *weight = (f64::from(*weight) * factor) as f32;
            }
            let mean = f64::from(mean[channel]);
            bias.push((f64::from(shift[channel]) - mean * factor) as f32);
        }
        Ok(self.freeze(weight, bias, device))
    }
}

/// Pictures as a network wants them: resized, in red, green and blue, normalised by
/// `normalise(channel, value)` for values from 0 to 255.
///
/// # Shapes
///
/// - pictures: `[count][height][width][channels]`
/// - output: `[count, 3, side, side]`
pub(super) fn prepare(
    pictures: &[u8],
    shape: PictureShape,
    resize: Option<(ResizeMode, usize)>,
    normalise: impl Fn(usize, f32) -> f32 + Copy + Send + Sync,
    device: &Device,
) -> Tensor<4> {
    let side = |own: usize| resize.map_or(own, |(_, side)| side);
    let (height, width) = (side(shape.height), side(shape.width));
    let count = pictures.len() / shape.picture_size();
    let mut values = vec![0.0; count * 3 * height * width];
    values
        .par_chunks_mut(3 * height * width)
        .zip(pictures.par_chunks(shape.picture_size()))
        .for_each(|(values, picture)| {
            let planes = match resize {
                Some((mode, side)) => mode.resize(picture, shape, side),
                None => planes(picture, shape),
            };
            let (to, from) = (
                values.chunks_mut(height * width),
                planes.chunks(height * width),
            );
            for (channel, (to, from)) in to.zip(from).enumerate() {
                for (to, from) in to.iter_mut().zip(from) {
                    *to = normalise(channel, *from);
                }
            }
        });
    Tensor::from_data(TensorData::new(values, [count, 3, height, width]), device)
}

/// Red, green and blue planes of a picture; grey is repeated.
fn planes(picture: &[u8], shape: PictureShape) -> Vec<f32> {
    (0..3)
        .flat_map(|plane| {
            let channel = if shape.channels == 1 { 0 } else { plane };
            picture[channel..].iter().step_by(shape.channels)
        })
        .map(|byte| f32::from(*byte))
        .collect()
}

/// Whether a network for colour pictures can take these.
pub(super) fn check_colours(
    what: &str,
    pictures: &[u8],
    shape: PictureShape,
) -> Result<(), MetricError> {
    shape.check_bytes(pictures)?;
    if shape.height > 0 && shape.width > 0 && (shape.channels == 1 || shape.channels == 3) {
        return Ok(());
    }
    Err(MetricError::Pictures {
        place: what.into(),
        reason: format!("they need grey or RGB pictures, and these are {shape}; convert them"),
    })
}

/// Pictures that pass through a large network together: enough for all threads, few enough for little
/// memory. Features do not depend on it.
pub(super) fn chunk() -> usize {
    2 * rayon::current_num_threads().max(2)
}
