//! The folder of one checkpoint on the disk.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;

use super::atomic::{sync_folder, temporary_name, write_synced};
use super::checkpoint::Saved;
use super::checkpoint_file::{
    FileEntry, MANIFEST, Manifest, NUMBERS, Numbers, group_of, read_tensors, sha256,
};
use super::error::CheckpointError;
use crate::game::State;

/// Writes all files and waits until they are on the disk, the manifest last.
pub(crate) fn write_folder(
    folder: &Path,
    files: &BTreeMap<String, Vec<u8>>,
    manifest: &[u8],
) -> io::Result<()> {
    fs::create_dir(folder)?;
    for (name, bytes) in files {
        write_synced(&folder.join(name), bytes)?;
    }
    write_synced(&folder.join(MANIFEST), manifest)?;
    sync_folder(folder);
    Ok(())
}

/// Gives the folder its name; a damaged one of that name makes way.
pub(crate) fn put_in_place(temporary: &Path, path: &Path) -> io::Result<()> {
    if !path.exists() {
        return fs::rename(temporary, path);
    }
    let mut old = path.as_os_str().to_owned();
    old.push("-old");
    let old = temporary_name(Path::new(&old));
    fs::rename(path, &old)?;
    if let Err(error) = fs::rename(temporary, path) {
        let _ = fs::rename(&old, path);
        return Err(error);
    }
    fs::remove_dir_all(&old)
}

/// Removes a checkpoint so that a crash half-way leaves no half of one.
pub(crate) fn remove(path: &Path) -> Result<(), CheckpointError> {
    let going = temporary_name(path);
    fs::rename(path, &going)
        .and_then(|()| fs::remove_dir_all(&going))
        .map_err(|source| CheckpointError::Folder {
            path: path.to_path_buf(),
            action: "remove the old checkpoint",
            source,
        })
}

/// Reads a checkpoint; says what is wrong with it.
pub(crate) fn read_folder(path: &Path) -> Result<Saved, String> {
    let manifest = path.join(MANIFEST);
    if !manifest.is_file() {
        return Err(format!("{MANIFEST} is missing, so it was never finished"));
    }
    let manifest = fs::read(manifest).map_err(|error| format!("{MANIFEST}: {error}"))?;
    let manifest = Manifest::open(&manifest)?;
    let mut state = State::default();
    let mut numbers = None;
    for (name, entry) in &manifest.files {
        let group = group_of(name);
        if group.is_none() && name != NUMBERS {
            return Err(format!(
                "{MANIFEST} lists `{name}`, which no checkpoint has"
            ));
        }
        let bytes = read_file(&path.join(name), name, entry)?;
        let damaged = |reason| format!("{name} is damaged ({reason})");
        if let Some(group) = group {
            let tensors = read_tensors(&bytes).map_err(damaged)?;
            state.groups.insert(group.to_owned(), tensors);
        } else {
            let read: Numbers =
                serde_json::from_slice(&bytes).map_err(|error| damaged(error.to_string()))?;
            numbers = Some(read);
        }
    }
    let numbers = numbers.ok_or_else(|| format!("{MANIFEST} does not list {NUMBERS}"))?;
    let not_numbers = || format!("{NUMBERS} is damaged (not a number)");
    state.numbers = numbers.game().ok_or_else(not_numbers)?;
    Ok(Saved {
        path: path.to_path_buf(),
        clock: numbers.clock,
        state,
        numbers: numbers.trainer().ok_or_else(not_numbers)?,
        best: numbers.best(),
        healthy: manifest.healthy,
    })
}

/// Reads a file that is as the manifest says.
fn read_file(path: &Path, name: &str, entry: &FileEntry) -> Result<Vec<u8>, String> {
    let size = match fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(format!("{name} is missing"));
        }
        metadata => metadata.map_err(|error| format!("{name}: {error}"))?.len(),
    };
    if size != entry.bytes {
        return Err(format!(
            "{name} has {size} bytes instead of {}, so it is {}",
            entry.bytes,
            if size < entry.bytes {
                "cut off"
            } else {
                "damaged"
            }
        ));
    }
    let bytes = fs::read(path).map_err(|error| format!("{name}: {error}"))?;
    if sha256(&bytes) != entry.sha256 {
        return Err(format!("{name} is damaged (its checksum is wrong)"));
    }
    Ok(bytes)
}
