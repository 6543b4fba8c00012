//! Normalisations.

mod batch;
mod conditional;
mod group;
mod pixel;
mod virtual_batch;

pub use batch::{BatchNorm, BatchNormConfig};
pub use conditional::{ConditionalBatchNorm, ConditionalBatchNormConfig};
pub use group::{GroupNorm, GroupNormConfig};
pub use pixel::{PixelNorm, PixelNormConfig};
pub use virtual_batch::{VirtualBatchNorm, VirtualBatchNormConfig};

use burn::module::Module;
use burn::prelude::*;
use serde::{Deserialize, Serialize};

use super::Initializer;
use crate::dual::{Dual, Forward};
use crate::error::ConfigError;
use crate::rng::Stream;

/// Which normalisation follows a layer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Norm {
    /// None.
    #[default]
    None,
    /// [Batch normalisation](BatchNorm). Couples the samples of a batch, and cannot be in a critic
    /// with a gradient penalty.
    Batch {
        /// Added to the variance, above 0. Default: 1e-5.
        #[serde(default = "default_epsilon")]
        epsilon: f64,
        /// Share of the newest batch in the running statistics, in `[0, 1]`. Default: 0.1.
        #[serde(default = "default_momentum")]
        momentum: f64,
    },
    /// Every channel of every sample by itself, then a weight and a bias per channel.
    Instance {
        /// Added to the variance, above 0. Default: 1e-5.
        #[serde(default = "default_epsilon")]
        epsilon: f64,
    },
    /// Every sample by itself, then a weight and a bias per channel.
    Layer {
        /// Added to the variance, above 0. Default: 1e-5.
        #[serde(default = "default_epsilon")]
        epsilon: f64,
    },
    /// Groups of channels of every sample, then a weight and a bias per channel.
    Group {
        /// Number of groups; must divide the channels.
        groups: usize,
        /// Added to the variance, above 0. Default: 1e-5.
        #[serde(default = "default_epsilon")]
        epsilon: f64,
    },
    /// [Every pixel](PixelNorm) to length √channels; no parameters.
    Pixel {
        /// Added to the mean square, above 0. Default: 1e-8.
        #[serde(default = "default_pixel_epsilon")]
        epsilon: f64,
    },
    /// [Virtual batch normalisation](VirtualBatchNorm): batch normalisation without the coupling of the
    /// samples, at twice the cost where the reference is as large as the batch. Only in a
    /// [convolutional generator](super::ConvGenerator) without residual blocks, which draws the
    /// reference batch of latents.
    VirtualBatch {
        /// Samples of the reference batch, 1 or more.
        reference: usize,
        /// Added to the variance, above 0. Default: 1e-5.
        #[serde(default = "default_epsilon")]
        epsilon: f64,
    },
}

fn default_epsilon() -> f64 {
    1e-5
}

fn default_momentum() -> f64 {
    0.1
}

fn default_pixel_epsilon() -> f64 {
    1e-8
}

impl Norm {
    /// Batch normalisation with PyTorch's constants.
    pub fn batch() -> Self {
        Self::Batch {
            epsilon: default_epsilon(),
            momentum: default_momentum(),
        }
    }

    /// Says what is wrong, for a network that has no reference batch.
    ///
    /// # Errors
    ///
    /// If a number is outside its range, the groups do not divide `channels`, or it needs a reference
    /// batch.
    pub fn validate(&self, channels: usize) -> Result<(), ConfigError> {
        if matches!(self, Self::VirtualBatch { .. }) {
            let allowed = "another one here; only a convolutional generator without residual blocks \
                           has the reference batch that it needs";
            return Err(ConfigError::new("virtual_batch", "set", allowed));
        }
        self.validate_with_reference(channels)
    }

    /// Says what is wrong, for a network that has a reference batch if it must.
    pub(super) fn validate_with_reference(&self, channels: usize) -> Result<(), ConfigError> {
        match *self {
            Self::None => Ok(()),
            Self::VirtualBatch { reference, epsilon } => {
                let config = VirtualBatchNormConfig::new(channels, reference);
                config.with_epsilon(epsilon).validate()
            }
            Self::Batch { epsilon, momentum } => {
                let config = BatchNormConfig::new(channels);
                config
                    .with_epsilon(epsilon)
                    .with_momentum(momentum)
                    .validate()
            }
            Self::Pixel { epsilon } => PixelNormConfig { epsilon }.validate(),
            Self::Instance { epsilon } | Self::Layer { epsilon } => {
                let config = GroupNormConfig::layer(channels);
                config.with_epsilon(epsilon).validate()
            }
            Self::Group { groups, epsilon } => {
                let config = GroupNormConfig::new(groups, channels);
                config.with_epsilon(epsilon).validate()
            }
        }
    }

    /// Whether the result for a sample depends on the other samples.
    pub fn couples_samples(&self) -> bool {
        matches!(self, Self::Batch { .. })
    }

    /// Whether a bias before it has no effect, because the mean of each channel is taken away.
    pub fn cancels_bias(&self) -> bool {
        matches!(
            self,
            Self::Batch { .. } | Self::Instance { .. } | Self::VirtualBatch { .. }
        )
    }

