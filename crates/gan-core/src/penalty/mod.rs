//! Limits on the players: penalties on gradients and scores, on weights, and on how the critic answers to
//! small changes.

mod config;
mod consistency;
mod gradient_penalty;
mod historical_average;
mod orthogonal;
mod path_length;
mod points;
mod rule;
mod scores;
mod sum;
mod top_k;
mod weight_clip;

pub use config::{PenaltyConfig, lazy_optimizer};
pub use consistency::{ConsistencyConfig, LatentConsistencyConfig, inconsistency};
pub use gradient_penalty::{Penalty, gradient_penalty, gradient_penalty_of, judge_and_penalize};
pub use historical_average::HistoricalAverage;
pub(crate) use orthogonal::squared_products;
pub use orthogonal::{OrthogonalConfig, orthogonal_penalty};
pub use path_length::{PathLength, PathLengthConfig};
pub use points::PenaltyPoints;
pub use rule::{GradientPenalty, PenaltyRule};
pub use scores::{Lecam, LecamConfig, drift};
pub(crate) use sum::Sum;
pub use top_k::TopKConfig;
pub use weight_clip::clip_weights;
