use gan_core::game::{EmaConfig, GanConfig};
use gan_core::loss::AdversarialLoss;
use gan_core::nn::{ImageShape, Initializer, LabelHead, SpectralNormConfig};
use gan_core::optim::{LearningRateSchedule, OptimizerConfig};
use gan_core::sample::{Condition, LatentPrior};

use super::{DeepCriticConfig, DeepGeneratorConfig, ResnetCriticConfig, ResnetGeneratorConfig};
use crate::class_gan::{ClassCriticConfig, ClassGanConfig, ClassGeneratorConfig};
use crate::preset::plain_game;

/// Half-life of an average with `decay` per round of `images` pictures, in thousands of pictures.
fn half_life(decay: f64, images: usize) -> f64 {
    0.5f64.ln() / decay.ln() * images as f64 / 1000.0
}

fn adam(lr: f64, beta_2: f64) -> OptimizerConfig {
    OptimizerConfig::adam(lr, 0.0, beta_2)
}

/// `count` times the same width.
fn even(width: usize, count: usize) -> Vec<usize> {
    vec![width; count]
}

/// The networks of [Miyato et al. 2018](https://arxiv.org/abs/1802.05957), table 3, with the classes of
/// [Miyato and Koyama 2018](https://arxiv.org/abs/1802.05637): 256 channels and latents of 128 in the
/// generator, 128 channels and spectral normalisation in the critic, which has a projection; hinge,
/// Adam 2e-4 (0, 0.9) with learning rates that fall to 0 along a straight line over the whole training,
/// 50,000 rounds (`configs/sn_cifar10.yml` of the authors' `sngan_projection`), five critic steps of 64.
///
/// Differs from the papers in the initial values (orthogonal, where they have Glorot's), for sizes
/// other than 32 in the number of blocks, and in the generator's batch, which is one critic step's
/// (64), where theirs is twice that.
pub(crate) fn sngan(image: ImageShape, classes: usize) -> ClassGanConfig {
    let doublings = image.num_doublings();
    let initializer = Initializer::Orthogonal { gain: 1.0 };
    let halvings = doublings.min(2);
    ClassGanConfig {
        preset: "sngan".into(),
        condition: Condition::Classes { count: classes },
        generator: ClassGeneratorConfig::Resnet(ResnetGeneratorConfig {
            image,
            latent_size: 128,
            classes,
            widths: even(256, doublings + 1),
            shared_embedding: None,
            hierarchical: false,
            attention: None,
            spectral_norm: None,
            initializer,
        }),
        critic: ClassCriticConfig::Resnet(ResnetCriticConfig {
            image,
            widths: even(128, halvings + 2),
            halvings,
            wide: false,
            attention: None,
            head: LabelHead::Projection,
            spectral_norm: Some(SpectralNormConfig::default()),
            initializer,
        }),
        gan: GanConfig {
            loss: AdversarialLoss::Hinge,
            critic_steps: 5,
            learning_rate_schedule: Some(LearningRateSchedule::Linear {
                from_kimg: 0.0,
                until_kimg: None,
                factor: 0.0,
            }),
            ..plain_game(LatentPrior::Normal { size: 128 }, adam(2e-4, 0.9))
        },
        batch_size: 5 * 64,
        total_kimg: 50.0 * 5.0 * 64.0,
    }
}

/// [Zhang et al. 2018](https://arxiv.org/abs/1805.08318), section 4: `sngan` with spectral
/// normalisation in both networks, self-attention at half the size, and one critic step with four
/// times the learning rate of the generator.
///
/// Differs from the paper, which has pictures of 128 pixels, in the widths.
pub(crate) fn sagan(image: ImageShape, classes: usize) -> ClassGanConfig {
    let mut config = sngan(image, classes);
    let half = image.size / 2;
    if let ClassGeneratorConfig::Resnet(generator) = &mut config.generator {
        generator.attention = in_generator(half, image);
        generator.spectral_norm = Some(SpectralNormConfig::default());
    }
    if let ClassCriticConfig::Resnet(critic) = &mut config.critic {
        critic.attention = Some(half);
    }
    config.preset = "sagan".into();
    config.gan.critic_steps = 1;
    config.gan.learning_rate_schedule = None;
    config.gan.generator_optimizer = adam(1e-4, 0.9);
    config.gan.critic_optimizer = adam(4e-4, 0.9);
    config.batch_size = 64;
    config.total_kimg = 5000.0;
    config
}

