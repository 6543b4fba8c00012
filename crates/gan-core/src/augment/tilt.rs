//! Small changes of the plane.

use burn::prelude::*;
use serde::{Deserialize, Serialize};

use super::Warp;
use super::affine::Affine;
use crate::error::ConfigError;
use crate::rng::Stream;

/// Pictures slightly turned, stretched, sheared and moved, each change drawn uniformly for each picture:
/// what handwriting differs in while the letter stays.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TiltConfig {
    /// Largest angle in radians, 0 or more.
    pub rotation: f64,
    /// Largest logarithm of the stretch of an axis, 0 or more.
    pub stretch: f64,
    /// Largest shear: pixels to the side per pixel of height, 0 or more.
    pub shear: f64,
    /// Largest shift along an axis as a part of the size, 0 or more.
    pub shift: f64,
}

impl TiltConfig {
    /// Says what is wrong.
    ///
    /// # Errors
    ///
    /// If a number is negative or not finite.
    pub fn validate(&self) -> Result<(), ConfigError> {
        for (field, value) in [
            ("rotation", self.rotation),
            ("stretch", self.stretch),
            ("shear", self.shear),
            ("shift", self.shift),
        ] {
            crate::nn::check_not_negative(field, value)?;
        }
        Ok(())
    }

    /// All of them `factor` times as large.
    #[must_use]
    pub fn times(self, factor: f64) -> Self {
        Self {
            rotation: self.rotation * factor,
            stretch: self.stretch * factor,
            shear: self.shear * factor,
            shift: self.shift * factor,
        }
    }

    /// Draws a change for pictures of `shape`, `[batch, channels, height, width]`.
    pub fn draw(&self, shape: [usize; 4], stream: &mut Stream, device: &Device) -> Warp {
        let [batch, _, height, width] = shape;
        let mut within =
            |limit: f64| -> Tensor<1> { stream.uniform([batch], -1.0, 1.0, device) * limit };
        let affine = Affine::identity(batch, device)
            .scale(within(self.stretch).exp(), within(self.stretch).exp())
            .shear(within(self.shear))
            .rotate(within(self.rotation))
            .shift(
                within(self.shift * width as f64),
                within(self.shift * height as f64),
            );
        Warp::new(vec![affine.resample([height, width])])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{assert_close, values};

    const STILL: TiltConfig = TiltConfig {
        rotation: 0.0,
        stretch: 0.0,
        shear: 0.0,
        shift: 0.0,
    };

    fn applied(config: TiltConfig) -> (Tensor<4>, Tensor<4>) {
        let device = Device::flex();
        let x = Stream::new(1, "x", 0).normal([3, 1, 8, 8], &device);
        let warp = config.draw([3, 1, 8, 8], &mut Stream::new(1, "tilt", 0), &device);
        let y = warp.apply(x.clone().into()).primal;
        (x, y)
    }

    #[test]
    fn nothing_changes_nothing_and_every_limit_changes_something() {
        let (x, y) = applied(STILL);
        assert_close(&x, &y, 1e-5);
        let edits: [fn(&mut TiltConfig); 4] = [
            |c| c.rotation = 0.3,
            |c| c.stretch = 0.3,
            |c| c.shear = 0.3,
            |c| c.shift = 0.1,
        ];
        for edit in edits {
            let mut config = STILL;
            edit(&mut config);
            let (x, y) = applied(config);
            let difference = values(&(x - y).abs().max())[0];
            assert!(difference > 0.01, "{config:?}: {difference}");
            assert_eq!(config.times(0.0), STILL);
        }
    }

    #[test]
    fn negative_limits_are_refused_by_name() {
        let config = TiltConfig {
            shear: -0.1,
            ..STILL
        };
        assert_eq!(config.validate().unwrap_err().field, "shear");
    }
}
