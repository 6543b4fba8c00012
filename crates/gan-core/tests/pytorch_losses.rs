//! Losses and their gradients for both players, and penalties on weights, against PyTorch
//! (`reference/generate/losses.py`).

mod fixture;

use burn::module::Param;
use burn::prelude::*;
use burn::tensor::{Gradients, Int, TensorData};
use fixture::{Tensors, data, fixture};
use gan_core::loss::{
    AdversarialLoss, BeganConfig, Objective, cross_entropy, feature_matching, gaussian_code_loss,
    multi_hinge, pull_away,
};
use gan_core::nn::{
    Conv2dConfig, Initializer, LabelHead, LabelHeadLayer, SpectralNormConfig, Verdict, one_hot,
};
use gan_core::penalty::orthogonal_penalty;
use gan_core::rng::Stream;

/// Of the largest value of a tensor.
const TOLERANCE: f32 = 1e-5;

fn device() -> Device {
    Device::flex().autodiff()
}

/// A tensor of the file whose gradient can be asked for.
fn leaf<const D: usize>(file: &Tensors, name: &str) -> Tensor<D> {
    Tensor::from_data(data(file, name), &device()).require_grad()
}

/// Checks that no value is off by more than the tolerance.
fn check<const D: usize>(file: &Tensors, name: &str, found: Tensor<D>) {
    let (found, wanted) = (found.into_data(), data(file, name));
    assert_eq!(found.shape(), wanted.shape(), "{name}");
    let wanted: Vec<f32> = wanted.try_to_vec().unwrap();
    let found: Vec<f32> = found.try_to_vec().unwrap();
    let largest = wanted.iter().fold(0f32, |most, v| most.max(v.abs()));
    for (index, (found, wanted)) in found.iter().zip(&wanted).enumerate() {
        let off = (found - wanted).abs();
        assert!(
            off <= TOLERANCE * largest,
            "{name}[{index}]: {found} is not {wanted}"
        );
    }
}

/// The gradient of a leaf; zeros where there is none.
fn gradient<const D: usize>(leaf: &Tensor<D>, gradients: &Gradients) -> Tensor<D> {
    leaf.grad(gradients)
        .unwrap_or_else(|| leaf.clone().inner().zeros_like())
}

fn check_objective(file: &Tensors, name: &str, loss: &dyn Objective) {
    let leaf = |name: &str| leaf::<2>(file, name);
    let (r, f) = (leaf("real"), leaf("fake"));
    let critic = loss.critic_loss(r.clone(), f.clone());
    let gradients = critic.backward();
    check(file, &format!("critic.{name}"), critic);
    check(
        file,
        &format!("critic.{name}.real"),
        gradient(&r, &gradients),
    );
    check(
        file,
        &format!("critic.{name}.fake"),
        gradient(&f, &gradients),
    );

    let real = loss.needs_real_for_generator().then(|| r.detach());
    let generator = loss.generator_loss(real, f.clone());
    let gradients = generator.backward();
    check(file, &format!("generator.{name}"), generator);
    check(
        file,
        &format!("generator.{name}.fake"),
        gradient(&f, &gradients),
    );
}

#[test]
fn adversarial_losses_and_their_gradients_are_pytorchs() {
    let file = fixture("losses");
    for loss in AdversarialLoss::ALL {
        let name = serde_json::to_value(loss).unwrap();
        let name = match &name {
            serde_json::Value::String(name) => name.clone(),
            with_constants => {
                let fields = with_constants.as_object().unwrap();
                fields.keys().next().unwrap().clone()
            }
        };
        check_objective(&file, &name, &loss);
    }
}

/// A controller whose k is 0.3.
#[test]
fn began_and_its_gradients_are_pytorchs() {
    let config = BeganConfig {
        gamma: 1.0,
        lambda_k: 0.3,
    };
    let mut began = config.init(&device());
    let scores = |value: f32| Tensor::<2>::full([4, 1], value, &Device::flex());
    began.observe(scores(-1.0), scores(0.0));
    check_objective(&fixture("losses"), "began", &began);
}

