//! What a run has to tell a person, besides numbers.

use std::fmt;
use std::path::PathBuf;

use super::error::Damage;
use crate::game::Clock;
use crate::words::count;

/// Something that a person should know; [`Display`](fmt::Display) says it in words.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Notice {
    /// The process that trained in the run before died.
    LockTakenOver {
        /// Its id.
        process: u32,
    },
    /// A checkpoint cannot be used; an older one is.
    DamagedCheckpoint(Damage),
    /// The run goes on from a checkpoint.
    Resumed {
        /// Where it goes on.
        clock: Clock,
        /// From what.
        path: PathBuf,
    },
    /// The run went back to a checkpoint with a lower learning rate.
    RolledBack {
        /// Where too many rounds had been skipped.
        from: Clock,
        /// Where the run goes on.
        to: Clock,
        /// Player and term that were not finite.
        cause: String,
        /// Learning rate as a part of the one in the configuration.
        lr_scale: f64,
        /// How often the run may still go back.
        left: u32,
    },
    /// The samples of the generator have become alike.
    Collapse {
        /// Where.
        clock: Clock,
        /// Distance between samples as a part of the largest there was.
        part: f64,
    },
    /// The game was scored.
    Scored {
        /// Where.
        clock: Clock,
        /// Name of the score, as in `fid`.
        metric: String,
        /// Its value.
        value: f64,
        /// Whether it is the best so far; `None` for a score that does not decide that.
        best: Option<bool>,
    },
    /// The run ends because its score has not become better for too long.
    NoBetter {
        /// Where.
        clock: Clock,
        /// Name of the score.
        metric: String,
        /// Evaluations since the best one.
        evaluations: u64,
    },
    /// `report.html` could not be written. The run goes on without it.
    NoReport {
        /// Why, with the name of the file.
        reason: String,
    },
    /// The critic has long told all samples apart, so the generator learns nothing.
    CriticWon {
        /// Where.
        clock: Clock,
    },
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LockTakenOver { process } => write!(
                f,
                "the process {process} that trained in this run before has died; taking over"
            ),
            Self::DamagedCheckpoint(damage) => {
                write!(
                    f,
                    "cannot use the checkpoint {damage}; trying the one before"
                )
            }
            Self::Resumed { clock, path } => write!(
                f,
                "going on at {:.1} kimg (round {}) from {}",
                clock.kimg(),
                clock.round,
                path.display()
            ),
            Self::RolledBack {
                from,
                to,
                cause,
                lr_scale,
                left,
            } => write!(
                f,
                "{cause} was not finite again and again up to {:.1} kimg: going back to {:.1} kimg \
                 with {lr_scale} times the learning rate ({} allowed)",
                from.kimg(),
                to.kimg(),
                count(*left as usize, "more time")
            ),
            Self::Collapse { clock, part } => write!(
                f,
                "at {:.1} kimg the samples have become alike: the distance between them is {:.0} % \
                 of what it was. Try a gradient penalty (R1), a lower learning rate of the \
                 generator, minibatch standard deviation in the critic, or larger batches",
                clock.kimg(),
                part * 100.0
            ),
            Self::Scored {
                clock,
                metric,
                value,
                best,
            } => {
                let best = best.unwrap_or(false);
                write!(
                    f,
                    "at {:.1} kimg {metric} {value:.4}{}",
                    clock.kimg(),
                    if best { ", the best so far" } else { "" }
                )
            }
            Self::NoBetter {
                clock,
                metric,
                evaluations,
            } => write!(
                f,
                "stopping at {:.1} kimg: {metric} has not become better in the last {evaluations} \
                 evaluations; the best checkpoint is kept",
                clock.kimg()
            ),
            Self::NoReport { reason } => write!(f, "{reason}; training goes on without the report"),
            Self::CriticWon { clock } => write!(
                f,
                "at {:.1} kimg the critic is sure of every picture (real above 0.99, generated \
                 below 0.01), so the generator learns next to nothing. Try a lower learning rate \
                 of the critic, a gradient penalty (R1), label smoothing, or instance noise",
                clock.kimg()
            ),
        }
    }
}
