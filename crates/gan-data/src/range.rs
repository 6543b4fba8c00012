//! The value range of float pictures.

/// The value range of a tensor of pictures. Every boundary names it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PixelRange {
    /// `[0, 1]`
    Unit,
    /// `[-1, 1]`, what a generator ending in tanh produces.
    #[default]
    Signed,
}

impl PixelRange {
    /// Maps an 8-bit value into the range: `0` and `255` meet its ends exactly.
    pub fn encode(self, value: u8) -> f32 {
        match self {
            Self::Unit => f32::from(value) / 255.0,
            Self::Signed => f32::from(value) / 127.5 - 1.0,
        }
    }

    /// Maps a float back to 8 bits: clamped, rounded to the nearest, never stretched. NaN becomes 0.
    pub fn decode(self, value: f32) -> u8 {
        let unit = match self {
            Self::Unit => value,
            Self::Signed => (value + 1.0) * 0.5,
        };
        // `as` saturates and maps NaN to 0
        (unit.clamp(0.0, 1.0) * 255.0).round() as u8
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ends_are_met_exactly() {
        assert_eq!(
            (PixelRange::Unit.encode(0), PixelRange::Unit.encode(255)),
            (0.0, 1.0)
        );
        assert_eq!(
            (PixelRange::Signed.encode(0), PixelRange::Signed.encode(255)),
            (-1.0, 1.0)
        );
    }

    #[test]
    fn every_byte_comes_back() {
        for range in [PixelRange::Unit, PixelRange::Signed] {
            assert!((0..=255).all(|byte| range.decode(range.encode(byte)) == byte));
        }
    }

    #[test]
    fn floats_are_rounded_to_the_nearest() {
        assert_eq!(PixelRange::Unit.decode(0.499 / 255.0), 0);
        assert_eq!(PixelRange::Unit.decode(0.501 / 255.0), 1);
        assert_eq!(PixelRange::Signed.decode(0.0), 128);
    }

    #[test]
    fn what_is_outside_is_clamped_and_nan_is_black() {
        for range in [PixelRange::Unit, PixelRange::Signed] {
            assert_eq!(range.decode(-7.0), 0);
            assert_eq!(range.decode(f32::NEG_INFINITY), 0);
            assert_eq!(range.decode(7.0), 255);
            assert_eq!(range.decode(f32::INFINITY), 255);
            assert_eq!(range.decode(f32::NAN), 0);
        }
    }
}
