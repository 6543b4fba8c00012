//! Whatever a person gets wrong, the programs answer with one line that names it, and a non-zero exit
//! code; never with a panic.

mod checks;
#[path = "../common/mod.rs"]
mod common;
mod data;
mod disks;
mod evaluations;
mod files;
mod runs;
mod settings;
