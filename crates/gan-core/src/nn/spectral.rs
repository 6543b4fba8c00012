//! Spectral normalisation.

use burn::module::{Module, Param, RunningState};
use burn::prelude::*;

use super::{Conv2d, Conv2dConfig, Linear, LinearConfig};
use crate::dual::{Dual, Forward};
use crate::kernel;
use crate::rng::Stream;

/// Steps of the power iteration when a layer is made, so that the first rounds see a good estimate.
const WARM_UP: usize = 20;

/// The estimate of the largest singular value of a weight, seen as the matrix first axis × the rest:
/// [Spectral Normalization](https://arxiv.org/abs/1802.05957), Algorithm 1.
///
/// The vector of the power iteration is a buffer: it is saved, but not trained.
#[derive(Module, Debug)]
pub struct SpectralNorm {
    /// Left singular vector, `[out]`, of length 1.
    pub u: RunningState<Tensor<1>>,
}

impl SpectralNorm {
    /// Begins at a random vector and iterates 20 times.
    pub fn new<const D: usize>(weight: Tensor<D>, stream: &mut Stream) -> Self {
        let out = weight.dims()[0];
        let u = stream.normal([out], &weight.device());
        let norm = Self {
            u: RunningState::new(unit(u.reshape([1, out])).reshape([out])),
        };
        for _ in 0..WARM_UP {
            norm.advance(weight.clone());
        }
        norm
    }

    /// One step of the power iteration.
    pub fn advance<const D: usize>(&self, weight: Tensor<D>) {
        let weight = matrix(weight.detach());
        let [out, _] = weight.dims();
        let u = self.u.value_sync().reshape([1, out]);
        let v = unit(u.matmul(weight.clone()));
        let u = unit(v.matmul(weight.transpose()));
        self.u.update(u.reshape([out]).detach());
    }

    /// The weight divided by the estimate; the vectors of the estimate count as constants.
    pub fn normalize<const D: usize>(&self, weight: Tensor<D>) -> Tensor<D> {
        let w = matrix(weight.clone());
        let [out, _] = w.dims();
        let u = self.u.value_sync().reshape([1, out]);
        let v = unit(u.clone().matmul(w.clone().detach()));
        let sigma = u.matmul(w).mul(v).sum();
        weight / sigma.reshape([1; D])
    }

    /// For a pass: advances first when training, unless there is a tangent. A penalty looks at the
    /// critic twice, first without tangent and then with one, and must see one function.
    fn for_pass<const D: usize>(&self, weight: &Param<Tensor<D>>, has_tangent: bool) -> Tensor<D> {
        let weight = weight.val();
        if weight.device().is_autodiff() && !has_tangent {
            self.advance(weight.clone());
        }
        self.normalize(weight)
    }
}

fn matrix<const D: usize>(weight: Tensor<D>) -> Tensor<2> {
    let dims = weight.dims();
    weight.reshape([dims[0], dims[1..].iter().product()])
}

/// A row scaled to length 1.
fn unit(row: Tensor<2>) -> Tensor<2> {
    let length = row.clone().square().sum_dim(1).sqrt();
    row / length.clamp_min(1e-12)
}

/// A dense layer whose largest singular value is 1.
///
/// On a device with autodiff every pass without a tangent improves the estimate by one step first.
#[derive(Module, Debug)]
pub struct SpectralLinear {
    /// The layer, before normalisation.
    pub layer: Linear,
    /// The estimate.
    pub norm: SpectralNorm,
}

impl SpectralLinear {
    /// Draws the parameters.
    ///
    /// # Panics
    ///
    /// Panics if the configuration is not valid.
    pub fn new(config: LinearConfig, stream: &mut Stream, device: &Device) -> Self {
        let layer = config.init(stream, device);
        let norm = SpectralNorm::new(layer.weight.val(), stream);
        Self { layer, norm }
    }
}

impl Forward<2, 2> for SpectralLinear {
    fn apply(&self, x: Dual<2>) -> Dual<2> {
        let weight = self.norm.for_pass(&self.layer.weight, x.tangent.is_some());
        let bias = self.layer.bias.as_ref().map(Param::val);
        Dual {
            primal: kernel::linear(x.primal, weight.clone(), bias),
            tangent: x.tangent.map(|t| kernel::linear(t, weight, None)),
        }
    }
}

