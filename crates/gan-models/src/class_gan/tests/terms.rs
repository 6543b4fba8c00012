//! What a configuration adds to the losses, and what advances with the critic's steps.

use super::*;

/// The critic's estimates of singular values are improved before each of its steps.
#[test]
fn spectral_norms_of_the_critic_advance_in_each_of_its_steps() {
    let mut config = small("sngan");
    assert_eq!(config.gan.critic_steps, 5);
    // Nobody learns, so that the weights stay what they were.
    config.total_kimg = 1e-6;
    let [mut played, advanced] = [(); 2].map(|()| config.init(1, &Device::flex()).unwrap());
    play(&config, &mut played, 1..2);
    for _ in 0..5 {
        advance_spectral_norms(advanced.critic().module());
    }
    let critic = |game: &ImageClassGan| game.state().groups["critic"].clone();
    assert_eq!(critic(&played), critic(&advanced));
    advance_spectral_norms(advanced.critic().module());
    assert_ne!(critic(&played), critic(&advanced), "one more would show");
}

/// All that `Gan` can add to the losses, at once.
fn with_every_term(augment: AugmentConfig) -> ClassGanConfig {
    let mut config = small("acgan");
    config.preset = format!("{augment:?}");
    config.gan = GanConfig {
        penalty: Some(PenaltyConfig {
            rule: PenaltyRule::R1 { gamma: 1.0 },
            every: 2,
        }),
        augment: Some(augment),
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
            generator: 1e-3,
            critic: 1e-3,
        }),
        historical_average: Some(0.1),
        feature_matching: Some(1.0),
        pull_away: Some(0.1),
        top_k: Some(TopKConfig::default()),
        ..config.gan
    };
    config
}

#[test]
fn a_game_of_classes_plays_every_term_and_goes_on_to_the_bit() {
    let adaptive = AdaptiveConfig {
        initial: 0.5,
        interval: 1,
        kimg: 0.1,
        ..AdaptiveConfig::default()
    };
    for augment in [
        AugmentConfig::DiffAugment(DiffAugmentConfig::default()),
        AugmentConfig::Adaptive(adaptive),
    ] {
        let config = with_every_term(augment);
        assert_everybody_moves(&config);
        assert_goes_on_after_a_restore(&config);
        let report = config
            .init(1, &Device::flex())
            .unwrap()
            .round(labelled(&Clock::new(1), config.image(), 4), &Clock::new(1));
        for name in ["critic_terms", "generator_terms"] {
            assert!(report.get(name).is_some_and(|value| value != 0.0), "{name}");
        }
    }
}

/// One round with a term and one without end differently: no term is silently left out.
#[test]
fn every_term_changes_a_game_of_classes() {
    let all = with_every_term(AugmentConfig::DiffAugment(DiffAugmentConfig::default())).gan;
    let plain = small("acgan");
    type Edit = fn(&mut GanConfig, &GanConfig);
    let edits: [(&str, Edit); 9] = [
        ("augment", |c, all| c.augment = all.augment),
        ("drift", |c, all| c.drift = all.drift),
        ("lecam", |c, all| c.lecam = all.lecam),
        ("consistency", |c, all| c.consistency = all.consistency),
        ("orthogonal", |c, all| c.orthogonal = all.orthogonal),
        ("history", |c, all| {
            c.historical_average = all.historical_average
        }),
        ("features", |c, all| {
            c.feature_matching = all.feature_matching
        }),
        ("pull_away", |c, all| c.pull_away = all.pull_away),
        ("top_k", |c, _| {
            let top_k = TopKConfig {
                decay: 0.5,
                every_kimg: 1e-3,
                minimum: 0.5,
            };
            c.top_k = Some(top_k);
        }),
    ];
    let ends = |config: &ClassGanConfig| {
        let mut game = config.init(1, &Device::flex()).unwrap();
        play(config, &mut game, 0..2);
        game.state()
    };
    let without = ends(&plain);
    for (name, edit) in edits {
        let mut config = plain.clone();
        edit(&mut config.gan, &all);
        let with = ends(&config);
        let differs = ["generator", "critic"]
            .iter()
            .any(|player| with.groups[*player] != without.groups[*player]);
        assert!(differs, "{name} changes nothing");
    }
}

/// The loss of a critic that shall also reject real pictures under wrong classes, from the losses of both pairs. Of
/// two classes there is one wrong one.
#[test]
fn real_pictures_under_wrong_classes_have_their_share_of_the_loss() {
    let share = 0.25;
    let device = Device::flex();
    let mut config = class_preset("cgan", image(), 2).unwrap();
    config.batch_size = 6;
    config.gan.penalty = None;
    let clock = Clock::new(1);
    let images = clock
        .stream("real")
        .uniform([6, 1, 8, 8], -1.0, 1.0, &device);
    let labels = Tensor::from_data([0i64, 1, 1, 0, 1, 0], &device);
    let loss = |mismatched| {
        let mut config = config.clone();
        config.gan.mismatched = mismatched;
        let mut game = config.init(1, &device).unwrap();
        let images = images.clone();
        let labels = Some(labels.clone());
        let report = game.round(ClassBatch { images, labels }, &clock);
        report.get("critic").unwrap()
    };
    let game = config.init(1, &device).unwrap();
    let judge = |classes: [[f32; 2]; 6]| {
        let classes = Tensor::from_data(classes, &device.clone().autodiff());
        let images = Tensor::from_inner(images.clone());
        let verdict = game.critic().module().judge(images.into(), &classes);
        verdict.score.primal.inner()
    };
    let [a, b] = [[1.0, 0.0], [0.0, 1.0]];
    let (right, wrong) = (judge([a, b, b, a, b, a]), judge([b, a, a, b, a, b]));
    let softplus = |x: Tensor<2>| activation::softplus(x, 1.0).mean().into_scalar::<f32>();
    let on_wrong = softplus(right.neg()) + softplus(wrong);
    let expected = (1.0 - share as f32) * loss(None) + share as f32 * on_wrong;
    let ours = loss(Some(share));
    assert!((ours - expected).abs() < 1e-5, "{ours}, not {expected}");
    assert!((ours - loss(None)).abs() > 1e-4, "it would show");
}
