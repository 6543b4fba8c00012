use burn::module::Param;
use burn::nn::{BatchNorm, BatchNormConfig};
use burn::tensor::{TensorData, activation};

use super::scores::score_both;
use super::*;
use crate::dual::Dual;
use crate::game::{EmaConfig, snapshot_module};
use crate::loss::AdversarialLoss;
use crate::optim::{LearningRateSchedule, OptimizerConfig};
use crate::penalty::{PenaltyConfig, PenaltyRule};
use crate::rng::Stream;
use crate::sample::LatentPrior;

const LATENT: usize = 4;

fn device() -> Device {
    Device::flex().autodiff()
}

#[derive(Module, Debug)]
struct Dense {
    weight: Param<Tensor<2>>,
    bias: Param<Tensor<2>>,
}

impl Dense {
    fn new(name: &str, seed: u64, inputs: usize, outputs: usize) -> Self {
        let weight = Stream::new(seed, name, 0).normal([inputs, outputs], &device());
        Self {
            weight: Param::from_tensor(weight * (2.0 / inputs as f64).sqrt()),
            bias: Param::from_tensor(Tensor::zeros([1, outputs], &device())),
        }
    }

    fn apply(&self, x: Dual<2>) -> Dual<2> {
        x.linear_map(|x| x.matmul(self.weight.val())) + Dual::from(self.bias.val())
    }
}

/// 4 → width → normalised → 2.
#[derive(Module, Debug)]
struct Maker {
    first: Dense,
    norm: Option<BatchNorm>,
    second: Dense,
    third: Dense,
}

impl Maker {
    fn new(seed: u64, width: usize, normalised: bool) -> Self {
        Self {
            first: Dense::new("g1", seed, LATENT, width),
            norm: normalised.then(|| BatchNormConfig::new(width).init(&device())),
            second: Dense::new("g2", seed, width, width),
            third: Dense::new("g3", seed, width, 2),
        }
    }
}

impl Generator<2> for Maker {
    fn generate(&self, z: Tensor<2>) -> Tensor<2> {
        let h = self.first.apply(z.into()).primal;
        let h = match &self.norm {
            Some(norm) => norm.forward(h),
            None => h,
        };
        let h = self.second.apply(activation::relu(h).into()).primal;
        self.third.apply(activation::relu(h).into()).primal
    }

    fn latent_size(&self) -> usize {
        LATENT
    }
}

/// 2 → width → width → 1; if `coupled` it says that samples see each other (they do not).
#[derive(Module, Debug)]
struct Judge {
    first: Dense,
    second: Dense,
    third: Dense,
    coupled: bool,
}

impl Judge {
    fn new(seed: u64, width: usize, coupled: bool) -> Self {
        Self {
            first: Dense::new("c1", seed, 2, width),
            second: Dense::new("c2", seed, width, width),
            third: Dense::new("c3", seed, width, 1),
            coupled,
        }
    }
}

fn bend(x: Dual<2>) -> Dual<2> {
    x.pointwise(
        |x| activation::leaky_relu(x, 0.2),
        |x| x.detach().greater_elem(0.0).float() * 0.8 + 0.2,
    )
}

impl Critic<2> for Judge {
    fn score(&self, x: Dual<2>) -> Dual<2> {
        let h = bend(self.first.apply(x));
        self.third.apply(bend(self.second.apply(h)))
    }

    fn couples_samples(&self) -> bool {
        self.coupled
    }
}

fn config() -> GanConfig {
    let adam = OptimizerConfig::adam(1e-2, 0.5, 0.99);
    let latent = LatentPrior::Normal { size: LATENT };
    GanConfig::new(AdversarialLoss::NonSaturating, latent, adam)
}

/// Everything at once.
fn full() -> GanConfig {
    GanConfig {
        critic_steps: 2,
        label_smoothing: Some(0.1),
        instance_noise: Some(InstanceNoise {
            std: 0.1,
            until_kimg: 1.0,
        }),
        gradient_clip_norm: Some(5.0),
        penalty: Some(PenaltyConfig {
            rule: PenaltyRule::WganGp {
                lambda: 1.0,
                target: 1.0,
                one_sided: false,
            },
            every: 2,
        }),
        ema: Some(EmaConfig {
            half_life_kimg: 0.1,
            ramp_up: Some(0.5),
        }),
        ..config()
    }
}

