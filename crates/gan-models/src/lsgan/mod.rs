//! Least squares GAN, [Mao et al. 2016](https://arxiv.org/abs/1611.04076).

mod preset;

pub(crate) use preset::lsgan;
