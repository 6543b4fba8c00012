//! Checkpoints: folders that are there whole or not at all.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::RunDir;
use super::atomic::{is_temporary, remove_temporaries, sync_folder, temporary_name};
pub use super::checkpoint_file::Best;
use super::checkpoint_file::{
    FORMAT, FileEntry, MANIFEST, Manifest, NUMBERS, Numbers, json, tensor_files,
};
use super::checkpoint_folder::{put_in_place, read_folder, remove, write_folder};
use super::error::{CheckpointError, Damage};
use crate::game::{Clock, State};

/// Ends the names of checkpoints that were made because the run was stopped. They go when the next
/// scheduled one is there, so that stopping leaves no trace in the finished run.
const STOPPED: &str = "-stopped";

/// The checkpoints of a run.
///
/// Each is a folder named by its round:
///
/// ```text
/// checkpoints/000000120/
///   critic.safetensors …   one file per group of the state
///   state.json             clock and numbers
///   manifest.json          format, size and SHA-256 of each file; written last
/// ```
///
/// A folder is written under a temporary name, every file and the folder are synced, and then it
/// gets its name. The same state gives the same bytes.
#[derive(Debug)]
pub struct Checkpoints {
    folder: PathBuf,
    keep_last: usize,
    best: Option<Best>,
}

/// What goes into a checkpoint besides the state of the game.
#[derive(Clone, Debug, Default)]
pub struct Extra {
    /// Numbers of the trainer and its hooks.
    pub numbers: BTreeMap<String, f64>,
    /// Whether the run was fine; going back after a divergence prefers checkpoints that were.
    pub healthy: bool,
    /// Whether it is made only because the run is being stopped.
    pub stopped: bool,
}

/// A checkpoint that was read and verified.
#[derive(Clone, Debug)]
pub struct Saved {
    /// Its folder.
    pub path: PathBuf,
    /// Where in the run it was made.
    pub clock: Clock,
    /// The game.
    pub state: State,
    /// Numbers of the trainer and its hooks.
    pub numbers: BTreeMap<String, f64>,
    /// The best checkpoint at that time.
    pub best: Option<Best>,
    /// Whether the run was fine.
    pub healthy: bool,
}

/// What a search for a checkpoint found.
#[derive(Clone, Debug)]
pub struct Found {
    /// The newest one that is good.
    pub good: Option<Saved>,
    /// Newer ones that had to be passed over, newest first.
    pub damaged: Vec<Damage>,
}

/// Which of two values is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Better {
    /// The smaller one, as for FID.
    Lower,
    /// The larger one, as for the inception score.
    Higher,
}

/// A folder that has the name of a checkpoint; sorts by age.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Entry {
    round: u64,
    stopped: bool,
    path: PathBuf,
}

impl Checkpoints {
    /// The checkpoints of `run`, of which the last `keep_last` (at least 1), the best, and the last
    /// one from before any trouble are kept.
    pub fn new(run: &RunDir, keep_last: usize) -> Self {
        Self {
            folder: run.checkpoints(),
            keep_last: keep_last.max(1),
            best: None,
        }
    }

    /// Writes a checkpoint, then removes what need not be kept. Returns its folder.
    ///
    /// Checkpoints of later rounds are removed too: they are of a course that was given up.
    ///
    /// # Errors
    ///
    /// If the folder is full, read-only or gone, or a tensor cannot be stored. Then nothing of the
    /// new checkpoint stays, and the others are as they were.
    pub fn save(
        &mut self,
        state: &State,
        clock: &Clock,
        extra: &Extra,
    ) -> Result<PathBuf, CheckpointError> {
        let mut files = tensor_files(state)?;
        let numbers = Numbers::new(*clock, self.best.as_ref(), &state.numbers, &extra.numbers);
        files.insert(NUMBERS.into(), json(&numbers));
        let manifest = Manifest {
            format: FORMAT,
            gan_core: env!("CARGO_PKG_VERSION").into(),
            healthy: extra.healthy,
            files: files
                .iter()
                .map(|(name, bytes)| (name.clone(), FileEntry::of(bytes)))
                .collect(),
            sha256: String::new(),
        };
        let suffix = if extra.stopped { STOPPED } else { "" };
        let name = format!("{:09}{suffix}", clock.round);
        let path = self.folder.join(&name);
        let temporary = temporary_name(&path);
        let written = write_folder(&temporary, &files, &manifest.seal())
            .and_then(|()| put_in_place(&temporary, &path));
        if let Err(source) = written {
            // The first error is the one to report.
            let _ = fs::remove_dir_all(&temporary);
            return Err(CheckpointError::Write {
                folder: self.folder.clone(),
                name,
                source,
            });
        }
        sync_folder(&self.folder);
        self.prune(clock.round, extra.stopped)?;
        Ok(path)
    }

    /// Looks for the newest good checkpoint. Every byte is verified.
    ///
    /// # Errors
    ///
    /// If the folder cannot be read. Damaged checkpoints are no error; they are in
    /// [`Found::damaged`].
    pub fn latest_good(&self) -> Result<Found, CheckpointError> {
        self.newest(|_| true)
    }

