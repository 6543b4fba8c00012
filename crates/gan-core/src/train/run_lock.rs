//! One process at a time trains in a run.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::path::Path;

use super::error::RunDirError;

/// The right to train in a run; given back when dropped.
#[derive(Debug)]
pub struct RunLock {
    file: File,
    taken_over_from: Option<u32>,
}

impl RunLock {
    /// See [`RunDir::lock`](super::RunDir::lock); `run` is the folder.
    pub(super) fn take(run: &Path) -> Result<Self, RunDirError> {
        let path = run.join(".lock");
        let error = |action| RunDirError::io(&path, action);
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(error("create the file"))?;
        let mut owner = String::new();
        let held = match file.try_lock() {
            Ok(()) => false,
            Err(TryLockError::WouldBlock) => true,
            // Some network file systems have no locks; that must not keep anybody from training.
            Err(TryLockError::Error(cause)) if cause.kind() == io::ErrorKind::Unsupported => false,
            Err(TryLockError::Error(cause)) => return Err(error("lock the file")(cause)),
        };
        // A broken `.lock` is as good as an empty one.
        let _ = file.read_to_string(&mut owner);
        let owner = owner.trim().parse().ok();
        if held {
            return Err(RunDirError::InUse {
                path: run.to_path_buf(),
                process: owner,
            });
        }
        file.set_len(0)
            .and_then(|()| file.rewind())
            .and_then(|()| writeln!(file, "{}", std::process::id()))
            .map_err(error("write the file"))?;
        Ok(Self {
            file,
            taken_over_from: owner,
        })
    }

    /// The process that had the lock and died without giving it back.
    pub fn taken_over_from(&self) -> Option<u32> {
        self.taken_over_from
    }
}

impl Drop for RunLock {
    fn drop(&mut self) {
        // The file stays: removing it would let two processes lock two files of one name.
        let _ = self.file.set_len(0);
        let _ = self.file.unlock();
    }
}
