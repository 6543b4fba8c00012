//! Writes `log.jsonl`.

use std::ops::ControlFlow;
use std::path::Path;
use std::time::Instant;

use serde::{Deserialize, Serialize};

use crate::game::Game;
use crate::train::error::RunDirError;
use crate::train::log_file::{LogEntry, LogWriter};
use crate::train::{Context, Every, Hook, TrainError};

/// Writes what rounds report to `log.jsonl`, one [`LogEntry`] per line, and how fast they were to
/// `timing.jsonl`.
///
/// `log.jsonl` is the same in every run of the same configuration; `timing.jsonl` has all there is
/// about time, and keeps the lines of rounds that had to be played again.
#[derive(Debug)]
pub struct Log {
    every: Every,
    files: Option<Files>,
}

#[derive(Debug)]
struct Files {
    log: LogWriter,
    timing: LogWriter,
    begin: Instant,
    begin_images: u64,
}

/// A line of `timing.jsonl`.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Timing {
    pub round: u64,
    pub kimg: f64,
    /// Since this process began with its first round.
    pub seconds: f64,
    pub images_per_second: f64,
}

impl Log {
    /// A line every so often; see [`TrainConfig::log_every`](crate::train::TrainConfig::log_every).
    pub fn new(every: Every) -> Self {
        Self { every, files: None }
    }
}

fn error(path: &Path) -> impl FnOnce(std::io::Error) -> RunDirError {
    RunDirError::io(path, "write the file")
}

impl<G: Game> Hook<G> for Log {
    fn begin(&mut self, context: &mut Context<'_, G>) -> Result<(), TrainError> {
        let (log, timing) = (context.run.log(), context.run.timing());
        let all = crate::game::Clock {
            round: u64::MAX,
            ..context.clock
        };
        self.files = Some(Files {
            log: LogWriter::open(&log, &context.clock).map_err(error(&log))?,
            timing: LogWriter::open(&timing, &all).map_err(error(&timing))?,
            begin: Instant::now(),
            begin_images: context.clock.images,
        });
        Ok(())
    }

    fn after_round(&mut self, context: &mut Context<'_, G>) -> Result<ControlFlow<()>, TrainError> {
        if !context.fires(self.every) {
            return Ok(ControlFlow::Continue(()));
        }
        let files = self.files.as_mut().expect("hooks begin before rounds");
        let entry = LogEntry::new(&context.clock, context.values());
        files.log.write(&entry).map_err(error(&context.run.log()))?;
        let seconds = files.begin.elapsed().as_secs_f64();
        let timing = Timing {
            round: context.clock.round,
            kimg: context.clock.kimg(),
            seconds,
            images_per_second: (context.clock.images - files.begin_images) as f64 / seconds,
        };
        files
            .timing
            .write(&timing)
            .map_err(error(&context.run.timing()))?;
        Ok(ControlFlow::Continue(()))
    }

    fn before_checkpoint(&mut self, context: &mut Context<'_, G>) -> Result<(), TrainError> {
        if let Some(files) = &self.files {
            files.log.sync().map_err(error(&context.run.log()))?;
        }
        Ok(())
    }
}
