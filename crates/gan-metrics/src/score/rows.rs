//! Features of a set of pictures, checked once.

use crate::error::{MetricError, check_count, check_size};

/// A set of items with the same number of values each: row-major `[count, size]`, all finite.
#[derive(Clone, Copy, Debug)]
pub struct Rows<'a> {
    set: &'a str,
    values: &'a [f32],
    size: usize,
}

impl<'a> Rows<'a> {
    /// `set` is how errors call it, as in "the real pictures".
    ///
    /// # Errors
    ///
    /// If `values` is not a whole number of rows of `size`, or one of them is not finite.
    pub fn new(set: &'a str, values: &'a [f32], size: usize) -> Result<Self, MetricError> {
        if size == 0 || !values.len().is_multiple_of(size) {
            return Err(MetricError::Size {
                what: format!("{set}: number of values"),
                found: values.len(),
                expected: values.len().checked_div(size).unwrap_or(0) * size,
                advice: format!("give whole rows of {size} values, 1 or more"),
            });
        }
        if let Some(at) = values.iter().position(|value| !value.is_finite()) {
            return Err(MetricError::NotFinite {
                set: set.to_owned(),
                row: (at / size) as u64,
                column: at % size,
                value: f64::from(values[at]),
            });
        }
        Ok(Self { set, values, size })
    }

    /// How errors call the set.
    pub fn set(&self) -> &'a str {
        self.set
    }

    /// Number of items.
    pub fn count(&self) -> usize {
        self.values.len() / self.size
    }

    /// Values of an item.
    pub fn size(&self) -> usize {
        self.size
    }

    /// All values, row-major.
    pub fn values(&self) -> &'a [f32] {
        self.values
    }

    /// Values of item `index`.
    ///
    /// # Panics
    ///
    /// Panics if there is no such item.
    pub fn row(&self, index: usize) -> &'a [f32] {
        &self.values[index * self.size..(index + 1) * self.size]
    }

    /// The first `count` items.
    ///
    /// # Panics
    ///
    /// Panics if there are fewer.
    pub fn first(&self, count: usize) -> Self {
        Self {
            values: &self.values[..count * self.size],
            ..*self
        }
    }

    /// Item `index` as a set of its own.
    pub(crate) fn item(&self, index: usize) -> Self {
        Self {
            values: self.row(index),
            ..*self
        }
    }

    /// An error unless there are `needed` items.
    pub(crate) fn at_least(
        &self,
        needed: usize,
        score: &'static str,
        advice: &str,
    ) -> Result<(), MetricError> {
        let (found, needed) = (self.count() as u64, needed as u64);
        check_count(self.set, score, found, needed, advice)
    }

    /// An error unless an item has `expected` values, which are `what`: features.
    pub(crate) fn have_size(&self, what: &str, expected: usize) -> Result<(), MetricError> {
        let what = format_args!("{}: {what} of a picture", self.set);
        let advice = "use the same features for all pictures";
        check_size(what, self.size, expected, advice)
    }

    /// An error unless both sets have rows of one size.
    pub(crate) fn same_size(&self, other: &Self) -> Result<(), MetricError> {
        let what = format_args!("{}: features of a picture", other.set);
        let advice = format_args!("use the same features as for {}", self.set);
        check_size(what, other.size, self.size, advice)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_whole_and_finite() {
        let rows = Rows::new("the real pictures", &[1.0, 2.0, 3.0, 4.0], 2).unwrap();
        assert_eq!(
            (rows.count(), rows.size(), rows.row(1)),
            (2, 2, &[3.0, 4.0][..])
        );
        let text = |values: &[f32], size| {
            Rows::new("the fakes", values, size)
                .unwrap_err()
                .to_string()
        };
        assert_eq!(
            text(&[1.0; 3], 2),
            "the fakes: number of values: 3 instead of 2; give whole rows of 2 values, 1 or more"
        );
        assert!(text(&[1.0], 0).contains("1 instead of 0"));
        assert_eq!(
            text(&[1.0, 2.0, 3.0, f32::NAN], 2),
            "the fakes: value 1 of item 1 is NaN; check the pictures and the weights of the features"
        );
    }

    #[test]
    fn sets_of_other_features_are_refused() {
        let real = Rows::new("the reals", &[1.0; 4], 2).unwrap();
        let fake = Rows::new("the fakes", &[1.0; 4], 4).unwrap();
        assert_eq!(
            real.same_size(&fake).unwrap_err().to_string(),
            "the fakes: features of a picture: 4 instead of 2; use the same features as for the reals"
        );
    }
}
