//! Scores in training and afterwards are the same, whatever the pictures come from.

mod common;

use std::fs;
use std::io::Write;
use std::path::Path;
use std::time::Duration;

use burn::data::dataset::Dataset;
use common::{TINY, command, only_run, run, run_well};
use gan_core::train::{RunDir, read_metric};
use gan_data::io::write_picture;
use gan_data::source::synthetic::SyntheticDigitsConfig;
use serde_json::Value;
use zip::write::SimpleFileOptions;

const LIMIT: Duration = Duration::from_secs(60);

/// The JSON that `evaluate` prints, and what it says besides.
fn evaluate(folder: &Path, flags: &[&str]) -> (Value, String) {
    let flags = [&["--json"], flags].concat();
    let output = run("evaluate", folder, &flags, LIMIT);
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{flags:?}: {said}");
    (serde_json::from_slice(&output.stdout).unwrap(), said)
}

fn score(report: &Value, name: &str) -> f64 {
    let scores = report["scores"].as_array().unwrap();
    let found = scores.iter().find(|score| score["name"] == name);
    found.unwrap()["value"].as_f64().unwrap()
}

/// Trains with scores on the way, and returns the run.
fn trained(folder: &Path) -> RunDir {
    let flags = "--kimg 0.4 --evaluate 0.1 --set train.evaluate.samples=150 \
                 --set train.evaluate.reals=400 --set train.evaluate.metrics=[\"fid\",\"pr\"] \
                 --set train.checkpoint_kimg=0.1 --set train.keep_checkpoints=9";
    let flags: Vec<&str> = flags.split_whitespace().collect();
    run_well("mnist_gan", folder, &[TINY, &flags].concat());
    RunDir::open(only_run(folder)).unwrap()
}

#[test]
fn a_run_is_scored_on_the_way_and_afterwards_alike() {
    let folder = tempfile::tempdir().unwrap();
    let run = trained(folder.path());
    let path = run.path().to_str().unwrap();
    assert_eq!(run.metrics().unwrap(), ["fid", "precision", "recall"]);
    assert!(run.metric_plot().is_file());
    let lines = read_metric(&run.metric("fid")).unwrap();
    assert_eq!(lines.len(), 4);
    assert!(
        lines
            .iter()
            .all(|line| line.samples == 150 && line.reals == 400)
    );
    let close = |report: &Value, wanted: f64| {
        let found = score(report, "fid");
        assert!((found - wanted).abs() < 1e-6 * wanted, "{found} {wanted}");
    };
    for line in [&lines[0], &lines[3]] {
        let round = line.round.to_string();
        let flags = [
            "--run",
            path,
            "--num",
            "150",
            "--num-real",
            "400",
            "--metrics",
            "fid,authenticity",
            "--checkpoint",
            &round,
        ];
        close(&evaluate(folder.path(), &flags).0, line.value.unwrap());
    }
    let best = lines
        .iter()
        .filter_map(|line| line.value)
        .fold(f64::INFINITY, f64::min);
    let flags = [
        "--run",
        path,
        "--num",
        "150",
        "--num-real",
        "400",
        "--checkpoint",
        "best",
    ];
    let (report, said) = evaluate(folder.path(), &flags);
    close(&report, best);
    assert!(said.contains("neighbours.png"), "{said}");
    for file in ["neighbours.png", "evaluation.json", "report.html"] {
        assert!(run.path().join(file).is_file(), "{file}");
    }

    // The statistics of the real pictures were computed once; damaged ones are computed again.
    let cache = folder.path().join("cache/statistics");
    let files: Vec<_> = fs::read_dir(&cache)
        .unwrap()
        .map(|file| file.unwrap().path())
        .collect();
    assert_eq!(files.len(), 1, "{files:?}");
    let whole = fs::read(&files[0]).unwrap();
    fs::write(&files[0], &whole[..whole.len() - 9]).unwrap();
    let (again, said) = evaluate(folder.path(), &flags);
    assert_eq!(again, report);
    assert!(said.contains("computing them again"), "{said}");
    assert_eq!(fs::read(&files[0]).unwrap().len(), whole.len());
}

#[test]
fn files_are_scored_like_the_run_that_drew_them() {
    let folder = tempfile::tempdir().unwrap();
    let run = trained(folder.path());
    let path = run.path().to_str().unwrap();
    let digits = SyntheticDigitsConfig::new().init().unwrap();
    let real = folder.path().join("real");
    fs::create_dir(&real).unwrap();
    for index in 0..120 {
        let picture = digits.get(index).unwrap();
        write_picture(real.join(format!("{index}.png")), &picture).unwrap();
    }
    let flags = ["--quiet", "--run", path, "--num", "90", "--out", "fakes"];
    run_well("sample", folder.path(), &flags);
    let of_files = ["--real", "real", "--fake", "fakes"];
    let of_run = ["--real", "real", "--fake", path, "--num", "90"];
    let [(files, _), (run, _)] =
        [&of_files[..], &of_run].map(|flags| evaluate(folder.path(), flags));
    for name in [
        "fid",
        "precision",
        "coverage",
        "class_entropy",
        "authenticity",
    ] {
        let (a, b) = (score(&files, name), score(&run, name));
        assert!((a - b).abs() < 1e-6 * (1.0 + a.abs()), "{name}: {a} {b}");
    }
    let table = run_well("evaluate", folder.path(), &of_files);
    assert!(table.contains("120 pictures, 28x28 grey"), "{table}");
    assert!(table.contains("lower is better"), "{table}");
}

