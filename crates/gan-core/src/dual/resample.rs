//! Pictures made smaller by their largest values, and larger.

use burn::tensor::module;
use burn::tensor::ops::{InterpolateMode, InterpolateOptions, MaxPoolOptions};

use super::Dual;

impl Dual<4> {
    /// Largest value of every `size × size` square; what is left over at the right and bottom is
    /// dropped. The tangent is that of the value taken.
    ///
    /// # Panics
    ///
    /// Panics if `size` is 0.
    pub fn max_pool2d(self, size: usize) -> Self {
        let options = || MaxPoolOptions::new([size; 2]);
        let Some(tangent) = self.tangent else {
            return module::max_pool2d(self.primal, options()).into();
        };
        let [n, c, h, w] = self.primal.dims();
        let (primal, taken) = module::max_pool2d_with_indices(self.primal, options());
        let dims = primal.dims();
        let taken = taken.reshape([n, c, dims[2] * dims[3]]);
        let tangent = tangent.reshape([n, c, h * w]).gather(2, taken);
        Dual::new(primal, tangent.reshape(dims))
    }

    /// Twice the height and width, by linear interpolation between the centres of the pixels
    /// (PyTorch's `align_corners = false`).
    pub fn upsample_bilinear(self) -> Self {
        self.doubled(InterpolateMode::Bilinear)
    }

    /// Every pixel becomes a 2 × 2 square.
    pub fn upsample_nearest(self) -> Self {
        self.doubled(InterpolateMode::Nearest)
    }

    fn doubled(self, mode: InterpolateMode) -> Self {
        let [_, _, h, w] = self.primal.dims();
        self.linear_map(|x| {
            let options = InterpolateOptions::new(mode.clone())
                .with_align_corners(false)
                .with_output_size([2 * h, 2 * w]);
            module::interpolate(x, options)
        })
    }
}

#[cfg(test)]
mod tests {
    use burn::prelude::*;

    use super::*;
    use crate::rng::Stream;
    use crate::testing::{assert_jvp, central_difference, values};

    /// All values of a square at least 0.1 apart, so that a small step does not change which is taken.
    fn input() -> Tensor<4> {
        let device = Device::flex();
        let steps = (0..2 * 3 * 4 * 5).map(|i| ((i * 37) % 120) as f32 * 0.1);
        let data = TensorData::new(steps.collect::<Vec<_>>(), [2, 3, 4, 5]);
        Tensor::from_data(data, &device)
    }

    #[test]
    fn tangents_match_central_differences() {
        assert_jvp(|x| x.max_pool2d(2), input());
        assert_jvp(|x| x.max_pool2d(3), input());
        assert_jvp(|x| x.upsample_bilinear(), input());
        assert_jvp(|x| x.upsample_nearest(), input());
    }

    #[test]
    fn pooling_takes_the_largest_of_each_square() {
        let x = Tensor::<1>::from_floats([1.0, -2.0, 9.0, 3.0, 0.0, 9.0], &Device::flex());
        let y = Dual::from(x.reshape([1, 1, 2, 3])).max_pool2d(2).primal;
        assert_eq!(values(&y), [3.0]);
    }

    #[test]
    fn upsampling_repeats_every_pixel() {
        let x = Tensor::<1>::from_floats([0.0, 1.0], &Device::flex()).reshape([1, 1, 1, 2]);
        let y = Dual::from(x).upsample_nearest().primal;
        assert_eq!(values(&y), [0.0, 0.0, 1.0, 1.0, 0.0, 0.0, 1.0, 1.0]);
    }

    #[test]
    fn bilinear_values_are_pytorchs() {
        // torch.nn.functional.interpolate(torch.tensor([[[[0., 4.]]]]), scale_factor=2, mode="bilinear")
        let x = Tensor::<1>::from_floats([0.0, 4.0], &Device::flex()).reshape([1, 1, 1, 2]);
        let y = Dual::from(x).upsample_bilinear().primal;
        assert_eq!(values(&y), [0.0, 1.0, 3.0, 4.0, 0.0, 1.0, 3.0, 4.0]);
    }

    /// The gradient of a penalty is Burn's gradient of the tangent in what made it.
    #[test]
    fn the_tangent_of_a_maximum_can_be_differentiated() {
        let device = Device::flex();
        let weights = Stream::new(1, "w", 0).normal([2, 3, 2, 2], &device);
        let tangent = |t: Tensor<4>| {
            let x = Tensor::from_data(input().into_data(), &t.device());
            let weights = Tensor::from_data(weights.to_data(), &t.device());
            let y = Dual::new(x, t).max_pool2d(2);
            (y.tangent.expect("it went in") * weights).sum()
        };
        let t = Stream::new(2, "t", 0).normal([2, 3, 4, 5], &device);
        let tracked = Tensor::from_data(t.to_data(), &device.clone().autodiff()).require_grad();
        let found = tracked.grad(&tangent(tracked.clone()).backward());
        let direction = Stream::new(3, "d", 0).normal([2, 3, 4, 5], &device);
        let along = (found.expect("it is tracked") * direction.clone()).sum();
        let wanted = central_difference(tangent, t, direction, 1e-1);
        crate::testing::assert_close(&along, &wanted, 1e-3);
    }
}
