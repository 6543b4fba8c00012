//! A folder of pictures.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use burn::data::dataset::Dataset;
use sha2::{Digest, Sha256};

use super::layout::{arrange, short_name};
use super::{Pictures, Split};
use crate::picture_file::{
    MAX_FILE_BYTES, accepted_extensions, decode_picture, has_picture_extension, hex, probe_channels,
};
use crate::{ChannelMode, DataError, Picture};

/// How many bytes of a file its fingerprint covers.
const PRINT_BYTES: u64 = 64 << 10;
/// How many files of a folder are opened for its fingerprint.
const PRINT_FILES: usize = 4096;

/// How pictures are read from a folder or an archive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ImageOptions {
    /// What the channels are converted to. Default: `Keep`
    pub channels: ChannelMode,
    /// Which of the folders `train` and `test` is read, where the pictures lie in such folders.
    /// Default: `None`, all
    pub split: Option<Split>,
}

/// A folder of PNG and JPEG pictures, decoded when asked for.
///
/// Folders are searched to any depth; hidden files and folders are left out, and a folder that is
/// reached a second time through a link is not entered again. The order is that of the bytes of
/// the paths. The classes are the first-level folders, sorted; folders named `train` and `test` (or
/// `val`) are splits, not classes. If any picture lies in no class folder there are no labels.
///
/// The fingerprint covers the path and size of every file and the first 64 KiB of up to 4,096 of
/// them, evenly spaced: it notices files that were added, removed, renamed or re-encoded without
/// reading a large set from end to end. Changes past the first 64 KiB that keep the size are missed.
#[derive(Debug)]
pub struct ImageFolder {
    root: PathBuf,
    /// Paths relative to `root` with `/` between folders, in order.
    names: Vec<String>,
    files: Vec<PathBuf>,
    labels: Option<Vec<usize>>,
    class_names: Option<Vec<String>>,
    channels: ChannelMode,
    keep: usize,
    fingerprint: OnceLock<String>,
}

impl ImageFolder {
    /// Lists the pictures of a folder. With [`ChannelMode::Keep`] the header of the first is read.
    ///
    /// # Errors
    ///
    /// [`DataError::NotFound`] if the folder does not exist, has no pictures, or has no folder for
    /// the split; [`DataError::Io`] if a folder cannot be read; the errors of decoding for the first
    /// picture.
    pub fn open(root: &Path, options: ImageOptions) -> Result<Self, DataError> {
        if !root.is_dir() {
            return Err(DataError::not_found(
                root,
                "is not a folder; check the path",
            ));
        }
        let mut found = Vec::new();
        collect(root, "", &mut HashSet::new(), &mut found)?;
        if found.is_empty() {
            let message = format!(
                "has no pictures; accepted extensions are {}",
                accepted_extensions()
            );
            return Err(DataError::not_found(root, message));
        }
        let names: Vec<String> = found.iter().map(|(name, _)| name.clone()).collect();
        let layout = arrange(root, &names, options.split, false)?;
        let chosen = |index: &usize| found[*index].clone();
        let (names, files): (Vec<_>, Vec<_>) = layout.chosen.iter().map(chosen).unzip();
        let keep = match options.channels {
            ChannelMode::Keep => probe_channels(&files[0], &read_file(&files[0])?)?,
            _ => 0,
        };
        Ok(Self {
            root: root.to_path_buf(),
            names,
            files,
            labels: layout.labels,
            class_names: layout.class_names,
            channels: options.channels,
            keep,
            fingerprint: OnceLock::new(),
        })
    }
}

/// Whether a folder holds a picture at any depth.
pub(crate) fn has_pictures(root: &Path) -> Result<bool, DataError> {
    let mut found = Vec::new();
    collect(root, "", &mut HashSet::new(), &mut found)?;
    Ok(!found.is_empty())
}

/// Adds the pictures below `folder`; `prefix` is its relative path with a `/` at the end.
fn collect(
    folder: &Path,
    prefix: &str,
    visited: &mut HashSet<PathBuf>,
    found: &mut Vec<(String, PathBuf)>,
) -> Result<(), DataError> {
    let failed = |e| DataError::io(folder, "list the folder", e);
    // a link to a folder above would otherwise be followed for ever
    if !visited.insert(folder.canonicalize().map_err(failed)?) {
        return Ok(());
    }
    let mut entries = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
        entries.push(entry.map_err(failed)?.path());
    }
    // sorted, so that of two ways into a folder the same is taken every time
    entries.sort();
    for path in entries {
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        if name.starts_with('.') {
            continue;
        }
        let relative = format!("{prefix}{name}");
        if path.is_dir() {
            collect(&path, &format!("{relative}/"), visited, found)?;
        } else if has_picture_extension(&name) {
            found.push((relative, path));
        }
    }
    Ok(())
}

