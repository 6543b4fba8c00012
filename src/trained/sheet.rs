//! Sources, results and targets in one picture.

use gan_data::io::grid_of_pictures;
use gan_data::{DataError, Picture};

/// Pictures side by side.
const COLUMNS: usize = 8;
/// Results on a sheet.
const SHOWN: usize = 4 * COLUMNS;

/// The first results, each with its source above and its target, if that is known, below.
#[derive(Clone, Debug, Default)]
pub struct Sheet([Vec<Picture>; 3]);

impl Sheet {
    /// Adds pictures while there is room.
    pub fn add(&mut self, sources: &[Picture], results: &[Picture], targets: &[Picture]) {
        for (row, more) in self.0.iter_mut().zip([sources, results, targets]) {
            let room = SHOWN - row.len();
            row.extend(more.iter().take(room).cloned());
        }
    }

    /// The sheet. A last row that is not full is left out, unless it is the only one.
    ///
    /// # Errors
    ///
    /// If there are no pictures.
    pub fn picture(&self) -> Result<Picture, DataError> {
        let count = self.0[0].len();
        let columns = count.clamp(1, COLUMNS);
        let rows = (0..count / columns).flat_map(|row| {
            let of = move |pictures: &Vec<Picture>| {
                let pictures = pictures.iter().skip(row * columns).take(columns);
                pictures.cloned().collect::<Vec<_>>()
            };
            self.0.iter().flat_map(of)
        });
        grid_of_pictures(&rows.collect::<Vec<_>>(), columns)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pictures(values: std::ops::Range<u8>) -> Vec<Picture> {
        let picture = |value| Picture {
            width: 1,
            height: 1,
            channels: 1,
            pixels: vec![value],
            label: None,
            caption: None,
        };
        values.map(picture).collect()
    }

    /// Pixels without the two between and around them.
    fn rows(sheet: &Sheet) -> Vec<Vec<u8>> {
        let picture = sheet.picture().unwrap();
        let rows = picture.pixels.chunks(picture.width).skip(2).step_by(3);
        rows.map(|row| row.iter().copied().skip(2).step_by(3).collect())
            .collect()
    }

    #[test]
    fn results_are_between_sources_and_targets() {
        let mut sheet = Sheet::default();
        assert!(sheet.picture().is_err());
        sheet.add(&pictures(10..12), &pictures(20..22), &pictures(30..32));
        assert_eq!(rows(&sheet), [[10, 11], [20, 21], [30, 31]]);
        sheet.add(&pictures(12..19), &pictures(22..29), &pictures(32..39));
        let full = rows(&sheet); // the ninth has no place
        assert_eq!(full[0], [10, 11, 12, 13, 14, 15, 16, 17]);
        assert_eq!(full[1][0], 20);
        assert_eq!(full.len(), 3);
        sheet.add(&pictures(19..130), &pictures(29..140), &[]);
        assert_eq!(sheet.0.each_ref().map(Vec::len), [32, 32, 9]);
        let mut unknown = Sheet::default();
        unknown.add(&pictures(1..3), &pictures(5..7), &[]);
        assert_eq!(rows(&unknown), [[1, 2], [5, 6]]);
    }
}
