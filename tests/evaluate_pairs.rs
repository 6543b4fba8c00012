//! Scores that need no statistics of sets: of pairs of pictures, and of paths between latents.

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::Duration;

use burn::prelude::*;
use burn::tensor::TensorData;
use clap::Parser;
use common::{TINY, only_run, run, run_well};
use gan::cli::RunArgs;
use gan::trained::Trained;
use gan_core::rng::Stream;
use gan_core::weights::write_weights;
use gan_data::Picture;
use gan_data::io::write_picture;
use gan_metrics::features::{Checksum, DigitFeatures, Lpips, PictureDistance, PictureShape};
use gan_metrics::score::{
    Estimate, Interpolation, PairConfig, PathLengthConfig, ms_ssim, perceptual_path_length, psnr,
    ssim,
};
use serde_json::Value;

const LIMIT: Duration = Duration::from_secs(60);

fn evaluate(folder: &Path, flags: &[&str]) -> Value {
    let flags = [&["--json", "--quiet"], flags].concat();
    serde_json::from_str(&run_well("evaluate", folder, &flags)).unwrap()
}

fn refused(folder: &Path, flags: &[&str], words: &[&str]) {
    let output = run("evaluate", folder, flags, LIMIT);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success(), "{flags:?}");
    for word in words {
        assert!(said.contains(word), "{flags:?} does not say {word}: {said}");
    }
}

/// Value and deviation of a score, and how it was made.
fn score(report: &Value, name: &str) -> (Estimate, String) {
    let scores = report["scores"].as_array().unwrap();
    let found = scores.iter().find(|score| score["name"] == name);
    let found = found.unwrap_or_else(|| panic!("no {name} in {report}"));
    let number = |key: &str| found[key].as_f64().unwrap();
    let estimate = Estimate {
        mean: number("value"),
        deviation: number("deviation"),
    };
    (estimate, found["how"].as_str().unwrap().to_owned())
}

#[track_caller]
fn assert_close(found: Estimate, wanted: Estimate) {
    let off = (found.mean - wanted.mean).abs() + (found.deviation - wanted.deviation).abs();
    assert!(off <= 1e-6 * wanted.mean.abs(), "{found} {wanted}");
}

/// A VGG16 of random weights, without its dense layers, and the published weights of LPIPS.
fn weights_of_lpips(folder: &Path) -> [PathBuf; 2] {
    let mut tensors = BTreeMap::new();
    let (mut inputs, mut layer) = (3, 0);
    for (outputs, convolutions) in [(64, 2), (128, 2), (256, 3), (512, 3), (512, 3)] {
        for _ in 0..convolutions {
            let bound = (6.0 / (9 * inputs) as f32).sqrt();
            let mut stream = Stream::new(7, "vgg16", layer);
            let mut add = |end: &str, shape: Vec<usize>| {
                let values = stream.uniforms(shape.iter().product(), -bound, bound);
                let name = format!("features.{layer}.{end}");
                tensors.insert(name, TensorData::new(values, shape));
            };
            add("weight", vec![outputs, inputs, 3, 3]);
            add("bias", vec![outputs]);
            (inputs, layer) = (outputs, layer + 2);
        }
        layer += 1;
    }
    let vgg = folder.join("vgg.safetensors");
    write_weights(&vgg, &tensors, None).unwrap();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    [vgg, root.join("reference/lpips_vgg.pth")]
}

fn open_lpips([vgg, linear]: &[PathBuf; 2]) -> Lpips {
    let linear = (linear.as_path(), &Checksum::Published);
    Lpips::open((vgg, &Checksum::Any), linear, &Device::flex()).unwrap()
}

/// Flags for both files.
fn flags_of([vgg, linear]: &[PathBuf; 2]) -> [&str; 6] {
    [
        "--checksum",
        "any",
        "--lpips-vgg",
        vgg.to_str().unwrap(),
        "--lpips-weights",
        linear.to_str().unwrap(),
    ]
}

/// Colour pictures in `folder/name`, one by one more different from a pattern; and their bytes.
fn write_pictures(folder: &Path, name: &str, noise: f32, shape: PictureShape) -> Vec<u8> {
    fs::create_dir(folder.join(name)).unwrap();
    let mut all = Vec::new();
    for index in 0..shape.count {
        let mut stream = Stream::new(3, name, index as u64);
        let range = noise * (index + 1) as f32;
        let noise = stream.uniforms(shape.picture_size(), -range, range);
        let row = 3 * shape.width;
        let pattern = |place: usize| 100.0 + ((place / row + place % row + 9 * index) % 80) as f32;
        let pixels = noise.iter().enumerate();
        let pixels: Vec<u8> = pixels
            .map(|(place, noise)| (pattern(place) + noise) as u8)
            .collect();
        let picture = Picture {
            width: shape.width,
            height: shape.height,
            channels: 3,
            pixels: pixels.clone(),
            label: None,
            caption: None,
        };
        write_picture(folder.join(format!("{name}/{index}.png")), &picture).unwrap();
        all.extend(pixels);
    }
    all
}

