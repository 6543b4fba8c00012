//! Convolutional critics.

use burn::module::Module;
use burn::prelude::*;
use serde::{Deserialize, Serialize};

use super::{
    Activation, Conv2d, Conv2dConfig, ConvBlock, Critic, ImageShape, Initializer, Linear,
    LinearConfig, MinibatchDiscrimination, MinibatchDiscriminationConfig, MinibatchStddev,
    MinibatchStddevConfig, Norm, NormActivation, Resample, ResidualBlock, ResidualBlockConfig,
    SpatialLayer, SpectralNormConfig,
};
use crate::dual::{Dual, Forward};
use crate::error::ConfigError;
use crate::rng::Stream;

/// How height and width are halved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Downsample {
    /// Convolution, kernel 4, stride 2, padding 1.
    #[default]
    Strided4,
    /// Convolution, kernel 3, stride 2, padding 1.
    Strided3,
    /// Convolution, kernel 3, then means over squares of two pixels.
    Pool3,
}

/// Configuration to create a [`ConvCritic`] using the [init function](ConvCriticConfig::init).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConvCriticConfig {
    /// What is judged.
    pub image: ImageShape,
    /// Channels after each halving; from one to as many as
    /// [doublings](ImageShape::num_doublings).
    pub widths: Vec<usize>,
    /// Halvings. Default: kernel 4. With `residual`, always means.
    #[serde(default)]
    pub downsample: Downsample,
    /// Before every hidden activation but the first, as in DCGAN. Default: none.
    #[serde(default)]
    pub norm: Norm,
    /// After every hidden layer.
    pub activation: Activation,
    /// More 3 × 3 convolutions after each halving: empty, or one number for each of `widths`. Default:
    /// empty.
    #[serde(default)]
    pub extra_convs: Vec<usize>,
    /// Residual blocks in place of single layers, after a 1 × 1 convolution of the picture. Default:
    /// `false`.
    #[serde(default)]
    pub residual: bool,
    /// Deviation over the batch as one more channel at the smallest size. Default: none.
    #[serde(default)]
    pub minibatch_stddev: Option<MinibatchStddevConfig>,
    /// Width of a dense layer before the one that makes the logit. Default: there is none.
    #[serde(default)]
    pub hidden: Option<usize>,
    /// How near a picture is to the others of its batch, seen by the last layer. Default: not seen.
    #[serde(default)]
    pub minibatch_discrimination: Option<MinibatchDiscriminationConfig>,
    /// Initial values.
    pub initializer: Initializer,
    /// Weights divided by their largest singular value. Default: no.
    #[serde(default)]
    pub spectral_norm: Option<SpectralNormConfig>,
}

impl ConvCriticConfig {
    /// The critic of [DCGAN](https://arxiv.org/abs/1511.06434): batch normalisation on all layers but
    /// the first, leaky ReLU 0.2, N(0, 0.02); with 64 pixels and widths 128, 256, 512, 1024 the mirror
    /// image of the paper's generator.
    ///
    /// Differs from the usual code in the biases of the first and last layer, which begin at 0.
    pub fn dcgan(image: ImageShape, widths: impl Into<Vec<usize>>) -> Self {
        Self {
            image,
            widths: widths.into(),
            downsample: Downsample::Strided4,
            norm: Norm::batch(),
            activation: Activation::LeakyRelu { slope: 0.2 },
            extra_convs: Vec::new(),
            residual: false,
            minibatch_stddev: None,
            hidden: None,
            minibatch_discrimination: None,
            initializer: Initializer::Dcgan,
            spectral_norm: None,
        }
    }

    /// Says what is wrong.
    ///
    /// # Errors
    ///
    /// If a size is 0, the number of widths does not fit the picture, or a part is not valid.
    pub fn validate(&self) -> Result<(), ConfigError> {
        self.image.validate()?;
        super::check_sizes("widths", &self.widths)?;
        let most = self.image.num_doublings();
        if !(1..=most).contains(&self.widths.len()) {
            let allowed = format!("a list of 1 to {most} for {} pixels", self.image.size);
            return Err(ConfigError::new(
                "widths",
                format!("{:?}", self.widths),
                allowed,
            ));
        }
        super::check_extra_convs(&self.extra_convs, &self.widths)?;
        for width in &self.widths {
            self.norm.validate(*width).map_err(|e| e.within("norm"))?;
        }
        self.activation
            .validate()
            .map_err(|e| e.within("activation"))?;
        if let Some(config) = &self.minibatch_stddev {
            config
                .validate()
                .map_err(|e| e.within("minibatch_stddev"))?;
        }
        if let Some(width) = self.hidden {
            super::check_size("hidden", width)?;
        }
        if let Some(config) = &self.minibatch_discrimination {
            let within = |e: ConfigError| e.within("minibatch_discrimination");
            config.validate().map_err(within)?;
        }
        self.initializer.validate()
    }

