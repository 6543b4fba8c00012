use gan_core::loss::AdversarialLoss;
use gan_core::nn::{
    ConvAutoencoderConfig, ConvCriticConfig, ConvGeneratorConfig, ImageCriticConfig, ImageShape,
    ReconstructionError,
};

use crate::ImageGanConfig;
use crate::preset::falling_widths;

/// Length of the code that pictures are squeezed through.
const CODE: usize = 64;

/// The generator of `dcgan` against an autoencoder of the same layers, with the margin loss and the
/// pulling-away term of [Zhao et al. 2016](https://arxiv.org/abs/1609.03126), equations 1, 2 and 4: weight
/// 0.1 for the latter, Adam 2e-4 with β₁ = 0.5.
///
/// Differs from the paper in the networks (for MNIST they are dense there, for photographs without a
/// dense code), and in the margin: the error is a mean over pixels in `[-1, 1]`, and the margin is about
/// what a picture of the mean digit would have.
pub(crate) fn ebgan(image: ImageShape) -> ImageGanConfig {
    let mut config = crate::dcgan::dcgan(image);
    let widths = falling_widths(image.num_doublings(), 32, 512);
    let mirrored: Vec<usize> = widths.iter().rev().copied().collect();
    config.preset = "ebgan".into();
    config.critic = ImageCriticConfig::Autoencoder(ConvAutoencoderConfig {
        encoder: ConvCriticConfig::dcgan(image, mirrored),
        decoder: ConvGeneratorConfig::dcgan(image, CODE, widths),
        error: ReconstructionError::Squared,
    });
    config.gan.loss = AdversarialLoss::EnergyBased { margin: 0.25 };
    config.gan.pull_away = Some(0.1);
    config.batch_size = 64;
    config
}
