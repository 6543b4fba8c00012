//! Semi-supervised learning, section 5 of
//! [Improved Techniques for Training GANs](https://arxiv.org/abs/1606.03498).

use burn::prelude::*;
use gan_core::error::ConfigError;
use gan_core::game::{Clock, EmaConfig, GanConfig, InstanceNoise, SemiSupervised};
use gan_core::nn::{
    ImageCriticConfig, ImageGenerator, ImageGeneratorConfig, ImageShape, LabelHead,
};
use gan_core::optim::OptimizerConfig;
use gan_core::rng::Stream;
use gan_core::sample::LatentPrior;
use serde::{Deserialize, Serialize};

use crate::class_gan::{ClassCriticConfig, ClassInput, ImageClassCritic};
use crate::model::Model;
use crate::player_size::PlayerSize;
use crate::preset::{check_batch, check_total_kimg, plain_game};

/// The game that a [`SemiSupervisedConfig`] makes.
pub type ImageSemiSupervised = SemiSupervised<ImageGenerator, ImageClassCritic>;

/// A generator, a critic that is a classifier, how they play, and for how long.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SemiSupervisedConfig {
    /// Name of the preset this began as.
    pub preset: String,
    /// Number of classes.
    pub classes: usize,
    /// Pictures of each class whose labels are used.
    pub labelled_per_class: usize,
    /// Draws.
    pub generator: ImageGeneratorConfig,
    /// Judges and names; its head must be `k_plus_one`.
    pub critic: ClassCriticConfig,
    /// How the two play.
    pub gan: GanConfig,
    /// Real pictures without labels in a round.
    pub batch_size: usize,
    /// Thousands of real pictures until training is over, above 0.
    pub total_kimg: f64,
}

/// The networks of the preset `default`, without what compares pictures, with ten labels of each
/// class, the loss of section 5 and feature matching (section 3.1); noise on the pictures as in
/// the paper's appendix.
///
/// Differs from the paper, whose networks for MNIST are multilayer perceptrons with weight
/// normalisation and noise in every layer.
fn semi_supervised(image: ImageShape, classes: usize) -> SemiSupervisedConfig {
    let base = crate::default::with_latents(image, 64);
    let mut network = base.critic;
    if let ImageCriticConfig::Conv(config) = &mut network {
        config.minibatch_stddev = None;
        config.hidden = Some(128);
        config.extra_convs = vec![1; config.widths.len()];
    }
    SemiSupervisedConfig {
        preset: "semi-supervised".into(),
        classes,
        labelled_per_class: 10,
        generator: base.generator,
        critic: ClassCriticConfig::Image {
            input: ClassInput::Plain,
            head: LabelHead::KPlusOne { weight: 1.0 },
            network,
            reader: None,
        },
        gan: GanConfig {
            instance_noise: Some(InstanceNoise {
                std: 0.5,
                until_kimg: 1e6,
            }),
            ema: Some(EmaConfig {
                half_life_kimg: 20.0,
                ramp_up: Some(0.1),
            }),
            ..plain_game(
                LatentPrior::Normal { size: 64 },
                OptimizerConfig::adam(1e-3, 0.5, 0.99),
            )
        },
        batch_size: 50,
        total_kimg: 200.0,
    }
}

impl Model for SemiSupervisedConfig {
    type Game = ImageSemiSupervised;

