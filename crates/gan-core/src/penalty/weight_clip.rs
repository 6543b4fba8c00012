//! The weight limit of the first Wasserstein GAN.

use burn::module::{Module, ModuleMapper, Param};
use burn::prelude::*;

/// Clamps every trainable parameter to `[-limit, limit]`, Algorithm 1 of
/// [Wasserstein GAN](https://arxiv.org/abs/1701.07875), which uses 0.01.
///
/// Running statistics are left alone: a mapper sees them as parameters, and clamping a running
/// variance would make batch normalisation explode at inference.
pub fn clip_weights<M: Module>(module: M, limit: f64) -> M {
    module.map(&mut Clip { limit })
}

struct Clip {
    limit: f64,
}

impl ModuleMapper for Clip {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let limit = self.limit;
        param.map(|value| {
            if !value.is_require_grad() {
                return value;
            }
            Tensor::from_inner(value.inner().clamp(-limit, limit)).require_grad()
        })
    }
}

#[cfg(test)]
mod tests {
    use burn::nn::{BatchNorm, BatchNormConfig, Linear, LinearConfig};

    use super::*;
    use crate::game::snapshot_module;

    #[derive(Module, Debug)]
    struct Critic {
        linear: Linear,
        norm: BatchNorm,
    }

    #[test]
    fn weights_are_limited_and_running_statistics_are_not() {
        let device = Device::flex().autodiff();
        let critic = Critic {
            linear: LinearConfig::new(4, 3).init(&device),
            norm: BatchNormConfig::new(3).init(&device),
        };
        let x = Tensor::<2>::ones([5, 4], &device) * 9.0;
        critic.norm.forward(critic.linear.forward(x));
        let before = snapshot_module(&critic);
        // A clone on purpose: it shares the running statistics with the original.
        let clipped = clip_weights(critic.clone(), 0.01);
        let after = snapshot_module(&clipped);
        for (path, data) in &after {
            if path.contains("running") {
                assert_eq!(data, &before[path], "{path}");
                continue;
            }
            let values = data.clone().try_to_vec::<f32>().unwrap();
            assert!(values.iter().all(|v| v.abs() <= 0.01), "{path}");
            assert!(
                values.iter().any(|v| *v != 0.0) || path.contains("bias") || path.contains("beta")
            );
        }
        assert_eq!(
            snapshot_module(&critic),
            before,
            "the original must not change"
        );
        let y = clipped
            .linear
            .forward(Tensor::<2>::ones([1, 4], &device))
            .sum();
        assert!(
            clipped.linear.weight.val().grad(&y.backward()).is_some(),
            "still trainable"
        );
    }
}
