//! Spectral normalisation.

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param, RunningState};
use burn::prelude::*;
use serde::{Deserialize, Serialize};

use crate::rng::Stream;

/// Configuration of [spectral normalisation](SpectralNorm), for every layer of a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SpectralNormConfig {
    /// Steps of the power iteration when a layer is made, so that the first rounds see a good
    /// estimate. Default: 20.
    #[serde(default = "warm_up")]
    pub warm_up: usize,
}

fn warm_up() -> usize {
    20
}

impl Default for SpectralNormConfig {
    fn default() -> Self {
        Self { warm_up: warm_up() }
    }
}

impl SpectralNormConfig {
    /// Begins at a random vector and iterates. `out_axis` is the axis of `weight` that counts outputs:
    /// 1 for a transposed convolution, else 0.
    pub fn init<const D: usize>(
        &self,
        weight: Tensor<D>,
        out_axis: usize,
        stream: &mut Stream,
    ) -> SpectralNorm {
        if stream.is_blank() {
            let u = Tensor::zeros([weight.dims()[out_axis]], &weight.device());
            return SpectralNorm {
                u: RunningState::new(u),
            };
        }
        let weight = matrix(weight.detach(), out_axis);
        let [out, _] = weight.dims();
        let first = unit(stream.normal([1, out], &weight.device()));
        let u = (0..self.warm_up).fold(first, |u, _| step(u, weight.clone()));
        SpectralNorm {
            u: RunningState::new(u.reshape([out])),
        }
    }
}

/// The estimate of the largest singular value of a weight, seen as the matrix outputs × the rest:
/// [Spectral Normalization](https://arxiv.org/abs/1802.05957), Algorithm 1.
///
/// The vector of the power iteration is a buffer: it is saved, but not trained.
/// [`advance_spectral_norms`] improves it by one step; a game does so before every step of its critic, and
/// once in a round for its generator, which has one step. Between, every pass sees one and the same
/// function, as a gradient penalty needs it. For more steps of the iteration, call it as often.
///
/// Differs from the paper's code in when it advances: there it is in every pass.
///
/// For inference it folds away: [`state_dict`](crate::weights::state_dict) divides the weights, which
/// [`from_state_dict`](crate::weights::from_state_dict) puts into a network without it.
#[derive(Module, Debug)]
pub struct SpectralNorm {
    /// Left singular vector, `[out]`, of length 1.
    pub u: RunningState<Tensor<1>>,
}

impl SpectralNorm {
    /// The estimate for `weight`; the vectors it is made of count as constants. `[1]`.
    pub fn sigma<const D: usize>(&self, weight: Tensor<D>, out_axis: usize) -> Tensor<1> {
        let weight = matrix(weight, out_axis);
        let [out, _] = weight.dims();
        let u = self.u.value_sync().reshape([1, out]);
        let v = unit(u.clone().matmul(weight.clone().detach()));
        u.matmul(weight).mul(v).sum()
    }

    /// The value of a weight, divided by the estimate if there is one.
    pub fn apply_to<const D: usize>(
        norm: &Option<Self>,
        weight: &Param<Tensor<D>>,
        out_axis: usize,
    ) -> Tensor<D> {
        let weight = weight.val();
        match norm {
            Some(norm) => weight.clone() / norm.sigma(weight, out_axis).reshape([1; D]),
            None => weight,
        }
    }
}

/// Outputs × the rest.
pub(crate) fn matrix<const D: usize>(weight: Tensor<D>, out_axis: usize) -> Tensor<2> {
    let weight = match out_axis {
        0 => weight,
        axis => weight.swap_dims(0, axis),
    };
    let dims = weight.dims();
    weight.reshape([dims[0], dims[1..].iter().product()])
}

/// The axis that counts outputs in a weight of the layer called `container` by Burn's visitors.
pub(crate) fn out_axis(container: &str) -> usize {
    usize::from(container == "Struct:ConvTranspose2d")
}

/// A row scaled to length 1.
fn unit(row: Tensor<2>) -> Tensor<2> {
    let length = row.clone().square().sum_dim(1).sqrt();
    row / length.clamp_min(1e-12)
}

