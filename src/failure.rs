//! Why a program ends without having done what it was asked.

use std::error::Error;
use std::fmt;

/// What a person is told when a program cannot go on: one line that names the file or the flag and
/// says what to do. Lines after it, indented, may list details.
///
/// Any error becomes one with `?`. It is not an [`Error`] itself, which makes that possible.
#[derive(Debug)]
pub struct Failure {
    message: String,
    code: u8,
}

impl Failure {
    /// A failure of the work: exit code 1.
    pub fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            code: 1,
        }
    }

    /// A wrong flag or value: exit code 2.
    pub fn usage(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            code: 2,
        }
    }

    /// The exit code of the program.
    pub fn code(&self) -> u8 {
        self.code
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl<E: Error> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::new(error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_error_becomes_a_failure_with_its_own_words() {
        let fail = || -> Result<u8, Failure> { Ok("x".parse::<u8>()?) };
        let failure = fail().unwrap_err();
        assert_eq!(failure.to_string(), "invalid digit found in string");
        assert_eq!(failure.code(), 1);
        assert_eq!(Failure::usage("--kimg: no").code(), 2);
    }
}
