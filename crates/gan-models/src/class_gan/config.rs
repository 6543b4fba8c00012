//! Any network for pictures of a class as one configuration.

use burn::prelude::*;
use gan_core::error::ConfigError;
use gan_core::nn::{
    EmbeddingConfig, ImageCriticConfig, ImageGeneratorConfig, ImageShape, Initializer, LabelHead,
};
use gan_core::rng::Stream;
use serde::{Deserialize, Serialize};

use super::networks::{ClassGenerator, EmbeddedGenerator, HeadedCritic, ImageClassCritic};
use crate::biggan::{
    DeepCriticConfig, DeepGeneratorConfig, ResnetCriticConfig, ResnetGeneratorConfig,
};
use crate::cgan::{TwoTowerCriticConfig, TwoTowerGeneratorConfig};
use crate::infogan::ReaderConfig;

/// How a network without a place for classes is told of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClassInput {
    /// Generator: the row of the condition follows the latent; its first dense layer is then also
    /// the embedding. Critic: not at all, which leaves it to a head.
    #[default]
    Plain,
    /// Generator: latent times a trained vector of the class, value by value.
    Multiply,
    /// Critic: a trained picture of the class is one more channel.
    Plane,
}

/// Configuration of any generator of pictures of a class; `kind` says which.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum ClassGeneratorConfig {
    /// Any generator of pictures.
    Image {
        /// How it is told of the class: plain or multiply.
        input: ClassInput,
        /// Takes latents and, if the input is plain, conditions.
        network: ImageGeneratorConfig,
    },
    /// The multilayer perceptron of the paper of 2014.
    TwoTower(TwoTowerGeneratorConfig),
    /// Residual, with conditional batch normalisation.
    Resnet(ResnetGeneratorConfig),
    /// Residual with bottlenecks, of BigGAN-deep.
    Deep(DeepGeneratorConfig),
}

/// Configuration of any critic of pictures of a class; `kind` says which.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[allow(clippy::large_enum_variant)] // There is one per program.
pub enum ClassCriticConfig {
    /// Any critic of pictures, with a head for the class.
    Image {
        /// How it is told of the class: plain or plane.
        input: ClassInput,
        /// What it makes of the class.
        head: LabelHead,
        /// Judges pictures, with one more channel if the input is a plane.
        network: ImageCriticConfig,
        /// Reads the categorical code for the head `information`. Default: none.
        #[serde(default)]
        reader: Option<ReaderConfig>,
    },
    /// The multilayer perceptron of the paper of 2014.
    TwoTower(TwoTowerCriticConfig),
    /// Residual, with a head for the class.
    Resnet(ResnetCriticConfig),
    /// Residual with bottlenecks, of BigGAN-deep.
    Deep(DeepCriticConfig),
}

impl ClassGeneratorConfig {
    /// What is drawn.
    pub fn image(&self) -> ImageShape {
        match self {
            Self::Image { network, .. } => network.image(),
            Self::TwoTower(config) => config.image,
            Self::Resnet(config) => config.image,
            Self::Deep(config) => config.image,
        }
    }

    /// Says what is wrong, for latents and conditions of these sizes.
    ///
    /// # Errors
    ///
    /// If the configuration inside is not valid or takes other sizes.
    pub fn validate(&self, latent: usize, width: usize) -> Result<(), ConfigError> {
        let (given, taken) = match self {
            Self::Image { input, network } => {
                network.validate().map_err(|e| e.within("network"))?;
                let given = match input {
                    ClassInput::Plain => latent + width,
                    ClassInput::Multiply => latent,
                    ClassInput::Plane => {
                        let allowed = "plain or multiply for a generator";
                        return Err(ConfigError::new("input", "plane", allowed));
                    }
                };
                (given, network.latent_size())
            }
            Self::TwoTower(config) => {
                config.validate()?;
                (latent + width, config.latent_size + config.classes)
            }
            Self::Resnet(config) => {
                config.validate()?;
                (latent + width, config.latent_size + config.classes)
            }
            Self::Deep(config) => {
                config.validate()?;
                (latent + width, config.latent_size + config.classes)
            }
        };
        if given != taken {
            let allowed = format!("{given}: latents of {latent} and conditions of {width}");
            return Err(ConfigError::new("latent_size", taken, allowed));
        }
        Ok(())
    }

