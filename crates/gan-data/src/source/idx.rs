//! The IDX format of MNIST: a small header, then bytes.
//!
//! `00 00 08 rank`, then one big-endian 32-bit size per dimension, then the values, last dimension
//! fastest. Files are read raw or gzipped; which of the two is decided by content.

use std::fs::File;
use std::io::{self, BufReader, Cursor, Read};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use burn::data::dataset::Dataset;
use flate2::read::MultiGzDecoder;
use sha2::{Digest, Sha256};

use super::Pictures;
use crate::picture_file::{MAX_SIDE, convert_channels, hex};
use crate::{ChannelMode, DataError, Picture};

/// The element type "unsigned byte", the only one that is read.
const TYPE_U8: u8 = 8;
/// Deflate cannot expand by more than 1032 to 1, so a larger promise is a lie.
const MAX_DEFLATE_RATIO: u64 = 1032;

/// The content of an IDX file of unsigned bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdxArray {
    /// The size of each dimension; all at least 1.
    pub dims: Vec<usize>,
    /// The values, last dimension fastest: as many as the product of `dims`.
    pub bytes: Vec<u8>,
}

/// Reads an IDX file of unsigned bytes with `rank` dimensions, raw or gzipped.
///
/// No more memory is used than the file can honestly fill: the sizes in the header are compared
/// with the length of the file before anything is allocated, and unpacking stops at what they
/// promise.
///
/// # Errors
///
/// [`DataError::Io`] if the file cannot be read. [`DataError::Damaged`] if it is empty, not IDX,
/// cut, longer than its header says, or broken gzip. [`DataError::Refused`] if it is IDX of another
/// type or rank.
pub fn read_idx(path: &Path, rank: usize) -> Result<IdxArray, DataError> {
    let mut file = File::open(path).map_err(|e| DataError::io(path, "open the file", e))?;
    let length = file
        .metadata()
        .map_err(|e| DataError::io(path, "read the size of the file", e))?
        .len();
    if length == 0 {
        return Err(DataError::damaged(
            path,
            "the file is empty; fetch it again",
        ));
    }
    let mut start = Vec::new();
    file.by_ref()
        .take(2)
        .read_to_end(&mut start)
        .map_err(|e| DataError::io(path, "read the file", e))?;
    let gzipped = start == [0x1f, 0x8b];
    let whole = Cursor::new(start).chain(BufReader::new(file));
    if gzipped {
        let budget = length.saturating_mul(MAX_DEFLATE_RATIO);
        read_array(path, rank, &mut MultiGzDecoder::new(whole), budget, true)
    } else {
        let mut whole = whole;
        read_array(path, rank, &mut whole, length, false)
    }
}

/// Reads header and values from `reader`, which cannot yield more than `budget` bytes.
fn read_array(
    path: &Path,
    rank: usize,
    reader: &mut dyn Read,
    budget: u64,
    gzipped: bool,
) -> Result<IdxArray, DataError> {
    let mut header = Vec::with_capacity(4 + 4 * rank);
    read_up_to(path, reader, 4, &mut header, gzipped)?;
    check_magic(path, rank, &header)?;
    read_up_to(path, reader, 4 * rank as u64, &mut header, gzipped)?;
    if header.len() < 4 + 4 * rank {
        return Err(cut_header(path, header.len(), 4 + 4 * rank));
    }
    let sizes: Vec<u64> = header[4..]
        .chunks_exact(4)
        .map(|b| u64::from(u32::from_be_bytes([b[0], b[1], b[2], b[3]])))
        .collect();
    let promised = check_sizes(path, &sizes, header.len() as u64, budget)?;

    let mut bytes = Vec::new();
    // one more than promised, to notice what does not belong there
    read_up_to(path, reader, promised + 1, &mut bytes, gzipped)?;
    let found = bytes.len() as u64;
    if found < promised {
        let message = format!(
            "the header {sizes:?} promises {promised} bytes but only {found} follow; the file is cut, fetch it again"
        );
        return Err(DataError::damaged(path, message));
    }
    if found > promised {
        let message = format!(
            "more bytes follow than the {promised} that the header {sizes:?} promises; fetch the file again"
        );
        return Err(DataError::damaged(path, message));
    }
    let dims = sizes.iter().map(|&size| size as usize).collect();
    Ok(IdxArray { dims, bytes })
}

