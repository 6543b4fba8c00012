//! A push towards orthogonal weights.

use burn::module::{Module, ModuleVisitor, Param};
use burn::prelude::*;
use serde::{Deserialize, Serialize};

use super::sum::Sum;
use crate::error::ConfigError;
use crate::nn::{matrix, out_axis};

/// Weights of the [orthogonal penalty](orthogonal_penalty) of both players; 0 for none.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OrthogonalConfig {
    /// For the generator, 0 or more; 1e-4 in BigGAN. Default: 0.
    #[serde(default)]
    pub generator: f64,
    /// For the critic, 0 or more. Default: 0.
    #[serde(default)]
    pub critic: f64,
}

impl OrthogonalConfig {
    /// Says what is wrong.
    ///
    /// # Errors
    ///
    /// If a weight is not finite or below 0.
    pub fn validate(&self) -> Result<(), ConfigError> {
        crate::nn::check_not_negative("generator", self.generator)?;
        crate::nn::check_not_negative("critic", self.critic)
    }
}

/// `Σ ‖W Wᵀ ⊙ (1 − I)‖²` over all weights, each as the matrix outputs × the rest: the filters of a layer
/// shall be at right angles, and may have any length. Equation 3 of
/// [BigGAN](https://arxiv.org/abs/1809.11096), whose columns are our rows. `[1]`, to be added to a loss.
///
/// Every trainable parameter called `weight` with two axes or more takes part; biases and normalisations
/// do not. Weights are taken to have PyTorch's layout, as those of this crate have.
///
/// Differs from the authors' code by a factor of 2: that adds half of this gradient.
///
/// # Panics
///
/// Panics if the module has no such parameter.
pub fn orthogonal_penalty<M: Module>(module: &M) -> Tensor<1> {
    let mut products = Products::default();
    module.visit(&mut products);
    let total = products.sum.total();
    total.expect("an orthogonal penalty needs a module with weights")
}

/// `Σ (xᵢ · xⱼ)²` over all pairs of different rows `x`, in both orders; `[1]`.
pub(crate) fn squared_products(rows: Tensor<2>) -> Tensor<1> {
    let [count, _] = rows.dims();
    // Not the square of all products less that of the diagonal, which rounding would leave a rest of.
    let different = Tensor::<2>::eye(count, &rows.device()).neg() + 1.0;
    let products = rows.clone().matmul(rows.transpose()) * different;
    products.square().sum()
}

#[derive(Default)]
struct Products {
    /// Name and container of the parameter that comes.
    last: (String, String),
    sum: Sum,
}

impl ModuleVisitor for Products {
    fn enter_module(&mut self, name: &str, container: &str) {
        self.last = (name.to_owned(), container.to_owned());
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let (name, container) = &self.last;
        if D < 2 || name != "weight" || !param.is_require_grad() {
            return;
        }
        let weight = matrix(param.val(), out_axis(container));
        self.sum.add(squared_products(weight));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::{Activation, Initializer};
    use crate::nn::{Conv2dConfig, ConvTranspose2d, Linear, Norm, NormActivation};
    use crate::rng::Stream;
    use crate::testing::{assert_close, values};

    fn device() -> Device {
        Device::flex().autodiff()
    }

    fn stream() -> Stream {
        Stream::new(1, "orthogonal", 0)
    }

    fn linear(weight: [[f32; 2]; 2]) -> Linear {
        Linear {
            weight: Param::from_data(weight, &device()),
            bias: Some(Param::from_data([5.0f32, 5.0], &device())),
            spectral_norm: None,
        }
    }

    /// Rows (1, 2) and (3, −1): their product is 1, and counts twice.
    #[test]
    fn it_is_the_sum_of_squared_products_of_rows() {
        let layer = linear([[1.0, 2.0], [3.0, -1.0]]);
        assert_eq!(values(&orthogonal_penalty(&layer)), [2.0]);
        let layer = linear([[1.0, 2.0], [-4.0, 2.0]]);
        assert_eq!(values(&orthogonal_penalty(&layer)), [0.0]);
    }

    /// d/dW = 4 (W Wᵀ ⊙ (1 − I)) W.
    #[test]
    fn its_gradient_is_the_closed_form() {
        let layer = linear([[1.0, 2.0], [3.0, -1.0]]);
        let weight = layer.weight.val();
        let found = weight.grad(&orthogonal_penalty(&layer).backward()).unwrap();
        let wanted = Tensor::from_floats([[12.0, -4.0], [4.0, 8.0]], &Device::flex());
        assert_close(&found, &wanted, 1e-5);
    }

    #[test]
    fn orthogonal_weights_cost_nothing_whichever_axis_counts_outputs() {
        let gain = Initializer::Orthogonal { gain: 3.0 };
        let config = Conv2dConfig::new(3, 4, 3).with_initializer(gain);
        let conv = config.init(&mut stream(), &device());
        assert!(values(&orthogonal_penalty(&conv))[0] < 1e-4);
        // Two outputs that see different inputs, and one input that is seen twice.
        let transposed = ConvTranspose2d {
            weight: Param::from_data(
                [
                    [[[1.0f32, 0.0]], [[0.0, 1.0]]],
                    [[[0.0, 0.0]], [[1.0, 0.0]]],
                ],
                &device(),
            ),
            bias: None,
            spectral_norm: None,
            stride: 1,
            padding: 0,
        };
        assert_eq!(values(&orthogonal_penalty(&transposed)), [0.0]);
    }

    #[test]
    fn normalisations_do_not_take_part() {
        #[derive(Module, Debug)]
        struct Net {
            layer: Linear,
            after: NormActivation,
        }
        let (norm, activation) = (Norm::batch(), Activation::Relu);
        let pytorch = Initializer::PyTorch;
        let net = Net {
            layer: linear([[1.0, 2.0], [3.0, -1.0]]),
            after: NormActivation::new(2, norm, activation, pytorch, &mut stream(), &device()),
        };
        assert_eq!(values(&orthogonal_penalty(&net)), [2.0]);
    }

    #[test]
    fn weights_below_0_are_refused() {
        let config = OrthogonalConfig {
            generator: 0.0,
            critic: -1.0,
        };
        assert_eq!(config.validate().expect_err("it is bad").field, "critic");
    }
}
