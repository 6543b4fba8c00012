//! The residual family: SNGAN, projection GAN, SAGAN, BigGAN and BigGAN-deep.

mod critic;
mod deep_critic;
mod deep_generator;
mod generator;
mod layers;
mod preset;

pub use critic::{ResnetCritic, ResnetCriticBlock, ResnetCriticConfig};
pub use deep_critic::{DeepCritic, DeepCriticBlock, DeepCriticConfig};
pub use deep_generator::{DeepGenerator, DeepGeneratorBlock, DeepGeneratorConfig};
pub use generator::{ResnetGenerator, ResnetGeneratorBlock, ResnetGeneratorConfig};
pub(crate) use preset::{biggan, biggan_deep, sagan, sngan};
pub use preset::{biggan_128, biggan_deep_128};
