//! An interrupted and resumed run ends like one left alone.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::fs;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use burn::prelude::*;
use gan_core::game::Game;
use gan_core::train::{
    CheckpointError, Context, End, Hook, Notice, RunDir, TrainConfig, TrainError, read_log,
};

use super::toy::{Crash, Toy, assert_same, batch, config, contents, create, play, trainer};

const ROUNDS: u64 = 24;

fn uninterrupted() -> BTreeMap<String, Vec<u8>> {
    let root = tempfile::tempdir().unwrap();
    let run = create(root.path());
    let (outcome, notices) = play(&run, &mut Toy::new(), None);
    let outcome = outcome.unwrap();
    assert_eq!((outcome.end, outcome.clock.round), (End::Finished, ROUNDS));
    assert!(notices.is_empty(), "{notices:?}");
    contents(&run)
}

#[test]
fn a_run_leaves_what_it_promises() {
    let files = uninterrupted();
    let names: Vec<_> = files.keys().map(String::as_str).collect();
    let count = |prefix: &str| names.iter().filter(|name| name.starts_with(prefix)).count();
    for name in [
        "config.json",
        "log.jsonl",
        "loss.png",
        "metric-score.jsonl",
        "metric.png",
        "samples/fakes_init.png",
        "samples/latest.png",
        "samples/000000.055kimg.png",
        "samples/000000.220kimg.png",
        // the best, the last but one (210 pictures), and the end
        "checkpoints/000000010/manifest.json",
        "checkpoints/000000021/manifest.json",
        "checkpoints/000000024/manifest.json",
        "checkpoints/000000024/critic-optimizer.safetensors",
        "checkpoints/000000024/state.json",
    ] {
        assert!(names.contains(&name), "{name} is not in {names:?}");
    }
    assert_eq!(count("samples/"), 6);
    assert_eq!(
        names
            .iter()
            .filter(|name| name.ends_with("manifest.json"))
            .count(),
        3
    );
    assert_eq!(
        files["log.jsonl"]
            .iter()
            .filter(|byte| **byte == b'\n')
            .count(),
        9
    );
}

/// Lines are after rounds 3, 5, 8, 10, 13, 15, …; a penalty is reported by the first and the fourteenth.
#[test]
fn what_a_logged_round_does_not_report_is_logged_with_its_latest_value() {
    let root = tempfile::tempdir().unwrap();
    let run = create(root.path());
    play(&run, &mut Toy::new(), None).0.unwrap();
    let log = read_log(&run.log()).unwrap();
    let having: Vec<u64> = log
        .iter()
        .filter(|line| line.values.contains_key("penalty"))
        .map(|line| line.round)
        .collect();
    assert_eq!(having, [3, 15]);
    assert!(log.iter().all(|line| line.values.contains_key("critic")));
}

#[test]
fn a_crash_after_any_round_leaves_no_trace() {
    let expected = uninterrupted();
    for round in 1..=ROUNDS {
        // Before and after the other hooks wrote their files for the round.
        for early in [true, false] {
            let root = tempfile::tempdir().unwrap();
            let run = create(root.path());
            let never = u64::MAX;
            let (first, last) = if early {
                (round, never)
            } else {
                (never, round)
            };
            let (mut trainer, _) = trainer(&run, config(), Crash(first), Crash(last));
            let error = trainer
                .run(&mut Toy::new(), |clock| {
                    Some(Ok::<_, Infallible>(batch(clock)))
                })
                .unwrap_err();
            assert!(matches!(error, TrainError::Hook(_)), "{error}");
            drop(trainer);

            let (outcome, _) = play(&run, &mut Toy::new(), None);
            outcome.unwrap();
            assert_same(
                &run,
                &expected,
                &format!("crash after {round}, early: {early}"),
            );
        }
    }
}

#[test]
fn many_crashes_in_one_run_leave_no_trace() {
    let expected = uninterrupted();
    let root = tempfile::tempdir().unwrap();
    let run = create(root.path());
    for round in 1..=ROUNDS {
        let (outcome, _) = play(&run, &mut Toy::new(), Some(round));
        assert!(outcome.is_err());
    }
    play(&run, &mut Toy::new(), None).0.unwrap();
    assert_same(&run, &expected, "24 crashes");
    // And once more, with nothing left to do.
    play(&run, &mut Toy::new(), None).0.unwrap();
    assert_same(&run, &expected, "a finished run played again");
}

