//! Rounds that go wrong.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use burn::prelude::*;
use gan_core::game::{Clock, Game, Report, SampleRequest, State, StateError};
use gan_core::train::{
    Every, GuardConfig, Notice, Progress, RunDir, Samples, ShowProgress, TrainConfig, TrainError,
    Trainer, read_log,
};

use super::toy::{Crash, Poison, Toy, assert_same, batch, config, contents, create, play, trainer};

fn roll_backs(notices: &[Notice]) -> Vec<(u64, u64)> {
    notices
        .iter()
        .filter_map(|notice| match notice {
            Notice::RolledBack { from, to, .. } => Some((from.round, to.round)),
            _ => None,
        })
        .collect()
}

#[test]
fn a_single_bad_round_is_skipped() {
    let root = tempfile::tempdir().unwrap();
    let run = create(root.path());
    // Three bad rounds, never two of four.
    let mut game = Toy::poisoned(|round, _| round % 8 == 4);
    let (outcome, notices) = play(&run, &mut game, None);
    outcome.unwrap();
    assert!(roll_backs(&notices).is_empty());
    for (group, tensors) in game.state().groups {
        for (path, data) in tensors {
            assert!(data.iter::<f32>().all(f32::is_finite), "{group}/{path}");
        }
    }
    let log = read_log(&run.log()).unwrap();
    let bad: Vec<_> = log
        .iter()
        .filter(|line| !line.non_finite.is_empty())
        .collect();
    assert_eq!(
        bad.len(),
        2,
        "rounds 5, 13 and 21, of which 5 and 13 are logged: {log:?}"
    );
    assert_eq!(bad[0].non_finite["critic"], "NaN");
    assert_eq!(bad[0].values["critic"], None);
    assert!(bad[0].values["generator"].is_some());
}

/// Bad from round 12 on, unless the learning rate is at most a quarter.
const UNTIL_A_QUARTER: Poison = |round, lr_scale| round >= 12 && lr_scale > 0.3;

fn rolled_back() -> BTreeMap<String, Vec<u8>> {
    let root = tempfile::tempdir().unwrap();
    let run = create(root.path());
    let mut game = Toy::poisoned(UNTIL_A_QUARTER);
    let (outcome, notices) = play(&run, &mut game, None);
    assert_eq!(outcome.unwrap().clock.round, 24);
    // The checkpoint after round 10 is the last one from before the trouble.
    assert_eq!(roll_backs(&notices), [(14, 10), (14, 10)]);
    assert_eq!(game.lr_scale(), 0.25);
    let said = notices.last().unwrap().to_string();
    assert!(!said.is_empty());
    contents(&run)
}

#[test]
fn repeated_bad_rounds_go_back_with_half_the_learning_rate() {
    let files = rolled_back();
    let log = String::from_utf8(files["log.jsonl"].clone()).unwrap();
    assert!(
        !log.contains("NaN"),
        "the course that was given up is in the log: {log}"
    );
    assert_eq!(log.lines().count(), 9);
}

#[test]
fn going_back_survives_a_crash_after_any_round() {
    let expected = rolled_back();
    for round in 1..=24 {
        let root = tempfile::tempdir().unwrap();
        let run = create(root.path());
        let (outcome, _) = play(&run, &mut Toy::poisoned(UNTIL_A_QUARTER), Some(round));
        // Rounds after the trouble are reached only by the second or third course.
        assert!(outcome.is_err(), "round {round}");
        play(&run, &mut Toy::poisoned(UNTIL_A_QUARTER), None)
            .0
            .unwrap();
        assert_same(&run, &expected, &format!("crash after {round}"));
    }
}

