//! A process that is killed again and again.

use std::convert::Infallible;
use std::env;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use gan_core::rng::Stream;
use gan_core::train::{End, RunDir, TrainConfig};

use super::toy::{Crash, Toy, assert_same, batch, config, contents, create, trainer};

const FOLDER: &str = "GAN_CORE_TEST_RUN";
const KILLS: usize = 20;

/// 600 rounds that write a lot.
fn busy() -> TrainConfig {
    TrainConfig {
        total_kimg: 6.0,
        log_kimg: 0.01,
        sample_kimg: 0.05,
        checkpoint_kimg: 0.03,
        ..config()
    }
}

fn train(run: &RunDir, pause: Duration) -> End {
    let (mut trainer, _) = trainer(run, busy(), Crash(u64::MAX), Crash(u64::MAX));
    let outcome = trainer.run(&mut Toy::new(), |clock| {
        sleep(pause);
        Some(Ok::<_, Infallible>(batch(clock)))
    });
    outcome.unwrap().end
}

/// Not a test: what the killed process does.
#[test]
#[ignore = "played by the test below, in a process of its own"]
fn child() {
    if let Some(folder) = env::var_os(FOLDER) {
        train(&RunDir::open(folder).unwrap(), Duration::from_millis(4));
    }
}

fn spawn(run: &Path) -> Child {
    Command::new(env::current_exe().unwrap())
        .args(["--exact", "kill::child", "--ignored"])
        .env(FOLDER, run)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

#[test]
fn a_process_killed_twenty_times_leaves_no_trace() {
    let root = tempfile::tempdir().unwrap();
    let (alone, killed) = (create(root.path()), create(root.path()));
    assert_eq!(train(&alone, Duration::ZERO), End::Finished);

    let mut random = Stream::new(1, "kill", 0);
    let mut kills = 0;
    let mut reached = Vec::new();
    while kills < KILLS {
        let mut child = spawn(killed.path());
        sleep(Duration::from_micros(random.below(150_000) as u64));
        if child.try_wait().unwrap().is_some() {
            break;
        }
        child.kill().unwrap();
        child.wait().unwrap();
        kills += 1;
        let newest = contents(&killed)
            .into_keys()
            .rfind(|name| name.ends_with("manifest.json") && !name.contains(".tmp-"));
        reached.push(newest);
    }
    assert_eq!(kills, KILLS, "the run was over too soon: {reached:?}");
    reached.dedup();
    assert!(reached.len() > 3, "the kills hit nothing: {reached:?}");
    assert_eq!(train(&killed, Duration::ZERO), End::Finished);
    assert_same(&killed, &contents(&alone), "killed 20 times");
}
