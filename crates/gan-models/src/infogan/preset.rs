use gan_core::augment::TiltConfig;
use gan_core::nn::{Activation, ConvCriticConfig, ImageShape, Initializer, LabelHead, Norm};
use gan_core::sample::Condition;

use super::ReaderConfig;
use crate::cgan::{class_critic, class_generator};
use crate::class_gan::{ClassCriticConfig, ClassGanConfig, ClassInput};
use crate::preset::falling_widths;

/// Length of a latent beside the code. Few, so that the code has something to say.
const LATENTS: usize = 12;
/// How much handwriting may be turned and stretched and still be the same digit.
const TILT: TiltConfig = TiltConfig {
    rotation: 0.25,
    stretch: 0.17,
    shear: 0.28,
    shift: 0.07,
};
/// The same for the other view: hardly at all.
const LITTLE: TiltConfig = TiltConfig {
    rotation: 0.075,
    stretch: 0.05,
    shear: 0.085,
    shift: 0.02,
};

/// The preset `default` with a code of one choice of ten and two numbers, after
/// [Chen et al. 2016](https://arxiv.org/abs/1606.03657), section 7.1, and a network that reads it. That
/// network also sees real pictures, without labels, and learns there which choices survive a tilt.
///
/// Differs from the paper in the networks; in the reader, which there shares the critic's body and sees
/// generated pictures only; and in the continuous codes, which are read with variance 1.
pub(crate) fn infogan(image: ImageShape) -> ClassGanConfig {
    let base = crate::default::with_latents(image, LATENTS);
    let condition = Condition::Code {
        categories: 10,
        continuous: 2,
    };
    let mut critic = class_critic(
        base.critic,
        ClassInput::Plain,
        LabelHead::information(condition.choices()),
    );
    if let ClassCriticConfig::Image { reader, .. } = &mut critic {
        *reader = Some(reader_of(image));
    }
    ClassGanConfig {
        preset: "infogan".into(),
        condition,
        generator: class_generator(base.generator, condition.width()),
        critic,
        gan: base.gan,
        batch_size: 32,
        total_kimg: 120.0,
    }
}

/// Halvings with batch normalisation, which clustering needs most of all. The numbers were found here, as
/// `docs/models/infogan.md` tells.
fn reader_of(image: ImageShape) -> ReaderConfig {
    let mut widths = falling_widths(image.num_doublings(), 32, 256);
    widths.reverse();
    ReaderConfig {
        network: ConvCriticConfig {
            norm: Norm::batch(),
            activation: Activation::Relu,
            initializer: Initializer::PyTorch,
            ..ConvCriticConfig::dcgan(image, widths)
        },
        features: 128,
        candidates: 4,
        fine_choices: 30,
        weight: 1.0,
        contrast: 2.0,
        temperature: 0.3,
        momentum: 0.01,
        merge_after: 800,
        first: LITTLE,
        second: TILT,
    }
}
