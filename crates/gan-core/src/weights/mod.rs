//! Weights that go to PyTorch and come from there.
//!
//! [`state_dict`] names the tensors of a module as PyTorch's `state_dict` would, [`write_weights`] writes
//! them as `.safetensors`, `.pt` or `.pth`, [`WeightsFile`] reads such files, and [`load_state_dict`] puts
//! one into a module: all of it, or an error that lists what does not fit.
//!
//! ```
//! use burn::prelude::*;
//! use gan_core::game::snapshot_module;
//! use gan_core::nn::LinearConfig;
//! use gan_core::rng::Stream;
//! use gan_core::weights::{SpectralNorms, load_state_dict, state_dict, write_weights};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = tempfile::tempdir()?;
//! # let path = folder.path().join("layer.pt");
//! let device = Device::flex();
//! let layer = LinearConfig::new(3, 2).init(&mut Stream::new(1, "layer", 0), &device);
//! let tensors = state_dict(&snapshot_module(&layer), SpectralNorms::Fold);
//! // In PyTorch: nn.Linear(3, 2).load_state_dict(torch.load("layer.pt"))
//! write_weights(&path, &tensors, None)?;
//!
//! let other = LinearConfig::new(3, 2).init(&mut Stream::new(2, "layer", 0), &device);
//! let other = load_state_dict(other, &path)?;
//! assert_eq!(snapshot_module(&other), snapshot_module(&layer));
//! # Ok(())
//! # }
//! ```

mod file;
mod pytorch_file;
mod state_dict;

pub use file::{WeightsError, WeightsFile, read_safetensors, write_weights};
pub use state_dict::{SpectralNorms, from_state_dict, load_state_dict, state_dict};
