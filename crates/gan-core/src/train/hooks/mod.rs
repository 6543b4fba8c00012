//! Hooks that every run wants.

mod log;
mod loss_plot;
mod progress;
mod samples;

pub use log::Log;
pub use loss_plot::LossPlot;
pub use progress::{Progress, ProgressSink, ShowProgress};
pub use samples::Samples;
