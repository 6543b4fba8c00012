//! What a head computes.

use burn::module::Module;
use burn::prelude::*;
use burn::tensor::activation;

use super::LabelHead;
use crate::dual::{Dual, Forward};
use crate::loss::cross_entropy;
use crate::nn::{Embedding, Linear, Verdict};

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
        let second = |layer: &Linear| layer.apply(features.clone().into()).primal;
        Verdict {
            score,
            logits: self.logits(features.clone()),
            second: self.second.as_ref().map(second),
            features,
        }
    }

    /// Class logits, code or embedding `[batch, …]` of features `[batch, features]`, if the head has
    /// any.
    pub fn logits(&self, features: Tensor<2>) -> Option<Tensor<2>> {
        let classifier = self.classifier.as_ref()?;
        let seen = match &self.hidden {
            Some(hidden) => {
                let hidden = hidden.apply(features.into()).primal;
                activation::leaky_relu(hidden, 0.1)
            }
            None => features,
        };
        Some(classifier.apply(seen.into()).primal)
    }

    /// The same, but the choice of a [code](LabelHead::Information) does not count: for a critic that leaves
    /// it to others to read. Other heads stay as they are.
    #[must_use]
    pub fn without_choice(mut self) -> Self {
        if let LabelHead::Information {
            categorical_weight, ..
        } = &mut self.rule
        {
            *categorical_weight = 0.0;
        }
        self
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
