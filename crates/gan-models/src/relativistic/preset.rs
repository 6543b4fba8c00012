use gan_core::loss::AdversarialLoss;
use gan_core::nn::ImageShape;

use crate::ImageGanConfig;
use crate::preset::dcgan_with_loss;

/// The preset `dcgan` with the loss on pairs of
/// [Jolicoeur-Martineau 2018](https://arxiv.org/abs/1807.00734), equations 7 and 8 (RSGAN), and section
/// 4's constants for CIFAR-10: Adam 2e-4 with β₁ = 0.5, one critic step, batch 32.
///
/// Differs from the paper in the networks, which have spectral normalisation there.
pub(crate) fn rsgan(image: ImageShape) -> ImageGanConfig {
    dcgan_with_loss("rsgan", image, AdversarialLoss::Relativistic, 32)
}

/// The same against the mean of the other side (RaSGAN), equations 9 to 12.
pub(crate) fn ragan(image: ImageShape) -> ImageGanConfig {
    dcgan_with_loss("ragan", image, AdversarialLoss::RelativisticAverage, 32)
}
