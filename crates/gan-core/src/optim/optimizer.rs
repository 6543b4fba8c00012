//! One optimiser for one player.
//!
//! Not Burn's `ModuleOptimizer`: its state is keyed by parameter ids that differ from process to
//! process, and its Adam makes a pass over memory per operation.

use std::collections::{BTreeMap, HashMap};

use burn::module::{Module, ModuleVisitor, Param, ParamId};
use burn::prelude::*;
use burn::tensor::TensorData;

use super::OptimizerConfig;
use super::config::matrix;
use crate::game::{State, StateError};
use crate::kernel::{AdamStep, MuonStep, RmsPropStep, adam_step, muon_step, rms_prop_step, stays};

/// An optimiser with its state, one entry per parameter.
#[derive(Debug)]
pub struct Optimizer {
    config: OptimizerConfig,
    lr_scale: f64,
    /// Of the schedule, for the round being played; not part of the state.
    lr_factor: f64,
    time: u64,
    moments: HashMap<ParamId, Moments>,
}

/// The running moments of one parameter, flat, whatever its shape.
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
            lr_factor: 1.0,
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

    /// Sets what a schedule multiplies the learning rate by until it is set again.
    pub(crate) fn set_learning_rate_factor(&mut self, factor: f64) {
        self.lr_factor = factor;
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
            config: self.config,
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

impl Update<'_> {
    /// The flat parameter after the step. Both tensors are off the tape; `shape` is the parameter's.
    pub(crate) fn apply(
        &mut self,
        id: ParamId,
        shape: &[usize],
        parameter: Tensor<1>,
        gradient: Tensor<1>,
    ) -> Tensor<1> {
        let optimizer = &mut *self.optimizer;
        let lr = optimizer.config.lr() * optimizer.lr_scale * optimizer.lr_factor;
        let moments = optimizer.moments.remove(&id).unwrap_or_else(|| {
            (0..optimizer.config.moment_count(shape))
                .map(|_| parameter.zeros_like())
                .collect()
        });
        let scale = self.scale.clone();
        let config = optimizer.config.for_shape(shape);
        let (parameter, moments) = match config {
            OptimizerConfig::Adam {
                beta_1,
                beta_2,
                epsilon,
                weight_decay,
                ..
            }
            | OptimizerConfig::AdamW {
                beta_1,
                beta_2,
                epsilon,
                weight_decay,
                ..
            } => {
                let is_decoupled = matches!(config, OptimizerConfig::AdamW { .. });
                let (weight_decay, decoupled_decay) = if is_decoupled {
                    (0.0, weight_decay)
                } else {
                    (weight_decay, 0.0)
                };
                let time = optimizer.time;
                let step = AdamStep {
                    lr,
                    beta_1,
                    beta_2,
                    epsilon,
                    time,
                    weight_decay,
                    decoupled_decay,
                };
                adam(parameter, gradient, moments, scale, &step)
            }
            OptimizerConfig::RmsProp { alpha, epsilon, .. } => {
                let step = RmsPropStep { lr, alpha, epsilon };
                rms_prop(parameter, gradient, moments, scale, &step)
            }
            OptimizerConfig::Sgd { momentum, .. } => {
                sgd(parameter, gradient, moments, scale, (lr, momentum))
            }
            OptimizerConfig::Muon {
                momentum, epsilon, ..
            } => {
                let step = MuonStep {
                    lr,
                    momentum,
                    epsilon,
                    size: matrix(shape).expect("Muon only moves matrices"),
                };
                muon(parameter, gradient, moments, scale, &step)
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

fn rms_prop(
    parameter: Tensor<1>,
    gradient: Tensor<1>,
    mut moments: Moments,
    scale: Tensor<1>,
    step: &RmsPropStep,
) -> (Tensor<1>, Moments) {
    let square = moments.pop().expect("RMSProp keeps one moment");
    let (parameter, square) = rms_prop_step(parameter, gradient, square, scale, step);
    (parameter, vec![square])
}

fn sgd(
    parameter: Tensor<1>,
    gradient: Tensor<1>,
    mut moments: Moments,
    scale: Tensor<1>,
    (lr, momentum): (f64, f64),
) -> (Tensor<1>, Moments) {
    let stays = stays(&scale, parameter.dims());
    let gradient = gradient * scale;
    let Some(old) = moments.pop() else {
        let new = parameter.clone() - gradient * lr;
        return (new.mask_where(stays, parameter), Vec::new());
    };
    let velocity = old.clone() * momentum + gradient;
    let new = parameter.clone() - velocity.clone() * lr;
    (
        new.mask_where(stays.clone(), parameter),
        vec![velocity.mask_where(stays, old)],
    )
}

fn muon(
    parameter: Tensor<1>,
    gradient: Tensor<1>,
    mut moments: Moments,
    scale: Tensor<1>,
    step: &MuonStep,
) -> (Tensor<1>, Moments) {
    let average = moments.pop().expect("Muon keeps an average");
    let (parameter, average) = muon_step(parameter, gradient, average, scale, step);
    (parameter, vec![average])
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
    config: OptimizerConfig,
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
        let count = self.config.moment_count(&param.base().dims());
        if count == 0 || !self.tensors.contains_key(&format!("{path}.0")) {
            return; // a running statistic, or a parameter that never had a gradient
        }
        let value = param.base();
        let device = value.device().without_autodiff();
        let mut moments = Vec::new();
        for index in 0..count {
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
mod tests;
