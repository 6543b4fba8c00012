//! The program `evaluate`.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use gan_core::nn::ImageShape;
use gan_core::train::{RunDir, write_report};
use gan_data::io::{write_atomically, write_picture};
use gan_data::{ChannelMode, Picture};
use gan_metrics::error::MetricError;
use gan_metrics::features::{
    DigitFeatures, FeatureNetwork, Features, Lpips, PictureDistance, PictureShape,
};
use gan_metrics::score::FrechetConfig;
use gan_metrics::suite::{Metric, SetStatistics, SuiteConfig, check_counts, evaluate};

use super::EvaluateArgs;
use super::asked::{PathDistance, Wanted};
use super::neighbours::picture_of_neighbours;
use super::pairs::score_pairs;
use super::path_length::score_paths;
use super::report::{Report, SetReport, text};
use super::sets::{Drawn, FAKE, PictureSet, Question, Stored, collect, opened};
use super::subject::Subject;
use super::weights::features;
use crate::Failure;
use crate::backend::Backend;
use crate::cli::end_unheard;
use crate::next;
use crate::progress::Screen;
use crate::run::writable;
use crate::trained::Trained;

/// Real pictures that are looked at if nobody says how many: all of MNIST, with features that take
/// seconds for them.
const NUM_REAL: usize = 60_000;

/// Scores what the flags name, shows the scores and writes them.
///
/// # Errors
///
/// A flag, a file or a picture that is not allowed, or a score that cannot be computed, by name.
pub fn run(arguments: &EvaluateArgs) -> Result<(), Failure> {
    let out = arguments.out.as_ref();
    let out = out
        .map(|path| writable(path, "--out", "json"))
        .transpose()?;
    let subject = Subject::new(arguments)?;
    let session = Session::open(arguments, subject.run().is_some())?;
    let (report, neighbours) = match &subject {
        Subject::Run(run) => session.score_run(run)?,
        Subject::Files([real, fake]) => (session.score_files(real, fake)?, None),
    };
    let shown = writeln!(io::stdout(), "{}", text(&report, arguments.json)?);
    session.write(&report, neighbours, out)?;
    // Now that the files are there, whoever reads stdout or not.
    shown.map_err(|error| end_unheard(&error))
}

struct Session<'a> {
    arguments: &'a EvaluateArgs,
    wanted: Wanted,
    backend: Backend,
    /// For scores of sets; `None` if there are to be none.
    features: Option<Box<dyn Features>>,
    lpips: Option<Lpips>,
    network: FeatureNetwork,
    config: SuiteConfig,
    screen: Screen,
}

impl<'a> Session<'a> {
    fn open(arguments: &'a EvaluateArgs, is_run: bool) -> Result<Self, Failure> {
        let wanted = Wanted::new(&arguments.metrics, is_run)?;
        let backend = Backend::open(arguments.backend.as_deref())?;
        let screen = Screen::new(arguments.quiet).on_stderr();
        let config = arguments.features_config();
        let network = config.network;
        let features = wanted.sets.as_ref().map(|_| {
            let chosen = format!("--features {network}");
            let flags = [&*chosen, "--weights FILE", "--checksum"];
            features(config, flags, &backend.device, &screen)
        });
        let features = features.transpose()?;
        let lpips = wanted.lpips(arguments, &backend.device, &screen)?;
        Ok(Self {
            arguments,
            wanted,
            backend,
            features,
            lpips,
            network,
            config: SuiteConfig {
                frechet: FrechetConfig {
                    allow_few: arguments.allow_few,
                },
                ..SuiteConfig::default()
            },
            screen,
        })
    }

    /// Leaves the scores in the file of `--out` and in the folder of the run.
    fn write(
        &self,
        report: &Report,
        neighbours: Option<Picture>,
        out: Option<PathBuf>,
    ) -> Result<(), Failure> {
        let arguments = self.arguments;
        // A run has the scores of its own pictures against its own data, and not those of any comparison.
        let run = arguments.run.as_ref().filter(|_| arguments.real.is_none());
        let run = run.map(RunDir::open).transpose()?;
        if let Some(path) = out.or_else(|| run.as_ref().map(RunDir::evaluation)) {
            let mut text = serde_json::to_string_pretty(report)?;
            text.push('\n');
            write_atomically(&path, text.as_bytes())?;
            self.screen.say(format!("scores   {}", path.display()));
        }
        let Some(run) = &run else {
            return Ok(());
        };
        if let Some(picture) = neighbours {
            let path = run.neighbours();
            write_picture(&path, &picture)?;
            let path = path.display();
            let text = format!("nearest  {path}: training pictures like generated ones");
            self.screen.say(text);
        }
        let page = write_report(run, &next::of_run(run))?;
        self.screen.say(format!("report   {}", page.display()));
        Ok(())
    }

