//! Decodes picture files into 8-bit [`Picture`]s.

use std::io::Cursor;
use std::path::Path;

use image::error::ImageError;
use image::metadata::Orientation;
use image::{DynamicImage, ExtendedColorType, ImageDecoder, ImageFormat, ImageReader, Limits};

use crate::{ChannelMode, DataError, Picture};

/// The longest side of a picture that is read, in pixels.
pub(crate) const MAX_SIDE: usize = 16384;
/// The most memory that decoding one picture may take, in bytes.
const MAX_DECODED_BYTES: u64 = 512 << 20;
/// The most bytes of a picture file, packed or not.
pub(crate) const MAX_FILE_BYTES: u64 = 256 << 20;

/// The extensions of picture files that are read, in lower case; set by the features.
pub(crate) const EXTENSIONS: &[&str] = &[
    #[cfg(feature = "png")]
    "png",
    #[cfg(feature = "jpeg")]
    "jpg",
    #[cfg(feature = "jpeg")]
    "jpeg",
];

/// The accepted extensions as a sentence part: `png, jpg or jpeg`.
pub(crate) fn accepted_extensions() -> String {
    match EXTENSIONS {
        [] => "none, because the features png and jpeg are off".to_string(),
        [one] => (*one).to_string(),
        [rest @ .., last] => format!("{} or {last}", rest.join(", ")),
    }
}

/// Whether a file name has an accepted extension, in any case.
pub(crate) fn has_picture_extension(name: &str) -> bool {
    let extension = Path::new(name).extension().and_then(|e| e.to_str());
    extension.is_some_and(|found| EXTENSIONS.iter().any(|e| e.eq_ignore_ascii_case(found)))
}

/// Decodes a picture; `path` (a file, or `archive.zip!entry`) is for the error.
///
/// The format is found by content. 16-bit values are rounded to 8 bits, palettes are expanded, and
/// a photo is turned as its EXIF orientation asks. `keep` is the number of channels that
/// [`ChannelMode::Keep`] insists on.
pub(crate) fn decode_picture(
    path: &Path,
    bytes: &[u8],
    mode: ChannelMode,
    keep: usize,
) -> Result<Picture, DataError> {
    let mut decoder = decoder(path, bytes)?;
    // a broken EXIF block is no reason to lose a picture
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let mut image = DynamicImage::from_decoder(decoder).map_err(|e| explain(path, &e))?;
    image.apply_orientation(orientation);
    let picture = eight_bits(path, image)?;
    if mode == ChannelMode::Keep && picture.channels != keep {
        let message = format!(
            "has {} channels but the first picture of the set has {keep}; convert the set to grey, RGB or RGBA (ChannelMode), or remove this file",
            picture.channels
        );
        return Err(DataError::refused(path, message));
    }
    Ok(convert_channels(picture, mode))
}

/// The number of channels of a picture, from its header alone.
pub(crate) fn probe_channels(path: &Path, bytes: &[u8]) -> Result<usize, DataError> {
    Ok(usize::from(
        decoder(path, bytes)?.color_type().channel_count(),
    ))
}

/// A decoder within the limits, for the formats that are read.
fn decoder<'a>(path: &Path, bytes: &'a [u8]) -> Result<impl ImageDecoder + 'a, DataError> {
    if bytes.is_empty() {
        return Err(DataError::damaged(
            path,
            "the file is empty; remove or replace it",
        ));
    }
    let format = match image::guess_format(bytes) {
        Ok(ImageFormat::Png) if cfg!(feature = "png") => ImageFormat::Png,
        Ok(ImageFormat::Jpeg) if cfg!(feature = "jpeg") => ImageFormat::Jpeg,
        Ok(other) => {
            let message = format!(
                "is a {other:?} picture inside; accepted are {}, so convert or remove it",
                accepted_extensions()
            );
            return Err(DataError::refused(path, message));
        }
        Err(_) => {
            return Err(DataError::damaged(
                path,
                "is not a picture; remove or replace it",
            ));
        }
    };
    let mut limits = Limits::default();
    limits.max_image_width = Some(MAX_SIDE as u32);
    limits.max_image_height = Some(MAX_SIDE as u32);
    limits.max_alloc = Some(MAX_DECODED_BYTES);
    let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
    reader.limits(limits);
    let decoder = reader.into_decoder().map_err(|e| explain(path, &e))?;
    let (width, height) = decoder.dimensions();
    if width as usize > MAX_SIDE
        || height as usize > MAX_SIDE
        || decoder.total_bytes() > MAX_DECODED_BYTES
    {
        return Err(too_big(path));
    }
    Ok(decoder)
}

