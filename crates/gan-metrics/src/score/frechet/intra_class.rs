//! The Fréchet distance class by class.

use serde::{Deserialize, Serialize};

use super::{FrechetConfig, FrechetDistance, SETS, distance_of};
use crate::error::{MetricError, check_size};
use crate::score::Gaussian;
use crate::score::classes::class_of;

/// Result of [`intra_class_distance`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct IntraClass {
    /// Mean over the classes; lower is better.
    pub mean: f64,
    /// Distance within each class.
    pub classes: Vec<FrechetDistance>,
}

/// Fréchet distance of the generated to the real pictures within each class, and its mean: the intra FID
/// of section 4 of [cGANs with Projection Discriminator](https://arxiv.org/abs/1802.05637). It sees
/// generators that ignore the class, or draw the same picture for each request of one. The statistics of
/// the classes are those of [`ClassMoments`](crate::score::ClassMoments).
///
/// # Errors
///
/// As [`frechet_distance`](super::frechet_distance), naming the class; or if the numbers of classes
/// differ.
pub fn intra_class_distance(
    real: &[Gaussian],
    fake: &[Gaussian],
    config: FrechetConfig,
) -> Result<IntraClass, MetricError> {
    check_size(
        "classes of the generated pictures",
        fake.len(),
        real.len(),
        "generate pictures of the classes of the data",
    )?;
    let mut classes = Vec::with_capacity(real.len());
    for (class, sets) in real.iter().zip(fake).enumerate() {
        let sets = [sets.0, sets.1];
        let names = SETS.map(|set| class_of(class, set));
        classes.push(distance_of(
            names.each_ref().map(String::as_str),
            sets,
            config,
        )?);
    }
    let sum: f64 = classes.iter().map(|distance| distance.value).sum();
    Ok(IntraClass {
        mean: sum / classes.len() as f64,
        classes,
    })
}

#[cfg(test)]
mod tests {
    use gan_core::rng::Stream;

    use super::super::frechet_distance;
    use super::super::tests::gaussian;
    use super::*;
    use crate::score::{ClassMoments, Rows};

    fn classes(values: &[f32], labels: &[usize]) -> Vec<Gaussian> {
        let mut moments = ClassMoments::new(2, 3);
        moments
            .add(&Rows::new("the pictures", values, 3).unwrap(), labels)
            .unwrap();
        moments.gaussians("the pictures").unwrap()
    }

    #[test]
    fn it_is_the_mean_over_the_classes_and_sees_exchanged_ones() {
        let values: Vec<f32> = Stream::new(1, "intra", 0)
            .normals(600)
            .iter()
            .enumerate()
            .map(|(i, x)| if i / 3 % 2 == 0 { x + 4.0 } else { *x })
            .collect();
        let labels: Vec<usize> = (0..200).map(|i| i % 2).collect();
        let real = classes(&values, &labels);
        let same = intra_class_distance(&real, &real, FrechetConfig::default()).unwrap();
        assert!(same.mean < 1e-10);
        let exchanged: Vec<usize> = labels.iter().map(|label| 1 - label).collect();
        let fake = classes(&values, &exchanged);
        let found = intra_class_distance(&real, &fake, FrechetConfig::default()).unwrap();
        let of = |parity: usize| {
            let rows = values.chunks(3).skip(parity).step_by(2);
            gaussian(&rows.flatten().copied().collect::<Vec<f32>>(), 3)
        };
        let expected = frechet_distance(&of(0), &of(1), FrechetConfig::default())
            .unwrap()
            .value;
        assert!(
            (found.mean - expected).abs() < 1e-10 * expected,
            "{} {expected}",
            found.mean
        );
        assert_eq!(found.classes.len(), 2);
    }

    #[test]
    fn a_class_that_is_too_small_is_named() {
        let real = classes(
            &Stream::new(2, "intra", 0).normals(30),
            &[0, 1, 0, 1, 0, 1, 0, 1, 0, 1],
        );
        let fake = classes(
            &Stream::new(3, "intra", 0).normals(21),
            &[0, 0, 0, 0, 0, 1, 1],
        );
        let error = intra_class_distance(&real, &fake, FrechetConfig::default()).unwrap_err();
        let text = error.to_string();
        assert!(
            text.starts_with("class 1 of the generated pictures: 2 pictures"),
            "{text}"
        );
        let other = vec![real[0].clone(); 3];
        let error = intra_class_distance(&real, &other, FrechetConfig::default()).unwrap_err();
        assert!(error.to_string().contains("3 instead of 2"), "{error}");
    }
}
