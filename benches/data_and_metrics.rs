//! `cargo bench --bench data_and_metrics`: batches from pictures, and scores of pictures.
//!
//! Inputs are random, never zeros; seeds are fixed; sizes are in the names.

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use burn::prelude::*;
use criterion::Criterion;
use gan_core::rng::Stream;
use gan_data::source::synthetic::SyntheticDigitsConfig;
use gan_data::{Loader, LoaderConfig};
use gan_metrics::features::{DigitFeatures, Features, PictureShape};
use gan_metrics::score::{FrechetConfig, Gaussian, Moments, Rows, frechet_distance};

/// Batches of drawn digits, which costs more than reading those of MNIST.
fn data(c: &mut Criterion) {
    let digits = SyntheticDigitsConfig::new()
        .init()
        .expect("a valid configuration");
    let digits = Arc::new(digits);
    for workers in [0, 2] {
        let config = LoaderConfig::new(64).with_workers(Some(workers));
        let loader = Loader::new(digits.clone(), config, &Device::flex());
        let mut loader = loader.expect("more than one batch");
        let name = format!("data/synthetic/1x28x28/batch64/workers{workers}");
        c.bench_function(&name, |b| b.iter(|| black_box(loader.next())));
    }
}

fn features(c: &mut Criterion) {
    let network = DigitFeatures::new(&Device::flex()).expect("weights come with the crate");
    let shape = PictureShape {
        count: 500,
        height: 28,
        width: 28,
        channels: 1,
    };
    let mut stream = Stream::new(1, "pictures", 0);
    let pictures: Vec<u8> = (0..shape.num_bytes())
        .map(|_| stream.below(256) as u8)
        .collect();
    c.bench_function("features/digits/1x28x28/500", |b| {
        b.iter(|| black_box(network.features(&pictures, shape).expect("a whole batch")));
    });
}

/// Mean and covariance of a few more random features than there are dimensions.
fn gaussian(name: &str, size: usize) -> Gaussian {
    let values = Stream::new(1, name, 0).normals((size + size / 4) * size);
    let mut moments = Moments::new(size);
    let rows = Rows::new(name, &values, size).expect("whole rows");
    moments.add(&rows).expect("of the same size");
    moments.gaussian(name).expect("enough rows")
}

/// 64 are the features of digits, 2048 those of Inception.
fn frechet(c: &mut Criterion) {
    for size in [64, 512, 2048] {
        let (real, fake) = (gaussian("real", size), gaussian("fake", size));
        c.bench_function(&format!("frechet/{size}"), |b| {
            b.iter(|| {
                let distance = frechet_distance(&real, &fake, FrechetConfig::default());
                black_box(distance.expect("enough rows"));
            });
        });
    }
}

/// On rayon's threads, like the programs (`gan::cli::main`).
fn main() {
    rayon::scope(|_| {
        let mut criterion = Criterion::default()
            .sample_size(10)
            .warm_up_time(Duration::from_millis(500))
            .measurement_time(Duration::from_secs(2))
            .configure_from_args();
        data(&mut criterion);
        features(&mut criterion);
        frechet(&mut criterion);
        criterion.final_summary();
    });
}
