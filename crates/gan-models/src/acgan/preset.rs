use gan_core::nn::{ImageShape, LabelHead};

use crate::cgan::{cgan_conv, class_critic};
use crate::class_gan::{ClassGanConfig, ClassInput};

/// The preset `default` with the head of [Odena et al. 2016](https://arxiv.org/abs/1610.09585),
/// section 3: the critic does not see the class but names it, of real and of generated pictures.
///
/// Differs from the paper, whose networks are DCGANs with dropout, trained with Adam 2e-4 and β₁ = 0.5.
pub(crate) fn acgan(image: ImageShape, classes: usize) -> ClassGanConfig {
    with_head("acgan", LabelHead::auxiliary(), image, classes)
}

/// The preset `default` with the head of [Miyato and Koyama 2018](https://arxiv.org/abs/1802.05637).
///
/// Differs from the paper, whose networks are residual with spectral normalisation, and whose
/// generator has conditional batch normalisation.
pub(crate) fn projection(image: ImageShape, classes: usize) -> ClassGanConfig {
    with_head("projection", LabelHead::Projection, image, classes)
}

fn with_head(name: &str, head: LabelHead, image: ImageShape, classes: usize) -> ClassGanConfig {
    let base = crate::default::with_latents(image, 64);
    let mut config = cgan_conv(image, classes);
    config.preset = name.into();
    config.critic = class_critic(base.critic, ClassInput::Plain, head);
    config
}
