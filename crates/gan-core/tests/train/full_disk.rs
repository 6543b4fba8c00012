//! Disks that are full and folders that are read-only.

use std::convert::Infallible;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use gan_core::game::{Clock, Game};
use gan_core::train::{CheckpointError, Checkpoints, Extra, RunDir, TrainError};

use super::checkpoints::{folders, small_state};
use super::toy::{Crash, Toy, batch, config, create, trainer};

/// A file system of 256 KiB, unmounted at the end; `None` where that is not allowed.
struct SmallDisk(PathBuf);

impl SmallDisk {
    fn mount(folder: &Path) -> Option<Self> {
        let path = folder.join("disk");
        fs::create_dir(&path).unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=256k", "tmpfs"])
            .arg(&path)
            .output()
            .is_ok_and(|output| output.status.success());
        if !mounted {
            eprintln!("skipped: this user may not mount a small file system");
        }
        mounted.then_some(Self(path))
    }

    /// Leaves room for `bytes`.
    fn fill(&self, bytes: u64) {
        let filler = File::create(self.0.join("filler")).unwrap();
        let mut size: u64 = 256 * 1024;
        let zeros = vec![1u8; size as usize];
        while std::os::unix::fs::FileExt::write_all_at(&filler, &zeros[..size as usize], 0).is_err()
        {
            filler.set_len(0).unwrap();
            size -= 4096;
        }
        filler.set_len(size.saturating_sub(bytes)).unwrap();
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.0).output();
    }
}

#[test]
fn a_full_disk_is_named_and_costs_no_checkpoint() {
    let root = tempfile::tempdir().unwrap();
    let Some(disk) = SmallDisk::mount(root.path()) else {
        return;
    };
    let run = create(&disk.0);
    let mut checkpoints = Checkpoints::new(&run, 3);
    let clock = |round| Clock {
        seed: 0,
        round,
        images: round,
    };
    checkpoints
        .save(&small_state(), &clock(1), &Extra::default())
        .unwrap();
    // From no room at all to room for nearly everything.
    for room in [0, 4096, 8192, 12288] {
        disk.fill(room);
        let error = checkpoints
            .save(&small_state(), &clock(2), &Extra::default())
            .unwrap_err();
        assert!(matches!(error, CheckpointError::Write { .. }), "{error}");
        let message = error.to_string();
        for part in [
            "checkpoints: cannot write the checkpoint 000000002",
            "free some space",
        ] {
            assert!(message.contains(part), "`{part}` is not in: {message}");
        }
        assert_eq!(folders(&run), ["000000001"], "room for {room}");
        let found = checkpoints.latest_good().unwrap();
        assert_eq!(found.good.unwrap().clock, clock(1));
        assert!(found.damaged.is_empty());
    }
    fs::remove_file(disk.0.join("filler")).unwrap();
    checkpoints
        .save(&small_state(), &clock(2), &Extra::default())
        .unwrap();
    assert_eq!(folders(&run), ["000000001", "000000002"]);
}

#[test]
fn a_run_on_a_full_disk_goes_on_when_there_is_room_again() {
    let root = tempfile::tempdir().unwrap();
    let Some(disk) = SmallDisk::mount(root.path()) else {
        return;
    };
    let run = create(&disk.0);
    let play = |run: &RunDir| {
        let (mut trainer, _) = trainer(run, config(), Crash(u64::MAX), Crash(u64::MAX));
        let mut game = Toy::new();
        trainer
            .run(&mut game, |clock| {
                if clock.round == 12 && !disk.0.join("filler").exists() {
                    disk.fill(0);
                }
                Some(Ok::<_, Infallible>(batch(clock)))
            })
            .map(|outcome| (outcome, game.state()))
    };
    let error = play(&run).unwrap_err();
    assert!(error.to_string().contains("No space left"), "{error}");
    assert!(!matches!(error, TrainError::Diverged(_)));
    fs::remove_file(disk.0.join("filler")).unwrap();
    fs::write(disk.0.join("filler"), b"").unwrap();
    let (outcome, state) = play(&run).unwrap();
    assert_eq!(outcome.clock.round, 24);
    let other = tempfile::tempdir().unwrap();
    let (_, expected) = play(&create(other.path())).unwrap();
    assert_eq!(state, expected);
}

#[test]
fn a_read_only_folder_is_named() {
    let root = tempfile::tempdir().unwrap();
    let run = create(root.path());
    let mut checkpoints = Checkpoints::new(&run, 3);
    let clock = Clock::new(0);
    checkpoints
        .save(&small_state(), &clock, &Extra::default())
        .unwrap();
    let folder = run.checkpoints();
    let mut permissions = fs::metadata(&folder).unwrap().permissions();
    let writable = permissions.clone();
    permissions.set_readonly(true);
    fs::set_permissions(&folder, permissions).unwrap();
    if File::create(folder.join("probe")).is_ok() {
        eprintln!("skipped: this user may write into read-only folders");
        return;
    }
    let later = Clock { round: 1, ..clock };
    let error = checkpoints
        .save(&small_state(), &later, &Extra::default())
        .unwrap_err();
    fs::set_permissions(&folder, writable).unwrap();
    assert!(
        error.to_string().contains("make the folder writable"),
        "{error}"
    );
    assert_eq!(
        checkpoints.latest_good().unwrap().good.unwrap().clock,
        clock
    );
}

#[test]
fn a_read_only_disk_is_named() {
    let root = tempfile::tempdir().unwrap();
    let Some(disk) = SmallDisk::mount(root.path()) else {
        return;
    };
    let run = create(&disk.0);
    let mut checkpoints = Checkpoints::new(&run, 3);
    checkpoints
        .save(&small_state(), &Clock::new(0), &Extra::default())
        .unwrap();
    let remount = |mode: &str| {
        let options = format!("remount,{mode}");
        Command::new("mount")
            .args(["-o", &options])
            .arg(&disk.0)
            .status()
            .unwrap()
    };
    assert!(remount("ro").success());
    let later = Clock {
        round: 1,
        ..Clock::new(0)
    };
    let error = checkpoints
        .save(&small_state(), &later, &Extra::default())
        .unwrap_err();
    assert!(
        error.to_string().contains("make the folder writable"),
        "{error}"
    );
    let error = RunDir::create(&disk.0, "x").unwrap_err();
    assert!(
        error
            .to_string()
            .contains("disk/00001-x: cannot create the folder"),
        "{error}"
    );
    let good = checkpoints.latest_good().unwrap().good.unwrap();
    assert_eq!(good.clock, Clock::new(0));
    assert_eq!(good.state, small_state());
}

#[test]
fn a_folder_that_is_gone_is_named() {
    let root = tempfile::tempdir().unwrap();
    let run = create(root.path());
    fs::remove_dir_all(run.checkpoints()).unwrap();
    let mut checkpoints = Checkpoints::new(&run, 3);
    assert!(checkpoints.latest_good().unwrap().good.is_none());
    let error = checkpoints
        .save(&small_state(), &Clock::new(0), &Extra::default())
        .unwrap_err();
    assert!(
        error.to_string().contains("checkpoints: cannot write"),
        "{error}"
    );
}
