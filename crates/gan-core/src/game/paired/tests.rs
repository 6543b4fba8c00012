//! A small U-Net against a small patch critic, on pictures of 8 pixels.

use super::*;
use crate::nn::{ImageShape, Initializer, Norm, PatchCritic, PatchCriticConfig, UNet, UNetConfig};
use crate::optim::OptimizerConfig;
use crate::rng::Stream;
use crate::testing::values;

type Toy = PairedGan<UNet, PatchCritic>;

const SOURCE: usize = 8 * 8;

fn device() -> Device {
    Device::flex().autodiff()
}

fn net() -> UNetConfig {
    UNetConfig {
        initializer: Initializer::PyTorch,
        ..UNetConfig::pix2pix(ImageShape::new(2, 8), 1, [4, 6, 5])
    }
}

fn critic() -> PatchCriticConfig {
    PatchCriticConfig {
        widths: vec![4, 6],
        initializer: Initializer::PyTorch,
        ..PatchCriticConfig::patch_70(3)
    }
}

fn noise() -> LatentPrior {
    let size = net().noise_size();
    LatentPrior::Uniform { size }
}

fn game_with(config: PairedConfig, net: UNetConfig, seed: u64) -> Toy {
    let stream = &mut Stream::new(seed, "weights", 0);
    let generator = net.init(stream, &device());
    let critic = critic().init(stream, &device());
    PairedGan::new(config, noise(), SOURCE, generator, critic).unwrap()
}

fn game(config: PairedConfig, seed: u64) -> Toy {
    game_with(config, net(), seed)
}

/// The target is the source twice, the second time upside down.
fn batch(clock: &Clock, count: usize) -> PairedBatch {
    let sources: Tensor<4> =
        { clock.stream("real") }.uniform([count, 1, 8, 8], -1.0, 1.0, &Device::flex());
    let targets = Tensor::cat(vec![sources.clone(), sources.clone().neg()], 1);
    PairedBatch { sources, targets }
}

fn clock(round: u64, count: usize) -> Clock {
    Clock {
        round,
        images: round * count as u64,
        ..Clock::new(1)
    }
}

fn play(game: &mut Toy, rounds: core::ops::Range<u64>, count: usize) {
    for round in rounds {
        let clock = clock(round, count);
        for (name, value) in game.round(batch(&clock, count), &clock).read() {
            assert!(value.is_finite(), "{name} is {value}");
        }
    }
}

fn averaged() -> PairedConfig {
    PairedConfig {
        ema: Some(EmaConfig {
            half_life_kimg: 0.01,
            ramp_up: None,
        }),
        ..PairedConfig::pix2pix()
    }
}

fn moved(before: &State, after: &State, group: &str) -> Vec<String> {
    let changed = before.groups[group]
        .iter()
        .filter(|(path, old)| after.groups[group][*path] != **old);
    changed.map(|(path, _)| path.clone()).collect()
}

#[test]
fn all_parameters_of_both_move_with_every_loss() {
    for loss in [
        AdversarialLoss::NonSaturating,
        AdversarialLoss::LeastSquares,
        AdversarialLoss::Hinge,
        AdversarialLoss::RelativisticAverage,
    ] {
        let config = PairedConfig { loss, ..averaged() };
        for count in [1, 3] {
            let mut game = game(config, 1);
            let before = game.state();
            play(&mut game, 0..2, count);
            let after = game.state();
            for group in ["generator", "critic", "average"] {
                for path in before.groups[group].keys() {
                    // What is the same for both sides does not count between them.
                    let cancels = loss == AdversarialLoss::RelativisticAverage
                        && group == "critic"
                        && path == "logits.bias";
                    let moves = moved(&before, &after, group).contains(path);
                    assert!(moves || cancels, "{loss:?}: {group} {path} stays");
                }
            }
        }
    }
}

#[test]
fn the_same_seed_gives_the_same_reports_and_another_does_not() {
    let reports = |seed| {
        let mut game = game(averaged(), 1);
        let rounds = (0..3).map(|round| {
            let clock = Clock {
                seed,
                ..clock(round, 3)
            };
            game.round(batch(&self::clock(round, 3), 3), &clock).read()
        });
        rounds.collect::<Vec<_>>()
    };
    assert_eq!(reports(1), reports(1));
    // The pictures are the same: only dropout differs.
    assert_ne!(reports(1), reports(2));
}

