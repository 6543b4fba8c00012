//! What can go wrong with data, by whose fault.

use std::io;
use std::path::{Path, PathBuf};

/// What went wrong with a data set, a picture file or a download.
///
/// The text of every variant is one line that starts with the file (or `archive.zip!entry`), the
/// address or the setting at fault, says what is wrong with it, and what to do.
#[non_exhaustive]
#[derive(thiserror::Error, Debug)]
pub enum DataError {
    /// The named place does not hold what was asked for. At fault: the path that was given.
    #[error("{}: {message}", shown(.path))]
    NotFound {
        /// The place that was looked at.
        path: PathBuf,
        /// What was looked for, and what to do.
        message: String,
    },
    /// A file is not what its name or header promises. At fault: the file.
    #[error("{}: {message}", shown(.path))]
    Damaged {
        /// The file, or `archive.zip!entry`.
        path: PathBuf,
        /// What is wrong with it, and what to do.
        message: String,
    },
    /// A file may be whole but is not accepted: another kind of picture, a path that climbs out of
    /// its archive, a size over the limit. At fault: the file, or the setting it disagrees with.
    #[error("{}: {message}", shown(.path))]
    Refused {
        /// The file, or `archive.zip!entry`.
        path: PathBuf,
        /// Why it is refused, and what to do.
        message: String,
    },
    /// The operating system refused to read or write. At fault: permissions, a full disk, hardware.
    #[error("{}: cannot {action}: {source}{}", shown(.path), advice(.source))]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What was being done, as a verb: `open the file`.
        action: &'static str,
        /// What the operating system said.
        #[source]
        source: io::Error,
    },
    /// Nothing usable came over the network. At fault: the network or the server.
    #[error("{address}: {message}")]
    Download {
        /// The address or the name of the file that was fetched.
        address: String,
        /// What happened, and what to do.
        message: String,
    },
    /// A setting has a value that makes no sense. At fault: the configuration.
    #[error("{key}: {message}")]
    Config {
        /// The field or flag.
        key: String,
        /// The value it has and what is allowed.
        message: String,
    },
}

impl DataError {
    /// A [`DataError::NotFound`]. Line breaks in `message` become spaces.
    pub fn not_found(path: impl AsRef<Path>, message: impl AsRef<str>) -> Self {
        Self::NotFound {
            path: path.as_ref().to_path_buf(),
            message: one_line(message.as_ref()),
        }
    }

    /// A [`DataError::Damaged`]. Line breaks in `message` become spaces.
    pub fn damaged(path: impl AsRef<Path>, message: impl AsRef<str>) -> Self {
        Self::Damaged {
            path: path.as_ref().to_path_buf(),
            message: one_line(message.as_ref()),
        }
    }

    /// A [`DataError::Refused`]. Line breaks in `message` become spaces.
    pub fn refused(path: impl AsRef<Path>, message: impl AsRef<str>) -> Self {
        Self::Refused {
            path: path.as_ref().to_path_buf(),
            message: one_line(message.as_ref()),
        }
    }

    /// A [`DataError::Io`]; `action` is a verb with its object: `open the file`.
    pub fn io(path: impl AsRef<Path>, action: &'static str, source: io::Error) -> Self {
        Self::Io {
            path: path.as_ref().to_path_buf(),
            action,
            source,
        }
    }

    /// A [`DataError::Download`]. Line breaks in `message` become spaces.
    pub fn download(address: impl AsRef<str>, message: impl AsRef<str>) -> Self {
        Self::Download {
            address: one_line(address.as_ref()),
            message: one_line(message.as_ref()),
        }
    }

    /// A [`DataError::Config`]. Line breaks in `message` become spaces.
    pub fn config(key: impl AsRef<str>, message: impl AsRef<str>) -> Self {
        Self::Config {
            key: one_line(key.as_ref()),
            message: one_line(message.as_ref()),
        }
    }
}

/// Messages of other libraries and file names may hold line breaks; an error is one line.
fn one_line(text: &str) -> String {
    text.chars()
        .map(|letter| if letter.is_control() { ' ' } else { letter })
        .collect()
}

fn shown(path: &Path) -> String {
    one_line(&path.to_string_lossy())
}

/// What a person can do about an error of the operating system.
fn advice(source: &io::Error) -> &'static str {
    match source.kind() {
        io::ErrorKind::NotFound => "; check the path",
        io::ErrorKind::PermissionDenied => "; check who may read and write there",
        io::ErrorKind::StorageFull => "; free some space or choose another folder",
        io::ErrorKind::ReadOnlyFilesystem => "; choose a folder that can be written to",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn can_cross_threads() {
        fn check<T: Send + Sync + 'static>() {}
        check::<DataError>();
    }

    #[test]
    fn every_message_is_one_line_and_starts_with_the_culprit() {
        let system = || io::Error::from(io::ErrorKind::PermissionDenied);
        for (error, start) in [
            (
                DataError::not_found("a\nb", "is\nmissing"),
                "a b: is missing",
            ),
            (DataError::damaged("a.png", "is cut"), "a.png: is cut"),
            (DataError::refused("a.zip!b", "is big"), "a.zip!b: is big"),
            (
                DataError::io("a", "open the file", system()),
                "a: cannot open the file: ",
            ),
            (DataError::download("http://x", "404\r\n"), "http://x: 404"),
            (DataError::config("batch", "is 0"), "batch: is 0"),
        ] {
            let text = error.to_string();
            assert!(text.starts_with(start), "{text}");
            assert!(!text.contains(['\n', '\r']), "{text:?}");
        }
    }

    #[test]
    fn an_error_of_the_system_says_what_to_do() {
        let error = DataError::io("d", "write", io::Error::from(io::ErrorKind::StorageFull));
        assert!(
            error
                .to_string()
                .ends_with("; free some space or choose another folder")
        );
        assert!(std::error::Error::source(&error).is_some());
    }
}
