//! StyleGAN2's regularisation of the generator: equal steps in the latent space should change a
//! picture equally much.

use burn::module::Module;
use burn::prelude::*;
use serde::{Deserialize, Serialize};

use super::Penalty;
use super::gradient_penalty::{along, input_gradient, sum_of_squares};
use crate::dual::{Dual, Forward};
use crate::error::ConfigError;
use crate::game::{Clock, State, StateError};

/// Configuration to create a [`PathLength`] using the [init function](PathLengthConfig::init).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PathLengthConfig {
    /// Weight, 0 or more. Default: 2.
    #[serde(default = "default_weight")]
    pub weight: f64,
    /// Share of the newest batch in the running mean of the lengths, in `(0, 1]`. Default: 0.01.
    #[serde(default = "default_decay")]
    pub decay: f64,
    /// In every so many rounds, with as many times its weight; 1 or more. Default: 4.
    #[serde(default = "default_every")]
    pub every: u64,
}

fn default_weight() -> f64 {
    2.0
}

fn default_decay() -> f64 {
    0.01
}

fn default_every() -> u64 {
    4
}

impl Default for PathLengthConfig {
    /// The numbers of StyleGAN2.
    fn default() -> Self {
        Self {
            weight: default_weight(),
            decay: default_decay(),
            every: default_every(),
        }
    }
}

impl PathLengthConfig {
    /// Says what is wrong with the numbers.
    ///
    /// # Errors
    ///
    /// If a number is not finite or outside its range.
    pub fn validate(&self) -> Result<(), ConfigError> {
        crate::nn::check_not_negative("weight", self.weight)?;
        if !(self.decay > 0.0 && self.decay <= 1.0) {
            return Err(ConfigError::new("decay", self.decay, "in (0, 1]"));
        }
        if self.every == 0 {
            return Err(ConfigError::new("every", 0, "1 or more rounds"));
        }
        Ok(())
    }

    /// A regularisation whose running mean is 0. `device` is the generator's.
    ///
    /// # Panics
    ///
    /// Panics if the configuration is not valid.
    pub fn init(&self, device: &Device) -> PathLength {
        crate::nn::expect_valid(self.validate());
        PathLength {
            config: *self,
            mean: Tensor::zeros([1], &device.clone().without_autodiff()),
        }
    }
}

/// Path length regularisation, [Karras et al. 2020](https://arxiv.org/abs/1912.04958), section 3.2:
/// `E (‖J_wᵀ y‖ − a)²`, with `J_w` the Jacobian of the generator, `y` noise and `a` a running mean of the
/// lengths.
///
/// It is a gradient penalty with `S(w) = ⟨G(w), y⟩` in the place of the critic, and exact in the same
/// way: one backward for the gradient in `w`, one pass of dual numbers through the generator.
///
/// `y` is N(0, 1) divided by `√(height · width)`, as in the authors' code. Latents of one `w` per layer,
/// `[batch, layers, size]`, count with the mean square over the layers. The mean is updated first and
/// then used, without gradient.
///
/// Should be created using [`PathLengthConfig`].
#[derive(Clone, Debug)]
pub struct PathLength {
    config: PathLengthConfig,
    mean: Tensor<1>,
}

impl PathLength {
    /// Whether a round has it.
    pub fn is_due(&self, clock: &Clock) -> bool {
        clock.every(self.config.every)
    }

    /// The running mean `a` of the lengths, `[1]`, off the tape.
    pub fn mean(&self) -> Tensor<1> {
        self.mean.clone()
    }

    /// The regularisation of `generator` at `latents`, with weight and
    /// [`every`](PathLengthConfig::every) in the surrogate; the value has only the weight. Moves the mean.
    ///
    /// The generator must be the same function when called twice.
    ///
    /// # Shapes
    ///
    /// - latents: `[batch, …, size]` on the generator's autodiff device; what made them gets no gradient
    /// - noise: that of the pictures, N(0, 1); it is divided by `√(height · width)` here
    ///
    /// # Panics
    ///
    /// Panics if the generator has a layer without a rule for dual numbers, such as batch
    /// normalisation, or the shape of the noise is not that of the pictures.
    pub fn penalty<const I: usize, const O: usize, G: Module + Forward<I, O>>(
        &mut self,
        generator: &G,
        latents: Tensor<I>,
        noise: Tensor<O>,
    ) -> Penalty {
        let latents = latents.detach();
        let shape = noise.dims();
        let pixels: usize = shape[2..].iter().product();
        let noise = noise.detach() / (pixels as f64).sqrt();
        let (gradient, pass) = input_gradient(generator, latents.clone(), |frozen, latents| {
            let pictures = frozen.apply(latents).primal;
            let dims = pictures.dims();
            assert_eq!(dims, shape, "PathLength: pictures and noise need one shape");
            (pictures * noise.clone()).sum()
        });
        let PathLengthConfig {
            weight,
            decay,
            every,
        } = self.config;
        let dims = latents.dims();
        let batch = dims[0] as f64;
        let layers: usize = dims[1..I - 1].iter().product();
        let length = (sum_of_squares(gradient.clone()) / layers as f64).sqrt();
        let newest = length.clone().mean();
        self.mean = self.mean.clone() + (newest - self.mean.clone()) * decay;

        let excess = length.clone() - self.mean.clone();
        let value = excess.clone().square().mean() * weight;
        let slope = excess * (2.0 * weight / batch / layers as f64);
        let along = along(gradient, length, slope);
        let change = pass.replay(|| generator.apply(Dual::new(latents, along)).tangent);
        let change = change.expect("a tangent went in, and a picture depends on its latents");
        let surrogate = (change * noise).sum() * every as f64;
        Penalty { surrogate, value }
    }

