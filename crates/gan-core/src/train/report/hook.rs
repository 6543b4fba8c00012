//! Writes `report.html` while a run goes on.

use std::ops::ControlFlow;

use super::{Command, write_report};
use crate::game::Game;
use crate::train::{Context, Hook, Notice, TrainError};

/// Writes the page of [`write_report`] at every checkpoint and at the end. Add it after the hooks whose
/// files it shows.
///
/// A page that cannot be written is a notice, said once, and no reason to end a training. A run that ends
/// with an error is told about by the page of its last checkpoint; call [`write_report`] to have the
/// error's cause on it.
#[derive(Clone, Debug, Default)]
pub struct ReportPage {
    commands: Vec<Command>,
    has_failed: bool,
}

impl ReportPage {
    /// A page that ends with these commands.
    pub fn new(commands: Vec<Command>) -> Self {
        Self {
            commands,
            has_failed: false,
        }
    }

    fn write<G: Game>(&mut self, context: &mut Context<'_, G>) {
        match write_report(context.run, &self.commands) {
            Ok(_) => self.has_failed = false,
            Err(_) if self.has_failed => {}
            Err(error) => {
                self.has_failed = true;
                context.notify(&Notice::NoReport {
                    reason: error.to_string(),
                });
            }
        }
    }
}

impl<G: Game> Hook<G> for ReportPage {
    fn after_round(&mut self, _: &mut Context<'_, G>) -> Result<ControlFlow<()>, TrainError> {
        Ok(ControlFlow::Continue(()))
    }

    fn before_checkpoint(&mut self, context: &mut Context<'_, G>) -> Result<(), TrainError> {
        self.write(context);
        Ok(())
    }

    fn finish(&mut self, context: &mut Context<'_, G>) -> Result<(), TrainError> {
        self.write(context);
        Ok(())
    }
}