/// A small [BigGAN](https://arxiv.org/abs/1809.11096) for up to 64 pixels: shared embedding,
/// hierarchical latents, self-attention at half the size, spectral normalisation in both, orthogonal
/// initial values, hinge, two critic steps, an average of the generator.
///
/// Differs from the authors' CIFAR configuration, which has four times the channels, 50 pictures in
/// each of four critic steps and an average of 0.9999 per step, to be quick on a processor; and has no
/// orthogonal regularisation.
pub(crate) fn biggan(image: ImageShape, classes: usize) -> ClassGanConfig {
    let shape = Shape::small(image, 64);
    let latent_size = shape.latent_size;
    let config = big(image, classes, shape);
    let images = 2 * 32;
    ClassGanConfig {
        preset: "biggan".into(),
        gan: GanConfig {
            loss: AdversarialLoss::Hinge,
            critic_steps: 2,
            critic_optimizer: adam(4e-4, 0.99),
            ema: Some(EmaConfig {
                half_life_kimg: 20.0,
                ramp_up: Some(0.1),
            }),
            ..plain_game(LatentPrior::Normal { size: latent_size }, adam(2e-4, 0.99))
        },
        batch_size: images,
        total_kimg: 1000.0,
        ..config
    }
}

/// The full-size model of [Brock et al. 2018](https://arxiv.org/abs/1809.11096), table 8, with 96
/// channels for pictures of 128 pixels and 1000 classes: 70.4 and 88.0 million parameters. Batches of
/// 2048 in two critic steps, Adam 5e-5 and 2e-4 (0, 0.999), an average of 0.9999 per round.
///
/// Differs from the paper: no orthogonal regularisation, and the average begins at once.
pub fn biggan_128(classes: usize) -> ClassGanConfig {
    let shape = Shape::of_128(96, 120);
    let latent_size = shape.latent_size;
    let config = big(ImageShape::new(3, 128), classes, shape);
    let images = 2 * 2048;
    ClassGanConfig {
        preset: "biggan-128".into(),
        gan: GanConfig {
            loss: AdversarialLoss::Hinge,
            critic_steps: 2,
            critic_optimizer: adam(2e-4, 0.999),
            ema: Some(EmaConfig {
                half_life_kimg: half_life(0.9999, images),
                ramp_up: None,
            }),
            ..plain_game(LatentPrior::Normal { size: latent_size }, adam(5e-5, 0.999))
        },
        batch_size: images,
        total_kimg: 600_000.0,
        ..config
    }
}

/// A small BigGAN-deep ([Brock et al. 2018](https://arxiv.org/abs/1809.11096), appendix B) for up to 64
/// pixels: the game of `biggan`, with blocks of bottlenecks, two for each size, and a latent that is not
/// cut. The paper trains none this small.
pub(crate) fn biggan_deep(image: ImageShape, classes: usize) -> ClassGanConfig {
    let game = biggan(image, classes);
    deep("biggan-deep", game, Shape::small(image, 128))
}

/// The full-size BigGAN-deep of [Brock et al. 2018](https://arxiv.org/abs/1809.11096), table 7, with 128
/// channels for pictures of 128 pixels and 1000 classes: 50.2 and 34.6 million parameters. The game of
/// [`biggan_128`].
///
/// Differs from the paper: no orthogonal regularisation, the average begins at once, and the last layer
/// of the generator makes three channels, where the authors make 128 and drop 125, which are 144,125
/// more parameters.
pub fn biggan_deep_128(classes: usize) -> ClassGanConfig {
    let shape = Shape::of_128(128, 128);
    let mut game = biggan_128(classes);
    game.gan.latent = LatentPrior::Normal {
        size: shape.latent_size,
    };
    deep("biggan-deep-128", game, shape)
}

/// `game` between networks of BigGAN-deep, two blocks at each size and a quarter of the channels inside.
fn deep(preset: &str, game: ClassGanConfig, shape: Shape) -> ClassGanConfig {
    let (image, classes) = (game.generator.image(), game.condition.width());
    let initializer = Initializer::Orthogonal { gain: 1.0 };
    let spectral_norm = Some(SpectralNormConfig::default());
    let (depth, ratio) = (2, 4);
    ClassGanConfig {
        preset: preset.into(),
        generator: ClassGeneratorConfig::Deep(DeepGeneratorConfig {
            image,
            latent_size: shape.latent_size,
            classes,
            widths: shape.generator,
            depth,
            ratio,
            shared_embedding: shape.shared,
            attention: in_generator(shape.attention, image),
            spectral_norm,
            initializer,
        }),
        critic: ClassCriticConfig::Deep(DeepCriticConfig {
            image,
            widths: shape.critic,
            halvings: shape.halvings,
            depth,
            ratio,
            attention: Some(shape.attention),
            head: LabelHead::Projection,
            spectral_norm,
            initializer,
        }),
        ..game
    }
}

