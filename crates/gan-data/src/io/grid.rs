//! Many pictures in one.

use std::path::Path;

use burn::prelude::*;

use super::png::{pictures_from, write_picture};
use crate::{DataError, Picture, PixelRange};

/// Pixels between and around the pictures of a grid.
const PADDING: usize = 2;

/// Writes pictures as one PNG, row by row, with 2 black pixels (transparent ones, with four
/// channels) between and around them.
///
/// Values are clamped to `range` and never stretched: what is grey stays grey, so that a generator
/// with weak contrast looks like one. The same pictures give the same bytes.
///
/// # Shapes
///
/// - images: `[batch, channels, height, width]`, 1, 3 or 4 channels
///
/// # Errors
///
/// [`DataError::Config`] if there are no pictures, `columns` is 0 or the number of channels is
/// another; [`DataError::Io`] names the file if it cannot be written.
pub fn write_grid(
    path: impl AsRef<Path>,
    images: &Tensor<4>,
    range: PixelRange,
    columns: usize,
) -> Result<(), DataError> {
    write_picture(path, &grid(images, range, columns)?)
}

/// The picture that [`write_grid`] writes.
///
/// # Shapes
///
/// - images: `[batch, channels, height, width]`, 1, 3 or 4 channels
///
/// # Errors
///
/// [`DataError::Config`] as for [`write_grid`].
pub fn grid(images: &Tensor<4>, range: PixelRange, columns: usize) -> Result<Picture, DataError> {
    grid_of_pictures(&pictures_from(images, range)?, columns)
}

/// Arranges pictures of one size like [`write_grid`].
///
/// # Errors
///
/// [`DataError::Config`] if there are no pictures, `columns` is 0, or they differ in size or
/// channels.
pub fn grid_of_pictures(pictures: &[Picture], columns: usize) -> Result<Picture, DataError> {
    let Some(first) = pictures.first() else {
        return Err(DataError::config(
            "images",
            "there are none to put into a grid",
        ));
    };
    if columns == 0 {
        return Err(DataError::config(
            "columns",
            "0 is not allowed; use at least 1",
        ));
    }
    let Picture {
        width,
        height,
        channels,
        ..
    } = *first;
    let columns = columns.min(pictures.len());
    let rows = pictures.len().div_ceil(columns);
    let total_width = columns * (width + PADDING) + PADDING;
    let total_height = rows * (height + PADDING) + PADDING;
    let mut pixels = vec![0; total_width * total_height * channels];
    for (index, picture) in pictures.iter().enumerate() {
        if (picture.width, picture.height, picture.channels) != (width, height, channels) {
            let message = format!(
                "number {index} is {} x {} with {} channels, number 0 is {width} x {height} with \
                 {channels}; a grid needs one size",
                picture.width, picture.height, picture.channels
            );
            return Err(DataError::config("images", message));
        }
        let left = index % columns * (width + PADDING) + PADDING;
        let top = index / columns * (height + PADDING) + PADDING;
        for (row, bytes) in picture.pixels.chunks_exact(width * channels).enumerate() {
            let start = ((top + row) * total_width + left) * channels;
            pixels[start..start + bytes.len()].copy_from_slice(bytes);
        }
    }
    Ok(Picture {
        width: total_width,
        height: total_height,
        channels,
        pixels,
        label: None,
        caption: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn images(shape: [usize; 4]) -> Tensor<4> {
        let count: usize = shape.iter().product();
        let values: Vec<f32> = (0..count).map(|i| (i % 256) as f32 / 255.0).collect();
        Tensor::from_data(TensorData::new(values, shape), &Device::flex())
    }

    #[test]
    fn every_pixel_of_an_uneven_grid_is_where_it_belongs() {
        let [count, channels, height, width] = [5, 3, 4, 6];
        let grid = grid(
            &images([count, channels, height, width]),
            PixelRange::Unit,
            3,
        )
        .unwrap();
        assert_eq!(
            (grid.width, grid.height, grid.channels),
            (3 * 8 + 2, 2 * 6 + 2, 3)
        );
        for y in 0..grid.height {
            for x in 0..grid.width {
                for channel in 0..channels {
                    let (column, row) = (x / 8, y / 6);
                    let inside = x % 8 >= 2 && y % 6 >= 2 && row * 3 + column < count;
                    let expected = if inside {
                        let index = (row * 3 + column) * channels + channel;
                        ((index * height + y % 6 - 2) * width + x % 8 - 2) % 256
                    } else {
                        0
                    };
                    let found = grid.pixels[(y * grid.width + x) * channels + channel];
                    assert_eq!(
                        usize::from(found),
                        expected,
                        "at {x}, {y}, channel {channel}"
                    );
                }
            }
        }
    }

    #[test]
    fn contrast_is_never_stretched_and_values_are_clamped() {
        let values = vec![-3.0f32, -0.1, 0.0, 0.1, 3.0, f32::NAN];
        let images = Tensor::<4>::from_data(TensorData::new(values, [1, 1, 1, 6]), &Device::flex());
        let grid = grid(&images, PixelRange::Signed, 1).unwrap();
        let row = &grid.pixels[2 * grid.width + 2..][..6];
        assert_eq!(row, [0, 115, 128, 140, 255, 0]);
    }

    #[test]
    fn more_columns_than_pictures_leave_no_gap() {
        let grid = grid(&images([2, 1, 4, 4]), PixelRange::Unit, 8).unwrap();
        assert_eq!((grid.width, grid.height), (14, 8));
    }

    #[test]
    fn a_written_grid_reads_back_and_has_the_same_bytes_again() {
        let folder = tempfile::tempdir().unwrap();
        for channels in [1, 3, 4] {
            let images = images([4, channels, 5, 3]);
            let path = folder.path().join(format!("{channels}.png"));
            write_grid(&path, &images, PixelRange::Unit, 2).unwrap();
            let first = std::fs::read(&path).unwrap();
            write_grid(&path, &images, PixelRange::Unit, 2).unwrap();
            assert_eq!(first, std::fs::read(&path).unwrap());
            let read = image::open(&path).unwrap();
            assert_eq!(usize::from(read.color().channel_count()), channels);
            assert_eq!(
                read.as_bytes(),
                grid(&images, PixelRange::Unit, 2).unwrap().pixels
            );
        }
    }

    #[test]
    fn what_cannot_be_a_grid_is_refused() {
        let unit = PixelRange::Unit;
        for (result, start) in [
            (grid(&images([1, 2, 4, 4]), unit, 1), "channels: 2 "),
            (grid(&images([1, 5, 4, 4]), unit, 1), "channels: 5 "),
            (grid(&images([1, 1, 4, 4]), unit, 0), "columns: 0 "),
            (grid_of_pictures(&[], 1), "images: there are none"),
        ] {
            let message = result.unwrap_err().to_string();
            assert!(message.starts_with(start), "{message}");
        }
        let small = pictures_from(&images([1, 1, 4, 4]), unit).unwrap();
        let large = pictures_from(&images([1, 1, 4, 5]), unit).unwrap();
        let error = grid_of_pictures(&[small, large].concat(), 2)
            .unwrap_err()
            .to_string();
        assert!(error.starts_with("images: number 1 is 5 x 4"), "{error}");
    }
}