fn too_big(path: &Path) -> DataError {
    let message = format!(
        "is larger than {MAX_SIDE} pixels on a side or {} MiB decoded; shrink or remove it",
        MAX_DECODED_BYTES >> 20
    );
    DataError::refused(path, message)
}

fn explain(path: &Path, error: &ImageError) -> DataError {
    match error {
        ImageError::Limits(_) => too_big(path),
        ImageError::Unsupported(_) => DataError::refused(
            path,
            format!("cannot be decoded ({error}); convert or remove it"),
        ),
        _ => DataError::damaged(
            path,
            format!("cannot be decoded ({error}); remove or replace it"),
        ),
    }
}

/// The pixels of a decoded picture in 8 bits, with the channels that it has.
fn eight_bits(path: &Path, image: DynamicImage) -> Result<Picture, DataError> {
    let (width, height) = (image.width() as usize, image.height() as usize);
    let channels = usize::from(image.color().channel_count());
    let pixels = match image {
        DynamicImage::ImageLuma8(buffer) => buffer.into_raw(),
        DynamicImage::ImageLumaA8(buffer) => buffer.into_raw(),
        DynamicImage::ImageRgb8(buffer) => buffer.into_raw(),
        DynamicImage::ImageRgba8(buffer) => buffer.into_raw(),
        DynamicImage::ImageLuma16(buffer) => rounded(&buffer.into_raw()),
        DynamicImage::ImageLumaA16(buffer) => rounded(&buffer.into_raw()),
        DynamicImage::ImageRgb16(buffer) => rounded(&buffer.into_raw()),
        DynamicImage::ImageRgba16(buffer) => rounded(&buffer.into_raw()),
        other => {
            let kind = ExtendedColorType::from(other.color());
            let message = format!("holds {kind:?} values; convert it to 8 or 16 bits");
            return Err(DataError::refused(path, message));
        }
    };
    Ok(Picture {
        width,
        height,
        channels,
        pixels,
        label: None,
        caption: None,
    })
}

/// 16 bits to 8, to the nearest: `0xffff` becomes `0xff`.
fn rounded(values: &[u16]) -> Vec<u8> {
    let reduce = |&value: &u16| ((u32::from(value) * 255 + 32767) / 65535) as u8;
    values.iter().map(reduce).collect()
}

/// Converts the channels of a picture; [`ChannelMode::Keep`] returns it as it is.
///
/// # Panics
///
/// Panics if the picture does not have 1 to 4 channels.
pub(crate) fn convert_channels(picture: Picture, mode: ChannelMode) -> Picture {
    let from = picture.channels;
    assert!(
        (1..=4).contains(&from),
        "convert_channels: a picture has 1 to 4 channels, not {from}"
    );
    let to = match mode {
        ChannelMode::Keep => from,
        ChannelMode::Grey => 1,
        ChannelMode::Rgb => 3,
        ChannelMode::Rgba => 4,
    };
    if from == to {
        return picture;
    }
    let mut pixels = Vec::with_capacity(picture.width * picture.height * to);
    for pixel in picture.pixels.chunks_exact(from) {
        let [red, green, blue, alpha] = match *pixel {
            [grey] => [grey, grey, grey, 255],
            [grey, alpha] => [grey, grey, grey, alpha],
            [red, green, blue] => [red, green, blue, 255],
            [red, green, blue, alpha] => [red, green, blue, alpha],
            _ => unreachable!("chunks of 1 to 4"),
        };
        let colour = [red, green, blue];
        match to {
            1 => pixels.push(luma(colour.map(|value| over_white(value, alpha)))),
            3 => pixels.extend(colour.map(|value| ((over_white(value, alpha) + 127) / 255) as u8)),
            _ => pixels.extend([red, green, blue, alpha]),
        }
    }
    Picture {
        channels: to,
        pixels,
        ..picture
    }
}

/// A value composed over white, times 255 so that nothing is rounded yet.
fn over_white(value: u8, alpha: u8) -> u32 {
    let alpha = u32::from(alpha);
    u32::from(value) * alpha + 255 * (255 - alpha)
}

/// BT.601 luma of values that are 255 times too large, rounded to the nearest.
fn luma([red, green, blue]: [u32; 3]) -> u8 {
    ((299 * red + 587 * green + 114 * blue + 127_500) / 255_000) as u8
}

/// Bytes as lower case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
pub(crate) mod tests {
    use image::{ImageBuffer, Luma, LumaA, Rgb, Rgba};

    use super::*;

