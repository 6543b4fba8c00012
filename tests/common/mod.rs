//! Runs the example programs from tests.
#![allow(dead_code, reason = "each test program uses a part of it")]

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// A small fast model on the built-in pictures; further flags may follow.
pub const TINY: &[&str] = &[
    "--preset",
    "vanilla",
    "--data",
    "synthetic",
    "--batch",
    "8",
    "--set",
    "model.generator.widths=[16]",
    "--set",
    "model.critic.widths=[16]",
];

/// An example, as `cargo test` built it: `target/release/examples/NAME`.
pub fn example(name: &str) -> PathBuf {
    let tests = std::env::current_exe().unwrap();
    let path = tests
        .parent()
        .unwrap()
        .with_file_name("examples")
        .join(name);
    assert!(
        path.is_file(),
        "{} is not built; run `cargo build --examples` with the flags of this test",
        path.display()
    );
    path
}

/// A command for an example that finds no data but what it is told about, nor a network.
pub fn command(name: &str, folder: &Path, flags: &[&str]) -> Command {
    let mut command = Command::new(example(name));
    command
        .args(flags)
        .current_dir(folder)
        .env_remove("GAN_DATA_DIR")
        .env("GAN_CACHE_DIR", folder.join("cache"))
        // A proxy that is not there.
        .env("ALL_PROXY", "http://127.0.0.1:9")
        .env_remove("NO_PROXY")
        .env_remove("no_proxy")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// Runs an example to its end, which must come within `limit`.
pub fn run(name: &str, folder: &Path, flags: &[&str], limit: Duration) -> Output {
    let child = command(name, folder, flags).spawn().unwrap();
    let process = child.id();
    let begin = Instant::now();
    let wait = std::thread::spawn(move || child.wait_with_output().unwrap());
    while !wait.is_finished() {
        if begin.elapsed() > limit {
            let killed = Command::new("kill")
                .args(["-9", &process.to_string()])
                .status();
            panic!("{name} {flags:?} took longer than {limit:?} (killed: {killed:?})");
        }
        sleep(Duration::from_millis(2));
    }
    wait.join().unwrap()
}

/// Runs an example that must succeed.
pub fn run_well(name: &str, folder: &Path, flags: &[&str]) -> String {
    let output = run(name, folder, flags, Duration::from_secs(120));
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{name} {flags:?}: {error}");
    String::from_utf8(output.stdout).unwrap()
}

/// Whether a process is still running.
pub fn is_running(child: &mut Child) -> bool {
    child.try_wait().unwrap().is_none()
}

/// The runs in `folder/runs`, none if there is no such folder yet.
pub fn runs(folder: &Path) -> Vec<PathBuf> {
    std::fs::read_dir(folder.join("runs"))
        .map(|entries| entries.map(|entry| entry.unwrap().path()).collect())
        .unwrap_or_default()
}

/// The only run in `folder/runs`.
pub fn only_run(folder: &Path) -> PathBuf {
    let mut runs = runs(folder);
    assert_eq!(runs.len(), 1, "{runs:?}");
    runs.remove(0)
}
