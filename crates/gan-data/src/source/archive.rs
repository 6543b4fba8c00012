//! A zip archive of pictures, read without unpacking it.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use burn::data::dataset::Dataset;
use sha2::{Digest, Sha256};
use zip::result::ZipError;
use zip::{CompressionMethod, ZipArchive};

use super::layout::{arrange, short_name};
use super::{ImageOptions, Pictures};
use crate::picture_file::{
    MAX_FILE_BYTES, accepted_extensions, decode_picture, has_picture_extension, hex, probe_channels,
};
use crate::{ChannelMode, DataError, Picture};

/// Entries above this size must not be packed by more than [`MAX_RATIO`]: pictures are already
/// compressed, so such an entry is made to fill the memory.
const RATIO_FREE_BYTES: u64 = 1 << 20;
const MAX_RATIO: u64 = 200;

/// A zip archive of PNG and JPEG pictures, decoded when asked for, by any number of threads at once.
///
/// Order, classes and splits are those of [`ImageFolder`](super::ImageFolder), but folders around
/// everything are ignored. The directory of the archive is read once; each picture is read from its
/// place in the file.
///
/// The fingerprint covers the path, size and CRC-32 of every picture: all content, without reading it.
#[derive(Debug)]
pub struct ImageArchive {
    path: PathBuf,
    archive: ZipArchive<SharedFile>,
    entries: Vec<Entry>,
    labels: Option<Vec<usize>>,
    class_names: Option<Vec<String>>,
    channels: ChannelMode,
    keep: usize,
    fingerprint: OnceLock<String>,
}

/// A picture in the directory of the archive.
#[derive(Clone, Debug)]
struct Entry {
    index: usize,
    name: String,
    size: u64,
    crc32: u32,
}

impl ImageArchive {
    /// Reads the directory of an archive. With [`ChannelMode::Keep`] the first picture is read too.
    ///
    /// # Errors
    ///
    /// [`DataError::Io`] if the file cannot be opened, [`DataError::Damaged`] if it is no archive or
    /// cut, [`DataError::Refused`] if an entry has a path that leaves the archive, is encrypted, is
    /// packed in a way that is not read, or unpacks to too much; [`DataError::NotFound`] if there
    /// are no pictures or none for the split.
    pub fn open(path: &Path, options: ImageOptions) -> Result<Self, DataError> {
        let file = SharedFile::open(path).map_err(|e| DataError::io(path, "open the file", e))?;
        if file.length == 0 {
            return Err(DataError::damaged(
                path,
                "the archive is empty; fetch it again",
            ));
        }
        let archive = ZipArchive::new(file).map_err(|e| explain(path, e))?;
        let found = list(path, &archive)?;
        if found.is_empty() {
            let message = format!(
                "has no pictures; accepted extensions are {}",
                accepted_extensions()
            );
            return Err(DataError::not_found(path, message));
        }
        let names: Vec<String> = found.iter().map(|entry| entry.name.clone()).collect();
        let layout = arrange(path, &names, options.split, true)?;
        let mut set = Self {
            path: path.to_path_buf(),
            archive,
            entries: layout.chosen.iter().map(|&at| found[at].clone()).collect(),
            labels: layout.labels,
            class_names: layout.class_names,
            channels: options.channels,
            keep: 0,
            fingerprint: OnceLock::new(),
        };
        if options.channels == ChannelMode::Keep {
            let first = &set.entries[0];
            set.keep = probe_channels(&shown(path, &first.name), &set.read(first)?)?;
        }
        Ok(set)
    }

    /// The unpacked bytes of an entry, at most what its header promises.
    fn read(&self, entry: &Entry) -> Result<Vec<u8>, DataError> {
        let path = shown(&self.path, &entry.name);
        let broken = |error: &dyn std::fmt::Display| {
            let message = format!("cannot be unpacked ({error}); fetch the archive again");
            DataError::damaged(&path, message)
        };
        // a clone shares the directory and has a position of its own
        let mut archive = self.archive.clone();
        let file = archive.by_index(entry.index).map_err(|e| broken(&e))?;
        let mut bytes = Vec::new();
        // one more than promised, to notice an entry that holds more than its header says
        file.take(entry.size + 1)
            .read_to_end(&mut bytes)
            .map_err(|e| broken(&e))?;
        if bytes.len() as u64 != entry.size {
            return Err(broken(&format!("it does not have {} bytes", entry.size)));
        }
        Ok(bytes)
    }
}

