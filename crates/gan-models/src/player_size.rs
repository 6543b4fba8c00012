//! How large the players of a model are, before they are made.

use burn::module::Module;
use gan_core::game::GanConfig;
use gan_core::nn::parameter_count;

/// How large a player is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlayerSize {
    /// Its name, which is also that of its part of the configuration: `generator` or `critic`.
    pub name: &'static str,
    /// Trainable values.
    pub parameters: usize,
    /// Bytes of its weights, their gradients, what the optimiser remembers, and averages. Activations
    /// come on top.
    pub bytes: u128,
}

impl PlayerSize {
    /// Those of both players of a game, generator first. The modules may be
    /// [blank](gan_core::rng::Stream::blank).
    pub(crate) fn of_both(
        game: &GanConfig,
        generator: &impl Module,
        critic: &impl Module,
    ) -> [Self; 2] {
        let history = usize::from(game.historical_average.is_some());
        let average = usize::from(game.ema.is_some());
        // Weights and gradients are the first two.
        let size = |name, parameters: usize, moments: usize, others: usize| Self {
            name,
            parameters,
            bytes: size_of::<f32>() as u128
                * ((2 + others) as u128 * parameters as u128 + moments as u128),
        };
        let moments = (
            game.generator_optimizer.memory(generator),
            game.critic_optimizer.memory(critic),
        );
        let (generator, critic) = (parameter_count(generator), parameter_count(critic));
        [
            size("generator", generator, moments.0, average + history),
            size("critic", critic, moments.1, history),
        ]
    }
}

#[cfg(test)]
mod tests {
    use burn::prelude::*;
    use gan_core::game::Game;
    use gan_core::nn::{ImageGeneratorConfig, ImageShape};

    use crate::{CLASS_PRESETS, ClassGanConfig, ImageGanConfig, Model, PRESETS};

    fn assert_as_made<M: Model>(name: &str) {
        let device = Device::flex();
        let config = M::preset(name, ImageShape::new(1, 8), 3).unwrap();
        let sizes = config.player_sizes(&device).unwrap();
        let made = config.init(1, &device).unwrap().parameter_counts();
        let sizes: Vec<_> = sizes
            .iter()
            .map(|size| (size.name, size.parameters))
            .collect();
        assert_eq!(sizes, made, "{name}");
    }

    #[test]
    fn players_are_as_large_as_was_said() {
        PRESETS
            .into_iter()
            .for_each(assert_as_made::<ImageGanConfig>);
        CLASS_PRESETS
            .into_iter()
            .for_each(assert_as_made::<ClassGanConfig>);
        assert_as_made::<crate::SemiSupervisedConfig>("semi-supervised");
    }

    /// Two moments of Adam; one of Muon, but two for biases and for the row before the score; and an average of
    /// the generator in `default` alone.
    #[test]
    fn what_is_kept_for_every_parameter_is_counted() {
        let biases = 64 * 49 + 64 + 32 + 32 + 1;
        let no_matrices = 32 + 32 + 64 + 64 + 65 * 49 + 1;
        for (name, copies, rest) in [
            ("vanilla", 4, [0, 0]),
            ("default", 3, [biases, no_matrices]),
        ] {
            let config = crate::preset(name, ImageShape::new(1, 28)).unwrap();
            let sizes = config.player_sizes(&Device::flex()).unwrap();
            let average = usize::from(name == "default");
            for ((size, rest), average) in sizes.iter().zip(rest).zip([average, 0]) {
                let wanted = 4 * (size.parameters * (copies + average) + rest);
                assert_eq!(size.bytes, wanted as u128, "{name} {}", size.name);
            }
        }
    }

    #[test]
    fn a_player_that_no_memory_could_hold_is_measured_at_once() {
        let mut config = crate::preset("vanilla", ImageShape::new(1, 28)).unwrap();
        let ImageGeneratorConfig::Mlp(generator) = &mut config.generator else {
            panic!("vanilla is a perceptron");
        };
        generator.widths = vec![1 << 20, 1 << 20];
        let [generator, _] = config.player_sizes(&Device::flex()).unwrap();
        let wide: usize = 1 << 20;
        let expected = (100 + 1) * wide + (wide + 1) * wide + (wide + 1) * 784;
        assert_eq!(generator.parameters, expected);
    }
}
