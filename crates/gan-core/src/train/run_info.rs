//! `run.json`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Where and with what a run was made: `run.json`. Nothing in it changes the result on a CPU.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunInfo {
    /// Name of the program.
    pub program: String,
    /// Version of `gan-core`.
    pub gan_core: String,
    /// Version of Burn.
    pub burn: String,
    /// Operating system and processor architecture, `linux x86_64`.
    pub platform: String,
    /// Backend and device, as the program calls it.
    pub device: String,
    /// Seed of the run.
    pub seed: u64,
    /// The real pictures.
    pub data: DataInfo,
    /// Parameters by player. Default: none are known
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub parameters: BTreeMap<String, usize>,
    /// What the rows of the sample grids show, from the top, as in the names of classes. Default: the
    /// rows have no meaning
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sample_rows: Vec<String>,
}

/// What a run was trained on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DataInfo {
    /// Name of the data set, as in `mnist`.
    pub name: String,
    /// Number of pictures.
    pub count: usize,
    /// A checksum of the data, in whatever form the data set has one.
    pub fingerprint: String,
}

impl RunInfo {
    /// Fills in the versions and the platform.
    pub fn new(
        program: impl Into<String>,
        device: impl Into<String>,
        seed: u64,
        data: DataInfo,
    ) -> Self {
        Self {
            program: program.into(),
            gan_core: env!("CARGO_PKG_VERSION").into(),
            burn: "0.22.1".into(),
            platform: format!("{} {}", std::env::consts::OS, std::env::consts::ARCH),
            device: device.into(),
            seed,
            data,
            parameters: BTreeMap::new(),
            sample_rows: Vec::new(),
        }
    }
}