/// Appends at most `limit` bytes of `reader` to `into`.
fn read_up_to(
    path: &Path,
    reader: &mut dyn Read,
    limit: u64,
    into: &mut Vec<u8>,
    gzipped: bool,
) -> Result<(), DataError> {
    match reader.take(limit).read_to_end(into) {
        Ok(_) => Ok(()),
        Err(error) if gzipped => {
            let message = match error.kind() {
                io::ErrorKind::UnexpectedEof => {
                    "the gzip data is cut; fetch the file again".to_string()
                }
                _ => format!("the gzip data is broken ({error}); fetch the file again"),
            };
            Err(DataError::damaged(path, message))
        }
        Err(error) => Err(DataError::io(path, "read the file", error)),
    }
}

fn cut_header(path: &Path, found: usize, wanted: usize) -> DataError {
    let message =
        format!("the IDX header is cut: {found} bytes instead of {wanted}; fetch the file again");
    DataError::damaged(path, message)
}

/// Checks the first four bytes: IDX, of unsigned bytes, of the right rank.
fn check_magic(path: &Path, rank: usize, magic: &[u8]) -> Result<(), DataError> {
    if !magic.starts_with(&[0, 0]) && magic.len() >= 2 {
        let guess = match magic {
            [b'<', ..] => "it looks like a web page, so a download went wrong",
            [b'P', b'K', ..] => "it looks like a zip archive; unpack it",
            _ => "fetch it again or name another file",
        };
        let message = format!("not an IDX file: it starts with {magic:02x?}; {guess}");
        return Err(DataError::damaged(path, message));
    }
    if magic.len() < 4 {
        return Err(cut_header(path, magic.len(), 4 + 4 * rank));
    }
    if magic[2] != TYPE_U8 {
        let message = format!(
            "holds IDX values of type 0x{:02x}; only unsigned bytes (0x08) are read",
            magic[2]
        );
        return Err(DataError::refused(path, message));
    }
    if usize::from(magic[3]) != rank {
        let hint = match (rank, magic[3]) {
            (3, 1) => "; this is a file of labels where pictures were expected",
            (1, 3) => "; this is a file of pictures where labels were expected",
            _ => "",
        };
        let message = format!(
            "has {} dimensions where {rank} were expected{hint}",
            magic[3]
        );
        return Err(DataError::refused(path, message));
    }
    Ok(())
}

/// The number of bytes that `sizes` promise, if a file with `budget` bytes could hold them.
fn check_sizes(path: &Path, sizes: &[u64], header: u64, budget: u64) -> Result<u64, DataError> {
    if sizes.contains(&0) {
        let message = format!("the header {sizes:?} says that there is nothing in it");
        return Err(DataError::damaged(path, message));
    }
    if sizes[1..].iter().any(|&side| side > MAX_SIDE as u64) {
        let message = format!(
            "the header {sizes:?} is absurd: a side is longer than {MAX_SIDE}; fetch the file again"
        );
        return Err(DataError::damaged(path, message));
    }
    let promised = sizes
        .iter()
        .try_fold(1u64, |product, &size| product.checked_mul(size));
    match promised {
        Some(promised) if header.saturating_add(promised) <= budget => Ok(promised),
        _ => {
            let message = format!(
                "the header {sizes:?} promises more bytes than the file can hold; the file is cut or damaged, fetch it again"
            );
            Err(DataError::damaged(path, message))
        }
    }
}

