//! Losses on codes that a critic recovers from a sample.
//!
//! [InfoGAN](https://arxiv.org/abs/1606.03657), equation 5: a code `c` goes into the generator, a head of
//! the critic guesses it from the sample, and both players minimise `−E ln Q(c | G(z, c))`. That is the
//! entropy of the code minus a lower bound of the mutual information between code and sample. For a
//! categorical code it is the [cross-entropy](super::cross_entropy).

use burn::prelude::*;
use burn::tensor::activation;

use super::classes::cross_entropy;
use super::features::of_length_one;

/// `−E Σ ln N(c; mean, variance)` of continuous codes, summed over the codes of a sample and averaged
/// over samples. Without `log_variance` the variance is 1, as in the paper's code.
///
/// # Shapes
///
/// - mean, log_variance, codes: `[batch, codes]`; the first two are what the critic guesses
/// - output: `[1]`
///
/// # Panics
///
/// Panics if the shapes differ.
pub fn gaussian_code_loss(
    mean: Tensor<2>,
    log_variance: Option<Tensor<2>>,
    codes: Tensor<2>,
) -> Tensor<1> {
    assert_eq!(
        mean.dims(),
        codes.dims(),
        "as many codes must be guessed as there are"
    );
    let constant = (2.0 * core::f64::consts::PI).ln();
    let squares = (codes - mean).square();
    let terms = match log_variance {
        Some(log_variance) => squares * log_variance.clone().neg().exp() + log_variance,
        None => squares,
    };
    (terms + constant).sum_dim(1).mean() * 0.5
}

/// Minus the mutual information of two readings of the same samples, in nats: equation 3 of
/// [Invariant Information Clustering](https://arxiv.org/abs/1807.06653). It is least if all choices are
/// made equally often, surely, and alike in both readings, so that a choice depends on what the readings
/// have in common.
///
/// # Shapes
///
/// - first, second: `[batch, choices]`, logits of the same samples
/// - output: `[1]`
///
/// # Panics
///
/// Panics if the shapes differ.
pub fn shared_information_loss(first: Tensor<2>, second: Tensor<2>) -> Tensor<1> {
    assert_eq!(
        first.dims(),
        second.dims(),
        "both readings must be of the same samples"
    );
    let [batch, choices] = first.dims();
    let [first, second] = [first, second].map(|logits| activation::softmax(logits, 1));
    let joint = first.transpose().matmul(second) / batch as f64;
    let joint = (joint.clone() + joint.transpose()) * 0.5;
    // A pair that never occurs adds nothing, and its logarithm must stay finite.
    let joint = joint.clamp_min(1e-6);
    let marginal = joint.clone().sum_dim(1).log();
    let independent = marginal.clone() + marginal.reshape([1, choices]);
    (joint.clone() * (independent - joint.log())).sum()
}

