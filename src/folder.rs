//! A folder of drawn pictures: what they are called there, and what else must not be there.

use std::path::Path;

use gan_core::words::count;

use crate::Failure;

/// `000000.png`, `000001.png`, …
pub fn numbered(count: usize) -> Vec<String> {
    (0..count).map(|index| format!("{index:06}.png")).collect()
}

/// `seed0007.png`, or `class3-seed0007.png` if there is a class in the same place of `classes`.
pub fn by_seed(seeds: &[u64], classes: &[usize]) -> Vec<String> {
    let name = |(index, seed): (usize, &u64)| match classes.get(index) {
        Some(class) => format!("class{class}-seed{seed:04}.png"),
        None => format!("seed{seed:04}.png"),
    };
    seeds.iter().enumerate().map(name).collect()
}

/// Refuses a folder with a picture that would stay there beside those called `names`; of these, older
/// ones are replaced.
///
/// # Errors
///
/// Names the flag, the folder and the picture.
pub fn check_no_others(folder: &Path, names: &[String], flag: &str) -> Result<(), Failure> {
    let shown = folder.display();
    let names: std::collections::HashSet<&str> = names.iter().map(String::as_str).collect();
    let entries = match std::fs::read_dir(folder) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        entries => entries.map_err(|error| {
            Failure::new(format!(
                "{flag} {shown}: cannot list the folder: {error}; choose another one"
            ))
        })?,
    };
    let mut others: Vec<String> = entries
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .filter(|name| is_picture(name) && !names.contains(name.as_str()))
        .collect();
    others.sort();
    let Some(first) = others.first() else {
        return Ok(());
    };
    let more = match others.len() - 1 {
        0 => String::new(),
        more => format!(" and {}", count(more, "more picture")),
    };
    Err(Failure::usage(format!(
        "{flag} {shown}: it already holds {first}{more}, which would stay among the new ones; choose another \
         folder, or empty this one"
    )))
}

/// Refuses to write to `place`, a folder or a file, if that is what is read from `given`, or lies in it: it would
/// replace what is read, or be read the next time.
///
/// # Errors
///
/// Names both flags and the place.
pub fn check_not_into(
    place: &Path,
    flag: &str,
    given: &Path,
    given_flag: &str,
) -> Result<(), Failure> {
    let Ok(read) = given.canonicalize() else {
        return Ok(()); // It will be refused when it is opened.
    };
    // What is there of the place.
    let place_or_current = place
        .ancestors()
        .map(|folder| match folder.as_os_str().is_empty() {
            true => Path::new("."),
            false => folder,
        });
    let found = place_or_current.flat_map(Path::canonicalize).next();
    if found.is_some_and(|found| found.starts_with(&read)) {
        let shown = place.display();
        return Err(Failure::usage(format!(
            "{flag} {shown}: pictures are read from there ({given_flag}); choose a place outside"
        )));
    }
    Ok(())
}

fn is_picture(name: &str) -> bool {
    let extension = Path::new(name).extension().and_then(|text| text.to_str());
    let known = ["png", "jpg", "jpeg"];
    extension.is_some_and(|found| known.iter().any(|known| known.eq_ignore_ascii_case(found)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_are_named_by_number_or_by_seed_and_class() {
        assert_eq!(numbered(2), ["000000.png", "000001.png"]);
        assert_eq!(by_seed(&[7, 12345], &[]), ["seed0007.png", "seed12345.png"]);
        assert_eq!(
            by_seed(&[7, 7], &[0, 3]),
            ["class0-seed0007.png", "class3-seed0007.png"]
        );
    }

    #[test]
    fn nothing_is_written_over_what_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let inside = at("in");
        std::fs::create_dir(&inside).unwrap();
        std::fs::write(inside.join("a.png"), b"").unwrap();
        let check = |place: &Path| check_not_into(place, "--out", &inside, "--in");
        for place in ["in", "in/../in", "in/a.png", "in/b.png", "in/results/more"] {
            let message = check(&at(place)).unwrap_err().to_string();
            assert!(message.contains("read from there (--in)"), "{message}");
        }
        for place in ["out", "out/results", "inside"] {
            check(&at(place)).unwrap();
        }
        check_not_into(Path::new("results"), "--out", &inside, "--in").unwrap();
    }

    #[test]
    fn only_other_pictures_are_in_the_way() {
        let folder = tempfile::tempdir().unwrap();
        let check = |count| check_no_others(folder.path(), &numbered(count), "--out");
        let add = |name: &str| std::fs::write(folder.path().join(name), b"").unwrap();
        assert!(check_no_others(&folder.path().join("none"), &[], "--out").is_ok());
        ["notes.txt", "000000.png", "000001.png"]
            .into_iter()
            .for_each(add);
        assert!(check(2).is_ok());
        let message = check(1).unwrap_err().to_string();
        assert!(message.contains("holds 000001.png, which"), "{message}");
        ["a.JPG", "b.jpeg"].into_iter().for_each(add);
        let message = check(2).unwrap_err().to_string();
        assert!(message.contains("a.JPG and 1 more picture,"), "{message}");
    }
}
