//! CIFAR-10 in its binary version.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use burn::data::dataset::Dataset;
use sha2::{Digest, Sha256};

use super::{Pictures, Split};
use crate::picture_file::{convert_channels, hex};
use crate::{ChannelMode, DataError, Picture};

const SIDE: usize = 32;
const PLANE: usize = SIDE * SIDE;
/// One label byte, then the red, the green and the blue plane.
const RECORD: usize = 1 + 3 * PLANE;
/// The official files hold 10,000 records; more than a hundred times that is another file.
const MAX_FILE_BYTES: u64 = 1_000_000 * RECORD as u64;

const CLASSES: [&str; 10] = [
    "airplane",
    "automobile",
    "bird",
    "cat",
    "deer",
    "dog",
    "frog",
    "horse",
    "ship",
    "truck",
];

/// The folder inside the official archive.
pub(crate) const CIFAR_FOLDER: &str = "cifar-10-batches-bin";

/// CIFAR-10: 32 by 32 colour pictures of ten classes, kept in memory.
///
/// The fingerprint covers all labels and pixels of the split.
#[derive(Debug)]
pub struct Cifar10 {
    /// Whole records of [`RECORD`] bytes.
    records: Vec<u8>,
    channels: ChannelMode,
    fingerprint: OnceLock<String>,
}

impl Cifar10 {
    /// Reads one split from a folder with `data_batch_1.bin` to `data_batch_5.bin` and
    /// `test_batch.bin`, or with a folder `cifar-10-batches-bin` that has them.
    ///
    /// # Errors
    ///
    /// [`DataError::NotFound`] if a file of the split is missing, [`DataError::Damaged`] if one is
    /// empty, does not hold whole records, or has a label above 9.
    pub fn open(folder: &Path, split: Split, channels: ChannelMode) -> Result<Self, DataError> {
        let inner = folder.join(CIFAR_FOLDER);
        let folder = if inner.is_dir() { &inner } else { folder };
        let mut records = Vec::new();
        for name in cifar_files(split) {
            read_records(&folder.join(name), &mut records)?;
        }
        Ok(Self {
            records,
            channels,
            fingerprint: OnceLock::new(),
        })
    }

    fn record(&self, index: usize) -> &[u8] {
        &self.records[index * RECORD..(index + 1) * RECORD]
    }
}

/// The names of the files of a split.
pub(crate) fn cifar_files(split: Split) -> Vec<String> {
    match split {
        Split::Train => (1..=5)
            .map(|batch| format!("data_batch_{batch}.bin"))
            .collect(),
        Split::Test => vec!["test_batch.bin".to_string()],
    }
}

/// The folder of the binary files, if there is at least one of them.
pub(crate) fn find_cifar(folder: &Path) -> Option<PathBuf> {
    let names = [cifar_files(Split::Train), cifar_files(Split::Test)].concat();
    [folder.to_path_buf(), folder.join(CIFAR_FOLDER)]
        .into_iter()
        .find(|folder| names.iter().any(|name| folder.join(name).is_file()))
}

/// Appends the records of a file.
fn read_records(path: &Path, records: &mut Vec<u8>) -> Result<(), DataError> {
    if !path.is_file() {
        let message = "is missing; CIFAR-10 needs data_batch_1.bin to data_batch_5.bin and test_batch.bin, unpack the whole archive";
        return Err(DataError::not_found(path, message));
    }
    let length = fs::metadata(path)
        .map_err(|e| DataError::io(path, "read the size of the file", e))?
        .len();
    if length == 0 || length % RECORD as u64 != 0 || length > MAX_FILE_BYTES {
        let message = format!(
            "has {length} bytes, which is not a number of CIFAR-10 records of {RECORD} bytes; unpack it again"
        );
        return Err(DataError::damaged(path, message));
    }
    let bytes = fs::read(path).map_err(|e| DataError::io(path, "read the file", e))?;
    for (index, record) in bytes.chunks(RECORD).enumerate() {
        if usize::from(record[0]) >= CLASSES.len() || record.len() < RECORD {
            let message = format!(
                "record {index} has label {} but CIFAR-10 has 10 classes; this is not the binary version, or it is damaged",
                record[0]
            );
            return Err(DataError::damaged(path, message));
        }
    }
    records.extend(bytes);
    Ok(())
}

