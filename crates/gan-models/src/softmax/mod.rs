//! Softmax GAN, [Lin 2017](https://arxiv.org/abs/1704.06191).

mod preset;

pub(crate) use preset::softmax;
