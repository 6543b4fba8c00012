//! The programs that make pictures of pictures, from training to results and to what they refuse.

mod common;

use std::fs;
use std::path::Path;
use std::time::Duration;

use common::{only_run, run, run_well, runs};
use gan_data::io::write_picture;
use gan_data::source::{Split, open};
use gan_data::{ChannelMode, Picture};

/// Small networks for 16 pixels.
const SMALL: &[&str] = &[
    "--batch",
    "4",
    "--set",
    "model.generator.widths=[4,4,4]",
    "--set",
    "model.generator.dropout_layers=2",
    "--set",
    "model.critic.widths=[4,4]",
    "--quiet",
];

/// A picture of `channels` whose values follow from its number.
fn picture(number: usize, [height, width]: [usize; 2], channels: usize) -> Picture {
    let value = |place: usize| ((place * (7 + number) + 31 * number) % 251) as u8;
    Picture {
        width,
        height,
        channels,
        pixels: (0..width * height * channels).map(value).collect(),
        label: None,
        caption: None,
    }
}

/// Twelve pictures to train on and five that are held out.
fn data(folder: &Path, size: [usize; 2]) {
    for (split, count) in [("train", 12), ("test", 5)] {
        let place = folder.join("data").join(split).join("all");
        fs::create_dir_all(&place).unwrap();
        for number in 0..count {
            let path = place.join(format!("{split}{number}.png"));
            write_picture(path, &picture(number, size, 3)).unwrap();
        }
    }
}

fn train(folder: &Path, preset: &str, kimg: &str, more: &[&str]) {
    let flags = ["--data", "data", "--preset", preset, "--kimg", kimg];
    run_well("translate", folder, &[&flags[..], SMALL, more].concat());
}

fn apply(folder: &Path, more: &[&str]) -> String {
    let run = only_run(folder);
    let flags = ["--run", run.to_str().unwrap()];
    run_well("apply", folder, &[&flags[..], more].concat())
}

fn refused(program: &str, folder: &Path, flags: &[&str], words: &[&str]) {
    let output = run(program, folder, flags, Duration::from_secs(20));
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success(), "{program} {flags:?} succeeds");
    assert_eq!(text.matches("error:").count(), 1, "{text}");
    for word in words {
        assert!(text.contains(word), "{program} {flags:?}: {text}");
    }
}

fn pictures(folder: &Path) -> Vec<Picture> {
    let data = open(folder, Split::Train, ChannelMode::Keep).unwrap();
    (0..data.len())
        .map(|index| data.get(index).unwrap())
        .collect()
}

#[test]
fn a_run_is_resumed_to_the_byte_and_shows_sources_results_and_targets() {
    let (whole, parts) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let cadence = ["--every", "0.008", "--set", "train.log_kimg=0.004"];
    for folder in [&whole, &parts] {
        data(folder.path(), [16, 16]);
    }
    train(whole.path(), "inpaint", "0.032", &cadence);
    train(parts.path(), "inpaint", "0.016", &cadence);
    let flags = ["--resume", "--kimg", "0.032", "--quiet"];
    run_well("translate", parts.path(), &flags);
    let (whole, parts) = (only_run(whole.path()), only_run(parts.path()));
    let of = |run: &Path| {
        let checkpoints = fs::read_dir(run.join("checkpoints")).unwrap();
        let newest = checkpoints
            .map(|entry| entry.unwrap().path())
            .max()
            .unwrap();
        [
            fs::read(run.join("log.jsonl")).unwrap(),
            fs::read(run.join("samples/latest.png")).unwrap(),
            fs::read(newest.join("generator.safetensors")).unwrap(),
            fs::read(newest.join("critic-optimizer.safetensors")).unwrap(),
        ]
    };
    assert!(of(&whole) == of(&parts), "a resumed run differs");
    // Five held-out pictures in one row each of source, result and target: 16 pixels and a margin of 2.
    let samples = pictures(&whole.join("samples"));
    let grid = &samples[0];
    assert_eq!((grid.width, grid.height), (5 * 18 + 2, 3 * 18 + 2));
    let info = fs::read_to_string(whole.join("run.json")).unwrap();
    let rows: Vec<&str> = ["source", "result", "target"].to_vec();
    assert!(rows.iter().all(|row| info.contains(row)), "{info}");
}

