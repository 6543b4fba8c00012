//! What the players minimise, given raw scores.

mod adversarial;

pub use adversarial::{AdversarialLoss, Objective, SmoothedLoss};
