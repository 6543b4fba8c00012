//! `report.html`: a run on one page.

mod charts;
mod curve;
mod evaluation;
mod files;
mod gallery;
mod hook;
mod html;
mod page;
mod picture;
#[cfg(test)]
mod tests;

pub use hook::ReportPage;

use std::path::PathBuf;

use super::RunDir;
use super::atomic::write_atomically;
use super::error::RunDirError;
use files::RunFiles;

/// A command that a person may want next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    /// What it does, as in `Go on`.
    pub title: String,
    /// The line to type.
    pub line: String,
}

impl Command {
    /// A command.
    pub fn new(title: impl Into<String>, line: impl Into<String>) -> Self {
        Self {
            title: title.into(),
            line: line.into(),
        }
    }
}

/// Writes `report.html` into the folder of a run: samples over time beside real pictures, scores, curves,
/// warnings, what was trained on what, and `commands`. One file without anything from outside,
/// whole or not at all; at most 60 grids of samples of 12 MiB in all are in it. Returns its path.
///
/// What it shows comes from the files of the run (and the name of the folder), so the same files give the
/// same page. A file that is missing or damaged is named on the page and is no error.
///
/// # Errors
///
/// If the page cannot be written.
pub fn write_report(run: &RunDir, commands: &[Command]) -> Result<PathBuf, RunDirError> {
    let path = run.report();
    let page = page::page(&RunFiles::read(run), commands);
    write_atomically(&path, page.as_bytes()).map_err(RunDirError::io(&path, "write the file"))?;
    Ok(path)
}
