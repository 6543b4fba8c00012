use gan_core::loss::AdversarialLoss;
use gan_core::nn::{ImageShape, Norm};
use gan_core::optim::OptimizerConfig;
use gan_core::penalty::{PenaltyConfig, PenaltyRule};
use gan_core::sample::LatentPrior;

use crate::ImageGanConfig;
use crate::preset::{dcgan_without_batch_norm, plain_game};

/// Critic steps per generator step in both papers.
const CRITIC_STEPS: usize = 5;
/// Real pictures of each of them in both papers.
const PART: usize = 64;

/// The networks of `dcgan` under Algorithm 1 of
/// [Arjovsky et al. 2017](https://arxiv.org/abs/1701.07875): RMSProp 5e-5, weights within 0.01, five
/// critic steps of 64 pictures each.
///
/// Differs from the paper in nothing we know of but the size of the networks; the constants of RMSProp
/// that the paper does not give are PyTorch's.
pub(crate) fn wgan(image: ImageShape) -> ImageGanConfig {
    let mut config = crate::dcgan::dcgan(image);
    let optimizer = OptimizerConfig::RmsProp {
        lr: 5e-5,
        alpha: 0.99,
        epsilon: 1e-8,
    };
    config.preset = "wgan".into();
    config.gan = plain_game(LatentPrior::Normal { size: 100 }, optimizer);
    config.gan.loss = AdversarialLoss::Wasserstein;
    config.gan.critic_steps = CRITIC_STEPS;
    config.gan.weight_clip = Some(0.01);
    config.batch_size = CRITIC_STEPS * PART;
    config
}

/// The networks of `dcgan`, the critic with layer normalisation, under Algorithm 1 of
/// [Gulrajani et al. 2017](https://arxiv.org/abs/1704.00028): penalty λ = 10, Adam 1e-4 (0, 0.9), five
/// critic steps of 64 pictures each.
///
/// Differs from the paper in the networks: there they have 5 × 5 kernels for MNIST, and residual blocks
/// for others.
pub(crate) fn wgan_gp(image: ImageShape) -> ImageGanConfig {
    let optimizer = OptimizerConfig::adam(1e-4, 0.0, 0.9);
    let mut config = dcgan_without_batch_norm("wgan-gp", image, Norm::Layer { epsilon: 1e-5 });
    config.gan = plain_game(LatentPrior::Normal { size: 100 }, optimizer);
    config.gan.loss = AdversarialLoss::Wasserstein;
    config.gan.critic_steps = CRITIC_STEPS;
    config.gan.penalty = Some(PenaltyConfig {
        rule: PenaltyRule::WganGp {
            lambda: 10.0,
            target: 1.0,
            one_sided: false,
        },
        every: 1,
    });
    config.batch_size = CRITIC_STEPS * PART;
    config
}
