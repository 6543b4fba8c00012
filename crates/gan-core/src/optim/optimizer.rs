//! One optimiser for one player.
//!
//! Not Burn's `ModuleOptimizer`: its state is keyed by parameter ids that differ from process to
//! process, and its Adam makes a pass over memory per operation.

use std::collections::{BTreeMap, HashMap};

use burn::module::{Module, ModuleVisitor, Param, ParamId};
use burn::prelude::*;
use burn::tensor::TensorData;
use serde::{Deserialize, Serialize};

use crate::error::ConfigError;
use crate::game::{State, StateError};
use crate::kernel::{AdamStep, adam_step};

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

/// An optimiser with its state, one entry per parameter.
#[derive(Debug)]
pub struct Optimizer {
    config: OptimizerConfig,
    lr_scale: f64,
    time: u64,
    moments: HashMap<ParamId, Moments>,
}

/// The running moments of one parameter, flat: an update does not care about shapes.
type Moments = Vec<Tensor<1>>;

/// One step, applied parameter by parameter.
pub(crate) struct Update<'a> {
    optimizer: &'a mut Optimizer,
    scale: Tensor<1>,
}

impl Optimizer {
    /// An optimiser that has not moved anything yet.
    pub fn new(config: OptimizerConfig) -> Self {
        Self {
            config,
            lr_scale: 1.0,
            time: 0,
            moments: HashMap::new(),
        }
    }

    /// The settings it was made with.
    pub fn config(&self) -> &OptimizerConfig {
        &self.config
    }

    /// Multiplies the learning rate of all coming steps.
    pub fn scale_learning_rate(&mut self, factor: f64) {
        self.lr_scale *= factor;
    }

    /// Begins a step; `scale` multiplies every gradient, and a scale that is not finite makes the
    /// step change nothing.
    pub(crate) fn begin(&mut self, scale: Tensor<1>) -> Update<'_> {
        self.time += 1;
        Update {
            optimizer: self,
            scale,
        }
    }

    /// Puts its state into `state` as group `{name}-optimizer` and numbers `{name}.…`.
    pub fn save<M: Module>(&self, name: &str, module: &M, state: &mut State) {
        let mut tensors = BTreeMap::new();
        for (path, id) in parameter_ids(module) {
            for (index, moment) in self.moments.get(&id).into_iter().flatten().enumerate() {
                tensors.insert(format!("{path}.{index}"), moment.to_data());
            }
        }
        state.groups.insert(format!("{name}-optimizer"), tensors);
        state
            .numbers
            .insert(format!("{name}.optimizer_steps"), self.time as f64);
        state
            .numbers
            .insert(format!("{name}.lr_scale"), self.lr_scale);
    }

    /// Takes its state back out of `state`.
    ///
    /// # Errors
    ///
    /// If something is missing, unexpected or of another shape.
    pub fn load<M: Module>(
        &mut self,
        name: &str,
        module: &M,
        state: &State,
    ) -> Result<(), StateError> {
        let group_name = format!("{name}-optimizer");
        let group = state.group(&group_name)?;
        let mut load = LoadMoments {
            path: crate::game::Path::default(),
            group: &group_name,
            tensors: group,
            count: self.config.moment_count(),
            moments: HashMap::new(),
            used: 0,
            error: None,
        };
        if !group.is_empty() {
            module.visit(&mut load);
            if let Some(error) = load.error {
                return Err(error);
            }
            if load.used != group.len() {
                return Err(load.unexpected());
            }
        }
        self.time = state.number(&format!("{name}.optimizer_steps"))? as u64;
        self.lr_scale = state.number(&format!("{name}.lr_scale"))?;
        self.moments = load.moments;
        Ok(())
    }
}

impl OptimizerConfig {
    fn moment_count(&self) -> usize {
        match self {
            Self::Adam { .. } | Self::AdamW { .. } => 2,
            Self::RmsProp { .. } => 1,
            Self::Sgd { momentum, .. } => usize::from(*momentum != 0.0),
        }
    }
}

