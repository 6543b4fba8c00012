//! What is in the folder of a run, as far as it can be read.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::evaluation::Evaluation;
use super::picture::Picture;
use crate::train::hooks::Timing;
use crate::train::log_file::readable_lines;
use crate::train::sample_name::When;
use crate::train::{LogEntry, MetricEntry, NoticeEntry, RunDir, RunInfo};

/// Most grids of samples on a page, however long the run.
pub(super) const MOST_GRIDS: usize = 60;
/// Bytes of all their files together. Base64 makes four of three.
pub(super) const GRID_BYTES: u64 = 12 << 20;
/// Bytes of any other picture.
const PICTURE_BYTES: u64 = 4 << 20;
/// Curves of scores; each is a file.
const MOST_METRICS: usize = 12;

/// What is in the folder of a run. A file that is missing or damaged is `None` or empty, and `problems`
/// says so.
#[derive(Debug, Default)]
pub(super) struct RunFiles {
    pub name: String,
    pub info: Option<RunInfo>,
    pub config: Option<Value>,
    pub log: Vec<LogEntry>,
    pub timing: Vec<Timing>,
    pub notices: Vec<NoticeEntry>,
    /// By the name of the score.
    pub metrics: BTreeMap<String, Vec<MetricEntry>>,
    pub evaluation: Option<Evaluation>,
    pub grids: Vec<Grid>,
    /// Grids in the folder, of which `grids` are some.
    pub grids_found: usize,
    pub reals: Option<Picture>,
    pub neighbours: Option<Picture>,
    pub problems: Vec<String>,
}

/// A grid of samples and when it was drawn.
#[derive(Clone, Debug)]
pub(super) struct Grid {
    pub when: When,
    pub picture: Picture,
}

impl RunFiles {
    pub fn read(run: &RunDir) -> Self {
        let mut files = Self {
            name: name_of(run.path()),
            ..Self::default()
        };
        files.info = files.json(&run.info());
        files.config = files.json(&run.config());
        files.log = files.lines(&run.log(), "there are no curves");
        files.timing = files.lines(&run.timing(), "nothing is known about time");
        if run.notices().exists() {
            files.notices = files.lines(&run.notices(), "warnings are unknown");
        }
        files.read_metrics(run);
        if run.evaluation().exists() {
            files.evaluation = files.json(&run.evaluation());
        }
        files.read_grids(&run.samples());
        files.reals = files.picture(&run.reals(), true);
        files.neighbours = files.picture(&run.neighbours(), false);
        files
    }

    fn problem(&mut self, path: &Path, reason: impl std::fmt::Display) {
        let name = name_of(path);
        self.problems.push(format!("{name}: {reason}"));
    }

