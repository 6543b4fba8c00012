//! Scores of generated pictures that equal the published ones.
//!
//! [`features`] turns pictures into numbers that mean something; [`score`] compares sets of such numbers;
//! [`suite`] does both for all scores at once.

pub mod error;
pub mod features;
pub mod score;
pub mod suite;
