//! MNIST and Fashion-MNIST from a folder with the four standard files.

use std::path::{Path, PathBuf};

use burn::data::dataset::Dataset;

use super::{IdxPictures, Pictures, Split};
use crate::{ChannelMode, DataError, Picture};

/// The first ten labels of the training and test sets of MNIST.
const DIGITS: [[u8; 10]; 2] = [
    [5, 0, 4, 1, 9, 2, 1, 3, 1, 4],
    [7, 2, 1, 0, 4, 1, 4, 9, 5, 9],
];
/// The first ten labels of the training and test sets of Fashion-MNIST.
const FASHION: [[u8; 10]; 2] = [
    [9, 0, 0, 3, 0, 2, 7, 2, 5, 5],
    [9, 2, 1, 1, 6, 1, 4, 6, 5, 7],
];
const FASHION_CLASSES: [&str; 10] = [
    "t-shirt",
    "trouser",
    "pullover",
    "dress",
    "coat",
    "sandal",
    "shirt",
    "sneaker",
    "bag",
    "ankle boot",
];

/// MNIST or Fashion-MNIST: 28 by 28 grey pictures of ten classes, kept in memory.
///
/// Any set in the same four files works. The files may be raw or gzipped, named
/// `train-images-idx3-ubyte` or `train-images.idx3-ubyte`, with or without `.gz`. Which of the two
/// sets it is only changes the name and the names of the classes; it is told by the first labels,
/// otherwise by `fashion` in the path.
///
/// The fingerprint is that of [`IdxPictures`].
#[derive(Debug)]
pub struct Mnist {
    pictures: IdxPictures,
}

impl Mnist {
    /// Reads one split from a folder.
    ///
    /// # Errors
    ///
    /// [`DataError::NotFound`] if a file of the split is missing, and the errors of
    /// [`IdxPictures::open`].
    pub fn open(folder: &Path, split: Split, channels: ChannelMode) -> Result<Self, DataError> {
        let (images, labels) = file_stems(split);
        let missing = |stem: (&str, &str)| {
            let message = format!(
                "has no {0}-{1}[.gz] nor {0}.{1}[.gz]; put it there or name another folder",
                stem.0, stem.1
            );
            DataError::not_found(folder, message)
        };
        let images = find(folder, images).ok_or_else(|| missing(images))?;
        let labels = find(folder, labels).ok_or_else(|| missing(labels))?;
        let pictures = IdxPictures::open(&images, Some(&labels), channels)?;
        let classes = pictures.class_names().map_or(0, |names| names.len());
        let pictures = if classes <= 10 && is_fashion(folder, pictures.labels().unwrap_or(&[])) {
            let names = FASHION_CLASSES.iter().map(|name| name.to_string());
            pictures.named("fashion-mnist", names.collect())
        } else {
            let names = (0..classes.max(10)).map(|class| class.to_string());
            pictures.named("mnist", names.collect())
        };
        Ok(Self { pictures })
    }
}

/// Whether a folder has both files of the split, so that [`Mnist::open`] has something to read.
pub fn has_mnist(folder: &Path, split: Split) -> bool {
    let (images, labels) = file_stems(split);
    find(folder, images).is_some() && find(folder, labels).is_some()
}

/// Whether a folder has the pictures of any split, with or without labels.
pub(crate) fn has_any_images(folder: &Path) -> bool {
    [Split::Train, Split::Test]
        .iter()
        .any(|split| find(folder, file_stems(*split).0).is_some())
}

/// The parts of the names of the pictures and the labels.
fn file_stems(split: Split) -> ((&'static str, &'static str), (&'static str, &'static str)) {
    match split {
        Split::Train => (
            ("train-images", "idx3-ubyte"),
            ("train-labels", "idx1-ubyte"),
        ),
        Split::Test => (("t10k-images", "idx3-ubyte"), ("t10k-labels", "idx1-ubyte")),
    }
}

fn find(folder: &Path, (stem, kind): (&str, &str)) -> Option<PathBuf> {
    ["-", "."]
        .iter()
        .flat_map(|dot| ["", ".gz"].map(|end| folder.join(format!("{stem}{dot}{kind}{end}"))))
        .find(|path| path.is_file())
}

fn is_fashion(folder: &Path, labels: &[u8]) -> bool {
    let starts_like = |known: &[[u8; 10]; 2]| known.iter().any(|first| labels.starts_with(first));
    let named = folder.to_string_lossy().to_lowercase().contains("fashion");
    starts_like(&FASHION) || (named && !starts_like(&DIGITS))
}

impl Dataset<Picture, DataError> for Mnist {
    fn get(&self, index: usize) -> Result<Picture, DataError> {
        self.pictures.get(index)
    }

    fn len(&self) -> usize {
        self.pictures.len()
    }
}

