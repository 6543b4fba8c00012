//! Optimisers, their settings and their state.

mod config;
mod optimizer;
mod schedule;

pub use config::OptimizerConfig;
pub use optimizer::Optimizer;
pub(crate) use optimizer::Update;
pub use schedule::LearningRateSchedule;
