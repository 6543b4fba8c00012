//! A generator that makes a picture of a picture.

use burn::module::Module;
use burn::prelude::*;
use serde::{Deserialize, Serialize};

use super::{
    Activation, Conv2dConfig, ConvBlock, Generator, ImageShape, Initializer, Norm, NormActivation,
    SpatialLayer,
};
use crate::dual::Forward;
use crate::error::ConfigError;
use crate::rng::Stream;

/// Largest [`noise_size`](UNetConfig::noise_size): that of a [latent](crate::sample::LatentPrior).
const LARGEST_NOISE: usize = 65_536;

/// Configuration to create a [`UNet`] using the [init function](UNetConfig::init).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UNetConfig {
    /// What is made; sources have its height and width.
    pub image: ImageShape,
    /// Channels of a source, 1 or more.
    pub in_channels: usize,
    /// Channels after each halving of the encoder, two or more; the size must be divisible by 2 as often.
    pub widths: Vec<usize>,
    /// After every convolution but the first, the one at the bottleneck, which may leave a single pixel
    /// that a norm over a picture would make 0, and the last.
    pub norm: Norm,
    /// Before every convolution of the encoder but the first.
    pub encoder_activation: Activation,
    /// Before every convolution of the decoder.
    pub decoder_activation: Activation,
    /// After the last layer. Default: tanh, for pictures in `[-1, 1]`.
    #[serde(default = "tanh")]
    pub output_activation: Activation,
    /// Probability that a value is dropped, in `[0, 1)`.
    pub dropout: f64,
    /// Layers of the decoder with dropout, from the bottleneck on; 1 or more, fewer than `widths`.
    pub dropout_layers: usize,
    /// Initial values.
    pub initializer: Initializer,
}

fn tanh() -> Activation {
    Activation::Tanh
}

impl UNetConfig {
    /// The U-Net of [pix2pix](https://arxiv.org/abs/1611.07004), section 6.1.1: at 256 pixels the paper's
    /// has widths 64, 128, 256 and five times 512. Leaky ReLU 0.2 in the encoder, ReLU in the decoder,
    /// dropout of 0.5 in its first three layers, N(0, 0.02).
    ///
    /// Differs from the paper in instance normalisation in the place of batch normalisation. With the batch
    /// of one that most of the paper's experiments have, they are the same.
    pub fn pix2pix(image: ImageShape, in_channels: usize, widths: impl Into<Vec<usize>>) -> Self {
        let widths = widths.into();
        Self {
            image,
            in_channels,
            norm: Norm::Instance { epsilon: 1e-5 },
            encoder_activation: Activation::LeakyRelu { slope: 0.2 },
            decoder_activation: Activation::Relu,
            output_activation: Activation::Tanh,
            dropout: 0.5,
            dropout_layers: widths.len().saturating_sub(1).min(3),
            widths,
            initializer: Initializer::Dcgan,
        }
    }

    /// Values in a source.
    pub fn source_size(&self) -> usize {
        self.in_channels * self.image.size.pow(2)
    }

    /// Numbers that dropout needs for a picture: one for each value that may be dropped.
    pub fn noise_size(&self) -> usize {
        (0..self.dropout_layers)
            .map(|layer| self.decoded(layer).iter().product::<usize>())
            .sum()
    }

    /// `[channels, size, size]` after a hidden layer of the decoder.
    fn decoded(&self, layer: usize) -> [usize; 3] {
        let above = self.widths.len() - 1 - layer;
        let size = self.image.size >> above;
        [self.widths[above - 1], size, size]
    }

