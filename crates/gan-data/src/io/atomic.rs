//! Files that appear whole or not at all.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::DataError;

/// Writes a file so that a reader, a crash or a full disk never leaves half of it: the bytes go to
/// `NAME.tmp-PID` in the same folder, are synced, and take the name in one step. On an error the
/// temporary file is removed and an existing file of the name stays as it was.
///
/// # Errors
///
/// [`DataError::Io`] names the file and the cause: no such folder, no permission, disk full.
pub fn write_atomically(path: impl AsRef<Path>, bytes: &[u8]) -> Result<(), DataError> {
    write_with(path.as_ref(), |file| {
        file.write_all(bytes)?;
        file.sync_all()
    })?;
    sync_folder(path.as_ref());
    Ok(())
}

/// Like [`write_atomically`] without waiting for the disk, for thousands of files that are easily
/// made again: safe against errors and a killed program, not against a power cut.
pub(super) fn write_unsynced(path: &Path, bytes: &[u8]) -> Result<(), DataError> {
    write_with(path, |file| file.write_all(bytes))
}

fn write_with(
    path: &Path,
    fill: impl FnOnce(&mut File) -> io::Result<()>,
) -> Result<(), DataError> {
    let temporary = temporary_name(path)?;
    let written = create_and_fill(path, &temporary, fill);
    if written.is_err() {
        // the first error is the one to report
        let _ = fs::remove_file(&temporary);
    }
    written
}

fn create_and_fill(
    path: &Path,
    temporary: &Path,
    fill: impl FnOnce(&mut File) -> io::Result<()>,
) -> Result<(), DataError> {
    let error = |action| move |source| DataError::io(path, action, source);
    let mut file = File::create(temporary).map_err(error("create the file"))?;
    fill(&mut file).map_err(error("write the file"))?;
    drop(file);
    fs::rename(temporary, path).map_err(error("put the finished file in its place"))
}

/// Makes the name survive a power cut as well; not every file system can do it.
fn sync_folder(path: &Path) {
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    if let Ok(folder) = File::open(folder.unwrap_or(Path::new("."))) {
        let _ = folder.sync_all();
    }
}

fn temporary_name(path: &Path) -> Result<PathBuf, DataError> {
    let name = path.file_name().ok_or_else(|| {
        let source = io::Error::new(io::ErrorKind::InvalidInput, "this is not a file name");
        DataError::io(path, "create the file", source)
    })?;
    let mut temporary = OsString::from(name);
    temporary.push(format!(".tmp-{}", std::process::id()));
    Ok(path.with_file_name(temporary))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<OsString> {
        fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect()
    }

    #[test]
    fn a_file_is_replaced_and_nothing_else_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.png");
        write_atomically(&path, b"one").unwrap();
        write_atomically(&path, b"two").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(names(folder.path()), ["a.png"]);
    }

    #[test]
    fn a_full_disk_leaves_the_old_file_and_no_other() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.png");
        write_atomically(&path, b"old").unwrap();
        let error = write_with(&path, |file| {
            file.write_all(b"half of the new o")?;
            Err(io::ErrorKind::StorageFull.into())
        });
        let message = error.unwrap_err().to_string();
        assert!(
            message.contains("a.png: cannot write the file"),
            "{message}"
        );
        assert!(message.contains("free some space"), "{message}");
        assert_eq!(fs::read(&path).unwrap(), b"old");
        assert_eq!(names(folder.path()), ["a.png"]);
    }

    #[test]
    fn bad_places_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let missing = folder.path().join("missing/a.png");
        let message = write_atomically(&missing, b"x").unwrap_err().to_string();
        assert!(
            message.contains("missing/a.png: cannot create the file"),
            "{message}"
        );

        fs::write(folder.path().join("file"), b"x").unwrap();
        let below = folder.path().join("file/a.png");
        let message = write_atomically(&below, b"x").unwrap_err().to_string();
        assert!(
            message.contains("file/a.png: cannot create the file"),
            "{message}"
        );

        let taken = folder.path().join("taken");
        fs::create_dir(&taken).unwrap();
        let message = write_atomically(&taken, b"x").unwrap_err().to_string();
        assert!(
            message.contains("taken: cannot put the finished file in its place"),
            "{message}"
        );
        let mut left = names(folder.path());
        left.sort();
        assert_eq!(left, ["file", "taken"]);

        let message = write_atomically("/", b"x").unwrap_err().to_string();
        assert!(message.contains("not a file name"), "{message}");
    }
}
