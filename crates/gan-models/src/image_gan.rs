//! A whole GAN for pictures as one configuration: what a file in a run folder holds.

use burn::prelude::*;
use gan_core::error::ConfigError;
use gan_core::game::{Clock, Gan, GanConfig};
use gan_core::nn::{
    ImageCritic, ImageCriticConfig, ImageGenerator, ImageGeneratorConfig, ImageShape,
};
use gan_core::rng::Stream;
use gan_core::sample::LatentPrior;
use serde::{Deserialize, Serialize};

use crate::model::Model;
use crate::player_size::PlayerSize;
use crate::preset::{check_batch, check_total_kimg};

/// The game that an [`ImageGanConfig`] makes.
pub type ImageGan = Gan<ImageGenerator, ImageCritic, 4>;

/// Two networks, how they play, and for how long.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImageGanConfig {
    /// Name of the preset this began as.
    pub preset: String,
    /// Draws.
    pub generator: ImageGeneratorConfig,
    /// Judges.
    pub critic: ImageCriticConfig,
    /// How the two play.
    pub gan: GanConfig,
    /// Real pictures in a round, over all critic steps; 1 or more.
    pub batch_size: usize,
    /// Thousands of real pictures until training is over, above 0.
    pub total_kimg: f64,
}

impl ImageGanConfig {
    /// What is drawn and judged.
    pub fn image(&self) -> ImageShape {
        self.generator.image()
    }

    /// Says what is wrong: with a part, or with parts that do not fit each other.
    ///
    /// # Errors
    ///
    /// If a part is not valid; if generator and critic are for different pictures, or generator and
    /// game for different latents; if a critic with batch normalisation has a gradient penalty; if
    /// the critic steps do not divide the batch, or leave parts of one picture to a network that
    /// compares pictures.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let within = |parent| move |error: ConfigError| error.within(parent);
        self.generator.validate().map_err(within("generator"))?;
        self.critic.validate().map_err(within("critic"))?;
        let gan = self.gan.validate_without_classes();
        gan.map_err(within("gan"))?;
        self.validate_shapes()?;
        self.validate_batch()?;
        if self.gan.penalty.is_some() && !self.critic.can_be_penalised() {
            let allowed = "anything but batch normalisation in a critic with a gradient penalty: \
                           every picture's gradient would depend on the others";
            return Err(ConfigError::new("critic.norm", "batch", allowed));
        }
        check_total_kimg(self.total_kimg)
    }

    fn validate_shapes(&self) -> Result<(), ConfigError> {
        let (drawn, judged) = (self.generator.image(), self.critic.image());
        if drawn != judged {
            let text =
                |image: ImageShape| format!("{}x{}x{}", image.channels, image.size, image.size);
            let allowed = format!("{}, what the generator draws", text(drawn));
            return Err(ConfigError::new("critic.image", text(judged), allowed));
        }
        let (given, taken) = (self.gan.latent.size(), self.generator.latent_size());
        if given != taken {
            let allowed = format!("{taken}, what the generator takes");
            return Err(ConfigError::new("gan.latent.size", given, allowed));
        }
        Ok(())
    }

    fn validate_batch(&self) -> Result<(), ConfigError> {
        let least = if self.compares_pictures() { 2 } else { 1 };
        check_batch(self.batch_size, self.gan.critic_steps, least)
    }

    /// Whether a network needs more than one picture to work with.
    fn compares_pictures(&self) -> bool {
        let generator = match &self.generator {
            ImageGeneratorConfig::Mlp(config) => config.norm,
            ImageGeneratorConfig::Conv(config) => config.norm,
        };
        generator.couples_samples()
            || !self.critic.can_be_penalised()
            || self.critic.compares_pictures()
    }

    /// The game before its first round, with weights drawn from `seed`. `device` gets autodiff turned
    /// on if it is not.
    ///
    /// # Errors
    ///
    /// If the configuration is not [valid](ImageGanConfig::validate).
    pub fn init(&self, seed: u64, device: &Device) -> Result<ImageGan, ConfigError> {
        self.validate()?;
        let device = device.clone().autodiff();
        let generator = &mut Stream::new(seed, "generator-weights", 0);
        let critic = &mut Stream::new(seed, "critic-weights", 0);
        Gan::new(
            self.gan.ending_at(self.total_kimg),
            self.generator.init(generator, &device),
            self.critic.init(critic, &device),
        )
    }
}

