//! Latent vectors: where they come from and the ways between them.

mod condition;
mod interpolate;
mod latent;

pub use condition::Condition;
pub use interpolate::{LatentPath, walk};
pub use latent::{LatentPrior, parse_seeds};