/// The pictures in the directory of an archive; refuses what is unsafe.
fn list(path: &Path, archive: &ZipArchive<SharedFile>) -> Result<Vec<Entry>, DataError> {
    let mut found = Vec::new();
    for index in 0..archive.len() {
        let entry = archive.by_index_data(index).map_err(|e| explain(path, e))?;
        let name = String::from_utf8_lossy(entry.name_raw()).replace('\\', "/");
        if leaves_the_archive(&name) {
            let message = "has a path that leaves the archive; do not trust this archive";
            return Err(DataError::refused(shown(path, &name), message));
        }
        let hidden = name
            .split('/')
            .any(|part| part.starts_with('.') || part == "__MACOSX");
        if hidden || entry.is_dir() || entry.is_symlink() || !has_picture_extension(&name) {
            continue;
        }
        let refuse = |message: String| Err(DataError::refused(shown(path, &name), message));
        if entry.encrypted() {
            return refuse("is encrypted; pack the archive without a password".to_string());
        }
        if !matches!(
            entry.compression(),
            CompressionMethod::Stored | CompressionMethod::Deflated
        ) {
            return refuse(format!(
                "is packed with {:?}; pack the archive with deflate or store",
                entry.compression()
            ));
        }
        let (size, packed) = (entry.size(), entry.compressed_size());
        let swollen = size > RATIO_FREE_BYTES && size / packed.max(1) > MAX_RATIO;
        if size > MAX_FILE_BYTES || swollen {
            return refuse(format!(
                "unpacks from {packed} to {size} bytes, which no picture does (at most {} MiB and {MAX_RATIO} times); do not trust this archive",
                MAX_FILE_BYTES >> 20
            ));
        }
        found.push(Entry {
            index,
            size,
            crc32: entry.crc32(),
            name,
        });
    }
    Ok(found)
}

/// `/x`, `C:x` and `a/../../x` would end up outside if they were unpacked.
fn leaves_the_archive(name: &str) -> bool {
    let drive = matches!(name.as_bytes(), [letter, b':', ..] if letter.is_ascii_alphabetic());
    name.starts_with('/') || drive || name.split('/').any(|part| part == "..")
}

/// `archive.zip!entry`, for messages.
fn shown(path: &Path, entry: &str) -> PathBuf {
    PathBuf::from(format!("{}!{entry}", path.display()))
}

fn explain(path: &Path, error: ZipError) -> DataError {
    match error {
        ZipError::Io(error)
            if !matches!(
                error.kind(),
                io::ErrorKind::UnexpectedEof
                    | io::ErrorKind::InvalidData
                    | io::ErrorKind::InvalidInput
                    | io::ErrorKind::Other
            ) =>
        {
            DataError::io(path, "read the archive", error)
        }
        ZipError::UnsupportedArchive(reason) => DataError::refused(
            path,
            format!(
                "is an archive of a kind that is not read ({reason}); pack it again with deflate"
            ),
        ),
        error => DataError::damaged(
            path,
            format!("is no whole zip archive, maybe it is cut ({error}); fetch it again"),
        ),
    }
}

impl Dataset<Picture, DataError> for ImageArchive {
    fn get(&self, index: usize) -> Result<Picture, DataError> {
        let entry = &self.entries[index];
        let path = shown(&self.path, &entry.name);
        let picture = decode_picture(&path, &self.read(entry)?, self.channels, self.keep)?;
        Ok(Picture {
            label: self.label(index),
            ..picture
        })
    }

    fn len(&self) -> usize {
        self.entries.len()
    }
}

impl Pictures for ImageArchive {
    fn name(&self) -> String {
        short_name(&self.path.to_string_lossy())
    }

    fn class_names(&self) -> Option<Vec<String>> {
        self.class_names.clone()
    }

