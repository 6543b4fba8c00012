//! The scores of two sets.

use std::fmt;

use gan_core::train::Better;
use serde::{Deserialize, Serialize};

use super::{Metric, SetStatistics, SuiteConfig};
use crate::error::{MetricError, check_count};
use crate::score::{
    Gaussian, InceptionScore, Manifold, ManifoldConfig, Rows, frechet_distance,
    intra_class_distance, kernel_distance, manifold_scores, memorisation,
};

/// A score, and how it was made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Score {
    /// As in `fid`, `precision`.
    pub name: String,
    /// The score.
    pub value: f64,
    /// Standard deviation over subsets or splits, where there are some.
    pub deviation: Option<f64>,
    /// Which values are better.
    pub better: Better,
    /// Numbers of pictures, subsets, neighbours: what another score must have to compare.
    pub how: String,
}

impl Score {
    pub(super) fn new(name: &str, value: f64, better: Better, how: String) -> Self {
        Self {
            name: name.to_owned(),
            value,
            deviation: None,
            better,
            how,
        }
    }
}

impl fmt::Display for Score {
    /// `12.3456`, `0.0123 ± 0.0010`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.4}", self.value)?;
        match self.deviation {
            Some(deviation) => write!(f, " ± {deviation:.4}"),
            None => Ok(()),
        }
    }
}

/// Computes scores, in the order in which they are asked for; some metrics have two.
///
/// Scores of pairs of pictures take the first of both sets, as many as the smaller one has kept.
///
/// # Errors
///
/// If the sets were collected with different features, are too small for a score, or have no classes
/// or labels that it needs.
pub fn evaluate(
    real: &SetStatistics,
    fake: &SetStatistics,
    metrics: &[Metric],
    config: &SuiteConfig,
) -> Result<Vec<Score>, MetricError> {
    if real.features != fake.features {
        return Err(MetricError::Pictures {
            place: fake.set.clone(),
            reason: format!(
                "their features are {} and those of {} are {}; use the same ones for both sets",
                fake.features, real.set, real.features
            ),
        });
    }
    let sets = Sets { real, fake, config };
    let mut scores = Vec::new();
    for metric in metrics {
        scores.extend(match metric {
            Metric::Fid => sets.fid()?,
            Metric::Kid => sets.kid()?,
            Metric::PrecisionRecall => sets.precision()?,
            Metric::DensityCoverage => sets.density()?,
            Metric::InceptionScore => sets.inception_score()?,
            Metric::Classes => sets.classes()?,
            Metric::Accuracy => sets.accuracy()?,
            Metric::IntraFid => sets.intra_fid()?,
            Metric::Authenticity => sets.authenticity()?,
        });
    }
    Ok(scores)
}

/// What [`evaluate`] would say of sets of so many pictures, the real and the generated ones, with features of
/// `size` numbers: worth asking before they are collected.
///
/// # Errors
///
/// If a set is too small for one of the metrics.
pub fn check_counts(
    [real, fake]: [u64; 2],
    size: usize,
    metrics: &[Metric],
    config: &SuiteConfig,
) -> Result<(), MetricError> {
    for (set, found) in [
        ("the real pictures", real),
        ("the generated pictures", fake),
    ] {
        check_count(set, "a score", found, 2, "add pictures")?;
        for metric in metrics {
            match metric {
                Metric::Fid => config.frechet.check_count(set, found, size)?,
                Metric::PrecisionRecall => config.precision.check_count(set, found)?,
                Metric::DensityCoverage => config.density.check_count(set, found)?,
                _ => {}
            }
        }
    }
    match metrics.contains(&Metric::InceptionScore) {
        true => InceptionScore::check_count(config.splits, fake),
        false => Ok(()),
    }
}

struct Sets<'a> {
    real: &'a SetStatistics,
    fake: &'a SetStatistics,
    config: &'a SuiteConfig,
}

