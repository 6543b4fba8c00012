//! Configurations by name.

use gan_core::error::ConfigError;
use gan_core::game::GanConfig;
use gan_core::loss::AdversarialLoss;
use gan_core::nn::{ImageCriticConfig, ImageShape, Norm};
use gan_core::optim::OptimizerConfig;
use gan_core::sample::LatentPrior;

use crate::{ClassGanConfig, ImageGanConfig};

/// The names that [`preset`] knows.
pub const PRESETS: [&str; 14] = [
    "default",
    "dcgan",
    "vanilla",
    "lsgan",
    "wgan",
    "wgan-gp",
    "dragan",
    "rsgan",
    "ragan",
    "ebgan",
    "began",
    "softmax",
    "boundary-seeking",
    "improved",
];

/// The configuration called `name`, for pictures of the shape `image`.
///
/// | name | source |
/// | --- | --- |
/// | `default` | a small convolutional GAN with R1, minibatch stddev and an average: ours |
/// | `dcgan` | [Radford et al. 2015](https://arxiv.org/abs/1511.06434) |
/// | `vanilla` | the tutorial form of [Goodfellow et al. 2014](https://arxiv.org/abs/1406.2661) |
/// | `lsgan` | [Mao et al. 2016](https://arxiv.org/abs/1611.04076) |
/// | `wgan` | [Arjovsky et al. 2017](https://arxiv.org/abs/1701.07875) |
/// | `wgan-gp` | [Gulrajani et al. 2017](https://arxiv.org/abs/1704.00028) |
/// | `dragan` | [Kodali et al. 2017](https://arxiv.org/abs/1705.07215) |
/// | `rsgan`, `ragan` | [Jolicoeur-Martineau 2018](https://arxiv.org/abs/1807.00734) |
/// | `ebgan` | [Zhao et al. 2016](https://arxiv.org/abs/1609.03126) |
/// | `began` | [Berthelot et al. 2017](https://arxiv.org/abs/1703.10717) |
/// | `softmax` | [Lin 2017](https://arxiv.org/abs/1704.06191) |
/// | `boundary-seeking` | [Hjelm et al. 2017](https://arxiv.org/abs/1702.08431) |
/// | `improved` | [Salimans et al. 2016](https://arxiv.org/abs/1606.03498) |
///
/// # Errors
///
/// If there is no such preset (the error lists those there are), or no network for such pictures.
pub fn preset(name: &str, image: ImageShape) -> Result<ImageGanConfig, ConfigError> {
    image.validate()?;
    match name {
        "default" => Ok(crate::default::default(image)),
        "dcgan" => Ok(crate::dcgan::dcgan(image)),
        "vanilla" => Ok(crate::vanilla::vanilla(image)),
        "lsgan" => Ok(crate::lsgan::lsgan(image)),
        "wgan" => Ok(crate::wgan::wgan(image)),
        "wgan-gp" => Ok(crate::wgan::wgan_gp(image)),
        "dragan" => Ok(crate::dragan::dragan(image)),
        "rsgan" => Ok(crate::relativistic::rsgan(image)),
        "ragan" => Ok(crate::relativistic::ragan(image)),
        "ebgan" => Ok(crate::ebgan::ebgan(image)),
        "began" => Ok(crate::began::began(image)),
        "softmax" => Ok(crate::softmax::softmax(image)),
        "boundary-seeking" => Ok(crate::boundary_seeking::boundary_seeking(image)),
        "improved" => Ok(crate::improved::improved(image)),
        _ => {
            let allowed = format!("one of {}", PRESETS.join(", "));
            Err(ConfigError::new("preset", name, allowed))
        }
    }
}

/// The names that [`class_preset`] knows.
pub const CLASS_PRESETS: [&str; 9] = [
    "cgan-conv",
    "cgan",
    "acgan",
    "projection",
    "infogan",
    "sngan",
    "sagan",
    "biggan",
    "biggan-deep",
];

