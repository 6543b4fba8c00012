//! The classifier that comes with the crate, on real digits.

use std::path::Path;

use burn::data::dataset::Dataset;
use burn::prelude::*;
use gan_data::ChannelMode;
use gan_data::source::{Mnist, Pictures, Split};
use gan_metrics::features::{DigitFeatures, Features, PictureShape};

fn shape(count: usize) -> PictureShape {
    PictureShape {
        count,
        height: 28,
        width: 28,
        channels: 1,
    }
}

#[test]
fn real_test_digits_are_told_apart() {
    let Some(data) = std::env::var_os("GAN_DATA_DIR") else {
        println!("GAN_DATA_DIR is not set: the digit classifier is not tested on real digits");
        return;
    };
    let folder = Path::new(&data).join("mnist");
    let set = Mnist::open(&folder, Split::Test, ChannelMode::Grey).unwrap();
    let pixels: Vec<u8> = (0..set.len())
        .flat_map(|i| set.get(i).unwrap().pixels)
        .collect();
    let features = DigitFeatures::new(&Device::flex()).unwrap();
    let batch = features.features(&pixels, shape(set.len())).unwrap();
    let right = |(index, row): &(usize, &[f32])| {
        let best = row.iter().copied().fold(0.0, f32::max);
        row[set.label(*index).unwrap()] == best
    };
    let probabilities = batch.probabilities.unwrap();
    let right = probabilities.chunks(10).enumerate().filter(right).count();
    println!("{right} of 10,000 test digits are right");
    assert!(right >= 9930, "{right}");
}

#[test]
fn features_do_not_depend_on_the_batch() {
    let features = DigitFeatures::new(&Device::flex()).unwrap();
    let pictures = crate::picture_bytes("digits", 301 * 784);
    let whole = features.features(&pictures, shape(301)).unwrap();
    assert_eq!(whole.values.len(), 301 * features.size());
    let (first, rest) = pictures.split_at(7 * 784);
    let first = features.features(first, shape(7)).unwrap();
    let rest = features.features(rest, shape(294)).unwrap();
    assert_eq!(whole.values, [first.values, rest.values].concat());
    for row in whole.probabilities.unwrap().chunks(10) {
        assert!((row.iter().sum::<f32>() - 1.0).abs() < 1e-5);
    }
}

#[test]
fn autodiff_devices_do_as_well_and_no_pictures_have_no_features() {
    let pictures = crate::picture_bytes("digits", 2 * 784);
    let on = |device: &Device| {
        let features = DigitFeatures::new(device).unwrap();
        features.features(&pictures, shape(2)).unwrap()
    };
    assert_eq!(on(&Device::flex()), on(&Device::flex().autodiff()));
    let features = DigitFeatures::new(&Device::flex()).unwrap();
    assert!(features.features(&[], shape(0)).unwrap().values.is_empty());
}
