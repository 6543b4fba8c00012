//! Auxiliary classifier GAN, [Odena et al. 2016](https://arxiv.org/abs/1610.09585).

mod preset;

pub(crate) use preset::{acgan, projection};