/// The configuration called `name`, for pictures of the shape `image` with `classes` labels.
///
/// | name | source |
/// | --- | --- |
/// | `cgan-conv` | `default` with labels to both players: ours |
/// | `cgan` | [Mirza and Osindero 2014](https://arxiv.org/abs/1411.1784) |
/// | `acgan` | `default` with the head of [Odena et al. 2016](https://arxiv.org/abs/1610.09585) |
/// | `projection` | `default` with the head of [Miyato and Koyama 2018](https://arxiv.org/abs/1802.05637) |
/// | `sngan` | [Miyato et al. 2018](https://arxiv.org/abs/1802.05957) with a projection |
/// | `sagan` | [Zhang et al. 2018](https://arxiv.org/abs/1805.08318) |
/// | `biggan` | a small [BigGAN](https://arxiv.org/abs/1809.11096) |
/// | `biggan-deep` | a small BigGAN-deep, of the same paper |
/// | `infogan` | `default` with the code of [Chen et al. 2016](https://arxiv.org/abs/1606.03657); needs no labels |
///
/// # Errors
///
/// If there is no such preset (the error lists those there are), no network for such pictures, or
/// there are no labels and the preset needs some.
pub fn class_preset(
    name: &str,
    image: ImageShape,
    classes: usize,
) -> Result<ClassGanConfig, ConfigError> {
    image.validate()?;
    if CLASS_PRESETS.contains(&name) && name != "infogan" && classes == 0 {
        let allowed = "infogan for pictures without labels, or another data set";
        return Err(ConfigError::new("preset", name, allowed));
    }
    match name {
        "cgan-conv" => Ok(crate::cgan::cgan_conv(image, classes)),
        "cgan" => Ok(crate::cgan::cgan(image, classes)),
        "acgan" => Ok(crate::acgan::acgan(image, classes)),
        "projection" => Ok(crate::acgan::projection(image, classes)),
        "infogan" => Ok(crate::infogan::infogan(image)),
        "sngan" => Ok(crate::biggan::sngan(image, classes)),
        "sagan" => Ok(crate::biggan::sagan(image, classes)),
        "biggan" => Ok(crate::biggan::biggan(image, classes)),
        "biggan-deep" => Ok(crate::biggan::biggan_deep(image, classes)),
        _ => {
            let allowed = format!("one of {}", CLASS_PRESETS.join(", "));
            Err(ConfigError::new("preset", name, allowed))
        }
    }
}

/// The steps must divide the batch, and leave `least` pictures or more each.
pub(crate) fn check_batch(batch: usize, steps: usize, least: usize) -> Result<(), ConfigError> {
    if batch == 0 || !batch.is_multiple_of(steps) {
        let allowed = format!("a multiple of gan.critic_steps ({steps}), and not 0");
        return Err(ConfigError::new("batch_size", batch, allowed));
    }
    if batch / steps < least {
        let allowed = format!(
            "{} or more: batch normalisation and minibatch stddev compare the pictures of a step",
            least * steps
        );
        return Err(ConfigError::new("batch_size", batch, allowed));
    }
    Ok(())
}

/// The length must be finite and above 0.
pub(crate) fn check_total_kimg(total_kimg: f64) -> Result<(), ConfigError> {
    if !(total_kimg > 0.0 && total_kimg.is_finite()) {
        let allowed = "a finite number above 0";
        return Err(ConfigError::new("total_kimg", total_kimg, allowed));
    }
    Ok(())
}

/// The game of 2014 with one optimiser for both: one critic step, no extras.
pub(crate) fn plain_game(latent: LatentPrior, optimizer: OptimizerConfig) -> GanConfig {
    GanConfig::new(AdversarialLoss::NonSaturating, latent, optimizer)
}

/// The preset `dcgan` with another loss and batches of `batch_size`.
pub(crate) fn dcgan_with_loss(
    name: &str,
    image: ImageShape,
    loss: AdversarialLoss,
    batch_size: usize,
) -> ImageGanConfig {
    let mut config = crate::dcgan::dcgan(image);
    config.preset = name.into();
    config.gan.loss = loss;
    config.batch_size = batch_size;
    config
}

