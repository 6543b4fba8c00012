//! The presets that make pictures of pictures.

use gan_core::error::ConfigError;
use gan_core::game::PairedConfig;
use gan_core::nn::{ImageShape, PatchCriticConfig, UNetConfig};

use super::TranslationConfig;
use super::task::{Direction, Task};

/// The names that [`translation_preset`] knows.
pub const TRANSLATION_PRESETS: [&str; 5] =
    ["colourise", "inpaint", "super-resolve", "edges", "pix2pix"];

/// The configuration called `name`, for targets of the shape `image`.
///
/// | name | what it makes of what | networks |
/// | --- | --- | --- |
/// | `colourise` | colours of grey pictures | small |
/// | `inpaint` | pictures without a hole of pictures with one | small |
/// | `super-resolve` | pictures of four times smaller ones | small |
/// | `edges` | pictures of line drawings | small |
/// | `pix2pix` | the right half of a picture of the left one | of [Isola et al. 2016](https://arxiv.org/abs/1611.07004) |
///
/// # Errors
///
/// If there is no such preset (the error lists those there are), no network for such pictures, or the
/// pictures are grey and `colourise` is to find their colours.
pub fn translation_preset(name: &str, image: ImageShape) -> Result<TranslationConfig, ConfigError> {
    image.validate()?;
    let config = match name {
        "colourise" => small(name, Task::Colourise, image),
        "inpaint" => small(name, Task::Inpaint { hole: 0.5 }, image),
        "super-resolve" => small(name, Task::SuperResolve { factor: 4 }, image),
        "edges" => small(name, Task::Edges { gain: 4.0 }, image),
        "pix2pix" => pix2pix(image),
        _ => {
            let allowed = format!("one of {}", TRANSLATION_PRESETS.join(", "));
            return Err(ConfigError::new("preset", name, allowed));
        }
    };
    let refused = |error: ConfigError| ConfigError::new("preset", name, error.allowed);
    config.task.validate(image).map_err(refused)?;
    Ok(config)
}

/// [Isola et al. 2016](https://arxiv.org/abs/1611.07004), sections 3 and 6: the U-Net and the 70 × 70 critic at 256
/// pixels, `λ = 100`, batches of one, and as many pictures as 200 epochs of their 400 facades.
///
/// Differs from the paper in instance normalisation, in the critic too; in pictures that are not resized to
/// 286 pixels and cropped at random; and at other sizes in as many halvings as those allow.
fn pix2pix(image: ImageShape) -> TranslationConfig {
    let task = Task::SideBySide {
        direction: Direction::AToB,
    };
    TranslationConfig {
        batch_size: 1,
        total_kimg: 80.0,
        ..with_widths("pix2pix", task, image, 64)
    }
}

/// Half the paper's channels, and the batches of four that it has for colours (section 6.2).
fn small(name: &str, task: Task, image: ImageShape) -> TranslationConfig {
    with_widths(name, task, image, 32)
}

/// A U-Net from `first` channels to eight times as many, down to one pixel where the size allows it, and a critic
/// whose patches fit into the pictures: of 16, 34 or 70 pixels, section 4.4 of the paper.
fn with_widths(name: &str, task: Task, image: ImageShape, first: usize) -> TranslationConfig {
    let widths = |count: u32| -> Vec<usize> { (0..count).map(|i| first << i.min(3)).collect() };
    let critic = match image.size {
        0..64 => 2,
        64..128 => 3,
        _ => 4,
    };
    let channels = task.source_channels(image);
    TranslationConfig {
        preset: name.into(),
        task,
        generator: UNetConfig::pix2pix(image, channels, widths(image.size.trailing_zeros())),
        critic: PatchCriticConfig {
            widths: widths(critic),
            ..PatchCriticConfig::patch_70(channels + image.channels)
        },
        game: PairedConfig::pix2pix(),
        batch_size: 4,
        total_kimg: 100.0,
    }
}
