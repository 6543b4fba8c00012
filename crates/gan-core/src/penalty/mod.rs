//! Limits on the players: penalties on gradients, limits on weights.

mod config;
mod gradient_penalty;
mod path_length;
mod points;
mod rule;
mod weight_clip;

pub use config::{PenaltyConfig, lazy_optimizer};
pub use gradient_penalty::{Penalty, gradient_penalty, gradient_penalty_of};
pub use path_length::{PathLength, PathLengthConfig};
pub use points::PenaltyPoints;
pub use rule::{GradientPenalty, PenaltyRule};
pub use weight_clip::clip_weights;
