//! Where pictures come from: files, folders, archives, the network, or a formula.
//!
//! Every source is a [`Pictures`]; `Arc<dyn Pictures>` is what the rest of the workspace uses.
//! [`open`] finds out what a path holds.

use std::sync::Arc;

use burn::data::dataset::Dataset;

use crate::{DataError, Picture};

mod archive;
mod cifar;
mod detect;
#[cfg(feature = "download")]
pub mod download;
mod idx;
mod image_folder;
mod layout;
mod mnist;
pub mod synthetic;

pub use archive::ImageArchive;
pub use cifar::Cifar10;
pub use detect::{cache_dir, data_dir, find_mnist, find_mnist_test, open};
pub use idx::{IdxArray, IdxPictures, read_idx};
pub use image_folder::{ImageFolder, ImageOptions};
pub use mnist::{Mnist, has_mnist};

/// A data set of pictures. Object-safe: sources are passed around as `Arc<dyn Pictures>`.
///
/// `get` (from [`Dataset`]) may be called from several threads at once, and returns the same
/// picture for the same index every time.
pub trait Pictures: Dataset<Picture, DataError> {
    /// A short name for run folders and reports: lower case letters, digits and `-`.
    fn name(&self) -> String;

    /// The names of the classes, by class index; `None` when the pictures have no labels.
    fn class_names(&self) -> Option<Vec<String>>;

    /// The class index of a picture without decoding it; `None` when the pictures have no labels.
    ///
    /// # Panics
    ///
    /// Panics if `index` is not less than the number of pictures.
    fn label(&self, index: usize) -> Option<usize>;

    /// What a picture is called where it is kept, with `/` between folders; `None` where pictures have no names,
    /// which is the default.
    ///
    /// # Panics
    ///
    /// Panics if `index` is not less than the number of pictures.
    fn file_name(&self, index: usize) -> Option<String> {
        let _ = index;
        None
    }

    /// The channels of a picture where it is kept, 1 to 4; a source that converts them gives out others.
    /// Default: those that it gives out.
    ///
    /// # Errors
    ///
    /// As `get`.
    fn stored_channels(&self, index: usize) -> Result<usize, DataError> {
        Ok(self.get(index)?.channels)
    }

    /// A SHA-256 in lower case hexadecimal that changes when the content does.
    ///
    /// Each source documents what it covers. It may read many files the first time; sources keep
    /// the answer.
    fn fingerprint(&self) -> String;
}

impl<P: Pictures + ?Sized> Pictures for Arc<P>
where
    Arc<P>: Dataset<Picture, DataError>,
{
    fn name(&self) -> String {
        self.as_ref().name()
    }

    fn class_names(&self) -> Option<Vec<String>> {
        self.as_ref().class_names()
    }

    fn label(&self, index: usize) -> Option<usize> {
        self.as_ref().label(index)
    }

    fn file_name(&self, index: usize) -> Option<String> {
        self.as_ref().file_name(index)
    }

    fn stored_channels(&self, index: usize) -> Result<usize, DataError> {
        self.as_ref().stored_channels(index)
    }

    fn fingerprint(&self) -> String {
        self.as_ref().fingerprint()
    }
}

/// Which part of a data set to read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Split {
    /// The part meant for training.
    #[default]
    Train,
    /// The part held out.
    Test,
}
