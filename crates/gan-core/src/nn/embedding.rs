//! A vector per class.

use burn::module::{Module, Param};
use burn::prelude::*;
use serde::{Deserialize, Serialize};

use super::{Initializer, SpectralNorm, SpectralNormConfig};
use crate::error::ConfigError;
use crate::rng::Stream;

/// Classes as rows of 0 and 1, `[batch, classes]`, on the device of the labels.
///
/// A label outside `0..classes` (such as −1 for "not known") becomes a row of zeros. Nothing is read
/// back from the device, so that is not an error.
///
/// # Shapes
///
/// - labels: `[batch]`
/// - output: `[batch, classes]`
pub fn one_hot(labels: Tensor<1, Int>, classes: usize) -> Tensor<2> {
    let batch = labels.dims()[0];
    let index = Tensor::<1, Int>::arange(0..classes as i64, &labels.device());
    let index = index.reshape([1, classes]).expand([batch, classes]);
    let labels = labels.reshape([batch, 1]).expand([batch, classes]);
    labels.equal(index).float()
}

/// Configuration to create an [`Embedding`] using the [init function](EmbeddingConfig::init).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EmbeddingConfig {
    /// Number of classes, 1 or more.
    pub classes: usize,
    /// Length of a vector, 1 or more.
    pub size: usize,
    /// Initial values. Default: N(0, 1), as in PyTorch.
    pub initializer: Initializer,
    /// Vectors divided by the largest singular value of the table. Default: no.
    #[serde(default)]
    pub spectral_norm: Option<SpectralNormConfig>,
}

impl EmbeddingConfig {
    /// Vectors drawn from N(0, 1).
    pub fn new(classes: usize, size: usize) -> Self {
        Self {
            classes,
            size,
            initializer: Initializer::Normal { std: 1.0 },
            spectral_norm: None,
        }
    }

    /// Divides the vectors by the largest singular value of the table.
    #[must_use]
    pub fn with_spectral_norm(self, spectral_norm: Option<SpectralNormConfig>) -> Self {
        Self {
            spectral_norm,
            ..self
        }
    }

    /// Initial values.
    #[must_use]
    pub fn with_initializer(self, initializer: Initializer) -> Self {
        Self {
            initializer,
            ..self
        }
    }

    /// Says what is wrong.
    ///
    /// # Errors
    ///
    /// If a size is 0 or the initialiser is not valid.
    pub fn validate(&self) -> Result<(), ConfigError> {
        super::check_size("classes", self.classes)?;
        super::check_size("size", self.size)?;
        self.initializer.validate()
    }

    /// Draws the vectors.
    ///
    /// # Panics
    ///
    /// Panics if the configuration is not valid.
    pub fn init(&self, stream: &mut Stream, device: &Device) -> Embedding {
        super::expect_valid(self.validate());
        let shape = [self.classes, self.size];
        let weight = self.initializer.weight(shape, stream, device);
        let spectral_norm = self
            .spectral_norm
            .map(|config| config.init(weight.val(), 0, stream));
        Embedding {
            weight,
            spectral_norm,
        }
    }
}

/// One trained vector per class.
///
/// It takes rows of weights over the classes, not indices: a row with a single 1 picks a vector, any
/// other row mixes them, so that one can walk from class to class; zeros give zeros.
///
/// Should be created using [`EmbeddingConfig`].
#[derive(Module, Debug)]
pub struct Embedding {
    /// `[classes, size]`, PyTorch's layout.
    pub weight: Param<Tensor<2>>,
    /// What the table is divided by.
    pub spectral_norm: Option<SpectralNorm>,
}

impl Embedding {
    /// The vectors of classes given as rows.
    ///
    /// # Shapes
    ///
    /// - classes: `[batch, classes]`
    /// - output: `[batch, size]`
    pub fn forward(&self, classes: Tensor<2>) -> Tensor<2> {
        classes.matmul(SpectralNorm::apply_to(&self.spectral_norm, &self.weight, 0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
        tensor.into_data().try_to_vec().unwrap()
    }

    #[test]
    fn a_label_picks_its_row_and_a_label_outside_gives_zeros() {
        let device = Device::flex();
        let labels = Tensor::<1, Int>::from_ints([2, 0, -1, 3], &device);
        let rows = one_hot(labels, 3);
        assert_eq!(rows.dims(), [4, 3]);
        assert_eq!(
            values(rows.clone()),
            [0., 0., 1., 1., 0., 0., 0., 0., 0., 0., 0., 0.]
        );
        let embedding = EmbeddingConfig::new(3, 2).init(&mut Stream::new(1, "w", 0), &device);
        let table = values(embedding.weight.val());
        let picked = values(embedding.forward(rows));
        assert_eq!(picked[..4], [table[4], table[5], table[0], table[1]]);
        assert_eq!(picked[4..], [0.0; 4]);
    }

    #[test]
    fn a_mixed_row_mixes_the_vectors() {
        let device = Device::flex();
        let embedding = EmbeddingConfig::new(2, 1).init(&mut Stream::new(1, "w", 0), &device);
        let table = values(embedding.weight.val());
        let mixed = values(embedding.forward(Tensor::from_floats([[0.25, 0.75]], &device)));
        assert!((mixed[0] - (0.25 * table[0] + 0.75 * table[1])).abs() < 1e-6);
    }

    #[test]
    fn sizes_of_zero_are_refused_by_name() {
        for (config, field) in [
            (EmbeddingConfig::new(0, 1), "classes"),
            (EmbeddingConfig::new(1, 0), "size"),
        ] {
            assert_eq!(config.validate().unwrap_err().field, field);
        }
    }
}
