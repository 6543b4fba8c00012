//! Losses and their gradients for both players, and penalties on weights, against PyTorch
//! (`reference/generate/losses.py`).

mod fixture;

use burn::module::Param;
use burn::prelude::*;
use burn::tensor::{Gradients, Int, TensorData};
use fixture::{Fixture, fixture};
use gan_core::loss::{
    AdversarialLoss, BeganConfig, ClassLoss, ClassScores, Objective, categorical_code_loss,
    feature_matching, gaussian_code_loss, pull_away,
};
use gan_core::nn::{Conv2dConfig, SpectralNormConfig};
use gan_core::penalty::orthogonal_penalty;
use gan_core::rng::Stream;

/// Of the largest value of a tensor.
const TOLERANCE: f32 = 1e-5;

fn device() -> Device {
    Device::flex().autodiff()
}

/// How far `found` is off at worst, as a part of the largest value wanted.
fn check<const D: usize>(file: &Fixture, name: &str, found: Tensor<D>) {
    let wanted: Vec<f32> = file.data(name).try_to_vec().unwrap();
    let found = found.into_data();
    assert_eq!(
        found.shape().to_vec(),
        file.data(name).shape().to_vec(),
        "{name}"
    );
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

fn check_objective(file: &Fixture, name: &str, loss: &dyn Objective) {
    let leaf = |name: &str| file.leaf::<2>(name, &device());
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

fn labels(file: &Fixture, name: &str) -> Tensor<1, Int> {
    let values: Vec<f32> = file.data(name).try_to_vec().unwrap();
    let values: Vec<i32> = values.into_iter().map(|label| label as i32).collect();
    let count = values.len();
    Tensor::from_data(TensorData::new(values, [count]), &device())
}

#[test]
fn class_losses_and_their_gradients_are_pytorchs() {
    let file = fixture("losses");
    let kinds = [
        (
            "auxiliary_classifier",
            ClassLoss::AuxiliaryClassifier {
                lambda_critic: 1.0,
                lambda_generator: 0.5,
            },
        ),
        ("k_plus_one", ClassLoss::KPlusOne),
        ("multi_hinge", ClassLoss::MultiHinge),
    ];
    for (name, loss) in kinds {
        let scores = |side: &str| ClassScores {
            score: file.leaf(side, &device()),
            classes: Some(file.leaf(&format!("{side}_classes"), &device())),
        };
        let (real, fake) = (scores("real"), scores("fake"));
        let (asked, objective) = (labels(&file, "fake_labels"), AdversarialLoss::NonSaturating);
        let critic = loss.critic_loss(
            &objective,
            real.clone(),
            fake.clone(),
            labels(&file, "real_labels"),
            asked.clone(),
        );
        let generator = loss.generator_loss(&objective, None, fake.clone(), asked);
        for (player, total) in [("critic", critic), ("generator", generator)] {
            let gradients = total.backward();
            check(&file, &format!("{player}.{name}"), total);
            for (side, scores) in [("real", &real), ("fake", &fake)] {
                let path = format!("{player}.{name}.{side}");
                let classes = scores.classes.as_ref().unwrap();
                check(&file, &path, gradient(&scores.score, &gradients));
                check(
                    &file,
                    &format!("{path}_classes"),
                    gradient(classes, &gradients),
                );
            }
        }
    }
}

#[test]
fn a_categorical_code_is_a_cross_entropy() {
    let file = fixture("losses");
    let logits = file.leaf::<2>("real_classes", &device());
    let codes = labels(&file, "real_labels");
    let loss = categorical_code_loss(logits.clone(), codes.clone());
    // The auxiliary classifier differs from the adversarial loss by two cross-entropies.
    let other = categorical_code_loss(
        file.leaf("fake_classes", &device()),
        labels(&file, "fake_labels"),
    );
    let plain = Tensor::<1>::from_data(file.data("critic.non_saturating"), &device());
    check(
        &file,
        "critic.auxiliary_classifier",
        plain + loss.clone() + other,
    );
    let found = gradient(&logits, &loss.backward());
    check(&file, "critic.auxiliary_classifier.real_classes", found);
}

#[test]
fn gaussian_codes_and_their_gradients_are_pytorchs() {
    let file = fixture("losses");
    let leaf = |name: &str| file.leaf::<2>(name, &device());
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
        file.leaf::<2>("features.real", &device()),
        file.leaf::<2>("features.fake", &device()),
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
    conv.weight = Param::from_data(file.data("weight"), &device());
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
    let y = conv.forward(file.leaf("spectral.x", &device()));
    let along = file.leaf::<4>("spectral.along", &device());
    let gradients = (y.clone() * along).sum().backward();
    check(&file, "spectral.y", y);
    check(&file, "spectral.weight", gradient(&weight, &gradients));
}
