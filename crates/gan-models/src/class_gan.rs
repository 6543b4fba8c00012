//! A whole GAN that knows classes as one configuration: what a file in a run folder holds.

use burn::module::Module;
use burn::prelude::*;
use gan_core::dual::Dual;
use gan_core::error::ConfigError;
use gan_core::game::{ClassBatch, ClassGan, GanConfig};
use gan_core::nn::{
    ClassCritic, Critic, Embedding, EmbeddingConfig, Generator, ImageCritic, ImageCriticConfig,
    ImageGenerator, ImageGeneratorConfig, ImageShape, Initializer, LabelHead, LabelHeadLayer,
    Verdict,
};
use gan_core::rng::Stream;
use gan_core::sample::{Condition, LatentPrior};
use serde::{Deserialize, Serialize};

use crate::biggan::{ResnetCritic, ResnetCriticConfig, ResnetGenerator, ResnetGeneratorConfig};
use crate::cgan::{
    TwoTowerCritic, TwoTowerCriticConfig, TwoTowerGenerator, TwoTowerGeneratorConfig,
};
use crate::model::{Model, Rows};
use crate::preset::{check_batch, check_total_kimg};

/// The game that a [`ClassGanConfig`] makes.
pub type ImageClassGan = ClassGan<ClassGenerator, ImageClassCritic>;

/// Two networks that know classes, how they play, and for how long.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClassGanConfig {
    /// Name of the preset this began as.
    pub preset: String,
    /// What the generator is told beside the latent.
    pub condition: Condition,
    /// Draws.
    pub generator: ClassGeneratorConfig,
    /// Judges.
    pub critic: ClassCriticConfig,
    /// How the two play; the latent is without the condition.
    pub gan: GanConfig,
    /// Real pictures in a round, over all critic steps; 1 or more.
    pub batch_size: usize,
    /// Thousands of real pictures until training is over, above 0.
    pub total_kimg: f64,
}

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
}

/// Configuration of any critic of pictures of a class; `kind` says which.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum ClassCriticConfig {
    /// Any critic of pictures, with a head for the class.
    Image {
        /// How it is told of the class: plain or plane.
        input: ClassInput,
        /// What it makes of the class.
        head: LabelHead,
        /// Judges pictures, with one more channel if the input is a plane.
        network: ImageCriticConfig,
    },
    /// The multilayer perceptron of the paper of 2014.
    TwoTower(TwoTowerCriticConfig),
    /// Residual, with a head for the class.
    Resnet(ResnetCriticConfig),
}

impl ClassGeneratorConfig {
    /// What is drawn.
    pub fn image(&self) -> ImageShape {
        match self {
            Self::Image { network, .. } => network.image(),
            Self::TwoTower(config) => config.image,
            Self::Resnet(config) => config.image,
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
            } => {
                if *input == ClassInput::Multiply {
                    let allowed = "plain or plane for a critic";
                    return Err(ConfigError::new("input", "multiply", allowed));
                }
                head.validate(width).map_err(|e| e.within("head"))?;
                network.validate().map_err(|e| e.within("network"))
            }
            Self::TwoTower(config) => config.validate(),
            Self::Resnet(config) => config.validate(width),
        }
    }

    /// Whether it can have a gradient penalty: not with batch normalisation.
    pub fn can_be_penalised(&self) -> bool {
        match self {
            Self::Image { network, .. } => network.can_be_penalised(),
            Self::TwoTower(_) | Self::Resnet(_) => true,
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
            } => {
                let initializer = match network {
                    ImageCriticConfig::Mlp(config) => config.initializer,
                    ImageCriticConfig::Conv(config) => config.initializer,
                };
                let values = network.image().size.pow(2);
                let plane = (*input == ClassInput::Plane).then(|| {
                    // Fainter than pictures, which are in [-1, 1]: it begins as noise.
                    let config = EmbeddingConfig::new(width, values)
                        .with_initializer(Initializer::Normal { std: 0.1 });
                    config.init(stream, device)
                });
                let network_config = network;
                let network = network_config.init(stream, device);
                let features = network.feature_size();
                // A head begins like a layer in front of a linear output.
                let initializer = match initializer {
                    Initializer::KaimingNormal { .. } => Initializer::KaimingNormal { gain: 1.0 },
                    other => other,
                };
                let spectral_norm = match network_config {
                    ImageCriticConfig::Mlp(config) => config.spectral_norm,
                    ImageCriticConfig::Conv(config) => config.spectral_norm,
                };
                let sizes = (features, width);
                let head = head.init(sizes, initializer, spectral_norm, stream, device);
                ImageClassCritic::Image(HeadedCritic {
                    plane,
                    network,
                    head,
                })
            }
            Self::TwoTower(config) => ImageClassCritic::TwoTower(config.init(stream, device)),
            Self::Resnet(config) => ImageClassCritic::Resnet(config.init(width, stream, device)),
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
}

