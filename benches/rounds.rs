//! `cargo bench --bench rounds`: a full round of every kind of model, drawing 500 pictures, and writing a checkpoint.
//!
//! Inputs are random, never zeros; seeds are fixed; sizes are in the names. Reading the report ends a round, so
//! that nothing is left running when the clock is read.

use std::hint::black_box;
use std::path::Path;
use std::time::Duration;

use burn::prelude::*;
use criterion::Criterion;
use gan_core::game::{Clock, Game, SampleRequest};
use gan_core::nn::ImageShape;
use gan_core::train::{Checkpoints, Extra, RunDir};
use gan_models::{Model, class_preset, dcgan_with_base, preset};

/// Pictures drawn at a time.
const DRAWN: usize = 500;

/// Everything that is timed of one model; `batch` real pictures are in a round.
fn model<M: Model>(c: &mut Criterion, name: &str, config: &M, batch: usize, folder: &Path) {
    let device = Device::flex();
    let image = config.image();
    let size = format!("{}x{1}x{1}", image.channels, image.size);
    let mut game = config.init(1, &device).expect("presets are valid");
    let mut clock = Clock::new(1);
    let shape = [batch, image.channels, image.size, image.size];
    let real = clock.stream("real").uniform(shape, -1.0, 1.0, &device);
    let labels = (config.num_labels() > 0).then(|| {
        let mut stream = clock.stream("labels");
        let labels: Vec<i64> = (0..batch)
            .map(|_| stream.below(config.num_labels()) as i64)
            .collect();
        Tensor::<1, Int>::from_data(&labels[..], &device)
    });
    c.bench_function(&format!("round/{name}/{size}/batch{batch}"), |b| {
        b.iter(|| {
            let batch_of_game = config.batch(real.clone(), labels.clone(), &clock);
            black_box(game.round(batch_of_game, &clock).read());
            clock.advance(batch);
        });
    });
    let seeds: Vec<u64> = (0..DRAWN as u64).collect();
    let classes: Vec<usize> = match config.num_classes() {
        0 => Vec::new(),
        classes => (0..DRAWN).map(|index| index % classes).collect(),
    };
    let request = SampleRequest {
        latents: config.rows(&seeds, &classes, None, &device).joined(),
        averaged: true,
    };
    c.bench_function(&format!("sample/{name}/{size}/{DRAWN}"), |b| {
        b.iter(|| black_box(game.sample(&request).into_data()));
    });
    // After the rounds, so that the optimisers have moments to write.
    let run = RunDir::create(folder, "bench").expect("a writable folder");
    let mut checkpoints = Checkpoints::new(&run, 1);
    c.bench_function(&format!("checkpoint/{name}/{size}"), |b| {
        b.iter(|| {
            clock.advance(batch);
            let saved = checkpoints.save(&game.state(), &clock, &Extra::default());
            black_box(saved.expect("a writable folder"));
        });
    });
}

fn models(c: &mut Criterion, folder: &Path) {
    let (digits, colour) = (ImageShape::new(1, 28), ImageShape::new(3, 32));
    for (name, batch) in [("vanilla", 64), ("dcgan", 64), ("default", 32)] {
        let config = preset(name, digits).expect("a preset for 28 pixels");
        model(c, name, &config, batch, folder);
    }
    // Half the paper's widths, as in PyTorch's example.
    let config = dcgan_with_base(ImageShape::new(3, 64), 64);
    model(c, "dcgan-base64", &config, 64, folder);
    for name in ["cgan-conv", "acgan"] {
        let config = class_preset(name, digits, 10).expect("a preset for 28 pixels");
        model(c, name, &config, 32, folder);
    }
    let config = class_preset("biggan", colour, 10).expect("a preset for 32 pixels");
    let batch = 8 * config.gan.critic_steps;
    model(c, "biggan", &config, batch, folder);
}

/// On rayon's threads, like the programs (`gan::cli::main`).
fn main() {
    rayon::scope(|_| {
        let mut criterion = Criterion::default()
            .sample_size(10)
            .warm_up_time(Duration::from_millis(500))
            .measurement_time(Duration::from_secs(2))
            .configure_from_args();
        let folder = tempfile::tempdir().expect("a temporary folder");
        models(&mut criterion, folder.path());
        criterion.final_summary();
    });
}