/// Attention at `size`, where a block of the generator ends: not at the base size of pictures that are
/// doubled but once.
fn in_generator(size: usize, image: ImageShape) -> Option<usize> {
    (size > image.base_size()).then_some(size)
}

/// What differs between BigGANs.
struct Shape {
    latent_size: usize,
    generator: Vec<usize>,
    critic: Vec<usize>,
    halvings: usize,
    shared: usize,
    attention: usize,
}

impl Shape {
    /// For up to 64 pixels, the same `width` throughout; 16 latents for each part of a hierarchy.
    fn small(image: ImageShape, width: usize) -> Self {
        let doublings = image.num_doublings();
        let halvings = doublings.min(2);
        Self {
            latent_size: 16 * (doublings + 1),
            generator: even(width, doublings + 1),
            critic: even(width, halvings + 2),
            halvings,
            shared: 32,
            attention: image.size / 2,
        }
    }

    /// The paper's for 128 pixels, in units of so many `channels`.
    fn of_128(channels: usize, latent_size: usize) -> Self {
        let times = |multiples: [usize; 6]| multiples.map(|m| channels * m).to_vec();
        Self {
            latent_size,
            generator: times([16, 16, 8, 4, 2, 1]),
            critic: times([1, 2, 4, 8, 16, 16]),
            halvings: 5,
            shared: 128,
            attention: 64,
        }
    }
}

fn big(image: ImageShape, classes: usize, shape: Shape) -> ClassGanConfig {
    let initializer = Initializer::Orthogonal { gain: 1.0 };
    let spectral_norm = Some(SpectralNormConfig::default());
    ClassGanConfig {
        generator: ClassGeneratorConfig::Resnet(ResnetGeneratorConfig {
            image,
            latent_size: shape.latent_size,
            classes,
            widths: shape.generator,
            shared_embedding: Some(shape.shared),
            hierarchical: true,
            attention: in_generator(shape.attention, image),
            spectral_norm,
            initializer,
        }),
        critic: ClassCriticConfig::Resnet(ResnetCriticConfig {
            image,
            widths: shape.critic,
            halvings: shape.halvings,
            wide: true,
            attention: Some(shape.attention),
            head: LabelHead::Projection,
            spectral_norm,
            initializer,
        }),
        ..sngan(image, classes)
    }
}

#[cfg(test)]
mod tests {
    use burn::prelude::*;
    use gan_core::game::Clock;
    use gan_core::nn::parameter_count;
    use gan_core::rng::Stream;

    use super::*;
    use crate::Model;

    /// Trainable values of generator and critic. Initial values cost minutes at full size and do not
    /// matter here.
    fn counts(mut config: ClassGanConfig) -> [usize; 2] {
        match &mut config.generator {
            ClassGeneratorConfig::Resnet(ResnetGeneratorConfig {
                initializer,
                spectral_norm,
                ..
            })
            | ClassGeneratorConfig::Deep(DeepGeneratorConfig {
                initializer,
                spectral_norm,
                ..
            }) => (*initializer, *spectral_norm) = (Initializer::Zeros, None),
            other => panic!("{other:?}"),
        }
        match &mut config.critic {
            ClassCriticConfig::Resnet(ResnetCriticConfig {
                initializer,
                spectral_norm,
                ..
            })
            | ClassCriticConfig::Deep(DeepCriticConfig {
                initializer,
                spectral_norm,
                ..
            }) => (*initializer, *spectral_norm) = (Initializer::Zeros, None),
            other => panic!("{other:?}"),
        }
        let (latent, width) = (config.gan.latent.size(), config.condition.width());
        config.generator.validate(latent, width).unwrap();
        config.critic.validate(width).unwrap();
        let (stream, device) = (&mut Stream::new(1, "w", 0), Device::flex().autodiff());
        [
            parameter_count(&config.generator.init(latent, width, stream, &device)),
            parameter_count(&config.critic.init(width, stream, &device)),
        ]
    }

    /// Where no block ends, attention would silently be left out.
    #[test]
    fn attention_where_no_block_ends_is_refused() {
        let sizes = |edit: &dyn Fn(&mut ResnetGeneratorConfig, &mut ResnetCriticConfig)| {
            let mut config = sagan(ImageShape::new(3, 32), 10);
            let (ClassGeneratorConfig::Resnet(generator), ClassCriticConfig::Resnet(critic)) =
                (&mut config.generator, &mut config.critic)
            else {
                panic!("residual networks")
            };
            edit(generator, critic);
            config.validate().map_err(|error| error.to_string())
        };
        let at = |size: usize| {
            [
                sizes(&|generator, _| generator.attention = Some(size)),
                sizes(&|_, critic| critic.attention = Some(size)),
            ]
        };
        assert!(at(8).iter().all(Result::is_ok), "{:?}", at(8));
        let [generator, critic] = at(4).map(Result::unwrap_err);
        assert!(generator.contains("one of 8, 16, 32"), "{generator}");
        assert!(critic.contains("`critic.attention` is 4"), "{critic}");
        assert!(at(5).iter().all(Result::is_err));
    }

