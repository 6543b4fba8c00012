//! Layers and networks.
//!
//! Parameters have PyTorch's names and layouts, are drawn on the host from a
//! [`Stream`](crate::rng::Stream), and are there from the beginning (never lazy). Layers that a
//! penalised critic can use implement [`Forward`](crate::dual::Forward).

mod activation;
mod autoencoder;
mod block;
mod conv;
mod conv_autoencoder;
mod conv_critic;
mod conv_generator;
mod critic_features;
mod embedding;
mod equalized;
mod image;
mod init;
mod label_head;
mod linear;
mod maxout;
mod minibatch_discrimination;
mod minibatch_stddev;
mod mlp;
mod mlp_image;
mod norm;
mod patch_critic;
mod residual;
mod self_attention;
mod spectral;
mod stem;
mod traits;
mod unet;

use burn::module::{Module, ModuleVisitor, Param};
use burn::prelude::*;

pub use activation::Activation;
pub use autoencoder::{Autoencoder, AutoencoderConfig, ReconstructionError};
pub use block::{ConvBlock, NormActivation, SpatialLayer};
pub use conv::{Conv2d, Conv2dConfig, ConvTranspose2d, ResizeConv2d};
pub use conv_autoencoder::{ConvAutoencoder, ConvAutoencoderConfig};
pub use conv_critic::{ConvCritic, ConvCriticConfig, CriticBlock, Downsample};
pub use conv_generator::{
    ConvGenerator, ConvGeneratorConfig, GeneratorBlock, OutputLayer, Upsample,
};
pub use critic_features::pooled_features;
pub use embedding::{Embedding, EmbeddingConfig, one_hot};
pub use equalized::{
    EqualizedConv2d, EqualizedConv2dConfig, EqualizedLinear, EqualizedLinearConfig,
};
pub use image::{ImageCritic, ImageCriticConfig, ImageGenerator, ImageGeneratorConfig, ImageShape};
pub use init::{Initializer, fan_in};
pub use label_head::{LabelHead, LabelHeadLayer};
pub use linear::{Linear, LinearConfig};
pub use maxout::{Maxout, MaxoutConfig};
pub use minibatch_discrimination::{MinibatchDiscrimination, MinibatchDiscriminationConfig};
pub use minibatch_stddev::{MinibatchStddev, MinibatchStddevConfig};
pub use mlp::{Mlp, MlpConfig};
pub use mlp_image::{MlpCritic, MlpCriticConfig, MlpGenerator, MlpGeneratorConfig};
pub use norm::{
    BatchNorm, BatchNormConfig, ConditionalBatchNorm, ConditionalBatchNormConfig, GroupNorm,
    GroupNormConfig, Norm, NormLayer, PixelNorm, PixelNormConfig, VirtualBatchNorm,
    VirtualBatchNormConfig,
};
pub use patch_critic::{PatchCritic, PatchCriticConfig};
pub use residual::{Resample, ResidualBlock, ResidualBlockConfig};
pub use self_attention::{SelfAttention, SelfAttentionConfig};
pub use spectral::{SpectralNorm, SpectralNormConfig, advance_spectral_norms, has_spectral_norms};
pub(crate) use spectral::{matrix, out_axis};
pub use stem::{Stem, StemLayer};
pub use traits::{ClassCritic, Critic, Generator, Verdict};
pub use unet::{UNet, UNetConfig};

use crate::error::ConfigError;

/// Number of trainable values of a module on a device with autodiff; running statistics do not count.
/// Without autodiff nothing is trainable, and the answer is 0.
pub fn parameter_count<M: Module>(module: &M) -> usize {
    struct Count(usize);
    impl ModuleVisitor for Count {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            if param.is_require_grad() {
                self.0 += param.base().shape().num_elements();
            }
        }
    }
    let mut count = Count(0);
    module.visit(&mut count);
    count.0
}

/// A size in a configuration must not be 0.
pub(crate) fn check_size(field: &str, size: usize) -> Result<(), ConfigError> {
    if size == 0 {
        return Err(ConfigError::new(field, size, "1 or more"));
    }
    Ok(())
}

/// A list of sizes in a configuration must not contain 0.
pub(crate) fn check_sizes(field: &str, sizes: &[usize]) -> Result<(), ConfigError> {
    if sizes.contains(&0) {
        let value = format!("{sizes:?}");
        return Err(ConfigError::new(
            field,
            value,
            "a list of numbers, 1 or more each",
        ));
    }
    Ok(())
}

/// Extra layers are given for every width or for none.
pub(crate) fn check_extra_convs(extra: &[usize], widths: &[usize]) -> Result<(), ConfigError> {
    if !extra.is_empty() && extra.len() != widths.len() {
        let allowed = format!("an empty list or one of {} numbers", widths.len());
        return Err(ConfigError::new(
            "extra_convs",
            format!("{extra:?}"),
            allowed,
        ));
    }
    Ok(())
}

/// A number in a configuration must be finite and above 0.
pub(crate) fn check_positive(field: &str, value: f64) -> Result<(), ConfigError> {
    if !(value > 0.0 && value.is_finite()) {
        return Err(ConfigError::new(field, value, "a finite number above 0"));
    }
    Ok(())
}

/// A number in a configuration must be finite and not below 0.
pub(crate) fn check_not_negative(field: &str, value: f64) -> Result<(), ConfigError> {
    if !(value >= 0.0 && value.is_finite()) {
        let allowed = "a finite number, 0 or more";
        return Err(ConfigError::new(field, value, allowed));
    }
    Ok(())
}

/// `init` is for configurations that have been checked: an invalid one is the programmer's mistake.
#[track_caller]
pub(crate) fn expect_valid(result: Result<(), ConfigError>) {
    if let Err(error) = result {
        panic!("invalid configuration: {error}");
    }
}
