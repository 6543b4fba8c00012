//! Statistics of real pictures on the disk.

use std::collections::HashMap;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use gan_core::train::write_atomically;
use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::SetStatistics;
use crate::error::MetricError;
use crate::features::{PictureShape, hexadecimal, sha256};
use crate::score::{Classes, Estimate, Gaussian};

/// Version of the files; another one is computed anew.
const FORMAT: u32 = 2;
/// Under this name a file has all that is not a tensor.
const ABOUT: &str = "statistics";
/// Under this name it has its checksum.
const CHECKSUM: &str = "sha256";

/// Everything that decides what is collected.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatisticsKey {
    /// Checksum of the data.
    pub fingerprint: String,
    /// [`Features::name`](crate::features::Features::name), which has the checksum of the weights and
    /// the resizing mode.
    pub features: String,
    /// What is made of the pictures before, in any words: cropped, resized, in grey.
    pub pictures: String,
    /// Number of pictures.
    pub count: u64,
    /// What decides which pictures these are, and their order: a seed.
    pub order: u64,
    /// Pictures whose features are kept.
    pub kept: u64,
    /// Classes of which each has statistics of its own; 0 if none has.
    pub classes: u64,
}

/// A folder in which [`SetStatistics`] are kept, one safetensors file each.
///
/// A file is written whole or not at all, and read only if its checksum and its key are right.
#[derive(Clone, Debug)]
pub struct StatisticsCache {
    folder: PathBuf,
}

#[derive(Serialize, Deserialize)]
struct About {
    format: u32,
    key: StatisticsKey,
    count: u64,
    height: usize,
    width: usize,
    channels: usize,
    classes: Option<Classes>,
    /// Pictures of each class that has statistics of its own.
    class_counts: Vec<u64>,
    identical: bool,
}

impl StatisticsCache {
    /// The cache in `folder`, which is made when something is stored.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self {
            folder: folder.into(),
        }
    }

    /// The file for a key: `digits-1fb9a6ca-0123456789abcdef.safetensors`.
    pub fn path_of(&self, key: &StatisticsKey) -> PathBuf {
        let hash = sha256(json(key).as_bytes());
        self.folder
            .join(format!("{}-{}.safetensors", key.features, &hash[..16]))
    }

    /// What is there for a key; errors will call the set `set`.
    ///
    /// # Errors
    ///
    /// If there is a file that cannot be read or must not be trusted: compute the statistics anew.
    pub fn load(
        &self,
        key: &StatisticsKey,
        set: &str,
    ) -> Result<Option<SetStatistics>, MetricError> {
        let path = self.path_of(key);
        let bytes = match fs::read(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            bytes => bytes.map_err(MetricError::io(&path, "read the file"))?,
        };
        match parse(&bytes, key, set) {
            Some(statistics) => Ok(Some(statistics)),
            None => Err(damaged(&path)),
        }
    }

    /// Keeps statistics.
    ///
    /// # Errors
    ///
    /// If the file cannot be written.
    pub fn store(
        &self,
        key: &StatisticsKey,
        statistics: &SetStatistics,
    ) -> Result<(), MetricError> {
        let path = self.path_of(key);
        fs::create_dir_all(&self.folder)
            .map_err(MetricError::io(&self.folder, "make the folder"))?;
        write_atomically(&path, &bytes_of(key, statistics))
            .map_err(MetricError::io(&path, "write the file"))
    }

    /// What is there for a key, or else what `collect` returns, which is stored. `notice` is told
    /// why a file was not used or could not be written; neither ends anything.
    ///
    /// # Errors
    ///
    /// Those of `collect`.
    pub fn get_or_collect<E>(
        &self,
        key: &StatisticsKey,
        set: &str,
        notice: impl Fn(String),
        collect: impl FnOnce() -> Result<SetStatistics, E>,
    ) -> Result<SetStatistics, E> {
        match self.load(key, set) {
            Ok(Some(statistics)) => return Ok(statistics),
            Ok(None) => {}
            Err(error) => notice(error.to_string()),
        }
        let statistics = collect()?;
        if let Err(error) = self.store(key, &statistics) {
            notice(format!("{error}; the statistics are not kept"));
        }
        Ok(statistics)
    }
}

fn damaged(path: &Path) -> MetricError {
    MetricError::Pictures {
        place: path.display().to_string(),
        reason: "these statistics are damaged or of another version; computing them again".into(),
    }
}

fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("there are only names and numbers in it")
}

/// Of everything in a file, in the order of the names of the tensors.
fn checksum<'a>(about: &str, tensors: impl Iterator<Item = (&'a str, &'a [u8])>) -> String {
    let mut tensors: Vec<_> = tensors.collect();
    tensors.sort_unstable();
    let mut hash = Sha256::new();
    hash.update(about);
    for (name, bytes) in tensors {
        hash.update(name);
        hash.update(bytes.len().to_le_bytes());
        hash.update(bytes);
    }
    hexadecimal(&hash.finalize())
}

