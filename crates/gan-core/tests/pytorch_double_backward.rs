//! Gradient penalties of critics made of our layers against PyTorch's double backward
//! (`reference/README.md`).

mod fixture;

use burn::module::{Module, ModuleVisitor, Param};
use burn::prelude::*;
use burn::tensor::{Gradients, TensorData};
use fixture::{Tensors, data, fixture};
use gan_core::dual::{Dual, Forward};
use gan_core::game::{State, restore_module};
use gan_core::nn::{
    Activation, Conv2d, Conv2dConfig, ConvTranspose2d, GroupNorm, GroupNormConfig, Initializer,
    LabelHead, LabelHeadLayer, Linear, LinearConfig, MinibatchStddev, MinibatchStddevConfig, Norm,
    PatchCriticConfig, SelfAttention, SelfAttentionConfig, SpectralNormConfig, one_hot,
};
use gan_core::penalty::{PathLengthConfig, Penalty, PenaltyRule, gradient_penalty_of};
use gan_core::rng::Stream;

/// Of the largest gradient of a file.
const TOLERANCE: f32 = 1e-5;

const LEAKY: Activation = Activation::LeakyRelu { slope: 0.2 };

fn device() -> Device {
    Device::flex().autodiff()
}

/// What is in `file` under `prefix`, by the rest of the name.
fn under(file: &Tensors, prefix: &str) -> Tensors {
    file.iter()
        .filter_map(|(key, data)| Some((key.strip_prefix(prefix)?.to_owned(), data.clone())))
        .collect()
}

fn linear(inputs: usize, outputs: usize) -> Linear {
    LinearConfig::new(inputs, outputs).init(&mut stream(), &device())
}

fn conv(inputs: usize, outputs: usize, stride: usize) -> Conv2d {
    Conv2dConfig::new(inputs, outputs, 3)
        .with_stride(stride)
        .with_padding(1)
        .init(&mut stream(), &device())
}

fn stream() -> Stream {
    Stream::new(0, "fixture", 0)
}

#[derive(Module, Debug)]
struct Mlp {
    fc1: Linear,
    fc2: Linear,
}

