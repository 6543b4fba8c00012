//! A layer on pictures with what follows it.

use burn::module::Module;
use burn::prelude::*;

use super::{
    Activation, Conv2d, ConvTranspose2d, Initializer, Linear, LinearConfig, Norm, NormLayer,
    ResizeConv2d, SpectralConv2d, SpectralLinear,
};
use crate::dual::{Dual, Forward};
use crate::rng::Stream;

/// A normalisation, where there is one, and an activation; pixel normalisation comes after the
/// activation, as in [ProGAN](https://arxiv.org/abs/1710.10196), every other one before it.
#[derive(Module, Debug)]
pub struct NormActivation {
    /// First, or second if it is pixel normalisation.
    pub norm: Option<NormLayer>,
    /// The activation.
    #[module(skip)]
    pub activation: Activation,
}

impl NormActivation {
    /// Draws the parameters for `channels`.
    ///
    /// # Panics
    ///
    /// Panics if the normalisation is not valid for that many channels.
    pub fn new(
        channels: usize,
        norm: Norm,
        activation: Activation,
        initializer: Initializer,
        stream: &mut Stream,
        device: &Device,
    ) -> Self {
        Self {
            norm: norm.init(channels, initializer, stream, device),
            activation,
        }
    }
}

impl<const D: usize> Forward<D, D> for NormActivation {
    fn apply(&self, x: Dual<D>) -> Dual<D> {
        match &self.norm {
            Some(norm @ NormLayer::Pixel(_)) => norm.apply(self.activation.apply(x)),
            Some(norm) => self.activation.apply(norm.apply(x)),
            None => self.activation.apply(x),
        }
    }
}

/// One of the layers between pictures.
#[derive(Module, Debug)]
pub enum SpatialLayer {
    /// A convolution.
    Conv(Conv2d),
    /// A transposed convolution.
    Transposed(ConvTranspose2d),
    /// A doubling and a convolution.
    Resize(ResizeConv2d),
    /// A convolution with spectral normalisation.
    Spectral(SpectralConv2d),
}

impl Forward<4, 4> for SpatialLayer {
    fn apply(&self, x: Dual<4>) -> Dual<4> {
        match self {
            Self::Conv(layer) => layer.apply(x),
            Self::Transposed(layer) => layer.apply(x),
            Self::Resize(layer) => layer.apply(x),
            Self::Spectral(layer) => layer.apply(x),
        }
    }
}

/// One of the dense layers.
#[derive(Module, Debug)]
pub enum DenseLayer {
    /// As it is.
    Plain(Linear),
    /// With spectral normalisation.
    Spectral(SpectralLinear),
}

impl DenseLayer {
    /// Draws the parameters.
    ///
    /// # Panics
    ///
    /// Panics if the configuration is not valid.
    pub fn new(
        config: LinearConfig,
        spectral_norm: bool,
        stream: &mut Stream,
        device: &Device,
    ) -> Self {
        if spectral_norm {
            Self::Spectral(SpectralLinear::new(config, stream, device))
        } else {
            Self::Plain(config.init(stream, device))
        }
    }
}

impl Forward<2, 2> for DenseLayer {
    fn apply(&self, x: Dual<2>) -> Dual<2> {
        match self {
            Self::Plain(layer) => layer.apply(x),
            Self::Spectral(layer) => layer.apply(x),
        }
    }
}

/// A layer, the mean over squares of two pixels if it is to halve, a normalisation and an activation.
#[derive(Module, Debug)]
pub struct ConvBlock {
    /// First.
    pub layer: SpatialLayer,
    /// Whether height and width are halved by taking means after the layer.
    pub pool: bool,
    /// Last.
    pub after: NormActivation,
}

impl Forward<4, 4> for ConvBlock {
    fn apply(&self, x: Dual<4>) -> Dual<4> {
        let x = self.layer.apply(x);
        let x = if self.pool { x.avg_pool2d(2) } else { x };
        self.after.apply(x)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::Conv2dConfig;
    use crate::testing::{assert_close, assert_jvp};

    fn block(pool: bool) -> ConvBlock {
        let (mut stream, device) = (Stream::new(1, "block", 0), Device::flex());
        let config = Conv2dConfig::new(2, 4, 3).with_padding(1);
        let norm = Norm::Layer { epsilon: 1e-5 };
        let initializer = Initializer::PyTorch;
        let tanh = Activation::Tanh;
        ConvBlock {
            layer: SpatialLayer::Conv(config.init(&mut stream, &device)),
            pool,
            after: NormActivation::new(4, norm, tanh, initializer, &mut stream, &device),
        }
    }

    fn picture() -> Tensor<4> {
        Stream::new(1, "x", 0).normal([2, 2, 4, 4], &Device::flex())
    }

    #[test]
    fn tangents_match_central_differences() {
        for pool in [false, true] {
            let block = block(pool);
            assert_jvp(|x| block.apply(x), picture());
        }
    }

    #[test]
    fn the_order_is_layer_pool_norm_activation() {
        let block = block(true);
        let x = block.layer.apply(picture().into()).avg_pool2d(2);
        let wanted = block
            .after
            .norm
            .as_ref()
            .expect("there is one")
            .apply(x)
            .tanh();
        assert_close(&block.apply(picture().into()).primal, &wanted.primal, 1e-6);
        assert_eq!(wanted.primal.dims(), [2, 4, 2, 2]);
    }
}