/// The preset `dcgan` with another normalisation in the critic, which a penalty can go through.
pub(crate) fn dcgan_without_batch_norm(
    name: &str,
    image: ImageShape,
    norm: Norm,
) -> ImageGanConfig {
    let mut config = crate::dcgan::dcgan(image);
    config.preset = name.into();
    if let ImageCriticConfig::Conv(critic) = &mut config.critic {
        critic.norm = norm;
    }
    config
}

/// `count` widths that halve down to `narrowest`, none above `widest`.
pub(crate) fn falling_widths(count: usize, narrowest: usize, widest: usize) -> Vec<usize> {
    (0..count)
        .rev()
        .map(|doublings| (narrowest << doublings).min(widest))
        .collect()
}

#[cfg(test)]
mod tests {
    use burn::prelude::*;
    use gan_core::game::Game;

    use super::*;

    /// Trainable values of generator and critic.
    fn counts(name: &str, channels: usize, size: usize) -> [usize; 2] {
        let config = preset(name, ImageShape::new(channels, size)).unwrap();
        let game = config.init(1, &Device::flex()).unwrap();
        let counts = game.parameter_counts();
        assert_eq!([counts[0].0, counts[1].0], ["generator", "critic"]);
        [counts[0].1, counts[1].1]
    }

    #[test]
    fn vanilla_has_the_tutorials_parameters() {
        // 100·256 + 256 + 256·512 + 512 + 512·1024 + 1024 + 1024·784 + 784, and the same backwards.
        assert_eq!(counts("vanilla", 1, 28), [1_486_352, 1_460_225]);
    }

    #[test]
    fn dcgan_has_the_papers_parameters_at_64_pixels() {
        let generator = 100 * 1024 * 16
            + 2 * 1024
            + (1024 * 512 + 512 * 256 + 256 * 128) * 16
            + 2 * (512 + 256 + 128)
            + 128 * 3 * 16
            + 3;
        let critic = 3 * 128 * 16
            + 128
            + (128 * 256 + 256 * 512 + 512 * 1024) * 16
            + 2 * (256 + 512 + 1024)
            + 1024 * 16
            + 1;
        assert_eq!([generator, critic], [12_658_435, 11_036_289]);
        assert_eq!(counts("dcgan", 3, 64), [generator, critic]);
    }

    #[test]
    fn dcgan_has_fewer_parameters_for_small_pictures() {
        assert_eq!(counts("dcgan", 1, 28), [759_681, 138_689]);
        assert_eq!(counts("dcgan", 3, 32), [1_068_931, 663_361]);
    }

    /// 1 × 28 × 28 on the networks of `dcgan`: 7 × 7 × 128 and 14 × 14 × 64.
    #[test]
    fn the_presets_on_dcgans_networks_have_its_parameters() {
        let [generator, critic] = counts("dcgan", 1, 28);
        for name in [
            "lsgan",
            "wgan",
            "rsgan",
            "ragan",
            "softmax",
            "boundary-seeking",
        ] {
            assert_eq!(counts(name, 1, 28), [generator, critic], "{name}");
        }
        // Layer normalisation needs the bias that batch normalisation takes away.
        for name in ["wgan-gp", "dragan"] {
            assert_eq!(counts(name, 1, 28), [generator, critic + 128], "{name}");
        }
        let features = 128 * 49;
        let seen = critic + 100 + features * 500;
        assert_eq!(counts("improved", 1, 28), [generator, seen]);
        let encoder = 32 * 16 + 32 + 32 * 64 * 16 + 2 * 64 + 64 * 49 * 64 + 64;
        let decoder = 64 * 64 * 49 + 2 * 64 + 64 * 32 * 16 + 2 * 32 + 32 * 16 + 1;
        assert_eq!(counts("ebgan", 1, 28), [generator, encoder + decoder]);
    }

