//! The generator of BigGAN-deep.

use burn::module::Module;
use burn::prelude::*;
use gan_core::dual::Dual;
use gan_core::error::ConfigError;
use gan_core::nn::{
    BatchNorm, BatchNormConfig, ConditionalBatchNorm, Conv2d, Embedding, Generator, ImageShape,
    Initializer, Linear, SelfAttention, SpectralNormConfig,
};
use gan_core::rng::Stream;
use serde::{Deserialize, Serialize};

use super::layers::{Layers, base, check_attention, check_ratio, draw};

/// Configuration to create a [`DeepGenerator`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeepGeneratorConfig {
    /// What is drawn.
    pub image: ImageShape,
    /// Length of a latent without the condition.
    pub latent_size: usize,
    /// Length of a condition.
    pub classes: usize,
    /// Channels at the base size and after each doubling: one more than
    /// [doublings](ImageShape::num_doublings), none more than the one before.
    pub widths: Vec<usize>,
    /// Blocks at each size, the last of which doubles it; 2 in the paper.
    pub depth: usize,
    /// How many times fewer channels are inside a block than enter it; 4 in the paper.
    pub ratio: usize,
    /// Length of the embedding of the class, which all normalisations see beside the whole latent; 128
    /// in the paper.
    pub shared_embedding: usize,
    /// Height and width at which there is self-attention; `None` for none.
    pub attention: Option<usize>,
    /// Weights divided by their largest singular value; `None` for not.
    pub spectral_norm: Option<SpectralNormConfig>,
    /// Initial values.
    pub initializer: Initializer,
}

impl DeepGeneratorConfig {
    /// Says what is wrong.
    ///
    /// # Errors
    ///
    /// If a size is 0, the number of widths does not fit the picture, they grow, or one leaves no
    /// channels inside a block.
    pub fn validate(&self) -> Result<(), ConfigError> {
        self.image.validate()?;
        let expected = self.image.num_doublings() + 1;
        if self.widths.len() != expected || !self.widths.is_sorted_by(|a, b| a >= b) {
            let value = format!("{:?}", self.widths);
            let allowed = format!(
                "a list of {expected} numbers that do not grow, for {} pixels",
                self.image.size
            );
            return Err(ConfigError::new("widths", value, allowed));
        }
        for (field, size) in [
            ("latent_size", self.latent_size),
            ("classes", self.classes),
            ("depth", self.depth),
            ("shared_embedding", self.shared_embedding),
        ] {
            if size == 0 {
                return Err(ConfigError::new(field, size, "1 or more"));
            }
        }
        check_ratio(self.ratio, &self.widths)?;
        let sizes = (1..expected).map(|index| self.image.base_size() << index);
        check_attention(self.attention, sizes)?;
        self.initializer.validate()
    }

    /// Draws the parameters.
    ///
    /// # Panics
    ///
    /// Panics if the configuration is not valid.
    pub fn init(&self, stream: &mut Stream, device: &Device) -> DeepGenerator {
        let condition = self.latent_size + self.shared_embedding;
        let layers = &mut Layers {
            initializer: self.initializer,
            spectral_norm: self.spectral_norm,
            stream,
            device,
        };
        let base = self.image.base_size();
        let shared = layers.embedding(self.classes, self.shared_embedding);
        let linear = layers.linear(condition, self.widths[0] * base * base);
        let (mut blocks, mut attention) = (Vec::new(), None);
        for (index, pair) in self.widths.windows(2).enumerate() {
            for place in 1..=self.depth {
                let is_last = place == self.depth;
                let to = if is_last { pair[1] } else { pair[0] };
                blocks.push(self.init_block((pair[0], to), is_last, layers));
            }
            if self.attention == Some(base << (index + 1)) {
                attention = Some(layers.attention(pair[1]));
            }
        }
        let last = self.widths[self.widths.len() - 1];
        DeepGenerator {
            shared,
            linear,
            blocks,
            attention,
            norm: BatchNormConfig::new(last).init(layers.stream, device),
            output: layers.conv(last, self.image.channels, 3),
            latent_size: self.latent_size,
            classes: self.classes,
            base_size: base,
            attention_size: self.attention,
        }
    }