impl Generator<4> for ClassGenerator {
    fn generate(&self, rows: Tensor<2>) -> Tensor<4> {
        match self {
            Self::Image(generator) => generator.generate(rows),
            Self::TwoTower(generator) => generator.generate(rows),
            Self::Resnet(generator) => generator.generate(rows),
        }
    }

    fn latent_size(&self) -> usize {
        match self {
            Self::Image(generator) => generator.latent_size(),
            Self::TwoTower(generator) => generator.latent_size(),
            Self::Resnet(generator) => generator.latent_size(),
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
}

/// Any critic of pictures, with a head for the class.
#[derive(Module, Debug)]
pub struct HeadedCritic {
    /// A picture per class: one more channel.
    pub plane: Option<Embedding>,
    /// Judges.
    pub network: ImageCritic,
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
        let (score, features) = self.network.score_with_features(x);
        let features = features.expect("all critics of pictures have features");
        self.head.judge(score, features, classes)
    }
}

impl ImageClassCritic {
    fn head(&self) -> Option<&LabelHeadLayer> {
        match self {
            Self::Image(critic) => Some(&critic.head),
            Self::Resnet(critic) => Some(&critic.head),
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
        }
    }

    fn couples_samples(&self) -> bool {
        match self {
            Self::Image(critic) => critic.network.couples_samples(),
            Self::TwoTower(_) | Self::Resnet(_) => false,
        }
    }

    fn critic_class_loss(
        &self,
        real: (&Verdict, &Tensor<2>),
        fake: (&Verdict, &Tensor<2>),
    ) -> Option<Tensor<1>> {
        self.head()?.critic_loss(real, fake)
    }

    fn generator_class_loss(&self, fake: &Verdict, classes: &Tensor<2>) -> Option<Tensor<1>> {
        self.head()?.generator_loss(fake, classes)
    }
}

impl Model for ClassGanConfig {
    type Game = ImageClassGan;

    const PRESETS: &'static [&'static str] = &crate::preset::CLASS_PRESETS;

    fn preset(name: &str, image: ImageShape, classes: usize) -> Result<Self, ConfigError> {
        crate::preset::class_preset(name, image, classes)
    }

    fn name(&self) -> &str {
        &self.preset
    }

    /// # Errors
    ///
    /// If a part is not valid; if generator and critic are for different pictures, or generator and
    /// game for different rows; if a critic with batch normalisation has a gradient penalty; if the
    /// critic steps do not divide the batch, or leave parts of one picture.
    fn validate(&self) -> Result<(), ConfigError> {
        let within = |parent| move |error: ConfigError| error.within(parent);
        self.condition.validate()?;
        let (latent, width) = (self.gan.latent.size(), self.condition.width());
        let generator = self.generator.validate(latent, width);
        generator.map_err(within("generator"))?;
        self.critic.validate(width).map_err(within("critic"))?;
        self.gan.validate().map_err(within("gan"))?;
        let (drawn, judged) = (self.generator.image(), self.critic.image());
        if drawn != judged {
            let text = |i: ImageShape| format!("{}x{}x{}", i.channels, i.size, i.size);
            let allowed = format!("{}, what the generator draws", text(drawn));
            return Err(ConfigError::new("critic.image", text(judged), allowed));
        }
        if self.gan.penalty.is_some() && !self.critic.can_be_penalised() {
            let allowed = "anything but batch normalisation in a critic with a gradient penalty";
            return Err(ConfigError::new("critic.norm", "batch", allowed));
        }
        check_batch(self.batch_size, self.gan.critic_steps, 2)?;
        check_total_kimg(self.total_kimg)
    }

