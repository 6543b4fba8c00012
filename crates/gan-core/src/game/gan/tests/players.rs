//! Who moves, by what, and what is reported of it.

use super::*;

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
    game.critic_step(real.clone(), false, &clock, &mut draws);
    assert_eq!(
        trainable(weights(game.generator())),
        trainable(generator.clone())
    );
    let moved = weights(game.critic());
    assert_ne!(moved, critic);
    let healthy = Tensor::ones([1], &Device::flex());
    game.generator_step(real, None, healthy, &clock, &mut draws);
    assert_eq!(weights(game.critic()), moved);
    assert_ne!(trainable(weights(game.generator())), trainable(generator));
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

/// A critic that does not move says the same of the same samples: minus the generator's loss is what it believed of
/// them in its own step. Of new ones it says something else.
#[test]
fn a_shared_batch_is_the_one_of_the_last_critic_step() {
    let still = OptimizerConfig::adam(1e-30, 0.0, 0.9);
    for shared_batch in [true, false] {
        for critic_steps in [1, 2] {
            let config = GanConfig {
                loss: AdversarialLoss::Wasserstein,
                critic_optimizer: still,
                critic_steps,
                shared_batch,
                ..config()
            };
            let mut game = game(config);
            let before = weights(game.generator());
            let report = game.round(batch(0, 6), &Clock::new(3));
            let value = |name| report.get(name).unwrap();
            let difference = (value("generator") + value("d_fake")).abs();
            assert_eq!(difference < 1e-6, shared_batch, "{difference}");
            assert_ne!(weights(game.generator()), before);
        }
    }
}

/// The scores of the real samples are those of the critic step, from before the critic moved.
#[test]
fn a_shared_batch_keeps_the_scores_of_the_real_samples() {
    let config = GanConfig {
        loss: AdversarialLoss::RelativisticAverage,
        critic_optimizer: OptimizerConfig::adam(0.1, 0.0, 0.9),
        shared_batch: true,
        ..config()
    };
    let clock = Clock::new(3);
    let mut game = game(config);
    let real = batch(0, 6);
    let on_tape = |x: Tensor<2>| Tensor::from_inner(x);
    let judge = |game: &Toy, x: Tensor<2>| game.critic().module().score(x.into()).primal.inner();
    let on_real = judge(&game, on_tape(real.clone()));
    let latents = Draws::new(&config, &clock)
        .latents
        .normal([6, 4], &Device::flex());
    let fake = game.generator().module().generate(on_tape(latents)).inner();
    let report = game.round(real.clone(), &clock);
    let on_fake = judge(&game, on_tape(fake));
    let loss = |on_real| {
        let loss = AdversarialLoss::RelativisticAverage;
        let loss = loss.generator_loss(Some(on_real), on_fake.clone());
        loss.into_scalar::<f32>()
    };
    let ours = report.get("generator").unwrap();
    let expected = loss(on_real);
    assert!((ours - expected).abs() < 1e-5, "{ours}, not {expected}");
    let anew = judge(&game, on_tape(real));
    assert!((ours - loss(anew)).abs() > 1e-4, "it would show");
}
