//! What a critic makes of labels: interchangeable parts on its features.

use burn::module::Module;
use burn::prelude::*;
use burn::tensor::activation;
use serde::{Deserialize, Serialize};

use super::{
    Embedding, EmbeddingConfig, Initializer, Linear, LinearConfig, SpectralNormConfig, Verdict,
};
use crate::dual::{Dual, Forward};
use crate::error::ConfigError;
use crate::rng::Stream;

/// How a critic uses labels; `φ` are its features, `y` the class, `K` the number of classes.
///
/// | head | score | critic minimises beside the adversarial loss | generator |
/// | --- | --- | --- | --- |
/// | `none` | as it is | – | – |
/// | `projection` | `+ ⟨φ, v_y⟩` | – | – |
/// | `auxiliary` | as it is | `CE` of a classifier on real (and generated) samples | `CE` on generated ones |
/// | `twin_auxiliary` | as it is | `CE` on real, and `CE` of a second classifier on generated samples | `CE − CE` of the second |
/// | `auxiliary_discriminative` | as it is | `CE` over `2K` classes: real ones and generated ones | `CE` against the real class − `CE` against the generated one |
/// | `contrastive` | as it is | `2C` of real samples | `2C` of generated ones |
/// | `data_to_data` | as it is | `D2D-CE` of real samples | `D2D-CE` of generated ones |
/// | `k_plus_one` | `+ ln Σ e^c` of class logits `c` | `CE` of a classifier on real samples | `CE` on generated ones |
/// | `information` | as it is | how badly the code is recognised in generated samples | the same |
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind", deny_unknown_fields)]
#[non_exhaustive]
pub enum LabelHead {
    /// Labels are not used, or enter elsewhere.
    #[default]
    None,
    /// [Miyato and Koyama 2018](https://arxiv.org/abs/1802.05637), equation 3: the inner product with
    /// a vector of the class is added to the score.
    Projection,
    /// [Odena et al. 2016](https://arxiv.org/abs/1610.09585), section 3: ACGAN.
    Auxiliary {
        /// Weight of the cross-entropy, 0 or more; 1 in the paper.
        weight: f64,
        /// Whether the critic's classifier also learns from generated samples, as in the paper.
        on_fake: bool,
    },
    /// [Gong et al. 2019](https://arxiv.org/abs/1907.02690): TAC-GAN.
    TwinAuxiliary {
        /// Weight of all cross-entropies, 0 or more; 1 in the paper.
        weight: f64,
    },
    /// [Hou et al. 2021](https://arxiv.org/abs/2107.10060): ADC-GAN.
    AuxiliaryDiscriminative {
        /// Weight of all cross-entropies, 0 or more; 1 in the paper.
        weight: f64,
    },
    /// The 2C loss of ContraGAN, [Kang and Park 2020](https://arxiv.org/abs/2006.12681), equation 8.
    Contrastive {
        /// Length of the embedding, 1 or more; 1024 in the paper.
        size: usize,
        /// Temperature, above 0; 1 in the paper.
        temperature: f64,
        /// Weight of the loss, 0 or more; 1 in the paper.
        weight: f64,
    },
    /// The data-to-data cross-entropy of ReACGAN,
    /// [Kang et al. 2021](https://arxiv.org/abs/2111.01118), equation 8.
    DataToData {
        /// Length of the embedding, 1 or more; 512 in the paper.
        size: usize,
        /// Temperature, above 0; 0.5 to 0.75 in the paper.
        temperature: f64,
        /// Similarity with the vector of the class that is enough, −1 to 1; 0.98 in the paper.
        positive_margin: f64,
        /// Similarity with samples of other classes that is allowed, −1 to 1; −0.02 in the paper.
        negative_margin: f64,
        /// Weight of the loss, 0 or more; 1 in the paper.
        weight: f64,
    },
    /// [Salimans et al. 2016](https://arxiv.org/abs/1606.03498), section 5: one more class is
    /// "generated". The network's own score is minus the logit of that class; with the non-saturating
    /// loss, that is the cross-entropy over `K + 1` classes. Samples without a label do not count in
    /// `CE`.
    KPlusOne {
        /// Weight of the cross-entropies, 0 or more; 1 in the paper.
        weight: f64,
    },
    /// The second network of InfoGAN, [Chen et al. 2016](https://arxiv.org/abs/1606.03657),
    /// equation 5: recognises the code in generated samples. The first `categories` coordinates of a
    /// code are one-hot, the others are read as Gaussians of variance 1.
    Information {
        /// Width of its hidden layer, 1 or more; 128 in the paper.
        hidden: usize,
        /// Choices of the categorical code.
        categories: usize,
        /// Weight of the categorical code, 0 or more; 1 in the paper.
        categorical_weight: f64,
        /// Weight of the continuous codes, 0 or more; 0.1 in the paper.
        continuous_weight: f64,
    },
}

