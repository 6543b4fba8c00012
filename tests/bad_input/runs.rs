//! Runs that are continued, drawn from and scored in wrong ways, and damaged ones.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::checks::Checks;
use super::common::{TINY, only_run, run_well};
use super::files::{IMAGES, LABELS, images, labels};

#[test]
fn runs_and_samples() {
    let mut checks = Checks::new();
    let folder = checks.folder.path().to_owned();
    run_well("mnist_gan", &folder, &[TINY, &["--kimg", "0.064"]].concat());
    let path = only_run(&folder);
    let run = path.to_str().unwrap();

    // Another configuration, other data, fewer pictures.
    let resume = |flags: &[&'static str]| [&["--quiet", "--resume"], flags].concat();
    checks.refused(
        "mnist_gan",
        &resume(&["--batch", "16"]),
        &["another configuration", "model.batch_size: 8 → 16"],
    );
    checks.refused(
        "mnist_gan",
        &resume(&["--seed", "3"]),
        &["another configuration", "seed: 0 → 3"],
    );
    checks.refused(
        "mnist_gan",
        &resume(&["--preset", "dcgan"]),
        &["another configuration", "model.preset"],
    );
    checks.refused(
        "mnist_gan",
        &resume(&["--kimg", "0.008"]),
        &["--kimg", "0.008", "0.064"],
    );
    checks.file(&format!("other/{IMAGES}"), &images());
    checks.file(&format!("other/{LABELS}"), &labels());
    checks.refused(
        "mnist_gan",
        &resume(&["--data", "other"]),
        &["other data", "fingerprint"],
    );

    for (flags, words) in [
        ("--checkpoint 999", ["--checkpoint", "000000999"]),
        ("--checkpoint best", ["--checkpoint best", "--evaluate"]),
    ] {
        let flags: Vec<&str> = ["--run", run].into_iter().chain(flags.split(' ')).collect();
        checks.refused("evaluate", &flags, &words);
    }

    let sample = |flags: &[&'static str]| [&["--quiet", "--run", run], flags].concat();
    for (flags, words) in [
        ("--seeds 9-3 --out o", ["--seeds", "9-3", "rising"]),
        ("--seeds -1 --out o", ["--seeds", "-1", "numbers"]),
        (
            "--seeds 0-99999999999 --out o",
            ["--seeds", "0-99999999999", "million"],
        ),
        ("--truncation -1 --out o", ["--truncation", "-1", "above 0"]),
        (
            "--truncation NaN --out o",
            ["--truncation", "NaN", "above 0"],
        ),
        ("--num 0 --out o", ["--num", "'0'", "whole number"]),
        (
            "--num 3 --seeds 0-2 --out o",
            ["--num", "--seeds", "cannot be used"],
        ),
        ("--num 3", ["nowhere", "--grid", "--out"]),
        ("--num 3 --grid g.jpg", ["--grid", "g.jpg", ".png"]),
        ("--num 3 --npy n.npz", ["--npy", "n.npz", ".npy"]),
        ("--num 5000 --grid g.png", ["--grid", "5000", "4096"]),
        ("--num 3 --out file", ["file", "cannot", "folder"]),
        ("--num 3 --npy file/a.npy", ["--npy", "file", "folder"]),
    ] {
        checks.file("file", b"not a folder");
        let flags: Vec<&'static str> = flags.split(' ').collect();
        checks.refused("sample", &sample(&flags), &words);
    }
    run_well(
        "sample",
        &folder,
        &sample(&["--num", "3", "--out", "drawn"]),
    );
    run_well(
        "sample",
        &folder,
        &sample(&["--num", "3", "--out", "drawn"]),
    );
    for flags in [["--num", "2"], ["--seeds", "7"]] {
        let flags = [&flags[..], &["--out", "drawn"]].concat();
        let words = ["--out drawn", "already holds", ".png", "another folder"];
        checks.refused("sample", &sample(&flags), &words);
    }
    run_well(
        "sample",
        &folder,
        &sample(&["--seeds", "7", "--out", "seven"]),
    );
    assert!(folder.join("seven/seed0007.png").is_file());
    if cfg!(target_os = "linux") {
        checks.refused(
            "sample",
            &sample(&["--num", "3", "--grid", "/proc/g.png"]),
            &["/proc/g.png"],
        );
    }
    checks.refused(
        "sample",
        &["--run", "nothing", "--num", "3", "--out", "o"],
        &["--run", "nothing", "not a run"],
    );
    checks.refused(
        "report",
        &["--run", "nothing"],
        &["--run", "nothing", "not a run"],
    );
    checks.refused(
        "interpolate",
        &sample(&["--out", "walk.png"]),
        &["--out", "walk.png", ".gif"],
    );
    checks.refused(
        "interpolate",
        &["--run", "nothing"],
        &["--run", "nothing", "not a run"],
    );
    checks.refused(
        "interpolate",
        &sample(&["--steps", "0"]),
        &["--steps", "'0'", "whole number"],
    );
    checks.refused(
        "interpolate",
        &sample(&["--steps", "9999", "--keys", "9999"]),
        &["--steps", "at most 5000"],
    );
    checks.refused(
        "interpolate",
        &sample(&["--out", "file/walk.gif"]),
        &["--out", "file", "folder"],
    );

    if cfg!(unix) {
        names_of_other_things(&mut checks, run);
    }
    checks.refused(
        "conditional_mnist",
        &["--quiet", "--resume"],
        &["--resume", "another program", "--example mnist_gan"],
    );

    broken_checkpoints(&mut checks, &path);
    checks.done(30);
}

/// A pipe keeps its name, and a link leads to what is written.
fn names_of_other_things(checks: &mut Checks, run: &str) {
    let folder = checks.folder.path().to_owned();
    let made = |program: &str, names: &[&str]| {
        let status = Command::new(program)
            .args(names)
            .current_dir(&folder)
            .status();
        assert!(status.unwrap().success(), "{program}");
    };
    made("mkfifo", &["pipe"]);
    for flag in ["--grid", "--npy"] {
        let flags = ["--quiet", "--run", run, "--num", "3", flag, "pipe"];
        checks.refused("sample", &flags, &[flag, "pipe", "no file"]);
    }
    assert!(!folder.join("pipe").is_file(), "the pipe was replaced");

    checks.file("target.png", b"old");
    made("ln", &["-s", "target.png", "link.png"]);
    let flags = ["--quiet", "--run", run, "--num", "3", "--grid", "link.png"];
    run_well("sample", &folder, &flags);
    assert!(folder.join("link.png").is_symlink());
    assert!(fs::metadata(folder.join("target.png")).unwrap().len() > 100);
}

/// All checkpoints are damaged, in one way after the other.
fn broken_checkpoints(checks: &mut Checks, run: &Path) {
    let path = run.to_str().unwrap();
    let checkpoints = || {
        fs::read_dir(run.join("checkpoints"))
            .unwrap()
            .map(|entry| entry.unwrap().path())
    };
    for checkpoint in checkpoints() {
        let weights = checkpoint.join("generator.safetensors");
        let mut bytes = fs::read(&weights).unwrap();
        let last = bytes.len() - 1;
        bytes[last] ^= 1;
        fs::write(weights, bytes).unwrap();
    }
    let sample = ["--run", path, "--num", "3", "--out", "o"];
    checks.refused(
        "sample",
        &sample,
        &["checkpoint", "generator.safetensors", "checksum"],
    );
    checks.refused(
        "mnist_gan",
        &["--resume", path],
        &["checkpoints", "generator.safetensors", "checksum"],
    );
    for checkpoint in checkpoints() {
        fs::write(checkpoint.join("manifest.json"), "{").unwrap();
    }
    checks.refused("sample", &sample, &["checkpoint", "manifest.json"]);
    for checkpoint in checkpoints() {
        fs::remove_dir_all(checkpoint).unwrap();
    }
    checks.refused("sample", &sample, &["no checkpoint", "checkpoints"]);
    fs::write(run.join("config.json"), "{ broken").unwrap();
    checks.refused("sample", &sample, &["config.json"]);
    checks.refused("mnist_gan", &["--resume", path], &["config.json"]);
    fs::remove_file(run.join("config.json")).unwrap();
    checks.refused("mnist_gan", &["--resume", path], &["--resume", "not a run"]);
}
