//! Scores on the way: files, the best checkpoint, the early end.

use std::convert::Infallible;
use std::fs;

use gan_core::train::{Checkpoints, End, Notice, Outcome, RunDir, Trainer, read_metric};

use super::checkpoints::folders;
use super::toy::{
    Crash, SEED, Toy, assert_same, batch, config, contents, create, evaluate, play, trainer,
};

#[test]
fn every_score_is_a_line_and_the_best_checkpoint_is_kept() {
    let root = tempfile::tempdir().unwrap();
    let run = create(root.path());
    play(&run, &mut Toy::new(), None).0.unwrap();
    assert_eq!(run.metrics().unwrap(), ["other", "score"]);
    let text = fs::read_to_string(run.metric("score")).unwrap();
    assert_eq!(
        text.lines().next().unwrap(),
        r#"{"round":5,"kimg":0.05,"value":5.1,"features":"rounds","samples":4,"reals":0,"data":"normal"}"#
    );
    let entries = read_metric(&run.metric("score")).unwrap();
    let rounds: Vec<_> = entries.iter().map(|entry| entry.round).collect();
    assert_eq!(rounds, [5, 10, 15, 20]);
    let other = read_metric(&run.metric("other")).unwrap();
    assert!(other.iter().all(|entry| entry.value.is_none()));
    assert!(folders(&run).contains(&"000000010".to_owned()));
    let saved = Checkpoints::new(&run, 2).latest_good().unwrap().good;
    let best = saved.unwrap().best.unwrap();
    assert_eq!((best.metric.as_str(), best.round), ("score", 10));
}

/// Plays on until the score has not been the best twice in a row.
fn until_worse(run: &RunDir, crash: u64) -> (Option<Outcome>, Vec<Notice>) {
    let (mut trainer, notices): (Trainer<Toy>, _) =
        trainer(run, config(), Crash(u64::MAX), Crash(crash));
    trainer = trainer.with_hook(evaluate().with_stop_after_worse(2));
    let outcome = trainer.run(&mut Toy::new(), |clock| {
        Some(Ok::<_, Infallible>(batch(clock)))
    });
    drop(trainer);
    let notices = notices.lock().unwrap().clone();
    (outcome.ok(), notices)
}

#[test]
fn a_run_ends_early_whether_it_was_killed_or_not() {
    let root = tempfile::tempdir().unwrap();
    let alone = create(&root.path().join("alone"));
    // Both evaluations of the toy score alike, so the second is never better than the first.
    let (outcome, notices) = until_worse(&alone, u64::MAX);
    let outcome = outcome.unwrap();
    assert_eq!((outcome.end, outcome.clock.round), (End::Hook, 10));
    assert_eq!(outcome.clock.seed, SEED);
    let said = notices.iter().map(ToString::to_string).next_back();
    assert!(
        said.as_ref()
            .is_some_and(|text| text.contains("score has not become better in the last 2")),
        "{said:?}"
    );
    let expected = contents(&alone);
    for crash in [4, 5, 7] {
        let killed = create(&root.path().join(format!("killed{crash}")));
        assert!(until_worse(&killed, crash).0.is_none());
        until_worse(&killed, u64::MAX).0.unwrap();
        assert_same(&killed, &expected, &format!("killed after {crash}"));
    }
}

#[test]
fn scores_of_a_course_that_was_given_up_are_removed() {
    let root = tempfile::tempdir().unwrap();
    let run = create(root.path());
    let line = |round: u64| format!("{{\"round\":{round},\"kimg\":1}}\n");
    for name in ["old", "older"] {
        fs::write(run.metric(name), line(7) + &line(9)).unwrap();
    }
    play(&run, &mut Toy::new(), None).0.unwrap();
    assert_eq!(run.metrics().unwrap(), ["other", "score"]);
}
