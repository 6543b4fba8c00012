//! Forward-mode dual numbers: a tensor and its derivative along one direction.
//!
//! Burn differentiates once. A gradient penalty needs the gradient of a gradient; section 7 of
//! `DESIGN.md` explains how one ordinary backward and one pass of dual numbers give it exactly.

mod activation;
mod attention;
mod burn_layers;
mod norm;
mod number;
mod resample;
mod shape;

pub use number::{Dual, Forward};
