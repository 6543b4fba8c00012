//! Weights that leave a run and come back.

mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use common::{TINY, only_run, run, run_well};
use gan_core::weights::WeightsFile;

fn trained() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let flags = ["--kimg", "0.064", "--every", "0", "--quiet"];
    let ema = [
        "--set",
        r#"model.gan.ema={"half_life_kimg":0.05,"ramp_up":null}"#,
    ];
    run_well("mnist_gan", folder.path(), &[TINY, &flags, &ema].concat());
    let path = only_run(folder.path());
    (folder, path)
}

/// The bytes of sixteen pictures.
fn pictures(folder: &Path, of_run: &str, flags: &[&str]) -> Vec<u8> {
    let all = [
        "--run",
        of_run,
        "--quiet",
        "--num",
        "16",
        "--npy",
        "fakes.npy",
    ];
    run_well("sample", folder, &[&all, flags].concat());
    fs::read(folder.join("fakes.npy")).unwrap()
}

#[test]
fn what_is_exported_draws_the_same_pictures_when_it_comes_back() {
    let (folder, path) = trained();
    let (folder, of_run) = (folder.path(), path.to_str().unwrap());
    let run_of = ["--run", of_run, "--quiet"];
    let averaged = pictures(folder, of_run, &[]);
    let raw = pictures(folder, of_run, &["--raw"]);
    assert_ne!(averaged, raw, "the average is something else");
    for file in ["g.safetensors", "g.pt", "new/g.pth"] {
        run_well(
            "export",
            folder,
            &[&run_of[..], &["--out", file, "--check", "3"]].concat(),
        );
        assert_eq!(pictures(folder, of_run, &["--weights", file]), averaged);
        assert_eq!(
            pictures(folder, of_run, &["--weights", file, "--raw"]),
            averaged
        );
    }
    run_well(
        "export",
        folder,
        &[&run_of[..], &["--out", "raw.pt", "--raw"]].concat(),
    );
    assert_eq!(pictures(folder, of_run, &["--weights", "raw.pt"]), raw);

    let mut check = WeightsFile::open(&folder.join("g.check.safetensors")).unwrap();
    let pictures = check.take("pictures").unwrap().unwrap();
    assert_eq!(pictures.shape().to_vec(), [3, 1, 28, 28]);
    assert_eq!(check.names(), ["rows"]);
    run_well(
        "export",
        folder,
        &[&run_of[..], &["--out", "d.pt", "--player", "critic"]].concat(),
    );
    let critic = WeightsFile::open(&folder.join("d.pt")).unwrap();
    let layers =
        ["0", "1"].map(|layer| ["bias", "weight"].map(|name| format!("mlp.layers.{layer}.{name}")));
    assert_eq!(critic.names(), layers.concat());
}

#[test]
fn what_cannot_be_exported_or_imported_is_one_line() {
    let (folder, path) = trained();
    let (folder, of_run) = (folder.path(), path.to_str().unwrap());
    let refused = |program: &str, flags: &[&str], words: &str| {
        let flags = [&["--run", of_run, "--quiet"], flags].concat();
        let output = run(program, folder, &flags, Duration::from_secs(20));
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success(), "{flags:?}");
        assert!(
            error.starts_with("error: ") && error.lines().count() == 1,
            "{error}"
        );
        assert!(error.contains(words), "{flags:?}: {error}");
    };
    refused(
        "export",
        &["--out", "g.onnx"],
        "--out g.onnx: weights are written as .safetensors",
    );
    refused(
        "export",
        &["--out", "g.pt", "--player", "judge"],
        "the players are critic, generator",
    );
    refused(
        "export",
        &["--out", "g.pt", "--player", "critic", "--check", "1"],
        "--check: only",
    );
    fs::write(folder.join("file"), b"").unwrap();
    refused("export", &["--out", "file/g.pt"], "--out file: ");
    let sample = |file: &str, words: &str| {
        refused("sample", &["--grid", "x.png", "--weights", file], words);
    };
    sample("nobody.pt", "--weights nobody.pt: cannot open the file");
    sample(
        "nobody.safetensors",
        "--weights nobody.safetensors: cannot read the file",
    );
    fs::write(folder.join("bad.pt"), b"hello").unwrap();
    sample("bad.pt", "is no PyTorch file, or not whole");
    run_well(
        "export",
        folder,
        &[
            "--run", of_run, "--quiet", "--player", "critic", "--out", "d.pt",
        ],
    );
    sample(
        "d.pt",
        "d.pt: does not fit the network: `mlp.layers.0.weight` is [16, 784] instead of [16, 100]",
    );
}
