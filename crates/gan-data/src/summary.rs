//! What is in a data set, for the start of a run.

use std::fmt;
use std::path::Path;

use serde::Serialize;

use crate::io::{grid_of_pictures, write_picture};
use crate::source::Pictures;
use crate::transform::{Crop, TransformConfig};
use crate::{DataError, Picture};

/// What is in a data set. `Display` prints a report of a few lines, with warnings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// The name of the data set.
    pub name: String,
    /// Number of pictures.
    pub count: usize,
    /// How many of them were decoded for the fields below.
    pub decoded: usize,
    /// Smallest and largest width among the decoded pictures, in pixels.
    pub width: [usize; 2],
    /// Smallest and largest height among the decoded pictures, in pixels.
    pub height: [usize; 2],
    /// Channels of the first picture, as the data set gives it out.
    pub channels: usize,
    /// Smallest and largest number of channels among the decoded pictures as they are
    /// [stored](Pictures::stored_channels).
    pub stored_channels: [usize; 2],
    /// The names of the classes, if there are any.
    pub class_names: Option<Vec<String>>,
    /// Pictures per class, over all pictures; `None` without labels.
    pub label_histogram: Option<Vec<usize>>,
    /// SHA-256 of the content, see [`Pictures::fingerprint`].
    pub fingerprint: String,
}

impl Summary {
    /// Looks at all labels and decodes `limit` pictures (at least one), spread evenly.
    ///
    /// # Errors
    ///
    /// [`DataError::Config`] if the data set is empty, and whatever is wrong with a decoded picture.
    pub fn of(data: &dyn Pictures, limit: usize) -> Result<Self, DataError> {
        let pictures = spread(data, limit.max(1))?;
        let stored = pictures
            .iter()
            .map(|(index, _)| data.stored_channels(*index))
            .collect::<Result<Vec<usize>, DataError>>()?;
        let pictures: Vec<Picture> = pictures.into_iter().map(|(_, picture)| picture).collect();
        let span = |numbers: Vec<usize>| {
            let ends = [numbers.iter().min(), numbers.iter().max()];
            ends.map(|end| end.copied().unwrap_or(0))
        };
        let range = |side: fn(&Picture) -> usize| span(pictures.iter().map(side).collect());
        let class_names = data.class_names();
        Ok(Self {
            name: data.name(),
            count: data.len(),
            decoded: pictures.len(),
            width: range(|picture| picture.width),
            height: range(|picture| picture.height),
            channels: pictures[0].channels,
            stored_channels: span(stored),
            label_histogram: histogram(data, class_names.as_ref().map_or(0, Vec::len)),
            class_names,
            fingerprint: data.fingerprint(),
        })
    }

    /// What differs among the decoded pictures as they are stored: `size`, `colours`, both or nothing.
    pub fn differences(&self) -> Vec<&'static str> {
        let differs = |[low, high]: [usize; 2]| low != high;
        let size = differs(self.width) || differs(self.height);
        let all = [(size, "size"), (differs(self.stored_channels), "colours")];
        let found = all.into_iter().filter(|(differs, _)| *differs);
        found.map(|(_, what)| what).collect()
    }

    /// What a person should know before training, one sentence each; empty if all is well.
    pub fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        let Some(histogram) = &self.label_histogram else {
            return warnings;
        };
        let used = histogram.iter().filter(|count| **count > 0).count();
        let empty: Vec<String> = (0..histogram.len())
            .filter(|class| histogram[*class] == 0)
            .map(|class| self.class_name(class))
            .collect();
        if used == 1 && self.count > 1 {
            warnings.push("all pictures have the same label".to_string());
        } else if !empty.is_empty() {
            let noun = if empty.len() == 1 { "class" } else { "classes" };
            warnings.push(format!(
                "{noun} without a picture: {}",
                shorten(&empty, ", ")
            ));
        }
        warnings
    }

    fn class_name(&self, class: usize) -> String {
        let names = self.class_names.as_ref();
        names
            .and_then(|names| names.get(class))
            .cloned()
            .unwrap_or_else(|| class.to_string())
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let span = |[low, high]: [usize; 2]| match low == high {
            true => low.to_string(),
            false => format!("{low} to {high}"),
        };
        let channels = match self.channels {
            1 => "grey".to_string(),
            2 => "grey with alpha".to_string(),
            3 => "RGB".to_string(),
            4 => "RGBA".to_string(),
            other => format!("{other} channels"),
        };
        let (width, height) = (span(self.width), span(self.height));
        let of = match self.decoded < self.count && !self.differences().is_empty() {
            true => format!(" (of {} looked at)", self.decoded),
            false => String::new(),
        };
        let noun = if self.count == 1 {
            "picture"
        } else {
            "pictures"
        };
        write!(
            f,
            "{}: {} {noun}, {width} x {height} pixels, {channels}{of}",
            self.name, self.count
        )?;
        if let Some(histogram) = &self.label_histogram {
            let classes: Vec<String> = histogram
                .iter()
                .enumerate()
                .map(|(class, count)| format!("{}: {count}", self.class_name(class)))
                .collect();
            write!(f, "\n  labels       {}", shorten(&classes, ", "))?;
        }
        let short = self.fingerprint.get(..16).unwrap_or(&self.fingerprint);
        write!(f, "\n  fingerprint  {short}")?;
        self.warnings()
            .iter()
            .try_for_each(|warning| write!(f, "\n  warning: {warning}"))
    }
}

