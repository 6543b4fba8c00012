//! Activations by name.

use serde::{Deserialize, Serialize};

use crate::dual::Dual;
use crate::error::ConfigError;

/// An elementwise function between layers.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Activation {
    /// `x`.
    Identity,
    /// `max(x, 0)`.
    Relu,
    /// `max(x, slope · x)`.
    LeakyRelu {
        /// In `[0, 1]`; 0.2 in most GANs.
        slope: f64,
    },
    /// Hyperbolic tangent.
    Tanh,
    /// `1 / (1 + e^−x)`.
    Sigmoid,
    /// `x · sigmoid(x)`.
    Silu,
    /// `ln(1 + e^x)`.
    Softplus,
    /// `x` where it is positive, `alpha · (e^x − 1)` elsewhere.
    Elu {
        /// 0 or more.
        alpha: f64,
    },
}

impl Activation {
    /// Says what is wrong.
    ///
    /// # Errors
    ///
    /// If a number is not finite or outside its range.
    pub fn validate(&self) -> Result<(), ConfigError> {
        match *self {
            Self::LeakyRelu { slope } if !(0.0..=1.0).contains(&slope) => {
                Err(ConfigError::new("slope", slope, "between 0 and 1"))
            }
            Self::Elu { alpha } if !(alpha >= 0.0 && alpha.is_finite()) => {
                let allowed = "a finite number, 0 or more";
                Err(ConfigError::new("alpha", alpha, allowed))
            }
            _ => Ok(()),
        }
    }

    /// Applies it to every value.
    pub fn apply<const D: usize>(&self, x: Dual<D>) -> Dual<D> {
        match *self {
            Self::Identity => x,
            Self::Relu => x.relu(),
            Self::LeakyRelu { slope } => x.leaky_relu(slope),
            Self::Tanh => x.tanh(),
            Self::Sigmoid => x.sigmoid(),
            Self::Silu => x.silu(),
            Self::Softplus => x.softplus(),
            Self::Elu { alpha } => x.elu(alpha),
        }
    }
}

#[cfg(test)]
mod tests {
    use burn::prelude::*;

    use super::*;
    use crate::testing::{assert_close, assert_jvp};

    const ALL: [Activation; 8] = [
        Activation::Identity,
        Activation::Relu,
        Activation::LeakyRelu { slope: 0.2 },
        Activation::Tanh,
        Activation::Sigmoid,
        Activation::Silu,
        Activation::Softplus,
        Activation::Elu { alpha: 0.5 },
    ];

    #[test]
    fn each_is_the_function_of_its_name_and_differentiates() {
        let wanted = [
            -1.0, 0.0, -0.2, -0.761_594, 0.268_941, -0.268_941, 0.313_262, -0.316_06,
        ];
        let x = Tensor::<1>::from_floats([-1.0, 1.5], &Device::flex());
        for (activation, wanted) in ALL.into_iter().zip(wanted) {
            let y = activation.apply(x.clone().into()).primal.narrow(0, 0, 1);
            assert_close(&y, &Tensor::from_floats([wanted], &Device::flex()), 1e-5);
            assert_jvp(|x| activation.apply(x), x.clone());
        }
    }

    #[test]
    fn they_survive_a_file() {
        for activation in ALL {
            let text = serde_json::to_string(&activation).expect("it can be written");
            assert_eq!(
                serde_json::from_str::<Activation>(&text).ok(),
                Some(activation)
            );
        }
        assert_eq!(
            serde_json::to_string(&Activation::LeakyRelu { slope: 0.2 }).ok(),
            Some(r#"{"leaky_relu":{"slope":0.2}}"#.into())
        );
    }

    #[test]
    fn bad_numbers_are_refused() {
        for bad in [f64::NAN, -0.1, 1.1] {
            assert!(Activation::LeakyRelu { slope: bad }.validate().is_err());
        }
        assert!(Activation::Elu { alpha: -1.0 }.validate().is_err());
        assert!(ALL.iter().all(|activation| activation.validate().is_ok()));
    }
}
