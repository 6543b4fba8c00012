//! The games of classes, preset by preset.

use burn::tensor::activation;
use gan_core::augment::{AdaptiveConfig, AugmentConfig, DiffAugmentConfig};
use gan_core::game::{Game, Player, SampleRequest};
use gan_core::loss::AdversarialLoss;
use gan_core::nn::{
    ClassCritic, Generator, ImageCriticConfig, LabelHead, Norm, advance_spectral_norms,
};
use gan_core::optim::OptimizerConfig;
use gan_core::penalty::{
    ConsistencyConfig, LatentConsistencyConfig, LecamConfig, OrthogonalConfig, PenaltyConfig,
    PenaltyRule, TopKConfig,
};

use super::*;
use crate::{CLASS_PRESETS, class_preset};

mod codes;
mod terms;

const CLASSES: usize = 3;

fn image() -> ImageShape {
    ImageShape::new(1, 8)
}

fn labelled(clock: &Clock, image: ImageShape, count: usize) -> ClassBatch {
    let shape = [count, image.channels, image.size, image.size];
    let device = Device::flex();
    let images = clock.stream("real").uniform(shape, -1.0, 1.0, &device);
    let labels: Vec<i64> = (0..count).map(|i| (i % CLASSES) as i64).collect();
    ClassBatch {
        images,
        labels: Some(Tensor::from_data(TensorData::new(labels, [count]), &device)),
    }
}

fn play(config: &ClassGanConfig, game: &mut ImageClassGan, rounds: core::ops::Range<u64>) {
    for round in rounds {
        let mut clock = Clock::new(1);
        (clock.round, clock.images) = (round, config.batch_size as u64 * round);
        let report = game.round(labelled(&clock, config.image(), config.batch_size), &clock);
        for (scalar, value) in report.read() {
            assert!(value.is_finite(), "{}: {scalar} is {value}", config.preset);
        }
    }
}

fn small(name: &str) -> ClassGanConfig {
    let mut config = class_preset(name, image(), CLASSES).unwrap();
    config.batch_size = 4 * config.gan.critic_steps;
    if let ClassCriticConfig::Image {
        reader: Some(reader),
        ..
    } = &mut config.critic
    {
        reader.merge_after = 1;
    }
    config
}

/// A small `acgan` with another head, called after it.
fn with_head(head: LabelHead) -> ClassGanConfig {
    let mut config = small("acgan");
    match &mut config.critic {
        ClassCriticConfig::Image { head: old, .. } => *old = head,
        other => panic!("{other:?}"),
    }
    config.preset = format!("{head:?}");
    config
}

fn heads() -> Vec<LabelHead> {
    vec![
        LabelHead::Projection,
        LabelHead::auxiliary(),
        LabelHead::TwinAuxiliary { weight: 1.0 },
        LabelHead::KPlusOne { weight: 1.0 },
        LabelHead::AuxiliaryDiscriminative { weight: 1.0 },
        LabelHead::Contrastive {
            size: 5,
            temperature: 1.0,
            weight: 1.0,
        },
        LabelHead::DataToData {
            size: 5,
            temperature: 0.5,
            positive_margin: 0.98,
            negative_margin: -0.02,
            weight: 1.0,
        },
    ]
}

fn assert_everybody_moves(config: &ClassGanConfig) {
    let device = Device::flex();
    let mut game = config.init(1, &device).unwrap();
    let before = game.state();
    play(config, &mut game, 0..2);
    let after = game.state();
    for group in ["generator", "critic"] {
        for (path, old) in &before.groups[group] {
            // A single row has a single direction.
            if path.ends_with("spectral_norm.u") && old.shape().to_vec() == [1] {
                continue;
            }
            // A relativistic loss sees differences of scores only.
            let relativistic = config.gan.loss == AdversarialLoss::RelativisticAverage;
            if relativistic && path.ends_with("logit.bias") {
                continue;
            }
            let new = &after.groups[group][path];
            assert_ne!(new, old, "{}: {group} {path} did not move", config.preset);
        }
    }
    let rows = config.fixed_rows(2, None, &mut Stream::new(1, "rows", 0), &device);
    let request = SampleRequest {
        latents: rows.rows.joined(),
        averaged: true,
    };
    let drawn = game.sample(&request).dims();
    let shown = config.num_classes();
    assert_eq!(drawn, [2 * shown, 1, 8, 8], "{}", config.preset);
}

#[test]
fn every_preset_plays_two_rounds_and_all_parameters_move() {
    for name in CLASS_PRESETS {
        assert_everybody_moves(&small(name));
    }
}

#[test]
fn every_head_plays_two_rounds_and_all_parameters_move() {
    for head in heads() {
        assert_everybody_moves(&with_head(head));
    }
}

