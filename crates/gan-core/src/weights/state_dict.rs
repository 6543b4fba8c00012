//! Tensors by path in a module, and by name in PyTorch.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use burn::module::Module;
use burn::tensor::TensorData;

use super::{WeightsError, WeightsFile};
use crate::game::{restore_module, snapshot_module};

/// The buffer of a [`SpectralNorm`](crate::nn::SpectralNorm), seen from the layer.
const VECTOR: &str = "spectral_norm.u";
/// What does not fit is listed up to this many.
const LISTED: usize = 6;

/// What becomes of spectral normalisation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SpectralNorms {
    /// Weights are divided by their largest singular value; ordinary layers take them. Training cannot go
    /// on from there.
    #[default]
    Fold,
    /// Weights and vectors as `torch.nn.utils.spectral_norm` names them: `weight_orig`, `weight_u`,
    /// `weight_v`.
    Keep,
}

/// The tensors of a module by path (from [`snapshot_module`], or a group of a checkpoint) under the names
/// that they have in PyTorch.
///
/// A name is the path without the names of enum variants. Layouts need no change, because those of
/// [`crate::nn`] are PyTorch's: `Linear` `[out, in]`, `Conv2d` `[out, in, height, width]`,
/// `ConvTranspose2d` `[in, out, height, width]`. Batch normalisations get their `num_batches_tracked`, 0.
/// What is kept of spectral normalisation is `norms`.
///
/// A weight with spectral normalisation counts its outputs on axis 0; on axis 1 if the vector fits only
/// there, or where an enum calls the layer `Transposed`, as ours do.
pub fn state_dict(
    tensors: &BTreeMap<String, TensorData>,
    norms: SpectralNorms,
) -> BTreeMap<String, TensorData> {
    let mut named = BTreeMap::new();
    for (path, data) in tensors {
        if let Some(layer) = path.strip_suffix(VECTOR) {
            let Some(weight) = tensors.get(&format!("{layer}weight")) else {
                continue;
            };
            let layer_name = plain(layer);
            let matrix = Matrix::of(layer, weight, data);
            match norms {
                SpectralNorms::Fold => {
                    named.insert(format!("{layer_name}weight"), matrix.folded());
                }
                SpectralNorms::Keep => {
                    named.insert(format!("{layer_name}weight_orig"), weight.clone());
                    named.insert(format!("{layer_name}weight_u"), data.clone());
                    named.insert(format!("{layer_name}weight_v"), matrix.right_vector());
                }
            }
            continue;
        }
        if has_vector(tensors, path) {
            continue; // With its vector, above.
        }
        if let Some(norm) = path.strip_suffix("running_mean")
            && tensors.contains_key(&format!("{norm}weight"))
        {
            let count = TensorData::new(vec![0i64], [0; 0]);
            named.insert(format!("{}num_batches_tracked", plain(norm)), count);
        }
        named.insert(plain(path), data.clone());
    }
    named
}

/// The tensors of a PyTorch state dict under the paths of a module, whose tensors are `like`; values
/// become floats of the types there.
///
/// The reverse of [`state_dict`]: vectors of spectral normalisation must be in the file if they are in
/// the module, also under the names of `torch.nn.utils.parametrizations`; `weight_v` is not used, since
/// it follows from the others.
///
/// # Errors
///
/// If a tensor is missing, of another shape, or left over. The error lists them with their shapes.
pub fn from_state_dict(
    mut file: WeightsFile,
    like: &BTreeMap<String, TensorData>,
) -> Result<BTreeMap<String, TensorData>, WeightsError> {
    let in_file: BTreeMap<String, String> = file
        .names()
        .into_iter()
        .map(|name| (without_parametrizations(name), name.to_owned()))
        .collect();
    let mut left: BTreeSet<&String> = in_file.keys().collect();
    let mut problems = Vec::new();
    let mut tensors = BTreeMap::new();
    for (path, wanted) in like {
        let name = name_in_file(like, path);
        left.remove(&name);
        if let Some(vector) = name.strip_suffix("_u") {
            left.remove(&format!("{vector}_v"));
        }
        let found = match in_file.get(&name) {
            Some(name) => file.take(name)?,
            None => None,
        };
        let (shape, wanted_shape) = (
            found.as_ref().map(|data| data.shape().to_vec()),
            wanted.shape().to_vec(),
        );
        match (found, shape) {
            (Some(data), Some(shape)) if shape == wanted_shape => {
                tensors.insert(path.clone(), data.convert_dtype(wanted.dtype()));
            }
            (_, Some(shape)) => {
                problems.push(format!("`{name}` is {shape:?} instead of {wanted_shape:?}"))
            }
            _ => problems.push(format!("`{name}` {wanted_shape:?} is missing")),
        }
    }
    problems.extend(left.iter().map(|name| format!("`{name}` has no place")));
    if problems.is_empty() {
        return Ok(tensors);
    }
    let more = problems.len().saturating_sub(LISTED);
    problems.truncate(LISTED);
    if more > 0 {
        problems.push(format!("and {more} more"));
    }
    let mut reason = format!("does not fit the network: {}", problems.join(", "));
    let wants_vectors = like.keys().any(|path| path.ends_with(VECTOR));
    if wants_vectors && !in_file.keys().any(|name| name.ends_with("weight_u")) {
        reason.push_str(
            "; its spectral normalisation was folded into the weights, and this network has its own",
        );
    }
    Err(WeightsError::file(file.path(), reason))
}

