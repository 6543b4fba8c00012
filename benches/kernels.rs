//! `cargo bench --bench kernels`: layers forward and backward, optimiser steps, critics on dual numbers, and the
//! matrix product that says what the machine can do.
//!
//! Inputs are random, never zeros; seeds are fixed; sizes are in the names. Everything runs on the host before the
//! clock is read. `examples/kernel_gains.rs` has our kernels beside Burn's operations.

use std::hint::black_box;
use std::time::Duration;

use burn::prelude::*;
use criterion::Criterion;
use gan_core::dual::Dual;
use gan_core::kernel::{self, AdamStep, RmsPropStep};
use gan_core::nn::{Critic, ImageShape};
use gan_core::penalty::{PenaltyRule, gradient_penalty};
use gan_core::rng::Stream;
use gan_models::preset;

/// Forward and backward of one layer.
fn layers(c: &mut Criterion) {
    let device = Device::flex().autodiff();
    let mut stream = Stream::new(1, "layers", 0);
    let mut picture = |dims: [usize; 4]| stream.normal(dims, &device).require_grad();
    let x = picture([64, 64, 14, 14]);
    let wide = picture([128, 64, 4, 4]);
    let small = picture([64, 128, 7, 7]);
    let mut run = |name: &str, work: &dyn Fn() -> Tensor<4>| {
        c.bench_function(&format!("layer/{name}"), |b| {
            b.iter(|| black_box(work().sum().backward()));
        });
    };
    run("conv2d/64x64x14x14/128/k4s2", &|| {
        kernel::conv2d(x.clone(), wide.clone(), None, 2, 1)
    });
    run("conv_transpose2d/64x128x7x7/64/k4s2", &|| {
        kernel::conv_transpose2d(small.clone(), wide.clone(), None, 2, 1)
    });
    run("leaky_relu/64x64x14x14", &|| {
        kernel::leaky_relu(x.clone(), 0.2)
    });
    run("tanh/64x64x14x14", &|| kernel::tanh(x.clone()));
    run("pixel_norm/64x64x14x14", &|| {
        kernel::pixel_norm(x.clone(), 1e-8)
    });
    let scale = Stream::new(1, "scale", 0).normal([64], &device);
    run("batch_norm/64x64x14x14", &|| {
        kernel::batch_norm_train(x.clone(), scale.clone(), scale.clone(), 1e-5).output
    });
    let flat = Stream::new(1, "flat", 0).normal([64, 784], &device);
    let dense = Stream::new(1, "dense", 0).normal([1024, 784], &device);
    let (flat, dense) = (flat.require_grad(), dense.require_grad());
    run("linear/64x784/1024", &|| {
        kernel::linear(flat.clone(), dense.clone(), None).reshape([64, 1024, 1, 1])
    });
}

/// One step on a million parameters.
fn updates(c: &mut Criterion) {
    let device = Device::flex();
    let mut stream = Stream::new(1, "updates", 0);
    let mut draw = || stream.normal([1_000_000], &device);
    let (gradient, mut parameter) = (draw(), draw());
    let (mut first, mut second) = (draw(), draw().square());
    let one = Tensor::ones([1], &device);
    let adam = AdamStep {
        lr: 2e-4,
        beta_1: 0.5,
        beta_2: 0.999,
        epsilon: 1e-8,
        time: 100,
        weight_decay: 0.0,
        decoupled_decay: 0.0,
    };
    // Moved, not cloned: what nobody else holds is updated in place, as in a round.
    let take = |x: &mut Tensor<1>| std::mem::replace(x, one.clone());
    c.bench_function("update/adam/1000000", |b| {
        b.iter(|| {
            let moments = (take(&mut first), take(&mut second));
            let (p, g) = (take(&mut parameter), gradient.clone());
            (parameter, first, second) = kernel::adam_step(p, g, moments, one.clone(), &adam);
        });
    });
    let rms_prop = RmsPropStep {
        lr: 5e-5,
        alpha: 0.99,
        epsilon: 1e-8,
    };
    c.bench_function("update/rms_prop/1000000", |b| {
        b.iter(|| {
            let (p, g, v) = (take(&mut parameter), gradient.clone(), take(&mut second));
            (parameter, second) = kernel::rms_prop_step(p, g, v, one.clone(), &rms_prop);
        });
    });
    c.bench_function("update/average/1000000", |b| {
        b.iter(|| {
            first = kernel::lerp(take(&mut first), gradient.clone(), 0.999);
        });
    });
}

/// A critic on a picture, on a picture with a direction, and its whole penalty.
fn duals(c: &mut Criterion) {
    let config = preset("default", ImageShape::new(1, 28)).expect("a preset for 28 pixels");
    let game = config.init(1, &Device::flex()).expect("presets are valid");
    let critic = game.critic().module();
    let device = Device::flex().autodiff();
    let mut stream = Stream::new(1, "duals", 0);
    let real = stream.uniform([32, 1, 28, 28], -1.0, 1.0, &device);
    let direction = stream.normal([32, 1, 28, 28], &device);
    let score = |x: Dual<4>| critic.score(x).primal.sum().into_data();
    c.bench_function("dual/default/1x28x28/batch32/value", |b| {
        b.iter(|| black_box(score(real.clone().into())));
    });
    c.bench_function("dual/default/1x28x28/batch32/value-and-tangent", |b| {
        b.iter(|| black_box(score(Dual::new(real.clone(), direction.clone()))));
    });
    c.bench_function("dual/default/1x28x28/batch32/r1-with-gradient", |b| {
        b.iter(|| {
            let rule = PenaltyRule::R1 { gamma: 0.3 };
            let penalty = gradient_penalty(&rule, critic, real.clone());
            black_box(penalty.surrogate.backward());
        });
    });
}

/// 2 GFLOP per product, long enough to be limited by arithmetic alone.
fn product(c: &mut Criterion) {
    let mut stream = Stream::new(1, "product", 0);
    let [a, b] = [(); 2].map(|()| stream.normal([1000, 1000], &Device::flex()));
    c.bench_function("product/1000x1000x1000", |bench| {
        bench.iter(|| black_box(a.clone().matmul(b.clone())));
    });
}

/// On rayon's threads, like the programs (`gan::cli::main`).
fn main() {
    rayon::scope(|_| {
        let mut criterion = Criterion::default()
            .sample_size(20)
            .warm_up_time(Duration::from_millis(500))
            .measurement_time(Duration::from_secs(2))
            .configure_from_args();
        layers(&mut criterion);
        updates(&mut criterion);
        duals(&mut criterion);
        product(&mut criterion);
        criterion.final_summary();
    });
}
