//! Two linear players on flex, and helpers to run them and to look at what they leave.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::fs;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::{Arc, Mutex};

use burn::module::Param;
use burn::nn::Linear;
use burn::prelude::*;
use gan_core::game::{
    Clock, Ema, EmaConfig, Game, Player, Report, SampleRequest, State, StateError,
};
use gan_core::optim::OptimizerConfig;
use gan_core::rng::Stream;
use gan_core::train::{
    Better, BoxError, Context, Evaluate, Every, GuardConfig, Hook, Log, LossPlot, Measurement,
    Notice, Outcome, ReportPage, RunDir, Samples, TrainConfig, TrainError, Trainer,
};

pub const SEED: u64 = 7;
pub const BATCH: usize = 10;
/// Rounds from one that reports a penalty to the next. The second one comes after a line of the log and
/// before a checkpoint, so that a run which goes on from there must remember it.
pub const RARE: u64 = 13;

/// Whether the loss of a round is NaN, from its number and the scale of the learning rate.
pub type Poison = fn(u64, f64) -> bool;

#[derive(Debug)]
pub struct Toy {
    generator: Player<Linear>,
    critic: Player<Linear>,
    average: Ema<Linear>,
    lr_scale: f64,
    poison: Poison,
}

fn linear(name: &str, inputs: usize, outputs: usize, device: &Device) -> Linear {
    let mut stream = Stream::new(SEED, name, 0);
    Linear {
        weight: Param::from_tensor(stream.normal([inputs, outputs], device).require_grad()),
        bias: Some(Param::from_tensor(
            stream.normal([outputs], device).require_grad(),
        )),
    }
}

impl Toy {
    pub fn new() -> Self {
        Self::poisoned(|_, _| false)
    }

    pub fn poisoned(poison: Poison) -> Self {
        let device = Device::flex().autodiff();
        let adam = OptimizerConfig::Adam {
            lr: 0.01,
            beta_1: 0.5,
            beta_2: 0.99,
            epsilon: 1e-8,
            weight_decay: 0.0,
        };
        let generator = Player::new("generator", linear("g", 3, 2, &device), adam);
        let ema = EmaConfig {
            half_life_kimg: 0.1,
            ramp_up: None,
        };
        Self {
            average: Ema::new(generator.module(), ema),
            generator,
            critic: Player::new("critic", linear("c", 2, 1, &device), adam),
            lr_scale: 1.0,
            poison,
        }
    }

    pub fn lr_scale(&self) -> f64 {
        self.lr_scale
    }
}

impl Game for Toy {
    type Batch = Tensor<2>;

    fn round(&mut self, real: Tensor<2>, clock: &Clock) -> Report {
        let device = Device::flex().autodiff();
        let bad = if (self.poison)(clock.round, self.lr_scale) {
            f32::NAN
        } else {
            1.0
        };
        let mut stream = clock.stream("latents");
        let z = stream.normal([BATCH, 3], &device);
        let fake = self.generator.opponent().forward(z);
        let critic = self.critic.module();
        let loss = (critic.forward(fake).tanh() - critic.forward(real).tanh()).mean() * bad;
        let mut report = Report::default().with("critic", loss.clone());
        let step = self.critic.minimize(loss);
        report = report.with("critic_gradient", step.gradient_norm.clone());
        if clock.every(RARE) {
            report = report.with("penalty", step.gradient_norm * 2.0);
        }

        let z = stream.normal([BATCH, 3], &device);
        let fake = self.generator.module().forward(z);
        let loss = -self.critic.opponent().forward(fake).tanh().mean();
        report = report.with("generator", loss.clone());
        self.generator.minimize(loss);
        self.average.update(self.generator.module(), clock, BATCH);
        report
    }

    fn batch_size(batch: &Tensor<2>) -> usize {
        batch.dims()[0]
    }

    fn latent_size(&self) -> usize {
        3
    }

    fn sample(&self, request: &SampleRequest) -> Tensor<4> {
        self.average
            .module()
            .forward(request.latents.clone())
            .reshape([-1, 1, 1, 2])
    }

    fn state(&self) -> State {
        let mut state = State::default();
        self.generator.save(&mut state);
        self.critic.save(&mut state);
        self.average.save(&mut state);
        state.numbers.insert("lr_scale".into(), self.lr_scale);
        state
    }

    fn restore(&mut self, state: &State) -> Result<(), StateError> {
        self.generator.load(state)?;
        self.critic.load(state)?;
        self.average.load(state)?;
        self.lr_scale = state.number("lr_scale")?;
        Ok(())
    }

    fn scale_learning_rate(&mut self, factor: f64) {
        self.lr_scale *= factor;
        self.generator.scale_learning_rate(factor);
        self.critic.scale_learning_rate(factor);
    }

    fn parameter_counts(&self) -> Vec<(&'static str, usize)> {
        vec![
            ("generator", self.generator.parameter_count()),
            ("critic", self.critic.parameter_count()),
        ]
    }
}

/// The batch of a round.
pub fn batch(clock: &Clock) -> Tensor<2> {
    clock
        .stream("data")
        .normal([BATCH, 2], &Device::flex().autodiff())
        + 3.0
}

