//! The trait of training algorithms.

use burn::prelude::*;

use super::{Clock, Report, State, StateError};

/// What to draw.
#[derive(Clone, Debug)]
pub struct SampleRequest {
    /// Latents, `[count, latent_size]`, on the inner device.
    pub latents: Tensor<2>,
    /// Use the moving average of the generator where there is one.
    pub averaged: bool,
}

/// A training algorithm: who plays, and what one round does.
///
/// A paper is a `Game` whose [`round`](Game::round) reads like its Algorithm 1. Everything around
/// the round (time, logs, checkpoints, pictures) belongs to the trainer.
pub trait Game {
    /// What one round consumes.
    type Batch;

    /// Plays one round. Reads nothing back from the device; draws all random numbers from
    /// [`Clock::stream`].
    fn round(&mut self, batch: Self::Batch, clock: &Clock) -> Report;

    /// Real pictures in a batch.
    fn batch_size(batch: &Self::Batch) -> usize;

    /// Size of the latent vector that [`sample`](Game::sample) wants.
    fn latent_size(&self) -> usize;

    /// Draws pictures `[count, channels, height, width]` in `[-1, 1]` without touching the game.
    fn sample(&self, request: &SampleRequest) -> Tensor<4>;

    /// From now on [`sample`](Game::sample) uses [standing statistics](super::standing_statistics) over
    /// these batches of latents, for the moving average or for the generator itself; a round or a restore ends
    /// that. `false` if the game or the generator has none, and then nothing has changed.
    fn use_standing_statistics(&mut self, _latents: &[Tensor<2>], _averaged: bool) -> bool {
        false
    }

    /// Everything needed to continue exactly.
    fn state(&self) -> State;

    /// Continues from a state made by [`state`](Game::state).
    ///
    /// # Errors
    ///
    /// If a tensor is missing, unexpected or of another shape; then the game is unchanged or must
    /// not be used.
    fn restore(&mut self, state: &State) -> Result<(), StateError>;

    /// Multiplies the learning rate of every player, after a roll-back.
    fn scale_learning_rate(&mut self, factor: f64);

    /// Names and numbers of trainable parameters of the players.
    fn parameter_counts(&self) -> Vec<(&'static str, usize)>;
}