/// R1 has the verdict on the reals, and R2 that on the generated pictures, from the pass of the penalty: one
/// of no weight must leave the round as it is.
#[test]
fn verdicts_from_the_pass_of_a_penalty_are_those_of_the_loss() {
    // A critic that looks at pictures one by one, one that compares them, and one that learns classes.
    for name in ["sngan", "projection", "acgan"] {
        let played = |rule: Option<PenaltyRule>| {
            let mut config = small(name);
            config.gan.penalty = rule.map(|rule| PenaltyConfig { rule, every: 1 });
            let mut game = config.init(1, &Device::flex()).unwrap();
            let clock = Clock::new(1);
            let report = game.round(labelled(&clock, image(), config.batch_size), &clock);
            let mut values = report.read();
            values.retain(|(name, _)| *name != "penalty");
            values
        };
        let wanted = played(None);
        for rule in [
            PenaltyRule::R1 { gamma: 0.0 },
            PenaltyRule::R2 { gamma: 0.0 },
            PenaltyRule::WganLp { lambda: 0.0 },
        ] {
            let found = played(Some(rule));
            assert_eq!(found.len(), wanted.len());
            for ((key, found), (other, wanted)) in found.iter().zip(&wanted) {
                assert_eq!(key, other);
                let close = (found - wanted).abs() < 1e-5 * wanted.abs().max(1.0);
                assert!(close, "{name}, {rule:?}: {key} is {found}, not {wanted}");
            }
        }
    }
}

fn assert_goes_on_after_a_restore(config: &ClassGanConfig) {
    let device = Device::flex();
    let mut whole = config.init(1, &device).unwrap();
    play(config, &mut whole, 0..3);
    let mut first = config.init(1, &device).unwrap();
    play(config, &mut first, 0..2);
    let mut second = config.init(2, &device).unwrap();
    second.restore(&first.state()).unwrap();
    play(config, &mut second, 2..3);
    assert_eq!(second.state(), whole.state(), "{}", config.preset);
}

#[test]
fn every_preset_goes_on_to_the_bit_after_a_restore() {
    for name in CLASS_PRESETS {
        assert_goes_on_after_a_restore(&small(name));
    }
}

/// `--kimg` decides where the line ends: in the last round nobody moves any more, in the same round of a
/// longer training they do.
#[test]
fn learning_rates_fall_until_the_end_of_the_training() {
    let weights = |total_kimg: f64| {
        let mut config = small("sngan");
        config.total_kimg = total_kimg;
        let mut game = config.init(1, &Device::flex()).unwrap();
        let of = |game: &ImageClassGan| {
            let state = game.state();
            ["generator", "critic"].map(|player| {
                let mut group = state.groups[player].clone();
                // Statistics and vectors of the power iteration move without any learning rate.
                group.retain(|path, _| path.ends_with("weight") || path.ends_with("bias"));
                group
            })
        };
        let before = of(&game);
        play(&config, &mut game, 1..2);
        (before, of(&game))
    };
    let end = (small("sngan").batch_size as f64) / 1000.0;
    let (before, after) = weights(end);
    assert!(before.iter().all(|group| !group.is_empty()));
    assert_eq!(before, after);
    let (before, after) = weights(2.0 * end);
    assert!(before.iter().zip(&after).all(|(old, new)| old != new));
}

#[test]
fn every_preset_comes_back_from_a_file_and_refuses_unknown_fields() {
    for name in CLASS_PRESETS {
        let config = small(name);
        let text = serde_json::to_string(&config).unwrap();
        let read: ClassGanConfig = serde_json::from_str(&text).unwrap();
        assert_eq!(read, config);
        let mut value = serde_json::to_value(&config).unwrap();
        value["batchsize"] = 3.into();
        let error = serde_json::from_value::<ClassGanConfig>(value).unwrap_err();
        assert!(error.to_string().contains("batchsize"), "{error}");
    }
}

#[test]
fn another_class_is_another_picture_of_the_same_latent() {
    let device = Device::flex();
    for name in CLASS_PRESETS {
        let config = small(name);
        let mut game = config.init(1, &device).unwrap();
        // Tables of classes begin at zero.
        play(&config, &mut game, 0..1);
        let rows = config.rows(&[7, 7], &[0, 1], None, &device).joined();
        let request = SampleRequest {
            latents: rows,
            averaged: false,
        };
        let pictures = game.sample(&request);
        let difference = pictures.clone().narrow(0, 0, 1) - pictures.narrow(0, 1, 1);
        let largest = difference.abs().max().into_scalar::<f32>();
        assert!(largest > 1e-6, "{name}: {largest}");
    }
}

