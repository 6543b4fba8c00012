//! Which classes a set of pictures shows.

use serde::{Deserialize, Serialize};

use super::moments::{Gaussian, Moments};
use super::rows::Rows;
use crate::error::{MetricError, check_count, check_size};

/// Counts how often each class is the most probable one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Classes {
    counts: Vec<u64>,
    labelled: u64,
    correct: u64,
}

/// Result of [`Classes::scores`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ClassScores {
    /// Classes with at least the wanted number of pictures.
    pub covered: usize,
    /// Pictures per class.
    pub counts: Vec<u64>,
    /// Entropy of the shares of the classes, in nats; `ln(classes)` is the most.
    pub entropy: f64,
    /// Kullback-Leibler divergence of the shares from the reference, in nats; 0 is best, infinite if
    /// there are pictures of a class that the reference has not.
    pub divergence: f64,
    /// Share of pictures whose most probable class is the one they were asked to show; `None` without
    /// labels.
    pub accuracy: Option<f64>,
}

impl Classes {
    /// Of no pictures yet.
    ///
    /// # Panics
    ///
    /// Panics if there are no classes.
    pub fn new(classes: usize) -> Self {
        assert!(classes > 0, "Classes: there must be 1 class or more");
        Self {
            counts: vec![0; classes],
            labelled: 0,
            correct: 0,
        }
    }

    /// Whether some pictures came with the class they were asked to show.
    pub fn is_labelled(&self) -> bool {
        self.labelled > 0
    }

    /// Pictures of each class.
    pub fn counts(&self) -> &[u64] {
        &self.counts
    }

    /// Adds pictures by their class probabilities `[count, classes]`, and the classes they were asked to
    /// show.
    ///
    /// # Errors
    ///
    /// If there are other numbers of classes or labels, or a label is no class.
    pub fn add(
        &mut self,
        probabilities: &Rows<'_>,
        labels: Option<&[usize]>,
    ) -> Result<(), MetricError> {
        let classes = self.counts.len();
        probabilities.have_size("class probabilities", classes)?;
        if let Some(labels) = labels {
            check_labels(probabilities, labels, classes)?;
        }
        for index in 0..probabilities.count() {
            let class = most_probable(probabilities.row(index));
            self.counts[class] += 1;
            if let Some(labels) = labels {
                self.labelled += 1;
                self.correct += u64::from(labels[index] == class);
            }
        }
        Ok(())
    }

    /// What the counts say. A class is covered by `minimum` pictures; section 4.1 of
    /// [VEEGAN](https://arxiv.org/abs/1705.07761) takes 1. `reference` has the shares the classes should
    /// have; without, they should be equal.
    ///
    /// # Errors
    ///
    /// If no picture was added here or to the reference, or it has another number of classes.
    pub fn scores(
        &self,
        minimum: u64,
        reference: Option<&Self>,
    ) -> Result<ClassScores, MetricError> {
        let classes = self.counts.len();
        let shares = self.shares("the generated pictures")?;
        let wanted = match reference {
            None => vec![1.0 / classes as f64; classes],
            Some(reference) => {
                let (what, found) = ("classes of the reference", reference.counts.len());
                check_size(what, found, classes, "use the same features for both sets")?;
                reference.shares("the real pictures")?
            }
        };
        let present = || {
            shares
                .iter()
                .zip(&wanted)
                .filter(|(share, _)| **share > 0.0)
        };
        Ok(ClassScores {
            covered: self
                .counts
                .iter()
                .filter(|count| **count >= minimum)
                .count(),
            counts: self.counts.clone(),
            entropy: present().map(|(share, _)| -share * share.ln()).sum(),
            divergence: present()
                .map(|(share, wanted)| share * (share / wanted).ln())
                .sum(),
            accuracy: (self.labelled > 0).then(|| self.correct as f64 / self.labelled as f64),
        })
    }

    /// The part of all pictures that each class has.
    fn shares(&self, set: &str) -> Result<Vec<f64>, MetricError> {
        let all: u64 = self.counts.iter().sum();
        check_count(set, "class coverage", all, 1, "add pictures")?;
        let share = |count: &u64| *count as f64 / all as f64;
        Ok(self.counts.iter().map(share).collect())
    }
}

/// The first of the largest values.
fn most_probable(probabilities: &[f32]) -> usize {
    let mut best = 0;
    for (class, probability) in probabilities.iter().enumerate() {
        if *probability > probabilities[best] {
            best = class;
        }
    }
    best
}

