//! Running other programs.

use std::process::{Command, Stdio};

use serde_json::Value;

/// Runs it; all it says goes to standard error, because standard output is for the table.
///
/// # Errors
///
/// If it cannot be started or does not succeed; the message has its name.
pub fn succeed(command: &mut Command) -> Result<(), String> {
    output(command.stdout(std::io::stderr())).map(|_| ())
}

/// Runs it and reads the JSON it prints.
///
/// # Errors
///
/// If it cannot be started, does not succeed or prints something else; the message has its name.
pub fn json(command: &mut Command) -> Result<Value, String> {
    let text = output(command.stdout(Stdio::piped()))?;
    serde_json::from_slice(&text)
        .map_err(|error| format!("{} printed no JSON: {error}", name(command)))
}

fn output(command: &mut Command) -> Result<Vec<u8>, String> {
    let output = command
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| format!("{} could not be started: {error}", name(command)))?;
    if output.status.success() {
        Ok(output.stdout)
    } else {
        Err(format!("{} failed ({})", name(command), output.status))
    }
}

/// The program with its arguments, as one would type them.
fn name(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    let words: Vec<_> = words.map(|word| word.to_string_lossy()).collect();
    format!("`{}`", words.join(" "))
}

/// Held by tests that start programs or write them: a program cannot be started while a child that was just
/// started beside it still holds it open for writing.
#[cfg(test)]
pub(crate) static ALONE: std::sync::Mutex<()> = std::sync::Mutex::new(());

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_fails_or_is_not_there_is_named() {
        let _alone = ALONE.lock();
        let error = |program: &str| json(&mut Command::new(program)).unwrap_err();
        assert!(
            error("false").starts_with("`false` failed ("),
            "{}",
            error("false")
        );
        assert!(error("true").starts_with("`true` printed no JSON"));
        assert!(error("no-such-program").contains("could not be started"));
        assert!(succeed(&mut Command::new("true")).is_ok());
    }

    #[test]
    fn json_is_read() {
        let _alone = ALONE.lock();
        let value = json(Command::new("echo").arg(r#"{"ms": 1.5}"#)).unwrap();
        assert_eq!(value["ms"], 1.5);
    }
}
