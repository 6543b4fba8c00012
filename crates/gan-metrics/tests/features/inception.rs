//! `reference/generate/inception.py`.

use std::collections::BTreeMap;

use burn::prelude::*;
use gan_metrics::features::{Features, InceptionFeatures, ResizeMode, Weights};

use crate::reference::Reference;
use crate::{assert_close, smooth_pictures, weight};

/// Of the largest value.
const TOLERANCE: f32 = 1e-4;

/// `name.conv` and `name.bn`.
fn add(tensors: &mut BTreeMap<String, TensorData>, name: &str, shape: [usize; 4]) {
    let mut insert = |end: &str, shape: &[usize]| {
        let name = format!("{name}.{end}");
        let data = weight(&name, shape);
        tensors.insert(name, data);
    };
    insert("conv.weight", &shape);
    for part in ["weight", "bias", "running_mean", "running_var"] {
        insert(&format!("bn.{part}"), &shape[..1]);
    }
}

/// All tensors of `pytorch-fid`'s file, listed here once more: a mistake in the network would not
/// repeat itself.
fn tensors() -> BTreeMap<String, TensorData> {
    let mut all = BTreeMap::new();
    let mut conv = |name: String, outputs, inputs, height, width| {
        add(&mut all, &name, [outputs, inputs, height, width]);
    };
    for (name, outputs, inputs, size) in [
        ("Conv2d_1a_3x3", 32, 3, 3),
        ("Conv2d_2a_3x3", 32, 32, 3),
        ("Conv2d_2b_3x3", 64, 32, 3),
        ("Conv2d_3b_1x1", 80, 64, 1),
        ("Conv2d_4a_3x3", 192, 80, 3),
    ] {
        conv(name.into(), outputs, inputs, size, size);
    }
    for (block, inputs, pooled) in [("5b", 192, 32), ("5c", 256, 64), ("5d", 288, 64)] {
        let mut conv = |name: &str, o, i, k| conv(format!("Mixed_{block}.{name}"), o, i, k, k);
        conv("branch1x1", 64, inputs, 1);
        conv("branch5x5_1", 48, inputs, 1);
        conv("branch5x5_2", 64, 48, 5);
        conv("branch3x3dbl_1", 64, inputs, 1);
        conv("branch3x3dbl_2", 96, 64, 3);
        conv("branch3x3dbl_3", 96, 96, 3);
        conv("branch_pool", pooled, inputs, 1);
    }
    let name = |name: &str| format!("Mixed_6a.{name}");
    conv(name("branch3x3"), 384, 288, 3, 3);
    conv(name("branch3x3dbl_1"), 64, 288, 1, 1);
    conv(name("branch3x3dbl_2"), 96, 64, 3, 3);
    conv(name("branch3x3dbl_3"), 96, 96, 3, 3);
    for (block, inner) in [("6b", 128), ("6c", 160), ("6d", 160), ("6e", 192)] {
        let mut conv = |name: &str, o, i, h, w| conv(format!("Mixed_{block}.{name}"), o, i, h, w);
        conv("branch1x1", 192, 768, 1, 1);
        conv("branch7x7_1", inner, 768, 1, 1);
        conv("branch7x7_2", inner, inner, 1, 7);
        conv("branch7x7_3", 192, inner, 7, 1);
        conv("branch7x7dbl_1", inner, 768, 1, 1);
        conv("branch7x7dbl_2", inner, inner, 7, 1);
        conv("branch7x7dbl_3", inner, inner, 1, 7);
        conv("branch7x7dbl_4", inner, inner, 7, 1);
        conv("branch7x7dbl_5", 192, inner, 1, 7);
        conv("branch_pool", 192, 768, 1, 1);
    }
    let name = |name: &str| format!("Mixed_7a.{name}");
    conv(name("branch3x3_1"), 192, 768, 1, 1);
    conv(name("branch3x3_2"), 320, 192, 3, 3);
    conv(name("branch7x7x3_1"), 192, 768, 1, 1);
    conv(name("branch7x7x3_2"), 192, 192, 1, 7);
    conv(name("branch7x7x3_3"), 192, 192, 7, 1);
    conv(name("branch7x7x3_4"), 192, 192, 3, 3);
    for (block, inputs) in [("7b", 1280), ("7c", 2048)] {
        let mut conv = |name: &str, o, i, h, w| conv(format!("Mixed_{block}.{name}"), o, i, h, w);
        conv("branch1x1", 320, inputs, 1, 1);
        conv("branch3x3_1", 384, inputs, 1, 1);
        conv("branch3x3_2a", 384, 384, 1, 3);
        conv("branch3x3_2b", 384, 384, 3, 1);
        conv("branch3x3dbl_1", 448, inputs, 1, 1);
        conv("branch3x3dbl_2", 384, 448, 3, 3);
        conv("branch3x3dbl_3a", 384, 384, 1, 3);
        conv("branch3x3dbl_3b", 384, 384, 3, 1);
        conv("branch_pool", 192, inputs, 1, 1);
    }
    all.insert("fc.weight".into(), weight("fc.weight", &[1008, 2048]));
    all.insert("fc.bias".into(), weight("fc.bias", &[1008]));
    all
}

#[test]
fn features_and_probabilities_are_those_of_pytorch_fid() {
    let file = Reference::open("inception");
    let (pictures, shape) = smooth_pictures("inception", 2, 40, 36);
    let tensors = tensors();
    assert_eq!(tensors.len(), 94 * 5 + 2);
    for mode in [ResizeMode::PytorchFid, ResizeMode::Clean] {
        let weights = Weights::from_tensors("random weights", tensors.clone());
        let network = InceptionFeatures::load(weights, mode, &Device::flex()).unwrap();
        let batch = network.features(&pictures, shape).unwrap();
        let wanted = |what: &str| file.values::<f32, _>(&format!("{mode}.{what}"));
        assert_close(
            &format!("{mode}, features"),
            &batch.values,
            &wanted("features"),
            TOLERANCE,
        );
        assert_eq!(
            (batch.classes, batch.values.len()),
            (1008, 2 * network.size())
        );
        let probabilities = batch.probabilities.unwrap();
        let what = format!("{mode}, probabilities");
        assert_close(&what, &probabilities, &wanted("probabilities"), TOLERANCE);
    }
}
