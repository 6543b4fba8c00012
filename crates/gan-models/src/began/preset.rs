use gan_core::loss::{AdversarialLoss, BeganConfig};
use gan_core::nn::{ImageCriticConfig, ImageShape, ReconstructionError};
use gan_core::optim::OptimizerConfig;

use crate::ImageGanConfig;

/// Length of the code that pictures are squeezed through: 64 in the paper, 32 in the PyTorch-GAN
/// collection's BEGAN for MNIST.
const CODE: usize = 32;

/// The loss and the controller of [Berthelot et al. 2017](https://arxiv.org/abs/1703.10717), section 3.4, on
/// the networks of `ebgan`: mean absolute error of a reconstruction.
///
/// Without batch normalisation in the critic it does not learn MNIST: with the paper's networks the generator
/// drew one dot, or only 1s, which are reconstructed best. Of a batch of like pictures batch normalisation
/// blows up the few differences, so that such a batch is reconstructed badly
/// (`docs/models/presets.md`).
///
/// Differs from the paper in the networks (there without normalisation, ELU, pixels repeated in place of
/// transposed convolutions, codes of 64, uniform latents of 64), in γ, λ_k, the optimisers and the batch.
/// γ = 0.75, Adam with β₁ = 0.5 and batches of 64 are PyTorch-GAN's.
pub(crate) fn began(image: ImageShape) -> ImageGanConfig {
    let mut config = crate::ebgan::ebgan(image);
    config.preset = "began".into();
    if let ImageCriticConfig::Autoencoder(critic) = &mut config.critic {
        critic.decoder.latent_size = CODE;
        critic.error = ReconstructionError::Absolute;
    }
    config.gan.loss = AdversarialLoss::Wasserstein;
    config.gan.pull_away = None;
    config.gan.balance = Some(BeganConfig {
        gamma: 0.75,
        lambda_k: 0.001,
    });
    config.gan.generator_optimizer = OptimizerConfig::adam(1e-3, 0.5, 0.999);
    config
}