/// One step of the power iteration, on `u` as a row.
fn step(u: Tensor<2>, weight: Tensor<2>) -> Tensor<2> {
    let v = unit(u.matmul(weight.clone()));
    unit(v.matmul(weight.transpose()))
}

/// Improves the estimate of every layer with spectral normalisation by one step. Clones of the module
/// share it.
///
/// A layer of one's own takes part if it has its `weight`, with the outputs first, in front of its
/// [`SpectralNorm`].
pub fn advance_spectral_norms<M: Module>(module: &M) {
    // Running state is shared by clones, so what is written into one is in the original too.
    let _ = module.clone().map(&mut Advance::default());
}

/// Whether a module has a layer with spectral normalisation.
pub fn has_spectral_norms<M: Module>(module: &M) -> bool {
    #[derive(Default)]
    struct Find {
        container: String,
        found: bool,
    }
    impl ModuleVisitor for Find {
        fn enter_module(&mut self, _name: &str, container: &str) {
            container.clone_into(&mut self.container);
        }

        fn visit_float<const D: usize>(&mut self, _param: &Param<Tensor<D>>) {
            self.found |= self.container == NORM;
        }
    }
    let mut find = Find::default();
    module.visit(&mut find);
    find.found
}

/// What Burn's visitors call [`SpectralNorm`].
const NORM: &str = "Struct:SpectralNorm";

#[derive(Default)]
struct Advance {
    /// Names and containers from the outermost on.
    path: Vec<(String, String)>,
    /// The last weight met.
    weight: Option<Tensor<2>>,
}

