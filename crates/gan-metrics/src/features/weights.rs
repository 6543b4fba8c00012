//! Files of published weights.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use burn::prelude::*;
use burn::tensor::DType;
use pytorch_reader::PytorchReader;
use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView};
use sha2::{Digest, Sha256};

use super::floats;
use crate::error::MetricError;

/// Which file of weights is the right one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Checksum {
    /// The published one, by its SHA-256.
    #[default]
    Published,
    /// One with this SHA-256, in lower case hexadecimal: a file converted by oneself.
    Sha256(String),
    /// Any: weights of one's own. Scores made with them compare with nothing else.
    Any,
}

/// The tensors of a file, by name.
///
/// A network takes what it needs; each tensor must be there in its shape.
#[derive(Debug)]
pub struct Weights {
    path: PathBuf,
    sha256: String,
    tensors: Tensors,
}

#[derive(Debug)]
enum Tensors {
    Read(BTreeMap<String, TensorData>),
    /// Read when they are taken: the file of VGG16 is mostly a layer that nobody needs.
    InFile(HashMap<String, pytorch_reader::Tensor>),
}

impl Weights {
    /// Opens a PyTorch file (`.pt`, `.pth`: a state dict) or a safetensors file with the same names.
    ///
    /// `published` is the SHA-256 of the file that everybody uses.
    ///
    /// # Errors
    ///
    /// If the file cannot be read, is neither of the two, is not whole, or not the one wanted.
    pub fn open(path: &Path, checksum: &Checksum, published: &str) -> Result<Self, MetricError> {
        let sha256 = sha256_of_file(path)?;
        let wanted = match checksum {
            Checksum::Published => Some(published),
            Checksum::Sha256(wanted) => Some(wanted.as_str()),
            Checksum::Any => None,
        };
        if let Some(wanted) = wanted.filter(|wanted| *wanted != sha256) {
            let reason = format!(
                "is not the file that is wanted, or not whole: its SHA-256 is {sha256} and should \
                 be {wanted}; fetch it again, or name the checksum of your own file"
            );
            return Err(MetricError::weights(path, reason));
        }
        let tensors = if path.extension().is_some_and(|end| end == "safetensors") {
            let bytes = std::fs::read(path).map_err(MetricError::io(path, "read the file"))?;
            Tensors::Read(read_safetensors(path, &bytes)?)
        } else {
            let reader = PytorchReader::new(path).map_err(|error| {
                let error = one_line(&error.to_string());
                let reason = format!("is no PyTorch file, or not whole ({error})");
                MetricError::weights(path, reason)
            })?;
            let mut tensors = reader.into_tensors();
            tensors.retain(|_, tensor| float_type(tensor.dtype()).is_some());
            Tensors::InFile(tensors)
        };
        Ok(Self {
            path: path.to_path_buf(),
            sha256,
            tensors,
        })
    }

    /// Tensors from elsewhere; `name` stands for the file in errors, and the checksum is that of the
    /// name.
    pub fn from_tensors(name: &str, tensors: BTreeMap<String, TensorData>) -> Self {
        Self {
            path: name.into(),
            sha256: sha256(name.as_bytes()),
            tensors: Tensors::Read(tensors),
        }
    }

    /// SHA-256 of the file, in lower case hexadecimal.
    pub fn sha256(&self) -> &str {
        &self.sha256
    }

    /// Takes a tensor out.
    ///
    /// # Errors
    ///
    /// If it is not there or of another shape.
    pub fn take<const D: usize>(
        &mut self,
        name: &str,
        shape: [usize; D],
    ) -> Result<Vec<f32>, MetricError> {
        let found = match &mut self.tensors {
            Tensors::Read(tensors) => tensors.remove(name),
            Tensors::InFile(tensors) => tensors
                .remove(name)
                .map(|tensor| read_pytorch(&self.path, name, &tensor))
                .transpose()?,
        };
        let Some(data) = found else {
            let reason = format!(
                "has no tensor `{name}`; it is the file of another network, or not the whole one"
            );
            return Err(MetricError::weights(&self.path, reason));
        };
        if data.shape().as_slice() != shape {
            let reason = format!(
                "has `{name}` of shape {:?}, and the network wants {shape:?}; it is the file of \
                 another network",
                data.shape().to_vec()
            );
            return Err(MetricError::weights(&self.path, reason));
        }
        Ok(floats(data))
    }

