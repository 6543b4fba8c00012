//! What the players minimise.
//!
//! Adversarial losses take raw scores. Besides them: the two losses for critics that reconstruct
//! (energies), losses on the classes a critic names, on codes it recovers, and on its features.

mod adversarial;
mod began;
mod classes;
mod features;
mod information;

pub(crate) use adversarial::beside;
pub use adversarial::{AdversarialLoss, Objective, SmoothedLoss};
pub use began::{Began, BeganConfig};
pub use classes::{ClassLoss, ClassScores};
pub use features::{feature_matching, pull_away};
pub use information::{categorical_code_loss, gaussian_code_loss};