impl LabelHead {
    /// ACGAN with the paper's constants.
    pub fn auxiliary() -> Self {
        Self::Auxiliary {
            weight: 1.0,
            on_fake: true,
        }
    }

    /// InfoGAN with the constants of its section 7 for `categories`.
    pub fn information(categories: usize) -> Self {
        Self::Information {
            hidden: 128,
            categories,
            categorical_weight: 1.0,
            continuous_weight: 0.1,
        }
    }

    /// Says what is wrong, for conditions of `width` values.
    ///
    /// # Errors
    ///
    /// If a number is outside its range, or there are more categories than values.
    pub fn validate(&self, width: usize) -> Result<(), ConfigError> {
        let not_negative = |field: &str, value: f64| {
            if value >= 0.0 && value.is_finite() {
                return Ok(());
            }
            Err(ConfigError::new(field, value, "a finite number, 0 or more"))
        };
        let margin = |field: &str, value: f64| {
            if (-1.0..=1.0).contains(&value) {
                return Ok(());
            }
            Err(ConfigError::new(field, value, "between -1 and 1"))
        };
        match *self {
            Self::None | Self::Projection => Ok(()),
            Self::Auxiliary { weight, .. }
            | Self::TwinAuxiliary { weight }
            | Self::AuxiliaryDiscriminative { weight }
            | Self::KPlusOne { weight } => not_negative("weight", weight),
            Self::Contrastive {
                size,
                temperature,
                weight,
            } => {
                super::check_size("size", size)?;
                super::check_positive("temperature", temperature)?;
                not_negative("weight", weight)
            }
            Self::DataToData {
                size,
                temperature,
                positive_margin,
                negative_margin,
                weight,
            } => {
                super::check_size("size", size)?;
                super::check_positive("temperature", temperature)?;
                margin("positive_margin", positive_margin)?;
                margin("negative_margin", negative_margin)?;
                not_negative("weight", weight)
            }
            Self::Information {
                hidden,
                categories,
                categorical_weight,
                continuous_weight,
            } => {
                super::check_size("hidden", hidden)?;
                if categories > width {
                    let allowed = format!("{width} or fewer, the length of a code");
                    return Err(ConfigError::new("categories", categories, allowed));
                }
                not_negative("categorical_weight", categorical_weight)?;
                not_negative("continuous_weight", continuous_weight)
            }
        }
    }

    /// Draws the parameters for features of length `features` and conditions of `width` values.
    ///
    /// # Panics
    ///
    /// Panics if it is not valid.
    pub fn init(
        &self,
        (features, width): (usize, usize),
        initializer: Initializer,
        spectral_norm: Option<SpectralNormConfig>,
        stream: &mut Stream,
        device: &Device,
    ) -> LabelHeadLayer {
        super::expect_valid(self.validate(width));
        let linear = |from: usize, to: usize, stream: &mut Stream| {
            let config = LinearConfig::new(from, to)
                .with_initializer(initializer)
                .with_spectral_norm(spectral_norm);
            config.init(stream, device)
        };
        let mut layer = LabelHeadLayer {
            rule: *self,
            embedding: None,
            hidden: None,
            classifier: None,
            second: None,
        };
        let mut embed = |size: usize, stream: &mut Stream| {
            let config = EmbeddingConfig::new(width, size)
                .with_initializer(initializer)
                .with_spectral_norm(spectral_norm);
            layer.embedding = Some(config.init(stream, device));
        };
        match *self {
            Self::None => {}
            Self::Projection => embed(features, stream),
            Self::Auxiliary { .. } | Self::KPlusOne { .. } => {
                layer.classifier = Some(linear(features, width, stream))
            }
            Self::TwinAuxiliary { .. } => {
                layer.classifier = Some(linear(features, width, stream));
                layer.second = Some(linear(features, width, stream));
            }
            Self::AuxiliaryDiscriminative { .. } => {
                layer.classifier = Some(linear(features, 2 * width, stream));
            }
            Self::Contrastive { size, .. } | Self::DataToData { size, .. } => {
                embed(size, stream);
                layer.classifier = Some(linear(features, size, stream));
            }
            Self::Information { hidden, .. } => {
                layer.hidden = Some(linear(features, hidden, stream));
                layer.classifier = Some(linear(hidden, width, stream));
            }
        }
        layer
    }
}

