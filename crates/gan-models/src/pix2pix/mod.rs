//! [Image-to-Image Translation with Conditional Adversarial Networks](https://arxiv.org/abs/1611.07004).

mod preset;
mod task;

use burn::prelude::*;
use gan_core::error::ConfigError;
use gan_core::game::{Clock, PairedBatch, PairedConfig, PairedGan};
use gan_core::nn::{ImageShape, PatchCritic, PatchCriticConfig, UNet, UNetConfig};
use gan_core::rng::Stream;
use gan_core::sample::LatentPrior;
use serde::{Deserialize, Serialize};

pub use preset::{TRANSLATION_PRESETS, translation_preset};
pub use task::{Direction, Task};

use crate::model::{Model, Rows, Shown};
use crate::player_size::PlayerSize;
use crate::preset::{check_batch, check_total_kimg};

/// The game that a [`TranslationConfig`] makes.
pub type Translation = PairedGan<UNet, PatchCritic>;

/// What is made of what, two networks, how they play, and for how long.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TranslationConfig {
    /// Name of the preset this began as.
    pub preset: String,
    /// Where sources come from.
    pub task: Task,
    /// Makes pictures of sources.
    pub generator: UNetConfig,
    /// Judges both side by side.
    pub critic: PatchCriticConfig,
    /// How the two play.
    pub game: PairedConfig,
    /// Pairs in a round, 1 or more.
    pub batch_size: usize,
    /// Thousands of pairs until training is over, above 0.
    pub total_kimg: f64,
}

impl TranslationConfig {
    /// Rows for sources, with the noise of these seeds: the same noise for the same seed whatever the
    /// others.
    ///
    /// # Shapes
    ///
    /// - sources: `[seeds, source_channels, size, size]`
    pub fn rows_of(&self, sources: Tensor<4>, seeds: &[u64]) -> Rows {
        let noise = self.latent().by_seed(seeds, None, &sources.device());
        Rows {
            latents: noise,
            condition: Some(sources.flatten(1, 3)),
        }
    }
}

impl Model for TranslationConfig {
    type Game = Translation;

    const PRESETS: &'static [&'static str] = &TRANSLATION_PRESETS;

    fn preset(name: &str, image: ImageShape, _: usize) -> Result<Self, ConfigError> {
        translation_preset(name, image)
    }

    fn name(&self) -> &str {
        &self.preset
    }

    /// # Errors
    ///
    /// If a part is not valid, the task cannot be done with such pictures, or a player takes other
    /// pictures than the task gives.
    fn validate(&self) -> Result<(), ConfigError> {
        let within = |parent| move |error: ConfigError| error.within(parent);
        self.generator.validate().map_err(within("generator"))?;
        let image = self.generator.image;
        self.task.validate(image).map_err(within("task"))?;
        self.critic.validate().map_err(within("critic"))?;
        let smallest = self.critic.smallest_size();
        if image.size < smallest {
            let allowed = format!(
                "a shorter list for {} pixels: this one needs {smallest}",
                image.size
            );
            let value = format!("{:?}", self.critic.widths);
            return Err(ConfigError::new("critic.widths", value, allowed));
        }
        self.game.validate().map_err(within("game"))?;
        let channels = self.task.source_channels(image);
        for (field, given, taken) in [
            (
                "generator.in_channels",
                channels,
                self.generator.in_channels,
            ),
            (
                "critic.in_channels",
                channels + image.channels,
                self.critic.in_channels,
            ),
        ] {
            if given != taken {
                let allowed = format!("{given}, as model.task has it");
                return Err(ConfigError::new(field, taken, allowed));
            }
        }
        let couples = self.generator.norm.couples_samples() || self.critic.norm.couples_samples();
        check_batch(self.batch_size, 1, if couples { 2 } else { 1 })?;
        check_total_kimg(self.total_kimg)
    }

    fn image(&self) -> ImageShape {
        self.generator.image
    }

    fn loaded_size(&self) -> [usize; 2] {
        self.task.loaded_size(self.image())
    }

    fn batch_size(&self) -> usize {
        self.batch_size
    }

    fn total_kimg(&self) -> f64 {
        self.total_kimg
    }

    /// What dropout is made of.
    fn latent(&self) -> LatentPrior {
        LatentPrior::Uniform {
            size: self.generator.noise_size(),
        }
    }

    fn is_convolutional(&self) -> bool {
        true
    }

    fn translates(&self) -> bool {
        true
    }

    fn player_sizes(&self, device: &Device) -> Result<[PlayerSize; 2], ConfigError> {
        self.validate()?;
        let (device, blank) = (device.clone().autodiff(), &mut Stream::blank());
        let generator = self.generator.init(blank, &device);
        let critic = self.critic.init(blank, &device);
        let game = self.game.two_player(self.latent());
        Ok(PlayerSize::of_both(&game, &generator, &critic))
    }

    fn init(&self, seed: u64, device: &Device) -> Result<Translation, ConfigError> {
        self.validate()?;
        let device = device.clone().autodiff();
        let generator = &mut Stream::new(seed, "generator-weights", 0);
        let critic = &mut Stream::new(seed, "critic-weights", 0);
        PairedGan::new(
            self.game.ending_at(self.total_kimg),
            self.latent(),
            self.generator.source_size(),
            self.generator.init(generator, &device),
            self.critic.init(critic, &device),
        )
    }

    fn batch(&self, images: Tensor<4>, _: Option<Tensor<1, Int>>, clock: &Clock) -> PairedBatch {
        self.task.pair(images, &mut clock.stream("source"))
    }

    /// Sources and targets of the pictures that are shown.
    fn fixed_rows(
        &self,
        _: usize,
        shown: Option<Tensor<4>>,
        stream: &mut Stream,
        device: &Device,
    ) -> Shown {
        let shown = shown.expect("a model that translates is shown pictures");
        let noise = self.latent().draw(shown.dims()[0], stream, device);
        let PairedBatch { sources, targets } = self.task.pair(shown, stream);
        let pictures = self.task.shown(sources.clone(), self.image());
        Shown {
            rows: Rows {
                latents: noise,
                condition: Some(sources.flatten(1, 3)),
            },
            beside: Some([pictures, targets]),
        }
    }

    /// # Panics
    ///
    /// Panics: there are no pictures without sources; [`rows_of`](TranslationConfig::rows_of) has them.
    fn rows(&self, _: &[u64], _: &[usize], _: Option<f64>, _: &Device) -> Rows {
        panic!("a model that translates draws nothing without sources")
    }
}

#[cfg(test)]
mod tests;
