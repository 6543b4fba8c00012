//! The perceptual path length of a generator, as a score.

use std::ops::Range;

use burn::prelude::*;
use burn::tensor::module::avg_pool2d;
use burn::tensor::ops::AvgPoolOptions;
use gan_core::train::Better;

use super::Score;
use crate::error::MetricError;
use crate::features::PictureDistance;
use crate::score::{PathLengthConfig, perceptual_path_length};

/// Pictures are averaged down to about this side before they are compared, as StyleGAN's code does: VGG16
/// was made for pictures of 224.
const LARGEST_SIDE: usize = 256;

/// The [perceptual path length](perceptual_path_length) in a distance of pictures, called `name`.
///
/// `latent` draws the latent of an index. `draw` makes pictures `[batch, channels, height, width]` in
/// `[-1, 1]` of latents `[batch, size]`, row by row; it also gets which pairs the rows are of, to show the
/// same class at both ends of a path. Pictures of twice 256 pixels or more are averaged down to 256.
///
/// # Errors
///
/// Those of [`perceptual_path_length`], and of the distance.
pub fn path_length(
    name: &str,
    config: &PathLengthConfig,
    distance: &dyn PictureDistance,
    latent: impl FnMut(u64) -> Vec<f32>,
    mut draw: impl FnMut(Range<usize>, &[f64]) -> Tensor<4>,
) -> Result<Score, MetricError> {
    let found = perceptual_path_length(config, latent, |pairs, here, there| {
        let mut pictures = |points| smaller(draw(pairs.clone(), points));
        distance.between(pictures(here), pictures(there))
    })?;
    let how = format!(
        "{} {} paths, steps of {}, percentiles {} to {}; {}",
        config.samples,
        config.interpolation.name(),
        config.epsilon,
        config.lower_percentile,
        config.upper_percentile,
        distance.name()
    );
    Ok(Score {
        deviation: Some(found.deviation),
        ..Score::new(name, found.mean, Better::Lower, how)
    })
}

fn smaller(pictures: Tensor<4>) -> Tensor<4> {
    let [_, _, height, width] = pictures.dims();
    match height.min(width) / LARGEST_SIDE {
        0 | 1 => pictures,
        factor => avg_pool2d(pictures, AvgPoolOptions::new([factor; 2])),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::score::Interpolation;

    /// Sum of the squares over a picture.
    struct Squares;

    impl PictureDistance for Squares {
        fn name(&self) -> String {
            "squares".into()
        }

        fn between(&self, a: Tensor<4>, b: Tensor<4>) -> Result<Vec<f64>, MetricError> {
            let sums = (a - b).square().flatten::<2>(1, 3).sum_dim(1);
            let sums = sums.into_data().convert::<f32>().try_to_vec::<f32>();
            Ok(sums.unwrap().into_iter().map(f64::from).collect())
        }
    }

    fn score(side: usize) -> Score {
        let config = PathLengthConfig {
            samples: 5,
            interpolation: Interpolation::Linear,
            epsilon: 0.5,
            at_ends: true,
            lower_percentile: 0.0,
            upper_percentile: 100.0,
            batch_size: 2,
            ..PathLengthConfig::default()
        };
        // The first latent is 0, the second the pair's number in both coordinates.
        let latent = |index: u64| vec![((index / 2) * (index % 2)) as f32; 2];
        path_length("ppl", &config, &Squares, latent, |pairs, points| {
            assert_eq!(points.len(), 2 * pairs.len());
            let values: Vec<f32> = points.iter().map(|x| *x as f32).collect();
            let rows = TensorData::new(values, [pairs.len(), 2, 1, 1]);
            let pixels = Tensor::<4>::from_data(rows, &Device::flex());
            pixels.repeat(&[1, 1, side, side])
        })
        .unwrap()
    }

    #[test]
    fn it_is_the_mean_over_the_paths() {
        // Two channels of one pixel, which differ by half of the number: / 0.5², 2 i².
        let score = score(1);
        assert!((score.value - 2.0 * 30.0 / 5.0).abs() < 1e-5, "{score}");
        assert_eq!(
            score.how,
            "5 linear paths, steps of 0.5, percentiles 0 to 100; squares"
        );
    }

    #[test]
    fn large_pictures_are_averaged_down() {
        let pixels = |score: Score| score.value / (2.0 * 30.0 / 5.0);
        assert!((pixels(score(512)) / 65536.0 - 1.0).abs() < 1e-4);
        assert!((pixels(score(511)) / (511.0 * 511.0) - 1.0).abs() < 1e-4);
    }
}
