//! What can be wrong with a set of pictures or features.

use std::fmt::Display;
use std::io;
use std::path::{Path, PathBuf};

use gan_core::weights::WeightsError;

/// A score that cannot be computed, and why.
///
/// The text of every variant is one line that names the set, file or setting at fault and says what
/// to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MetricError {
    /// A set is too small for a score.
    #[error(
        "{set}: {} too few for {score}, which needs at least {needed}; {advice}", pictures_are(.found)
    )]
    TooFew {
        /// Which set: "the real pictures", "class 3 of the generated pictures".
        set: String,
        /// The score, by name.
        score: &'static str,
        /// Pictures in the set.
        found: u64,
        /// Pictures wanted.
        needed: u64,
        /// What to do.
        advice: String,
    },
    /// Two things that are compared have different sizes, or a buffer has not the size it should.
    #[error("{what}: {found} instead of {expected}; {advice}")]
    Size {
        /// What is of the wrong size.
        what: String,
        /// Its size.
        found: usize,
        /// The size it should have.
        expected: usize,
        /// What to do.
        advice: String,
    },
    /// A feature or a pixel that is NaN or infinite.
    #[error(
        "{set}: value {column} of item {row} is {value}; check the pictures and the weights of the features"
    )]
    NotFinite {
        /// Which set.
        set: String,
        /// Which picture, from 0.
        row: u64,
        /// Which of its values, from 0.
        column: usize,
        /// The value: `NaN`, `inf`.
        value: f64,
    },
    /// A setting that is not allowed.
    #[error("`{field}` is {value}; it must be {allowed}")]
    Setting {
        /// Name of the field or flag.
        field: &'static str,
        /// What was given.
        value: String,
        /// What would be right, as a phrase that continues "it must be …".
        allowed: String,
    },
    /// Pictures that cannot be used: sizes that differ, one that cannot be read.
    #[error("{place}: {reason}")]
    Pictures {
        /// The file, folder or set.
        place: String,
        /// What is wrong, and what to do.
        reason: String,
    },
    /// A weights file that is not the right one, or not whole.
    #[error("{}: {reason}", .path.display())]
    Weights {
        /// The file.
        path: PathBuf,
        /// What is wrong, and what to do.
        reason: String,
    },
    /// The operating system said no.
    #[error("{}: cannot {action}: {source}", .path.display())]
    Io {
        /// File or folder.
        path: PathBuf,
        /// What was tried, as in "read the file".
        action: &'static str,
        /// Its answer.
        source: io::Error,
    },
}

impl MetricError {
    /// A [`MetricError::Io`]; `action` is a verb with its object: `read the file`.
    pub fn io(path: impl AsRef<Path>, action: &'static str) -> impl FnOnce(io::Error) -> Self {
        let path = path.as_ref().to_path_buf();
        move |source| Self::Io {
            path,
            action,
            source,
        }
    }

    /// A [`MetricError::Weights`].
    pub fn weights(path: impl AsRef<Path>, reason: impl Into<String>) -> Self {
        Self::Weights {
            path: path.as_ref().to_path_buf(),
            reason: reason.into(),
        }
    }

    /// A [`MetricError::Setting`].
    pub fn setting(field: &'static str, value: impl ToString, allowed: impl Into<String>) -> Self {
        Self::Setting {
            field,
            value: value.to_string(),
            allowed: allowed.into(),
        }
    }
}

fn pictures_are(count: &u64) -> String {
    match count {
        1 => "1 picture is".into(),
        count => format!("{count} pictures are"),
    }
}

impl From<WeightsError> for MetricError {
    fn from(error: WeightsError) -> Self {
        match error {
            WeightsError::Io {
                path,
                action,
                source,
            } => Self::Io {
                path,
                action,
                source,
            },
            WeightsError::File { path, reason } => Self::Weights { path, reason },
            other => Self::weights("weights", other.to_string()),
        }
    }
}

/// The one of `all` whose name is `text`, or else all names, with commas between them.
pub(crate) fn by_name<T: Copy, const N: usize>(
    text: &str,
    all: [T; N],
    name: fn(T) -> &'static str,
) -> Result<T, String> {
    let found = all.into_iter().find(|one| name(*one) == text);
    found.ok_or_else(|| all.map(name).join(", "))
}

/// A [`MetricError::Size`], unless the sizes are equal.
pub(crate) fn check_size(
    what: impl Display,
    found: usize,
    expected: usize,
    advice: impl Display,
) -> Result<(), MetricError> {
    if found == expected {
        return Ok(());
    }
    Err(MetricError::Size {
        what: what.to_string(),
        found,
        expected,
        advice: advice.to_string(),
    })
}

/// A [`MetricError::TooFew`], unless there are enough.
pub(crate) fn check_count(
    set: impl Display,
    score: &'static str,
    found: u64,
    needed: u64,
    advice: impl Display,
) -> Result<(), MetricError> {
    if found >= needed {
        return Ok(());
    }
    Err(MetricError::TooFew {
        set: set.to_string(),
        score,
        found,
        needed,
        advice: advice.to_string(),
    })
}