    /// Draws the parameters.
    ///
    /// # Panics
    ///
    /// Panics if the configuration is not valid.
    pub fn init(&self, stream: &mut Stream, device: &Device) -> ConvCritic {
        self.init_encoder(1, stream, device)
    }

    /// The same network with so many numbers for a picture in place of a score: an encoder.
    ///
    /// # Panics
    ///
    /// Panics if the configuration is not valid.
    pub fn init_encoder(&self, outputs: usize, stream: &mut Stream, device: &Device) -> ConvCritic {
        super::expect_valid(self.validate());
        let (first, last) = (self.widths[0], self.widths[self.widths.len() - 1]);
        let conv_1x1 = Conv2dConfig::new(self.image.channels, first, 1);
        let conv_1x1 = conv_1x1
            .with_initializer(self.initializer)
            .with_spectral_norm(self.spectral_norm);
        let from_image = self.residual.then(|| conv_1x1.init(stream, device));
        let mut blocks = Vec::new();
        let mut from = if self.residual {
            first
        } else {
            self.image.channels
        };
        for (index, to) in self.widths.iter().copied().enumerate() {
            blocks.push(self.init_halving((from, to), index == 0, stream, device));
            for _ in 0..self.extra_convs.get(index).copied().unwrap_or(0) {
                blocks.push(self.init_extra(to, stream, device));
            }
            from = to;
        }
        let before_dense = self
            .residual
            .then(|| self.after(last, self.norm, stream, device));
        let size = self.image.size >> self.widths.len();
        let channels = last + usize::from(self.minibatch_stddev.is_some());
        let linear = |from, to| {
            LinearConfig::new(from, to)
                .with_initializer(self.initializer)
                .with_spectral_norm(self.spectral_norm)
        };
        let flat = channels * size * size;
        let hidden = self
            .hidden
            .map(|width| linear(flat, width).init(stream, device));
        let features = self.hidden.unwrap_or(flat);
        let compare = |c: MinibatchDiscriminationConfig| c.init(features, stream, device);
        let minibatch_discrimination = self.minibatch_discrimination.map(compare);
        let seen = features + self.minibatch_discrimination.map_or(0, |c| c.kernels);
        ConvCritic {
            from_image,
            blocks,
            before_dense,
            minibatch_stddev: self.minibatch_stddev.map(|config| config.init()),
            hidden,
            minibatch_discrimination,
            logit: linear(seen, outputs).init(stream, device),
            activation: self.activation,
            couples_samples: self.norm.couples_samples() || self.compares_pictures(),
        }
    }

    /// Whether it compares the pictures of a batch, apart from batch normalisation.
    pub fn compares_pictures(&self) -> bool {
        self.minibatch_stddev.is_some() || self.minibatch_discrimination.is_some()
    }

    fn after(
        &self,
        channels: usize,
        norm: Norm,
        stream: &mut Stream,
        device: &Device,
    ) -> NormActivation {
        let (activation, initializer) = (self.activation, self.initializer);
        NormActivation::new(channels, norm, activation, initializer, stream, device)
    }

    fn init_halving(
        &self,
        (from, to): (usize, usize),
        is_first: bool,
        stream: &mut Stream,
        device: &Device,
    ) -> CriticBlock {
        if self.residual {
            return self.init_residual((from, to), Resample::Down, stream, device);
        }
        let norm = if is_first { Norm::None } else { self.norm };
        let (kernel, stride) = match self.downsample {
            Downsample::Strided4 => (4, 2),
            Downsample::Strided3 => (3, 2),
            Downsample::Pool3 => (3, 1),
        };
        self.init_plain((from, to), (kernel, stride), norm, stream, device)
    }

    fn init_extra(&self, width: usize, stream: &mut Stream, device: &Device) -> CriticBlock {
        let same = (width, width);
        if self.residual {
            return self.init_residual(same, Resample::Same, stream, device);
        }
        let mut block = self.init_plain(same, (3, 1), self.norm, stream, device);
        if let CriticBlock::Plain(block) = &mut block {
            block.pool = false;
        }
        block
    }