type Toy = Gan<Maker, Judge, 2>;

fn game(config: GanConfig) -> Toy {
    Gan::new(config, Maker::new(1, 8, true), Judge::new(2, 8, false)).unwrap()
}

fn batch(round: u64, size: usize) -> Tensor<2> {
    Stream::new(9, "data", round).normal([size, 2], &Device::flex())
}

/// Plays rounds `from..to` of 12 samples.
fn play(game: &mut Toy, from: u64, to: u64) {
    let mut clock = Clock {
        seed: 3,
        round: from,
        images: from * 12,
    };
    while clock.round < to {
        game.round(batch(clock.round, 12), &clock);
        clock.advance(12);
    }
}

fn weights<M: Module>(player: &Player<M>) -> std::collections::BTreeMap<String, TensorData> {
    snapshot_module(player.module())
}

#[test]
fn every_parameter_of_both_players_moves_in_one_round() {
    for loss in AdversarialLoss::ALL {
        for normalised in [false, true] {
            let config = GanConfig { loss, ..config() };
            let maker = Maker::new(1, 8, normalised);
            let mut game: Toy = Gan::new(config, maker, Judge::new(2, 8, normalised)).unwrap();
            let before = [weights(game.generator()), weights(game.critic())];
            play(&mut game, 0, 1);
            let after = [weights(game.generator()), weights(game.critic())];
            for (before, after) in before.iter().zip(&after) {
                for (path, old) in before {
                    // A bias before batch normalisation has no influence, and a constant added to
                    // both scores none on a critic that only sees differences, as an energy-based
                    // one does while all generated samples are within the margin.
                    let idle = normalised && path == "first.bias"
                        || path == "third.bias"
                            && matches!(
                                loss,
                                AdversarialLoss::Wasserstein
                                    | AdversarialLoss::Relativistic
                                    | AdversarialLoss::RelativisticAverage
                                    | AdversarialLoss::RelativisticAverageLeastSquares
                                    | AdversarialLoss::RelativisticAverageHinge
                                    | AdversarialLoss::Softmax
                                    | AdversarialLoss::EnergyBased { .. }
                            );
                    assert!(idle || after[path] != *old, "{loss:?}: {path} did not move");
                }
            }
        }
    }
}

#[test]
fn neither_player_moves_in_the_others_step() {
    let mut game = game(full());
    let clock = Clock::new(3);
    let mut draws = Draws::new(&game.config, &clock);
    let real = Tensor::from_inner(batch(0, 6));
    let trainable = |weights: std::collections::BTreeMap<String, TensorData>| {
        let mut weights = weights;
        weights.retain(|path, _| !path.contains("running"));
        weights
    };
    let (generator, critic) = (weights(game.generator()), weights(game.critic()));
    game.critic_step(real.clone(), &clock, &mut draws);
    assert_eq!(
        trainable(weights(game.generator())),
        trainable(generator.clone())
    );
    let moved = weights(game.critic());
    assert_ne!(moved, critic);
    game.generator_step(real, Tensor::ones([1], &Device::flex()), &clock, &mut draws);
    assert_eq!(weights(game.critic()), moved);
    assert_ne!(trainable(weights(game.generator())), trainable(generator));
}

#[test]
fn the_same_seed_gives_the_same_game_to_the_bit_and_another_seed_does_not() {
    let played = |seed| {
        let mut game = game(full());
        let mut clock = Clock::new(seed);
        for round in 0..4 {
            game.round(batch(round, 12), &clock);
            clock.advance(12);
        }
        game.state()
    };
    assert_eq!(played(1), played(1));
    assert_ne!(played(1), played(2));
}

