//! Animated GIF.

use std::path::Path;

use image::codecs::gif::{GifEncoder, Repeat};
use image::{Delay, Frame, RgbaImage};

use super::write_atomically;
use crate::{DataError, Picture};

/// Longest time a frame may be shown: GIF counts hundredths of a second in 16 bits.
const MAX_DELAY_MS: u32 = 655_350;

/// Writes an animated GIF that loops forever; each frame is shown for `delay_ms` milliseconds
/// (GIF rounds to 10). Make the frames with [`grid`](super::grid). Grey frames are exact, colours
/// are reduced to 256 per frame, alpha is composed over white. The same frames give the same bytes.
///
/// # Errors
///
/// [`DataError::Config`] if there are no frames, they differ in size or channels, they have 2
/// channels, or the delay is not within 10 to 655,350 ms; [`DataError::Refused`] if they are larger
/// than GIF allows (65,535 pixels); [`DataError::Io`] names the file if it cannot be written.
pub fn write_gif(
    path: impl AsRef<Path>,
    frames: &[Picture],
    delay_ms: u32,
) -> Result<(), DataError> {
    let path = path.as_ref();
    check(frames, delay_ms)?;
    let refuse = |error| DataError::refused(path, format!("cannot be encoded as GIF: {error}"));
    let mut bytes = Vec::new();
    let mut encoder = GifEncoder::new_with_speed(&mut bytes, 10);
    encoder.set_repeat(Repeat::Infinite).map_err(refuse)?;
    for picture in frames {
        let side = |side: usize| u32::try_from(side).unwrap_or(u32::MAX);
        let buffer = RgbaImage::from_raw(side(picture.width), side(picture.height), rgba(picture))
            .ok_or_else(|| {
                DataError::refused(path, "a frame has fewer pixels than its size says")
            })?;
        let delay = Delay::from_numer_denom_ms(delay_ms, 1);
        encoder
            .encode_frame(Frame::from_parts(buffer, 0, 0, delay))
            .map_err(refuse)?;
    }
    drop(encoder); // writes the end of the file
    write_atomically(path, &bytes)
}

fn check(frames: &[Picture], delay_ms: u32) -> Result<(), DataError> {
    let Some(first) = frames.first() else {
        return Err(DataError::config(
            "frames",
            "there are none; an animation needs at least 1",
        ));
    };
    if !(10..=MAX_DELAY_MS).contains(&delay_ms) {
        let message = format!("{delay_ms} ms is not allowed; use 10 to {MAX_DELAY_MS}");
        return Err(DataError::config("delay_ms", message));
    }
    if !matches!(first.channels, 1 | 3 | 4) {
        let message = format!("{} cannot be shown; use 1, 3 or 4", first.channels);
        return Err(DataError::config("channels", message));
    }
    let shape = |picture: &Picture| (picture.width, picture.height, picture.channels);
    match frames.iter().position(|frame| shape(frame) != shape(first)) {
        None => Ok(()),
        Some(index) => {
            let message = format!("number {index} differs from number 0 in size or channels");
            Err(DataError::config("frames", message))
        }
    }
}

fn rgba(picture: &Picture) -> Vec<u8> {
    let over_white = |value: u8, alpha: u8| {
        let (value, alpha) = (u32::from(value), u32::from(alpha));
        ((value * alpha + 255 * (255 - alpha) + 127) / 255) as u8
    };
    let pixels = picture.pixels.chunks_exact(picture.channels);
    let opaque = |pixel: &[u8]| match *pixel {
        [grey] => [grey, grey, grey, 255],
        [r, g, b, a] => [over_white(r, a), over_white(g, a), over_white(b, a), 255],
        _ => [pixel[0], pixel[1], pixel[2], 255],
    };
    pixels.flat_map(opaque).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::AnimationDecoder;
    use image::codecs::gif::GifDecoder;
    use std::io::Cursor;

    fn frame(channels: usize, shift: usize) -> Picture {
        let pixels = (0..20 * 12 * channels)
            .map(|i| ((i * 5 + shift) % 256) as u8)
            .collect();
        Picture {
            width: 20,
            height: 12,
            channels,
            pixels,
            label: None,
            caption: None,
        }
    }

    #[test]
    fn grey_frames_read_back_exactly_with_their_delay() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("walk.gif");
        let frames = [frame(1, 0), frame(1, 9), frame(1, 100)];
        write_gif(&path, &frames, 80).unwrap();
        let bytes = std::fs::read(&path).unwrap();
        let loops = b"NETSCAPE2.0\x03\x01\x00\x00";
        assert!(
            bytes.windows(loops.len()).any(|part| part == loops),
            "does not loop forever"
        );
        let decoder = GifDecoder::new(Cursor::new(&bytes)).unwrap();
        let read = decoder.into_frames().collect_frames().unwrap();
        assert_eq!(read.len(), 3);
        for (read, frame) in read.iter().zip(&frames) {
            assert_eq!(read.delay().numer_denom_ms(), (80, 1));
            let grey: Vec<u8> = read.buffer().pixels().map(|pixel| pixel.0[0]).collect();
            assert_eq!(grey, frame.pixels);
        }
        write_gif(&path, &frames, 80).unwrap();
        assert_eq!(bytes, std::fs::read(&path).unwrap());
    }

    #[test]
    fn colours_come_back_nearly() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("colour.gif");
        let frame = frame(3, 0);
        write_gif(&path, std::slice::from_ref(&frame), 100).unwrap();
        let first = std::fs::read(&path).unwrap();
        let read = image::open(&path).unwrap().to_rgb8();
        let pairs = read.iter().zip(&frame.pixels).map(|(a, b)| a.abs_diff(*b));
        assert!(pairs.max().unwrap() < 32);
        write_gif(&path, &[frame], 100).unwrap();
        assert_eq!(first, std::fs::read(&path).unwrap());
    }

    #[test]
    fn alpha_is_composed_over_white() {
        let mut picture = frame(4, 0);
        picture.pixels[..8].copy_from_slice(&[10, 20, 30, 0, 100, 0, 255, 128]);
        assert_eq!(
            rgba(&picture)[..8],
            [255, 255, 255, 255, 177, 127, 255, 255]
        );
    }

    #[test]
    fn what_cannot_be_an_animation_is_refused() {
        let other = Picture {
            width: 12,
            height: 20,
            ..frame(1, 0)
        };
        for (frames, delay, start) in [
            (vec![], 100, "frames: there are none"),
            (vec![frame(1, 0)], 0, "delay_ms: 0 ms"),
            (vec![frame(1, 0)], 700_000, "delay_ms: 700000 ms"),
            (vec![frame(2, 0)], 100, "channels: 2 "),
            (vec![frame(1, 0), other], 100, "frames: number 1 differs"),
        ] {
            let message = write_gif("never.gif", &frames, delay)
                .unwrap_err()
                .to_string();
            assert!(message.starts_with(start), "{message}");
        }
        assert!(!Path::new("never.gif").exists());
        let long = Picture {
            width: 70_000,
            height: 1,
            pixels: vec![0; 70_000],
            ..frame(1, 0)
        };
        let message = write_gif("long.gif", &[long], 100).unwrap_err().to_string();
        assert!(
            message.starts_with("long.gif: cannot be encoded as GIF"),
            "{message}"
        );
    }
}
