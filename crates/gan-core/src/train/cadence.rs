//! When something happens.

use crate::game::Clock;

/// How often something happens, as a function of the clock alone, so that a resumed run does it in
/// exactly the same rounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Every {
    /// Not at all.
    Never,
    /// In the first round at or after each multiple of so many pictures, above 0.
    Images(u64),
    /// In each round whose number, counted from 1, is a multiple of this, above 0.
    Rounds(u64),
}

impl Every {
    /// In the first round at or after each multiple of `kimg` thousand pictures; 0 is never.
    ///
    /// # Panics
    ///
    /// Panics if `kimg` is negative or not finite.
    pub fn kimg(kimg: f64) -> Self {
        assert!(
            kimg.is_finite() && kimg >= 0.0,
            "a cadence of {kimg} kimg; it must be a finite number, 0 or more"
        );
        if kimg == 0.0 {
            return Self::Never;
        }
        Self::Images(((kimg * 1000.0).round() as u64).max(1))
    }

    /// In every `rounds`-th round; 0 is never.
    pub fn rounds(rounds: u64) -> Self {
        if rounds == 0 {
            Self::Never
        } else {
            Self::Rounds(rounds)
        }
    }

    /// Whether it happens in the round that took the clock from `before` to `after`.
    pub fn fires(&self, before: &Clock, after: &Clock) -> bool {
        match *self {
            Self::Never => false,
            Self::Images(images) => after.images / images > before.images / images,
            Self::Rounds(rounds) => after.round / rounds > before.round / rounds,
        }
    }

    /// The multiple that is due at `clock`, in the unit of the cadence; 0 before the first.
    pub(crate) fn last_multiple(&self, clock: &Clock) -> u64 {
        match *self {
            Self::Never => 0,
            Self::Images(images) => clock.images / images * images,
            Self::Rounds(rounds) => clock.round / rounds * rounds,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rounds (counted from 1) in which it happens, for batches of one size.
    fn rounds(every: Every, batch: usize, count: u64) -> Vec<u64> {
        let mut clock = Clock::new(0);
        let mut fired = Vec::new();
        for _ in 0..count {
            let before = clock;
            clock.advance(batch);
            if every.fires(&before, &clock) {
                fired.push(clock.round);
            }
        }
        fired
    }

    #[test]
    fn kimg_fires_at_the_first_round_at_or_after_each_multiple() {
        // 100 pictures; after rounds of 30: 30 60 90 120* 150 180 210* 240 270 300*
        assert_eq!(rounds(Every::kimg(0.1), 30, 10), [4, 7, 10]);
        // A batch that passes several multiples fires once.
        assert_eq!(rounds(Every::kimg(0.1), 250, 3), [1, 2, 3]);
        assert_eq!(rounds(Every::kimg(0.1), 100, 3), [1, 2, 3]);
    }

    #[test]
    fn rounds_count_from_one() {
        assert_eq!(rounds(Every::rounds(3), 7, 10), [3, 6, 9]);
    }

    #[test]
    fn zero_is_never() {
        assert_eq!(rounds(Every::kimg(0.0), 1000, 5), [0u64; 0]);
        assert_eq!(rounds(Every::rounds(0), 1000, 5), [0u64; 0]);
    }

    #[test]
    fn the_last_multiple_is_the_one_that_fired() {
        let clock = Clock {
            seed: 0,
            round: 7,
            images: 210,
        };
        assert_eq!(Every::kimg(0.1).last_multiple(&clock), 200);
        assert_eq!(Every::rounds(4).last_multiple(&clock), 4);
    }

    #[test]
    #[should_panic(expected = "a cadence of NaN kimg")]
    fn nan_is_no_cadence() {
        Every::kimg(f64::NAN);
    }
}