#[test]
fn the_budget_ends_with_a_diagnosis() {
    let root = tempfile::tempdir().unwrap();
    let run = create(root.path());
    let (outcome, notices) = play(&run, &mut Toy::poisoned(|round, _| round >= 12), None);
    let error = outcome.unwrap_err();
    assert_eq!(roll_backs(&notices), [(14, 10), (14, 10), (14, 10)]);
    let TrainError::Diverged(diagnosis) = &error else {
        panic!("{error}")
    };
    assert_eq!(
        (diagnosis.player.as_str(), diagnosis.term.as_str()),
        ("critic", "loss")
    );
    assert_eq!(diagnosis.values.len(), 4);
    let message = error.to_string();
    for part in [
        "diverged at 0.1 kimg (round 14)",
        "loss of the critic",
        "NaN (round 13)",
        "3 times",
    ] {
        assert!(message.contains(part), "`{part}` is not in {message}");
    }
    // What was good is still there, and nobody is fooled into a fourth attempt with a fresh budget:
    // the same course leads to the same end.
    let (outcome, _) = play(&run, &mut Toy::poisoned(|round, _| round >= 12), None);
    assert!(matches!(outcome, Err(TrainError::Diverged(_))));
}

/// Too few looks for the limit, but all of the last ones are bad.
#[test]
fn a_short_run_does_not_end_well_while_nobody_moves() {
    let guard = GuardConfig {
        every_rounds: 4,
        ..GuardConfig::default()
    };
    let config = TrainConfig {
        guard: Some(guard),
        ..config()
    };
    let played = |poison: Poison| {
        let root = tempfile::tempdir().unwrap();
        let run = create(root.path());
        let (mut trainer, notices) = trainer(&run, config, Crash(u64::MAX), Crash(u64::MAX));
        let mut game = Toy::poisoned(poison);
        let outcome = trainer.run(&mut game, |clock| Some(Ok::<_, Infallible>(batch(clock))));
        (outcome, roll_backs(&notices.lock().unwrap()))
    };
    let (outcome, back) = played(|round, _| round >= 12);
    assert!(
        matches!(outcome, Err(TrainError::Diverged(_))),
        "{outcome:?}"
    );
    assert_eq!(back.len(), 3);
    let (outcome, back) = played(UNTIL_A_QUARTER);
    assert_eq!(outcome.unwrap().clock.round, 24);
    assert_eq!(back.len(), 2);
    // Two at the end are not yet a course.
    let (outcome, back) = played(|round, _| round >= 20);
    assert_eq!((outcome.unwrap().clock.round, back.len()), (24, 0));
}

#[test]
fn the_budget_is_in_the_checkpoints() {
    // The first trouble ends with a lower learning rate, the second never does.
    const TWICE: Poison =
        |round, lr_scale| (8..=9).contains(&round) && lr_scale > 0.6 || round >= 18;
    let root = tempfile::tempdir().unwrap();
    let run = create(root.path());
    let (outcome, first) = play(&run, &mut Toy::poisoned(TWICE), Some(17));
    assert!(matches!(outcome, Err(TrainError::Hook(_))));
    assert_eq!(roll_backs(&first), [(10, 7)]);
    let (outcome, second) = play(&run, &mut Toy::poisoned(TWICE), None);
    assert!(matches!(outcome, Err(TrainError::Diverged(_))));
    // One of three was used up before the crash.
    assert_eq!(roll_backs(&second), [(20, 14), (20, 14)]);
}

#[test]
fn without_a_guard_bad_rounds_are_skipped_for_ever() {
    let root = tempfile::tempdir().unwrap();
    let run = create(root.path());
    let config = gan_core::train::TrainConfig {
        guard: None,
        ..config()
    };
    let (mut trainer, notices) = trainer(&run, config, Crash(u64::MAX), Crash(u64::MAX));
    let outcome = trainer
        .run(&mut Toy::poisoned(|_, _| true), |clock| {
            Some(Ok::<_, Infallible>(batch(clock)))
        })
        .unwrap();
    assert_eq!(outcome.clock.round, 24);
    assert!(notices.lock().unwrap().is_empty());
}

/// A critic that is always right, and samples that shrink towards one point.
struct Lost(f64);

impl Game for Lost {
    type Batch = usize;

    fn round(&mut self, _: usize, _: &Clock) -> Report {
        self.0 *= 0.9;
        let scalar = |value: f32| Tensor::from_floats([value], &Device::flex());
        Report::default()
            .with("d_real", scalar(0.999))
            .with("d_fake", scalar(0.001))
    }