/// Sets a flag after a round, as Ctrl-C would.
struct SetFlag(u64, Arc<AtomicBool>);

impl<G: Game> Hook<G> for SetFlag {
    fn after_round(&mut self, context: &mut Context<'_, G>) -> Result<ControlFlow<()>, TrainError> {
        if context.clock.round == self.0 {
            self.1.store(true, Ordering::Relaxed);
        }
        Ok(ControlFlow::Continue(()))
    }
}

#[test]
fn a_stop_after_any_round_goes_on_from_there_and_leaves_no_trace() {
    let expected = uninterrupted();
    for round in 1..ROUNDS {
        let root = tempfile::tempdir().unwrap();
        let run = create(root.path());
        let flag = Arc::new(AtomicBool::new(false));
        let (trainer, _) = trainer(
            &run,
            config(),
            SetFlag(round, flag.clone()),
            Crash(u64::MAX),
        );
        let outcome = trainer
            .with_stop_flag(flag)
            .run(&mut Toy::new(), |clock| {
                Some(Ok::<_, Infallible>(batch(clock)))
            })
            .unwrap();
        assert_eq!(
            (outcome.end, outcome.clock.round),
            (End::Interrupted, round)
        );

        let (outcome, notices) = play(&run, &mut Toy::new(), None);
        outcome.unwrap();
        assert!(
            matches!(&notices[0], Notice::Resumed { clock, .. } if clock.round == round),
            "{notices:?}"
        );
        assert_same(&run, &expected, &format!("stopped after {round}"));
    }
}

#[test]
fn a_batch_that_cannot_be_read_ends_the_run_with_a_checkpoint() {
    let expected = uninterrupted();
    let root = tempfile::tempdir().unwrap();
    let run = create(root.path());
    let (mut trainer, _) = trainer(&run, config(), Crash(u64::MAX), Crash(u64::MAX));
    let error = trainer
        .run(&mut Toy::new(), |clock| {
            Some(if clock.round == 9 {
                Err("cat.png is broken")
            } else {
                Ok(batch(clock))
            })
        })
        .unwrap_err();
    drop(trainer);
    assert_eq!(
        error.to_string(),
        "round 9: cannot read the batch: cat.png is broken"
    );
    assert!(run.checkpoints().join("000000009-stopped").is_dir());
    play(&run, &mut Toy::new(), None).0.unwrap();
    assert_same(&run, &expected, "after a broken picture");
}

#[test]
fn batches_that_end_end_the_run_and_empty_ones_are_refused() {
    let root = tempfile::tempdir().unwrap();
    let run = create(root.path());
    let (mut trainer, _) = trainer(&run, config(), Crash(u64::MAX), Crash(u64::MAX));
    let mut game = Toy::new();
    let few = |clock: &_| Some(Ok::<_, Infallible>(batch(clock)));
    let outcome = trainer.run(
        &mut game,
        |clock| if clock.round < 5 { few(clock) } else { None },
    );
    assert_eq!(outcome.unwrap().end, End::NoMoreBatches);
    let empty = |_: &_| Some(Ok::<_, Infallible>(Tensor::zeros([0, 2], &Device::flex())));
    let error = trainer.run(&mut game, empty).unwrap_err();
    assert_eq!(
        error.to_string(),
        "round 5: the batch is empty; set a batch size of 1 or more"
    );
}

