//! Calculates with mean latents of a generator of digits, as figure 7 of
//! [DCGAN](https://arxiv.org/abs/1511.06434) does with faces: thick threes − thin threes + thin sevens are
//! thick sevens.
//!
//! ```text
//! cargo run --release --example arithmetic -- --run runs/00000-mnist-default --out arithmetic.png
//! ```

use std::path::PathBuf;
use std::process::ExitCode;

use burn::prelude::*;
use clap::Parser;
use gan::Failure;
use gan::cli::{self, RunArgs};
use gan::run::writable;
use gan::trained::Trained;
use gan_core::rng::Stream;
use gan_data::PixelRange;
use gan_data::io::{pictures_from, write_grid};
use gan_metrics::features::{DigitFeatures, Features, PictureShape};

/// Pictures side by side.
const COLUMNS: usize = 10;

/// Calculate with mean latents of a generator of digits. The rows of the picture: thick and thin
/// exemplars of the first digit, thin ones of the second, each with the picture of their mean latent at the
/// end, and what the sum gives with a little noise.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    #[command(flatten)]
    run: RunArgs,
    /// The PNG file
    #[arg(long, value_name = "FILE", default_value = "arithmetic.png")]
    out: PathBuf,
    /// The digit that shows the difference
    #[arg(long, value_name = "DIGIT", default_value = "3", value_parser = clap::value_parser!(u8).range(0..=9))]
    from: u8,
    /// The digit that it is added to
    #[arg(long, value_name = "DIGIT", default_value = "7", value_parser = clap::value_parser!(u8).range(0..=9))]
    to: u8,
    /// Exemplars of each kind; 3 in the paper
    #[arg(long, value_name = "N", default_value = "9", value_parser = cli::count, allow_negative_numbers = true)]
    exemplars: usize,
    /// Samples to choose from
    #[arg(long, value_name = "N", default_value = "4000", value_parser = cli::count, allow_negative_numbers = true)]
    num: usize,
    /// Noise on the sum, the largest in each coordinate
    #[arg(long, value_name = "SIZE", default_value = "0.25", value_parser = cli::zero_or_more, allow_negative_numbers = true)]
    noise: f64,
}

/// Latents with what is seen in their pictures.
struct Seen {
    rows: Tensor<2>,
    pictures: Tensor<4>,
    digits: Vec<u8>,
    /// Share of a picture that is bright.
    ink: Vec<f64>,
}

fn main() -> ExitCode {
    cli::main(|arguments: Arguments| {
        let trained = Trained::open(&arguments.run)?;
        if trained.num_classes() > 0 {
            let message = "--run: this generator is told the class; take one that is not, as default or dcgan";
            return Err(Failure::usage(message));
        }
        let seeds: Vec<u64> = (0..arguments.num as u64).collect();
        let seen = Seen::of(&trained, trained.rows(&seeds, &[]))?;
        let kinds = [
            (arguments.from, true),
            (arguments.from, false),
            (arguments.to, false),
        ];
        let mut rows = Vec::new();
        let mut means = Vec::new();
        for (digit, thick) in kinds {
            let (chosen, mean) = seen.exemplars(digit, thick, arguments.exemplars)?;
            rows.push(chosen.narrow(0, 0, arguments.exemplars.min(COLUMNS - 1)));
            rows.push(trained.draw_rows(mean.clone()));
            means.push(mean);
        }
        let sum = means[0].clone() - means[1].clone() + means[2].clone();
        let noise = Stream::new(0, "noise", 0).uniform(
            [COLUMNS, sum.dims()[1]],
            -arguments.noise as f32,
            arguments.noise as f32,
            trained.device(),
        );
        let around = Seen::of(&trained, noise + sum)?;
        rows.push(around.pictures.clone());
        let out = writable(&arguments.out, "--out", "png")?;
        let columns = arguments.exemplars.min(COLUMNS - 1) + 1;
        rows[6] = rows[6].clone().narrow(0, 0, columns);
        write_grid(&out, &Tensor::cat(rows, 0), PixelRange::Signed, columns)?;
        let right = around
            .digits
            .iter()
            .filter(|digit| **digit == arguments.to)
            .count();
        let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
        trained.screen.say(format!(
            "thick {0} − thin {0} + thin {1}: {right} of {COLUMNS} are a {1}, with ink {2:.3}; thin {1} have \
             {3:.3}, thick {1} {4:.3}; in {5}",
            arguments.from,
            arguments.to,
            mean(&around.ink),
            seen.ink_of(arguments.to, false, arguments.exemplars),
            seen.ink_of(arguments.to, true, arguments.exemplars),
            out.display()
        ));
        Ok(())
    })
}

impl Seen {
    fn of(trained: &Trained, rows: Tensor<2>) -> Result<Self, Failure> {
        let chunks = rows.clone().split(250, 0).into_iter();
        let pictures = Tensor::cat(chunks.map(|rows| trained.draw_rows(rows)).collect(), 0);
        let bytes = pictures_from(&pictures, PixelRange::Signed)?;
        let shape = PictureShape {
            count: bytes.len(),
            height: trained.image().size,
            width: trained.image().size,
            channels: trained.image().channels,
        };
        let bytes: Vec<u8> = bytes
            .into_iter()
            .flat_map(|picture| picture.pixels)
            .collect();
        let found = DigitFeatures::new(trained.device())?.features(&bytes, shape)?;
        let probabilities = found.probabilities.unwrap_or_default();
        let digit = |row: &[f32]| {
            let best = row.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1));
            best.map_or(0, |(digit, _)| digit as u8)
        };
        let ink = |picture: &[u8]| {
            picture
                .iter()
                .map(|byte| f64::from(*byte) / 255.0)
                .sum::<f64>()
                / picture.len() as f64
        };
        Ok(Self {
            rows,
            digits: probabilities.chunks(found.classes).map(digit).collect(),
            ink: bytes.chunks(shape.picture_size()).map(ink).collect(),
            pictures,
        })
    }

    /// The samples of a digit with the most or the least ink.
    fn order(&self, digit: u8, thick: bool) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.digits.len())
            .filter(|index| self.digits[*index] == digit)
            .collect();
        order.sort_by(|a, b| self.ink[*a].total_cmp(&self.ink[*b]));
        if thick {
            order.reverse();
        }
        order
    }

    fn ink_of(&self, digit: u8, thick: bool, count: usize) -> f64 {
        let order = self.order(digit, thick);
        let count = count.min(order.len());
        order[..count]
            .iter()
            .map(|index| self.ink[*index])
            .sum::<f64>()
            / count as f64
    }

    /// Pictures of the exemplars and their mean latent.
    fn exemplars(
        &self,
        digit: u8,
        thick: bool,
        count: usize,
    ) -> Result<(Tensor<4>, Tensor<2>), Failure> {
        let order = self.order(digit, thick);
        if order.len() < 2 * count {
            return Err(Failure::new(format!(
                "only {} of {} samples are a {digit}; give more with --num, or train further",
                order.len(),
                self.digits.len()
            )));
        }
        let chosen: Vec<i64> = order[..count].iter().map(|index| *index as i64).collect();
        let chosen =
            Tensor::<1, Int>::from_data(TensorData::new(chosen, [count]), &self.rows.device());
        let pictures = self.pictures.clone().select(0, chosen.clone());
        Ok((pictures, self.rows.clone().select(0, chosen).mean_dim(0)))
    }
}
