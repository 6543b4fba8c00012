//! The work of Burn's example `wgan`, in Burn's own modules as they come: the other side of
//! `cargo xtask peers --only wgan`. Prints one JSON line with the median round.
//!
//! `cargo run --release --example peer_burn -- --rounds 15`
//!
//! Networks, optimiser, weight limit and number of critic steps are those of
//! [the example](https://github.com/tracel-ai/burn/tree/main/examples/wgan); a round is five critic steps and
//! one generator step on fresh noise. It uses nothing of ours but the reader of checkpoints, no allocator but the system's.
//!
//! With two folders of `peer --case wgan --parity FOLDER` it plays the round between them instead, and prints
//! what `benches/peers/parity.py` prints: how far the results are apart.

#[path = "peer/measure.rs"]
mod measure;

use std::collections::BTreeMap;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::time::Instant;

use burn::module::{Module, ModuleMapper, Param};
use burn::nn::{
    BatchNorm, BatchNormConfig, LeakyRelu, LeakyReluConfig, Linear, LinearConfig, Tanh,
};
use burn::optim::{GradientsParams, ModuleOptimizer, RmsPropConfig};
use burn::prelude::*;
use burn::tensor::Distribution;
use clap::Parser;
use gan_core::game::{restore_module, snapshot_module};
use gan_core::train::Checkpoints;

/// Time Burn's side of the case wgan.
#[derive(Parser)]
struct Arguments {
    /// Rounds timed, after three that are not.
    #[arg(long, default_value_t = 15)]
    rounds: usize,
    /// The game before and after a round that is to be compared.
    #[arg(num_args = 2)]
    parity: Vec<PathBuf>,
}

const BATCH: usize = 512;
const CRITIC_STEPS: usize = 5;
const LATENT: usize = 100;
const PIXELS: usize = 28 * 28;
const WEIGHT_LIMIT: f32 = 0.01;
const LEARNING_RATE: f64 = 5e-5;

/// Paths are those of our networks behind `Mlp.mlp.`, which makes the weights easy to move.
#[derive(Module, Debug)]
struct Generator {
    layers: Vec<Linear>,
    after: Vec<BatchNorm>,
    activation: LeakyRelu,
    tanh: Tanh,
}

#[derive(Module, Debug)]
struct Critic {
    layers: Vec<Linear>,
    activation: LeakyRelu,
}

fn layers(widths: &[usize], device: &Device) -> Vec<Linear> {
    let layer = |pair: &[usize]| LinearConfig::new(pair[0], pair[1]).init(device);
    widths.windows(2).map(layer).collect()
}

fn leaky_relu() -> LeakyRelu {
    LeakyReluConfig::new().with_negative_slope(0.2).init()
}

impl Generator {
    fn new(device: &Device) -> Self {
        let norm = |width| BatchNormConfig::new(width).with_epsilon(0.8).init(device);
        Self {
            layers: layers(&[LATENT, 128, 256, 512, 1024, PIXELS], device),
            after: [128, 256, 512, 1024].map(norm).into(),
            activation: leaky_relu(),
            tanh: Tanh::new(),
        }
    }

    fn forward(&self, z: Tensor<2>) -> Tensor<2> {
        let hidden = self.layers.iter().zip(&self.after);
        let x = hidden.fold(z, |x, (layer, norm)| {
            self.activation.forward(norm.forward(layer.forward(x)))
        });
        self.tanh.forward(self.layers[self.after.len()].forward(x))
    }
}

impl Critic {
    fn new(device: &Device) -> Self {
        Self {
            layers: layers(&[PIXELS, 512, 256, 1], device),
            activation: leaky_relu(),
        }
    }

    fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        let x = self.activation.forward(self.layers[0].forward(x));
        let x = self.activation.forward(self.layers[1].forward(x));
        self.layers[2].forward(x)
    }
}

/// Limits every weight.
struct Clip;

impl ModuleMapper for Clip {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        param.map(|weight| {
            let limited = weight.inner().clamp(-WEIGHT_LIMIT, WEIGHT_LIMIT);
            Tensor::from_inner(limited).require_grad()
        })
    }
}

struct Wgan {
    generator: Generator,
    critic: Critic,
    generator_optimizer: ModuleOptimizer,
    critic_optimizer: ModuleOptimizer,
}

impl Wgan {
    fn new(device: &Device) -> Self {
        let optimizer = || {
            let config = RmsPropConfig::new().with_alpha(0.99).with_momentum(0.0);
            config.with_epsilon(8e-8).init()
        };
        Self {
            generator: Generator::new(device),
            critic: Critic::new(device),
            generator_optimizer: optimizer(),
            critic_optimizer: optimizer(),
        }
    }

    /// Five critic steps on parts of `real`, then a generator step; reads the last critic loss.
    fn round(&mut self, real: &Tensor<2>, z_critic: &Tensor<2>, z_generator: Tensor<2>) -> f32 {
        let part = real.dims()[0] / CRITIC_STEPS;
        let mut last = 0.0;
        for step in 0..CRITIC_STEPS {
            let real = real.clone().narrow(0, step * part, part);
            let z = z_critic.clone().narrow(0, step * part, part);
            let fake = self.generator.forward(z).detach();
            let loss = self.critic.forward(fake).mean() - self.critic.forward(real).mean();
            let gradients = GradientsParams::from_grads(loss.backward(), &self.critic);
            let critic = self.critic.clone();
            let critic = self.critic_optimizer.step(LEARNING_RATE, critic, gradients);
            self.critic = critic.map(&mut Clip);
            last = loss.into_scalar::<f32>();
        }
        let judged = self.critic.forward(self.generator.forward(z_generator));
        let gradients = judged.mean().neg().backward();
        let gradients = GradientsParams::from_grads(gradients, &self.generator);
        let generator = self.generator.clone();
        let optimizer = &mut self.generator_optimizer;
        self.generator = optimizer.step(LEARNING_RATE, generator, gradients);
        last
    }
}

