//! The loss of BEGAN, whose controller keeps the players in balance.

use burn::prelude::*;
use serde::{Deserialize, Serialize};

use super::{Objective, constant};
use crate::error::ConfigError;
use crate::game::{State, StateError};

/// Configuration to create a [`Began`] using the [init function](BeganConfig::init).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BeganConfig {
    /// The energy of generated samples aimed at, as a part of that of real ones, in `(0, 1]`: low for
    /// quality, high for variety; 0.3 to 0.7 in the paper. Default: 0.5.
    #[serde(default = "half")]
    pub gamma: f64,
    /// Step of the controller, above 0. Default: 0.001, the paper's.
    #[serde(default = "thousandth")]
    pub lambda_k: f64,
}

fn half() -> f64 {
    0.5
}

fn thousandth() -> f64 {
    1e-3
}

impl Default for BeganConfig {
    fn default() -> Self {
        Self {
            gamma: half(),
            lambda_k: thousandth(),
        }
    }
}

impl BeganConfig {
    /// Says what is wrong.
    ///
    /// # Errors
    ///
    /// If a number is outside its range.
    pub fn validate(&self) -> Result<(), ConfigError> {
        if !(self.gamma > 0.0 && self.gamma <= 1.0) {
            return Err(ConfigError::new("gamma", self.gamma, "in (0, 1]"));
        }
        crate::nn::check_positive("lambda_k", self.lambda_k)
    }

    /// A controller that has seen nothing: `k` is 0. `device` is the players'.
    ///
    /// # Panics
    ///
    /// Panics if the configuration is not valid.
    pub fn init(&self, device: &Device) -> Began {
        crate::nn::expect_valid(self.validate());
        let zero = || Tensor::zeros([1], &device.clone().without_autodiff());
        Began {
            config: *self,
            k: zero(),
            convergence: zero(),
        }
    }
}

/// [BEGAN](https://arxiv.org/abs/1703.10717), section 3.4, for a critic whose score is minus the error
/// `L` of a reconstruction, as that of an [autoencoder](crate::nn::Autoencoder).
///
/// | | |
/// | --- | --- |
/// | critic minimises | `E L(x) − k E L(G(z))` |
/// | generator minimises | `E L(G(z))` |
/// | after a round | `k ← clamp(k + λ (γ E L(x) − E L(G(z))), 0, 1)` |
///
/// Reported besides: `k`, and `convergence`, the paper's measure `E L(x) + |γ E L(x) − E L(G(z))|`.
///
/// Differs from the paper in the generated samples that move `k`: those of the critic's step. Errors
/// that are not finite leave `k` where it is.
///
/// Should be created using [`BeganConfig`] and given to a game with
/// [`with_objective`](crate::game::Gan::with_objective).
#[derive(Debug)]
pub struct Began {
    config: BeganConfig,
    k: Tensor<1>,
    convergence: Tensor<1>,
}

impl Objective for Began {
    fn critic_loss(&self, real: Tensor<2>, fake: Tensor<2>) -> Tensor<1> {
        let k = constant(self.k.clone(), &fake.device());
        fake.mean() * k - real.mean()
    }

    fn generator_loss(&self, _real: Option<Tensor<2>>, fake: Tensor<2>) -> Tensor<1> {
        fake.mean().neg()
    }

    fn observe(&mut self, real: Tensor<2>, fake: Tensor<2>) {
        let (real, fake) = (real.mean().neg(), fake.mean().neg());
        let surplus = real.clone() * self.config.gamma - fake;
        self.convergence = real + surplus.clone().abs();
        let moved = (self.k.clone() + surplus.clone() * self.config.lambda_k).clamp(0.0, 1.0);
        self.k = self.k.clone().mask_where(surplus.is_finite(), moved);
    }

    fn readings(&self) -> Vec<(&'static str, Tensor<1>)> {
        vec![
            ("k", self.k.clone()),
            ("convergence", self.convergence.clone()),
        ]
    }

    fn save(&self, state: &mut State) {
        state.save_scalar("loss.k", &self.k);
    }

