use gan_core::loss::AdversarialLoss;
use gan_core::nn::{
    ConvAutoencoderConfig, ConvCriticConfig, ConvGeneratorConfig, ImageCriticConfig, ImageShape,
    ReconstructionError,
};
use gan_core::optim::OptimizerConfig;

use crate::ImageGanConfig;
use crate::preset::falling_widths;

/// Length of the code that pictures are squeezed through.
const CODE: usize = 64;

/// The generator of `dcgan` against an autoencoder of the same layers, with the margin loss and the
/// pulling-away term of [Zhao et al. 2016](https://arxiv.org/abs/1609.03126), equations 1, 2 and 4: weight
/// 0.1 for the latter, Adam with β₁ = 0.5, 1e-3 for the generator and 2e-4 for the critic.
///
/// Differs from the paper in the networks (for MNIST they are dense there, for photographs without a
/// dense code), and in the margin: the error is a mean over pixels in `[-1, 1]`. With a margin of 0.25 and
/// 2e-4 for both, the generator never got below the margin (`docs/models/presets.md`).
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
    config.gan.loss = AdversarialLoss::EnergyBased { margin: 0.1 };
    config.gan.generator_optimizer = OptimizerConfig::adam(1e-3, 0.5, 0.999);
    config.gan.pull_away = Some(0.1);
    config.batch_size = 64;
    config
}