/// A head that was chosen by [`LabelHead`].
#[derive(Module, Debug)]
pub struct LabelHeadLayer {
    /// What it computes.
    #[module(skip)]
    pub rule: LabelHead,
    /// A vector per class.
    pub embedding: Option<Embedding>,
    /// Before the classifier.
    pub hidden: Option<Linear>,
    /// Class logits, or the embedding of a sample.
    pub classifier: Option<Linear>,
    /// The classifier of generated samples.
    pub second: Option<Linear>,
}

impl LabelHeadLayer {
    /// Completes a verdict that has score and features, for samples said to be of `classes`
    /// (`[batch, width]`).
    pub fn judge(&self, score: Dual<2>, features: Dual<2>, classes: &Tensor<2>) -> Verdict {
        let score = match (&self.rule, &self.embedding, &self.classifier) {
            (LabelHead::KPlusOne { .. }, _, Some(classifier)) => {
                score + log_sum_exp(classifier.apply(features.clone()))
            }
            (LabelHead::Projection, Some(embedding), _) => {
                let vector = embedding.forward(classes.clone());
                let along = features.clone().linear_map(|f| f * vector.clone());
                score + along.sum_dim(1)
            }
            _ => score,
        };
        let features = features.primal;
        let apply = |layer: &Linear, x: Tensor<2>| layer.apply(x.into()).primal;
        let seen = match &self.hidden {
            Some(hidden) => activation::leaky_relu(apply(hidden, features.clone()), 0.1),
            None => features.clone(),
        };
        Verdict {
            score,
            logits: self.classifier.as_ref().map(|layer| apply(layer, seen)),
            second: self
                .second
                .as_ref()
                .map(|layer| apply(layer, features.clone())),
            features,
        }
    }

    /// What the critic minimises beside the adversarial loss, `[1]`, if anything.
    pub fn critic_loss(
        &self,
        (real, real_classes): (&Verdict, &Tensor<2>),
        (fake, fake_classes): (&Verdict, &Tensor<2>),
    ) -> Option<Tensor<1>> {
        let (on_real, on_fake) = (real.logits.clone(), fake.logits.clone());
        let (y, y_fake) = (real_classes.clone(), fake_classes.clone());
        Some(match self.rule {
            LabelHead::None | LabelHead::Projection => return None,
            LabelHead::Auxiliary {
                weight,
                on_fake: both,
            } => {
                let mut loss = cross_entropy(on_real?, y);
                if both {
                    loss = loss + cross_entropy(on_fake?, y_fake);
                }
                loss * weight
            }
            LabelHead::KPlusOne { weight } => cross_entropy(on_real?, y) * weight,
            LabelHead::TwinAuxiliary { weight } => {
                let second = cross_entropy(fake.second.clone()?, y_fake);
                (cross_entropy(on_real?, y) + second) * weight
            }
            LabelHead::AuxiliaryDiscriminative { weight } => {
                let real = cross_entropy(on_real?, doubled(y, true));
                (real + cross_entropy(on_fake?, doubled(y_fake, false))) * weight
            }
            LabelHead::Contrastive { .. } | LabelHead::DataToData { .. } => {
                self.metric_loss(on_real?, y)?
            }
            LabelHead::Information { .. } => self.information(on_fake?, y_fake)?,
        })
    }

    /// What the generator minimises beside the adversarial loss, `[1]`, if anything.
    pub fn generator_loss(&self, fake: &Verdict, classes: &Tensor<2>) -> Option<Tensor<1>> {
        let (logits, y) = (fake.logits.clone(), classes.clone());
        Some(match self.rule {
            LabelHead::None | LabelHead::Projection => return None,
            LabelHead::Auxiliary { weight, .. } | LabelHead::KPlusOne { weight } => {
                cross_entropy(logits?, y) * weight
            }
            LabelHead::TwinAuxiliary { weight } => {
                let second = cross_entropy(fake.second.clone()?, y.clone());
                (cross_entropy(logits?, y) - second) * weight
            }
            LabelHead::AuxiliaryDiscriminative { weight } => {
                let generated = cross_entropy(logits.clone()?, doubled(y.clone(), false));
                (cross_entropy(logits?, doubled(y, true)) - generated) * weight
            }
            LabelHead::Contrastive { .. } | LabelHead::DataToData { .. } => {
                self.metric_loss(logits?, y)?
            }
            LabelHead::Information { .. } => self.information(logits?, y)?,
        })
    }

