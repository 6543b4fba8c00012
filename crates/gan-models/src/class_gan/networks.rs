//! Any network for pictures of a class as one type.

use burn::module::Module;
use burn::prelude::*;
use gan_core::dual::Dual;
use gan_core::error::ConfigError;
use gan_core::nn::{
    ClassCritic, Critic, Embedding, EmbeddingConfig, Generator, ImageCritic, ImageCriticConfig,
    ImageGenerator, ImageGeneratorConfig, ImageShape, Initializer, LabelHead, LabelHeadLayer,
    Verdict,
};
use gan_core::rng::Stream;
use serde::{Deserialize, Serialize};

use crate::biggan::{
    DeepCritic, DeepCriticConfig, DeepGenerator, DeepGeneratorConfig, ResnetCritic,
    ResnetCriticConfig, ResnetGenerator, ResnetGeneratorConfig,
};
use crate::cgan::{
    TwoTowerCritic, TwoTowerCriticConfig, TwoTowerGenerator, TwoTowerGeneratorConfig,
};
use crate::infogan::{Reader, ReaderConfig};

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

/// A generator of pictures on rows `latent ‖ condition`.
///
/// Should be created using [`ClassGeneratorConfig`].
#[derive(Module, Debug)]
#[allow(clippy::large_enum_variant)] // There is one per program.
pub enum ClassGenerator {
    /// Any generator of pictures.
    Image(EmbeddedGenerator),
    /// The multilayer perceptron of the paper of 2014.
    TwoTower(TwoTowerGenerator),
    /// Residual, with conditional batch normalisation.
    Resnet(ResnetGenerator),
    /// Residual with bottlenecks, of BigGAN-deep.
    Deep(DeepGenerator),
}

impl Generator<4> for ClassGenerator {
    fn generate(&self, rows: Tensor<2>) -> Tensor<4> {
        match self {
            Self::Image(generator) => generator.generate(rows),
            Self::TwoTower(generator) => generator.generate(rows),
            Self::Resnet(generator) => generator.generate(rows),
            Self::Deep(generator) => generator.generate(rows),
        }
    }

    fn latent_size(&self) -> usize {
        match self {
            Self::Image(generator) => generator.latent_size(),
            Self::TwoTower(generator) => generator.latent_size(),
            Self::Resnet(generator) => generator.latent_size(),
            Self::Deep(generator) => generator.latent_size(),
        }
    }
}

/// Any generator of pictures, told of the class at its input.
#[derive(Module, Debug)]
pub struct EmbeddedGenerator {
    /// A vector per class that latents are multiplied with.
    pub embedding: Option<Embedding>,
    /// Draws.
    pub network: ImageGenerator,
    /// Length of a latent without the condition.
    pub latent_size: usize,
}

impl Generator<4> for EmbeddedGenerator {
    fn generate(&self, rows: Tensor<2>) -> Tensor<4> {
        let Some(embedding) = &self.embedding else {
            return self.network.generate(rows);
        };
        let (batch, row) = (rows.dims()[0], rows.dims()[1]);
        let z = rows.clone().slice([0..batch, 0..self.latent_size]);
        let classes = rows.slice([0..batch, self.latent_size..row]);
        self.network.generate(z * embedding.forward(classes))
    }

    fn latent_size(&self) -> usize {
        match &self.embedding {
            Some(embedding) => self.latent_size + embedding.weight.dims()[0],
            None => self.network.latent_size(),
        }
    }
}

/// A critic of pictures of a class.
///
/// Should be created using [`ClassCriticConfig`].
#[derive(Module, Debug)]
#[allow(clippy::large_enum_variant)] // There is one per program.
pub enum ImageClassCritic {
    /// Any critic of pictures, with a head for the class.
    Image(HeadedCritic),
    /// The multilayer perceptron of the paper of 2014.
    TwoTower(TwoTowerCritic),
    /// Residual, with a head for the class.
    Resnet(ResnetCritic),
    /// Residual with bottlenecks, of BigGAN-deep.
    Deep(DeepCritic),
}

/// Any critic of pictures, with a head for the class.
#[derive(Module, Debug)]
pub struct HeadedCritic {
    /// A picture per class: one more channel.
    pub plane: Option<Embedding>,
    /// Judges.
    pub network: ImageCritic,
    /// Reads the categorical code in place of the head.
    pub reader: Option<Reader>,
    /// What it makes of the class.
    pub head: LabelHeadLayer,
}

impl HeadedCritic {
    fn judge(&self, x: Dual<4>, classes: &Tensor<2>) -> Verdict {
        let x = match &self.plane {
            Some(plane) => {
                let [batch, _, height, width] = x.primal.dims();
                let plane = plane.forward(classes.clone());
                let plane = plane.reshape([batch, 1, height, width]);
                Dual::concat(vec![x, plane.into()], 1)
            }
            None => x,
        };
        let (score, features) = self.network.score_with_features(x.clone());
        let features = features.expect("all critics of pictures have features");
        let verdict = self.head.judge(score, features, classes);
        let Some(reader) = &self.reader else {
            return verdict;
        };
        Verdict {
            logits: verdict.logits.map(|own| reader.code(x.primal, own)),
            ..verdict
        }
    }
}

impl ImageClassCritic {
    fn head(&self) -> Option<&LabelHeadLayer> {
        match self {
            Self::Image(critic) => Some(&critic.head),
            Self::Resnet(critic) => Some(&critic.head),
            Self::Deep(critic) => Some(&critic.head),
            Self::TwoTower(_) => None,
        }
    }
}

impl ClassCritic for ImageClassCritic {
    fn judge(&self, x: Dual<4>, classes: &Tensor<2>) -> Verdict {
        match self {
            Self::Image(critic) => critic.judge(x, classes),
            Self::TwoTower(critic) => critic.judge(x, classes),
            Self::Resnet(critic) => critic.judge(x, classes),
            Self::Deep(critic) => critic.judge(x, classes),
        }
    }

    fn couples_samples(&self) -> bool {
        match self {
            Self::Image(critic) => critic.network.couples_samples() || critic.reader.is_some(),
            Self::TwoTower(_) | Self::Resnet(_) | Self::Deep(_) => false,
        }
    }

    fn critic_class_loss(
        &self,
        real: (&Verdict, &Tensor<2>),
        fake: (&Verdict, &Tensor<2>),
    ) -> Option<Tensor<1>> {
        self.head()?.critic_loss(real, fake)
    }

    fn real_loss(&self, real: &Tensor<4>, stream: &mut Stream) -> Option<Tensor<1>> {
        match self {
            Self::Image(critic) => Some(critic.reader.as_ref()?.loss(real, stream)),
            Self::TwoTower(_) | Self::Resnet(_) | Self::Deep(_) => None,
        }
    }

    fn generator_class_loss(&self, fake: &Verdict, classes: &Tensor<2>) -> Option<Tensor<1>> {
        self.head()?.generator_loss(fake, classes)
    }
}
