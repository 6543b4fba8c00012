//! The curve of a run falls while it trains: the scores on the way see that the pictures get better.

mod common;

use std::path::Path;

use common::{command, only_run};
use gan_core::train::{RunDir, read_metric};

/// Short and small, so that it can be run each time: a score from few pictures is too high, which does not matter
/// where scores of one run are compared.
const FLAGS: &str = "--preset default --seed 1 --kimg 16 --evaluate 2 --every 0 --quiet \
                     --set train.checkpoint_kimg=0 --set train.evaluate.samples=300 \
                     --set train.evaluate.reals=1000";

/// The distances of the run, in the order of the evaluations.
fn curve(folder: &Path) -> Vec<f64> {
    let data = std::env::var("GAN_DATA_DIR").unwrap_or_else(|_| {
        println!("GAN_DATA_DIR is not set: trains on synthetic digits instead of MNIST");
        "synthetic".into()
    });
    let flags: Vec<&str> = FLAGS.split_whitespace().chain(["--data", &data]).collect();
    let output = command("mnist_gan", folder, &flags).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let run = RunDir::open(only_run(folder)).unwrap();
    let lines = read_metric(&run.metric("fid")).unwrap();
    lines.iter().map(|line| line.value.unwrap()).collect()
}

/// With learning rates of next to nothing (`model.gan.generator_optimizer.lr`) the distance stays where it was.
#[test]
fn the_distance_falls_while_the_default_preset_learns() {
    let folder = tempfile::tempdir().unwrap();
    let curve = curve(folder.path());
    println!("{curve:.1?}");
    assert_eq!(curve.len(), 8);
    assert!(curve[7] < 0.5 * curve[0], "{curve:?}");
}
