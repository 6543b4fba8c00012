//! Residual generators with conditional batch normalisation.

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

use super::layers::{Layers, base, check_attention, draw};

/// Configuration to create a [`ResnetGenerator`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResnetGeneratorConfig {
    /// What is drawn.
    pub image: ImageShape,
    /// Length of a latent without the condition.
    pub latent_size: usize,
    /// Length of a condition.
    pub classes: usize,
    /// Channels at the base size and after each doubling: one more than
    /// [doublings](ImageShape::num_doublings).
    pub widths: Vec<usize>,
    /// Length of the embedding of the class that all layers share; `None` to give every layer a table
    /// of its own. 128 in BigGAN.
    pub shared_embedding: Option<usize>,
    /// Whether the latent is cut into parts, one for the first layer and one for each block's
    /// normalisations, beside the class.
    pub hierarchical: bool,
    /// Height and width at which there is self-attention; `None` for none.
    pub attention: Option<usize>,
    /// Weights divided by their largest singular value; `None` for not.
    pub spectral_norm: Option<SpectralNormConfig>,
    /// Initial values.
    pub initializer: Initializer,
}

impl ResnetGeneratorConfig {
    /// Parts of the latent.
    fn num_parts(&self) -> usize {
        if self.hierarchical {
            self.widths.len()
        } else {
            1
        }
    }

    /// Says what is wrong.
    ///
    /// # Errors
    ///
    /// If a size is 0, the number of widths does not fit the picture, or the latent cannot be cut.
    pub fn validate(&self) -> Result<(), ConfigError> {
        self.image.validate()?;
        let expected = self.image.num_doublings() + 1;
        if self.widths.len() != expected || self.widths.contains(&0) {
            let value = format!("{:?}", self.widths);
            let allowed = format!(
                "a list of {expected} numbers, 1 or more each, for {} pixels",
                self.image.size
            );
            return Err(ConfigError::new("widths", value, allowed));
        }
        let parts = self.num_parts();
        if self.latent_size == 0 || !self.latent_size.is_multiple_of(parts) {
            let allowed = format!("a multiple of {parts}, the parts of a hierarchical latent");
            return Err(ConfigError::new("latent_size", self.latent_size, allowed));
        }
        if self.classes == 0 || self.shared_embedding == Some(0) {
            return Err(ConfigError::new("classes", 0, "1 or more"));
        }
        let sizes = (1..=self.image.num_doublings()).map(|index| self.image.base_size() << index);
        check_attention(self.attention, sizes)?;
        self.initializer.validate()
    }

    /// Draws the parameters.
    ///
    /// # Panics
    ///
    /// Panics if the configuration is not valid.
    pub fn init(&self, stream: &mut Stream, device: &Device) -> ResnetGenerator {
        let part = self.latent_size / self.num_parts();
        let class = self.shared_embedding.unwrap_or(self.classes);
        let condition = class + if self.hierarchical { part } else { 0 };
        let layers = &mut Layers {
            initializer: self.initializer,
            spectral_norm: self.spectral_norm,
            stream,
            device,
        };
        let base = self.image.base_size();
        let shared = self.shared_embedding;
        let shared = shared.map(|size| layers.embedding(self.classes, size));
        let linear = layers.linear(part, self.widths[0] * base * base);
        let mut blocks = Vec::new();
        let mut attention = None;
        for (index, pair) in self.widths.windows(2).enumerate() {
            blocks.push(self.init_block(condition, pair[0], pair[1], layers));
            if self.attention == Some(base << (index + 1)) {
                attention = Some(layers.attention(pair[1]));
            }
        }
        let last = self.widths[self.widths.len() - 1];
        ResnetGenerator {
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
            hierarchical: self.hierarchical,
        }
    }

    fn init_block(
        &self,
        condition: usize,
        from: usize,
        to: usize,
        layers: &mut Layers,
    ) -> ResnetGeneratorBlock {
        let norm = match self.shared_embedding {
            Some(_) => Layers::norm,
            None => Layers::norm_of_classes,
        };
        ResnetGeneratorBlock {
            norm_1: norm(layers, from, condition),
            norm_2: norm(layers, to, condition),
            conv_1: layers.conv(from, to, 3),
            conv_2: layers.conv(to, to, 3),
            skip: layers.conv(from, to, 1),
        }
    }
}

/// Normalisation, ReLU, doubling, 3 × 3 convolution, normalisation, ReLU, 3 × 3 convolution; the skip
/// is a doubling and a 1 × 1 convolution.
#[derive(Module, Debug)]
pub struct ResnetGeneratorBlock {
    /// Before the first convolution.
    pub norm_1: ConditionalBatchNorm,
    /// Before the second convolution.
    pub norm_2: ConditionalBatchNorm,
    /// `in → out`, 3 × 3.
    pub conv_1: Conv2d,
    /// `out → out`, 3 × 3.
    pub conv_2: Conv2d,
    /// `in → out`, 1 × 1.
    pub skip: Conv2d,
}

impl ResnetGeneratorBlock {
    /// Applies the block: `[batch, in, height, width]` to `[batch, out, 2·height, 2·width]`.
    pub fn forward(&self, x: Tensor<4>, condition: Tensor<2>) -> Tensor<4> {
        let double = |x: Tensor<4>| Dual::from(x).upsample_nearest().primal;
        let relu = |x: Tensor<4>| Dual::from(x).relu().primal;
        let y = relu(self.norm_1.forward(x.clone(), condition.clone()));
        let y = self.conv_1.forward(double(y));
        let y = relu(self.norm_2.forward(y, condition));
        // The 1 × 1 convolution commutes with the doubling; the smaller picture is the cheaper.
        self.conv_2.forward(y) + double(self.skip.forward(x))
    }
}

/// The generator of [SNGAN](https://arxiv.org/abs/1802.05957) (table 3) with classes as in
/// [Miyato and Koyama 2018](https://arxiv.org/abs/1802.05637), of
/// [SAGAN](https://arxiv.org/abs/1805.08318), and of [BigGAN](https://arxiv.org/abs/1809.11096)
/// (appendix B, figure 15), by configuration. It takes rows `latent ‖ condition`.
///
/// Should be created using [`ResnetGeneratorConfig`].
#[derive(Module, Debug)]
pub struct ResnetGenerator {
    /// The embedding of the class.
    pub shared: Option<Embedding>,
    /// From latent to base.
    pub linear: Linear,
    /// One per doubling.
    pub blocks: Vec<ResnetGeneratorBlock>,
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
    /// Whether the latent is cut into parts.
    pub hierarchical: bool,
}

impl Generator<4> for ResnetGenerator {
    fn generate(&self, rows: Tensor<2>) -> Tensor<4> {
        let class = rows.clone().narrow(1, self.latent_size, self.classes);
        let class = match &self.shared {
            Some(shared) => shared.forward(class),
            None => class,
        };
        let parts = if self.hierarchical {
            self.blocks.len() + 1
        } else {
            1
        };
        let length = self.latent_size / parts;
        let part = |index: usize| rows.clone().narrow(1, index * length, length);

        let mut x = base(&self.linear, part(0), self.base_size);
        for (index, block) in self.blocks.iter().enumerate() {
            let condition = if self.hierarchical {
                Tensor::cat(vec![class.clone(), part(index + 1)], 1)
            } else {
                class.clone()
            };
            x = block.forward(x, condition);
            if let Some(attention) = &self.attention
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