/// The bytes of a file, unless it is too large for a picture.
fn read_file(path: &Path) -> Result<Vec<u8>, DataError> {
    let failed = |e| DataError::io(path, "read the picture", e);
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(failed)?;
    file.take(MAX_FILE_BYTES + 1)
        .read_to_end(&mut bytes)
        .map_err(failed)?;
    if bytes.len() as u64 > MAX_FILE_BYTES {
        let message = format!(
            "is larger than {} MiB; shrink or remove it",
            MAX_FILE_BYTES >> 20
        );
        return Err(DataError::refused(path, message));
    }
    Ok(bytes)
}

impl Dataset<Picture, DataError> for ImageFolder {
    fn get(&self, index: usize) -> Result<Picture, DataError> {
        let path = &self.files[index];
        let picture = decode_picture(path, &read_file(path)?, self.channels, self.keep)?;
        Ok(Picture {
            label: self.label(index),
            ..picture
        })
    }

    fn len(&self) -> usize {
        self.files.len()
    }
}

impl Pictures for ImageFolder {
    fn name(&self) -> String {
        let root = self
            .root
            .canonicalize()
            .unwrap_or_else(|_| self.root.clone());
        short_name(&root.to_string_lossy())
    }

    fn class_names(&self) -> Option<Vec<String>> {
        self.class_names.clone()
    }

    fn label(&self, index: usize) -> Option<usize> {
        self.labels.as_ref().map(|labels| labels[index])
    }

    fn file_name(&self, index: usize) -> Option<String> {
        Some(self.names[index].clone())
    }

    fn stored_channels(&self, index: usize) -> Result<usize, DataError> {
        let path = &self.files[index];
        probe_channels(path, &read_file(path)?)
    }

    fn fingerprint(&self) -> String {
        let compute = || {
            let mut hash = Sha256::new();
            let step = self.files.len().div_ceil(PRINT_FILES);
            for (index, (name, path)) in self.names.iter().zip(&self.files).enumerate() {
                let size = fs::metadata(path).map_or(u64::MAX, |metadata| metadata.len());
                hash.update(format!("{name}\0{size}\0"));
                if index.is_multiple_of(step) {
                    let mut start = Vec::new();
                    // a file that cannot be read is counted as empty: `get` will name it
                    if let Ok(file) = File::open(path) {
                        let _ = file.take(PRINT_BYTES).read_to_end(&mut start);
                    }
                    hash.update(Sha256::digest(&start));
                }
            }
            hex(&hash.finalize())
        };
        self.fingerprint.get_or_init(compute).clone()
    }
}

#[cfg(test)]
mod tests {
    use image::{ImageBuffer, ImageFormat, Luma};
    use tempfile::TempDir;

    use super::*;
    use crate::picture_file::tests::{encode, flat_png};

    /// A folder with these files.
    fn folder(files: &[(&str, Vec<u8>)]) -> TempDir {
        let folder = TempDir::new().unwrap();
        for (name, bytes) in files {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        }
        folder
    }

    fn open(folder: &TempDir) -> Result<ImageFolder, DataError> {
        ImageFolder::open(folder.path(), ImageOptions::default())
    }

    fn red(folder: &ImageFolder) -> Vec<u8> {
        (0..folder.len())
            .map(|index| folder.get(index).unwrap().pixels[0])
            .collect()
    }

    #[test]
    fn labels_come_from_sorted_folders_and_the_order_from_paths() {
        let folder = folder(&[
            ("dog/b.PNG", flat_png(3, 2, [3, 0, 0])),
            ("cat/deep/er.png", flat_png(1, 1, [1, 0, 0])),
            ("cat/z.png", flat_png(5, 7, [2, 0, 0])),
            ("dog/notes.txt", b"no picture".to_vec()),
            ("dog/.hidden.png", b"broken".to_vec()),
            (".trash/x.png", b"broken".to_vec()),
        ]);
        let set = open(&folder).unwrap();
        assert_eq!(red(&set), [1, 2, 3]);
        assert_eq!(set.class_names().unwrap(), ["cat", "dog"]);
        let labels: Vec<_> = (0..3).map(|index| set.get(index).unwrap().label).collect();
        assert_eq!(labels, [Some(0), Some(0), Some(1)]);
        let odd = set.get(1).unwrap();
        assert_eq!((odd.width, odd.height), (5, 7));
        let names = [0, 1, 2].map(|index| set.file_name(index).unwrap());
        assert_eq!(names, ["cat/deep/er.png", "cat/z.png", "dog/b.PNG"]);
    }

