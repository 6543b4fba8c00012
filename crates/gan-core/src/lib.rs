//! Train your own generator against your own critic on [Burn](https://burn.dev).
//!
//! ```sh
//! cargo add gan-core --features flex
//! cargo add burn@=0.22.1 --no-default-features --features std
//! ```
//!
//! # Your own two networks
//!
//! A network that implements [`Generator`](nn::Generator) draws, one that implements
//! [`Critic`](nn::Critic) judges, and [`Gan`](game::Gan) lets the two play. The critic is written on
//! [`Dual`](dual::Dual) numbers: that is all it takes to turn on a gradient penalty. The same text is
//! in the project's `README.md`; here it runs as a test.
//!
//! ```rust
//! use burn::module::Module;
//! use burn::prelude::*;
//! use gan_core::dual::{Dual, Forward};
//! use gan_core::game::{Clock, Game, Gan, GanConfig, SampleRequest};
//! use gan_core::loss::AdversarialLoss;
//! use gan_core::nn::{Activation, Critic, Generator, Linear, LinearConfig};
//! use gan_core::optim::OptimizerConfig;
//! use gan_core::penalty::{PenaltyConfig, PenaltyRule};
//! use gan_core::rng::Stream;
//! use gan_core::sample::LatentPrior;
//!
//! #[derive(Module, Debug)]
//! struct MyGenerator {
//!     hidden: Linear,
//!     output: Linear,
//! }
//!
//! impl Generator<2> for MyGenerator {
//!     fn generate(&self, z: Tensor<2>) -> Tensor<2> {
//!         let x = Activation::Relu.apply(self.hidden.apply(z.into()));
//!         self.output.apply(x).primal
//!     }
//!
//!     fn latent_size(&self) -> usize {
//!         2
//!     }
//! }
//!
//! #[derive(Module, Debug)]
//! struct MyCritic {
//!     hidden: Linear,
//!     output: Linear,
//! }
//!
//! impl Critic<2> for MyCritic {
//!     fn score(&self, x: Dual<2>) -> Dual<2> {
//!         self.output.apply(self.hidden.apply(x).leaky_relu(0.2))
//!     }
//! }
//!
//! let device = Device::flex().autodiff();
//! let weights = &mut Stream::new(1, "weights", 0);
//! let mut linear = |from, to| LinearConfig::new(from, to).init(weights, &device);
//! let generator = MyGenerator { hidden: linear(2, 32), output: linear(32, 2) };
//! let critic = MyCritic { hidden: linear(2, 32), output: linear(32, 1) };
//!
//! let adam = OptimizerConfig::adam(3e-3, 0.0, 0.99);
//! let latent = LatentPrior::Normal { size: 2 };
//! let mut config = GanConfig::new(AdversarialLoss::NonSaturating, latent, adam);
//! config.penalty = Some(PenaltyConfig { rule: PenaltyRule::R1 { gamma: 0.1 }, every: 1 });
//! let mut gan = Gan::new(config, generator, critic)?;
//!
//! // Points around (3, −1). The clock says where training is, and gives the random numbers of a round.
//! let mut clock = Clock::new(1);
//! for _ in 0..400 {
//!     let real = clock.stream("data").normal([64, 2], &device) * 0.3
//!         + Tensor::<2>::from_floats([[3.0, -1.0]], &device);
//!     let report = gan.round(real, &clock);
//!     if clock.every(100) {
//!         println!("{:?}", report.read()); // waits for the device: not in every round
//!     }
//!     clock.advance(64);
//! }
//!
//! let latents = latent.by_seed(&[0, 1, 2, 3], None, &Device::flex());
//! println!("{}", gan.sample(&SampleRequest { latents, averaged: false }));
//! # // The rest is the test.
//! # let many: Vec<u64> = (0..256).collect();
//! # let latents = latent.by_seed(&many, None, &Device::flex());
//! # let mean = gan.sample(&SampleRequest { latents, averaged: false }).mean_dim(0);
//! # let mean: Vec<f32> = mean.into_data().try_to_vec().expect("they are f32");
//! # assert!((mean[0] - 3.0).abs() < 0.5 && (mean[1] + 1.0).abs() < 0.5, "{mean:?}");
//! # Ok::<(), gan_core::error::ConfigError>(())
//! ```
//!
//! # Around the rounds
//!
//! [`Trainer`](train::Trainer) adds time, logs, pictures, checkpoints and guards to any
//! [`Game`](game::Game), and goes on after a kill as if nothing had happened; its
//! [module](train) has an example. Networks for pictures that need no code are in [`nn`].
//!
//! # What is where
//!
//! | module | holds |
//! | --- | --- |
//! | [`dual`] | a tensor with its derivative along one direction; the trait of layers that push one through |
//! | [`nn`] | layers, initial values, generic generators and critics for pictures |
//! | [`loss`] | adversarial losses, all on logits; losses on classes, codes and features |
//! | [`penalty`] | exact gradient penalties; limits on scores and weights |
//! | [`augment`] | random changes of what the critic sees |
//! | [`optim`] | Adam, AdamW, RMSProp and SGD whose state is saved by the paths of the weights |
//! | [`game`] | players, moving averages, the clock, the two-player game |
//! | [`sample`] | latents by seed, truncation, walks |
//! | [`train`] | the loop, run folders, checkpoints, hooks, guards |
//! | `weights` | weights to PyTorch and from there; with the feature `pytorch` |
//! | [`rng`] | random numbers as a function of seed, purpose and round |
//! | [`kernel`] | the operations of the hot loop, hand-written for the flex backend |
//! | `testing` | checks for layers of your own; with the feature `testing` |
//!
//! # Features
//!
//! None is on by default: a library chooses no backend.
//!
//! | feature | what it turns on |
//! | --- | --- |
//! | `flex` | Burn's CPU backend, and hand-written kernels on it |
//! | `x86-v4` | AVX-512 in Burn's own CPU kernels, chosen at run time |
//! | `ndarray` | Burn's older CPU backend |
//! | `wgpu`, `vulkan`, `cuda` | Burn's GPU backends |
//! | `pytorch` | the module `weights`: state dicts as `.safetensors` and `.pt` |
//! | `testing` | the module `testing` |
//!
//! Burn is pinned to one version, because this crate works around some of its traps; the project's
//! `docs/pitfalls.md` lists them with the test that guards each.

pub mod augment;
pub mod dual;
pub mod error;
pub mod game;
pub mod kernel;
pub mod loss;
pub mod nn;
pub mod optim;
pub mod penalty;
pub mod rng;
pub mod sample;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
pub mod train;
#[cfg(feature = "pytorch")]
pub mod weights;
pub mod words;
