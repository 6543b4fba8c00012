//! The network of small colour pictures, untrained and with a file of weights.

use burn::prelude::*;
use gan_core::game::snapshot_module;
use gan_core::rng::Stream;
use gan_metrics::features::{
    Checksum, CifarClassifier, CifarFeatures, Features, PictureShape, save_half,
};

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
fn channels_are_interleaved_and_the_batch_does_not_matter() {
    let features = CifarFeatures::untrained(&Device::flex());
    let pictures = crate::picture_bytes("cifar", 252 * BYTES);
    let whole = features.features(&pictures, shape(252)).unwrap();
    assert_eq!(whole.values.len(), 252 * features.size());
    assert_eq!((whole.probabilities, whole.classes), (None, 0));
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
fn a_file_of_weights_makes_it_a_classifier() {
    let device = Device::flex();
    let trained = CifarClassifier::init(&mut Stream::new(5, "other", 0), &device);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cifar.safetensors");
    std::fs::write(&path, save_half(&snapshot_module(&trained))).unwrap();
    let features = CifarFeatures::open(&path, &Checksum::Published, &device).unwrap();
    let pictures = crate::picture_bytes("cifar", 3 * BYTES);
    let found = features.features(&pictures, shape(3)).unwrap();
    let pixels = pictures.iter().map(|byte| f32::from(*byte) / 127.5 - 1.0);
    let data = TensorData::new(pixels.collect::<Vec<_>>(), [3, 32, 32, 3]);
    let x = Tensor::<4>::from_data(data, &device).permute([0, 3, 1, 2]);
    let (wanted, _) = trained.valid().forward(x);
    let wanted: Vec<f32> = wanted.into_data().try_to_vec().unwrap();
    // Half precision loses the digits after the third.
    crate::assert_close("cifar", &found.values, &wanted, 5e-3);
    for row in found.probabilities.unwrap().chunks(10) {
        assert!((row.iter().sum::<f32>() - 1.0).abs() < 1e-5);
    }
    let wrong = Checksum::Sha256("0".repeat(64));
    let error = CifarFeatures::open(&path, &wrong, &device).unwrap_err();
    assert!(error.to_string().contains("should be 0000"), "{error}");
    std::fs::write(&path, [1, 2, 3]).unwrap();
    let error = CifarFeatures::open(&path, &Checksum::Any, &device).unwrap_err();
    assert!(error.to_string().contains("no safetensors file"), "{error}");
}

#[test]
fn other_pictures_are_refused() {
    let features = CifarFeatures::untrained(&Device::flex());
    let grey = PictureShape {
        channels: 1,
        ..shape(1)
    };
    let error = features.features(&[0; 1024], grey).unwrap_err().to_string();
    assert!(error.contains("RGB pictures of 32x32"), "{error}");
    assert!(error.contains("32x32 grey"), "{error}");
}