impl ModuleMapper for Advance {
    fn enter_module(&mut self, name: &str, container: &str) {
        self.path.push((name.to_owned(), container.to_owned()));
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.pop();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let Some((name, container)) = self.path.last() else {
            return param;
        };
        if container == NORM {
            let weight = self.weight.take();
            let weight = weight.expect("a weight must come before its spectral normalisation");
            let out = weight.dims()[0];
            return param.map(|u| {
                let shape = u.dims();
                step(u.reshape([1, out]), weight).reshape(shape)
            });
        }
        if name == "weight" && D > 1 {
            self.weight = Some(matrix(param.val().detach(), out_axis(container)));
        }
        param
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dual::{Dual, Forward};
    use crate::game::{restore_module, snapshot_module};
    use crate::nn::{
        Conv2dConfig, ConvCriticConfig, ConvGeneratorConfig, Critic, Generator, ImageShape, Linear,
        LinearConfig, MlpCriticConfig, MlpGeneratorConfig, Norm, OutputLayer, Stem, Upsample,
        parameter_count,
    };
    use crate::testing::{assert_close, assert_jvp, values};
    use crate::weights::{SpectralNorms, WeightsFile, from_state_dict, state_dict};

    const ON: Option<SpectralNormConfig> = Some(SpectralNormConfig { warm_up: 20 });

    fn stream() -> Stream {
        Stream::new(1, "spectral", 0)
    }

    fn linear(device: &Device) -> Linear {
        let config = LinearConfig::new(6, 4).with_spectral_norm(ON);
        config.init(&mut stream(), device)
    }

    #[test]
    fn tangents_match_central_differences() {
        let (mut s, device) = (stream(), Device::flex());
        let linear = linear(&device);
        assert_jvp(|x| linear.apply(x), s.normal([3, 6], &device));
        let config = Conv2dConfig::new(2, 4, 3).with_padding(1);
        let config = config.with_spectral_norm(ON);
        let conv = config.init(&mut s, &device);
        assert_jvp(|x| conv.apply(x), s.normal([2, 2, 5, 5], &device));
        let transposed = config.init_transposed(&mut s, &device);
        assert_jvp(|x| transposed.apply(x), s.normal([2, 2, 5, 5], &device));
    }

    #[test]
    fn a_diagonal_is_divided_by_its_largest_entry() {
        let weight = Tensor::<2>::from_floats([[3.0, 0.0], [0.0, 1.0]], &Device::flex());
        let norm = SpectralNormConfig::default().init(weight.clone(), 0, &mut stream());
        assert!((values(&norm.sigma(weight, 0))[0] - 3.0).abs() < 1e-5);
    }

    /// Outputs as rows, (1, 0) and (0, 1), have the largest value 1; the one input as a row, √2.
    #[test]
    fn a_transposed_weight_has_its_outputs_second() {
        let weight = Tensor::<4>::from_floats([[[[1.0, 0.0]], [[0.0, 1.0]]]], &Device::flex());
        for (axis, wanted) in [(1, 1.0), (0, 2f32.sqrt())] {
            let norm = SpectralNormConfig::default().init(weight.clone(), axis, &mut stream());
            assert!((values(&norm.sigma(weight.clone(), axis))[0] - wanted).abs() < 1e-5);
        }
        let layer = Conv2dConfig::new(1, 2, 2).with_spectral_norm(ON);
        let layer = layer.init_transposed(&mut stream(), &Device::flex());
        let norm = layer.spectral_norm.expect("it is on");
        assert_eq!(norm.u.value().dims(), [2]);
    }

    /// After a jump of the weight the estimate is wrong; advancing mends it, passes do not.
    #[test]
    fn only_advancing_improves_the_estimate() {
        let device = Device::flex().autodiff();
        let config = LinearConfig::new(2, 2)
            .with_bias(false)
            .with_spectral_norm(ON);
        let mut layer = config.init(&mut stream(), &device);
        layer.weight = Param::from_data([[1.0f32, 0.0], [0.0, 3.0]], &device);
        let x = Tensor::<2>::eye(2, &device);
        let once = layer.apply(x.clone().into()).primal;
        let dual = layer.apply(Dual::new(x.clone(), x.clone()));
        assert_close(&dual.primal, &once, 0.0);
        assert_close(&layer.forward(x.clone()), &once, 0.0);
        for _ in 0..30 {
            advance_spectral_norms(&layer);
        }
        let settled = layer.forward(x.clone());
        let wanted = Tensor::from_floats([[1.0 / 3.0, 0.0], [0.0, 1.0]], &device);
        assert_close(&settled, &wanted, 1e-5);
        let moved = (once - settled).abs().max().into_scalar::<f32>();
        assert!(moved > 1e-4, "{moved}");
    }

    #[test]
    fn the_vector_is_not_trained() {
        let device = Device::flex().autodiff();
        let layer = linear(&device);
        assert_eq!(parameter_count(&layer), 6 * 4 + 4);
        advance_spectral_norms(&layer);
        assert_eq!(parameter_count(&layer), 6 * 4 + 4);
        // A scaled weight gives the same layer, so the gradient is orthogonal to the weight.
        let y = layer.forward(stream().normal([3, 6], &device));
        let gradients = (y.clone() * stream().normal([3, 4], &device))
            .sum()
            .backward();
        let weight = layer.weight.val();
        let gradient = weight.grad(&gradients).expect("it is tracked");
        let along = (gradient.clone() * weight.inner())
            .sum()
            .into_scalar::<f32>();
        assert!(along.abs() < 1e-4, "{along}");
        assert!(gradient.abs().max().into_scalar::<f32>() > 1e-2);
    }

    fn image() -> ImageShape {
        ImageShape::new(1, 16)
    }

    fn critics() -> Vec<ConvCriticConfig> {
        let plain = ConvCriticConfig {
            norm: Norm::None,
            spectral_norm: ON,
            extra_convs: vec![0, 1],
            hidden: Some(5),
            ..ConvCriticConfig::dcgan(image(), [4, 6])
        };
        let residual = ConvCriticConfig {
            residual: true,
            ..plain.clone()
        };
        vec![plain, residual]
    }

    fn generators() -> Vec<ConvGeneratorConfig> {
        let plain = ConvGeneratorConfig {
            spectral_norm: ON,
            ..ConvGeneratorConfig::dcgan(image(), 6, [6, 4])
        };
        let residual = ConvGeneratorConfig {
            stem: Stem::Dense,
            upsample: Upsample::Resize3,
            output: OutputLayer::Conv { kernel: 3 },
            residual: true,
            widths: vec![6, 4, 4],
            ..plain.clone()
        };
        vec![plain, residual]
    }

    /// The largest singular value of every weight that is used, by many steps from elsewhere.
    fn largest_values<M: Module>(folded: &M) -> Vec<f32> {
        struct Measure(Vec<f32>, String);
        impl ModuleVisitor for Measure {
            fn enter_module(&mut self, _name: &str, container: &str) {
                container.clone_into(&mut self.1);
            }

            fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
                if D > 1 {
                    let (weight, axis) = (param.val(), out_axis(&self.1));
                    let config = SpectralNormConfig { warm_up: 200 };
                    let norm = config.init(weight.clone(), axis, &mut Stream::new(9, "m", 0));
                    self.0.extend(values(&norm.sigma(weight, axis)));
                }
            }
        }
        let mut measure = Measure(Vec::new(), String::new());
        folded.visit(&mut measure);
        measure.0
    }