    /// Scores what a run draws, and shows the training pictures nearest to it.
    fn score_run(&self, run: &Path) -> Result<(Report, Option<Picture>), Failure> {
        let trained = self.trained(run)?;
        let clock = trained.clock;
        let (kimg, round) = (clock.kimg(), clock.round);
        let name = format!("{} at {kimg:.1} kimg (round {round})", run.display());
        let mut report = Report::new(SetReport::new(name, None));
        let mut picture = None;
        if let Some(features) = &self.features {
            picture = self.score_drawn(&**features, run, &trained, &mut report)?;
        } else {
            let ImageShape { size, channels } = trained.image();
            report.fake = report.fake.of(PictureShape {
                count: 2 * self.arguments.num,
                height: size,
                width: size,
                channels,
            });
        }
        for asked in &self.wanted.paths {
            let digits = DigitFeatures::new(&self.backend.device)?;
            let distance: &dyn PictureDistance = match (asked, &self.lpips) {
                (PathDistance::Lpips, Some(lpips)) => lpips,
                _ => &digits,
            };
            let (num, truncation) = (self.arguments.num, self.arguments.truncation);
            let asked = (*asked, distance);
            let score = score_paths(&trained, num, truncation, asked, &self.screen)?;
            report.scores.push(score);
        }
        Ok((report, picture))
    }

    fn trained(&self, run: &Path) -> Result<Trained, Failure> {
        let arguments = self.arguments;
        let mut trained = Trained::open_at(
            run,
            &arguments.checkpoint,
            arguments.raw,
            arguments.backend.as_deref(),
            &self.screen,
        )?;
        if let Some(batches) = arguments.standing_statistics {
            trained.use_standing_statistics(batches, arguments.truncation)?;
        }
        Ok(trained)
    }

    /// Scores a set of pictures that a run draws.
    fn score_drawn(
        &self,
        features: &dyn Features,
        run: &Path,
        trained: &Trained,
        report: &mut Report,
    ) -> Result<Option<Picture>, Failure> {
        let (reals, real) = match &self.arguments.real {
            Some(path) => self.stored(path, "--real", self.num_real())?,
            None => self.data_of(run, trained)?,
        };
        report.real = Some(real);
        let truncation = self.arguments.truncation;
        let draw = |seeds: &[u64], classes: &[usize]| trained.draw(seeds, classes, truncation);
        let fakes = Drawn {
            count: self.arguments.num,
            classes: trained.num_classes(),
            labels: trained.num_labels(),
            draw: &draw,
        };
        let [real, fake] = self.score_sets(features, &reals, &fakes, report)?;
        let one = |set: &SetStatistics| set.shape().to_string();
        let picture = (one(&real) == one(&fake))
            .then(|| picture_of_neighbours(&fakes, &reals, [&real, &fake]));
        picture.transpose()
    }

    /// The pictures that a run was trained on, as its networks saw them.
    fn data_of(&self, run: &Path, trained: &Trained) -> Result<(Stored, SetReport), Failure> {
        let data = trained.data(&self.screen)?;
        let report = SetReport::new(data.name(), Some(data.fingerprint()));
        let place = RunDir::open(run)?;
        if place.info().exists() && Some(place.read_info()?.data.fingerprint) != report.fingerprint
        {
            return Err(Failure::new(format!(
                "--run {}: its data has changed since it was trained; name the real pictures with --real",
                run.display()
            )));
        }
        let size = Some(trained.image().size);
        Ok((Stored::new(data, self.num_real(), size, "--run"), report))
    }

    fn score_files(&self, real: &Path, fake: &Path) -> Result<Report, Failure> {
        let num = self.arguments.num;
        let (reals, real_report) = self.stored(real, "--real", self.num_real())?;
        let (fakes, fake_report) = self.stored(fake, "--fake", num)?;
        let mut report = Report::new(fake_report);
        report.real = Some(real_report);
        if let Some(features) = &self.features {
            self.score_sets(&**features, &reals, &fakes, &mut report)?;
        }
        if !self.wanted.pairs.is_empty() {
            let pairs = &self.wanted.pairs;
            let lpips = self.lpips.as_ref();
            let (scores, shape) = score_pairs(real, fake, num, pairs, lpips, &self.screen)?;
            report.scores.extend(scores);
            if self.features.is_none() {
                report.real = report.real.map(|set| set.of(shape));
                report.fake = report.fake.of(shape);
            }
        }
        Ok(report)
    }

    fn num_real(&self) -> usize {
        let unnamed = match self.network {
            FeatureNetwork::Digits | FeatureNetwork::Cifar => NUM_REAL,
            _ => self.arguments.num,
        };
        self.arguments.num_real.unwrap_or(unnamed)
    }

