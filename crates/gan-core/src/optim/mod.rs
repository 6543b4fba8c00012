//! Optimisers, their settings and their state.

mod optimizer;

pub(crate) use optimizer::Update;
pub use optimizer::{Optimizer, OptimizerConfig};
