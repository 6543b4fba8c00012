//! Flags, and what is around every program: errors in one line, exit codes, Ctrl-C.

use std::ffi::OsString;
use std::fmt::Display;
use std::io::Write;
use std::panic;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{Args, Parser};
use gan_core::sample::parse_seeds;

use crate::Failure;
use crate::allocator::keep_freed_pages;
use crate::set::Change;
use crate::trained::Which;

/// Exit code of a program whose reader has gone, as a shell shows it of one that is ended by SIGPIPE.
const CLOSED_PIPE: i32 = 128 + 13;

/// Flags of programs that train.
#[derive(Args, Clone, Debug, Default)]
pub struct TrainArgs {
    /// Which model, with the numbers it is trained with; a wrong name lists those there are [default: the program's]
    #[arg(long, value_name = "NAME")]
    pub preset: Option<String>,
    /// A folder or zip of pictures, MNIST or CIFAR-10 files; `mnist`, `synthetic` [default: MNIST
    /// from GAN_DATA_DIR, the cache or the network, else synthetic digits]
    #[arg(long, value_name = "PATH")]
    pub data: Option<PathBuf>,
    /// How long to train, in thousands of real pictures [default: the preset's]
    #[arg(long, value_name = "N", value_parser = kimg, allow_negative_numbers = true)]
    pub kimg: Option<f64>,
    /// Pictures per batch [default: the preset's]
    #[arg(long, value_name = "N", value_parser = batch, allow_negative_numbers = true)]
    pub batch: Option<usize>,
    /// Another seed, another run [default: 0]
    #[arg(long, value_name = "N", value_parser = seed, allow_negative_numbers = true)]
    pub seed: Option<u64>,
    /// Where to compute: flex, ndarray, wgpu, vulkan or cuda, if compiled in
    #[arg(long, value_name = "NAME")]
    pub backend: Option<String>,
    /// Where the folders of runs are
    #[arg(long, value_name = "DIR", default_value = "runs")]
    pub out: PathBuf,
    /// Go on with a run [default: the newest one]
    #[arg(long, value_name = "RUN", num_args = 0..=1)]
    pub resume: Option<Option<PathBuf>>,
    /// Show the configuration and the memory it takes, play one round, and stop
    #[arg(long)]
    pub dry_run: bool,
    /// A JSON file with a configuration or a part of one
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Change one value of the configuration, as in train.log_kimg=2; may be repeated
    #[arg(long, value_name = "KEY=VALUE", value_parser = Change::parse)]
    pub set: Vec<Change>,
    /// Pictures of samples every so many thousand pictures; 0 for never [default: the preset's]
    #[arg(long, value_name = "KIMG", value_parser = zero_or_more, allow_negative_numbers = true)]
    pub every: Option<f64>,
    /// Score every so many thousand pictures; 0 for never [default: 50 on MNIST, else never; not in
    /// programs that make pictures of pictures]
    #[arg(long, value_name = "KIMG", value_parser = zero_or_more, allow_negative_numbers = true)]
    pub evaluate: Option<f64>,
    /// End the run after so many evaluations in a row that were not the best; 0 for never [default: 0]
    #[arg(long, value_name = "N", value_parser = whole, allow_negative_numbers = true)]
    pub stop_after_worse: Option<u64>,
    /// Print nothing but errors
    #[arg(long)]
    pub quiet: bool,
}

/// Flags of programs that use a trained run.
#[derive(Args, Clone, Debug)]
pub struct RunArgs {
    /// The folder of the run, as in runs/00000-mnist
    #[arg(long, value_name = "DIR")]
    pub run: PathBuf,
    /// Which checkpoint of the run: the number of its round, best or latest
    #[arg(long, value_name = "WHICH", value_parser = Which::parse, default_value = "latest", allow_negative_numbers = true)]
    pub checkpoint: Which,
    /// Where to compute: flex, ndarray, wgpu, vulkan or cuda, if compiled in
    #[arg(long, value_name = "NAME")]
    pub backend: Option<String>,
    /// Use the weights as they are instead of their moving average
    #[arg(long)]
    pub raw: bool,
    /// Weights of the generator from a .safetensors, .pt or .pth file, as `export` or PyTorch writes it,
    /// in place of the run's
    #[arg(long, value_name = "FILE")]
    pub weights: Option<PathBuf>,
    /// Print nothing but errors
    #[arg(long)]
    pub quiet: bool,
}

