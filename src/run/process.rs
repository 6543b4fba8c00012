//! What a program asks of the operating system.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::Failure;
use crate::progress::Screen;

/// A flag that the first Ctrl-C sets; the second one ends the program on the spot.
pub(super) fn stop_on_ctrl_c(screen: &Screen) -> Result<Arc<AtomicBool>, Failure> {
    let stop = Arc::new(AtomicBool::new(false));
    let (flag, screen) = (stop.clone(), screen.clone());
    let first = Mutex::new(None);
    let handler = move || {
        // `timeout` and some shells send the same signal twice; a person takes longer.
        let mut first = first.lock().unwrap_or_else(PoisonError::into_inner);
        let first = first.get_or_insert_with(Instant::now);
        if flag.swap(true, Ordering::Relaxed) {
            if first.elapsed() > Duration::from_secs(1) {
                std::process::exit(130);
            }
            return;
        }
        screen.note("saving a checkpoint and leaving; Ctrl-C once more leaves at once");
    };
    match ctrlc::set_handler(handler) {
        // A second session in one process, as in tests, leaves the handler to the first.
        Ok(()) | Err(ctrlc::Error::MultipleHandlers) => Ok(stop),
        Err(error) => Err(error.into()),
    }
}

/// Bytes in the unit that a person is told.
pub(super) fn mebibytes(bytes: usize) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

/// Most memory this process has had, in bytes, where the system tells.
pub(super) fn peak_memory() -> Option<usize> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(
        line.trim()
            .strip_suffix("kB")?
            .trim()
            .parse::<usize>()
            .ok()?
            * 1024,
    )
}

/// A path with its folder made, so that a file can be written there; of a symbolic link, what it
/// leads to.
///
/// # Errors
///
/// If the name ends in another kind of file than `extension`, is that of a folder or a device, or the
/// folder cannot be made; `flag` is named.
pub fn writable(path: &Path, flag: &str, extension: &str) -> Result<PathBuf, Failure> {
    let other = path
        .extension()
        .filter(|other| !other.eq_ignore_ascii_case(extension));
    if let Some(other) = other {
        return Err(Failure::usage(format!(
            "{flag} {}: what is written is not a .{} file; end the name in .{extension}",
            path.display(),
            other.display()
        )));
    }
    if let Some(folder) = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
    {
        std::fs::create_dir_all(folder).map_err(|error| {
            let shown = folder.display();
            Failure::new(format!(
                "{flag} {shown}: cannot make the folder: {error}; choose another one"
            ))
        })?;
    }
    // What is written takes the name at the end, and would take it from a device or a pipe as well.
    match std::fs::metadata(path) {
        Ok(found) if !found.is_file() => Err(Failure::usage(format!(
            "{flag} {}: this is no file; give the name of one",
            path.display()
        ))),
        Ok(_) => Ok(std::fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf())),
        Err(_) => Ok(path.to_path_buf()),
    }
}