impl Sets<'_> {
    fn counts(&self) -> String {
        counts(self.real.count(), self.fake.count())
    }

    /// As many of one set as of the other.
    fn pairs(&self) -> [Rows<'_>; 2] {
        let (real, fake) = (self.real.kept(), self.fake.kept());
        let count = real.count().min(fake.count());
        [real.first(count), fake.first(count)]
    }

    fn fid(&self) -> Result<Vec<Score>, MetricError> {
        let (real, fake) = (&self.real.gaussian, &self.fake.gaussian);
        let distance = frechet_distance(real, fake, self.config.frechet)?;
        let mut how = self.counts();
        if distance.is_rank_deficient() {
            how.push_str(&format!(
                "; rank of the covariances {} and {} of {}",
                distance.real.rank, distance.fake.rank, distance.size
            ));
        }
        Ok(vec![Score::new("fid", distance.value, Better::Lower, how)])
    }

    fn intra_fid(&self) -> Result<Vec<Score>, MetricError> {
        let (real, fake) = (&self.real.by_class, &self.fake.by_class);
        if real.is_empty() || real.len() != fake.len() {
            return Err(MetricError::Pictures {
                place: self.fake.set.clone(),
                reason: format!(
                    "`{}` compares class by class, and both sets must have the same labels: {} has {} \
                     classes, {} has {}; leave it out of the metrics",
                    Metric::IntraFid,
                    self.real.set,
                    real.len(),
                    self.fake.set,
                    fake.len()
                ),
            });
        }
        let distance = intra_class_distance(real, fake, self.config.frechet)?;
        let fewest = |classes: &[Gaussian]| {
            let counts = classes.iter().map(|class| class.count);
            counts.min().unwrap_or_default()
        };
        let how = format!(
            "mean of {} classes with {} or more each",
            real.len(),
            counts(fewest(real), fewest(fake))
        );
        let score = Score::new("intra_fid", distance.mean, Better::Lower, how);
        Ok(vec![score])
    }

    fn kid(&self) -> Result<Vec<Score>, MetricError> {
        let [real, fake] = self.pairs();
        let mut config = self.config.kernel;
        if config.subset_size > real.count() {
            config.subset_size = real.count().div_ceil(2).max(2);
        }
        let distance = kernel_distance(&real, &fake, config)?;
        let how = format!(
            "{}; {} subsets of {}",
            counts(real.count() as u64, fake.count() as u64),
            config.subsets,
            config.subset_size
        );
        Ok(vec![Score {
            deviation: Some(distance.deviation),
            ..Score::new("kid", distance.mean, Better::Lower, how)
        }])
    }

    /// Both pairs of scores of manifolds, and how they were made.
    fn manifold(&self, config: ManifoldConfig) -> Result<(Manifold, String), MetricError> {
        let [real, fake] = self.pairs();
        let scores = manifold_scores(&real, &fake, config)?;
        let counts = counts(real.count() as u64, fake.count() as u64);
        Ok((
            scores,
            format!("{counts}; {} neighbours", config.neighbours),
        ))
    }

    fn precision(&self) -> Result<Vec<Score>, MetricError> {
        let (scores, how) = self.manifold(self.config.precision)?;
        Ok(vec![
            Score::new("precision", scores.precision, Better::Higher, how.clone()),
            Score::new("recall", scores.recall, Better::Higher, how),
        ])
    }

    fn density(&self) -> Result<Vec<Score>, MetricError> {
        let (scores, how) = self.manifold(self.config.density)?;
        Ok(vec![
            Score::new("density", scores.density, Better::Higher, how.clone()),
            Score::new("coverage", scores.coverage, Better::Higher, how),
        ])
    }

    fn inception_score(&self) -> Result<Vec<Score>, MetricError> {
        let (count, splits) = (self.fake.count(), self.config.splits);
        let classes = self.num_classes(Metric::InceptionScore)?;
        let Some(score) = self.fake.inception_score else {
            // Says why there is none.
            InceptionScore::new(classes, splits, count)?;
            return Err(MetricError::Pictures {
                place: self.fake.set.clone(),
                reason: "their Inception Score was not collected; collect it".into(),
            });
        };
        let how = format!("{count} generated pictures; {splits} splits; {classes} classes");
        Ok(vec![Score {
            deviation: Some(score.deviation),
            ..Score::new("is", score.mean, Better::Higher, how)
        }])
    }

    fn classes(&self) -> Result<Vec<Score>, MetricError> {
        let there = self.num_classes(Metric::Classes)?;
        let (Some(real), Some(fake)) = (&self.real.classes, &self.fake.classes) else {
            return Err(no_classes(Metric::Classes, &self.real.features));
        };
        let scores = fake.scores(1, Some(real))?;
        let how = format!("{}; {there} classes", self.counts());
        let score = |name: &str, value, better| Score::new(name, value, better, how.clone());
        Ok(vec![
            score("classes_covered", scores.covered as f64, Better::Higher),
            score("class_entropy", scores.entropy, Better::Higher),
            score("class_divergence", scores.divergence, Better::Lower),
        ])
    }

    fn accuracy(&self) -> Result<Vec<Score>, MetricError> {
        self.num_classes(Metric::Accuracy)?;
        let scores = self.fake.classes.as_ref().map(|fake| fake.scores(1, None));
        let Some(accuracy) = scores.transpose()?.and_then(|scores| scores.accuracy) else {
            return Err(MetricError::Pictures {
                place: self.fake.set.clone(),
                reason: format!(
                    "`{}` compares the classes of the features with the labels of the pictures, and \
                     these have no such labels; leave it out of the metrics",
                    Metric::Accuracy
                ),
            });
        };
        let how = format!("{} generated pictures", self.fake.count());
        let score = Score::new("accuracy", accuracy, Better::Higher, how);
        Ok(vec![score])
    }

    fn authenticity(&self) -> Result<Vec<Score>, MetricError> {
        let (real, fake) = (self.real.kept(), self.fake.kept());
        let found = memorisation(&real, &fake)?;
        let how = counts(real.count() as u64, fake.count() as u64);
        let better = Better::Higher;
        let score = Score::new("authenticity", found.authenticity, better, how);
        Ok(vec![score])
    }

    /// Classes of the features.
    fn num_classes(&self, metric: Metric) -> Result<usize, MetricError> {
        let classes = self
            .fake
            .classes
            .as_ref()
            .map(|classes| classes.counts().len());
        classes.ok_or_else(|| no_classes(metric, &self.fake.features))
    }
}