    /// Looks for the newest good checkpoint that was made while the run was fine, else for the
    /// newest good one.
    ///
    /// # Errors
    ///
    /// If the folder cannot be read.
    pub fn latest_healthy(&self) -> Result<Found, CheckpointError> {
        let found = self.newest(|saved| saved.healthy)?;
        if found.good.is_some() {
            return Ok(found);
        }
        self.latest_good()
    }

    /// Reads one checkpoint and verifies it.
    ///
    /// # Errors
    ///
    /// [`Damage`], naming the file and what is wrong with it.
    pub fn load(path: &Path) -> Result<Saved, Damage> {
        read_folder(path).map_err(|reason| Damage {
            path: path.to_path_buf(),
            reason,
        })
    }

    /// The best checkpoint so far.
    pub fn best(&self) -> Option<&Best> {
        self.best.as_ref()
    }

    /// Takes over what the checkpoint that the run goes on from knew about the best one.
    pub fn restore_best(&mut self, best: Option<Best>) {
        self.best = best;
    }

    /// The folder of a checkpoint by round.
    pub fn path_of(&self, round: u64) -> PathBuf {
        self.folder.join(format!("{round:09}"))
    }

    /// Notes that the checkpoint about to be made after `clock` is the best, if it is. Returns
    /// whether it is; a value that is not a number never is.
    pub fn mark_best(&mut self, metric: &str, value: f64, better: Better, clock: &Clock) -> bool {
        let improves = match &self.best {
            Some(best) if best.metric == metric => match better {
                Better::Lower => value < best.value,
                Better::Higher => value > best.value,
            },
            _ => !value.is_nan(),
        };
        if improves {
            self.best = Some(Best {
                metric: metric.into(),
                value,
                round: clock.round,
            });
        }
        improves
    }

    /// Removes the checkpoints made after `round`, newest first.
    ///
    /// # Errors
    ///
    /// If a folder cannot be removed.
    pub fn discard_after(&self, round: u64) -> Result<(), CheckpointError> {
        for entry in self.entries()?.iter().rev() {
            if entry.round > round {
                remove(&entry.path)?;
            }
        }
        Ok(())
    }

    /// Removes what a crash left half-written. Only for the process that has the run's lock.
    ///
    /// # Errors
    ///
    /// If it cannot be removed.
    pub fn remove_half_written(&self) -> Result<(), CheckpointError> {
        remove_temporaries(&self.folder).map_err(self.error("tidy up the folder"))
    }

    fn newest(&self, wanted: impl Fn(&Saved) -> bool) -> Result<Found, CheckpointError> {
        let mut damaged = Vec::new();
        for entry in self.entries()?.into_iter().rev() {
            match Self::load(&entry.path) {
                Ok(saved) if wanted(&saved) => {
                    return Ok(Found {
                        good: Some(saved),
                        damaged,
                    });
                }
                Ok(_) => {}
                Err(damage) => damaged.push(damage),
            }
        }
        Ok(Found {
            good: None,
            damaged,
        })
    }

    /// The new checkpoint of `round` is in place: what else stays?
    pub(super) fn prune(&self, round: u64, stopped: bool) -> Result<(), CheckpointError> {
        self.discard_after(round)?;
        let (stops, scheduled): (Vec<_>, Vec<_>) =
            self.entries()?.into_iter().partition(|entry| entry.stopped);
        for entry in &stops {
            if !stopped || entry.round < round {
                remove(&entry.path)?;
            }
        }
        if stopped {
            return Ok(());
        }
        let surplus = scheduled.len().saturating_sub(self.keep_last);
        let is_healthy = |entry: &Entry| {
            let manifest = fs::read(entry.path.join(MANIFEST)).unwrap_or_default();
            Manifest::open(&manifest).is_ok_and(|manifest| manifest.healthy)
        };
        let healthy = scheduled.iter().rev().find(|entry| is_healthy(entry));
        for entry in &scheduled[..surplus] {
            let best = self
                .best
                .as_ref()
                .is_some_and(|best| best.round == entry.round);
            if !best && healthy != Some(entry) {
                remove(&entry.path)?;
            }
        }
        Ok(())
    }

    /// All folders with names of checkpoints, oldest first.
    fn entries(&self) -> Result<Vec<Entry>, CheckpointError> {
        let folder = match fs::read_dir(&self.folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            folder => folder.map_err(self.error("read the folder"))?,
        };
        let mut entries = Vec::new();
        for entry in folder {
            let entry = entry.map_err(self.error("read the folder"))?;
            let name = entry.file_name();
            let Some(name) = name.to_str().filter(|name| !is_temporary(name)) else {
                continue;
            };
            let (digits, stopped) = match name.strip_suffix(STOPPED) {
                Some(digits) => (digits, true),
                None => (name, false),
            };
            let is_round = digits.len() >= 9 && digits.bytes().all(|byte| byte.is_ascii_digit());
            if let (true, Ok(round)) = (is_round, digits.parse()) {
                entries.push(Entry {
                    round,
                    stopped,
                    path: entry.path(),
                });
            }
        }
        entries.sort();
        Ok(entries)
    }

    fn error(&self, action: &'static str) -> impl Fn(io::Error) -> CheckpointError + '_ {
        move |source| CheckpointError::Folder {
            path: self.folder.clone(),
            action,
            source,
        }
    }
}
