//! Convolutional generators.

use burn::module::{Module, RunningState};
use burn::prelude::*;
use serde::{Deserialize, Serialize};

use super::{
    Activation, Conv2dConfig, ConvBlock, Generator, ImageShape, Initializer, Norm, NormActivation,
    Resample, ResidualBlock, ResidualBlockConfig, SpatialLayer, SpectralNormConfig, Stem,
    StemLayer,
};
use crate::dual::{Dual, Forward};
use crate::error::ConfigError;
use crate::rng::Stream;

/// How height and width are doubled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Upsample {
    /// Transposed convolution, kernel 4, stride 2, padding 1.
    #[default]
    Transposed4,
    /// Pixels repeated, then a 3 × 3 convolution.
    Resize3,
}

/// What makes the picture.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum OutputLayer {
    /// The last doubling, as in DCGAN.
    #[default]
    Upsample,
    /// A convolution after the last doubling.
    Conv {
        /// Height and width of the kernel, odd.
        kernel: usize,
    },
}

/// Configuration to create a [`ConvGenerator`] using the [init function](ConvGeneratorConfig::init).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConvGeneratorConfig {
    /// What is drawn.
    pub image: ImageShape,
    /// Length of a latent vector, 1 or more.
    pub latent_size: usize,
    /// Channels at the [base size](ImageShape::base_size), then after each doubling. As many as
    /// [doublings](ImageShape::num_doublings) where the output layer is the last of them, else one
    /// more.
    pub widths: Vec<usize>,
    /// From latent to base. Default: dense.
    #[serde(default)]
    pub stem: Stem,
    /// Doublings. Default: transposed convolution. With `residual`, always repeated pixels.
    #[serde(default)]
    pub upsample: Upsample,
    /// What makes the picture. Default: the last doubling.
    #[serde(default)]
    pub output: OutputLayer,
    /// Before every hidden activation. Default: none.
    #[serde(default)]
    pub norm: Norm,
    /// After every hidden layer.
    pub activation: Activation,
    /// After the last layer. Default: tanh, for pictures in `[-1, 1]`.
    #[serde(default = "tanh")]
    pub output_activation: Activation,
    /// More 3 × 3 convolutions at each hidden size: empty, or one number for each of `widths`. Default:
    /// empty.
    #[serde(default)]
    pub extra_convs: Vec<usize>,
    /// Residual blocks in place of single layers; the output must be a convolution. Default: `false`.
    #[serde(default)]
    pub residual: bool,
    /// Initial values.
    pub initializer: Initializer,
    /// Weights divided by their largest singular value. Default: no.
    #[serde(default)]
    pub spectral_norm: Option<SpectralNormConfig>,
}

fn tanh() -> Activation {
    Activation::Tanh
}

