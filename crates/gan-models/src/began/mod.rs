//! Boundary equilibrium GAN, [Berthelot et al. 2017](https://arxiv.org/abs/1703.10717).

mod preset;

pub(crate) use preset::began;
