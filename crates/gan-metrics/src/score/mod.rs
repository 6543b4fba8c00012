//! Scores of sets of features, and of pairs of pictures.
//!
//! All of them work in float64 on slices, without a device.

mod classes;
mod estimate;
mod frechet;
mod inception_score;
mod kernel_distance;
mod manifold;
mod matrix;
mod modes;
mod moments;
mod neighbours;
mod pair;
mod path_length;
mod rows;

pub use classes::{ClassMoments, ClassScores, Classes};
pub use estimate::Estimate;
pub use frechet::{
    FrechetConfig, FrechetDistance, IntraClass, frechet_distance, intra_class_distance,
};
pub use inception_score::{InceptionScore, inception_score};
pub use kernel_distance::{KernelDistanceConfig, kernel_distance, squared_discrepancy};
pub use manifold::{Manifold, ManifoldConfig, manifold_scores};
pub use modes::{Modes, ModesConfig, mode_scores};
pub use moments::{Gaussian, Moments};
pub use neighbours::{Memorisation, Neighbour, memorisation, nearest_neighbours};
pub use pair::{PairConfig, ms_ssim, psnr, ssim};
pub use path_length::{Interpolation, PathLengthConfig, perceptual_path_length};
pub use rows::Rows;
