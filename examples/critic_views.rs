//! Shows what the last features of a trained critic respond to: guided backpropagation, as in figure 5 of
//! [DCGAN](https://arxiv.org/abs/1511.06434).
//!
//! ```text
//! cargo run --release --example critic_views -- --run runs/00000-mnist-dcgan --out views.png
//! ```

use std::path::PathBuf;
use std::process::ExitCode;

use burn::prelude::*;
use clap::Parser;
use gan::cli::{self, RunArgs};
use gan::critic::TrainedCritic;
use gan::run::writable;
use gan_core::nn::ConvCritic;
use gan_data::PixelRange;
use gan_data::io::write_grid;

/// Pictures that are looked through for the strongest responses.
const LOOKED_AT: usize = 2000;

/// Show what the last features of a trained critic respond to. For every feature a row: the pictures with
/// the strongest responses, and after them what in each of them it responds to.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    #[command(flatten)]
    run: RunArgs,
    /// The PNG file
    #[arg(long, value_name = "FILE", default_value = "views.png")]
    out: PathBuf,
    /// The first N features of the last convolution
    #[arg(long, value_name = "N", default_value = "8", value_parser = cli::count, allow_negative_numbers = true)]
    features: usize,
    /// Pictures for each
    #[arg(long, value_name = "N", default_value = "6", value_parser = cli::count, allow_negative_numbers = true)]
    pictures: usize,
}

fn main() -> ExitCode {
    cli::main(|arguments: Arguments| {
        let of = TrainedCritic::open(&arguments.run)?;
        let pictures = Tensor::cat(of.pictures(LOOKED_AT)?, 0);
        let responses = responses(&of.critic, &pictures);
        let count = arguments.features.min(responses.dims()[1]);
        let mut rows = Vec::new();
        for feature in 0..count {
            let strength = responses.clone().narrow(1, feature, 1).flatten::<1>(0, 1);
            let order = strength
                .argsort_descending(0)
                .narrow(0, 0, arguments.pictures);
            let chosen = pictures.clone().select(0, order);
            rows.push(chosen.clone());
            rows.push(scaled(of.critic.guided_gradient(chosen, feature)?));
        }
        let out = writable(&arguments.out, "--out", "png")?;
        write_grid(
            &out,
            &Tensor::cat(rows, 0),
            PixelRange::Signed,
            2 * arguments.pictures,
        )?;
        let screen = &of.trained.screen;
        screen.say(format!("{count} features in {}", out.display()));
        Ok(())
    })
}

/// The largest value of every map after the last convolution, `[pictures, features]`.
fn responses(critic: &ConvCritic, pictures: &Tensor<4>) -> Tensor<2> {
    use burn::module::Module;
    let critic = critic.valid();
    let count = pictures.dims()[0];
    let chunks = (0..count).step_by(250).map(|first| {
        let chunk = pictures.clone().narrow(0, first, 250.min(count - first));
        let last = critic
            .feature_maps(chunk)
            .pop()
            .expect("a critic has a layer");
        last.flatten::<3>(2, 3).max_dim(2).squeeze_dim::<2>(2)
    });
    Tensor::cat(chunks.collect(), 0)
}

/// Each picture by itself from its range to `[-1, 1]`, so that 0 stays the middle grey.
fn scaled(views: Tensor<4>) -> Tensor<4> {
    let count = views.dims()[0];
    let largest = views.clone().abs().flatten::<2>(1, 3).max_dim(1);
    views / largest.clamp_min(1e-12).reshape([count, 1, 1, 1])
}