impl Forward<2, 2> for Mlp {
    fn apply(&self, x: Dual<2>) -> Dual<2> {
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

impl Forward<4, 2> for Convolutional {
    fn apply(&self, x: Dual<4>) -> Dual<2> {
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
    attention: SelfAttention,
    stddev: MinibatchStddev,
    fc: Linear,
}

impl Forward<4, 2> for Residual {
    fn apply(&self, x: Dual<4>) -> Dual<2> {
        let x = self.conv_in.apply(x);
        let branch = self.conv1.apply(LEAKY.apply(x.clone()));
        let x = x + self.conv2.apply(LEAKY.apply(branch));
        let x = self.attention.apply(x);
        self.fc.apply(self.stddev.apply(x).flatten())
    }
}

#[derive(Module, Debug)]
struct Spectral {
    conv1: Conv2d,
    conv2: Conv2d,
    fc: Linear,
}

impl Forward<4, 2> for Spectral {
    fn apply(&self, x: Dual<4>) -> Dual<2> {
        let x = LEAKY.apply(self.conv1.apply(x));
        let x = LEAKY.apply(self.conv2.apply(x));
        self.fc.apply(x.flatten())
    }
}

#[derive(Module, Debug)]
struct Conditional {
    fc: Linear,
    norm: GroupNorm,
    logit: Linear,
    head: LabelHeadLayer,
}

impl Forward<2, 2> for Conditional {
    /// The label of sample `i` is `i mod 3`.
    fn apply(&self, x: Dual<2>) -> Dual<2> {
        let labels = (0..x.primal.dims()[0] as i64).map(|i| i % 3);
        let labels = Tensor::from_ints(&labels.collect::<Vec<_>>()[..], &x.primal.device());
        let classes = one_hot(labels, 3);
        let h = Activation::Silu.apply(self.norm.apply(self.fc.apply(x)));
        let score = self.logit.apply(h.clone());
        self.head.judge(score, h, &classes).score
    }
}

#[derive(Module, Debug)]
struct Generator {
    fc: Linear,
    up: ConvTranspose2d,
}

impl Forward<3, 4> for Generator {
    fn apply(&self, w: Dual<3>) -> Dual<4> {
        let x = LEAKY.apply(self.fc.apply(w.flatten()));
        let batch = x.primal.dims()[0];
        self.up.apply(x.reshape([batch, 2, 4, 4])).tanh()
    }
}

/// Gradients by path; zeros where there is none. Vectors of spectral norms are no parameters.
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
        if !param.is_require_grad() {
            return;
        }
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

fn rule(name: &str) -> PenaltyRule {
    let gp = |target, one_sided| PenaltyRule::WganGp {
        lambda: 10.0,
        target,
        one_sided,
    };
    match name {
        "r1" => PenaltyRule::R1 { gamma: 2.0 },
        "wgan_gp" => gp(1.0, false),
        "wgan_gp_one_sided" => gp(0.4, true),
        "wgan_div" => PenaltyRule::WganDiv { k: 2.0, p: 6.0 },
        "wgan_lp" => PenaltyRule::WganLp { lambda: 3.0 },
        "dragan" => PenaltyRule::Dragan {
            lambda: 10.0,
            k: 2.0,
        },
        "max_gp" => PenaltyRule::MaxGp { lambda: 10.0 },
        "zero_centered" => PenaltyRule::ZeroCentered { lambda: 4.0 },
        other => panic!("no penalty is called {other}"),
    }
}

/// Value and all gradients of a penalty beside those in the file; `what` is for messages.
fn compare(what: &str, file: &Tensors, name: &str, penalty: Penalty, module: &impl Module) {
    let wanted = values(&data(file, &format!("value.{name}")))[0];
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
    module.visit(&mut collect);
    let wanted = under(file, &format!("grad.{name}."));
    assert_eq!(
        collect.found.keys().collect::<Vec<_>>(),
        wanted.keys().collect::<Vec<_>>()
    );
    let largest = wanted
        .values()
        .flat_map(values)
        .fold(0f32, |largest, gradient| largest.max(gradient.abs()));
    assert!(largest > 1e-2, "{what}, {name}: nothing to compare");
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

/// All penalties of the files of a critic at the fixture's parameters, batches of 5 and of 1.
fn penalties<const D: usize, const E: usize, C: Module + Forward<D, E>>(critic: &str, module: C) {
    for batch in [5, 1] {
        let what = format!("penalty_{critic}_batch{batch}");
        let file = fixture(&what);
        let module = restore_module(module.clone(), &what, &under(&file, "param.")).unwrap();
        let names: Vec<_> = under(&file, "value.").into_keys().collect();
        assert!(names.len() >= 2, "{what}: {names:?}");
        for name in names {
            let x = Tensor::<D>::from_data(data(&file, "x"), &device());
            let penalty =
                gradient_penalty_of(&rule(&name), &module, x, |module, x| module.apply(x));
            compare(&what, &file, &name, penalty, &module);
        }
    }
}

#[test]
fn a_multilayer_perceptron_agrees_with_double_backward() {
    let critic = Mlp {
        fc1: linear(6, 16),
        fc2: linear(16, 1),
    };
    penalties("mlp", critic);
}

#[test]
fn convolutions_with_instance_norm_agree_with_double_backward() {
    let critic = Convolutional {
        conv1: conv(1, 4, 2),
        conv2: conv(4, 8, 2),
        norm: GroupNormConfig::instance(8).init(&mut stream(), &device()),
        fc: linear(32, 1),
    };
    penalties("conv", critic);
}

#[test]
fn a_residual_critic_with_attention_that_couples_samples_agrees_with_double_backward() {
    let stddev = MinibatchStddevConfig {
        group_size: 5,
        epsilon: 1e-8,
    };
    let critic = Residual {
        conv_in: conv(1, 8, 2),
        conv1: conv(8, 8, 1),
        conv2: conv(8, 8, 1),
        attention: SelfAttentionConfig::new(8).init(&mut stream(), &device()),
        stddev: stddev.init(),
        fc: linear(144, 1),
    };
    penalties("residual", critic);
}

#[test]
fn spectral_normalisation_agrees_with_double_backward() {
    let spectral_norm = Some(SpectralNormConfig::default());
    let strided = |from, to| {
        Conv2dConfig::new(from, to, 3)
            .with_stride(2)
            .with_padding(1)
            .with_spectral_norm(spectral_norm)
            .init(&mut stream(), &device())
    };
    let critic = Spectral {
        conv1: strided(1, 4),
        conv2: strided(4, 8),
        fc: LinearConfig::new(32, 1)
            .with_spectral_norm(spectral_norm)
            .init(&mut stream(), &device()),
    };
    penalties("spectral", critic);
}

#[test]
fn a_projection_on_labels_after_layer_norm_agrees_with_double_backward() {
    let critic = Conditional {
        fc: linear(6, 16),
        norm: GroupNormConfig::layer(16).init(&mut stream(), &device()),
        logit: linear(16, 1),
        head: LabelHead::Projection.init(
            (16, 3),
            Initializer::PyTorch,
            None,
            &mut stream(),
            &device(),
        ),
    };
    penalties("projection", critic);
}

#[test]
fn a_map_of_logits_after_group_norm_agrees_with_double_backward() {
    let config = PatchCriticConfig {
        in_channels: 2,
        widths: vec![4, 6, 4],
        norm: Norm::Group {
            groups: 2,
            epsilon: 1e-5,
        },
        activation: LEAKY,
        initializer: Initializer::PyTorch,
    };
    penalties::<4, 4, _>("patch", config.init(&mut stream(), &device()));
}

#[test]
fn the_path_length_agrees_with_double_backward() {
    let up = Conv2dConfig::new(2, 3, 4).with_stride(2).with_padding(1);
    let generator = Generator {
        fc: linear(6, 32),
        up: up.init_transposed(&mut stream(), &device()),
    };
    for batch in [5, 1] {
        let what = format!("path_length_batch{batch}");
        let file = fixture(&what);
        let generator = restore_module(generator.clone(), &what, &under(&file, "param.")).unwrap();
        let config = PathLengthConfig {
            weight: 2.0,
            decay: 0.2,
            every: 1,
        };
        let mut path = config.init(&device());
        let mut state = State::default();
        state.numbers.insert("path-length".into(), 0.3);
        path.load(&state).unwrap();
        let latents = Tensor::<3>::from_data(data(&file, "x"), &device());
        let noise = Tensor::<4>::from_data(data(&file, "noise"), &device());
        let penalty = path.penalty(&generator, latents, noise);
        let mean = path.mean().into_scalar::<f32>();
        assert!((mean - values(&data(&file, "mean"))[0]).abs() < 1e-6);
        compare(&what, &file, "path_length", penalty, &generator);
    }
}
