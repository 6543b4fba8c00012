//! Standing statistics of batch normalisation.

use std::collections::BTreeSet;

use burn::module::{Flag, Module, ModuleMapper, ModuleVisitor, Param};
use burn::prelude::*;

use super::state::{Path, sync_running_statistics};

/// The module with standing statistics in the place of the running ones: their means over batches of
/// what it is used for. [Brock et al. 2018](https://arxiv.org/abs/1809.11096), section 2, use them for
/// sampling, because running statistics are those of training, not of truncated latents, and those of an
/// average of weights are not even of its own weights.
///
/// `forward` is called `batches` times, with a copy of the module and the number of the batch, and must
/// pass a batch through it. Batches are normalised by their own statistics meanwhile. The module itself
/// stays as it is; the result is off the tape. `None` if it has no batch normalisation of this crate.
///
/// # Panics
///
/// Panics if `batches` is 0.
pub fn standing_statistics<M: Module>(
    module: &M,
    batches: usize,
    mut forward: impl FnMut(&M, usize),
) -> Option<M> {
    assert!(
        batches > 0,
        "standing_statistics: batches must be 1 or more"
    );
    let mut norms = Norms::default();
    module.visit(&mut norms);
    if norms.paths.is_empty() {
        return None;
    }
    let switch = |summing: bool, factor: f64| Switch {
        path: Path::default(),
        norms: &norms.paths,
        summing,
        factor,
    };
    // `valid()` copies running statistics; a clone would share them.
    let module = module.valid().map(&mut switch(true, 0.0));
    (0..batches).for_each(|batch| forward(&module, batch));
    sync_running_statistics(&module);
    Some(module.map(&mut switch(false, 1.0 / batches as f64)))
}

/// The field of a batch normalisation that makes its running statistics sums.
const FLAG: &str = "standing";
/// The fields that it sums.
const STATISTICS: [&str; 2] = ["running_mean", "running_var"];

/// Paths of the batch normalisations that can sum.
#[derive(Default)]
struct Norms {
    path: Path,
    paths: BTreeSet<String>,
}

impl ModuleVisitor for Norms {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.enter(name);
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.exit();
    }

    fn visit_flag(&mut self, _flag: &Param<Flag>) {
        if let Some(norm) = parent(&self.path.join(), &[FLAG]) {
            self.paths.insert(norm);
        }
    }
}

/// Switches the sums on or off, and multiplies what was summed.
struct Switch<'a> {
    path: Path,
    norms: &'a BTreeSet<String>,
    summing: bool,
    factor: f64,
}

impl Switch<'_> {
    fn is_in_norm(&self, fields: &[&str]) -> bool {
        parent(&self.path.join(), fields).is_some_and(|norm| self.norms.contains(&norm))
    }
}

impl ModuleMapper for Switch<'_> {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.enter(name);
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.exit();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        if !self.is_in_norm(&STATISTICS) {
            return param;
        }
        param.map(|sum| {
            if self.factor == 0.0 {
                // Not a product, which would keep what is not finite.
                sum.zeros_like()
            } else {
                sum * self.factor
            }
        })
    }

    fn map_flag(&mut self, flag: Param<Flag>) -> Param<Flag> {
        if self.is_in_norm(&[FLAG]) {
            flag.with_value(self.summing)
        } else {
            flag
        }
    }
}