#[test]
fn a_restored_game_goes_on_to_the_bit() {
    let optimizers = [
        OptimizerConfig::adam(1e-2, 0.0, 0.99),
        OptimizerConfig::AdamW {
            lr: 1e-2,
            beta_1: 0.9,
            beta_2: 0.99,
            epsilon: 1e-8,
            weight_decay: 0.1,
        },
        OptimizerConfig::RmsProp {
            lr: 1e-3,
            alpha: 0.99,
            epsilon: 1e-8,
        },
        OptimizerConfig::Sgd {
            lr: 1e-2,
            momentum: 0.0,
        },
        OptimizerConfig::Sgd {
            lr: 1e-2,
            momentum: 0.9,
        },
    ];
    for optimizer in optimizers {
        for stop in [0, 1, 3] {
            let config = GanConfig {
                generator_optimizer: optimizer,
                critic_optimizer: optimizer,
                ..full()
            };
            let mut whole = game(config);
            play(&mut whole, 0, 5);

            let mut first = game(config);
            play(&mut first, 0, stop);
            let state = first.state();
            let mut second: Toy =
                Gan::new(config, Maker::new(77, 8, true), Judge::new(78, 8, false)).unwrap();
            second.restore(&state).unwrap();
            assert_eq!(second.state(), state);
            play(&mut second, stop, 5);
            assert_eq!(
                second.state(),
                whole.state(),
                "{optimizer:?} stopped at {stop}"
            );
        }
    }
}

#[test]
fn a_game_can_go_back_to_an_earlier_state() {
    let mut game = game(full());
    play(&mut game, 0, 2);
    let state = game.state();
    play(&mut game, 2, 4);
    let late = game.state();
    game.restore(&state).unwrap();
    assert_eq!(game.state(), state);
    play(&mut game, 2, 4);
    assert_eq!(game.state(), late);
}

#[test]
fn saving_does_not_change_what_follows() {
    let (mut watched, mut alone) = (game(full()), game(full()));
    for round in 0..4 {
        play(&mut watched, round, round + 1);
        let _ = watched.state();
        let request = SampleRequest {
            latents: Tensor::zeros([3, LATENT], &Device::flex()),
            averaged: round % 2 == 0,
        };
        assert_eq!(watched.sample(&request).dims(), [3, 1, 1, 2]);
    }
    play(&mut alone, 0, 4);
    assert_eq!(watched.state(), alone.state());
}

#[test]
fn a_state_of_another_game_is_refused() {
    let mut game = game(full());
    let without_average = self::game(config()).state();
    let error = game.restore(&without_average).unwrap_err();
    assert_eq!(error, StateError::MissingGroup("average".into()));
}

#[test]
fn fakes_for_the_critic_are_made_with_batch_statistics() {
    // Trap 6.2. Running statistics that are far off must have no influence on training.
    let played = |shift: f32| {
        let mut game = game(config());
        let mut state = game.state();
        let mean = TensorData::from([shift; 8]);
        state
            .groups
            .get_mut("generator")
            .unwrap()
            .insert("norm.running_mean".into(), mean);
        game.restore(&state).unwrap();
        play(&mut game, 0, 2);
        weights(game.critic())
    };
    assert_eq!(played(0.0), played(1000.0));
}

#[test]
fn the_average_has_running_statistics_of_its_own_and_follows_the_generator() {
    let mut game = game(full());
    play(&mut game, 0, 3);
    let state = game.state();
    let (online, average) = (&state.groups["generator"], &state.groups["average"]);
    assert_eq!(online["norm.running_mean"], average["norm.running_mean"]);
    assert_ne!(online["second.weight"], average["second.weight"]);
    // A forward in training mode moves the generator's statistics, not the average's.
    let _ = game
        .generator()
        .opponent()
        .generate(Tensor::ones([2, LATENT], &device()));
    let later = game.state();
    assert_ne!(
        later.groups["generator"]["norm.running_mean"],
        online["norm.running_mean"]
    );
    assert_eq!(later.groups["average"], *average);
}

#[test]
fn weight_clipping_limits_the_critic_only() {
    let config = GanConfig {
        loss: AdversarialLoss::Wasserstein,
        weight_clip: Some(0.01),
        ..config()
    };
    let mut game = game(config);
    play(&mut game, 0, 1);
    let largest = |weights: std::collections::BTreeMap<String, TensorData>| {
        let values = weights
            .into_values()
            .flat_map(|w| w.try_to_vec::<f32>().unwrap());
        values.fold(0f32, |a, w| a.max(w.abs()))
    };
    assert!(largest(weights(game.critic())) <= 0.01);
    assert!(largest(weights(game.generator())) > 0.01);
}

