//! `report.html` and `notices.jsonl` of runs that end well, badly, and not at once.

use std::fs;
use std::path::Path;

use gan_core::game::Game;
use gan_core::train::{Notice, RunDir, write_report};

use super::toy::{Toy, create, play};

fn page(run: &RunDir) -> String {
    fs::read_to_string(run.report()).unwrap()
}

/// The page of the run without what only tells the time.
fn timeless(run: &RunDir) -> String {
    fs::remove_file(run.timing()).unwrap();
    write_report(run, &[]).unwrap();
    page(run)
}

fn finished(root: &Path, crashes: &[u64]) -> RunDir {
    let run = create(root);
    for round in crashes {
        let (outcome, _) = play(&run, &mut Toy::new(), Some(*round));
        assert!(outcome.is_err());
    }
    play(&run, &mut Toy::new(), None).0.unwrap();
    run
}

#[test]
fn a_run_that_crashed_has_the_page_of_one_left_alone() {
    let roots = [(); 2].map(|()| tempfile::tempdir().unwrap());
    let alone = finished(roots[0].path(), &[]);
    let crashed = finished(roots[1].path(), &[9, 17]);
    assert!(page(&alone).contains("<h3>Speed</h3>"));
    assert_eq!(timeless(&alone), timeless(&crashed));
}

#[test]
fn a_page_that_cannot_be_written_is_told_once_and_costs_nothing() {
    let root = tempfile::tempdir().unwrap();
    let run = create(root.path());
    fs::create_dir(run.report()).unwrap();
    let (outcome, notices) = play(&run, &mut Toy::new(), None);
    assert_eq!(outcome.unwrap().clock.round, 24);
    let [Notice::NoReport { reason }] = &notices[..] else {
        panic!("{notices:?}");
    };
    assert!(
        reason.contains("report.html: cannot write the file"),
        "{reason}"
    );
    assert!(notices[0].to_string().contains("training goes on"));
}

#[test]
fn what_the_guards_said_is_on_the_page() {
    let root = tempfile::tempdir().unwrap();
    let run = create(root.path());
    let mut game = Toy::poisoned(|round, lr_scale| round >= 12 && lr_scale > 0.3);
    play(&run, &mut game, None).0.unwrap();
    assert_eq!(game.state().numbers["lr_scale"], 0.25);
    let notices = fs::read_to_string(run.notices()).unwrap();
    assert_eq!(
        notices.matches("\"kind\":\"rolled_back\"").count(),
        2,
        "{notices}"
    );
    for times in [
        "0.5 times the learning rate (2 more times",
        "0.25 times the learning rate (1 more time ",
    ] {
        assert!(page(&run).contains(times), "{times}");
    }

    let other = create(root.path());
    let (outcome, _) = play(&other, &mut Toy::poisoned(|round, _| round >= 12), None);
    assert!(outcome.is_err());
    let notices = fs::read_to_string(other.notices()).unwrap();
    assert_eq!(
        notices.matches("\"kind\":\"diverged\"").count(),
        1,
        "{notices}"
    );
    write_report(&other, &[]).unwrap();
    assert!(page(&other).contains("The run diverged at"));
}
