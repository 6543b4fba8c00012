//! The settings of optimisers.

use serde::{Deserialize, Serialize};

use crate::error::ConfigError;

/// Which optimiser moves a player, and its numbers.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind", deny_unknown_fields)]
pub enum OptimizerConfig {
    /// Adam, [Kingma and Ba 2015](https://arxiv.org/abs/1412.6980).
    Adam {
        /// Learning rate.
        lr: f64,
        /// Decay of the first moment; 0.5 in DCGAN, 0 in StyleGAN.
        beta_1: f64,
        /// Decay of the second moment.
        beta_2: f64,
        /// Added to the root of the second moment; PyTorch's default is `1e-8`, Burn's `1e-5`.
        epsilon: f64,
        /// L2 penalty added to the gradient.
        #[serde(default)]
        weight_decay: f64,
    },
    /// Adam with decoupled weight decay, [Loshchilov and Hutter 2019](https://arxiv.org/abs/1711.05101).
    AdamW {
        /// Learning rate.
        lr: f64,
        /// Decay of the first moment.
        beta_1: f64,
        /// Decay of the second moment.
        beta_2: f64,
        /// Added to the root of the second moment.
        epsilon: f64,
        /// Part of a parameter taken off per step, times the learning rate.
        weight_decay: f64,
    },
    /// RMSProp as in PyTorch: not centred, no momentum; the optimiser of WGAN.
    RmsProp {
        /// Learning rate; `5e-5` in WGAN.
        lr: f64,
        /// Decay of the mean square; PyTorch's default is 0.99.
        alpha: f64,
        /// Added to the root; PyTorch's default is `1e-8`.
        epsilon: f64,
    },
    /// Gradient descent with optional momentum (PyTorch's form, no dampening).
    Sgd {
        /// Learning rate.
        lr: f64,
        /// Momentum in `[0, 1)`.
        #[serde(default)]
        momentum: f64,
    },
}

impl OptimizerConfig {
    /// Adam with PyTorch's epsilon and no weight decay.
    pub fn adam(lr: f64, beta_1: f64, beta_2: f64) -> Self {
        Self::Adam {
            lr,
            beta_1,
            beta_2,
            epsilon: 1e-8,
            weight_decay: 0.0,
        }
    }

    /// The learning rate.
    pub fn lr(&self) -> f64 {
        match *self {
            Self::Adam { lr, .. }
            | Self::AdamW { lr, .. }
            | Self::RmsProp { lr, .. }
            | Self::Sgd { lr, .. } => lr,
        }
    }

    /// Numbers that it remembers for every parameter.
    pub fn moment_count(&self) -> usize {
        match self {
            Self::Adam { .. } | Self::AdamW { .. } => 2,
            Self::RmsProp { .. } => 1,
            Self::Sgd { momentum, .. } => usize::from(*momentum != 0.0),
        }
    }

    /// Says what is wrong with the numbers.
    ///
    /// # Errors
    ///
    /// If a number is not finite or outside its range.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let check = |name: &str, value: f64, allowed: &str, ok: bool| {
            if ok && value.is_finite() {
                Ok(())
            } else {
                Err(ConfigError::new(name, value, allowed))
            }
        };
        let lr = self.lr();
        check("lr", lr, "a finite number above 0", lr > 0.0)?;
        match *self {
            Self::Adam {
                beta_1,
                beta_2,
                epsilon,
                weight_decay,
                ..
            }
            | Self::AdamW {
                beta_1,
                beta_2,
                epsilon,
                weight_decay,
                ..
            } => {
                check("beta_1", beta_1, "in [0, 1)", (0.0..1.0).contains(&beta_1))?;
                check("beta_2", beta_2, "in [0, 1)", (0.0..1.0).contains(&beta_2))?;
                check("epsilon", epsilon, "a finite number above 0", epsilon > 0.0)?;
                check(
                    "weight_decay",
                    weight_decay,
                    "a finite number, 0 or more",
                    weight_decay >= 0.0,
                )
            }
            Self::RmsProp { alpha, epsilon, .. } => {
                check("alpha", alpha, "in [0, 1)", (0.0..1.0).contains(&alpha))?;
                check("epsilon", epsilon, "a finite number above 0", epsilon > 0.0)
            }
            Self::Sgd { momentum, .. } => check(
                "momentum",
                momentum,
                "in [0, 1)",
                (0.0..1.0).contains(&momentum),
            ),
        }
    }
}
