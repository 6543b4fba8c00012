//! The critic of BigGAN-deep.

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

use super::layers::{Layers, check_attention, check_halvings, check_ratio, judge};

/// Configuration to create a [`DeepCritic`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeepCriticConfig {
    /// What is judged.
    pub image: ImageShape,
    /// Channels after the first convolution and after each group of blocks, none fewer than the one
    /// before.
    pub widths: Vec<usize>,
    /// How many of the groups, from the first on, halve height and width, in their first block.
    pub halvings: usize,
    /// Blocks in a group; 2 in the paper.
    pub depth: usize,
    /// How many times fewer channels are inside a block than leave it; 4 in the paper.
    pub ratio: usize,
    /// Height and width at which there is self-attention; `None` for none.
    pub attention: Option<usize>,
    /// What it makes of the class.
    pub head: LabelHead,
    /// Weights divided by their largest singular value; `None` for not.
    pub spectral_norm: Option<SpectralNormConfig>,
    /// Initial values.
    pub initializer: Initializer,
}

impl DeepCriticConfig {
    /// Says what is wrong, for conditions of `width` values.
    ///
    /// # Errors
    ///
    /// If a size is 0, the widths fall or one leaves no channels inside a block, or there are more
    /// halvings than groups or than the picture allows.
    pub fn validate(&self, width: usize) -> Result<(), ConfigError> {
        self.image.validate()?;
        if self.widths.len() < 2 || !self.widths.is_sorted() {
            let value = format!("{:?}", self.widths);
            let allowed = "a list of two or more numbers that do not fall";
            return Err(ConfigError::new("widths", value, allowed));
        }
        let groups = self.widths.len() - 1;
        check_halvings(self.halvings, groups, self.image)?;
        if self.depth == 0 {
            return Err(ConfigError::new("depth", 0, "1 or more"));
        }
        check_ratio(self.ratio, &self.widths[1..])?;
        let sizes = (1..=groups).map(|group| self.image.size >> self.halvings.min(group));
        check_attention(self.attention, sizes)?;
        self.head.validate(width).map_err(|e| e.within("head"))?;
        self.initializer.validate()
    }

    /// Draws the parameters, for conditions of `width` values.
    ///
    /// # Panics
    ///
    /// Panics if the configuration is not valid.
    pub fn init(&self, width: usize, stream: &mut Stream, device: &Device) -> DeepCritic {
        let layers = &mut Layers {
            initializer: self.initializer,
            spectral_norm: self.spectral_norm,
            stream,
            device,
        };
        let input = layers.conv(self.image.channels, self.widths[0], 3);
        let (mut blocks, mut attention, mut attention_after) = (Vec::new(), None, 0);
        let mut size = self.image.size;
        for (index, pair) in self.widths.windows(2).enumerate() {
            let halves = index < self.halvings;
            for place in 0..self.depth {
                let from = if place == 0 { pair[0] } else { pair[1] };
                let halves = halves && place == 0;
                blocks.push(self.init_block((from, pair[1]), halves, layers));
            }
            size >>= usize::from(halves);
            if self.attention == Some(size) && attention.is_none() {
                attention = Some(layers.attention(pair[1]));
                attention_after = blocks.len();
            }
        }
        let last = self.widths[self.widths.len() - 1];
        DeepCritic {
            input,
            blocks,
            attention,
            attention_after,
            logit: layers.linear(last, 1),
            head: layers.head(&self.head, (last, width)),
        }
    }

    fn init_block(
        &self,
        (from, to): (usize, usize),
        halves: bool,
        layers: &mut Layers,
    ) -> DeepCriticBlock {
        let inside = to / self.ratio;
        DeepCriticBlock {
            conv_1: layers.conv(from, inside, 1),
            conv_2: layers.conv(inside, inside, 3),
            conv_3: layers.conv(inside, inside, 3),
            conv_4: layers.conv(inside, to, 1),
            skip: (from < to).then(|| layers.conv(from, to - from, 1)),
            halves,
        }
    }
}

/// Four times ReLU and convolution, 1 × 1, 3 × 3, 3 × 3, 1 × 1, of which only the outer two see all
/// channels; a halving by means before the last. The skip passes all channels on, and a 1 × 1
/// convolution of them makes those that are missing.
#[derive(Module, Debug)]
pub struct DeepCriticBlock {
    /// `in → inside`, 1 × 1.
    pub conv_1: Conv2d,
    /// `inside → inside`, 3 × 3.
    pub conv_2: Conv2d,
    /// `inside → inside`, 3 × 3.
    pub conv_3: Conv2d,
    /// `inside → out`, 1 × 1.
    pub conv_4: Conv2d,
    /// `in → out − in`, 1 × 1, where there are more.
    pub skip: Option<Conv2d>,
    /// Whether height and width are halved.
    pub halves: bool,
}

impl Forward<4, 4> for DeepCriticBlock {
    fn apply(&self, x: Dual<4>) -> Dual<4> {
        let halve = |x: Dual<4>| if self.halves { x.avg_pool2d(2) } else { x };
        let y = self.conv_1.apply(x.clone().relu());
        let y = self.conv_2.apply(y.relu());
        let y = self.conv_3.apply(y.relu());
        let y = self.conv_4.apply(halve(y.relu()));
        let x = halve(x);
        let skip = match &self.skip {
            Some(more) => Dual::concat(vec![x.clone(), more.apply(x)], 1),
            None => x,
        };
        y + skip
    }
}

/// The critic of BigGAN-deep, [Brock et al. 2018](https://arxiv.org/abs/1809.11096), appendix B, figure 16
/// and table 7: a convolution, groups of residual blocks with bottlenecks, ReLU, sums of the channels, a
/// score and a [`LabelHead`].
///
/// Should be created using [`DeepCriticConfig`].
#[derive(Module, Debug)]
pub struct DeepCritic {
    /// From the picture, 3 × 3.
    pub input: Conv2d,
    /// All groups.
    pub blocks: Vec<DeepCriticBlock>,
    /// After the first group that ends at its size.
    pub attention: Option<SelfAttention>,
    /// Blocks before attention.
    pub attention_after: usize,
    /// The score.
    pub logit: Linear,
    /// What it makes of the class.
    pub head: LabelHeadLayer,
}

impl DeepCritic {
    /// The verdict on pictures of `classes`.
    pub fn judge(&self, x: Dual<4>, classes: &Tensor<2>) -> Verdict {
        let mut x = self.input.apply(x);
        for (index, block) in self.blocks.iter().enumerate() {
            x = block.apply(x);
            if let Some(attention) = &self.attention
                && self.attention_after == index + 1
            {
                x = attention.apply(x);
            }
        }
        judge(x, &self.logit, &self.head, classes)
    }
}
