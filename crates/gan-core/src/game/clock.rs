//! Position in training, in the units papers use.

use serde::{Deserialize, Serialize};

use crate::rng::Stream;

/// Position in a run. Everything random in a round is a function of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Clock {
    /// Seed of the run.
    pub seed: u64,
    /// Rounds finished before this one.
    pub round: u64,
    /// Real pictures shown to the critic before this round.
    pub images: u64,
}

impl Clock {
    /// The start of the run with `seed`.
    pub fn new(seed: u64) -> Self {
        Self {
            seed,
            round: 0,
            images: 0,
        }
    }

    /// Whether something that happens every `n` rounds happens in this one; round 0 counts, `n = 0`
    /// never happens.
    pub fn every(&self, n: u64) -> bool {
        n != 0 && self.round.is_multiple_of(n)
    }

    /// Thousands of real pictures shown to the critic before this round.
    pub fn kimg(&self) -> f64 {
        self.images as f64 / 1000.0
    }

    /// The random numbers of this round for the purpose `name`.
    pub fn stream(&self, name: &str) -> Stream {
        Stream::new(self.seed, name, self.round)
    }

    /// One round over `images` real pictures has been played.
    pub fn advance(&mut self, images: usize) {
        self.round += 1;
        self.images += images as u64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_counts_round_zero_and_never_for_zero() {
        let at = |round| Clock {
            round,
            ..Clock::new(1)
        };
        let hits: Vec<u64> = (0..9).filter(|round| at(*round).every(4)).collect();
        assert_eq!(hits, [0, 4, 8]);
        assert!((0..9).all(|round| at(round).every(1)));
        assert!((0..9).all(|round| !at(round).every(0)));
    }

    #[test]
    fn time_is_counted_in_pictures() {
        let mut clock = Clock::new(3);
        clock.advance(64);
        clock.advance(36);
        assert_eq!((clock.round, clock.images), (2, 100));
        assert!((clock.kimg() - 0.1).abs() < 1e-12);
    }

    #[test]
    fn a_round_draws_the_same_again_and_another_round_does_not() {
        let mut clock = Clock::new(3);
        let first = clock.stream("noise").bits();
        assert_eq!(clock.stream("noise").bits(), first);
        // The number of pictures does not matter, so a batch can change its size.
        clock.images = 5;
        assert_eq!(clock.stream("noise").bits(), first);
        clock.advance(1);
        assert_ne!(clock.stream("noise").bits(), first);
        assert_ne!(Clock::new(4).stream("noise").bits(), first);
    }
}