    /// The bytes of a file of the picture.
    pub(crate) fn encode(image: impl Into<DynamicImage>, format: ImageFormat) -> Vec<u8> {
        let mut bytes = Cursor::new(Vec::new());
        image.into().write_to(&mut bytes, format).unwrap();
        bytes.into_inner()
    }

    /// A PNG of one colour.
    pub(crate) fn flat_png(width: u32, height: u32, colour: [u8; 3]) -> Vec<u8> {
        encode(
            ImageBuffer::from_pixel(width, height, Rgb(colour)),
            ImageFormat::Png,
        )
    }

    fn decode(bytes: &[u8], mode: ChannelMode, keep: usize) -> Result<Picture, DataError> {
        decode_picture(Path::new("some/picture"), bytes, mode, keep)
    }

    fn pixels(bytes: &[u8], mode: ChannelMode) -> Vec<u8> {
        decode(bytes, mode, 0).unwrap().pixels
    }

    /// A PNG with a hand-made header, to write what no encoder would.
    fn png_with(header: [u8; 13], chunks: &[(&[u8; 4], Vec<u8>)]) -> Vec<u8> {
        let mut file = b"\x89PNG\r\n\x1a\n".to_vec();
        let mut push = |kind: &[u8; 4], data: &[u8]| {
            file.extend((data.len() as u32).to_be_bytes());
            let body = [kind.as_slice(), data].concat();
            let mut crc = flate2::Crc::new();
            crc.update(&body);
            file.extend(body);
            file.extend(crc.sum().to_be_bytes());
        };
        push(b"IHDR", &header);
        for (kind, data) in chunks {
            push(kind, data);
        }
        push(b"IEND", &[]);
        file
    }

    fn header(width: u32, height: u32, depth: u8, colour_type: u8) -> [u8; 13] {
        let mut header = [0; 13];
        header[..4].copy_from_slice(&width.to_be_bytes());
        header[4..8].copy_from_slice(&height.to_be_bytes());
        header[8] = depth;
        header[9] = colour_type;
        header
    }

