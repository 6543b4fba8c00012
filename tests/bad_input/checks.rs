//! Programs that must refuse.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::common::{TINY, run};

/// Every program gives up sooner than this.
pub const LIMIT: Duration = Duration::from_secs(20);

/// Collects what went wrong, so that one run of the tests shows all of it.
pub struct Checks {
    pub folder: tempfile::TempDir,
    count: usize,
    wrong: Vec<String>,
}

impl Checks {
    pub fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            count: 0,
            wrong: Vec::new(),
        }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A new file.
    pub fn file(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, bytes).unwrap();
        path
    }

    /// The program must refuse, in one line with all `words`.
    pub fn refused(&mut self, program: &str, flags: &[&str], words: &[&str]) {
        self.count += 1;
        let output = run(program, self.folder.path(), flags, LIMIT);
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        let errors: Vec<&str> = text
            .lines()
            .filter(|line| line.contains("error:"))
            .collect();
        let mut complaints = Vec::new();
        if output
            .status
            .code()
            .is_none_or(|code| !(1..=2).contains(&code))
        {
            complaints.push(format!("ended with {}", output.status));
        }
        if errors.len() != 1 || !errors[0].starts_with("error: ") {
            complaints.push("not exactly one line begins with `error: `".to_owned());
        }
        for word in words {
            if !text.contains(word) {
                complaints.push(format!("does not say `{word}`"));
            }
        }
        if ["panicked", "defect", "RUST_BACKTRACE"]
            .iter()
            .any(|word| text.contains(word))
        {
            complaints.push("is a panic".to_owned());
        }
        if !complaints.is_empty() {
            self.wrong.push(format!(
                "{program} {flags:?}\n  {}\n  it said: {text}",
                complaints.join(", ")
            ));
        }
    }

    /// Training must be refused.
    pub fn train(&mut self, flags: &[&str], words: &[&str]) {
        let all = [TINY, &["--kimg", "0.064", "--quiet"], flags].concat();
        self.refused("mnist_gan", &all, words);
    }

    /// Training on this data must be refused, with the name of the file.
    pub fn data(&mut self, path: &Path, words: &[&str]) {
        let path = path.to_str().unwrap();
        // Without --quiet: the line must come on top of everything else that is printed.
        let flags = [
            "--preset", "vanilla", "--batch", "4", "--kimg", "0.064", "--data", path,
        ];
        self.refused("mnist_gan", &flags, words);
    }

    pub fn done(self, at_least: usize) {
        assert!(
            self.wrong.is_empty(),
            "{} of {}:\n{}",
            self.wrong.len(),
            self.count,
            self.wrong.join("\n")
        );
        assert!(self.count >= at_least, "only {} bad inputs", self.count);
    }
}
