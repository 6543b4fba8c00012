//! Files of JSON lines: `log.jsonl`, a line per log interval, and `metric-NAME.jsonl`, a line per
//! evaluation.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::error::RunDirError;
use crate::game::Clock;

/// A line of `log.jsonl`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LogEntry {
    /// Rounds played.
    pub round: u64,
    /// Real pictures shown to the critic, in thousands.
    pub kimg: f64,
    /// What the round reported; `None` where it was not finite.
    #[serde(flatten)]
    pub values: BTreeMap<String, Option<f32>>,
    /// The values that were not finite, as text: `NaN`, `inf`, `-inf`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub non_finite: BTreeMap<String, String>,
}

impl LogEntry {
    /// The line for a round after which the clock stands at `clock`.
    pub fn new(clock: &Clock, values: &[(&str, f32)]) -> Self {
        let finite = |value: f32| value.is_finite().then_some(value);
        Self {
            round: clock.round,
            kimg: clock.kimg(),
            values: values
                .iter()
                .map(|(name, value)| ((*name).to_owned(), finite(*value)))
                .collect(),
            non_finite: values
                .iter()
                .filter(|(_, value)| !value.is_finite())
                .map(|(name, value)| ((*name).to_owned(), value.to_string()))
                .collect(),
        }
    }
}

/// A line of `metric-NAME.jsonl`: a score, and how it was made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MetricEntry {
    /// Rounds played.
    pub round: u64,
    /// Real pictures shown to the critic, in thousands.
    pub kimg: f64,
    /// The score; `None` where it was not finite.
    pub value: Option<f64>,
    /// The features it was computed from, with weights and resizing, as in `digits-1fb9a6ca`.
    pub features: String,
    /// Generated pictures.
    pub samples: u64,
    /// Real pictures they were compared with; 0 if with none.
    #[serde(default)]
    pub reals: u64,
    /// The data set that the real pictures are from.
    pub data: String,
}

/// Reads a log. A last line that is cut off is left out; no file is an empty log.
///
/// # Errors
///
/// If the file cannot be read, or a line in the middle is not what was written there.
pub fn read_log(path: &Path) -> Result<Vec<LogEntry>, RunDirError> {
    read_lines(path)
}

/// Reads the scores that an [`Evaluate`](super::Evaluate) wrote, as [`read_log`] reads a log.
///
/// # Errors
///
/// If the file cannot be read, or a line in the middle is not what was written there.
pub fn read_metric(path: &Path) -> Result<Vec<MetricEntry>, RunDirError> {
    read_lines(path)
}

fn read_lines<T: DeserializeOwned>(path: &Path) -> Result<Vec<T>, RunDirError> {
    let text = match fs::read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        text => text.map_err(RunDirError::io(path, "read the file"))?,
    };
    let mut entries = Vec::new();
    for (index, line) in text.split_inclusive(|byte| *byte == b'\n').enumerate() {
        if !line.ends_with(b"\n") {
            break;
        }
        let entry = serde_json::from_slice(line).map_err(|error| RunDirError::Malformed {
            path: path.to_path_buf(),
            reason: format!("line {}: {error}", index + 1),
        })?;
        entries.push(entry);
    }
    Ok(entries)
}

/// The lines that are what they should be, and how many are not: for readers who do with less.
pub(crate) fn readable_lines<T: DeserializeOwned>(text: &[u8]) -> (Vec<T>, usize) {
    let lines = text.split(|byte| *byte == b'\n');
    let lines = lines.filter(|line| !line.trim_ascii().is_empty());
    let mut damaged = 0;
    let read = lines.filter_map(|line| {
        let read = serde_json::from_slice(line).ok();
        damaged += usize::from(read.is_none());
        read
    });
    (read.collect(), damaged)
}

/// The log while the run writes it.
#[derive(Debug)]
pub(crate) struct LogWriter(File);

impl LogWriter {
    /// Goes on writing after the last line at or before `clock`; what is later, or was cut off, is
    /// removed.
    pub fn open(path: &Path, clock: &Clock) -> io::Result<Self> {
        #[derive(Deserialize)]
        struct Round {
            round: u64,
        }
        let text = match fs::read(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            text => text?,
        };
        let is_kept = |line: &&[u8]| {
            line.ends_with(b"\n")
                && serde_json::from_slice::<Round>(line).is_ok_and(|line| line.round <= clock.round)
        };
        let kept: usize = text
            .split_inclusive(|byte| *byte == b'\n')
            .take_while(is_kept)
            .map(<[u8]>::len)
            .sum();
        let file = OpenOptions::new().create(true).append(true).open(path)?;
        file.set_len(kept as u64)?;
        Ok(Self(file))
    }

    /// Whether no line was kept or written.
    pub fn is_empty(&self) -> io::Result<bool> {
        Ok(self.0.metadata()?.len() == 0)
    }

    /// Adds a line.
    pub fn write(&mut self, entry: &impl Serialize) -> io::Result<()> {
        let mut line = serde_json::to_vec(entry)?;
        line.push(b'\n');
        self.0.write_all(&line)
    }

    /// Waits until all lines are on the disk.
    pub fn sync(&self) -> io::Result<()> {
        self.0.sync_all()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clock(round: u64) -> Clock {
        Clock {
            seed: 0,
            round,
            images: round * 64,
        }
    }

    #[test]
    fn a_line_reads_back_as_it_was() {
        let entry = LogEntry::new(&clock(3), &[("critic", 0.1), ("penalty", f32::NAN)]);
        let line = serde_json::to_string(&entry).unwrap();
        assert_eq!(
            line,
            r#"{"round":3,"kimg":0.192,"critic":0.1,"penalty":null,"non_finite":{"penalty":"NaN"}}"#
        );
        assert_eq!(serde_json::from_str::<LogEntry>(&line).unwrap(), entry);
    }

    #[test]
    fn reopening_keeps_exactly_the_lines_up_to_the_clock() {
        let path = std::env::temp_dir().join(format!("gan-core-log-{}", std::process::id()));
        let _ = fs::remove_file(&path);
        let mut log = LogWriter::open(&path, &clock(0)).unwrap();
        for round in [2, 4, 6] {
            log.write(&LogEntry::new(&clock(round), &[])).unwrap();
        }
        let whole = fs::read(&path).unwrap();
        // Cut anywhere: what is complete stays, and nothing else.
        for length in 0..=whole.len() {
            fs::write(&path, &whole[..length]).unwrap();
            assert!(read_log(&path).unwrap().len() <= 3);
            for at in 0..8 {
                fs::write(&path, &whole[..length]).unwrap();
                LogWriter::open(&path, &clock(at)).unwrap();
                let rounds: Vec<_> = read_log(&path).unwrap().iter().map(|e| e.round).collect();
                let lines = whole[..length]
                    .iter()
                    .filter(|byte| **byte == b'\n')
                    .count() as u64;
                let expected: Vec<_> = (1..=lines).map(|n| n * 2).filter(|r| *r <= at).collect();
                assert_eq!(rounds, expected, "cut at {length}, resumed at {at}");
            }
        }
        fs::write(&path, b"{\"round\":1,\"kimg\":0}\nrubbish\n").unwrap();
        let message = read_log(&path).unwrap_err().to_string();
        assert!(message.contains("line 2"), "{message}");
        fs::remove_file(&path).unwrap();
        assert!(read_log(&path).unwrap().is_empty());
    }
}
