//! Residual blocks.

use burn::module::Module;
use burn::prelude::*;
use serde::{Deserialize, Serialize};

use super::{
    Activation, Conv2d, Conv2dConfig, Initializer, Norm, NormActivation, SpectralNormConfig,
};
use crate::dual::{Dual, Forward};
use crate::error::ConfigError;
use crate::rng::Stream;

/// What happens to height and width.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Resample {
    /// They are halved, by means over squares of two pixels.
    Down,
    /// They are doubled, by repeating pixels.
    Up,
    /// They stay.
    Same,
}

/// Configuration to create a [`ResidualBlock`] using the [init function](ResidualBlockConfig::init).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResidualBlockConfig {
    /// Channels that come in, 1 or more.
    pub in_channels: usize,
    /// Channels that go out, 1 or more.
    pub out_channels: usize,
    /// What happens to height and width.
    pub resample: Resample,
    /// Before each activation.
    pub norm: Norm,
    /// Before each 3 × 3 convolution.
    pub activation: Activation,
    /// Initial values.
    pub initializer: Initializer,
    /// Weights divided by their largest singular value. Default: no.
    #[serde(default)]
    pub spectral_norm: Option<SpectralNormConfig>,
}

impl ResidualBlockConfig {
    /// Says what is wrong.
    ///
    /// # Errors
    ///
    /// If a part of it is not valid.
    pub fn validate(&self) -> Result<(), ConfigError> {
        super::check_size("in_channels", self.in_channels)?;
        super::check_size("out_channels", self.out_channels)?;
        let norm = |channels| self.norm.validate(channels).map_err(|e| e.within("norm"));
        norm(self.in_channels)?;
        norm(self.out_channels)?;
        self.activation
            .validate()
            .map_err(|e| e.within("activation"))?;
        self.initializer.validate()
    }

    /// Draws the parameters.
    ///
    /// # Panics
    ///
    /// Panics if the configuration is not valid.
    pub fn init(&self, stream: &mut Stream, device: &Device) -> ResidualBlock {
        super::expect_valid(self.validate());
        let (inside, outside) = (self.in_channels, self.out_channels);
        let conv = |from: usize, to: usize, kernel: usize| {
            Conv2dConfig::new(from, to, kernel)
                .with_padding(kernel / 2)
                .with_initializer(self.initializer)
                .with_spectral_norm(self.spectral_norm)
        };
        let before = |channels: usize, stream: &mut Stream| {
            let Self {
                norm,
                activation,
                initializer,
                ..
            } = *self;
            NormActivation::new(channels, norm, activation, initializer, stream, device)
        };
        let cancels_bias = self.norm.cancels_bias();
        ResidualBlock {
            before_1: before(inside, stream),
            conv_1: conv(inside, outside, 3)
                .with_bias(!cancels_bias)
                .init(stream, device),
            before_2: before(outside, stream),
            conv_2: conv(outside, outside, 3).init(stream, device),
            skip: (inside != outside).then(|| {
                let skip = conv(inside, outside, 1).with_bias(false);
                skip.init(stream, device)
            }),
            resample: self.resample,
        }
    }
}

/// `(branch(x) + skip(x)) / √2`, activations first: [He et al.](https://arxiv.org/abs/1603.05027),
/// scaled as in [StyleGAN2](https://arxiv.org/abs/1912.04958).
///
/// The branch is normalisation, activation, doubling, 3 × 3 convolution, normalisation, activation,
/// 3 × 3 convolution, halving. The skip resizes likewise; where the channels change it has a 1 × 1
/// convolution without bias.
///
/// Should be created using [`ResidualBlockConfig`].
#[derive(Module, Debug)]
pub struct ResidualBlock {
    /// Before the first convolution.
    pub before_1: NormActivation,
    /// `in → out`, 3 × 3.
    pub conv_1: Conv2d,
    /// Before the second convolution.
    pub before_2: NormActivation,
    /// `out → out`, 3 × 3.
    pub conv_2: Conv2d,
    /// `in → out`, 1 × 1, where the channels change.
    pub skip: Option<Conv2d>,
    /// What happens to height and width.
    #[module(skip)]
    pub resample: Resample,
}

impl ResidualBlock {
    /// Applies the block.
    ///
    /// # Shapes
    ///
    /// - input: `[batch, in, height, width]`
    /// - output: `[batch, out, height', width']`, resampled
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        self.apply(x.into()).primal
    }

    fn shortcut(&self, x: Dual<4>) -> Dual<4> {
        let project = |x: Dual<4>| match &self.skip {
            Some(skip) => skip.apply(x),
            None => x,
        };
        // A 1 × 1 convolution and a resampling commute; the smaller picture is the cheaper.
        match self.resample {
            Resample::Down => project(x.avg_pool2d(2)),
            Resample::Up => project(x).upsample_nearest(),
            Resample::Same => project(x),
        }
    }
}

impl Forward<4, 4> for ResidualBlock {
    fn apply(&self, x: Dual<4>) -> Dual<4> {
        let mut y = self.before_1.apply(x.clone());
        if self.resample == Resample::Up {
            y = y.upsample_nearest();
        }
        y = self.before_2.apply(self.conv_1.apply(y));
        y = self.conv_2.apply(y);
        if self.resample == Resample::Down {
            y = y.avg_pool2d(2);
        }
        (y + self.shortcut(x)) * std::f64::consts::FRAC_1_SQRT_2
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{assert_close, assert_jvp};

    const RESAMPLES: [(Resample, usize); 3] =
        [(Resample::Down, 2), (Resample::Up, 8), (Resample::Same, 4)];

    fn config(resample: Resample, out_channels: usize) -> ResidualBlockConfig {
        ResidualBlockConfig {
            in_channels: 3,
            out_channels,
            resample,
            norm: Norm::Layer { epsilon: 1e-5 },
            activation: Activation::Tanh,
            initializer: Initializer::PyTorch,
            spectral_norm: None,
        }
    }

    fn block(config: ResidualBlockConfig) -> ResidualBlock {
        config.init(&mut Stream::new(1, "block", 0), &Device::flex())
    }

    fn picture() -> Tensor<4> {
        Stream::new(1, "x", 0).normal([2, 3, 4, 4], &Device::flex())
    }

    #[test]
    fn tangents_match_and_sizes_are_right() {
        for (resample, size) in RESAMPLES {
            for out in [3, 5] {
                let block = block(config(resample, out));
                assert_eq!(block.forward(picture()).dims(), [2, out, size, size]);
                assert_jvp(|x| block.apply(x), picture());
            }
        }
    }

    #[test]
    fn with_a_dead_branch_the_skip_is_left() {
        let dead = ResidualBlockConfig {
            initializer: Initializer::Zeros,
            ..config(Resample::Same, 3)
        };
        let y = block(dead).forward(picture());
        assert_close(&y, &(picture() * 0.5f64.sqrt()), 1e-6);
    }

    #[test]
    fn errors_name_the_path() {
        let bad = ResidualBlockConfig {
            norm: Norm::Layer { epsilon: 0.0 },
            ..config(Resample::Same, 3)
        };
        let error = bad.validate().expect_err("epsilon is 0");
        assert_eq!(error.field, "norm.epsilon");
    }
}