    fn label(&self, index: usize) -> Option<usize> {
        self.labels.as_ref().map(|labels| labels[index])
    }

    fn file_name(&self, index: usize) -> Option<String> {
        Some(self.entries[index].name.clone())
    }

    fn stored_channels(&self, index: usize) -> Result<usize, DataError> {
        let entry = &self.entries[index];
        probe_channels(&shown(&self.path, &entry.name), &self.read(entry)?)
    }

    fn fingerprint(&self) -> String {
        let compute = || {
            let mut hash = Sha256::new();
            for entry in &self.entries {
                hash.update(format!(
                    "{}\0{}\0{:08x}\0",
                    entry.name, entry.size, entry.crc32
                ));
            }
            hex(&hash.finalize())
        };
        self.fingerprint.get_or_init(compute).clone()
    }
}

/// An open file that many readers share, each with a position of its own.
#[derive(Clone, Debug)]
struct SharedFile {
    file: Arc<File>,
    position: u64,
    length: u64,
}

impl SharedFile {
    fn open(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        let length = file.metadata()?.len();
        Ok(Self {
            file: Arc::new(file),
            position: 0,
            length,
        })
    }
}

#[cfg(unix)]
fn read_at(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    std::os::unix::fs::FileExt::read_at(file, buffer, offset)
}

#[cfg(windows)]
fn read_at(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    std::os::windows::fs::FileExt::seek_read(file, buffer, offset)
}

impl Read for SharedFile {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = read_at(&self.file, buffer, self.position)?;
        self.position += count as u64;
        Ok(count)
    }
}

impl Seek for SharedFile {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let target = match to {
            SeekFrom::Start(offset) => Some(offset),
            SeekFrom::End(offset) => self.length.checked_add_signed(offset),
            SeekFrom::Current(offset) => self.position.checked_add_signed(offset),
        };
        self.position = target.ok_or_else(|| {
            io::Error::new(
                io::ErrorKind::InvalidInput,
                "seek before the start of the file",
            )
        })?;
        Ok(self.position)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::fs;
    use std::io::Write;
    use std::time::{Duration, Instant};

    use tempfile::TempDir;
    use zip::ZipWriter;
    use zip::write::SimpleFileOptions;

    use super::super::Split;
    use super::*;
    use crate::picture_file::tests::flat_png;

    /// The bytes of a zip archive; every second entry is stored, the others deflated.
    pub(crate) fn zip_of(files: &[(&str, Vec<u8>)]) -> Vec<u8> {
        let mut writer = ZipWriter::new(io::Cursor::new(Vec::new()));
        let methods = [CompressionMethod::Stored, CompressionMethod::Deflated];
        for ((name, bytes), method) in files.iter().zip(methods.iter().cycle()) {
            let options = SimpleFileOptions::default().compression_method(*method);
            writer.start_file(*name, options).unwrap();
            writer.write_all(bytes).unwrap();
        }
        writer.finish().unwrap().into_inner()
    }

    fn open_bytes(
        bytes: &[u8],
        options: ImageOptions,
    ) -> Result<(TempDir, ImageArchive), DataError> {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("My set.zip");
        fs::write(&path, bytes).unwrap();
        ImageArchive::open(&path, options).map(|set| (folder, set))
    }

    fn refusal(bytes: &[u8]) -> String {
        let error = match open_bytes(bytes, ImageOptions::default()) {
            Err(error) => error,
            Ok((_folder, set)) => set.get(0).expect_err("a bad archive was read"),
        };
        let text = error.to_string();
        assert!(
            text.contains("My set.zip") && !text.contains('\n'),
            "{text:?}"
        );
        text
    }

    /// Replaces every occurrence of `from` (found at least once) by `to` of the same length.
    fn patched(bytes: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
        assert_eq!(from.len(), to.len());
        let mut patched = bytes.to_vec();
        let mut count = 0;
        for at in 0..=bytes.len() - from.len() {
            if bytes[at..].starts_with(from) {
                patched[at..at + to.len()].copy_from_slice(to);
                count += 1;
            }
        }
        assert!(count > 0, "nothing to patch");
        patched
    }

