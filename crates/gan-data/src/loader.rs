//! Endless, reproducible batches of a data set.

mod bridge;
mod plan;

use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use burn::config::Config;
use burn::prelude::*;

pub use self::bridge::{BurnPictures, PictureBatcher};
use self::plan::{Plan, Raw};
use crate::source::Pictures;
use crate::transform::TransformConfig;
use crate::{Batch, DataError, PixelRange};

/// Pictures that take longer than this to decode get worker threads.
const CHEAP: Duration = Duration::from_micros(40);

/// Configuration of a [`Loader`].
#[derive(Config, Debug)]
pub struct LoaderConfig {
    /// Pictures per batch, at least 1.
    pub batch_size: usize,
    /// Seed of the order and of the random transforms. Default: `0`
    #[config(default = 0)]
    pub seed: u64,
    /// The range of the values. Default: [`PixelRange::Signed`]
    #[config(default = "PixelRange::Signed")]
    pub range: PixelRange,
    /// Visit the pictures in another random order every epoch. Default: `true`
    #[config(default = true)]
    pub shuffle: bool,
    /// Leave out the pictures at the end of an epoch that do not fill a batch; otherwise the last
    /// batch of an epoch is short. Default: `true`
    #[config(default = true)]
    pub drop_last: bool,
    /// Threads that decode ahead; 0 decodes when a batch is asked for. The batches are the same
    /// whatever is chosen. Default: `None`, by how long the first picture takes to decode
    pub workers: Option<usize>,
    /// Batches that may wait, decoded, for being asked for; at least one per worker. Default: `4`
    #[config(default = 4)]
    pub prefetch: usize,
    /// What happens to every picture. Default: nothing
    #[config(default = "TransformConfig::new()")]
    pub transform: TransformConfig,
}

/// An endless iterator over [`Batch`]es, in an order that depends on nothing but the data, the
/// configuration and the number of the batch.
///
/// Batch `b` is in epoch `b / batches_per_epoch`, whose order is drawn from the seed and the number
/// of the epoch. So [`start_at`](Self::start_at) continues an interrupted run exactly. A picture
/// that cannot be read gives one `Err` in place of its batch; the batches after it still come.
///
/// Should be created using [`Loader::new`].
pub struct Loader {
    plan: Arc<Plan>,
    device: Device,
    workers: usize,
    next: u64,
    /// Started by the first batch that is asked for.
    crew: Option<Crew>,
}

impl Loader {
    /// Checks the configuration against the data set and reads its first picture. No thread is
    /// started yet. The batches will be on `device`, with or without autodiff as it is.
    ///
    /// # Errors
    ///
    /// [`DataError::Config`] if a value is not allowed, the data set is empty, or it is smaller
    /// than one batch with `drop_last`; and whatever is wrong with the first picture.
    pub fn new(
        data: Arc<dyn Pictures>,
        config: LoaderConfig,
        device: &Device,
    ) -> Result<Self, DataError> {
        check(data.as_ref(), &config)?;
        let wish = config.workers;
        let plan = Plan::new(data, config)?;
        let workers = match wish {
            Some(workers) => workers,
            None => choose_workers(&plan)?,
        };
        Ok(Self {
            plan: Arc::new(plan),
            device: device.clone(),
            workers,
            next: 0,
            crew: None,
        })
    }

    /// Makes the batch of this number the next one.
    pub fn start_at(mut self, batch_index: u64) -> Self {
        self.seek(batch_index);
        self
    }

    /// Makes the batch of this number the next one, in place: to go back to a checkpoint.
    pub fn seek(&mut self, batch_index: u64) {
        self.crew = None;
        self.next = batch_index;
    }

    /// The number of the next batch.
    pub fn position(&self) -> u64 {
        self.next
    }

    /// Batches in one pass over the data set.
    pub fn batches_per_epoch(&self) -> u64 {
        self.plan.batches_per_epoch()
    }

    /// `[channels, height, width]` of every picture.
    pub fn picture_shape(&self) -> [usize; 3] {
        self.plan.shape
    }

    /// Threads that decode ahead.
    pub fn workers(&self) -> usize {
        self.workers
    }

