//! What can go wrong in a run, in words that say what to do.

use std::error::Error;
use std::io;
use std::path::{Path, PathBuf};

use super::guard::Diagnosis;
use crate::game::StateError;

/// Any error of somebody else: of a data loader, or of a closure that writes a picture.
pub type BoxError = Box<dyn Error + Send + Sync + 'static>;

/// A run folder that cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunDirError {
    /// The operating system said no.
    #[error("{}: cannot {action}: {source}{}", .path.display(), advice(.source))]
    Io {
        /// File or folder.
        path: PathBuf,
        /// What was tried, as in "create the folder".
        action: &'static str,
        /// Its answer.
        source: io::Error,
    },
    /// There is no such folder, or it is not a run.
    #[error(
        "{}: not a run folder (it has no config.json); give a folder like runs/00000-mnist",
        .0.display()
    )]
    NotARun(PathBuf),
    /// A file of the run that is not what this program wrote.
    #[error("{}: {reason}; restore the file or start a new run", .path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// Another process writes into the run.
    #[error(
        "{}: another process{} is training in this run; stop it first, or start a new run",
        .path.display(),
        .process.map(|id| format!(" ({id})")).unwrap_or_default()
    )]
    InUse {
        /// The run.
        path: PathBuf,
        /// Id of the process, where it is known.
        process: Option<u32>,
    },
    /// A run can only go on as it began.
    #[error(
        "{}: the run was made with another configuration:\n  {}\nresume with the old values, or start a new run",
        .path.display(),
        .differences.join("\n  ")
    )]
    ConfigChanged {
        /// The run.
        path: PathBuf,
        /// One line per key.
        differences: Vec<String>,
    },
    /// A run can only go on with the pictures it began with.
    #[error(
        "{}: the run was made with other data:\n  {}\nresume with the old data, or start a new run",
        .path.display(),
        .differences.join("\n  ")
    )]
    DataChanged {
        /// The run.
        path: PathBuf,
        /// One line per key.
        differences: Vec<String>,
    },
}

impl RunDirError {
    pub(crate) fn io(path: &Path, action: &'static str) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_path_buf();
        move |source| Self::Io {
            path,
            action,
            source,
        }
    }
}

/// What usually helps, for the causes that have a usual answer.
fn advice(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            "; free some space, or choose another folder"
        }
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            "; make the folder writable, or choose another one"
        }
        _ => "",
    }
}

/// A checkpoint that could not be written or read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CheckpointError {
    /// The operating system said no. Checkpoints written before are as they were.
    #[error(
        "{}: cannot write the checkpoint {name}: {source}{}; those before it, if any, are intact",
        .folder.display(),
        advice(.source)
    )]
    Write {
        /// Folder of all checkpoints of the run.
        folder: PathBuf,
        /// The checkpoint.
        name: String,
        /// Cause.
        source: io::Error,
    },
    /// The folder of checkpoints cannot be read or tidied up.
    #[error("{}: cannot {action}: {source}{}", .path.display(), advice(.source))]
    Folder {
        /// File or folder.
        path: PathBuf,
        /// What was tried.
        action: &'static str,
        /// Cause.
        source: io::Error,
    },
    /// A state that has no place in a file.
    #[error("cannot write `{name}` into a checkpoint: {reason}")]
    Unsupported {
        /// Group or tensor.
        name: String,
        /// Why not.
        reason: String,
    },
    /// A checkpoint that must not be used.
    #[error(transparent)]
    Damaged(#[from] Damage),
    /// All checkpoints of the run are damaged.
    #[error(
        "{}: no checkpoint of {} can be used:\n  {}\nrestore one from a backup, or start a new run",
        .folder.display(),
        .damaged.len(),
        .damaged.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n  ")
    )]
    NoneLeft {
        /// Folder of all checkpoints of the run.
        folder: PathBuf,
        /// Each of them.
        damaged: Vec<Damage>,
    },
}

/// A checkpoint that must not be used, and why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}: {reason}", .path.display())]
pub struct Damage {
    /// Folder of the checkpoint.
    pub path: PathBuf,
    /// What is wrong, naming the file.
    pub reason: String,
}

/// A run that ended before it was done.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrainError {
    /// A setting that is not allowed.
    #[error("`{field}` is {value}; allowed is {allowed}")]
    Config {
        /// Name in [`TrainConfig`](super::TrainConfig), with dots.
        field: &'static str,
        /// What was given.
        value: String,
        /// What would be right.
        allowed: &'static str,
    },
    /// The run folder cannot be used.
    #[error(transparent)]
    RunDir(#[from] RunDirError),
    /// A checkpoint could not be written or read.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// A good checkpoint of another model.
    #[error(
        "{}: the checkpoint does not fit the model: {source}; resume with the configuration in config.json",
        .path.display()
    )]
    Restore {
        /// Folder of the checkpoint.
        path: PathBuf,
        /// What does not fit.
        source: StateError,
    },
    /// A run continued with another seed.
    #[error("the run began with seed {found}, not {expected}; resume with seed {found}")]
    Seed {
        /// Seed of the trainer.
        expected: u64,
        /// Seed in the checkpoint.
        found: u64,
    },
    /// A batch could not be read.
    #[error("round {round}: cannot read the batch: {source}")]
    Batch {
        /// The round that wanted it.
        round: u64,
        /// What the data says.
        source: BoxError,
    },
    /// A batch of no pictures: the run would never end.
    #[error("round {round}: the batch is empty; set a batch size of 1 or more")]
    EmptyBatch {
        /// The round that wanted it.
        round: u64,
    },
    /// A file of the run could not be written.
    #[error("{}: cannot write: {source}", .path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Cause.
        source: BoxError,
    },
    /// Rolling back did not help.
    #[error("{0}")]
    Diverged(Box<Diagnosis>),
    /// A hook of somebody else gave up.
    #[error("{0}")]
    Hook(#[source] BoxError),
}
