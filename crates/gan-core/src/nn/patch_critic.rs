//! A critic that judges every patch of a picture by itself.

use burn::module::Module;
use burn::prelude::*;
use serde::{Deserialize, Serialize};

use super::{
    Activation, Conv2d, Conv2dConfig, ConvBlock, Critic, Initializer, Norm, NormActivation,
    SpatialLayer,
};
use crate::dual::{Dual, Forward};
use crate::error::ConfigError;
use crate::rng::Stream;

/// Configuration to create a [`PatchCritic`] using the [init function](PatchCriticConfig::init).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PatchCriticConfig {
    /// Channels that come in, 1 or more: 3, or 6 for a colour picture beside its condition.
    pub in_channels: usize,
    /// Channels after each convolution before the last; all but the last of them halve the size. Two or
    /// more.
    pub widths: Vec<usize>,
    /// Before every hidden activation but the first.
    pub norm: Norm,
    /// After every convolution but the last.
    pub activation: Activation,
    /// Initial values.
    pub initializer: Initializer,
}

impl PatchCriticConfig {
    /// The 70 × 70 critic of [pix2pix](https://arxiv.org/abs/1611.07004), section 6.1.2: widths 64, 128,
    /// 256, 512, leaky ReLU 0.2, N(0, 0.02).
    ///
    /// Differs from the paper in instance normalisation in the place of batch normalisation, which
    /// cannot be under a gradient penalty, as in [CycleGAN](https://arxiv.org/abs/1703.10593).
    pub fn patch_70(in_channels: usize) -> Self {
        Self {
            in_channels,
            widths: vec![64, 128, 256, 512],
            norm: Norm::Instance { epsilon: 1e-5 },
            activation: Activation::LeakyRelu { slope: 0.2 },
            initializer: Initializer::Dcgan,
        }
    }

    /// Height and width of the smallest picture that gives a logit.
    pub fn smallest_size(&self) -> usize {
        // Two layers of stride 1 take a pixel each.
        3 << self.widths.len().saturating_sub(1)
    }

    /// Says what is wrong.
    ///
    /// # Errors
    ///
    /// If a size is 0, there are fewer than two widths, or a part is not valid.
    pub fn validate(&self) -> Result<(), ConfigError> {
        super::check_size("in_channels", self.in_channels)?;
        super::check_sizes("widths", &self.widths)?;
        if self.widths.len() < 2 {
            let value = format!("{:?}", self.widths);
            return Err(ConfigError::new("widths", value, "a list of two or more"));
        }
        for width in &self.widths[1..] {
            self.norm.validate(*width).map_err(|e| e.within("norm"))?;
        }
        self.activation
            .validate()
            .map_err(|e| e.within("activation"))?;
        self.initializer.validate()
    }

    /// Draws the parameters.
    ///
    /// # Panics
    ///
    /// Panics if the configuration is not valid.
    pub fn init(&self, stream: &mut Stream, device: &Device) -> PatchCritic {
        super::expect_valid(self.validate());
        let last = self.widths.len() - 1;
        let conv = |from: usize, to: usize, stride: usize, bias: bool| {
            Conv2dConfig::new(from, to, 4)
                .with_stride(stride)
                .with_padding(1)
                .with_bias(bias)
                .with_initializer(self.initializer)
        };
        let mut from = self.in_channels;
        let mut blocks = Vec::new();
        for (index, to) in self.widths.iter().copied().enumerate() {
            let norm = if index == 0 { Norm::None } else { self.norm };
            let stride = if index == last { 1 } else { 2 };
            let config = conv(from, to, stride, !norm.cancels_bias());
            let (activation, initializer) = (self.activation, self.initializer);
            blocks.push(ConvBlock {
                layer: SpatialLayer::Conv(config.init(stream, device)),
                pool: false,
                after: NormActivation::new(to, norm, activation, initializer, stream, device),
            });
            from = to;
        }
        PatchCritic {
            blocks,
            logits: conv(from, 1, 1, true).init(stream, device),
            couples_samples: self.norm.couples_samples(),
        }
    }
}

