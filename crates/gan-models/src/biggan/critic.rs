//! Residual critics with a head for the class.

use burn::module::Module;
use burn::prelude::*;
use gan_core::dual::{Dual, Forward};
use gan_core::error::ConfigError;
use gan_core::nn::{
    Conv2d, ImageShape, Initializer, LabelHead, LabelHeadLayer, Linear, SelfAttention,
    SpectralNormConfig, Verdict,
};
use gan_core::rng::Stream;
use serde::{Deserialize, Serialize};

use super::layers::{Layers, check_attention, check_halvings, judge};

/// Configuration to create a [`ResnetCritic`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResnetCriticConfig {
    /// What is judged.
    pub image: ImageShape,
    /// Channels after each block.
    pub widths: Vec<usize>,
    /// How many of the blocks, from the first on, halve height and width.
    pub halvings: usize,
    /// Whether a block widens in its first convolution, as in BigGAN, and not in its second.
    pub wide: bool,
    /// Height and width at which there is self-attention; `None` for none.
    pub attention: Option<usize>,
    /// What it makes of the class.
    pub head: LabelHead,
    /// Weights divided by their largest singular value; `None` for not.
    pub spectral_norm: Option<SpectralNormConfig>,
    /// Initial values.
    pub initializer: Initializer,
}

impl ResnetCriticConfig {
    /// Says what is wrong, for conditions of `width` values.
    ///
    /// # Errors
    ///
    /// If a size is 0, or there are more halvings than blocks or than the picture allows.
    pub fn validate(&self, width: usize) -> Result<(), ConfigError> {
        self.image.validate()?;
        if self.widths.is_empty() || self.widths.contains(&0) {
            let value = format!("{:?}", self.widths);
            let allowed = "a list of one or more numbers, 1 or more each";
            return Err(ConfigError::new("widths", value, allowed));
        }
        check_halvings(self.halvings, self.widths.len(), self.image)?;
        let sizes =
            (0..self.widths.len()).map(|index| self.image.size >> self.halvings.min(index + 1));
        check_attention(self.attention, sizes)?;
        self.head.validate(width).map_err(|e| e.within("head"))?;
        self.initializer.validate()
    }

    /// Draws the parameters, for conditions of `width` values.
    ///
    /// # Panics
    ///
    /// Panics if the configuration is not valid.
    pub fn init(&self, width: usize, stream: &mut Stream, device: &Device) -> ResnetCritic {
        let layers = &mut Layers {
            initializer: self.initializer,
            spectral_norm: self.spectral_norm,
            stream,
            device,
        };
        let mut blocks = Vec::new();
        let mut attention = None;
        let (mut from, mut size) = (self.image.channels, self.image.size);
        for (index, to) in self.widths.iter().copied().enumerate() {
            let halves = index < self.halvings;
            blocks.push(self.init_block(index, (from, to), halves, layers));
            size >>= usize::from(halves);
            if self.attention == Some(size) && attention.is_none() {
                attention = Some(layers.attention(to));
            }
            from = to;
        }
        ResnetCritic {
            blocks,
            attention,
            logit: layers.linear(from, 1),
            head: layers.head(&self.head, (from, width)),
            attention_size: self.attention,
        }
    }

    fn init_block(
        &self,
        index: usize,
        (from, to): (usize, usize),
        halves: bool,
        layers: &mut Layers,
    ) -> ResnetCriticBlock {
        // The first block sees the picture, which is no place for an activation.
        let is_first = index == 0;
        let hidden = if self.wide || is_first { to } else { from };
        ResnetCriticBlock {
            conv_1: layers.conv(from, hidden, 3),
            conv_2: layers.conv(hidden, to, 3),
            skip: (from != to || halves).then(|| layers.conv(from, to, 1)),
            is_first,
            halves,
        }
    }
}

/// ReLU, 3 × 3 convolution, ReLU, 3 × 3 convolution, halving by means; the skip is a 1 × 1
/// convolution and a halving. The first block does without the first ReLU.
#[derive(Module, Debug)]
pub struct ResnetCriticBlock {
    /// `in → hidden`, 3 × 3.
    pub conv_1: Conv2d,
    /// `hidden → out`, 3 × 3.
    pub conv_2: Conv2d,
    /// `in → out`, 1 × 1, where channels or size change.
    pub skip: Option<Conv2d>,
    /// Whether it sees the picture.
    pub is_first: bool,
    /// Whether height and width are halved.
    pub halves: bool,
}

impl Forward<4, 4> for ResnetCriticBlock {
    fn apply(&self, x: Dual<4>) -> Dual<4> {
        let halve = |x: Dual<4>| if self.halves { x.avg_pool2d(2) } else { x };
        let y = if self.is_first {
            x.clone()
        } else {
            x.clone().relu()
        };
        let y = self.conv_2.apply(self.conv_1.apply(y).relu());
        // The 1 × 1 convolution commutes with the halving; the smaller picture is the cheaper.
        let skip = match &self.skip {
            Some(skip) => skip.apply(halve(x)),
            None => x,
        };
        halve(y) + skip
    }
}

/// The critic of [SNGAN](https://arxiv.org/abs/1802.05957) (table 3),
/// [SAGAN](https://arxiv.org/abs/1805.08318) and [BigGAN](https://arxiv.org/abs/1809.11096)
/// (appendix B, figure 15), by configuration: residual blocks, ReLU, the sum over all places, a dense
/// layer.
///
/// Should be created using [`ResnetCriticConfig`].
#[derive(Module, Debug)]
pub struct ResnetCritic {
    /// From the picture on.
    pub blocks: Vec<ResnetCriticBlock>,
    /// After the first block that ends at its size.
    pub attention: Option<SelfAttention>,
    /// The score.
    pub logit: Linear,
    /// What it makes of the class.
    pub head: LabelHeadLayer,
    /// Height and width of attention.
    pub attention_size: Option<usize>,
}

impl ResnetCritic {
    /// The verdict on pictures of `classes`.
    pub fn judge(&self, x: Dual<4>, classes: &Tensor<2>) -> Verdict {
        let mut x = x;
        let mut attention = self.attention.as_ref();
        for block in &self.blocks {
            x = block.apply(x);
            if self.attention_size == Some(x.primal.dims()[2])
                && let Some(layer) = attention.take()
            {
                x = layer.apply(x);
            }
        }
        judge(x, &self.logit, &self.head, classes)
    }
}