    /// Reads the batch of this number now, wherever the iteration is.
    ///
    /// # Errors
    ///
    /// Whatever is wrong with a picture of the batch, see [`Loader`].
    pub fn batch(&self, batch_index: u64) -> Result<Batch, DataError> {
        self.plan.collect(batch_index).map(|raw| self.upload(raw))
    }

    fn upload(&self, raw: Raw) -> Batch {
        raw.upload(self.plan.shape, self.plan.config.range, &self.device)
    }
}

impl Iterator for Loader {
    type Item = Result<Batch, DataError>;

    fn next(&mut self) -> Option<Self::Item> {
        let raw = if self.workers == 0 {
            self.plan.collect(self.next)
        } else {
            let (plan, workers, next) = (&self.plan, self.workers, self.next);
            self.crew
                .get_or_insert_with(|| Crew::start(plan, workers, next))
                .receive()
        };
        self.next += 1;
        Some(raw.map(|raw| self.upload(raw)))
    }
}

impl std::fmt::Debug for Loader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Loader")
            .field("config", &self.plan.config)
            .field("workers", &self.workers)
            .field("next", &self.next)
            .finish_non_exhaustive()
    }
}

fn check(data: &dyn Pictures, config: &LoaderConfig) -> Result<(), DataError> {
    config.transform.validate()?;
    let (count, size) = (data.len(), config.batch_size);
    if size == 0 {
        return Err(DataError::config(
            "batch_size",
            "0 is not allowed; use at least 1",
        ));
    }
    if count == 0 {
        return Err(DataError::config(
            "data",
            format!("{} has no pictures", data.name()),
        ));
    }
    if config.drop_last && count < size {
        let message = format!(
            "{size} is more than there are pictures in {}, {count}; use at most {count}, or turn drop_last off",
            data.name()
        );
        return Err(DataError::config("batch_size", message));
    }
    if let Some(workers) = config.workers
        && workers > MAX_WORKERS
    {
        let message = format!("{workers} is not allowed; use 0 to {MAX_WORKERS}");
        return Err(DataError::config("workers", message));
    }
    Ok(())
}

/// More threads than this are taken for a mistake.
const MAX_WORKERS: usize = 256;

fn choose_workers(plan: &Plan) -> Result<usize, DataError> {
    let start = Instant::now();
    plan.picture(0, 0)?;
    if start.elapsed() <= CHEAP {
        return Ok(0);
    }
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    Ok((cores / 2).clamp(1, 8))
}

/// Worker threads. Worker `w` of `n` makes the batches `start + w`, `start + w + n`, …; taking from
/// their channels in turn gives the batches in order without any bookkeeping.
struct Crew {
    channels: Vec<Receiver<Result<Raw, DataError>>>,
    threads: Vec<Option<JoinHandle<()>>>,
    turn: usize,
}

impl Crew {
    fn start(plan: &Arc<Plan>, workers: usize, start: u64) -> Self {
        let waiting = plan.config.prefetch.div_ceil(workers).max(1);
        let mut crew = Self {
            channels: Vec::new(),
            threads: Vec::new(),
            turn: 0,
        };
        for worker in 0..workers as u64 {
            let (sender, receiver) = sync_channel(waiting);
            let plan = Arc::clone(plan);
            let thread = std::thread::spawn(move || {
                let mut batch = start + worker;
                // sending fails as soon as the loader is dropped
                while sender.send(plan.collect(batch)).is_ok() {
                    batch += workers as u64;
                }
            });
            crew.channels.push(receiver);
            crew.threads.push(Some(thread));
        }
        crew
    }

    fn receive(&mut self) -> Result<Raw, DataError> {
        let turn = self.turn;
        self.turn = (turn + 1) % self.channels.len();
        self.channels[turn]
            .recv()
            .unwrap_or_else(|_| self.panic_like(turn))
    }

    /// A worker ends before its channel is dropped only by a panic: hand it on.
    fn panic_like(&mut self, worker: usize) -> ! {
        match self.threads[worker].take().map(JoinHandle::join) {
            Some(Err(payload)) => std::panic::resume_unwind(payload),
            _ => panic!("a loader thread has already panicked"),
        }
    }
}

impl Drop for Crew {
    fn drop(&mut self) {
        self.channels.clear();
        for thread in self.threads.iter_mut().filter_map(Option::take) {
            // a panic of a batch nobody asked for is of no interest
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests;