#[test]
fn a_batch_with_a_nan_changes_no_weight() {
    for loss in AdversarialLoss::ALL {
        for bad in [f32::NAN, f32::INFINITY] {
            // Bad in the first of two parts only: the second critic step is a good one.
            for critic_steps in [1, 2] {
                let config = GanConfig {
                    loss,
                    critic_steps,
                    label_smoothing: None,
                    ..full()
                };
                let mut game = game(config);
                play(&mut game, 0, 2);
                let generator = weights(game.generator());
                let critic = weights(game.critic());
                let poison = TensorData::from([[bad, 0.0]]);
                let x = Tensor::cat(
                    vec![Tensor::from_data(poison, &Device::flex()), batch(2, 11)],
                    0,
                );
                let mut clock = Clock::new(3);
                clock.round = 2;
                game.round(x, &clock);
                for (path, old) in &generator {
                    let same = weights(game.generator())[path] == *old;
                    assert!(same || path.contains("running"), "{loss:?}: {path} moved");
                }
                if critic_steps == 1 {
                    assert_eq!(weights(game.critic()), critic, "{loss:?}");
                }
                let finite = |weights: std::collections::BTreeMap<String, TensorData>| {
                    weights
                        .into_values()
                        .all(|w| w.try_to_vec::<f32>().unwrap().iter().all(|w| w.is_finite()))
                };
                assert!(finite(weights(game.critic())) && finite(weights(game.generator())));
                play(&mut game, 3, 4);
                assert_ne!(weights(game.generator()), generator, "and the game goes on");
            }
        }
    }
}

#[test]
fn the_report_is_complete_and_finite() {
    let mut game = game(full());
    let mut clock = Clock::new(3);
    let first = game.round(batch(0, 12), &clock);
    let names: Vec<_> = first.names().collect();
    assert_eq!(
        names,
        [
            "critic",
            "generator",
            "d_real",
            "d_fake",
            "penalty",
            "critic_gradient",
            "generator_gradient"
        ]
    );
    assert!(first.read().iter().all(|(_, value)| value.is_finite()));
    for name in ["d_real", "d_fake"] {
        assert!((0.0..=1.0).contains(&first.get(name).unwrap()));
    }
    clock.advance(12);
    let second = game.round(batch(1, 12), &clock);
    assert!(
        second.get("penalty").is_none(),
        "the penalty is due every second round"
    );
}

#[test]
fn one_pass_and_two_passes_give_the_same_scores() {
    let (real, fake) = (
        Tensor::from_inner(batch(0, 5)),
        Tensor::from_inner(batch(1, 3)),
    );
    let together = score_both(&Judge::new(2, 8, false), real.clone(), fake.clone());
    let apart = score_both(&Judge::new(2, 8, true), real, fake);
    for (a, b) in together.into_iter().zip(apart) {
        let difference = (a - b).abs().max().into_scalar::<f32>();
        assert!(difference < 1e-6, "{difference}");
    }
}

#[test]
fn five_critic_steps_use_five_parts_of_an_odd_batch() {
    let config = GanConfig {
        critic_steps: 5,
        ..config()
    };
    let played = |change: usize| {
        let mut game = game(config);
        // 17 = 5 parts of 3 and a remainder of 2, which is dropped.
        let x = batch(0, 17);
        let mut shift = vec![0.0f32; 34];
        shift[2 * change] = 1.0;
        let shift = Tensor::from_data(TensorData::new(shift, [17, 2]), &Device::flex());
        game.round(x + shift, &Clock::new(3));
        assert_eq!(game.state().numbers["critic.optimizer_steps"], 5.0);
        assert_eq!(game.state().numbers["generator.optimizer_steps"], 1.0);
        weights(game.critic())
    };
    let reference = played(15);
    assert_eq!(played(16), reference, "the remainder has no influence");
    for part in 0..5 {
        assert_ne!(played(3 * part), reference, "part {part} was not looked at");
    }
}

