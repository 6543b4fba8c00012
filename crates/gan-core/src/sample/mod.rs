//! Latent vectors: where they come from and the ways between them.

mod interpolate;
mod latent;

pub use interpolate::{LatentPath, walk};
pub use latent::{LatentPrior, parse_seeds};
