//! Whatever a person gets wrong, the programs answer with one line that names it, and a non-zero exit
//! code; never with a panic.

mod common;

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use common::{TINY, only_run, run, run_well};
use flate2::Compression;
use flate2::write::GzEncoder;
use gan_data::Picture;
use gan_data::io::write_picture;
use zip::write::SimpleFileOptions;

/// Every program gives up sooner than this.
const LIMIT: Duration = Duration::from_secs(20);

/// Collects what went wrong, so that one run of the tests shows all of it.
struct Checks {
    folder: tempfile::TempDir,
    count: usize,
    wrong: Vec<String>,
}

impl Checks {
    fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            count: 0,
            wrong: Vec::new(),
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A new file.
    fn file(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, bytes).unwrap();
        path
    }

    /// The program must refuse, in one line with all `words`.
    fn refused(&mut self, program: &str, flags: &[&str], words: &[&str]) {
        self.count += 1;
        let output = run(program, self.folder.path(), flags, LIMIT);
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        let errors: Vec<&str> = text
            .lines()
            .filter(|line| line.contains("error:"))
            .collect();
        let mut complaints = Vec::new();
        if output
            .status
            .code()
            .is_none_or(|code| !(1..=2).contains(&code))
        {
            complaints.push(format!("ended with {}", output.status));
        }
        if errors.len() != 1 || !errors[0].starts_with("error: ") {
            complaints.push("not exactly one line begins with `error: `".to_owned());
        }
        for word in words {
            if !text.contains(word) {
                complaints.push(format!("does not say `{word}`"));
            }
        }
        if ["panicked", "defect", "RUST_BACKTRACE"]
            .iter()
            .any(|word| text.contains(word))
        {
            complaints.push("is a panic".to_owned());
        }
        if !complaints.is_empty() {
            self.wrong.push(format!(
                "{program} {flags:?}\n  {}\n  it said: {text}",
                complaints.join(", ")
            ));
        }
    }

    /// Training must be refused.
    fn train(&mut self, flags: &[&str], words: &[&str]) {
        let all = [TINY, &["--kimg", "0.064", "--quiet"], flags].concat();
        self.refused("mnist_gan", &all, words);
    }

    /// Training on this data must be refused, with the name of the file.
    fn data(&mut self, path: &Path, words: &[&str]) {
        let path = path.to_str().unwrap();
        // Without --quiet: the line must come on top of everything else that is printed.
        let flags = [
            "--preset", "vanilla", "--batch", "4", "--kimg", "0.064", "--data", path,
        ];
        self.refused("mnist_gan", &flags, words);
    }

    fn done(self, at_least: usize) {
        assert!(
            self.wrong.is_empty(),
            "{} of {}:\n{}",
            self.wrong.len(),
            self.count,
            self.wrong.join("\n")
        );
        assert!(self.count >= at_least, "only {} bad inputs", self.count);
    }
}

/// An IDX file.
fn idx(magic: u32, sizes: &[u32], data: &[u8]) -> Vec<u8> {
    let mut bytes = magic.to_be_bytes().to_vec();
    bytes.extend(sizes.iter().flat_map(|size| size.to_be_bytes()));
    bytes.extend(data);
    bytes
}

const IMAGES: &str = "train-images-idx3-ubyte";
const LABELS: &str = "train-labels-idx1-ubyte";

fn images() -> Vec<u8> {
    idx(0x803, &[8, 28, 28], &[100; 8 * 784])
}

fn labels() -> Vec<u8> {
    idx(0x801, &[8], &[0, 1, 2, 3, 4, 5, 6, 7])
}

fn png(folder: &Path, name: &str, side: usize) -> Vec<u8> {
    let path = folder.join(name);
    let picture = Picture {
        width: side,
        height: side,
        channels: 1,
        pixels: (0..side * side).map(|pixel| (pixel % 251) as u8).collect(),
        label: None,
        caption: None,
    };
    write_picture(&path, &picture).unwrap();
    fs::read(path).unwrap()
}

