//! Energy-based GAN, [Zhao et al. 2016](https://arxiv.org/abs/1609.03126).

mod preset;

pub(crate) use preset::ebgan;