    fn image(&self) -> ImageShape {
        self.generator.image()
    }

    fn batch_size(&self) -> usize {
        self.batch_size
    }

    fn total_kimg(&self) -> f64 {
        self.total_kimg
    }

    fn latent(&self) -> LatentPrior {
        self.gan.latent
    }

    fn is_convolutional(&self) -> bool {
        match &self.generator {
            ClassGeneratorConfig::Image { network, .. } => {
                matches!(network, ImageGeneratorConfig::Conv(_))
            }
            ClassGeneratorConfig::TwoTower(_) => false,
            ClassGeneratorConfig::Resnet(_) => true,
        }
    }

    fn num_classes(&self) -> usize {
        self.condition.choices()
    }

    fn num_labels(&self) -> usize {
        match self.condition {
            Condition::Classes { count } => count,
            Condition::Code { .. } => 0,
        }
    }

    fn init(&self, seed: u64, device: &Device) -> Result<ImageClassGan, ConfigError> {
        self.validate()?;
        let device = device.clone().autodiff();
        let (latent, width) = (self.gan.latent.size(), self.condition.width());
        let generator = &mut Stream::new(seed, "generator-weights", 0);
        let critic = &mut Stream::new(seed, "critic-weights", 0);
        ClassGan::new(
            self.gan,
            self.condition,
            self.generator.init(latent, width, generator, &device),
            self.critic.init(width, critic, &device),
        )
    }

    fn batch(images: Tensor<4>, labels: Option<Tensor<1, Int>>) -> ClassBatch {
        ClassBatch { images, labels }
    }

    /// A row of pictures per class, at most 16 of them; the same latents in all rows.
    fn fixed_rows(&self, columns: usize, stream: &mut Stream, device: &Device) -> Rows {
        let shown = self.num_classes().clamp(1, 16);
        let latents = self.gan.latent.draw(columns, stream, device);
        let condition = if self.num_classes() == 0 {
            self.condition.draw(columns, stream, device)
        } else {
            let classes: Vec<usize> = (0..shown * columns).map(|i| i / columns).collect();
            self.condition.of_classes(&classes, device)
        };
        Rows {
            latents: latents.repeat_dim(0, shown),
            condition: Some(condition),
        }
    }

    fn rows(
        &self,
        seeds: &[u64],
        classes: &[usize],
        truncation: Option<f64>,
        device: &Device,
    ) -> Rows {
        Rows {
            latents: self.gan.latent.by_seed(seeds, truncation, device),
            condition: Some(self.condition.by_seed(seeds, classes, device)),
        }
    }
}

#[cfg(test)]
mod tests {
    use gan_core::game::{Clock, Game, SampleRequest};
    use gan_core::loss::AdversarialLoss;
    use gan_core::nn::Norm;

    use super::*;
    use crate::{CLASS_PRESETS, class_preset};

    const CLASSES: usize = 3;

    fn image() -> ImageShape {
        ImageShape::new(1, 8)
    }

    fn labelled(clock: &Clock, image: ImageShape, count: usize) -> ClassBatch {
        let shape = [count, image.channels, image.size, image.size];
        let device = Device::flex();
        let images = clock.stream("real").uniform(shape, -1.0, 1.0, &device);
        let labels: Vec<i64> = (0..count).map(|i| (i % CLASSES) as i64).collect();
        ClassBatch {
            images,
            labels: Some(Tensor::from_data(TensorData::new(labels, [count]), &device)),
        }
    }

