//! `notices.jsonl`: what the guards had to say.

use std::fmt;
use std::fs;
use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::Notice;
use super::atomic::write_atomically;
use super::guard::Diagnosis;
use crate::game::Clock;

/// A line of `notices.jsonl`: something that happened to the course of a run. What happened to a
/// process (it died, it went on) is not there, so that a continued run has the same lines.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NoticeEntry {
    /// Rounds played.
    pub round: u64,
    /// Real pictures shown to the critic, in thousands.
    pub kimg: f64,
    /// `collapse`, `critic_won`, `rolled_back` or `diverged`.
    pub kind: String,
    /// In words.
    pub text: String,
}

const ROLLED_BACK: &str = "rolled_back";

impl NoticeEntry {
    fn new(clock: &Clock, kind: &str, text: impl ToString) -> Self {
        Self {
            round: clock.round,
            kimg: clock.kimg(),
            kind: kind.into(),
            text: text.to_string(),
        }
    }

    fn of(notice: &Notice) -> Option<Self> {
        let (clock, kind) = match notice {
            Notice::Collapse { clock, .. } => (clock, "collapse"),
            Notice::CriticWon { clock } => (clock, "critic_won"),
            Notice::RolledBack { from, .. } => (from, ROLLED_BACK),
            _ => return None,
        };
        Some(Self::new(clock, kind, notice))
    }

    /// Whether it is still true when the run stands at `clock`. That the run went back stays true: it
    /// is why it stands there.
    fn holds_at(&self, clock: &Clock) -> bool {
        self.round <= clock.round || self.kind == ROLLED_BACK
    }
}

/// Tells a person, and remembers what belongs into the file.
pub(super) struct Notices {
    tell: Box<dyn FnMut(&Notice)>,
    /// Sorted by round, each once: a part of the run that is played again says the same again.
    entries: Vec<NoticeEntry>,
}

impl Notices {
    pub fn new(tell: impl FnMut(&Notice) + 'static) -> Self {
        Self {
            tell: Box::new(tell),
            entries: Vec::new(),
        }
    }

    pub fn tell(&mut self, notice: &Notice) {
        if let Some(entry) = NoticeEntry::of(notice) {
            self.add(entry);
        }
        (self.tell)(notice);
    }

    /// Remembers the end of the run.
    pub fn diverged(&mut self, diagnosis: &Diagnosis) {
        self.add(NoticeEntry::new(&diagnosis.clock, "diverged", diagnosis));
    }

    fn add(&mut self, entry: NoticeEntry) {
        if !self.entries.contains(&entry) {
            let at = self
                .entries
                .partition_point(|other| other.round <= entry.round);
            self.entries.insert(at, entry);
        }
    }

    /// Takes back what was said before.
    pub fn read(&mut self, path: &Path) {
        self.entries = read_notices(path).0;
    }

    /// Forgets what is later than `clock`.
    pub fn go_to(&mut self, clock: &Clock) {
        self.entries.retain(|entry| entry.holds_at(clock));
    }

    /// Writes the file; no file if there is nothing to say.
    pub fn write(&self, path: &Path) -> io::Result<()> {
        let mut text = Vec::new();
        for entry in &self.entries {
            serde_json::to_writer(&mut text, entry)?;
            text.push(b'\n');
        }
        match fs::read(path) {
            Ok(old) if old == text => return Ok(()),
            Err(error) if error.kind() == io::ErrorKind::NotFound && text.is_empty() => {
                return Ok(());
            }
            _ => {}
        }
        if text.is_empty() {
            return fs::remove_file(path);
        }
        write_atomically(path, &text)
    }
}

impl fmt::Debug for Notices {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Notices")
            .field("entries", &self.entries)
            .finish_non_exhaustive()
    }
}

/// The lines of `notices.jsonl` that can be read, and how many cannot. No file is no notice.
pub(super) fn read_notices(path: &Path) -> (Vec<NoticeEntry>, usize) {
    let text = fs::read(path).unwrap_or_default();
    super::log_file::readable_lines(&text)
}
