//! Finds out what a path holds.

use std::env;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::cifar::find_cifar;
use super::image_folder::has_pictures;
use super::mnist::{has_any_images, has_mnist};
use super::{
    Cifar10, IdxPictures, ImageArchive, ImageFolder, ImageOptions, Mnist, Pictures, Split,
};
use crate::picture_file::accepted_extensions;
use crate::{ChannelMode, DataError};

/// Sub-folders in which the files of MNIST are looked for, `""` being the folder itself.
const MNIST_FOLDERS: &[&str] = &["", "mnist", "MNIST/raw", "FashionMNIST/raw"];

/// Opens whatever a path holds, decided by content:
///
/// 1. a folder with IDX files (MNIST, Fashion-MNIST), also in `mnist/`, `MNIST/raw/` or
///    `FashionMNIST/raw/`;
/// 2. a folder with the binary version of CIFAR-10, also in `cifar-10-batches-bin/`;
/// 3. a folder of pictures ([`ImageFolder`]);
/// 4. a zip archive of pictures ([`ImageArchive`]);
/// 5. one IDX file of pictures, which has no labels and no splits.
///
/// A folder or an archive without folders `train` and `test` is the same for each `split`.
///
/// # Errors
///
/// [`DataError::NotFound`] if the path does not exist or holds nothing of the above (the message
/// lists what was looked for), and the errors of the source that was recognised.
pub fn open(
    path: &Path,
    split: Split,
    channels: ChannelMode,
) -> Result<Arc<dyn Pictures>, DataError> {
    if path.is_dir() {
        return open_folder(path, split, channels);
    }
    if !path.exists() {
        return Err(DataError::not_found(path, "does not exist; check the path"));
    }
    let mut start = Vec::new();
    File::open(path)
        .map_err(|e| DataError::io(path, "open the file", e))?
        .take(4)
        .read_to_end(&mut start)
        .map_err(|e| DataError::io(path, "read the file", e))?;
    match start[..] {
        [] => Err(DataError::damaged(
            path,
            "the file is empty; fetch it again",
        )),
        [b'P', b'K', ..] => {
            let options = ImageOptions {
                channels,
                split: Some(split),
            };
            Ok(Arc::new(ImageArchive::open(path, options)?))
        }
        [0, 0, ..] | [0x1f, 0x8b, ..] => Ok(Arc::new(IdxPictures::open(path, None, channels)?)),
        [0x89, b'P', b'N', b'G'] | [0xff, 0xd8, 0xff, _] => Err(DataError::not_found(
            path,
            "is a picture by itself; name a folder of pictures",
        )),
        _ => {
            let message = format!(
                "is neither a zip archive nor an IDX file of pictures; name {}",
                looked_for()
            );
            Err(DataError::not_found(path, message))
        }
    }
}

fn open_folder(
    path: &Path,
    split: Split,
    channels: ChannelMode,
) -> Result<Arc<dyn Pictures>, DataError> {
    if let Some(folder) = find_idx(path, split) {
        return Ok(Arc::new(Mnist::open(&folder, split, channels)?));
    }
    if let Some(folder) = find_cifar(path) {
        return Ok(Arc::new(Cifar10::open(&folder, split, channels)?));
    }
    let options = ImageOptions {
        channels,
        split: Some(split),
    };
    match ImageFolder::open(path, options) {
        Err(DataError::NotFound { .. }) if !has_pictures(path)? => {
            let message = format!(
                "holds nothing that can be read; looked for {}",
                looked_for()
            );
            Err(DataError::not_found(path, message))
        }
        Err(error) => Err(error),
        Ok(folder) => Ok(Arc::new(folder)),
    }
}

/// The folder with the IDX files of the split, or else with those of another split, so that the
/// message names the missing file.
fn find_idx(path: &Path, split: Split) -> Option<PathBuf> {
    let folders = || MNIST_FOLDERS.iter().map(|below| path.join(below));
    folders()
        .find(|folder| has_mnist(folder, split))
        .or_else(|| folders().find(|folder| has_any_images(folder)))
}

fn looked_for() -> String {
    format!(
        "IDX files (train-images-idx3-ubyte[.gz], also in mnist/ or MNIST/raw/), CIFAR-10 binary files (data_batch_1.bin, also in cifar-10-batches-bin/), pictures ({}), a .zip of pictures or a single IDX file",
        accepted_extensions()
    )
}

/// The training set of MNIST from the first of: the path that is given, the folder in the
/// environment variable `GAN_DATA_DIR`, the cache. `None` if it is in none of them.
///
/// A given path may hold anything that [`open`] reads. Channels are kept.
///
/// # Errors
///
/// Those of [`open`] for a given path; [`DataError::NotFound`] if `GAN_DATA_DIR` names no folder;
/// the errors of [`Mnist::open`] for files that are there but damaged.
pub fn find_mnist(data: Option<&Path>) -> Result<Option<Arc<dyn Pictures>>, DataError> {
    find_mnist_in(data, data_dir(), cache_dir())
}