    fn init_plain(
        &self,
        (from, to): (usize, usize),
        (kernel, stride): (usize, usize),
        norm: Norm,
        stream: &mut Stream,
        device: &Device,
    ) -> CriticBlock {
        let config = Conv2dConfig::new(from, to, kernel)
            .with_stride(stride)
            .with_padding(1)
            .with_bias(!norm.cancels_bias())
            .with_initializer(self.initializer)
            .with_spectral_norm(self.spectral_norm);
        CriticBlock::Plain(ConvBlock {
            layer: SpatialLayer::Conv(config.init(stream, device)),
            pool: stride == 1,
            after: self.after(to, norm, stream, device),
        })
    }

    fn init_residual(
        &self,
        (in_channels, out_channels): (usize, usize),
        resample: Resample,
        stream: &mut Stream,
        device: &Device,
    ) -> CriticBlock {
        let config = ResidualBlockConfig {
            in_channels,
            out_channels,
            resample,
            norm: self.norm,
            activation: self.activation,
            initializer: self.initializer,
            spectral_norm: self.spectral_norm,
        };
        CriticBlock::Residual(config.init(stream, device))
    }
}

/// What is between picture and dense layers.
#[derive(Module, Debug)]
#[allow(clippy::large_enum_variant)] // There are a handful per network.
pub enum CriticBlock {
    /// A layer, a normalisation, an activation.
    Plain(ConvBlock),
    /// A residual block.
    Residual(ResidualBlock),
}

/// Halvings, the deviation over the batch, and one or two dense layers.
///
/// Should be created using [`ConvCriticConfig`].
#[derive(Module, Debug)]
pub struct ConvCritic {
    /// 1 × 1, before residual blocks.
    pub from_image: Option<Conv2d>,
    /// From the picture to the smallest size.
    pub blocks: Vec<CriticBlock>,
    /// After the last residual block.
    pub before_dense: Option<NormActivation>,
    /// Deviation over the batch.
    pub minibatch_stddev: Option<MinibatchStddev>,
    /// Dense layer before the last.
    pub hidden: Option<Linear>,
    /// How near the other pictures are.
    pub minibatch_discrimination: Option<MinibatchDiscrimination>,
    /// The score.
    pub logit: Linear,
    /// After the hidden dense layer.
    #[module(skip)]
    pub activation: Activation,
    /// Whether it has batch normalisation or compares pictures.
    pub couples_samples: bool,
}

impl Forward<4, 2> for ConvCritic {
    fn apply(&self, x: Dual<4>) -> Dual<2> {
        self.logit.apply(self.features(x))
    }
}

impl ConvCritic {
    /// What the last layer sees.
    fn features(&self, x: Dual<4>) -> Dual<2> {
        let mut x = match &self.from_image {
            Some(conv) => conv.apply(x),
            None => x,
        };
        for block in &self.blocks {
            x = match block {
                CriticBlock::Plain(block) => block.apply(x),
                CriticBlock::Residual(block) => block.apply(x),
            };
        }
        if let Some(before) = &self.before_dense {
            x = before.apply(x);
        }
        if let Some(layer) = &self.minibatch_stddev {
            x = layer.apply(x);
        }
        let mut y = x.flatten();
        if let Some(hidden) = &self.hidden {
            y = self.activation.apply(hidden.apply(y));
        }
        if let Some(layer) = &self.minibatch_discrimination {
            y = layer.apply(y);
        }
        y
    }
}

impl Critic<4> for ConvCritic {
    fn score(&self, x: Dual<4>) -> Dual<2> {
        self.apply(x)
    }

    fn score_with_features(&self, x: Dual<4>) -> (Dual<2>, Option<Dual<2>>) {
        let features = self.features(x);
        (self.logit.apply(features.clone()), Some(features))
    }

    fn has_features(&self) -> bool {
        true
    }