fn counts(real: u64, fake: u64) -> String {
    format!("{real} real and {fake} generated pictures")
}

fn no_classes(metric: Metric, features: &str) -> MetricError {
    MetricError::setting(
        "metrics",
        metric,
        format!("one that needs no classes, since the features {features} have none"),
    )
}

#[cfg(test)]
mod tests {
    use super::super::statistics::tests::{by_class, pictures, statistics};
    use super::*;
    use crate::score::FrechetConfig;

    #[test]
    fn every_metric_has_its_scores_and_says_how_they_were_made() {
        let config = SuiteConfig::default();
        let real = statistics(&pictures(60, 7), 16, &config);
        let fake = statistics(&pictures(40, 11), 16, &config);
        let all = evaluate(&real, &fake, &Metric::ALL, &config);
        let message = all.unwrap_err().to_string();
        assert!(message.contains("the same labels"), "{message}");
        let metrics = Metric::ALL.map(|metric| match metric {
            Metric::IntraFid => None,
            other => Some(other),
        });
        let metrics: Vec<_> = metrics.into_iter().flatten().collect();
        let scores = evaluate(&real, &fake, &metrics, &config).unwrap();
        let names: Vec<&str> = scores.iter().map(|score| score.name.as_str()).collect();
        assert_eq!(
            names,
            [
                "fid",
                "kid",
                "precision",
                "recall",
                "density",
                "coverage",
                "is",
                "classes_covered",
                "class_entropy",
                "class_divergence",
                "accuracy",
                "authenticity"
            ]
        );
        assert!(scores.iter().all(|score| score.value.is_finite()));
        let how = |name: &str| &scores.iter().find(|score| score.name == name).unwrap().how;
        assert_eq!(how("fid"), "60 real and 40 generated pictures");
        assert_eq!(
            how("kid"),
            "40 real and 40 generated pictures; 100 subsets of 20"
        );
        assert_eq!(
            how("coverage"),
            "40 real and 40 generated pictures; 5 neighbours"
        );
    }

