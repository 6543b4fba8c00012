//! Writes `log.jsonl`.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::Path;
use std::time::Instant;

use burn::prelude::*;
use serde::{Deserialize, Serialize};

use crate::game::Game;
use crate::train::error::RunDirError;
use crate::train::log_file::{LogEntry, LogWriter};
use crate::train::{Context, Every, Hook, TrainError};

/// Writes what rounds report to `log.jsonl`, one [`LogEntry`] per line, and how fast they were to
/// `timing.jsonl`.
///
/// A line holds the values of one round. What that round does not report, such as a penalty of every
/// sixteenth round, is there with its latest value since the line before, if it had one.
///
/// `log.jsonl` is the same in every run of the same configuration; `timing.jsonl` has all there is
/// about time, and keeps the lines of rounds that had to be played again.
#[derive(Debug)]
pub struct Log {
    every: Every,
    files: Option<Files>,
    /// The latest values since the last line.
    since: BTreeMap<Cow<'static, str>, Latest>,
}

/// A value of a round after the last line.
#[derive(Debug)]
enum Latest {
    /// `[1]`, left on the device until it is wanted: reading waits.
    Reported(Box<Tensor<1>>),
    /// From a checkpoint.
    Saved(f32),
}

impl Latest {
    fn read(&self) -> f32 {
        match self {
            Self::Reported(value) => (**value).clone().into_scalar::<f32>(),
            Self::Saved(value) => *value,
        }
    }
}

/// What a checkpoint calls a value of a round after the last line.
const SAVED: &str = "log.since.";

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
        Self {
            every,
            files: None,
            since: BTreeMap::new(),
        }
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
            for (name, value) in context.report.scalars() {
                let value = Latest::Reported(Box::new(value.clone()));
                self.since.insert(Cow::Borrowed(*name), value);
            }
            return Ok(ControlFlow::Continue(()));
        }
        let files = self.files.as_mut().expect("hooks begin before rounds");
        let since = std::mem::take(&mut self.since);
        let reported = |name: &str| context.report.names().any(|other| other == name);
        let rare: Vec<(&str, f32)> = since
            .iter()
            .filter(|(name, _)| !reported(name))
            .map(|(name, value)| (&**name, value.read()))
            .collect();
        let entry = LogEntry::new(&context.clock, &[context.values(), &rare].concat());
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

    fn save(&self, numbers: &mut BTreeMap<String, f64>) {
        for (name, value) in &self.since {
            numbers.insert(format!("{SAVED}{name}"), value.read().into());
        }
    }

    fn restore(&mut self, numbers: &BTreeMap<String, f64>) {
        let saved = numbers.range(SAVED.to_owned()..);
        self.since = saved
            .map_while(|(key, value)| Some((key.strip_prefix(SAVED)?, *value as f32)))
            .map(|(name, value)| (Cow::Owned(name.to_owned()), Latest::Saved(value)))
            .collect();
    }
}
