//! The loop around the rounds.

use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::checkpoint::{Checkpoints, Extra, Found, Saved};
use super::error::{BoxError, CheckpointError, RunDirError, TrainError};
use super::guard::{Diagnosis, Guard, Verdict};
use super::hook::{Context, Hook};
use super::notice_file::Notices;
use super::{Every, Notice, RunDir, RunLock, TrainConfig};
use crate::game::{Clock, Game, Report};

/// The loop around the rounds of a game: time, hooks, checkpoints, guards.
///
/// See the [module](super) for an example.
pub struct Trainer<G: Game> {
    run: RunDir,
    config: TrainConfig,
    seed: u64,
    hooks: Vec<Box<dyn Hook<G>>>,
    notices: Notices,
    stop: Arc<AtomicBool>,
    checkpoints: Checkpoints,
    guard: Option<Guard>,
    /// Round of the newest scheduled checkpoint.
    saved: Option<u64>,
    lock: RunLock,
}

/// How a run, or this part of it, ended.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// Why.
    pub end: End,
    /// Where.
    pub clock: Clock,
    /// The checkpoint made at the end.
    pub checkpoint: PathBuf,
}

/// Why a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum End {
    /// All pictures were shown.
    Finished,
    /// The stop flag was set. The run can go on from here.
    Interrupted,
    /// A hook ended it. The run can go on from here.
    Hook,
    /// There were no more batches. The run can go on from here.
    NoMoreBatches,
}

impl<G: Game> Trainer<G> {
    /// A trainer for the run in `run`, which no other process may train in until it is dropped.
    ///
    /// # Errors
    ///
    /// If the configuration is not allowed, or another process trains in the run.
    pub fn new(run: RunDir, config: TrainConfig, seed: u64) -> Result<Self, TrainError> {
        config.validate()?;
        Ok(Self {
            lock: run.lock()?,
            checkpoints: Checkpoints::new(&run, config.keep_checkpoints),
            guard: config.guard.map(Guard::new),
            run,
            config,
            seed,
            hooks: Vec::new(),
            notices: Notices::new(|_| {}),
            stop: Arc::default(),
            saved: None,
        })
    }

    /// Adds a hook; they are called in the order they were added.
    #[must_use]
    pub fn with_hook(mut self, hook: impl Hook<G> + 'static) -> Self {
        self.hooks.push(Box::new(hook));
        self
    }

    /// Says what a person should know. Default: nobody is told.
    #[must_use]
    pub fn with_notify(mut self, notify: impl FnMut(&Notice) + 'static) -> Self {
        self.notices = Notices::new(notify);
        self
    }

    /// Ends the run after the round in which the flag is set, with a checkpoint: for Ctrl-C.
    #[must_use]
    pub fn with_stop_flag(mut self, stop: Arc<AtomicBool>) -> Self {
        self.stop = stop;
        self
    }

    /// The folder of the run.
    pub fn run_dir(&self) -> &RunDir {
        &self.run
    }

    /// Plays until all pictures were shown.
    ///
    /// Goes on from the latest good checkpoint, if the run has one; else `game` is played as it is,
    /// and must be as it was when the run first began.
    ///
    /// `batch` gives the batch of the round at a clock; a round is asked for once, except that a run
    /// that goes back asks again. `|_| batches.next()` will do where the order does not matter.
    ///
    /// # Errors
    ///
    /// [`TrainError`]: data, disk, divergence. Checkpoints made before stay.
    pub fn run<E: Into<BoxError>>(
        &mut self,
        game: &mut G,
        mut batch: impl FnMut(&Clock) -> Option<Result<G::Batch, E>>,
    ) -> Result<Outcome, TrainError> {
        let mut clock = self.start(game)?;
        let end = loop {
            if clock.images >= self.config.total_images() {
                if !self.guard.as_ref().is_some_and(Guard::ends_badly) {
                    break End::Finished;
                }
                clock = self.go_back(game, clock)?;
                continue;
            }
            if self.stop.load(Ordering::Relaxed) {
                break End::Interrupted;
            }
            let batch = match batch(&clock) {
                None => break End::NoMoreBatches,
                Some(Ok(batch)) => batch,
                Some(Err(error)) => {
                    self.save(game, &clock, true)?;
                    return Err(TrainError::Batch {
                        round: clock.round,
                        source: error.into(),
                    });
                }
            };
            let images = G::batch_size(&batch);
            if images == 0 {
                return Err(TrainError::EmptyBatch { round: clock.round });
            }
            let report = game.round(batch, &clock);
            let before = clock;
            clock.advance(images);
            match self.after_round(game, before, clock, &report)? {
                Next::Round => {}
                Next::Stop => break End::Hook,
                Next::GoBack => clock = self.go_back(game, clock)?,
            }
        };
        self.end(game, clock, end)
    }

