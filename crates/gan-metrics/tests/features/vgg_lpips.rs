//! `reference/generate/vgg_lpips.py`.

use std::collections::BTreeMap;
use std::path::Path;

use burn::prelude::*;
use gan_metrics::features::{
    Checksum, Features, Lpips, PictureDistance, PictureShape, ResizeMode, VggFeatures, Weights,
};

use crate::reference::Reference;
use crate::{assert_close, smooth_pictures, unit, weight};

fn trunk() -> BTreeMap<String, TensorData> {
    let mut tensors = BTreeMap::new();
    let (mut inputs, mut index) = (3, 0);
    for (outputs, convolutions) in [(64, 2), (128, 2), (256, 3), (512, 3), (512, 3)] {
        for _ in 0..convolutions {
            for (end, shape) in [
                ("weight", vec![outputs, inputs, 3, 3]),
                ("bias", vec![outputs]),
            ] {
                let name = format!("features.{index}.{end}");
                let data = weight(&name, &shape);
                tensors.insert(name, data);
            }
            (inputs, index) = (outputs, index + 2);
        }
        index += 1;
    }
    tensors
}

fn dense(tensors: &mut BTreeMap<String, TensorData>, name: &str, outputs: usize, inputs: usize) {
    let rows: Vec<f32> = unit(&format!("{name}.rows")).take(outputs).collect();
    let columns: Vec<f32> = unit(&format!("{name}.columns")).take(inputs).collect();
    let bound = (6.0 / inputs as f32).sqrt();
    let mut values = Vec::with_capacity(outputs * inputs);
    for row in rows {
        values.extend(columns.iter().map(|column| {
            let sum = row + column;
            (2.0 * (sum - sum.floor()) - 1.0) * bound
        }));
    }
    tensors.insert(
        format!("{name}.weight"),
        TensorData::new(values, [outputs, inputs]),
    );
    let bias = format!("{name}.bias");
    let data = weight(&bias, &[outputs]);
    tensors.insert(bias, data);
}

/// Distances of three pairs, beside the tensor `wanted` of the reference.
fn compare(linear: Weights, wanted: &str) {
    let trunk = Weights::from_tensors("random VGG16", trunk());
    let lpips = Lpips::load(trunk, linear, &Device::flex()).unwrap();
    let (pictures, shape) = smooth_pictures("lpips", 3, 48, 40);
    let size = shape.picture_size();
    let picture = |index: usize| &pictures[index * size..][..size];
    let (a, b) = (
        [0, 1, 0].map(picture).concat(),
        [1, 2, 0].map(picture).concat(),
    );
    let shape = PictureShape { count: 3, ..shape };
    let found = lpips.distances(&a, &b, shape).unwrap();
    assert_eq!(found[2], 0.0);
    let found: Vec<f32> = found.into_iter().map(|d| d as f32).collect();
    let wanted = Reference::open("vgg_lpips").values::<f32, _>(wanted);
    assert_close("LPIPS", &found, &wanted, 1e-4);
    // The same of pictures that never were bytes.
    let signed = |bytes: &[u8]| {
        let values: Vec<f32> = bytes
            .iter()
            .map(|byte| f32::from(*byte) / 127.5 - 1.0)
            .collect();
        let rows = TensorData::new(values, [3, shape.height, shape.width, 3]);
        Tensor::<4>::from_data(rows, &Device::flex()).permute([0, 3, 1, 2])
    };
    let drawn = lpips.between(signed(&a), signed(&b)).unwrap();
    let drawn: Vec<f32> = drawn.into_iter().map(|d| d as f32).collect();
    assert_close("LPIPS of tensors", &drawn, &wanted, 1e-4);
    // Grey is the same in all colours, and other channels and small pictures are refused.
    let grey = |bytes: &[u8]| signed(bytes).narrow(1, 0, 1);
    let coloured = |bytes: &[u8]| grey(bytes).repeat_dim(1, 3);
    assert_eq!(
        lpips.between(grey(&a), grey(&b)).unwrap(),
        lpips.between(coloured(&a), coloured(&b)).unwrap()
    );
    for (picture, said) in [
        (
            signed(&a).narrow(1, 0, 2),
            "these are 48x40 with 2 channels",
        ),
        (
            signed(&a).narrow(2, 0, 15),
            "16x16 or more, and these are 15x40 RGB",
        ),
    ] {
        let error = lpips
            .between(picture.clone(), picture)
            .unwrap_err()
            .to_string();
        assert!(error.contains(said), "{error}");
    }
}

#[test]
fn distances_are_those_of_lpips() {
    let linear = [64, 128, 256, 512, 512].into_iter().enumerate();
    let linear = linear.map(|(index, channels)| {
        let name = format!("lin{index}.model.1.weight");
        let values: Vec<f32> = unit(&name).take(channels).collect();
        (name, TensorData::new(values, [1, channels, 1, 1]))
    });
    let linear = Weights::from_tensors("random linear weights", linear.collect());
    compare(linear, "lpips");
}

/// The real file, `weights/v0.1/vgg.pth` of the package `lpips`.
#[test]
fn the_published_weights_of_lpips_are_read() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let path = folder.join("../../reference/lpips_vgg.pth");
    let linear = Weights::open(&path, &Checksum::Published, Lpips::LINEAR_SHA256).unwrap();
    compare(linear, "lpips.published");
}

#[test]
#[ignore = "10 seconds in release, for 120 million weights of the dense layers"]
fn features_are_those_of_torchvision() {
    let mut tensors = trunk();
    dense(&mut tensors, "classifier.0", 4096, 512 * 7 * 7);
    dense(&mut tensors, "classifier.3", 4096, 4096);
    let weights = Weights::from_tensors("random VGG16", tensors);
    let network = VggFeatures::load(weights, ResizeMode::PytorchFid, &Device::flex()).unwrap();
    let (pictures, shape) = smooth_pictures("lpips", 2, 48, 40);
    let batch = network.features(&pictures, shape).unwrap();
    assert_eq!(batch.values.len(), 2 * network.size());
    assert_close(
        "VGG16",
        &batch.values,
        &Reference::open("vgg_lpips").values::<f32, _>("features"),
        1e-4,
    );
}
