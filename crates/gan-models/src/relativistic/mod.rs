//! Relativistic GANs, [Jolicoeur-Martineau 2018](https://arxiv.org/abs/1807.00734).

mod preset;

pub(crate) use preset::{ragan, rsgan};
