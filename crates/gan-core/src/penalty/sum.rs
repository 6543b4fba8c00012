//! Adding up terms of a loss.

use burn::prelude::*;

/// A sum of terms `[1]` that may be empty.
#[derive(Default)]
pub(crate) struct Sum(Option<Tensor<1>>);

impl Sum {
    pub(crate) fn add(&mut self, term: Tensor<1>) {
        self.0 = Some(match self.0.take() {
            Some(sum) => sum + term,
            None => term,
        });
    }

    /// The sum, if there were terms.
    pub(crate) fn total(self) -> Option<Tensor<1>> {
        self.0
    }
}
