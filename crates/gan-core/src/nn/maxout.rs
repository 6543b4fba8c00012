//! The maxout layer.

use burn::module::Module;
use burn::prelude::*;
use serde::{Deserialize, Serialize};

use super::{Initializer, Linear, LinearConfig};
use crate::dual::{Dual, Forward};
use crate::error::ConfigError;
use crate::rng::Stream;

/// Configuration to create a [`Maxout`] layer using the [init function](MaxoutConfig::init).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MaxoutConfig {
    /// Length of an input row, 1 or more.
    pub in_features: usize,
    /// Length of an output row, 1 or more.
    pub units: usize,
    /// Linear pieces of a unit, 1 or more.
    pub pieces: usize,
    /// Initial values. Default: PyTorch's.
    pub initializer: Initializer,
}

impl MaxoutConfig {
    /// PyTorch's initial values.
    pub fn new(in_features: usize, units: usize, pieces: usize) -> Self {
        Self {
            in_features,
            units,
            pieces,
            initializer: Initializer::PyTorch,
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
        super::check_size("in_features", self.in_features)?;
        super::check_size("units", self.units)?;
        super::check_size("pieces", self.pieces)?;
        self.initializer.validate()
    }

    /// Draws the parameters.
    ///
    /// # Panics
    ///
    /// Panics if the configuration is not valid.
    pub fn init(&self, stream: &mut Stream, device: &Device) -> Maxout {
        super::expect_valid(self.validate());
        let config = LinearConfig::new(self.in_features, self.units * self.pieces);
        let config = config.with_initializer(self.initializer);
        Maxout {
            linear: config.init(stream, device),
            pieces: self.pieces,
        }
    }
}

/// The largest of several linear pieces: [Goodfellow et al. 2013](https://arxiv.org/abs/1302.4389).
///
/// Unit `i` has rows `i · pieces` to `(i + 1) · pieces − 1` of the weight.
///
/// Should be created using [`MaxoutConfig`].
#[derive(Module, Debug)]
pub struct Maxout {
    /// All pieces.
    pub linear: Linear,
    /// Pieces of a unit.
    pub pieces: usize,
}

impl Maxout {
    /// Applies the layer: `[batch, in]` to `[batch, units]`.
    pub fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        self.apply(x.into()).primal
    }
}

impl Forward<2, 2> for Maxout {
    fn apply(&self, x: Dual<2>) -> Dual<2> {
        let y = self.linear.apply(x);
        let [batch, all] = y.primal.dims();
        let shape = [batch, all / self.pieces, self.pieces];
        let flat = [shape[0], shape[1]];
        let pieces = y.primal.reshape(shape);
        let (largest, index) = pieces.max_dim_with_indices(2);
        Dual {
            primal: largest.reshape(flat),
            // The piece that is chosen is constant between kinks.
            tangent: y
                .tangent
                .map(|t| t.reshape(shape).gather(2, index).reshape(flat)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::assert_jvp;

    fn layer() -> Maxout {
        let device = Device::flex();
        let mut layer = MaxoutConfig::new(2, 2, 2).init(&mut Stream::new(1, "w", 0), &device);
        let rows = [[1.0, 0.0], [0.0, 1.0], [1.0, 1.0], [-1.0, -1.0]];
        layer.linear.weight = layer
            .linear
            .weight
            .map(|_| Tensor::from_floats(rows, &device));
        layer.linear.bias = None;
        layer
    }

    #[test]
    fn a_unit_is_the_largest_of_its_pieces() {
        let x = Tensor::from_floats([[3.0, -5.0]], &Device::flex());
        let y: Vec<f32> = layer().forward(x).into_data().try_to_vec().unwrap();
        assert_eq!(y, [3.0, 2.0]); // max(3, −5), max(−2, 2)
    }

    #[test]
    fn the_tangent_is_that_of_the_largest_piece() {
        let x = Tensor::from_floats([[1.0, -0.5], [0.3, 0.9]], &Device::flex());
        assert_jvp(|x| layer().apply(x), x);
    }

    #[test]
    fn sizes_of_zero_are_refused_by_name() {
        assert_eq!(
            MaxoutConfig::new(1, 1, 0).validate().unwrap_err().field,
            "pieces"
        );
    }
}
