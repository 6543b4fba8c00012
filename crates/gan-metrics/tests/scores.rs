//! All scores beside those of pytorch-fid, torch-fidelity, prdc, scikit-learn and scikit-image
//! (`reference/generate/scores.py`).

mod reference;

use gan_metrics::features::PictureShape;
use gan_metrics::score::{
    Estimate, FrechetConfig, Gaussian, Interpolation, KernelDistanceConfig, ManifoldConfig,
    Moments, PairConfig, PathLengthConfig, Rows, frechet_distance, inception_score,
    manifold_scores, ms_ssim, nearest_neighbours, perceptual_path_length, psnr,
    squared_discrepancy, ssim,
};
use reference::Reference;

const SIZE: usize = 24;

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
    let file = Reference::open("scores_features");
    let real = gaussian(&file.values("real"));
    for set in ["fake", "thin"] {
        let other = gaussian(&file.values(set));
        let expected: f64 = file.values(&format!("frechet.{set}"))[0];
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
    let file = Reference::open("scores_features");
    let (real, fake) = (file.values("real"), file.values("fake"));
    let config = KernelDistanceConfig::default();
    let whole = squared_discrepancy(&rows(&real[..260 * SIZE]), &rows(&fake), config).unwrap();
    assert_near(whole, file.values("discrepancy")[0], 1e-9);
    let pick = |values: &[f32], rows: &[usize]| -> Vec<f32> {
        rows.iter()
            .flat_map(|row| values[row * SIZE..][..SIZE].to_vec())
            .collect()
    };
    let (real_rows, fake_rows) = (file.values("kid.real"), file.values("kid.fake"));
    let values: Vec<f64> = real_rows
        .chunks(100)
        .zip(fake_rows.chunks(100))
        .map(|(r, f)| {
            let (real, fake) = (pick(&real, r), pick(&fake, f));
            squared_discrepancy(&rows(&real), &rows(&fake), config).unwrap()
        })
        .collect();
    let expected = file.values("kid");
    assert_near(Estimate::of(&values).mean, expected[0], 1e-9);
    assert_near(Estimate::of(&values).deviation, expected[1], 1e-9);
}

#[test]
fn the_inception_score_is_torch_fidelitys() {
    let file = Reference::open("scores_features");
    let probabilities = file.values("probabilities");
    let found = inception_score(&Rows::new("the fakes", &probabilities, 10).unwrap(), 7).unwrap();
    let expected = file.values("inception");
    assert_near(found.mean, expected[0], 1e-6);
    assert_near(found.deviation, expected[1], 1e-6);
}

#[test]
fn manifolds_are_prdcs_and_neighbours_scikit_learns() {
    let file = Reference::open("scores_features");
    let (real, fake) = (file.values("real"), file.values("fake"));
    let found = manifold_scores(&rows(&real), &rows(&fake), ManifoldConfig::default()).unwrap();
    let found = [found.precision, found.recall, found.density, found.coverage];
    for (found, expected) in found.into_iter().zip(file.values("manifold")) {
        assert_near(found, expected, 1e-12);
    }
    let found = nearest_neighbours(&rows(&fake), &rows(&real), 2)
        .unwrap()
        .concat();
    let expected = file
        .values::<usize, _>("nearest.index")
        .into_iter()
        .zip(file.values("nearest.distance"));
    for (found, (index, distance)) in found.iter().zip(expected) {
        assert_eq!(found.index, index);
        assert_near(found.distance, distance, 1e-9);
    }
}

#[test]
fn the_path_length_is_torch_fidelitys() {
    let file = Reference::open("scores_features");
    let (weight, ends) = (file.values("path.weight"), file.values("path.ends"));
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
        |_, here, there| {
            let square = |(a, b): (&[f64], &[f64])| {
                let pairs = draw(a).into_iter().zip(draw(b));
                pairs.map(|(a, b)| (a - b).powi(2)).sum()
            };
            Ok(here.chunks(8).zip(there.chunks(8)).map(square).collect())
        },
    );
    let (found, expected) = (found.unwrap(), file.values("path"));
    assert_near(found.mean, expected[0], 1e-6);
    assert_near(found.deviation, expected[1], 1e-6);
}

#[test]
fn pairs_are_scikit_images() {
    let file = Reference::open("scores_pictures");
    let picture = |name| file.values::<u8, _>(name);
    let (target, output) = (picture("target"), picture("output"));
    let shape = PictureShape {
        count: 1,
        height: 192,
        width: 176,
        channels: 3,
    };
    let config = PairConfig::default();
    let expected = |name| file.values::<f64, _>(name)[0];
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
