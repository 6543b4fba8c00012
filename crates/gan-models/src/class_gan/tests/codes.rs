//! InfoGAN: who reads codes, and who learns from it.

use super::*;

/// Rows of a generator and the codes in them.
fn coded(config: &ClassGanConfig, count: usize, round: u64) -> (Tensor<2>, Tensor<2>) {
    let device = Device::flex().autodiff();
    let stream = &mut Stream::new(3, "codes", round);
    let latents = config.gan.latent.draw(count, stream, &device);
    let codes = config.condition.draw(count, stream, &device);
    (Tensor::cat(vec![latents, codes.clone()], 1), codes)
}

/// InfoGAN whose reader has merged its choices.
fn reading_at_once() -> (ClassGanConfig, ImageClassGan) {
    let config = small("infogan");
    let mut game = config.init(1, &Device::flex()).unwrap();
    play(&config, &mut game, 0..2);
    (config, game)
}

/// Readers that learn side by side go on after a restore in any of their rounds, in the one in which one of
/// them is chosen and after it.
#[test]
fn several_readers_go_on_to_the_bit_after_a_restore() {
    let device = Device::flex();
    let mut config = small("infogan");
    match &mut config.critic {
        ClassCriticConfig::Image {
            reader: Some(reader),
            ..
        } => (reader.merge_after, reader.candidates) = (3, 3),
        other => panic!("{other:?}"),
    }
    let mut whole = config.init(1, &device).unwrap();
    play(&config, &mut whole, 0..5);
    let mut first = config.init(1, &device).unwrap();
    for round in 0..4 {
        play(&config, &mut first, round..round + 1);
        let mut second = config.init(2, &device).unwrap();
        second.restore(&first.state()).unwrap();
        play(&config, &mut second, round + 1..5);
        assert!(second.state() == whole.state(), "after round {round}");
    }
}

/// InfoGAN's bound on the information is a loss of the generator too, not of the reader alone.
#[test]
fn reading_the_code_back_moves_the_generator() {
    let (config, game) = reading_at_once();
    let (rows, codes) = coded(&config, 8, 0);
    let critic = game.critic().opponent();
    let fake = game.generator().module().generate(rows);
    let verdict = critic.judge(fake.clone().into(), &codes);
    // The choice alone: as if the numbers had been read without error.
    let read = verdict.logits.clone().unwrap().detach();
    let rest = codes.dims()[1] - 10;
    let wanted = Tensor::cat(vec![codes.narrow(1, 0, 10), read.narrow(1, 10, rest)], 1);
    let loss = critic.generator_class_loss(&fake, &verdict, &wanted);
    let loss = loss.unwrap();
    let sgd = OptimizerConfig::Sgd {
        lr: 1.0,
        momentum: 0.0,
    };
    let mut player = Player::new("generator", game.generator().module().clone(), sgd);
    let norm = player.minimize(loss).gradient_norm.into_scalar::<f32>();
    assert!(norm > 1e-4, "{norm}");
}

/// InfoGAN as in the paper: the second head shares the critic's body.
fn without_reader() -> (ClassGanConfig, ImageClassGan) {
    let mut config = small("infogan");
    match &mut config.critic {
        ClassCriticConfig::Image { reader, .. } => *reader = None,
        other => panic!("{other:?}"),
    }
    let game = config.init(1, &Device::flex()).unwrap();
    (config, game)
}

/// A reader must not learn from generated pictures what a choice means: both players would agree on any
/// small mark. It does learn the continuous codes there, and a head without a reader learns both.
#[test]
fn a_reader_learns_choices_from_real_pictures_alone() {
    let moves = |(config, game): (ClassGanConfig, ImageClassGan), teaches_choice: bool| {
        let (rows, codes) = coded(&config, 8, 0);
        let critic = game.critic().module();
        let fake = game.generator().opponent().generate(rows);
        let verdict = critic.judge(fake.into(), &codes);
        let read = verdict.logits.clone().unwrap().detach();
        // One part is the code's; the other is what was read anyway, and teaches nothing.
        let rest = codes.dims()[1] - 10;
        let wanted = match teaches_choice {
            true => vec![codes.narrow(1, 0, 10), read.narrow(1, 10, rest)],
            false => vec![
                activation::softmax(read.narrow(1, 0, 10), 1),
                codes.narrow(1, 10, rest),
            ],
        };
        let wanted = Tensor::cat(wanted, 1);
        let both = (&verdict, &wanted);
        let loss = critic.critic_class_loss(both, both).unwrap();
        let sgd = OptimizerConfig::Sgd {
            lr: 1.0,
            momentum: 0.0,
        };
        let norm = Player::new("critic", critic.clone(), sgd)
            .minimize(loss)
            .gradient_norm;
        norm.into_scalar::<f32>() > 1e-4
    };
    assert!(!moves(reading_at_once(), true));
    assert!(moves(reading_at_once(), false));
    assert!(moves(without_reader(), true));
    assert!(moves(without_reader(), false));
}

/// The second head alone learns to read the code of a generator that does not move.
#[test]
fn the_code_of_a_frozen_generator_is_learned() {
    let (config, game) = without_reader();
    let adam = OptimizerConfig::adam(3e-3, 0.5, 0.99);
    let mut critic = Player::new("critic", game.critic().module().clone(), adam);
    let mut first = None;
    let mut last = f32::INFINITY;
    for round in 0..120 {
        let (rows, codes) = coded(&config, 32, round);
        let fake = game.generator().opponent().generate(rows);
        let verdict = critic.module().judge(fake.into(), &codes);
        let both = (&verdict, &codes);
        let loss = critic.module().critic_class_loss(both, both).unwrap();
        last = loss.clone().into_scalar::<f32>();
        first.get_or_insert(last);
        critic.minimize(loss);
    }
    let first = first.unwrap();
    assert!(last < 0.4 * first, "{first} became {last}");
}
