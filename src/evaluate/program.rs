//! The program `evaluate`.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use gan_core::train::{Better, RunDir, write_report};
use gan_data::io::{write_atomically, write_picture};
use gan_data::source::{Split, open};
use gan_data::{ChannelMode, Picture};
use gan_metrics::features::{FeatureNetwork, Features};
use gan_metrics::score::FrechetConfig;
use gan_metrics::suite::{Metric, Score, SetStatistics, SuiteConfig, evaluate};
use serde::Serialize;

use super::EvaluateArgs;
use super::neighbours::picture_of_neighbours;
use super::sets::{Drawn, FAKE, PictureSet, Question, Stored, collect};
use crate::Failure;
use crate::backend::Backend;
use crate::next;
use crate::progress::Screen;
use crate::run::writable;
use crate::trained::Trained;

/// Real pictures that are looked at if nobody says how many: all of MNIST, with features that take
/// seconds for them.
const NUM_REAL: usize = 60_000;

/// The scores of a set of pictures, and how they were made.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// What was compared with what.
    pub real: SetReport,
    /// What was scored.
    pub fake: SetReport,
    /// The features, with weights and resizing.
    pub features: String,
    /// The scores.
    pub scores: Vec<Score>,
}

/// A set of pictures in a [`Report`].
#[derive(Clone, Debug, Serialize)]
pub struct SetReport {
    /// Path, name of the data, or the run with round and thousands of pictures.
    pub name: String,
    /// Checksum of the data; `None` for pictures that were drawn.
    pub fingerprint: Option<String>,
    /// Pictures that were looked at.
    pub count: u64,
    /// Size of one, as in `28x28 grey`.
    pub picture: String,
}

impl SetReport {
    /// Before the pictures were looked at.
    fn new(name: impl Into<String>, fingerprint: Option<String>) -> Self {
        Self {
            name: name.into(),
            fingerprint,
            count: 0,
            picture: String::new(),
        }
    }

    fn of(self, statistics: &SetStatistics) -> Self {
        Self {
            count: statistics.count(),
            picture: statistics.shape().to_string(),
            ..self
        }
    }
}

/// Scores what the flags name, shows the scores and writes them.
///
/// # Errors
///
/// A flag, a file or a picture that is not allowed, or a score that cannot be computed, by name.
pub fn run(arguments: &EvaluateArgs) -> Result<(), Failure> {
    let run = run_folder(arguments);
    let out = arguments.out.as_ref();
    let out = out
        .map(|path| writable(path, "--out", "json"))
        .transpose()?;
    let session = Session::open(arguments)?;
    let (report, neighbours) = match (&run, &arguments.real, &arguments.fake) {
        (Some(run), _, _) => session.score_run(run)?,
        (None, Some(real), Some(fake)) => (session.score_files(real, fake)?, None),
        _ => {
            return Err(Failure::usage(
                "nothing to compare: give --run DIR, or --real PATH and --fake PATH",
            ));
        }
    };
    show(&report, arguments.json)?;
    // A run has the scores of its own pictures against its own data, and not those of any comparison.
    let run = run.filter(|_| arguments.run.is_some() && arguments.real.is_none());
    let run = run.map(RunDir::open).transpose()?;
    if let Some(path) = out.or_else(|| run.as_ref().map(RunDir::evaluation)) {
        let mut text = serde_json::to_string_pretty(&report)?;
        text.push('\n');
        write_atomically(&path, text.as_bytes())?;
        session.screen.say(format!("scores   {}", path.display()));
    }
    if let Some(run) = &run {
        if let Some(picture) = neighbours {
            let path = run.neighbours();
            write_picture(&path, &picture)?;
            let text = format!(
                "nearest  {}: training pictures like generated ones",
                path.display()
            );
            session.screen.say(text);
        }
        let page = write_report(run, &next::of_run(run))?;
        session.screen.say(format!("report   {}", page.display()));
    }
    Ok(())
}

/// The run, if one is scored.
fn run_folder(arguments: &EvaluateArgs) -> Option<PathBuf> {
    let is_run =
        |path: &&PathBuf| path.join("config.json").is_file() && path.join("checkpoints").is_dir();
    let fake = arguments.fake.as_ref().filter(is_run);
    arguments.run.as_ref().or(fake).cloned()
}

struct Session<'a> {
    arguments: &'a EvaluateArgs,
    features: Box<dyn Features>,
    network: FeatureNetwork,
    config: SuiteConfig,
    screen: Screen,
}

impl<'a> Session<'a> {
    fn open(arguments: &'a EvaluateArgs) -> Result<Self, Failure> {
        let backend = Backend::open(arguments.backend.as_deref())?;
        let config = arguments.features_config();
        let network = config.network;
        let features = config.init(&backend.device).map_err(|error| {
            let error = error.to_string().replace("`weights`", "--weights");
            Failure::new(format!("--features {network}: {error}"))
        })?;
        Ok(Self {
            arguments,
            features,
            network,
            config: SuiteConfig {
                frechet: FrechetConfig {
                    allow_few: arguments.allow_few,
                },
                ..SuiteConfig::default()
            },
            screen: Screen::new(arguments.quiet).on_stderr(),
        })
    }

