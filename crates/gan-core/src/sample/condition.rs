//! What a generator is told beside the latent.

use burn::prelude::*;
use serde::{Deserialize, Serialize};

use crate::error::ConfigError;
use crate::nn::one_hot;
use crate::rng::Stream;

/// What a generator is told beside the latent: a row that is put after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind", deny_unknown_fields)]
pub enum Condition {
    /// The class of the picture, one-hot. Real pictures come with theirs.
    Classes {
        /// Number of classes, 1 or more.
        count: usize,
    },
    /// A code without labels, as in [InfoGAN](https://arxiv.org/abs/1606.03657): one of `categories`,
    /// one-hot, and then `continuous` values from U[−1, 1).
    Code {
        /// Choices of the categorical code; 0 for none.
        categories: usize,
        /// Number of continuous codes.
        continuous: usize,
    },
}

impl Condition {
    /// Length of a row.
    pub fn width(&self) -> usize {
        let (choices, continuous) = self.parts();
        choices + continuous
    }

    /// Classes, or choices of the categorical code.
    pub fn choices(&self) -> usize {
        self.parts().0
    }

    /// Whether real pictures must have labels.
    pub fn needs_labels(&self) -> bool {
        matches!(self, Self::Classes { .. })
    }

    /// Says what is wrong with the numbers.
    ///
    /// # Errors
    ///
    /// If a row would be empty or longer than 65,536.
    pub fn validate(&self) -> Result<(), ConfigError> {
        if (1..=65_536).contains(&self.width()) {
            return Ok(());
        }
        let field = match self {
            Self::Classes { .. } => "condition.count",
            Self::Code { .. } => "condition.categories",
        };
        Err(ConfigError::new(field, self.width(), "1 to 65536 in all"))
    }

    /// `count` rows, `[count, width]`, on `device`: every class equally likely.
    pub fn draw(&self, count: usize, stream: &mut Stream, device: &Device) -> Tensor<2> {
        let (choices, continuous) = self.parts();
        let picked: Vec<usize> = match choices {
            0 => vec![0; count],
            choices => (0..count).map(|_| stream.below(choices)).collect(),
        };
        let values = stream.uniforms(count * continuous, -1.0, 1.0);
        self.rows(&picked, values, device)
    }

    /// One row per class, `[classes, width]`; continuous codes are 0.
    ///
    /// # Panics
    ///
    /// Panics if a class is not below [`choices`](Self::choices).
    pub fn of_classes(&self, classes: &[usize], device: &Device) -> Tensor<2> {
        self.rows(classes, vec![0.0; classes.len() * self.parts().1], device)
    }

    /// Rows that sweep the continuous code `number` from `-limit` to `limit` in `steps`, choice after
    /// choice; the other continuous codes are 0.
    ///
    /// # Panics
    ///
    /// Panics if there is no such code, or fewer than 2 steps.
    pub fn sweep(&self, number: usize, limit: f32, steps: usize, device: &Device) -> Tensor<2> {
        let (choices, continuous) = self.parts();
        assert!(
            number < continuous && steps > 1,
            "code {number} of {continuous} cannot be swept in {steps} steps"
        );
        let rows = choices.max(1) * steps;
        let picked: Vec<usize> = (0..rows).map(|row| row / steps).collect();
        let mut values = vec![0.0; rows * continuous];
        for row in 0..rows {
            let part = (row % steps) as f32 / (steps - 1) as f32;
            values[row * continuous + number] = limit * (2.0 * part - 1.0);
        }
        self.rows(&picked, values, device)
    }

    /// One row per seed, of the class in the same place; continuous codes are drawn from the seed, so
    /// that a seed has the same whatever the others. `classes` may be empty if there are no choices.
    ///
    /// # Panics
    ///
    /// Panics if a class is not below [`choices`](Self::choices), or there are not as many as seeds.
    pub fn by_seed(&self, seeds: &[u64], classes: &[usize], device: &Device) -> Tensor<2> {
        let (choices, continuous) = self.parts();
        assert!(
            choices == 0 || classes.len() == seeds.len(),
            "{} seeds want as many classes, not {}",
            seeds.len(),
            classes.len()
        );
        let draw = |seed: &u64| Stream::new(*seed, "code", 0).uniforms(continuous, -1.0, 1.0);
        let values = seeds.iter().flat_map(draw).collect();
        match choices {
            0 => self.rows(&vec![0; seeds.len()], values, device),
            _ => self.rows(classes, values, device),
        }
    }

