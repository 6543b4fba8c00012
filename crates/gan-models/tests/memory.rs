//! What a training run has allocated does not grow with the number of rounds.

use std::alloc::{GlobalAlloc, Layout, System};
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use burn::prelude::*;
use gan_core::game::Game;
use gan_core::nn::{ImageCriticConfig, ImageGeneratorConfig, ImageShape};
use gan_core::train::{
    Context, Every, Hook, Log, RunDir, Samples, TrainConfig, TrainError, Trainer,
};
use gan_data::io::write_grid;
use gan_data::source::synthetic::SyntheticDigitsConfig;
use gan_data::{Loader, LoaderConfig, PixelRange};

/// The system's allocator, and how many bytes of it are in use. What the process has resident also
/// contains what the allocator keeps for later, which depends on luck; this does not.
struct Counting;

static IN_USE: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call goes to `System` unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        IN_USE.fetch_add(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller's promise is the one that `System` wants.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        IN_USE.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const BATCH: usize = 16;
const ROUNDS: u64 = 2_000;
/// Rounds after which everything is warm.
const WARM: u64 = 500;
/// Rounds looked at before round 500 and before the end. The least of them counts: batches wait in
/// the loader's queue, more or fewer.
const WINDOW: u64 = 250;

/// The least memory in use, in bytes, in the windows before round 500 and before the end.
#[derive(Clone)]
struct Memory(Arc<Mutex<[usize; 2]>>);

impl<G: Game> Hook<G> for Memory {
    fn after_round(&mut self, context: &mut Context<'_, G>) -> Result<ControlFlow<()>, TrainError> {
        let round = context.clock.round;
        let in_use = IN_USE.load(Ordering::Relaxed);
        for (least, end) in self.0.lock().unwrap().iter_mut().zip([WARM, ROUNDS]) {
            if (end - WINDOW..=end).contains(&round) {
                *least = in_use.min(*least);
            }
        }
        Ok(ControlFlow::Continue(()))
    }
}

/// Players of 27,000 weights, so that one forgotten tensor per round would be seen at once.
#[test]
fn memory_in_use_does_not_grow_with_the_rounds() {
    let device = Device::flex();
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
        total_kimg: (ROUNDS * BATCH as u64) as f64 / 1000.0,
        log_kimg: 0.2,
        sample_kimg: 2.0,
        checkpoint_kimg: 2.0,
        ..TrainConfig::default()
    };
    let latents = Samples::normal_latents(0, 16, 100, &device);
    let every = Every::kimg(config.sample_kimg);
    let samples = Samples::new(every, latents, |path, pictures: Tensor<4>| {
        Ok(write_grid(path, &pictures, PixelRange::Signed, 4)?)
    });
    let memory = Memory(Arc::new(Mutex::new([usize::MAX; 2])));
    let mut trainer = Trainer::new(run, config, 0)
        .unwrap()
        .with_hook(Log::new(config.log_every()))
        .with_hook(samples)
        .with_hook(memory.clone());
    let outcome = trainer
        .run(&mut game, |_| {
            loader.next().map(|batch| batch.map(|batch| batch.images))
        })
        .unwrap();
    assert_eq!(outcome.clock.round, ROUNDS);

    let [warm, end] = *memory.0.lock().unwrap();
    println!("{warm} bytes in use after {WARM} rounds, {end} after {ROUNDS}");
    assert!(
        end as f64 <= 1.05 * warm as f64,
        "{warm} bytes in use became {end} in {ROUNDS} rounds"
    );
}
