//! Optimisers, their settings and their state.

mod optimizer;

pub use optimizer::{Optimizer, OptimizerConfig};
pub(crate) use optimizer::Update;
