//! Counter-based random draws: every draw is a function of the numbers it is keyed by, so nothing
//! depends on threads, on the platform or on what was drawn before.

/// The odd constant nearest to 2^64 divided by the golden ratio; steps of it visit every `u64`.
const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

/// Scrambles 64 bits one-to-one (the finaliser of SplitMix64).
fn scramble(mut bits: u64) -> u64 {
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

/// A stream of draws named by a list of numbers, such as `[seed, epoch, index]`.
#[derive(Clone, Debug)]
pub(crate) struct Draws {
    state: u64,
}

impl Draws {
    /// Opens the stream that is named by `key`.
    pub(crate) fn new(key: &[u64]) -> Self {
        let state = key.iter().fold(STEP, |state, &part| {
            scramble(state.wrapping_add(STEP) ^ scramble(part.wrapping_add(STEP)))
        });
        Self { state }
    }

    /// 64 uniform bits.
    pub(crate) fn bits(&mut self) -> u64 {
        self.state = self.state.wrapping_add(STEP);
        scramble(self.state)
    }

    /// Uniform in `[0, 1)`, a multiple of 2^-24.
    pub(crate) fn uniform(&mut self) -> f32 {
        (self.bits() >> 40) as f32 / (1u32 << 24) as f32
    }

    /// Uniform in `[low, high)`.
    pub(crate) fn between(&mut self, low: f32, high: f32) -> f32 {
        low + (high - low) * self.uniform()
    }

    /// Mean 0, variance 1, bell-shaped and within ±3.5: the sum of four uniforms, so that it needs
    /// no logarithm, whose last bits differ between platforms.
    pub(crate) fn bell(&mut self) -> f32 {
        let sum = self.uniform() + self.uniform() + self.uniform() + self.uniform();
        (sum - 2.0) * 1.732_050_8
    }

    /// Uniform in `0..count`; `count` must not be 0.
    pub(crate) fn below(&mut self, count: usize) -> usize {
        ((u128::from(self.bits()) * count as u128) >> 64) as usize
    }

    /// True with the given probability.
    pub(crate) fn chance(&mut self, probability: f64) -> bool {
        let unit = (self.bits() >> 11) as f64 / (1u64 << 53) as f64;
        unit < probability
    }

    /// Shuffles in place (Fisher–Yates): every order is equally likely.
    pub(crate) fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last + 1));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_names_the_stream() {
        let first = |key: &[u64]| Draws::new(key).bits();
        assert_eq!(first(&[1, 2]), first(&[1, 2]));
        assert_ne!(first(&[1, 2]), first(&[2, 1]));
        assert_ne!(first(&[1, 2]), first(&[1, 2, 0]));
        assert_ne!(first(&[0]), first(&[0, 0]));
    }

    #[test]
    fn the_stream_is_pinned() {
        // Pictures, shuffles and flips of every run depend on these bits: a change here makes
        // old runs impossible to resume.
        let mut draws = Draws::new(&[7, 3]);
        let pinned = [12_477_121_773_686_979_591, 18_169_616_529_675_417_653];
        assert_eq!([draws.bits(), draws.bits()], pinned);
    }

    #[test]
    fn moments_of_the_bell_and_the_uniform() {
        let mut draws = Draws::new(&[11]);
        let count = 100_000;
        let (mut sum, mut squares, mut uniform) = (0.0f64, 0.0f64, 0.0f64);
        for _ in 0..count {
            let value = f64::from(draws.bell());
            sum += value;
            squares += value * value;
            uniform += f64::from(draws.uniform());
        }
        let count = f64::from(count);
        assert!((sum / count).abs() < 0.015, "mean {}", sum / count);
        assert!(
            (squares / count - 1.0).abs() < 0.02,
            "variance {}",
            squares / count
        );
        assert!((uniform / count - 0.5).abs() < 0.005);
    }

    #[test]
    fn below_reaches_every_value_about_equally() {
        let mut draws = Draws::new(&[5]);
        let mut counts = [0usize; 7];
        for _ in 0..70_000 {
            counts[draws.below(7)] += 1;
        }
        assert!(
            counts.iter().all(|count| (9_500..10_500).contains(count)),
            "{counts:?}"
        );
    }

    #[test]
    fn chance_0_never_and_chance_1_always() {
        let mut draws = Draws::new(&[6]);
        assert!((0..1000).all(|_| !draws.chance(0.0)));
        assert!((0..1000).all(|_| draws.chance(1.0)));
    }
}
