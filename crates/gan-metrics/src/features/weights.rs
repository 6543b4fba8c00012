//! Files of published weights.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use burn::prelude::*;
use burn::tensor::DType;
use gan_core::weights::WeightsFile;
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
    file: WeightsFile,
    sha256: String,
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
        Ok(Self {
            file: WeightsFile::open(path)?,
            sha256,
        })
    }

    /// Tensors from elsewhere; `name` stands for the file in errors, and the checksum is that of the
    /// name.
    pub fn from_tensors(name: &str, tensors: BTreeMap<String, TensorData>) -> Self {
        Self {
            file: WeightsFile::from_tensors(name, tensors),
            sha256: sha256(name.as_bytes()),
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
        let Some(data) = self.file.take(name)? else {
            let reason = format!(
                "has no tensor `{name}`; it is the file of another network, or not the whole one"
            );
            return Err(MetricError::weights(self.file.path(), reason));
        };
        if data.shape().as_slice() != shape {
            let reason = format!(
                "has `{name}` of shape {:?}, and the network wants {shape:?}; it is the file of \
                 another network",
                data.shape().to_vec()
            );
            return Err(MetricError::weights(self.file.path(), reason));
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
        let is_ignored = |name: &&str| ignored.iter().any(|ignored| name.starts_with(ignored));
        match self.file.names().iter().find(|name| !is_ignored(name)) {
            None => Ok(()),
            Some(name) => {
                let reason = format!(
                    "has a tensor `{name}` that the network does not have; it is the file of \
                     another network"
                );
                Err(MetricError::weights(self.file.path(), reason))
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
pub(crate) fn sha256(bytes: &[u8]) -> String {
    hexadecimal(&Sha256::digest(bytes))
}

/// In lower case.
pub(crate) fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
