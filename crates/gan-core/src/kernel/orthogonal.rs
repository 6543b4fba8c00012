//! The nearest orthogonal matrix, nearly.

use burn::prelude::*;

/// Coefficients of `p(σ) = 3.4445 σ − 4.775 σ³ + 2.0315 σ⁵`, which takes small singular values up fastest and
/// leaves those near one between 0.68 and 1.21
/// ([Jordan et al. 2024](https://kellerjordan.github.io/posts/muon/)).
pub(crate) const COEFFICIENTS: [f64; 3] = [3.4445, -4.775, 2.0315];

/// Times that the polynomial is applied; five in its authors' code.
pub(crate) const STEPS: usize = 5;

/// For `x = U Σ Vᵀ`: `U φ(Σ / (|Σ| + epsilon)) Vᵀ`, where `φ` is the Newton–Schulz polynomial of
/// [Muon](crate::optim::OptimizerConfig::Muon), five times. Singular values above a five-hundredth of that length
/// come out between 0.68 and 1.21; those of a matrix much shorter than `epsilon`, 0 at the end, near 0. A value
/// that is not finite makes all of them so.
///
/// The products are of matrices as high and wide as the shorter side of `x`: `X Xᵀ` becomes `P² X Xᵀ` when `X`
/// becomes `P X`, as a polynomial `P` of `X Xᵀ` commutes with it.
///
/// # Shapes
///
/// - x: `[rows, columns]`
/// - output: the same
pub fn orthogonalize(x: Tensor<2>, epsilon: f64) -> Tensor<2> {
    #[cfg(feature = "flex")]
    if super::flex::is_flex(&x) && super::flex::orthogonal::is_fast() {
        return super::flex::orthogonal::orthogonalize(x, epsilon);
    }
    plain_orthogonalize(x, epsilon)
}

/// [`orthogonalize`] in Burn's own operations.
fn plain_orthogonalize(x: Tensor<2>, epsilon: f64) -> Tensor<2> {
    let [rows, columns] = x.dims();
    if rows > columns {
        return plain_orthogonalize(x.transpose(), epsilon).transpose();
    }
    let length = x.clone().square().sum().sqrt() + epsilon;
    let x = x / length.reshape([1, 1]);
    let one = Tensor::eye(rows, &x.device());
    let [a, b, c] = COEFFICIENTS;
    let polynomial = |squares: &Tensor<2>| {
        let fourth = squares.clone().matmul(squares.clone());
        one.clone() * a + squares.clone() * b + fourth * c
    };
    let mut squares = x.clone().matmul(x.clone().transpose());
    let mut last = polynomial(&squares);
    let mut factor = last.clone();
    for _ in 1..STEPS {
        squares = last.clone().matmul(squares).matmul(last);
        last = polynomial(&squares);
        factor = last.clone().matmul(factor);
    }
    factor.matmul(x)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Stream;

    /// `U diag(sigma) Vᵀ` for rotations `U` and `V` of pairs of coordinates, `V` of twice as many.
    fn with_singular_values(sigma: &[f32]) -> Tensor<2> {
        let device = Device::flex();
        let n = sigma.len();
        let reflection = |n: usize, name: &str| {
            let v: Tensor<2> = Stream::new(3, name, 0).normal([n, 1], &device);
            let length = v.clone().square().sum().reshape([1, 1]);
            Tensor::eye(n, &device) - v.clone().matmul(v.transpose()) / length * 2.0
        };
        let middle =
            Tensor::<1>::from_floats(sigma, &device).reshape([n, 1]) * Tensor::<2>::eye(n, &device);
        let wide = Tensor::cat(vec![middle, Tensor::zeros([n, n], &device)], 1);
        reflection(n, "u")
            .matmul(wide)
            .matmul(reflection(2 * n, "v"))
    }

    fn phi(sigma: &[f32]) -> Vec<f32> {
        let length = sigma
            .iter()
            .map(|s| f64::from(*s).powi(2))
            .sum::<f64>()
            .sqrt();
        let [a, b, c] = COEFFICIENTS;
        let of = |s: &f32| {
            let step = |s: f64, _| a * s + b * s.powi(3) + c * s.powi(5);
            (0..STEPS).fold(f64::from(*s) / length, step) as f32
        };
        sigma.iter().map(of).collect()
    }

    const EPSILON: f64 = 1e-8;

    fn ours(x: &Tensor<2>) -> Tensor<2> {
        orthogonalize(x.clone(), EPSILON)
    }

    fn plain(x: &Tensor<2>) -> Tensor<2> {
        plain_orthogonalize(x.clone(), EPSILON)
    }

    fn assert_near(found: Tensor<2>, wanted: Tensor<2>) {
        let largest = (found - wanted).abs().max().into_scalar::<f32>();
        assert!(largest < 2e-4, "{largest}");
    }

    #[test]
    fn singular_values_become_what_the_polynomial_says() {
        let sigma: Vec<f32> = (1..=20).map(|i| 3.0 * 0.8f32.powi(i)).collect();
        let x = with_singular_values(&sigma);
        let wanted = with_singular_values(&phi(&sigma));
        assert!(phi(&sigma)[..10].iter().all(|s| (0.65..1.25).contains(s)));
        let turned = x.clone().transpose();
        for of in [ours, plain] {
            assert_near(of(&x), wanted.clone());
            assert_near(of(&turned), wanted.clone().transpose());
        }
    }

    #[test]
    fn the_length_has_no_effect_until_it_is_as_short_as_epsilon() {
        let x: Tensor<2> = Stream::new(1, "x", 0).normal([7, 33], &Device::flex());
        for of in [ours, plain] {
            let wanted = of(&x);
            for factor in [1e-4, 1e9] {
                assert_near(of(&(x.clone() * factor)), wanted.clone());
            }
            // Squares of the last two are 0 in `f32`.
            for factor in [1e-15, 1e-25, 1e-35] {
                assert_near(of(&(x.clone() * factor)), x.zeros_like());
            }
        }
    }

    #[test]
    fn zeros_stay_and_what_is_not_finite_is_everywhere() {
        let zeros = Tensor::<2>::zeros([3, 5], &Device::flex());
        let bad = Tensor::<2>::from_floats([[1.0, f32::NAN], [0.0, 2.0]], &Device::flex());
        for of in [ours, plain] {
            assert_near(of(&zeros), zeros.clone());
            let values = of(&bad).into_data().try_to_vec::<f32>().unwrap();
            assert!(values.iter().all(|value| value.is_nan()));
        }
    }
}