    /// Says what is wrong.
    ///
    /// # Errors
    ///
    /// If a size is 0, the picture cannot be halved as often as there are widths, dropout is out of its
    /// range or needs more numbers than a latent may have, or a part is not valid.
    pub fn validate(&self) -> Result<(), ConfigError> {
        self.image.validate()?;
        super::check_size("in_channels", self.in_channels)?;
        super::check_sizes("widths", &self.widths)?;
        let (count, most) = (self.widths.len(), self.image.size.trailing_zeros());
        if !(2..=most as usize).contains(&count) {
            let size = self.image.size;
            let allowed =
                format!("a list of 2 to {most}: {size} pixels can be halved {most} times");
            let value = format!("{:?}", self.widths);
            return Err(ConfigError::new("widths", value, allowed));
        }
        if !(0.0..1.0).contains(&self.dropout) {
            let allowed = "0 or more, below 1";
            return Err(ConfigError::new("dropout", self.dropout, allowed));
        }
        if !(1..count).contains(&self.dropout_layers) {
            let allowed = format!("1 to {}, the hidden layers of the decoder", count - 1);
            let layers = self.dropout_layers;
            return Err(ConfigError::new("dropout_layers", layers, allowed));
        }
        if self.noise_size() > LARGEST_NOISE {
            let allowed = format!(
                "fewer: they draw {} numbers for a picture, and {LARGEST_NOISE} is the most",
                self.noise_size()
            );
            let layers = self.dropout_layers;
            return Err(ConfigError::new("dropout_layers", layers, allowed));
        }
        for width in &self.widths {
            self.norm.validate(*width).map_err(|e| e.within("norm"))?;
        }
        for (field, activation) in [
            ("encoder_activation", self.encoder_activation),
            ("decoder_activation", self.decoder_activation),
            ("output_activation", self.output_activation),
        ] {
            activation.validate().map_err(|e| e.within(field))?;
        }
        self.initializer.validate()
    }

    /// Draws the parameters.
    ///
    /// # Panics
    ///
    /// Panics if the configuration is not valid.
    pub fn init(&self, stream: &mut Stream, device: &Device) -> UNet {
        super::expect_valid(self.validate());
        let last = self.widths.len() - 1;
        let mut encoder = Vec::new();
        let mut from = self.in_channels;
        for (index, to) in self.widths.iter().copied().enumerate() {
            let norm = if index == 0 || index == last {
                Norm::None
            } else {
                self.norm
            };
            let layer = SpatialLayer::Conv(self.halving(from, to, norm).init(stream, device));
            encoder.push(self.block(layer, to, norm, stream, device));
            from = to;
        }
        let mut decoder = Vec::new();
        for layer in 0..last {
            let [to, ..] = self.decoded(layer);
            let config = self.halving(from, to, self.norm);
            let doubling = SpatialLayer::Transposed(config.init_transposed(stream, device));
            decoder.push(self.block(doubling, to, self.norm, stream, device));
            from = 2 * to;
        }
        let output = self.halving(from, self.image.channels, Norm::None);
        let output = SpatialLayer::Transposed(output.init_transposed(stream, device));
        UNet {
            encoder,
            decoder,
            output: self.block(output, self.image.channels, Norm::None, stream, device),
            encoder_activation: self.encoder_activation,
            decoder_activation: self.decoder_activation,
            output_activation: self.output_activation,
            dropout: self.dropout,
            dropped: (0..self.dropout_layers)
                .map(|layer| self.decoded(layer))
                .collect(),
            source: [self.in_channels, self.image.size, self.image.size],
        }
    }

    fn halving(&self, from: usize, to: usize, norm: Norm) -> Conv2dConfig {
        Conv2dConfig::new(from, to, 4)
            .with_stride(2)
            .with_padding(1)
            .with_bias(!norm.cancels_bias())
            .with_initializer(self.initializer)
    }

    /// Activations come before the layers, because a skip is taken before the encoder's and gets the
    /// decoder's.
    fn block(
        &self,
        layer: SpatialLayer,
        channels: usize,
        norm: Norm,
        stream: &mut Stream,
        device: &Device,
    ) -> ConvBlock {
        let (none, initializer) = (Activation::Identity, self.initializer);
        ConvBlock {
            layer,
            pool: false,
            after: NormActivation::new(channels, norm, none, initializer, stream, device),
        }
    }
}