/// 24 rounds, with cadences that are no multiples of the batch or of each other.
pub fn config() -> TrainConfig {
    TrainConfig {
        total_kimg: 0.24,
        log_kimg: 0.025,
        sample_kimg: 0.055,
        checkpoint_kimg: 0.07,
        keep_checkpoints: 2,
        guard: Some(GuardConfig {
            every_rounds: 1,
            window: 4,
            limit: 2,
            ..GuardConfig::default()
        }),
    }
}

/// Writes a file as a program should.
pub fn write(path: &Path, bytes: &[u8]) -> Result<(), BoxError> {
    let temporary = path.with_extension(format!("tmp-{}", std::process::id()));
    fs::write(&temporary, bytes)?;
    Ok(fs::rename(temporary, path)?)
}

/// Fails after a round, as if the process had died there.
pub struct Crash(pub u64);

impl<G: Game> Hook<G> for Crash {
    fn after_round(&mut self, context: &mut Context<'_, G>) -> Result<ControlFlow<()>, TrainError> {
        if context.clock.round == self.0 {
            return Err(TrainError::Hook("crash".into()));
        }
        Ok(ControlFlow::Continue(()))
    }
}

/// Scores the game every five rounds; round 10 is the best.
pub fn evaluate() -> Evaluate<Toy> {
    let measure = |_: &Toy, clock: &Clock| {
        let measurement = |metric: &str, value| Measurement {
            metric: metric.into(),
            value,
            better: Better::Lower,
            features: "rounds".into(),
            samples: 4,
            reals: 0,
            data: "normal".into(),
        };
        let score = clock.round.abs_diff(10) as f64 + 0.1;
        Ok(vec![
            measurement("score", score),
            measurement("other", f64::NAN),
        ])
    };
    Evaluate::new(Every::rounds(5), measure)
        .with_plot(|path, curves| write(path, format!("{curves:?}").as_bytes()))
}

pub type Notices = Arc<Mutex<Vec<Notice>>>;

/// A trainer with all hooks; `first` and `last` see a round before and after all others.
pub fn trainer(
    run: &RunDir,
    config: TrainConfig,
    first: impl Hook<Toy> + 'static,
    last: impl Hook<Toy> + 'static,
) -> (Trainer<Toy>, Notices) {
    let notices = Notices::default();
    let sink = notices.clone();
    let latents = Samples::normal_latents(SEED, 4, 3, &Device::flex());
    let trainer = Trainer::new(run.clone(), config, SEED)
        .unwrap()
        .with_hook(first)
        .with_hook(Log::new(config.log_every()))
        .with_hook(Samples::new(
            config.sample_every(),
            latents,
            |path, pictures| write(path, pictures.into_data().as_bytes()),
        ))
        .with_hook(LossPlot::new(|path, log| {
            write(path, format!("{log:?}").as_bytes())
        }))
        .with_hook(evaluate())
        .with_hook(ReportPage::default())
        .with_hook(last)
        .with_notify(move |notice| {
            if !matches!(notice, Notice::Scored { .. }) {
                sink.lock().unwrap().push(notice.clone());
            }
        });
    (trainer, notices)
}

/// Plays to the end, or to where `crash` says.
pub fn play(
    run: &RunDir,
    game: &mut Toy,
    crash: Option<u64>,
) -> (Result<Outcome, TrainError>, Vec<Notice>) {
    let (mut trainer, notices) = trainer(
        run,
        config(),
        Crash(u64::MAX),
        Crash(crash.unwrap_or(u64::MAX)),
    );
    let outcome = trainer.run(game, |clock| Some(Ok::<_, Infallible>(batch(clock))));
    drop(trainer);
    let notices = notices.lock().unwrap().clone();
    (outcome, notices)
}

pub fn create(root: &Path) -> RunDir {
    let run = RunDir::create(root, "toy").unwrap();
    run.write_config(&serde_json::json!({"seed": SEED}))
        .unwrap();
    run
}

/// All files of a run with their bytes, except those that tell the time.
pub fn contents(run: &RunDir) -> BTreeMap<String, Vec<u8>> {
    fn walk(root: &Path, folder: &Path, files: &mut BTreeMap<String, Vec<u8>>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(root, &path, files);
            } else {
                let name = path
                    .strip_prefix(root)
                    .unwrap()
                    .to_str()
                    .unwrap()
                    .to_owned();
                files.insert(name, fs::read(path).unwrap());
            }
        }
    }
    let mut files = BTreeMap::new();
    walk(run.path(), run.path(), &mut files);
    files.remove("timing.jsonl");
    // It shows the times; `reports.rs` compares it without them.
    files.remove("report.html");
    files.remove("run.json");
    files
}

/// Fails with the names of the files that differ.
pub fn assert_same(found: &RunDir, expected: &BTreeMap<String, Vec<u8>>, what: &str) {
    let found = contents(found);
    let names = |files: &BTreeMap<String, Vec<u8>>| files.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&found), names(expected), "{what}: other files");
    for (name, bytes) in expected {
        assert!(found[name] == *bytes, "{what}: {name} differs");
    }
}
