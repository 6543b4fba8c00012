//! Named tensors and numbers: what a checkpoint holds.

use std::collections::BTreeMap;

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::prelude::*;
use burn::tensor::{Int, TensorData};

/// Named tensors in groups (one file each in a checkpoint), and named numbers.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct State {
    /// Group → tensor path → values. The groups of a two-player game are `generator`,
    /// `generator-optimizer`, `critic`, `critic-optimizer`, `average`.
    pub groups: BTreeMap<String, BTreeMap<String, TensorData>>,
    /// Step counts, controllers, running means.
    pub numbers: BTreeMap<String, f64>,
}

/// A state that does not fit what it is restored into.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StateError {
    /// A group is not there.
    #[error("the state has no group `{0}`")]
    MissingGroup(String),
    /// A tensor is not there.
    #[error("`{group}` has no tensor `{path}`")]
    MissingTensor {
        /// Group looked in.
        group: String,
        /// Path looked for.
        path: String,
    },
    /// A tensor that nothing asked for.
    #[error("`{group}` has a tensor `{path}` that the model does not have")]
    UnexpectedTensor {
        /// Group it is in.
        group: String,
        /// Its path.
        path: String,
    },
    /// A tensor has another shape.
    #[error("`{group}` has `{path}` of shape {found:?}; the model wants {expected:?}")]
    Shape {
        /// Group it is in.
        group: String,
        /// Its path.
        path: String,
        /// Shape in the model.
        expected: Vec<usize>,
        /// Shape in the state.
        found: Vec<usize>,
    },
    /// A number is not there.
    #[error("the state has no number `{0}`")]
    MissingNumber(String),
}

impl State {
    /// A group by name.
    ///
    /// # Errors
    ///
    /// If it is not there.
    pub fn group(&self, name: &str) -> Result<&BTreeMap<String, TensorData>, StateError> {
        self.groups
            .get(name)
            .ok_or_else(|| StateError::MissingGroup(name.into()))
    }

    /// A number by name.
    ///
    /// # Errors
    ///
    /// If it is not there.
    pub fn number(&self, name: &str) -> Result<f64, StateError> {
        self.numbers
            .get(name)
            .copied()
            .ok_or_else(|| StateError::MissingNumber(name.into()))
    }

    /// Puts a scalar of shape `[1]` among the numbers; waits for the device.
    pub fn save_scalar(&mut self, name: &str, scalar: &Tensor<1>) {
        let value = scalar.clone().into_scalar::<f32>();
        self.numbers.insert(name.into(), f64::from(value));
    }

    /// Takes a scalar back, to where `old` is.
    ///
    /// # Errors
    ///
    /// If it is not there.
    pub fn load_scalar(&self, name: &str, old: &Tensor<1>) -> Result<Tensor<1>, StateError> {
        let value = self.number(name)? as f32;
        Ok(Tensor::from_floats([value], &old.device()))
    }
}

/// All tensors of a module by path, running statistics included.
pub fn snapshot_module<M: Module>(module: &M) -> BTreeMap<String, TensorData> {
    sync_running_statistics(module);
    let mut snapshot = Snapshot::default();
    module.visit(&mut snapshot);
    snapshot.tensors
}

/// Makes the last update of running statistics visible to visitors and mappers.
///
/// Burn keeps the newest update aside until the next forward pass asks for it: a visitor would read
/// the value of one forward earlier, and a value written by a mapper would be overwritten by the
/// pending one. `valid` is the only way to apply it from outside.
pub(crate) fn sync_running_statistics<M: Module>(module: &M) {
    let _ = module.valid();
}

/// Puts tensors into a module; all of them or an error.
///
/// # Errors
///
/// If a path is missing, unexpected, or of another shape. `group` is named in the error.
pub fn restore_module<M: Module>(
    module: M,
    group: &str,
    tensors: &BTreeMap<String, TensorData>,
) -> Result<M, StateError> {
    // Checked before anything is written: running statistics are shared by clones (Burn writes
    // them in place), so a half-done restore could not be undone.
    let present = snapshot_module(&module);
    for (path, data) in &present {
        let found = tensors.get(path).ok_or_else(|| StateError::MissingTensor {
            group: group.into(),
            path: path.clone(),
        })?;
        if found.shape() != data.shape() {
            return Err(StateError::Shape {
                group: group.into(),
                path: path.clone(),
                expected: data.shape().to_vec(),
                found: found.shape().to_vec(),
            });
        }
    }
    if let Some(path) = tensors.keys().find(|path| !present.contains_key(*path)) {
        return Err(StateError::UnexpectedTensor {
            group: group.into(),
            path: path.clone(),
        });
    }
    Ok(module.map(&mut Restore {
        path: Path::default(),
        tensors,
    }))
}

/// Where in the module a traversal is.
#[derive(Default)]
pub(crate) struct Path(Vec<String>);

impl Path {
    pub(crate) fn enter(&mut self, name: &str) {
        self.0.push(name.to_owned());
    }

    pub(crate) fn exit(&mut self) {
        self.0.pop();
    }

    pub(crate) fn join(&self) -> String {
        self.0.join(".")
    }
}