/// The test set of MNIST from where [`find_mnist`] without a path finds the training set.
///
/// # Errors
///
/// As [`find_mnist`].
pub fn find_mnist_test() -> Result<Option<Arc<dyn Pictures>>, DataError> {
    find_split_in(data_dir(), cache_dir(), Split::Test)
}

fn find_mnist_in(
    data: Option<&Path>,
    shared: Option<PathBuf>,
    cache: Option<PathBuf>,
) -> Result<Option<Arc<dyn Pictures>>, DataError> {
    match data {
        Some(path) => open(path, Split::Train, ChannelMode::Keep).map(Some),
        None => find_split_in(shared, cache, Split::Train),
    }
}

fn find_split_in(
    shared: Option<PathBuf>,
    cache: Option<PathBuf>,
    split: Split,
) -> Result<Option<Arc<dyn Pictures>>, DataError> {
    if let Some(folder) = shared.as_ref().filter(|folder| !folder.is_dir()) {
        let message = "is not a folder but GAN_DATA_DIR names it; correct or unset the variable";
        return Err(DataError::not_found(folder, message));
    }
    // Fashion-MNIST has the same files, but is not what was asked for
    for root in [shared, cache].into_iter().flatten() {
        for below in ["", "mnist", "MNIST/raw"] {
            let folder = root.join(below);
            if has_mnist(&folder, split) {
                let set = Mnist::open(&folder, split, ChannelMode::Keep)?;
                return Ok(Some(Arc::new(set)));
            }
        }
    }
    Ok(None)
}

/// The folder with data that `GAN_DATA_DIR` names, if it names one.
pub fn data_dir() -> Option<PathBuf> {
    let value = env::var_os("GAN_DATA_DIR").filter(|value| !value.is_empty());
    value.map(PathBuf::from)
}

/// The folder for downloads: `GAN_CACHE_DIR`, else `$XDG_CACHE_HOME/gan-rs`, else `~/.cache/gan-rs`.
/// `None` if there is no home folder either. It need not exist.
pub fn cache_dir() -> Option<PathBuf> {
    let variable = |name| env::var_os(name).filter(|value| !value.is_empty());
    cache_dir_in(
        variable("GAN_CACHE_DIR").map(PathBuf::from),
        variable("XDG_CACHE_HOME").map(PathBuf::from),
        env::home_dir(),
    )
}

