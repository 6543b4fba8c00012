//! Picture files: grids, single pictures, animations. Every file appears whole or not at all.

mod atomic;
mod gif;
mod grid;
mod png;

pub use atomic::write_atomically;
pub use gif::write_gif;
pub use grid::{grid, grid_of_pictures, write_grid};
pub use png::{pictures_from, write_picture, write_pictures};
