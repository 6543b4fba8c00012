//! Flags of the program `evaluate`.

use std::path::PathBuf;

use clap::Args;
use gan_metrics::features::{FeatureNetwork, FeaturesConfig, ResizeMode};

use super::asked::Asked;
use crate::cli;
use crate::trained::Which;

/// Flags of the program that scores pictures.
#[derive(Args, Clone, Debug)]
pub struct EvaluateArgs {
    /// The folder of a run, as in runs/00000-mnist: its pictures are scored against its data
    #[arg(long, value_name = "DIR", conflicts_with = "fake")]
    pub run: Option<PathBuf>,
    /// Real pictures: a folder or zip of pictures, MNIST or CIFAR-10 files [default: the data of the run]
    #[arg(long, value_name = "PATH")]
    pub real: Option<PathBuf>,
    /// Generated pictures: the same kinds of files, or a run
    #[arg(long, value_name = "PATH")]
    pub fake: Option<PathBuf>,
    /// Generated pictures, pairs or paths, at most [default: 10000]
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = cli::count, allow_negative_numbers = true, hide_default_value = true)]
    pub num: usize,
    /// Real pictures, at most [default: 60000 with digits and cifar, else as many as --num]
    #[arg(long, value_name = "N", value_parser = cli::count, allow_negative_numbers = true)]
    pub num_real: Option<usize>,
    /// Which checkpoint of the run: the number of its round, best or latest
    #[arg(long, value_name = "WHICH", value_parser = Which::parse, default_value = "latest", allow_negative_numbers = true)]
    pub checkpoint: Which,
    /// Use the weights as they are instead of their moving average
    #[arg(long)]
    pub raw: bool,
    /// Keep latents of the run within this distance of the mean: better pictures, less variety
    #[arg(long, value_name = "LIMIT", value_parser = cli::positive, allow_negative_numbers = true)]
    pub truncation: Option<f64>,
    /// Statistics of batch normalisation from so many batches of 64 pictures of the run, with the same
    /// truncation, instead of those of the training
    #[arg(long, value_name = "N", value_parser = cli::count, allow_negative_numbers = true)]
    pub standing_statistics: Option<usize>,
    /// Scores: of sets, fid, kid, pr, dc, is, classes, accuracy, intra, authenticity; of pairs of pictures in
    /// the same order, lpips, psnr, ssim, ms-ssim; of paths between latents of a run, ppl (in LPIPS) and
    /// ppl-digits (in digit features) [default: all of sets that the features and the pictures allow]
    #[arg(long, value_name = "LIST", value_delimiter = ',', value_parser = Asked::parse)]
    pub metrics: Vec<Asked>,
    /// What scores are computed from: digits (in the program), cifar (with --weights, or untrained),
    /// inception or vgg (published weights) [default: digits, or inception with --weights]
    #[arg(long, value_name = "NAME", value_parser = network)]
    pub features: Option<FeatureNetwork>,
    /// The file of weights of inception, vgg or cifar [default: the published one of inception and vgg, from
    /// the cache or the network]
    #[arg(long, value_name = "FILE")]
    pub weights: Option<PathBuf>,
    /// Weights of torchvision's VGG16, vgg16-397923af.pth, for lpips and ppl [default: as --weights]
    #[arg(long, value_name = "FILE")]
    pub lpips_vgg: Option<PathBuf>,
    /// Weights of LPIPS 0.1, weights/v0.1/vgg.pth of the package lpips, for lpips and ppl [default: as --weights]
    #[arg(long, value_name = "FILE")]
    pub lpips_weights: Option<PathBuf>,
    /// SHA-256 of a weights file of your own, or any, which allows other files of LPIPS as well [default: that
    /// of the published file]
    #[arg(long, value_name = "SHA256")]
    pub checksum: Option<String>,
    /// How pictures are resized for inception and vgg: pytorch-fid, clean or legacy-tensorflow
    #[arg(long, value_name = "MODE", value_parser = resize, default_value = "pytorch-fid")]
    pub resize: ResizeMode,
    /// Go on with fewer pictures than features; the Fréchet distance is then biased upwards
    #[arg(long)]
    pub allow_few: bool,
    /// Print the scores as JSON
    #[arg(long)]
    pub json: bool,
    /// Write the scores as JSON [default: evaluation.json in the folder of the run]
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Where to compute: flex, ndarray, wgpu, vulkan or cuda, if compiled in
    #[arg(long, value_name = "NAME")]
    pub backend: Option<String>,
    /// Print nothing but scores and errors
    #[arg(long)]
    pub quiet: bool,
}

impl EvaluateArgs {
    /// The features that the flags ask for.
    pub(super) fn features_config(&self) -> FeaturesConfig {
        let unnamed = match self.weights {
            Some(_) => FeatureNetwork::Inception,
            None => FeatureNetwork::Digits,
        };
        FeaturesConfig {
            network: self.features.unwrap_or(unnamed),
            weights: self.weights.clone(),
            checksum: self.checksum.clone(),
            resize: self.resize,
        }
    }
}

fn network(text: &str) -> Result<FeatureNetwork, String> {
    let names = FeatureNetwork::ALL.map(FeatureNetwork::name).join(", ");
    text.parse()
        .map_err(|_| format!("there are no such features; use one of {names}"))
}

fn resize(text: &str) -> Result<ResizeMode, String> {
    let names = ResizeMode::ALL.map(ResizeMode::name).join(", ");
    text.parse()
        .map_err(|_| format!("there is no such mode; use one of {names}"))
}
