//! Wasserstein GANs, [Arjovsky et al. 2017](https://arxiv.org/abs/1701.07875) and
//! [Gulrajani et al. 2017](https://arxiv.org/abs/1704.00028).

mod preset;

pub(crate) use preset::{wgan, wgan_gp};
