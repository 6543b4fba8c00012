//! Fetches MNIST, Fashion-MNIST, CIFAR-10 and other files of known content into the cache. Only with the
//! feature `download`.
//!
//! A file is written as `name.part`, goes on where it was cut, is compared with a known SHA-256 and
//! then renamed, so what has its final name is whole. Several mirrors are tried. Without a network
//! the answer is an error after a few seconds.
//!
//! The checksums of the files of MNIST are those of the original archives; their unpacked content
//! was compared with the files that the tests of this crate use. Those of Fashion-MNIST and CIFAR-10
//! are the published SHA-256 of the authors' files.

mod client;

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use flate2::read::GzDecoder;

use self::client::{Client, Patience};
use super::Split;
use super::cifar::{CIFAR_FOLDER, cifar_files};
use super::detect::cache_dir;
use crate::DataError;

/// The length of each file of the binary version of CIFAR-10.
const CIFAR_FILE_BYTES: u64 = 30_730_000;

/// A data set that can be fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Remote {
    /// Handwritten digits, 11 MiB. Read with [`Mnist`](super::Mnist).
    Mnist,
    /// Clothes in the format of MNIST, 30 MiB. Read with [`Mnist`](super::Mnist).
    FashionMnist,
    /// Small colour photographs, 163 MiB. Read with [`Cifar10`](super::Cifar10).
    Cifar10,
}

/// How far a download is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress<'a> {
    /// The name of the file.
    pub file: &'a str,
    /// Bytes of the file that are there, those of an earlier attempt included.
    pub received: u64,
    /// Bytes of the whole file.
    pub total: u64,
}

/// Fetches a data set into [`cache_dir`] unless it is there; returns its folder.
///
/// # Errors
///
/// [`DataError::Download`] if no mirror had the file (no network, another content),
/// [`DataError::Io`] if the cache cannot be written, [`DataError::Refused`] if another program is
/// fetching the same file, [`DataError::Config`] if there is no place for a cache.
pub fn download(set: Remote, progress: &dyn Fn(Progress)) -> Result<PathBuf, DataError> {
    let cache = cache_dir().ok_or_else(|| {
        DataError::config(
            "GAN_CACHE_DIR",
            "is not set and there is no home folder; set it",
        )
    })?;
    download_into(set, &cache, progress)
}

/// Fetches a data set into a sub-folder of `root` (`mnist`, `fashion-mnist`, `cifar10`) unless it is
/// there; returns the sub-folder.
///
/// # Errors
///
/// Those of [`download`].
pub fn download_into(
    set: Remote,
    root: &Path,
    progress: &dyn Fn(Progress),
) -> Result<PathBuf, DataError> {
    let client = Client::new(Patience::default());
    match set {
        Remote::Mnist => {
            let folder = root.join("mnist");
            client.fetch_all(&idx_files(&MNIST_MIRRORS, &MNIST_FILES), &folder, progress)?;
            Ok(folder)
        }
        Remote::FashionMnist => {
            let folder = root.join("fashion-mnist");
            client.fetch_all(
                &idx_files(&FASHION_MIRRORS, &FASHION_FILES),
                &folder,
                progress,
            )?;
            Ok(folder)
        }
        Remote::Cifar10 => {
            let folder = root.join("cifar10");
            if !has_cifar(&folder.join(CIFAR_FOLDER)) {
                let archive = client.fetch(&cifar_archive(), &folder, progress)?;
                unpack_cifar(&archive, &folder.join(CIFAR_FOLDER), CIFAR_FILE_BYTES)?;
                fs::remove_file(&archive)
                    .map_err(|e| DataError::io(&archive, "remove the unpacked archive", e))?;
            }
            Ok(folder)
        }
    }
}

/// Fetches one file into `folder` unless it is there; returns its path. The folder is made if there is
/// none, and a file of that name with another content is replaced.
///
/// # Errors
///
/// Those of [`download`], but for [`DataError::Config`].
pub fn download_file(
    file: &RemoteFile,
    folder: &Path,
    progress: &dyn Fn(Progress),
) -> Result<PathBuf, DataError> {
    Client::new(Patience::default()).fetch(file, folder, progress)
}

/// A file with a known content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoteFile {
    /// What it is called in the folder, without a path.
    pub name: String,
    /// Its length in bytes.
    pub size: u64,
    /// Its SHA-256, in lower case hexadecimal.
    pub sha256: String,
    /// Where it is, with `https://` or `http://`; tried in order.
    pub addresses: Vec<String>,
}

