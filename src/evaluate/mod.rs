//! Scores of pictures: in training, and afterwards by the program `evaluate`.

mod arguments;
mod asked;
mod differences;
mod neighbours;
mod pairs;
mod path_length;
mod program;
mod report;
mod sets;
mod subject;
mod training;
mod weights;

pub use arguments::EvaluateArgs;
pub use asked::{Asked, PathDistance};
pub use differences::Differences;
pub use program::run;
pub use report::Report;
pub use training::EvaluateConfig;
pub(crate) use training::{Judge, default_config};
