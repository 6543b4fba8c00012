//! Run folders.

use std::collections::BTreeSet;
use std::fs;
use std::thread;

use gan_core::train::{DataInfo, RunDir, RunDirError, RunInfo, TrainError, Trainer};
use serde_json::json;

use super::toy::{Toy, config, create};

#[test]
fn folders_are_numbered_on() {
    let root = tempfile::tempdir().unwrap();
    let root = root.path().join("a/runs");
    let name = |run: &RunDir| run.path().file_name().unwrap().to_str().unwrap().to_owned();
    assert_eq!(
        name(&RunDir::create(&root, "mnist").unwrap()),
        "00000-mnist"
    );
    assert_eq!(
        name(&RunDir::create(&root, "mnist").unwrap()),
        "00001-mnist"
    );
    fs::create_dir(root.join("00041-other")).unwrap();
    fs::create_dir(root.join("not a run")).unwrap();
    let run = RunDir::create(&root, "../ü/x").unwrap();
    assert_eq!(name(&run), "00042-..---x");
    assert_eq!(run.path().parent(), Some(root.as_path()));
    assert!(run.samples().is_dir() && run.checkpoints().is_dir());
    assert_eq!(name(&RunDir::create(&root, "").unwrap()), "00043-run");
}

#[test]
fn no_two_processes_get_one_number() {
    let root = tempfile::tempdir().unwrap();
    let numbers: Vec<String> = thread::scope(|scope| {
        let create = |index: usize| {
            let root = root.path();
            scope.spawn(move || {
                let run = RunDir::create(root, &format!("thread{index}")).unwrap();
                run.path().file_name().unwrap().to_str().unwrap()[..5].to_owned()
            })
        };
        let threads: Vec<_> = (0..32).map(create).collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .collect()
    });
    assert_eq!(
        numbers.iter().collect::<BTreeSet<_>>().len(),
        32,
        "{numbers:?}"
    );
    let claims = fs::read_dir(root.path()).unwrap().filter(|entry| {
        entry
            .as_ref()
            .unwrap()
            .file_name()
            .to_string_lossy()
            .starts_with('.')
    });
    assert_eq!(claims.count(), 0);
}

#[test]
fn what_is_no_run_is_refused() {
    let root = tempfile::tempdir().unwrap();
    let missing = RunDir::open(root.path().join("missing")).unwrap_err();
    assert!(
        missing.to_string().contains("missing: not a run folder"),
        "{missing}"
    );
    assert!(matches!(
        RunDir::open(root.path()),
        Err(RunDirError::NotARun(_))
    ));
    let run = create(root.path());
    assert_eq!(RunDir::open(run.path()).unwrap(), run);

    fs::write(run.config(), b"{\"seed\": ").unwrap();
    let error = run.read_config().unwrap_err().to_string();
    assert!(
        error.contains("config.json: not what was written there"),
        "{error}"
    );
    fs::write(root.path().join("file"), b"").unwrap();
    let error = RunDir::create(root.path().join("file"), "x")
        .unwrap_err()
        .to_string();
    assert!(error.contains("file: cannot create the folder"), "{error}");
}

#[test]
fn another_configuration_is_refused_key_by_key() {
    let root = tempfile::tempdir().unwrap();
    let run = create(root.path());
    let config = json!({"seed": 0, "gan": {"loss": "hinge"}, "train": {"total_kimg": 10.0}});
    run.write_config(&config).unwrap();
    assert_eq!(run.read_config().unwrap(), config);
    run.check_config(&config, &[]).unwrap();
    let new = json!({"seed": 0, "gan": {"loss": "wgan"}, "train": {"total_kimg": 20.0}});
    let error = run.check_config(&new, &["train.total_kimg"]).unwrap_err();
    let RunDirError::ConfigChanged { differences, .. } = &error else {
        panic!("{error}")
    };
    assert_eq!(differences, &["gan.loss: \"hinge\" → \"wgan\""]);
    assert!(error.to_string().contains("start a new run"));
    run.check_config(&new, &["train", "gan.loss"]).unwrap();
    run.check_config(&new, &["tra", "gan.lo"]).unwrap_err();
}

#[test]
fn other_data_is_refused() {
    let root = tempfile::tempdir().unwrap();
    let run = create(root.path());
    let data = DataInfo {
        name: "mnist".into(),
        count: 60_000,
        fingerprint: "abc".into(),
    };
    run.check_data(&data).unwrap();
    let info = RunInfo::new("mnist_gan", "flex", 3, data.clone());
    run.write_info(&info).unwrap();
    assert_eq!(run.read_info().unwrap(), info);
    assert_eq!(info.gan_core, env!("CARGO_PKG_VERSION"));
    run.check_data(&data).unwrap();
    let other = DataInfo { count: 10, ..data };
    let error = run.check_data(&other).unwrap_err().to_string();
    assert!(error.contains("count: 60000 → 10"), "{error}");
    assert!(!error.contains("fingerprint"), "{error}");
}

#[test]
fn one_process_trains_in_a_run() {
    let root = tempfile::tempdir().unwrap();
    let run = create(root.path());
    let trainer = Trainer::<Toy>::new(run.clone(), config(), 0).unwrap();
    let error = Trainer::<Toy>::new(run.clone(), config(), 0).err().unwrap();
    assert!(
        matches!(&error, TrainError::RunDir(RunDirError::InUse { .. })),
        "{error}"
    );
    let message = error.to_string();
    assert!(
        message.contains(&format!("another process ({})", std::process::id())),
        "{message}"
    );
    drop(trainer);
    assert_eq!(run.lock().unwrap().taken_over_from(), None);
    // As a process that was killed leaves it.
    fs::write(run.path().join(".lock"), b"4242\n").unwrap();
    assert_eq!(run.lock().unwrap().taken_over_from(), Some(4242));
    fs::write(run.path().join(".lock"), b"\xffrubbish").unwrap();
    assert_eq!(run.lock().unwrap().taken_over_from(), None);
}

#[test]
fn wrong_settings_are_refused_before_anything_is_touched() {
    let root = tempfile::tempdir().unwrap();
    let run = create(root.path());
    let config = gan_core::train::TrainConfig {
        total_kimg: f64::NAN,
        ..config()
    };
    let error = Trainer::<Toy>::new(run.clone(), config, 0).err().unwrap();
    assert_eq!(
        error.to_string(),
        "`total_kimg` is NaN; allowed is a number above 0"
    );
    assert!(!run.path().join(".lock").exists());
}