    /// The networks of `ebgan` with a code of 32 in place of 64.
    #[test]
    fn began_has_its_parameters() {
        let encoder = 32 * 16 + 32 + 32 * 64 * 16 + 2 * 64 + 64 * 49 * 32 + 32;
        let decoder = 32 * 64 * 49 + 2 * 64 + 64 * 32 * 16 + 2 * 32 + 32 * 16 + 1;
        let [generator, _] = counts("ebgan", 1, 28);
        assert_eq!(counts("began", 1, 28), [generator, encoder + decoder]);
    }

    #[test]
    fn default_is_small() {
        let seven = 12 * 64 * 49 + 64 * 49 + 64 * 64 * 9 + 64;
        let generator = seven + 64 * 32 * 16 + 32 + 32 * 32 * 9 + 32 + 32 * 16 + 1;
        let fourteen = 32 * 16 + 32 + 32 * 32 * 9 + 32;
        let critic = fourteen + 32 * 64 * 16 + 64 + 64 * 64 * 9 + 64 + 65 * 49 + 1;
        assert_eq!([generator, critic], [120_257, 82_738]);
        assert_eq!(counts("default", 1, 28), [generator, critic]);
    }

    #[test]
    fn the_papers_constants_are_in_the_presets() {
        let vanilla = preset("vanilla", ImageShape::new(1, 28)).unwrap();
        let adam = |beta_1| OptimizerConfig::Adam {
            lr: 2e-4,
            beta_1,
            beta_2: 0.999,
            epsilon: 1e-8,
            weight_decay: 0.0,
        };
        assert_eq!(
            vanilla.gan,
            plain_game(LatentPrior::Normal { size: 100 }, adam(0.9))
        );
        assert_eq!(vanilla.batch_size, 64);
        let dcgan = preset("dcgan", ImageShape::new(3, 64)).unwrap();
        assert_eq!(
            dcgan.gan,
            plain_game(LatentPrior::Uniform { size: 100 }, adam(0.5))
        );
        assert_eq!(dcgan.batch_size, 128);
        let wgan = preset("wgan", ImageShape::new(3, 64)).unwrap();
        assert_eq!(wgan.gan.critic_optimizer.lr(), 5e-5);
        assert_eq!((wgan.gan.critic_steps, wgan.batch_size), (5, 320));
        assert_eq!(wgan.gan.weight_clip, Some(0.01));
        let wgan_gp = preset("wgan-gp", ImageShape::new(3, 64)).unwrap();
        let adam = OptimizerConfig::adam(1e-4, 0.0, 0.9);
        assert_eq!(wgan_gp.gan.critic_optimizer, adam);
        assert_eq!((wgan_gp.gan.critic_steps, wgan_gp.batch_size), (5, 320));
    }

    #[test]
    fn every_preset_is_valid_for_every_picture() {
        for name in PRESETS {
            for channels in 1..=4 {
                for size in [8, 16, 28, 32, 64, 128, 256, 512, 1024] {
                    let config = preset(name, ImageShape::new(channels, size)).unwrap();
                    assert_eq!(config.preset, name);
                    assert_eq!(config.image(), ImageShape::new(channels, size));
                    assert_eq!(config.validate(), Ok(()), "{name}, {channels}x{size}");
                }
            }
        }
    }

    #[test]
    fn an_unknown_name_lists_those_there_are() {
        let error = preset("stylegan", ImageShape::new(1, 28)).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!(
                "`preset` is stylegan; it must be one of {}",
                PRESETS.join(", ")
            )
        );
        let error = preset("vanilla", ImageShape::new(1, 30)).unwrap_err();
        assert_eq!(error.field, "image.size");
    }

    #[test]
    fn widths_halve_down_to_the_narrowest() {
        assert_eq!(falling_widths(4, 128, 1024), [1024, 512, 256, 128]);
        assert_eq!(falling_widths(3, 64, 100), [100, 100, 64]);
    }
}
