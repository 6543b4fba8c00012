//! The folder of a run.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde_json::Value;

use super::atomic::{remove_temporaries, write_atomically};
use super::error::RunDirError;
use super::{DataInfo, RunInfo, RunLock, config_difference};

/// Begins the names of files of scores.
const METRIC: &str = "metric-";
/// Ends them.
const LINES: &str = ".jsonl";

/// The folder of one run. Only this type knows where things are.
///
/// ```text
/// runs/00000-mnist/
///   config.json   run.json   log.jsonl   timing.jsonl   notices.jsonl
///   loss.png      reals.png  report.html
///   metric-fid.jsonl         metric.png
///   evaluation.json          neighbours.png
///   samples/      000100kimg.png …
///   checkpoints/  000000120/ …
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunDir {
    path: PathBuf,
}

impl RunDir {
    /// Makes the next numbered folder, `root/00000-name`; `root` too, if it is not there.
    ///
    /// Safe against other processes doing the same: no two get one number. Characters of `name`
    /// other than ASCII letters, digits, `-`, `_` and `.` become `-`.
    ///
    /// # Errors
    ///
    /// If a folder cannot be made.
    pub fn create(root: impl AsRef<Path>, name: &str) -> Result<Self, RunDirError> {
        let root = root.as_ref();
        fs::create_dir_all(root).map_err(RunDirError::io(root, "create the folder"))?;
        let name = sanitize(name);
        let mut number = next_number(root)?;
        loop {
            // Two runs of different names would not collide, so the number itself is claimed with
            // a folder; whoever claims it after it was used sees the run and goes on.
            let claim = root.join(format!(".{number:05}"));
            let path = root.join(format!("{number:05}-{name}"));
            match fs::create_dir(&claim) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                    number += 1;
                    continue;
                }
                claimed => claimed.map_err(RunDirError::io(&path, "create the folder"))?,
            }
            if next_number(root)? > number {
                let _ = fs::remove_dir(&claim);
                number = next_number(root)?;
                continue;
            }
            fs::rename(&claim, &path).map_err(RunDirError::io(&path, "create the folder"))?;
            let run = Self { path };
            run.make_folders()?;
            return Ok(run);
        }
    }

    /// A run that is there. Nothing is changed; training in it goes on where it stopped.
    ///
    /// # Errors
    ///
    /// If there is no such folder or it has no `config.json`.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self, RunDirError> {
        let run = Self { path: path.into() };
        if !run.config().is_file() {
            return Err(RunDirError::NotARun(run.path));
        }
        Ok(run)
    }

    /// The folder itself.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// `config.json`: everything that decides the result.
    pub fn config(&self) -> PathBuf {
        self.path.join("config.json")
    }

    /// `run.json`: see [`RunInfo`].
    pub fn info(&self) -> PathBuf {
        self.path.join("run.json")
    }

    /// `log.jsonl`: one line per log interval.
    pub fn log(&self) -> PathBuf {
        self.path.join("log.jsonl")
    }

    /// `timing.jsonl`: how fast it went; it and `report.html`, which shows it, are the only files that
    /// differ between equal runs.
    pub fn timing(&self) -> PathBuf {
        self.path.join("timing.jsonl")
    }

    /// `notices.jsonl`: what the guards had to say, one [`NoticeEntry`](super::NoticeEntry) per line. Not there if they said
    /// nothing.
    pub fn notices(&self) -> PathBuf {
        self.path.join("notices.jsonl")
    }

    /// `report.html`: all of it on one page.
    pub fn report(&self) -> PathBuf {
        self.path.join("report.html")
    }

    /// `evaluation.json`: the scores of the program `evaluate`, if somebody asked for them.
    pub fn evaluation(&self) -> PathBuf {
        self.path.join("evaluation.json")
    }

    /// `neighbours.png`: samples beside the training pictures nearest to them, if somebody looked.
    pub fn neighbours(&self) -> PathBuf {
        self.path.join("neighbours.png")
    }

    /// `loss.png`: the log as a picture.
    pub fn loss_plot(&self) -> PathBuf {
        self.path.join("loss.png")
    }

    /// `metric-NAME.jsonl`: one line per evaluation.
    pub fn metric(&self, name: &str) -> PathBuf {
        self.path.join(format!("{METRIC}{name}{LINES}"))
    }

    /// The metrics that there are files of, by name.
    ///
    /// # Errors
    ///
    /// If the folder cannot be read.
    pub fn metrics(&self) -> Result<Vec<String>, RunDirError> {
        let error = || RunDirError::io(&self.path, "read the folder");
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.path).map_err(error())? {
            let name = entry.map_err(error())?.file_name();
            let metric = name
                .to_str()
                .and_then(|name| name.strip_prefix(METRIC)?.strip_suffix(LINES));
            names.extend(metric.map(str::to_owned));
        }
        names.sort();
        Ok(names)
    }

    /// `metric.png`: the scores as a picture.
    pub fn metric_plot(&self) -> PathBuf {
        self.path.join("metric.png")
    }

    /// `reals.png`: some of the real pictures.
    pub fn reals(&self) -> PathBuf {
        self.path.join("reals.png")
    }

    /// `samples/`: pictures drawn on the way.
    pub fn samples(&self) -> PathBuf {
        self.path.join("samples")
    }

    /// `checkpoints/`.
    pub fn checkpoints(&self) -> PathBuf {
        self.path.join("checkpoints")
    }

    /// Writes `config.json`.
    ///
    /// # Errors
    ///
    /// If the file cannot be written.
    pub fn write_config(&self, config: &Value) -> Result<(), RunDirError> {
        self.write_json(&self.config(), config)
    }

    /// Reads `config.json`.
    ///
    /// # Errors
    ///
    /// If the file cannot be read or is not JSON.
    pub fn read_config(&self) -> Result<Value, RunDirError> {
        self.read_json(&self.config())
    }

    /// Refuses to go on with another configuration. Top-level keys and dotted paths in `may_change`
    /// (`train.total_kimg`) may differ.
    ///
    /// # Errors
    ///
    /// [`RunDirError::ConfigChanged`] with one line per key; or `config.json` cannot be read.
    pub fn check_config(&self, new: &Value, may_change: &[&str]) -> Result<(), RunDirError> {
        // Through text, as the old one went.
        let new = serde_json::from_str(&new.to_string()).unwrap_or_else(|_| new.clone());
        let allowed = |line: &String| {
            let key = line.split(": ").next().unwrap_or_default();
            may_change.iter().any(|allowed| {
                key.strip_prefix(allowed)
                    .is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
            })
        };
        let mut differences = config_difference(&self.read_config()?, &new);
        differences.retain(|line| !allowed(line));
        if differences.is_empty() {
            return Ok(());
        }
        Err(RunDirError::ConfigChanged {
            path: self.path.clone(),
            differences,
        })
    }

    /// Writes `run.json`.
    ///
    /// # Errors
    ///
    /// If the file cannot be written.
    pub fn write_info(&self, info: &RunInfo) -> Result<(), RunDirError> {
        self.write_json(&self.info(), info)
    }

    /// Reads `run.json`.
    ///
    /// # Errors
    ///
    /// If the file cannot be read or is not what [`write_info`](Self::write_info) wrote.
    pub fn read_info(&self) -> Result<RunInfo, RunDirError> {
        self.read_json(&self.info())
    }

    /// Refuses to go on with other data. A run without `run.json` is not refused.
    ///
    /// # Errors
    ///
    /// [`RunDirError::DataChanged`]; or `run.json` cannot be read.
    pub fn check_data(&self, data: &DataInfo) -> Result<(), RunDirError> {
        if !self.info().exists() {
            return Ok(());
        }
        let old = self.read_info()?.data;
        if old == *data {
            return Ok(());
        }
        let line =
            |key, old: &str, new: &str| (old != new).then(|| format!("{key}: {old} → {new}"));
        Err(RunDirError::DataChanged {
            path: self.path.clone(),
            differences: [
                line("name", &old.name, &data.name),
                line("count", &old.count.to_string(), &data.count.to_string()),
                line("fingerprint", &old.fingerprint, &data.fingerprint),
            ]
            .into_iter()
            .flatten()
            .collect(),
        })
    }

    /// Makes this the only process that trains in the run, until the lock is dropped.
    ///
    /// The operating system gives the lock back when a process dies, however it dies; the file
    /// `.lock` then still has its id, and [`RunLock::taken_over_from`] says so.
    ///
    /// # Errors
    ///
    /// [`RunDirError::InUse`] if another process has it, or the file cannot be made.
    pub fn lock(&self) -> Result<RunLock, RunDirError> {
        RunLock::take(&self.path)
    }

    /// Makes the sub-folders and removes what a crash left half-written. Needs the lock.
    pub(crate) fn tidy(&self) -> Result<(), RunDirError> {
        self.make_folders()?;
        for folder in [self.path.clone(), self.samples(), self.checkpoints()] {
            remove_temporaries(&folder).map_err(RunDirError::io(&folder, "tidy up the folder"))?;
        }
        Ok(())
    }

    fn make_folders(&self) -> Result<(), RunDirError> {
        for folder in [self.samples(), self.checkpoints()] {
            fs::create_dir_all(&folder).map_err(RunDirError::io(&folder, "create the folder"))?;
        }
        Ok(())
    }

    fn write_json(&self, path: &Path, value: &impl Serialize) -> Result<(), RunDirError> {
        let mut bytes =
            serde_json::to_vec_pretty(value).map_err(|error| RunDirError::Malformed {
                path: path.to_path_buf(),
                reason: format!("cannot be written as JSON: {error}"),
            })?;
        bytes.push(b'\n');
        write_atomically(path, &bytes).map_err(RunDirError::io(path, "write the file"))
    }

    fn read_json<T: serde::de::DeserializeOwned>(&self, path: &Path) -> Result<T, RunDirError> {
        let text = fs::read(path).map_err(RunDirError::io(path, "read the file"))?;
        serde_json::from_slice(&text).map_err(|error| RunDirError::Malformed {
            path: path.to_path_buf(),
            reason: format!("not what was written there: {error}"),
        })
    }
}

fn sanitize(name: &str) -> String {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    let name: String = name
        .chars()
        .map(|c| if allowed(c) { c } else { '-' })
        .collect();
    if name.is_empty() { "run".into() } else { name }
}

/// One more than the highest number of a run in `root`.
fn next_number(root: &Path) -> Result<u64, RunDirError> {
    let error = || RunDirError::io(root, "read the folder");
    let number = |name: &OsStr| -> Option<u64> {
        let (number, _) = name.to_str()?.split_once('-')?;
        number.parse().ok()
    };
    let mut next = 0;
    for entry in fs::read_dir(root).map_err(error())? {
        let entry = entry.map_err(error())?;
        if let Some(number) = number(&entry.file_name()) {
            next = next.max(number.saturating_add(1));
        }
    }
    Ok(next)
}
