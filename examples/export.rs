//! Writes the weights of a trained run for PyTorch.
//!
//! ```text
//! cargo run --release --example export -- --run runs/00000-mnist-default --out generator.safetensors
//! cargo run --release --example export -- --run runs/00000-mnist-default --out generator.pt --check 16
//! ```

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;
use gan::Failure;
use gan::cli::{self, RunArgs};
use gan::trained::{GENERATOR, Trained};
use gan_core::weights::{SpectralNorms, write_weights};

/// Write the weights of a trained run as a PyTorch state dict; python/gan_networks.py loads it.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    #[command(flatten)]
    run: RunArgs,
    /// The file: .safetensors, .pt or .pth
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Whose weights: generator or critic; of the generator, the moving average where there is one
    #[arg(long, value_name = "NAME", default_value = GENERATOR)]
    player: String,
    /// Write spectral normalisation as PyTorch's weight_orig, weight_u and weight_v, so that training can go
    /// on, instead of dividing the weights by it
    #[arg(long)]
    keep_spectral_norm: bool,
    /// Also write N rows that a generator takes and the pictures it makes of them, to compare: as
    /// FILE.check.safetensors, without the ending of --out
    #[arg(long, value_name = "N", value_parser = cli::count, allow_negative_numbers = true)]
    check: Option<usize>,
}

fn main() -> ExitCode {
    cli::main(|arguments: Arguments| {
        if arguments.check.is_some() && arguments.player != GENERATOR {
            return Err(Failure::usage(
                "--check: only a generator draws; leave the flag out, or --player",
            ));
        }
        let trained = Trained::open(&arguments.run)?;
        let norms = if arguments.keep_spectral_norm {
            SpectralNorms::Keep
        } else {
            SpectralNorms::Fold
        };
        let tensors = trained.state_dict(&arguments.player, norms)?;
        let out = &arguments.out;
        write(out, |path| {
            write_weights(path, &tensors, Some(&trained.model()))
        })?;
        trained.screen.say(format!(
            "{} tensors of the {} after {:.1} kimg in {}",
            tensors.len(),
            arguments.player,
            trained.clock.kimg(),
            out.display()
        ));
        let Some(count) = arguments.check else {
            return Ok(());
        };
        let classes = trained.classes(None, count)?;
        let rows = trained.rows(&(0..count as u64).collect::<Vec<_>>(), &classes);
        let pictures = trained.draw_rows(rows.clone());
        let pair = [
            ("rows".to_owned(), rows.into_data()),
            ("pictures".to_owned(), pictures.into_data()),
        ];
        let check = out.with_extension("check.safetensors");
        write(&check, |path| write_weights(path, &pair.into(), None))?;
        trained.screen.say(format!(
            "{count} rows and their pictures in {}",
            check.display()
        ));
        Ok(())
    })
}

/// Makes the folder of `path` and writes there.
fn write<E: std::error::Error>(
    path: &Path,
    write: impl FnOnce(&Path) -> Result<(), E>,
) -> Result<(), Failure> {
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    if let Some(folder) = folder {
        std::fs::create_dir_all(folder)
            .map_err(|error| Failure::new(format!("--out {}: {error}", folder.display())))?;
    }
    write(path).map_err(|error| Failure::new(format!("--out {error}")))
}
