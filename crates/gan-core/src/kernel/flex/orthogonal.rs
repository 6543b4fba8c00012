//! [`orthogonalize`](crate::kernel::orthogonalize) on flex.

use burn::backend::Flex;
use burn::prelude::*;

use super::contiguous;
use super::matrix_product::{View, product};
use super::node::{tensor, values};
use super::update::sum_of_squares_of;
use crate::kernel::orthogonal::{COEFFICIENTS, STEPS};

pub(crate) use super::matrix_product::is_fast;

pub(crate) fn orthogonalize(x: Tensor<2>, epsilon: f64) -> Tensor<2> {
    let size = x.dims();
    let x = contiguous(x);
    Tensor::from_primitive::<Flex>(tensor(orthogonalized(values(&x), size, epsilon), size))
}

/// The same of a matrix in memory, row by row.
pub(crate) fn orthogonalized(x: &[f32], [rows, columns]: [usize; 2], epsilon: f64) -> Vec<f32> {
    let scale = (1.0 / (sum_of_squares_of(x).sqrt() + epsilon)) as f32;
    let x: Vec<f32> = x.iter().map(|x| x * scale).collect();
    let x = View::rows(&x, columns);
    if rows > columns {
        let factor = factor(
            product(x.transposed(), x, [columns, rows, columns]),
            columns,
        );
        product(x, View::rows(&factor, columns), [rows, columns, columns])
    } else {
        let factor = factor(product(x, x.transposed(), [rows, columns, rows]), rows);
        product(View::rows(&factor, rows), x, [rows, rows, columns])
    }
}

/// What `x` is multiplied by on its shorter side, of `n`, if its product with itself is `squares`: symmetric.
fn factor(mut squares: Vec<f32>, n: usize) -> Vec<f32> {
    let times = |a: &[f32], b: &[f32]| product(View::rows(a, n), View::rows(b, n), [n; 3]);
    let mut factor = polynomial(&squares, &times(&squares, &squares), n);
    let mut last = factor.clone();
    for _ in 1..STEPS {
        squares = times(&times(&last, &squares), &last);
        last = polynomial(&squares, &times(&squares, &squares), n);
        factor = times(&last, &factor);
    }
    factor
}

/// `a + b A + c A²` for `n × n` matrices.
fn polynomial(a: &[f32], a_squared: &[f32], n: usize) -> Vec<f32> {
    let [constant, linear, square] = COEFFICIENTS.map(|value| value as f32);
    let terms = a.iter().zip(a_squared);
    let mut sum: Vec<f32> = terms
        .map(|(a, a_squared)| linear * a + square * a_squared)
        .collect();
    let diagonal = sum.iter_mut().step_by(n + 1);
    diagonal.for_each(|value| *value += constant);
    sum
}
