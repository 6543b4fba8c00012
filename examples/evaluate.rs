//! Scores generated pictures against real ones: FID, KID, precision, recall and more.
//!
//! ```text
//! cargo run --release --example evaluate -- --run runs/00000-mnist-default
//! cargo run --release --example evaluate -- --run runs/00000-mnist-default --checkpoint best --metrics fid,kid,pr
//! cargo run --release --example evaluate -- --real photos.zip --fake pictures --features inception \
//!     --weights pt_inception-2015-12-05-6726825d.pth --json
//! ```

use std::process::ExitCode;

use clap::Parser;
use gan::cli;
use gan::evaluate::{self, EvaluateArgs};

/// Score generated pictures against real ones. For a run, `evaluation.json` and `neighbours.png` (the training
/// pictures nearest to generated ones) are written into its folder.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    #[command(flatten)]
    evaluate: EvaluateArgs,
}

fn main() -> ExitCode {
    cli::main(|arguments: Arguments| evaluate::run(&arguments.evaluate))
}
