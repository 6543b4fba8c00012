//! Hand-written kernels for the flex CPU backend.

pub(crate) mod activation;
pub(crate) mod affine;
pub(crate) mod buffer;
pub(crate) mod conv;
pub(crate) mod conv_step;
pub(crate) mod correlation;
pub(crate) mod group_norm;
pub(crate) mod linear;
pub(crate) mod matrix_product;
pub(crate) mod node;
pub(crate) mod norm;
pub(crate) mod orthogonal;
pub(crate) mod packing;
pub(crate) mod pixel_norm;
pub(crate) mod pool;
pub(crate) mod reuse;
pub(crate) mod shape;
pub(crate) mod shift_gemm;
pub(crate) mod simd;
pub(crate) mod team;
pub(crate) mod update;
pub(crate) mod weight_gradient;

use burn::backend::{DispatchDevice, Flex};
use burn::prelude::*;
use burn::tensor::DType;

/// Whether a device is flex, with autodiff or without.
pub(crate) fn lives_on_flex(device: &Device) -> bool {
    let device = device.clone().without_autodiff();
    matches!(device.as_dispatch(), DispatchDevice::Flex(_))
}

/// Whether a tensor lives on flex, off the tape, in `f32`.
pub(crate) fn is_flex<const D: usize>(x: &Tensor<D>) -> bool {
    matches!(x.device().as_dispatch(), DispatchDevice::Flex(_)) && x.dtype() == DType::F32
}

pub(crate) type Primitive = burn::backend::tensor::FloatTensor<Flex>;

/// The flex tensor inside a tensor off the tape, contiguous.
pub(crate) fn contiguous<const D: usize>(x: Tensor<D>) -> Primitive {
    x.try_into_primitive::<Flex>()
        .expect("the caller checked that the tensor lives on flex and off the tape")
        .to_contiguous()
}