fn labels(file: &Tensors, name: &str) -> Tensor<1, Int> {
    let values: Vec<f32> = data(file, name).try_to_vec().unwrap();
    let values: Vec<i32> = values.into_iter().map(|label| label as i32).collect();
    let count = values.len();
    Tensor::from_data(TensorData::new(values, [count]), &device())
}

/// Scores and logits of classes of real and of generated samples, and what they are said to be.
struct Classes {
    scores: [Tensor<2>; 2],
    logits: [Tensor<2>; 2],
    labels: [Tensor<1, Int>; 2],
}

impl Classes {
    fn of(file: &Tensors) -> Self {
        Self {
            scores: ["real", "fake"].map(|side| leaf(file, side)),
            logits: ["real_classes", "fake_classes"].map(|side| leaf(file, side)),
            labels: ["real_labels", "fake_labels"].map(|side| labels(file, side)),
        }
    }

    fn rows(&self) -> [Tensor<2>; 2] {
        let classes = self.logits[0].dims()[1];
        self.labels.clone().map(|labels| one_hot(labels, classes))
    }

    /// What a head makes of them if its classifier gives these logits.
    fn judge(&self, head: &LabelHeadLayer) -> [Verdict; 2] {
        let rows = self.rows();
        [0, 1].map(|side| {
            let (score, logits) = (self.scores[side].clone(), self.logits[side].clone());
            head.judge(score.into(), logits.into(), &rows[side])
        })
    }

    fn check(&self, file: &Tensors, name: &str, total: Tensor<1>) {
        let gradients = total.backward();
        check(file, name, total);
        for (index, side) in ["real", "fake"].into_iter().enumerate() {
            let path = format!("{name}.{side}");
            check(file, &path, gradient(&self.scores[index], &gradients));
            let path = format!("{path}_classes");
            check(file, &path, gradient(&self.logits[index], &gradients));
        }
    }
}

/// A head whose classifier leaves its features as they are.
fn head(rule: LabelHead, classes: usize) -> LabelHeadLayer {
    let stream = &mut Stream::new(1, "head", 0);
    let sizes = (classes, classes);
    let mut head = rule.init(sizes, Initializer::PyTorch, None, stream, &device());
    let classifier = head.classifier.as_mut().unwrap();
    classifier.weight = Param::from_tensor(Tensor::eye(classes, &device()));
    classifier.bias = None;
    head
}

/// The file has the weights 1 for the critic and 0.5 for the generator.
#[test]
fn an_auxiliary_classifier_and_its_gradients_are_pytorchs() {
    let file = fixture("losses");
    let all = Classes::of(&file);
    let [real_rows, fake_rows] = all.rows();
    let rule = |weight| LabelHead::Auxiliary {
        weight,
        on_fake: true,
    };
    let (plain, classes) = (AdversarialLoss::NonSaturating, real_rows.dims()[1]);
    let layer = head(rule(1.0), classes);
    let [real, fake] = all.judge(&layer);
    let class = layer.critic_loss((&real, &real_rows), (&fake, &fake_rows));
    let critic = plain.critic_loss(real.score.primal, fake.score.primal) + class.unwrap();
    all.check(&file, "critic.auxiliary_classifier", critic);
    let layer = head(rule(0.5), classes);
    let [_, fake] = all.judge(&layer);
    let class = layer.generator_loss(&fake, &fake_rows).unwrap();
    let generator = plain.generator_loss(None, fake.score.primal) + class;
    all.check(&file, "generator.auxiliary_classifier", generator);
}

/// The file's critic has no score but that of its classes.
#[test]
fn k_plus_one_classes_and_their_gradients_are_pytorchs() {
    let file = fixture("losses");
    let all = Classes::of(&file);
    let [real_rows, fake_rows] = all.rows();
    let plain = AdversarialLoss::NonSaturating;
    let layer = head(LabelHead::KPlusOne { weight: 1.0 }, real_rows.dims()[1]);
    let classes_alone = || {
        let scores = all.scores.clone().map(|scores| scores * 0.0);
        let logits = all.logits.clone();
        let labels = all.labels.clone();
        Classes {
            scores,
            logits,
            labels,
        }
        .judge(&layer)
    };
    let [real, fake] = classes_alone();
    let class = layer.critic_loss((&real, &real_rows), (&fake, &fake_rows));
    let critic = plain.critic_loss(real.score.primal, fake.score.primal) + class.unwrap();
    all.check(&file, "critic.k_plus_one", critic);
    let [_, fake] = classes_alone();
    let class = layer.generator_loss(&fake, &fake_rows).unwrap();
    let generator = plain.generator_loss(None, fake.score.primal) + class;
    all.check(&file, "generator.k_plus_one", generator);
}