/// The module with the weights of a PyTorch state dict, in a `.safetensors`, `.pt` or `.pth` file.
///
/// # Errors
///
/// As [`WeightsFile::open`] and [`from_state_dict`].
pub fn load_state_dict<M: Module>(module: M, path: &Path) -> Result<M, WeightsError> {
    let tensors = from_state_dict(WeightsFile::open(path)?, &snapshot_module(&module))?;
    restore_module(module, "the file", &tensors)
        .map_err(|error| WeightsError::file(path, error.to_string()))
}

/// A path without the names of enum variants, the only ones that begin with a capital.
fn plain(path: &str) -> String {
    let parts = path.split('.');
    let fields = parts.filter(|part| !part.starts_with(|c: char| c.is_ascii_uppercase()));
    fields.collect::<Vec<_>>().join(".")
}

/// Whether the path is of a weight with spectral normalisation.
fn has_vector(tensors: &BTreeMap<String, TensorData>, path: &str) -> bool {
    path.strip_suffix("weight")
        .is_some_and(|layer| tensors.contains_key(&format!("{layer}{VECTOR}")))
}

fn name_in_file(tensors: &BTreeMap<String, TensorData>, path: &str) -> String {
    if let Some(layer) = path.strip_suffix(VECTOR) {
        return format!("{}weight_u", plain(layer));
    }
    let name = plain(path);
    if has_vector(tensors, path) {
        return format!("{name}_orig");
    }
    name
}

/// `a.parametrizations.weight.original` and its kind as `a.weight_orig`.
fn without_parametrizations(name: &str) -> String {
    let Some((layer, rest)) = name.split_once("parametrizations.weight.") else {
        return name.to_owned();
    };
    match rest {
        "original" => format!("{layer}weight_orig"),
        "0._u" => format!("{layer}weight_u"),
        "0._v" => format!("{layer}weight_v"),
        _ => name.to_owned(),
    }
}

/// A weight as a matrix, outputs × the rest, and the estimate of its first left singular vector.
struct Matrix {
    weight: Vec<f32>,
    vector: Vec<f32>,
    shape: Vec<usize>,
    out_axis: usize,
}

impl Matrix {
    fn of(layer: &str, weight: &TensorData, vector: &TensorData) -> Self {
        let floats = |data: &TensorData| {
            let data = data.clone().convert::<f32>();
            data.try_to_vec::<f32>()
                .expect("it has just been converted to f32")
        };
        let (shape, vector) = (weight.shape().to_vec(), floats(vector));
        let is_transposed = layer.split('.').any(|part| part == "Transposed");
        let fits = |axis: usize| shape.get(axis) == Some(&vector.len());
        Self {
            weight: floats(weight),
            out_axis: usize::from(!fits(0) || (is_transposed && fits(1))),
            vector,
            shape,
        }
    }

    /// `weightᵀ · vector`, whose length is the estimate of the singular value.
    fn product(&self) -> Vec<f64> {
        let outputs = self.shape[self.out_axis];
        // Values of one output that follow each other, and how often that repeats.
        let run: usize = self.shape[self.out_axis + 1..].iter().product();
        let repeats = self.weight.len() / (outputs * run);
        let mut product = vec![0.0; repeats * run];
        for (index, value) in self.weight.iter().enumerate() {
            let (repeat, output) = (index / (run * outputs), index / run % outputs);
            product[repeat * run + index % run] +=
                f64::from(*value) * f64::from(self.vector[output]);
        }
        product
    }

    fn folded(&self) -> TensorData {
        let sigma = length(&self.product());
        let values = self
            .weight
            .iter()
            .map(|value| (f64::from(*value) / sigma) as f32);
        TensorData::new(values.collect(), self.shape.clone())
    }

    fn right_vector(&self) -> TensorData {
        let product = self.product();
        let scale = 1.0 / length(&product).max(1e-12);
        let values: Vec<f32> = product.iter().map(|value| (value * scale) as f32).collect();
        let count = values.len();
        TensorData::new(values, [count])
    }
}

fn length(values: &[f64]) -> f64 {
    values.iter().map(|value| value * value).sum::<f64>().sqrt()
}
