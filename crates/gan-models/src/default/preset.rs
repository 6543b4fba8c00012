use gan_core::game::{EmaConfig, GanConfig};
use gan_core::loss::AdversarialLoss;
use gan_core::nn::{
    Activation, ConvCriticConfig, ConvGeneratorConfig, Downsample, ImageCriticConfig,
    ImageGeneratorConfig, ImageShape, Initializer, MinibatchStddevConfig, Norm, OutputLayer, Stem,
    Upsample,
};
use gan_core::optim::{LearningRateSchedule, OptimizerConfig};
use gan_core::penalty::{PenaltyConfig, PenaltyRule};
use gan_core::sample::LatentPrior;

use crate::ImageGanConfig;
use crate::preset::{falling_widths, plain_game};

/// A small convolutional GAN for a processor: deep rather than wide, and with the parts that learn
/// most from each picture. Found by search on MNIST at equal processor time (`docs/models/default.md`
/// has what was tried).
///
/// - Relativistic average loss ([Jolicoeur-Martineau 2018](https://arxiv.org/abs/1807.00734)) with a
///   lazy R1 penalty ([section 4.1 of StyleGAN2](https://arxiv.org/abs/1912.04958)).
/// - Pixel normalisation in the generator and minibatch standard deviation in the critic
///   ([ProGAN](https://arxiv.org/abs/1710.10196)).
/// - Muon ([Jordan et al. 2024](https://kellerjordan.github.io/posts/muon/)) with little momentum, in batches of 32, for
///   small grey pictures: with Adam at its best rates the distance after 32 kimg of MNIST is 64 and 68, with Muon 56
///   and 45 (seeds 1, 3). Others have Adam (0, 0.99): with Muon at these rates the critic wins on CIFAR-10.
/// - From 15,000 pictures on (30,000 with Adam) the learning rates fall with the root of the pictures shown, and the
///   half-life of the generator's average grows with them: neither needs a known end.
/// - Few latents for small grey pictures, which differ in few ways: 12 instead of 64 took a score of 25
///   after 96 kimg of MNIST to 16. Others get 64.
/// - One more convolution at the first size of the generator, where pixels are few, and less than half the learning
///   rate for the critic: a distance of 217 after 24 kimg of MNIST became 129 with Adam, means of six seeds. With
///   one rate for both the critic wins for the first 10 to 40 kimg, with two of the six seeds.
/// - One more at the second-smallest size of the critic: 57 and 62 after 48 kimg became 45 and 39, for a
///   quarter of the time more.
/// - A batch for both steps, which gives a fifth of the time back: 50 and 33 after 48 kimg.
pub(crate) fn default(image: ImageShape) -> ImageGanConfig {
    let is_small_and_grey = image.channels == 1 && image.size <= 32;
    let mut config = with_latents(image, if is_small_and_grey { 12 } else { 64 });
    if let ImageGeneratorConfig::Conv(generator) = &mut config.generator {
        generator.extra_convs[0] = 1;
    }
    if let ImageCriticConfig::Conv(critic) = &mut config.critic
        && let [.., second, _] = critic.extra_convs.as_mut_slice()
    {
        *second = 1;
    }
    config.gan.critic_optimizer = OptimizerConfig::adam(1.5e-3, 0.0, 0.99);
    if is_small_and_grey {
        config.gan.generator_optimizer = OptimizerConfig::muon(5e-3, 0.5);
        config.gan.critic_optimizer = OptimizerConfig::muon(1.5e-3, 0.5);
        config.gan.learning_rate_schedule =
            Some(LearningRateSchedule::InverseSquareRoot { from_kimg: 15.0 });
    }
    config.gan.shared_batch = true;
    config
}

/// Without the last four, with Adam, and with so many latents: the networks of the presets that know classes,
/// which are measured with these.
pub(crate) fn with_latents(image: ImageShape, latent_size: usize) -> ImageGanConfig {
    let doublings = image.num_doublings();
    let adam = OptimizerConfig::adam(3e-3, 0.0, 0.99);
    let initializer = Initializer::KaimingNormal {
        gain: core::f64::consts::SQRT_2,
    };
    let slope = 0.2;
    let widths = falling_widths(doublings, 32, 256);
    // One more convolution where it costs least: at the last hidden size of the generator, and at
    // the smallest of the critic.
    let last_extra = |count: usize| (1..=count).map(|i| usize::from(i == count)).collect();
    let critic_widths: Vec<usize> = falling_widths(doublings, 32, 256)
        .into_iter()
        .rev()
        .collect();
    ImageGanConfig {
        preset: "default".into(),
        generator: ImageGeneratorConfig::Conv(ConvGeneratorConfig {
            image,
            latent_size,
            extra_convs: last_extra(widths.len()),
            widths,
            stem: Stem::Dense,
            upsample: Upsample::Transposed4,
            output: OutputLayer::Upsample,
            norm: Norm::Pixel { epsilon: 1e-8 },
            activation: Activation::LeakyRelu { slope },
            output_activation: Activation::Tanh,
            residual: false,
            initializer,
            spectral_norm: None,
        }),
        critic: ImageCriticConfig::Conv(ConvCriticConfig {
            image,
            extra_convs: last_extra(critic_widths.len()),
            widths: critic_widths,
            downsample: Downsample::Strided4,
            norm: Norm::None,
            activation: Activation::LeakyRelu { slope },
            residual: false,
            minibatch_stddev: Some(MinibatchStddevConfig::default()),
            hidden: None,
            minibatch_discrimination: None,
            initializer,
            spectral_norm: None,
        }),
        gan: GanConfig {
            loss: AdversarialLoss::RelativisticAverage,
            penalty: Some(PenaltyConfig {
                rule: PenaltyRule::R1 { gamma: 0.3 },
                every: 16,
            }),
            ema: Some(EmaConfig {
                half_life_kimg: 20.0,
                ramp_up: Some(0.1),
            }),
            learning_rate_schedule: Some(LearningRateSchedule::InverseSquareRoot {
                from_kimg: 30.0,
            }),
            ..plain_game(LatentPrior::Normal { size: latent_size }, adam)
        },
        batch_size: 32,
        total_kimg: 240.0,
    }
}