impl ConvGeneratorConfig {
    /// The generator of [DCGAN](https://arxiv.org/abs/1511.06434), figure 1: at 64 pixels the paper's
    /// has latent size 100 and widths 1024, 512, 256, 128. Batch normalisation and ReLU everywhere,
    /// tanh at the end, N(0, 0.02).
    ///
    /// Differs from the paper in the bias of the last layer, which begins at 0.
    pub fn dcgan(image: ImageShape, latent_size: usize, widths: impl Into<Vec<usize>>) -> Self {
        Self {
            image,
            latent_size,
            widths: widths.into(),
            stem: Stem::Transposed,
            upsample: Upsample::Transposed4,
            output: OutputLayer::Upsample,
            norm: Norm::batch(),
            activation: Activation::Relu,
            output_activation: Activation::Tanh,
            extra_convs: Vec::new(),
            residual: false,
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
        super::check_size("latent_size", self.latent_size)?;
        super::check_sizes("widths", &self.widths)?;
        let wanted = self.num_hidden_doublings() + 1;
        if self.widths.len() != wanted {
            let size = self.image.size;
            let allowed = format!("a list of {wanted} for {size} pixels and this output layer");
            return Err(ConfigError::new(
                "widths",
                format!("{:?}", self.widths),
                allowed,
            ));
        }
        super::check_extra_convs(&self.extra_convs, &self.widths)?;
        match self.output {
            OutputLayer::Conv { kernel } if kernel % 2 == 0 => {
                return Err(ConfigError::new("output.kernel", kernel, "odd"));
            }
            OutputLayer::Upsample if self.residual => {
                let allowed = "a convolution where `residual` is true";
                return Err(ConfigError::new("output", "upsample", allowed));
            }
            _ => {}
        }
        for width in &self.widths {
            let checked = match self.residual {
                true => self.norm.validate(*width),
                false => self.norm.validate_with_reference(*width),
            };
            checked.map_err(|e| e.within("norm"))?;
        }
        let named = |activation: Activation, field: &str| {
            activation.validate().map_err(|e| e.within(field))
        };
        named(self.activation, "activation")?;
        named(self.output_activation, "output_activation")?;
        self.initializer.validate()
    }

    fn num_hidden_doublings(&self) -> usize {
        let by_output = usize::from(self.output == OutputLayer::Upsample);
        self.image.num_doublings() - by_output
    }

    /// Draws the parameters.
    ///
    /// # Panics
    ///
    /// Panics if the configuration is not valid.
    pub fn init(&self, stream: &mut Stream, device: &Device) -> ConvGenerator {
        super::expect_valid(self.validate());
        let (first, last) = (self.widths[0], self.widths[self.widths.len() - 1]);
        let base_size = self.image.base_size();
        let stem = self.stem.init(
            (self.latent_size, first, base_size),
            self.residual || !self.norm.cancels_bias(),
            self.initializer,
            self.spectral_norm,
            stream,
            device,
        );
        // Residual blocks begin with normalisation and activation, so the stem does without and the
        // last block is followed by them.
        let after_stem = (!self.residual).then(|| self.after(first, stream, device));
        let mut blocks = Vec::new();
        self.push_extra(0, &mut blocks, stream, device);
        for (index, pair) in self.widths.windows(2).enumerate() {
            blocks.push(self.init_doubling(pair[0], pair[1], stream, device));
            self.push_extra(index + 1, &mut blocks, stream, device);
        }
        let before_output = self.residual.then(|| self.after(last, stream, device));
        let reference = match self.norm {
            Norm::VirtualBatch { reference, .. } => Some(reference),
            _ => None,
        };
        let reference = reference.map(|count| stream.normal([count, self.latent_size], device));
        ConvGenerator {
            stem,
            after_stem,
            blocks,
            before_output,
            output: self.init_output(last, stream, device),
            reference: reference.map(RunningState::new),
            base_size,
            latent_size: self.latent_size,
        }
    }

    fn after(&self, channels: usize, stream: &mut Stream, device: &Device) -> NormActivation {
        let (norm, activation) = (self.norm, self.activation);
        NormActivation::new(channels, norm, activation, self.initializer, stream, device)
    }

    fn upsampling(
        &self,
        from: usize,
        to: usize,
        bias: bool,
        stream: &mut Stream,
        device: &Device,
    ) -> SpatialLayer {
        let config = |kernel| {
            Conv2dConfig::new(from, to, kernel)
                .with_bias(bias)
                .with_initializer(self.initializer)
                .with_spectral_norm(self.spectral_norm)
        };
        match self.upsample {
            Upsample::Transposed4 => {
                let config = config(4).with_stride(2).with_padding(1);
                SpatialLayer::Transposed(config.init_transposed(stream, device))
            }
            Upsample::Resize3 => SpatialLayer::Resize(config(3).init_resize(stream, device)),
        }
    }

    fn init_residual(
        &self,
        (in_channels, out_channels): (usize, usize),
        resample: Resample,
        stream: &mut Stream,
        device: &Device,
    ) -> GeneratorBlock {
        let config = ResidualBlockConfig {
            in_channels,
            out_channels,
            resample,
            norm: self.norm,
            activation: self.activation,
            initializer: self.initializer,
            spectral_norm: self.spectral_norm,
        };
        GeneratorBlock::Residual(config.init(stream, device))
    }

    fn init_doubling(
        &self,
        from: usize,
        to: usize,
        stream: &mut Stream,
        device: &Device,
    ) -> GeneratorBlock {
        if self.residual {
            return self.init_residual((from, to), Resample::Up, stream, device);
        }
        let layer = self.upsampling(from, to, !self.norm.cancels_bias(), stream, device);
        self.plain(layer, to, stream, device)
    }

    fn plain(
        &self,
        layer: SpatialLayer,
        channels: usize,
        stream: &mut Stream,
        device: &Device,
    ) -> GeneratorBlock {
        GeneratorBlock::Plain(ConvBlock {
            layer,
            pool: false,
            after: self.after(channels, stream, device),
        })
    }

    fn push_extra(
        &self,
        index: usize,
        blocks: &mut Vec<GeneratorBlock>,
        stream: &mut Stream,
        device: &Device,
    ) {
        let channels = self.widths[index];
        for _ in 0..self.extra_convs.get(index).copied().unwrap_or(0) {
            let same = (channels, channels);
            blocks.push(if self.residual {
                self.init_residual(same, Resample::Same, stream, device)
            } else {
                let config = Conv2dConfig::new(channels, channels, 3)
                    .with_padding(1)
                    .with_bias(!self.norm.cancels_bias())
                    .with_initializer(self.initializer)
                    .with_spectral_norm(self.spectral_norm);
                let layer = SpatialLayer::Conv(config.init(stream, device));
                self.plain(layer, channels, stream, device)
            });
        }
    }

    fn init_output(&self, from: usize, stream: &mut Stream, device: &Device) -> ConvBlock {
        let to = self.image.channels;
        let layer = match self.output {
            OutputLayer::Upsample => self.upsampling(from, to, true, stream, device),
            OutputLayer::Conv { kernel } => {
                let config = Conv2dConfig::new(from, to, kernel)
                    .with_padding(kernel / 2)
                    .with_initializer(self.initializer)
                    .with_spectral_norm(self.spectral_norm);
                SpatialLayer::Conv(config.init(stream, device))
            }
        };
        let activation = self.output_activation;
        let after = NormActivation {
            norm: None,
            activation,
        };
        ConvBlock {
            layer,
            pool: false,
            after,
        }
    }
}

/// What is between stem and output.
#[derive(Module, Debug)]
#[allow(clippy::large_enum_variant)] // There are a handful per network.
pub enum GeneratorBlock {
    /// A layer, a normalisation, an activation.
    Plain(ConvBlock),
    /// A residual block.
    Residual(ResidualBlock),
}

/// A stem that makes a small picture of the latent, doublings, and a layer that makes the channels of
/// the picture.
///
/// Should be created using [`ConvGeneratorConfig`].
#[derive(Module, Debug)]
pub struct ConvGenerator {
    /// From latent to base.
    pub stem: StemLayer,
    /// What follows the stem, without residual blocks.
    pub after_stem: Option<NormActivation>,
    /// From base to the last hidden size.
    pub blocks: Vec<GeneratorBlock>,
    /// What precedes the output, with residual blocks.
    pub before_output: Option<NormActivation>,
    /// The picture.
    pub output: ConvBlock,
    /// With virtual batch normalisation, the latents `[reference, latent_size]` that every batch begins
    /// with: standard normal, drawn once.
    pub reference: Option<RunningState<Tensor<2>>>,
    /// Height and width after the stem.
    pub base_size: usize,
    /// Length of a latent vector.
    pub latent_size: usize,
}

impl ConvGenerator {
    /// Pictures of latents, all of one batch.
    fn draw(&self, z: Dual<2>) -> Dual<4> {
        let mut x = self.stem.apply(z, self.base_size);
        if let Some(after) = &self.after_stem {
            x = after.apply(x);
        }
        for block in &self.blocks {
            x = match block {
                GeneratorBlock::Plain(block) => block.apply(x),
                GeneratorBlock::Residual(block) => block.apply(x),
            };
        }
        if let Some(before) = &self.before_output {
            x = before.apply(x);
        }
        self.output.apply(x)
    }
}

impl Forward<2, 4> for ConvGenerator {
    fn apply(&self, z: Dual<2>) -> Dual<4> {
        let Some(reference) = &self.reference else {
            return self.draw(z);
        };
        let reference = reference.value_sync().to_device(&z.primal.device());
        let [before, batch] = [reference.dims()[0], z.primal.dims()[0]];
        let pictures = self.draw(Dual::concat(vec![reference.into(), z], 0));
        pictures.narrow(0, before, batch)
    }
}

impl Generator<4> for ConvGenerator {
    fn generate(&self, z: Tensor<2>) -> Tensor<4> {
        self.apply(z.into()).primal
    }

