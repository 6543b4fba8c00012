//! The same game again, from the beginning or from a state.

use super::*;

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
