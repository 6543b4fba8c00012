//! Augmentation of what the critic sees.
//!
//! A critic that has few real pictures learns them by heart. If real and generated pictures go through the
//! same kind of random change, it cannot, and the generator still learns the pictures without the change as
//! long as the change can be undone in distribution.
//!
//! A change is drawn once in a round, as a [`Warp`], and applied to whatever the critic sees in it. Every
//! warp is an affine map of the picture, so gradients and tangents go through it exactly.

mod adaptive;
mod affine;
mod bands;
mod diff_augment;
mod pipeline;
mod tilt;
mod warp;

use serde::{Deserialize, Serialize};

pub use adaptive::{Adaptive, AdaptiveConfig};
pub(crate) use diff_augment::draw_move_warp;
pub use diff_augment::{DiffAugmentConfig, DiffAugmentPolicy};
pub use pipeline::PipelineConfig;
pub use tilt::TiltConfig;
pub use warp::Warp;

use crate::error::ConfigError;

/// What is done to everything the critic sees; `kind` says which.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum AugmentConfig {
    /// Always the same kind of change.
    DiffAugment(DiffAugmentConfig),
    /// A change whose probability follows how sure the critic is of real pictures.
    Adaptive(AdaptiveConfig),
}

impl AugmentConfig {
    /// Says what is wrong.
    ///
    /// # Errors
    ///
    /// If the configuration inside is not valid.
    pub fn validate(&self) -> Result<(), ConfigError> {
        match self {
            Self::DiffAugment(config) => config.validate(),
            Self::Adaptive(config) => config.validate(),
        }
    }
}

#[cfg(test)]
mod tests {
    use burn::prelude::*;

    use super::*;
    use crate::dual::{Dual, Forward};
    use crate::nn::{Linear, LinearConfig};
    use crate::penalty::{PenaltyRule, gradient_penalty_of};
    use crate::rng::Stream;
    use crate::testing::{assert_close, values};

    /// `D(x) = w · x` behind a mask `m` has the gradient `m w`, so R1 is `γ/2 Σ (m w)²`, and its gradient
    /// in `w` is `γ m w`, averaged over the batch.
    #[test]
    fn a_penalty_goes_through_the_augmentation() {
        let device = Device::flex().autodiff();
        let stream = &mut Stream::new(1, "test", 0);
        let layer = LinearConfig::new(64, 1).init(stream, &device);
        let policy = DiffAugmentPolicy {
            color: false,
            translation: false,
            cutout: true,
        };
        let config = DiffAugmentConfig {
            policy,
            ..DiffAugmentConfig::default()
        };
        let shape = [3, 1, 8, 8];
        let warp = config.draw(shape, stream, &device);
        let ones = Tensor::<4>::ones(shape, &device);
        let mask: Tensor<2> = warp.apply(ones.into()).primal.reshape([3, 64]).inner();
        let rule = PenaltyRule::R1 { gamma: 2.0 };
        let x = stream.normal(shape, &device);
        let judge = |layer: &Linear, x| {
            let seen: Dual<4> = warp.apply_to_samples(x);
            layer.apply(seen.flatten())
        };
        let penalty = gradient_penalty_of(&rule, &layer, x, judge);
        let weight = layer.weight.val();
        let masked = mask.clone() * weight.clone().inner();
        let value = masked.clone().square().sum_dim(1).mean();
        assert!((values(&penalty.value)[0] - values(&value)[0]).abs() < 1e-5);
        let gradient = weight.grad(&penalty.surrogate.backward()).unwrap();
        assert_close(&gradient, &(masked.mean_dim(0) * 2.0), 1e-5);
    }

    #[test]
    fn a_config_is_read_by_its_kind() {
        let read = |text: &str| serde_json::from_str::<AugmentConfig>(text);
        let plain = AugmentConfig::DiffAugment(DiffAugmentConfig::default());
        assert_eq!(read(r#"{"kind": "diff_augment"}"#).unwrap(), plain);
        let adaptive = AugmentConfig::Adaptive(AdaptiveConfig::default());
        assert_eq!(read(r#"{"kind": "adaptive"}"#).unwrap(), adaptive);
        assert!(read(r#"{"kind": "adaptive", "aim": 1}"#).is_err());
        for config in [plain, adaptive] {
            let text = serde_json::to_string(&config).unwrap();
            assert_eq!(read(&text).unwrap(), config);
        }
    }
}