/// An encoder that halves a source down to a few pixels, a decoder that doubles them again, and at each
/// size a short way from one to the other: [U-Net](https://arxiv.org/abs/1505.04597) as in
/// [pix2pix](https://arxiv.org/abs/1611.07004), section 3.2.1.
///
/// Its noise is dropout. Which values are dropped is not drawn inside but said by numbers that are a part of what it takes, so one
/// row gives one picture, in training and afterwards.
///
/// Should be created using [`UNetConfig`].
#[derive(Module, Debug)]
pub struct UNet {
    /// Kernel 4, stride 2, padding 1; from the source to the bottleneck.
    pub encoder: Vec<ConvBlock>,
    /// The same transposed, from the bottleneck on; all but the first see the encoder's values of their size too.
    pub decoder: Vec<ConvBlock>,
    /// The last doubling.
    pub output: ConvBlock,
    /// Before every layer of the encoder but the first.
    #[module(skip)]
    pub encoder_activation: Activation,
    /// Before every layer of the decoder.
    #[module(skip)]
    pub decoder_activation: Activation,
    /// Last.
    #[module(skip)]
    pub output_activation: Activation,
    /// Probability that a value is dropped.
    pub dropout: f64,
    /// `[channels, height, width]` of the values that may be dropped, for the first layers of the decoder.
    #[module(skip)]
    pub dropped: Vec<[usize; 3]>,
    /// `[channels, height, width]` of a source.
    #[module(skip)]
    pub source: [usize; 3],
}

impl UNet {
    /// Numbers that dropout needs for a picture.
    pub fn noise_size(&self) -> usize {
        let sizes = self
            .dropped
            .iter()
            .map(|shape| shape.iter().product::<usize>());
        sizes.sum()
    }

    /// Makes pictures of sources. A value is dropped where its number of `noise` is below
    /// `2 · dropout − 1`, which a number of U[−1, 1) is with probability `dropout`; the others are
    /// divided by `1 − dropout`.
    ///
    /// # Shapes
    ///
    /// - source: `[batch, in_channels, size, size]`
    /// - noise: `[batch, noise_size]`, U[−1, 1)
    /// - output: `[batch, channels, size, size]`
    pub fn translate(&self, source: Tensor<4>, noise: Tensor<2>) -> Tensor<4> {
        let apply = |block: &ConvBlock, x: Tensor<4>| block.apply(x.into()).primal;
        let mut skips: Vec<Tensor<4>> = Vec::new();
        let mut x = source;
        for (index, block) in self.encoder.iter().enumerate() {
            if index > 0 {
                skips.push(x.clone());
                x = self.encoder_activation.apply(x.into()).primal;
            }
            x = apply(block, x);
        }
        let mut drawn = 0;
        for (index, block) in self.decoder.iter().enumerate() {
            x = apply(block, self.decoder_activation.apply(x.into()).primal);
            if let Some(shape) = self.dropped.get(index) {
                let count = shape.iter().product();
                x = self.drop(x, noise.clone().narrow(1, drawn, count));
                drawn += count;
            }
            let skip = skips.pop().expect("as many as layers of the decoder");
            x = Tensor::cat(vec![x, skip], 1);
        }
        let x = apply(&self.output, self.decoder_activation.apply(x.into()).primal);
        self.output_activation.apply(x.into()).primal
    }

    fn drop(&self, x: Tensor<4>, noise: Tensor<2>) -> Tensor<4> {
        let kept = noise.greater_equal_elem(2.0 * self.dropout - 1.0).float();
        let shape = x.dims();
        x * (kept / (1.0 - self.dropout)).reshape(shape)
    }
}

impl Generator<4> for UNet {
    /// Rows are the noise and, after it, the source, `[batch, noise_size + in_channels · size²]`.
    fn generate(&self, rows: Tensor<2>) -> Tensor<4> {
        let ([batch, _], [channels, height, width]) = (rows.dims(), self.source);
        let noise = rows.clone().narrow(1, 0, self.noise_size());
        let source = rows.narrow(1, self.noise_size(), channels * height * width);
        self.translate(source.reshape([batch, channels, height, width]), noise)
    }

