//! GAN papers on [`gan_core`]: networks, games and presets, one folder per paper.

mod acgan;
mod began;
pub mod biggan;
mod boundary_seeking;
pub mod cgan;
mod class_gan;
mod dcgan;
mod default;
mod dragan;
mod ebgan;
mod image_gan;
mod improved;
mod infogan;
mod lsgan;
mod model;
mod pix2pix;
mod player_size;
mod preset;
mod relativistic;
mod semi_supervised;
mod softmax;
mod vanilla;
mod wgan;

pub use class_gan::{
    ClassCriticConfig, ClassGanConfig, ClassGenerator, ClassGeneratorConfig, ClassInput,
    EmbeddedGenerator, HeadedCritic, ImageClassCritic, ImageClassGan,
};
pub use dcgan::dcgan_with_base;
pub use image_gan::{ImageGan, ImageGanConfig};
pub use infogan::{CandidateReader, Reader, ReaderConfig};
pub use model::{Model, Rows, Shown};
pub use pix2pix::{
    Direction, TRANSLATION_PRESETS, Task, Translation, TranslationConfig, translation_preset,
};
pub use player_size::PlayerSize;
pub use preset::{CLASS_PRESETS, PRESETS, class_preset, preset};
pub use semi_supervised::{ImageSemiSupervised, SemiSupervisedConfig};