    /// `2C` or `D2D-CE` of samples with these embeddings.
    fn metric_loss(&self, embedded: Tensor<2>, classes: Tensor<2>) -> Option<Tensor<1>> {
        let embedded = to_length_one(embedded);
        let vectors = to_length_one(self.embedding.as_ref()?.forward(classes.clone()));
        let to_class = (embedded.clone() * vectors).sum_dim(1); // [batch, 1]
        let to_samples = embedded.clone().matmul(embedded.transpose()); // [batch, batch]
        let same = classes.clone().matmul(classes.transpose());
        let [batch, _] = same.dims();
        let others = Tensor::<2>::eye(batch, &same.device()).neg() + 1.0;
        match self.rule {
            LabelHead::Contrastive {
                temperature,
                weight,
                ..
            } => {
                let class = (to_class / temperature).exp();
                let samples = (to_samples / temperature).exp() * others;
                let alike = class.clone() + (samples.clone() * same).sum_dim(1);
                let all = class + samples.sum_dim(1);
                Some((all.log() - alike.log()).mean() * weight)
            }
            LabelHead::DataToData {
                temperature,
                positive_margin,
                negative_margin,
                weight,
                ..
            } => {
                let class = to_class.sub_scalar(positive_margin).clamp_max(0.0) / temperature;
                let samples = to_samples.sub_scalar(negative_margin).clamp_min(0.0) / temperature;
                let different = same.neg() + 1.0;
                let all = class.clone().exp() + (samples.exp() * different).sum_dim(1);
                Some((all.log() - class).mean() * weight)
            }
            _ => None,
        }
    }

    /// How badly the code is recognised: cross-entropy, and half the squared distance, which is the
    /// negative logarithm of a Gaussian's density up to a constant.
    fn information(&self, read: Tensor<2>, code: Tensor<2>) -> Option<Tensor<1>> {
        let LabelHead::Information {
            categories,
            categorical_weight,
            continuous_weight,
            ..
        } = self.rule
        else {
            return None;
        };
        let rest = read.dims()[1] - categories;
        let part = |x: &Tensor<2>, start, length| x.clone().narrow(1, start, length);
        let mut loss = Tensor::zeros([1], &read.device());
        if categories > 0 {
            let (read, code) = (part(&read, 0, categories), part(&code, 0, categories));
            loss = loss + cross_entropy(read, code) * categorical_weight;
        }
        if rest > 0 {
            let (read, code) = (part(&read, categories, rest), part(&code, categories, rest));
            let distance = (read - code).square().sum_dim(1).mean() * 0.5;
            loss = loss + distance * continuous_weight;
        }
        Some(loss)
    }
}

/// Mean cross-entropy of logits `[batch, K]` against rows of weights over the classes. Rows of zeros
/// have no label, and do not count.
pub fn cross_entropy(logits: Tensor<2>, classes: Tensor<2>) -> Tensor<1> {
    let labelled = classes.clone().sum().clamp_min(1.0);
    (activation::log_softmax(logits, 1) * classes).sum().neg() / labelled
}

/// `ln Σ eˣ` of each row, `[batch, 1]`; its slope is the softmax.
fn log_sum_exp(x: Dual<2>) -> Dual<2> {
    let largest = x.primal.clone().detach().max_dim(1);
    let sum = (x.primal.clone() - largest.clone()).exp().sum_dim(1);
    let tangent = x
        .tangent
        .map(|t| (t * activation::softmax(x.primal, 1)).sum_dim(1));
    Dual {
        primal: sum.log() + largest,
        tangent,
    }
}

/// Rows over `2K` classes: the first `K` are real, the others generated.
fn doubled(classes: Tensor<2>, real: bool) -> Tensor<2> {
    let zeros = classes.zeros_like();
    let halves = if real {
        vec![classes, zeros]
    } else {
        vec![zeros, classes]
    };
    Tensor::cat(halves, 1)
}

