//! [`orthogonalize`](crate::kernel::orthogonalize) on flex.

use burn::prelude::*;

use super::contiguous;
use super::matrix_product::{View, product};
use super::node::{tensor, values};
use crate::kernel::orthogonal::{COEFFICIENTS, STEPS, TINY};

pub(crate) use super::matrix_product::is_fast;

/// `x` is no higher than wide.
pub(crate) fn orthogonalize(x: Tensor<2>) -> Tensor<2> {
    let [rows, columns] = x.dims();
    let x = contiguous(x);
    let length = values(&x)
        .iter()
        .map(|x| f64::from(*x).powi(2))
        .sum::<f64>();
    let scale = 1.0 / (length.sqrt() as f32 + TINY);
    let x: Vec<f32> = values(&x).iter().map(|x| x * scale).collect();
    let wide = View::rows(&x, columns);
    let mut squares = product(wide, wide.transposed(), [rows, columns, rows]);
    let times = |a: &[f32], b: &[f32]| product(View::rows(a, rows), View::rows(b, rows), [rows; 3]);
    let mut factor: Option<Vec<f32>> = None;
    for step in 0..STEPS {
        let polynomial = polynomial(&squares, &times(&squares, &squares), rows);
        if step + 1 < STEPS {
            squares = times(&times(&polynomial, &squares), &polynomial);
        }
        factor = Some(match factor {
            Some(factor) => times(&polynomial, &factor),
            None => polynomial,
        });
    }
    let factor = factor.expect("there are steps");
    let y = product(View::rows(&factor, rows), wide, [rows, rows, columns]);
    Tensor::from_primitive::<burn::backend::Flex>(tensor(y, [rows, columns]))
}

/// `a + b A + c A²`.
fn polynomial(a: &[f32], a_squared: &[f32], rows: usize) -> Vec<f32> {
    let [constant, linear, square] = COEFFICIENTS.map(|value| value as f32);
    let mut sum: Vec<f32> = a
        .iter()
        .zip(a_squared)
        .map(|(a, a_squared)| linear * a + square * a_squared)
        .collect();
    sum.iter_mut()
        .step_by(rows + 1)
        .for_each(|value| *value += constant);
    sum
}
