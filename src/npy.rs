//! Pictures as one NumPy array, written as they come.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use gan_data::Picture;

use crate::Failure;

/// A `.npy` file of `uint8`: `[count, height, width]` for grey pictures, else
/// `[count, height, width, channels]`. It appears when it is [finished](NpyWriter::finish).
pub struct NpyWriter {
    path: PathBuf,
    temporary: PathBuf,
    file: BufWriter<File>,
    /// Height, width, channels.
    shape: [usize; 3],
    left: usize,
}

impl NpyWriter {
    /// Begins a file for `count` pictures of `[height, width, channels]`.
    ///
    /// # Errors
    ///
    /// If it cannot be made; the path is named.
    pub fn create(path: &Path, count: usize, shape: [usize; 3]) -> Result<Self, Failure> {
        let mut name = path.file_name().unwrap_or_default().to_owned();
        name.push(format!(".tmp-{}", std::process::id()));
        let temporary = path.with_file_name(name);
        let create = || -> io::Result<BufWriter<File>> {
            let mut file = BufWriter::new(File::create(&temporary)?);
            file.write_all(&header(count, shape))?;
            Ok(file)
        };
        let file = create().map_err(|error| failure(path, &error))?;
        Ok(Self {
            path: path.to_owned(),
            temporary,
            file,
            shape,
            left: count,
        })
    }

    /// Adds pictures.
    ///
    /// # Errors
    ///
    /// If they cannot be written.
    ///
    /// # Panics
    ///
    /// Panics if they are of another shape, or more than were announced.
    pub fn write(&mut self, pictures: &[Picture]) -> Result<(), Failure> {
        assert!(pictures.len() <= self.left, "more pictures than announced");
        self.left -= pictures.len();
        for picture in pictures {
            let shape = [picture.height, picture.width, picture.channels];
            assert_eq!(shape, self.shape, "all pictures must have one shape");
            let written = self.file.write_all(&picture.pixels);
            written.map_err(|error| failure(&self.path, &error))?;
        }
        Ok(())
    }

    /// Gives the file its name.
    ///
    /// # Errors
    ///
    /// If the rest cannot be written.
    ///
    /// # Panics
    ///
    /// Panics if there were fewer pictures than announced.
    pub fn finish(mut self) -> Result<(), Failure> {
        assert_eq!(self.left, 0, "fewer pictures than announced");
        let done = self
            .file
            .flush()
            .and_then(|()| self.file.get_ref().sync_all())
            .and_then(|()| fs::rename(&self.temporary, &self.path));
        done.map_err(|error| failure(&self.path, &error))
    }
}

impl Drop for NpyWriter {
    fn drop(&mut self) {
        // Only there if something went wrong.
        let _ = fs::remove_file(&self.temporary);
    }
}

fn failure(path: &Path, error: &io::Error) -> Failure {
    let shown = path.display();
    Failure::new(format!(
        "--npy {shown}: cannot write the file: {error}; choose another place"
    ))
}

/// Version 1.0 of the format: magic, length of the text, a Python dictionary, blanks up to a
/// multiple of 64.
fn header(count: usize, [height, width, channels]: [usize; 3]) -> Vec<u8> {
    let shape = match channels {
        1 => format!("({count}, {height}, {width})"),
        _ => format!("({count}, {height}, {width}, {channels})"),
    };
    let mut text = format!("{{'descr': '|u1', 'fortran_order': False, 'shape': {shape}, }}");
    let blanks = 63 - (10 + text.len()) % 64;
    text.extend(std::iter::repeat_n(' ', blanks));
    text.push('\n');
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    // Far below 65,536: the text is a few dozen letters.
    bytes.extend((text.len() as u16).to_le_bytes());
    bytes.extend(text.into_bytes());
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture(value: u8, channels: usize) -> Picture {
        Picture {
            width: 3,
            height: 2,
            channels,
            pixels: vec![value; 6 * channels],
            label: None,
            caption: None,
        }
    }

    #[test]
    fn the_header_is_that_of_numpy_and_the_data_begins_at_a_multiple_of_64() {
        for (channels, shape) in [(1, "(7, 2, 3)"), (3, "(7, 2, 3, 3)")] {
            let header = header(7, [2, 3, channels]);
            assert_eq!(&header[..8], b"\x93NUMPY\x01\x00");
            let length = u16::from_le_bytes([header[8], header[9]]);
            assert_eq!(header.len(), 10 + usize::from(length));
            assert_eq!(header.len() % 64, 0);
            let text = String::from_utf8_lossy(&header[10..]).into_owned();
            assert!(text.ends_with('\n'));
            let dictionary =
                format!("{{'descr': '|u1', 'fortran_order': False, 'shape': {shape}, }}");
            assert_eq!(text.trim_end(), dictionary);
        }
    }

    #[test]
    fn pictures_come_one_after_the_other_and_only_a_finished_file_is_there() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.npy");
        let mut file = NpyWriter::create(&path, 3, [2, 3, 1]).unwrap();
        file.write(&[picture(1, 1), picture(2, 1)]).unwrap();
        file.write(&[picture(3, 1)]).unwrap();
        assert!(!path.exists());
        file.finish().unwrap();
        let bytes = fs::read(&path).unwrap();
        let data = [[1u8; 6], [2; 6], [3; 6]].concat();
        assert!(bytes.ends_with(&data));
        assert_eq!(bytes.len() % 64, data.len());

        drop(NpyWriter::create(&folder.path().join("b.npy"), 3, [2, 3, 1]).unwrap());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        let error = NpyWriter::create(Path::new("/dev/null/x.npy"), 1, [1, 1, 1]);
        assert!(error.err().unwrap().to_string().contains("/dev/null/x.npy"));
    }
}