fn zipped(path: &Path, entries: &[(&str, Vec<u8>)]) {
    let mut file = zip::ZipWriter::new(File::create(path).unwrap());
    for (name, bytes) in entries {
        file.start_file(*name, SimpleFileOptions::default())
            .unwrap();
        file.write_all(bytes).unwrap();
    }
    file.finish().unwrap();
}

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

#[test]
fn flags() {
    let mut checks = Checks::new();
    for (flags, words) in [
        ("--preset nope", ["--preset", "nope", "vanilla"]),
        ("--batch 0", ["--batch", "'0'", "1 to"]),
        ("--batch 1.5", ["--batch", "1.5", "whole number"]),
        ("--batch 99999999999999999999", ["--batch", "9999", "1 to"]),
        ("--kimg -5", ["--kimg", "-5", "above 0"]),
        ("--kimg 0", ["--kimg", "0", "above 0"]),
        ("--kimg NaN", ["--kimg", "NaN", "above 0"]),
        ("--kimg inf", ["--kimg", "inf", "above 0"]),
        ("--kimg", ["--kimg", "value", "required"]),
        ("--seed -1", ["--seed", "-1", "whole number"]),
        ("--every -2", ["--every", "-2", "0 or more"]),
        ("--backend tpu", ["--backend", "tpu", "flex"]),
        ("--bogus", ["--bogus", "unexpected", "--help"]),
        (
            "--resume runs/00099-nothing",
            ["--resume", "00099-nothing", "not a run"],
        ),
        ("--resume --out nowhere", ["--resume", "nowhere", "no run"]),
        (
            "--set model.gan.los=hinge",
            ["--set", "los", "critic_steps"],
        ),
        (
            "--set model.gan.loss=hing",
            ["--set", "hing", "wasserstein"],
        ),
        (
            "--set model.gan.critic_steps=0",
            ["--set", "critic_steps", "1 or more"],
        ),
        (
            "--set model.gan.critic_steps=3",
            ["--set", "critic_steps", "multiple"],
        ),
        (
            "--set model.gan.generator_optimizer.lr=-1",
            ["--set", "lr", "above 0"],
        ),
        (
            "--set model.gan.generator_optimizer.lr=NaN",
            ["--set", "NaN", "a number"],
        ),
        (
            "--set model.gan.latent.size=7",
            ["--set", "latent.size", "100"],
        ),
        (
            "--set model.batch_size=many",
            ["--set", "many", "a whole number"],
        ),
        (
            "--set train.log_kimg=-1",
            ["--set", "train.log_kimg", "0 for never"],
        ),
        (
            "--set train.keep_checkpoints=0",
            ["--set", "keep_checkpoints", "1 or more"],
        ),
        ("--set data.size=30", ["data.size", "30", "power of two"]),
        ("--set data.channels=9", ["data.channels", "9", "4"]),
        (
            "--set data.flip_probability=2",
            ["--set", "flip_probability", "0 to 1"],
        ),
        (
            "--set train.guard.window",
            ["--set", "train.guard.window", "key=value"],
        ),
        (
            "--config missing.json",
            ["--config", "missing.json", "check the path"],
        ),
    ] {
        let flags: Vec<&str> = flags.split(' ').collect();
        let mut all = vec!["--data", "synthetic", "--quiet"];
        if !flags.contains(&"--preset") {
            // The same flag twice would be another mistake.
            all.extend(["--preset", "vanilla"]);
        }
        all.extend(flags);
        checks.refused("mnist_gan", &all, &words);
    }
    let unknown_backend = if cfg!(feature = "cuda") {
        "opencl"
    } else {
        "cuda"
    };
    checks.train(
        &["--backend", unknown_backend],
        &["--backend", "compiled in"],
    );
    checks.done(31);
}

