//! Gradient penalties of critics made of our layers against PyTorch's double backward
//! (`reference/README.md`).

use std::collections::BTreeMap;
use std::path::PathBuf;

use burn::module::{Module, ModuleVisitor, Param};
use burn::prelude::*;
use burn::tensor::{Gradients, TensorData};
use gan_core::dual::{Dual, Forward};
use gan_core::game::restore_module;
use gan_core::nn::{
    Activation, Conv2d, Conv2dConfig, Critic, GroupNorm, GroupNormConfig, Linear, LinearConfig,
    MinibatchStddev, MinibatchStddevConfig,
};
use gan_core::penalty::{PenaltyRule, gradient_penalty};
use gan_core::rng::Stream;
use safetensors::SafeTensors;

/// Of the largest gradient of a file.
const TOLERANCE: f32 = 1e-5;

const LEAKY: Activation = Activation::LeakyRelu { slope: 0.2 };

type Tensors = BTreeMap<String, TensorData>;

fn device() -> Device {
    Device::flex().autodiff()
}

fn fixture(name: &str) -> Tensors {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../reference");
    let path = folder.join(format!("{name}.safetensors"));
    let bytes = std::fs::read(&path)
        .unwrap_or_else(|error| panic!("{}: {error}; see reference/README.md", path.display()));
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let read = |(name, view): (String, safetensors::tensor::TensorView)| {
        let values: Vec<f32> = view
            .data()
            .chunks_exact(4)
            .map(|bytes| f32::from_le_bytes(bytes.try_into().unwrap()))
            .collect();
        (name, TensorData::new(values, view.shape().to_vec()))
    };
    file.tensors().into_iter().map(read).collect()
}

/// What is in `file` under `prefix`, by the rest of the name.
fn under(file: &Tensors, prefix: &str) -> Tensors {
    file.iter()
        .filter_map(|(key, data)| Some((key.strip_prefix(prefix)?.to_owned(), data.clone())))
        .collect()
}

fn linear(inputs: usize, outputs: usize) -> Linear {
    LinearConfig::new(inputs, outputs).init(&mut Stream::new(0, "linear", 0), &device())
}

fn conv(inputs: usize, outputs: usize, stride: usize) -> Conv2d {
    Conv2dConfig::new(inputs, outputs, 3)
        .with_stride(stride)
        .with_padding(1)
        .init(&mut Stream::new(0, "conv", 0), &device())
}

#[derive(Module, Debug)]
struct Mlp {
    fc1: Linear,
    fc2: Linear,
}

impl Critic<2> for Mlp {
    fn score(&self, x: Dual<2>) -> Dual<2> {
        self.fc2.apply(LEAKY.apply(self.fc1.apply(x)))
    }
}

#[derive(Module, Debug)]
struct Convolutional {
    conv1: Conv2d,
    conv2: Conv2d,
    norm: GroupNorm,
    fc: Linear,
}

impl Critic<4> for Convolutional {
    fn score(&self, x: Dual<4>) -> Dual<2> {
        let x = LEAKY.apply(self.conv1.apply(x));
        let x = self.norm.apply(LEAKY.apply(self.conv2.apply(x)));
        self.fc.apply(x.flatten())
    }
}

#[derive(Module, Debug)]
struct Residual {
    conv_in: Conv2d,
    conv1: Conv2d,
    conv2: Conv2d,
    stddev: MinibatchStddev,
    fc: Linear,
}

impl Critic<4> for Residual {
    fn score(&self, x: Dual<4>) -> Dual<2> {
        let x = self.conv_in.apply(x);
        let branch = self.conv1.apply(LEAKY.apply(x.clone()));
        let x = x + self.conv2.apply(LEAKY.apply(branch));
        self.fc.apply(self.stddev.apply(x).flatten())
    }
}

/// Gradients by path; zeros where there is none.
struct Collect<'a> {
    gradients: &'a Gradients,
    path: Vec<String>,
    found: Tensors,
}

