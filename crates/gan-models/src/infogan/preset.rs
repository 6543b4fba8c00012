use gan_core::nn::{ImageShape, LabelHead};
use gan_core::sample::Condition;

use crate::cgan::{cgan_conv, class_critic, class_generator};
use crate::class_gan::{ClassGanConfig, ClassInput};

/// The preset `default` with a code of one choice of ten and two numbers, and the second network of
/// [Chen et al. 2016](https://arxiv.org/abs/1606.03657), section 7.1, on the critic's features.
///
/// Differs from the paper in the networks, and in the continuous codes, which are read with variance 1.
pub(crate) fn infogan(image: ImageShape) -> ClassGanConfig {
    let base = crate::default::with_latents(image, 64);
    let condition = Condition::Code {
        categories: 10,
        continuous: 2,
    };
    ClassGanConfig {
        preset: "infogan".into(),
        condition,
        generator: class_generator(base.generator, condition.width()),
        critic: class_critic(
            base.critic,
            ClassInput::Plain,
            LabelHead::information(condition.choices()),
        ),
        ..cgan_conv(image, condition.choices())
    }
}
