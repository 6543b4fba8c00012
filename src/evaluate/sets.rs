//! Sets of pictures in batches, and what is collected from them.

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use burn::prelude::*;
use gan_core::rng::Stream;
use gan_data::io::pictures_from;
use gan_data::source::{Pictures, Split, cache_dir, open};
use gan_data::transform::{Crop, TransformConfig};
use gan_data::{ChannelMode, Picture, PixelRange};
use gan_metrics::features::{Features, PictureShape};
use gan_metrics::suite::{Collector, SetStatistics, StatisticsCache, StatisticsKey, SuiteConfig};
use rayon::prelude::*;

use crate::Failure;
use crate::progress::{Counter, Screen};

/// Pictures that are drawn or read at a time.
pub(super) const CHUNK: usize = 250;
/// Decides which of the real pictures are taken if not all are, and their order.
const ORDER: u64 = 0;

/// How errors and scores call the two sets.
pub(super) const REAL: &str = "the real pictures";
pub(super) const FAKE: &str = "the generated pictures";

/// The pictures of a path, and flag and path for errors.
///
/// # Errors
///
/// If there are none, or they cannot be read.
pub(super) fn opened(
    path: &Path,
    flag: &str,
    mode: ChannelMode,
) -> Result<(Arc<dyn Pictures>, String), Failure> {
    let data =
        open(path, Split::Train, mode).map_err(|error| Failure::new(format!("{flag} {error}")))?;
    let place = format!("{flag} {}", path.display());
    if data.is_empty() {
        return Err(Failure::new(format!(
            "{place}: there are no pictures in it"
        )));
    }
    Ok((data, place))
}

/// Pictures that can be asked for in batches.
pub(super) trait PictureSet {
    /// The flag that decides how many there are, for errors.
    fn flag(&self) -> &str;

    /// Where they are, for errors: a flag and its path, if it has one.
    fn place(&self) -> &str;

    /// Number of pictures.
    fn count(&self) -> usize;

    /// Classes that the pictures have labels of; 0 if they have none.
    fn num_labels(&self) -> usize;

    /// The pictures in a range, with their labels if they have some.
    fn pictures(&self, range: Range<usize>) -> Result<Vec<Picture>, Failure>;
}

/// What is asked of the pictures of a set.
#[derive(Clone, Copy)]
pub(super) struct Question<'a> {
    /// Sees them.
    pub(super) features: &'a dyn Features,
    /// Classes that the features tell apart; 0 if none.
    pub(super) classes: usize,
    /// Classes of the pictures that each shall have statistics of its own; 0 for none.
    pub(super) by_class: usize,
}

/// Pictures of a file or folder, in a random order that is always the same.
pub(super) struct Stored {
    data: Arc<dyn Pictures>,
    order: Vec<usize>,
    transform: TransformConfig,
    /// The flag and the path, for errors.
    place: String,
}

impl Stored {
    /// At most `count` pictures of `data`, cropped and resized to a square of `size` if that is given.
    pub(super) fn new(
        data: Arc<dyn Pictures>,
        count: usize,
        size: Option<usize>,
        place: impl Into<String>,
    ) -> Self {
        let mut order: Vec<usize> = (0..data.len()).collect();
        let mut stream = Stream::new(ORDER, "evaluate", 0);
        for place in 0..count.min(order.len()) {
            let other = place + stream.below(order.len() - place);
            order.swap(place, other);
        }
        order.truncate(count);
        Self::new_in(data, order, size, place)
    }

    /// The first `count` pictures of `data`, as they are.
    pub(super) fn in_order(
        data: Arc<dyn Pictures>,
        count: usize,
        place: impl Into<String>,
    ) -> Self {
        let order = (0..count.min(data.len())).collect();
        Self::new_in(data, order, None, place)
    }

    fn new_in(
        data: Arc<dyn Pictures>,
        order: Vec<usize>,
        size: Option<usize>,
        place: impl Into<String>,
    ) -> Self {
        let mut transform = TransformConfig::new();
        if let Some(size) = size {
            transform = transform
                .with_size(Some([size, size]))
                .with_crop(Crop::Centre);
        }
        Self {
            data,
            order,
            transform,
            place: place.into(),
        }
    }

    /// One picture.
    pub(super) fn picture(&self, index: usize) -> Result<Picture, Failure> {
        let index = self.order[index];
        let picture = self.data.get(index);
        let picture = picture.map_err(|error| {
            Failure::new(format!("{} {error}", self.place_of(&error.to_string())))
        })?;
        Ok(self.transform.apply(picture, 0, 0, index))
    }

    /// The flag, and the path too unless the error begins with it.
    fn place_of(&self, error: &str) -> &str {
        match self.place.split_once(' ') {
            Some((flag, path)) if error.starts_with(path) => flag,
            _ => &self.place,
        }
    }

    /// Everything that decides what features are collected.
    fn key(&self, question: Question<'_>, config: &SuiteConfig) -> StatisticsKey {
        let pictures = match self.transform.size {
            Some([height, width]) => format!("centre, {width}x{height}"),
            None => "as they are".to_owned(),
        };
        let kind = self
            .data
            .get(self.order[0])
            .map_or(0, |picture| picture.channels);
        StatisticsKey {
            fingerprint: self.data.fingerprint(),
            features: question.features.name(),
            pictures: format!("{pictures}, {kind} channels"),
            count: self.order.len() as u64,
            order: ORDER,
            kept: config.kept(question.features.size()) as u64,
            classes: question.by_class as u64,
        }
    }

