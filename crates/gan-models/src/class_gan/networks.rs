//! Any network for pictures of a class as one type.

use burn::module::Module;
use burn::prelude::*;
use gan_core::dual::Dual;
use gan_core::game::Clock;
use gan_core::nn::{
    ClassCritic, Critic, Embedding, Generator, ImageCritic, ImageGenerator, LabelHeadLayer, Verdict,
};
use gan_core::rng::Stream;

use crate::biggan::{DeepCritic, DeepGenerator, ResnetCritic, ResnetGenerator};
use crate::cgan::{TwoTowerCritic, TwoTowerGenerator};
use crate::infogan::Reader;

/// A generator of pictures on rows `latent ‖ condition`.
///
/// Should be created using [`ClassGeneratorConfig`](crate::ClassGeneratorConfig).
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
/// Should be created using [`ClassCriticConfig`](crate::ClassCriticConfig).
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
        let (score, features) = self.network.score_with_features(x);
        let features = features.expect("all critics of pictures have features");
        self.head.judge(score, features, classes)
    }

    /// The verdict with the code that the reader reads in the pictures `seen`, if there is a reader.
    fn read(&self, seen: &Tensor<4>, verdict: Verdict) -> Verdict {
        let Some(reader) = &self.reader else {
            return verdict;
        };
        Verdict {
            logits: verdict.logits.map(|own| reader.code(seen, own)),
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
    fn begin_round(self, clock: &Clock) -> Self {
        match self {
            Self::Image(critic) => Self::Image(HeadedCritic {
                reader: critic.reader.map(|reader| reader.begin_round(clock)),
                ..critic
            }),
            other => other,
        }
    }

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
            Self::Image(critic) => critic.network.couples_samples(),
            Self::TwoTower(_) | Self::Resnet(_) | Self::Deep(_) => false,
        }
    }

    fn critic_class_loss(
        &self,
        real: (&Verdict, &Tensor<2>),
        fake: (&Verdict, &Tensor<2>),
    ) -> Option<Tensor<1>> {
        let head = self.head()?;
        match self {
            // What the reader reads teaches the critic nothing.
            Self::Image(HeadedCritic {
                reader: Some(_), ..
            }) => head.clone().without_choice().critic_loss(real, fake),
            _ => head.critic_loss(real, fake),
        }
    }

    fn real_loss(&self, real: &Tensor<4>, stream: &mut Stream) -> Option<Tensor<1>> {
        match self {
            Self::Image(critic) => Some(critic.reader.as_ref()?.loss(real, stream)),
            Self::TwoTower(_) | Self::Resnet(_) | Self::Deep(_) => None,
        }
    }

    fn generator_class_loss(
        &self,
        seen: &Tensor<4>,
        fake: &Verdict,
        classes: &Tensor<2>,
    ) -> Option<Tensor<1>> {
        let fake = match self {
            Self::Image(critic) => critic.read(seen, fake.clone()),
            Self::TwoTower(_) | Self::Resnet(_) | Self::Deep(_) => fake.clone(),
        };
        self.head()?.generator_loss(&fake, classes)
    }
}