    /// Puts the running mean into `state`, as the number `path-length`.
    pub fn save(&self, state: &mut State) {
        state.save_scalar(NUMBER, &self.mean);
    }

    /// Takes the running mean back.
    ///
    /// # Errors
    ///
    /// If it is missing.
    pub fn load(&mut self, state: &State) -> Result<(), StateError> {
        self.mean = state.load_scalar(NUMBER, &self.mean)?;
        Ok(())
    }
}

const NUMBER: &str = "path-length";

#[cfg(test)]
mod tests {
    use burn::module::Param;

    use super::*;
    use crate::nn::{Linear, LinearConfig, MlpConfig};
    use crate::rng::Stream;
    use crate::testing::values;

    fn device() -> Device {
        Device::flex().autodiff()
    }

    fn stream() -> Stream {
        Stream::new(3, "path", 0)
    }

    fn config(decay: f64) -> PathLengthConfig {
        PathLengthConfig {
            weight: 3.0,
            decay,
            every: 5,
        }
    }

    fn noise(batch: usize) -> Tensor<2> {
        stream().normal([batch, 3], &device())
    }

    fn number(x: Tensor<1>) -> f64 {
        f64::from(x.into_scalar::<f32>())
    }

    /// A linear generator has the Jacobian `W` everywhere, so lengths are `‖Wᵀ y‖` with the noise known.
    #[test]
    fn on_a_linear_generator_value_mean_and_gradient_are_known() {
        let mut generator: Linear = LinearConfig::new(2, 3).init(&mut stream(), &device());
        let weight = [[1.0f32, 2.0], [-1.0, 0.5], [0.0, 1.5]];
        generator.weight = Param::from_data(weight, &device());
        let latents = stream().normal([4, 2], &device());
        let noise: Tensor<2> = stream().normal([4, 3], &device());
        let mut path = config(0.25).init(&device());
        let penalty = path.penalty(&generator, latents, noise.clone());
        let noise = values(&noise);

        let gradients: Vec<[f64; 2]> = noise
            .chunks(3)
            .map(|y| [0, 1].map(|i| (0..3).map(|o| f64::from(y[o] * weight[o][i])).sum()))
            .collect();
        let lengths: Vec<f64> = gradients.iter().map(|g| g[0].hypot(g[1])).collect();
        let mean = 0.25 * lengths.iter().sum::<f64>() / 4.0;
        assert!((number(path.mean()) - mean).abs() < 1e-5);
        let value = 3.0 * lengths.iter().map(|n| (n - mean).powi(2)).sum::<f64>() / 4.0;
        assert!((number(penalty.value.clone()) - value).abs() < 1e-4 * value);

        let found = generator.weight.val().grad(&penalty.surrogate.backward());
        let found = values(&found.unwrap());
        for (index, found) in found.iter().enumerate() {
            let (o, i) = (index / 2, index % 2);
            let wanted: f64 = (0..4)
                .map(|n| {
                    let slope = 2.0 * 3.0 * (lengths[n] - mean) / 4.0;
                    slope * gradients[n][i] / lengths[n] * f64::from(noise[3 * n + o])
                })
                .sum();
            let wanted = 5.0 * wanted;
            assert!(
                (f64::from(*found) - wanted).abs() < 1e-3,
                "{found} {wanted}"
            );
        }
    }