    /// Without looking at a picture, in the same words.
    #[test]
    fn too_few_pictures_are_refused_before_they_are_collected() {
        let config = SuiteConfig::default();
        let real = statistics(&pictures(60, 7), 16, &config);
        for (metric, enough) in [
            (Metric::Fid, 2),
            (Metric::PrecisionRecall, 4),
            (Metric::DensityCoverage, 6),
            (Metric::InceptionScore, 10),
            (Metric::Kid, 2),
        ] {
            for count in 2..12 {
                let fake = statistics(&pictures(count, 11), 16, &config);
                let size = fake.gaussian().size();
                let counts = [real.count(), fake.count()];
                let before = check_counts(counts, size, &[metric], &config);
                let after = evaluate(&real, &fake, &[metric], &config);
                assert_eq!(before.is_ok(), count >= enough, "{metric} of {count}");
                let text = |error: MetricError| error.to_string();
                let generated =
                    |text: String| text.replace("the pictures", "the generated pictures");
                assert_eq!(
                    before.map_err(text),
                    after.map(|_| ()).map_err(text).map_err(generated)
                );
            }
        }
        let text = check_counts([60, 1], 2, &[], &config)
            .unwrap_err()
            .to_string();
        assert!(
            text.starts_with("the generated pictures: 1 picture "),
            "{text}"
        );
        let text = check_counts([60, 63], 64, &[Metric::Fid], &config).unwrap_err();
        assert!(
            text.to_string().starts_with("the real pictures: 60"),
            "{text}"
        );
        let few = SuiteConfig {
            frechet: FrechetConfig { allow_few: true },
            ..config
        };
        assert!(check_counts([60, 63], 64, &[Metric::Fid], &few).is_ok());
    }

    /// Two classes, of which one is the same in both sets: half the distance of the other.
    #[test]
    fn the_intra_class_distance_is_the_mean_of_the_classes() {
        let config = SuiteConfig::default();
        let (real, mut other) = (pictures(40, 7), pictures(40, 7));
        for picture in other.chunks_mut(4).skip(1).step_by(2) {
            picture.reverse();
            picture[0] /= 3;
        }
        let [real, fake] = [real, other].map(|bytes| by_class(&bytes, 2));
        let scores = evaluate(&real, &fake, &[Metric::IntraFid], &config).unwrap();
        let of_class = |class: usize| {
            let [real, fake] = [&real, &fake].map(|set| &set.by_class()[class]);
            frechet_distance(real, fake, config.frechet).unwrap().value
        };
        assert!(of_class(0).abs() < 1e-6 && of_class(1) > 1e-3);
        assert!((scores[0].value - of_class(1) / 2.0).abs() < 1e-9);
        assert_eq!(
            scores[0].how,
            "mean of 2 classes with 20 real and 20 generated pictures or more each"
        );
        let more = by_class(&pictures(40, 7), 4);
        assert!(evaluate(&real, &more, &[Metric::IntraFid], &config).is_err());
    }

    #[test]
    fn what_the_features_cannot_say_is_refused() {
        let config = SuiteConfig::default();
        let real = statistics(&pictures(60, 7), 16, &config);
        let few = statistics(&pictures(5, 11), 16, &config);
        let text = |fake: &SetStatistics, metric| {
            evaluate(&real, fake, &[metric], &config)
                .unwrap_err()
                .to_string()
        };
        let message = text(&few, Metric::InceptionScore);
        assert!(message.contains("5 pictures are too few"), "{message}");
        let mut other = few.clone();
        other.features = "other".into();
        assert!(text(&other, Metric::Fid).contains("use the same ones for both sets"));
        let without = SetStatistics {
            classes: None,
            ..few
        };
        for metric in [Metric::Classes, Metric::Accuracy, Metric::InceptionScore] {
            let message = text(&without, metric);
            assert!(message.contains("needs no classes"), "{message}");
        }
    }
}