    fn latent_size(&self) -> usize {
        self.latent_size
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::parameter_count;
    use crate::testing::{assert_close, assert_jvp};

    fn stream() -> Stream {
        Stream::new(1, "generator", 0)
    }

    fn device() -> Device {
        Device::flex().autodiff()
    }

    fn init(config: &ConvGeneratorConfig) -> ConvGenerator {
        config.init(&mut stream(), &device())
    }

    fn latent() -> Tensor<2> {
        stream().normal([3, 6], &device())
    }

    /// By hand, `16 · Σ in · out` and two per normalised channel: 12,658,432 with the paper's widths,
    /// 3,576,704 with those of PyTorch's example; neither counts the three biases of the last layer.
    #[test]
    fn dcgan_at_64_has_the_parameter_counts_of_the_paper_and_of_pytorch() {
        let image = ImageShape::new(3, 64);
        let config = ConvGeneratorConfig::dcgan(image, 100, [1024, 512, 256, 128]);
        assert_eq!(parameter_count(&init(&config)), 12_658_432 + 3);
        let config = ConvGeneratorConfig::dcgan(image, 100, [512, 256, 128, 64]);
        assert_eq!(parameter_count(&init(&config)), 3_576_704 + 3);
    }

    /// Every combination of options at every kind of size draws pictures of the right shape.
    #[test]
    fn every_option_draws_at_every_size() {
        for size in [8, 16, 28] {
            let image = ImageShape::new(2, size);
            let mut config = ConvGeneratorConfig::dcgan(image, 6, []);
            for output in [OutputLayer::Upsample, OutputLayer::Conv { kernel: 3 }] {
                for (upsample, stem, extra_convs, residual) in [
                    (Upsample::Transposed4, Stem::Transposed, 0, false),
                    (Upsample::Resize3, Stem::Dense, 1, false),
                    (Upsample::Resize3, Stem::Dense, 1, true),
                ] {
                    (config.output, config.upsample, config.stem) = (output, upsample, stem);
                    config.residual = residual;
                    config.widths = (0..=config.num_hidden_doublings()).map(|i| 8 - i).collect();
                    config.extra_convs = vec![extra_convs; config.widths.len()];
                    if residual && output == OutputLayer::Upsample {
                        assert_eq!(config.validate().expect_err("it is bad").field, "output");
                        continue;
                    }
                    let x = init(&config).generate(latent());
                    assert_eq!(x.dims(), [3, 2, size, size]);
                    let largest = x.abs().max().into_scalar::<f32>();
                    assert!(largest > 0.0 && largest <= 1.0, "{config:?}: {largest}");
                }
            }
        }
    }

    #[test]
    fn tangents_match_central_differences() {
        for (stem, residual) in [(Stem::Dense, true), (Stem::Transposed, false)] {
            let config = ConvGeneratorConfig {
                stem,
                residual,
                output: OutputLayer::Conv { kernel: 1 },
                // Not so small that a pixel near 0 bends more than a difference can follow.
                norm: Norm::Pixel { epsilon: 0.1 },
                activation: Activation::Silu,
                initializer: Initializer::KaimingNormal { gain: 1.0 },
                ..ConvGeneratorConfig::dcgan(ImageShape::new(2, 8), 6, [5, 4])
            };
            let generator = init(&config);
            assert_jvp(|z| generator.apply(z), latent());
        }
    }

    fn virtual_batch() -> ConvGeneratorConfig {
        ConvGeneratorConfig {
            norm: Norm::VirtualBatch {
                reference: 4,
                epsilon: 1e-5,
            },
            // A difference cannot follow the corner of ReLU.
            activation: Activation::Silu,
            ..ConvGeneratorConfig::dcgan(ImageShape::new(1, 16), 6, [5, 4])
        }
    }

    /// A picture is the same alone and beside others, in training and after it, unlike with batch
    /// normalisation.
    #[test]
    fn with_a_reference_batch_a_picture_does_not_depend_on_its_neighbours() {
        let generator = init(&virtual_batch());
        let together = generator.generate(latent());
        assert_eq!(together.dims(), [3, 1, 16, 16]);
        let alone = generator.generate(latent().narrow(0, 1, 1));
        assert_close(&alone, &together.clone().narrow(0, 1, 1), 1e-5);
        let trained = generator.valid().generate(latent().inner());
        assert_close(&trained, &together.inner(), 1e-5);
        assert_jvp(|z| generator.apply(z), latent());
    }

    #[test]
    fn the_reference_batch_decides_the_pictures_and_is_no_parameter() {
        let generator = init(&virtual_batch());
        let (count, before) = (parameter_count(&generator), generator.generate(latent()));
        let plain = ConvGeneratorConfig::dcgan(ImageShape::new(1, 16), 6, [5, 4]);
        assert_eq!(count, parameter_count(&init(&plain)));
        let reference = generator.reference.as_ref().expect("it has one");
        reference.update(reference.value() * 3.0);
        let moved = (generator.generate(latent()) - before).abs().max();
        assert!(moved.into_scalar::<f32>() > 1e-4);
    }

    #[test]
    fn every_parameter_gets_a_gradient() {
        use burn::module::{ModuleVisitor, Param};
        struct Check<'a>(&'a burn::tensor::Gradients, usize);
        impl ModuleVisitor for Check<'_> {
            fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
                if param.is_require_grad() {
                    let gradient = param.val().grad(self.0).expect("it takes part");
                    assert!(gradient.abs().max().into_scalar::<f32>() > 0.0);
                    self.1 += 1;
                }
            }
        }
        let config = ConvGeneratorConfig::dcgan(ImageShape::new(1, 16), 6, [8, 4]);
        let generator = init(&config);
        let gradients = generator.generate(latent()).square().sum().backward();
        let mut check = Check(&gradients, 0);
        generator.visit(&mut check);
        assert_eq!(check.1, 3 + 2 * 2 + 1); // three weights, two norms, one bias
    }

    #[test]
    fn bad_configurations_are_refused() {
        let good = ConvGeneratorConfig::dcgan(ImageShape::new(1, 28), 6, [8, 4]);
        good.validate().expect("it is good");
        let field = |change: fn(&mut ConvGeneratorConfig)| {
            let mut bad = good.clone();
            change(&mut bad);
            bad.validate().expect_err("it is bad").field
        };
        assert_eq!(field(|c| c.image.size = 29), "image.size");
        assert_eq!(field(|c| c.latent_size = 0), "latent_size");
        assert_eq!(field(|c| c.widths = vec![8]), "widths");
        assert_eq!(field(|c| c.widths = vec![8, 4, 2]), "widths");
        assert_eq!(field(|c| c.widths = vec![8, 0]), "widths");
        assert_eq!(
            field(|c| c.output = OutputLayer::Conv { kernel: 3 }),
            "widths"
        );
        let even = |c: &mut ConvGeneratorConfig| {
            c.widths = vec![8, 4, 2];
            c.output = OutputLayer::Conv { kernel: 2 };
        };
        assert_eq!(field(even), "output.kernel");
        let norm = |c: &mut ConvGeneratorConfig| c.norm = Norm::Layer { epsilon: -1.0 };
        assert_eq!(field(norm), "norm.epsilon");
        let residual = |c: &mut ConvGeneratorConfig| {
            *c = ConvGeneratorConfig {
                residual: true,
                output: OutputLayer::Conv { kernel: 3 },
                widths: vec![8, 4, 2],
                norm: virtual_batch().norm,
                ..c.clone()
            };
        };
        assert_eq!(field(residual), "norm.virtual_batch");
    }
}
