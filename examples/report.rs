//! Writes `report.html` of a run again: after scores were added, or for a run that was killed.
//!
//! ```text
//! cargo run --release --example report -- --run runs/00000-mnist-default
//! ```

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use gan::cli;
use gan::{Failure, next};
use gan_core::train::{RunDir, write_report};

/// Write report.html of a run: its pictures, curves and scores on one page.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// The folder of the run, as in runs/00000-mnist
    #[arg(long, value_name = "DIR")]
    run: PathBuf,
}

fn main() -> ExitCode {
    cli::main(|arguments: Arguments| {
        let run =
            RunDir::open(arguments.run).map_err(|error| Failure::new(format!("--run {error}")))?;
        let path = write_report(&run, &next::of_run(&run))?;
        cli::say(path.display());
        Ok(())
    })
}
