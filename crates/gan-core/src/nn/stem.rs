//! From latent to the smallest picture.

use burn::module::Module;
use burn::prelude::*;
use serde::{Deserialize, Serialize};

use super::{
    Conv2dConfig, ConvTranspose2d, Initializer, Linear, LinearConfig, SpectralNorm,
    SpectralNormConfig,
};
use crate::dual::{Dual, Forward};
use crate::rng::Stream;

/// How a latent becomes the smallest picture. The two compute the same kind of map; what differs is
/// the shape of the weight in files, and that a dense bias is per pixel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stem {
    /// A dense layer, reshaped.
    #[default]
    Dense,
    /// A transposed convolution of a picture of one pixel, as in DCGAN.
    Transposed,
}

impl Stem {
    /// Draws the parameters, for latent size, channels and height.
    pub(super) fn init(
        self,
        (latent_size, channels, size): (usize, usize, usize),
        bias: bool,
        initializer: Initializer,
        spectral_norm: Option<SpectralNormConfig>,
        stream: &mut Stream,
        device: &Device,
    ) -> StemLayer {
        match self {
            Self::Dense => {
                let config = LinearConfig::new(latent_size, channels * size * size)
                    .with_bias(bias)
                    .with_initializer(initializer)
                    .with_spectral_norm(spectral_norm);
                StemLayer::Dense(config.init(stream, device))
            }
            Self::Transposed => {
                let config = Conv2dConfig::new(latent_size, channels, size)
                    .with_bias(bias)
                    .with_initializer(initializer)
                    .with_spectral_norm(spectral_norm);
                StemLayer::Transposed(config.init_transposed(stream, device))
            }
        }
    }
}

/// From latent to the smallest picture.
#[derive(Module, Debug)]
pub enum StemLayer {
    /// A dense layer.
    Dense(Linear),
    /// A transposed convolution.
    Transposed(ConvTranspose2d),
}

impl StemLayer {
    /// `[batch, latent_size]` to `[batch, channels, size, size]`.
    pub fn apply(&self, z: Dual<2>, size: usize) -> Dual<4> {
        let [batch, latent_size] = z.primal.dims();
        match self {
            Self::Dense(layer) => {
                let channels = layer.weight.dims()[0] / (size * size);
                layer.apply(z).reshape([batch, channels, size, size])
            }
            Self::Transposed(layer) => {
                // With one input pixel every weight meets one latent value once: a matrix product. Not
                // `kernel::linear`, whose weight lies the other way round: it and its gradient would be copied.
                let [_, channels, ..] = layer.weight.dims();
                let weight = SpectralNorm::apply_to(&layer.spectral_norm, &layer.weight, 1);
                let weight = weight.reshape([latent_size, channels * size * size]);
                let y = z
                    .linear_map(|z| z.matmul(weight.clone()))
                    .reshape([batch, channels, size, size]);
                match &layer.bias {
                    Some(bias) => Dual {
                        primal: y.primal + bias.val().reshape([1, channels, 1, 1]),
                        tangent: y.tangent,
                    },
                    None => y,
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{assert_close, assert_jvp};

    fn latent() -> Tensor<2> {
        Stream::new(1, "z", 0).normal([3, 6], &Device::flex())
    }

    fn init(stem: Stem) -> StemLayer {
        let mut stream = Stream::new(1, "stem", 0);
        stem.init(
            (6, 5, 4),
            true,
            Initializer::PyTorch,
            None,
            &mut stream,
            &Device::flex(),
        )
    }

    #[test]
    fn both_have_one_shape_and_a_right_tangent() {
        for stem in [Stem::Dense, Stem::Transposed] {
            let stem = init(stem);
            assert_eq!(stem.apply(latent().into(), 4).primal.dims(), [3, 5, 4, 4]);
            assert_jvp(|z| stem.apply(z, 4), latent());
        }
    }

    /// The matrix product in place of the transposed convolution of one pixel.
    #[test]
    fn a_transposed_stem_is_a_transposed_convolution() {
        let stem = init(Stem::Transposed);
        let found = stem.apply(latent().into(), 4).primal;
        let StemLayer::Transposed(layer) = stem else {
            panic!("it is transposed");
        };
        let wanted = layer.forward(latent().reshape([3, 6, 1, 1]));
        assert_close(&found, &wanted, 1e-5);
    }

    #[test]
    fn its_weight_gets_the_gradient_of_a_transposed_convolution() {
        let device = Device::flex().autodiff();
        let mut stream = Stream::new(1, "stem", 0);
        let size = (6, 5, 4);
        let stem =
            Stem::Transposed.init(size, true, Initializer::PyTorch, None, &mut stream, &device);
        let z = Tensor::from_inner(latent());
        let StemLayer::Transposed(layer) = &stem else {
            panic!("it is transposed");
        };
        let gradient = |y: Tensor<4>| {
            let gradients = y.square().sum().backward();
            layer.weight.val().grad(&gradients).expect("tracked")
        };
        let found = gradient(stem.apply(z.clone().into(), 4).primal);
        let wanted = gradient(layer.forward(z.reshape([3, 6, 1, 1])));
        assert_close(&found, &wanted, 1e-4);
    }
}