    fn play(config: &ClassGanConfig, game: &mut ImageClassGan, rounds: core::ops::Range<u64>) {
        for round in rounds {
            let mut clock = Clock::new(1);
            (clock.round, clock.images) = (round, 6 * round);
            let batch = config.batch_size as u64;
            clock.images = batch * round;
            let report = game.round(labelled(&clock, config.image(), config.batch_size), &clock);
            for (scalar, value) in report.read() {
                assert!(value.is_finite(), "{}: {scalar} is {value}", config.preset);
            }
        }
    }

    fn small(name: &str) -> ClassGanConfig {
        let mut config = class_preset(name, image(), CLASSES).unwrap();
        config.batch_size = 4 * config.gan.critic_steps;
        config
    }

    /// Names of the heads, for the table of heads.
    fn with_head(head: LabelHead) -> ClassGanConfig {
        let mut config = small("acgan");
        match &mut config.critic {
            ClassCriticConfig::Image { head: old, .. } => *old = head,
            other => panic!("{other:?}"),
        }
        config.preset = format!("{head:?}");
        config
    }

    fn heads() -> Vec<LabelHead> {
        vec![
            LabelHead::Projection,
            LabelHead::auxiliary(),
            LabelHead::TwinAuxiliary { weight: 1.0 },
            LabelHead::KPlusOne { weight: 1.0 },
            LabelHead::AuxiliaryDiscriminative { weight: 1.0 },
            LabelHead::Contrastive {
                size: 5,
                temperature: 1.0,
                weight: 1.0,
            },
            LabelHead::DataToData {
                size: 5,
                temperature: 0.5,
                positive_margin: 0.98,
                negative_margin: -0.02,
                weight: 1.0,
            },
        ]
    }

    fn assert_everybody_moves(config: &ClassGanConfig) {
        let device = Device::flex();
        let mut game = config.init(1, &device).unwrap();
        let before = game.state();
        play(config, &mut game, 0..2);
        let after = game.state();
        for group in ["generator", "critic"] {
            for (path, old) in &before.groups[group] {
                // A single row has a single direction.
                if path.ends_with("spectral_norm.u") && old.shape().to_vec() == [1] {
                    continue;
                }
                // A relativistic loss sees differences of scores only.
                let relativistic = config.gan.loss == AdversarialLoss::RelativisticAverage;
                if relativistic && path.ends_with("logit.bias") {
                    continue;
                }
                let new = &after.groups[group][path];
                assert_ne!(new, old, "{}: {group} {path} did not move", config.preset);
            }
        }
        let rows = config.fixed_rows(2, &mut Stream::new(1, "rows", 0), &device);
        let request = SampleRequest {
            latents: rows.joined(),
            averaged: true,
        };
        let drawn = game.sample(&request).dims();
        let shown = config.num_classes();
        assert_eq!(drawn, [2 * shown, 1, 8, 8], "{}", config.preset);
    }

    #[test]
    fn every_preset_plays_two_rounds_and_all_parameters_move() {
        for name in CLASS_PRESETS {
            assert_everybody_moves(&small(name));
        }
    }

    #[test]
    fn every_head_plays_two_rounds_and_all_parameters_move() {
        for head in heads() {
            assert_everybody_moves(&with_head(head));
        }
    }

    #[test]
    fn every_preset_goes_on_to_the_bit_after_a_restore() {
        let device = Device::flex();
        for name in CLASS_PRESETS {
            let config = small(name);
            let mut whole = config.init(1, &device).unwrap();
            play(&config, &mut whole, 0..3);
            let mut first = config.init(1, &device).unwrap();
            play(&config, &mut first, 0..2);
            let mut second = config.init(2, &device).unwrap();
            second.restore(&first.state()).unwrap();
            play(&config, &mut second, 2..3);
            assert_eq!(second.state(), whole.state(), "{name}");
        }
    }

