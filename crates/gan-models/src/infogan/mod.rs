//! InfoGAN, [Chen et al. 2016](https://arxiv.org/abs/1606.03657).

mod merge;
mod preset;
mod reader;

pub(crate) use preset::infogan;
pub use reader::{CandidateReader, Reader, ReaderConfig};
