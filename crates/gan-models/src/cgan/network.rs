//! The multilayer perceptrons of the paper: a tower for pictures or latents, one for classes, and
//! layers on both.

use burn::module::Module;
use burn::prelude::*;
use gan_core::dual::{Dual, Forward};
use gan_core::error::ConfigError;
use gan_core::nn::{
    Activation, Generator, ImageShape, Initializer, Linear, LinearConfig, Maxout, MaxoutConfig,
    Verdict,
};
use gan_core::rng::Stream;
use serde::{Deserialize, Serialize};

/// Configuration to create a [`TwoTowerGenerator`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TwoTowerGeneratorConfig {
    /// What is drawn.
    pub image: ImageShape,
    /// Length of a latent; 100 in the paper.
    pub latent_size: usize,
    /// Number of classes.
    pub classes: usize,
    /// Units on the latent; 200 in the paper.
    pub latent_units: usize,
    /// Units on the class; 1000 in the paper.
    pub class_units: usize,
    /// Units on both; 1200 in the paper.
    pub joint_units: usize,
    /// Initial values.
    pub initializer: Initializer,
}

impl TwoTowerGeneratorConfig {
    /// Says what is wrong.
    ///
    /// # Errors
    ///
    /// If a size is 0 or a part is not valid.
    pub fn validate(&self) -> Result<(), ConfigError> {
        self.image.validate()?;
        check_sizes(&[
            ("latent_size", self.latent_size),
            ("classes", self.classes),
            ("latent_units", self.latent_units),
            ("class_units", self.class_units),
            ("joint_units", self.joint_units),
        ])?;
        self.initializer.validate()
    }

    /// Draws the parameters.
    ///
    /// # Panics
    ///
    /// Panics if a size is 0.
    pub fn init(&self, stream: &mut Stream, device: &Device) -> TwoTowerGenerator {
        let mut linear = |from, to| {
            let config = LinearConfig::new(from, to).with_initializer(self.initializer);
            config.init(stream, device)
        };
        let joined = self.latent_units + self.class_units;
        TwoTowerGenerator {
            latent: linear(self.latent_size, self.latent_units),
            class: linear(self.classes, self.class_units),
            joint: linear(joined, self.joint_units),
            output: linear(self.joint_units, self.image.num_values()),
            image: self.image,
            latent_size: self.latent_size,
            classes: self.classes,
        }
    }
}

/// Section 4.1 of the paper: ReLU units on the latent and on the class, ReLU units on both, pixels.
///
/// Differs from the paper in the last function: tanh, for pictures in `[-1, 1]`, and not a sigmoid.
#[derive(Module, Debug)]
pub struct TwoTowerGenerator {
    /// On the latent.
    pub latent: Linear,
    /// On the class.
    pub class: Linear,
    /// On both.
    pub joint: Linear,
    /// The pixels.
    pub output: Linear,
    /// What is drawn.
    #[module(skip)]
    pub image: ImageShape,
    /// Length of a latent.
    pub latent_size: usize,
    /// Number of classes.
    pub classes: usize,
}

impl Generator<4> for TwoTowerGenerator {
    fn generate(&self, rows: Tensor<2>) -> Tensor<4> {
        let batch = rows.dims()[0];
        let relu = |layer: &Linear, x: Tensor<2>| Activation::Relu.apply(layer.apply(x.into()));
        let z = rows.clone().narrow(1, 0, self.latent_size);
        let classes = rows.narrow(1, self.latent_size, self.classes);
        let both = vec![relu(&self.latent, z), relu(&self.class, classes)];
        let joint = relu(&self.joint, Dual::concat(both, 1).primal);
        let ImageShape { channels, size } = self.image;
        let pixels = self.output.apply(joint).tanh();
        pixels.primal.reshape([batch, channels, size, size])
    }

    fn latent_size(&self) -> usize {
        self.latent_size + self.classes
    }
}

/// Configuration to create a [`TwoTowerCritic`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TwoTowerCriticConfig {
    /// What is judged.
    pub image: ImageShape,
    /// Number of classes.
    pub classes: usize,
    /// Units and pieces of the maxout layer on the picture; 240 and 5 in the paper.
    pub image_units: [usize; 2],
    /// Units and pieces of the maxout layer on the class; 50 and 5 in the paper.
    pub class_units: [usize; 2],
    /// Units and pieces of the maxout layer on both; 240 and 4 in the paper.
    pub joint_units: [usize; 2],
    /// Initial values.
    pub initializer: Initializer,
}

impl TwoTowerCriticConfig {
    /// Says what is wrong.
    ///
    /// # Errors
    ///
    /// If a size is 0 or a part is not valid.
    pub fn validate(&self) -> Result<(), ConfigError> {
        self.image.validate()?;
        check_sizes(&[
            ("classes", self.classes),
            ("image_units", smaller(self.image_units)),
            ("class_units", smaller(self.class_units)),
            ("joint_units", smaller(self.joint_units)),
        ])?;
        self.initializer.validate()
    }

    /// Draws the parameters.
    ///
    /// # Panics
    ///
    /// Panics if a size is 0.
    pub fn init(&self, stream: &mut Stream, device: &Device) -> TwoTowerCritic {
        let mut maxout = |from, [units, pieces]: [usize; 2]| {
            let config = MaxoutConfig::new(from, units, pieces);
            let config = config.with_initializer(self.initializer);
            config.init(stream, device)
        };
        let joined = self.image_units[0] + self.class_units[0];
        let image = maxout(self.image.num_values(), self.image_units);
        let class = maxout(self.classes, self.class_units);
        let joint = maxout(joined, self.joint_units);
        let logit = LinearConfig::new(self.joint_units[0], 1).with_initializer(self.initializer);
        TwoTowerCritic {
            image,
            class,
            joint,
            logit: logit.init(stream, device),
        }
    }
}

/// Section 4.1 of the paper: maxout units on the picture and on the class, maxout units on both.
///
/// Differs from the paper: no dropout.
#[derive(Module, Debug)]
pub struct TwoTowerCritic {
    /// On the picture.
    pub image: Maxout,
    /// On the class.
    pub class: Maxout,
    /// On both.
    pub joint: Maxout,
    /// The score.
    pub logit: Linear,
}

impl TwoTowerCritic {
    /// The verdict on pictures of `classes`.
    pub fn judge(&self, x: Dual<4>, classes: &Tensor<2>) -> Verdict {
        let class = self.class.apply(classes.clone().into());
        let both = Dual::concat(vec![self.image.apply(x.flatten()), class], 1);
        let features = self.joint.apply(both);
        Verdict {
            score: self.logit.apply(features.clone()),
            logits: None,
            second: None,
            features: features.primal,
        }
    }
}

fn smaller([units, pieces]: [usize; 2]) -> usize {
    units.min(pieces)
}

fn check_sizes(sizes: &[(&str, usize)]) -> Result<(), ConfigError> {
    match sizes.iter().find(|(_, size)| *size == 0) {
        Some((field, _)) => Err(ConfigError::new(*field, 0, "1 or more")),
        None => Ok(()),
    }
}
