//! A whole GAN that knows classes as one configuration: what a file in a run folder holds.

mod config;
mod networks;

use burn::prelude::*;
use gan_core::error::ConfigError;
use gan_core::game::{ClassBatch, ClassGan, Clock, GanConfig};
use gan_core::nn::{ImageGeneratorConfig, ImageShape};
use gan_core::rng::Stream;
use gan_core::sample::{Condition, LatentPrior};
use serde::{Deserialize, Serialize};

pub use config::{ClassCriticConfig, ClassGeneratorConfig, ClassInput};
pub use networks::{ClassGenerator, EmbeddedGenerator, HeadedCritic, ImageClassCritic};

use crate::model::{Model, Rows, Shown};
use crate::player_size::PlayerSize;
use crate::preset::{check_batch, check_total_kimg};

/// The game that a [`ClassGanConfig`] makes.
pub type ImageClassGan = ClassGan<ClassGenerator, ImageClassCritic>;

/// Two networks that know classes, how they play, and for how long.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClassGanConfig {
    /// Name of the preset this began as.
    pub preset: String,
    /// What the generator is told beside the latent.
    pub condition: Condition,
    /// Draws.
    pub generator: ClassGeneratorConfig,
    /// Judges.
    pub critic: ClassCriticConfig,
    /// How the two play; the latent is without the condition.
    pub gan: GanConfig,
    /// Real pictures in a round, over all critic steps; 1 or more.
    pub batch_size: usize,
    /// Thousands of real pictures until training is over, above 0.
    pub total_kimg: f64,
}

impl Model for ClassGanConfig {
    type Game = ImageClassGan;

    const PRESETS: &'static [&'static str] = &crate::preset::CLASS_PRESETS;

    fn preset(name: &str, image: ImageShape, classes: usize) -> Result<Self, ConfigError> {
        crate::preset::class_preset(name, image, classes)
    }

    fn name(&self) -> &str {
        &self.preset
    }

    /// # Errors
    ///
    /// If a part is not valid; if generator and critic are for different pictures, or generator and
    /// game for different rows; if a critic with batch normalisation has a gradient penalty; if the
    /// critic steps do not divide the batch, or leave parts of one picture; if pictures under wrong classes
    /// are for a critic who does not see classes.
    fn validate(&self) -> Result<(), ConfigError> {
        let within = |parent| move |error: ConfigError| error.within(parent);
        self.condition.validate()?;
        let (latent, width) = (self.gan.latent.size(), self.condition.width());
        let generator = self.generator.validate(latent, width);
        generator.map_err(within("generator"))?;
        self.critic.validate(width).map_err(within("critic"))?;
        let gan = self.gan.validate_with_classes(self.condition);
        gan.map_err(within("gan"))?;
        let (drawn, judged) = (self.generator.image(), self.critic.image());
        if drawn != judged {
            let text = |i: ImageShape| format!("{}x{}x{}", i.channels, i.size, i.size);
            let allowed = format!("{}, what the generator draws", text(drawn));
            return Err(ConfigError::new("critic.image", text(judged), allowed));
        }
        if self.gan.penalty.is_some() && !self.critic.can_be_penalised() {
            let allowed = "anything but batch normalisation in a critic with a gradient penalty";
            return Err(ConfigError::new("critic.norm", "batch", allowed));
        }
        if self.gan.mismatched.is_some() && !self.critic.score_depends_on_class() {
            let allowed = "left out, or the critic must have a plane for the class, two towers or a projection";
            return Err(ConfigError::new("gan.mismatched", "set", allowed));
        }
        check_batch(self.batch_size, self.gan.critic_steps, 2)?;
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
        match &self.generator {
            ClassGeneratorConfig::Image { network, .. } => {
                matches!(network, ImageGeneratorConfig::Conv(_))
            }
            ClassGeneratorConfig::TwoTower(_) => false,
            ClassGeneratorConfig::Resnet(_) | ClassGeneratorConfig::Deep(_) => true,
        }
    }

    fn num_classes(&self) -> usize {
        self.condition.choices()
    }

    fn num_labels(&self) -> usize {
        match self.condition {
            Condition::Classes { count } => count,
            Condition::Code { .. } => 0,
        }
    }

    fn player_sizes(&self, device: &Device) -> Result<[PlayerSize; 2], ConfigError> {
        self.validate()?;
        let (device, blank) = (device.clone().autodiff(), &mut Stream::blank());
        let (latent, width) = (self.gan.latent.size(), self.condition.width());
        let generator = self.generator.init(latent, width, blank, &device);
        let critic = self.critic.init(width, blank, &device);
        Ok(PlayerSize::of_both(&self.gan, &generator, &critic))
    }

    fn init(&self, seed: u64, device: &Device) -> Result<ImageClassGan, ConfigError> {
        self.validate()?;
        let device = device.clone().autodiff();
        let (latent, width) = (self.gan.latent.size(), self.condition.width());
        let generator = &mut Stream::new(seed, "generator-weights", 0);
        let critic = &mut Stream::new(seed, "critic-weights", 0);
        ClassGan::new(
            self.gan.ending_at(self.total_kimg),
            self.condition,
            self.generator.init(latent, width, generator, &device),
            self.critic.init(width, critic, &device),
        )
    }

    fn batch(&self, images: Tensor<4>, labels: Option<Tensor<1, Int>>, _: &Clock) -> ClassBatch {
        ClassBatch { images, labels }
    }

    /// A row of pictures per class, at most 16 of them; the same latents in all rows.
    fn fixed_rows(
        &self,
        columns: usize,
        _: Option<Tensor<4>>,
        stream: &mut Stream,
        device: &Device,
    ) -> Shown {
        let shown = self.num_classes().clamp(1, 16);
        let latents = self.gan.latent.draw(columns, stream, device);
        let condition = if self.num_classes() == 0 {
            self.condition.draw(columns, stream, device)
        } else {
            let classes: Vec<usize> = (0..shown * columns).map(|i| i / columns).collect();
            self.condition.of_classes(&classes, device)
        };
        let rows = Rows {
            latents: latents.repeat_dim(0, shown),
            condition: Some(condition),
        };
        Shown { rows, beside: None }
    }

    /// From −2 to 2, twice as far as in training, as in the paper of InfoGAN; one latent for all.
    fn sweeps(&self, columns: usize, stream: &mut Stream, device: &Device) -> Vec<Rows> {
        let Condition::Code { continuous, .. } = self.condition else {
            return Vec::new();
        };
        let latent = self.gan.latent.draw(1, stream, device);
        let sweep = |number| {
            let condition = self.condition.sweep(number, 2.0, columns, device);
            Rows {
                latents: latent.clone().repeat_dim(0, condition.dims()[0]),
                condition: Some(condition),
            }
        };
        (0..continuous).map(sweep).collect()
    }

    fn rows(
        &self,
        seeds: &[u64],
        classes: &[usize],
        truncation: Option<f64>,
        device: &Device,
    ) -> Rows {
        Rows {
            latents: self.gan.latent.by_seed(seeds, truncation, device),
            condition: Some(self.condition.by_seed(seeds, classes, device)),
        }
    }
}

#[cfg(test)]
mod tests;