/// How badly each sample is told from all others by its other view: the mean cross-entropy of finding it
/// among them by the cosine of their features, equation 1 of [SimCLR](https://arxiv.org/abs/2002.05709). About
/// `ln(2 · batch − 1)` at chance. That less this loss is a lower bound of the information that the
/// views share ([van den Oord et al. 2018](https://arxiv.org/abs/1807.03748), section 2.3).
///
/// # Shapes
///
/// - first, second: `[batch, features]`, of two views of the same samples
/// - temperature: above 0; the cosine is divided by it
/// - output: `[1]`
///
/// # Panics
///
/// Panics if the shapes differ.
pub fn contrastive_loss(first: Tensor<2>, second: Tensor<2>, temperature: f64) -> Tensor<1> {
    assert_eq!(
        first.dims(),
        second.dims(),
        "both views must be of the same samples"
    );
    let batch = first.dims()[0];
    let views = of_length_one(Tensor::cat(vec![first, second], 0));
    let cosines = views.clone().matmul(views.clone().transpose());
    let same = Tensor::<2>::eye(2 * batch, &views.device());
    let half = |start| same.clone().narrow(0, start, batch);
    let other_view = Tensor::cat(vec![half(batch), half(0)], 0);
    // A view is not searched for among itself.
    let logits = cosines / temperature - same * 1e9;
    cross_entropy(logits, other_view)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readings_that_agree_share_all_information_and_constant_ones_none() {
        let device = Device::flex();
        let sure = Tensor::<2>::eye(4, &device) * 50.0;
        let all = values(&shared_information_loss(sure.clone(), sure.clone()))[0];
        assert!((all + 4f32.ln()).abs() < 1e-3, "{all}");
        let constant = Tensor::<2>::from_floats([[3.0, 1.0, 0.0, 0.0]], &device).repeat_dim(0, 4);
        // Pairs are counted in both orders: joint (pᵢ + pⱼ) / 8, marginal (4 pᵢ + 1) / 8.
        let exp = [3f64, 1.0, 0.0, 0.0].map(f64::exp);
        let p = exp.map(|value| value / exp.iter().sum::<f64>());
        let pairs = (0..16).map(|pair| [p[pair / 4], p[pair % 4]]);
        let shared = pairs.map(|[a, b]| {
            let joint = (a + b) / 8.0;
            joint * (joint * 64.0 / ((4.0 * a + 1.0) * (4.0 * b + 1.0))).ln()
        });
        let expected = shared.sum::<f64>() as f32;
        let mixed = values(&shared_information_loss(sure.clone(), constant.clone()))[0];
        assert!((mixed + expected).abs() < 1e-4, "{mixed}");
        let same = values(&shared_information_loss(constant.clone(), constant))[0];
        assert!(same.abs() < 1e-4, "{same}");
        // Two choices for pairs of samples: ln 2.
        let halves = Tensor::cat(vec![sure.clone().narrow(0, 0, 2); 2], 0);
        let half = values(&shared_information_loss(halves.clone(), halves))[0];
        assert!((half + 2f32.ln()).abs() < 1e-3, "{half}");
    }
    use crate::testing::values;

    fn device() -> Device {
        Device::flex().autodiff()
    }

    /// Three directions at right angles: the other view has cosine 1 and four others have 0.
    #[test]
    fn the_other_view_is_found_by_its_cosine() {
        let views = Tensor::<2>::eye(3, &device());
        let longer = views.clone() * 5.0; // Lengths do not count.
        for temperature in [0.3f64, 1.0] {
            let found = contrastive_loss(views.clone(), longer.clone(), temperature);
            let wanted = (1.0 + 4.0 * (-1.0 / temperature).exp()).ln() as f32;
            assert!((values(&found)[0] - wanted).abs() < 1e-5, "{temperature}");
        }
        // All alike: one of the five others by chance.
        let alike = Tensor::<2>::ones([3, 2], &device());
        let chance = contrastive_loss(alike.clone(), alike, 0.3);
        assert!((values(&chance)[0] - 5f32.ln()).abs() < 1e-5);
        // The wrong partner: cosine 0 where 1 is seen elsewhere.
        let turned = Tensor::cat(
            vec![views.clone().narrow(0, 1, 2), views.clone().narrow(0, 0, 1)],
            0,
        );
        let wrong = contrastive_loss(views, turned, 1.0);
        let wanted = (4.0 + 1f32.exp()).ln();
        assert!((values(&wrong)[0] - wanted).abs() < 1e-5);
    }

    #[test]
    fn a_row_of_zeros_has_a_finite_gradient() {
        let zeros = Tensor::<2>::zeros([2, 3], &device()).require_grad();
        let other = Tensor::<2>::ones([2, 3], &device());
        let loss = contrastive_loss(zeros.clone(), other, 0.3);
        let gradient = zeros.grad(&loss.backward()).unwrap();
        assert!(values(&gradient).iter().all(|value| value.is_finite()));
    }

    #[test]
    fn a_unit_variance_gives_half_squares_and_the_constant() {
        let mean = Tensor::<2>::from_floats([[1.0, 0.0], [0.0, 0.0]], &device()).require_grad();
        let codes = Tensor::<2>::from_floats([[3.0, 0.0], [0.0, -1.0]], &device());
        let loss = gaussian_code_loss(mean.clone(), None, codes.clone());
        let constant = (2.0 * std::f32::consts::PI).ln();
        assert!((values(&loss)[0] - (1.25 + constant)).abs() < 1e-5);
        let found = values(&mean.grad(&loss.backward()).unwrap());
        assert_eq!(found, [-1.0, 0.0, 0.0, 0.5]);
        let ones = Tensor::zeros([2, 2], &device());
        let same = gaussian_code_loss(mean, Some(ones), codes);
        assert!((values(&same)[0] - (1.25 + constant)).abs() < 1e-5);
    }

    /// The best variance is the mean square of what is left: there the gradient is 0.
    #[test]
    fn a_learned_variance_has_its_optimum_at_the_squared_error() {
        let mean = Tensor::<2>::zeros([1, 1], &device());
        let codes = Tensor::<2>::from_floats([[3.0]], &device());
        for (variance, slope) in [(9f32, 0.0), (1.0, -4.0), (18.0, 0.25)] {
            let log = Tensor::<2>::from_floats([[variance.ln()]], &device()).require_grad();
            let loss = gaussian_code_loss(mean.clone(), Some(log.clone()), codes.clone());
            let found = values(&log.grad(&loss.backward()).unwrap())[0];
            assert!((found - slope).abs() < 1e-5, "{variance}: {found}");
        }
    }

    #[test]
    #[should_panic(expected = "as many codes must be guessed as there are")]
    fn another_number_of_codes_is_refused() {
        let zeros = |codes| Tensor::<2>::zeros([2, codes], &Device::flex());
        let _ = gaussian_code_loss(zeros(1), None, zeros(2));
    }
}
