//! Pictures that cannot be read.

use std::fs;
use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;

use super::checks::Checks;
use super::common::command;
use super::files::{IMAGES, LABELS, idx, images, labels, pictures, png, zipped};

#[test]
fn idx_files() {
    let mut checks = Checks::new();
    let cases: [(&str, Vec<u8>, Vec<u8>, &str); 10] = [
        ("empty", vec![], labels(), IMAGES),
        ("cut-header", images()[..7].to_vec(), labels(), IMAGES),
        ("cut-data", images()[..3000].to_vec(), labels(), IMAGES),
        (
            "too-long",
            [images(), vec![0; 9]].concat(),
            labels(),
            IMAGES,
        ),
        (
            "magic",
            idx(0x0d08_0903, &[8, 28, 28], &[0; 8 * 784]),
            labels(),
            IMAGES,
        ),
        (
            "absurd",
            idx(0x803, &[u32::MAX, u32::MAX, u32::MAX], &[0; 9]),
            labels(),
            IMAGES,
        ),
        (
            "large",
            idx(0x803, &[2_000_000_000, 28, 28], &[0; 9]),
            labels(),
            IMAGES,
        ),
        (
            "none",
            idx(0x803, &[0, 28, 28], &[]),
            idx(0x801, &[0], &[]),
            "data",
        ),
        ("no-pixels", idx(0x803, &[8, 0, 28], &[]), labels(), IMAGES),
        ("labels", images(), idx(0x801, &[7], &[0; 7]), "7"),
    ];
    for (name, images, labels, word) in cases {
        let path = checks.file(&format!("{name}/{IMAGES}"), &images);
        checks.file(&format!("{name}/{LABELS}"), &labels);
        checks.data(path.parent().unwrap(), &[name, word]);
    }
    let path = checks.file(&format!("alone/{IMAGES}"), &images());
    checks.data(path.parent().unwrap(), &["alone", "train-labels"]);
    let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
    gzip.write_all(&images()).unwrap();
    let gzip = gzip.finish().unwrap();
    let path = checks.file(&format!("gzip/{IMAGES}.gz"), &gzip[..gzip.len() / 2]);
    checks.file(&format!("gzip/{LABELS}"), &labels());
    checks.data(path.parent().unwrap(), &["gzip", IMAGES]);
    checks.done(12);
}

#[test]
fn folders_and_archives() {
    let mut checks = Checks::new();
    let scratch = checks.path("scratch");
    fs::create_dir(&scratch).unwrap();
    let good = png(&scratch, "a.png", 28);

    checks.data(
        &checks.path("missing"),
        &["--data", "missing", "check the path"],
    );
    fs::create_dir(checks.path("empty")).unwrap();
    checks.data(&checks.path("empty"), &["--data", "empty", "looked for"]);
    checks.file("text/readme.txt", b"no pictures");
    checks.data(&checks.path("text"), &["text", "looked for"]);
    let path = checks.file("noise.bin", b"neither this nor that");
    checks.data(&path, &["noise.bin", "zip"]);
    let path = checks.file("nothing.zip", b"");
    checks.data(&path, &["nothing.zip", "empty"]);
    let path = checks.file("broken.zip", b"PK\x03\x04 and then nothing");
    checks.data(&path, &["broken.zip"]);

    for index in 0..7 {
        checks.file(&format!("corrupt/{index}.png"), &good);
    }
    checks.file("corrupt/3.jpg", b"\xff\xd8\xff\xe0\x00\x10JFIF\x00 cut off");
    checks.data(&checks.path("corrupt"), &["3.jpg"]);
    for index in 0..7 {
        checks.file(&format!("cut/{index}.png"), &good);
    }
    checks.file("cut/5.png", &good[..good.len() / 2]);
    checks.data(&checks.path("cut"), &["5.png"]);
    checks.file("few/0.png", &good);
    checks.data(&checks.path("few"), &["--batch", "4", "1"]);

    let path = checks.path("climbs.zip");
    zipped(
        &path,
        &[("../../climbs.png", good.clone()), ("b.png", good.clone())],
    );
    checks.data(&path, &["climbs.zip"]);
    assert!(!checks.path("../climbs.png").exists());
    let path = checks.path("bomb.zip");
    zipped(&path, &[("a.png", vec![0; 400 << 20])]);
    checks.data(&path, &["bomb.zip"]);
    let path = checks.path("bare.zip");
    zipped(&path, &[("readme.txt", b"no pictures".to_vec())]);
    checks.data(&path, &["bare.zip"]);
    checks.done(12);
}

/// A name that `config.json` cannot hold.
#[cfg(unix)]
#[test]
fn a_name_that_is_not_utf_8() {
    use std::os::unix::ffi::OsStrExt;

    let checks = Checks::new();
    let name = std::ffi::OsStr::from_bytes(b"photos-\xff");
    pictures(&checks.folder.path().join(name), 8, 28);
    let output = command("mnist_gan", checks.folder.path(), &["--data"])
        .arg(name)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{text}");
    assert!(text.starts_with("error: --data photos-"), "{text}");
    assert!(text.contains("UTF-8") && text.contains("rename"), "{text}");
}
