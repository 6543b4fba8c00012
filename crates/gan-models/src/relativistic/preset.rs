use gan_core::loss::AdversarialLoss;
use gan_core::nn::ImageShape;

use crate::ImageGanConfig;

/// The preset `dcgan` with the loss on pairs of
/// [Jolicoeur-Martineau 2018](https://arxiv.org/abs/1807.00734), equations 7 and 8 (RSGAN), and section
/// 4's constants for CIFAR-10: Adam 2e-4 with β₁ = 0.5, one critic step, batch 32.
///
/// Differs from the paper in the networks, which have spectral normalisation there.
pub(crate) fn rsgan(image: ImageShape) -> ImageGanConfig {
    relativistic("rsgan", AdversarialLoss::Relativistic, image)
}

/// The same against the mean of the other side (RaSGAN), equations 9 to 12.
pub(crate) fn ragan(image: ImageShape) -> ImageGanConfig {
    relativistic("ragan", AdversarialLoss::RelativisticAverage, image)
}

fn relativistic(name: &str, loss: AdversarialLoss, image: ImageShape) -> ImageGanConfig {
    let mut config = crate::dcgan::dcgan(image);
    config.preset = name.into();
    config.gan.loss = loss;
    config.batch_size = 32;
    config
}
