//! DRAGAN, [Kodali et al. 2017](https://arxiv.org/abs/1705.07215).

mod preset;

pub(crate) use preset::dragan;