    /// Finds the place to begin at and brings everything there.
    fn start(&mut self, game: &mut G) -> Result<Clock, TrainError> {
        self.run.tidy()?;
        self.notices.read(&self.run.notices());
        if let Some(process) = self.lock.taken_over_from() {
            self.notices.tell(&Notice::LockTakenOver { process });
        }
        let Found { good, damaged } = self.checkpoints.latest_good()?;
        let Some(saved) = good else {
            if damaged.is_empty() {
                let clock = Clock::new(self.seed);
                self.notices.go_to(&clock);
                self.tell(game, clock, |hook, context| hook.begin(context))?;
                // To have something to go back to; and a full disk is found at once.
                self.save(game, &clock, false)?;
                return Ok(clock);
            }
            let folder = self.run.checkpoints();
            return Err(CheckpointError::NoneLeft { folder, damaged }.into());
        };
        for damage in damaged {
            self.notices.tell(&Notice::DamagedCheckpoint(damage));
        }
        let clock = self.restore(game, saved)?;
        self.tell(game, clock, |hook, context| hook.begin(context))?;
        Ok(clock)
    }

    /// Everything as it was when the checkpoint was made.
    fn restore(&mut self, game: &mut G, saved: Saved) -> Result<Clock, TrainError> {
        let Saved {
            path,
            clock,
            state,
            numbers,
            best,
            ..
        } = saved;
        if clock.seed != self.seed {
            return Err(TrainError::Seed {
                expected: self.seed,
                found: clock.seed,
            });
        }
        if let Err(source) = game.restore(&state) {
            return Err(TrainError::Restore { path, source });
        }
        self.checkpoints.restore_best(best);
        if let Some(guard) = &mut self.guard {
            guard.restore(&numbers);
        }
        for hook in &mut self.hooks {
            hook.restore(&numbers);
        }
        // One that was made for a stop does not count: the finished run must not show it.
        self.saved = (path == self.checkpoints.path_of(clock.round)).then_some(clock.round);
        self.notices.go_to(&clock);
        self.notices.tell(&Notice::Resumed { clock, path });
        Ok(clock)
    }

    fn after_round(
        &mut self,
        game: &G,
        before: Clock,
        clock: Clock,
        report: &Report,
    ) -> Result<Next, TrainError> {
        let mut context = Context {
            game,
            before,
            clock,
            total_images: self.config.total_images(),
            run: &self.run,
            report,
            values: OnceCell::new(),
            notices: &mut self.notices,
            checkpoints: &mut self.checkpoints,
            checkpoint_wanted: self.config.checkpoint_every().fires(&before, &clock),
        };
        if let (Some(guard), Some(config)) = (&mut self.guard, &self.config.guard) {
            let looks = [Every::rounds(config.every_rounds), self.config.log_every()];
            if looks.into_iter().any(|every| context.fires(every)) {
                match guard.look(&clock, context.values()) {
                    Verdict::Fine => {}
                    Verdict::GoBack => return Ok(Next::GoBack),
                    Verdict::CriticWon => context.notify(&Notice::CriticWon { clock }),
                }
            }
        }
        let mut next = Next::Round;
        for hook in &mut self.hooks {
            if let ControlFlow::Break(()) = hook.after_round(&mut context)? {
                next = Next::Stop;
            }
        }
        if context.checkpoint_wanted {
            self.save(game, &clock, false)?;
        }
        Ok(next)
    }