/// Writes the same synthetic digits as a folder, an archive and IDX files, and returns their names.
fn three_containers(folder: &Path, indices: std::ops::Range<usize>) -> [&'static str; 3] {
    let digits = SyntheticDigitsConfig::new().init().unwrap();
    let count = indices.len() as u32;
    let numbers = |magic: u32, sizes: &[u32]| -> Vec<u8> {
        let numbers = std::iter::once(&magic).chain(sizes);
        numbers.flat_map(|number| number.to_be_bytes()).collect()
    };
    let mut images = numbers(0x803, &[count, 28, 28]);
    let mut labels = numbers(0x801, &[count]);
    for name in ["files", "idx"] {
        fs::create_dir(folder.join(name)).unwrap();
    }
    let mut archive = zip::ZipWriter::new(fs::File::create(folder.join("files.zip")).unwrap());
    for index in indices {
        let picture = digits.get(index).unwrap();
        let name = format!("{index:04}.png");
        let path = folder.join("files").join(&name);
        write_picture(&path, &picture).unwrap();
        archive
            .start_file(name, SimpleFileOptions::default())
            .unwrap();
        archive.write_all(&fs::read(path).unwrap()).unwrap();
        images.extend(&picture.pixels);
        labels.push(picture.label.unwrap() as u8);
    }
    archive.finish().unwrap();
    fs::write(folder.join("idx/train-images-idx3-ubyte"), images).unwrap();
    fs::write(folder.join("idx/train-labels-idx1-ubyte"), labels).unwrap();
    ["files", "files.zip", "idx"]
}

#[test]
fn a_folder_an_archive_and_idx_files_of_the_same_pictures_score_alike() {
    let folder = tempfile::tempdir().unwrap();
    let sets = three_containers(folder.path(), 0..130);
    let others = folder.path().join("others");
    fs::create_dir(&others).unwrap();
    three_containers(&others, 500..600);
    let of = |set| {
        let flags = [
            "--real",
            set,
            "--fake",
            "others/files.zip",
            "--metrics",
            "fid,pr",
        ];
        let (report, _) = evaluate(folder.path(), &flags);
        ["fid", "precision", "recall"].map(|name| score(&report, name))
    };
    let [files, archive, idx] = sets.map(of);
    assert!(files[0] > 0.0, "{files:?}");
    assert_eq!(files, archive);
    assert_eq!(files, idx);
}

/// The mean of what the same program says of each class alone; other labels are refused.
#[test]
fn classes_are_compared_one_by_one() {
    let folder = tempfile::tempdir().unwrap();
    let digits = SyntheticDigitsConfig::new().init().unwrap();
    for index in 0..600 {
        let picture = digits.get(index).unwrap();
        let set = if index < 300 { "real" } else { "fake" };
        if let Some(label @ 0..2) = picture.label {
            let class = folder.path().join(format!("{set}/{label}"));
            fs::create_dir_all(&class).unwrap();
            write_picture(class.join(format!("{index}.png")), &picture).unwrap();
        }
    }
    let of = |real: &str, fake: &str, metric: &str| {
        let flags = [
            "--real",
            real,
            "--fake",
            fake,
            "--metrics",
            metric,
            "--allow-few",
        ];
        evaluate(folder.path(), &flags).0
    };
    let classes = of("real", "fake", "intra");
    let alone = ["0", "1"].map(|class| {
        let [real, fake] = ["real", "fake"].map(|set| format!("{set}/{class}"));
        score(&of(&real, &fake, "fid"), "fid")
    });
    let (found, wanted) = (score(&classes, "intra_fid"), (alone[0] + alone[1]) / 2.0);
    assert!((found - wanted).abs() < 1e-6 * wanted, "{found} {alone:?}");

    let flags = ["--real", "real/0", "--fake", "fake", "--metrics", "intra"];
    let output = run("evaluate", folder.path(), &flags, LIMIT);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        !output.status.success() && said.contains("--metrics intra"),
        "{said}"
    );
}

/// The reader of a pipe may leave, as `head` does: no word of it, and the file of `--out` is there.
#[test]
fn a_closed_pipe_is_no_error_and_a_full_disk_is_one() {
    let folder = tempfile::tempdir().unwrap();
    three_containers(folder.path(), 0..70);
    let flags = "--real idx --fake idx --allow-few --quiet --out scores.json --metrics fid";
    let flags: Vec<&str> = flags.split_whitespace().collect();
    let mut child = command("evaluate", folder.path(), &flags).spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!((output.status.code(), said.as_str()), (Some(141), ""));
    assert!(folder.path().join("scores.json").is_file());

    let mut help = command("evaluate", folder.path(), &["--help"]);
    let mut child = help.spawn().unwrap();
    drop(child.stdout.take());
    let said = String::from_utf8(child.wait_with_output().unwrap().stderr).unwrap();
    assert_eq!(said, "");

    let Ok(full) = fs::File::options().write(true).open("/dev/full") else {
        println!("there is no /dev/full here, so a full disk is not tested");
        return;
    };
    let mut evaluate = command("evaluate", folder.path(), &flags);
    let output = evaluate.stdout(full).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.starts_with("error: stdout: cannot write: "), "{said}");
    assert_eq!(said.lines().count(), 1, "{said}");
}