fn check_labels(rows: &Rows<'_>, labels: &[usize], classes: usize) -> Result<(), MetricError> {
    let what = format_args!("{}: labels", rows.set());
    let advice = "give one label per picture";
    check_size(what, labels.len(), rows.count(), advice)?;
    match labels.iter().find(|label| **label >= classes) {
        None => Ok(()),
        Some(label) => Err(MetricError::setting(
            "label",
            label,
            format!("below the number of classes, {classes}"),
        )),
    }
}

/// [`Moments`] of each class. Memory: that of [`Moments`], times the classes.
#[derive(Clone, Debug)]
pub struct ClassMoments {
    classes: Vec<Moments>,
}

impl ClassMoments {
    /// Of no pictures yet, with `size` features each.
    ///
    /// # Panics
    ///
    /// Panics if there are no classes, or `size` is 0.
    pub fn new(classes: usize, size: usize) -> Self {
        assert!(classes > 0, "ClassMoments: there must be 1 class or more");
        Self {
            classes: (0..classes).map(|_| Moments::new(size)).collect(),
        }
    }

    /// Number of classes.
    pub fn classes(&self) -> usize {
        self.classes.len()
    }

    /// Adds pictures with the class of each.
    ///
    /// # Errors
    ///
    /// If there are other numbers of features or labels, or a label is no class.
    pub fn add(&mut self, rows: &Rows<'_>, labels: &[usize]) -> Result<(), MetricError> {
        check_labels(rows, labels, self.classes())?;
        for (index, label) in labels.iter().enumerate() {
            self.classes[*label].add(&rows.item(index))?;
        }
        Ok(())
    }

    /// Mean and covariance of each class; `set` is how an error calls the pictures.
    ///
    /// # Errors
    ///
    /// If a class has fewer than two pictures.
    pub fn gaussians(&self, set: &str) -> Result<Vec<Gaussian>, MetricError> {
        let classes = self.classes.iter().enumerate();
        classes
            .map(|(class, moments)| moments.gaussian(&class_of(class, set)))
            .collect()
    }
}

/// How errors call a class of a set.
pub(super) fn class_of(class: usize, set: &str) -> String {
    format!("class {class} of {set}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn classes(probabilities: &[f32], labels: Option<&[usize]>) -> Result<Classes, MetricError> {
        let mut classes = Classes::new(3);
        classes.add(&Rows::new("the fakes", probabilities, 3)?, labels)?;
        Ok(classes)
    }

    const FOUR: [f32; 12] = [0.5, 0.3, 0.2, 0.6, 0.2, 0.2, 0.1, 0.8, 0.1, 0.4, 0.4, 0.2];

    #[test]
    fn counts_become_shares() {
        let scores = classes(&FOUR, Some(&[0, 1, 1, 2]))
            .unwrap()
            .scores(1, None)
            .unwrap();
        assert_eq!(scores.counts, [3, 1, 0]);
        assert_eq!(scores.covered, 2);
        assert_eq!(scores.accuracy, Some(0.5));
        let entropy = -(0.75f64 * 0.75f64.ln() + 0.25 * 0.25f64.ln());
        assert!((scores.entropy - entropy).abs() < 1e-15);
        assert!((scores.divergence - (3f64.ln() - entropy)).abs() < 1e-15);
    }

    #[test]
    fn a_reference_is_what_the_shares_should_be() {
        let own = classes(&FOUR, None).unwrap();
        let scores = own.scores(2, Some(&own)).unwrap();
        assert_eq!(
            (scores.covered, scores.divergence, scores.accuracy),
            (1, 0.0, None)
        );
        let third = classes(&[0.0, 0.0, 1.0], None).unwrap();
        assert_eq!(
            own.scores(1, Some(&third)).unwrap().divergence,
            f64::INFINITY
        );
    }

    #[test]
    fn bad_labels_and_empty_sets_are_named() {
        let text = |labels| classes(&FOUR, Some(labels)).unwrap_err().to_string();
        assert_eq!(
            text(&[0, 1]),
            "the fakes: labels: 2 instead of 4; give one label per picture"
        );
        assert_eq!(
            text(&[0, 1, 3, 0]),
            "`label` is 3; it must be below the number of classes, 3"
        );
        let empty = Classes::new(3);
        assert!(
            empty
                .scores(1, None)
                .unwrap_err()
                .to_string()
                .contains("too few for class coverage")
        );
        assert!(
            Classes::new(2)
                .add(&Rows::new("x", &FOUR, 3).unwrap(), None)
                .is_err()
        );
        assert!(Classes::new(2).scores(1, Some(&empty)).is_err());
    }

    #[test]
    #[should_panic(expected = "1 class or more")]
    fn a_mean_over_no_classes_would_be_no_number() {
        ClassMoments::new(0, 3);
    }
}