    fn zlib(bytes: &[u8]) -> Vec<u8> {
        use std::io::Write;
        let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn keeps_what_the_file_has() {
        let grey = encode(ImageBuffer::from_pixel(3, 1, Luma([7u8])), ImageFormat::Png);
        let picture = decode(&grey, ChannelMode::Keep, 1).unwrap();
        assert_eq!((picture.width, picture.height, picture.channels), (3, 1, 1));
        assert_eq!(picture.pixels, [7, 7, 7]);
        assert_eq!(probe_channels(Path::new("p"), &grey).unwrap(), 1);
        let rgba = encode(
            ImageBuffer::from_pixel(1, 1, Rgba([1u8, 2, 3, 4])),
            ImageFormat::Png,
        );
        assert_eq!(
            decode(&rgba, ChannelMode::Keep, 4).unwrap().pixels,
            [1, 2, 3, 4]
        );
    }

    #[test]
    fn keep_refuses_other_channels_by_name() {
        let error = decode(&flat_png(2, 2, [1, 2, 3]), ChannelMode::Keep, 1).unwrap_err();
        let text = error.to_string();
        assert!(
            text.starts_with("some/picture: has 3 channels but the first"),
            "{text}"
        );
    }

    #[test]
    fn grey_is_bt_601_luma() {
        // by hand: 0.299 * 255 = 76.245, 0.587 * 255 = 149.685, 0.114 * 255 = 29.07
        for (colour, luma) in [
            ([255, 0, 0], 76),
            ([0, 255, 0], 150),
            ([0, 0, 255], 29),
            ([255, 255, 255], 255),
            ([100, 100, 100], 100),
            ([0, 0, 0], 0),
        ] {
            assert_eq!(pixels(&flat_png(1, 1, colour), ChannelMode::Grey), [luma]);
        }
    }

    #[test]
    fn alpha_is_composed_over_white() {
        let file = |colour: [u8; 4]| {
            encode(
                ImageBuffer::from_pixel(1, 1, Rgba(colour)),
                ImageFormat::Png,
            )
        };
        assert_eq!(pixels(&file([9, 9, 9, 0]), ChannelMode::Rgb), [255; 3]);
        assert_eq!(pixels(&file([9, 8, 7, 255]), ChannelMode::Rgb), [9, 8, 7]);
        // (100 * 51 + 255 * 204) / 255 = 224, (0 * 51 + 255 * 204) / 255 = 204
        assert_eq!(
            pixels(&file([100, 0, 255, 51]), ChannelMode::Rgb),
            [224, 204, 255]
        );
        assert_eq!(pixels(&file([0, 0, 0, 51]), ChannelMode::Grey), [204]);
        assert_eq!(pixels(&file([1, 2, 3, 4]), ChannelMode::Rgba), [1, 2, 3, 4]);
        let grey = encode(
            ImageBuffer::from_pixel(1, 1, LumaA([0u8, 51])),
            ImageFormat::Png,
        );
        assert_eq!(pixels(&grey, ChannelMode::Rgb), [204; 3]);
        assert_eq!(pixels(&grey, ChannelMode::Rgba), [0, 0, 0, 51]);
    }

    #[test]
    fn opaque_pictures_get_a_full_alpha() {
        assert_eq!(
            pixels(&flat_png(1, 1, [1, 2, 3]), ChannelMode::Rgba),
            [1, 2, 3, 255]
        );
    }

    #[test]
    fn sixteen_bits_are_rounded() {
        let values = [0u16, 128, 129, 0x7fff, 0xff7e, 0xffff];
        let buffer = ImageBuffer::from_fn(6, 1, |x, _| Luma([values[x as usize]]));
        // 257 steps of 16 bits to one of 8: 128 / 257 = 0.498, 129 / 257 = 0.502
        assert_eq!(
            pixels(&encode(buffer, ImageFormat::Png), ChannelMode::Grey),
            [0, 0, 1, 127, 254, 255]
        );
    }

    #[test]
    fn palettes_are_expanded() {
        let palette = vec![10, 20, 30, 40, 50, 60];
        // two pixels of one bit: colours 1 and 0
        let data = zlib(&[0, 0b1000_0000]);
        let file = png_with(header(2, 1, 1, 3), &[(b"PLTE", palette), (b"IDAT", data)]);
        assert_eq!(pixels(&file, ChannelMode::Rgb), [40, 50, 60, 10, 20, 30]);
    }

    #[test]
    fn jpegs_of_odd_sizes_are_read() {
        let buffer = ImageBuffer::from_pixel(7, 13, Rgb([200u8, 100, 50]));
        let file = encode(buffer, ImageFormat::Jpeg);
        let picture = decode(&file, ChannelMode::Keep, 3).unwrap();
        assert_eq!(
            (picture.width, picture.height, picture.channels),
            (7, 13, 3)
        );
        for (value, wanted) in picture.pixels.iter().zip([200u8, 100, 50].iter().cycle()) {
            assert!(value.abs_diff(*wanted) <= 3, "{value} instead of {wanted}");
        }
    }

    #[test]
    fn bad_files_are_named() {
        let good = flat_png(64, 64, [1, 2, 3]);
        let jpeg = encode(
            ImageBuffer::from_pixel(64, 64, Rgb([1u8, 2, 3])),
            ImageFormat::Jpeg,
        );
        for (bytes, wanted) in [
            (vec![], "is empty"),
            (b"text".to_vec(), "is not a picture"),
            (b"GIF89a\x01\0\x01\0".to_vec(), "is a Gif picture inside"),
            (good[..good.len() / 2].to_vec(), "cannot be decoded"),
            (good[..20].to_vec(), "cannot be decoded"),
            (jpeg[..40].to_vec(), "cannot be decoded"),
        ] {
            let text = decode(&bytes, ChannelMode::Rgb, 0).unwrap_err().to_string();
            assert!(text.starts_with("some/picture: "), "{text}");
            assert!(text.contains(wanted), "{wanted:?} not in {text:?}");
            assert!(!text.contains('\n'), "{text:?}");
        }
    }

    #[test]
    fn decompression_bombs_are_refused_by_their_header() {
        let bomb = |w, h| png_with(header(w, h, 8, 6), &[(b"IDAT", zlib(&[0; 1000]))]);
        for (width, height) in [(60_000, 60_000), (16_385, 1), (1, 16_385), (16_000, 16_000)] {
            let error = decode(&bomb(width, height), ChannelMode::Rgb, 0).unwrap_err();
            assert!(matches!(error, DataError::Refused { .. }), "{error}");
            assert!(
                error.to_string().contains("larger than 16384 pixels"),
                "{error}"
            );
        }
    }

    #[test]
    fn extensions_match_in_any_case() {
        for name in ["a.png", "b.PNG", "c.Jpg", "d.e.jpeg"] {
            assert!(has_picture_extension(name), "{name}");
        }
        for name in ["a.gif", "png", ".png", "a.png.txt", ""] {
            assert!(!has_picture_extension(name), "{name}");
        }
        assert_eq!(accepted_extensions(), "png, jpg or jpeg");
    }
}
