//! What programs ask of a model, whatever game it is.

use core::fmt::Debug;

use burn::prelude::*;
use gan_core::error::ConfigError;
use gan_core::game::{Clock, Game};
use gan_core::nn::ImageShape;
use gan_core::rng::Stream;
use gan_core::sample::LatentPrior;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::player_size::PlayerSize;

/// What a generator of a model takes, in two parts, because one walks along great circles from
/// latent to latent and in straight lines from class to class.
#[derive(Clone, Debug)]
pub struct Rows {
    /// `[count, latent_size]`.
    pub latents: Tensor<2>,
    /// Classes or codes, `[count, width]`.
    pub condition: Option<Tensor<2>>,
}

impl Rows {
    /// Both side by side: what [`Game::sample`] takes.
    pub fn joined(self) -> Tensor<2> {
        match self.condition {
            Some(condition) => Tensor::cat(vec![self.latents, condition], 1),
            None => self.latents,
        }
    }
}

/// What the pictures of a run are made of.
#[derive(Clone, Debug)]
pub struct Shown {
    /// What the generator takes.
    pub rows: Rows,
    /// For a model that makes pictures of pictures: its sources, to be looked at, and its targets,
    /// `[count, channels, height, width]`.
    pub beside: Option<[Tensor<4>; 2]>,
}

impl Shown {
    /// What was made, as it is shown with `columns` pictures side by side: sources in the row above, targets
    /// in the row below, if there are some.
    ///
    /// # Panics
    ///
    /// Panics if `columns` is 0.
    pub fn arranged(&self, made: Tensor<4>, columns: usize) -> Tensor<4> {
        let Some([sources, targets]) = &self.beside else {
            return made;
        };
        let count = made.dims()[0];
        let rows = (0..count).step_by(columns).flat_map(|start| {
            let length = columns.min(count - start);
            [sources, &made, targets].map(|x| x.clone().narrow(0, start, length))
        });
        Tensor::cat(rows.collect(), 0)
    }
}

/// The configuration of a whole model: networks, game, batch size and length. It is the part `model`
/// of a `config.json`.
pub trait Model: Clone + Debug + PartialEq + Serialize + DeserializeOwned + 'static {
    /// What it plays.
    type Game: Game + 'static;

    /// The names that [`preset`](Model::preset) knows.
    const PRESETS: &'static [&'static str];

    /// The configuration called `name` for pictures of the shape `image` with `classes` labels; 0 if
    /// there are none.
    ///
    /// # Errors
    ///
    /// If there is no such preset, no network for such pictures, or there are no labels and it needs
    /// some.
    fn preset(name: &str, image: ImageShape, classes: usize) -> Result<Self, ConfigError>;

    /// Name of the preset it began as.
    fn name(&self) -> &str;

    /// Says what is wrong.
    ///
    /// # Errors
    ///
    /// If a part is not valid, or parts do not fit each other.
    fn validate(&self) -> Result<(), ConfigError>;

    /// What is drawn and judged.
    fn image(&self) -> ImageShape;

    /// Height and width of what the loader makes of every picture. Default: those of
    /// [`image`](Model::image).
    fn loaded_size(&self) -> [usize; 2] {
        [self.image().size; 2]
    }

    /// Real pictures in a round.
    fn batch_size(&self) -> usize;

    /// Thousands of real pictures until training is over.
    fn total_kimg(&self) -> f64;

    /// Where latents come from.
    fn latent(&self) -> LatentPrior;

    /// Whether its generator has convolutions, which some backends are slow at.
    fn is_convolutional(&self) -> bool;

    /// Classes or choices of a code that pictures can be asked for; 0 if none.
    fn num_classes(&self) -> usize {
        0
    }

    /// Whether real pictures must have labels, of how many classes; 0 if not.
    fn num_labels(&self) -> usize {
        0
    }

    /// How large both players will be, generator first. Nothing of that size is made, so it can be asked
    /// of a model that no memory could hold. `device` is where weights would be made.
    ///
    /// # Errors
    ///
    /// If the configuration is not valid.
    fn player_sizes(&self, device: &Device) -> Result<[PlayerSize; 2], ConfigError>;

    /// The game before its first round.
    ///
    /// # Errors
    ///
    /// If the configuration is not valid.
    fn init(&self, seed: u64, device: &Device) -> Result<Self::Game, ConfigError>;

    /// A batch of the game, of pictures as the loader has them; random numbers come from `clock`.
    fn batch(
        &self,
        images: Tensor<4>,
        labels: Option<Tensor<1, Int>>,
        clock: &Clock,
    ) -> <Self::Game as Game>::Batch;

    /// Whether it makes pictures of pictures. It is then [shown](Model::fixed_rows) some, and cannot draw from
    /// [seeds](Model::rows). Default: no.
    fn translates(&self) -> bool {
        false
    }

    /// What pictures of the run are drawn from, with `columns` side by side. `shown` are real pictures as
    /// the loader has them, for a model that [translates](Model::translates). Default: 64 latents.
    fn fixed_rows(
        &self,
        columns: usize,
        shown: Option<Tensor<4>>,
        stream: &mut Stream,
        device: &Device,
    ) -> Shown {
        let _ = shown;
        let rows = Rows {
            latents: self.latent().draw(8 * columns, stream, device),
            condition: None,
        };
        Shown { rows, beside: None }
    }

    /// What shows the meaning of each continuous code: rows of pictures in which it moves, `columns` side
    /// by side, a row per choice. Default: there are no codes.
    fn sweeps(&self, columns: usize, stream: &mut Stream, device: &Device) -> Vec<Rows> {
        let _ = (columns, stream, device);
        Vec::new()
    }

    /// One row per seed: the same latent for the same seed whatever the others; and the class in the
    /// same place of `classes`, if there are classes. Not for a model that [translates](Model::translates).
    fn rows(
        &self,
        seeds: &[u64],
        classes: &[usize],
        truncation: Option<f64>,
        device: &Device,
    ) -> Rows {
        let _ = classes;
        Rows {
            latents: self.latent().by_seed(seeds, truncation, device),
            condition: None,
        }
    }
}