#[test]
fn a_run_is_applied_to_held_out_pictures_and_to_a_folder() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    data(folder, [16, 16]);
    train(folder, "inpaint", "0.008", &[]);
    let text = apply(folder, &["--grid", "grid.png", "--out", "held-out"]);
    for line in [
        "sources  L1 ",
        "results  L1 ",
        "psnr",
        "ssim",
        "5 pictures in grid.png",
    ] {
        assert!(text.contains(line), "{text}");
    }
    assert!(folder.join("held-out/test-all-test0.png").exists());
    // The same again is the same, and other holes are others.
    let again = apply(folder, &["--out", "again"]);
    assert!(text.starts_with(again.lines().next().unwrap()), "{again}");
    assert_eq!(
        pictures(&folder.join("again")),
        pictures(&folder.join("held-out"))
    );
    apply(folder, &["--out", "other", "--seed", "1"]);
    assert_ne!(
        pictures(&folder.join("other")),
        pictures(&folder.join("held-out"))
    );
    let text = apply(folder, &["--test", "data", "--num", "2", "--out", "two"]);
    assert!(text.contains("2 pictures in two"), "{text}");
    assert_eq!(pictures(&folder.join("two")).len(), 2);

    // Pictures with transparent pixels: only those change.
    fs::create_dir(folder.join("torn")).unwrap();
    let mut torn = picture(3, [16, 16], 4);
    for (pixel, values) in torn.pixels.chunks_mut(4).enumerate() {
        values[3] = if (5..9).contains(&(pixel / 16)) {
            0
        } else {
            255
        };
    }
    write_picture(folder.join("torn/photo.png"), &torn).unwrap();
    apply(folder, &["--in", "torn", "--out", "filled"]);
    let filled = &pictures(&folder.join("filled"))[0];
    assert!(folder.join("filled/photo.png").exists());
    assert_eq!(filled.channels, 3);
    let pixels = filled.pixels.chunks(3).zip(torn.pixels.chunks(4));
    for (pixel, (new, old)) in pixels.enumerate() {
        let is_known = old[3] == 255;
        assert!(!is_known || new == &old[..3], "pixel {pixel}");
    }
    write_picture(folder.join("torn/whole.png"), &picture(4, [16, 16], 3)).unwrap();
    let run = only_run(folder);
    let flags = ["--run", run.to_str().unwrap(), "--in", "torn", "--out", "o"];
    refused(
        "apply",
        folder,
        &flags,
        &["--in", "whole.png", "no transparent pixels"],
    );
    // What comes after the pictures that are asked for is not looked at, though it is read with the last of them.
    let many = folder.join("many");
    fs::create_dir(&many).unwrap();
    for number in 0..65 {
        write_picture(many.join(format!("{number:02}.png")), &torn).unwrap();
    }
    write_picture(many.join("whole.png"), &picture(4, [16, 16], 3)).unwrap();
    apply(folder, &["--in", "many", "--num", "65", "--out", "all"]);
    assert_eq!(pictures(&folder.join("all")).len(), 65);
}

#[test]
fn small_pictures_and_halves_are_sources_too() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    data(folder, [16, 16]);
    train(folder, "super-resolve", "0.008", &[]);
    fs::create_dir(folder.join("small")).unwrap();
    write_picture(folder.join("small/a.png"), &picture(3, [4, 4], 3)).unwrap();
    apply(
        folder,
        &["--in", "small", "--out", "large", "--grid", "grid.png"],
    );
    let large = &pictures(&folder.join("large"))[0];
    assert_eq!((large.width, large.height), (16, 16));

    let pairs = tempfile::tempdir().unwrap();
    let pairs = pairs.path();
    data(pairs, [16, 32]);
    train(pairs, "pix2pix", "0.008", &[]);
    let text = apply(pairs, &["--out", "results"]);
    assert!(text.contains("results  L1"), "{text}");
    let made = &pictures(&pairs.join("results"))[0];
    assert_eq!((made.width, made.height), (16, 16));
    let flags = ["--data", "data", "--preset", "pix2pix", "--quiet"];
    refused(
        "translate",
        folder,
        &flags,
        &["--data", "side by side", "16 x 16"],
    );
    let flip = [&flags[..], &["--set", "data.flip_probability=0.5"]].concat();
    refused(
        "translate",
        pairs,
        &flip,
        &["data.flip_probability", "change places"],
    );
    let run = only_run(pairs);
    let squares = folder.join("data");
    for (flag, path, words) in [
        ("--test", squares.as_path(), "side by side"),
        ("--in", Path::new("data"), "twice as wide"),
    ] {
        let (run, path) = (run.to_str().unwrap(), path.to_str().unwrap());
        let flags = ["--run", run, flag, path, "--out", "others"];
        refused("apply", pairs, &flags, &[flag, words]);
    }
}

