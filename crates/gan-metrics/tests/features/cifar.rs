//! The classifier of CIFAR-10 that comes with the crate, on real pictures.

use std::path::Path;

use burn::prelude::*;
use gan_data::ChannelMode;
use gan_data::source::{Split, open};
use gan_metrics::features::{CifarFeatures, Features, PictureShape};

/// Bytes of a picture.
const BYTES: usize = 32 * 32 * 3;

fn shape(count: usize) -> PictureShape {
    PictureShape {
        count,
        height: 32,
        width: 32,
        channels: 3,
    }
}

#[test]
fn real_test_pictures_are_told_apart() {
    let data = std::env::var_os("GAN_DATA_DIR").unwrap_or_default();
    let path = Path::new(&data).join("cifar10-subset.zip");
    if !path.is_file() {
        println!("no GAN_DATA_DIR with cifar10-subset.zip: not tested on real pictures");
        return;
    }
    let set = open(&path, Split::Test, ChannelMode::Rgb).unwrap();
    // Every fifth picture; the classes lie one after the other.
    let indices: Vec<usize> = (0..set.len()).step_by(5).collect();
    let pixels = indices.iter().flat_map(|i| set.get(*i).unwrap().pixels);
    let pixels: Vec<u8> = pixels.collect();
    let features = CifarFeatures::new(&Device::flex()).unwrap();
    let batch = features.features(&pixels, shape(indices.len())).unwrap();
    let probabilities = batch.probabilities.unwrap();
    let rows = probabilities.chunks(10).zip(&indices);
    let right = rows.filter(|(row, index)| {
        let best = row.iter().copied().fold(0.0, f32::max);
        row[set.label(**index).unwrap()] == best
    });
    let (right, count) = (right.count(), indices.len());
    println!("{right} of {count} test pictures are right");
    assert!(right * 100 >= count * 75, "{right} of {count}");
}

#[test]
fn channels_are_interleaved_and_the_batch_does_not_matter() {
    let features = CifarFeatures::new(&Device::flex()).unwrap();
    let pictures = crate::picture_bytes("cifar", 252 * BYTES);
    let whole = features.features(&pictures, shape(252)).unwrap();
    assert_eq!(whole.values.len(), 252 * features.size());
    let (first, rest) = pictures.split_at(7 * BYTES);
    let first = features.features(first, shape(7)).unwrap();
    let rest = features.features(rest, shape(245)).unwrap();
    assert_eq!(whole.values, [first.values.clone(), rest.values].concat());
    // Red for blue is another picture.
    let mut swapped = pictures[..7 * BYTES].to_vec();
    swapped.chunks_mut(3).for_each(|pixel| pixel.swap(0, 2));
    let swapped = features.features(&swapped, shape(7)).unwrap();
    assert_ne!(first.values, swapped.values);
}

#[test]
fn other_pictures_are_refused() {
    let features = CifarFeatures::new(&Device::flex()).unwrap();
    let grey = PictureShape {
        channels: 1,
        ..shape(1)
    };
    let error = features.features(&[0; 1024], grey).unwrap_err().to_string();
    assert!(error.contains("RGB pictures of 32x32"), "{error}");
    assert!(error.contains("32x32 grey"), "{error}");
}
