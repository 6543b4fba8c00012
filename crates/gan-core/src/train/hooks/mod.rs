//! Hooks that every run wants.

mod evaluate;
mod log;
mod loss_plot;
mod progress;
mod samples;

pub use evaluate::{Evaluate, Measurement};
pub use log::Log;
pub(crate) use log::Timing;
pub use loss_plot::LossPlot;
pub use progress::{Progress, ProgressSink, ShowProgress};
pub use samples::Samples;
