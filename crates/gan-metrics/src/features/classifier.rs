//! What the small classifiers have in common.

use std::collections::BTreeMap;
use std::path::Path;

use burn::module::Module;
use burn::prelude::*;
use gan_core::game::restore_module;
use gan_core::nn::{
    Activation, Conv2dConfig, ConvBlock, Initializer, Norm, NormActivation, SpatialLayer,
};
use gan_core::rng::Stream;
use gan_core::weights::read_safetensors;

use super::{FeatureBatch, PictureShape, in_chunks, sha256};
use crate::error::MetricError;

/// Pictures that pass through a network together.
const CHUNK: usize = 250;

/// Weights in the crate, and what they should be.
pub(super) struct Shipped {
    /// What they are of, as in `the digit classifier of gan-metrics`.
    pub(super) place: &'static str,
    /// Half-precision safetensors.
    pub(super) bytes: &'static [u8],
    /// Of the bytes.
    pub(super) sha256: &'static str,
}

impl Shipped {
    /// `network` with these weights.
    ///
    /// # Errors
    ///
    /// If they are damaged.
    pub(super) fn load<M: Module>(&self, network: M) -> Result<M, MetricError> {
        if sha256(self.bytes) != self.sha256 {
            let reason = "its weights are damaged; take its file in weights/ from the repository \
                          again";
            return Err(MetricError::weights(self.place, reason));
        }
        let tensors = read_safetensors(self.place.as_ref(), self.bytes)?;
        with_weights(network, self.place.as_ref(), tensors)
    }
}

/// `network` with the tensors of the file `path`, of any precision.
///
/// # Errors
///
/// If they are of another network.
pub(super) fn with_weights<M: Module>(
    network: M,
    path: &Path,
    tensors: BTreeMap<String, TensorData>,
) -> Result<M, MetricError> {
    let tensors = tensors
        .into_iter()
        .map(|(name, data)| (name, data.convert::<f32>()))
        .collect();
    restore_module(network, "weights", &tensors)
        .map_err(|error| MetricError::weights(path, error.to_string()))
}

/// Convolutions of `[in, out, kernel, stride, padding]` with batch normalisation and ReLU.
pub(super) fn conv_blocks(
    layers: &[[usize; 5]],
    stream: &mut Stream,
    device: &Device,
) -> Vec<ConvBlock> {
    let initializer = Initializer::KaimingNormal {
        gain: std::f64::consts::SQRT_2,
    };
    let mut block = |[from, to, kernel, stride, padding]: [usize; 5]| {
        let conv = Conv2dConfig::new(from, to, kernel)
            .with_stride(stride)
            .with_padding(padding)
            .with_bias(false)
            .with_initializer(initializer);
        ConvBlock {
            layer: SpatialLayer::Conv(conv.init(stream, device)),
            pool: false,
            after: NormActivation::new(
                to,
                Norm::batch(),
                Activation::Relu,
                initializer,
                stream,
                device,
            ),
        }
    };
    layers.iter().map(|layer| block(*layer)).collect()
}

/// What a classifier takes and makes.
pub(super) struct Pass<'a> {
    /// How errors call its features.
    pub(super) place: &'static str,
    /// Height and width of a picture.
    pub(super) side: usize,
    /// Channels of a picture.
    pub(super) channels: usize,
    /// Numbers of features and of classes; 0 classes if it does not classify.
    pub(super) sizes: [usize; 2],
    /// Where it is.
    pub(super) device: &'a Device,
}

impl Pass<'_> {
    /// Passes pictures through `network`, which makes features and logits.
    ///
    /// # Errors
    ///
    /// If there are not the bytes that `shape` says, or pictures have another size.
    pub(super) fn run(
        &self,
        pictures: &[u8],
        shape: PictureShape,
        network: impl Fn(Tensor<4>) -> (Tensor<2>, Tensor<2>),
    ) -> Result<FeatureBatch, MetricError> {
        shape.check_bytes(pictures)?;
        self.check_picture(shape)?;
        Ok(in_chunks(pictures, shape, CHUNK, self.sizes, |bytes| {
            let (features, logits) = network(self.signed_pictures(bytes));
            (features, (self.sizes[1] > 0).then_some(logits))
        }))
    }

    /// Refuses pictures of another size.
    pub(super) fn check_picture(&self, shape: PictureShape) -> Result<(), MetricError> {
        let (side, channels) = (self.side, self.channels);
        if [shape.height, shape.width, shape.channels] == [side, side, channels] {
            return Ok(());
        }
        let kind = if channels == 1 { "grey" } else { "RGB" };
        Err(MetricError::Pictures {
            place: self.place.into(),
            reason: format!(
                "they need {kind} pictures of {side}x{side}, and these are {shape}; choose other \
                 features or resize the pictures"
            ),
        })
    }

    /// Bytes of square pictures, `[batch, side, side, channels]`, as `[batch, channels, side, side]` in
    /// `[-1, 1]`.
    fn signed_pictures(&self, bytes: &[u8]) -> Tensor<4> {
        let (side, channels) = (self.side, self.channels);
        let pixels: Vec<f32> = bytes
            .iter()
            .map(|byte| f32::from(*byte) / 127.5 - 1.0)
            .collect();
        let count = bytes.len() / (side * side * channels);
        let data = TensorData::new(pixels, [count, side, side, channels]);
        Tensor::<4>::from_data(data, self.device).permute([0, 3, 1, 2])
    }
}
