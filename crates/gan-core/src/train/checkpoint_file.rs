//! How a state becomes files, and back.

use std::collections::BTreeMap;

use burn::tensor::{BoolStore, DType, TensorData};
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::error::CheckpointError;
use crate::game::{Clock, State};

/// Version of everything in a checkpoint folder; another one is not read.
pub(crate) const FORMAT: u32 = 1;
pub(crate) const MANIFEST: &str = "manifest.json";
pub(crate) const NUMBERS: &str = "state.json";
const TENSORS: &str = ".safetensors";

/// The best checkpoint so far.
#[derive(Clone, Debug, PartialEq)]
pub struct Best {
    /// What it is best in, as in `fid`.
    pub metric: String,
    /// Its value.
    pub value: f64,
    /// Round after which the checkpoint was made.
    pub round: u64,
}

/// `state.json`: all of a checkpoint that is not a tensor.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Numbers {
    pub clock: Clock,
    best: Option<BestText>,
    game: BTreeMap<String, String>,
    trainer: BTreeMap<String, String>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct BestText {
    metric: String,
    value: String,
    round: u64,
}

impl Numbers {
    pub fn new(
        clock: Clock,
        best: Option<&Best>,
        game: &BTreeMap<String, f64>,
        trainer: &BTreeMap<String, f64>,
    ) -> Self {
        Self {
            clock,
            best: best.map(|best| BestText {
                metric: best.metric.clone(),
                value: text(best.value),
                round: best.round,
            }),
            game: game.iter().map(|(k, v)| (k.clone(), text(*v))).collect(),
            trainer: trainer.iter().map(|(k, v)| (k.clone(), text(*v))).collect(),
        }
    }

    pub fn game(&self) -> Option<BTreeMap<String, f64>> {
        numbers(&self.game)
    }

    pub fn trainer(&self) -> Option<BTreeMap<String, f64>> {
        numbers(&self.trainer)
    }

    pub fn best(&self) -> Option<Best> {
        let best = self.best.as_ref()?;
        Some(Best {
            metric: best.metric.clone(),
            value: best.value.parse().ok()?,
            round: best.round,
        })
    }
}

/// The shortest text that reads back as the same number. JSON's own numbers have no NaN, and its
/// readers may be off by the last bit.
fn text(value: f64) -> String {
    format!("{value:?}")
}

fn numbers(texts: &BTreeMap<String, String>) -> Option<BTreeMap<String, f64>> {
    let parse = |(key, text): (&String, &String)| Some((key.clone(), text.parse().ok()?));
    texts.iter().map(parse).collect()
}

/// `manifest.json`: written last, so its presence means that the rest is complete.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Manifest {
    pub format: u32,
    pub gan_core: String,
    /// Whether the numbers were finite when it was made.
    pub healthy: bool,
    pub files: BTreeMap<String, FileEntry>,
    /// Checksum of the manifest itself with this field empty.
    pub sha256: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct FileEntry {
    pub bytes: u64,
    pub sha256: String,
}

impl FileEntry {
    pub fn of(bytes: &[u8]) -> Self {
        Self {
            bytes: bytes.len() as u64,
            sha256: sha256(bytes),
        }
    }
}

impl Manifest {
    /// Its bytes, checksum filled in.
    pub fn seal(mut self) -> Vec<u8> {
        self.sha256 = String::new();
        self.sha256 = sha256(&json(&self));
        json(&self)
    }

    /// Reads what [`seal`](Self::seal) made, and nothing else; says what is wrong.
    pub fn open(bytes: &[u8]) -> Result<Self, String> {
        // The format first: the rest may look different in another one.
        #[derive(Deserialize)]
        struct Format {
            format: u32,
        }
        let damaged = |what: String| format!("{MANIFEST} is damaged ({what})");
        let Format { format } =
            serde_json::from_slice(bytes).map_err(|error| damaged(error.to_string()))?;
        if format != FORMAT {
            return Err(format!(
                "{MANIFEST} says format {format}, this program reads format {FORMAT}; \
                 it was made by another version, or it is damaged"
            ));
        }
        let manifest: Self =
            serde_json::from_slice(bytes).map_err(|error| damaged(error.to_string()))?;
        if manifest.clone().seal() != bytes {
            return Err(damaged("its checksum is wrong".into()));
        }
        Ok(manifest)
    }
}