    /// [`take`](Self::take), as a tensor on a device.
    pub(super) fn tensor<const D: usize>(
        &mut self,
        name: &str,
        shape: [usize; D],
        device: &Device,
    ) -> Result<Tensor<D>, MetricError> {
        let data = TensorData::new(self.take(name, shape)?, shape);
        Ok(Tensor::from_data(data, device))
    }

    /// Checks that nothing is left but tensors whose names begin with one of `ignored`.
    ///
    /// # Errors
    ///
    /// If something is left: the file is of another network.
    pub fn finish(self, ignored: &[&str]) -> Result<(), MetricError> {
        let mut names: Vec<&String> = match &self.tensors {
            Tensors::Read(tensors) => tensors.keys().collect(),
            Tensors::InFile(tensors) => tensors.keys().collect(),
        };
        names.sort();
        match names
            .iter()
            .find(|name| !ignored.iter().any(|ignored| name.starts_with(ignored)))
        {
            None => Ok(()),
            Some(name) => {
                let reason = format!(
                    "has a tensor `{name}` that the network does not have; it is the file of \
                     another network"
                );
                Err(MetricError::weights(&self.path, reason))
            }
        }
    }
}

/// The bytes of a safetensors file in half precision, half as large; the order is that of the names.
///
/// Weights lose the digits after the third.
pub fn save_half(tensors: &BTreeMap<String, TensorData>) -> Vec<u8> {
    let halves: Vec<(&String, TensorData)> = tensors
        .iter()
        .map(|(name, data)| (name, data.clone().convert_dtype(DType::F16)))
        .collect();
    let views = halves.iter().map(|(name, data)| {
        let view = TensorView::new(Dtype::F16, data.shape().to_vec(), data.as_bytes())
            .expect("two bytes for each value");
        (name, view)
    });
    safetensors::serialize(views, None).expect("the names are different, and the sizes are right")
}

/// The tensors in the bytes of a safetensors file; `path` is named in errors. Those that are no floats
/// (PyTorch's `num_batches_tracked`) are left out.
pub(super) fn read_safetensors(
    path: &Path,
    bytes: &[u8],
) -> Result<BTreeMap<String, TensorData>, MetricError> {
    let broken = |error: String| {
        let error = one_line(&error);
        MetricError::weights(
            path,
            format!("is no safetensors file, or not whole ({error})"),
        )
    };
    let file = SafeTensors::deserialize(bytes).map_err(|error| broken(error.to_string()))?;
    let mut tensors = BTreeMap::new();
    for (name, view) in file.iter() {
        let dtype = match view.dtype() {
            Dtype::F64 => DType::F64,
            Dtype::F32 => DType::F32,
            Dtype::F16 => DType::F16,
            Dtype::BF16 => DType::BF16,
            _ => continue,
        };
        let (bytes, shape) = (view.data().to_vec(), view.shape().to_vec());
        let data = TensorData::try_from_bytes_vec(bytes, shape, dtype)
            .map_err(|error| broken(format!("`{name}`: {error}")))?;
        tensors.insert(name.to_owned(), data);
    }
    Ok(tensors)
}

fn read_pytorch(
    path: &Path,
    name: &str,
    tensor: &pytorch_reader::Tensor,
) -> Result<TensorData, MetricError> {
    let broken = |error: String| {
        let reason = format!(
            "`{name}` cannot be read ({}); fetch it again",
            one_line(&error)
        );
        MetricError::weights(path, reason)
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

fn sha256_of_file(path: &Path) -> Result<String, MetricError> {
    let mut file = File::open(path).map_err(MetricError::io(path, "open the file"))?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 1 << 20];
    loop {
        let read = file.read(&mut buffer);
        match read.map_err(MetricError::io(path, "read the file"))? {
            0 => return Ok(hexadecimal(&hash.finalize())),
            count => hash.update(&buffer[..count]),
        }
    }
}

/// In lower case hexadecimal.
pub(super) fn sha256(bytes: &[u8]) -> String {
    hexadecimal(&Sha256::digest(bytes))
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
