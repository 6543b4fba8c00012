//! What is added to the losses, in a game of small convolutional networks.

mod autoencoders;
mod settings;

use burn::tensor::TensorData;

use super::*;
use crate::augment::{AdaptiveConfig, AugmentConfig, DiffAugmentConfig, PipelineConfig};
use crate::game::snapshot_module;
use crate::loss::{AdversarialLoss, BeganConfig};
use crate::nn::{
    Autoencoder, AutoencoderConfig, ConvCritic, ConvCriticConfig, ConvGenerator,
    ConvGeneratorConfig, ImageShape, MlpConfig, MlpGenerator, MlpGeneratorConfig, Norm,
    SpectralNormConfig, advance_spectral_norms,
};
use crate::optim::{LearningRateSchedule, OptimizerConfig};
use crate::penalty::{
    ConsistencyConfig, LatentConsistencyConfig, LecamConfig, OrthogonalConfig, PenaltyConfig,
    PenaltyRule, TopKConfig,
};
use crate::rng::Stream;
use crate::sample::LatentPrior;

type Pictures = Gan<ConvGenerator, ConvCritic, 4>;

fn device() -> Device {
    Device::flex().autodiff()
}

fn plain() -> GanConfig {
    let adam = OptimizerConfig::adam(1e-2, 0.0, 0.99);
    let latent = LatentPrior::Normal { size: 4 };
    GanConfig::new(AdversarialLoss::NonSaturating, latent, adam)
}

/// Everything at once.
fn full() -> GanConfig {
    GanConfig {
        critic_steps: 2,
        penalty: Some(PenaltyConfig {
            rule: PenaltyRule::R1 { gamma: 1.0 },
            every: 2,
        }),
        augment: Some(AugmentConfig::Adaptive(AdaptiveConfig {
            pipeline: PipelineConfig {
                filter: true,
                noise: true,
                cutout: true,
                ..PipelineConfig::default()
            },
            kimg: 0.1,
            interval: 3,
            initial: 0.5,
            ..AdaptiveConfig::default()
        })),
        drift: Some(0.1),
        lecam: Some(LecamConfig {
            lambda: 0.5,
            decay: 0.9,
            from_kimg: 0.0,
        }),
        consistency: Some(ConsistencyConfig {
            lambda_real: 1.0,
            lambda_fake: 1.0,
            shift: 1,
            flip: true,
            latent: Some(LatentConsistencyConfig {
                std: 0.3,
                lambda_critic: 1.0,
                lambda_generator: 0.1,
            }),
        }),
        orthogonal: Some(OrthogonalConfig {
            generator: 0.1,
            critic: 0.1,
        }),
        historical_average: Some(0.1),
        feature_matching: Some(0.1),
        pull_away: Some(0.1),
        top_k: Some(TopKConfig {
            decay: 0.5,
            every_kimg: 0.01,
            minimum: 0.5,
        }),
        ..plain()
    }
}

fn networks(seed: u64, spectral: bool) -> (ConvGenerator, ConvCritic) {
    let image = ImageShape::new(1, 8);
    let spectral_norm = spectral.then(SpectralNormConfig::default);
    let weights = &mut Stream::new(seed, "weights", 0);
    let generator = ConvGeneratorConfig {
        spectral_norm,
        ..ConvGeneratorConfig::dcgan(image, 4, [6])
    };
    let critic = ConvCriticConfig {
        norm: Norm::None,
        spectral_norm,
        ..ConvCriticConfig::dcgan(image, [6])
    };
    let generator = generator.init(weights, &device());
    (generator, critic.init(weights, &device()))
}

fn game(config: GanConfig) -> Pictures {
    let (generator, critic) = networks(1, true);
    Gan::new(config, generator, critic).unwrap()
}

fn batch(round: u64) -> Tensor<4> {
    Stream::new(9, "data", round).uniform([8, 1, 8, 8], -1.0, 1.0, &Device::flex())
}

/// Plays rounds `from..to` of 8 pictures.
fn play(game: &mut Pictures, from: u64, to: u64) -> Report {
    let mut report = Report::default();
    for round in from..to {
        let clock = Clock {
            seed: 3,
            round,
            images: round * 8,
        };
        report = game.round(batch(round), &clock);
    }
    report
}