    #[test]
    fn loose_pictures_have_no_labels() {
        let folder = folder(&[
            ("b.png", flat_png(1, 1, [2; 3])),
            ("a.png", flat_png(1, 1, [1; 3])),
        ]);
        let set = open(&folder).unwrap();
        assert_eq!(
            (red(&set), set.label(0), set.class_names()),
            (vec![1, 2], None, None)
        );
    }

    #[test]
    fn a_split_is_chosen() {
        let files = ["train/cat/1.png", "test/cat/1.png", "train/dog/1.png"];
        let folder = folder(&files.map(|name| (name, flat_png(1, 1, [0; 3]))));
        let count = |split| {
            let options = ImageOptions {
                split,
                ..Default::default()
            };
            ImageFolder::open(folder.path(), options).unwrap().len()
        };
        assert_eq!(
            (
                count(None),
                count(Some(Split::Train)),
                count(Some(Split::Test))
            ),
            (3, 2, 1)
        );
    }

    #[test]
    fn a_broken_picture_among_good_ones_is_named() {
        let folder = folder(&[
            ("a.png", flat_png(1, 1, [0; 3])),
            ("b.jpg", b"\xff\xd8\xff\xe0 broken".to_vec()),
            ("c.png", vec![]),
        ]);
        let set = open(&folder).unwrap();
        assert!(set.get(0).is_ok());
        for (index, name) in [
            (1, "b.jpg: cannot be decoded"),
            (2, "c.png: the file is empty"),
        ] {
            let text = set.get(index).unwrap_err().to_string();
            assert!(text.contains(name), "{text}");
        }
    }

    #[test]
    fn keep_refuses_other_channels_than_the_first() {
        let grey = encode(ImageBuffer::from_pixel(1, 1, Luma([5u8])), ImageFormat::Png);
        let folder = folder(&[("a.png", flat_png(1, 1, [1; 3])), ("b.png", grey)]);
        let text = open(&folder).unwrap().get(1).unwrap_err().to_string();
        assert!(
            text.contains("b.png: has 1 channels but the first"),
            "{text}"
        );
        let options = ImageOptions {
            channels: ChannelMode::Rgb,
            ..Default::default()
        };
        let set = ImageFolder::open(folder.path(), options).unwrap();
        assert_eq!(set.get(1).unwrap().pixels, [5; 3]);
        let stored = [0, 1].map(|index| set.stored_channels(index).unwrap());
        assert_eq!(stored, [3, 1]);
    }

    #[test]
    fn empty_and_missing_folders_say_what_is_accepted() {
        let folder = folder(&[("x.txt", vec![1])]);
        let text = open(&folder).unwrap_err().to_string();
        assert!(
            text.contains("has no pictures; accepted extensions are png, jpg or jpeg"),
            "{text}"
        );
        let error = ImageFolder::open(Path::new("/nowhere"), ImageOptions::default()).unwrap_err();
        assert!(
            error.to_string().starts_with("/nowhere: is not a folder"),
            "{error}"
        );
    }

    #[cfg(unix)]
    #[test]
    fn links_in_a_circle_end() {
        let folder = folder(&[("cat/a.png", flat_png(1, 1, [0; 3]))]);
        std::os::unix::fs::symlink(folder.path(), folder.path().join("cat/up")).unwrap();
        std::os::unix::fs::symlink("nowhere.png", folder.path().join("cat/dangling.png")).unwrap();
        let set = open(&folder).unwrap();
        assert_eq!(set.names, ["cat/a.png", "cat/dangling.png"]);
        let text = set.get(1).unwrap_err().to_string();
        assert!(
            text.contains("dangling.png: cannot read the picture"),
            "{text}"
        );
    }

    #[test]
    fn the_fingerprint_notices_content_names_and_sizes() {
        let print = |files: &[(&str, Vec<u8>)]| open(&folder(files)).unwrap().fingerprint();
        let base = print(&[("a.png", flat_png(1, 1, [1; 3]))]);
        assert_eq!(base.len(), 64);
        assert_eq!(
            base,
            print(&[("a.png", flat_png(1, 1, [1; 3])), ("b.txt", vec![])])
        );
        assert_ne!(base, print(&[("b.png", flat_png(1, 1, [1; 3]))]));
        assert_ne!(base, print(&[("a.png", flat_png(1, 1, [2; 3]))]));
        assert_ne!(
            base,
            print(&[("a.png", flat_png(1, 1, [1; 3])), ("b.png", vec![])])
        );
    }
}
