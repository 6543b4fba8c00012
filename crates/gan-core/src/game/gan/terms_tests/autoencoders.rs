//! Critics that reconstruct.

use super::*;

type Energies = Gan<MlpGenerator, Autoencoder, 4>;

fn energies(loss: AdversarialLoss, balance: Option<BeganConfig>) -> Energies {
    let image = ImageShape::new(1, 8);
    let weights = &mut Stream::new(1, "weights", 0);
    let generator = MlpGeneratorConfig::new(image, 4, [16]).init(weights, &device());
    let mut config = AutoencoderConfig::new([64, 16, 4]);
    config.decoder = MlpConfig {
        output_activation: crate::nn::Activation::Tanh,
        ..config.decoder
    };
    let critic = config.init(weights, &device());
    let config = GanConfig {
        loss,
        balance,
        pull_away: Some(0.1),
        ..plain()
    };
    Gan::new(config, generator, critic).unwrap()
}

/// The two losses for autoencoders learn to reconstruct real pictures better than generated ones, and the
/// state of the controller is restored.
#[test]
fn autoencoders_can_be_critics() {
    let constant = || Tensor::<4>::full([8, 1, 8, 8], 0.5, &Device::flex());
    let margin = AdversarialLoss::EnergyBased { margin: 1.0 };
    let balance = BeganConfig {
        gamma: 0.5,
        lambda_k: 0.1,
    };
    let began = || energies(AdversarialLoss::Wasserstein, Some(balance));
    for mut game in [energies(margin, None), began()] {
        let mut clock = Clock::new(1);
        let first = game.round(constant(), &clock).get("d_real").unwrap();
        for _ in 0..40 {
            clock.advance(8);
            game.round(constant(), &clock);
        }
        let last = game.round(constant(), &clock).get("d_real").unwrap();
        assert!(last > 0.5 * first, "energy {first} became {last}");
    }
    let (mut first, mut second) = (began(), began());
    let mut clock = Clock::new(1);
    for _ in 0..3 {
        first.round(constant(), &clock);
        clock.advance(8);
    }
    let state = first.state();
    assert!(state.numbers["loss.k"] > 0.0);
    second.restore(&state).unwrap();
    let report = first.round(constant(), &clock);
    assert!(report.get("convergence").is_some_and(|value| value > 0.0));
    second.round(constant(), &clock);
    assert_eq!(first.state(), second.state());
}
