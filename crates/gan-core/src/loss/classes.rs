//! Losses on the logits of classes. [`LabelHead`](crate::nn::LabelHead) says which critic has which.

use burn::prelude::*;
use burn::tensor::activation;

/// Mean cross-entropy of logits against rows of weights over the classes
/// ([`one_hot`](crate::nn::one_hot)). Rows of zeros have no label, and do not count. At chance it is
/// the logarithm of the number of classes.
///
/// # Shapes
///
/// - logits, classes: `[batch, classes]`
/// - output: `[1]`
pub fn cross_entropy(logits: Tensor<2>, classes: Tensor<2>) -> Tensor<1> {
    let labelled = classes.clone().sum().clamp_min(1.0);
    (activation::log_softmax(logits, 1) * classes).sum().neg() / labelled
}

/// The hinge of Crammer and Singer, `E relu(1 − c_y + max_{k ≠ y} c_k)`.
///
/// In [Kavalerov et al. 2019](https://arxiv.org/abs/1912.04216) the critic has `K + 1` logits, the last
/// of which stands for "generated", and this takes the place of the adversarial loss: the critic
/// minimises it on real samples with their classes and on generated ones with class `K`, the generator
/// on generated ones with the classes it was asked for.
///
/// # Shapes
///
/// - logits: `[batch, outputs]`
/// - labels: `[batch]`, numbers in `0..outputs`
/// - output: `[1]`
pub fn multi_hinge(logits: Tensor<2>, labels: Tensor<1, Int>) -> Tensor<1> {
    let [batch, outputs] = logits.dims();
    let labels = labels.reshape([batch, 1]);
    let own = logits.clone().gather(1, labels.clone());
    let columns = Tensor::<1, Int>::arange(0..outputs as i64, &logits.device());
    let is_own = columns
        .reshape([1, outputs])
        .expand([batch, outputs])
        .equal(labels.expand([batch, outputs]));
    let other = logits.mask_fill(is_own, f32::NEG_INFINITY).max_dim(1);
    activation::relu(other - own + 1.0).mean()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::one_hot;
    use crate::testing::{assert_close, values};

    fn device() -> Device {
        Device::flex().autodiff()
    }

    fn logits<const N: usize, const K: usize>(values: [[f32; K]; N]) -> Tensor<2> {
        Tensor::from_floats(values, &device()).require_grad()
    }

    fn labels<const N: usize>(labels: [i32; N]) -> Tensor<1, Int> {
        Tensor::from_ints(labels, &device())
    }

    const REAL: [[f32; 3]; 1] = [[1.0, 0.0, 0.5]];
    const FAKE: [[f32; 3]; 1] = [[0.25, 0.5, 2.0]];

    #[test]
    fn a_guess_at_chance_costs_the_entropy_of_the_classes() {
        let loss = cross_entropy(logits([[0.0; 4]; 2]), one_hot(labels([0, 3]), 4));
        assert!((values(&loss)[0] - 4f32.ln()).abs() < 1e-6);
    }

    #[test]
    fn the_gradient_of_a_cross_entropy_is_probability_minus_one_hot() {
        let logits = logits([[0.0, 2f32.ln()], [0.0, 0.0]]);
        let loss = cross_entropy(logits.clone(), one_hot(labels([1, 0]), 2));
        assert!((values(&loss)[0] - (1.5f32.ln() + 2f32.ln()) / 2.0).abs() < 1e-6);
        let found = logits.grad(&loss.backward()).unwrap();
        let wanted = [[1.0 / 6.0, -1.0 / 6.0], [-0.25, 0.25]];
        assert_close(&found, &Tensor::from_floats(wanted, &Device::flex()), 1e-6);
    }

    #[test]
    fn multi_hinge_compares_with_the_best_other_class() {
        // 1 − 1 + 0.5; as "generated": 1 − 2 + 0.5 < 0; as class 1: 1 − 0.5 + 2.
        for (values_of, label, wanted, slope) in [
            (REAL, 0, 0.5, [-1.0, 0.0, 1.0]),
            (FAKE, 2, 0.0, [0.0, 0.0, 0.0]),
            (FAKE, 1, 2.5, [0.0, -1.0, 1.0]),
        ] {
            let logits = logits(values_of);
            let loss = multi_hinge(logits.clone(), labels([label]));
            assert!((values(&loss)[0] - wanted).abs() < 1e-5);
            assert_eq!(values(&logits.grad(&loss.backward()).unwrap()), slope);
        }
    }

    #[test]
    fn huge_logits_have_finite_losses() {
        for huge in [[[1e3, -1e3, 0.0]], [[1e3, 1e3, -1e3]]] {
            for label in [1, 2] {
                let loss = multi_hinge(logits(huge), labels([label]));
                assert!(values(&loss)[0].is_finite());
                let loss = cross_entropy(logits(huge), one_hot(labels([label]), 3));
                assert!(values(&loss)[0].is_finite());
            }
        }
    }
}