#[test]
fn pairs_are_scored_as_by_the_functions() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let shape = PictureShape {
        count: 3,
        height: 161,
        width: 164,
        channels: 3,
    };
    let target = write_pictures(folder, "target", 0.0, shape);
    let output = write_pictures(folder, "output", 9.0, shape);
    let files = weights_of_lpips(folder);
    let sets = ["--real", "target", "--fake", "output"];
    let metrics = ["--metrics", "psnr,lpips,ms-ssim,ssim"];
    let report = evaluate(folder, &[&sets[..], &metrics, &flags_of(&files)].concat());
    let config = PairConfig::default();
    let lpips = open_lpips(&files);
    for (name, values, how) in [
        ("psnr", psnr(&output, &target, shape), "3 pairs".to_owned()),
        (
            "ssim",
            ssim(&output, &target, shape, config),
            "3 pairs; window of 11 pixels".into(),
        ),
        (
            "ms_ssim",
            ms_ssim(&output, &target, shape, config),
            "3 pairs; window of 11 pixels".into(),
        ),
        (
            "lpips",
            lpips.distances(&output, &target, shape),
            format!("3 pairs; {}", lpips.name()),
        ),
    ] {
        let values = values.unwrap();
        assert!(
            values[0] != values[1] && values[1] != values[2],
            "{name}: {values:?}"
        );
        let (found, said) = score(&report, name);
        assert_close(found, Estimate::of(&values));
        assert_eq!(said, how);
    }
    assert_eq!(report["features"], Value::Null);
    assert_eq!(report["real"]["count"], 3);
    assert_eq!(report["fake"]["picture"], "161x164 RGB");
    // A published file is found in the cache, and what is wanted of another is not said to be there.
    fs::create_dir_all(folder.join("cache/weights")).unwrap();
    fs::copy(&files[1], folder.join("cache/weights/lpips_vgg.pth")).unwrap();
    let lpips_only = [&sets[..], &["--metrics", "lpips"], &flags_of(&files)[..4]].concat();
    let again = evaluate(folder, &lpips_only);
    assert_eq!(score(&again, "lpips"), score(&report, "lpips"));
    refused(
        folder,
        &lpips_only[..6],
        &["vgg16-397923af.pth", "--lpips-vgg FILE"],
    );
    // The first pairs only; and a table without features.
    let some = [&sets[..], &["--metrics", "psnr", "--num", "2"]].concat();
    let (found, how) = score(&evaluate(folder, &some), "psnr");
    let two = PictureShape { count: 2, ..shape };
    let bytes = two.num_bytes();
    let wanted = psnr(&output[..bytes], &target[..bytes], two).unwrap();
    assert_close(found, Estimate::of(&wanted));
    assert_eq!(how, "2 pairs");
    let table = run_well("evaluate", folder, &some);
    assert!(
        table.contains("higher is better  2 pairs") && !table.contains("features"),
        "{table}"
    );
}

#[derive(Parser)]
struct Arguments {
    #[command(flatten)]
    run: RunArgs,
}

/// The path length, computed without the program: one path at a time.
fn path_length(run: &Path, paths: usize, distance: &dyn PictureDistance) -> Estimate {
    let flags = ["test", "--quiet", "--run", run.to_str().unwrap()];
    let trained = Trained::open(&Arguments::parse_from(flags).run).unwrap();
    let model: Value = serde_json::from_str(&trained.model()).unwrap();
    let size = model["gan"]["latent"]["size"].as_u64().unwrap() as usize;
    let class_of = |path: usize| match trained.num_classes() {
        0 => Vec::new(),
        classes => vec![path % classes],
    };
    let row = |seed: u64| {
        let row = trained
            .rows(&[seed], &class_of(seed as usize / 2))
            .into_data();
        row.convert::<f32>().try_to_vec::<f32>().unwrap()
    };
    let config = PathLengthConfig {
        samples: paths,
        interpolation: match model["gan"]["latent"]["kind"].as_str() {
            Some("uniform") => Interpolation::Linear,
            _ => Interpolation::Arc,
        },
        batch_size: 1,
        ..PathLengthConfig::default()
    };
    let latent = |index: u64| row(index)[..size].to_vec();
    let draw = |path: usize, point: &[f64]| {
        let mut row = row(2 * path as u64);
        row[..size]
            .iter_mut()
            .zip(point)
            .for_each(|(to, from)| *to = *from as f32);
        let shape = [1, row.len()];
        trained.draw_rows(Tensor::from_data(
            TensorData::new(row, shape),
            trained.device(),
        ))
    };
    perceptual_path_length(&config, latent, |paths: Range<usize>, here, there| {
        distance.between(draw(paths.start, here), draw(paths.start, there))
    })
    .unwrap()
}