impl Pictures for Mnist {
    fn name(&self) -> String {
        self.pictures.name()
    }

    fn class_names(&self) -> Option<Vec<String>> {
        self.pictures.class_names()
    }

    fn label(&self, index: usize) -> Option<usize> {
        self.pictures.label(index)
    }

    fn fingerprint(&self) -> String {
        self.pictures.fingerprint()
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::fs;

    use tempfile::TempDir;

    use super::super::idx::tests::{gzip, idx};
    use super::*;

    /// Writes a training set of `labels.len()` pictures of 2 by 2 into a folder.
    pub(crate) fn write_train(folder: &Path, labels: &[u8]) {
        fs::create_dir_all(folder).unwrap();
        let count = labels.len() as u32;
        let pixels = vec![9; labels.len() * 4];
        fs::write(
            folder.join("train-images-idx3-ubyte.gz"),
            gzip(&idx(&[count, 2, 2], &pixels)),
        )
        .unwrap();
        fs::write(
            folder.join("train-labels.idx1-ubyte"),
            idx(&[count], labels),
        )
        .unwrap();
    }

    fn open(folder: &Path) -> Result<Mnist, DataError> {
        Mnist::open(folder, Split::Train, ChannelMode::Keep)
    }

    #[test]
    fn reads_dashed_and_dotted_raw_and_gzipped_names() {
        let folder = TempDir::new().unwrap();
        write_train(folder.path(), &[3, 1]);
        let set = open(folder.path()).unwrap();
        assert_eq!(
            (set.len(), set.label(0), set.name().as_str()),
            (2, Some(3), "mnist")
        );
        assert_eq!(set.class_names().unwrap()[9], "9");
        assert!(has_mnist(folder.path(), Split::Train));
        assert!(!has_mnist(folder.path(), Split::Test));
    }

    #[test]
    fn tells_fashion_by_content_then_by_path() {
        let folder = TempDir::new().unwrap();
        let (plain, named) = (folder.path().join("a"), folder.path().join("Fashion"));
        let name = |folder: &Path, labels: &[u8]| {
            write_train(folder, labels);
            open(folder).unwrap().name()
        };
        assert_eq!(name(&plain, &FASHION[0]), "fashion-mnist");
        assert_eq!(name(&plain, &DIGITS[0]), "mnist");
        assert_eq!(name(&named, &[1, 2]), "fashion-mnist");
        assert_eq!(name(&named, &DIGITS[0]), "mnist");
        assert_eq!(name(&named, &[1, 20]), "mnist");
        assert_eq!(open(&named).unwrap().class_names().unwrap().len(), 21);
    }

    #[test]
    fn names_the_missing_file() {
        let folder = TempDir::new().unwrap();
        write_train(folder.path(), &[0]);
        fs::remove_file(folder.path().join("train-labels.idx1-ubyte")).unwrap();
        let text = open(folder.path()).unwrap_err().to_string();
        assert!(
            text.contains("has no train-labels-idx1-ubyte[.gz]"),
            "{text}"
        );
        let test = Mnist::open(folder.path(), Split::Test, ChannelMode::Keep).unwrap_err();
        assert!(test.to_string().contains("t10k-images"), "{test}");
    }

    #[test]
    fn reads_the_real_set() {
        let Some(data) = std::env::var_os("GAN_DATA_DIR") else {
            println!("GAN_DATA_DIR is not set: the real MNIST is not tested, synthetic files were");
            return;
        };
        let folder = Path::new(&data).join("mnist");
        let set = open(&folder).unwrap();
        assert_eq!((set.len(), set.name().as_str()), (60_000, "mnist"));
        let mut histogram = [0; 10];
        (0..set.len()).for_each(|index| histogram[set.label(index).unwrap()] += 1);
        let wanted = [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949];
        assert_eq!(histogram, wanted);
        let first = set.get(0).unwrap();
        assert_eq!((first.width, first.height, first.channels), (28, 28, 1));
        assert_eq!(first.label, Some(5));
        // the published mean of the training pictures is 0.1307 of white
        let sum: u64 = set.pictures_sum();
        let mean = sum as f64 / (60_000.0 * 784.0 * 255.0);
        assert!((mean - 0.1307).abs() < 5e-5, "{mean}");
        let test = Mnist::open(&folder, Split::Test, ChannelMode::Rgb).unwrap();
        assert_eq!((test.len(), test.get(0).unwrap().channels), (10_000, 3));
        assert_ne!(test.fingerprint(), set.fingerprint());
    }

    impl Mnist {
        fn pictures_sum(&self) -> u64 {
            (0..self.len())
                .flat_map(|index| self.get(index).unwrap().pixels)
                .map(u64::from)
                .sum()
        }
    }
}
