//! What a game asks of its players.

use burn::module::Module;
use burn::prelude::*;

use crate::dual::Dual;
use crate::game::Clock;
use crate::rng::Stream;

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

/// What a critic says about samples of a claimed class.
#[derive(Clone, Debug)]
pub struct Verdict {
    /// Logits `[batch, 1]`, higher is more real; with the tangent, if one went in.
    pub score: Dual<2>,
    /// Class logits, code or embedding `[batch, …]`, where the critic has a head for it.
    pub logits: Option<Tensor<2>>,
    /// The same of a second head.
    pub second: Option<Tensor<2>>,
    /// What the score is made of, `[batch, features]`.
    pub features: Tensor<2>,
}

impl Verdict {
    /// The first `count` samples, and the others.
    pub fn split(self, count: usize) -> (Self, Self) {
        let rest = self.features.dims()[0] - count;
        let part = |start: usize, length: usize| Self {
            score: self.score.clone().narrow(0, start, length),
            logits: self.logits.clone().map(|x| x.narrow(0, start, length)),
            second: self.second.clone().map(|x| x.narrow(0, start, length)),
            features: self.features.clone().narrow(0, start, length),
        };
        (part(0, count), part(count, rest))
    }
}

/// A module that judges pictures of claimed classes.
///
/// Classes are rows over the classes, `[batch, classes]`, with a single 1 each
/// ([`one_hot`](super::one_hot)); for codes that nobody labelled (InfoGAN), rows of the code.
pub trait ClassCritic: Module {
    /// What it changes of itself before a round, beside what it learns. It must keep the ids and shapes of
    /// its parameters, and follow from its weights and the clock alone, or a resumed run would go another way.
    /// Default: nothing.
    #[must_use]
    fn begin_round(self, clock: &Clock) -> Self {
        let _ = clock;
        self
    }

    /// What it says about pictures `[batch, channels, height, width]` of `classes`. With a direction
    /// on the pictures, the derivative of the score comes back as the tangent.
    fn judge(&self, x: Dual<4>, classes: &Tensor<2>) -> Verdict;

    /// Whether the score of one sample depends on the others, as for [`Critic::couples_samples`].
    fn couples_samples(&self) -> bool {
        true
    }

    /// What the critic minimises beside the adversarial loss, `[1]`, given what it said of real and of
    /// generated samples and their classes. Default: nothing.
    fn critic_class_loss(
        &self,
        real: (&Verdict, &Tensor<2>),
        fake: (&Verdict, &Tensor<2>),
    ) -> Option<Tensor<1>> {
        let _ = (real, fake);
        None
    }

    /// What the critic learns from real pictures `[batch, channels, height, width]` by themselves,
    /// `[1]`, whatever their classes; `stream` is for what it draws. Default: nothing.
    fn real_loss(&self, real: &Tensor<4>, stream: &mut Stream) -> Option<Tensor<1>> {
        let _ = (real, stream);
        None
    }

    /// What the generator minimises beside the adversarial loss, `[1]`, given generated pictures
    /// `[batch, channels, height, width]` as they were judged, the verdict and their classes. Default: nothing.
    fn generator_class_loss(
        &self,
        seen: &Tensor<4>,
        fake: &Verdict,
        classes: &Tensor<2>,
    ) -> Option<Tensor<1>> {
        let _ = (seen, fake, classes);
        None
    }
}
