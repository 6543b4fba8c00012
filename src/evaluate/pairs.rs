//! Scores of pairs of pictures of two files or folders.

use std::path::Path;

use gan_data::ChannelMode;
use gan_metrics::features::{Lpips, PictureShape};
use gan_metrics::score::PairConfig;
use gan_metrics::suite::{PairCollector, PairMetric, Score};

use super::sets::{CHUNK, PictureSet, Stored, joined, opened};
use crate::Failure;
use crate::progress::{Counter, Screen};

/// The scores of the first `count` pairs of `real` and `fake`, and the number and the size of the pictures.
///
/// # Errors
///
/// If there are not as many pictures of one as of the other, or they have several sizes.
pub(super) fn score_pairs(
    real: &Path,
    fake: &Path,
    count: usize,
    metrics: &[PairMetric],
    lpips: Option<&Lpips>,
    screen: &Screen,
) -> Result<(Vec<Score>, PictureShape), Failure> {
    // As they are, whatever the features of other scores want.
    let open = |path, flag| opened(path, flag, ChannelMode::Keep);
    let ((reals, real), (fakes, fake)) = (open(real, "--real")?, open(fake, "--fake")?);
    let (num_real, num_fake) = (reals.len(), fakes.len());
    if num_real != num_fake {
        let metric = metrics[0];
        return Err(Failure::new(format!(
            "--metrics {metric}: it compares pictures in pairs, and {real} has {num_real}, {fake} has \
             {num_fake}; give as many, in the same order"
        )));
    }
    let reals = Stored::in_order(reals, count, &real);
    let fakes = Stored::in_order(fakes, count, &fake);
    let mut collector = PairCollector::new(metrics, lpips, PairConfig::default())?;
    let mut counter = Counter::new(screen, "pairs", reals.count());
    let mut all = None;
    for begin in (0..reals.count()).step_by(CHUNK) {
        let range = begin..reals.count().min(begin + CHUNK);
        let (targets, shape) = joined(reals.pictures(range.clone())?);
        let (outputs, other) = joined(fakes.pictures(range)?);
        if other != shape {
            return Err(Failure::new(format!(
                "{fake}: its pictures are {other}, and those of {real} are {shape}; bring them to one \
                 size and one number of channels"
            )));
        }
        let one = |shape: PictureShape| PictureShape { count: 1, ..shape };
        if let Some(first) = all.filter(|first| one(*first) != one(shape)) {
            return Err(Failure::new(format!(
                "{real}: there are pictures of {first} and of {shape}; resize them to one size"
            )));
        }
        let added = collector.add(&outputs, &targets, shape);
        added.map_err(|error| Failure::new(format!("--metrics {error}")))?;
        counter.advance(shape.count);
        all = Some(PictureShape {
            count: reals.count(),
            ..shape
        });
    }
    let shape = all.ok_or_else(|| Failure::new(format!("{real}: there are no pictures in it")))?;
    let scores = collector.scores();
    let scores = scores.map_err(|error| Failure::new(format!("--metrics {error}")))?;
    Ok((scores, shape))
}