    fn batch_size(batch: &usize) -> usize {
        *batch
    }

    fn latent_size(&self) -> usize {
        1
    }

    fn sample(&self, request: &SampleRequest) -> Tensor<4> {
        (request.latents.clone() * self.0).reshape([-1, 1, 1, 1])
    }

    fn state(&self) -> State {
        let mut state = State::default();
        state.numbers.insert("spread".into(), self.0);
        state
    }

    fn restore(&mut self, state: &State) -> Result<(), StateError> {
        self.0 = state.number("spread")?;
        Ok(())
    }

    fn scale_learning_rate(&mut self, _: f64) {}

    fn parameter_counts(&self) -> Vec<(&'static str, usize)> {
        vec![("generator", 1)]
    }
}

fn play_lost(run: &RunDir, rounds: u64, batch: usize) -> (Vec<Notice>, Vec<Progress>) {
    let config = TrainConfig {
        total_kimg: rounds as f64 * batch as f64 / 1000.0,
        ..config()
    };
    let (notices, shown) = (
        Arc::new(Mutex::new(Vec::new())),
        Arc::new(Mutex::new(Vec::new())),
    );
    let (notice_sink, progress_sink) = (notices.clone(), shown.clone());
    let latents = Samples::normal_latents(0, 8, 1, &Device::flex());
    let mut trainer = Trainer::new(run.clone(), config, 0)
        .unwrap()
        .with_hook(Samples::new(Every::rounds(1), latents, |_, _| Ok(())))
        .with_hook(
            ShowProgress::new(move |progress: &Progress| {
                progress_sink.lock().unwrap().push(progress.clone());
            })
            .with_interval(Duration::ZERO),
        )
        .with_notify(move |notice: &Notice| notice_sink.lock().unwrap().push(notice.clone()));
    trainer
        .run(&mut Lost(1.0), |_| Some(Ok::<_, Infallible>(batch)))
        .unwrap();
    drop(trainer);
    let take = |list: Arc<Mutex<Vec<Notice>>>| list.lock().unwrap().clone();
    let shown = shown.lock().unwrap().clone();
    (take(notices), shown)
}

#[test]
fn collapse_and_a_critic_that_has_won_are_told_once_in_words() {
    let root = tempfile::tempdir().unwrap();
    let run = create(root.path());
    let (first, _) = play_lost(&run, 22, 1579);
    // Looks from round 1 on: at round 20 it has been so for 30,001 pictures.
    assert!(
        matches!(&first[..], [Notice::CriticWon { clock }] if clock.round == 20),
        "{first:?}"
    );
    // 0.9^22 < 0.1: rounds 22, 23 and 24 are below, the first of them before the interruption.
    let (second, _) = play_lost(&run, 60, 1579);
    assert!(
        matches!(&second[..], [Notice::Resumed { .. }, Notice::Collapse { clock, .. }] if clock.round == 24),
        "{second:?}"
    );
    let said = second[1].to_string();
    assert!(
        said.contains("alike: the distance between them is 8 %"),
        "{said}"
    );
    assert!(said.contains("Try"), "{said}");
}

#[test]
fn progress_has_the_time_left_and_the_values() {
    let root = tempfile::tempdir().unwrap();
    let (_, shown) = play_lost(&create(root.path()), 10, 10);
    // the beginning, ten rounds, the end
    assert_eq!(shown.len(), 12);
    assert_eq!(
        (shown[0].kimg(), shown[0].total_kimg, shown[0].time_left),
        (0.0, 0.1, None)
    );
    assert_eq!(shown[5].kimg(), 0.05);
    assert!(shown[5].images_per_second > 0.0);
    assert!(shown[5].time_left.unwrap() > Duration::ZERO);
    assert_eq!(shown[5].value("d_real"), Some(0.999));
    assert_eq!(shown[5].value("nothing"), None);
    assert_eq!(shown[11].time_left, Some(Duration::ZERO));
}
