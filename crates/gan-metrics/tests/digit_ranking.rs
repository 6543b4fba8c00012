//! The Fréchet distance of digit features orders what a person would order: real test digits before
//! blurred, noisy or one-sided ones, and the more, the further.

use std::path::PathBuf;

use burn::prelude::Device;
use gan_core::rng::Stream;
use gan_data::ChannelMode;
use gan_data::source::{Split, open};
use gan_metrics::features::{FeaturesConfig, PictureShape};
use gan_metrics::suite::{Collector, Metric, SetStatistics, SuiteConfig, evaluate};

const COUNT: usize = 1000;
const SIDE: usize = 28;

struct Digits {
    pixels: Vec<u8>,
    labels: Vec<usize>,
}

/// The first digits of a split.
fn digits(split: Split) -> Option<Digits> {
    let Some(folder) = std::env::var_os("GAN_DATA_DIR").map(PathBuf::from) else {
        println!("GAN_DATA_DIR is not set: the distances of real digits are not checked");
        return None;
    };
    let mnist = open(&folder, split, ChannelMode::Grey).unwrap();
    let mut digits = Digits {
        pixels: Vec::new(),
        labels: Vec::new(),
    };
    for index in 0..COUNT {
        digits.pixels.extend(mnist.get(index).unwrap().pixels);
        digits.labels.push(mnist.label(index).unwrap());
    }
    Some(digits)
}

fn statistics(pixels: &[u8], set: &str) -> SetStatistics {
    let features = FeaturesConfig::default().init(&Device::flex()).unwrap();
    let config = SuiteConfig::default();
    let shape = PictureShape {
        count: pixels.len() / (SIDE * SIDE),
        height: SIDE,
        width: SIDE,
        channels: 1,
    };
    let mut collector = Collector::new(&*features, set, shape.count as u64, &config);
    collector.add(pixels, shape, None).unwrap();
    collector.finish().unwrap()
}

/// Each picture blurred with the filter 1 2 1 in both directions, so many times.
fn blurred(digits: &Digits, times: usize) -> Vec<u8> {
    let mut pixels: Vec<f32> = digits.pixels.iter().map(|byte| f32::from(*byte)).collect();
    let at = |picture: &[f32], row: usize, column: usize| {
        let inside = (1..=SIDE).contains(&row) && (1..=SIDE).contains(&column);
        if inside {
            picture[(row - 1) * SIDE + column - 1]
        } else {
            0.0
        }
    };
    for _ in 0..times {
        for picture in pixels.chunks_mut(SIDE * SIDE) {
            let old = picture.to_vec();
            for (index, pixel) in picture.iter_mut().enumerate() {
                let (row, column) = (index / SIDE + 1, index % SIDE + 1);
                let line = |row| {
                    at(&old, row, column - 1)
                        + 2.0 * at(&old, row, column)
                        + at(&old, row, column + 1)
                };
                *pixel = (line(row - 1) + 2.0 * line(row) + line(row + 1)) / 16.0;
            }
        }
    }
    pixels.iter().map(|pixel| pixel.round() as u8).collect()
}

/// With normal noise of a standard deviation in levels of 255.
fn noisy(digits: &Digits, deviation: f32) -> Vec<u8> {
    let noise = Stream::new(1, "noise", 0).normals(digits.pixels.len());
    let pairs = digits.pixels.iter().zip(noise);
    pairs
        .map(|(byte, noise)| (f32::from(*byte) + deviation * noise).round() as u8)
        .collect()
}

/// Without the first so many classes.
fn without(digits: &Digits, classes: usize) -> Vec<u8> {
    let pictures = digits.pixels.chunks(SIDE * SIDE).zip(&digits.labels);
    pictures
        .filter(|(_, label)| **label >= classes)
        .flat_map(|(picture, _)| picture.to_vec())
        .collect()
}

#[test]
fn the_digit_distance_grows_with_blur_noise_and_missing_classes() {
    let (Some(train), Some(test)) = (digits(Split::Train), digits(Split::Test)) else {
        return;
    };
    let real = statistics(&train.pixels, "the training digits");
    let distance = |pixels: &[u8]| {
        let fake = statistics(pixels, "the digits");
        let scores = evaluate(&real, &fake, &[Metric::Fid], &SuiteConfig::default());
        scores.unwrap()[0].value
    };
    let untouched = distance(&test.pixels);
    println!("test digits {untouched:.3}");
    let series: [(&str, Vec<Vec<u8>>); 3] = [
        (
            "blurred",
            [1, 2, 4].map(|times| blurred(&test, times)).into(),
        ),
        (
            "noisy",
            [16.0, 32.0, 64.0].map(|level| noisy(&test, level)).into(),
        ),
        (
            "without classes",
            [1, 2, 4].map(|count| without(&test, count)).into(),
        ),
    ];
    for (what, sets) in series {
        let mut last = untouched;
        for pixels in sets {
            let now = distance(&pixels);
            println!("{what} {now:.3}");
            assert!(now > 1.1 * last, "{what}: {now} after {last}");
            last = now;
        }
    }
}
