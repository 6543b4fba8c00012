//! Losses on what a critic has seen in the samples.

use burn::prelude::*;

use crate::penalty::squared_products;

/// Feature matching, section 3.1 of [Salimans et al. 2016](https://arxiv.org/abs/1606.03498):
/// `‖E f(x) − E f(G(z))‖²`, for the generator.
///
/// # Shapes
///
/// - real: `[reals, features]`, of real samples; gets no gradient
/// - fake: `[fakes, features]`, of generated samples
/// - output: `[1]`
///
/// # Panics
///
/// Panics if the number of features differs.
pub fn feature_matching(real: Tensor<2>, fake: Tensor<2>) -> Tensor<1> {
    (real.detach().mean_dim(0) - fake.mean_dim(0))
        .square()
        .sum()
}

/// The pulling-away term of [EBGAN](https://arxiv.org/abs/1609.03126), equation 4: the mean square of
/// the cosine between the features of two generated samples. The paper adds a tenth of it to the
/// generator's loss. 0 for a single sample.
///
/// # Shapes
///
/// - features: `[batch, features]`
/// - output: `[1]`
pub fn pull_away(features: Tensor<2>) -> Tensor<1> {
    let [batch, _] = features.dims();
    let unit = of_length_one(features);
    squared_products(unit) / (batch * batch.saturating_sub(1)).max(1) as f64
}

/// Each row divided by its length.
pub(super) fn of_length_one(rows: Tensor<2>) -> Tensor<2> {
    // The limit keeps the gradient of a row of zeros finite.
    let length = rows.clone().square().sum_dim(1).add_scalar(1e-12).sqrt();
    rows / length
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::values;

    fn rows(rows: [[f32; 2]; 2]) -> Tensor<2> {
        Tensor::from_floats(rows, &Device::flex().autodiff()).require_grad()
    }

    #[test]
    fn matching_compares_means_and_moves_generated_samples_only() {
        let (real, fake) = (
            rows([[1.0, 2.0], [3.0, 2.0]]),
            rows([[0.0, 1.0], [2.0, 0.0]]),
        );
        let loss = feature_matching(real.clone(), fake.clone());
        assert_eq!(values(&loss), [1.0 + 2.25]);
        let grads = loss.backward();
        assert!(real.grad(&grads).is_none());
        assert_eq!(
            values(&fake.grad(&grads).unwrap()),
            [-1.0, -1.5, -1.0, -1.5]
        );
    }

    #[test]
    fn different_numbers_of_samples_can_be_matched() {
        let real = Tensor::<2>::from_floats([[2.0, 2.0]], &Device::flex().autodiff());
        let loss = feature_matching(real, rows([[0.0, 1.0], [2.0, 0.0]]));
        assert_eq!(values(&loss), [1.0 + 2.25]);
    }

    /// The cosine of (3, 4) and (1, 0) is 0.6, whatever their lengths.
    #[test]
    fn pulling_away_is_the_mean_squared_cosine() {
        for scale in [1.0, 100.0] {
            let loss = pull_away(rows([[3.0 * scale, 4.0 * scale], [1.0, 0.0]]));
            assert!((values(&loss)[0] - 0.36).abs() < 1e-5);
        }
        assert_eq!(values(&pull_away(rows([[1.0, 0.0], [0.0, 2.0]]))), [0.0]);
    }

    /// d cos² / d a for a = (3, 4), b = (1, 0): 2 cos (b − cos â) / |a|.
    #[test]
    fn its_gradient_is_that_of_the_cosine() {
        let x = rows([[3.0, 4.0], [1.0, 0.0]]);
        let found = values(&x.grad(&pull_away(x.clone()).backward()).unwrap());
        let wanted = [1.2 * (1.0 - 0.36) / 5.0, 1.2 * (-0.48) / 5.0];
        for (found, wanted) in found.iter().zip(wanted) {
            assert!((found - wanted).abs() < 1e-5, "{found} {wanted}");
        }
    }

    #[test]
    fn one_sample_and_a_row_of_zeros_are_harmless() {
        let device = Device::flex().autodiff();
        let one = Tensor::<2>::from_floats([[3.0, 4.0]], &device).require_grad();
        assert_eq!(values(&pull_away(one.clone())), [0.0]);
        let zeros = rows([[0.0, 0.0], [1.0, 0.0]]);
        let grads = pull_away(zeros.clone()).backward();
        let gradient = values(&zeros.grad(&grads).unwrap());
        assert!(gradient.iter().all(|g| g.is_finite()), "{gradient:?}");
    }
}