    /// Back to the last good checkpoint with a lower learning rate, if the budget allows.
    fn go_back(&mut self, game: &mut G, from: Clock) -> Result<Clock, TrainError> {
        let players: Vec<_> = game
            .parameter_counts()
            .iter()
            .map(|(name, _)| *name)
            .collect();
        let guard = self.guard.as_ref().expect("only a guard sends back");
        let config = self.config.guard.expect("only a guard sends back");
        let diagnosis = guard.diagnose(&from, &players);
        let times = guard.roll_backs + 1;
        if times > config.max_roll_backs {
            return Err(self.diverged(diagnosis));
        }
        let Some(saved) = self.checkpoints.latest_healthy()?.good else {
            return Err(self.diverged(diagnosis));
        };
        // What is later belongs to a course that was given up.
        self.checkpoints.discard_after(saved.clock.round)?;
        let to = self.restore(game, saved)?;
        let guard = self.guard.as_mut().expect("only a guard sends back");
        // The checkpoint may be from before an earlier time, or from after it.
        let missing = times.saturating_sub(guard.roll_backs);
        guard.roll_backs = times;
        game.scale_learning_rate(config.lr_factor.powi(missing as i32));
        self.notices.tell(&Notice::RolledBack {
            from,
            to,
            cause: format!("the {} of the {}", diagnosis.term, diagnosis.player),
            lr_scale: config.lr_factor.powi(times as i32),
            left: config.max_roll_backs - times,
        });
        self.tell(game, to, |hook, context| hook.begin(context))?;
        Ok(to)
    }

    /// Why the run ends, also for those who read its folder later.
    fn diverged(&mut self, diagnosis: Diagnosis) -> TrainError {
        self.notices.diverged(&diagnosis);
        // The divergence is the error to report.
        let _ = self.notices.write(&self.run.notices());
        TrainError::Diverged(Box::new(diagnosis))
    }

    fn end(&mut self, game: &G, clock: Clock, end: End) -> Result<Outcome, TrainError> {
        let checkpoint = self.save(game, &clock, end != End::Finished)?;
        self.tell(game, clock, |hook, context| hook.finish(context))?;
        Ok(Outcome {
            end,
            clock,
            checkpoint,
        })
    }

    /// Makes a checkpoint, unless there is one of this round.
    fn save(&mut self, game: &G, clock: &Clock, stopped: bool) -> Result<PathBuf, TrainError> {
        if self.saved == Some(clock.round) {
            // A crash may have come between the checkpoint and the tidying up.
            self.checkpoints.prune(clock.round, false)?;
            return Ok(self.checkpoints.path_of(clock.round));
        }
        let notices = self.run.notices();
        self.notices
            .write(&notices)
            .map_err(RunDirError::io(&notices, "write the file"))?;
        self.tell(game, *clock, |hook, context| {
            hook.before_checkpoint(context)
        })?;
        let mut numbers = BTreeMap::new();
        for hook in &self.hooks {
            hook.save(&mut numbers);
        }
        if let Some(guard) = &self.guard {
            guard.save(&mut numbers);
        }
        let extra = Extra {
            numbers,
            healthy: self.guard.as_ref().is_none_or(Guard::is_healthy),
            stopped,
        };
        let path = self.checkpoints.save(&game.state(), clock, &extra)?;
        if !stopped {
            self.saved = Some(clock.round);
        }
        Ok(path)
    }

    /// Calls all hooks outside a round.
    fn tell(
        &mut self,
        game: &G,
        clock: Clock,
        call: impl Fn(&mut dyn Hook<G>, &mut Context<'_, G>) -> Result<(), TrainError>,
    ) -> Result<(), TrainError> {
        let mut context = Context {
            game,
            before: clock,
            clock,
            total_images: self.config.total_images(),
            run: &self.run,
            report: &Report::default(),
            values: OnceCell::new(),
            notices: &mut self.notices,
            checkpoints: &mut self.checkpoints,
            checkpoint_wanted: false,
        };
        for hook in &mut self.hooks {
            call(&mut **hook, &mut context)?;
        }
        Ok(())
    }
}

/// What comes after a round.
enum Next {
    Round,
    Stop,
    GoBack,
}
