//! Deep convolutional GAN.

mod preset;

pub(crate) use preset::dcgan;
