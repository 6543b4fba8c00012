//! What the players minimise.
//!
//! Adversarial losses take raw scores. Besides them: the two losses for critics that reconstruct
//! (energies), losses on the classes a critic names, on codes it recovers, and on its features.

mod adversarial;
mod began;
mod classes;
mod features;
mod information;

pub use adversarial::{AdversarialLoss, Objective, SmoothedLoss};
pub use began::{Began, BeganConfig};
pub use classes::{cross_entropy, multi_hinge};
pub use features::{feature_matching, pull_away};
pub use information::{contrastive_loss, gaussian_code_loss, shared_information_loss};

use burn::prelude::*;

/// `x`, which is off the tape, as a constant for what is on `device`.
pub(crate) fn constant(x: Tensor<1>, device: &Device) -> Tensor<1> {
    if device.is_autodiff() {
        Tensor::from_inner(x)
    } else {
        x
    }
}
