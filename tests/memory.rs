//! Memory does not grow with the number of rounds.
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

/// Looks at the memory of the process after 500 rounds and at the end.
struct Memory(Arc<Mutex<Vec<usize>>>);

impl<G: Game> Hook<G> for Memory {
    fn after_round(&mut self, context: &mut Context<'_, G>) -> Result<ControlFlow<()>, TrainError> {
        if context.clock.round == WARM {
            self.0.lock().unwrap().push(resident());
        }
        Ok(ControlFlow::Continue(()))
    }

    fn finish(&mut self, _: &mut Context<'_, G>) -> Result<(), TrainError> {
        self.0.lock().unwrap().push(resident());
        Ok(())
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

fn check(backend: &str, rounds: u64) {
    const BATCH: usize = 16;
    let device = Backend::open(Some(backend)).unwrap().device;
    let mut model = gan_models::preset("vanilla", ImageShape::new(1, 28)).unwrap();
    if let (ImageGeneratorConfig::Mlp(generator), ImageCriticConfig::Mlp(critic)) =
        (&mut model.generator, &mut model.critic)
    {
        generator.widths = vec![64, 64];
        critic.widths = vec![64, 64];
    }
    let mut game = model.init(0, &device).unwrap();
    let data = Arc::new(SyntheticDigitsConfig::new().with_count(500).init().unwrap());
    let mut loader = Loader::new(data, LoaderConfig::new(BATCH), &device).unwrap();

    let folder = tempfile::tempdir().unwrap();
    let run = RunDir::create(folder.path(), "memory").unwrap();
    let config = TrainConfig {
        total_kimg: (rounds * BATCH as u64) as f64 / 1000.0,
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
    let seen = Arc::new(Mutex::new(Vec::new()));
    let mut trainer = Trainer::new(run, config, 0)
        .unwrap()
        .with_hook(Log::new(config.log_every()))
        .with_hook(samples)
        .with_hook(LossPlot::new(draw_losses))
        .with_hook(Memory(seen.clone()));
    let outcome = trainer
        .run(&mut game, |_| {
            loader.next().map(|batch| batch.map(|batch| batch.images))
        })
        .unwrap();
    assert_eq!(outcome.clock.round, rounds);
    let seen = seen.lock().unwrap();
    let (warm, end) = (seen[0] as f64, seen[1] as f64);
    println!("{backend}: {warm} KiB after {WARM} rounds, {end} KiB after {rounds}");
    assert!(
        end <= 1.05 * warm,
        "{backend}: {warm} KiB became {end} KiB in {rounds} rounds"
    );
}

#[test]
fn memory_does_not_grow_in_2000_rounds() {
    check("flex", 2_000);
}

/// The long version: `cargo test --release --test memory -- --ignored`.
#[test]
#[ignore = "takes minutes"]
fn memory_does_not_grow_in_10000_rounds() {
    check("flex", 10_000);
}

/// The same on a GPU or a software driver: add `--features wgpu`.
#[cfg(feature = "wgpu")]
#[test]
#[ignore = "takes minutes"]
fn memory_does_not_grow_in_10000_rounds_on_wgpu() {
    check("wgpu", 10_000);
}
