//! Splits and classes from the paths of pictures, the same for folders and archives.

use std::path::Path;

use super::Split;
use crate::DataError;

const TRAIN_NAMES: &[&str] = &["train", "training"];
const TEST_NAMES: &[&str] = &["test", "testing", "val", "valid", "validation"];

/// Which pictures belong to a set, and to which class.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Layout {
    /// Indices into the paths that were given, in the order of the set.
    pub chosen: Vec<usize>,
    /// The class of each chosen picture.
    pub labels: Option<Vec<usize>>,
    /// The class names, sorted.
    pub class_names: Option<Vec<String>>,
}

/// Orders pictures by the bytes of their paths (`/` between folders) and finds their classes.
///
/// If all first-level folders are named like splits (`train`, `test`, `val`, …), `split` chooses
/// one and the folders below are the classes; without a `split` all pictures are taken and a class
/// is the same in each. Otherwise `split` has no effect. If any picture lies in no class folder,
/// there are no labels. With `strip`, folders around everything are ignored, as archives often have
/// one.
///
/// # Errors
///
/// [`DataError::NotFound`] if there are split folders but not the one that is asked for.
pub(crate) fn arrange(
    root: &Path,
    paths: &[String],
    split: Option<Split>,
    strip: bool,
) -> Result<Layout, DataError> {
    let mut parts: Vec<(usize, Vec<&str>)> = paths
        .iter()
        .enumerate()
        .map(|(index, path)| (index, path.split('/').collect()))
        .collect();
    parts.sort_by_key(|(index, _)| paths[*index].as_bytes());

    while strip && common_folder(&parts).is_some_and(|name| split_of(name).is_none()) {
        for (_, path) in &mut parts {
            path.remove(0);
        }
    }
    let is_split = |(_, path): &(usize, Vec<&str>)| path.len() > 1 && split_of(path[0]).is_some();
    if parts.is_empty() || !parts.iter().all(is_split) {
        let names = class_names(&parts);
        return Ok(label(&parts, &names));
    }
    let splits: Vec<Option<Split>> = parts
        .iter_mut()
        .map(|(_, path)| split_of(path.remove(0)))
        .collect();
    // the classes of all splits, so that a class is the same number in each
    let names: Vec<String> = class_names(&parts);
    if split.is_some() {
        let mut splits = splits.iter();
        parts.retain(|_| splits.next() == Some(&split));
    }
    if parts.is_empty() {
        let wanted = if split == Some(Split::Train) {
            TRAIN_NAMES
        } else {
            TEST_NAMES
        };
        let message = format!(
            "has no pictures in a folder for this split; name it {}",
            wanted.join(" or ")
        );
        return Err(DataError::not_found(root, message));
    }
    Ok(label(&parts, &names))
}

/// The folder that all pictures lie in, if there is one.
fn common_folder<'a>(parts: &[(usize, Vec<&'a str>)]) -> Option<&'a str> {
    let (_, first) = parts.first()?;
    let shared = |(_, path): &(usize, Vec<&str>)| path.len() > 1 && path[0] == first[0];
    parts.iter().all(shared).then_some(first[0])
}

fn split_of(folder: &str) -> Option<Split> {
    let is_one_of = |names: &[&str]| names.iter().any(|name| name.eq_ignore_ascii_case(folder));
    if is_one_of(TRAIN_NAMES) {
        Some(Split::Train)
    } else if is_one_of(TEST_NAMES) {
        Some(Split::Test)
    } else {
        None
    }
}

/// The first folders of all paths, sorted.
fn class_names(parts: &[(usize, Vec<&str>)]) -> Vec<String> {
    let folders = parts.iter().filter(|(_, path)| path.len() > 1);
    let mut names: Vec<String> = folders.map(|(_, path)| path[0].to_string()).collect();
    names.sort_unstable();
    names.dedup();
    names
}

/// The layout of paths whose first folder is one of the classes.
fn label(parts: &[(usize, Vec<&str>)], names: &[String]) -> Layout {
    let chosen = parts.iter().map(|(index, _)| *index).collect();
    if parts.iter().any(|(_, path)| path.len() < 2) {
        return Layout {
            chosen,
            labels: None,
            class_names: None,
        };
    }
    let label = |(_, path): &(usize, Vec<&str>)| {
        names
            .binary_search_by(|name| name.as_str().cmp(path[0]))
            .expect("every first folder was put into names")
    };
    Layout {
        chosen,
        labels: Some(parts.iter().map(label).collect()),
        class_names: Some(names.to_vec()),
    }
}