#[test]
fn batches_of_any_size_can_be_played() {
    for size in [1, 2, 3, 7] {
        let config = GanConfig {
            critic_steps: 1,
            ..full()
        };
        let maker = Maker::new(1, 8, size > 1);
        let mut game: Toy = Gan::new(config, maker, Judge::new(2, 8, false)).unwrap();
        let report = game.round(batch(0, size), &Clock::new(3));
        assert!(
            report.read().iter().all(|(_, value)| value.is_finite()),
            "{size}"
        );
    }
}

#[test]
#[should_panic(expected = "a batch of 1 cannot be split over 2 critic steps")]
fn a_batch_smaller_than_the_critic_steps_is_refused() {
    game(full()).round(batch(0, 1), &Clock::new(3));
}

#[test]
fn instance_noise_fades_to_none() {
    let noise = InstanceNoise {
        std: 0.4,
        until_kimg: 2.0,
    };
    let at = |images| {
        noise.std_at(&Clock {
            images,
            ..Clock::new(0)
        })
    };
    assert!((at(0) - 0.4).abs() < 1e-12);
    assert!((at(500) - 0.3).abs() < 1e-12);
    assert_eq!(at(2000), 0.0);
    assert_eq!(at(9000), 0.0);
}

#[test]
fn a_lazy_penalty_has_as_many_times_the_weight() {
    // SGD: the critic's move is linear in the gradient, so the penalty's share can be taken apart.
    let moved = |penalty: Option<PenaltyConfig>| {
        let sgd = OptimizerConfig::Sgd {
            lr: 1e-3,
            momentum: 0.0,
        };
        let config = GanConfig {
            critic_optimizer: sgd,
            penalty,
            ..config()
        };
        let mut game = game(config);
        play(&mut game, 0, 1);
        weights(game.critic())["first.weight"]
            .clone()
            .try_to_vec::<f32>()
            .unwrap()
    };
    let rule = PenaltyRule::R1 { gamma: 1.0 };
    let without = moved(None);
    let share = |every| -> Vec<f32> {
        let with = moved(Some(PenaltyConfig { rule, every }));
        with.iter().zip(&without).map(|(a, b)| a - b).collect()
    };
    for (once, lazy) in share(1).iter().zip(share(16)) {
        assert!(
            (lazy - 16.0 * once).abs() < 1e-4 + 1e-2 * lazy.abs(),
            "{once}, {lazy}"
        );
    }
    assert!(share(16).iter().any(|s| s.abs() > 1e-3));
}

/// R1 looks at the reals and R2 at the generated samples that the loss looks at: one pass serves both, and
/// a penalty of no weight must leave the round as it is.
#[test]
fn scores_from_the_pass_of_a_penalty_are_those_of_the_loss() {
    for coupled in [false, true] {
        let played = |rule: Option<PenaltyRule>| {
            let config = GanConfig {
                penalty: rule.map(|rule| PenaltyConfig { rule, every: 1 }),
                instance_noise: full().instance_noise,
                ..config()
            };
            let (maker, judge) = (Maker::new(1, 8, true), Judge::new(2, 8, coupled));
            let mut game = Gan::new(config, maker, judge).unwrap();
            let report = game.round(batch(0, 6), &Clock::new(0));
            let names = ["critic", "d_real", "d_fake", "critic_gradient", "generator"];
            names.map(|name| report.get(name).expect("it is reported"))
        };
        let wanted = played(None);
        assert!((wanted[1] - wanted[2]).abs() > 1e-3, "{wanted:?}");
        let free = [
            PenaltyRule::R1 { gamma: 0.0 },
            PenaltyRule::R2 { gamma: 0.0 },
            PenaltyRule::WganLp { lambda: 0.0 },
        ];
        for rule in free {
            for (found, wanted) in played(Some(rule)).iter().zip(wanted) {
                assert!((found - wanted).abs() < 1e-5, "{rule:?}: {found} {wanted}");
            }
        }
    }
}

#[test]
fn an_objective_of_ones_own_is_played() {
    #[derive(Debug)]
    struct Constant;
    impl Objective for Constant {
        fn critic_loss(&self, real: Tensor<2>, fake: Tensor<2>) -> Tensor<1> {
            real.mean() * 0.0 + fake.mean() * 0.0 + 42.0
        }
        fn generator_loss(&self, real: Option<Tensor<2>>, fake: Tensor<2>) -> Tensor<1> {
            fake.mean() * 0.0 + real.expect("asked for").mean().detach() * 0.0 + 7.0
        }
        fn needs_real_for_generator(&self) -> bool {
            true
        }
    }
    let mut game = game(config()).with_objective(Constant);
    let report = game.round(batch(0, 4), &Clock::new(0));
    assert_eq!(report.get("critic"), Some(42.0));
    assert_eq!(report.get("generator"), Some(7.0));
}

