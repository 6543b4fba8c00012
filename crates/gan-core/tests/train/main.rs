//! Runs, checkpoints and guards, on a toy game.

mod checkpoints;
mod evaluate;
#[cfg(unix)]
mod full_disk;
mod guards;
mod kill;
mod reports;
mod resume;
mod run_dirs;
mod toy;
