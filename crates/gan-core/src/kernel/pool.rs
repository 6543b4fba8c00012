//! Pools of networks that are only used, never trained.

use burn::prelude::*;
use burn::tensor::module;
use burn::tensor::ops::{AvgPoolOptions, MaxPoolOptions};

/// What becomes of the values in a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pool {
    /// The largest; places outside the picture do not count.
    Max,
    /// The mean; places outside the picture do not count (PyTorch's `count_include_pad=False`).
    Mean,
}

/// A pool over square windows. On the flex backend without autodiff it is written by hand: Burn's
/// took a third of the time of an Inception network.
///
/// # Shapes
///
/// - x: `[batch, channels, height, width]`
/// - output: `[batch, channels, (height + 2·padding − size) / stride + 1, …]`
///
/// # Panics
///
/// Panics if the window is empty or larger than the padded input, the padding more than half a window,
/// or the stride 0.
pub fn pool2d(pool: Pool, x: Tensor<4>, size: usize, stride: usize, padding: usize) -> Tensor<4> {
    let [_, _, height, width] = x.dims();
    assert!(
        height.min(width) + 2 * padding >= size && 2 * padding <= size && size.min(stride) > 0,
        "pool2d: a window of {size} with padding {padding} and stride {stride} does not fit \
         {height}x{width}"
    );
    #[cfg(feature = "flex")]
    if super::flex::is_flex(&x) {
        return super::flex::pool::pool2d(pool, x, size, stride, padding);
    }
    plain_pool2d(pool, x, size, stride, padding)
}

/// [`pool2d`] in Burn's own operations.
fn plain_pool2d(pool: Pool, x: Tensor<4>, size: usize, stride: usize, padding: usize) -> Tensor<4> {
    match pool {
        Pool::Max => {
            let options = MaxPoolOptions::new([size; 2]).with_stride([stride; 2]);
            module::max_pool2d(x, options.with_padding([padding; 2]))
        }
        Pool::Mean => {
            let options = AvgPoolOptions::new([size; 2]).with_stride([stride; 2]);
            let options = options.with_padding([padding; 2]);
            module::avg_pool2d(x, options.with_count_include_pad(false))
        }
    }
}

/// Mean of every `size × size` square; what is left over at the right and bottom is dropped.
///
/// # Shapes
///
/// - x: `[batch, channels, height, width]`
/// - output: `[batch, channels, height / size, width / size]`, rounded down
///
/// # Panics
///
/// Panics if the size is 0, or larger than height or width.
pub fn mean_pool(x: Tensor<4>, size: usize) -> Tensor<4> {
    let [_, _, height, width] = x.dims();
    assert!(
        size > 0 && size <= height.min(width),
        "mean_pool: a square of {size} does not fit {height}x{width}"
    );
    #[cfg(feature = "flex")]
    if super::flex::node::is_supported(&x) {
        return super::flex::pool::mean_pool(x, size);
    }
    plain_mean_pool(x, size)
}

/// [`mean_pool`] in Burn's own operation.
fn plain_mean_pool(x: Tensor<4>, size: usize) -> Tensor<4> {
    module::avg_pool2d(x, AvgPoolOptions::new([size; 2]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Stream;
    use crate::testing::{assert_close, values};

    #[test]
    fn kernel_and_plain_mean_agree_in_value_and_gradient() {
        let device = Device::flex().autodiff();
        let mut stream = Stream::new(2, "pool", 1);
        for (size, [height, width]) in [(2, [6, 8]), (2, [7, 9]), (3, [10, 9]), (1, [2, 3])] {
            let x: Tensor<4> = stream.normal([2, 3, height, width], &device);
            let weight = stream.normal([2, 3, height / size, width / size], &device);
            let run = |pool: fn(Tensor<4>, usize) -> Tensor<4>| {
                let x = x.clone().detach().require_grad();
                let y = pool(x.clone(), size);
                let gradients = (y.clone() * weight.clone()).sum().backward();
                (y.inner(), x.grad(&gradients).expect("tracked"))
            };
            let (ours, plain) = (run(mean_pool), run(plain_mean_pool));
            assert_close(&ours.0, &plain.0, 1e-6);
            assert_close(&ours.1, &plain.1, 1e-6);
            assert_close(&mean_pool(x.clone().inner(), size), &plain.0, 1e-6);
        }
    }

    #[test]
    #[should_panic(expected = "mean_pool: a square of 3 does not fit 2x8")]
    fn the_square_must_fit() {
        mean_pool(Tensor::zeros([1, 1, 2, 8], &Device::flex()), 3);
    }

    #[test]
    fn kernel_and_plain_operations_agree() {
        let mut stream = Stream::new(2, "pool", 0);
        for (size, stride, padding) in [(3, 2, 0), (3, 1, 1), (2, 2, 0), (3, 2, 1), (1, 1, 0)] {
            for [height, width] in [[9, 8], [17, 40], [3, 3]] {
                let x = stream.normal([2, 3, height, width], &Device::flex()) - 3.0;
                for pool in [Pool::Max, Pool::Mean] {
                    let found = pool2d(pool, x.clone(), size, stride, padding);
                    let wanted = plain_pool2d(pool, x.clone(), size, stride, padding);
                    assert_close(&found, &wanted, 1e-5);
                }
            }
        }
    }

    #[test]
    fn a_mean_at_a_corner_is_over_four_pixels() {
        let x = Tensor::from_floats([[[[1.0, 2.0], [3.0, 6.0]]]], &Device::flex());
        assert_eq!(values(&pool2d(Pool::Mean, x, 3, 1, 1)), [3.0; 4]);
    }

    #[test]
    fn a_value_that_is_not_a_number_stays_one() {
        for at in 0..4 {
            let mut pixels = [1.0, 2.0, 3.0, 4.0];
            pixels[at] = f32::NAN;
            let x = Tensor::<1>::from_floats(pixels, &Device::flex()).reshape([1, 1, 2, 2]);
            let y = values(&pool2d(Pool::Max, x, 2, 2, 0));
            assert!(y[0].is_nan(), "{at}: {y:?}");
        }
    }

    #[test]
    #[should_panic(expected = "a window of 3 with padding 0 and stride 1 does not fit 2x8")]
    fn the_window_must_fit() {
        let x = Tensor::zeros([1, 1, 2, 8], &Device::flex());
        pool2d(Pool::Max, x, 3, 1, 0);
    }

    #[test]
    #[should_panic(expected = "a window of 0 with padding 0 and stride 1 does not fit 2x8")]
    fn the_window_must_not_be_empty() {
        let x = Tensor::zeros([1, 1, 2, 8], &Device::flex());
        pool2d(Pool::Mean, x, 0, 1, 0);
    }
}