#[test]
fn standing_statistics_are_for_samples_only_and_end_with_a_round() {
    let device = Device::flex();
    for name in ["biggan", "biggan-deep", "sngan"] {
        let config = small(name);
        let mut game = config.init(1, &device).unwrap();
        let mut untouched = config.init(1, &device).unwrap();
        play(&config, &mut game, 0..2);
        play(&config, &mut untouched, 0..2);
        let rows = |seed: u64| {
            let rows = config.fixed_rows(4, None, &mut Stream::new(seed, "rows", 0), &device);
            rows.rows.joined()
        };
        let sample = |game: &ImageClassGan, averaged: bool| {
            let latents = rows(1);
            game.sample(&SampleRequest { latents, averaged })
        };
        let difference = |a: Tensor<4>, b: Tensor<4>| (a - b).abs().max().into_scalar::<f32>();
        for averaged in [true, false] {
            assert!(game.use_standing_statistics(&[rows(2), rows(3)], averaged));
            let changed = difference(sample(&game, averaged), sample(&untouched, averaged));
            assert!(changed > 1e-3, "{name}: {changed}");
        }
        assert_eq!(game.state(), untouched.state(), "{name}");
        play(&config, &mut game, 2..3);
        play(&config, &mut untouched, 2..3);
        assert_eq!(game.state(), untouched.state(), "{name}");
        assert_eq!(
            difference(sample(&game, false), sample(&untouched, false)),
            0.0
        );
    }
    let mut without = small("cgan").init(1, &device).unwrap();
    assert!(!without.use_standing_statistics(&[Tensor::zeros([2, 103], &device)], true));
}

#[test]
fn the_paper_of_2014_has_its_parameters() {
    let config = class_preset("cgan", ImageShape::new(1, 28), 10).unwrap();
    let counts = config.init(1, &Device::flex()).unwrap().parameter_counts();
    let generator = 100 * 200 + 200 + 10 * 1000 + 1000 + 1200 * 1200 + 1200 + 1200 * 784 + 784;
    let critic = 784 * 1200 + 1200 + 10 * 250 + 250 + 290 * 960 + 960 + 240 + 1;
    assert_eq!(counts, [("generator", generator), ("critic", critic)]);
}

#[test]
fn parts_that_do_not_fit_are_refused_by_name() {
    let refused = |edit: &dyn Fn(&mut ClassGanConfig)| {
        let mut config = small("cgan-conv");
        edit(&mut config);
        let error = config.validate().unwrap_err();
        assert_eq!(config.init(1, &Device::flex()).unwrap_err(), error);
        error.field
    };
    let field = refused(&|config| config.condition = Condition::Classes { count: 4 });
    assert_eq!(field, "generator.latent_size");
    assert_eq!(refused(&|config| config.batch_size = 0), "batch_size");
    assert_eq!(refused(&|config| config.batch_size = 1), "batch_size");
    assert_eq!(
        refused(&|config| config.total_kimg = f64::NAN),
        "total_kimg"
    );
    let other = small("acgan").critic;
    let wide = class_preset("acgan", ImageShape::new(3, 8), CLASSES).unwrap();
    assert_eq!(
        refused(&|config| config.critic = wide.critic.clone()),
        "critic.image"
    );
    let normed = |config: &mut ClassGanConfig| {
        config.critic = other.clone();
        if let ClassCriticConfig::Image {
            network: ImageCriticConfig::Conv(network),
            ..
        } = &mut config.critic
        {
            network.norm = Norm::batch();
        }
    };
    assert_eq!(refused(&normed), "critic.norm");
    let input = |config: &mut ClassGanConfig| {
        if let ClassGeneratorConfig::Image { input, .. } = &mut config.generator {
            *input = ClassInput::Plane;
        }
    };
    assert_eq!(refused(&input), "generator.input");
    for share in [0.0, 1.0, f64::NAN] {
        let field = refused(&|config| config.gan.mismatched = Some(share));
        assert_eq!(field, "gan.mismatched");
    }
    let field = refused(&|config| config.gan.shared_batch = true);
    assert_eq!(field, "gan.shared_batch");
    let mut blind = small("acgan");
    blind.gan.mismatched = Some(0.5);
    assert_eq!(blind.validate().unwrap_err().field, "gan.mismatched");
    let mut seeing = small("cgan");
    seeing.gan.mismatched = Some(0.5);
    assert!(seeing.validate().is_ok());
    let bad = LabelHead::Auxiliary {
        weight: -1.0,
        on_fake: true,
    };
    let field = with_head(bad).validate().unwrap_err().field;
    assert_eq!(field, "critic.head.weight");
}

#[test]
fn presets_for_labels_want_labels() {
    for name in CLASS_PRESETS {
        let result = class_preset(name, image(), 0);
        assert_eq!(result.is_ok(), name == "infogan", "{name}");
    }
    let error = class_preset("nobody", image(), 3).unwrap_err();
    assert!(error.to_string().contains("cgan-conv, cgan"), "{error}");
}
