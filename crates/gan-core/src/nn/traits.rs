//! What a game asks of its players.

use burn::module::Module;
use burn::prelude::*;

use crate::dual::Dual;

/// A module that turns latents into samples.
pub trait Generator<const D: usize>: Module {
    /// Samples for latents `z` of shape `[batch, latent_size]`; the first axis of the output is the
    /// batch. Pictures are `[batch, channels, height, width]` in `[-1, 1]`.
    fn generate(&self, z: Tensor<2>) -> Tensor<D>;

    /// Length of a latent vector.
    fn latent_size(&self) -> usize;
}

/// A module that judges samples.
pub trait Critic<const D: usize>: Module {
    /// Logits `[batch, 1]`, higher is more real; `[batch, patches]` from a critic that judges patches by
    /// themselves. With a direction on `x`, the derivative of the
    /// logits along it comes back as the tangent; gradient penalties are made of it.
    fn score(&self, x: Dual<D>) -> Dual<2>;

    /// Whether the score of one sample depends on the others (batch norm, minibatch stddev). Then
    /// real and generated samples must be scored in batches of their own. Default: `true`, which is
    /// always right and slower where it is not needed.
    fn couples_samples(&self) -> bool {
        true
    }
}
