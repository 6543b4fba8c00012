//! Scores that cannot be computed.

use std::fs;

use super::checks::Checks;
use super::files::{pictures, png, zipped};

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
            "--real good --fake good.zip --allow-few",
            &["--fake", "good.zip", "b.jpg"],
        ),
        (
            "--real good --fake mixed",
            &["--fake", "mixed", "30 x 30", "one size"],
        ),
        (
            "--real good --fake one",
            &["--fake", "1 picture is too few", "at least 2"],
        ),
        (
            "--real one --fake good",
            &["--real", "1 picture is too few", "at least 2"],
        ),
        (
            "--real good --fake same",
            &["--fake same: the generated", "70 pictures are identical"],
        ),
        (
            "--real same --fake good",
            &["--real same: the real", "70 pictures are identical"],
        ),
        (
            "--real good --fake few",
            &["20 pictures", "64", "--allow-few"],
        ),
        (
            "--real few --fake good",
            &["the real pictures", "20 pictures", "64"],
        ),
        // Before a picture is looked at.
        (
            "--real broken --fake few",
            &["--fake", "generated pictures", "20 pictures", "64"],
        ),
        (
            "--real few --fake broken --metrics fid,kid",
            &["--real", "real pictures", "20 pictures", "64"],
        ),
        ("--real large --fake good", &["--real", "28x28", "32x32"]),
        (
            "--real good --fake good --metrics ppl",
            &["--metrics ppl:", "--run"],
        ),
        (
            "--real good --fake good --metrics fid,ppl-digits",
            &["--metrics ppl-digits:", "--run"],
        ),
        (
            "--real good --fake good --metrics psnr,lpips",
            &[
                "--metrics lpips: lpips_vgg.pth:",
                "richzhang/PerceptualSimilarity",
                "cache/weights/lpips_vgg.pth",
                "--lpips-weights FILE",
            ],
        ),
        (
            "--real good --fake good --metrics lpips --lpips-vgg weights.pth",
            &["--metrics lpips: lpips_vgg.pth:", "--lpips-weights FILE"],
        ),
        (
            "--real good --fake good --metrics lpips --lpips-vgg weights.pth --lpips-weights weights.pth",
            &["--metrics lpips:", "weights.pth", "SHA-256"],
        ),
        (
            "--real good --fake few --metrics psnr",
            &["--metrics psnr:", "--real good has 70", "--fake few has 20"],
        ),
        (
            "--real good --fake large --metrics ssim",
            &["--fake large", "32x32", "--real good", "28x28"],
        ),
        (
            "--real good --fake mixed --metrics ssim",
            &["--fake", "mixed", "30 x 30", "one size"],
        ),
        (
            "--real good --fake broken --metrics ssim",
            &["--fake", "042.png"],
        ),
        (
            "--real good --fake good --metrics psnr",
            &["--metrics psnr:", "all 70 pairs are equal"],
        ),
        (
            "--real good --fake good --metrics ms-ssim",
            &["--metrics ms-ssim:", "161 or more"],
        ),
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
            &["--features", "vg", "digits, cifar"],
        ),
        (
            "--real good --fake good --features inception",
            &[
                "--features inception: pt_inception-2015-12-05-6726825d.pth:",
                "https://github.com/mseitzer/pytorch-fid/releases/",
                "cache/weights/pt_inception-2015-12-05-6726825d.pth",
                "--weights FILE",
            ],
        ),
        (
            "--real good --fake good --features vgg",
            &[
                "--features vgg: vgg16-397923af.pth:",
                "https://download.pytorch.org/models/",
                "--weights FILE",
            ],
        ),
        (
            "--real good --fake good --features inception --checksum 6726",
            &["--checksum: ", "--weights FILE"],
        ),
        (
            "--real nothing --fake good --features inception",
            &["--real nothing: does not exist", "check the path"],
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
            &[
                "train.evaluate.features: pt_inception-2015-12-05-6726825d.pth:",
                "https://github.com/mseitzer/pytorch-fid/releases/",
                "cache/weights/pt_inception",
                "--set train.evaluate.features.weights=FILE",
            ],
        ),
        ("--evaluate 1 --set data.size=32", &["evaluate", "28 x 28"]),
    ] {
        let flags: Vec<&str> = flags.split_whitespace().collect();
        checks.train(&flags, words);
    }
    checks.done(50);
}