impl Update<'_> {
    /// The flat parameter after the step. Both tensors are off the tape.
    pub(crate) fn apply(
        &mut self,
        id: ParamId,
        parameter: Tensor<1>,
        gradient: Tensor<1>,
    ) -> Tensor<1> {
        let optimizer = &mut *self.optimizer;
        let lr = optimizer.config.lr() * optimizer.lr_scale;
        let moments = optimizer.moments.remove(&id).unwrap_or_else(|| {
            (0..optimizer.config.moment_count())
                .map(|_| parameter.zeros_like())
                .collect()
        });
        let scale = self.scale.clone();
        let (parameter, moments) = match optimizer.config {
            OptimizerConfig::Adam {
                beta_1,
                beta_2,
                epsilon,
                weight_decay,
                ..
            } => {
                let step = AdamStep {
                    lr,
                    beta_1,
                    beta_2,
                    epsilon,
                    time: optimizer.time,
                    weight_decay,
                    decoupled_decay: 0.0,
                };
                adam(parameter, gradient, moments, scale, &step)
            }
            OptimizerConfig::AdamW {
                beta_1,
                beta_2,
                epsilon,
                weight_decay,
                ..
            } => {
                let step = AdamStep {
                    lr,
                    beta_1,
                    beta_2,
                    epsilon,
                    time: optimizer.time,
                    weight_decay: 0.0,
                    decoupled_decay: weight_decay,
                };
                adam(parameter, gradient, moments, scale, &step)
            }
            OptimizerConfig::RmsProp { alpha, epsilon, .. } => {
                rms_prop(parameter, gradient, moments, scale, (lr, alpha, epsilon))
            }
            OptimizerConfig::Sgd { momentum, .. } => {
                sgd(parameter, gradient, moments, scale, (lr, momentum))
            }
        };
        optimizer.moments.insert(id, moments);
        parameter
    }
}

fn adam(
    parameter: Tensor<1>,
    gradient: Tensor<1>,
    moments: Moments,
    scale: Tensor<1>,
    step: &AdamStep,
) -> (Tensor<1>, Moments) {
    let mut moments = moments.into_iter();
    let moments = moments
        .next()
        .zip(moments.next())
        .expect("Adam keeps two moments");
    let (parameter, first, second) = adam_step(parameter, gradient, moments, scale, step);
    (parameter, vec![first, second])
}

/// Where `scale` is not finite the old value stays.
fn keep_if_bad(scale: &Tensor<1>, new: Tensor<1>, old: Tensor<1>) -> Tensor<1> {
    let bad: Tensor<1, Bool> = scale.clone().is_finite().bool_not();
    new.mask_where(bad.expand(old.dims()), old)
}

fn rms_prop(
    parameter: Tensor<1>,
    gradient: Tensor<1>,
    mut moments: Moments,
    scale: Tensor<1>,
    (lr, alpha, epsilon): (f64, f64, f64),
) -> (Tensor<1>, Moments) {
    let old = moments.pop().expect("RMSProp keeps one moment");
    let gradient = gradient * scale.clone();
    let square = old.clone() * alpha + gradient.clone().square() * (1.0 - alpha);
    let new = parameter.clone() - gradient / (square.clone().sqrt() + epsilon) * lr;
    (
        keep_if_bad(&scale, new, parameter),
        vec![keep_if_bad(&scale, square, old)],
    )
}

fn sgd(
    parameter: Tensor<1>,
    gradient: Tensor<1>,
    mut moments: Moments,
    scale: Tensor<1>,
    (lr, momentum): (f64, f64),
) -> (Tensor<1>, Moments) {
    let gradient = gradient * scale.clone();
    let Some(old) = moments.pop() else {
        let new = parameter.clone() - gradient * lr;
        return (keep_if_bad(&scale, new, parameter), Vec::new());
    };
    let velocity = old.clone() * momentum + gradient;
    let new = parameter.clone() - velocity.clone() * lr;
    (
        keep_if_bad(&scale, new, parameter),
        vec![keep_if_bad(&scale, velocity, old)],
    )
}

