//! Boundary-seeking GAN, [Hjelm et al. 2017](https://arxiv.org/abs/1702.08431).

mod preset;

pub(crate) use preset::boundary_seeking;
