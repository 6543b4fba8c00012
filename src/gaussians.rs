//! Gaussians in the plane: a toy on which lost modes can be counted.

use std::f32::consts::TAU;

use burn::prelude::*;
use gan_core::game::{Clock, EmaConfig, Game, Gan, GanConfig, SampleRequest};
use gan_core::loss::AdversarialLoss;
use gan_core::nn::MlpConfig;
use gan_core::optim::{LearningRateSchedule, OptimizerConfig};
use gan_core::penalty::{PenaltyConfig, PenaltyRule};
use gan_core::rng::Stream;
use gan_core::sample::LatentPrior;
use gan_metrics::error::MetricError;
use gan_metrics::score::{Modes, ModesConfig, Rows, mode_scores};

use crate::Failure;

/// Gaussians of equal weight and equal round shape in the plane.
#[derive(Clone, Debug, PartialEq)]
pub struct Mixture {
    /// Centre of each.
    pub centres: Vec<[f32; 2]>,
    /// Standard deviation of each, in both directions.
    pub deviation: f32,
}

impl Mixture {
    /// Eight in a ring of radius 2 with deviation 0.02, all divided by √2, as in the code of
    /// [Gulrajani et al. 2017](https://arxiv.org/abs/1704.00028).
    pub fn ring() -> Self {
        let points = (0..8).map(|mode| (TAU * mode as f32 / 8.0).sin_cos());
        let centres = points.map(|(sin, cos)| [2.0 * cos, 2.0 * sin]);
        Self::divided(centres.collect(), 0.02, 2f32.sqrt())
    }

    /// 25 in a grid, two apart from −4 to 4, with deviation 0.05, all divided by 2 √2, as in the same
    /// code.
    pub fn grid() -> Self {
        let place = |index: usize| 2.0 * index as f32 - 4.0;
        let centres = (0..25).map(|mode| [place(mode % 5), place(mode / 5)]);
        Self::divided(centres.collect(), 0.05, 8f32.sqrt())
    }

    fn divided(mut centres: Vec<[f32; 2]>, deviation: f32, by: f32) -> Self {
        for value in centres.as_flattened_mut() {
            *value /= by;
        }
        Self {
            centres,
            deviation: deviation / by,
        }
    }

    /// `ring` or `grid`.
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "ring" => Some(Self::ring()),
            "grid" => Some(Self::grid()),
            _ => None,
        }
    }

    /// `count` points, row by row, `[count, 2]`.
    pub fn draw(&self, count: usize, stream: &mut Stream) -> Vec<f32> {
        let mut point = || {
            let centre = self.centres[stream.below(self.centres.len())];
            let noise = stream.normals(2);
            [0, 1].map(|axis| centre[axis] + self.deviation * noise[axis])
        };
        (0..count).flat_map(|_| point()).collect()
    }

    /// Modes that `points` hit, each with at least a fifth of its share, and the part of the points within
    /// three deviations of a centre.
    ///
    /// # Errors
    ///
    /// If there are no points or one is not finite.
    pub fn score(&self, points: &[f32]) -> Result<Modes, MetricError> {
        let points = Rows::new("the points", points, 2)?;
        let mut config = ModesConfig::new(f64::from(self.deviation));
        config.minimum = (points.count() / (5 * self.centres.len())).max(1) as u64;
        let centres = Rows::new("the centres", self.centres.as_flattened(), 2)?;
        mode_scores(&points, &centres, config)
    }
}

/// A generator and a critic of points, and how they play.
#[derive(Clone, Debug, PartialEq)]
pub struct Toy {
    /// Rules of the game.
    pub gan: GanConfig,
    /// Width of the four hidden layers of both players, leaky ReLU.
    pub width: usize,
    /// Real points in a critic step.
    pub batch: usize,
    /// Generator steps.
    pub rounds: u64,
}

