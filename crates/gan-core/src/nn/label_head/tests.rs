//! Every head against its formula.

use burn::tensor::activation;

use super::*;
use crate::dual::Dual;
use crate::loss::{AdversarialLoss, Objective, cross_entropy};
use crate::nn::Verdict;
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

/// A head of K + 1 whose classifier leaves the features as they are: the features are the logits.
fn k_plus_one() -> LabelHeadLayer {
    let rule = LabelHead::KPlusOne { weight: 1.0 };
    let device = device().autodiff();
    let stream = &mut Stream::new(1, "head", 0);
    let mut layer = rule.init((3, 3), Initializer::PyTorch, None, stream, &device);
    let classifier = layer.classifier.as_mut().unwrap();
    classifier.weight = classifier.weight.clone().map(|_| Tensor::eye(3, &device));
    classifier.bias = None;
    layer
}

/// With the non-saturating loss, `p(k) = e^{c_k} / (1 + Σ e^c)` for the classes and `1 / (1 + Σ e^c)` for
/// "generated": values, and `d/dc ln(1 + Σ e^c)` as gradients.
#[test]
fn k_plus_one_is_the_cross_entropy_over_one_class_more() {
    const REAL: [f32; 3] = [1.0, 0.0, 0.5];
    const FAKE: [f32; 3] = [0.25, 0.5, 2.0];
    let exp = |c: f32| f64::from(c).exp();
    let z = |classes: [f32; 3]| classes.into_iter().map(exp).sum::<f64>();
    let (layer, device) = (k_plus_one(), device().autodiff());
    let logits = |c: [f32; 3]| Tensor::<2>::from_floats([c], &device).require_grad();
    let (real, fake) = (logits(REAL), logits(FAKE));
    let class = |k: i32| crate::nn::one_hot(Tensor::from_ints([k], &device), 3);
    let nothing = || Tensor::zeros([1, 1], &device).into();
    let on_real = layer.judge(nothing(), real.clone().into(), &class(0));
    let on_fake = layer.judge(nothing(), fake.clone().into(), &class(1));
    let plain = AdversarialLoss::NonSaturating;
    let scores = (on_real.score.primal.clone(), on_fake.score.primal.clone());
    let critic = plain.critic_loss(scores.0, scores.1.clone())
        + layer
            .critic_loss((&on_real, &class(0)), (&on_fake, &class(1)))
            .unwrap();
    let generator =
        plain.generator_loss(None, scores.1) + layer.generator_loss(&on_fake, &class(1)).unwrap();
    let wanted = (1.0 + z(REAL)).ln() - f64::from(REAL[0]) + (1.0 + z(FAKE)).ln();
    let wanted = (wanted, (1.0 + z(FAKE)).ln() - f64::from(FAKE[1]));
    assert_near((scalar(critic.clone()), scalar(generator)), wanted);

    let gradients = critic.backward();
    for (leaf, of, own) in [(real, REAL, 1.0), (fake, FAKE, 0.0)] {
        let found = crate::testing::values(&leaf.grad(&gradients).unwrap());
        for (k, found) in found.into_iter().enumerate() {
            let wanted = exp(of[k]) / (1.0 + z(of)) - if k == 0 { own } else { 0.0 };
            assert!((f64::from(found) - wanted).abs() < 1e-5, "{k}: {found}");
        }
    }
}

#[test]
fn huge_logits_of_k_plus_one_have_finite_losses() {
    let (layer, device) = (k_plus_one(), device().autodiff());
    for huge in [[1e3, -1e3, 0.0], [1e3, 1e3, -1e3]] {
        let features = Tensor::<2>::from_floats([huge], &device);
        let class = crate::nn::one_hot(Tensor::from_ints([1], &device), 3);
        let nothing = Tensor::zeros([1, 1], &device).into();
        let verdict = layer.judge(nothing, features.into(), &class);
        assert!(scalar(verdict.score.primal.clone().mean()).is_finite());
        let both = (&verdict, &class);
        assert!(scalar(layer.critic_loss(both, both).unwrap()).is_finite());
        assert!(scalar(layer.generator_loss(&verdict, &class).unwrap()).is_finite());
    }
}
