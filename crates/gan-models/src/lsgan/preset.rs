use gan_core::loss::AdversarialLoss;
use gan_core::nn::ImageShape;

use crate::ImageGanConfig;
use crate::preset::dcgan_with_loss;

/// The preset `dcgan` with the least squares of [Mao et al. 2016](https://arxiv.org/abs/1611.04076),
/// equation 9 (targets 0, 1 and 1), and section 4's learning rate for handwritten characters: Adam 2e-4
/// with β₁ = 0.5.
///
/// Differs from the paper in the networks: there they are for 112 pixels, with two layers at each size.
pub(crate) fn lsgan(image: ImageShape) -> ImageGanConfig {
    dcgan_with_loss("lsgan", image, AdversarialLoss::LeastSquares, 64)
}