    /// Draws the parameters, for latents and conditions of these sizes.
    ///
    /// # Panics
    ///
    /// Panics if the configuration is not valid.
    pub fn init(
        &self,
        latent: usize,
        width: usize,
        stream: &mut Stream,
        device: &Device,
    ) -> ClassGenerator {
        match self {
            Self::Image { input, network } => {
                let multiplies = *input == ClassInput::Multiply;
                let vectors = || EmbeddingConfig::new(width, latent).init(stream, device);
                let embedding = multiplies.then(vectors);
                ClassGenerator::Image(EmbeddedGenerator {
                    embedding,
                    network: network.init(stream, device),
                    latent_size: latent,
                })
            }
            Self::TwoTower(config) => ClassGenerator::TwoTower(config.init(stream, device)),
            Self::Resnet(config) => ClassGenerator::Resnet(config.init(stream, device)),
            Self::Deep(config) => ClassGenerator::Deep(config.init(stream, device)),
        }
    }
}

impl ClassCriticConfig {
    /// What is judged.
    pub fn image(&self) -> ImageShape {
        match self {
            Self::Image { input, network, .. } => {
                let image = network.image();
                let planes = usize::from(*input == ClassInput::Plane);
                ImageShape::new(image.channels.saturating_sub(planes), image.size)
            }
            Self::TwoTower(config) => config.image,
            Self::Resnet(config) => config.image,
            Self::Deep(config) => config.image,
        }
    }

    /// Says what is wrong, for conditions of `width` values.
    ///
    /// # Errors
    ///
    /// If the configuration inside is not valid.
    pub fn validate(&self, width: usize) -> Result<(), ConfigError> {
        match self {
            Self::Image {
                input,
                head,
                network,
                reader,
            } => {
                if *input == ClassInput::Multiply {
                    let allowed = "plain or plane for a critic";
                    return Err(ConfigError::new("input", "multiply", allowed));
                }
                head.validate(width).map_err(|e| e.within("head"))?;
                if let Some(reader) = reader {
                    let within = |e: ConfigError| e.within("reader");
                    reader.validate(self.image(), head).map_err(within)?;
                }
                network.validate().map_err(|e| e.within("network"))
            }
            Self::TwoTower(config) => config.validate(),
            Self::Resnet(config) => config.validate(width),
            Self::Deep(config) => config.validate(width),
        }
    }

    /// Whether it can have a gradient penalty: not with batch normalisation.
    pub fn can_be_penalised(&self) -> bool {
        match self {
            Self::Image { network, .. } => network.can_be_penalised(),
            Self::TwoTower(_) | Self::Resnet(_) | Self::Deep(_) => true,
        }
    }

    /// Whether the score of a picture is another one under another class.
    pub fn score_depends_on_class(&self) -> bool {
        match self {
            Self::Image { input, head, .. } => {
                *input == ClassInput::Plane || *head == LabelHead::Projection
            }
            Self::TwoTower(_) => true,
            Self::Resnet(config) => config.head == LabelHead::Projection,
            Self::Deep(config) => config.head == LabelHead::Projection,
        }
    }

    /// Draws the parameters, for conditions of `width` values.
    ///
    /// # Panics
    ///
    /// Panics if the configuration is not valid.
    pub fn init(&self, width: usize, stream: &mut Stream, device: &Device) -> ImageClassCritic {
        match self {
            Self::Image {
                input,
                head,
                network,
                reader: reader_config,
            } => {
                let values = network.image().size.pow(2);
                let plane = (*input == ClassInput::Plane).then(|| {
                    // Fainter than pictures, which are in [-1, 1]: it begins as noise.
                    let config = EmbeddingConfig::new(width, values)
                        .with_initializer(Initializer::Normal { std: 0.1 });
                    config.init(stream, device)
                });
                let network_config = network;
                let network = network_config.init(stream, device);
                let categories = match head {
                    LabelHead::Information { categories, .. } => *categories,
                    _ => 0,
                };
                let reader = |config: &ReaderConfig| config.init(categories, stream, device);
                let reader = reader_config.as_ref().map(reader);
                // A head begins like a layer in front of a linear output.
                let initializer = match network_config.initializer() {
                    Initializer::KaimingNormal { .. } => Initializer::KaimingNormal { gain: 1.0 },
                    other => other,
                };
                let spectral_norm = network_config.spectral_norm();
                let sizes = (network.feature_size(), width);
                let head = head.init(sizes, initializer, spectral_norm, stream, device);
                ImageClassCritic::Image(HeadedCritic {
                    plane,
                    network,
                    reader,
                    head,
                })
            }
            Self::TwoTower(config) => ImageClassCritic::TwoTower(config.init(stream, device)),
            Self::Resnet(config) => ImageClassCritic::Resnet(config.init(width, stream, device)),
            Self::Deep(config) => ImageClassCritic::Deep(config.init(width, stream, device)),
        }
    }
}
