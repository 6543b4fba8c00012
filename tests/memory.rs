//! What the process has resident does not grow with the number of rounds. That nothing stays allocated is
//! shown, exactly and in seconds, by `crates/gan-models/tests/memory.rs`; here what the allocator and
//! the driver keep for themselves counts too.
#![cfg(target_os = "linux")]

use std::ops::ControlFlow;
use std::sync::{Arc, Mutex};

use burn::prelude::*;
use gan::backend::Backend;
use gan::draw_losses;
use gan_core::game::Game;
use gan_core::nn::{ImageCriticConfig, ImageGeneratorConfig, ImageShape};
use gan_core::train::{
    Context, Every, Hook, Log, LossPlot, RunDir, Samples, TrainConfig, TrainError, Trainer,
};
use gan_data::io::write_grid;
use gan_data::source::synthetic::SyntheticDigitsConfig;
use gan_data::{Loader, LoaderConfig, PixelRange};

/// Rounds after which everything is warm.
const WARM: u64 = 500;

const ROUNDS: u64 = 10_000;

/// The least memory the process had in the last rounds before round 500, and before the end.
///
/// The least, because checkpoints, curves and pictures take a few megabytes now and then, and the
/// allocator keeps them for a while.
struct Memory {
    least: Arc<Mutex<[usize; 2]>>,
}

/// Rounds looked at, of which some are far from every checkpoint.
const WINDOW: u64 = 250;

impl<G: Game> Hook<G> for Memory {
    fn after_round(&mut self, context: &mut Context<'_, G>) -> Result<ControlFlow<()>, TrainError> {
        let round = context.clock.round;
        for (least, end) in self.least.lock().unwrap().iter_mut().zip([WARM, ROUNDS]) {
            if (end - WINDOW..=end).contains(&round) {
                *least = resident().min(*least);
            }
        }
        Ok(ControlFlow::Continue(()))
    }
}

fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .unwrap();
    line.trim().trim_end_matches("kB").trim().parse().unwrap()
}

/// Trains `vanilla` for [`ROUNDS`] rounds, with hidden layers of `width` if given: a driver in software
/// would take hours for the real ones.
fn check(backend: &str, batch: usize, width: Option<usize>) {
    let device = Backend::open(Some(backend)).unwrap().device;
    let mut model = gan_models::preset("vanilla", ImageShape::new(1, 28)).unwrap();
    if let (ImageGeneratorConfig::Mlp(generator), ImageCriticConfig::Mlp(critic), Some(width)) =
        (&mut model.generator, &mut model.critic, width)
    {
        generator.widths = vec![width; 2];
        critic.widths = vec![width; 2];
    }
    let mut game = model.init(0, &device).unwrap();
    let data = Arc::new(SyntheticDigitsConfig::new().with_count(500).init().unwrap());
    let mut loader = Loader::new(data, LoaderConfig::new(batch), &device).unwrap();

    let folder = tempfile::tempdir().unwrap();
    let run = RunDir::create(folder.path(), "memory").unwrap();
    let config = TrainConfig {
        total_kimg: (ROUNDS * batch as u64) as f64 / 1000.0,
        log_kimg: 0.2,
        sample_kimg: 2.0,
        checkpoint_kimg: 2.0,
        ..TrainConfig::default()
    };
    let latents = Samples::normal_latents(0, 16, 100, &device);
    let samples = Samples::new(
        Every::kimg(config.sample_kimg),
        latents,
        |path, pictures: Tensor<4>| Ok(write_grid(path, &pictures, PixelRange::Signed, 4)?),
    );
    let least = Arc::new(Mutex::new([usize::MAX; 2]));
    let mut trainer = Trainer::new(run, config, 0)
        .unwrap()
        .with_hook(Log::new(config.log_every()))
        .with_hook(samples)
        .with_hook(LossPlot::new(draw_losses))
        .with_hook(Memory {
            least: least.clone(),
        });
    let outcome = trainer
        .run(&mut game, |_| {
            loader.next().map(|batch| batch.map(|batch| batch.images))
        })
        .unwrap();
    assert_eq!(outcome.clock.round, ROUNDS);
    let [warm, end] = *least.lock().unwrap();
    println!("{backend}: {warm} KiB after {WARM} rounds, {end} KiB after {ROUNDS}");
    assert!(
        end as f64 <= 1.05 * warm as f64,
        "{backend}: {warm} KiB became {end} KiB in {ROUNDS} rounds"
    );
}

/// `cargo test --release --test memory -- --ignored`.
#[test]
#[ignore = "takes minutes"]
fn resident_memory_does_not_grow_in_10000_rounds() {
    check("flex", 64, None);
}

/// The same on a GPU or a software driver: add `--features wgpu`.
#[cfg(feature = "wgpu")]
#[test]
#[ignore = "takes minutes"]
fn resident_memory_does_not_grow_in_10000_rounds_on_wgpu() {
    check("wgpu", 16, Some(64));
}
