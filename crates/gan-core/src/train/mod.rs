//! The loop around the rounds: time, logs, pictures, checkpoints, guards.
//!
//! A run is a pure function of its configuration, seed and data. It can be killed at any moment and
//! continued, and ends with the same files as a run left alone (on a CPU backend, whose numbers are
//! the same each time): a checkpoint is there whole or not at all, what is later than the checkpoint
//! is taken back, and then happens again.
//!
//! ```
//! use std::convert::Infallible;
//!
//! use burn::prelude::*;
//! use gan_core::game::{Clock, Game, Report, SampleRequest, State, StateError};
//! use gan_core::train::{End, Log, RunDir, Samples, TrainConfig, Trainer};
//!
//! /// A generator with one number, which learns the mean of the data.
//! struct Mean(f64);
//!
//! impl Game for Mean {
//!     type Batch = Vec<f64>;
//!
//!     fn round(&mut self, batch: Vec<f64>, _clock: &Clock) -> Report {
//!         let mean = batch.iter().sum::<f64>() / batch.len() as f64;
//!         let error = mean - self.0;
//!         self.0 += 0.1 * error;
//!         Report::default().with("generator", Tensor::from_floats([error as f32], &Device::flex()))
//!     }
//!
//!     fn batch_size(batch: &Vec<f64>) -> usize {
//!         batch.len()
//!     }
//!
//!     fn latent_size(&self) -> usize {
//!         1
//!     }
//!
//!     fn sample(&self, request: &SampleRequest) -> Tensor<4> {
//!         (request.latents.clone() + self.0).reshape([-1, 1, 1, 1])
//!     }
//!
//!     fn state(&self) -> State {
//!         let mut state = State::default();
//!         state.numbers.insert("mean".into(), self.0);
//!         state
//!     }
//!
//!     fn restore(&mut self, state: &State) -> Result<(), StateError> {
//!         self.0 = state.number("mean")?;
//!         Ok(())
//!     }
//!
//!     fn scale_learning_rate(&mut self, _factor: f64) {}
//!
//!     fn parameter_counts(&self) -> Vec<(&'static str, usize)> {
//!         vec![("generator", 1)]
//!     }
//! }
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let root = std::env::temp_dir().join(format!("gan-core-doc-{}", std::process::id()));
//! let config = TrainConfig { total_kimg: 1.0, log_kimg: 0.1, ..TrainConfig::default() };
//! let run = RunDir::create(&root, "mean")?; // or `RunDir::open` to continue one
//! run.write_config(&serde_json::json!({ "seed": 0, "train": config }))?;
//!
//! let latents = Samples::normal_latents(0, 16, 1, &Device::flex());
//! let mut trainer = Trainer::new(run.clone(), config, 0)?
//!     .with_hook(Log::new(config.log_every()))
//!     .with_hook(Samples::new(config.sample_every(), latents, |path, pictures| {
//!         Ok(std::fs::write(path, pictures.into_data().to_string())?)
//!     }))
//!     .with_notify(|notice| eprintln!("{notice}"));
//! let mut game = Mean(0.0);
//! let outcome = trainer.run(&mut game, |clock| {
//!     Some(Ok::<_, Infallible>(clock.stream("data").normals(10).iter().map(|x| 3.0 + f64::from(*x)).collect()))
//! })?;
//!
//! assert_eq!(outcome.end, End::Finished);
//! assert!((game.0 - 3.0).abs() < 0.5);
//! assert_eq!(gan_core::train::read_log(&run.log())?.len(), 10);
//! # std::fs::remove_dir_all(&root)?;
//! # Ok(())
//! # }
//! ```

pub(crate) mod atomic;
mod cadence;
mod checkpoint;
pub(crate) mod checkpoint_file;
mod checkpoint_folder;
mod config;
mod config_difference;
mod error;
mod guard;
mod hook;
mod hooks;
mod log_file;
mod notice;
mod notice_file;
mod report;
mod run_dir;
mod run_info;
mod run_lock;
mod sample_name;
mod trainer;

pub use atomic::write_atomically;
pub use cadence::Every;
pub use checkpoint::{Best, Better, Checkpoints, Extra, Found, Saved};
pub use config::TrainConfig;
pub use config_difference::config_difference;
pub use error::{BoxError, CheckpointError, Damage, RunDirError, TrainError};
pub use guard::{Diagnosis, GuardConfig};
pub use hook::{Context, Hook};
pub use hooks::{
    Evaluate, Log, LossPlot, Measurement, Progress, ProgressSink, Samples, ShowProgress,
};
pub use log_file::{LogEntry, MetricEntry, read_log, read_metric};
pub use notice::Notice;
pub use notice_file::NoticeEntry;
pub use report::{Command, ReportPage, write_report};
pub use run_dir::RunDir;
pub use run_info::{DataInfo, RunInfo};
pub use run_lock::RunLock;
pub use trainer::{End, Outcome, Trainer};