#[test]
fn everything_at_once_is_restored_to_the_bit() {
    let mut whole = game(full());
    play(&mut whole, 0, 5);
    for stop in [1, 2, 4] {
        let mut first = game(full());
        play(&mut first, 0, stop);
        let state = first.state();
        let (generator, critic) = networks(77, true);
        let mut second = Gan::new(full(), generator, critic).unwrap();
        second.restore(&state).unwrap();
        assert_eq!(second.state(), state);
        play(&mut second, stop, 5);
        assert_eq!(second.state(), whole.state(), "stopped at {stop}");
    }
}

#[test]
fn everything_at_once_is_finite_and_reported() {
    let mut game = game(full());
    let report = play(&mut game, 0, 3);
    for name in ["critic_terms", "generator_terms", "augment_p", "penalty"] {
        assert!(report.get(name).is_some(), "{name}");
    }
    assert!(
        report.read().iter().all(|(_, value)| value.is_finite()),
        "{report:?}"
    );
    assert_ne!(report.get("augment_p"), Some(0.5), "the controller moves");
}

/// Each setting on its own changes the player it is for, and only through that the other.
#[test]
fn each_setting_does_something_from_the_round_it_should() {
    let weights = |game: &Pictures| {
        (
            snapshot_module(game.generator().module()),
            snapshot_module(game.critic().module()),
        )
    };
    // One round with two critic steps: the terms with a memory have something to look back on.
    let base = GanConfig {
        critic_steps: 2,
        ..plain()
    };
    let played = |config: GanConfig, rounds| {
        let mut game = game(config);
        play(&mut game, 0, rounds);
        weights(&game)
    };
    let all = full();
    let augment = Some(AugmentConfig::DiffAugment(DiffAugmentConfig::default()));
    let critics = [
        GanConfig { augment, ..base },
        GanConfig {
            augment: all.augment,
            ..base
        },
        GanConfig {
            drift: all.drift,
            ..base
        },
        GanConfig {
            lecam: all.lecam,
            ..base
        },
        GanConfig {
            consistency: all.consistency,
            ..base
        },
        GanConfig {
            orthogonal: all.orthogonal,
            ..base
        },
    ];
    let without = played(base, 1);
    for config in critics {
        assert_ne!(played(config, 1).1, without.1, "{config:?}");
    }
    let generators = [
        GanConfig {
            feature_matching: all.feature_matching,
            ..base
        },
        GanConfig {
            pull_away: all.pull_away,
            ..base
        },
    ];
    for config in generators {
        let with = played(config, 1);
        assert_ne!(with.0, without.0, "{config:?}");
        assert_eq!(with.1, without.1, "{config:?}");
    }
    // In the first round a player is where its mean is, and all samples count.
    let without = played(base, 2);
    for config in [
        GanConfig {
            historical_average: all.historical_average,
            ..base
        },
        GanConfig {
            top_k: all.top_k,
            ..base
        },
    ] {
        assert_ne!(played(config, 2).0, without.0, "{config:?}");
    }
}

#[test]
fn a_bad_batch_moves_nobody_and_breaks_no_memory() {
    for bad in [f32::NAN, f32::INFINITY] {
        let config = GanConfig {
            critic_steps: 1,
            ..full()
        };
        let mut game = game(config);
        play(&mut game, 0, 2);
        let before = game.state();
        let poison = Tensor::<4>::full([1, 1, 8, 8], bad, &Device::flex());
        let x = Tensor::cat(vec![poison, batch(2).narrow(0, 1, 7)], 0);
        let clock = Clock {
            seed: 3,
            round: 2,
            images: 16,
        };
        game.round(x, &clock);
        let after = game.state();
        let still = |path: &str| !path.contains("running") && !path.ends_with(".u");
        for player in ["generator", "critic"] {
            for (path, old) in &before.groups[player] {
                assert!(!still(path) || after.groups[player][path] == *old, "{path}");
            }
        }
        assert!(after.numbers.values().all(|number| number.is_finite()));
        let finite = |data: &TensorData| data.iter::<f32>().all(|value| value.is_finite());
        assert!(
            after
                .groups
                .values()
                .flat_map(|group| group.values())
                .all(finite)
        );
        let report = play(&mut game, 3, 4);
        assert!(report.read().iter().all(|(_, value)| value.is_finite()));
    }
}