/// Paths and ids of the trainable parameters.
fn parameter_ids<M: Module>(module: &M) -> Vec<(String, ParamId)> {
    #[derive(Default)]
    struct Ids {
        path: crate::game::Path,
        ids: Vec<(String, ParamId)>,
    }
    impl ModuleVisitor for Ids {
        fn enter_module(&mut self, name: &str, _container: &str) {
            self.path.enter(name);
        }
        fn exit_module(&mut self, _name: &str, _container: &str) {
            self.path.exit();
        }
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            self.ids.push((self.path.join(), param.id));
        }
    }
    let mut ids = Ids::default();
    module.visit(&mut ids);
    ids.ids
}

struct LoadMoments<'a> {
    path: crate::game::Path,
    group: &'a str,
    tensors: &'a BTreeMap<String, TensorData>,
    count: usize,
    moments: HashMap<ParamId, Moments>,
    used: usize,
    error: Option<StateError>,
}

impl LoadMoments<'_> {
    /// Some tensor belongs to no parameter; names the first one.
    fn unexpected(&self) -> StateError {
        StateError::UnexpectedTensor {
            group: self.group.into(),
            path: self.tensors.keys().next_back().cloned().unwrap_or_default(),
        }
    }
}

impl ModuleVisitor for LoadMoments<'_> {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.enter(name);
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.exit();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let path = self.path.join();
        if self.count == 0 || !self.tensors.contains_key(&format!("{path}.0")) {
            return; // a running statistic, or a parameter that never had a gradient
        }
        let value = param.base();
        let device = value.device().without_autodiff();
        let mut moments = Vec::new();
        for index in 0..self.count {
            let path = format!("{path}.{index}");
            let Some(data) = self.tensors.get(&path) else {
                self.error = Some(StateError::MissingTensor {
                    group: self.group.into(),
                    path,
                });
                return;
            };
            if data.shape().to_vec() != [value.shape().num_elements()] {
                self.error = Some(StateError::Shape {
                    group: self.group.into(),
                    path,
                    expected: vec![value.shape().num_elements()],
                    found: data.shape().to_vec(),
                });
                return;
            }
            moments.push(Tensor::from_data(data.clone(), &device));
            self.used += 1;
        }
        self.moments.insert(param.id, moments);
    }
}

#[cfg(test)]
mod tests {
    use burn::module::ModuleMapper;

    use super::*;

    #[derive(Module, Debug)]
    struct Net {
        a: Param<Tensor<1>>,
        b: Param<Tensor<2>>,
    }

    fn net() -> Net {
        let device = Device::flex().autodiff();
        Net {
            a: Param::from_tensor(Tensor::from_floats([0.5, -1.0], &device)),
            b: Param::from_tensor(Tensor::from_floats([[2.0], [3.0], [-0.25]], &device)),
        }
    }