#[test]
fn it_goes_on_to_the_bit_after_a_restore() {
    let mut whole = game(averaged(), 1);
    play(&mut whole, 0..5, 3);
    for stop in [0, 2, 4] {
        let mut first = game(averaged(), 1);
        play(&mut first, 0..stop, 3);
        let mut second = game(averaged(), 2);
        second.restore(&first.state()).unwrap();
        play(&mut second, stop..5, 3);
        assert_eq!(second.state(), whole.state(), "stopped at {stop}");
    }
}

/// The report before the first step, from the networks themselves: non-saturating losses by their formula
/// (`softplus`), and the mean absolute difference.
#[test]
fn a_round_reports_the_losses_of_the_paper() {
    let mut game = game(PairedConfig::pix2pix(), 1);
    let clock = clock(0, 3);
    let batch = batch(&clock, 3);
    let rows = { clock.stream("latents") }.uniform([3, noise().size()], -1.0, 1.0, &Device::flex());
    let rows = Tensor::cat(vec![rows, batch.sources.clone().flatten(1, 3)], 1);
    let made = game.generator().module().valid().generate(rows);
    let critic = game.critic().module().valid();
    let score = |pictures: &Tensor<4>| {
        let both = Tensor::cat(vec![batch.sources.clone(), pictures.clone()], 1);
        values(&critic.score(both.into()).primal)
    };
    let mean = |scores: Vec<f32>, sign: f32| {
        let count = scores.len() as f32;
        let losses = scores.into_iter().map(|x| (sign * x).exp().ln_1p());
        losses.sum::<f32>() / count
    };
    let critic_loss = mean(score(&batch.targets), -1.0) + mean(score(&made), 1.0);
    let difference = (made.clone() - batch.targets.clone()).abs().mean();
    let difference = difference.into_scalar::<f32>();
    let report = game.round(batch.clone(), &clock);
    // The generator's step comes after the critic's.
    let moved = game.critic().module().valid();
    let both = Tensor::cat(vec![batch.sources, made.clone()], 1);
    let generator_loss = mean(values(&moved.score(both.into()).primal), -1.0);
    let near = |name, wanted: f32| {
        let found = report.get(name).unwrap();
        assert!((found - wanted).abs() < 1e-4, "{name}: {found}, {wanted}");
    };
    near("critic", critic_loss);
    near("generator", generator_loss);
    near("reconstruction", difference);
}

/// With no adversarial loss the generator learns to copy, and with no weight at all it has no gradient.
#[test]
fn the_weights_are_those_of_the_two_losses() {
    let adam = OptimizerConfig::adam(1e-2, 0.5, 0.999);
    let config = |adversarial_weight, reconstruction_weight| PairedConfig {
        adversarial_weight,
        reconstruction_weight,
        generator_optimizer: adam,
        ..PairedConfig::pix2pix()
    };
    let gradient = |config| {
        let mut game = game(config, 1);
        let clock = clock(0, 3);
        let report = game.round(batch(&clock, 3), &clock);
        report.get("generator_gradient").unwrap()
    };
    assert_eq!(gradient(config(0.0, 0.0)), 0.0);
    let (one, two) = (gradient(config(0.0, 1.0)), gradient(config(0.0, 2.0)));
    assert!((two - 2.0 * one).abs() < 1e-4 * two, "{one} {two}");
    let (one, two) = (gradient(config(1.0, 0.0)), gradient(config(2.0, 0.0)));
    assert!((two - 2.0 * one).abs() < 1e-4 * two, "{one} {two}");

    let mut game = game(config(0.0, 1.0), 1);
    let mut difference = Vec::new();
    for round in 0..60 {
        let clock = clock(round, 4);
        let report = game.round(batch(&clock, 4), &clock);
        difference.push(report.get("reconstruction").unwrap());
    }
    assert!(difference[59] < 0.7 * difference[0], "{difference:?}");
}