    /// One `w` for each of two layers, seen by the same generator as one long row.
    #[test]
    fn layers_count_with_their_mean_square() {
        #[derive(Module, Debug)]
        struct Rows {
            linear: Linear,
        }
        impl Forward<3, 2> for Rows {
            fn apply(&self, x: Dual<3>) -> Dual<2> {
                self.linear.apply(x.flatten())
            }
        }
        let linear: Linear = LinearConfig::new(6, 3).init(&mut stream(), &device());
        let latents: Tensor<2> = stream().normal([4, 6], &device());
        let new = || config(1.0).init(&device());
        let (mut flat, mut layered) = (new(), new());
        let one = flat.penalty(&linear, latents.clone(), noise(4));
        let rows = Rows {
            linear: linear.clone(),
        };
        let two = layered.penalty(&rows, latents.reshape([4, 2, 3]), noise(4));
        let half = number(flat.mean()) / 2f64.sqrt();
        assert!((number(layered.mean()) - half).abs() < 1e-5);
        let (one, two) = (
            linear.weight.val().grad(&one.surrogate.backward()),
            linear.weight.val().grad(&two.surrogate.backward()),
        );
        // Lengths, their mean and so both differences are 1/√2 as long: the square is half.
        crate::testing::assert_close(&two.unwrap(), &(one.unwrap() * 0.5), 1e-4);
    }

    #[test]
    fn the_gradient_is_the_derivative_of_the_value() {
        let mut config_mlp = MlpConfig::new([3, 8, 5]);
        config_mlp.hidden_activation = crate::nn::Activation::Tanh;
        let mlp = config_mlp.init(&mut stream(), &device());
        let latents = stream().normal([6, 3], &device());
        let at = |mlp: &crate::nn::Mlp| {
            // A fixed mean, as for the gradient: decay so small that it stays.
            let config = PathLengthConfig {
                every: 1,
                ..config(1e-9)
            };
            let mut path = config.init(&device());
            path.mean = Tensor::from_floats([0.4], &Device::flex());
            path.penalty(mlp, latents.clone(), stream().normal([6, 5], &device()))
        };
        let gradients = at(&mlp).surrogate.backward();
        let mut square = 0.0;
        let mut moved = [mlp.clone(), mlp.clone()];
        for layer in 0..2 {
            let weight = mlp.layers[layer].weight.val();
            let gradient = weight.grad(&gradients).unwrap();
            square += number(gradient.clone().square().sum());
            for (moved, step) in moved.iter_mut().zip([1e-3, -1e-3]) {
                let weight = weight.clone().inner() + gradient.clone() * step;
                moved.layers[layer].weight = Param::from_tensor(Tensor::from_inner(weight));
            }
        }
        let [ahead, behind] = moved.map(|mlp| number(at(&mlp).value));
        let numeric = (ahead - behind) / 2e-3;
        assert!(square > 1e-3, "{square}");
        assert!(
            (numeric - square).abs() < 2e-2 * square,
            "{numeric} {square}"
        );
    }

    #[test]
    fn the_mean_comes_back_to_the_bit_and_the_interval_is_kept() {
        let linear: Linear = LinearConfig::new(2, 3).init(&mut stream(), &device());
        let mut path = config(0.3).init(&device());
        path.penalty(&linear, stream().normal([4, 2], &device()), noise(4));
        let mut state = State::default();
        path.save(&mut state);
        let mut other = config(0.3).init(&device());
        other.load(&state).unwrap();
        assert_eq!(values(&other.mean()), values(&path.mean()));
        assert!(number(path.mean()) > 0.0);
        let missing = other.load(&State::default());
        assert_eq!(
            missing.unwrap_err().to_string(),
            "the state has no number `path-length`"
        );
        let at = |round| Clock {
            round,
            ..Clock::new(1)
        };
        let due: Vec<u64> = (0..11).filter(|round| path.is_due(&at(*round))).collect();
        assert_eq!(due, [0, 5, 10]);
    }

    #[test]
    #[should_panic(expected = "pictures and noise need one shape")]
    fn noise_of_another_shape_is_refused() {
        let linear: Linear = LinearConfig::new(2, 3).init(&mut stream(), &device());
        let mut path = config(0.3).init(&device());
        path.penalty(&linear, stream().normal([4, 2], &device()), noise(5));
    }

    #[test]
    fn bad_numbers_are_refused() {
        let refused = |change: fn(&mut PathLengthConfig)| {
            let mut config = PathLengthConfig::default();
            assert!(config.validate().is_ok());
            change(&mut config);
            config.validate().expect_err("it is bad").field
        };
        assert_eq!(refused(|c| c.weight = -1.0), "weight");
        assert_eq!(refused(|c| c.weight = f64::NAN), "weight");
        assert_eq!(refused(|c| c.decay = 0.0), "decay");
        assert_eq!(refused(|c| c.decay = 1.5), "decay");
        assert_eq!(refused(|c| c.every = 0), "every");
    }
}