/// Nothing is held out of a folder without `test`: training pictures are shown, and `apply` asks for some.
#[test]
fn a_folder_of_training_pictures_alone_is_enough() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    data(folder, [16, 16]);
    fs::remove_dir_all(folder.join("data/test")).unwrap();
    train(folder, "colourise", "0.004", &[]);
    let run = only_run(folder);
    assert!(run.join("samples/latest.png").is_file());
    let flags = ["--run", run.to_str().unwrap(), "--grid", "grid.png"];
    refused("apply", folder, &flags, &["--test", "held out", "--in"]);
    let flags = ["--test", "data/train", "--num", "3", "--out", "made"];
    apply(folder, &flags);
    assert_eq!(pictures(&folder.join("made")).len(), 3);
}

#[test]
fn what_does_not_fit_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    data(folder, [16, 16]);
    train(folder, "colourise", "0.004", &[]);
    let run = only_run(folder);
    let run = run.to_str().unwrap();
    let translate = |flags: &[&str], words: &[&str]| {
        let flags = [&["--quiet", "--data", "data"], flags].concat();
        refused("translate", folder, &flags, words);
    };
    translate(&["--preset", "dcgan"], &["--preset", "dcgan", "colourise"]);
    translate(&["--evaluate", "1"], &["--evaluate", "apply"]);
    translate(
        &["--preset", "inpaint", "--set", "model.task.hole=2"],
        &["--set", "model.task.hole", "below 1"],
    );
    translate(
        &["--set", "model.generator.widths=[4,4,4,4,4]"],
        &["model.generator.widths", "halved 4 times"],
    );
    translate(
        &["--set", "model.critic.widths=[4,4,4,4]"],
        &["model.critic.widths", "24"],
    );
    let grey = ["--data", "synthetic", "--preset", "colourise", "--quiet"];
    refused(
        "translate",
        folder,
        &grey,
        &["--preset", "colourise", "RGB"],
    );
    let apply = |flags: &[&str], words: &[&str]| {
        let flags = [&["--quiet", "--run", run], flags].concat();
        refused("apply", folder, &flags, words);
    };
    apply(&["--in", "data"], &["nowhere", "--out", "--grid"]);
    apply(
        &["--in", "none", "--out", "o"],
        &["--in", "none", "does not exist"],
    );
    apply(
        &["--in", "data", "--test", "data"],
        &["--in", "--test", "cannot be used"],
    );
    apply(&["--num", "0"], &["--num", "whole number"]);
    let given = "data/test/all";
    for flag in ["--in", "--test"] {
        apply(&[flag, given, "--out", given], &["--out", given, flag]);
        let grid = "data/test/all/test0.png";
        apply(&[flag, given, "--grid", grid], &["--grid", grid, flag]);
    }
    apply(&["--grid", "a.jpg"], &["--grid", ".png"]);
    refused("apply", folder, &["--run", "none"], &["--run", "none"]);
    // Runs of the other kind.
    for program in ["sample", "interpolate"] {
        let flags = ["--run", run, "--out", "o.gif"];
        refused(
            program,
            folder,
            &flags,
            &["--run", "pictures of pictures", "apply"],
        );
    }
    let other = tempfile::tempdir().unwrap();
    run_well(
        "mnist_gan",
        other.path(),
        &[common::TINY, &["--kimg", "0.016", "--quiet"]].concat(),
    );
    let latents = runs(other.path()).remove(0);
    let flags = ["--run", latents.to_str().unwrap()];
    refused("apply", folder, &flags, &["--run", "latents", "sample"]);
    // Nothing of the synthetic digits is held out.
    let digits = tempfile::tempdir().unwrap();
    let flags = [
        "--data",
        "synthetic",
        "--preset",
        "edges",
        "--kimg",
        "0.004",
        "--batch",
        "4",
        "--quiet",
    ];
    run_well("translate", digits.path(), &flags);
    let digits_run = runs(digits.path()).remove(0);
    let flags = ["--run", digits_run.to_str().unwrap()];
    refused(
        "apply",
        digits.path(),
        &flags,
        &["--test", "held out", "--in"],
    );
}