    #[test]
    fn every_preset_comes_back_from_a_file_and_refuses_unknown_fields() {
        for name in CLASS_PRESETS {
            let config = small(name);
            let text = serde_json::to_string(&config).unwrap();
            let read: ClassGanConfig = serde_json::from_str(&text).unwrap();
            assert_eq!(read, config);
            let mut value = serde_json::to_value(&config).unwrap();
            value["batchsize"] = 3.into();
            let error = serde_json::from_value::<ClassGanConfig>(value).unwrap_err();
            assert!(error.to_string().contains("batchsize"), "{error}");
        }
    }

    #[test]
    fn another_class_is_another_picture_of_the_same_latent() {
        let device = Device::flex();
        for name in CLASS_PRESETS {
            let config = small(name);
            let mut game = config.init(1, &device).unwrap();
            // Tables of classes begin at zero.
            play(&config, &mut game, 0..1);
            let rows = config.rows(&[7, 7], &[0, 1], None, &device).joined();
            let request = SampleRequest {
                latents: rows,
                averaged: false,
            };
            let pictures = game.sample(&request);
            let difference = pictures.clone().narrow(0, 0, 1) - pictures.narrow(0, 1, 1);
            let largest = difference.abs().max().into_scalar::<f32>();
            assert!(largest > 1e-6, "{name}: {largest}");
        }
    }

    #[test]
    fn the_paper_of_2014_has_its_parameters() {
        let config = class_preset("cgan", ImageShape::new(1, 28), 10).unwrap();
        let counts = config.init(1, &Device::flex()).unwrap().parameter_counts();
        let generator = 100 * 200 + 200 + 10 * 1000 + 1000 + 1200 * 1200 + 1200 + 1200 * 784 + 784;
        let critic = 784 * 1200 + 1200 + 10 * 250 + 250 + 290 * 960 + 960 + 240 + 1;
        assert_eq!(counts, [("generator", generator), ("critic", critic)]);
    }

    #[test]
    fn parts_that_do_not_fit_are_refused_by_name() {
        let refused = |edit: &dyn Fn(&mut ClassGanConfig)| {
            let mut config = small("cgan-conv");
            edit(&mut config);
            let error = config.validate().unwrap_err();
            assert_eq!(config.init(1, &Device::flex()).unwrap_err(), error);
            error.field
        };
        let field = refused(&|config| config.condition = Condition::Classes { count: 4 });
        assert_eq!(field, "generator.latent_size");
        assert_eq!(refused(&|config| config.batch_size = 0), "batch_size");
        assert_eq!(refused(&|config| config.batch_size = 1), "batch_size");
        assert_eq!(
            refused(&|config| config.total_kimg = f64::NAN),
            "total_kimg"
        );
        let other = small("acgan").critic;
        let wide = class_preset("acgan", ImageShape::new(3, 8), CLASSES).unwrap();
        assert_eq!(
            refused(&|config| config.critic = wide.critic.clone()),
            "critic.image"
        );
        let normed = |config: &mut ClassGanConfig| {
            config.critic = other.clone();
            if let ClassCriticConfig::Image {
                network: ImageCriticConfig::Conv(network),
                ..
            } = &mut config.critic
            {
                network.norm = Norm::batch();
            }
        };
        assert_eq!(refused(&normed), "critic.norm");
        let input = |config: &mut ClassGanConfig| {
            if let ClassGeneratorConfig::Image { input, .. } = &mut config.generator {
                *input = ClassInput::Plane;
            }
        };
        assert_eq!(refused(&input), "generator.input");
        let bad = LabelHead::Auxiliary {
            weight: -1.0,
            on_fake: true,
        };
        let field = with_head(bad).validate().unwrap_err().field;
        assert_eq!(field, "critic.head.weight");
    }

    #[test]
    fn presets_for_labels_want_labels() {
        for name in CLASS_PRESETS {
            let result = class_preset(name, image(), 0);
            assert_eq!(result.is_ok(), name == "infogan", "{name}");
        }
        let error = class_preset("nobody", image(), 3).unwrap_err();
        assert!(error.to_string().contains("cgan-conv, cgan"), "{error}");
    }
}