    fn latent_size(&self) -> usize {
        self.noise_size() + self.source.iter().product::<usize>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::parameter_count;
    use crate::testing::values;

    fn small() -> UNetConfig {
        UNetConfig {
            initializer: Initializer::PyTorch,
            ..UNetConfig::pix2pix(ImageShape::new(3, 16), 2, [4, 6, 5])
        }
    }

    fn init(config: &UNetConfig) -> UNet {
        config.init(&mut Stream::new(1, "u-net", 0), &Device::flex())
    }

    fn source(config: &UNetConfig, batch: usize) -> Tensor<4> {
        let size = config.image.size;
        let shape = [batch, config.in_channels, size, size];
        Stream::new(1, "source", 0).uniform(shape, -1.0, 1.0, &Device::flex())
    }

    fn noise(config: &UNetConfig, batch: usize, seed: u64) -> Tensor<2> {
        let shape = [batch, config.noise_size()];
        Stream::new(seed, "noise", 0).uniform(shape, -1.0, 1.0, &Device::flex())
    }

    fn distance(a: Tensor<4>, b: Tensor<4>) -> f32 {
        (a - b).abs().max().into_scalar::<f32>()
    }

    /// By hand, 4 × 4 kernels: the encoder 3-64-128-256-512-512-512-512-512, the decoder
    /// 512-512, three times 1024-512, 1024-256, 512-128, 256-64, 128-3. Two per normalised channel: 128, 256
    /// and four times 512 down, four times 512, 256, 128 and 64 up. Biases where no norm follows: 64,
    /// 512, 3. Dropout of 512 channels at 2, 4 and 8 pixels.
    #[test]
    fn the_generator_of_pix2pix_has_its_size() {
        let widths = [64, 128, 256, 512, 512, 512, 512, 512];
        let config = UNetConfig::pix2pix(ImageShape::new(3, 256), 3, widths);
        let down = 3 * 64 + 64 * 128 + 128 * 256 + 256 * 512 + 4 * 512 * 512;
        let up = 512 * 512 + 3 * 1024 * 512 + 1024 * 256 + 512 * 128 + 256 * 64 + 128 * 3;
        let norms = 2 * (128 + 256 + 4 * 512 + 4 * 512 + 256 + 128 + 64);
        let expected = 16 * (down + up) + norms + 64 + 512 + 3;
        assert_eq!(expected, 54_414_531);
        let device = Device::flex().autodiff();
        let generator = config.init(&mut Stream::blank(), &device);
        assert_eq!(parameter_count(&generator), expected);
        assert_eq!(config.noise_size(), 512 * (4 + 16 + 64));
        assert_eq!(generator.latent_size(), config.noise_size() + 3 * 256 * 256);
    }

    #[test]
    fn a_row_is_noise_and_source() {
        let (config, net) = (small(), init(&small()));
        let (source, noise) = (source(&config, 3), noise(&config, 3, 1));
        let made = net.translate(source.clone(), noise.clone());
        assert_eq!(made.dims(), [3, 3, 16, 16]);
        let rows = Tensor::cat(vec![noise, source.flatten(1, 3)], 1);
        assert_eq!(rows.dims()[1], net.latent_size());
        assert_eq!(values(&net.generate(rows)), values(&made));
    }

    /// With instance normalisation and noise from outside, nothing else of the batch matters.
    #[test]
    fn a_picture_does_not_depend_on_the_others() {
        let (config, net) = (small(), init(&small()));
        let (source, noise) = (source(&config, 3), noise(&config, 3, 1));
        let all = net.translate(source.clone(), noise.clone());
        let alone = net.translate(source.narrow(0, 1, 1), noise.narrow(0, 1, 1));
        assert!(distance(all.narrow(0, 1, 1), alone) < 1e-5);
    }

    /// The values that are left are larger, so that their mean stays.
    #[test]
    fn dropout_is_as_frequent_as_asked_for_and_keeps_the_mean() {
        for dropout in [0.0, 0.25, 0.5] {
            let net = init(&UNetConfig { dropout, ..small() });
            let noise = Stream::new(1, "noise", 0);
            let noise = { noise }.uniform([10, 400], -1.0, 1.0, &Device::flex());
            let ones = Tensor::ones([10, 4, 10, 10], &Device::flex());
            let kept = values(&net.drop(ones, noise));
            let share = kept.iter().filter(|x| **x == 0.0).count() as f64 / 4000.0;
            assert!((share - dropout).abs() < 0.03, "{share} of {dropout}");
            let mean = f64::from(kept.iter().sum::<f32>()) / 4000.0;
            assert!((mean - 1.0).abs() < 0.05, "{mean}");
        }
    }

    #[test]
    fn other_noise_gives_another_picture_and_without_dropout_the_same() {
        let (config, net) = (small(), init(&small()));
        let made = |net: &UNet, seed| net.translate(source(&config, 2), noise(&config, 2, seed));
        assert!(distance(made(&net, 1), made(&net, 2)) > 1e-3);
        let without = init(&UNetConfig {
            dropout: 0.0,
            ..small()
        });
        assert_eq!(distance(made(&without, 1), made(&without, 2)), 0.0);
    }

    /// What is not at the bottleneck gets through by the skips: each pixel of the source matters where
    /// the bottleneck is a constant.
    #[test]
    fn skips_carry_what_the_bottleneck_does_not() {
        let config = small();
        let mut net = init(&config);
        let bottleneck = config.widths.len() - 1;
        let SpatialLayer::Conv(conv) = &mut net.encoder[bottleneck].layer else {
            panic!("a convolution")
        };
        conv.weight = conv.weight.clone().map(|weight| weight.zeros_like());
        let noise = noise(&config, 1, 1);
        let x = source(&config, 1);
        let corner = Tensor::zeros([1, 2, 2, 2], &x.device());
        let changed = x.clone().slice_assign([0..1, 0..2, 0..2, 0..2], corner);
        let difference = net.translate(x, noise.clone()) - net.translate(changed, noise);
        let near = difference.narrow(2, 0, 2).narrow(3, 0, 2).abs().max();
        assert!(near.into_scalar::<f32>() > 1e-3);
    }

    #[test]
    fn bad_configurations_are_refused() {
        let refused = |change: fn(&mut UNetConfig)| {
            let mut bad = small();
            change(&mut bad);
            bad.validate().expect_err("it is bad")
        };
        assert_eq!(refused(|c| c.in_channels = 0).field, "in_channels");
        assert_eq!(refused(|c| c.widths = vec![4]).field, "widths");
        assert_eq!(refused(|c| c.widths = vec![4, 0]).field, "widths");
        let error = refused(|c| c.widths = vec![4; 5]);
        let text = "`widths` is [4, 4, 4, 4, 4]; it must be a list of 2 to 4: 16 pixels can be halved 4 times";
        assert_eq!(error.to_string(), text);
        let error = refused(|c| c.image = ImageShape::new(1, 28));
        assert_eq!(error.field, "widths"); // 28, 14, 7
        assert_eq!(refused(|c| c.image.size = 17).field, "image.size");
        assert_eq!(refused(|c| c.dropout = 1.0).field, "dropout");
        assert_eq!(refused(|c| c.dropout = f64::NAN).field, "dropout");
        assert_eq!(refused(|c| c.dropout_layers = 0).field, "dropout_layers");
        assert_eq!(refused(|c| c.dropout_layers = 3).field, "dropout_layers");
        let error = refused(|c| {
            c.image.size = 512;
            c.dropout_layers = 2;
        });
        assert!(
            error.to_string().contains("and 65536 is the most"),
            "{error}"
        );
        let error = refused(|c| c.norm = Norm::Instance { epsilon: 0.0 });
        assert_eq!(error.field, "norm.epsilon");
        let steep = Activation::LeakyRelu { slope: 2.0 };
        for field in ["encoder", "decoder", "output"] {
            let mut bad = small();
            match field {
                "encoder" => bad.encoder_activation = steep,
                "decoder" => bad.decoder_activation = steep,
                _ => bad.output_activation = steep,
            }
            let error = bad.validate().expect_err("it is bad");
            assert_eq!(error.field, format!("{field}_activation.slope"));
        }
    }
}