#[test]
fn parameters_are_counted_and_learning_rates_scaled() {
    let mut game = game(config());
    let generator = 4 * 8 + 8 + 16 + 8 * 8 + 8 + 8 * 2 + 2;
    let critic = 2 * 8 + 8 + 8 * 8 + 8 + 8 + 1;
    assert_eq!(
        game.parameter_counts(),
        [("generator", generator), ("critic", critic)]
    );
    game.scale_learning_rate(0.5);
    game.scale_learning_rate(0.5);
    let state = game.state();
    assert_eq!(state.numbers["generator.lr_scale"], 0.25);
    assert_eq!(state.numbers["critic.lr_scale"], 0.25);
}

#[test]
fn a_schedule_slows_both_players_by_the_clock_alone() {
    let mut settings = config();
    settings.learning_rate_schedule = Some(LearningRateSchedule::Linear {
        from_kimg: 0.0,
        until_kimg: Some(1.0),
        factor: 0.0,
    });
    let mut game = game(settings);
    let (mut early, mut late) = (Clock::new(0), Clock::new(0));
    early.images = 500;
    late.images = 1000;
    // Running statistics move without any learning rate.
    let weights = |game: &Gan<_, _, 2>| {
        let state = game.state();
        ["generator", "critic"].map(|player| state.groups[player]["third.weight"].clone())
    };
    let start = weights(&game);
    game.round(batch(0, 4), &late);
    assert_eq!(weights(&game), start);
    game.round(batch(0, 4), &early);
    let moved = weights(&game);
    assert!(moved.iter().zip(&start).all(|(new, old)| new != old));
    assert_eq!(game.state().numbers["critic.lr_scale"], 1.0);
}

/// A game alone does not know how long it will be played.
#[test]
fn a_game_refuses_a_schedule_without_an_end() {
    let mut settings = config();
    settings.learning_rate_schedule = Some(LearningRateSchedule::Linear {
        from_kimg: 0.0,
        until_kimg: None,
        factor: 0.0,
    });
    assert!(settings.validate().is_ok(), "a model will say");
    let start = |settings: GanConfig| {
        Gan::new(settings, Maker::new(1, 8, true), Judge::new(2, 8, false)).map(|_| ())
    };
    let error = start(settings).unwrap_err();
    assert_eq!(error.field, "learning_rate_schedule.until_kimg");
    assert!(start(settings.ending_at(1.0)).is_ok());
}

#[test]
fn what_is_wrong_with_a_configuration_is_named() {
    let field = |edit: &dyn Fn(&mut GanConfig)| {
        let mut config = full();
        edit(&mut config);
        config.validate().unwrap_err().field
    };
    assert!(full().validate().is_ok());
    assert_eq!(field(&|c| c.critic_steps = 0), "critic_steps");
    assert_eq!(
        field(&|c| c.latent = LatentPrior::Normal { size: 0 }),
        "latent.size"
    );
    assert_eq!(field(&|c| c.label_smoothing = Some(1.0)), "label_smoothing");
    assert_eq!(
        field(&|c| c.loss = AdversarialLoss::Hinge),
        "label_smoothing"
    );
    assert_eq!(
        field(&|c| c.gradient_clip_norm = Some(0.0)),
        "gradient_clip_norm"
    );
    assert_eq!(field(&|c| c.weight_clip = Some(f64::NAN)), "weight_clip");
    let bad = OptimizerConfig::adam(-1.0, 0.5, 0.9);
    assert_eq!(field(&|c| c.critic_optimizer = bad), "critic_optimizer.lr");
    assert_eq!(
        field(&|c| c.generator_optimizer = bad),
        "generator_optimizer.lr"
    );
    let late = LearningRateSchedule::InverseSquareRoot { from_kimg: 0.0 };
    assert_eq!(
        field(&|c| c.learning_rate_schedule = Some(late)),
        "learning_rate_schedule.from_kimg"
    );
    let noise = |std, until_kimg| InstanceNoise { std, until_kimg };
    assert_eq!(
        field(&|c| c.instance_noise = Some(noise(-0.1, 1.0))),
        "instance_noise.std"
    );
    assert_eq!(
        field(&|c| c.instance_noise = Some(noise(0.1, 0.0))),
        "instance_noise.until_kimg"
    );
    let ema = |half_life_kimg, ramp_up| EmaConfig {
        half_life_kimg,
        ramp_up,
    };
    assert_eq!(
        field(&|c| c.ema = Some(ema(0.0, None))),
        "ema.half_life_kimg"
    );
    assert_eq!(
        field(&|c| c.ema = Some(ema(1.0, Some(-1.0)))),
        "ema.ramp_up"
    );
    let latent = LatentPrior::Normal { size: 5 };
    let config = GanConfig { latent, ..config() };
    let error = Toy::new(config, Maker::new(1, 8, true), Judge::new(2, 8, false)).unwrap_err();
    assert_eq!(
        error.to_string(),
        "`latent.size` is 5; it must be 4, what the generator takes"
    );
}

