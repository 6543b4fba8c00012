//! A run that was killed or stopped, and resumed, leaves the same bytes as a run left alone.

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use common::{TINY, command, is_running, only_run, run_well, runs};

fn flags(kimg: &'static str) -> Vec<&'static str> {
    let cadences = [
        "--set",
        "train.log_kimg=0.05",
        "--set",
        "train.checkpoint_kimg=0.2",
        "--every",
        "0.4",
        "--kimg",
        kimg,
    ];
    [TINY, &cadences].concat()
}

/// All files of a run but those about time, by name: `timing.jsonl`, and `report.html`, which shows it.
fn files(run: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut folders = vec![run.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path
                .strip_prefix(run)
                .unwrap()
                .to_string_lossy()
                .into_owned();
            if path.is_dir() {
                folders.push(path);
            } else if !["timing.jsonl", "report.html", ".lock"].contains(&name.as_str()) {
                files.insert(name, fs::read(path).unwrap());
            }
        }
    }
    files
}

fn assert_same(alone: &Path, other: &Path) {
    for run in [alone, other] {
        assert!(run.join("report.html").is_file(), "{}", run.display());
    }
    let (alone, other) = (files(alone), files(other));
    let names = |files: &BTreeMap<String, Vec<u8>>| files.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&alone), names(&other));
    for (name, bytes) in &alone {
        assert!(*bytes == other[name], "{name} differs");
    }
    for name in [
        "config.json",
        "run.json",
        "log.jsonl",
        "loss.png",
        "reals.png",
    ] {
        assert!(alone.contains_key(name), "{name} is missing");
    }
    assert!(
        alone
            .keys()
            .filter(|name| name.starts_with("samples/"))
            .count()
            > 3
    );
    assert!(
        alone
            .keys()
            .filter(|name| name.starts_with("checkpoints/"))
            .count()
            > 7
    );
}

/// A generator of numbers in `[0, 1)`, the same every time.
fn uniform(state: &mut u64) -> f64 {
    *state = state
        .wrapping_mul(6_364_136_223_846_793_005)
        .wrapping_add(1_442_695_040_888_963_407);
    (*state >> 40) as f64 / (1u64 << 24) as f64
}

/// Trains once alone and once with `kills` kills at random moments, and compares.
fn kill_and_compare(flags: &[&str], kills: usize) {
    let folder = tempfile::tempdir().unwrap();
    let [alone, killed] = ["alone", "killed"].map(|name| folder.path().join(name));
    for folder in [&alone, &killed] {
        fs::create_dir(folder).unwrap();
    }
    let begin = Instant::now();
    run_well("mnist_gan", &alone, flags);
    let mut time = begin.elapsed();

    // A run that was killed before it had its configuration is none yet.
    let next_flags = || {
        if runs(&killed)
            .iter()
            .any(|run| run.join("config.json").is_file())
        {
            return [flags, &["--resume"]].concat();
        }
        let _ = fs::remove_dir_all(killed.join("runs"));
        flags.to_vec()
    };
    let (mut done, mut state, mut from_the_start) = (0, 7, 0);
    while done < kills {
        let mut child = command("mnist_gan", &killed, &next_flags())
            .spawn()
            .unwrap();
        // Half of the time it takes alone, in all: the last kill comes before the end.
        sleep(time.mul_f64(uniform(&mut state) / kills as f64) + Duration::from_millis(10));
        if is_running(&mut child) {
            child.kill().unwrap();
            done += 1;
        } else {
            // Finished too soon, on a machine with changing load: once more from the start.
            let _ = fs::remove_dir_all(killed.join("runs"));
            done = 0;
            time = time.mul_f64(0.6);
            from_the_start += 1;
            assert!(
                from_the_start < 8,
                "it is always finished before it can be killed {kills} times"
            );
        }
        child.wait().unwrap();
    }
    run_well("mnist_gan", &killed, &next_flags());
    assert_same(&only_run(&alone), &only_run(&killed));
}

#[test]
fn killed_twenty_times_at_any_moment_it_ends_with_the_same_bytes() {
    kill_and_compare(&flags("12"), 20);
}

/// With scores on the way, which keep the best checkpoint and end the run early.
#[test]
fn so_does_a_run_that_is_scored() {
    let scores = [
        "--evaluate",
        "0.3",
        "--set",
        "train.evaluate.samples=100",
        "--set",
        "train.evaluate.reals=300",
        "--set",
        "train.evaluate.metrics=[\"fid\",\"pr\"]",
        "--stop-after-worse",
        "6",
    ];
    kill_and_compare(&[flags("4"), scores.to_vec()].concat(), 5);
}

/// With a penalty every 16 rounds, batch normalisation, an average, and work shared by threads.
#[test]
fn so_does_a_convolutional_game() {
    let flags = "--data synthetic --batch 8 --kimg 2 --every 0.5 --set model.generator.widths=[16,8] \
                 --set model.critic.widths=[8,16] --set train.log_kimg=0.05 --set train.checkpoint_kimg=0.2";
    kill_and_compare(&flags.split_whitespace().collect::<Vec<_>>(), 5);
}

#[cfg(unix)]
#[test]
fn stopped_by_ctrl_c_it_saves_and_goes_on_to_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let [alone, stopped] = ["alone", "stopped"].map(|name| folder.path().join(name));
    for folder in [&alone, &stopped] {
        fs::create_dir(folder).unwrap();
    }
    run_well("mnist_gan", &alone, &flags("4"));
    // Without end, so that it is certainly running when it is stopped.
    let mut child = command("mnist_gan", &stopped, &flags("4")).spawn().unwrap();
    let begin = Instant::now();
    // The folder of runs is there a moment before the run in it.
    let has_logged =
        |run: &PathBuf| fs::metadata(run.join("log.jsonl")).is_ok_and(|log| log.len() > 300);
    while !runs(&stopped).iter().any(has_logged) {
        assert!(
            begin.elapsed() < Duration::from_secs(60),
            "it does not begin"
        );
        sleep(Duration::from_millis(1));
    }
    let interrupt = Command::new("kill")
        .args(["-INT", &child.id().to_string()])
        .status();
    assert!(interrupt.unwrap().success());
    assert!(child.wait().unwrap().success(), "stopping is no failure");
    let lines = fs::read_to_string(only_run(&stopped).join("log.jsonl"))
        .unwrap()
        .lines()
        .count();
    assert!(lines < 80, "it was finished before it was stopped");
    run_well("mnist_gan", &stopped, &["--resume"]);
    assert_same(&only_run(&alone), &only_run(&stopped));
}

#[test]
fn a_finished_run_goes_on_with_more_kimg_to_the_bytes_of_a_longer_one() {
    let folder = tempfile::tempdir().unwrap();
    let [long, grown] = ["long", "grown"].map(|name| folder.path().join(name));
    for folder in [&long, &grown] {
        fs::create_dir(folder).unwrap();
    }
    run_well("mnist_gan", &long, &flags("2"));
    run_well("mnist_gan", &grown, &flags("1"));
    run_well("mnist_gan", &grown, &["--resume", "--kimg", "2"]);
    assert_same(&only_run(&long), &only_run(&grown));
}
