//! A critic's last layer that knows the label.

use burn::module::Module;
use burn::prelude::*;
use serde::{Deserialize, Serialize};

use super::{Initializer, Linear, LinearConfig, SpectralNormConfig};
use crate::dual::{Dual, Forward};
use crate::error::ConfigError;
use crate::rng::Stream;

/// Configuration to create a [`Projection`] layer using the [init function](ProjectionConfig::init).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProjectionConfig {
    /// Features per sample, 1 or more.
    pub features: usize,
    /// Number of classes, 1 or more.
    pub classes: usize,
    /// Spectral normalisation of both layers, as in the paper. Default: none.
    #[serde(default)]
    pub spectral_norm: Option<SpectralNormConfig>,
    /// Initial values of both layers. Default: PyTorch's.
    pub initializer: Initializer,
}

impl ProjectionConfig {
    /// No spectral normalisation, PyTorch's initial values.
    pub fn new(features: usize, classes: usize) -> Self {
        Self {
            features,
            classes,
            spectral_norm: None,
            initializer: Initializer::PyTorch,
        }
    }

    /// Spectral normalisation of both layers.
    #[must_use]
    pub fn with_spectral_norm(self, spectral_norm: Option<SpectralNormConfig>) -> Self {
        Self {
            spectral_norm,
            ..self
        }
    }

    /// Initial values of both layers.
    #[must_use]
    pub fn with_initializer(self, initializer: Initializer) -> Self {
        Self {
            initializer,
            ..self
        }
    }

    /// Says what is wrong.
    ///
    /// # Errors
    ///
    /// If a size is 0 or the initialiser is not valid.
    pub fn validate(&self) -> Result<(), ConfigError> {
        super::check_size("features", self.features)?;
        super::check_size("classes", self.classes)?;
        self.initializer.validate()
    }

    /// Draws the parameters.
    ///
    /// # Panics
    ///
    /// Panics if the configuration is not valid.
    pub fn init(&self, stream: &mut Stream, device: &Device) -> Projection {
        super::expect_valid(self.validate());
        let mut layer = |outputs, bias| {
            let config = LinearConfig::new(self.features, outputs)
                .with_bias(bias)
                .with_initializer(self.initializer)
                .with_spectral_norm(self.spectral_norm);
            config.init(stream, device)
        };
        Projection {
            logit: layer(1, true),
            embedding: layer(self.classes, false),
        }
    }
}

/// A logit that takes the label into account: `⟨embedding_y, h⟩ + ψ(h)` for features `h` and label `y`,
/// [cGANs with Projection Discriminator](https://arxiv.org/abs/1802.05637), equation 3.
///
/// Should be created using [`ProjectionConfig`].
#[derive(Module, Debug)]
pub struct Projection {
    /// `features → 1`: how real, whatever the label.
    pub logit: Linear,
    /// `features → classes`, without bias: row `y` is the embedding of class `y`.
    pub embedding: Linear,
}

impl Projection {
    /// Judges features with their labels. The label has no tangent: penalties are in the features.
    ///
    /// # Shapes
    ///
    /// - features: `[batch, features]`
    /// - labels: `[batch]`, below the number of classes
    /// - output: `[batch, 1]`
    ///
    /// # Panics
    ///
    /// Panics if there are not as many labels as rows of features.
    pub fn apply(&self, features: Dual<2>, labels: Tensor<1, Int>) -> Dual<2> {
        let batch = features.primal.dims()[0];
        assert_eq!(
            labels.dims(),
            [batch],
            "Projection: one label per row of features"
        );
        let labels = labels.reshape([batch, 1]);
        let per_class = self.embedding.apply(features.clone());
        self.logit.apply(features) + per_class.linear_map(|x| x.gather(1, labels.clone()))
    }
}

#[cfg(test)]
mod tests {
    use burn::module::Param;

    use super::*;
    use crate::testing::{assert_jvp, values};

    fn layer(spectral_norm: Option<SpectralNormConfig>) -> Projection {
        let config = ProjectionConfig::new(4, 3).with_spectral_norm(spectral_norm);
        config.init(&mut Stream::new(7, "projection", 0), &Device::flex())
    }

    fn labels(labels: [i32; 2]) -> Tensor<1, Int> {
        Tensor::from_ints(labels, &Device::flex())
    }

    #[test]
    fn the_tangent_matches_a_central_difference() {
        let x = Stream::new(1, "x", 0).normal([2, 4], &Device::flex());
        for spectral_norm in [None, Some(SpectralNormConfig::default())] {
            let layer = layer(spectral_norm);
            assert_jvp(|x| layer.apply(x, labels([2, 0])), x.clone());
        }
    }

    #[test]
    fn the_row_of_the_label_is_multiplied_with_the_features() {
        let device = Device::flex();
        let mut layer = ProjectionConfig::new(2, 3).init(&mut Stream::new(7, "p", 0), &device);
        let (logit, embedding) = (&mut layer.logit, &mut layer.embedding);
        assert!(embedding.bias.is_none());
        logit.weight = Param::from_data([[1.0f32, 1.0]], &device);
        logit.bias = Some(Param::from_data([0.5f32], &device));
        embedding.weight = Param::from_data([[0.0f32, 0.0], [2.0, 0.0], [0.0, 3.0]], &device);
        let x = Tensor::from_floats([[1.0, 10.0], [1.0, 10.0]], &device);
        let y = layer.apply(x.into(), labels([1, 2])).primal;
        assert_eq!(values(&y), [11.5 + 2.0, 11.5 + 30.0]);
    }

    #[test]
    #[should_panic(expected = "one label per row")]
    fn every_row_needs_a_label() {
        let x = Tensor::<2>::zeros([3, 4], &Device::flex());
        layer(None).apply(x.into(), labels([0, 1]));
    }

    #[test]
    fn bad_configurations_are_refused() {
        let field = |config: ProjectionConfig| config.validate().expect_err("bad").field;
        assert_eq!(field(ProjectionConfig::new(0, 3)), "features");
        assert_eq!(field(ProjectionConfig::new(4, 0)), "classes");
    }
}