/// Pictures, and labels if there are any, from IDX files; kept in memory in 8 bits.
///
/// The fingerprint covers the sizes, all pixels and all labels, so the raw and the gzipped file
/// have the same.
#[derive(Debug)]
pub struct IdxPictures {
    name: String,
    height: usize,
    width: usize,
    pixels: Vec<u8>,
    labels: Option<Vec<u8>>,
    class_names: Option<Vec<String>>,
    channels: ChannelMode,
    fingerprint: OnceLock<String>,
}

impl IdxPictures {
    /// Reads a file of pictures (`[count, height, width]`) and optionally one of labels (`[count]`).
    ///
    /// The classes are named `0`, `1`, … up to the largest label.
    ///
    /// # Errors
    ///
    /// Those of [`read_idx`]; [`DataError::Damaged`] if the counts differ.
    pub fn open(
        pictures: &Path,
        labels: Option<&Path>,
        channels: ChannelMode,
    ) -> Result<Self, DataError> {
        let array = read_idx(pictures, 3)?;
        let (count, height, width) = (array.dims[0], array.dims[1], array.dims[2]);
        let labels = match labels {
            None => None,
            Some(path) => {
                let labels = read_idx(path, 1)?;
                if labels.dims[0] != count {
                    let message = format!(
                        "holds {} labels but {} holds {count} pictures; the two belong to different sets",
                        labels.dims[0],
                        pictures.display()
                    );
                    return Err(DataError::damaged(path, message));
                }
                Some(labels.bytes)
            }
        };
        let class_names = labels.as_ref().map(|labels| {
            let largest = labels.iter().copied().max().unwrap_or(0);
            (0..=largest).map(|class| class.to_string()).collect()
        });
        Ok(Self {
            name: name_of(pictures),
            height,
            width,
            pixels: array.bytes,
            labels,
            class_names,
            channels,
            fingerprint: OnceLock::new(),
        })
    }

    /// All labels in order, if there are any.
    pub fn labels(&self) -> Option<&[u8]> {
        self.labels.as_deref()
    }

    /// Gives the set and its classes other names.
    ///
    /// # Panics
    ///
    /// Panics if there are fewer names than classes.
    pub(crate) fn named(mut self, name: &str, class_names: Vec<String>) -> Self {
        let known = self.class_names.as_ref().map_or(0, Vec::len);
        assert!(
            class_names.len() >= known,
            "IdxPictures: {} names for {known} classes",
            class_names.len()
        );
        self.name = name.to_string();
        self.class_names = self.labels.as_ref().map(|_| class_names);
        self
    }
}

/// `train-images-idx3-ubyte.gz` becomes `train-images-idx3-ubyte`.
fn name_of(path: &Path) -> String {
    let mut path = PathBuf::from(path.file_name().unwrap_or_default());
    if path
        .extension()
        .is_some_and(|e| e.eq_ignore_ascii_case("gz"))
    {
        path.set_extension("");
    }
    super::layout::short_name(&path.to_string_lossy())
}

impl Dataset<Picture, DataError> for IdxPictures {
    fn get(&self, index: usize) -> Result<Picture, DataError> {
        let size = self.height * self.width;
        let picture = Picture {
            width: self.width,
            height: self.height,
            channels: 1,
            pixels: self.pixels[index * size..(index + 1) * size].to_vec(),
            label: self.label(index),
            caption: None,
        };
        Ok(convert_channels(picture, self.channels))
    }

    fn len(&self) -> usize {
        self.pixels.len() / (self.height * self.width)
    }
}

impl Pictures for IdxPictures {
    fn name(&self) -> String {
        self.name.clone()
    }

    fn class_names(&self) -> Option<Vec<String>> {
        self.class_names.clone()
    }

    fn label(&self, index: usize) -> Option<usize> {
        self.labels
            .as_ref()
            .map(|labels| usize::from(labels[index]))
    }

