use gan_core::game::{EmaConfig, GanConfig};
use gan_core::nn::{
    Activation, ConvCriticConfig, ConvGeneratorConfig, Downsample, ImageCriticConfig,
    ImageGeneratorConfig, ImageShape, Initializer, MinibatchStddevConfig, Norm, OutputLayer, Stem,
    Upsample,
};
use gan_core::optim::OptimizerConfig;
use gan_core::penalty::{PenaltyConfig, PenaltyRule};
use gan_core::sample::LatentPrior;

use crate::ImageGanConfig;
use crate::preset::{falling_widths, plain_game};

/// A small convolutional GAN with what StyleGAN2 uses to learn fast and not fall apart: the
/// non-saturating loss with a lazy R1 penalty ([section 4.1](https://arxiv.org/abs/1912.04958)),
/// minibatch standard deviation, Adam (0, 0.99) and an average of the generator with ramp-up.
pub(crate) fn default(image: ImageShape) -> ImageGanConfig {
    let doublings = image.num_doublings();
    let adam = OptimizerConfig::adam(2e-3, 0.0, 0.99);
    let initializer = Initializer::KaimingNormal {
        gain: core::f64::consts::SQRT_2,
    };
    ImageGanConfig {
        preset: "default".into(),
        generator: ImageGeneratorConfig::Conv(ConvGeneratorConfig {
            image,
            latent_size: 64,
            widths: falling_widths(doublings, 64, 256),
            stem: Stem::Dense,
            upsample: Upsample::Transposed4,
            output: OutputLayer::Upsample,
            norm: Norm::batch(),
            activation: Activation::Relu,
            output_activation: Activation::Tanh,
            extra_convs: 0,
            residual: false,
            initializer,
        }),
        critic: ImageCriticConfig::Conv(ConvCriticConfig {
            image,
            widths: falling_widths(doublings, 32, 256)
                .into_iter()
                .rev()
                .collect(),
            downsample: Downsample::Strided4,
            norm: Norm::None,
            activation: Activation::LeakyRelu { slope: 0.2 },
            extra_convs: 0,
            residual: false,
            minibatch_stddev: Some(MinibatchStddevConfig::default()),
            hidden: None,
            initializer,
        }),
        gan: GanConfig {
            penalty: Some(PenaltyConfig {
                rule: PenaltyRule::R1 { gamma: 0.5 },
                every: 16,
            }),
            ema: Some(EmaConfig {
                half_life_kimg: 5.0,
                ramp_up: Some(0.05),
            }),
            ..plain_game(LatentPrior::Normal { size: 64 }, adam)
        },
        batch_size: 64,
        total_kimg: 300.0,
    }
}
