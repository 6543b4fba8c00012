//! What is kept of a set of pictures.

use crate::error::{MetricError, check_count};
use crate::features::{Features, PictureShape};
use crate::score::{ClassMoments, Classes, Estimate, Gaussian, InceptionScore, Moments, Rows};

use super::SuiteConfig;

/// What is kept of a set of pictures: bounded, however many there are.
#[derive(Clone, Debug, PartialEq)]
pub struct SetStatistics {
    pub(super) set: String,
    pub(super) features: String,
    pub(super) shape: PictureShape,
    pub(super) gaussian: Gaussian,
    /// Of each class of the pictures, or empty.
    pub(super) by_class: Vec<Gaussian>,
    /// `[kept, size]`, of the first pictures.
    pub(super) kept: Vec<f32>,
    pub(super) classes: Option<Classes>,
    pub(super) inception_score: Option<Estimate>,
    pub(super) identical: bool,
}

impl SetStatistics {
    /// How errors call the set.
    pub fn set(&self) -> &str {
        &self.set
    }

    /// [`Features::name`].
    pub fn features(&self) -> &str {
        &self.features
    }

    /// Number and size of the pictures.
    pub fn shape(&self) -> PictureShape {
        self.shape
    }

    /// Number of pictures.
    pub fn count(&self) -> u64 {
        self.gaussian.count
    }

    /// Mean and covariance of the features.
    pub fn gaussian(&self) -> &Gaussian {
        &self.gaussian
    }

    /// Mean and covariance of the features of each class, or empty if they were not collected by class.
    pub fn by_class(&self) -> &[Gaussian] {
        &self.by_class
    }

    /// Features of the first pictures, as many as [`SuiteConfig::keep_bytes`] allowed.
    pub fn kept(&self) -> Rows<'_> {
        Rows::new(&self.set, &self.kept, self.gaussian.size())
            .expect("they were checked when they were added")
    }

    /// Whether it is known which classes the pictures were asked to show.
    pub fn is_labelled(&self) -> bool {
        self.classes.as_ref().is_some_and(Classes::is_labelled)
    }

    /// An error if all pictures are the same one, of which no score says anything.
    ///
    /// # Errors
    ///
    /// [`MetricError::Pictures`].
    pub fn check_varied(&self) -> Result<(), MetricError> {
        if !self.identical {
            return Ok(());
        }
        Err(MetricError::Pictures {
            place: self.set.clone(),
            reason: format!(
                "all {} pictures are identical; a score needs pictures that differ",
                self.count()
            ),
        })
    }
}

/// Collects [`SetStatistics`]: one pass of each picture through the network, and memory that does not
/// grow with their number. The result does not depend on the batches.
pub struct Collector<'a> {
    features: &'a dyn Features,
    set: String,
    total: u64,
    splits: usize,
    keep: usize,
    moments: Moments,
    by_class: Option<ClassMoments>,
    /// Whether labels are classes of the features.
    labels_are_of_features: bool,
    kept: Vec<f32>,
    classes: Option<Classes>,
    inception_score: Option<InceptionScore>,
    /// Of one picture, and that picture.
    first: Option<(PictureShape, Vec<u8>)>,
    identical: bool,
}

impl<'a> Collector<'a> {
    /// For `total` pictures; `set` is how errors call them: "the real pictures".
    pub fn new(features: &'a dyn Features, set: &str, total: u64, config: &SuiteConfig) -> Self {
        Self {
            features,
            set: set.to_owned(),
            total,
            splits: config.splits,
            keep: config.kept(features.size()) * features.size(),
            moments: Moments::new(features.size()),
            by_class: None,
            labels_are_of_features: true,
            kept: Vec::new(),
            classes: None,
            inception_score: None,
            first: None,
            identical: true,
        }
    }

    /// Also keeps mean and covariance of each of `count` classes, which the labels name. Memory grows with
    /// the classes. None for 0.
    #[must_use]
    pub fn with_classes(self, count: usize) -> Self {
        let by_class = (count > 0).then(|| ClassMoments::new(count, self.features.size()));
        Self { by_class, ..self }
    }

    /// Labels are not the classes of the features, so no accuracy comes of comparing them.
    #[must_use]
    pub fn without_accuracy(self) -> Self {
        Self {
            labels_are_of_features: false,
            ..self
        }
    }

