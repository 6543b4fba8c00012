//! Products of matrices in float64.

/// A matrix that is somewhere else, with any strides.
#[derive(Clone, Copy, Debug)]
pub(crate) struct View<'a> {
    data: &'a [f64],
    rows: usize,
    columns: usize,
    row_stride: usize,
    column_stride: usize,
}

impl<'a> View<'a> {
    /// Row-major `[rows, columns]`, whose rows are `stride` apart.
    ///
    /// # Panics
    ///
    /// Panics if `data` is too short.
    pub fn new(data: &'a [f64], rows: usize, columns: usize, stride: usize) -> Self {
        let last = rows.saturating_sub(1) * stride + columns;
        assert!(
            rows == 0 || last <= data.len(),
            "a matrix of {rows} x {columns} with rows {stride} apart needs {last} values, not {}",
            data.len()
        );
        Self {
            data,
            rows,
            columns,
            row_stride: stride,
            column_stride: 1,
        }
    }

    /// Rows and columns exchanged.
    pub fn transposed(self) -> Self {
        Self {
            rows: self.columns,
            columns: self.rows,
            row_stride: self.column_stride,
            column_stride: self.row_stride,
            ..self
        }
    }
}

/// `product = keep * product + scale * left * right`, on the calling thread; `product` is row-major.
///
/// Each number is summed in an order that depends on the sizes alone.
///
/// # Panics
///
/// Panics if the sizes do not fit.
pub(crate) fn multiply(
    product: &mut [f64],
    keep: f64,
    scale: f64,
    left: View<'_>,
    right: View<'_>,
) {
    assert_eq!(left.columns, right.rows, "inner sizes of a product");
    assert_eq!(
        product.len(),
        left.rows * right.columns,
        "size of a product"
    );
    if product.is_empty() {
        return;
    }
    // SAFETY: `View::new` and the assertions above hold every index inside its slice, and `product`
    // is borrowed mutably, so it overlaps neither factor.
    unsafe {
        gemm::gemm(
            left.rows,
            right.columns,
            left.columns,
            product.as_mut_ptr(),
            1,
            right.columns as isize,
            keep != 0.0,
            left.data.as_ptr(),
            left.column_stride as isize,
            left.row_stride as isize,
            right.data.as_ptr(),
            right.column_stride as isize,
            right.row_stride as isize,
            keep,
            scale,
            false,
            false,
            false,
            gemm::Parallelism::None,
        );
    }
}

/// Sum of products.
pub(crate) fn dot(a: &[f64], b: &[f64]) -> f64 {
    const LANES: usize = 8;
    let (a_chunks, a_rest) = a.as_chunks::<LANES>();
    let (b_chunks, b_rest) = b.as_chunks::<LANES>();
    let mut sums = [0.0; LANES];
    for (a, b) in a_chunks.iter().zip(b_chunks) {
        for lane in 0..LANES {
            sums[lane] += a[lane] * b[lane];
        }
    }
    let rest: f64 = a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum();
    sums.iter().sum::<f64>() + rest
}

/// `y += factor * x`.
pub(crate) fn add_scaled(y: &mut [f64], factor: f64, x: &[f64]) {
    for (y, x) in y.iter_mut().zip(x) {
        *y += factor * x;
    }
}

/// The values as float64.
pub(crate) fn widen(values: &[f32]) -> Vec<f64> {
    values.iter().map(|value| f64::from(*value)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_product_with_strides_is_the_sum_of_products() {
        let left: Vec<f64> = (0..15).map(f64::from).collect(); // 3 x 4 of 3 x 5
        let right: Vec<f64> = (0..8).map(|i| f64::from(i * i)).collect(); // 2 x 4
        let (left, right) = (View::new(&left, 3, 4, 5), View::new(&right, 2, 4, 4));
        let mut product = vec![100.0; 6];
        multiply(&mut product, 1.0, -2.0, left, right.transposed());
        for i in 0..3 {
            for j in 0..2 {
                let sum: f64 = (0..4)
                    .map(|k| (5 * i + k) as f64 * ((4 * j + k) * (4 * j + k)) as f64)
                    .sum();
                assert_eq!(product[2 * i + j], 100.0 - 2.0 * sum);
            }
        }
        multiply(&mut product, 0.0, 1.0, left, right.transposed());
        assert_eq!(product[0], 0.0 + 1.0 + 2.0 * 4.0 + 3.0 * 9.0);
    }

    #[test]
    fn a_dot_product_takes_the_rest_too() {
        let x: Vec<f64> = (1..=11).map(f64::from).collect();
        assert_eq!(dot(&x, &x), 506.0);
    }

    #[test]
    #[should_panic(expected = "needs 6 values, not 5")]
    fn a_matrix_must_be_in_its_slice() {
        View::new(&[0.0; 5], 2, 3, 3);
    }
}
