//! Limits on the critic: penalties on its gradient, limits on its weights.

mod gradient_penalty;
mod weight_clip;

pub use gradient_penalty::{
    GradientPenalty, Penalty, PenaltyConfig, PenaltyPoints, PenaltyRule, gradient_penalty,
};
pub use weight_clip::clip_weights;