/// A list of seeds, as in `0-63` or `3,7,100-120`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seeds(pub Vec<u64>);

impl Seeds {
    /// Reads a list of seeds.
    ///
    /// # Errors
    ///
    /// Says what is allowed.
    pub fn parse(text: &str) -> Result<Self, String> {
        parse_seeds(text)
            .map(Self)
            .map_err(|error| error.to_string())
    }
}

/// Reads the flags, does `work`, and makes an exit code of the result: 0, 1 for work that failed, 2
/// for wrong flags. Errors are one line on stderr that begins with `error:`.
///
/// The work is done on a thread of rayon's pool: from outside, every parallel operation would put
/// this thread to sleep and wake it again, thousands of times a second.
pub fn main<A: Parser>(work: impl FnOnce(A) -> Result<(), Failure> + Send) -> ExitCode {
    keep_freed_pages();
    quiet_panics();
    let result = rayon::scope(|_| {
        parse::<A>(std::env::args_os()).and_then(|arguments| arguments.map_or(Ok(()), work))
    });
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            // Nobody can be told if this fails.
            let _ = writeln!(std::io::stderr(), "error: {failure}");
            ExitCode::from(failure.code())
        }
    }
}

/// Writes a line of the result to stdout. If nobody reads on, as behind `| head`, the program ends without a
/// word; and with an error if stdout cannot be written.
///
/// Not for what a person is told on the way ([`Screen`](crate::run) does that): work that leaves files behind goes on
/// without a reader.
pub fn say(line: impl Display) {
    if let Err(error) = writeln!(std::io::stdout(), "{line}") {
        end_unheard(&error);
    }
}

/// Ends the program, since its result could not be written to stdout.
pub(crate) fn end_unheard(error: &std::io::Error) -> ! {
    if error.kind() == std::io::ErrorKind::BrokenPipe {
        std::process::exit(CLOSED_PIPE);
    }
    // Nobody can be told if this fails.
    let _ = writeln!(std::io::stderr(), "error: stdout: cannot write: {error}");
    std::process::exit(1);
}

/// The arguments; `None` if help or the version was asked for, and shown.
fn parse<A: Parser>(arguments: impl Iterator<Item = OsString>) -> Result<Option<A>, Failure> {
    let error = match A::try_parse_from(arguments) {
        Ok(arguments) => return Ok(Some(arguments)),
        Err(error) => error,
    };
    if matches!(
        error.kind(),
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion
    ) {
        if let Err(error) = error.print() {
            end_unheard(&error);
        }
        return Ok(None);
    }
    // What is wrong is in the first paragraphs; the usage after them would hide it.
    let text = error.render().to_string();
    let text = text.strip_prefix("error: ").unwrap_or(&text);
    let words = text
        .lines()
        .map(str::trim)
        .take_while(|line| !line.starts_with("Usage:") && !line.starts_with("For more"))
        .filter(|line| !line.is_empty());
    let mut line = words.collect::<Vec<_>>().join(" ");
    if !line.contains("--help") {
        line.push_str("; --help lists all flags");
    }
    Err(Failure::usage(line))
}

/// A panic is a defect of the program; it is told in one line as well.
fn quiet_panics() {
    panic::set_hook(Box::new(|info| {
        let text = info
            .payload_as_str()
            .unwrap_or("unknown")
            .replace('\n', " ");
        let place = info.location().map(ToString::to_string).unwrap_or_default();
        let _ = writeln!(
            std::io::stderr(),
            "error: this is a defect of the program, please report it: {text} ({place})"
        );
    }));
}

fn above_zero(text: &str) -> Result<f64, String> {
    let value = text
        .parse::<f64>()
        .ok()
        .filter(|value| value.is_finite() && *value > 0.0);
    value.ok_or_else(|| "it must be a number above 0".into())
}

/// Far more than any training of a GAN took that was published.
const LONGEST_KIMG: f64 = 10_000_000.0;

fn kimg(text: &str) -> Result<f64, String> {
    let value = above_zero(text).ok().filter(|value| *value <= LONGEST_KIMG);
    value.ok_or_else(|| {
        format!(
            "it must be a number above 0, at most {LONGEST_KIMG} (it counts thousands of pictures)"
        )
    })
}

