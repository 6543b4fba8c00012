//! Small games of points in the plane.

mod players;
mod resume;
mod ring;
mod scores;
mod settings;

use burn::module::Param;
use burn::nn::{BatchNorm, BatchNormConfig};
use burn::tensor::{TensorData, activation};

use super::scores::score_both;
use super::*;
use crate::dual::Dual;
use crate::game::{EmaConfig, snapshot_module};
use crate::loss::AdversarialLoss;
use crate::optim::{LearningRateSchedule, OptimizerConfig};
use crate::penalty::{PenaltyConfig, PenaltyRule};
use crate::rng::Stream;
use crate::sample::LatentPrior;

const LATENT: usize = 4;

fn device() -> Device {
    Device::flex().autodiff()
}

#[derive(Module, Debug)]
struct Dense {
    weight: Param<Tensor<2>>,
    bias: Param<Tensor<2>>,
}

impl Dense {
    fn new(name: &str, seed: u64, inputs: usize, outputs: usize) -> Self {
        let weight = Stream::new(seed, name, 0).normal([inputs, outputs], &device());
        Self {
            weight: Param::from_tensor(weight * (2.0 / inputs as f64).sqrt()),
            bias: Param::from_tensor(Tensor::zeros([1, outputs], &device())),
        }
    }

    fn apply(&self, x: Dual<2>) -> Dual<2> {
        x.linear_map(|x| x.matmul(self.weight.val())) + Dual::from(self.bias.val())
    }
}

/// 4 → width → normalised → 2.
#[derive(Module, Debug)]
struct Maker {
    first: Dense,
    norm: Option<BatchNorm>,
    second: Dense,
    third: Dense,
}

impl Maker {
    fn new(seed: u64, width: usize, normalised: bool) -> Self {
        Self {
            first: Dense::new("g1", seed, LATENT, width),
            norm: normalised.then(|| BatchNormConfig::new(width).init(&device())),
            second: Dense::new("g2", seed, width, width),
            third: Dense::new("g3", seed, width, 2),
        }
    }
}

impl Generator<2> for Maker {
    fn generate(&self, z: Tensor<2>) -> Tensor<2> {
        let h = self.first.apply(z.into()).primal;
        let h = match &self.norm {
            Some(norm) => norm.forward(h),
            None => h,
        };
        let h = self.second.apply(activation::relu(h).into()).primal;
        self.third.apply(activation::relu(h).into()).primal
    }

    fn latent_size(&self) -> usize {
        LATENT
    }
}

/// 2 → width → width → 1; if `coupled` it says that samples see each other (they do not).
#[derive(Module, Debug)]
struct Judge {
    first: Dense,
    second: Dense,
    third: Dense,
    coupled: bool,
}

impl Judge {
    fn new(seed: u64, width: usize, coupled: bool) -> Self {
        Self {
            first: Dense::new("c1", seed, 2, width),
            second: Dense::new("c2", seed, width, width),
            third: Dense::new("c3", seed, width, 1),
            coupled,
        }
    }
}

fn bend(x: Dual<2>) -> Dual<2> {
    x.pointwise(
        |x| activation::leaky_relu(x, 0.2),
        |x| x.detach().greater_elem(0.0).float() * 0.8 + 0.2,
    )
}

impl Critic<2> for Judge {
    fn score(&self, x: Dual<2>) -> Dual<2> {
        let h = bend(self.first.apply(x));
        self.third.apply(bend(self.second.apply(h)))
    }

    fn couples_samples(&self) -> bool {
        self.coupled
    }
}

fn config() -> GanConfig {
    let adam = OptimizerConfig::adam(1e-2, 0.5, 0.99);
    let latent = LatentPrior::Normal { size: LATENT };
    GanConfig::new(AdversarialLoss::NonSaturating, latent, adam)
}

/// Everything at once.
fn full() -> GanConfig {
    GanConfig {
        critic_steps: 2,
        label_smoothing: Some(0.1),
        instance_noise: Some(InstanceNoise {
            std: 0.1,
            until_kimg: 1.0,
        }),
        gradient_clip_norm: Some(5.0),
        penalty: Some(PenaltyConfig {
            rule: PenaltyRule::WganGp {
                lambda: 1.0,
                target: 1.0,
                one_sided: false,
            },
            every: 2,
        }),
        ema: Some(EmaConfig {
            half_life_kimg: 0.1,
            ramp_up: Some(0.5),
        }),
        ..config()
    }
}

type Toy = Gan<Maker, Judge, 2>;

fn game(config: GanConfig) -> Toy {
    Gan::new(config, Maker::new(1, 8, true), Judge::new(2, 8, false)).unwrap()
}

fn batch(round: u64, size: usize) -> Tensor<2> {
    Stream::new(9, "data", round).normal([size, 2], &Device::flex())
}

/// Plays rounds `from..to` of 12 samples.
fn play(game: &mut Toy, from: u64, to: u64) {
    let mut clock = Clock {
        seed: 3,
        round: from,
        images: from * 12,
    };
    while clock.round < to {
        game.round(batch(clock.round, 12), &clock);
        clock.advance(12);
    }
}

fn weights<M: Module>(player: &Player<M>) -> std::collections::BTreeMap<String, TensorData> {
    snapshot_module(player.module())
}
