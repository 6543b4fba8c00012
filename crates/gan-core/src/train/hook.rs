//! What watches rounds.

use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::ops::ControlFlow;

use super::checkpoint::{Better, Checkpoints};
use super::error::TrainError;
use super::notice_file::Notices;
use super::{Every, Notice, RunDir};
use crate::game::{Clock, Game, Report};

/// Something that watches rounds: logs, draws, measures, stops.
///
/// A run that is killed and continued must end like one left alone. So what a hook writes is a
/// function of the game, the clock and numbers it [saves](Hook::save); [`begin`](Hook::begin) brings
/// its files back to where the clock stands; and files are written whole or not at all.
pub trait Hook<G: Game> {
    /// Before the first round of a process, and after the run went back: whatever is later than
    /// `context.clock` has not happened.
    ///
    /// # Errors
    ///
    /// If the run cannot go on; it then ends.
    fn begin(&mut self, context: &mut Context<'_, G>) -> Result<(), TrainError> {
        let _ = context;
        Ok(())
    }

    /// After every round. `Break` ends the run, with a checkpoint from which it can go on.
    ///
    /// # Errors
    ///
    /// If the run cannot go on; it then ends, without another checkpoint.
    fn after_round(&mut self, context: &mut Context<'_, G>) -> Result<ControlFlow<()>, TrainError>;

    /// Before a checkpoint is made: what was written so far must be on the disk.
    ///
    /// # Errors
    ///
    /// If the run cannot go on; it then ends, without the checkpoint.
    fn before_checkpoint(&mut self, context: &mut Context<'_, G>) -> Result<(), TrainError> {
        let _ = context;
        Ok(())
    }

    /// At the end of the run, or of this part of it if it was stopped.
    ///
    /// # Errors
    ///
    /// If something could not be written. The last checkpoint is there already.
    fn finish(&mut self, context: &mut Context<'_, G>) -> Result<(), TrainError> {
        let _ = context;
        Ok(())
    }

    /// Puts what it must remember into the checkpoint, under names with a prefix of its own.
    fn save(&self, numbers: &mut BTreeMap<String, f64>) {
        let _ = numbers;
    }

    /// Takes back what [`save`](Hook::save) put there. Called before [`begin`](Hook::begin).
    fn restore(&mut self, numbers: &BTreeMap<String, f64>) {
        let _ = numbers;
    }
}

/// What a hook sees.
pub struct Context<'a, G: Game> {
    /// The game after the round.
    pub game: &'a G,
    /// Where the run stood before the round; equal to `clock` outside
    /// [`after_round`](Hook::after_round).
    pub before: Clock,
    /// Where the run stands.
    pub clock: Clock,
    /// Where the run ends, in pictures shown to the critic.
    pub total_images: u64,
    /// The folder of the run.
    pub run: &'a RunDir,
    pub(super) report: &'a Report,
    pub(super) values: OnceCell<Vec<(&'static str, f32)>>,
    pub(super) notices: &'a mut Notices,
    pub(super) checkpoints: &'a mut Checkpoints,
    pub(super) checkpoint_wanted: bool,
}

impl<G: Game> Context<'_, G> {
    /// Whether `every` happens in this round.
    pub fn fires(&self, every: Every) -> bool {
        every.fires(&self.before, &self.clock)
    }

    /// What the round reported. The first call in a round waits for the device, so hooks call it at
    /// their interval; further calls cost nothing.
    pub fn values(&self) -> &[(&'static str, f32)] {
        self.values.get_or_init(|| self.report.read())
    }

    /// Tells a person.
    pub fn notify(&mut self, notice: &Notice) {
        self.notices.tell(notice);
    }

    /// Asks for a checkpoint after this round. The answer must be the same in a continued run.
    pub fn want_checkpoint(&mut self) {
        self.checkpoint_wanted = true;
    }

    /// Reports a score of the game as it is. If it is the best so far, a checkpoint is made and kept.
    /// Returns whether it is. A run has one such metric.
    pub fn mark_best(&mut self, metric: &str, value: f64, better: Better) -> bool {
        let is_best = self
            .checkpoints
            .mark_best(metric, value, better, &self.clock);
        self.checkpoint_wanted |= is_best;
        is_best
    }
}
