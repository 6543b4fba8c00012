//! Improved techniques, [Salimans et al. 2016](https://arxiv.org/abs/1606.03498).

mod preset;

pub(crate) use preset::improved;
