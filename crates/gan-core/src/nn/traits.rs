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
    /// Logits `[batch, 1]`, higher is more real. With a direction on `x`, the derivative of the
    /// logits along it comes back as the tangent; gradient penalties are made of it.
    fn score(&self, x: Dual<D>) -> Dual<2>;

    /// The [score](Critic::score) and what the last layer makes it of, `[batch, features]`, in one pass.
    /// Feature matching and the pulling-away term compare features. Default: there are none.
    fn score_with_features(&self, x: Dual<D>) -> (Dual<2>, Option<Dual<2>>) {
        (self.score(x), None)
    }

    /// Whether [`score_with_features`](Critic::score_with_features) gives any. Default: no.
    fn has_features(&self) -> bool {
        false
    }

    /// Whether the score of one sample depends on the others (batch norm, minibatch stddev). Then
    /// real and generated samples must be scored in batches of their own. Default: `true`, which is
    /// always right and slower where it is not needed.
    fn couples_samples(&self) -> bool {
        true
    }
}
