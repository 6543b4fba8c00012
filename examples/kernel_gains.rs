//! Our kernels beside Burn's own operations: fails if a gain is lost. Part of `.ci/run`.
//!
//! `cargo run --release --example kernel_gains`
//!
//! Every case is timed in turn, ours, Burn's, ours, Burn's; the ratio is of the medians. A limit is well above
//! what was measured when the case was written: it notices a kernel that no longer runs, not a slow morning. A case
//! above its limit is measured once more before it counts. Takes a few seconds.

use std::cell::RefCell;
use std::hint::black_box;
use std::process::ExitCode;
use std::time::Instant;

use burn::nn::LinearConfig;
use burn::optim::{AdamConfig, GradientsParams};
use burn::prelude::*;
use burn::tensor::ops::{ConvOptions, ConvTransposeOptions};
use burn::tensor::{activation, module};
use clap::Parser;
use gan::{Failure, cli};
use gan_core::kernel::{self, AdamStep};
use gan_core::rng::Stream;

/// Turns of a case after one that is not counted.
const TURNS: usize = 15;

/// Calls in a turn.
const CALLS: usize = 3;

/// Side of the square matrix that optimisers move.
const SIDE: usize = 1000;

struct Case {
    name: &'static str,
    /// Highest ratio of ours to Burn's.
    limit: f64,
    ours: Box<dyn Fn()>,
    burns: Box<dyn Fn()>,
}

/// Forward and backward of both on the same input and weight, and a reader of the gradient.
fn tracked<const D: usize, const E: usize, const F: usize>(
    name: &'static str,
    limit: f64,
    (x, weight): ([usize; D], [usize; E]),
    ours: impl Fn(Tensor<D>, Tensor<E>) -> Tensor<F> + 'static,
    burns: impl Fn(Tensor<D>, Tensor<E>) -> Tensor<F> + 'static,
) -> Case {
    let device = Device::flex().autodiff();
    let mut stream = Stream::new(1, "gains", 0);
    let x = stream.normal(x, &device).require_grad();
    let weight = stream.normal(weight, &device).require_grad();
    let run = move |f: &dyn Fn(Tensor<D>, Tensor<E>) -> Tensor<F>| {
        let gradients = f(x.clone(), weight.clone()).sum().backward();
        // Read as an optimiser reads it: a gradient that was born transposed is copied then.
        black_box(weight.grad(&gradients).map(kernel::sum_of_squares));
    };
    let again = run.clone();
    Case {
        name,
        limit,
        ours: Box::new(move || run(&ours)),
        burns: Box::new(move || again(&burns)),
    }
}

/// Both off the tape, on two tensors of a million values.
fn flat<const D: usize>(
    name: &'static str,
    limit: f64,
    ours: fn(Tensor<1>, Tensor<1>) -> Tensor<D>,
    burns: fn(Tensor<1>, Tensor<1>) -> Tensor<D>,
) -> Case {
    let mut stream = Stream::new(1, "gains", 0);
    let [a, b] = [(); 2].map(|()| stream.normal([SIDE * SIDE], &Device::flex()));
    let run = move |f: fn(Tensor<1>, Tensor<1>) -> Tensor<D>| {
        black_box(f(a.clone(), b.clone()));
    };
    let again = run.clone();
    Case {
        name,
        limit,
        ours: Box::new(move || run(ours)),
        burns: Box::new(move || again(burns)),
    }
}

fn convolutions() -> Vec<Case> {
    let burns = |stride: usize| {
        move |x, weight| {
            let options = ConvOptions::new([stride; 2], [1; 2], [1; 2], 1);
            module::conv2d(x, weight, None, options)
        }
    };
    vec![
        tracked(
            "conv2d/32x32x14x14/64/k4s2",
            0.75,
            ([32, 32, 14, 14], [64, 32, 4, 4]),
            |x, weight| kernel::conv2d(x, weight, None, 2, 1),
            burns(2),
        ),
        tracked(
            "conv2d/32x64x7x7/64/k3s1",
            0.75,
            ([32, 64, 7, 7], [64, 64, 3, 3]),
            |x, weight| kernel::conv2d(x, weight, None, 1, 1),
            burns(1),
        ),
        tracked(
            "conv_transpose2d/32x64x7x7/32/k4s2",
            0.75,
            ([32, 64, 7, 7], [64, 32, 4, 4]),
            |x, weight| kernel::conv_transpose2d(x, weight, None, 2, 1),
            |x, weight| {
                let options = ConvTransposeOptions::new([2; 2], [1; 2], [0; 2], [1; 2], 1);
                module::conv_transpose2d(x, weight, None, options)
            },
        ),
    ]
}