    /// Scores what a run draws, and shows the training pictures nearest to it.
    fn score_run(&self, run: &Path) -> Result<(Report, Option<Picture>), Failure> {
        let arguments = self.arguments;
        let mut trained = Trained::open_at(
            run,
            &arguments.checkpoint,
            arguments.raw,
            arguments.backend.as_deref(),
            &self.screen,
        )?;
        let truncation = arguments.truncation;
        if let Some(batches) = arguments.standing_statistics {
            trained.use_standing_statistics(batches, truncation)?;
        }
        let (reals, real_report) = match &arguments.real {
            Some(path) => self.stored(path, "--real", self.num_real())?,
            None => self.data_of(run, &trained)?,
        };
        let draw = |seeds: &[u64], classes: &[usize]| trained.draw(seeds, classes, truncation);
        let fakes = Drawn {
            count: arguments.num,
            classes: trained.num_classes(),
            labels: trained.num_labels(),
            draw: &draw,
        };
        let clock = trained.clock;
        let (kimg, round) = (clock.kimg(), clock.round);
        let name = format!("{} at {kimg:.1} kimg (round {round})", run.display());
        let fake_report = SetReport::new(name, None);
        let (report, [real, fake]) = self.score(&reals, &fakes, [real_report, fake_report])?;
        let one = |set: &SetStatistics| set.shape().to_string();
        let picture = (one(&real) == one(&fake))
            .then(|| picture_of_neighbours(&fakes, &reals, [&real, &fake]));
        Ok((report, picture.transpose()?))
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
        let (reals, real) = self.stored(real, "--real", self.num_real())?;
        let (fakes, fake) = self.stored(fake, "--fake", self.arguments.num)?;
        let (report, _) = self.score(&reals, &fakes, [real, fake])?;
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
        let mode = match self.network.channels() {
            1 => ChannelMode::Grey,
            _ => ChannelMode::Rgb,
        };
        let data = open(path, Split::Train, mode)
            .map_err(|error| Failure::new(format!("{flag} {error}")))?;
        let place = format!("{flag} {}", path.display());
        if data.is_empty() {
            return Err(Failure::new(format!(
                "{place}: there are no pictures in it"
            )));
        }
        let name = fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf());
        let report = SetReport::new(name.to_string_lossy(), Some(data.fingerprint()));
        Ok((Stored::new(data, count, None, place), report))
    }

    fn score(
        &self,
        reals: &Stored,
        fakes: &dyn PictureSet,
        [real_report, fake_report]: [SetReport; 2],
    ) -> Result<(Report, [SetStatistics; 2]), Failure> {
        let (features, screen) = (&*self.features, &self.screen);
        let question = Question {
            features,
            classes: self.arguments.features_config().labels(),
            by_class: self.by_class(reals, fakes)?,
        };
        let real = reals.collect_cached(question, &self.config, screen, Some(screen));
        let real = real.map_err(|failure| with_flag("--real", failure))?;
        let fake = collect(fakes, question, FAKE, &self.config, Some(screen));
        let fake = fake.map_err(|failure| with_flag("--fake", failure))?;
        for set in [&real, &fake] {
            set.check_varied()?;
        }
        let scores = evaluate(&real, &fake, &self.metrics(&fake), &self.config);
        let scores = scores.map_err(|error| {
            let advice = "or allow fewer with --allow-few";
            Failure::new(error.to_string().replace("or allow few", advice))
        })?;
        let report = Report {
            real: real_report.of(&real),
            fake: fake_report.of(&fake),
            features: features.name(),
            scores,
        };
        Ok((report, [real, fake]))
    }

    /// Classes to be compared by themselves, if that is asked for, or if nothing is and it can be done
    /// with as many pictures as there are.
    fn by_class(&self, reals: &Stored, fakes: &dyn PictureSet) -> Result<usize, Failure> {
        let metrics = &self.arguments.metrics;
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
        let least = real * (self.features.size() + 1);
        let enough = reals.count().min(fakes.count()) >= 2 * least;
        let can = metrics.is_empty() && real == fake && enough && self.network.labels() > 0;
        Ok(if can { real } else { 0 })
    }

    /// Those that are asked for, or all that can be computed.
    fn metrics(&self, fake: &SetStatistics) -> Vec<Metric> {
        if !self.arguments.metrics.is_empty() {
            return self.arguments.metrics.clone();
        }
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

/// Errors of pictures name the flag that they came with.
fn with_flag(flag: &str, failure: Failure) -> Failure {
    let text = failure.to_string();
    match text.starts_with("--") {
        true => failure,
        false => Failure::new(format!("{flag}: {text}")),
    }
}

/// A table on stdout, or JSON.
fn show(report: &Report, json: bool) -> Result<(), Failure> {
    let text = if json {
        serde_json::to_string_pretty(report)?
    } else {
        table(report)
    };
    // Not `println!`, which would panic when the reader of a pipe has gone.
    let _ = writeln!(std::io::stdout(), "{text}");
    Ok(())
}

fn table(report: &Report) -> String {
    let set = |what: &str, set: &SetReport| {
        let SetReport {
            name,
            count,
            picture,
            ..
        } = set;
        format!("{what}  {count} pictures, {picture}, of {name}")
    };
    let mut lines = vec![
        set("real     ", &report.real),
        set("generated", &report.fake),
        format!("features   {}", report.features),
        String::new(),
    ];
    let values: Vec<String> = report.scores.iter().map(ToString::to_string).collect();
    let names = report.scores.iter().map(|score| score.name.len()).max();
    let digits = values.iter().map(|value| value.chars().count()).max();
    let (names, digits) = (names.unwrap_or(0), digits.unwrap_or(0));
    for (score, value) in report.scores.iter().zip(&values) {
        let better = match score.better {
            Better::Lower => "lower is better",
            Better::Higher => "higher is better",
        };
        let (name, how) = (&score.name, &score.how);
        lines.push(format!(
            "{name:names$}  {value:>digits$}  {better:16}  {how}"
        ));
    }
    lines.join("\n")
}