    /// Pictures of a path, with the channels of the features.
    fn stored(
        &self,
        path: &Path,
        flag: &str,
        count: usize,
    ) -> Result<(Stored, SetReport), Failure> {
        let mode = match (&self.features, self.network.channels()) {
            (None, _) => ChannelMode::Keep,
            (Some(_), 1) => ChannelMode::Grey,
            (Some(_), _) => ChannelMode::Rgb,
        };
        let (data, place) = opened(path, flag, mode)?;
        let name = fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf());
        let report = SetReport::new(name.to_string_lossy(), Some(data.fingerprint()));
        Ok((Stored::new(data, count, None, place), report))
    }

    /// Adds the scores of two sets to the report, and what these are.
    fn score_sets(
        &self,
        features: &dyn Features,
        reals: &Stored,
        fakes: &dyn PictureSet,
        report: &mut Report,
    ) -> Result<[SetStatistics; 2], Failure> {
        let asked = self.wanted.sets.clone().unwrap_or_default();
        let screen = &self.screen;
        let question = Question {
            features,
            classes: self.arguments.features_config().labels(),
            by_class: self.by_class(features.size(), &asked, reals, fakes)?,
        };
        self.check_counts(features.size(), &asked, [reals, fakes])?;
        let real = reals.collect_cached(question, &self.config, screen, Some(screen));
        let real = real.map_err(|failure| with_flag("--real", failure))?;
        let fake = collect(fakes, question, FAKE, &self.config, Some(screen));
        let fake = fake.map_err(|failure| with_flag("--fake", failure))?;
        for (set, place) in [(&real, reals.place()), (&fake, fakes.place())] {
            let varied = set.check_varied();
            varied.map_err(|error| with_flag(place, error.into()))?;
        }
        let metrics = match asked.is_empty() {
            true => self.possible(&fake),
            false => asked,
        };
        let scores = evaluate(&real, &fake, &metrics, &self.config).map_err(few)?;
        report.scores.extend(scores);
        report.features = Some(features.name());
        report.fake = report.fake.clone().of(fake.shape());
        report.real = report.real.take().map(|report| report.of(real.shape()));
        Ok([real, fake])
    }

    /// Refuses sets that are too small before the time is spent to look at them.
    fn check_counts(
        &self,
        size: usize,
        asked: &[Metric],
        sets: [&dyn PictureSet; 2],
    ) -> Result<(), Failure> {
        // What is computed if nothing is asked for is at least this.
        let metrics = if asked.is_empty() {
            &[Metric::Fid]
        } else {
            asked
        };
        let counts = sets.map(|set| set.count() as u64);
        check_counts(counts, size, metrics, &self.config).map_err(|error| {
            let is_fake = matches!(&error, MetricError::TooFew { set, .. } if set == FAKE);
            with_flag(sets[usize::from(is_fake)].flag(), few(error))
        })
    }

    /// Classes to be compared by themselves, if that is asked for, or if nothing is and it can be done
    /// with as many pictures as there are.
    fn by_class(
        &self,
        size: usize,
        metrics: &[Metric],
        reals: &Stored,
        fakes: &dyn PictureSet,
    ) -> Result<usize, Failure> {
        let [real, fake] = [reals as &dyn PictureSet, fakes].map(PictureSet::num_labels);
        if metrics.contains(&Metric::IntraFid) {
            return match real == fake && real > 0 {
                true => Ok(real),
                false => Err(Failure::new(format!(
                    "--metrics {}: it compares class by class, and the real pictures have labels of \
                     {real} classes, the generated ones of {fake}; leave it out",
                    Metric::IntraFid
                ))),
            };
        }
        let least = real * (size + 1);
        let enough = reals.count().min(fakes.count()) >= 2 * least;
        let can = metrics.is_empty() && real == fake && enough && self.network.labels() > 0;
        Ok(if can { real } else { 0 })
    }

    /// All that can be computed.
    fn possible(&self, fake: &SetStatistics) -> Vec<Metric> {
        let mut metrics = vec![
            Metric::Fid,
            Metric::Kid,
            Metric::PrecisionRecall,
            Metric::DensityCoverage,
            Metric::Authenticity,
        ];
        match self.network {
            FeatureNetwork::Inception => metrics.push(Metric::InceptionScore),
            FeatureNetwork::Digits => metrics.push(Metric::Classes),
            FeatureNetwork::Cifar if self.arguments.weights.is_some() => {
                metrics.push(Metric::Classes);
            }
            _ => {}
        }
        if fake.is_labelled() {
            metrics.push(Metric::Accuracy);
        }
        if !fake.by_class().is_empty() {
            metrics.push(Metric::IntraFid);
        }
        metrics
    }
}

/// Errors of too few pictures name the flag that allows them.
fn few(error: MetricError) -> Failure {
    let advice = "or allow fewer with --allow-few";
    Failure::new(error.to_string().replace("or allow few", advice))
}

/// Errors of pictures name the flag that they came with.
fn with_flag(flag: &str, failure: Failure) -> Failure {
    let text = failure.to_string();
    match text.starts_with("--") {
        true => failure,
        false => Failure::new(format!("{flag}: {text}")),
    }
}
