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
        let size = |name, parameters: usize, remembered: usize| Self {
            name,
            parameters,
            // Weights and gradients are the first two.
            bytes: ((2 + remembered) * size_of::<f32>()) as u128 * parameters as u128,
        };
        let average = usize::from(game.ema.is_some());
        [
            size(
                "generator",
                parameter_count(generator),
                game.generator_optimizer.moment_count() + average + history,
            ),
            size(
                "critic",
                parameter_count(critic),
                game.critic_optimizer.moment_count() + history,
            ),
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

    /// Two moments of Adam, and an average of the generator in `default` alone.
    #[test]
    fn what_is_kept_for_every_parameter_is_counted() {
        for (name, copies) in [("vanilla", [4, 4]), ("default", [5, 4])] {
            let config = crate::preset(name, ImageShape::new(1, 28)).unwrap();
            let sizes = config.player_sizes(&Device::flex()).unwrap();
            let found = sizes.map(|size| size.bytes / (4 * size.parameters as u128));
            assert_eq!(found, copies, "{name}");
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
