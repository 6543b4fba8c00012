//! Scores the game on the way.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::ops::ControlFlow;
use std::path::Path;

use crate::game::{Clock, Game};
use crate::train::error::{BoxError, RunDirError};
use crate::train::log_file::LogWriter;
use crate::train::{Better, Context, Every, Hook, MetricEntry, Notice, TrainError, read_metric};

/// Name of the number that is saved in checkpoints.
const WORSE: &str = "evaluate.worse";

/// A score of the game as it is.
#[derive(Clone, Debug, PartialEq)]
pub struct Measurement {
    /// Its name, which becomes part of the name of a file: `fid`.
    pub metric: String,
    /// The score.
    pub value: f64,
    /// Which scores are better.
    pub better: Better,
    /// The features it was computed from, with weights and resizing.
    pub features: String,
    /// Generated pictures.
    pub samples: u64,
    /// Real pictures they were compared with; 0 if with none.
    pub reals: u64,
    /// The data set that the real pictures are from.
    pub data: String,
}

/// Scores the game every so often: a [`MetricEntry`] per score in `metric-NAME.jsonl`, the checkpoint
/// that is best in the first score is kept, and the run ends when it has not become better for long.
///
/// What measures must not touch the game, and must be a function of it: the same game gives the same
/// scores, so random numbers come from streams of their own. Then training goes on as without it, and a
/// run that is continued writes the same files.
pub struct Evaluate<G> {
    every: Every,
    measure: Measure<G>,
    stop_after_worse: u64,
    plot: Option<Plot>,
    /// Evaluations since the best one.
    worse: u64,
}

type Measure<G> = Box<dyn FnMut(&G, &Clock) -> Result<Vec<Measurement>, BoxError>>;
type Plot = Box<dyn FnMut(&Path, &[(String, Vec<MetricEntry>)]) -> Result<(), BoxError>>;

impl<G: Game> Evaluate<G> {
    /// `measure` gets the game and where it stands, and returns scores of different names, always the
    /// same ones; the first decides what is best.
    pub fn new(
        every: Every,
        measure: impl FnMut(&G, &Clock) -> Result<Vec<Measurement>, BoxError> + 'static,
    ) -> Self {
        Self {
            every,
            measure: Box::new(measure),
            stop_after_worse: 0,
            plot: None,
            worse: 0,
        }
    }

    /// Ends the run after so many evaluations in a row none of which was the best; 0 for never, which
    /// is the default. If the run is continued, it ends again at the next evaluation that is not the
    /// best.
    #[must_use]
    pub fn with_stop_after_worse(mut self, evaluations: u64) -> Self {
        self.stop_after_worse = evaluations;
        self
    }

    /// Lets a closure draw all scores to `metric.png`, at every checkpoint and at the end. It gets them
    /// by name, and must write the file whole or not at all, and the same scores as the same bytes.
    #[must_use]
    pub fn with_plot(
        mut self,
        draw: impl FnMut(&Path, &[(String, Vec<MetricEntry>)]) -> Result<(), BoxError> + 'static,
    ) -> Self {
        self.plot = Some(Box::new(draw));
        self
    }

    fn write(context: &Context<'_, G>, measured: &Measurement) -> Result<(), TrainError> {
        let path = context.run.metric(&measured.metric);
        let entry = MetricEntry {
            round: context.clock.round,
            kimg: context.clock.kimg(),
            value: measured.value.is_finite().then_some(measured.value),
            features: measured.features.clone(),
            samples: measured.samples,
            reals: measured.reals,
            data: measured.data.clone(),
        };
        let write = || {
            let mut file = LogWriter::open(&path, &context.before)?;
            file.write(&entry)?;
            file.sync()
        };
        Ok(write().map_err(RunDirError::io(&path, "write the file"))?)
    }

    fn draw(&mut self, context: &Context<'_, G>) -> Result<(), TrainError> {
        let Some(plot) = &mut self.plot else {
            return Ok(());
        };
        let mut curves = Vec::new();
        for name in context.run.metrics()? {
            let entries = read_metric(&context.run.metric(&name))?;
            curves.push((name, entries));
        }
        if curves.is_empty() {
            return Ok(());
        }
        let path = context.run.metric_plot();
        plot(&path, &curves).map_err(|source| TrainError::Write { path, source })
    }
}

impl<G> fmt::Debug for Evaluate<G> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Evaluate")
            .field("every", &self.every)
            .field("stop_after_worse", &self.stop_after_worse)
            .field("worse", &self.worse)
            .finish_non_exhaustive()
    }
}

impl<G: Game> Hook<G> for Evaluate<G> {
    /// Removes the scores of rounds that have not happened, and files with no others.
    fn begin(&mut self, context: &mut Context<'_, G>) -> Result<(), TrainError> {
        for name in context.run.metrics()? {
            let path = context.run.metric(&name);
            let tidy = || {
                if LogWriter::open(&path, &context.clock)?.is_empty()? {
                    fs::remove_file(&path)?;
                }
                Ok(())
            };
            tidy().map_err(RunDirError::io(&path, "tidy up the file"))?;
        }
        Ok(())
    }

    fn after_round(&mut self, context: &mut Context<'_, G>) -> Result<ControlFlow<()>, TrainError> {
        if !context.fires(self.every) {
            return Ok(ControlFlow::Continue(()));
        }
        let measured = (self.measure)(context.game, &context.clock);
        let measured = measured.map_err(TrainError::Hook)?;
        let clock = context.clock;
        let mut next = ControlFlow::Continue(());
        for (index, measured) in measured.iter().enumerate() {
            Self::write(context, measured)?;
            let (metric, value) = (measured.metric.clone(), measured.value);
            let best = (index == 0).then(|| context.mark_best(&metric, value, measured.better));
            context.notify(&Notice::Scored {
                clock,
                metric: metric.clone(),
                value,
                best,
            });
            let Some(best) = best else { continue };
            self.worse = if best { 0 } else { self.worse + 1 };
            if self.stop_after_worse > 0 && self.worse >= self.stop_after_worse {
                let evaluations = self.worse;
                context.notify(&Notice::NoBetter {
                    clock,
                    metric,
                    evaluations,
                });
                next = ControlFlow::Break(());
            }
        }
        Ok(next)
    }

    fn before_checkpoint(&mut self, context: &mut Context<'_, G>) -> Result<(), TrainError> {
        self.draw(context)
    }

    fn finish(&mut self, context: &mut Context<'_, G>) -> Result<(), TrainError> {
        self.draw(context)
    }

    fn save(&self, numbers: &mut BTreeMap<String, f64>) {
        numbers.insert(WORSE.into(), self.worse as f64);
    }

    fn restore(&mut self, numbers: &BTreeMap<String, f64>) {
        self.worse = numbers.get(WORSE).map_or(0, |worse| *worse as u64);
    }
}
