use gan_core::loss::AdversarialLoss;
use gan_core::nn::ImageShape;

use crate::ImageGanConfig;
use crate::preset::dcgan_with_loss;

/// The preset `dcgan` with the generator's loss of
/// [Hjelm et al. 2017](https://arxiv.org/abs/1702.08431) for continuous samples, equation 15: half the square of the
/// logit. Batches of 64.
///
/// Differs from the paper in the networks.
pub(crate) fn boundary_seeking(image: ImageShape) -> ImageGanConfig {
    dcgan_with_loss(
        "boundary-seeking",
        image,
        AdversarialLoss::BoundarySeeking,
        64,
    )
}
