//! Files of weights: safetensors and PyTorch's.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::path::{Path, PathBuf};

use burn::tensor::{DType, TensorData};
use pytorch_reader::PytorchReader;

use super::pytorch_file;
use crate::train::atomic::write_atomically;
use crate::train::checkpoint_file::{read_tensors, safetensors_bytes};

/// A file of weights that cannot be used, and why. The text is one line that names the file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WeightsError {
    /// The file is damaged, of another kind, or of another network.
    #[error("{}: {reason}", .path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong, and what to do.
        reason: String,
    },
    /// The operating system said no.
    #[error("{}: cannot {action}: {source}", .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What was tried, as in "read the file".
        action: &'static str,
        /// Its answer.
        source: io::Error,
    },
}

impl WeightsError {
    pub(super) fn file(path: &Path, reason: impl Into<String>) -> Self {
        Self::File {
            path: path.into(),
            reason: reason.into(),
        }
    }

    fn io(path: &Path, action: &'static str) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_path_buf();
        move |source| Self::Io {
            path,
            action,
            source,
        }
    }
}

/// The tensors of floats in a file, by name.
///
/// Those that are no floats (PyTorch's `num_batches_tracked`) are left out.
#[derive(Debug)]
pub struct WeightsFile {
    path: PathBuf,
    tensors: Tensors,
}

#[derive(Debug)]
enum Tensors {
    Read(BTreeMap<String, TensorData>),
    /// Read when they are taken: a file may be mostly layers that nobody needs.
    InFile(HashMap<String, pytorch_reader::Tensor>),
}

impl WeightsFile {
    /// Opens a safetensors file, or a PyTorch file (`.pt`, `.pth`) with a state dict.
    ///
    /// # Errors
    ///
    /// If the file cannot be read, or is neither of the two or not whole.
    pub fn open(path: &Path) -> Result<Self, WeightsError> {
        let tensors = if path.extension().is_some_and(|end| end == "safetensors") {
            let bytes = std::fs::read(path).map_err(WeightsError::io(path, "read the file"))?;
            Tensors::Read(read_safetensors(path, &bytes)?)
        } else {
            std::fs::File::open(path).map_err(WeightsError::io(path, "open the file"))?;
            let reader = PytorchReader::new(path).map_err(|error| {
                let error = one_line(&error.to_string());
                let reason = format!("is no PyTorch file, or not whole ({error})");
                WeightsError::file(path, reason)
            })?;
            let mut tensors = reader.into_tensors();
            tensors.retain(|_, tensor| float_type(tensor.dtype()).is_some());
            Tensors::InFile(tensors)
        };
        Ok(Self {
            path: path.into(),
            tensors,
        })
    }

    /// Tensors from elsewhere; `name` stands for the file in errors.
    pub fn from_tensors(name: &str, tensors: BTreeMap<String, TensorData>) -> Self {
        Self {
            path: name.into(),
            tensors: Tensors::Read(tensors),
        }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The names of the tensors that are left, in order.
    pub fn names(&self) -> Vec<&str> {
        let mut names: Vec<&str> = match &self.tensors {
            Tensors::Read(tensors) => tensors.keys().map(String::as_str).collect(),
            Tensors::InFile(tensors) => tensors.keys().map(String::as_str).collect(),
        };
        names.sort_unstable();
        names
    }

    /// Takes a tensor out, if it is there.
    ///
    /// # Errors
    ///
    /// If it cannot be read.
    pub fn take(&mut self, name: &str) -> Result<Option<TensorData>, WeightsError> {
        match &mut self.tensors {
            Tensors::Read(tensors) => Ok(tensors.remove(name)),
            Tensors::InFile(tensors) => tensors
                .remove(name)
                .map(|tensor| read_pytorch(&self.path, name, &tensor))
                .transpose(),
        }
    }
}

/// The tensors of floats in the bytes of a safetensors file; `path` is named in errors.
///
/// # Errors
///
/// If the bytes are no safetensors file, or not whole.
pub fn read_safetensors(
    path: &Path,
    bytes: &[u8],
) -> Result<BTreeMap<String, TensorData>, WeightsError> {
    let mut tensors = read_tensors(bytes).map_err(|error| {
        let reason = format!(
            "is no safetensors file, or not whole ({})",
            one_line(&error)
        );
        WeightsError::file(path, reason)
    })?;
    tensors.retain(|_, data| data.dtype().is_float());
    Ok(tensors)
}

/// Writes tensors to a file, whole or not at all: PyTorch's format if the name ends in `.pt` or `.pth`,
/// safetensors if it ends in `.safetensors`. The same tensors give the same bytes.
///
/// `model` is a text for the metadata of a safetensors file, under the name `model`; PyTorch's format has
/// no place for it.
///
/// # Errors
///
/// If the name ends otherwise, a tensor has a type that the format does not know, or the disk says no.
pub fn write_weights(
    path: &Path,
    tensors: &BTreeMap<String, TensorData>,
    model: Option<&str>,
) -> Result<(), WeightsError> {
    let refused = |reason: String| WeightsError::file(path, reason);
    let bytes = match path.extension().and_then(|end| end.to_str()) {
        Some("safetensors") => {
            let metadata = model.map(|text| ("model".to_owned(), text.to_owned()));
            safetensors_bytes(tensors, metadata)
                .map_err(|(name, reason)| refused(format!("cannot hold `{name}`: {reason}")))?
        }
        Some("pt" | "pth") => pytorch_file::bytes(tensors).map_err(refused)?,
        _ => {
            let reason =
                "weights are written as .safetensors, .pt or .pth; end the name in one of them";
            return Err(refused(reason.into()));
        }
    };
    write_atomically(path, &bytes).map_err(WeightsError::io(path, "write the file"))
}

fn read_pytorch(
    path: &Path,
    name: &str,
    tensor: &pytorch_reader::Tensor,
) -> Result<TensorData, WeightsError> {
    let broken = |error: String| {
        let reason = format!(
            "`{name}` cannot be read ({}); fetch it again",
            one_line(&error)
        );
        WeightsError::file(path, reason)
    };
    let bytes = tensor.read().map_err(|error| broken(error.to_string()))?;
    let dtype = float_type(tensor.dtype()).ok_or_else(|| broken("it has no floats".into()))?;
    TensorData::try_from_bytes_vec(bytes, tensor.shape().to_vec(), dtype)
        .map_err(|error| broken(error.to_string()))
}

fn float_type(dtype: pytorch_reader::DType) -> Option<DType> {
    Some(match dtype {
        pytorch_reader::DType::F64 => DType::F64,
        pytorch_reader::DType::F32 => DType::F32,
        pytorch_reader::DType::F16 => DType::F16,
        pytorch_reader::DType::BF16 => DType::BF16,
        _ => return None,
    })
}

/// Messages of other libraries may have several lines.
fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
