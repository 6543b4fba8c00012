//! Files that appear whole or not at all, and what a crash leaves of them.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Ends the names of files that are being written; the process id follows.
pub(crate) const TEMPORARY: &str = ".tmp-";

/// Where the bytes for `path` go until they are complete.
pub(crate) fn temporary_name(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or(OsStr::new("file")).to_owned();
    name.push(format!("{TEMPORARY}{}", std::process::id()));
    path.with_file_name(name)
}

/// Whether a crash left this: a name that ends in `.tmp-` and a process id.
pub(crate) fn is_temporary(name: &str) -> bool {
    name.rsplit_once(TEMPORARY).is_some_and(|(_, process)| {
        !process.is_empty() && process.bytes().all(|byte| byte.is_ascii_digit())
    })
}

/// Writes a file under a temporary name, syncs it and gives it its name: a reader, a crash or a full
/// disk never sees half of it.
///
/// # Errors
///
/// Those of the operating system. An existing file of the name then stays as it was.
pub fn write_atomically(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let temporary = temporary_name(path);
    let written = write_synced(&temporary, bytes).and_then(|()| fs::rename(&temporary, path));
    if written.is_err() {
        // The first error is the one to report.
        let _ = fs::remove_file(&temporary);
    }
    written?;
    sync_folder(path.parent().unwrap_or(Path::new(".")));
    Ok(())
}

/// Writes a file and waits until it is on the disk.
pub(crate) fn write_synced(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// Waits until the names in a folder are on the disk. Not every system can, and a run must not end
/// because of that.
pub(crate) fn sync_folder(folder: &Path) {
    let folder = if folder.as_os_str().is_empty() {
        Path::new(".")
    } else {
        folder
    };
    if let Ok(folder) = File::open(folder) {
        let _ = folder.sync_all();
    }
}

/// Removes what a crash left in a folder.
pub(crate) fn remove_temporaries(folder: &Path) -> io::Result<()> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        if !entry.file_name().to_str().is_some_and(is_temporary) {
            continue;
        }
        if entry.file_type()?.is_dir() {
            fs::remove_dir_all(entry.path())?;
        } else {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_unfinished_files_are_temporary() {
        assert!(is_temporary("a.png.tmp-12"));
        assert!(is_temporary("000000001.tmp-7"));
        for name in ["a.png", "tmp-1", "a.tmp-", "a.tmp-x", "a.tmp-1.png"] {
            assert!(!is_temporary(name), "{name}");
        }
        let name = temporary_name(Path::new("x/a.png"));
        assert_eq!(name.parent(), Some(Path::new("x")));
        assert!(is_temporary(name.file_name().unwrap().to_str().unwrap()));
    }
}