    fn fingerprint(&self) -> String {
        let compute = || {
            let mut hash = Sha256::new();
            hash.update(format!(
                "idx {} {} {}\n",
                self.len(),
                self.height,
                self.width
            ));
            hash.update(&self.pixels);
            if let Some(labels) = &self.labels {
                hash.update(labels);
            }
            hex(&hash.finalize())
        };
        self.fingerprint.get_or_init(compute).clone()
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::fs;
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;
    use tempfile::TempDir;

    use super::*;

    /// The bytes of an IDX file of unsigned bytes.
    pub(crate) fn idx(dims: &[u32], bytes: &[u8]) -> Vec<u8> {
        let mut file = vec![0, 0, TYPE_U8, dims.len() as u8];
        for dim in dims {
            file.extend(dim.to_be_bytes());
        }
        file.extend(bytes);
        file
    }

    pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    /// Twelve values: three pictures of two rows and two columns.
    fn three_pictures() -> Vec<u8> {
        idx(&[3, 2, 2], &(0..12).collect::<Vec<u8>>())
    }

    /// Writes `bytes` and reads them as IDX of the rank.
    fn read(bytes: &[u8], rank: usize) -> Result<IdxArray, DataError> {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("file");
        fs::write(&path, bytes).unwrap();
        read_idx(&path, rank)
    }

    fn refusal(bytes: &[u8], rank: usize) -> String {
        let text = read(bytes, rank).unwrap_err().to_string();
        assert!(text.contains("file: "), "no path in: {text}");
        assert!(!text.contains('\n'), "{text:?}");
        text
    }

    #[test]
    fn reads_raw_and_gzip_alike_whatever_the_name() {
        let expected = IdxArray {
            dims: vec![3, 2, 2],
            bytes: (0..12).collect(),
        };
        assert_eq!(read(&three_pictures(), 3).unwrap(), expected);
        assert_eq!(read(&gzip(&three_pictures()), 3).unwrap(), expected);
    }

    #[test]
    fn names_what_is_wrong_with_a_raw_file() {
        let good = three_pictures();
        let mut float = good.clone();
        float[2] = 0x0d;
        let mut longer = good.clone();
        longer.push(0);
        for (bytes, wanted) in [
            (vec![], "is empty"),
            (vec![0], "header is cut: 1 bytes"),
            (good[..3].to_vec(), "header is cut: 3 bytes"),
            (good[..15].to_vec(), "header is cut: 15 bytes instead of 16"),
            (b"<html>".to_vec(), "web page"),
            (b"PK\x03\x04rest".to_vec(), "zip archive"),
            (b"\x89PNG....".to_vec(), "not an IDX file"),
            (float, "type 0x0d"),
            (idx(&[12], &[0; 12]), "labels where pictures were expected"),
            (idx(&[1, 1, 1, 1], &[0]), "has 4 dimensions where 3"),
            (idx(&[3, 0, 2], &[]), "nothing in it"),
            (idx(&[0, 28, 28], &[]), "nothing in it"),
            (idx(&[u32::MAX; 3], &[0; 12]), "absurd"),
            (
                idx(&[u32::MAX, 16384, 16384], &[0; 12]),
                "more bytes than the file can hold",
            ),
            (good[..20].to_vec(), "more bytes than the file can hold"),
            (longer, "more bytes follow than the 12"),
        ] {
            let text = refusal(&bytes, 3);
            assert!(text.contains(wanted), "{wanted:?} not in {text:?}");
        }
        assert!(refusal(&good, 1).contains("pictures where labels were expected"));
    }

    #[test]
    fn names_what_is_wrong_with_a_gzip_file() {
        let good = three_pictures();
        let packed = gzip(&good);
        let mut flipped = packed.clone();
        let last = flipped.len() - 6; // inside the checksum at the end
        flipped[last] ^= 0xff;
        let mut trailing = packed.clone();
        trailing.extend(b"garbage after the end");
        for (bytes, wanted) in [
            (packed[..5].to_vec(), "gzip data is"),
            (packed[..packed.len() - 9].to_vec(), "gzip data is cut"),
            (flipped, "gzip data is broken"),
            (trailing, "gzip data is broken"),
            (gzip(&good[..20]), "only 4 follow"),
            (gzip(&[]), "header is cut: 0 bytes"),
            (
                gzip(&idx(&[u32::MAX, 1000, 1000], &[0; 50])),
                "more bytes than the file can hold",
            ),
            (
                gzip(&[good.clone(), vec![7]].concat()),
                "more bytes follow than the 12",
            ),
        ] {
            let text = refusal(&bytes, 3);
            assert!(text.contains(wanted), "{wanted:?} not in {text:?}");
        }
    }

    #[test]
    fn a_gzip_bomb_is_unpacked_only_as_far_as_its_header_promises() {
        // a reader that would give zeros for ever, behind a header for four bytes
        let mut endless = Cursor::new(idx(&[1, 2, 2], &[])).chain(io::repeat(0));
        let error = read_array(Path::new("bomb"), 3, &mut endless, u64::MAX, true).unwrap_err();
        assert!(
            error.to_string().contains("more bytes follow than the 4"),
            "{error}"
        );
    }

    #[test]
    fn a_missing_file_is_named() {
        let error = read_idx(Path::new("/nowhere/x"), 3).unwrap_err();
        assert!(matches!(error, DataError::Io { .. }));
        assert!(
            error.to_string().starts_with("/nowhere/x: cannot open"),
            "{error}"
        );
    }

    #[test]
    fn hands_out_pictures_with_labels() {
        let folder = TempDir::new().unwrap();
        let (images, labels) = (folder.path().join("a.gz"), folder.path().join("b"));
        fs::write(&images, gzip(&three_pictures())).unwrap();
        fs::write(&labels, idx(&[3], &[2, 0, 255])).unwrap();
        let set = IdxPictures::open(&images, Some(&labels), ChannelMode::Rgb).unwrap();
        assert_eq!((set.len(), set.name().as_str()), (3, "a"));
        let picture = set.get(1).unwrap();
        assert_eq!((picture.width, picture.height, picture.channels), (2, 2, 3));
        assert_eq!(picture.pixels, [4, 4, 4, 5, 5, 5, 6, 6, 6, 7, 7, 7]);
        assert_eq!(picture.label, Some(0));
        assert_eq!(set.label(2), Some(255));
        assert_eq!(set.class_names().unwrap().len(), 256);
    }

    #[test]
    fn labels_of_another_set_are_refused() {
        let folder = TempDir::new().unwrap();
        let (images, labels) = (folder.path().join("a"), folder.path().join("b"));
        fs::write(&images, three_pictures()).unwrap();
        fs::write(&labels, idx(&[4], &[0; 4])).unwrap();
        let error = IdxPictures::open(&images, Some(&labels), ChannelMode::Keep).unwrap_err();
        let text = error.to_string();
        assert!(
            text.contains("b: holds 4 labels but") && text.contains("holds 3 pictures"),
            "{text}"
        );
    }

    #[test]
    fn the_fingerprint_follows_the_content_only() {
        let folder = TempDir::new().unwrap();
        let print = |name: &str, bytes: &[u8], labels: Option<&[u8]>| {
            let path = folder.path().join(name);
            fs::write(&path, bytes).unwrap();
            let label_path = folder.path().join("labels");
            if let Some(labels) = labels {
                fs::write(&label_path, idx(&[3], labels)).unwrap();
            }
            let set = IdxPictures::open(
                &path,
                labels.map(|_| label_path.as_path()),
                ChannelMode::Keep,
            );
            set.unwrap().fingerprint()
        };
        let raw = print("raw", &three_pictures(), None);
        assert_eq!(raw.len(), 64);
        assert_eq!(raw, print("packed", &gzip(&three_pictures()), None));
        assert_ne!(raw, print("raw", &three_pictures(), Some(&[0, 1, 2])));
        let other = idx(&[3, 1, 4], &(0..12).collect::<Vec<u8>>());
        assert_ne!(raw, print("raw", &other, None));
    }
}
