//! What is handed around in a round.

use burn::prelude::*;

/// What a critic step has to say; all `[1]` and off the tape.
pub(super) struct CriticStep {
    pub(super) loss: Tensor<1>,
    pub(super) class: Option<Tensor<1>>,
    pub(super) beliefs: (Tensor<1>, Tensor<1>),
    pub(super) penalty: Option<Tensor<1>>,
    pub(super) terms: Option<Tensor<1>>,
    pub(super) alone: Option<Tensor<1>>,
    pub(super) gradient_norm: Tensor<1>,
}

/// Pictures on the tape's device, and their conditions, `[batch, width]`.
pub(super) struct Samples {
    pub(super) images: Tensor<4>,
    pub(super) classes: Tensor<2>,
}

impl Samples {
    /// Other pictures of the same classes.
    pub(super) fn changed(&self, change: impl FnOnce(Tensor<4>) -> Tensor<4>) -> Self {
        Self {
            images: change(self.images.clone()),
            classes: self.classes.clone(),
        }
    }
}

/// What the generator takes.
pub(super) struct Rows {
    pub(super) latents: Tensor<2>,
    pub(super) classes: Tensor<2>,
}

impl Rows {
    pub(super) fn row(&self) -> Tensor<2> {
        Tensor::cat(vec![self.latents.clone(), self.classes.clone()], 1)
    }
}