#[test]
fn a_picture_that_is_not_finite_moves_nobody() {
    let mut game = game(PairedConfig::pix2pix(), 1);
    play(&mut game, 0..1, 3);
    let before = game.state();
    let clock = clock(1, 3);
    let mut batch = batch(&clock, 3);
    let bad = Tensor::full([1, 1, 1, 1], f32::NAN, &Device::flex());
    batch.targets = batch.targets.slice_assign([0..1, 0..1, 0..1, 0..1], bad);
    game.round(batch, &clock);
    let after = game.state();
    for group in ["generator", "critic"] {
        assert_eq!(moved(&before, &after, group), Vec::<String>::new());
    }
}

#[test]
fn a_sample_is_made_of_a_row_and_does_not_touch_the_game() {
    let mut game = game(averaged(), 1);
    play(&mut game, 0..2, 3);
    let before = game.state();
    assert_eq!(game.latent_size(), noise().size() + SOURCE);
    let latents = Stream::new(1, "rows", 0);
    let latents = { latents }.uniform([2, game.latent_size()], -1.0, 1.0, &Device::flex());
    let sample = |averaged| {
        game.sample(&SampleRequest {
            latents: latents.clone(),
            averaged,
        })
    };
    assert_eq!(sample(true).dims(), [2, 2, 8, 8]);
    assert_eq!(values(&sample(true)), values(&sample(true)));
    assert_ne!(values(&sample(true)), values(&sample(false)));
    assert_eq!(game.state(), before);
}

/// Batch normalisation of the paper's form plays too, and has standing statistics.
#[test]
fn batch_normalisation_plays() {
    let net = UNetConfig {
        norm: Norm::batch(),
        ..net()
    };
    let mut game = game_with(PairedConfig::pix2pix(), net, 1);
    play(&mut game, 0..2, 4);
    let rows = Stream::new(1, "rows", 0);
    let rows = { rows }.uniform([4, game.latent_size()], -1.0, 1.0, &Device::flex());
    assert!(game.use_standing_statistics(&[rows], false));
}

#[test]
fn learning_rates_follow_their_schedule() {
    let config = PairedConfig {
        learning_rate_schedule: Some(LearningRateSchedule::Linear {
            from_kimg: 0.0,
            until_kimg: None,
            factor: 0.0,
        }),
        ..PairedConfig::pix2pix()
    };
    let mut game = game(config.ending_at(0.006), 1);
    play(&mut game, 0..2, 3);
    let before = game.state();
    play(&mut game, 2..3, 3);
    assert_eq!(
        moved(&before, &game.state(), "generator"),
        Vec::<String>::new()
    );
}

#[test]
fn bad_configurations_are_refused_by_name() {
    let refused = |change: fn(&mut PairedConfig)| {
        let mut config = PairedConfig::pix2pix();
        change(&mut config);
        let error = config.validate().expect_err("it is bad");
        let stream = &mut Stream::new(1, "weights", 0);
        let (generator, critic) = (
            net().init(stream, &device()),
            critic().init(stream, &device()),
        );
        let other = PairedGan::new(config, noise(), SOURCE, generator, critic);
        assert_eq!(other.expect_err("it is bad"), error);
        error.field
    };
    assert_eq!(
        refused(|c| c.adversarial_weight = -1.0),
        "adversarial_weight"
    );
    assert_eq!(
        refused(|c| c.reconstruction_weight = f64::NAN),
        "reconstruction_weight"
    );
    let field = refused(|c| c.generator_optimizer = OptimizerConfig::adam(-1.0, 0.5, 0.9));
    assert!(field.starts_with("generator_optimizer"), "{field}");
    let field = refused(|c| c.critic_optimizer = OptimizerConfig::adam(1.0, 2.0, 0.9));
    assert!(field.starts_with("critic_optimizer"), "{field}");
    let field = refused(|c| {
        c.ema = Some(EmaConfig {
            half_life_kimg: 0.0,
            ramp_up: None,
        });
    });
    assert_eq!(field, "ema.half_life_kimg");

    let stream = &mut Stream::new(1, "weights", 0);
    let (generator, critic) = (
        net().init(stream, &device()),
        critic().init(stream, &device()),
    );
    let config = PairedConfig::pix2pix();
    let error = PairedGan::new(config, noise(), SOURCE + 1, generator, critic).unwrap_err();
    assert!(
        error.to_string().contains("what the generator takes"),
        "{error}"
    );
}
