//! One round gives the same numbers on every backend that is compiled in.
//!
//! `cargo test --release --test backends --features ndarray,wgpu`

use std::collections::BTreeMap;

use burn::tensor::TensorData;
use gan::backend::{Backend, compiled_in};
use gan_core::game::{Clock, Game, SampleRequest};
use gan_core::nn::{ImageCriticConfig, ImageGeneratorConfig, ImageShape};
use gan_core::optim::OptimizerConfig;
use gan_models::{ImageGanConfig, preset};

/// Relative and absolute.
const TOLERANCE: f64 = 1e-4;

fn small(name: &str) -> ImageGanConfig {
    let mut config = preset(name, ImageShape::new(1, 28)).unwrap();
    config.batch_size = 8;
    // The first step of Adam is the sign of the gradient, which no two backends agree on near 0.
    let sgd = OptimizerConfig::Sgd {
        lr: 0.01,
        momentum: 0.0,
    };
    config.gan.generator_optimizer = sgd;
    config.gan.critic_optimizer = sgd;
    match &mut config.generator {
        ImageGeneratorConfig::Mlp(generator) => generator.widths = vec![32],
        ImageGeneratorConfig::Conv(generator) => generator.widths = vec![8, 8],
    }
    match &mut config.critic {
        ImageCriticConfig::Mlp(critic) => critic.widths = vec![32],
        ImageCriticConfig::Conv(critic) => critic.widths = vec![8, 8],
        ImageCriticConfig::Autoencoder(critic) => critic.encoder.widths = vec![8, 8],
    }
    config
}

/// Everything that can be seen of a round, by name.
fn round(config: &ImageGanConfig, backend: &str) -> BTreeMap<String, Vec<f64>> {
    let device = Backend::open(Some(backend)).unwrap().device;
    let mut game = config.init(3, &device).unwrap();
    let clock = Clock::new(3);
    let real = clock
        .stream("real")
        .uniform([8, 1, 28, 28], -1.0, 1.0, &device);
    let mut seen: BTreeMap<String, Vec<f64>> = game
        .round(real, &clock)
        .read()
        .into_iter()
        .map(|(name, value)| (name.to_owned(), vec![f64::from(value)]))
        .collect();
    let values = |data: TensorData| data.iter::<f64>().collect::<Vec<_>>();
    for (group, tensors) in game.state().groups {
        for (path, data) in tensors {
            seen.insert(format!("{group} {path}"), values(data));
        }
    }
    let latents = config
        .gan
        .latent
        .draw(4, &mut clock.stream("look"), &device);
    for averaged in [false, true] {
        let request = SampleRequest {
            latents: latents.clone(),
            averaged,
        };
        seen.insert(
            format!("samples {averaged}"),
            values(game.sample(&request).into_data()),
        );
    }
    seen
}

fn assert_close(name: &str, backend: &str, a: &[f64], b: &[f64]) {
    assert_eq!(a.len(), b.len(), "{backend}: {name}");
    for (a, b) in a.iter().zip(b) {
        assert!(
            (a - b).abs() <= TOLERANCE + TOLERANCE * a.abs(),
            "{backend}: {name} is {b} instead of {a}"
        );
    }
}

#[test]
fn all_backends_play_the_same_round() {
    let all = compiled_in();
    if all.len() == 1 {
        println!("only {all:?} is compiled in; add --features ndarray,wgpu to compare");
    }
    for preset in ["vanilla", "dcgan", "default"] {
        let config = small(preset);
        let expected = round(&config, all[0]);
        assert!(expected.len() > 12 && expected.values().flatten().all(|value| value.is_finite()));
        for backend in &all {
            let found = round(&config, backend);
            assert!(expected.keys().eq(found.keys()), "{backend}: other names");
            for (name, values) in &expected {
                assert_close(&format!("{preset}: {name}"), backend, values, &found[name]);
            }
        }
    }
}

#[test]
fn the_comparison_sees_small_differences() {
    let close = |a, b| std::panic::catch_unwind(|| assert_close("x", "y", &[a], &[b])).is_ok();
    assert!(close(1.0, 1.0001) && close(0.0, -0.0001));
    assert!(!close(1.0, 1.0003) && !close(0.0, 0.0002) && !close(1.0, f64::NAN));
}
