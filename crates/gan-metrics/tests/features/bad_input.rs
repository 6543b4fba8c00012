//! One clear line each.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use burn::prelude::*;
use gan_metrics::error::MetricError;
use gan_metrics::features::{
    Checksum, DigitFeatures, Features, InceptionFeatures, InceptionV3, PictureShape, ResizeMode,
    Vgg16, Weights, save_half,
};
use tempfile::TempDir;

/// A file of two tensors, as PyTorch 2.15 writes it: `torch.save({"conv.weight": torch.arange(6.0)
/// .reshape(2, 3), "conv.bias": torch.tensor([0.5, -1.0])})`.
const PYTORCH: &[u8] = include_bytes!("../../../../reference/two_tensors.pth");

/// The same as PyTorch wrote it in 2017, the year of `vgg16-397923af.pth` (`reference/README.md`).
const PYTORCH_2017: &[u8] = include_bytes!("../../../../reference/two_tensors_2017.pth");

fn write(folder: &TempDir, name: &str, bytes: &[u8]) -> PathBuf {
    let path = folder.path().join(name);
    std::fs::write(&path, bytes).unwrap();
    path
}

fn line(error: MetricError, path: &Path) -> String {
    let text = error.to_string();
    assert!(!text.contains('\n'), "{text}");
    text.replace(&path.display().to_string(), "FILE")
}

fn two_tensors() -> BTreeMap<String, TensorData> {
    let bias = TensorData::new(vec![0.5f32, -1.0], [2]);
    let weight = TensorData::new((0..6).map(|v| v as f32).collect(), [2, 3]);
    [("conv.bias".into(), bias), ("conv.weight".into(), weight)].into()
}

#[test]
fn all_formats_are_read() {
    let folder = TempDir::new().unwrap();
    for (name, bytes) in [
        ("a.pth", PYTORCH.to_vec()),
        ("b.pth", PYTORCH_2017.to_vec()),
        ("a.safetensors", save_half(&two_tensors())),
    ] {
        let path = write(&folder, name, &bytes);
        let mut weights = Weights::open(&path, &Checksum::Any, "").unwrap();
        assert_eq!(weights.take("conv.bias", [2]).unwrap(), [0.5, -1.0]);
        let weight = weights.take("conv.weight", [2, 3]).unwrap();
        assert_eq!(weight, [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]);
        weights.finish(&[]).unwrap();
    }
}

#[test]
fn missing_misshapen_and_unexpected_tensors_are_named() {
    let folder = TempDir::new().unwrap();
    let path = write(&folder, "a.pth", PYTORCH);
    let open = || Weights::open(&path, &Checksum::Any, "").unwrap();
    assert_eq!(
        line(open().take("conv2.bias", [2]).unwrap_err(), &path),
        "FILE: has no tensor `conv2.bias`; it is the file of another network, or not the whole one"
    );
    assert_eq!(
        line(open().take("conv.bias", [3]).unwrap_err(), &path),
        "FILE: has `conv.bias` of shape [2], and the network wants [3]; it is the file of another \
         network"
    );
    assert_eq!(
        line(open().finish(&["conv.b"]).unwrap_err(), &path),
        "FILE: has a tensor `conv.weight` that the network does not have; it is the file of \
         another network"
    );
    let error = Vgg16::load(&mut open(), &Device::flex()).unwrap_err();
    assert!(line(error, &path).starts_with("FILE: has no tensor `features.0.weight`"));
}

#[test]
fn another_file_is_told_by_its_checksum() {
    let folder = TempDir::new().unwrap();
    let path = write(&folder, "a.pth", PYTORCH);
    let open = |checksum: &Checksum| {
        InceptionFeatures::open(&path, checksum, ResizeMode::Clean, &Device::flex()).unwrap_err()
    };
    let text = line(open(&Checksum::Published), &path);
    assert!(
        text.starts_with("FILE: is not the file that is wanted, or not whole"),
        "{text}"
    );
    assert!(text.contains(InceptionV3::SHA256), "{text}");
    let own = Weights::open(&path, &Checksum::Any, "")
        .unwrap()
        .sha256()
        .to_owned();
    let text = line(open(&Checksum::Sha256(own)), &path);
    assert!(
        text.starts_with("FILE: has no tensor `Conv2d_1a_3x3.conv.weight`"),
        "{text}"
    );
}

#[test]
fn damaged_and_missing_files_are_one_line() {
    let folder = TempDir::new().unwrap();
    let open = |path: &Path| {
        let result = Weights::open(path, &Checksum::Any, "");
        let weight = result.and_then(|mut weights| {
            weights.take("conv.bias", [2])?;
            weights.take("conv.weight", [2, 3])
        });
        line(weight.unwrap_err(), path)
    };
    let half = save_half(&two_tensors());
    for (name, bytes, wanted) in [
        (
            "a.pth",
            &PYTORCH[..PYTORCH.len() / 2],
            "FILE: is no PyTorch file, or not whole (",
        ),
        (
            "b.pth",
            b"hello",
            "FILE: is no PyTorch file, or not whole (",
        ),
        ("c.pth", b"", "FILE: is no PyTorch file, or not whole ("),
        (
            "a.safetensors",
            &half[..half.len() - 3],
            "FILE: is no safetensors file, or not whole (",
        ),
        (
            "b.safetensors",
            b"hello",
            "FILE: is no safetensors file, or not whole (",
        ),
    ] {
        let text = open(&write(&folder, name, bytes));
        assert!(text.starts_with(wanted), "{name}: {text}");
    }
    let text = open(&folder.path().join("missing.pth"));
    assert!(text.starts_with("FILE: cannot open the file: "), "{text}");
}

#[test]
fn pictures_of_the_wrong_shape_are_refused() {
    let digits = DigitFeatures::new(&Device::flex()).unwrap();
    let shape = |height, channels| PictureShape {
        count: 1,
        height,
        width: 28,
        channels,
    };
    let refused = |shape: PictureShape, bytes: usize| {
        let error = digits.features(&vec![0; bytes], shape).unwrap_err();
        error.to_string()
    };
    assert_eq!(
        refused(shape(32, 1), 32 * 28),
        "digit features: they need grey pictures of 28x28, and these are 32x28 grey; choose other \
         features or resize the pictures"
    );
    assert!(refused(shape(28, 3), 28 * 28 * 3).contains("these are 28x28 RGB"));
    assert_eq!(
        refused(shape(28, 1), 5),
        "bytes of 1 pictures of 28x28 grey: 5 instead of 784; give pictures and shape of one batch"
    );
}