#[test]
fn a_configuration_comes_back_from_a_file_and_unknown_fields_are_refused() {
    let text = serde_json::to_string(&full()).unwrap();
    assert_eq!(serde_json::from_str::<GanConfig>(&text).unwrap(), full());
    let text = text.replacen("critic_steps", "critic_step", 1);
    let error = serde_json::from_str::<GanConfig>(&text)
        .unwrap_err()
        .to_string();
    assert!(error.contains("critic_step"), "{error}");
}

/// Eight Gaussians of deviation 0.02 on a circle of radius 2.
fn ring(stream: &mut Stream, count: usize) -> Tensor<2> {
    let values = (0..count).flat_map(|_| {
        let angle = stream.below(8) as f32 * core::f32::consts::FRAC_PI_4;
        let noise = stream.normals(2);
        [
            2.0 * angle.cos() + 0.02 * noise[0],
            2.0 * angle.sin() + 0.02 * noise[1],
        ]
    });
    let values: Vec<f32> = values.collect();
    Tensor::from_data(TensorData::new(values, [count, 2]), &Device::flex())
}

#[test]
fn a_ring_of_eight_gaussians_is_covered() {
    let config = GanConfig {
        generator_optimizer: OptimizerConfig::adam(1e-3, 0.0, 0.99),
        critic_optimizer: OptimizerConfig::adam(1e-3, 0.0, 0.99),
        penalty: Some(PenaltyConfig {
            rule: PenaltyRule::R1 { gamma: 0.1 },
            every: 4,
        }),
        ema: Some(EmaConfig {
            half_life_kimg: 10.0,
            ramp_up: Some(0.05),
        }),
        ..config()
    };
    let mut game: Toy =
        Gan::new(config, Maker::new(1, 64, false), Judge::new(2, 64, false)).unwrap();
    let mut clock = Clock::new(5);
    while clock.round < 3000 {
        game.round(ring(&mut clock.stream("ring"), 128), &clock);
        clock.advance(128);
    }
    let latents = game
        .config
        .latent
        .draw(2000, &mut Stream::new(1, "eval", 0), &Device::flex());
    let request = SampleRequest {
        latents,
        averaged: true,
    };
    let points = game
        .sample(&request)
        .into_data()
        .try_to_vec::<f32>()
        .unwrap();
    let mut hits = [0; 8];
    for point in points.chunks(2) {
        for (mode, hits) in hits.iter_mut().enumerate() {
            let angle = mode as f32 * core::f32::consts::FRAC_PI_4;
            let (x, y) = (point[0] - 2.0 * angle.cos(), point[1] - 2.0 * angle.sin());
            *hits += usize::from((x * x + y * y).sqrt() < 0.2);
        }
    }
    println!("samples within 10 sigma of each mode: {hits:?}");
    let covered = hits.iter().filter(|hits| **hits >= 20).count();
    assert!(covered >= 7, "{covered} of 8 modes: {hits:?}");
}
