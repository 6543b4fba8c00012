//! Trained models of any kind behind one trait.

use burn::prelude::*;
use gan_core::game::{Game, SampleRequest, State, StateError};
use gan_core::nn::ImageShape;
use gan_core::sample::LatentPrior;
use gan_models::{Model, Rows};

/// What can be asked of a trained model of any kind.
pub(super) trait Drawing {
    fn draw(&self, rows: Tensor<2>) -> Tensor<4>;
    fn rows(&self, seeds: &[u64], classes: &[usize], truncation: Option<f64>) -> Rows;
    fn latent(&self) -> LatentPrior;
    fn image(&self) -> ImageShape;
    fn num_classes(&self) -> usize;
    fn num_labels(&self) -> usize;
    fn use_standing_statistics(&mut self, batches: &[Tensor<2>]) -> bool;
    fn state(&self) -> State;
    fn restore(&mut self, state: &State) -> Result<(), StateError>;
    fn is_averaged(&self) -> bool;
    fn model(&self) -> String;
}

/// A model and its game, as a checkpoint had it.
pub(super) struct Loaded<M: Model> {
    pub model: M,
    pub game: M::Game,
    pub averaged: bool,
    pub device: Device,
}

impl<M: Model> Drawing for Loaded<M> {
    fn draw(&self, latents: Tensor<2>) -> Tensor<4> {
        self.game.sample(&SampleRequest {
            latents,
            averaged: self.averaged,
        })
    }

    fn rows(&self, seeds: &[u64], classes: &[usize], truncation: Option<f64>) -> Rows {
        self.model.rows(seeds, classes, truncation, &self.device)
    }

    fn latent(&self) -> LatentPrior {
        self.model.latent()
    }

    fn image(&self) -> ImageShape {
        self.model.image()
    }

    fn num_classes(&self) -> usize {
        self.model.num_classes()
    }

    fn num_labels(&self) -> usize {
        self.model.num_labels()
    }

    fn use_standing_statistics(&mut self, batches: &[Tensor<2>]) -> bool {
        self.game.use_standing_statistics(batches, self.averaged)
    }

    fn state(&self) -> State {
        self.game.state()
    }

    fn restore(&mut self, state: &State) -> Result<(), StateError> {
        self.game.restore(state)
    }

    fn is_averaged(&self) -> bool {
        self.averaged
    }

    fn model(&self) -> String {
        serde_json::to_string(&self.model).expect("it came from JSON")
    }
}