fn bytes_of(key: &StatisticsKey, statistics: &SetStatistics) -> Vec<u8> {
    let shape = statistics.shape;
    let about = json(&About {
        format: FORMAT,
        key: key.clone(),
        count: statistics.gaussian.count,
        height: shape.height,
        width: shape.width,
        channels: shape.channels,
        classes: statistics.classes.clone(),
        class_counts: statistics
            .by_class
            .iter()
            .map(|class| class.count)
            .collect(),
        identical: statistics.identical,
    });
    let size = statistics.gaussian.size();
    let wide = |values: &[f64]| -> Vec<u8> {
        values
            .iter()
            .flat_map(|value| value.to_le_bytes())
            .collect()
    };
    let kept = statistics.kept.iter().flat_map(|value| value.to_le_bytes());
    let rows = statistics.kept.len() / size;
    let mut tensors: Vec<(&str, Dtype, Vec<usize>, Vec<u8>)> = vec![
        (
            "mean",
            Dtype::F64,
            vec![size],
            wide(&statistics.gaussian.mean),
        ),
        (
            "covariance",
            Dtype::F64,
            vec![size, size],
            wide(&statistics.gaussian.covariance),
        ),
        ("features", Dtype::F32, vec![rows, size], kept.collect()),
    ];
    if let Some(score) = statistics.inception_score {
        let values = wide(&[score.mean, score.deviation]);
        tensors.push(("inception_score", Dtype::F64, vec![2], values));
    }
    let classes = &statistics.by_class;
    if !classes.is_empty() {
        let means = classes.iter().flat_map(|class| wide(&class.mean)).collect();
        let covariances = classes
            .iter()
            .flat_map(|class| wide(&class.covariance))
            .collect();
        let count = classes.len();
        tensors.push(("class_means", Dtype::F64, vec![count, size], means));
        tensors.push((
            "class_covariances",
            Dtype::F64,
            vec![count, size, size],
            covariances,
        ));
    }
    let sum = checksum(
        &about,
        tensors
            .iter()
            .map(|(name, _, _, bytes)| (*name, &bytes[..])),
    );
    let views = tensors.iter().map(|(name, dtype, shape, bytes)| {
        let view = TensorView::new(*dtype, shape.clone(), bytes);
        (*name, view.expect("as many bytes as the shape says"))
    });
    let metadata = HashMap::from([(ABOUT.to_owned(), about), (CHECKSUM.to_owned(), sum)]);
    safetensors::serialize(views, Some(metadata)).expect("the names are different")
}

