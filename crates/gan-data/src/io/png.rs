//! Single pictures as PNG.

use std::fs;
use std::io::Cursor;
use std::path::Path;

use burn::prelude::*;
use image::{ExtendedColorType, ImageFormat};

use super::atomic::{write_atomically, write_unsynced};
use crate::{DataError, Picture, PixelRange};

/// Reads a batch back from its device as 8-bit pictures: clamped to `range`, never stretched.
///
/// # Shapes
///
/// - images: `[batch, channels, height, width]`, 1, 3 or 4 channels
///
/// # Errors
///
/// [`DataError::Config`] if the number of channels is another.
///
/// # Panics
///
/// Panics if the device cannot read the values back.
pub fn pictures_from(images: &Tensor<4>, range: PixelRange) -> Result<Vec<Picture>, DataError> {
    let [_, channels, height, width] = images.dims();
    color_type(channels)?;
    let data = images.clone().into_data().convert::<f32>();
    let values: Vec<f32> = data.try_to_vec().expect("the values were converted to f32");
    let area = height * width;
    let picture = |values: &[f32]| {
        let mut pixels = Vec::with_capacity(values.len());
        for position in 0..area {
            let channels = values[position..].iter().step_by(area);
            pixels.extend(channels.map(|value| range.decode(*value)));
        }
        Picture {
            width,
            height,
            channels,
            pixels,
            label: None,
            caption: None,
        }
    };
    // a picture without pixels has no chunks
    Ok(values
        .chunks_exact((area * channels).max(1))
        .map(picture)
        .collect())
}

/// Writes one picture as PNG. The same picture gives the same bytes.
///
/// # Errors
///
/// [`DataError::Config`] if it has another number of channels than 1, 3 or 4; [`DataError::Io`]
/// names the file if it cannot be written.
pub fn write_picture(path: impl AsRef<Path>, picture: &Picture) -> Result<(), DataError> {
    let path = path.as_ref();
    write_atomically(path, &encode(path, picture)?)
}

/// The bytes of a PNG; `path` is for the error.
fn encode(path: &Path, picture: &Picture) -> Result<Vec<u8>, DataError> {
    let color_type = color_type(picture.channels)?;
    let mut bytes = Cursor::new(Vec::new());
    let side = |side: usize| u32::try_from(side).unwrap_or(u32::MAX);
    let (width, height) = (side(picture.width), side(picture.height));
    image::write_buffer_with_format(
        &mut bytes,
        &picture.pixels,
        width,
        height,
        color_type,
        ImageFormat::Png,
    )
    .map_err(|error| DataError::refused(path, format!("cannot be encoded as PNG: {error}")))?;
    Ok(bytes.into_inner())
}

/// Writes pictures into a folder, which is made if need be, under the names that come with them.
/// The files are whole even if the program is killed, but are not synced to the disk one by one.
///
/// # Errors
///
/// As for [`write_picture`]; [`DataError::Io`] if the folder cannot be made.
pub fn write_pictures<'a>(
    folder: impl AsRef<Path>,
    pictures: impl IntoIterator<Item = (&'a str, &'a Picture)>,
) -> Result<(), DataError> {
    let folder = folder.as_ref();
    fs::create_dir_all(folder).map_err(|e| DataError::io(folder, "create the folder", e))?;
    for (name, picture) in pictures {
        let path = folder.join(name);
        write_unsynced(&path, &encode(&path, picture)?)?;
    }
    Ok(())
}

/// What PNG calls this number of channels.
fn color_type(channels: usize) -> Result<ExtendedColorType, DataError> {
    match channels {
        1 => Ok(ExtendedColorType::L8),
        3 => Ok(ExtendedColorType::Rgb8),
        4 => Ok(ExtendedColorType::Rgba8),
        _ => {
            let message = format!("{channels} cannot be shown; use 1 (grey), 3 (RGB) or 4 (RGBA)");
            Err(DataError::config("channels", message))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn images() -> Tensor<4> {
        let values: Vec<f32> = (0..2 * 3 * 2 * 2).map(|i| i as f32 / 255.0).collect();
        Tensor::from_data(TensorData::new(values, [2, 3, 2, 2]), &Device::flex())
    }

    #[test]
    fn channels_become_interleaved() {
        let pictures = pictures_from(&images(), PixelRange::Unit).unwrap();
        assert_eq!(pictures.len(), 2);
        assert_eq!(pictures[0].pixels, [0, 4, 8, 1, 5, 9, 2, 6, 10, 3, 7, 11]);
        assert_eq!(pictures[1].pixels[..3], [12, 16, 20]);
    }

    #[test]
    fn pictures_of_a_folder_have_the_names_they_were_given() {
        let folder = tempfile::tempdir().unwrap();
        let inner = folder.path().join("a/b");
        let pictures = pictures_from(&images(), PixelRange::Unit).unwrap();
        write_pictures(&inner, [("x.png", &pictures[0])]).unwrap();
        write_pictures(&inner, [("y.png", &pictures[1])]).unwrap();
        for (name, picture) in ["x.png", "y.png"].iter().zip(&pictures) {
            let read = image::open(inner.join(name)).unwrap();
            assert_eq!(read.as_bytes(), picture.pixels);
        }
    }

    #[test]
    fn a_folder_that_is_a_file_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        fs::write(&path, b"x").unwrap();
        let error = write_pictures(&path, []).unwrap_err().to_string();
        assert!(error.contains("file: cannot create the folder"), "{error}");
    }

    #[test]
    fn a_picture_whose_sizes_lie_is_refused_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let mut picture = pictures_from(&images(), PixelRange::Unit)
            .unwrap()
            .remove(0);
        picture.width = 0;
        picture.pixels.clear();
        let path = folder.path().join("empty.png");
        let error = write_picture(&path, &picture).unwrap_err().to_string();
        assert!(error.contains("empty.png: "), "{error}");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