fn cache_dir_in(
    own: Option<PathBuf>,
    xdg: Option<PathBuf>,
    home: Option<PathBuf>,
) -> Option<PathBuf> {
    // the XDG specification says that relative paths are to be ignored
    let xdg = xdg.filter(|path| path.is_absolute());
    own.or_else(|| xdg.map(|path| path.join("gan-rs")))
        .or_else(|| home.map(|path| path.join(".cache").join("gan-rs")))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use tempfile::TempDir;

    use super::super::archive::tests::zip_of;
    use super::super::cifar::tests::write_cifar;
    use super::super::idx::tests::{gzip, idx};
    use super::super::mnist::tests::write_train;
    use super::*;
    use crate::picture_file::tests::flat_png;

    fn look(path: &Path) -> Result<Arc<dyn Pictures>, DataError> {
        open(path, Split::Train, ChannelMode::Keep)
    }

    fn refusal(path: &Path) -> String {
        look(path)
            .err()
            .expect("nothing to read was read")
            .to_string()
    }

    #[test]
    fn recognises_every_source_by_content() {
        let root = TempDir::new().unwrap();
        let at = |name: &str| root.path().join(name);
        write_train(&at("a"), &[1]);
        write_train(&at("b/mnist"), &[1]);
        write_train(&at("c/MNIST/raw"), &[1]);
        write_cifar(&at("d"));
        write_cifar(&at("e/cifar-10-batches-bin"));
        fs::create_dir_all(at("Cats")).unwrap();
        fs::write(at("Cats/1.png"), flat_png(1, 1, [0; 3])).unwrap();
        fs::write(at("dogs.bin"), zip_of(&[("1.png", flat_png(1, 1, [0; 3]))])).unwrap();
        fs::write(at("single"), idx(&[2, 1, 1], &[0, 1])).unwrap();
        fs::write(at("packed"), gzip(&idx(&[2, 1, 1], &[0, 1]))).unwrap();
        for (path, name, count) in [
            ("a", "mnist", 1),
            ("b", "mnist", 1),
            ("c", "mnist", 1),
            ("d", "cifar10", 5),
            ("e", "cifar10", 5),
            ("Cats", "cats", 1),
            ("dogs.bin", "dogs-bin", 1),
            ("single", "single", 2),
            ("packed", "packed", 2),
        ] {
            let set = look(&at(path)).unwrap();
            assert_eq!((set.name().as_str(), set.len()), (name, count), "{path}");
        }
    }

    #[test]
    fn says_what_was_looked_for() {
        let root = TempDir::new().unwrap();
        assert!(refusal(&root.path().join("none")).contains("none: does not exist"));
        let text = refusal(root.path());
        for wanted in [
            "train-images-idx3-ubyte",
            "data_batch_1.bin",
            "png, jpg or jpeg",
            ".zip",
        ] {
            assert!(text.contains(wanted), "{wanted} not in {text}");
        }
        let file = root.path().join("x.png");
        fs::write(&file, flat_png(1, 1, [0; 3])).unwrap();
        let text = refusal(&file);
        assert!(text.contains("x.png: is a picture by itself"), "{text}");
        fs::write(&file, "text").unwrap();
        let text = refusal(&file);
        assert!(text.contains("x.png: is neither a zip"), "{text}");
        fs::write(&file, "").unwrap();
        assert!(refusal(&file).contains("is empty"));
    }

    #[test]
    fn half_a_set_names_the_missing_file() {
        let root = TempDir::new().unwrap();
        write_train(root.path(), &[1]);
        let error = open(root.path(), Split::Test, ChannelMode::Keep)
            .err()
            .unwrap();
        assert!(
            error.to_string().contains("has no t10k-images-idx3-ubyte"),
            "{error}"
        );
        fs::remove_file(root.path().join("train-labels.idx1-ubyte")).unwrap();
        assert!(refusal(root.path()).contains("has no train-labels-idx1-ubyte"));
    }

    #[test]
    fn mnist_is_found_in_order() {
        let root = TempDir::new().unwrap();
        let at = |name: &str| root.path().join(name);
        write_train(&at("given"), &[1]);
        write_train(&at("shared/mnist"), &[1, 1]);
        write_train(&at("cache/mnist"), &[1, 1, 1]);
        fs::create_dir(at("empty")).unwrap();
        let count = |data: Option<&str>, shared: Option<&str>, cache: Option<&str>| {
            let data = data.map(at);
            let found = find_mnist_in(data.as_deref(), shared.map(at), cache.map(at)).unwrap();
            found.map(|set| set.len())
        };
        assert_eq!(count(Some("given"), Some("shared"), Some("cache")), Some(1));
        assert_eq!(count(None, Some("shared"), Some("cache")), Some(2));
        assert_eq!(count(None, Some("shared/mnist"), None), Some(2));
        assert_eq!(count(None, Some("empty"), Some("cache")), Some(3));
        assert_eq!(count(None, None, Some("nowhere")), None);
        assert_eq!(count(None, None, None), None);
    }

    #[test]
    fn a_wrong_path_or_variable_is_an_error() {
        let error = find_mnist_in(Some(Path::new("/nowhere")), None, None)
            .err()
            .unwrap();
        assert!(
            error.to_string().starts_with("/nowhere: does not exist"),
            "{error}"
        );
        let error = find_mnist_in(None, Some("/nowhere".into()), None)
            .err()
            .unwrap();
        assert!(error.to_string().contains("GAN_DATA_DIR"), "{error}");
        let root = TempDir::new().unwrap();
        write_train(root.path(), &[1]);
        fs::write(root.path().join("train-labels.idx1-ubyte"), "").unwrap();
        let error = find_mnist_in(None, Some(root.path().into()), None)
            .err()
            .unwrap();
        assert!(error.to_string().contains("the file is empty"), "{error}");
    }

    #[test]
    fn the_cache_follows_the_environment() {
        let path = |text: &str| Some(PathBuf::from(text));
        let joined = |own, xdg, home| cache_dir_in(own, xdg, home);
        assert_eq!(
            joined(path("/own"), path("/xdg"), path("/home")),
            path("/own")
        );
        assert_eq!(
            joined(None, path("/xdg"), path("/home")),
            path("/xdg/gan-rs")
        );
        assert_eq!(
            joined(None, path("relative"), path("/home")),
            path("/home/.cache/gan-rs")
        );
        assert_eq!(joined(None, None, None), None);
    }

    #[test]
    fn finds_the_real_data() {
        let Some(data) = env::var_os("GAN_DATA_DIR").map(PathBuf::from) else {
            println!(
                "GAN_DATA_DIR is not set: the real data is not looked for, synthetic files were"
            );
            return;
        };
        assert_eq!(look(&data).unwrap().len(), 60_000);
        assert_eq!(find_mnist(None).unwrap().unwrap().len(), 60_000);
        assert_eq!(
            look(&data.join("cifar10-subset.zip")).unwrap().len(),
            20_000
        );
    }
}