fn layers() -> Vec<Case> {
    let picture = [32, 32, 14, 14];
    vec![
        tracked(
            "linear/64x512/1024",
            0.75,
            ([64, 512], [1024, 512]),
            |x, weight| kernel::linear(x, weight, None),
            |x: Tensor<2>, weight: Tensor<2>| x.matmul(weight.transpose()),
        ),
        tracked(
            "leaky_relu/32x32x14x14",
            0.3,
            (picture, [1]),
            |x: Tensor<4>, _: Tensor<1>| kernel::leaky_relu(x, 0.2),
            |x, _| activation::leaky_relu(x, 0.2),
        ),
        tracked(
            "tanh/64x1x28x28",
            0.15,
            ([64, 1, 28, 28], [1]),
            |x: Tensor<4>, _: Tensor<1>| kernel::tanh(x),
            |x, _| x.tanh(),
        ),
        tracked(
            "pixel_norm/32x32x14x14",
            0.8,
            (picture, [1]),
            |x: Tensor<4>, _: Tensor<1>| kernel::pixel_norm(x, 1e-8),
            |x, _| {
                let mean = x.clone().square().mean_dim(1);
                x * mean.add_scalar(1e-8).sqrt().recip()
            },
        ),
        tracked(
            "batch_norm/32x32x14x14",
            0.5,
            (picture, [32]),
            |x: Tensor<4>, gamma: Tensor<1>| {
                let beta = gamma.clone();
                kernel::batch_norm_train(x, gamma, beta, 1e-5).output
            },
            |x, gamma| module::batch_norm_train(x, gamma.clone(), gamma, 1e-5).output,
        ),
    ]
}

/// A step on a million parameters, ours and that of Burn's optimiser.
fn adam() -> Case {
    let device = Device::flex();
    let mut stream = Stream::new(1, "gains", 0);
    let mut draw = || -> Tensor<1> { stream.normal([SIDE * SIDE], &device) };
    let gradient = draw();
    let state = RefCell::new(Some((draw(), draw(), draw().square())));
    let step = AdamStep {
        lr: 2e-4,
        beta_1: 0.5,
        beta_2: 0.999,
        epsilon: 1e-8,
        time: 100,
        weight_decay: 0.0,
        decoupled_decay: 0.0,
    };
    let square: Tensor<2> = gradient.clone().reshape([SIDE, SIDE]);
    let layer = LinearConfig::new(SIDE, SIDE).with_bias(false);
    let layer = layer.init(&device.clone().autodiff());
    let burn = RefCell::new(Some((AdamConfig::new().init(), layer)));
    Case {
        name: "adam/1000000",
        limit: 0.4,
        ours: Box::new(move || {
            // Taken, not cloned: what nobody else holds is updated in place, as in a round.
            let (p, m, v) = state.take().expect("put back by the last call");
            let scale = Tensor::ones([1], &device);
            let new = kernel::adam_step(p, gradient.clone(), (m, v), scale, &step);
            state.replace(Some(new));
        }),
        burns: Box::new(move || {
            let (mut optimizer, layer) = burn.take().expect("put back by the last call");
            let mut gradients = GradientsParams::new();
            gradients.register(layer.weight.id, square.clone());
            let layer = optimizer.step(2e-4, layer, gradients);
            burn.replace(Some((optimizer, layer)));
        }),
    }
}

fn updates() -> Vec<Case> {
    vec![
        adam(),
        flat(
            "average/1000000",
            0.9,
            |a, b| kernel::lerp(a, b, 0.99),
            |a, b| a * 0.99 + b * 0.01,
        ),
        flat(
            "sum_of_squares/1000000",
            0.6,
            |a, _| kernel::sum_of_squares(a),
            |a, _| a.square().sum(),
        ),
    ]
}

/// Median milliseconds of a call of both sides.
fn time(case: &Case) -> [f64; 2] {
    let turn = |work: &dyn Fn()| {
        let start = Instant::now();
        (0..CALLS).for_each(|_| work());
        start.elapsed().as_secs_f64() * 1e3 / CALLS as f64
    };
    let mut times = [Vec::new(), Vec::new()];
    for counted in (0..=TURNS).map(|turn| turn > 0) {
        for (times, work) in times.iter_mut().zip([&case.ours, &case.burns]) {
            let milliseconds = turn(work);
            if counted {
                times.push(milliseconds);
            }
        }
    }
    times.map(|mut times| {
        times.sort_by(f64::total_cmp);
        times[times.len() / 2]
    })
}

/// Prints the line of a case; whether it stays below its limit, at the second try at the latest.
fn is_fast(case: &Case) -> bool {
    (0..2).any(|_| {
        let [ours, burns] = time(case);
        let (name, limit, ratio) = (case.name, case.limit, ours / burns);
        cli::say(format!(
            "| {name} | {ours:.3} | {burns:.3} | {ratio:.2} | {limit} |"
        ));
        ratio <= limit
    })
}

/// Compare our kernels with Burn's operations.
#[derive(Parser)]
struct Arguments {}

fn main() -> ExitCode {
    cli::main(|_: Arguments| {
        cli::say("| kernel | ours ms | Burn's ms | ratio | limit |");
        cli::say("| --- | --- | --- | --- | --- |");
        let cases = convolutions().into_iter().chain(layers()).chain(updates());
        let lost: Vec<&str> = cases
            .filter(|case| !is_fast(case))
            .map(|case| case.name)
            .collect();
        if lost.is_empty() {
            return Ok(());
        }
        let lost = lost.join(", ");
        Err(Failure::new(format!("slower than they should be: {lost}")))
    })
}