    fn parts(&self) -> (usize, usize) {
        match *self {
            Self::Classes { count } => (count, 0),
            Self::Code {
                categories,
                continuous,
            } => (categories, continuous),
        }
    }

    fn rows(&self, classes: &[usize], continuous: Vec<f32>, device: &Device) -> Tensor<2> {
        let (count, (choices, rest)) = (classes.len(), self.parts());
        if let Some(wrong) = classes.iter().find(|class| **class >= choices.max(1)) {
            panic!("there is no class {wrong}; there are {choices}");
        }
        let labels: Vec<i64> = classes.iter().map(|class| *class as i64).collect();
        let labels = Tensor::<1, Int>::from_data(TensorData::new(labels, [count]), device);
        let continuous = || Tensor::from_data(TensorData::new(continuous, [count, rest]), device);
        match (choices, rest) {
            (0, _) => continuous(),
            (_, 0) => one_hot(labels, choices),
            _ => Tensor::cat(vec![one_hot(labels, choices), continuous()], 1),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(tensor: Tensor<2>) -> Vec<f32> {
        tensor.into_data().try_to_vec().unwrap()
    }

    #[test]
    fn rows_of_classes_have_a_single_one_and_every_class_comes() {
        let condition = Condition::Classes { count: 4 };
        let device = Device::flex();
        let rows = condition.draw(200, &mut Stream::new(1, "classes", 0), &device);
        assert_eq!(rows.dims(), [200, 4]);
        let counts = values(rows.clone().sum_dim(0));
        assert!(counts.iter().all(|count| *count > 25.0), "{counts:?}");
        assert!(values(rows.sum_dim(1)).iter().all(|sum| *sum == 1.0));
    }

    #[test]
    fn codes_are_a_choice_and_numbers() {
        let condition = Condition::Code {
            categories: 3,
            continuous: 2,
        };
        assert_eq!((condition.width(), condition.choices()), (5, 3));
        assert!(!condition.needs_labels());
        let device = Device::flex();
        let rows = values(condition.draw(50, &mut Stream::new(1, "classes", 0), &device));
        for row in rows.chunks(5) {
            assert_eq!(row[..3].iter().sum::<f32>(), 1.0);
            assert!(row[3..].iter().all(|value| (-1.0..1.0).contains(value)));
        }
        assert_eq!(
            values(condition.of_classes(&[2, 0], &device)),
            [0., 0., 1., 0., 0., 1., 0., 0., 0., 0.]
        );
    }

    #[test]
    fn a_sweep_moves_one_code_for_every_choice() {
        let condition = Condition::Code {
            categories: 2,
            continuous: 2,
        };
        let rows = values(condition.sweep(1, 2.0, 3, &Device::flex()));
        let wanted = [
            [1., 0., 0., -2.],
            [1., 0., 0., 0.],
            [1., 0., 0., 2.],
            [0., 1., 0., -2.],
            [0., 1., 0., 0.],
            [0., 1., 0., 2.],
        ];
        assert_eq!(rows, wanted.concat());
    }

    #[test]
    #[should_panic(expected = "code 2 of 2 cannot be swept in 5 steps")]
    fn a_code_that_is_not_there_cannot_be_swept() {
        let condition = Condition::Code {
            categories: 2,
            continuous: 2,
        };
        condition.sweep(2, 2.0, 5, &Device::flex());
    }

    #[test]
    fn an_empty_row_is_refused() {
        let code = Condition::Code {
            categories: 0,
            continuous: 0,
        };
        for condition in [Condition::Classes { count: 0 }, code] {
            assert!(condition.validate().is_err());
        }
        assert!(Condition::Classes { count: 1 }.validate().is_ok());
    }

    #[test]
    #[should_panic(expected = "there is no class 3")]
    fn a_class_that_is_not_there_is_a_mistake() {
        Condition::Classes { count: 3 }.of_classes(&[3], &Device::flex());
    }
}
