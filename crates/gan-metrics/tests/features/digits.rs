//! The classifier that comes with the crate, on real digits.

use std::path::Path;

use burn::data::dataset::Dataset;
use burn::prelude::*;
use gan_data::ChannelMode;
use gan_data::source::{Mnist, Pictures, Split};
use gan_metrics::features::{DigitFeatures, Features, PictureDistance, PictureShape};

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

/// Of pictures whose values are those of 8 bits, so that both ways see the same.
#[test]
fn the_distance_is_that_of_the_features() {
    let network = DigitFeatures::new(&Device::flex()).unwrap();
    let shape = shape(3);
    let picture = |step: usize| -> Vec<u8> {
        (0..shape.num_bytes())
            .map(|i| (i * step % 251) as u8)
            .collect()
    };
    let signed = |bytes: &[u8]| {
        let values = bytes.iter().map(|byte| f32::from(*byte) / 127.5 - 1.0);
        let data = TensorData::new(values.collect::<Vec<f32>>(), [3, 1, 28, 28]);
        Tensor::<4>::from_data(data, &Device::flex())
    };
    let (a, b) = (picture(7), picture(11));
    let rows = |bytes: &[u8]| network.features(bytes, shape).unwrap().values;
    let (rows_a, rows_b) = (rows(&a), rows(&b));
    let found = network.between(signed(&a), signed(&b)).unwrap();
    for (index, found) in found.iter().enumerate() {
        let row = |rows: &[f32]| rows[64 * index..][..64].to_vec();
        let pairs = row(&rows_a).into_iter().zip(row(&rows_b));
        let wanted: f64 = pairs.map(|(a, b)| f64::from(a - b).powi(2)).sum();
        assert!((found - wanted).abs() < 1e-4 * wanted, "{found} {wanted}");
    }
    assert_eq!(network.between(signed(&a), signed(&a)).unwrap(), [0.0; 3]);
    let wide = Tensor::<4>::zeros([3, 1, 28, 32], &Device::flex());
    let error = network.between(wide.clone(), wide).unwrap_err().to_string();
    assert!(error.contains("these are 28x32 grey"), "{error}");
}