    /// Changes `width` bytes of the first local header and of the first central header.
    fn with_field(bytes: &[u8], local: Option<usize>, central: usize, value: &[u8]) -> Vec<u8> {
        let mut changed = bytes.to_vec();
        let directory = bytes.windows(4).position(|w| w == b"PK\x01\x02").unwrap();
        if let Some(local) = local {
            changed[local..local + value.len()].copy_from_slice(value);
        }
        let at = directory + central;
        changed[at..at + value.len()].copy_from_slice(value);
        changed
    }

    #[test]
    fn reads_stored_and_deflated_entries_with_classes() {
        let bytes = zip_of(&[
            ("data/dog/1.png", flat_png(1, 1, [3; 3])),
            ("data/cat/1.PNG", flat_png(2, 1, [1; 3])),
            ("data/cat/.hidden.png", vec![]),
            ("__MACOSX/data/cat/1.png", vec![]),
            ("data/cat/0.png", flat_png(1, 3, [2; 3])),
            ("data/readme.txt", vec![]),
        ]);
        let (_folder, set) = open_bytes(&bytes, ImageOptions::default()).unwrap();
        assert_eq!((set.len(), set.name().as_str()), (3, "my-set"));
        assert_eq!(set.class_names().unwrap(), ["cat", "dog"]);
        let read = |index: usize| {
            let picture = set.get(index).unwrap();
            (
                picture.pixels[0],
                picture.label,
                picture.width,
                picture.height,
            )
        };
        assert_eq!(read(0), (2, Some(0), 1, 3));
        assert_eq!(read(1), (1, Some(0), 2, 1));
        assert_eq!(read(2), (3, Some(1), 1, 1));
    }

    #[test]
    fn threads_read_at_the_same_time() {
        let files: Vec<(String, Vec<u8>)> = (0..40)
            .map(|value| (format!("{value:02}.png"), flat_png(9, 9, [value; 3])))
            .collect();
        let files: Vec<_> = files
            .iter()
            .map(|(name, bytes)| (name.as_str(), bytes.clone()))
            .collect();
        let (_folder, set) = open_bytes(&zip_of(&files), ImageOptions::default()).unwrap();
        std::thread::scope(|scope| {
            for start in 0..4 {
                let set = &set;
                scope.spawn(move || {
                    for step in 0..200 {
                        let index = (start * 7 + step * 11) % 40;
                        assert_eq!(set.get(index).unwrap().pixels, [index as u8; 243]);
                    }
                });
            }
        });
    }

    #[test]
    fn paths_that_climb_out_are_refused_by_name() {
        let good = zip_of(&[("aa/bb/c.png", flat_png(1, 1, [0; 3]))]);
        for name in [
            "../../c.png",
            "aa/../c.png",
            "/a/bb/c.png",
            "..\\bb\\c.png",
            "C:/bb/c.png",
        ] {
            let name = format!("{name:c<11}");
            let name = &name[..11];
            let text = refusal(&patched(&good, b"aa/bb/c.png", name.as_bytes()));
            assert!(text.contains("leaves the archive"), "{name}: {text}");
            assert!(
                text.contains(&format!("!{}", name.replace('\\', "/"))),
                "{text}"
            );
        }
        assert!(!leaves_the_archive("a/..b/c..png"));
    }

    #[test]
    fn bombs_are_refused_before_they_are_unpacked() {
        let zeros = zip_of(&[("0.txt", vec![]), ("bomb.png", vec![0; 3 << 20])]);
        let text = refusal(&zeros);
        assert!(
            text.contains("!bomb.png: unpacks from") && text.contains("3145728"),
            "{text}"
        );
        // a directory that promises 1 GiB
        let huge = with_field(
            &zip_of(&[("a.png", vec![0; 9])]),
            None,
            24,
            &(1u32 << 30).to_le_bytes(),
        );
        assert!(refusal(&huge).contains("1073741824 bytes"));
    }

