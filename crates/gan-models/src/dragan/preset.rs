use gan_core::nn::{ImageShape, Norm};
use gan_core::penalty::{PenaltyConfig, PenaltyRule};

use crate::ImageGanConfig;
use crate::preset::dcgan_without_batch_norm;

/// The preset `dcgan`, the critic with layer normalisation, and the penalty of
/// [Kodali et al. 2017](https://arxiv.org/abs/1705.07215), Algorithm 1: λ = 10, k = 1, at real pictures
/// moved by noise of half their deviation, as in the authors' code.
///
/// Differs from the paper in the networks, and in batches of 64.
pub(crate) fn dragan(image: ImageShape) -> ImageGanConfig {
    let mut config = dcgan_without_batch_norm("dragan", image, Norm::Layer { epsilon: 1e-5 });
    config.gan.penalty = Some(PenaltyConfig {
        rule: PenaltyRule::Dragan {
            lambda: 10.0,
            k: 1.0,
        },
        every: 1,
    });
    config.batch_size = 64;
    config
}