    /// Table 1 of the paper has 158.3 million in all; the numbers are what the authors' PyTorch code
    /// prints when it starts.
    #[test]
    fn biggan_128_has_the_parameters_of_the_paper() {
        assert_eq!(counts(biggan_128(1000)), [70_433_988, 87_982_370]);
    }

    /// The paper has 50.4 and 34.6 million. The authors' PyTorch code makes 128 channels in the last layer
    /// of the generator and drops all but three.
    #[test]
    fn biggan_deep_128_has_the_parameters_of_the_paper() {
        let dropped = (128 - 3) * (9 * 128 + 1);
        let [generator, critic] = counts(biggan_deep_128(1000));
        assert_eq!([generator + dropped, critic], [50_388_609, 34_590_210]);
    }

    #[test]
    fn bottlenecks_that_do_not_fit_are_refused_by_name() {
        type Edit = dyn Fn(&mut DeepGeneratorConfig, &mut DeepCriticConfig);
        let refused = |edit: &Edit| {
            let mut config = biggan_deep(ImageShape::new(3, 32), 10);
            let (ClassGeneratorConfig::Deep(generator), ClassCriticConfig::Deep(critic)) =
                (&mut config.generator, &mut config.critic)
            else {
                panic!("networks with bottlenecks")
            };
            edit(generator, critic);
            config.validate().unwrap_err().field
        };
        let cases: [(&str, &Edit); 10] = [
            ("generator.widths", &|g, _| g.widths[1] *= 2),
            ("generator.widths", &|g, _| g.widths.truncate(2)),
            ("generator.ratio", &|g, _| g.ratio = 129),
            ("generator.ratio", &|g, _| g.ratio = 0),
            ("generator.depth", &|g, _| g.depth = 0),
            ("generator.attention", &|g, _| g.attention = Some(4)),
            ("critic.widths", &|_, c| c.widths[1] *= 2),
            ("critic.ratio", &|_, c| c.ratio = 129),
            ("critic.depth", &|_, c| c.depth = 0),
            ("critic.halvings", &|_, c| c.halvings = 4),
        ];
        for (field, edit) in cases {
            assert_eq!(refused(edit), field);
        }
    }

    /// The learning rates of `sngan` fall to 0 over a training as long as the authors'; those of the others
    /// are constant as in their papers.
    #[test]
    fn learning_rates_fall_where_the_paper_has_it_so() {
        let image = ImageShape::new(3, 32);
        let config = sngan(image, 10);
        let schedule = config.gan.learning_rate_schedule.unwrap();
        let rounds = config.total_kimg * 1000.0 / config.batch_size as f64;
        assert!((rounds - 50_000.0).abs() < 1e-6, "{rounds}");
        let mut clock = Clock::new(0);
        for part in [0.0, 0.25, 1.0] {
            clock.images = (part * config.total_kimg * 1000.0) as u64;
            let factor = schedule.ending_at(config.total_kimg).factor_at(&clock);
            assert!((factor - (1.0 - part)).abs() < 1e-12, "{part}: {factor}");
        }
        let constant = [
            sagan(image, 10),
            biggan(image, 10),
            biggan_deep(image, 10),
            biggan_128(10),
            biggan_deep_128(10),
        ];
        for config in constant {
            let schedule = config.gan.learning_rate_schedule;
            assert_eq!(schedule, None, "{}", config.preset);
        }
    }

    /// Table 3 of the paper, with ten classes.
    #[test]
    fn sngan_has_the_parameters_of_its_table() {
        let conv = |from: usize, to: usize, kernel: usize| from * to * kernel * kernel + to;
        let (g, d) = (256, 128);
        let norm = 2 * 10 * g;
        let block = 2 * norm + 2 * conv(g, g, 3) + conv(g, g, 1);
        let generator = 128 * g * 16 + g * 16 + 3 * block + 2 * g + conv(g, 3, 3);
        let first = conv(3, d, 3) + conv(d, d, 3) + conv(3, d, 1);
        let halving = 2 * conv(d, d, 3) + conv(d, d, 1);
        let critic = first + halving + 2 * 2 * conv(d, d, 3) + d + 1 + 10 * d;
        let config = sngan(ImageShape::new(3, 32), 10);
        assert_eq!(counts(config), [generator, critic]);
    }
}
