//! All scores beside those of pytorch-fid, torch-fidelity, prdc, scikit-learn and scikit-image
//! (`reference/generate/scores.py`).

use gan_metrics::features::PictureShape;
use gan_metrics::score::{
    Estimate, FrechetConfig, Gaussian, Interpolation, KernelDistanceConfig, ManifoldConfig,
    Moments, PairConfig, PathLengthConfig, Rows, frechet_distance, inception_score,
    manifold_scores, ms_ssim, nearest_neighbours, perceptual_path_length, psnr,
    squared_discrepancy, ssim,
};
use safetensors::SafeTensors;

const SIZE: usize = 24;

fn bytes(file: &str) -> Vec<u8> {
    let path = format!(
        "{}/../../reference/{file}.safetensors",
        env!("CARGO_MANIFEST_DIR")
    );
    std::fs::read(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn numbers<const N: usize>(bytes: &[u8], name: &str) -> Vec<[u8; N]> {
    let file = SafeTensors::deserialize(bytes).unwrap();
    let tensor = file.tensor(name).unwrap();
    tensor.data().as_chunks::<N>().0.to_vec()
}

fn singles(bytes: &[u8], name: &str) -> Vec<f32> {
    numbers(bytes, name)
        .into_iter()
        .map(f32::from_le_bytes)
        .collect()
}

fn doubles(bytes: &[u8], name: &str) -> Vec<f64> {
    numbers(bytes, name)
        .into_iter()
        .map(f64::from_le_bytes)
        .collect()
}

fn indices(bytes: &[u8], name: &str) -> Vec<usize> {
    numbers(bytes, name)
        .into_iter()
        .map(|n| i64::from_le_bytes(n) as usize)
        .collect()
}

fn rows(values: &[f32]) -> Rows<'_> {
    Rows::new("the pictures", values, SIZE).unwrap()
}

fn gaussian(values: &[f32]) -> Gaussian {
    let mut moments = Moments::new(SIZE);
    moments.add(&rows(values)).unwrap();
    moments.gaussian("the pictures").unwrap()
}

#[track_caller]
fn assert_near(found: f64, expected: f64, tolerance: f64) {
    let error = (found - expected).abs() / expected.abs().max(1.0);
    assert!(error < tolerance, "{found} instead of {expected}");
}

#[test]
fn the_frechet_distance_is_pytorch_fids_and_exact_without_full_rank() {
    let file = bytes("scores_features");
    let real = gaussian(&singles(&file, "real"));
    for set in ["fake", "thin"] {
        let other = gaussian(&singles(&file, set));
        let expected = doubles(&file, &format!("frechet.{set}"))[0];
        let config = FrechetConfig { allow_few: true };
        let found = frechet_distance(&real, &other, config).unwrap();
        assert!(
            (found.value / expected - 1.0).abs() < 1e-9,
            "{set}: {found} {expected}"
        );
        assert_eq!(found.is_rank_deficient(), set == "thin");
    }
}

#[test]
fn the_kernel_distance_is_torch_fidelitys() {
    let file = bytes("scores_features");
    let (real, fake) = (singles(&file, "real"), singles(&file, "fake"));
    let config = KernelDistanceConfig::default();
    let whole = squared_discrepancy(&rows(&real[..260 * SIZE]), &rows(&fake), config).unwrap();
    assert_near(whole, doubles(&file, "discrepancy")[0], 1e-9);
    let pick = |values: &[f32], rows: &[usize]| -> Vec<f32> {
        rows.iter()
            .flat_map(|row| values[row * SIZE..][..SIZE].to_vec())
            .collect()
    };
    let (real_rows, fake_rows) = (indices(&file, "kid.real"), indices(&file, "kid.fake"));
    let values: Vec<f64> = real_rows
        .chunks(100)
        .zip(fake_rows.chunks(100))
        .map(|(r, f)| {
            let (real, fake) = (pick(&real, r), pick(&fake, f));
            squared_discrepancy(&rows(&real), &rows(&fake), config).unwrap()
        })
        .collect();
    let expected = doubles(&file, "kid");
    assert_near(Estimate::of(&values).mean, expected[0], 1e-9);
    assert_near(Estimate::of(&values).deviation, expected[1], 1e-9);
}

#[test]
fn the_inception_score_is_torch_fidelitys() {
    let file = bytes("scores_features");
    let probabilities = singles(&file, "probabilities");
    let found = inception_score(&Rows::new("the fakes", &probabilities, 10).unwrap(), 7).unwrap();
    let expected = doubles(&file, "inception");
    assert_near(found.mean, expected[0], 1e-6);
    assert_near(found.deviation, expected[1], 1e-6);
}

#[test]
fn manifolds_are_prdcs_and_neighbours_scikit_learns() {
    let file = bytes("scores_features");
    let (real, fake) = (singles(&file, "real"), singles(&file, "fake"));
    let found = manifold_scores(&rows(&real), &rows(&fake), ManifoldConfig::default()).unwrap();
    let found = [found.precision, found.recall, found.density, found.coverage];
    for (found, expected) in found.into_iter().zip(doubles(&file, "manifold")) {
        assert_near(found, expected, 1e-12);
    }
    let found = nearest_neighbours(&rows(&fake), &rows(&real), 2)
        .unwrap()
        .concat();
    let expected = indices(&file, "nearest.index")
        .into_iter()
        .zip(doubles(&file, "nearest.distance"));
    for (found, (index, distance)) in found.iter().zip(expected) {
        assert_eq!(found.index, index);
        assert_near(found.distance, distance, 1e-9);
    }
}

#[test]
fn the_path_length_is_torch_fidelitys() {
    let file = bytes("scores_features");
    let (weight, ends) = (doubles(&file, "path.weight"), singles(&file, "path.ends"));
    let draw = |latent: &[f64]| -> Vec<f64> {
        let row = |row: &[f64]| {
            row.iter()
                .zip(latent)
                .map(|(w, z)| w * z)
                .sum::<f64>()
                .tanh()
        };
        weight.chunks(8).map(row).collect()
    };
    let config = PathLengthConfig {
        samples: 200,
        interpolation: Interpolation::Spherical,
        at_ends: true,
        ..PathLengthConfig::default()
    };
    let found = perceptual_path_length(
        &config,
        |index| ends[index as usize * 8..][..8].to_vec(),
        |here, there| {
            let square = |(a, b): (&[f64], &[f64])| {
                let pairs = draw(a).into_iter().zip(draw(b));
                pairs.map(|(a, b)| (a - b).powi(2)).sum()
            };
            Ok(here.chunks(8).zip(there.chunks(8)).map(square).collect())
        },
    );
    let (found, expected) = (found.unwrap(), doubles(&file, "path"));
    assert_near(found.mean, expected[0], 1e-6);
    assert_near(found.deviation, expected[1], 1e-6);
}

#[test]
fn pairs_are_scikit_images() {
    let file = bytes("scores_pictures");
    let picture = |name| numbers::<1>(&file, name).concat();
    let (target, output) = (picture("target"), picture("output"));
    let shape = PictureShape {
        count: 1,
        height: 192,
        width: 176,
        channels: 3,
    };
    let config = PairConfig::default();
    let expected = |name| doubles(&file, name)[0];
    assert_near(
        psnr(&output, &target, shape).unwrap()[0],
        expected("psnr"),
        1e-9,
    );
    assert_near(
        ssim(&output, &target, shape, config).unwrap()[0],
        expected("ssim"),
        1e-9,
    );
    assert_near(
        ms_ssim(&output, &target, shape, config).unwrap()[0],
        expected("ms_ssim"),
        1e-9,
    );
}
