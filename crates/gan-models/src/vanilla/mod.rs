//! The GAN that every tutorial begins with.

mod preset;

pub(crate) use preset::vanilla;