    /// Adds pictures, which are [`shape.num_bytes()`](PictureShape::num_bytes) bytes. `labels` are the
    /// classes they were asked to show: those of the features, unless
    /// [it was said](Collector::without_accuracy) that they are not.
    ///
    /// # Errors
    ///
    /// If the features cannot take them or are not finite, a picture has another size than those
    /// before, a label is no class, labels are needed and not given, or there are more pictures than
    /// were announced.
    pub fn add(
        &mut self,
        pictures: &[u8],
        shape: PictureShape,
        labels: Option<&[usize]>,
    ) -> Result<(), MetricError> {
        shape.check_bytes(pictures)?;
        if shape.count == 0 {
            return Ok(());
        }
        self.compare_with_first(pictures, shape)?;
        let batch = self.features.features(pictures, shape)?;
        let rows = Rows::new(&self.set, &batch.values, self.features.size())?;
        self.moments.add(&rows)?;
        if let Some(by_class) = &mut self.by_class {
            by_class.add(&rows, labels.unwrap_or_default())?;
        }
        let labels = labels.filter(|_| self.labels_are_of_features);
        let room = self.keep - self.kept.len();
        let values = &batch.values[..room.min(batch.values.len())];
        self.kept.extend_from_slice(values);
        let Some(probabilities) = &batch.probabilities else {
            return Ok(());
        };
        let rows = Rows::new(&self.set, probabilities, batch.classes)?;
        let classes = self
            .classes
            .get_or_insert_with(|| Classes::new(batch.classes));
        classes.add(&rows, labels)?;
        if self.inception_score.is_none() && self.total >= self.splits as u64 {
            let score = InceptionScore::new(batch.classes, self.splits, self.total)?;
            self.inception_score = Some(score);
        }
        if let Some(score) = &mut self.inception_score {
            score.add(&rows)?;
        }
        Ok(())
    }

    fn compare_with_first(
        &mut self,
        pictures: &[u8],
        shape: PictureShape,
    ) -> Result<(), MetricError> {
        let one = PictureShape { count: 1, ..shape };
        let (first, picture) = self
            .first
            .get_or_insert_with(|| (one, pictures[..one.num_bytes()].to_vec()));
        if *first != one {
            return Err(MetricError::Pictures {
                place: self.set.clone(),
                reason: format!(
                    "picture {} is {one}, and the first one is {first}; resize them to one size",
                    self.moments.count()
                ),
            });
        }
        self.identical &= pictures
            .chunks(one.num_bytes())
            .all(|other| other == picture);
        Ok(())
    }