/// So many pictures that differ.
fn pictures(folder: &Path, count: usize, side: usize) {
    fs::create_dir_all(folder).unwrap();
    for number in 0..count {
        let picture = Picture {
            width: side,
            height: side,
            channels: 1,
            pixels: (0..side * side)
                .map(|pixel| (pixel * (number + 3) % 251) as u8)
                .collect(),
            label: None,
            caption: None,
        };
        write_picture(folder.join(format!("{number:03}.png")), &picture).unwrap();
    }
}

#[test]
fn evaluations() {
    let mut checks = Checks::new();
    for (name, count, side) in [
        ("good", 70, 28),
        ("few", 20, 28),
        ("one", 1, 28),
        ("large", 70, 32),
        ("mixed", 70, 28),
        ("broken", 70, 28),
    ] {
        pictures(&checks.path(name), count, side);
    }
    png(&checks.path("mixed"), "050.png", 30);
    let good = fs::read(checks.path("good/001.png")).unwrap();
    checks.file("broken/042.png", &good[..good.len() / 2]);
    for index in 0..70 {
        checks.file(&format!("same/{index}.png"), &good);
    }
    let zip = checks.path("good.zip");
    zipped(&zip, &[("a.png", good.clone()), ("b.jpg", b"no".to_vec())]);
    checks.file("weights.pth", b"not the published weights");
    checks.file("empty/readme.txt", b"no pictures");
    for (flags, words) in [
        ("", &["--run"][..]),
        ("--real good", &["--fake"]),
        ("--run nothing", &["--run", "nothing", "not a run"]),
        (
            "--run good --fake few",
            &["--run", "--fake", "cannot be used"],
        ),
        (
            "--real nothing --fake good",
            &["--real", "nothing", "check the path"],
        ),
        (
            "--real good --fake empty",
            &["--fake", "empty", "looked for"],
        ),
        ("--real good --fake broken", &["--fake", "042.png"]),
        ("--real broken --fake good", &["--real", "042.png"]),
        (
            "--real good --fake good.zip",
            &["--fake", "good.zip", "b.jpg"],
        ),
        (
            "--real good --fake mixed",
            &["--fake", "mixed", "30 x 30", "one size"],
        ),
        (
            "--real good --fake one",
            &["--fake", "1 pictures", "at least 2"],
        ),
        (
            "--real one --fake good",
            &["--real", "1 pictures", "at least 2"],
        ),
        (
            "--real good --fake same",
            &["generated pictures", "70 pictures are identical"],
        ),
        (
            "--real same --fake good",
            &["real pictures", "70 pictures are identical"],
        ),
        (
            "--real good --fake few",
            &["20 pictures", "64", "--allow-few"],
        ),
        (
            "--real few --fake good",
            &["the real pictures", "20 pictures", "64"],
        ),
        ("--real large --fake good", &["--real", "28x28", "32x32"]),
        (
            "--real good --fake good --metrics fid,fd",
            &["--metrics", "fd", "kid, pr"],
        ),
        (
            "--real good --fake good --metrics accuracy",
            &["accuracy", "labels"],
        ),
        (
            "--real good --fake good --features vg",
            &["--features", "vg", "digits, inception"],
        ),
        (
            "--real good --fake good --features inception",
            &["--features", "--weights"],
        ),
        (
            "--real good --fake good --weights weights.pth",
            &["weights.pth", "SHA-256"],
        ),
        (
            "--real good --fake good --weights weights.pth --checksum any",
            &["weights.pth", "no PyTorch file"],
        ),
        (
            "--real good --fake good --weights nothing.pth",
            &["nothing.pth", "No such file"],
        ),
        (
            "--real good --fake good --features digits --weights weights.pth",
            &["weights.pth", "leave the file out"],
        ),
        (
            "--real good --fake good --resize best",
            &["--resize", "best", "clean"],
        ),
        (
            "--real good --fake good --num 0",
            &["--num", "'0'", "whole number"],
        ),
        (
            "--real good --fake good --checkpoint x",
            &["--checkpoint", "'x'", "latest"],
        ),
        (
            "--real good --fake good --out o.txt",
            &["--out", "o.txt", ".json"],
        ),
        (
            "--real good --fake good --out weights.pth/o.json",
            &["--out", "weights.pth"],
        ),
    ] {
        let flags: Vec<&str> = flags.split_whitespace().collect();
        checks.refused("evaluate", &flags, words);
    }
    for (flags, words) in [
        ("--evaluate -1", &["--evaluate", "-1"][..]),
        ("--stop-after-worse 1.5", &["--stop-after-worse", "1.5"]),
        ("--set train.evaluate.metrics=[]", &["metrics", "fid"]),
        ("--set train.evaluate.metrics=[\"fd\"]", &["fd", "kid"]),
        ("--set train.evaluate.samples=3", &["samples", "3", "100"]),
        (
            "--evaluate 1 --set train.evaluate.features.network=inception",
            &["features", "weights"],
        ),
        ("--evaluate 1 --set data.size=32", &["evaluate", "28 x 28"]),
    ] {
        let flags: Vec<&str> = flags.split_whitespace().collect();
        checks.train(&flags, words);
    }
    checks.done(37);
}