#[derive(Default)]
struct Snapshot {
    path: Path,
    tensors: BTreeMap<String, TensorData>,
}

impl ModuleVisitor for Snapshot {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.enter(name);
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.exit();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        self.tensors
            .insert(self.path.join(), param.base().into_data());
    }

    fn visit_int<const D: usize>(&mut self, param: &Param<Tensor<D, Int>>) {
        self.tensors
            .insert(self.path.join(), param.base().into_data());
    }
}

struct Restore<'a> {
    path: Path,
    tensors: &'a BTreeMap<String, TensorData>,
}

impl ModuleMapper for Restore<'_> {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.enter(name);
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.exit();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let data = self.tensors[&self.path.join()].clone();
        param.map(|old| {
            let new = Tensor::from_data(data, &old.device());
            new.set_require_grad(old.is_require_grad())
        })
    }

    fn map_int<const D: usize>(&mut self, param: Param<Tensor<D, Int>>) -> Param<Tensor<D, Int>> {
        let data = self.tensors[&self.path.join()].clone();
        param.map(|old| Tensor::from_data(data, &old.device()))
    }
}

#[cfg(test)]
mod tests {
    use burn::nn::{BatchNorm, BatchNormConfig, Linear, LinearConfig};

    use super::*;

    #[derive(Module, Debug)]
    struct Net {
        layers: Vec<Linear>,
        norm: BatchNorm,
    }

    fn net() -> Net {
        let device = Device::flex().autodiff();
        Net {
            layers: vec![
                LinearConfig::new(2, 3).init(&device),
                LinearConfig::new(3, 1).init(&device),
            ],
            norm: BatchNormConfig::new(2).init(&device),
        }
    }

    fn forward(net: &Net, value: f64) {
        let device = Device::flex().autodiff();
        let x = Tensor::<2>::from_floats([[1.0, 2.0], [4.0, 3.0]], &device) * value;
        net.norm.forward(x);
    }

    #[test]
    fn paths_name_every_tensor() {
        let snapshot = snapshot_module(&net());
        let paths: Vec<&str> = snapshot.keys().map(String::as_str).collect();
        assert_eq!(
            paths,
            [
                "layers.0.bias",
                "layers.0.weight",
                "layers.1.bias",
                "layers.1.weight",
                "norm.beta",
                "norm.gamma",
                "norm.running_mean",
                "norm.running_var",
            ]
        );
    }

    #[test]
    fn a_module_comes_back_to_the_bit_and_stays_trainable() {
        let original = net();
        forward(&original, 1.0);
        let snapshot = snapshot_module(&original);
        let restored = restore_module(net(), "x", &snapshot).unwrap();
        assert_eq!(snapshot_module(&restored), snapshot);
        assert!(restored.layers[0].weight.val().is_require_grad());
        forward(&original, 2.0);
        forward(&restored, 2.0);
        assert_eq!(snapshot_module(&restored), snapshot_module(&original));
    }

    #[test]
    fn the_newest_running_statistics_are_saved() {
        let net = net();
        forward(&net, 1.0);
        let mean = snapshot_module(&net)["norm.running_mean"].clone();
        let mean = mean.try_to_vec::<f32>().unwrap();
        // A tenth of the way from 0 to the batch mean (2.5, 2.5).
        assert!(mean.iter().all(|m| (m - 0.25).abs() < 1e-6), "{mean:?}");
    }

    #[test]
    fn a_pending_update_does_not_overwrite_what_is_restored() {
        let net = net();
        let fresh = snapshot_module(&net);
        forward(&net, 100.0);
        let net = restore_module(net, "x", &fresh).unwrap();
        assert_eq!(snapshot_module(&net), fresh);
    }

    #[test]
    fn what_does_not_fit_is_named_and_nothing_is_written() {
        let net = net();
        let good = snapshot_module(&net);
        let refused = |tensors: &BTreeMap<String, TensorData>| {
            let error = restore_module(net.clone(), "critic", tensors).unwrap_err();
            assert_eq!(
                snapshot_module(&net),
                good,
                "a failed restore must not write"
            );
            error.to_string()
        };
        let mut tensors = good.clone();
        tensors.insert("norm.running_mean".into(), TensorData::from([9.0f32, 9.0]));
        tensors.remove("layers.1.bias");
        assert_eq!(refused(&tensors), "`critic` has no tensor `layers.1.bias`");
        tensors.insert("layers.1.bias".into(), TensorData::from([1.0f32, 2.0]));
        assert_eq!(
            refused(&tensors),
            "`critic` has `layers.1.bias` of shape [2]; the model wants [1]"
        );
        tensors.insert("layers.1.bias".into(), TensorData::from([1.0f32]));
        tensors.insert("extra".into(), TensorData::from([1.0f32]));
        assert_eq!(
            refused(&tensors),
            "`critic` has a tensor `extra` that the model does not have"
        );
    }

    #[test]
    fn missing_groups_and_numbers_are_named() {
        let state = State::default();
        assert_eq!(state.group("a"), Err(StateError::MissingGroup("a".into())));
        assert_eq!(
            state.number("b"),
            Err(StateError::MissingNumber("b".into()))
        );
    }
}