impl ModuleVisitor for Collect<'_> {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let value = param.val();
        let gradient = value
            .grad(self.gradients)
            .unwrap_or_else(|| value.inner().zeros_like());
        self.found.insert(self.path.join("."), gradient.into_data());
    }
}

fn values(data: &TensorData) -> Vec<f32> {
    data.clone().try_to_vec::<f32>().unwrap()
}

/// Value and gradients of both penalties at the fixture's parameters.
fn compare<const D: usize, C: Critic<D>>(what: &str, critic: C) {
    let file = fixture(what);
    let critic = restore_module(critic, what, &under(&file, "param.")).unwrap();
    let wgan_gp = PenaltyRule::WganGp {
        lambda: 10.0,
        target: 1.0,
        one_sided: false,
    };
    for (name, rule) in [("r1", PenaltyRule::R1 { gamma: 2.0 }), ("wgan_gp", wgan_gp)] {
        let x = Tensor::<D>::from_data(file["x"].clone(), &device());
        let penalty = gradient_penalty(&rule, &critic, x);
        let wanted = values(&file[&format!("value.{name}")])[0];
        let value = penalty.value.into_scalar::<f32>();
        assert!(
            (value - wanted).abs() < TOLERANCE * wanted.abs(),
            "{what}, {name}: value {value}, PyTorch {wanted}"
        );

        let gradients = penalty.surrogate.backward();
        let mut collect = Collect {
            gradients: &gradients,
            path: Vec::new(),
            found: Tensors::new(),
        };
        critic.visit(&mut collect);
        let wanted = under(&file, &format!("grad.{name}."));
        assert_eq!(
            collect.found.keys().collect::<Vec<_>>(),
            wanted.keys().collect::<Vec<_>>()
        );
        let largest = wanted
            .values()
            .flat_map(values)
            .fold(0f32, |largest, gradient| largest.max(gradient.abs()));
        assert!(largest > 1e-3, "{what}, {name}: nothing to compare");
        let mut worst = 0f32;
        for (key, wanted) in &wanted {
            let found = &collect.found[key];
            assert_eq!(found.shape(), wanted.shape(), "{what}, {name}: {key}");
            for (found, wanted) in values(found).iter().zip(values(wanted)) {
                worst = worst.max((found - wanted).abs() / largest);
                assert!(
                    (found - wanted).abs() < TOLERANCE * largest,
                    "{what}, {name}: gradient of {key} is {found}, PyTorch {wanted}"
                );
            }
        }
        println!("{what}, {name}: largest difference {worst:.1e} of the largest gradient");
    }
}

#[test]
fn a_multilayer_perceptron_agrees_with_double_backward() {
    for batch in [5, 1] {
        let critic = Mlp {
            fc1: linear(6, 16),
            fc2: linear(16, 1),
        };
        compare::<2, _>(&format!("penalty_mlp_batch{batch}"), critic);
    }
}

#[test]
fn convolutions_with_instance_norm_agree_with_double_backward() {
    for batch in [5, 1] {
        let critic = Convolutional {
            conv1: conv(1, 4, 2),
            conv2: conv(4, 8, 2),
            norm: GroupNormConfig::instance(8).init(&mut Stream::new(0, "norm", 0), &device()),
            fc: linear(32, 1),
        };
        compare::<4, _>(&format!("penalty_conv_batch{batch}"), critic);
    }
}

#[test]
fn a_residual_critic_that_couples_samples_agrees_with_double_backward() {
    for batch in [5, 1] {
        let stddev = MinibatchStddevConfig {
            group_size: 5,
            epsilon: 1e-8,
        };
        let critic = Residual {
            conv_in: conv(1, 4, 2),
            conv1: conv(4, 4, 1),
            conv2: conv(4, 4, 1),
            stddev: stddev.init(),
            fc: linear(80, 1),
        };
        compare::<4, _>(&format!("penalty_residual_batch{batch}"), critic);
    }
}
