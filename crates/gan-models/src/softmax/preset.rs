use gan_core::loss::AdversarialLoss;
use gan_core::nn::ImageShape;

use crate::ImageGanConfig;
use crate::preset::dcgan_with_loss;

/// The preset `dcgan` with the loss of [Lin 2017](https://arxiv.org/abs/1704.06191), equations 4 and 5:
/// one softmax over all pictures of a batch.
///
/// Differs from the paper in the networks, for which it gives no constants that we could take over, and
/// in batches of 64.
pub(crate) fn softmax(image: ImageShape) -> ImageGanConfig {
    dcgan_with_loss("softmax", image, AdversarialLoss::Softmax, 64)
}
