//! How smoothly the pictures of a run follow its latents.

use std::cell::RefCell;

use burn::prelude::*;
use gan_core::sample::LatentPrior;
use gan_metrics::features::PictureDistance;
use gan_metrics::score::{Interpolation, PathLengthConfig};
use gan_metrics::suite::{Score, path_length};

use super::asked::PathDistance;
use crate::Failure;
use crate::progress::{Counter, Screen};
use crate::trained::Trained;

/// The perceptual path length of a run over `count` paths. Path `i` goes from the latent of seed `2 i` to
/// that of seed `2 i + 1`; classes are asked for in turn, and stay the same along a path, as codes do.
pub(super) fn score_paths(
    trained: &Trained,
    count: usize,
    truncation: Option<f64>,
    (asked, distance): (PathDistance, &dyn PictureDistance),
    screen: &Screen,
) -> Result<Score, Failure> {
    let config = PathLengthConfig {
        samples: count,
        interpolation: match trained.latent() {
            LatentPrior::Normal { .. } => Interpolation::Arc,
            LatentPrior::Uniform { .. } => Interpolation::Linear,
        },
        ..PathLengthConfig::default()
    };
    // A path is looked at from two pictures.
    let counter = RefCell::new(Counter::new(screen, "pictures of paths", 2 * count));
    let class_of = |path: usize| match trained.num_classes() {
        0 => Vec::new(),
        there => vec![path % there],
    };
    let latent = |index: u64| {
        let rows = trained.parts(&[index], &class_of(index as usize / 2), truncation);
        let values = rows.latents.into_data().convert::<f32>().try_to_vec();
        values.expect("it has just been converted to f32")
    };
    let draw = |paths: std::ops::Range<usize>, points: &[f64]| {
        let seeds: Vec<u64> = paths.clone().map(|path| 2 * path as u64).collect();
        let classes: Vec<usize> = paths.flat_map(class_of).collect();
        let values: Vec<f32> = points.iter().map(|x| *x as f32).collect();
        let shape = [seeds.len(), values.len() / seeds.len()];
        let mut rows = trained.parts(&seeds, &classes, truncation);
        rows.latents = Tensor::from_data(TensorData::new(values, shape), trained.device());
        trained.draw_rows(rows.joined())
    };
    let score = path_length(
        &asked.name().replace('-', "_"),
        &config,
        distance,
        latent,
        |paths, points| {
            counter.borrow_mut().advance(paths.len());
            draw(paths, points)
        },
    );
    score.map_err(|error| Failure::new(format!("--metrics {}: {error}", asked.name())))
}