    struct Apply<'a> {
        update: Update<'a>,
        gradient: f64,
    }

    impl ModuleMapper for Apply<'_> {
        fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
            let id = param.id;
            param.map(|value| {
                let shape = value.dims();
                let flat: Tensor<1> = value.inner().flatten(0, D - 1);
                let gradient = flat.clone() * 0.5 + self.gradient;
                let new = self.update.apply(id, flat, gradient).reshape(shape);
                Tensor::from_inner(new).require_grad()
            })
        }
    }

    /// A step along `0.5 · parameter + gradient`.
    fn step(optimizer: &mut Optimizer, net: Net, gradient: f64, scale: f32) -> Net {
        let scale = Tensor::from_floats([scale], &Device::flex());
        let update = optimizer.begin(scale);
        net.map(&mut Apply { update, gradient })
    }

    fn values(net: &Net) -> Vec<f64> {
        let mut values = net.a.val().into_data().try_to_vec::<f32>().unwrap();
        values.extend(net.b.val().into_data().try_to_vec::<f32>().unwrap());
        values.into_iter().map(f64::from).collect()
    }

    fn configs() -> [OptimizerConfig; 5] {
        [
            OptimizerConfig::Adam {
                lr: 0.1,
                beta_1: 0.5,
                beta_2: 0.9,
                epsilon: 1e-8,
                weight_decay: 0.03,
            },
            OptimizerConfig::AdamW {
                lr: 0.1,
                beta_1: 0.9,
                beta_2: 0.99,
                epsilon: 1e-8,
                weight_decay: 0.2,
            },
            OptimizerConfig::RmsProp {
                lr: 0.01,
                alpha: 0.9,
                epsilon: 1e-8,
            },
            OptimizerConfig::Sgd {
                lr: 0.1,
                momentum: 0.0,
            },
            OptimizerConfig::Sgd {
                lr: 0.1,
                momentum: 0.9,
            },
        ]
    }

    /// PyTorch's formulas, one number at a time, in f64.
    fn by_hand(config: OptimizerConfig, mut p: f64, gradients: &[f64]) -> f64 {
        let (mut m, mut v) = (0.0, 0.0);
        for (t, extra) in (1..).zip(gradients) {
            let mut g = 0.5 * p + extra;
            match config {
                OptimizerConfig::Adam {
                    lr,
                    beta_1,
                    beta_2,
                    epsilon,
                    weight_decay,
                } => {
                    g += weight_decay * p;
                    m = beta_1 * m + (1.0 - beta_1) * g;
                    v = beta_2 * v + (1.0 - beta_2) * g * g;
                    let (m, v) = (m / (1.0 - beta_1.powi(t)), v / (1.0 - beta_2.powi(t)));
                    p -= lr * m / (v.sqrt() + epsilon);
                }
                OptimizerConfig::AdamW {
                    lr,
                    beta_1,
                    beta_2,
                    epsilon,
                    weight_decay,
                } => {
                    p *= 1.0 - lr * weight_decay;
                    m = beta_1 * m + (1.0 - beta_1) * g;
                    v = beta_2 * v + (1.0 - beta_2) * g * g;
                    let (m, v) = (m / (1.0 - beta_1.powi(t)), v / (1.0 - beta_2.powi(t)));
                    p -= lr * m / (v.sqrt() + epsilon);
                }
                OptimizerConfig::RmsProp { lr, alpha, epsilon } => {
                    v = alpha * v + (1.0 - alpha) * g * g;
                    p -= lr * g / (v.sqrt() + epsilon);
                }
                OptimizerConfig::Sgd { lr, momentum } => {
                    m = momentum * m + g;
                    p -= lr * m;
                }
            }
        }
        p
    }

    #[test]
    fn five_steps_match_the_formulas() {
        let gradients = [1.0, -0.3, 0.2, 4.0, -2.0];
        for config in configs() {
            let mut optimizer = Optimizer::new(config);
            let mut net = net();
            let start = values(&net);
            for gradient in gradients {
                net = step(&mut optimizer, net, gradient, 1.0);
            }
            for (value, start) in values(&net).iter().zip(start) {
                let expected = by_hand(config, start, &gradients);
                assert!(
                    (value - expected).abs() < 2e-5,
                    "{config:?}: {value} is not {expected}"
                );
            }
        }
    }

    #[test]
    fn a_bad_step_leaves_weights_and_moments_alone() {
        for config in configs() {
            let mut optimizer = Optimizer::new(config);
            let net = step(&mut optimizer, net(), 1.0, 1.0);
            let mut before = State::default();
            optimizer.save("x", &net, &mut before);
            let old = values(&net);
            let net = step(&mut optimizer, net, f64::NAN, f32::NAN);
            assert_eq!(values(&net), old, "{config:?}");
            let mut after = State::default();
            optimizer.save("x", &net, &mut after);
            assert_eq!(after.groups, before.groups, "{config:?}");
        }
    }

    #[test]
    fn a_restored_optimizer_goes_on_to_the_bit() {
        for config in configs() {
            let mut optimizer = Optimizer::new(config);
            optimizer.scale_learning_rate(0.5);
            let original = step(&mut optimizer, net(), 1.0, 1.0);
            let mut state = State::default();
            optimizer.save("x", &original, &mut state);
            // Another module has other ids: paths decide.
            let copy = Net {
                a: Param::from_tensor(original.a.val().detach()),
                b: Param::from_tensor(original.b.val().detach()),
            };
            assert_ne!(copy.a.id, original.a.id);
            let mut other = Optimizer::new(config);
            other.load("x", &copy, &state).unwrap();
            let original = step(&mut optimizer, original, -0.7, 1.0);
            let copy = step(&mut other, copy, -0.7, 1.0);
            assert_eq!(values(&copy), values(&original), "{config:?}");
        }
    }

    #[test]
    fn a_state_that_does_not_fit_is_named() {
        let mut optimizer = Optimizer::new(OptimizerConfig::adam(0.1, 0.5, 0.9));
        let net = step(&mut optimizer, net(), 1.0, 1.0);
        let mut good = State::default();
        optimizer.save("x", &net, &mut good);
        let mut refused = |edit: &dyn Fn(&mut State)| {
            let mut state = good.clone();
            edit(&mut state);
            optimizer.load("x", &net, &state).unwrap_err().to_string()
        };
        let group = |state: &mut State, path: &str, data: Option<TensorData>| {
            let group = state.groups.get_mut("x-optimizer").unwrap();
            match data {
                Some(data) => group.insert(path.into(), data),
                None => group.remove(path),
            };
        };
        assert_eq!(
            refused(&|state| state.groups.clear()),
            "the state has no group `x-optimizer`"
        );
        assert_eq!(
            refused(&|state| group(state, "b.1", None)),
            "`x-optimizer` has no tensor `b.1`"
        );
        assert!(
            refused(&|state| group(state, "b.0", Some(TensorData::from([1.0f32]))))
                .contains("of shape [1]; the model wants [3]")
        );
        assert_eq!(
            refused(&|state| group(state, "c.0", Some(TensorData::from([1.0f32])))),
            "`x-optimizer` has a tensor `c.0` that the model does not have"
        );
        assert_eq!(
            refused(&|state| state.numbers.clear()),
            "the state has no number `x.optimizer_steps`"
        );
    }

    #[test]
    fn numbers_out_of_range_are_named() {
        let bad = |config: OptimizerConfig, field: &str| {
            let error = config.validate().unwrap_err();
            assert_eq!(error.field, field);
        };
        bad(OptimizerConfig::adam(0.0, 0.5, 0.9), "lr");
        bad(OptimizerConfig::adam(f64::NAN, 0.5, 0.9), "lr");
        bad(OptimizerConfig::adam(f64::INFINITY, 0.5, 0.9), "lr");
        bad(OptimizerConfig::adam(1e-3, 1.0, 0.9), "beta_1");
        bad(OptimizerConfig::adam(1e-3, 0.0, -0.1), "beta_2");
        let sgd = |lr, momentum| OptimizerConfig::Sgd { lr, momentum };
        bad(sgd(1.0, 1.0), "momentum");
        bad(sgd(-1.0, 0.0), "lr");
        let rms = |alpha, epsilon| OptimizerConfig::RmsProp {
            lr: 0.1,
            alpha,
            epsilon,
        };
        bad(rms(f64::NAN, 1e-8), "alpha");
        bad(rms(0.9, 0.0), "epsilon");
        assert!(configs().iter().all(|config| config.validate().is_ok()));
    }

    #[test]
    fn settings_come_back_from_a_file_and_unknown_fields_are_refused() {
        for config in configs() {
            let text = serde_json::to_string(&config).unwrap();
            assert_eq!(
                serde_json::from_str::<OptimizerConfig>(&text).unwrap(),
                config
            );
        }
        let text = r#"{"kind": "sgd", "lr": 0.1, "nesterov": true}"#;
        let error = serde_json::from_str::<OptimizerConfig>(text).unwrap_err();
        assert!(error.to_string().contains("nesterov"), "{error}");
    }
}
