//! The settings of optimisers.

use burn::module::{Module, ModuleVisitor, Param};
use burn::prelude::*;
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
    /// Muon, [Jordan et al. 2024](https://kellerjordan.github.io/posts/muon/): a parameter with two dimensions or
    /// more, the weight of a convolution or of a dense layer, moves along the
    /// [nearest orthogonal matrix](crate::kernel::orthogonalize) to its averaged gradient, so that every direction
    /// that a layer knows gets its share of a step; everything else by Adam.
    ///
    /// A parameter is taken as a matrix of its first dimension by all others; one with a single row or column is
    /// no matrix. A step is scaled by `lr · √max(rows, columns)`: its root mean square is `lr`, about that of
    /// Adam with β₁ = 0, so that one learning rate serves both
    /// ([Liu et al. 2025](https://arxiv.org/abs/2502.16982) have a fifth of it).
    /// Differs from its authors' code: no Nesterov momentum, and first and last layers
    /// and tables of embeddings are no exception.
    Muon {
        /// Learning rate, of matrices and of all else.
        lr: f64,
        /// Decay of a matrix's averaged gradient; 0.95 in its authors' code, for classifiers. Large ones let the
        /// two players swing.
        momentum: f64,
        /// Adam's decay of the first moment.
        beta_1: f64,
        /// Adam's decay of the second moment.
        beta_2: f64,
        /// Adam's epsilon, and what is added to the length of an averaged gradient before it is divided by it.
        epsilon: f64,
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

    /// Muon with Adam (0, 0.99) for what is no matrix, as for the players of ProGAN and StyleGAN.
    pub fn muon(lr: f64, momentum: f64) -> Self {
        Self::Muon {
            lr,
            momentum,
            beta_1: 0.0,
            beta_2: 0.99,
            epsilon: 1e-8,
        }
    }

    /// The learning rate.
    pub fn lr(&self) -> f64 {
        match *self {
            Self::Adam { lr, .. }
            | Self::AdamW { lr, .. }
            | Self::RmsProp { lr, .. }
            | Self::Sgd { lr, .. }
            | Self::Muon { lr, .. } => lr,
        }
    }

    /// Numbers that it remembers for all trainable parameters of a module.
    pub fn memory<M: Module>(&self, module: &M) -> usize {
        struct Count<'a>(&'a OptimizerConfig, usize);
        impl ModuleVisitor for Count<'_> {
            fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
                if param.is_require_grad() {
                    let shape = param.base().shape();
                    self.1 += self.0.moment_count(shape.as_slice()) * shape.num_elements();
                }
            }
        }
        let mut count = Count(self, 0);
        module.visit(&mut count);
        count.1
    }

    /// What moves a parameter of this shape: Adam, where Muon finds no matrix.
    pub(super) fn for_shape(self, shape: &[usize]) -> Self {
        match self {
            Self::Muon {
                lr,
                beta_1,
                beta_2,
                epsilon,
                ..
            } if matrix(shape).is_none() => Self::Adam {
                lr,
                beta_1,
                beta_2,
                epsilon,
                weight_decay: 0.0,
            },
            other => other,
        }
    }

    /// Numbers that it remembers for every value of a parameter of this shape.
    pub(crate) fn moment_count(&self, shape: &[usize]) -> usize {
        match self.for_shape(shape) {
            Self::Adam { .. } | Self::AdamW { .. } => 2,
            Self::Muon { .. } => 1,
            Self::RmsProp { .. } => 1,
            Self::Sgd { momentum, .. } => usize::from(momentum != 0.0),
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
        let check_decay =
            |name: &str, value: f64| check(name, value, "in [0, 1)", (0.0..1.0).contains(&value));
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
                check_decay("beta_1", beta_1)?;
                check_decay("beta_2", beta_2)?;
                check("epsilon", epsilon, "a finite number above 0", epsilon > 0.0)?;
                check(
                    "weight_decay",
                    weight_decay,
                    "a finite number, 0 or more",
                    weight_decay >= 0.0,
                )
            }
            Self::RmsProp { alpha, epsilon, .. } => {
                check_decay("alpha", alpha)?;
                check("epsilon", epsilon, "a finite number above 0", epsilon > 0.0)
            }
            Self::Sgd { momentum, .. } => check_decay("momentum", momentum),
            Self::Muon {
                momentum,
                beta_1,
                beta_2,
                epsilon,
                ..
            } => {
                check_decay("momentum", momentum)?;
                check_decay("beta_1", beta_1)?;
                check_decay("beta_2", beta_2)?;
                check("epsilon", epsilon, "a finite number above 0", epsilon > 0.0)
            }
        }
    }
}

/// Rows and columns of a parameter that Muon takes for a matrix.
pub(super) fn matrix(shape: &[usize]) -> Option<[usize; 2]> {
    let (rows, rest) = shape.split_first()?;
    let columns = rest.iter().product();
    (!rest.is_empty() && *rows > 1 && columns > 1).then_some([*rows, columns])
}
