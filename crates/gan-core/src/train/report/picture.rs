//! Picture files inside a page.

use std::fs;
use std::path::Path;

/// A PNG file to be shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Picture {
    pub width: u32,
    pub height: u32,
    bytes: Vec<u8>,
}

const SIGNATURE: &[u8] = b"\x89PNG\r\n\x1a\n";
/// The last chunk of every PNG file: no content, its name, its checksum.
const END: &[u8] = b"\0\0\0\0IEND\xae\x42\x60\x82";

impl Picture {
    /// Reads a file of at most `limit` bytes.
    ///
    /// # Errors
    ///
    /// Says why it cannot be shown, without the name of the file.
    pub fn read(path: &Path, limit: u64) -> Result<Self, String> {
        let size = fs::metadata(path).map_err(|error| error.to_string())?.len();
        if size > limit {
            return Err(format!(
                "{:.1} MiB are too large to be shown here",
                size as f64 / f64::from(1 << 20)
            ));
        }
        let bytes = fs::read(path).map_err(|error| error.to_string())?;
        let number = |at: usize| Some(u32::from_be_bytes(bytes.get(at..at + 4)?.try_into().ok()?));
        let (Some(width), Some(height), true) =
            (number(16), number(20), bytes.starts_with(SIGNATURE))
        else {
            return Err("not a PNG file".into());
        };
        if !bytes.ends_with(END) {
            return Err("the file is cut off".into());
        }
        Ok(Self {
            width,
            height,
            bytes,
        })
    }

    /// `<img>` with the picture in it. A small one is enlarged by a whole factor, to be at most `width`
    /// pixels wide; `alt` is escaped already.
    pub fn element(&self, alt: &str, width: u32) -> String {
        let factor = (width / self.width.max(1)).clamp(1, 8);
        let class = if factor > 1 { "pixels" } else { "smooth" };
        format!(
            r#"<img class="{class}" width="{}" height="{}" alt="{alt}" src="data:image/png;base64,{}">"#,
            self.width * factor,
            self.height * factor,
            base64(&self.bytes)
        )
    }

    /// Whether the other is the same file.
    pub fn is_same(&self, other: &Self) -> bool {
        self.bytes == other.bytes
    }
}

/// RFC 4648, section 4, with padding.
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let byte = |index: usize| u32::from(group.get(index).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for index in 0..4 {
            let digit = DIGITS[(bits >> (18 - 6 * index)) as usize & 63];
            text.push(if index > group.len() {
                '='
            } else {
                digit.into()
            });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_that_of_the_rfc() {
        let vectors = [
            "", "Zg==", "Zm8=", "Zm9v", "Zm9vYg==", "Zm9vYmE=", "Zm9vYmFy",
        ];
        for (length, text) in vectors.into_iter().enumerate() {
            assert_eq!(base64(&b"foobar"[..length]), text);
        }
        assert_eq!(base64(&[0xfb, 0xff, 0xbf]), "+/+/");
    }

    #[test]
    fn what_is_no_whole_png_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.png");
        let read = |bytes: &[u8], limit| {
            fs::write(&path, bytes).unwrap();
            Picture::read(&path, limit)
        };
        let mut png = SIGNATURE.to_vec();
        png.extend(b"\0\0\0\x0dIHDR\0\0\0\x03\0\0\x01\0");
        png.extend(END);
        let picture = read(&png, 1000).unwrap();
        assert_eq!((picture.width, picture.height), (3, 256));
        assert!(
            picture
                .element("a", 520)
                .contains(r#"width="24" height="2048""#)
        );
        assert!(read(&png[..30], 1000).unwrap_err().contains("cut off"));
        assert!(read(b"GIF89a", 1000).unwrap_err().contains("not a PNG"));
        assert!(read(b"", 1000).unwrap_err().contains("not a PNG"));
        assert!(read(&png, 20).unwrap_err().contains("too large"));
        fs::remove_file(&path).unwrap();
        assert!(Picture::read(&path, 1000).is_err());
    }
}
