//! Scores of pictures: in training, and afterwards by the program `evaluate`.

mod arguments;
mod neighbours;
mod program;
mod sets;
mod training;

pub use arguments::EvaluateArgs;
pub use program::{Report, run};
pub use training::EvaluateConfig;
pub(crate) use training::{Judge, default_config};