    /// [`collect`] unless it was done before. `screen` is told of damaged files, and `progress` shows how
    /// far it is.
    pub(super) fn collect_cached(
        &self,
        question: Question<'_>,
        config: &SuiteConfig,
        screen: &Screen,
        progress: Option<&Screen>,
    ) -> Result<SetStatistics, Failure> {
        // Real pictures are not asked for their accuracy.
        let question = Question {
            classes: 0,
            ..question
        };
        let collect = || collect(self, question, REAL, config, progress);
        // Small sets are read again sooner than their checksum is computed.
        let Some(folder) = cache_dir().filter(|_| self.order.len() > CHUNK) else {
            return collect();
        };
        let cache = StatisticsCache::new(folder.join("statistics"));
        let notice = |text| screen.note(text);
        cache.get_or_collect(&self.key(question, config), REAL, notice, collect)
    }
}

impl PictureSet for Stored {
    fn flag(&self) -> &str {
        let end = self.place.split_once(' ');
        end.map_or(&self.place, |(flag, _)| flag)
    }

    fn place(&self) -> &str {
        &self.place
    }

    fn count(&self) -> usize {
        self.order.len()
    }

    fn num_labels(&self) -> usize {
        self.data.class_names().map_or(0, |names| names.len())
    }

    fn pictures(&self, range: Range<usize>) -> Result<Vec<Picture>, Failure> {
        let pictures: Vec<Result<Picture, Failure>> = range
            .into_par_iter()
            .map(|index| self.picture(index))
            .collect();
        let pictures: Vec<Picture> = pictures.into_iter().collect::<Result<_, _>>()?;
        let first = pictures.first().cloned();
        let sizes = |picture: &Picture| [picture.width, picture.height, picture.channels];
        let other = pictures.iter().find(|other| {
            first
                .as_ref()
                .is_some_and(|first| sizes(first) != sizes(other))
        });
        if let (Some(first), Some(other)) = (&first, other) {
            return Err(Failure::new(format!(
                "{}: there are pictures of {} x {} and of {} x {} pixels; resize them to one size",
                self.place, first.width, first.height, other.width, other.height
            )));
        }
        Ok(pictures)
    }
}

/// Pictures that a generator draws for the seeds 0, 1, 2, ….
pub(super) struct Drawn<'a> {
    pub(super) count: usize,
    /// Classes that can be asked for, which are then asked for in turn; 0 if none.
    pub(super) classes: usize,
    /// Classes of the data, if these are what is asked for; else 0.
    pub(super) labels: usize,
    /// Pictures `[count, channels, height, width]` in `[-1, 1]` for seeds and classes.
    pub(super) draw: &'a dyn Fn(&[u64], &[usize]) -> Tensor<4>,
}

impl PictureSet for Drawn<'_> {
    fn flag(&self) -> &str {
        "--num"
    }

    fn place(&self) -> &str {
        "--run"
    }

    fn count(&self) -> usize {
        self.count
    }

    fn num_labels(&self) -> usize {
        self.labels
    }

    fn pictures(&self, range: Range<usize>) -> Result<Vec<Picture>, Failure> {
        let seeds: Vec<u64> = range.clone().map(|index| index as u64).collect();
        let classes: Vec<usize> = match self.classes {
            0 => Vec::new(),
            there => range.map(|index| index % there).collect(),
        };
        let images = (self.draw)(&seeds, &classes);
        let mut pictures = pictures_from(&images, PixelRange::Signed)?;
        if self.labels > 0 {
            for (picture, class) in pictures.iter_mut().zip(classes) {
                picture.label = Some(class);
            }
        }
        Ok(pictures)
    }
}

/// The bytes of pictures of one size, one after the other.
///
/// # Panics
///
/// Panics if there are none.
pub(super) fn joined(pictures: Vec<Picture>) -> (Vec<u8>, PictureShape) {
    let first = &pictures[0];
    let shape = PictureShape {
        count: pictures.len(),
        height: first.height,
        width: first.width,
        channels: first.channels,
    };
    let bytes = pictures.into_iter().flat_map(|picture| picture.pixels);
    (bytes.collect(), shape)
}

/// One pass over a set. Progress is shown on the screen, if there is one.
pub(super) fn collect(
    set: &dyn PictureSet,
    question: Question<'_>,
    name: &str,
    config: &SuiteConfig,
    screen: Option<&Screen>,
) -> Result<SetStatistics, Failure> {
    let count = set.count();
    let (features, by_class) = (question.features, question.by_class);
    let has_accuracy = question.classes > 0 && set.num_labels() == question.classes;
    let mut collector = Collector::new(features, name, count as u64, config).with_classes(by_class);
    if !has_accuracy {
        collector = collector.without_accuracy();
    }
    let mut counter = screen.map(|screen| Counter::new(screen, name, count));
    for begin in (0..count).step_by(CHUNK) {
        let pictures = set.pictures(begin..count.min(begin + CHUNK))?;
        let labels = pictures.iter().map(|picture| picture.label);
        let labels: Option<Vec<usize>> = labels.collect();
        let labels = labels.filter(|_| has_accuracy || by_class > 0);
        let (bytes, shape) = joined(pictures);
        collector.add(&bytes, shape, labels.as_deref())?;
        if let Some(counter) = &mut counter {
            counter.advance(shape.count);
        }
    }
    Ok(collector.finish()?)
}
