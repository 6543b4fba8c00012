//! Shows how far a run is.

use std::fmt;
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use crate::game::{Clock, Game};
use crate::train::{Context, Hook, TrainError};

/// How far a run is. Only for the eye: nothing of it goes into a file.
#[derive(Clone, Debug, PartialEq)]
pub struct Progress {
    /// Where the run stands.
    pub clock: Clock,
    /// Where it ends, in thousands of pictures.
    pub total_kimg: f64,
    /// Real pictures per second lately; 0 before the first round.
    pub images_per_second: f64,
    /// Time left, once the speed is known.
    pub time_left: Option<Duration>,
    /// What the last round reported.
    pub values: Vec<(&'static str, f32)>,
}

impl Progress {
    /// Thousands of pictures so far.
    pub fn kimg(&self) -> f64 {
        self.clock.kimg()
    }

    /// A value by name.
    pub fn value(&self, name: &str) -> Option<f32> {
        self.values
            .iter()
            .find(|(key, _)| *key == name)
            .map(|(_, value)| *value)
    }
}

/// Something that shows progress: a bar, lines, a window.
pub trait ProgressSink {
    /// Shows it. Called at the beginning, a few times a second, and at the end.
    fn show(&mut self, progress: &Progress);

    /// Nothing more will come.
    fn finish(&mut self) {}
}

impl<F: FnMut(&Progress)> ProgressSink for F {
    fn show(&mut self, progress: &Progress) {
        self(progress);
    }
}

/// Shows progress at most so many times a second. Reading the values waits for the device, so it is
/// not done every round.
pub struct ShowProgress {
    sink: Box<dyn ProgressSink>,
    interval: Duration,
    shown: Instant,
    shown_images: u64,
    images_per_second: f64,
    values: Vec<(&'static str, f32)>,
}

impl ShowProgress {
    /// Shows every half second.
    pub fn new(sink: impl ProgressSink + 'static) -> Self {
        Self {
            sink: Box::new(sink),
            interval: Duration::from_millis(500),
            shown: Instant::now(),
            shown_images: 0,
            images_per_second: 0.0,
            values: Vec::new(),
        }
    }

    /// Shows at most this often.
    #[must_use]
    pub fn with_interval(mut self, interval: Duration) -> Self {
        self.interval = interval;
        self
    }

    fn show<G: Game>(&mut self, context: &Context<'_, G>) {
        let speed = self.images_per_second;
        let left = context.total_images.saturating_sub(context.clock.images);
        self.sink.show(&Progress {
            clock: context.clock,
            total_kimg: context.total_images as f64 / 1000.0,
            images_per_second: speed,
            time_left: Duration::try_from_secs_f64(left as f64 / speed).ok(),
            values: self.values.clone(),
        });
    }

    fn restart(&mut self, clock: &Clock) {
        self.shown = Instant::now();
        self.shown_images = clock.images;
    }
}

impl fmt::Debug for ShowProgress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ShowProgress")
            .field("interval", &self.interval)
            .finish_non_exhaustive()
    }
}

impl<G: Game> Hook<G> for ShowProgress {
    fn begin(&mut self, context: &mut Context<'_, G>) -> Result<(), TrainError> {
        self.restart(&context.clock);
        self.show(context);
        Ok(())
    }

    fn after_round(&mut self, context: &mut Context<'_, G>) -> Result<ControlFlow<()>, TrainError> {
        let elapsed = self.shown.elapsed();
        if elapsed < self.interval {
            return Ok(ControlFlow::Continue(()));
        }
        self.values = context.values().to_vec();
        let images = context.clock.images - self.shown_images;
        let speed = images as f64 / elapsed.as_secs_f64().max(1e-9);
        // Smoothed a little, so that the time left does not jump.
        self.images_per_second = if self.images_per_second == 0.0 {
            speed
        } else {
            0.7 * self.images_per_second + 0.3 * speed
        };
        self.restart(&context.clock);
        self.show(context);
        Ok(ControlFlow::Continue(()))
    }

    fn finish(&mut self, context: &mut Context<'_, G>) -> Result<(), TrainError> {
        self.show(context);
        self.sink.finish();
        Ok(())
    }
}