/// `None` if anything is not as it should be.
fn parse(bytes: &[u8], key: &StatisticsKey, set: &str) -> Option<SetStatistics> {
    let (_, header) = SafeTensors::read_metadata(bytes).ok()?;
    let file = SafeTensors::deserialize(bytes).ok()?;
    let metadata = header.metadata().as_ref()?;
    let about = metadata.get(ABOUT)?;
    let tensors = file.tensors();
    let sum = checksum(
        about,
        tensors
            .iter()
            .map(|(name, view)| (name.as_str(), view.data())),
    );
    if *metadata.get(CHECKSUM)? != sum {
        return None;
    }
    let about: About = serde_json::from_str(about).ok()?;
    if about.format != FORMAT || about.key != *key || about.count != key.count {
        return None;
    }
    let wide = |name: &str| -> Option<Vec<f64>> {
        let view = file.tensor(name).ok()?;
        let (values, rest) = view.data().as_chunks();
        let values = values.iter().map(|bytes| f64::from_le_bytes(*bytes));
        (view.dtype() == Dtype::F64 && rest.is_empty()).then(|| values.collect())
    };
    let (mean, covariance) = (wide("mean")?, wide("covariance")?);
    let kept = file.tensor("features").ok()?;
    let (values, _) = kept.data().as_chunks();
    let kept: Vec<f32> = values
        .iter()
        .map(|bytes| f32::from_le_bytes(*bytes))
        .collect();
    if mean.is_empty()
        || covariance.len() != mean.len().pow(2)
        || !kept.len().is_multiple_of(mean.len())
    {
        return None;
    }
    let mut by_class = Vec::new();
    if !about.class_counts.is_empty() {
        let (means, covariances) = (wide("class_means")?, wide("class_covariances")?);
        let (size, count) = (mean.len(), about.class_counts.len());
        if means.len() != count * size || covariances.len() != count * size * size {
            return None;
        }
        let parts = means.chunks(size).zip(covariances.chunks(size * size));
        let classes = about.class_counts.iter().zip(parts);
        by_class.extend(classes.map(|(count, (mean, covariance))| Gaussian {
            count: *count,
            mean: mean.to_vec(),
            covariance: covariance.to_vec(),
        }));
    }
    let inception_score = wide("inception_score").map(|values| Estimate {
        mean: values[0],
        deviation: values[1],
    });
    Some(SetStatistics {
        set: set.to_owned(),
        features: about.key.features,
        shape: PictureShape {
            count: about.count as usize,
            height: about.height,
            width: about.width,
            channels: about.channels,
        },
        gaussian: Gaussian {
            count: about.count,
            mean,
            covariance,
        },
        by_class,
        kept,
        classes: about.classes,
        inception_score,
        identical: about.identical,
    })
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::super::statistics::tests::{by_class, pictures};
    use super::*;

    fn key() -> StatisticsKey {
        StatisticsKey {
            fingerprint: "abc".into(),
            features: "simple".into(),
            pictures: "2x2 grey".into(),
            count: 30,
            order: 0,
            kept: 30,
            classes: 0,
        }
    }

    fn computed() -> SetStatistics {
        by_class(&pictures(30, 7), 2)
    }

    /// What comes of a cache, whether it was computed, and what was said.
    fn get(cache: &StatisticsCache, key: &StatisticsKey) -> (SetStatistics, bool, Vec<String>) {
        let (said, mut anew) = (RefCell::new(Vec::new()), false);
        let found = cache
            .get_or_collect(
                key,
                "the pictures",
                |text| said.borrow_mut().push(text),
                || {
                    anew = true;
                    Ok::<_, MetricError>(computed())
                },
            )
            .unwrap();
        (found, anew, said.into_inner())
    }

    #[test]
    fn they_are_computed_once_and_come_back_to_the_last_bit() {
        let folder = tempfile::tempdir().unwrap();
        let cache = StatisticsCache::new(folder.path().join("new/folder"));
        assert_eq!(get(&cache, &key()), (computed(), true, vec![]));
        assert_eq!(get(&cache, &key()), (computed(), false, vec![]));
        let files = fs::read_dir(folder.path().join("new/folder")).unwrap();
        assert_eq!(files.count(), 1);
    }

    #[test]
    fn another_key_is_another_file() {
        let folder = tempfile::tempdir().unwrap();
        let cache = StatisticsCache::new(folder.path());
        get(&cache, &key());
        let changes: [fn(&mut StatisticsKey); 7] = [
            |key| key.fingerprint.push('d'),
            |key| key.features = "simple-clean".into(),
            |key| key.pictures.push('x'),
            |key| key.count = 31,
            |key| key.order = 1,
            |key| key.kept = 29,
            |key| key.classes = 2,
        ];
        for change in changes {
            let mut other = key();
            change(&mut other);
            assert_ne!(cache.path_of(&other), cache.path_of(&key()));
            assert!(cache.load(&other, "x").unwrap().is_none());
            // A file under the wrong name is not trusted either.
            fs::copy(cache.path_of(&key()), cache.path_of(&other)).unwrap();
            assert!(cache.load(&other, "x").is_err());
        }
    }

    #[test]
    fn damage_anywhere_is_noticed_and_repaired() {
        let folder = tempfile::tempdir().unwrap();
        let cache = StatisticsCache::new(folder.path());
        get(&cache, &key());
        let path = cache.path_of(&key());
        let whole = fs::read(&path).unwrap();
        let cuts = (0..whole.len()).step_by(7).map(|end| whole[..end].to_vec());
        let flips = (0..whole.len()).step_by(3).map(|at| {
            let mut bytes = whole.clone();
            bytes[at] ^= 1;
            bytes
        });
        for bytes in cuts.chain(flips).chain([b"rubbish".to_vec()]) {
            fs::write(&path, &bytes).unwrap();
            // What is not noticed must not matter: spaces that pad the header.
            if let Ok(found) = cache.load(&key(), "the pictures") {
                assert_eq!(found, Some(computed()));
            }
        }
        fs::write(&path, &whole[..whole.len() / 2]).unwrap();
        let (found, anew, said) = get(&cache, &key());
        assert_eq!((found, anew), (computed(), true));
        assert!(said[0].contains("computing them again"), "{said:?}");
        assert_eq!(get(&cache, &key()), (computed(), false, vec![]));
    }

    #[test]
    fn a_folder_that_cannot_be_written_is_a_notice() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("file"), "").unwrap();
        let cache = StatisticsCache::new(folder.path().join("file/below"));
        let (found, anew, said) = get(&cache, &key());
        assert_eq!((found, anew), (computed(), true));
        assert!(said.last().unwrap().contains("not kept"), "{said:?}");
    }
}
