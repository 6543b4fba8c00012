//! Files to be read by programs, good ones.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;

use gan_data::Picture;
use gan_data::io::write_picture;
use zip::write::SimpleFileOptions;

/// An IDX file.
pub fn idx(magic: u32, sizes: &[u32], data: &[u8]) -> Vec<u8> {
    let mut bytes = magic.to_be_bytes().to_vec();
    bytes.extend(sizes.iter().flat_map(|size| size.to_be_bytes()));
    bytes.extend(data);
    bytes
}

pub const IMAGES: &str = "train-images-idx3-ubyte";
pub const LABELS: &str = "train-labels-idx1-ubyte";

pub fn images() -> Vec<u8> {
    idx(0x803, &[8, 28, 28], &[100; 8 * 784])
}

pub fn labels() -> Vec<u8> {
    idx(0x801, &[8], &[0, 1, 2, 3, 4, 5, 6, 7])
}

/// A square grey picture; another `step` gives another one.
fn picture(side: usize, step: usize) -> Picture {
    Picture {
        width: side,
        height: side,
        channels: 1,
        pixels: (0..side * side)
            .map(|pixel| (pixel * step % 251) as u8)
            .collect(),
        label: None,
        caption: None,
    }
}

pub fn png(folder: &Path, name: &str, side: usize) -> Vec<u8> {
    let path = folder.join(name);
    write_picture(&path, &picture(side, 1)).unwrap();
    fs::read(path).unwrap()
}

pub fn zipped(path: &Path, entries: &[(&str, Vec<u8>)]) {
    let mut file = zip::ZipWriter::new(File::create(path).unwrap());
    for (name, bytes) in entries {
        file.start_file(*name, SimpleFileOptions::default())
            .unwrap();
        file.write_all(bytes).unwrap();
    }
    file.finish().unwrap();
}

/// So many pictures that differ.
pub fn pictures(folder: &Path, count: usize, side: usize) {
    fs::create_dir_all(folder).unwrap();
    for number in 0..count {
        let path = folder.join(format!("{number:03}.png"));
        write_picture(path, &picture(side, number + 3)).unwrap();
    }
}
