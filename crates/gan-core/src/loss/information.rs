//! Losses on codes that a critic recovers from a sample.
//!
//! [InfoGAN](https://arxiv.org/abs/1606.03657), equation 5: a code `c` goes into the generator, a head of
//! the critic guesses it from the sample, and both players minimise `−E ln Q(c | G(z, c))`. That is the
//! entropy of the code minus a lower bound of the mutual information between code and sample. For a
//! categorical code it is the [cross-entropy](super::cross_entropy).

use burn::prelude::*;

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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::values;

    fn device() -> Device {
        Device::flex().autodiff()
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
