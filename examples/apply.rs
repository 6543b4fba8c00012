//! Applies a trained run to pictures: colours grey ones, fills holes, sharpens small ones, whatever it was
//! trained for.
//!
//! ```text
//! cargo run --release --example apply -- --run runs/00000-cifar10-colourise --in photos --out coloured
//! cargo run --release --example apply -- --run runs/00000-cifar10-colourise --grid results.png
//! ```

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use gan::Failure;
use gan::cli::{self, RunArgs};
use gan::evaluate::Differences;
use gan::folder;
use gan::run::writable;
use gan::trained::{Sheet, Translator};
use gan_core::words::count;
use gan_data::PixelRange;
use gan_data::io::{pictures_from, write_picture, write_pictures};

/// Apply a run of the program translate to pictures.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    #[command(flatten)]
    run: RunArgs,
    /// What pictures are to be made of, a folder, zip or IDX file: grey or small pictures, drawings, or pictures whose
    /// transparent pixels are to be filled
    #[arg(long = "in", value_name = "PATH", conflicts_with = "test")]
    sources: Option<PathBuf>,
    /// Pictures as in training: sources are made of them, and results compared with them [default: those of the
    /// run's own data that were held out]
    #[arg(long, value_name = "PATH")]
    test: Option<PathBuf>,
    /// A folder for the results, called after the pictures. It must hold no others
    #[arg(long, value_name = "FOLDER")]
    out: Option<PathBuf>,
    /// A PNG file with the first results, sources above them and targets below
    #[arg(long, value_name = "FILE")]
    grid: Option<PathBuf>,
    /// Only the first so many pictures
    #[arg(long, value_name = "N", value_parser = cli::count, allow_negative_numbers = true)]
    num: Option<usize>,
    /// What holes and dropout are drawn from
    #[arg(long, value_name = "N", value_parser = cli::seed, default_value_t = 0, allow_negative_numbers = true)]
    seed: u64,
}

fn main() -> ExitCode {
    cli::main(|arguments: Arguments| {
        if arguments.sources.is_some() && arguments.out.is_none() && arguments.grid.is_none() {
            let message = "nowhere to write: give --out FOLDER or --grid FILE.png";
            return Err(Failure::usage(message));
        }
        // Before the work, which would be lost.
        let grid = arguments.grid.as_ref();
        let grid = grid
            .map(|path| writable(path, "--grid", "png"))
            .transpose()?;
        check_places(&arguments)?;
        let translator = Translator::open(&arguments.run)?;
        let num = arguments.num;
        let work = match (&arguments.sources, &arguments.test) {
            (Some(path), _) => translator.sources(path, num)?,
            (_, Some(path)) => translator.known(path, num)?,
            _ => translator.held_out(num)?,
        };
        if let Some(folder) = &arguments.out {
            folder::check_no_others(folder, &work.names, "--out")?;
        }

        let size = translator.image().size;
        let (mut plain, mut made) = (Differences::new(size)?, Differences::new(size)?);
        let mut sheet = Sheet::default();
        for chunk in 0..work.num_chunks() {
            let done = translator.translate(&work, chunk, arguments.seed)?;
            let pictures = |images| pictures_from(images, PixelRange::Signed);
            let (sources, results) = (pictures(&done.sources)?, pictures(&done.results)?);
            let targets = done.targets.as_ref().map(pictures).transpose()?;
            if let Some(folder) = &arguments.out {
                let names = work.names_of(chunk).iter().map(String::as_str);
                write_pictures(folder, names.zip(&results))?;
            }
            sheet.add(&sources, &results, targets.as_deref().unwrap_or(&[]));
            if let Some(targets) = targets {
                plain.add(sources, targets.clone())?;
                made.add(results, targets)?;
            }
        }

        if let Some(path) = grid {
            write_picture(path, &sheet.picture()?)?;
        }
        let say = |line| translator.screen.say(line);
        if work.are_known {
            say(format!("sources  {}", plain.line()?));
            say(format!("results  {}", made.line()?));
        }
        for path in [&arguments.out, &arguments.grid].into_iter().flatten() {
            let made = count(work.names.len(), "picture");
            say(format!("{made} in {}", path.display()));
        }
        Ok(())
    })
}

/// Nothing is written where pictures are read.
fn check_places(arguments: &Arguments) -> Result<(), Failure> {
    for (given_flag, given) in [("--in", &arguments.sources), ("--test", &arguments.test)] {
        for (flag, place) in [("--out", &arguments.out), ("--grid", &arguments.grid)] {
            if let (Some(given), Some(place)) = (given, place) {
                folder::check_not_into(place, flag, given, given_flag)?;
            }
        }
    }
    Ok(())
}
