//! Places where nothing, or not everything, can be written.

use std::fs;

use super::checks::{Checks, LIMIT};
use super::common::{self, TINY, only_run, run};

#[test]
fn places_that_cannot_be_written() {
    let mut checks = Checks::new();
    let file = checks.file("file", b"not a folder");
    let file = file.to_str().unwrap();
    checks.train(&["--out", file], &["--out", "file", "cannot create"]);
    let below = format!("{file}/runs");
    checks.train(&["--out", &below], &["--out", "file/runs", "cannot create"]);
    if cfg!(target_os = "linux") {
        checks.train(
            &["--out", "/proc/runs"],
            &["--out", "/proc/runs", "cannot create"],
        );
    }
    checks.done(2);
}

/// Not the same as no network, where digits are drawn instead.
#[test]
fn a_cache_that_cannot_be_written() {
    let mut checks = Checks::new();
    checks.file("cache", b"not a folder");
    let run = ["--kimg", "0.1", "--quiet"];
    let words = ["cache/mnist", "create the folder", "--data synthetic"];
    checks.refused("mnist_gan", &run, &words);
    checks.done(1);
}

/// A file system that is full is the same as one on which no file may grow; a shell can make one.
#[cfg(target_os = "linux")]
#[test]
fn a_full_disk() {
    let checks = Checks::new();
    // 100 KiB: enough for pictures, too little for the weights.
    let script = "trap '' XFSZ; ulimit -f 100; exec \"$@\"";
    let wide = [
        "--kimg",
        "0.064",
        "--quiet",
        "--set",
        "model.generator.widths=[64]",
    ];
    let flags = [TINY, &wide].concat();
    let output = std::process::Command::new("bash")
        .args(["-c", script, "bash"])
        .arg(common::example("mnist_gan"))
        .args(flags)
        .current_dir(checks.folder.path())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(
        text.starts_with("error: ") && text.lines().count() == 1,
        "{text}"
    );
    assert!(
        text.contains("checkpoint") && text.contains("cannot write"),
        "{text}"
    );
    // No half of a checkpoint stays.
    let run = only_run(checks.folder.path());
    assert_eq!(fs::read_dir(run.join("checkpoints")).unwrap().count(), 0);
}

/// The same on a real one, where the system lets us mount it.
#[cfg(target_os = "linux")]
#[test]
fn a_small_disk() {
    let checks = Checks::new();
    let disk = checks.path("disk");
    fs::create_dir(&disk).unwrap();
    let mount = |command: &str, arguments: &[&str]| {
        let status = std::process::Command::new(command)
            .args(arguments)
            .arg(&disk)
            .output();
        status.is_ok_and(|output| output.status.success())
    };
    if !mount("mount", &["-t", "tmpfs", "-o", "size=256k", "tmpfs"]) {
        println!("cannot mount a small disk here, so this is not tested");
        return;
    }
    let flags = [TINY, &["--kimg", "0.064", "--quiet", "--out", "disk"]].concat();
    let output = run("mnist_gan", checks.folder.path(), &flags, LIMIT);
    assert!(mount("umount", &[]));
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(
        text.starts_with("error: ") && text.lines().count() == 1,
        "{text}"
    );
    assert!(text.contains("disk/") && text.contains("space"), "{text}");
}