/// A number, 0 or more.
///
/// # Errors
///
/// Says what is allowed.
pub fn zero_or_more(text: &str) -> Result<f64, String> {
    let value = text
        .parse::<f64>()
        .ok()
        .filter(|value| value.is_finite() && *value >= 0.0);
    value.ok_or_else(|| "it must be a number, 0 or more".into())
}

fn batch(text: &str) -> Result<usize, String> {
    let value = text
        .parse::<usize>()
        .ok()
        .filter(|value| (1..=65_536).contains(value));
    value.ok_or_else(|| "it must be a whole number, 1 to 65536".into())
}

/// A seed.
///
/// # Errors
///
/// Says what is allowed.
pub fn seed(text: &str) -> Result<u64, String> {
    text.parse()
        .map_err(|_| "it must be a whole number, 0 to 18446744073709551615".into())
}

fn whole(text: &str) -> Result<u64, String> {
    text.parse()
        .map_err(|_| "it must be a whole number, 0 or more".into())
}

/// A number above 0, for `--truncation`.
///
/// # Errors
///
/// Says what is allowed.
pub fn positive(text: &str) -> Result<f64, String> {
    above_zero(text)
}

/// A whole number, 1 to ten million, for counts of pictures and frames.
///
/// # Errors
///
/// Says what is allowed.
pub fn count(text: &str) -> Result<usize, String> {
    let value = text
        .parse::<usize>()
        .ok()
        .filter(|value| (1..=10_000_000).contains(value));
    value.ok_or_else(|| "it must be a whole number, 1 to 10000000".into())
}

/// Frames of a closed walk past `keys` places with `steps` frames to each, which all wait in memory.
///
/// # Errors
///
/// If they are more than 5,000.
pub fn frames(keys: usize, steps: usize) -> Result<usize, Failure> {
    match keys.checked_mul(steps) {
        Some(frames) if frames <= 5000 => Ok(frames),
        _ => Err(Failure::usage(format!(
            "--keys {keys} --steps {steps}: their product is the number of frames; it must be at most 5000"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Parser, Debug)]
    struct Program {
        #[command(flatten)]
        train: TrainArgs,
    }

    fn arguments(text: &str) -> Result<TrainArgs, String> {
        let words = text.split_whitespace().map(OsString::from);
        let program = parse::<Program>(std::iter::once("program".into()).chain(words));
        program
            .map(|program| program.unwrap().train)
            .map_err(|error| error.to_string())
    }

    #[test]
    fn flags_are_read() {
        let all =
            arguments("--kimg 1.5 --batch 8 --seed 3 --every 0 --set a=1 --set b.c=x").unwrap();
        assert_eq!(
            (all.kimg, all.batch, all.seed, all.every),
            (Some(1.5), Some(8), Some(3), Some(0.0))
        );
        assert_eq!(all.set.len(), 2);
        assert_eq!(arguments("").unwrap().resume, None);
        assert_eq!(arguments("--resume --quiet").unwrap().resume, Some(None));
        assert_eq!(
            arguments("--resume r").unwrap().resume,
            Some(Some("r".into()))
        );
    }

    #[test]
    fn wrong_values_are_one_line_with_the_flag_the_value_and_what_is_allowed() {
        for (text, words) in [
            ("--kimg -3", ["--kimg", "-3", "above 0"]),
            ("--kimg NaN", ["--kimg", "NaN", "above 0"]),
            ("--kimg 1e300", ["--kimg", "1e300", "10000000"]),
            ("--batch 0", ["--batch", "'0'", "1 to 65536"]),
            ("--seed x", ["--seed", "'x'", "whole number"]),
            ("--every -1", ["--every", "-1", "0 or more"]),
            ("--evaluate -1", ["--evaluate", "-1", "0 or more"]),
            (
                "--stop-after-worse x",
                ["--stop-after-worse", "'x'", "whole number"],
            ),
            ("--set kimg", ["--set", "kimg", "key=value"]),
            ("--kimgs 3", ["--kimgs", "unexpected", "--kimg"]),
            ("--kimg", ["--kimg", "required", "--help"]),
        ] {
            let message = arguments(text).unwrap_err();
            assert!(!message.contains('\n'), "{message}");
            for word in words {
                assert!(message.contains(word), "{text}: {message}");
            }
        }
    }
}
