//! What `--metrics` asks for.

use std::fmt;
use std::path::PathBuf;

use burn::prelude::*;
use gan_metrics::features::{Checksum, Lpips, PublishedFile, Vgg16};
use gan_metrics::suite::{Metric, PairMetric};

use super::EvaluateArgs;
use super::weights::published;
use crate::Failure;
use crate::progress::Screen;

/// A score that `--metrics` can name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// Compares sets by their features.
    Sets(Metric),
    /// Compares pictures in pairs.
    Pairs(PairMetric),
    /// How smoothly the pictures of a run follow its latents.
    PathLength(PathDistance),
}

/// How far pictures on a path are apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PathDistance {
    /// LPIPS, as published: `ppl`.
    Lpips,
    /// Squared Euclidean, in the features of the digit classifier: `ppl-digits`.
    Digits,
}

impl PathDistance {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Lpips, Self::Digits];

    /// As in flags.
    pub fn name(self) -> &'static str {
        match self {
            Self::Lpips => "ppl",
            Self::Digits => "ppl-digits",
        }
    }
}

impl Asked {
    fn all() -> impl Iterator<Item = Self> {
        let sets = Metric::ALL.into_iter().map(Self::Sets);
        let pairs = PairMetric::ALL.into_iter().map(Self::Pairs);
        let paths = PathDistance::ALL.into_iter().map(Self::PathLength);
        sets.chain(pairs).chain(paths)
    }

    /// Reads a name.
    ///
    /// # Errors
    ///
    /// Says which names there are.
    pub fn parse(text: &str) -> Result<Self, String> {
        let found = Self::all().find(|asked| asked.to_string() == text);
        found.ok_or_else(|| {
            let names: Vec<String> = Self::all().map(|asked| asked.to_string()).collect();
            let names = names.join(", ");
            format!("there is no such metric; use some of {names}")
        })
    }
}

impl fmt::Display for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sets(metric) => metric.name(),
            Self::Pairs(metric) => metric.name(),
            Self::PathLength(distance) => distance.name(),
        })
    }
}

/// Everything that is asked for, by kind.
#[derive(Clone, Debug, Default)]
pub(super) struct Wanted {
    /// Scores of sets; `None` if only others are asked for, and empty if all shall be computed that can be.
    pub(super) sets: Option<Vec<Metric>>,
    pub(super) pairs: Vec<PairMetric>,
    pub(super) paths: Vec<PathDistance>,
}

impl Wanted {
    /// What the flags ask for, of a run or of files.
    ///
    /// # Errors
    ///
    /// If files are asked for what only a run has, or the other way round.
    pub(super) fn new(asked: &[Asked], is_run: bool) -> Result<Self, Failure> {
        let mut wanted = Self {
            sets: asked.is_empty().then(Vec::new),
            ..Self::default()
        };
        for asked in asked {
            let reason = match asked {
                Asked::Sets(metric) => {
                    wanted.sets.get_or_insert_default().push(*metric);
                    continue;
                }
                Asked::Pairs(metric) if !is_run => {
                    wanted.pairs.push(*metric);
                    continue;
                }
                Asked::PathLength(distance) if is_run => {
                    wanted.paths.push(*distance);
                    continue;
                }
                Asked::Pairs(_) => {
                    "compares pictures in pairs, and what a run draws has no partners; give two folders with \
                     --real and --fake"
                }
                Asked::PathLength(_) => {
                    "walks through the latents of a generator, which pictures do not have; give the run \
                     with --run DIR"
                }
            };
            return Err(Failure::usage(format!("--metrics {asked}: it {reason}")));
        }
        Ok(wanted)
    }

    /// LPIPS with the files of the flags or else the published ones, if something needs it.
    ///
    /// # Errors
    ///
    /// If a file is missing, cannot be fetched, or is not the one that is wanted.
    pub(super) fn lpips(
        &self,
        arguments: &EvaluateArgs,
        device: &Device,
        screen: &Screen,
    ) -> Result<Option<Lpips>, Failure> {
        let pair = self.pairs.iter().find(|pair| **pair == PairMetric::Lpips);
        let path = self.paths.iter().find(|path| **path == PathDistance::Lpips);
        let name = pair.map(|pair| pair.name());
        let Some(name) = name.or(path.map(|path| path.name())) else {
            return Ok(None);
        };
        let blame = |error: String| Failure::new(format!("--metrics {name}: {error}"));
        let checksum = match arguments.checksum.as_deref() {
            Some("any") => Checksum::Any,
            _ => Checksum::Published,
        };
        let file = |own: &Option<PathBuf>, file: PublishedFile, flag: &str| match own {
            Some(path) => Ok((path.clone(), &checksum)),
            None => published(&file, flag, screen)
                .map(|path| (path, &Checksum::Published))
                .map_err(|failure| blame(failure.to_string())),
        };
        // The small one first, so that a machine without a network is told at once.
        let linear = &arguments.lpips_weights;
        let linear = file(linear, Lpips::LINEAR_FILE, "--lpips-weights FILE")?;
        let vgg = file(&arguments.lpips_vgg, Vgg16::FILE, "--lpips-vgg FILE")?;
        let lpips = Lpips::open((&vgg.0, vgg.1), (&linear.0, linear.1), device);
        lpips.map(Some).map_err(|error| blame(error.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_read_and_others_are_not() {
        let all: Vec<Asked> = Asked::all().collect();
        assert_eq!(all.len(), 15);
        for asked in all {
            assert_eq!(Asked::parse(&asked.to_string()), Ok(asked));
        }
        let error = Asked::parse("fd").unwrap_err();
        assert!(error.contains("authenticity, lpips, psnr, ssim, ms-ssim, ppl, ppl-digits"));
    }
}