    fn bytes(&mut self, path: &Path, loss: &str) -> Option<Vec<u8>> {
        match fs::read(path) {
            Ok(bytes) => return Some(bytes),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.problem(path, format_args!("not in the folder{loss}"));
            }
            Err(error) => self.problem(path, format_args!("{error}{loss}")),
        }
        None
    }

    fn json<T: serde::de::DeserializeOwned>(&mut self, path: &Path) -> Option<T> {
        let bytes = self.bytes(path, "")?;
        match serde_json::from_slice(&bytes) {
            Ok(value) => Some(value),
            Err(error) => {
                self.problem(path, format_args!("cannot be understood: {error}"));
                None
            }
        }
    }

    /// The lines that can be read; `loss` is what it means if there are none.
    fn lines<T: serde::de::DeserializeOwned>(&mut self, path: &Path, loss: &str) -> Vec<T> {
        let Some(bytes) = self.bytes(path, &format!("; {loss}")) else {
            return Vec::new();
        };
        let (lines, damaged) = readable_lines(&bytes);
        match damaged {
            0 => {}
            1 => self.problem(path, "1 line is damaged and left out"),
            more => self.problem(path, format_args!("{more} lines are damaged and left out")),
        }
        lines
    }

    fn picture(&mut self, path: &Path, is_expected: bool) -> Option<Picture> {
        if !path.exists() && !is_expected {
            return None;
        }
        match Picture::read(path, PICTURE_BYTES) {
            Ok(picture) => Some(picture),
            Err(reason) => {
                self.problem(path, reason);
                None
            }
        }
    }

    fn read_metrics(&mut self, run: &RunDir) {
        // A folder that cannot be read is told about by its files.
        for name in run
            .metrics()
            .unwrap_or_default()
            .into_iter()
            .take(MOST_METRICS)
        {
            let mut scores: Vec<MetricEntry> =
                self.lines(&run.metric(&name), "the score is unknown");
            scores.retain(|score| score.kimg.is_finite());
            scores.sort_by(|a, b| a.kimg.total_cmp(&b.kimg));
            if !scores.is_empty() {
                self.metrics.insert(name, scores);
            }
        }
    }

    fn read_grids(&mut self, folder: &Path) {
        let mut found: Vec<(When, PathBuf)> = names(folder)
            .into_iter()
            .filter_map(|path| Some((When::of_name(&name_of(&path))?, path)))
            .collect();
        found.sort_by(|a, b| a.partial_cmp(b).unwrap_or(std::cmp::Ordering::Equal));
        self.grids_found = found.len();
        if found.is_empty() {
            self.problems.push("samples: there are no pictures".into());
        }
        let size = |path: &Path| fs::metadata(path).map_or(0, |file| file.len());
        let sizes: Vec<u64> = found.iter().map(|(_, path)| size(path)).collect();
        for index in choose(&sizes, MOST_GRIDS, GRID_BYTES) {
            let (when, path) = &found[index];
            match Picture::read(path, GRID_BYTES) {
                // The last state may have been due for a picture anyway.
                Ok(picture) if *when == When::Last && self.is_last_grid(&picture) => {
                    self.grids_found -= 1
                }
                Ok(picture) => self.grids.push(Grid {
                    when: *when,
                    picture,
                }),
                Err(reason) => self.problem(path, reason),
            }
        }
    }

    fn is_last_grid(&self, picture: &Picture) -> bool {
        self.grids
            .last()
            .is_some_and(|grid| grid.picture.is_same(picture))
    }
}

/// The last part of a path, as well as it can be shown.
fn name_of(path: &Path) -> String {
    let name = path.file_name().unwrap_or(path.as_os_str());
    name.to_string_lossy().into_owned()
}

/// What is in a folder, sorted; nothing if it cannot be read.
fn names(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten();
    let mut paths: Vec<_> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .collect();
    paths.sort();
    paths
}

/// Which of the files with these sizes are shown: evenly chosen, with the first and the last, at most
/// `most` and `bytes` in all. The last alone is chosen however large it is; reading it will tell.
fn choose(sizes: &[u64], most: usize, bytes: u64) -> Vec<usize> {
    let Some(last) = sizes.len().checked_sub(1) else {
        return Vec::new();
    };
    let evenly = |count: usize| -> Vec<usize> {
        (0..count)
            .map(|index| (index * last + (count - 1) / 2) / (count - 1))
            .collect()
    };
    (2..=most.min(sizes.len()))
        .rev()
        .map(evenly)
        .find(|chosen| chosen.iter().map(|index| sizes[*index]).sum::<u64>() <= bytes)
        .unwrap_or_else(|| vec![last])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_files_are_chosen_evenly_and_within_the_limits() {
        assert_eq!(choose(&[], 60, 100), [0usize; 0]);
        assert_eq!(choose(&[1; 1], 60, 100), [0]);
        assert_eq!(choose(&[1; 5], 60, 100), [0, 1, 2, 3, 4]);
        assert_eq!(choose(&[1; 101], 5, 100), [0, 25, 50, 75, 100]);
        assert_eq!(choose(&[10; 9], 60, 30), [0, 4, 8]);
        assert_eq!(choose(&[200; 9], 60, 100), [8]);
        for count in 2..200 {
            let chosen = choose(&vec![1; count], 60, u64::MAX);
            assert_eq!(chosen.len(), count.min(60));
            assert_eq!((chosen[0], chosen[chosen.len() - 1]), (0, count - 1));
            assert!(
                chosen.windows(2).all(|pair| pair[0] < pair[1]),
                "{chosen:?}"
            );
        }
    }
}
