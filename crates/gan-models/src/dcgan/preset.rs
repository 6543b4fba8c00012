use gan_core::nn::{
    ConvCriticConfig, ConvGeneratorConfig, ImageCriticConfig, ImageGeneratorConfig, ImageShape,
};
use gan_core::optim::OptimizerConfig;
use gan_core::sample::LatentPrior;

use crate::ImageGanConfig;
use crate::preset::{falling_widths, plain_game};

/// [Radford et al. 2015](https://arxiv.org/abs/1511.06434), figure 1 and section 4: at 64 pixels the
/// generator has 1024, 512, 256 and 128 channels, uniform latents of size 100, batch normalisation,
/// N(0, 0.02), Adam 2e-4 with β₁ = 0.5, batch 128. The paper gives no widths for the critic; this one
/// mirrors the generator.
///
/// Smaller pictures have half the channels (28 pixels: 128 and 64), larger ones more layers of at most
/// 1024.
pub(crate) fn dcgan(image: ImageShape) -> ImageGanConfig {
    dcgan_with_base(image, if image.size < 64 { 64 } else { 128 })
}

/// The `dcgan` preset with `narrowest` channels next to the picture; PyTorch's example has 64 at 64
/// pixels.
pub fn dcgan_with_base(image: ImageShape, narrowest: usize) -> ImageGanConfig {
    let widths = falling_widths(image.num_doublings(), narrowest, 1024);
    let mirrored: Vec<usize> = widths.iter().rev().copied().collect();
    let adam = OptimizerConfig::adam(2e-4, 0.5, 0.999);
    ImageGanConfig {
        preset: "dcgan".into(),
        generator: ImageGeneratorConfig::Conv(ConvGeneratorConfig::dcgan(image, 100, widths)),
        critic: ImageCriticConfig::Conv(ConvCriticConfig::dcgan(image, mirrored)),
        gan: plain_game(LatentPrior::Uniform { size: 100 }, adam),
        batch_size: 128,
        total_kimg: 1500.0, // 25 epochs of MNIST
    }
}
