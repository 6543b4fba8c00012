//! Losses of critics that name classes.

use burn::prelude::*;
use burn::tensor::activation;
use serde::{Deserialize, Serialize};

use super::{Objective, categorical_code_loss};
use crate::error::ConfigError;

/// What a critic of labelled samples says about a batch.
#[derive(Clone, Debug)]
pub struct ClassScores {
    /// Score of being real, `[batch, outputs]`. Ignored where the classes decide that too.
    pub score: Tensor<2>,
    /// Logits of the classes, `[batch, `[`ClassLoss::num_outputs`]`]`, if there are any.
    pub classes: Option<Tensor<2>>,
}

/// How classes enter the game.
///
/// `c` are the logits of the classes, `y` the label; `CE(c, y)` is the cross-entropy. `adversarial` is any
/// [`Objective`] on the score.
///
/// | kind | critic minimises | generator minimises |
/// | --- | --- | --- |
/// | `projection` | adversarial | adversarial |
/// | `auxiliary_classifier` | adversarial + `λ_c (CE(c_real, y) + CE(c_fake, y))` | adversarial + `λ_g CE(c_fake, y)` |
/// | `k_plus_one` | adversarial on `ln Σ e^c` + `CE(c_real, y)` | adversarial on `ln Σ e^c` + `CE(c_fake, y)` |
/// | `multi_hinge` | `E relu(1 − c_y + max_{≠y} c)` of real + `E relu(1 − c_K + max_{≠K} c)` of generated | `E relu(1 − c_y + max_{≠y} c)` |
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind", deny_unknown_fields)]
pub enum ClassLoss {
    /// The label goes into the score itself, and nothing is added:
    /// [Miyato and Koyama 2018](https://arxiv.org/abs/1802.05637).
    Projection,
    /// [Odena et al. 2016](https://arxiv.org/abs/1610.09585), section 3: a second head names the class, of
    /// real and of generated samples.
    AuxiliaryClassifier {
        /// Weight in the critic's loss, 0 or more; 1 in the paper.
        lambda_critic: f64,
        /// Weight in the generator's loss, 0 or more; 1 in the paper.
        lambda_generator: f64,
    },
    /// [Salimans et al. 2016](https://arxiv.org/abs/1606.03498), section 5: class `K + 1` is
    /// "generated", and its logit is fixed at 0. With `non_saturating` the two terms are exactly the
    /// cross-entropy over `K + 1` classes.
    KPlusOne,
    /// [Kavalerov et al. 2019](https://arxiv.org/abs/1912.04216): the hinge of Crammer and Singer on
    /// `K + 1` logits, the last of which stands for "generated".
    MultiHinge,
}

impl ClassLoss {
    /// Says what is wrong.
    ///
    /// # Errors
    ///
    /// If a weight is not finite or below 0.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let Self::AuxiliaryClassifier {
            lambda_critic,
            lambda_generator,
        } = *self
        else {
            return Ok(());
        };
        crate::nn::check_not_negative("lambda_critic", lambda_critic)?;
        crate::nn::check_not_negative("lambda_generator", lambda_generator)
    }

    /// How many logits of classes the critic must give for `num_classes`.
    pub fn num_outputs(&self, num_classes: usize) -> usize {
        match self {
            Self::Projection => 0,
            Self::AuxiliaryClassifier { .. } | Self::KPlusOne => num_classes,
            Self::MultiHinge => num_classes + 1,
        }
    }

    /// What the critic minimises.
    ///
    /// # Shapes
    ///
    /// - real_labels, fake_labels: `[batch]`, numbers in `0..num_classes`
    /// - output: `[1]`
    ///
    /// # Panics
    ///
    /// Panics if logits of classes are needed and not there.
    pub fn critic_loss(
        &self,
        adversarial: &dyn Objective,
        real: ClassScores,
        fake: ClassScores,
        real_labels: Tensor<1, Int>,
        fake_labels: Tensor<1, Int>,
    ) -> Tensor<1> {
        if let Self::MultiHinge = self {
            let fake = fake.expect_classes();
            let generated = fake_labels.zeros_like() + (fake.dims()[1] - 1) as i32;
            return multi_hinge(real.expect_classes(), real_labels) + multi_hinge(fake, generated);
        }
        let (on_real, on_fake) = (self.score(&real), self.score(&fake));
        let loss = adversarial.critic_loss(on_real, on_fake);
        match self {
            Self::AuxiliaryClassifier { lambda_critic, .. } => {
                let on_real = categorical_code_loss(real.expect_classes(), real_labels);
                let on_fake = categorical_code_loss(fake.expect_classes(), fake_labels);
                loss + (on_real + on_fake) * *lambda_critic
            }
            Self::KPlusOne => loss + categorical_code_loss(real.expect_classes(), real_labels),
            Self::Projection | Self::MultiHinge => loss,
        }
    }

    /// What the generator minimises; `real` is there if the objective
    /// [needs it](Objective::needs_real_for_generator).
    ///
    /// # Shapes
    ///
    /// - fake_labels: `[batch]`, what the generator was asked for
    /// - output: `[1]`
    ///
    /// # Panics
    ///
    /// Panics if logits of classes are needed and not there.
    pub fn generator_loss(
        &self,
        adversarial: &dyn Objective,
        real: Option<ClassScores>,
        fake: ClassScores,
        fake_labels: Tensor<1, Int>,
    ) -> Tensor<1> {
        if let Self::MultiHinge = self {
            return multi_hinge(fake.expect_classes(), fake_labels);
        }
        let real = real.map(|real| self.score(&real));
        let loss = adversarial.generator_loss(real, self.score(&fake));
        match self {
            Self::AuxiliaryClassifier {
                lambda_generator, ..
            } => {
                let classes = categorical_code_loss(fake.expect_classes(), fake_labels);
                loss + classes * *lambda_generator
            }
            Self::KPlusOne => loss + categorical_code_loss(fake.expect_classes(), fake_labels),
            Self::Projection | Self::MultiHinge => loss,
        }
    }

    /// The score of being real: the critic's own, or what the classes say about it.
    fn score(&self, scores: &ClassScores) -> Tensor<2> {
        match self {
            Self::KPlusOne => log_sum_exp(scores.clone().expect_classes()),
            _ => scores.score.clone(),
        }
    }
}