/// The first twelve and how many more there are.
fn shorten(items: &[String], separator: &str) -> String {
    const SHOWN: usize = 12;
    let shown = items[..items.len().min(SHOWN)].join(separator);
    match items.len().saturating_sub(SHOWN) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

fn histogram(data: &dyn Pictures, classes: usize) -> Option<Vec<usize>> {
    let mut histogram = vec![0; classes];
    let mut labelled = classes > 0;
    for label in (0..data.len()).filter_map(|index| data.label(index)) {
        labelled = true;
        if label >= histogram.len() {
            histogram.resize(label + 1, 0);
        }
        histogram[label] += 1;
    }
    labelled.then_some(histogram)
}

/// Up to `count` pictures at even distances, with their numbers: files sorted by class would show one
/// class otherwise.
fn spread(data: &dyn Pictures, count: usize) -> Result<Vec<(usize, Picture)>, DataError> {
    let len = data.len();
    if len == 0 {
        return Err(DataError::config(
            "data",
            format!("{} has no pictures", data.name()),
        ));
    }
    let count = count.min(len);
    let index = |number: usize| (number as u128 * len as u128 / count as u128) as usize;
    let numbered = |index| Ok((index, data.get(index)?));
    (0..count).map(|number| numbered(index(number))).collect()
}

/// Writes `n` pictures of the data set, at even distances, as a square grid: `reals.png`. Each is
/// transformed as a loader with `transform` and `seed` would do in its first epoch; pictures of another
/// size than the first are cropped and resized to it if `transform` has no size. Grey with alpha is shown
/// as RGBA.
///
/// # Errors
///
/// [`DataError::Config`] if the data set is empty, `n` is 0, the transform is not valid, or channels
/// differ; whatever is wrong with a picture; [`DataError::Io`] names the file if it cannot be written.
pub fn write_reals(
    path: impl AsRef<Path>,
    data: &dyn Pictures,
    n: usize,
    transform: &TransformConfig,
    seed: u64,
) -> Result<(), DataError> {
    if n == 0 {
        return Err(DataError::config(
            "n",
            "0 pictures is not allowed; use at least 1",
        ));
    }
    transform.validate()?;
    let pictures = spread(data, n)?;
    let mut fit = transform.clone();
    if fit.size.is_none() {
        let first = &pictures[0].1;
        fit = fit.with_size(Some([first.height, first.width]));
        if fit.crop == Crop::None {
            fit = fit.with_crop(Crop::Centre);
        }
    }
    let pictures: Vec<Picture> = pictures
        .into_iter()
        .map(|(index, picture)| visible(fit.apply(picture, seed, 0, index)))
        .collect();
    let columns = (1..)
        .find(|side| side * side >= pictures.len())
        .unwrap_or(1);
    write_picture(path, &grid_of_pictures(&pictures, columns)?)
}

/// PNG files of ours have no grey with alpha.
fn visible(picture: Picture) -> Picture {
    if picture.channels != 2 {
        return picture;
    }
    let pixels = picture.pixels.chunks_exact(2);
    let pixels = pixels
        .flat_map(|pixel| [pixel[0], pixel[0], pixel[0], pixel[1]])
        .collect();
    Picture {
        channels: 4,
        pixels,
        ..picture
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::synthetic::SyntheticDigitsConfig;
    use burn::data::dataset::Dataset;

    /// Flat pictures: width, label.
    struct Flat {
        items: Vec<(usize, Option<usize>)>,
        channels: usize,
        names: Option<Vec<String>>,
    }

    fn flat(items: &[(usize, Option<usize>)], names: &[&str]) -> Flat {
        let names = names
            .iter()
            .map(|name| name.to_string())
            .collect::<Vec<_>>();
        let names = (!names.is_empty()).then_some(names);
        Flat {
            items: items.to_vec(),
            channels: 1,
            names,
        }
    }

    impl Dataset<Picture, DataError> for Flat {
        fn get(&self, index: usize) -> Result<Picture, DataError> {
            let (width, label) = self.items[index];
            let pixels = vec![40 * (1 + index as u8); width * 4 * self.channels];
            let channels = self.channels;
            Ok(Picture {
                width,
                height: 4,
                channels,
                pixels,
                label,
                caption: None,
            })
        }

        fn len(&self) -> usize {
            self.items.len()
        }
    }

    impl Pictures for Flat {
        fn name(&self) -> String {
            "flat".to_string()
        }

        fn class_names(&self) -> Option<Vec<String>> {
            self.names.clone()
        }

        fn label(&self, index: usize) -> Option<usize> {
            self.items[index].1
        }

        fn fingerprint(&self) -> String {
            "0123456789abcdef0123".to_string()
        }
    }

    #[test]
    fn a_report_of_the_synthetic_digits() {
        let data = SyntheticDigitsConfig::new().with_count(105).init().unwrap();
        let summary = Summary::of(&data, 8).unwrap();
        let histogram = summary.label_histogram.as_ref().unwrap();
        assert_eq!(
            (histogram.len(), histogram.iter().sum::<usize>()),
            (10, 105)
        );
        assert_eq!(
            (summary.count, summary.decoded, summary.channels),
            (105, 8, 1)
        );
        assert_eq!((summary.width, summary.height), ([28, 28], [28, 28]));
        let text = summary.to_string();
        assert!(
            text.starts_with("synthetic-digits: 105 pictures, 28 x 28 pixels, grey\n"),
            "{text}"
        );
        assert!(
            !text.contains("warning") && text.lines().count() == 3,
            "{text}"
        );
    }

    #[test]
    fn empty_classes_and_single_labels_are_warned_about() {
        let empty = flat(&[(4, Some(0)), (5, Some(2))], &["cat", "dog", "owl"]);
        let text = Summary::of(&empty, 10).unwrap().to_string();
        assert!(
            text.contains("flat: 2 pictures, 4 to 5 x 4 pixels"),
            "{text}"
        );
        assert!(
            text.contains("labels       cat: 1, dog: 0, owl: 1"),
            "{text}"
        );
        assert!(text.contains("fingerprint  0123456789abcdef\n"), "{text}");
        let summary = Summary::of(&empty, 10).unwrap();
        assert_eq!(summary.differences(), ["size"]);
        assert!(
            text.ends_with("warning: class without a picture: dog"),
            "{text}"
        );

        let same = flat(&[(4, Some(1)), (4, Some(1))], &["cat", "dog"]);
        let text = Summary::of(&same, 10).unwrap().to_string();
        assert!(
            text.ends_with("warning: all pictures have the same label"),
            "{text}"
        );

        let unlabelled = flat(&[(4, None), (4, None)], &[]);
        let summary = Summary::of(&unlabelled, 0).unwrap();
        assert_eq!(
            (summary.label_histogram.clone(), summary.decoded),
            (None, 1)
        );
        assert!(!summary.to_string().contains("labels"), "{summary}");
    }

    #[test]
    fn many_classes_are_shortened() {
        let names: Vec<String> = (0..30).map(|class| format!("c{class}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let text = Summary::of(&flat(&[(4, Some(0)), (4, Some(1))], &names), 2)
            .unwrap()
            .to_string();
        assert!(text.contains("c11: 0 and 18 more"), "{text}");
        assert!(text.contains("classes without a picture: c2, "), "{text}");
    }

    #[test]
    fn reals_are_spread_over_the_set() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("reals.png");
        let as_they_are = TransformConfig::new();
        let write = |data: &Flat, n| write_reals(&path, data, n, &as_they_are, 0);
        let mut data = flat(&[(4, None), (4, None), (6, None), (4, None)], &[]);
        write(&data, 2).unwrap();
        let read = image::open(&path).unwrap().to_luma8();
        assert_eq!(read.dimensions(), (14, 8));
        assert_eq!(
            (read.get_pixel(2, 2).0, read.get_pixel(8, 2).0),
            ([40], [120])
        );

        write(&data, 100).unwrap();
        assert_eq!(
            image::open(&path).unwrap().to_luma8().dimensions(),
            (14, 14)
        );

        data.channels = 2;
        write(&data, 1).unwrap();
        let pixel = image::open(&path).unwrap().to_rgba8().get_pixel(3, 3).0;
        assert_eq!(pixel, [40, 40, 40, 40]);

        assert!(write(&data, 0).unwrap_err().to_string().starts_with("n: 0"));
        let none = flat(&[], &[]);
        let error = write(&none, 4).unwrap_err().to_string();
        assert_eq!(error, "data: flat has no pictures");
        assert!(Summary::of(&none, 4).is_err());
    }

    #[test]
    fn reals_are_shown_as_the_networks_see_them() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("reals.png");
        let digits = SyntheticDigitsConfig::new().init().unwrap();
        let pixels = |flip| {
            let transform = TransformConfig::new().with_flip_probability(flip);
            write_reals(&path, &digits, 1, &transform, 5).unwrap();
            image::open(&path).unwrap().to_luma8()
        };
        let (plain, mirrored) = (pixels(0.0), pixels(1.0));
        assert_ne!(plain, mirrored);
        assert_eq!(image::imageops::flip_horizontal(&plain), mirrored);
        let wrong = TransformConfig::new().with_flip_probability(2.0);
        assert!(write_reals(&path, &digits, 1, &wrong, 5).is_err());
    }
}
