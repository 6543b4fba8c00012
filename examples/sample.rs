//! Draws pictures from a trained run: as files, as a grid, or as one NumPy array.
//!
//! ```text
//! cargo run --release --example sample -- --run runs/00000-mnist-default --num 10000 --out pictures
//! cargo run --release --example sample -- --run runs/00000-mnist-default --seeds 0-63 --grid grid.png
//! cargo run --release --example sample -- --run runs/00000-mnist-cgan-conv --classes 0-9 --num 10 --grid grid.png
//! ```

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use gan::Failure;
use gan::cli::{self, RunArgs, Seeds};
use gan::folder;
use gan::npy::NpyWriter;
use gan::run::writable;
use gan::trained::Trained;
use gan_core::words::count;
use gan_data::PixelRange;
use gan_data::io::{grid_of_pictures, pictures_from, write_picture, write_pictures};

/// Pictures drawn at a time, so that memory does not grow with their number.
const CHUNK: usize = 256;
/// A grid of more pictures than this would be too large to look at.
const GRID: usize = 4096;

/// Draw pictures from a trained run.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    #[command(flatten)]
    run: RunArgs,
    /// Number of pictures, of each class with --classes; the same as --seeds 0-(N-1) [default: 64]
    #[arg(long, value_name = "N", value_parser = cli::count, allow_negative_numbers = true, conflicts_with = "seeds")]
    num: Option<usize>,
    /// One picture per seed, as in 0-63 or 3,7,100-120
    #[arg(long, value_name = "LIST", value_parser = Seeds::parse, allow_hyphen_values = true)]
    seeds: Option<Seeds>,
    /// Classes to draw, as in 0-9: a row of the grid for each, the same seeds in all of them
    #[arg(long, value_name = "LIST", value_parser = Seeds::parse, allow_hyphen_values = true)]
    classes: Option<Seeds>,
    /// Keep latents within this distance of the mean: better pictures, less variety
    #[arg(long, value_name = "LIMIT", value_parser = cli::positive, allow_negative_numbers = true)]
    truncation: Option<f64>,
    /// Statistics of batch normalisation from so many batches of 64 generated pictures, with the same
    /// truncation, instead of those of the training
    #[arg(long, value_name = "N", value_parser = cli::count, allow_negative_numbers = true)]
    standing_statistics: Option<usize>,
    /// A folder for 000000.png, 000001.png, …; with --seeds for seed0007.png, …, of models that know classes
    /// for class3-seed0007.png, … It must hold no other pictures
    #[arg(long, value_name = "FOLDER")]
    out: Option<PathBuf>,
    /// A PNG file with all pictures side by side
    #[arg(long, value_name = "FILE")]
    grid: Option<PathBuf>,
    /// A NumPy file, uint8, [N, H, W] or [N, H, W, C]
    #[arg(long, value_name = "FILE")]
    npy: Option<PathBuf>,
}

impl Arguments {
    /// Every seed for every class of `--classes`, class by class; without the flag, the seeds with
    /// the classes in turn, or no classes if the model knows none.
    fn with_classes(
        &self,
        seeds: Vec<u64>,
        trained: &Trained,
    ) -> Result<(Vec<u64>, Vec<usize>), Failure> {
        let named = self
            .classes
            .as_ref()
            .map(|Seeds(classes)| classes.as_slice());
        let classes = trained.classes(named, seeds.len())?;
        if named.is_none() {
            return Ok((seeds, classes));
        }
        let (rows, columns) = (classes.len(), seeds.len());
        let of_each = classes.into_iter().flat_map(|class| vec![class; columns]);
        Ok((seeds.repeat(rows), of_each.collect()))
    }

    /// What each picture is called in the folder of `--out`.
    fn names(&self, seeds: &[u64], classes: &[usize]) -> Vec<String> {
        if self.seeds.is_none() {
            return folder::numbered(seeds.len());
        }
        folder::by_seed(seeds, classes)
    }
}

fn main() -> ExitCode {
    cli::main(|arguments: Arguments| {
        let places = [&arguments.out, &arguments.grid, &arguments.npy];
        if places.iter().all(|place| place.is_none()) {
            return Err(Failure::usage(
                "nowhere to write: give --grid FILE.png, --out FOLDER or --npy FILE.npy",
            ));
        }
        // Before the work, which would be lost.
        let grid = arguments.grid.as_ref();
        let grid = grid
            .map(|path| writable(path, "--grid", "png"))
            .transpose()?;
        let mut trained = Trained::open(&arguments.run)?;
        if let Some(batches) = arguments.standing_statistics {
            trained.use_standing_statistics(batches, arguments.truncation)?;
        }
        let seeds: Vec<u64> = match &arguments.seeds {
            Some(Seeds(seeds)) => seeds.clone(),
            None => (0..arguments.num.unwrap_or(64) as u64).collect(),
        };
        let columns = match &arguments.classes {
            Some(_) => seeds.len(),
            None => seeds.len().isqrt(),
        };
        let (seeds, classes) = arguments.with_classes(seeds, &trained)?;
        if arguments.grid.is_some() && seeds.len() > GRID {
            let message = format!(
                "--grid: {} pictures are too many; ask for {GRID} or fewer",
                seeds.len()
            );
            return Err(Failure::usage(message));
        }
        let names = arguments.names(&seeds, &classes);
        if let Some(folder) = &arguments.out {
            folder::check_no_others(folder, &names, "--out")?;
        }
        let shape = trained.image();
        let mut npy = match &arguments.npy {
            Some(path) => {
                let shape = [shape.size, shape.size, shape.channels];
                Some(NpyWriter::create(
                    &writable(path, "--npy", "npy")?,
                    seeds.len(),
                    shape,
                )?)
            }
            None => None,
        };

        let mut in_grid = Vec::new();
        for (index, chunk) in seeds.chunks(CHUNK).enumerate() {
            let classes = classes.chunks(CHUNK).nth(index).unwrap_or(&[]);
            let images = trained.draw(chunk, classes, arguments.truncation);
            let pictures = pictures_from(&images, PixelRange::Signed)?;
            if let Some(folder) = &arguments.out {
                let names = names[index * CHUNK..].iter().map(String::as_str);
                write_pictures(folder, names.zip(&pictures))?;
            }
            if let Some(npy) = &mut npy {
                npy.write(&pictures)?;
            }
            if arguments.grid.is_some() {
                in_grid.extend(pictures);
            }
        }

        if let Some(npy) = npy {
            npy.finish()?;
        }
        if let Some(path) = grid {
            write_picture(path, &grid_of_pictures(&in_grid, columns)?)?;
        }
        for path in places.into_iter().flatten() {
            trained.screen.say(format!(
                "{} in {}",
                count(seeds.len(), "picture"),
                path.display()
            ));
        }
        Ok(())
    })
}
