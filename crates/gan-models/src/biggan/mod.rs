//! The residual family: SNGAN, projection GAN, SAGAN and BigGAN.

mod critic;
mod generator;
mod preset;

pub use critic::{ResnetCritic, ResnetCriticBlock, ResnetCriticConfig};
pub use generator::{ResnetGenerator, ResnetGeneratorBlock, ResnetGeneratorConfig};
pub use preset::biggan_128;
pub(crate) use preset::{biggan, sagan, sngan};