impl Dataset<Picture, DataError> for Cifar10 {
    fn get(&self, index: usize) -> Result<Picture, DataError> {
        let planes = &self.record(index)[1..];
        let pixels = (0..PLANE)
            .flat_map(|at| [planes[at], planes[PLANE + at], planes[2 * PLANE + at]])
            .collect();
        let picture = Picture {
            width: SIDE,
            height: SIDE,
            channels: 3,
            pixels,
            label: self.label(index),
            caption: None,
        };
        Ok(convert_channels(picture, self.channels))
    }

    fn len(&self) -> usize {
        self.records.len() / RECORD
    }
}

impl Pictures for Cifar10 {
    fn name(&self) -> String {
        "cifar10".to_string()
    }

    fn class_names(&self) -> Option<Vec<String>> {
        Some(CLASSES.iter().map(|name| name.to_string()).collect())
    }

    fn label(&self, index: usize) -> Option<usize> {
        Some(usize::from(self.record(index)[0]))
    }

    fn fingerprint(&self) -> String {
        let compute = || hex(&Sha256::digest(&self.records));
        self.fingerprint.get_or_init(compute).clone()
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use tempfile::TempDir;

    use super::*;

    /// A record with a ramp in red, its reverse in green and a constant blue.
    fn record(label: u8) -> Vec<u8> {
        let ramp = |at: usize| (at % 256) as u8;
        let mut record = vec![label];
        record.extend((0..PLANE).map(ramp));
        record.extend((0..PLANE).map(|at| 255 - ramp(at)));
        record.extend([label; PLANE]);
        record
    }

    /// Writes all six files, one record each, with the labels 1 to 5 and 9.
    pub(crate) fn write_cifar(folder: &Path) {
        fs::create_dir_all(folder).unwrap();
        for (label, name) in (1..).zip(cifar_files(Split::Train)) {
            fs::write(folder.join(name), record(label)).unwrap();
        }
        fs::write(folder.join("test_batch.bin"), record(9)).unwrap();
    }

    fn open(folder: &Path, split: Split) -> Result<Cifar10, DataError> {
        Cifar10::open(folder, split, ChannelMode::Keep)
    }

    #[test]
    fn interleaves_the_planes() {
        let folder = TempDir::new().unwrap();
        write_cifar(folder.path());
        let set = open(folder.path(), Split::Train).unwrap();
        assert_eq!(set.len(), 5);
        let picture = set.get(2).unwrap();
        assert_eq!(
            (picture.width, picture.height, picture.channels),
            (32, 32, 3)
        );
        assert_eq!(picture.label, Some(3));
        assert_eq!(picture.pixels[..6], [0, 255, 3, 1, 254, 3]);
        assert_eq!(picture.pixels.len(), 3072);
        let test = open(folder.path(), Split::Test).unwrap();
        assert_eq!((test.len(), test.label(0)), (1, Some(9)));
        assert_eq!(test.class_names().unwrap()[9], "truck");
        assert_ne!(test.fingerprint(), set.fingerprint());
    }

    #[test]
    fn looks_into_the_folder_of_the_archive() {
        let folder = TempDir::new().unwrap();
        write_cifar(&folder.path().join(CIFAR_FOLDER));
        assert_eq!(open(folder.path(), Split::Train).unwrap().len(), 5);
        assert_eq!(
            find_cifar(folder.path()).unwrap(),
            folder.path().join(CIFAR_FOLDER)
        );
    }

    #[test]
    fn bad_files_are_named() {
        let folder = TempDir::new().unwrap();
        write_cifar(folder.path());
        let path = folder.path().join("data_batch_3.bin");
        let refusal = || open(folder.path(), Split::Train).unwrap_err().to_string();
        for (bytes, wanted) in [
            (vec![], "has 0 bytes"),
            (record(0)[..3000].to_vec(), "has 3000 bytes"),
            ([record(0), vec![0]].concat(), "has 3074 bytes"),
            ([record(0), record(10)].concat(), "record 1 has label 10"),
        ] {
            fs::write(&path, bytes).unwrap();
            let text = refusal();
            assert!(
                text.contains("data_batch_3.bin: ") && text.contains(wanted),
                "{text}"
            );
        }
        fs::remove_file(&path).unwrap();
        assert!(
            refusal().contains("data_batch_3.bin: is missing"),
            "{}",
            refusal()
        );
    }
}
