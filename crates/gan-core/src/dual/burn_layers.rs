//! Duals through Burn's own layers, so that a critic can be written with them.
//!
//! Not for `LayerNorm`, whose epsilon is private, and not for `BatchNorm`, which couples samples: use
//! [`GroupNorm`](crate::nn::GroupNorm) with one group.

use burn::nn::conv::Conv2d;
use burn::nn::{GroupNorm, InstanceNorm, Linear};

use super::{Dual, Forward};

impl<const D: usize> Forward<D, D> for Linear {
    fn apply(&self, x: Dual<D>) -> Dual<D> {
        let linear_part = || Linear {
            bias: None,
            ..self.clone()
        };
        Dual {
            primal: self.forward(x.primal),
            tangent: x.tangent.map(|t| linear_part().forward(t)),
        }
    }
}

impl Forward<4, 4> for Conv2d {
    fn apply(&self, x: Dual<4>) -> Dual<4> {
        let linear_part = || Conv2d {
            bias: None,
            ..self.clone()
        };
        Dual {
            primal: self.forward(x.primal),
            tangent: x.tangent.map(|t| linear_part().forward(t)),
        }
    }
}

impl<const D: usize> Forward<D, D> for GroupNorm {
    fn apply(&self, x: Dual<D>) -> Dual<D> {
        let affine = self.gamma.as_ref().zip(self.beta.as_ref());
        let affine = affine.map(|(gamma, beta)| [gamma.val(), beta.val()]);
        x.group_norm(self.num_groups, self.epsilon, affine)
    }
}

impl<const D: usize> Forward<D, D> for InstanceNorm {
    fn apply(&self, x: Dual<D>) -> Dual<D> {
        let affine = self.gamma.as_ref().zip(self.beta.as_ref());
        let affine = affine.map(|(gamma, beta)| [gamma.val(), beta.val()]);
        x.group_norm(self.num_channels, self.epsilon, affine)
    }
}

#[cfg(test)]
mod tests {
    use burn::nn::conv::Conv2dConfig;
    use burn::nn::{GroupNormConfig, InstanceNormConfig, LinearConfig, PaddingConfig2d};
    use burn::prelude::*;

    use super::*;
    use crate::rng::Stream;
    use crate::testing::{assert_close, assert_jvp};

    fn device() -> Device {
        let device = Device::flex();
        device.seed(5);
        device
    }

    fn picture() -> Tensor<4> {
        Stream::new(1, "x", 0).normal([2, 4, 5, 5], &Device::flex())
    }

    #[test]
    fn tangents_match_central_differences() {
        let device = device();
        let linear = LinearConfig::new(5, 3).init(&device);
        assert_jvp(|x| linear.apply(x), picture().reshape([2 * 4 * 5, 5]));
        let conv = Conv2dConfig::new([4, 3], [3, 3])
            .with_stride([2, 2])
            .with_padding(PaddingConfig2d::Explicit(1, 1, 1, 1))
            .init(&device);
        assert_jvp(|x| conv.apply(x), picture());
        let group = GroupNormConfig::new(2, 4).init(&device);
        assert_jvp(|x| group.apply(x), picture());
        let instance = InstanceNormConfig::new(4).init(&device);
        assert_jvp(|x| instance.apply(x), picture());
    }

    #[test]
    fn normalisations_agree_with_burns_forward() {
        let device = device();
        let weight =
            |v: [f32; 4]| burn::module::Param::from_tensor(Tensor::from_floats(v, &Device::flex()));
        let (gamma, beta) = ([1.0, 2.0, -1.0, 0.5], [0.1, 0.2, 0.3, 0.4]);
        let mut group = GroupNormConfig::new(2, 4).init(&device);
        (group.gamma, group.beta) = (Some(weight(gamma)), Some(weight(beta)));
        assert_close(
            &group.apply(picture().into()).primal,
            &group.forward(picture()),
            1e-5,
        );
        let mut instance = InstanceNormConfig::new(4).init(&device);
        (instance.gamma, instance.beta) = (Some(weight(gamma)), Some(weight(beta)));
        let found = instance.apply(picture().into()).primal;
        assert_close(&found, &instance.forward(picture()), 1e-5);
    }
}
