//! Conditional GAN, [Mirza and Osindero 2014](https://arxiv.org/abs/1411.1784).

mod network;
mod preset;

pub use network::{
    TwoTowerCritic, TwoTowerCriticConfig, TwoTowerGenerator, TwoTowerGeneratorConfig,
};
pub(crate) use preset::{cgan, cgan_conv, class_critic, class_generator};