    /// Advanced often enough, every layer of every network has the largest singular value 1; folded, it
    /// is the same network without the vectors: `plain` with other weights.
    fn check<M: Module>([network, plain]: [M; 2], layers: usize, call: impl Fn(&M) -> Tensor<2>) {
        assert!(has_spectral_norms(&network));
        for _ in 0..100 {
            advance_spectral_norms(&network);
        }
        let before = call(&network);
        let mut folded = state_dict(&snapshot_module(&network), SpectralNorms::Fold);
        folded.retain(|name, _| !name.ends_with("num_batches_tracked"));
        let file = WeightsFile::from_tensors("folded", folded);
        let folded = from_state_dict(file, &snapshot_module(&plain)).unwrap();
        let folded = restore_module(plain, "folded", &folded).unwrap();
        assert!(!has_spectral_norms(&folded));
        assert!(
            snapshot_module(&folded)
                .keys()
                .all(|path| !path.contains("spectral"))
        );
        assert_close(&call(&folded), &before, 1e-5);
        let largest = largest_values(&folded);
        assert_eq!(largest.len(), layers);
        assert!(
            largest.iter().all(|s| (s - 1.0).abs() < 0.01),
            "{largest:?}"
        );
    }

    #[test]
    fn every_layer_of_every_network_takes_part_and_can_be_folded() {
        let device = Device::flex().autodiff();
        let picture = || stream().normal([2, 1, 16, 16], &device);
        let latent = || stream().normal([2, 6], &device);
        // Halvings, extra, hidden, logit; or from_image, two convolutions a block, skips, two dense.
        for (mut config, layers) in critics().into_iter().zip([5, 1 + 6 + 1 + 2]) {
            let critics = [ON, None].map(|norm| {
                config.spectral_norm = norm;
                config.init(&mut stream(), &device)
            });
            check(critics, layers, |c| c.score(picture().into()).primal);
        }
        for (mut config, layers) in generators().into_iter().zip([3, 1 + 4 + 1 + 1]) {
            let generators = [ON, None].map(|norm| {
                config.spectral_norm = norm;
                config.init(&mut stream(), &device)
            });
            check(generators, layers, |g| {
                g.generate(latent()).reshape([2, 256])
            });
        }
        let mut config = MlpCriticConfig::new(image(), [8]);
        let critics = [ON, None].map(|norm| {
            config.spectral_norm = norm;
            config.init(&mut stream(), &device)
        });
        check(critics, 2, |c| c.score(picture().into()).primal);
        let mut config = MlpGeneratorConfig::new(image(), 6, [8]);
        let generators = [ON, None].map(|norm| {
            config.spectral_norm = norm;
            config.init(&mut stream(), &device)
        });
        check(generators, 2, |g| g.generate(latent()).reshape([2, 256]));
    }

    #[test]
    fn networks_without_it_have_nothing_to_advance() {
        let device = Device::flex().autodiff();
        let config = ConvCriticConfig::dcgan(image(), [4, 6]);
        let critic = config.init(&mut stream(), &device);
        assert!(!has_spectral_norms(&critic));
        let before = snapshot_module(&critic);
        advance_spectral_norms(&critic);
        assert_eq!(snapshot_module(&critic), before);
    }
}
