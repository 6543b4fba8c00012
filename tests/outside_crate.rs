//! What `cargo add gan-core` gives: a crate outside this workspace depends on the packaged `gan-core`
//! alone and trains its own two-layer generator against its own critic.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const MANIFEST: &str = r#"
[package]
name = "outside"
version = "0.0.0"
edition = "2024"

[dependencies]
burn = { version = "=0.22.1", default-features = false }
# x86-v4 only so that Burn is compiled as for the workspace, and not again.
gan-core = { path = "GAN_CORE", features = ["flex", "x86-v4"] }

[profile.release]
debug = 0

[workspace]
"#;

const PROGRAM: &str = r#"
use burn::module::Module;
use burn::nn::{Linear, LinearConfig};
use burn::prelude::*;
use burn::tensor::activation::relu;
use gan_core::dual::{Dual, Forward};
use gan_core::game::{Clock, Game, Gan, GanConfig, SampleRequest};
use gan_core::loss::AdversarialLoss;
use gan_core::nn::{Critic, Generator};
use gan_core::optim::OptimizerConfig;
use gan_core::sample::LatentPrior;

#[derive(Module, Debug)]
struct MyGenerator { hidden: Linear, out: Linear }

impl Generator<2> for MyGenerator {
    fn generate(&self, z: Tensor<2>) -> Tensor<2> {
        self.out.forward(relu(self.hidden.forward(z)))
    }
    fn latent_size(&self) -> usize { 4 }
}

#[derive(Module, Debug)]
struct MyCritic { hidden: Linear, out: Linear }

impl Critic<2> for MyCritic {
    fn score(&self, x: Dual<2>) -> Dual<2> {
        let x = self.hidden.apply(x);
        self.out.apply(x.pointwise(relu, |x| x.greater_elem(0.0).float()))
    }
    fn couples_samples(&self) -> bool { false }
}

fn main() {
    let device = Device::flex().autodiff();
    let linear = |a, b| LinearConfig::new(a, b).init(&device);
    let adam = OptimizerConfig::adam(1e-3, 0.5, 0.9);
    let latent = LatentPrior::Normal { size: 4 };
    let config = GanConfig::new(AdversarialLoss::NonSaturating, latent, adam);
    let generator = MyGenerator { hidden: linear(4, 32), out: linear(32, 2) };
    let critic = MyCritic { hidden: linear(2, 32), out: linear(32, 1) };
    let mut game = Gan::new(config, generator, critic).unwrap();
    let mut clock = Clock::new(1);
    for _ in 0..1500 {
        // Points around (2, -1).
        let centre = Tensor::<2>::from_floats([[2.0, -1.0]], &device);
        let real = clock.stream("real").normal([64, 2], &device) * 0.3 + centre;
        game.round(real, &clock);
        clock.advance(64);
    }
    let latents = config.latent.draw(512, &mut clock.stream("look"), &device.clone().without_autodiff());
    let points = game.sample(&SampleRequest { latents, averaged: false });
    let mean = points.reshape([512, 2]).mean_dim(0).into_data().iter::<f32>().collect::<Vec<_>>();
    println!("mean {mean:?}");
    assert!((mean[0] - 2.0).abs() < 0.4 && (mean[1] + 1.0).abs() < 0.4, "{mean:?}");
}
"#;

fn cargo(folder: &Path, arguments: &[&str]) {
    let status = Command::new(env!("CARGO"))
        .args(arguments)
        .current_dir(folder)
        .status()
        .unwrap();
    assert!(status.success(), "cargo {arguments:?}");
}

/// `cargo test --release --test outside_crate -- --ignored`; Burn is
/// compiled once more where the versions or features are not those of the workspace.
#[test]
#[ignore = "may compile Burn again"]
fn an_outside_crate_trains_with_gan_core_alone() {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    cargo(
        &root,
        &[
            "package",
            "-p",
            "gan-core",
            "--no-verify",
            "--allow-dirty",
            "--offline",
        ],
    );
    let version = env!("CARGO_PKG_VERSION");
    let target = root.join("target");
    let folder = tempfile::tempdir().unwrap();
    let archive = target.join(format!("package/gan-core-{version}.crate"));
    let unpacked = Command::new("tar")
        .arg("-xzf")
        .arg(archive)
        .arg("-C")
        .arg(folder.path())
        .status();
    assert!(unpacked.unwrap().success());

    let core = folder.path().join(format!("gan-core-{version}"));
    fs::create_dir(folder.path().join("src")).unwrap();
    fs::write(folder.path().join("src/main.rs"), PROGRAM).unwrap();
    let manifest = MANIFEST.replace("GAN_CORE", core.to_str().unwrap());
    fs::write(folder.path().join("Cargo.toml"), manifest).unwrap();
    // The versions that were tested.
    fs::copy(root.join("Cargo.lock"), folder.path().join("Cargo.lock")).unwrap();
    let target = target.to_str().unwrap();
    cargo(
        folder.path(),
        &["run", "--release", "--offline", "--target-dir", target],
    );
}