impl ClassScores {
    fn expect_classes(self) -> Tensor<2> {
        self.classes
            .expect("this loss needs a critic that gives logits of classes")
    }
}

/// `ln Σ eˣ` of each row, `[batch, 1]`.
fn log_sum_exp(x: Tensor<2>) -> Tensor<2> {
    let largest = x.clone().detach().max_dim(1);
    (x - largest.clone()).exp().sum_dim(1).log() + largest
}

/// `E relu(1 − c_y + max_{k ≠ y} c_k)`.
fn multi_hinge(classes: Tensor<2>, labels: Tensor<1, Int>) -> Tensor<1> {
    let [batch, outputs] = classes.dims();
    let labels = labels.reshape([batch, 1]);
    let own = classes.clone().gather(1, labels.clone());
    let columns = Tensor::<1, Int>::arange(0..outputs as i64, &classes.device());
    let is_own = columns
        .reshape([1, outputs])
        .expand([batch, outputs])
        .equal(labels.expand([batch, outputs]));
    let other = classes.mask_fill(is_own, f32::NEG_INFINITY).max_dim(1);
    activation::relu(other - own + 1.0).mean()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::loss::AdversarialLoss;
    use crate::testing::values;

    fn device() -> Device {
        Device::flex().autodiff()
    }

    fn scores(score: f32, classes: [f32; 3]) -> ClassScores {
        ClassScores {
            score: Tensor::from_floats([[score]], &device()).require_grad(),
            classes: Some(Tensor::from_floats([classes], &device()).require_grad()),
        }
    }

    fn label(y: i32) -> Tensor<1, Int> {
        Tensor::from_ints([y], &device())
    }

    fn number(loss: &Tensor<1>) -> f64 {
        f64::from(values(loss)[0])
    }

    fn close(found: f64, wanted: f64) {
        assert!((found - wanted).abs() < 1e-5, "{found} is not {wanted}");
    }

    fn softplus(x: f64) -> f64 {
        x.exp().ln_1p()
    }

    const PLAIN: AdversarialLoss = AdversarialLoss::NonSaturating;
    const REAL: [f32; 3] = [1.0, 0.0, 0.5];
    const FAKE: [f32; 3] = [0.25, 0.5, 2.0];

    fn z(classes: [f32; 3]) -> f64 {
        classes.iter().map(|c| f64::from(*c).exp()).sum()
    }

    fn cross_entropy(classes: [f32; 3], y: usize) -> f64 {
        z(classes).ln() - f64::from(classes[y])
    }

    fn both(loss: ClassLoss) -> (f64, f64) {
        let (real, fake) = (scores(0.7, REAL), scores(-0.2, FAKE));
        let critic = loss.critic_loss(&PLAIN, real.clone(), fake.clone(), label(0), label(1));
        let generator = loss.generator_loss(&PLAIN, Some(real), fake, label(1));
        (number(&critic), number(&generator))
    }

    #[test]
    fn projection_adds_nothing() {
        let (critic, generator) = both(ClassLoss::Projection);
        close(critic, softplus(-0.7) + softplus(-0.2));
        close(generator, softplus(0.2));
    }

    #[test]
    fn an_auxiliary_classifier_adds_cross_entropies() {
        let (critic, generator) = both(ClassLoss::AuxiliaryClassifier {
            lambda_critic: 2.0,
            lambda_generator: 3.0,
        });
        let (on_real, on_fake) = (cross_entropy(REAL, 0), cross_entropy(FAKE, 1));
        close(
            critic,
            softplus(-0.7) + softplus(-0.2) + 2.0 * (on_real + on_fake),
        );
        close(generator, softplus(0.2) + 3.0 * on_fake);
    }

    /// `p(k) = e^{c_k} / (1 + Σ e^c)` for the classes and `1 / (1 + Σ e^c)` for "generated".
    #[test]
    fn k_plus_one_is_the_cross_entropy_over_one_class_more() {
        let (critic, generator) = both(ClassLoss::KPlusOne);
        let real = (1.0 + z(REAL)).ln() - f64::from(REAL[0]);
        close(critic, real + (1.0 + z(FAKE)).ln());
        close(generator, (1.0 + z(FAKE)).ln() - f64::from(FAKE[1]));
    }

    #[test]
    fn multi_hinge_compares_with_the_best_other_class() {
        // Real: 1 − 1 + 0.5; generated as "generated": 1 − 2 + 0.5 < 0; as class 1: 1 − 0.5 + 2.
        let (critic, generator) = both(ClassLoss::MultiHinge);
        close(critic, 0.5);
        close(generator, 2.5);
    }

    #[test]
    fn gradients_of_the_multi_hinge_move_the_two_classes_of_each_row() {
        let (real, fake) = (scores(0.7, REAL), scores(-0.2, FAKE));
        let gradient = |x: &ClassScores, gradients: &burn::tensor::Gradients| {
            values(&x.classes.clone().unwrap().grad(gradients).unwrap())
        };
        let loss = ClassLoss::MultiHinge;
        let critic = loss.critic_loss(&PLAIN, real.clone(), fake.clone(), label(0), label(1));
        let gradients = critic.backward();
        assert_eq!(gradient(&real, &gradients), [-1.0, 0.0, 1.0]);
        assert_eq!(gradient(&fake, &gradients), [0.0, 0.0, 0.0]);
        let generator = loss.generator_loss(&PLAIN, None, fake.clone(), label(1));
        assert_eq!(gradient(&fake, &generator.backward()), [0.0, -1.0, 1.0]);
    }

    /// d/dc of ln(1 + Z) is the probability of the class among all K + 1.
    #[test]
    fn gradients_of_k_plus_one_are_probabilities() {
        let (real, fake) = (scores(0.7, REAL), scores(-0.2, FAKE));
        let loss = ClassLoss::KPlusOne;
        let critic = loss.critic_loss(&PLAIN, real.clone(), fake.clone(), label(0), label(1));
        let grads = critic.backward();
        let on = |x: ClassScores| values(&x.classes.unwrap().grad(&grads).unwrap());
        for (k, found) in on(real).into_iter().enumerate() {
            let p = f64::from(REAL[k]).exp() / (1.0 + z(REAL));
            close(f64::from(found), p - if k == 0 { 1.0 } else { 0.0 });
        }
        for (k, found) in on(fake).into_iter().enumerate() {
            close(f64::from(found), f64::from(FAKE[k]).exp() / (1.0 + z(FAKE)));
        }
    }

    #[test]
    fn huge_logits_have_finite_losses() {
        let (real, fake) = (scores(0.0, [1e3, -1e3, 0.0]), scores(0.0, [1e3, 1e3, -1e3]));
        for loss in [ClassLoss::KPlusOne, ClassLoss::MultiHinge] {
            let (r, f) = (real.clone(), fake.clone());
            let critic = loss.critic_loss(&PLAIN, r, f.clone(), label(1), label(1));
            assert!(number(&critic).is_finite());
            assert!(number(&loss.generator_loss(&PLAIN, None, f, label(2))).is_finite());
        }
    }

    #[test]
    fn each_kind_says_how_many_logits_it_wants_and_which_weights() {
        let auxiliary = |lambda_critic, lambda_generator| ClassLoss::AuxiliaryClassifier {
            lambda_critic,
            lambda_generator,
        };
        assert_eq!(ClassLoss::Projection.num_outputs(10), 0);
        assert_eq!(auxiliary(1.0, 1.0).num_outputs(10), 10);
        assert_eq!(ClassLoss::KPlusOne.num_outputs(10), 10);
        assert_eq!(ClassLoss::MultiHinge.num_outputs(10), 11);
        let field = |loss: ClassLoss| loss.validate().expect_err("it is bad").field;
        assert_eq!(field(auxiliary(-1.0, 1.0)), "lambda_critic");
        assert_eq!(field(auxiliary(1.0, f64::NAN)), "lambda_generator");
        auxiliary(0.0, 0.0).validate().expect("it is good");
    }

    #[test]
    #[should_panic(expected = "needs a critic that gives logits of classes")]
    fn a_critic_without_classes_is_refused() {
        let mut fake = scores(0.0, FAKE);
        fake.classes = None;
        let _ = ClassLoss::MultiHinge.generator_loss(&PLAIN, None, fake, label(0));
    }
}