    const PRESETS: &'static [&'static str] = &["semi-supervised"];

    fn preset(name: &str, image: ImageShape, classes: usize) -> Result<Self, ConfigError> {
        image.validate()?;
        if !Self::PRESETS.contains(&name) {
            let allowed = format!("one of {}", Self::PRESETS.join(", "));
            return Err(ConfigError::new("preset", name, allowed));
        }
        if classes == 0 {
            let allowed = "used with pictures that have labels";
            return Err(ConfigError::new("preset", name, allowed));
        }
        Ok(semi_supervised(image, classes))
    }

    fn name(&self) -> &str {
        &self.preset
    }

    /// # Errors
    ///
    /// If a part is not valid, generator and critic are for different pictures, or the head of the
    /// critic is another.
    fn validate(&self) -> Result<(), ConfigError> {
        let within = |parent| move |error: ConfigError| error.within(parent);
        self.generator.validate().map_err(within("generator"))?;
        self.critic
            .validate(self.classes)
            .map_err(within("critic"))?;
        self.gan.validate().map_err(within("gan"))?;
        let is_classifier = matches!(
            self.critic,
            ClassCriticConfig::Image {
                head: LabelHead::KPlusOne { .. },
                ..
            }
        );
        if !is_classifier {
            let allowed = "of the kind `image`, with the head `k_plus_one`";
            return Err(ConfigError::new("critic", "another", allowed));
        }
        if self.generator.image() != self.critic.image() {
            let allowed = "for the pictures that the generator draws";
            return Err(ConfigError::new("critic.image", "another", allowed));
        }
        for (field, value) in [
            ("classes", self.classes),
            ("labelled_per_class", self.labelled_per_class),
        ] {
            if value == 0 {
                return Err(ConfigError::new(field, value, "1 or more"));
            }
        }
        check_batch(self.batch_size, 1, 2)?;
        check_total_kimg(self.total_kimg)
    }

    fn image(&self) -> ImageShape {
        self.generator.image()
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

    fn num_labels(&self) -> usize {
        self.classes
    }

    fn player_sizes(&self, device: &Device) -> Result<[PlayerSize; 2], ConfigError> {
        self.validate()?;
        let (device, blank) = (device.clone().autodiff(), &mut Stream::blank());
        let generator = self.generator.init(blank, &device);
        let critic = self.critic.init(self.classes, blank, &device);
        Ok(PlayerSize::of_both(&self.gan, &generator, &critic))
    }

    fn init(&self, seed: u64, device: &Device) -> Result<ImageSemiSupervised, ConfigError> {
        self.validate()?;
        let device = device.clone().autodiff();
        let generator = &mut Stream::new(seed, "generator-weights", 0);
        let critic = &mut Stream::new(seed, "critic-weights", 0);
        SemiSupervised::new(
            self.gan.ending_at(self.total_kimg),
            self.classes,
            self.generator.init(generator, &device),
            self.critic.init(self.classes, critic, &device),
        )
    }

    fn batch(&self, images: Tensor<4>, _: Option<Tensor<1, Int>>, _: &Clock) -> Tensor<4> {
        images
    }
}

#[cfg(test)]
mod tests {
    use gan_core::game::{Game, Labelled, SampleRequest};

    use super::*;

    fn config() -> SemiSupervisedConfig {
        let mut config = semi_supervised(ImageShape::new(1, 8), 3);
        config.batch_size = 4;
        config
    }

    fn game(seed: u64) -> ImageSemiSupervised {
        let device = Device::flex();
        let images = Stream::new(5, "few", 0).uniform([3, 1, 8, 8], -1.0, 1.0, &device);
        let labels = Tensor::from_ints([0, 1, 2], &device);
        let game = config().init(seed, &device).unwrap();
        game.with_labelled(Labelled { images, labels })
    }

    fn play(game: &mut ImageSemiSupervised, rounds: core::ops::Range<u64>) {
        for round in rounds {
            let mut clock = Clock::new(1);
            (clock.round, clock.images) = (round, 4 * round);
            let device = Device::flex();
            let real = clock.stream("real");
            let real = { real }.uniform([4, 1, 8, 8], -1.0, 1.0, &device);
            for (name, value) in game.round(real, &clock).read() {
                assert!(value.is_finite(), "{name} is {value}");
            }
        }
    }

    #[test]
    fn all_parameters_move_and_it_draws_and_names() {
        let mut game = game(1);
        let before = game.state();
        play(&mut game, 0..2);
        let after = game.state();
        for group in ["generator", "critic"] {
            for (path, old) in &before.groups[group] {
                assert_ne!(&after.groups[group][path], old, "{group} {path} stays");
            }
        }
        let latents = config().latent().by_seed(&[1, 2], None, &Device::flex());
        let averaged = true;
        let pictures = game.sample(&SampleRequest { latents, averaged });
        assert_eq!(pictures.dims(), [2, 1, 8, 8]);
        assert_eq!(game.classify(pictures).dims(), [2, 3]);
    }

    #[test]
    fn it_goes_on_to_the_bit_after_a_restore() {
        let mut whole = game(1);
        play(&mut whole, 0..3);
        let mut first = game(1);
        play(&mut first, 0..2);
        let mut second = game(2);
        second.restore(&first.state()).unwrap();
        play(&mut second, 2..3);
        assert_eq!(second.state(), whole.state());
    }

    #[test]
    fn what_it_cannot_play_is_refused_by_name() {
        let refused = |edit: &dyn Fn(&mut SemiSupervisedConfig)| {
            let mut config = config();
            edit(&mut config);
            config.init(1, &Device::flex()).unwrap_err().field
        };
        assert_eq!(refused(&|c| c.labelled_per_class = 0), "labelled_per_class");
        assert_eq!(refused(&|c| c.gan.weight_clip = Some(1.0)), "weight_clip");
        let other = |c: &mut SemiSupervisedConfig| {
            if let ClassCriticConfig::Image { head, .. } = &mut c.critic {
                *head = LabelHead::Projection;
            }
        };
        assert_eq!(refused(&other), "critic");
        let none = SemiSupervisedConfig::preset("semi-supervised", ImageShape::new(1, 8), 0);
        assert_eq!(none.unwrap_err().field, "preset");
    }
}