#[test]
fn the_multi_hinge_and_its_gradients_are_pytorchs() {
    let file = fixture("losses");
    let all = Classes::of(&file);
    let [real, fake] = all.logits.clone();
    let [real_labels, asked] = all.labels.clone();
    let generated = asked.zeros_like() + (fake.dims()[1] - 1) as i32;
    let critic = multi_hinge(real, real_labels) + multi_hinge(fake.clone(), generated);
    all.check(&file, "critic.multi_hinge", critic);
    all.check(&file, "generator.multi_hinge", multi_hinge(fake, asked));
}

#[test]
fn a_categorical_code_is_a_cross_entropy() {
    let file = fixture("losses");
    let all = Classes::of(&file);
    let [real_rows, fake_rows] = all.rows();
    let [logits, others] = all.logits.clone();
    let loss = cross_entropy(logits.clone(), real_rows);
    // The auxiliary classifier differs from the adversarial loss by two cross-entropies.
    let other = cross_entropy(others, fake_rows);
    let plain = Tensor::<1>::from_data(data(&file, "critic.non_saturating"), &device());
    let total = plain + loss.clone() + other;
    check(&file, "critic.auxiliary_classifier", total);
    let found = gradient(&logits, &loss.backward());
    check(&file, "critic.auxiliary_classifier.real_classes", found);
}

#[test]
fn gaussian_codes_and_their_gradients_are_pytorchs() {
    let file = fixture("losses");
    let leaf = |name: &str| leaf::<2>(&file, name);
    let (mean, log_variance) = (leaf("code.mean"), leaf("code.log_variance"));
    let codes = leaf("code.codes").detach();
    let loss = gaussian_code_loss(mean.clone(), None, codes.clone());
    check(&file, "code.fixed.mean", gradient(&mean, &loss.backward()));
    check(&file, "code.fixed", loss);
    let loss = gaussian_code_loss(mean.clone(), Some(log_variance.clone()), codes);
    let gradients = loss.backward();
    check(&file, "code.learned", loss);
    check(&file, "code.learned.mean", gradient(&mean, &gradients));
    check(
        &file,
        "code.learned.log_variance",
        gradient(&log_variance, &gradients),
    );
}

#[test]
fn feature_losses_and_their_gradients_are_pytorchs() {
    let file = fixture("losses");
    let (real, fake) = (
        leaf::<2>(&file, "features.real"),
        leaf::<2>(&file, "features.fake"),
    );
    let matching = feature_matching(real, fake.clone());
    for (name, loss) in [
        ("matching", matching),
        ("pull_away", pull_away(fake.clone())),
    ] {
        let found = gradient(&fake, &loss.backward());
        check(&file, &format!("features.{name}.fake"), found);
        check(&file, &format!("features.{name}"), loss);
    }
}

#[test]
fn penalties_on_weights_and_spectral_normalisation_are_pytorchs() {
    let file = fixture("losses");
    let config = Conv2dConfig::new(3, 4, 2).with_bias(false);
    let mut conv = config.init(&mut Stream::new(1, "conv", 0), &device());
    conv.weight = Param::from_data(data(&file, "weight"), &device());
    let weight = conv.weight.val();
    let penalty = orthogonal_penalty(&conv);
    check(
        &file,
        "orthogonal.weight",
        gradient(&weight, &penalty.backward()),
    );
    check(&file, "orthogonal", penalty);

    let norm = SpectralNormConfig { warm_up: 500 };
    conv.spectral_norm = Some(norm.init(weight.clone(), 0, &mut Stream::new(1, "norm", 0)));
    let y = conv.forward(leaf(&file, "spectral.x"));
    let along = leaf::<4>(&file, "spectral.along");
    let gradients = (y.clone() * along).sum().backward();
    check(&file, "spectral.y", y);
    check(&file, "spectral.weight", gradient(&weight, &gradients));
}
