//! GAN papers on [`gan_core`]: networks, games and presets, one folder per paper.

mod acgan;
pub mod biggan;
pub mod cgan;
mod class_gan;
mod dcgan;
mod default;
mod image_gan;
mod infogan;
mod model;
mod preset;
mod semi_supervised;
mod vanilla;

pub use class_gan::{
    ClassCriticConfig, ClassGanConfig, ClassGenerator, ClassGeneratorConfig, ClassInput,
    EmbeddedGenerator, HeadedCritic, ImageClassCritic, ImageClassGan,
};
pub use dcgan::dcgan_with_base;
pub use image_gan::{ImageGan, ImageGanConfig};
pub use model::{Model, Rows};
pub use preset::{CLASS_PRESETS, PRESETS, class_preset, preset};
pub use semi_supervised::{ImageSemiSupervised, SemiSupervisedConfig};
