//! Operations of the hot loop that Burn's extension points let us write ourselves.
//!
//! Every operation has a body made of Burn's own operations, which runs on every backend; on the
//! flex CPU backend a hand-written kernel takes its place. Tests hold the two together.

mod activation;
mod conv;
#[cfg(feature = "flex")]
pub(crate) mod flex;
mod frozen;
mod group_norm;
mod norm;
mod orthogonal;
mod pass;
mod pool;
mod update;

pub use activation::{leaky_relu, leaky_relu_tangent, sqrt, tanh};
pub use conv::{conv_transpose2d, conv2d, linear};
pub use frozen::FrozenConv2d;
pub use group_norm::group_norm;
pub use norm::{BatchNormTrain, batch_norm_train, pixel_norm};
pub use orthogonal::orthogonalize;
pub(crate) use pass::Pass;
pub use pool::{Pool, mean_pool, pool2d};
pub(crate) use update::stays;
pub use update::{
    AdamStep, MuonStep, RmsPropStep, adam_step, lerp, muon_step, rms_prop_step, sum_of_squares,
};
