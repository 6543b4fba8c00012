use gan_core::game::GanConfig;
use gan_core::loss::AdversarialLoss;
use gan_core::nn::{
    ImageCriticConfig, ImageGeneratorConfig, ImageShape, MlpCriticConfig, MlpGeneratorConfig,
};
use gan_core::optim::OptimizerConfig;
use gan_core::sample::LatentPrior;

use crate::ImageGanConfig;
use crate::preset::plain_game;

/// [Goodfellow et al. 2014](https://arxiv.org/abs/1406.2661) as tutorials write it: multilayer
/// perceptrons 100-256-512-1024-pixels (ReLU, tanh) and pixels-1024-512-256-1 (leaky ReLU 0.2), binary
/// cross-entropy, Adam 2e-4 (0.9, 0.999), batch 64, PyTorch's initial values.
///
/// Differs from the paper, which has maxout critics with dropout, momentum and a schedule.
pub(crate) fn vanilla(image: ImageShape) -> ImageGanConfig {
    let adam = OptimizerConfig::adam(2e-4, 0.9, 0.999);
    ImageGanConfig {
        preset: "vanilla".into(),
        generator: ImageGeneratorConfig::Mlp(MlpGeneratorConfig::new(image, 100, [256, 512, 1024])),
        critic: ImageCriticConfig::Mlp(MlpCriticConfig::new(image, [1024, 512, 256])),
        gan: GanConfig {
            loss: AdversarialLoss::NonSaturating,
            ..plain_game(LatentPrior::Normal { size: 100 }, adam)
        },
        batch_size: 64,
        total_kimg: 1200.0, // 20 epochs of MNIST
    }
}