    fn couples_samples(&self) -> bool {
        self.couples_samples
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::parameter_count;
    use crate::testing::{assert_close, assert_jvp};

    fn stream() -> Stream {
        Stream::new(1, "critic", 0)
    }

    fn device() -> Device {
        Device::flex().autodiff()
    }

    fn init(config: &ConvCriticConfig) -> ConvCritic {
        config.init(&mut stream(), &device())
    }

    fn picture(image: ImageShape) -> Tensor<4> {
        let ImageShape { channels, size } = image;
        Stream::new(1, "x", 0).normal([4, channels, size, size], &device())
    }

    /// By hand, `16 · Σ in · out` and two per normalised channel: 11,036,160 with the paper's widths,
    /// 2,765,568 with those of PyTorch's example; neither counts the biases of the first and last layer.
    #[test]
    fn dcgan_at_64_has_the_parameter_counts_of_the_paper_and_of_pytorch() {
        let image = ImageShape::new(3, 64);
        let config = ConvCriticConfig::dcgan(image, [128, 256, 512, 1024]);
        assert_eq!(parameter_count(&init(&config)), 11_036_160 + 128 + 1);
        let config = ConvCriticConfig::dcgan(image, [64, 128, 256, 512]);
        assert_eq!(parameter_count(&init(&config)), 2_765_568 + 64 + 1);
    }

    fn smooth(image: ImageShape) -> ConvCriticConfig {
        ConvCriticConfig {
            norm: Norm::Layer { epsilon: 1e-5 },
            activation: Activation::Silu,
            initializer: Initializer::PyTorch,
            minibatch_stddev: Some(MinibatchStddevConfig::default()),
            hidden: Some(5),
            minibatch_discrimination: None,
            ..ConvCriticConfig::dcgan(image, [4, 6])
        }
    }

    /// Every option, at both kinds of size: right shape, right derivative.
    #[test]
    fn tangents_match_central_differences() {
        for size in [16, 28] {
            let image = ImageShape::new(2, size);
            for (downsample, residual, extra_convs) in [
                (Downsample::Strided4, false, 0),
                (Downsample::Strided3, false, 1),
                (Downsample::Pool3, false, 1),
                (Downsample::Pool3, true, 1),
            ] {
                let config = ConvCriticConfig {
                    downsample,
                    residual,
                    extra_convs: vec![extra_convs; smooth(image).widths.len()],
                    ..smooth(image)
                };
                let critic = init(&config);
                let score = critic.score(picture(image).into()).primal;
                assert_eq!(score.dims(), [4, 1]);
                assert_jvp(|x| critic.score(x), picture(image));
            }
        }
    }

    #[test]
    fn samples_are_coupled_exactly_when_it_says_so() {
        let image = ImageShape::new(1, 16);
        let mut config = smooth(image);
        let check = |config: &ConvCriticConfig, coupled: bool| {
            let critic = init(config);
            assert_eq!(critic.couples_samples(), coupled);
            let together = critic.score(picture(image).into()).primal.narrow(0, 0, 2);
            let alone = critic.score(picture(image).narrow(0, 0, 2).into()).primal;
            if coupled {
                let difference = (together - alone).abs().max().into_scalar::<f32>();
                assert!(difference > 1e-4, "{difference}");
            } else {
                assert_close(&together, &alone, 1e-5);
            }
        };
        check(&config, true);
        config.minibatch_stddev = None;
        check(&config, false);
        config.minibatch_discrimination = Some(MinibatchDiscriminationConfig::default());
        check(&config, true);
        config.minibatch_discrimination = None;
        config.norm = Norm::batch();
        check(&config, true);
    }

    #[test]
    fn bad_configurations_are_refused() {
        let good = smooth(ImageShape::new(1, 28));
        good.validate().expect("it is good");
        let field = |change: fn(&mut ConvCriticConfig)| {
            let mut bad = good.clone();
            change(&mut bad);
            bad.validate().expect_err("it is bad").field
        };
        assert_eq!(field(|c| c.image.channels = 0), "image.channels");
        assert_eq!(field(|c| c.widths = vec![]), "widths");
        assert_eq!(field(|c| c.widths = vec![1, 2, 3]), "widths");
        assert_eq!(field(|c| c.widths = vec![1, 0]), "widths");
        assert_eq!(field(|c| c.hidden = Some(0)), "hidden");
        let group = |c: &mut ConvCriticConfig| {
            c.minibatch_stddev.as_mut().expect("it has one").group_size = 0;
        };
        assert_eq!(field(group), "minibatch_stddev.group_size");
        let slope = |c: &mut ConvCriticConfig| {
            c.activation = Activation::LeakyRelu { slope: f64::NAN };
        };
        assert_eq!(field(slope), "activation.slope");
    }
}