fn time(rounds: usize, started: Instant, device: &Device) {
    let mut game = Wgan::new(device);
    let real = Distribution::Uniform(-1.0, 1.0);
    let real = Tensor::random([CRITIC_STEPS * BATCH, PIXELS], real, device);
    let mut play = || {
        let noise = |count| Tensor::random([count, LATENT], Distribution::Normal(0.0, 1.0), device);
        game.round(&real, &noise(CRITIC_STEPS * BATCH), noise(BATCH));
    };
    play();
    let startup = started.elapsed().as_secs_f64();
    let milliseconds = measure::median(rounds, 3, play);
    measure::report("wgan", CRITIC_STEPS * BATCH, milliseconds, startup);
}

type Tensors = BTreeMap<String, TensorData>;

/// Our tensors under the paths of Burn's `module`, matrices the other way round. Our layers before a
/// normalisation have no bias, because it has no effect; Burn's are zeros.
fn translated<M: Module>(ours: &Tensors, module: &M) -> Tensors {
    let translate = |(path, data): (String, TensorData)| {
        let name = path.replace("gamma", "weight").replace("beta", "bias");
        let name = match name
            .strip_prefix("after.")
            .and_then(|rest| rest.split_once('.'))
        {
            Some((index, rest)) => format!("Mlp.mlp.after.{index}.norm.Batch.{rest}"),
            None => format!("Mlp.mlp.{name}"),
        };
        let data = match (ours.get(&name), data.rank()) {
            (Some(matrix), 2) => {
                let matrix = Tensor::<2>::from_data(matrix.clone(), &Device::flex());
                matrix.transpose().into_data()
            }
            (Some(vector), _) => vector.clone(),
            (None, _) => TensorData::zeros::<f32, _>(data.shape().to_vec()),
        };
        (path, data)
    };
    snapshot_module(module).into_iter().map(translate).collect()
}

/// Plays the round between two checkpoints of ours, and prints how far from ours it ends.
fn compare(before: &Path, after: &Path, device: &Device) -> Result<(), Box<dyn Error>> {
    let [before, after] = [before, after].map(Checkpoints::load);
    let (before, after) = (before?.state, after?.state);
    let inputs = before.group("inputs")?;
    let input = |name: &str| -> Result<Tensor<2>, String> {
        let data = inputs.get(name).ok_or(format!("inputs lack {name}"))?;
        let rows = data.shape().to_vec()[0];
        let values: Vec<f32> = data.iter().collect();
        let columns = values.len() / rows;
        let rows = TensorData::new(values, [rows, columns]);
        Ok(Tensor::from_data(rows, device))
    };
    let mut game = Wgan::new(device);
    let generator = translated(before.group("generator")?, &game.generator);
    let critic = translated(before.group("critic")?, &game.critic);
    game.generator = restore_module(game.generator, "generator", &generator)?;
    game.critic = restore_module(game.critic, "critic", &critic)?;
    game.round(&input("real")?, &input("z_critic")?, input("z_generator")?);
    let mut apart = Apart::default();
    let wanted = translated(after.group("generator")?, &game.generator);
    apart.add(&snapshot_module(&game.generator), &wanted, &generator);
    let wanted = translated(after.group("critic")?, &game.critic);
    apart.add(&snapshot_module(&game.critic), &wanted, &critic);
    apart.print();
    Ok(())
}

/// How far two results are apart; the words are those of `parity.py`.
#[derive(Default)]
struct Apart {
    parameters: f32,
    statistics: f32,
    difference: f64,
    step: f64,
}

impl Apart {
    fn add(&mut self, found: &Tensors, wanted: &Tensors, old: &Tensors) {
        for (path, found) in found {
            if path.starts_with("layers.") && path.ends_with("bias") && !is_used(wanted, path) {
                continue;
            }
            let values = |data: &TensorData| -> Vec<f32> { data.iter().collect() };
            let [found, wanted, old] = [found, &wanted[path], &old[path]].map(values);
            for ((found, wanted), old) in found.iter().zip(wanted).zip(old) {
                let error = (found - wanted).abs() / found.abs().max(1.0);
                if path.contains("running") {
                    self.statistics = self.statistics.max(error);
                } else {
                    self.parameters = self.parameters.max(error);
                    self.difference += f64::from(found - wanted).powi(2);
                    self.step += f64::from(found - old).powi(2);
                }
            }
        }
    }

    fn print(&self) {
        let step = (self.difference / self.step).sqrt();
        println!(
            r#"{{"case": "wgan", "parameters": {:e}, "statistics": {:e}, "step": {step:e}}}"#,
            self.parameters, self.statistics
        );
    }
}

/// Whether the bias at `path` has an effect: not in front of a normalisation.
fn is_used(tensors: &Tensors, path: &str) -> bool {
    let norm = path.replace("layers", "after").replace("bias", "gamma");
    !tensors.contains_key(&norm)
}

fn main() -> Result<(), Box<dyn Error>> {
    let started = Instant::now();
    let arguments = Arguments::parse();
    let device = Device::flex().autodiff();
    match &arguments.parity[..] {
        [before, after] => compare(before, after, &device),
        _ => {
            time(arguments.rounds, started, &device);
            Ok(())
        }
    }
}
