//! What the residual networks have in common, with and without bottlenecks.

use burn::prelude::*;
use gan_core::dual::{Dual, Forward};
use gan_core::error::ConfigError;
use gan_core::nn::{
    BatchNorm, ConditionalBatchNorm, ConditionalBatchNormConfig, Conv2d, Conv2dConfig, Embedding,
    EmbeddingConfig, ImageShape, Initializer, LabelHead, LabelHeadLayer, Linear, LinearConfig,
    SelfAttention, SelfAttentionConfig, SpectralNormConfig, Verdict,
};
use gan_core::rng::Stream;

/// Makes the layers of a network, one after the other.
pub(super) struct Layers<'a> {
    /// How all of them begin.
    pub(super) initializer: Initializer,
    /// Weights divided by their largest singular value; `None` for not.
    pub(super) spectral_norm: Option<SpectralNormConfig>,
    /// What they are drawn from.
    pub(super) stream: &'a mut Stream,
    /// Where they are.
    pub(super) device: &'a Device,
}

impl Layers<'_> {
    /// Keeps the size of pictures.
    pub(super) fn conv(&mut self, from: usize, to: usize, kernel: usize) -> Conv2d {
        Conv2dConfig::new(from, to, kernel)
            .with_padding(kernel / 2)
            .with_initializer(self.initializer)
            .with_spectral_norm(self.spectral_norm)
            .init(self.stream, self.device)
    }

    pub(super) fn linear(&mut self, from: usize, to: usize) -> Linear {
        LinearConfig::new(from, to)
            .with_initializer(self.initializer)
            .with_spectral_norm(self.spectral_norm)
            .init(self.stream, self.device)
    }

    /// The embedding of the class that all normalisations share.
    pub(super) fn embedding(&mut self, classes: usize, size: usize) -> Embedding {
        EmbeddingConfig::new(classes, size)
            .with_initializer(self.initializer)
            .init(self.stream, self.device)
    }

    /// A normalisation whose scale and shift are maps of an embedding.
    pub(super) fn norm(&mut self, channels: usize, condition: usize) -> ConditionalBatchNorm {
        ConditionalBatchNormConfig::new(channels, condition)
            .with_initializer(self.initializer)
            .with_spectral_norm(self.spectral_norm)
            .init(self.stream, self.device)
    }

    /// A normalisation with a table of scales and shifts, which begins as no change at all.
    pub(super) fn norm_of_classes(
        &mut self,
        channels: usize,
        classes: usize,
    ) -> ConditionalBatchNorm {
        ConditionalBatchNormConfig::new(channels, classes)
            .with_initializer(Initializer::Zeros)
            .with_spectral_norm(None)
            .init(self.stream, self.device)
    }

    pub(super) fn attention(&mut self, channels: usize) -> SelfAttention {
        SelfAttentionConfig::new(channels)
            .with_spectral_norm(self.spectral_norm)
            .with_initializer(self.initializer)
            .init(self.stream, self.device)
    }

    /// A head for features and conditions of these sizes.
    pub(super) fn head(&mut self, head: &LabelHead, sizes: (usize, usize)) -> LabelHeadLayer {
        let (initializer, spectral_norm) = (self.initializer, self.spectral_norm);
        head.init(sizes, initializer, spectral_norm, self.stream, self.device)
    }
}

/// Self-attention comes after a block, so it needs one of the sizes at which blocks end.
pub(super) fn check_attention(
    attention: Option<usize>,
    sizes: impl Iterator<Item = usize>,
) -> Result<(), ConfigError> {
    let sizes: Vec<usize> = sizes.collect();
    match attention {
        Some(size) if !sizes.contains(&size) => {
            let sizes: Vec<String> = sizes.iter().map(usize::to_string).collect();
            let allowed = format!("one of {}, where a block ends", sizes.join(", "));
            Err(ConfigError::new("attention", size, allowed))
        }
        _ => Ok(()),
    }
}

/// A critic of `groups` cannot halve more often than it has groups, nor than the picture allows.
pub(super) fn check_halvings(
    halvings: usize,
    groups: usize,
    image: ImageShape,
) -> Result<(), ConfigError> {
    let most = image.num_doublings().min(groups);
    if halvings > most {
        let allowed = format!("{most} or less");
        return Err(ConfigError::new("halvings", halvings, allowed));
    }
    Ok(())
}

/// Every block must have channels inside.
pub(super) fn check_ratio(ratio: usize, widths: &[usize]) -> Result<(), ConfigError> {
    let narrowest = widths.iter().copied().min().unwrap_or(0);
    if ratio == 0 || narrowest < ratio {
        let allowed = format!("1 to {narrowest}, the narrowest width");
        return Err(ConfigError::new("ratio", ratio, allowed));
    }
    Ok(())
}

/// How a generator begins: rows become pictures of `size` pixels.
pub(super) fn base(linear: &Linear, rows: Tensor<2>, size: usize) -> Tensor<4> {
    let batch = rows.dims()[0];
    let values = linear.forward(rows);
    let channels = values.dims()[1] / size.pow(2);
    values.reshape([batch, channels, size, size])
}

/// How a generator ends: normalisation, ReLU, convolution and tanh.
pub(super) fn draw(norm: &BatchNorm, output: &Conv2d, x: Tensor<4>) -> Tensor<4> {
    let y = Dual::from(norm.forward(x)).relu();
    output.apply(y).tanh().primal
}

/// How a critic ends: ReLU, sums of the channels, a score and a head.
pub(super) fn judge(
    x: Dual<4>,
    logit: &Linear,
    head: &LabelHeadLayer,
    classes: &Tensor<2>,
) -> Verdict {
    let features = x.relu().sum_pool();
    head.judge(logit.apply(features.clone()), features, classes)
}