/// The pass of R1 goes through the augmentation too: its scores are those of what the critic sees.
#[test]
fn a_penalty_of_no_weight_changes_no_score_behind_an_augmentation() {
    let config = GanConfig {
        augment: Some(AugmentConfig::DiffAugment(DiffAugmentConfig::default())),
        ..plain()
    };
    let played = |penalty| {
        let report = play(&mut game(GanConfig { penalty, ..config }), 0, 1);
        ["critic", "d_real", "d_fake", "critic_gradient"].map(|name| report.get(name))
    };
    let rule = PenaltyRule::R1 { gamma: 0.0 };
    let found = played(Some(PenaltyConfig { rule, every: 1 }));
    for (found, wanted) in found.into_iter().zip(played(None)) {
        let (found, wanted) = (found.expect("reported"), wanted.expect("reported"));
        assert!((found - wanted).abs() < 1e-5, "{found} {wanted}");
    }
}

#[test]
fn a_plain_game_has_no_more_state_than_before() {
    let (generator, critic) = networks(1, false);
    let mut game: Pictures = Gan::new(plain(), generator, critic).unwrap();
    let report = play(&mut game, 0, 1);
    let state = game.state();
    let groups: Vec<&str> = state.groups.keys().map(String::as_str).collect();
    assert_eq!(
        groups,
        [
            "critic",
            "critic-optimizer",
            "generator",
            "generator-optimizer"
        ]
    );
    assert!(
        state
            .groups
            .values()
            .all(|group| group.keys().all(|path| !path.ends_with(".u")))
    );
    assert_eq!(report.names().count(), 6);
}

/// The vectors of the power iteration alone.
fn vectors(
    mut tensors: std::collections::BTreeMap<String, TensorData>,
) -> std::collections::BTreeMap<String, TensorData> {
    tensors.retain(|path, _| path.ends_with("spectral_norm.u"));
    tensors
}

/// However many passes a round has, the power iteration makes one step, on the weights as they are at its
/// start, where the critic has one step.
#[test]
fn spectral_norms_advance_once_in_a_round_of_one_critic_step() {
    let config = GanConfig {
        critic_steps: 1,
        ..full()
    };
    let (generator, critic) = networks(1, true);
    let mut game = Gan::new(config, generator, critic).unwrap();
    play(&mut game, 0, 1);
    let (other_generator, other_critic) = networks(77, true);
    let mut other = Gan::new(config, other_generator, other_critic).unwrap();
    other.restore(&game.state()).unwrap();
    let before = vectors(snapshot_module(other.critic().module()));
    advance_spectral_norms(other.critic().module());
    advance_spectral_norms(other.generator().module());
    play(&mut game, 1, 2);
    let wanted = [
        snapshot_module(other.generator().module()),
        snapshot_module(other.critic().module()),
    ];
    let found = [
        snapshot_module(game.generator().module()),
        snapshot_module(game.critic().module()),
    ];
    assert_eq!(found.map(vectors), wanted.clone().map(vectors));
    let [_, critic] = wanted.map(vectors);
    assert_eq!(critic.len(), 2);
    assert_ne!(critic, before, "they move");
}

/// The critic's vectors advance before each of its steps, the generator's once in a round. Nobody learns
/// here, so that the weights stay what they were.
#[test]
fn spectral_norms_of_the_critic_advance_in_each_of_its_steps() {
    for steps in [1, 2, 4] {
        let mut config = GanConfig {
            critic_steps: steps,
            ..plain()
        };
        config.learning_rate_schedule = Some(LearningRateSchedule::Linear {
            from_kimg: 0.0,
            until_kimg: Some(1e-6),
            factor: 0.0,
        });
        let [mut played, advanced] = [(); 2].map(|()| {
            let (generator, critic) = networks(1, true);
            Gan::new(config, generator, critic).unwrap()
        });
        play(&mut played, 1, 2);
        advance_spectral_norms(advanced.generator().module());
        for _ in 0..steps {
            advance_spectral_norms(advanced.critic().module());
        }
        let of = |game: &Pictures| {
            [
                snapshot_module(game.generator().module()),
                snapshot_module(game.critic().module()),
            ]
            .map(vectors)
        };
        assert_eq!(of(&played), of(&advanced), "{steps} steps");
        advance_spectral_norms(advanced.critic().module());
        assert_ne!(of(&played), of(&advanced), "one more would show");
    }
}
