//! Limits on the players: penalties on the critic's gradient and scores, on weights, and on how the critic
//! answers to small changes.

mod consistency;
mod gradient_penalty;
mod historical_average;
mod orthogonal;
mod scores;
mod weight_clip;

pub use consistency::{ConsistencyConfig, LatentConsistencyConfig, inconsistency};
pub use gradient_penalty::{
    GradientPenalty, Penalty, PenaltyConfig, PenaltyPoints, PenaltyRule, gradient_penalty,
};
pub use historical_average::HistoricalAverage;
pub use orthogonal::{OrthogonalConfig, orthogonal_penalty};
pub use scores::{Lecam, LecamConfig, TopKConfig, drift};
pub use weight_clip::clip_weights;