/// Convolutions only, down to one logit for every patch of the picture: the critic of
/// [pix2pix](https://arxiv.org/abs/1611.07004). Takes pictures of any size.
///
/// Should be created using [`PatchCriticConfig`].
#[derive(Module, Debug)]
pub struct PatchCritic {
    /// Kernel 4, padding 1; stride 2, but 1 in the last.
    pub blocks: Vec<ConvBlock>,
    /// Kernel 4, padding 1, stride 1.
    pub logits: Conv2d,
    /// Whether it has batch normalisation.
    pub couples_samples: bool,
}

impl Forward<4, 4> for PatchCritic {
    /// Pictures `[batch, channels, height, width]` to a map of logits `[batch, 1, …]`.
    fn apply(&self, x: Dual<4>) -> Dual<4> {
        let x = self.blocks.iter().fold(x, |x, block| block.apply(x));
        self.logits.apply(x)
    }
}

impl Critic<4> for PatchCritic {
    fn score(&self, x: Dual<4>) -> Dual<2> {
        self.apply(x).flatten()
    }

    fn couples_samples(&self) -> bool {
        self.couples_samples
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::parameter_count;
    use crate::testing::assert_jvp;

    fn init(config: &PatchCriticConfig) -> PatchCritic {
        config.init(&mut Stream::new(1, "patch", 0), &Device::flex().autodiff())
    }

    fn small() -> PatchCriticConfig {
        PatchCriticConfig {
            widths: vec![4, 6, 5],
            activation: Activation::Tanh,
            initializer: Initializer::PyTorch,
            ..PatchCriticConfig::patch_70(2)
        }
    }

    #[test]
    fn the_tangent_matches_a_central_difference() {
        let critic = init(&small());
        let x = Stream::new(1, "x", 0).normal([2, 2, 24, 24], &Device::flex().autodiff());
        assert_eq!(critic.score(x.clone().into()).primal.dims(), [2, 16]);
        assert_jvp(|x| critic.score(x), x);
    }

    /// By hand: `16 · (6·64 + 64·128 + 128·256 + 256·512 + 512)`, 65 biases, two per normalised channel; and a
    /// logit per patch, 30 × 30 of them at 256 pixels as in the paper.
    #[test]
    fn the_critic_of_pix2pix_has_its_size() {
        let critic = init(&PatchCriticConfig::patch_70(6));
        let weights = 16 * (6 * 64 + 64 * 128 + 128 * 256 + 256 * 512 + 512);
        assert_eq!(
            parameter_count(&critic),
            weights + 65 + 2 * (128 + 256 + 512)
        );
        let sizes = [256, 128].map(|size| {
            let x = Tensor::<4>::zeros([1, 2, size, size], &Device::flex().autodiff());
            init(&small()).apply(x.into()).primal.dims()[2]
        });
        // One halving less than the paper's: 256 / 4 − 2 and 128 / 4 − 2.
        assert_eq!(sizes, [62, 30]);
    }

    /// A logit sees its patch and nothing else (without a normalisation that sees the picture).
    #[test]
    fn a_far_corner_does_not_matter() {
        let config = PatchCriticConfig {
            norm: Norm::None,
            ..small()
        };
        let critic = init(&config);
        let x = Stream::new(1, "x", 0).normal([1, 2, 48, 48], &Device::flex().autodiff());
        let corner = Tensor::zeros([1, 2, 8, 8], &x.device());
        let changed = x.clone().slice_assign([0..1, 0..2, 40..48, 40..48], corner);
        let difference = critic.apply(changed.into()).primal - critic.apply(x.into()).primal;
        let first = difference.clone().narrow(2, 0, 5).narrow(3, 0, 5);
        assert_eq!(first.abs().max().into_scalar::<f32>(), 0.0);
        assert!(difference.abs().max().into_scalar::<f32>() > 1e-4);
    }

    #[test]
    fn bad_configurations_are_refused() {
        let field = |change: fn(&mut PatchCriticConfig)| {
            let mut bad = small();
            change(&mut bad);
            bad.validate().expect_err("it is bad").field
        };
        assert_eq!(field(|c| c.in_channels = 0), "in_channels");
        assert_eq!(field(|c| c.widths = vec![4]), "widths");
        assert_eq!(field(|c| c.widths = vec![4, 0]), "widths");
        assert_eq!(
            field(|c| c.norm = Norm::Instance { epsilon: 0.0 }),
            "norm.epsilon"
        );
        assert_eq!(
            field(|c| c.activation = Activation::LeakyRelu { slope: 2.0 }),
            "activation.slope"
        );
    }
}
