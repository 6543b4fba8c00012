//! GAN papers on [`gan_core`]: networks, games and presets, one folder per paper.

mod dcgan;
mod default;
mod image_gan;
mod preset;
mod vanilla;

pub use dcgan::dcgan_with_base;
pub use image_gan::{ImageGan, ImageGanConfig};
pub use preset::{PRESETS, preset};
