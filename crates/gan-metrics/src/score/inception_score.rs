//! The Inception Score.

use super::estimate::Estimate;
use super::rows::Rows;
use crate::error::{MetricError, check_count};

/// Sums for an Inception Score of a set whose size is known before; bounded memory.
///
/// `exp( E_x KL( p(y|x) ‖ p(y) ) )`, section 4 of
/// [Improved Techniques for Training GANs](https://arxiv.org/abs/1606.03498); higher is better, `1` is
/// the least and the number of classes the most. It is computed on consecutive splits of the set, as in
/// the authors' code, and says nothing of the real pictures.
#[derive(Clone, Debug)]
pub struct InceptionScore {
    splits: Vec<Split>,
    classes: usize,
    total: u64,
    seen: u64,
}

#[derive(Clone, Debug)]
struct Split {
    end: u64,
    count: u64,
    /// `Σ p`, per class.
    sums: Vec<f64>,
    /// `Σ p ln p`.
    negative_entropy: f64,
}

impl InceptionScore {
    /// Whether there are enough pictures.
    pub(crate) fn check_count(splits: usize, total: u64) -> Result<(), MetricError> {
        if splits == 0 {
            return Err(MetricError::setting("splits", splits, "1 or more"));
        }
        check_count(
            "the generated pictures",
            "an Inception Score",
            total,
            splits as u64,
            "give one picture per split or more",
        )
    }

    /// For `total` pictures; the papers use 10 splits.
    ///
    /// # Errors
    ///
    /// If there are no splits, or fewer pictures than splits.
    pub fn new(classes: usize, splits: usize, total: u64) -> Result<Self, MetricError> {
        Self::check_count(splits, total)?;
        let split = |index: u64| Split {
            end: (index + 1) * total / splits as u64,
            count: 0,
            sums: vec![0.0; classes],
            negative_entropy: 0.0,
        };
        Ok(Self {
            splits: (0..splits as u64).map(split).collect(),
            classes,
            total,
            seen: 0,
        })
    }

    /// Adds pictures by their class probabilities `[count, classes]`. Rows are divided by their sum.
    ///
    /// # Errors
    ///
    /// If there is another number of classes, a probability below 0, a sum of 0, or more pictures than
    /// were announced.
    pub fn add(&mut self, probabilities: &Rows<'_>) -> Result<(), MetricError> {
        probabilities.have_size("class probabilities", self.classes)?;
        let seen = self.seen + probabilities.count() as u64;
        if seen > self.total {
            return Err(MetricError::Size {
                what: format!("{}: number of pictures", probabilities.set()),
                found: seen as usize,
                expected: self.total as usize,
                advice: "announce as many as there will be".into(),
            });
        }
        for index in 0..probabilities.count() {
            let row = probabilities.row(index);
            let sum: f64 = row.iter().map(|p| f64::from(*p)).sum();
            if sum <= 0.0 || row.iter().any(|p| *p < 0.0) {
                return Err(MetricError::Pictures {
                    place: probabilities.set().to_owned(),
                    reason: format!(
                        "the class probabilities of picture {} are not 0 or more with a sum above 0; \
                         give probabilities, not logits",
                        self.seen
                    ),
                });
            }
            let split = self.splits.iter_mut().find(|split| self.seen < split.end);
            split
                .expect("the last split ends at the total")
                .add(row, sum);
            self.seen += 1;
        }
        Ok(())
    }

    /// The score: mean and deviation over the splits.
    ///
    /// # Errors
    ///
    /// If fewer pictures were added than announced.
    pub fn score(&self) -> Result<Estimate, MetricError> {
        check_count(
            "the generated pictures",
            "the Inception Score of the announced number",
            self.seen,
            self.total,
            "add all of them",
        )?;
        let scores: Vec<f64> = self.splits.iter().map(Split::score).collect();
        Ok(Estimate::of(&scores))
    }
}

impl Split {
    fn add(&mut self, row: &[f32], sum: f64) {
        self.count += 1;
        for (total, p) in self.sums.iter_mut().zip(row) {
            let p = f64::from(*p) / sum;
            *total += p;
            self.negative_entropy += x_ln_x(p);
        }
    }

    fn score(&self) -> f64 {
        let count = self.count as f64;
        let marginal: f64 = self.sums.iter().map(|sum| x_ln_x(sum / count)).sum();
        (self.negative_entropy / count - marginal).exp()
    }
}

/// `x ln x`, and its limit at 0.
fn x_ln_x(x: f64) -> f64 {
    if x > 0.0 { x * x.ln() } else { 0.0 }
}

/// [`InceptionScore`] of a set that is there.
///
/// # Errors
///
/// As those of its methods.
pub fn inception_score(probabilities: &Rows<'_>, splits: usize) -> Result<Estimate, MetricError> {
    let total = probabilities.count() as u64;
    let mut score = InceptionScore::new(probabilities.size(), splits, total)?;
    score.add(probabilities)?;
    score.score()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(values: &[f32]) -> Rows<'_> {
        Rows::new("the fakes", values, 2).unwrap()
    }

    #[test]
    fn certain_and_varied_is_best_and_anything_alike_is_one() {
        let varied = [1.0, 0.0, 0.0, 1.0];
        assert!((inception_score(&rows(&varied), 1).unwrap().mean - 2.0).abs() < 1e-15);
        for alike in [
            [0.7, 0.3, 0.7, 0.3],
            [1.0, 0.0, 1.0, 0.0],
            [0.5, 0.5, 0.5, 0.5],
        ] {
            assert!((inception_score(&rows(&alike), 1).unwrap().mean - 1.0).abs() < 1e-15);
        }
        // Every split sees one class only.
        assert!((inception_score(&rows(&varied), 2).unwrap().mean - 1.0).abs() < 1e-15);
    }

    #[test]
    fn batches_do_not_matter() {
        let values: Vec<f32> = (0..34)
            .map(|i| ((i / 2 * 7 + i % 2 * 3) % 10 + 1) as f32)
            .collect();
        let whole = inception_score(&rows(&values), 3).unwrap();
        let mut score = InceptionScore::new(2, 3, 17).unwrap();
        for batch in values.chunks(10) {
            score.add(&rows(batch)).unwrap();
        }
        assert_eq!(score.score().unwrap(), whole);
    }

    #[test]
    fn wrong_numbers_are_named() {
        let text = |error: MetricError| error.to_string();
        assert!(text(InceptionScore::new(2, 0, 5).unwrap_err()).contains("`splits` is 0"));
        assert!(
            text(InceptionScore::new(2, 10, 5).unwrap_err()).contains("5 pictures are too few")
        );
        let mut score = InceptionScore::new(2, 1, 2).unwrap();
        assert!(text(score.add(&rows(&[2.0, -1.0])).unwrap_err()).contains("not logits"));
        assert!(text(score.add(&rows(&[0.5; 6])).unwrap_err()).contains("3 instead of 2"));
        score.add(&rows(&[0.5; 2])).unwrap();
        assert!(text(score.score().unwrap_err()).contains("add all of them"));
        let three = Rows::new("x", &[0.1; 3], 3).unwrap();
        assert!(text(score.add(&three).unwrap_err()).contains("3 instead of 2"));
    }
}
