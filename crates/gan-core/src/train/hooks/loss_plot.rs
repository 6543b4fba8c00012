//! Draws `loss.png`.

use std::fmt;
use std::ops::ControlFlow;
use std::path::Path;

use crate::game::Game;
use crate::train::error::BoxError;
use crate::train::{Context, Hook, LogEntry, TrainError, read_log};

/// Lets a closure draw the log to `loss.png`, at every checkpoint and at the end. Add it after
/// [`Log`](super::Log).
///
/// The closure must write the file whole or not at all, and the same log as the same bytes.
pub struct LossPlot {
    draw: Draw,
}

type Draw = Box<dyn FnMut(&Path, &[LogEntry]) -> Result<(), BoxError>>;

impl LossPlot {
    /// `draw` gets the path of the picture and the whole log.
    pub fn new(draw: impl FnMut(&Path, &[LogEntry]) -> Result<(), BoxError> + 'static) -> Self {
        Self {
            draw: Box::new(draw),
        }
    }

    fn draw<G: Game>(&mut self, context: &Context<'_, G>) -> Result<(), TrainError> {
        let entries = read_log(&context.run.log())?;
        let path = context.run.loss_plot();
        if entries.is_empty() {
            return Ok(());
        }
        (self.draw)(&path, &entries).map_err(|source| TrainError::Write { path, source })
    }
}

impl fmt::Debug for LossPlot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LossPlot").finish_non_exhaustive()
    }
}

impl<G: Game> Hook<G> for LossPlot {
    fn after_round(&mut self, _: &mut Context<'_, G>) -> Result<ControlFlow<()>, TrainError> {
        Ok(ControlFlow::Continue(()))
    }

    fn before_checkpoint(&mut self, context: &mut Context<'_, G>) -> Result<(), TrainError> {
        self.draw(context)
    }

    fn finish(&mut self, context: &mut Context<'_, G>) -> Result<(), TrainError> {
        self.draw(context)
    }
}