pub(crate) fn sha256(bytes: &[u8]) -> String {
    use std::fmt::Write;
    Sha256::digest(bytes)
        .iter()
        .fold(String::with_capacity(64), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
}

/// Pretty, with a last newline: people read these files.
pub(crate) fn json(value: &impl Serialize) -> Vec<u8> {
    let mut bytes = serde_json::to_vec_pretty(value)
        .expect("strings, whole numbers and maps with text keys always become JSON");
    bytes.push(b'\n');
    bytes
}

/// The tensor files of a state: name → bytes. The same state always gives the same bytes.
pub(crate) fn tensor_files(state: &State) -> Result<BTreeMap<String, Vec<u8>>, CheckpointError> {
    let mut files = BTreeMap::new();
    for (group, tensors) in &state.groups {
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        if group.is_empty() || group.starts_with('.') || !group.chars().all(plain) {
            return Err(CheckpointError::Unsupported {
                name: group.clone(),
                reason: "a group is named with ASCII letters, digits, `-`, `_` and `.`".into(),
            });
        }
        let bytes = safetensors_bytes(tensors, None).map_err(|(path, reason)| {
            CheckpointError::Unsupported {
                name: format!("{group}/{path}"),
                reason,
            }
        })?;
        files.insert(format!("{group}{TENSORS}"), bytes);
    }
    Ok(files)
}

/// The bytes of a safetensors file, the same for the same tensors; or the tensor that has no place in one,
/// and why.
pub(crate) fn safetensors_bytes(
    tensors: &BTreeMap<String, TensorData>,
    metadata: Option<(String, String)>,
) -> Result<Vec<u8>, (String, String)> {
    let mut views = Vec::new();
    for (path, data) in tensors {
        let unsupported = |reason: String| (path.clone(), reason);
        let dtype = stored(data.dtype()).ok_or_else(|| {
            unsupported(format!(
                "{} has no place in safetensors",
                data.dtype().name()
            ))
        })?;
        let view = TensorView::new(dtype, data.shape().to_vec(), data.as_bytes())
            .map_err(|error| unsupported(error.to_string()))?;
        views.push((path.as_str(), view));
    }
    safetensors::serialize(views, metadata.map(|entry| [entry].into()))
        .map_err(|error| (String::new(), error.to_string()))
}

/// The group a file is for: the reverse of the name given in [`tensor_files`].
pub(crate) fn group_of(file: &str) -> Option<&str> {
    file.strip_suffix(TENSORS)
        .filter(|group| !group.contains(['/', '\\']) && !group.starts_with('.'))
}

/// The tensors in a file.
pub(crate) fn read_tensors(bytes: &[u8]) -> Result<BTreeMap<String, TensorData>, String> {
    let file = SafeTensors::deserialize(bytes).map_err(|error| error.to_string())?;
    let mut tensors = BTreeMap::new();
    for (path, view) in file.iter() {
        let dtype = loaded(view.dtype())
            .ok_or_else(|| format!("`{path}` has the unknown type {:?}", view.dtype()))?;
        let data =
            TensorData::try_from_bytes_vec(view.data().to_vec(), view.shape().to_vec(), dtype)
                .map_err(|error| format!("`{path}`: {error}"))?;
        tensors.insert(path.to_owned(), data);
    }
    Ok(tensors)
}

/// The type in a file. What Burn computes in `flex32` is stored as `f32`.
fn stored(dtype: DType) -> Option<Dtype> {
    Some(match dtype {
        DType::F64 => Dtype::F64,
        DType::F32 | DType::Flex32 => Dtype::F32,
        DType::F16 => Dtype::F16,
        DType::BF16 => Dtype::BF16,
        DType::I64 => Dtype::I64,
        DType::I32 => Dtype::I32,
        DType::I16 => Dtype::I16,
        DType::I8 => Dtype::I8,
        DType::U64 => Dtype::U64,
        DType::U32 => Dtype::U32,
        DType::U16 => Dtype::U16,
        DType::U8 => Dtype::U8,
        DType::Bool(BoolStore::Native) => Dtype::BOOL,
        _ => return None,
    })
}

fn loaded(dtype: Dtype) -> Option<DType> {
    Some(match dtype {
        Dtype::F64 => DType::F64,
        Dtype::F32 => DType::F32,
        Dtype::F16 => DType::F16,
        Dtype::BF16 => DType::BF16,
        Dtype::I64 => DType::I64,
        Dtype::I32 => DType::I32,
        Dtype::I16 => DType::I16,
        Dtype::I8 => DType::I8,
        Dtype::U64 => DType::U64,
        Dtype::U32 => DType::U32,
        Dtype::U16 => DType::U16,
        Dtype::U8 => DType::U8,
        Dtype::BOOL => DType::Bool(BoolStore::Native),
        _ => return None,
    })
}