/// What `path` is in, if its last part is one of `fields`; with a dot, so that a norm that is itself the
/// whole module has a name too.
fn parent(path: &str, fields: &[&str]) -> Option<String> {
    let path = format!(".{path}");
    let (parent, field) = path.rsplit_once('.')?;
    fields.contains(&field).then(|| parent.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::game::snapshot_module;
    use crate::nn::{
        BatchNorm, BatchNormConfig, ConditionalBatchNorm, ConditionalBatchNormConfig, Linear,
        LinearConfig,
    };
    use crate::rng::Stream;
    use crate::testing::assert_close;

    #[derive(Module, Debug)]
    struct Net {
        first: BatchNorm,
        linear: Linear,
        second: ConditionalBatchNorm,
        burns: burn::nn::BatchNorm,
    }

    fn net(device: &Device) -> Net {
        let stream = &mut Stream::new(1, "weights", 0);
        Net {
            first: BatchNormConfig::new(2)
                .with_momentum(0.3)
                .init(stream, device),
            linear: LinearConfig::new(2, 3).init(stream, device),
            second: ConditionalBatchNormConfig::new(3, 2).init(stream, device),
            burns: burn::nn::BatchNormConfig::new(3).init(device),
        }
    }

    impl Net {
        fn forward(&self, x: Tensor<2>) -> Tensor<2> {
            let y = self.linear.forward(self.first.forward(x.clone()));
            let y = self.second.forward(y.unsqueeze_dims(&[2, 3]), x);
            self.burns.forward(y).flatten(1, 3)
        }
    }

    fn batch(index: usize) -> Tensor<2> {
        let x = Stream::new(2, "x", index as u64).normal([6, 2], &Device::flex());
        x * (1.0 + index as f64) + 3.0
    }

    /// Mean over the rows, and unbiased variance.
    fn moments(x: &Tensor<2>) -> [Tensor<1>; 2] {
        let mean = x.clone().mean_dim(0);
        let var = (x.clone() - mean.clone()).square().sum_dim(0) / 5.0;
        [mean.flatten(0, 1), var.flatten(0, 1)]
    }

    #[test]
    fn statistics_are_means_over_the_batches_whatever_the_momentum() {
        let device = Device::flex().autodiff();
        let net = net(&device);
        net.forward(Tensor::from_inner(batch(9) * 10.0));
        let before = snapshot_module(&net);
        let standing = standing_statistics(&net, 3, |net, index| {
            net.forward(batch(index));
        });
        let standing = standing.expect("it has batch normalisation");
        let of_first = |of: fn(&Tensor<2>) -> [Tensor<1>; 2]| {
            let all: Vec<_> = (0..3).map(|index| of(&batch(index))).collect();
            [0, 1].map(|m| (all[0][m].clone() + all[1][m].clone() + all[2][m].clone()) / 3.0)
        };
        let [mean, var] = of_first(moments);
        assert_close(&standing.first.running_mean.value(), &mean, 1e-5);
        assert_close(&standing.first.running_var.value(), &var, 1e-4);
        // The second sees what the first makes by the statistics of the batch.
        let y = |x: Tensor<2>| {
            let centred = x.clone() - x.clone().mean_dim(0);
            let var = centred.clone().square().mean_dim(0);
            net.valid().linear.forward(centred / (var + 1e-5).sqrt())
        };
        let all: Vec<_> = (0..3).map(|index| moments(&y(batch(index)))).collect();
        let var = (all[0][1].clone() + all[1][1].clone() + all[2][1].clone()) / 3.0;
        assert_close(&standing.second.running_var.value(), &var, 1e-4);
        // Nothing else changed: Burn's norm, the weights, and the module that was given.
        let after = snapshot_module(&standing);
        let changed = before.iter().filter(|(path, data)| after[*path] != **data);
        let changed: Vec<&str> = changed.map(|(path, _)| path.as_str()).collect();
        let ours = ["first", "second"];
        let ours = ours.map(|norm| STATISTICS.map(|field| format!("{norm}.{field}")));
        assert_eq!(changed, ours.concat());
        assert_eq!(snapshot_module(&net), before);
    }

    #[test]
    fn afterwards_they_are_used_and_stay() {
        let net = net(&Device::flex().autodiff());
        let standing = standing_statistics(&net, 2, |net, index| {
            net.forward(batch(index));
        });
        let standing = standing.expect("it has batch normalisation");
        let before = snapshot_module(&standing);
        let both = standing.forward(batch(0));
        let alone = standing.forward(batch(0).narrow(0, 0, 1));
        assert_close(&both.narrow(0, 0, 1), &alone, 1e-6);
        assert_eq!(snapshot_module(&standing), before);
        let running = net.valid().forward(batch(0).narrow(0, 0, 1));
        assert!((running - alone).abs().max().into_scalar::<f32>() > 0.1);
    }

    #[test]
    fn one_norm_alone_will_do_and_none_is_said() {
        let device = Device::flex().autodiff();
        let stream = &mut Stream::new(1, "weights", 0);
        let norm = BatchNormConfig::new(2).init(stream, &device);
        let standing = standing_statistics(&norm, 1, |norm, _| {
            norm.forward(batch(0));
        });
        let [mean, _] = moments(&batch(0));
        assert_close(
            &standing.expect("it is one").running_mean.value(),
            &mean,
            1e-5,
        );
        let linear = LinearConfig::new(2, 3).init(stream, &device);
        assert!(standing_statistics(&linear, 1, |_, _| {}).is_none());
    }
}
