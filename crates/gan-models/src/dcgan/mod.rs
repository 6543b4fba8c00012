//! Deep convolutional GAN.

mod preset;

pub(crate) use preset::dcgan;
pub use preset::dcgan_with_base;
