//! Data sets, transforms, loaders and picture files for training generative adversarial networks
//! with [Burn](https://burn.dev).
//!
//! A data set is anything that implements Burn's `Dataset<Picture, DataError>`: it hands out 8-bit
//! [`Picture`]s. A [`Loader`] shuffles, transforms and stacks them into [`Batch`]es of floats whose
//! [`PixelRange`] is part of the batch.

mod batch;
mod error;
pub mod io;
mod loader;
mod picture;
mod picture_file;
mod random;
mod range;
pub mod source;
mod summary;
pub mod transform;

pub use batch::Batch;
pub use error::DataError;
pub use loader::{BurnPictures, Loader, LoaderConfig, PictureBatcher};
pub use picture::{ChannelMode, Picture};
pub use range::PixelRange;
pub use summary::{Summary, write_reals};