    fn init_block(
        &self,
        (from, to): (usize, usize),
        doubles: bool,
        layers: &mut Layers,
    ) -> DeepGeneratorBlock {
        let condition = self.latent_size + self.shared_embedding;
        let inside = from / self.ratio;
        DeepGeneratorBlock {
            norm_1: layers.norm(from, condition),
            norm_2: layers.norm(inside, condition),
            norm_3: layers.norm(inside, condition),
            norm_4: layers.norm(inside, condition),
            conv_1: layers.conv(from, inside, 1),
            conv_2: layers.conv(inside, inside, 3),
            conv_3: layers.conv(inside, inside, 3),
            conv_4: layers.conv(inside, to, 1),
            doubles,
        }
    }
}

/// Four times normalisation, ReLU and convolution, 1 × 1, 3 × 3, 3 × 3, 1 × 1, of which only the outer
/// two see all channels; a doubling before the first 3 × 3. The skip keeps the first channels and
/// drops the rest.
#[derive(Module, Debug)]
pub struct DeepGeneratorBlock {
    /// Before the first convolution.
    pub norm_1: ConditionalBatchNorm,
    /// Before the second convolution.
    pub norm_2: ConditionalBatchNorm,
    /// Before the third convolution.
    pub norm_3: ConditionalBatchNorm,
    /// Before the fourth convolution.
    pub norm_4: ConditionalBatchNorm,
    /// `in → inside`, 1 × 1.
    pub conv_1: Conv2d,
    /// `inside → inside`, 3 × 3.
    pub conv_2: Conv2d,
    /// `inside → inside`, 3 × 3.
    pub conv_3: Conv2d,
    /// `inside → out`, 1 × 1.
    pub conv_4: Conv2d,
    /// Whether height and width are doubled.
    pub doubles: bool,
}

impl DeepGeneratorBlock {
    /// Applies the block: `[batch, in, height, width]` to `[batch, out, height, width]`, both sides
    /// twice as long if it [doubles](Self::doubles).
    pub fn forward(&self, x: Tensor<4>, condition: Tensor<2>) -> Tensor<4> {
        let double = |x: Tensor<4>| match self.doubles {
            true => Dual::from(x).upsample_nearest().primal,
            false => x,
        };
        let active = |norm: &ConditionalBatchNorm, x: Tensor<4>| {
            Dual::from(norm.forward(x, condition.clone())).relu().primal
        };
        let y = self.conv_1.forward(active(&self.norm_1, x.clone()));
        let y = self.conv_2.forward(double(active(&self.norm_2, y)));
        let y = self.conv_3.forward(active(&self.norm_3, y));
        let y = self.conv_4.forward(active(&self.norm_4, y));
        let kept = y.dims()[1];
        y + double(x.narrow(1, 0, kept))
    }
}

/// The generator of BigGAN-deep, [Brock et al. 2018](https://arxiv.org/abs/1809.11096), appendix B,
/// figure 16 and table 7. It takes rows `latent ‖ condition`; every normalisation sees the whole latent
/// and the embedding of the class.
///
/// Differs from the authors' code in the last layer, which there makes as many channels as it has and
/// drops all but three.
///
/// Should be created using [`DeepGeneratorConfig`].
#[derive(Module, Debug)]
pub struct DeepGenerator {
    /// The embedding of the class.
    pub shared: Embedding,
    /// From latent and class to base.
    pub linear: Linear,
    /// [`depth`](DeepGeneratorConfig::depth) per doubling.
    pub blocks: Vec<DeepGeneratorBlock>,
    /// After the block that ends at its size.
    pub attention: Option<SelfAttention>,
    /// After the last block.
    pub norm: BatchNorm,
    /// The picture, 3 × 3.
    pub output: Conv2d,
    /// Length of a latent without the condition.
    pub latent_size: usize,
    /// Length of a condition.
    pub classes: usize,
    /// Height and width after the first layer.
    pub base_size: usize,
    /// Height and width of attention.
    pub attention_size: Option<usize>,
}

impl Generator<4> for DeepGenerator {
    fn generate(&self, rows: Tensor<2>) -> Tensor<4> {
        let latent = rows.clone().narrow(1, 0, self.latent_size);
        let class = self
            .shared
            .forward(rows.narrow(1, self.latent_size, self.classes));
        let condition = Tensor::cat(vec![latent, class], 1);
        let mut x = base(&self.linear, condition.clone(), self.base_size);
        for block in &self.blocks {
            x = block.forward(x, condition.clone());
            // Only the last block of a size ends at the next one.
            if let Some(attention) = &self.attention
                && block.doubles
                && self.attention_size == Some(x.dims()[2])
            {
                x = attention.forward(x);
            }
        }
        draw(&self.norm, &self.output, x)
    }

    fn latent_size(&self) -> usize {
        self.latent_size + self.classes
    }
}