    #[test]
    fn an_entry_that_lies_about_its_size_is_unpacked_only_as_far_as_it_promises() {
        let png = flat_png(40, 40, [1; 3]);
        let deflated = zip_of(&[("0.txt", vec![]), ("a.png", png.clone())]);
        let directory = deflated
            .windows(4)
            .rposition(|w| w == b"PK\x01\x02")
            .unwrap();
        for promise in [10, png.len() as u32 + 9] {
            let mut lying = deflated.clone();
            lying[directory + 24..directory + 28].copy_from_slice(&promise.to_le_bytes());
            let text = refusal(&lying);
            assert!(text.contains("!a.png: cannot be unpacked ("), "{text}");
        }
    }

    #[test]
    fn encrypted_and_unknown_entries_are_refused() {
        let good = zip_of(&[("a.png", flat_png(1, 1, [0; 3]))]);
        let text = refusal(&with_field(&good, Some(6), 8, &[1, 0]));
        assert!(text.contains("!a.png: is encrypted"), "{text}");
        let text = refusal(&with_field(&good, Some(8), 10, &[12, 0]));
        assert!(text.contains("!a.png: is packed with"), "{text}");
    }

    #[test]
    fn damaged_archives_are_named() {
        let good = zip_of(&[
            ("a.png", flat_png(30, 30, [7; 3])),
            ("b.png", flat_png(1, 1, [0; 3])),
        ]);
        for length in [1, 4, 40, good.len() / 2, good.len() - 30, good.len() - 1] {
            let text = refusal(&good[..length]);
            assert!(text.contains("is no whole zip archive"), "{length}: {text}");
        }
        assert!(refusal(&[]).contains("is empty"));
        assert!(refusal(b"just some text, no archive at all").contains("is no whole zip archive"));
        // one flipped byte inside the stored picture is caught by its checksum
        let mut flipped = good.clone();
        flipped[60] ^= 1;
        let text = refusal(&flipped);
        assert!(text.contains("My set.zip!a.png: "), "{text}");
    }

    #[test]
    fn archives_without_pictures_say_what_is_accepted() {
        let text = refusal(&zip_of(&[("a.txt", vec![1])]));
        assert!(
            text.contains("has no pictures; accepted extensions are png"),
            "{text}"
        );
        let error = ImageArchive::open(Path::new("/nowhere.zip"), ImageOptions::default());
        let text = error.unwrap_err().to_string();
        assert!(
            text.starts_with("/nowhere.zip: cannot open the file"),
            "{text}"
        );
    }

    #[test]
    fn the_fingerprint_notices_content_and_names() {
        let print = |name: &str, value: u8| {
            let bytes = zip_of(&[(name, flat_png(1, 1, [value; 3]))]);
            open_bytes(&bytes, ImageOptions::default())
                .unwrap()
                .1
                .fingerprint()
        };
        assert_eq!(print("a.png", 1), print("a.png", 1));
        assert_ne!(print("a.png", 1), print("a.png", 2));
        assert_ne!(print("a.png", 1), print("b.png", 1));
    }

    #[test]
    fn reads_the_real_archive() {
        let Some(data) = std::env::var_os("GAN_DATA_DIR") else {
            println!(
                "GAN_DATA_DIR is not set: the real archive is not tested, synthetic ones were"
            );
            return;
        };
        let path = Path::new(&data).join("cifar10-subset.zip");
        let start = Instant::now();
        let set = ImageArchive::open(&path, ImageOptions::default()).unwrap();
        let taken = start.elapsed();
        println!("opened 25,000 entries in {taken:?}");
        assert!(taken < Duration::from_secs(2), "{taken:?}");
        let names = set.class_names().unwrap();
        assert_eq!((set.len(), names.len()), (25_000, 10));
        for index in 0..set.len() {
            let class = &names[set.label(index).unwrap()];
            let folder = format!("/{class}/");
            assert!(
                set.entries[index].name.contains(&folder),
                "{:?}",
                set.entries[index]
            );
        }
        let picture = set.get(12_345).unwrap();
        assert_eq!(
            (picture.width, picture.height, picture.channels),
            (32, 32, 3)
        );
        let count = |split| {
            let options = ImageOptions {
                split: Some(split),
                ..Default::default()
            };
            ImageArchive::open(&path, options).unwrap().len()
        };
        assert_eq!((count(Split::Train), count(Split::Test)), (20_000, 5_000));
    }
}
