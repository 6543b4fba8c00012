//! `cargo bench`: full rounds of three presets, sampling, and a convolution beside Burn's operation.
//!
//! Inputs are random, never zeros; seeds are fixed; sizes are in the names.

use std::hint::black_box;

use burn::prelude::*;
use burn::tensor::{module, ops::ConvOptions};
use criterion::Criterion;
use gan_core::game::{Clock, Game, SampleRequest};
use gan_core::kernel;
use gan_core::nn::ImageShape;
use gan_core::rng::Stream;
use gan_models::preset;

fn rounds(c: &mut Criterion) {
    for name in ["vanilla", "dcgan", "default"] {
        let device = Device::flex();
        let config = preset(name, ImageShape::new(1, 28)).expect("a preset for 28 pixels");
        let mut game = config.init(1, &device).expect("presets are valid");
        let mut clock = Clock::new(1);
        let real = clock
            .stream("real")
            .uniform([64, 1, 28, 28], -1.0, 1.0, &device);
        c.bench_function(&format!("round/{name}/28px/batch64"), |b| {
            b.iter(|| {
                black_box(game.round(real.clone(), &clock).read());
                clock.advance(64);
            });
        });
        let latents = config.gan.latent.draw(500, &mut clock.stream("z"), &device);
        let request = SampleRequest {
            latents,
            averaged: true,
        };
        c.bench_function(&format!("sample/{name}/28px/500"), |b| {
            b.iter(|| black_box(game.sample(&request).into_data()));
        });
    }
}

/// Forward and backward of one convolution, by our kernel and by Burn's operation.
fn convolutions(c: &mut Criterion) {
    let device = Device::flex().autodiff();
    let mut stream = Stream::new(1, "bench", 0);
    let x = stream.normal([64, 64, 14, 14], &device).require_grad();
    let weight = stream.normal([128, 64, 4, 4], &device).require_grad();
    c.bench_function("conv2d/64x64x14x14/128/k4s2/kernel", |b| {
        b.iter(|| {
            let y = kernel::conv2d(x.clone(), weight.clone(), None, 2, 1);
            black_box(y.sum().backward());
        });
    });
    c.bench_function("conv2d/64x64x14x14/128/k4s2/burn", |b| {
        b.iter(|| {
            let options = ConvOptions::new([2, 2], [1, 1], [1, 1], 1);
            let y = module::conv2d(x.clone(), weight.clone(), None, options);
            black_box(y.sum().backward());
        });
    });
}

/// On rayon's threads, like the programs (`gan::cli::main`).
fn main() {
    rayon::scope(|_| {
        let mut criterion = Criterion::default().sample_size(20).configure_from_args();
        rounds(&mut criterion);
        convolutions(&mut criterion);
        criterion.final_summary();
    });
}