fn trained(folder: &Path, flags: &[&str]) -> PathBuf {
    fs::create_dir_all(folder).unwrap();
    run_well(
        "mnist_gan",
        folder,
        &[TINY, &["--kimg", "0.1"], flags].concat(),
    );
    only_run(folder)
}

/// Not exactly equal: pictures that are drawn alone and in a batch differ in the last bit, of which the
/// square of the step makes something.
#[track_caller]
fn assert_near(found: Estimate, wanted: Estimate) {
    let off = (found.mean / wanted.mean - 1.0).abs();
    assert!(wanted.mean > 0.1 && off < 0.02, "{found} {wanted}");
}

#[test]
fn paths_are_scored_as_by_the_functions() {
    let folder = tempfile::tempdir().unwrap();
    let files = weights_of_lpips(folder.path());
    let lpips = open_lpips(&files);
    let digits = DigitFeatures::new(&Device::flex()).unwrap();
    let plain = trained(&folder.path().join("plain"), &[]);
    let path = plain.to_str().unwrap();
    let flags = ["--run", path, "--metrics", "ppl-digits,ppl", "--num", "70"];
    let report = evaluate(folder.path(), &[&flags[..], &flags_of(&files)].concat());
    let (found, how) = score(&report, "ppl_digits");
    assert_near(found, path_length(&plain, 70, &digits));
    let made = "70 arc paths, steps of 0.0001, percentiles 1 to 99; ";
    assert_eq!(how, format!("{made}{}", PictureDistance::name(&digits)));
    let (found, how) = score(&report, "ppl");
    assert_near(found, path_length(&plain, 70, &lpips));
    assert_eq!(how, format!("{made}{}", lpips.name()));
    assert_eq!(
        (&report["real"], &report["features"]),
        (&Value::Null, &Value::Null)
    );
    assert_eq!(report["fake"]["count"], 140);
    let page = fs::read_to_string(plain.join("report.html")).unwrap();
    assert!(page.contains("ppl digits") && page.contains("140 pictures of"));
    // Beside a score of sets, and for a run that is scored against other pictures.
    let both = ["--run", path, "--metrics", "fid,ppl-digits", "--num", "70"];
    let report = evaluate(folder.path(), &[&both[..], &["--num-real", "100"]].concat());
    assert_near(
        score(&report, "ppl_digits").0,
        path_length(&plain, 70, &digits),
    );
    assert_eq!(
        (&report["scores"][0]["name"], &report["fake"]["count"]),
        (&"fid".into(), &70.into())
    );

    refused(
        folder.path(),
        &["--run", path, "--metrics", "ppl"],
        &["--metrics ppl:", "--lpips-weights FILE"],
    );
    refused(
        folder.path(),
        &["--run", path, "--metrics", "fid,psnr"],
        &["--metrics psnr:", "--real and --fake"],
    );
    refused(
        folder.path(),
        &["--run", path, "--num", "10"],
        &[
            "--num: the generated pictures: 10 pictures are too few",
            "--allow-few",
        ],
    );
}

#[test]
fn classes_stay_the_same_along_a_path() {
    let folder = tempfile::tempdir().unwrap();
    let flags = "--preset cgan --data synthetic --batch 8 --kimg 0.1";
    let flags: Vec<&str> = flags.split_whitespace().collect();
    run_well("conditional_mnist", folder.path(), &flags);
    let run = only_run(folder.path());
    let path = run.to_str().unwrap();
    let flags = ["--run", path, "--metrics", "ppl-digits", "--num", "30"];
    let (found, _) = score(&evaluate(folder.path(), &flags), "ppl_digits");
    let digits = DigitFeatures::new(&Device::flex()).unwrap();
    assert_near(found, path_length(&run, 30, &digits));
}