    fn load(&mut self, state: &State) -> Result<(), StateError> {
        self.k = state.load_scalar("loss.k", &self.k)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::values;

    fn scores(values: [f32; 2]) -> Tensor<2> {
        Tensor::<1>::from_floats(values, &Device::flex()).reshape([2, 1])
    }

    fn k(began: &Began) -> f32 {
        values(&began.k)[0]
    }

    fn controller(gamma: f64, lambda_k: f64) -> Began {
        BeganConfig { gamma, lambda_k }.init(&Device::flex().autodiff())
    }

    /// Energies of real samples 1 and 3, of generated ones 0.5 and 0.1.
    #[test]
    fn the_controller_follows_the_paper() {
        let mut began = controller(0.5, 0.1);
        let (real, fake) = (scores([-1.0, -3.0]), scores([-0.5, -0.1]));
        let loss = began.critic_loss(real.clone(), fake.clone());
        assert!((values(&loss)[0] - 2.0).abs() < 1e-6, "k is 0 at first");
        began.observe(real.clone(), fake.clone());
        // 0.1 · (0.5 · 2 − 0.3), and 2 + |1 − 0.3|.
        assert!((k(&began) - 0.07).abs() < 1e-6);
        let readings = began.readings();
        assert_eq!(readings[0].0, "k");
        assert!((values(&readings[1].1)[0] - 2.7).abs() < 1e-6);
        let loss = began.critic_loss(real, fake.clone());
        assert!((values(&loss)[0] - (2.0 - 0.07 * 0.3)).abs() < 1e-6);
        assert!((values(&began.generator_loss(None, fake))[0] - 0.3).abs() < 1e-6);
    }

    #[test]
    fn both_players_gradients_are_those_of_the_formulas() {
        let device = Device::flex().autodiff();
        let mut began = controller(1.0, 0.25);
        began.observe(scores([-1.0, -1.0]), scores([0.0, 0.0]));
        let row = || Tensor::<2>::from_floats([[-1.0], [-2.0]], &device).require_grad();
        let (r, f) = (row(), row());
        let grads = began.critic_loss(r.clone(), f.clone()).backward();
        assert_eq!(values(&r.grad(&grads).unwrap()), [-0.5, -0.5]);
        assert_eq!(values(&f.grad(&grads).unwrap()), [0.125, 0.125]);
        let grads = began.generator_loss(None, f.clone()).backward();
        assert_eq!(values(&f.grad(&grads).unwrap()), [-0.5, -0.5]);
    }

    #[test]
    fn k_stays_between_0_and_1_and_ignores_what_is_not_finite() {
        let mut began = controller(0.5, 10.0);
        began.observe(scores([0.0, 0.0]), scores([-9.0, -9.0]));
        assert_eq!(k(&began), 0.0);
        began.observe(scores([-9.0, -9.0]), scores([0.0, 0.0]));
        assert_eq!(k(&began), 1.0);
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            began.observe(scores([0.0, bad]), scores([-1.0, -1.0]));
            assert_eq!(k(&began), 1.0);
        }
    }

    #[test]
    fn k_is_saved_and_must_be_there() {
        let mut began = controller(0.5, 0.1);
        began.observe(scores([-1.0, -3.0]), scores([-0.5, -0.1]));
        let mut state = State::default();
        began.save(&mut state);
        let mut other = controller(0.5, 0.1);
        other.load(&state).unwrap();
        assert_eq!(k(&other), k(&began));
        let error = other.load(&State::default()).unwrap_err();
        assert_eq!(error, StateError::MissingNumber("loss.k".into()));
    }

    #[test]
    fn constants_outside_their_range_are_refused() {
        let field = |gamma, lambda_k| {
            let config = BeganConfig { gamma, lambda_k };
            config.validate().expect_err("it is bad").field
        };
        assert_eq!(field(0.0, 0.1), "gamma");
        assert_eq!(field(1.5, 0.1), "gamma");
        assert_eq!(field(f64::NAN, 0.1), "gamma");
        assert_eq!(field(0.5, -0.1), "lambda_k");
    }
}