    /// Draws the parameters for `channels`; nothing for [`Norm::None`].
    ///
    /// # Panics
    ///
    /// Panics if it is not valid for that many channels.
    pub fn init(
        &self,
        channels: usize,
        initializer: Initializer,
        stream: &mut Stream,
        device: &Device,
    ) -> Option<NormLayer> {
        let group = |config: GroupNormConfig, epsilon, stream: &mut Stream| {
            let config = config.with_epsilon(epsilon).with_initializer(initializer);
            NormLayer::Group(config.init(stream, device))
        };
        Some(match *self {
            Self::None => return None,
            Self::Batch { epsilon, momentum } => {
                let config = BatchNormConfig::new(channels)
                    .with_epsilon(epsilon)
                    .with_momentum(momentum)
                    .with_initializer(initializer);
                NormLayer::Batch(config.init(stream, device))
            }
            Self::Instance { epsilon } => {
                group(GroupNormConfig::instance(channels), epsilon, stream)
            }
            Self::Layer { epsilon } => group(GroupNormConfig::layer(channels), epsilon, stream),
            Self::Group { groups, epsilon } => {
                group(GroupNormConfig::new(groups, channels), epsilon, stream)
            }
            Self::Pixel { epsilon } => NormLayer::Pixel(PixelNormConfig { epsilon }.init()),
            Self::VirtualBatch { reference, epsilon } => {
                let config = VirtualBatchNormConfig::new(channels, reference)
                    .with_epsilon(epsilon)
                    .with_initializer(initializer);
                NormLayer::VirtualBatch(config.init(stream, device))
            }
        })
    }
}

/// A normalisation that was chosen by [`Norm`].
#[derive(Module, Debug)]
pub enum NormLayer {
    /// Batch normalisation.
    Batch(BatchNorm),
    /// Instance, layer or group normalisation.
    Group(GroupNorm),
    /// Pixel normalisation.
    Pixel(PixelNorm),
    /// Virtual batch normalisation.
    VirtualBatch(VirtualBatchNorm),
}

impl<const D: usize> Forward<D, D> for NormLayer {
    fn apply(&self, x: Dual<D>) -> Dual<D> {
        match self {
            Self::Batch(norm) => norm.apply(x),
            Self::Group(norm) => norm.apply(x),
            Self::Pixel(norm) => norm.apply(x),
            Self::VirtualBatch(norm) => norm.apply(x),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::parameter_count;
    use crate::testing::assert_jvp;

    const ALL: [Norm; 6] = [
        Norm::None,
        Norm::Batch {
            epsilon: 1e-5,
            momentum: 0.1,
        },
        Norm::Instance { epsilon: 1e-5 },
        Norm::Layer { epsilon: 1e-5 },
        Norm::Group {
            groups: 2,
            epsilon: 1e-5,
        },
        Norm::Pixel { epsilon: 1e-8 },
    ];

    fn init(norm: Norm) -> Option<NormLayer> {
        let mut stream = Stream::new(1, "norm", 0);
        let device = Device::flex().autodiff();
        norm.init(4, Initializer::PyTorch, &mut stream, &device)
    }

    #[test]
    fn tangents_match_central_differences() {
        let device = Device::flex().autodiff();
        for norm in ALL.into_iter().filter(|norm| !norm.couples_samples()) {
            let Some(layer) = init(norm) else { continue };
            let x = Stream::new(1, "x", 0).normal([2, 4, 3, 3], &device);
            assert_jvp(|x| layer.apply(x), x);
        }
    }

    #[test]
    fn they_have_a_weight_and_a_bias_per_channel_or_nothing() {
        let counts = ALL.map(|norm| parameter_count(&init(norm)));
        assert_eq!(counts, [0, 8, 8, 8, 8, 0]);
    }

    #[test]
    fn constants_can_be_left_out_of_a_file() {
        let read = |text: &str| serde_json::from_str::<Norm>(text).expect("it is valid");
        assert_eq!(read(r#"{"batch":{}}"#), Norm::batch());
        assert_eq!(read(r#"{"pixel":{}}"#), Norm::Pixel { epsilon: 1e-8 });
        assert_eq!(read("\"none\""), Norm::None);
        assert!(serde_json::from_str::<Norm>(r#"{"batch":{"eps":1}}"#).is_err());
    }

    #[test]
    fn bad_constants_are_refused() {
        for epsilon in [0.0, -1.0, f64::NAN] {
            assert!(Norm::Instance { epsilon }.validate(4).is_err());
            assert!(Norm::Layer { epsilon }.validate(4).is_err());
            assert!(Norm::Pixel { epsilon }.validate(4).is_err());
            let momentum = 0.1;
            assert!(Norm::Batch { epsilon, momentum }.validate(4).is_err());
        }
        let epsilon = 1e-5;
        for momentum in [-0.1, 1.1, f64::NAN] {
            assert!(Norm::Batch { epsilon, momentum }.validate(4).is_err());
        }
        for groups in [0, 3, 8] {
            assert!(Norm::Group { groups, epsilon }.validate(4).is_err());
        }
        assert!(ALL.iter().all(|norm| norm.validate(4).is_ok()));
        let reference = 2;
        let virtual_batch = Norm::VirtualBatch { reference, epsilon };
        assert!(virtual_batch.validate_with_reference(4).is_ok());
        let refused = virtual_batch.validate(4).unwrap_err().to_string();
        assert!(refused.contains("reference batch"), "{refused}");
    }
}