#[test]
fn rubbish_left_by_a_crash_is_removed() {
    let expected = uninterrupted();
    let root = tempfile::tempdir().unwrap();
    let run = create(root.path());
    play(&run, &mut Toy::new(), Some(13)).0.unwrap_err();
    let half = run.checkpoints().join("000000014.tmp-99");
    fs::create_dir(&half).unwrap();
    fs::write(half.join("critic.safetensors"), b"half").unwrap();
    fs::write(run.samples().join("000000.165kimg.png"), b"from the future").unwrap();
    fs::write(run.samples().join("000000.110kimg.tmp-99"), b"half").unwrap();
    fs::write(run.path().join("loss.png.tmp-99"), b"half").unwrap();
    let mut log = fs::read(run.log()).unwrap();
    log.extend(b"{\"round\":12,\"km");
    fs::write(run.log(), log).unwrap();
    fs::write(run.path().join(".lock"), b"4194304999\n").unwrap();
    play(&run, &mut Toy::new(), None).0.unwrap();
    assert_same(&run, &expected, "rubbish");
}

#[test]
fn a_damaged_checkpoint_is_named_and_the_one_before_is_used() {
    let expected = uninterrupted();
    let root = tempfile::tempdir().unwrap();
    let run = create(root.path());
    play(&run, &mut Toy::new(), Some(16)).0.unwrap_err();
    let file = run.checkpoints().join("000000014/critic.safetensors");
    let mut bytes = fs::read(&file).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    fs::write(&file, bytes).unwrap();
    let (outcome, notices) = play(&run, &mut Toy::new(), None);
    outcome.unwrap();
    let said = notices[0].to_string();
    assert!(
        said.contains("000000014: critic.safetensors is damaged"),
        "{said}"
    );
    assert!(
        matches!(&notices[1], Notice::Resumed { clock, .. } if clock.round == 10),
        "{notices:?}"
    );
    assert_same(&run, &expected, "damaged checkpoint");
}

#[test]
fn a_run_whose_checkpoints_are_all_damaged_is_not_begun_again() {
    let root = tempfile::tempdir().unwrap();
    let run = create(root.path());
    play(&run, &mut Toy::new(), Some(16)).0.unwrap_err();
    for entry in fs::read_dir(run.checkpoints()).unwrap() {
        fs::remove_file(entry.unwrap().path().join("manifest.json")).unwrap();
    }
    let error = play(&run, &mut Toy::new(), None).0.unwrap_err();
    assert!(
        matches!(
            &error,
            TrainError::Checkpoint(CheckpointError::NoneLeft { .. })
        ),
        "{error}"
    );
    assert!(
        error.to_string().contains("manifest.json is missing"),
        "{error}"
    );
    assert!(!read_log(&run.log()).unwrap().is_empty());
}

#[test]
fn another_seed_or_model_is_refused() {
    let root = tempfile::tempdir().unwrap();
    let run = create(root.path());
    play(&run, &mut Toy::new(), Some(16)).0.unwrap_err();
    let mut trainer = gan_core::train::Trainer::new(run.clone(), config(), 8).unwrap();
    let good = |clock: &_| Some(Ok::<_, Infallible>(batch(clock)));
    let error = trainer.run(&mut Toy::new(), good).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the run began with seed 7, not 8; resume with seed 7"
    );
    drop(trainer);

    // A checkpoint without one of the groups, but sound in itself.
    let found = gan_core::train::Checkpoints::new(&run, 2)
        .latest_good()
        .unwrap();
    let mut saved = found.good.unwrap();
    saved.state.groups.remove("average");
    gan_core::train::Checkpoints::new(&run, 2)
        .save(&saved.state, &saved.clock, &Default::default())
        .unwrap();
    let error = play(&run, &mut Toy::new(), None).0.unwrap_err();
    assert!(error.to_string().contains("no group `average`"), "{error}");
}

#[test]
fn a_finished_run_can_be_made_longer() {
    let root = tempfile::tempdir().unwrap();
    let short = create(root.path());
    let long = create(root.path());
    let play = |run: &RunDir, total_kimg: f64| {
        let config = TrainConfig {
            total_kimg,
            ..config()
        };
        let (mut trainer, _) = trainer(run, config, Crash(u64::MAX), Crash(u64::MAX));
        let outcome = trainer
            .run(&mut Toy::new(), |clock| {
                Some(Ok::<_, Infallible>(batch(clock)))
            })
            .unwrap();
        assert_eq!(outcome.clock.kimg(), total_kimg);
    };
    play(&short, 0.14);
    play(&short, 0.24);
    play(&long, 0.24);
    assert_same(&short, &contents(&long), "made longer");
}