impl Model for ImageGanConfig {
    type Game = ImageGan;

    const PRESETS: &'static [&'static str] = &crate::PRESETS;

    fn preset(name: &str, image: ImageShape, _: usize) -> Result<Self, ConfigError> {
        crate::preset(name, image)
    }

    fn name(&self) -> &str {
        &self.preset
    }

    fn validate(&self) -> Result<(), ConfigError> {
        self.validate()
    }

    fn image(&self) -> ImageShape {
        self.image()
    }

    fn batch_size(&self) -> usize {
        self.batch_size
    }

    fn total_kimg(&self) -> f64 {
        self.total_kimg
    }

    fn latent(&self) -> LatentPrior {
        self.gan.latent
    }

    fn is_convolutional(&self) -> bool {
        matches!(self.generator, ImageGeneratorConfig::Conv(_))
    }

    fn player_sizes(&self, device: &Device) -> Result<[PlayerSize; 2], ConfigError> {
        self.validate()?;
        let (device, blank) = (device.clone().autodiff(), &mut Stream::blank());
        let generator = self.generator.init(blank, &device);
        let critic = self.critic.init(blank, &device);
        Ok(PlayerSize::of_both(&self.gan, &generator, &critic))
    }

    fn init(&self, seed: u64, device: &Device) -> Result<ImageGan, ConfigError> {
        self.init(seed, device)
    }

    fn batch(&self, images: Tensor<4>, _: Option<Tensor<1, Int>>, _: &Clock) -> Tensor<4> {
        images
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{PRESETS, preset};
    use gan_core::game::{Game, SampleRequest};
    use gan_core::loss::{AdversarialLoss, BeganConfig};
    use gan_core::nn::Norm;
    use gan_core::penalty::{PenaltyConfig, PenaltyRule};

    fn digits() -> ImageShape {
        ImageShape::new(1, 28)
    }

    fn valid() -> ImageGanConfig {
        preset("default", digits()).unwrap()
    }

    fn refused(edit: impl Fn(&mut ImageGanConfig)) -> ConfigError {
        let mut config = valid();
        edit(&mut config);
        let error = config.validate().unwrap_err();
        assert_eq!(config.init(1, &Device::flex()).unwrap_err(), error);
        error
    }

    fn penalised() -> Option<PenaltyConfig> {
        Some(PenaltyConfig {
            rule: PenaltyRule::R1 { gamma: 1.0 },
            every: 1,
        })
    }

    #[test]
    fn parts_that_do_not_fit_are_refused_by_name() {
        let wide = preset("default", ImageShape::new(3, 28)).unwrap();
        assert_eq!(
            refused(|config| config.critic = wide.critic.clone()).to_string(),
            "`critic.image` is 3x28x28; it must be 1x28x28, what the generator draws"
        );
        let error = refused(|config| config.gan.mismatched = Some(0.5));
        assert_eq!(error.field, "gan.mismatched");
        let error = refused(|config| config.gan.latent = LatentPrior::Normal { size: 7 });
        assert_eq!(error.field, "gan.latent.size");
        assert_eq!(refused(|config| config.batch_size = 0).field, "batch_size");
        assert_eq!(refused(|config| config.batch_size = 1).field, "batch_size");
        let error = refused(|config| {
            config.gan.critic_steps = 3;
            config.batch_size = 64;
        });
        assert!(
            error
                .to_string()
                .contains("a multiple of gan.critic_steps (3)"),
            "{error}"
        );
        for bad in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            assert_eq!(
                refused(|config| config.total_kimg = bad).field,
                "total_kimg"
            );
        }
    }

    #[test]
    fn a_penalty_and_batch_normalisation_in_the_critic_exclude_each_other() {
        let error = refused(|config| {
            config.gan.penalty = penalised();
            match &mut config.critic {
                ImageCriticConfig::Conv(critic) => critic.norm = Norm::batch(),
                ImageCriticConfig::Mlp(critic) => critic.norm = Norm::batch(),
                ImageCriticConfig::Autoencoder(critic) => critic.encoder.norm = Norm::batch(),
            }
        });
        assert_eq!(error.field, "critic.norm");
        // In the generator it is welcome.
        let mut config = preset("dcgan", digits()).unwrap();
        config.critic = valid().critic;
        config.gan.penalty = penalised();
        assert!(config.validate().is_ok());
    }

    #[test]
    fn a_wrong_part_is_named_by_its_path() {
        assert_eq!(
            refused(|config| config.gan.critic_steps = 0).field,
            "gan.critic_steps"
        );
        let error = refused(|config| config.gan.weight_clip = Some(-1.0));
        assert_eq!(error.field, "gan.weight_clip");
        let balance = BeganConfig::default();
        let error = refused(|config| config.gan.balance = Some(balance));
        assert_eq!(error.field, "gan.balance"); // its loss is not `wasserstein`
        let began = preset("began", digits()).unwrap();
        let error = refused(|config| {
            config.gan = began.gan;
            config.gan.balance = Some(BeganConfig {
                gamma: 0.0,
                ..balance
            });
        });
        assert_eq!(error.field, "gan.balance.gamma");
    }

    #[test]
    fn every_preset_comes_back_from_a_file_and_refuses_unknown_fields() {
        for name in PRESETS {
            let config = preset(name, digits()).unwrap();
            let text = serde_json::to_string(&config).unwrap();
            assert_eq!(
                serde_json::from_str::<ImageGanConfig>(&text).unwrap(),
                config
            );
            let mut value = serde_json::to_value(&config).unwrap();
            value["batchsize"] = 3.into();
            let error = serde_json::from_value::<ImageGanConfig>(value).unwrap_err();
            assert!(error.to_string().contains("batchsize"), "{error}");
        }
    }

    #[test]
    fn every_preset_plays_two_rounds_and_draws() {
        for name in PRESETS {
            let mut config = preset(name, ImageShape::new(3, 32)).unwrap();
            config.batch_size = 4 * config.gan.critic_steps;
            let shape = [config.batch_size, 3, 32, 32];
            let device = Device::flex();
            let mut game = config.init(1, &device).unwrap();
            let before = game.state();
            let mut clock = Clock::new(1);
            for _ in 0..2 {
                let real = clock.stream("real").uniform(shape, -1.0, 1.0, &device);
                let report = game.round(real, &clock);
                for (scalar, value) in report.read() {
                    assert!(value.is_finite(), "{name}: {scalar} is {value}");
                }
                clock.advance(shape[0]);
            }
            let after = game.state();
            for group in ["generator", "critic"] {
                for (path, old) in &before.groups[group] {
                    let new = &after.groups[group][path];
                    // These losses see differences of scores only.
                    use AdversarialLoss::{
                        Relativistic, RelativisticAverage, Softmax, Wasserstein,
                    };
                    let blind = [Relativistic, RelativisticAverage, Softmax, Wasserstein];
                    if blind.contains(&config.gan.loss) && path == "Conv.logit.bias" {
                        continue;
                    }
                    // Virtual batch normalisation draws its reference once.
                    if path == "Conv.reference" {
                        assert_eq!(new, old, "{name}: {group} {path} moved");
                        continue;
                    }
                    assert_ne!(new, old, "{name}: {group} {path} did not move");
                }
            }
            let latents = config.gan.latent.draw(3, &mut clock.stream("z"), &device);
            let request = SampleRequest {
                latents,
                averaged: true,
            };
            assert_eq!(game.sample(&request).dims(), [3, 3, 32, 32]);
        }
    }

    #[test]
    fn every_preset_goes_on_to_the_bit_after_a_restore() {
        let (image, device) = (ImageShape::new(1, 8), Device::flex());
        let play = |game: &mut ImageGan, rounds: core::ops::Range<u64>| {
            let images = 4 * game.config().critic_steps;
            for round in rounds {
                let mut clock = Clock::new(1);
                (clock.round, clock.images) = (round, images as u64 * round);
                let shape = [images, 1, 8, 8];
                let real = clock.stream("real").uniform(shape, -1.0, 1.0, &device);
                game.round(real, &clock);
            }
        };
        for name in PRESETS {
            let config = preset(name, image).unwrap();
            let mut whole = config.init(1, &device).unwrap();
            play(&mut whole, 0..3);
            let mut first = config.init(1, &device).unwrap();
            play(&mut first, 0..2);
            let mut second = config.init(2, &device).unwrap();
            second.restore(&first.state()).unwrap();
            play(&mut second, 2..3);
            assert_eq!(second.state(), whole.state(), "{name}");
        }
    }

    #[test]
    fn a_seed_decides_the_weights() {
        let state = |seed| valid().init(seed, &Device::flex()).unwrap().state();
        assert_eq!(state(1), state(1));
        assert_ne!(state(1), state(2));
    }
}