/// A name for run folders from a path or title: its last part in lower case letters, digits and
/// `-`, without the extension of an archive.
pub(crate) fn short_name(path: &str) -> String {
    let last = path
        .trim_end_matches(['/', '\\'])
        .rsplit(['/', '\\'])
        .next();
    let last = last.unwrap_or_default().to_lowercase();
    let last = last.strip_suffix(".zip").unwrap_or(&last);
    let name: String = last
        .chars()
        .map(|letter| {
            if letter.is_ascii_alphanumeric() {
                letter
            } else {
                '-'
            }
        })
        .collect();
    let words: Vec<&str> = name.split('-').filter(|word| !word.is_empty()).collect();
    match words.join("-") {
        name if name.is_empty() => "pictures".to_string(),
        name => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout(paths: &[&str], split: Option<Split>, strip: bool) -> Layout {
        let paths: Vec<String> = paths.iter().map(|path| path.to_string()).collect();
        arrange(Path::new("set"), &paths, split, strip).unwrap()
    }

    /// Paths in order, labels, class names.
    fn check(found: &Layout, chosen: &[usize], labels: Option<&[usize]>, names: &[&str]) {
        assert_eq!(found.chosen, chosen);
        assert_eq!(found.labels.as_deref(), labels);
        assert_eq!(found.class_names.clone().unwrap_or_default(), names);
    }

    #[test]
    fn first_folders_are_classes_in_sorted_order() {
        let found = layout(&["dog/1.png", "cat/x/2.png", "dog/0.png"], None, false);
        check(&found, &[1, 2, 0], Some(&[0, 1, 1]), &["cat", "dog"]);
    }

    #[test]
    fn loose_pictures_have_no_labels() {
        check(
            &layout(&["b.png", "a.png"], None, false),
            &[1, 0],
            None,
            &[],
        );
        check(
            &layout(&["b.png", "cat/a.png"], None, false),
            &[0, 1],
            None,
            &[],
        );
    }

    #[test]
    fn split_folders_are_chosen_from_and_do_not_change_classes() {
        let paths = ["train/cat/1", "train/dog/1", "test/cat/1", "test/dog/1"];
        let names = ["cat", "dog"];
        check(
            &layout(&paths, Some(Split::Train), false),
            &[0, 1],
            Some(&[0, 1]),
            &names,
        );
        check(
            &layout(&paths, Some(Split::Test), true),
            &[2, 3],
            Some(&[0, 1]),
            &names,
        );
        check(
            &layout(&paths, None, false),
            &[2, 3, 0, 1],
            Some(&[0, 1, 0, 1]),
            &names,
        );
        // a class that one split lacks does not move the others
        let fewer = ["train/cat/1", "train/dog/1", "test/dog/1"];
        check(
            &layout(&fewer, Some(Split::Test), false),
            &[2],
            Some(&[1]),
            &names,
        );
        check(
            &layout(&["VAL/1", "train/1"], Some(Split::Test), false),
            &[0],
            None,
            &[],
        );
    }

    #[test]
    fn a_class_called_test_among_others_is_a_class() {
        let found = layout(&["test/1", "other/1"], Some(Split::Train), false);
        check(&found, &[1, 0], Some(&[0, 1]), &["other", "test"]);
    }

    #[test]
    fn a_missing_split_is_an_error() {
        let paths = vec!["train/cat/1".to_string()];
        let error = arrange(Path::new("set"), &paths, Some(Split::Test), false).unwrap_err();
        let text = error.to_string();
        assert!(
            text.starts_with("set: ") && text.contains("test or testing or val"),
            "{text}"
        );
    }

    #[test]
    fn folders_around_everything_are_stripped_on_request() {
        let paths = ["data/x/cat/1", "data/x/dog/1"];
        check(
            &layout(&paths, None, true),
            &[0, 1],
            Some(&[0, 1]),
            &["cat", "dog"],
        );
        check(
            &layout(&paths, None, false),
            &[0, 1],
            Some(&[0, 0]),
            &["data"],
        );
        check(
            &layout(&["data/1", "data/2"], None, true),
            &[0, 1],
            None,
            &[],
        );
        let split = ["all/train/cat/1", "all/train/dog/1"];
        let found = layout(&split, Some(Split::Train), true);
        check(&found, &[0, 1], Some(&[0, 1]), &["cat", "dog"]);
        check(&layout(&[], None, true), &[], Some(&[]), &[]);
    }

    #[test]
    fn names_are_fit_for_folders() {
        for (path, name) in [
            ("/data/My Faces/", "my-faces"),
            ("cifar10-subset.zip", "cifar10-subset"),
            ("C:\\x\\A_b", "a-b"),
            ("/", "pictures"),
            ("../..", "pictures"),
        ] {
            assert_eq!(short_name(path), name);
        }
    }
}