    /// All that is kept.
    ///
    /// # Errors
    ///
    /// If there are fewer than two pictures, or fewer than were announced.
    pub fn finish(self) -> Result<SetStatistics, MetricError> {
        let found = self.moments.count();
        check_count(&self.set, "a score", found, 2, "add pictures")?;
        check_count(
            &self.set,
            "the scores of the announced number",
            found,
            self.total,
            "add all of them",
        )?;
        let (shape, _) = self.first.expect("there are two pictures");
        let inception_score = self
            .inception_score
            .map(|score| score.score())
            .transpose()?;
        let of_classes = |moments: &ClassMoments| moments.gaussians(&self.set);
        Ok(SetStatistics {
            gaussian: self.moments.gaussian(&self.set)?,
            by_class: self.by_class.as_ref().map_or(Ok(Vec::new()), of_classes)?,
            set: self.set,
            features: self.features.name(),
            shape: PictureShape {
                count: found as usize,
                ..shape
            },
            kept: self.kept,
            classes: self.classes,
            inception_score,
            identical: self.identical,
        })
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::features::FeatureBatch;

    /// Mean and range of the bytes, and how likely they are bright.
    pub struct Simple;

    impl Features for Simple {
        fn name(&self) -> String {
            "simple".into()
        }

        fn size(&self) -> usize {
            2
        }

        fn features(
            &self,
            pictures: &[u8],
            shape: PictureShape,
        ) -> Result<FeatureBatch, MetricError> {
            let mut batch = FeatureBatch {
                values: Vec::new(),
                probabilities: Some(Vec::new()),
                classes: 2,
            };
            for picture in pictures.chunks(shape.picture_size()) {
                let sum: f32 = picture.iter().map(|byte| f32::from(*byte)).sum();
                let mean = sum / picture.len() as f32 / 255.0;
                let largest = picture.iter().max().copied().unwrap_or(0);
                batch.values.extend([mean, f32::from(largest)]);
                if let Some(probabilities) = &mut batch.probabilities {
                    probabilities.extend([mean, 1.0 - mean]);
                }
            }
            Ok(batch)
        }
    }

    pub fn shape(count: usize) -> PictureShape {
        PictureShape {
            count,
            height: 2,
            width: 2,
            channels: 1,
        }
    }

    /// `count` pictures that `step` makes different.
    pub fn pictures(count: usize, step: usize) -> Vec<u8> {
        (0..4 * count).map(|i| (i * i * step % 251) as u8).collect()
    }

    pub fn statistics(bytes: &[u8], batch: usize, config: &SuiteConfig) -> SetStatistics {
        let count = bytes.len() / 4;
        let mut collector = Collector::new(&Simple, "the pictures", count as u64, config);
        for bytes in bytes.chunks(4 * batch) {
            let labels = vec![1; bytes.len() / 4];
            collector
                .add(bytes, shape(bytes.len() / 4), Some(&labels))
                .unwrap();
        }
        collector.finish().unwrap()
    }

    /// Pictures that belong to `classes` classes in turn, which are not those of the features.
    pub fn by_class(bytes: &[u8], classes: usize) -> SetStatistics {
        let count = bytes.len() / 4;
        let config = SuiteConfig::default();
        let collector = Collector::new(&Simple, "the pictures", count as u64, &config);
        let mut collector = collector.with_classes(classes).without_accuracy();
        let labels: Vec<usize> = (0..count).map(|index| index % classes).collect();
        collector.add(bytes, shape(count), Some(&labels)).unwrap();
        collector.finish().unwrap()
    }

    #[test]
    fn a_class_has_the_statistics_of_its_pictures() {
        let bytes = pictures(40, 7);
        let both = by_class(&bytes, 2);
        assert!(!both.is_labelled());
        let every_second = |class: usize| -> Vec<u8> {
            let chosen = bytes.chunks(4).skip(class).step_by(2);
            chosen.flatten().copied().collect()
        };
        for class in 0..2 {
            let alone = statistics(&every_second(class), 20, &SuiteConfig::default());
            assert_eq!(both.by_class()[class], alone.gaussian);
        }
        assert!(
            statistics(&bytes, 8, &SuiteConfig::default())
                .by_class()
                .is_empty()
        );
    }

    #[test]
    fn a_class_needs_labels_and_two_pictures() {
        let config = SuiteConfig::default();
        let add = |labels: Option<&[usize]>| {
            let collector = Collector::new(&Simple, "the pictures", 4, &config);
            let mut collector = collector.with_classes(2).without_accuracy();
            collector.add(&pictures(4, 7), shape(4), labels)?;
            collector.finish()
        };
        let message = |labels| add(labels).unwrap_err().to_string();
        assert!(message(None).contains("one label per picture"));
        assert!(message(Some(&[0, 0, 0, 2])).contains("number of classes, 2"));
        assert!(message(Some(&[0, 0, 0, 1])).contains("class 1 of the pictures"));
        assert!(add(Some(&[0, 1, 0, 1])).is_ok());
    }

    #[test]
    fn batches_do_not_matter_and_only_so_much_is_kept() {
        let config = SuiteConfig {
            keep_bytes: 100,
            ..SuiteConfig::default()
        };
        let bytes = pictures(50, 7);
        let whole = statistics(&bytes, 50, &config);
        assert_eq!((whole.count(), whole.kept().count()), (50, 12));
        assert_eq!(whole.shape(), shape(50));
        for batch in [1, 7, 49] {
            assert_eq!(statistics(&bytes, batch, &config), whole, "batch {batch}");
        }
    }

    #[test]
    fn bad_sets_are_one_line_each() {
        let config = SuiteConfig::default();
        let bytes = pictures(3, 7);
        let fail = |total, add: &[(usize, usize)]| {
            let mut collector = Collector::new(&Simple, "the fakes", total, &config);
            for (count, height) in add {
                let shape = PictureShape {
                    height: *height,
                    ..shape(*count)
                };
                let bytes = &bytes[..shape.num_bytes()];
                if let Err(error) = collector.add(bytes, shape, None) {
                    return error.to_string();
                }
            }
            collector.finish().unwrap_err().to_string()
        };
        assert_eq!(
            fail(3, &[(2, 2), (1, 3)]),
            "the fakes: picture 2 is 3x2 grey, and the first one is 2x2 grey; resize them to one size"
        );
        assert_eq!(
            fail(1, &[(1, 2)]),
            "the fakes: 1 picture is too few for a score, which needs at least 2; add pictures"
        );
        assert!(fail(0, &[]).contains("0 pictures are too few"));
        assert!(fail(5, &[(3, 2)]).contains("announced number"));
        assert!(fail(12, &[(3, 2)]).contains("needs at least 12"));
    }

    #[test]
    fn identical_pictures_are_noticed() {
        let config = SuiteConfig::default();
        let same = statistics(&[9; 40], 3, &config);
        assert_eq!(
            same.check_varied().unwrap_err().to_string(),
            "the pictures: all 10 pictures are identical; a score needs pictures that differ"
        );
        let mut bytes = [9; 40];
        bytes[39] = 8;
        assert!(statistics(&bytes, 3, &config).check_varied().is_ok());
    }
}