#[test]
fn configuration_files() {
    let mut checks = Checks::new();
    for (name, text, word) in [
        ("comma.json", r#"{"seed": 1,}"#, "not valid JSON"),
        (
            "nan.json",
            r#"{"model": {"total_kimg": NaN}}"#,
            "not valid JSON",
        ),
        (
            "huge.json",
            r#"{"model": {"total_kimg": 1e999}}"#,
            "not valid JSON",
        ),
        ("empty.json", "", "not valid JSON"),
        ("list.json", "[1, 2]", "no JSON object"),
        ("key.json", r#"{"sede": 1}"#, "sede"),
        (
            "deep.json",
            r#"{"model": {"gan": {"losss": "hinge"}}}"#,
            "model.gan.losss",
        ),
        ("type.json", r#"{"seed": "one"}"#, "seed"),
        (
            "negative.json",
            r#"{"model": {"batch_size": -4}}"#,
            "batch_size",
        ),
        (
            "lr.json",
            r#"{"model": {"gan": {"critic_optimizer": {"lr": 0}}}}"#,
            "critic_optimizer.lr",
        ),
        (
            "kind.json",
            r#"{"model": {"gan": {"critic_optimizer": {"kind": "adagrad", "lr": 1}}}}"#,
            "adagrad",
        ),
    ] {
        let path = checks.file(name, text.as_bytes());
        let flags = [
            "--preset",
            "vanilla",
            "--data",
            "synthetic",
            "--config",
            path.to_str().unwrap(),
        ];
        checks.refused("mnist_gan", &flags, &["--config", name, word]);
    }
    let path = checks.file("binary.json", &[0xff, 0xfe, 0]);
    checks.train(
        &["--config", path.to_str().unwrap()],
        &["--config", "binary.json"],
    );
    checks.done(12);
}

#[test]
fn places_that_cannot_be_written() {
    let mut checks = Checks::new();
    let file = checks.file("file", b"not a folder");
    let file = file.to_str().unwrap();
    checks.train(&["--out", file], &["--out", "file", "cannot create"]);
    let below = format!("{file}/runs");
    checks.train(&["--out", &below], &["--out", "file/runs", "cannot create"]);
    if cfg!(target_os = "linux") {
        checks.train(
            &["--out", "/proc/runs"],
            &["--out", "/proc/runs", "cannot create"],
        );
    }
    checks.done(2);
}

/// A file system that is full is the same as one on which no file may grow; a shell can make one.
#[cfg(target_os = "linux")]
#[test]
fn a_full_disk() {
    let checks = Checks::new();
    // 100 KiB: enough for pictures, too little for the weights.
    let script = "trap '' XFSZ; ulimit -f 100; exec \"$@\"";
    let wide = [
        "--kimg",
        "0.064",
        "--quiet",
        "--set",
        "model.generator.widths=[64]",
    ];
    let flags = [TINY, &wide].concat();
    let output = std::process::Command::new("bash")
        .args(["-c", script, "bash"])
        .arg(common::example("mnist_gan"))
        .args(flags)
        .current_dir(checks.folder.path())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(
        text.starts_with("error: ") && text.lines().count() == 1,
        "{text}"
    );
    assert!(
        text.contains("checkpoint") && text.contains("cannot write"),
        "{text}"
    );
    // No half of a checkpoint stays.
    let run = only_run(checks.folder.path());
    assert_eq!(fs::read_dir(run.join("checkpoints")).unwrap().count(), 0);
}

/// The same on a real one, where the system lets us mount it.
#[cfg(target_os = "linux")]
#[test]
fn a_small_disk() {
    let checks = Checks::new();
    let disk = checks.path("disk");
    fs::create_dir(&disk).unwrap();
    let mount = |command: &str, arguments: &[&str]| {
        let status = std::process::Command::new(command)
            .args(arguments)
            .arg(&disk)
            .output();
        status.is_ok_and(|output| output.status.success())
    };
    if !mount("mount", &["-t", "tmpfs", "-o", "size=256k", "tmpfs"]) {
        println!("cannot mount a small disk here, so this is not tested");
        return;
    }
    let flags = [TINY, &["--kimg", "0.064", "--quiet", "--out", "disk"]].concat();
    let output = run("mnist_gan", checks.folder.path(), &flags, LIMIT);
    assert!(mount("umount", &[]));
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(
        text.starts_with("error: ") && text.lines().count() == 1,
        "{text}"
    );
    assert!(text.contains("disk/") && text.contains("space"), "{text}");
}

#[test]
fn runs_and_samples() {
    let mut checks = Checks::new();
    let folder = checks.folder.path().to_owned();
    run_well("mnist_gan", &folder, &[TINY, &["--kimg", "0.064"]].concat());
    let path = only_run(&folder);
    let run = path.to_str().unwrap();

    // Another configuration, other data, fewer pictures.
    let resume = |flags: &[&'static str]| [&["--quiet", "--resume"], flags].concat();
    checks.refused(
        "mnist_gan",
        &resume(&["--batch", "16"]),
        &["another configuration", "model.batch_size: 8 → 16"],
    );
    checks.refused(
        "mnist_gan",
        &resume(&["--seed", "3"]),
        &["another configuration", "seed: 0 → 3"],
    );
    checks.refused(
        "mnist_gan",
        &resume(&["--preset", "dcgan"]),
        &["another configuration", "model.preset"],
    );
    checks.refused(
        "mnist_gan",
        &resume(&["--kimg", "0.008"]),
        &["--kimg", "0.008", "0.064"],
    );
    checks.file(&format!("other/{IMAGES}"), &images());
    checks.file(&format!("other/{LABELS}"), &labels());
    checks.refused(
        "mnist_gan",
        &resume(&["--data", "other"]),
        &["other data", "fingerprint"],
    );

    for (flags, words) in [
        ("--checkpoint 999", ["--checkpoint", "000000999"]),
        ("--checkpoint best", ["--checkpoint best", "--evaluate"]),
    ] {
        let flags: Vec<&str> = ["--run", run].into_iter().chain(flags.split(' ')).collect();
        checks.refused("evaluate", &flags, &words);
    }

    let sample = |flags: &[&'static str]| [&["--quiet", "--run", run], flags].concat();
    for (flags, words) in [
        ("--seeds 9-3 --out o", ["--seeds", "9-3", "rising"]),
        ("--seeds -1 --out o", ["--seeds", "-1", "numbers"]),
        (
            "--seeds 0-99999999999 --out o",
            ["--seeds", "0-99999999999", "million"],
        ),
        ("--truncation -1 --out o", ["--truncation", "-1", "above 0"]),
        (
            "--truncation NaN --out o",
            ["--truncation", "NaN", "above 0"],
        ),
        ("--num 0 --out o", ["--num", "'0'", "whole number"]),
        (
            "--num 3 --seeds 0-2 --out o",
            ["--num", "--seeds", "cannot be used"],
        ),
        ("--num 3", ["nowhere", "--grid", "--out"]),
        ("--num 3 --grid g.jpg", ["--grid", "g.jpg", ".png"]),
        ("--num 3 --npy n.npz", ["--npy", "n.npz", ".npy"]),
        ("--num 5000 --grid g.png", ["--grid", "5000", "4096"]),
        ("--num 3 --out file", ["file", "cannot", "folder"]),
        ("--num 3 --npy file/a.npy", ["--npy", "file", "folder"]),
    ] {
        checks.file("file", b"not a folder");
        let flags: Vec<&'static str> = flags.split(' ').collect();
        checks.refused("sample", &sample(&flags), &words);
    }
    if cfg!(target_os = "linux") {
        checks.refused(
            "sample",
            &sample(&["--num", "3", "--grid", "/proc/g.png"]),
            &["/proc/g.png"],
        );
    }
    checks.refused(
        "sample",
        &["--run", "nothing", "--num", "3", "--out", "o"],
        &["--run", "nothing", "not a run"],
    );
    checks.refused(
        "report",
        &["--run", "nothing"],
        &["--run", "nothing", "not a run"],
    );
    checks.refused(
        "interpolate",
        &sample(&["--out", "walk.png"]),
        &["--out", "walk.png", ".gif"],
    );
    checks.refused(
        "interpolate",
        &["--run", "nothing"],
        &["--run", "nothing", "not a run"],
    );
    checks.refused(
        "interpolate",
        &sample(&["--steps", "0"]),
        &["--steps", "'0'", "whole number"],
    );
    checks.refused(
        "interpolate",
        &sample(&["--steps", "9999", "--keys", "9999"]),
        &["--steps", "at most 5000"],
    );
    checks.refused(
        "interpolate",
        &sample(&["--out", "file/walk.gif"]),
        &["--out", "file", "folder"],
    );

    broken_checkpoints(&mut checks, &path);
    checks.done(25);
}

/// All checkpoints are damaged, in one way after the other.
fn broken_checkpoints(checks: &mut Checks, run: &Path) {
    let path = run.to_str().unwrap();
    let checkpoints = || {
        fs::read_dir(run.join("checkpoints"))
            .unwrap()
            .map(|entry| entry.unwrap().path())
    };
    for checkpoint in checkpoints() {
        let weights = checkpoint.join("generator.safetensors");
        let mut bytes = fs::read(&weights).unwrap();
        let last = bytes.len() - 1;
        bytes[last] ^= 1;
        fs::write(weights, bytes).unwrap();
    }
    let sample = ["--run", path, "--num", "3", "--out", "o"];
    checks.refused(
        "sample",
        &sample,
        &["checkpoint", "generator.safetensors", "checksum"],
    );
    checks.refused(
        "mnist_gan",
        &["--resume", path],
        &["checkpoints", "generator.safetensors", "checksum"],
    );
    for checkpoint in checkpoints() {
        fs::write(checkpoint.join("manifest.json"), "{").unwrap();
    }
    checks.refused("sample", &sample, &["checkpoint", "manifest.json"]);
    for checkpoint in checkpoints() {
        fs::remove_dir_all(checkpoint).unwrap();
    }
    checks.refused("sample", &sample, &["no checkpoint", "checkpoints"]);
    fs::write(run.join("config.json"), "{ broken").unwrap();
    checks.refused("sample", &sample, &["config.json"]);
    checks.refused("mnist_gan", &["--resume", path], &["config.json"]);
    fs::remove_file(run.join("config.json")).unwrap();
    checks.refused("mnist_gan", &["--resume", path], &["--resume", "not a run"]);
}