fn to_length_one(rows: Tensor<2>) -> Tensor<2> {
    // The square root has an infinite slope at 0.
    let length = rows.clone().square().sum_dim(1).clamp_min(1e-12).sqrt();
    rows / length
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::assert_jvp;

    fn device() -> Device {
        Device::flex()
    }

    fn rows<const N: usize, const K: usize>(values: [[f32; K]; N]) -> Tensor<2> {
        Tensor::from_floats(values, &device())
    }

    fn scalar(loss: Tensor<1>) -> f64 {
        f64::from(loss.into_scalar::<f32>())
    }

    fn layer(rule: LabelHead) -> LabelHeadLayer {
        let stream = &mut Stream::new(1, "head", 0);
        rule.init((2, 2), Initializer::PyTorch, None, stream, &device())
    }

    fn verdict(logits: Tensor<2>, second: Option<Tensor<2>>) -> Verdict {
        let batch = logits.dims()[0];
        Verdict {
            score: Tensor::zeros([batch, 1], &device()).into(),
            features: Tensor::zeros([batch, 2], &device()),
            logits: Some(logits),
            second,
        }
    }

    /// Critic's and generator's loss of logits `[ln 3, 0]` for real and `[0, 0]` for generated
    /// samples, both said to be of class 0.
    fn losses(rule: LabelHead, real: Tensor<2>, fake: Tensor<2>) -> (f64, f64) {
        let layer = layer(rule);
        let first = rows([[1.0, 0.0]]);
        let second = Some(rows([[0.0, 3f32.ln()]]));
        let (real, fake) = (verdict(real, second.clone()), verdict(fake, second));
        let critic = layer.critic_loss((&real, &first), (&fake, &first));
        let generator = layer.generator_loss(&fake, &first);
        (scalar(critic.unwrap()), scalar(generator.unwrap()))
    }

    fn assert_near(found: (f64, f64), expected: (f64, f64)) {
        let error = (found.0 - expected.0)
            .abs()
            .max((found.1 - expected.1).abs());
        assert!(error < 1e-5, "{found:?} and not {expected:?}");
    }

    #[test]
    fn classifiers_have_the_cross_entropies_of_their_papers() {
        let (real, fake) = (rows([[3f32.ln(), 0.0]]), rows([[0.0, 0.0]]));
        // Probabilities: real ¾, generated ½, of the second classifier ¼.
        let ce = |p: f64| -p.ln();
        let both = |on_fake| LabelHead::Auxiliary {
            weight: 2.0,
            on_fake,
        };
        let found = losses(both(true), real.clone(), fake.clone());
        assert_near(found, (2.0 * (ce(0.75) + ce(0.5)), 2.0 * ce(0.5)));
        let found = losses(both(false), real.clone(), fake.clone());
        assert_near(found, (2.0 * ce(0.75), 2.0 * ce(0.5)));
        let found = losses(LabelHead::TwinAuxiliary { weight: 1.0 }, real, fake);
        assert_near(found, (ce(0.75) + ce(0.25), ce(0.5) - ce(0.25)));
        // Four classes: two real ones, two generated ones.
        let (real, fake) = (
            rows([[5f32.ln(), 0., 0., 0.]]),
            rows([[0., 0., 2f32.ln(), 0.]]),
        );
        let rule = LabelHead::AuxiliaryDiscriminative { weight: 1.0 };
        let expected = (ce(5.0 / 8.0) + ce(0.4), ce(0.2) - ce(0.4));
        assert_near(losses(rule, real, fake), expected);
    }

    #[test]
    fn rows_without_a_label_do_not_count() {
        let logits = rows([[3f32.ln(), 0.0], [9.0, -9.0]]);
        let labelled = rows([[1.0, 0.0], [0.0, 0.0]]);
        let loss = scalar(cross_entropy(logits, labelled));
        assert!((loss + 0.75f64.ln()).abs() < 1e-6);
        let none = cross_entropy(rows([[1.0, 2.0]]), rows([[0.0, 0.0]]));
        assert_eq!(scalar(none), 0.0);
    }

    /// Two samples with embeddings e₁ = (1, 0) of class 0 and e₂ = (0.6, 0.8) of class 1; the classes
    /// have the vectors (0, 1) and (1, 0), of length 2 and 3, which must not matter.
    fn metric(rule: LabelHead) -> f64 {
        let mut layer = layer(rule);
        let table = rows([[0.0, 2.0], [3.0, 0.0]]);
        let embedding = layer.embedding.as_mut().unwrap();
        embedding.weight = embedding.weight.clone().map(|_| table.clone());
        let real = verdict(rows([[5.0, 0.0], [0.6, 0.8]]), None);
        let classes = rows([[1.0, 0.0], [0.0, 1.0]]);
        let pair = (&real, &classes);
        scalar(layer.critic_loss(pair, pair).unwrap())
    }

    #[test]
    fn the_contrastive_loss_is_equation_8_of_its_paper() {
        let rule = LabelHead::Contrastive {
            size: 2,
            temperature: 0.5,
            weight: 1.0,
        };
        // Similarities: e₁ with its class 0, e₂ with its class 0.6, both samples 0.6.
        let one = |class: f64| (1.0 + ((0.6 - class) / 0.5).exp()).ln();
        let expected = (one(0.0) + one(0.6)) / 2.0;
        assert!((metric(rule) - expected).abs() < 1e-5);
    }

    #[test]
    fn the_data_to_data_cross_entropy_is_equation_8_of_its_paper() {
        let rule = LabelHead::DataToData {
            size: 2,
            temperature: 0.5,
            positive_margin: 0.5,
            negative_margin: 0.1,
            weight: 1.0,
        };
        // Towards the classes min(0 − 0.5, 0) and min(0.6 − 0.5, 0), between the samples 0.6 − 0.1.
        let one = |class: f64| (1.0 + ((0.5 - class) / 0.5).exp()).ln();
        let expected = (one(-0.5) + one(0.0)) / 2.0;
        assert!((metric(rule) - expected).abs() < 1e-5);
    }

    #[test]
    fn the_code_is_read_as_a_choice_and_gaussians() {
        let rule = LabelHead::Information {
            hidden: 4,
            categories: 2,
            categorical_weight: 1.0,
            continuous_weight: 0.1,
        };
        let stream = &mut Stream::new(1, "h", 0);
        let layer = rule.init((2, 3), Initializer::PyTorch, None, stream, &device());
        let fake = verdict(rows([[3f32.ln(), 0.0, 0.5]]), None);
        let code = rows([[1.0, 0.0, -0.5]]);
        let loss = scalar(layer.generator_loss(&fake, &code).unwrap());
        let expected = -0.75f64.ln() + 0.1 * 0.5;
        assert!((loss - expected).abs() < 1e-6, "{loss}");
        let critic = layer.critic_loss((&fake, &code), (&fake, &code));
        assert!((scalar(critic.unwrap()) - expected).abs() < 1e-6);
    }

    #[test]
    fn a_projection_adds_the_product_with_the_vector_of_the_class() {
        let layer = layer(LabelHead::Projection);
        let classes = rows([[0.0, 1.0], [0.0, 1.0]]);
        let features = rows([[2.0, -1.0], [0.5, 3.0]]);
        let table = layer.embedding.as_ref().unwrap().weight.val();
        let vector = table.narrow(0, 1, 1);
        let expected = (features.clone() * vector).sum_dim(1) + 1.0;
        let ones: Tensor<2> = Tensor::ones([2, 1], &device());
        let judge = |x: Dual<2>| layer.judge(ones.clone().into(), x, &classes).score;
        let error = (judge(features.clone().into()).primal - expected)
            .abs()
            .max();
        assert!(error.into_scalar::<f32>() < 1e-6);
        assert_jvp(judge, features);
    }

    #[test]
    fn the_class_of_generated_samples_is_one_more_in_the_softmax() {
        let layer = layer(LabelHead::KPlusOne { weight: 1.0 });
        let features = rows([[2.0, -1.0], [0.5, 3.0]]);
        let none = Tensor::zeros([2, 2], &device());
        let minus_generated = rows([[0.3], [-0.7]]);
        let judge = |x: Dual<2>| layer.judge(minus_generated.clone().into(), x, &none);
        let verdict = judge(features.clone().into());
        // σ(score) is the share of the K classes in a softmax over K + 1.
        let generated = minus_generated.clone().neg();
        let all = Tensor::cat(vec![verdict.logits.unwrap(), generated], 1);
        let share = activation::softmax(all, 1).narrow(1, 0, 2).sum_dim(1);
        let error = (activation::sigmoid(verdict.score.primal) - share)
            .abs()
            .max();
        assert!(error.into_scalar::<f32>() < 1e-6);
        assert_jvp(|x| judge(x).score, features);
    }

    #[test]
    fn numbers_outside_their_range_are_refused_by_name() {
        let metric = |temperature, positive_margin| LabelHead::DataToData {
            size: 2,
            temperature,
            positive_margin,
            negative_margin: 0.0,
            weight: 1.0,
        };
        for (head, field) in [
            (LabelHead::TwinAuxiliary { weight: -1.0 }, "weight"),
            (metric(0.0, 0.0), "temperature"),
            (metric(1.0, 1.5), "positive_margin"),
            (LabelHead::information(11), "categories"),
        ] {
            assert_eq!(head.validate(10).unwrap_err().field, field);
        }
    }
}