const MNIST_MIRRORS: [&str; 2] = [
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
];
const FASHION_MIRRORS: [&str; 2] = [
    "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
    "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
];
const CIFAR_ADDRESS: &str = "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz";

/// Name, size, SHA-256.
type Known = (&'static str, u64, &'static str);

const MNIST_FILES: [Known; 4] = [
    (
        "train-images-idx3-ubyte.gz",
        9_912_422,
        "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
    ),
    (
        "train-labels-idx1-ubyte.gz",
        28_881,
        "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
    ),
    (
        "t10k-images-idx3-ubyte.gz",
        1_648_877,
        "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
    ),
    (
        "t10k-labels-idx1-ubyte.gz",
        4_542,
        "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
    ),
];

const FASHION_FILES: [Known; 4] = [
    (
        "train-images-idx3-ubyte.gz",
        26_421_880,
        "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
    ),
    (
        "train-labels-idx1-ubyte.gz",
        29_515,
        "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
    ),
    (
        "t10k-images-idx3-ubyte.gz",
        4_422_102,
        "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
    ),
    (
        "t10k-labels-idx1-ubyte.gz",
        5_148,
        "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
    ),
];

fn idx_files(mirrors: &[&str], files: &[Known]) -> Vec<RemoteFile> {
    let file = |&(name, size, sha256): &Known| RemoteFile {
        name: name.to_string(),
        size,
        sha256: sha256.to_string(),
        addresses: mirrors
            .iter()
            .map(|mirror| format!("{mirror}{name}"))
            .collect(),
    };
    files.iter().map(file).collect()
}

fn cifar_archive() -> RemoteFile {
    RemoteFile {
        name: "cifar-10-binary.tar.gz".to_string(),
        size: 170_052_171,
        sha256: "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd".to_string(),
        addresses: vec![CIFAR_ADDRESS.to_string()],
    }
}

fn all_cifar_files() -> Vec<String> {
    [cifar_files(Split::Train), cifar_files(Split::Test)].concat()
}

fn has_cifar(folder: &Path) -> bool {
    let length = |name: &String| fs::metadata(folder.join(name)).map(|metadata| metadata.len());
    all_cifar_files()
        .iter()
        .all(|name| length(name).is_ok_and(|length| length == CIFAR_FILE_BYTES))
}

/// Writes the six files of the archive into `folder`, each under a temporary name first.
fn unpack_cifar(archive: &Path, folder: &Path, file_bytes: u64) -> Result<(), DataError> {
    let broken = |e: io::Error| {
        DataError::damaged(
            archive,
            format!("cannot be unpacked ({e}); remove it and fetch it again"),
        )
    };
    let file = File::open(archive).map_err(|e| DataError::io(archive, "open the file", e))?;
    fs::create_dir_all(folder).map_err(|e| DataError::io(folder, "create the folder", e))?;
    let mut missing = all_cifar_files();
    let mut tar = tar::Archive::new(GzDecoder::new(file));
    for entry in tar.entries().map_err(broken)? {
        let mut entry = entry.map_err(broken)?;
        let path = entry.path().map_err(broken)?.into_owned();
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        // only known names are written, so no path of the archive can lead elsewhere
        let Some(at) = missing.iter().position(|wanted| *wanted == name) else {
            continue;
        };
        let part = folder.join(format!("{name}.part"));
        let failed = |e| DataError::io(&part, "write the file", e);
        let mut bytes = Vec::new();
        entry
            .by_ref()
            .take(file_bytes + 1)
            .read_to_end(&mut bytes)
            .map_err(broken)?;
        if bytes.len() as u64 != file_bytes {
            let message = format!("{name} in it does not have {file_bytes} bytes");
            return Err(DataError::damaged(archive, message));
        }
        let mut output = File::create(&part).map_err(failed)?;
        output
            .write_all(&bytes)
            .and_then(|()| output.sync_all())
            .map_err(failed)?;
        drop(output);
        fs::rename(&part, folder.join(&name)).map_err(failed)?;
        missing.remove(at);
    }
    if missing.is_empty() {
        return Ok(());
    }
    let message = format!(
        "has no {}; remove it and fetch it again",
        missing.join(", ")
    );
    Err(DataError::damaged(archive, message))
}

#[cfg(test)]
mod tests;