impl Toy {
    /// A game with `penalty` or none: 64 units, batches of 64, 2 uniform latents, Adam (0, 0.99) at `2e-3`
    /// that falls to 0 along a straight line in the second half, and an average of the generator with a
    /// half-life of a hundredth of the rounds. Found by trying, with the penalties.
    pub fn new(loss: AdversarialLoss, penalty: Option<PenaltyRule>, rounds: u64) -> Self {
        let (batch, adam) = (64, OptimizerConfig::adam(2e-3, 0.0, 0.99));
        let mut gan = GanConfig::new(loss, LatentPrior::Uniform { size: 2 }, adam);
        gan.penalty = penalty.map(|rule| PenaltyConfig { rule, every: 1 });
        let kimg = batch as f64 * rounds as f64 / 1e3;
        gan.learning_rate_schedule = Some(LearningRateSchedule::Linear {
            from_kimg: 0.5 * kimg,
            until_kimg: Some(kimg),
            factor: 0.0,
        });
        gan.ema = Some(EmaConfig {
            half_life_kimg: kimg / 100.0,
            ramp_up: Some(0.05),
        });
        Self {
            gan,
            width: 64,
            batch,
            rounds,
        }
    }

    /// Trains, and draws `count` points from the average of the generator, `[count, 2]`.
    ///
    /// # Errors
    ///
    /// If the rules are not valid.
    pub fn play(&self, mixture: &Mixture, seed: u64, count: usize) -> Result<Vec<f32>, Failure> {
        let device = Device::flex();
        let player = |inputs, outputs, name: &str| {
            let hidden = self.width;
            let config = MlpConfig::new([inputs, hidden, hidden, hidden, hidden, outputs]);
            config.init(&mut Stream::new(seed, name, 0), &device.clone().autodiff())
        };
        let latent = self.gan.latent;
        let (generator, critic) = (
            player(latent.size(), 2, "generator"),
            player(2, 1, "critic"),
        );
        let mut game = Gan::new(self.gan, generator, critic)?;
        let mut clock = Clock::new(seed);
        let shown = self.batch * self.gan.critic_steps;
        while clock.round < self.rounds {
            let points = mixture.draw(shown, &mut clock.stream("data"));
            let points = TensorData::new(points, [shown, 2]);
            game.round(Tensor::from_data(points, &device), &clock);
            clock.advance(shown);
        }
        let latents = latent.draw(count, &mut Stream::new(seed, "samples", 0), &device);
        let averaged = true;
        let points = game.sample(&SampleRequest { latents, averaged });
        Ok(points.into_data().try_to_vec()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn real_points_are_found_where_the_formula_says() {
        for (name, modes) in [("ring", 8), ("grid", 25)] {
            let mixture = Mixture::named(name).unwrap();
            let points = mixture.draw(20_000, &mut Stream::new(1, "points", 0));
            let score = mixture.score(&points).unwrap();
            assert_eq!((score.hit, score.total), (modes, modes));
            // 1 − exp(−3² / 2) of a Gaussian in the plane is within three deviations.
            assert!((score.quality - 0.988_9).abs() < 0.003, "{}", score.quality);
            // Unit variance is what the division is for.
            let mean_square = points.iter().map(|v| v * v).sum::<f32>() / points.len() as f32;
            assert!((mean_square - 1.0).abs() < 0.02, "{mean_square}");
        }
    }

    #[test]
    fn a_mode_needs_a_fifth_of_its_share() {
        let ring = Mixture::ring();
        let at = |mode: usize, count: usize| ring.centres[mode].repeat(count);
        // 400 points: a share is 50, a fifth of it 10. One point lies outside.
        let mut points = [at(0, 380), at(1, 10), at(2, 9)].concat();
        points.extend([0.0, 0.0]);
        let score = ring.score(&points).unwrap();
        assert_eq!((score.hit, score.quality), (2, 0.9975));
        assert!(ring.score(&[]).is_err());
        assert!(ring.score(&[f32::NAN, 0.0]).is_err());
    }

    #[test]
    fn a_short_game_finds_two_wide_modes() {
        let mixture = Mixture {
            centres: vec![[-1.0, 0.0], [1.0, 0.0]],
            deviation: 0.2,
        };
        let penalty = Some(PenaltyRule::R1 { gamma: 0.1 });
        let mut toy = Toy::new(AdversarialLoss::Relativistic, penalty, 250);
        (toy.width, toy.batch) = (48, 64);
        let points = toy.play(&mixture, 1, 1_000).unwrap();
        let score = mixture.score(&points).unwrap();
        assert_eq!(score.hit, 2);
        assert!(score.quality > 0.6, "{}", score.quality);
        assert_eq!(points, toy.play(&mixture, 1, 1_000).unwrap());
    }
}
