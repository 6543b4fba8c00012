//! What the programs in `examples/` share: flags, configuration, devices, and the training session.
//!
//! This package is not published. To train your own players, depend on `gan-core` alone; these files
//! show how a program is put together from it.

mod allocator;
pub mod backend;
pub mod classifier;
pub mod cli;
pub mod critic;
pub mod evaluate;
mod failure;
#[cfg(feature = "download")]
mod fetch;
pub mod folder;
pub mod gaussians;
pub mod labelled;
mod memory;
pub mod next;
pub mod npy;
mod pictures;
mod plot;
mod progress;
pub mod resolve;
pub mod run;
mod set;
pub mod trained;

pub use failure::Failure;
pub use plot::{draw_losses, draw_metrics};