/// A convolution whose kernel, as a matrix, has the largest singular value 1.
///
/// On a device with autodiff every pass without a tangent improves the estimate by one step first.
#[derive(Module, Debug)]
pub struct SpectralConv2d {
    /// The layer, before normalisation.
    pub layer: Conv2d,
    /// The estimate.
    pub norm: SpectralNorm,
}

impl SpectralConv2d {
    /// Draws the parameters.
    ///
    /// # Panics
    ///
    /// Panics if the configuration is not valid.
    pub fn new(config: Conv2dConfig, stream: &mut Stream, device: &Device) -> Self {
        let layer = config.init(stream, device);
        let norm = SpectralNorm::new(layer.weight.val(), stream);
        Self { layer, norm }
    }
}

impl Forward<4, 4> for SpectralConv2d {
    fn apply(&self, x: Dual<4>) -> Dual<4> {
        let weight = self.norm.for_pass(&self.layer.weight, x.tangent.is_some());
        let bias = self.layer.bias.as_ref().map(Param::val);
        let Conv2d {
            stride, padding, ..
        } = self.layer;
        let conv = |x, bias| kernel::conv2d(x, weight.clone(), bias, stride, padding);
        Dual {
            primal: conv(x.primal, bias),
            tangent: x.tangent.map(|t| conv(t, None)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{assert_close, assert_jvp, values};

    fn stream() -> Stream {
        Stream::new(1, "spectral", 0)
    }

    #[test]
    fn tangents_match_central_differences() {
        let (mut s, device) = (stream(), Device::flex());
        let linear = SpectralLinear::new(LinearConfig::new(6, 4), &mut s, &device);
        assert_jvp(|x| linear.apply(x), s.normal([3, 6], &device));
        let config = Conv2dConfig::new(2, 4, 3).with_padding(1);
        let conv = SpectralConv2d::new(config, &mut s, &device);
        assert_jvp(|x| conv.apply(x), s.normal([2, 2, 5, 5], &device));
    }

    #[test]
    fn a_diagonal_is_divided_by_its_largest_entry() {
        let weight = Tensor::<2>::from_floats([[3.0, 0.0], [0.0, 1.0]], &Device::flex());
        let norm = SpectralNorm::new(weight.clone(), &mut stream());
        let found = values(&norm.normalize(weight));
        assert!((found[0] - 1.0).abs() < 1e-5 && (found[3] - 1.0 / 3.0).abs() < 1e-5);
    }

    /// After a jump of the weight the estimate is wrong, and passes without tangent mend it.
    #[test]
    fn training_passes_advance_the_estimate_and_passes_with_a_tangent_do_not() {
        let device = Device::flex().autodiff();
        let config = LinearConfig::new(2, 2).with_bias(false);
        let mut layer = SpectralLinear::new(config, &mut stream(), &device);
        layer.layer.weight = Param::from_data([[1.0f32, 0.0], [0.0, 3.0]], &device);
        let x = Tensor::<2>::eye(2, &device);
        let once = layer.apply(x.clone().into()).primal;
        let dual = layer.apply(Dual::new(x.clone(), x.clone()));
        assert_close(&dual.primal, &once, 0.0);
        for _ in 0..30 {
            let _ = layer.apply(x.clone().into());
        }
        let settled = layer.apply(x.clone().into()).primal;
        let wanted = Tensor::from_floats([[1.0 / 3.0, 0.0], [0.0, 1.0]], &device);
        assert_close(&settled, &wanted, 1e-5);
        let moved = (once - settled).abs().max().into_scalar::<f32>();
        assert!(moved > 1e-4, "{moved}");
    }

    #[test]
    fn the_vector_is_not_trained() {
        let device = Device::flex().autodiff();
        let layer = SpectralLinear::new(LinearConfig::new(6, 4), &mut stream(), &device);
        assert_eq!(crate::nn::parameter_count(&layer), 6 * 4 + 4);
        // A scaled weight gives the same layer, so the gradient is orthogonal to the weight.
        let y = layer.apply(stream().normal([3, 6], &device).into()).primal;
        let gradients = (y.clone() * stream().normal([3, 4], &device))
            .sum()
            .backward();
        let weight = layer.layer.weight.val();
        let gradient = weight.grad(&gradients).expect("it is tracked");
        let along = (gradient.clone() * weight.inner())
            .sum()
            .into_scalar::<f32>();
        assert!(along.abs() < 1e-4, "{along}");
        assert!(gradient.abs().max().into_scalar::<f32>() > 1e-2);
    }
}
