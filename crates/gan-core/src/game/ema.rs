//! The moving average of a module.

use std::any::Any;
use std::collections::HashMap;

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param, ParamId};
use burn::prelude::*;
use serde::{Deserialize, Serialize};

use super::state::sync_running_statistics;
use super::{Clock, State, StateError, restore_module, snapshot_module};
use crate::kernel::lerp;

/// How fast the average forgets, in pictures, so that the batch size does not matter.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EmaConfig {
    /// Thousands of pictures after which a weight has half its share left; above 0.
    pub half_life_kimg: f64,
    /// The half-life is at most this part of the pictures shown so far, so that the first weights
    /// are soon forgotten; `None` for no ramp. StyleGAN2 uses 0.05.
    pub ramp_up: Option<f64>,
}

impl EmaConfig {
    /// `0.5^(images / half_life)`, with the half-life ramped up.
    pub fn decay(&self, clock: &Clock, images: usize) -> f64 {
        let mut half_life = self.half_life_kimg * 1000.0;
        if let Some(ramp_up) = self.ramp_up {
            half_life = half_life.min(clock.images as f64 * ramp_up);
        }
        0.5f64.powf(images as f64 / half_life.max(1e-8))
    }
}

/// An exponential moving average of a module's weights; running statistics are copied.
#[derive(Debug)]
pub struct Ema<M: Module> {
    module: Option<M>,
    config: EmaConfig,
}

impl<M: Module> Ema<M> {
    /// Begins at the module as it is.
    pub fn new(online: &M, config: EmaConfig) -> Self {
        // `valid()` copies running statistics; `clone()` would share them.
        Self {
            module: Some(online.valid()),
            config,
        }
    }

    /// Moves towards the module, after a round over `images` pictures.
    pub fn update(&mut self, online: &M, clock: &Clock, images: usize) {
        let decay = self.config.decay(clock, images);
        self.module = self
            .module
            .take()
            .map(|module| moved_towards(module, online, decay));
    }

    /// The average, off the tape, in inference mode.
    pub fn module(&self) -> &M {
        self.module.as_ref().expect("only empty during an update")
    }

    /// Puts the average into `state` as the group `average`.
    pub fn save(&self, state: &mut State) {
        state
            .groups
            .insert("average".into(), snapshot_module(self.module()));
    }

    /// Takes the average back.
    ///
    /// # Errors
    ///
    /// If something is missing, unexpected or of another shape.
    pub fn load(&mut self, state: &State) -> Result<(), StateError> {
        let tensors = state.group("average")?;
        self.module = Some(restore_module(self.module().clone(), "average", tensors)?);
        Ok(())
    }
}

/// `decay · average + (1 − decay) · online`; running statistics are copied. The average must have been made
/// from the module.
pub(crate) fn moved_towards<M: Module>(average: M, online: &M, decay: f64) -> M {
    sync_running_statistics(online);
    let mut gather = Gather(HashMap::new());
    online.visit(&mut gather);
    // Moved, not cloned, so that the average is updated in place.
    average.map(&mut Towards {
        online: gather.0,
        decay,
    })
}

struct Online {
    tensor: Box<dyn Any>,
    is_buffer: bool,
}

struct Gather(HashMap<ParamId, Online>);

impl ModuleVisitor for Gather {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let value = param.base();
        let online = Online {
            is_buffer: !value.is_require_grad(),
            tensor: Box::new(value.inner()),
        };
        self.0.insert(param.id, online);
    }
}

struct Towards {
    online: HashMap<ParamId, Online>,
    decay: f64,
}

impl ModuleMapper for Towards {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let online = self
            .online
            .remove(&param.id)
            .expect("the average was made from this module");
        let value = *online
            .tensor
            .downcast::<Tensor<D>>()
            .expect("one id has one rank");
        let decay = self.decay;
        param.map(|average| {
            if online.is_buffer {
                value
            } else {
                lerp(average, value, decay)
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use burn::nn::{BatchNorm, BatchNormConfig, Linear, LinearConfig};

    use super::*;

    #[derive(Module, Debug)]
    struct Net {
        linear: Linear,
        norm: BatchNorm,
    }

    impl Net {
        fn new(device: &Device) -> Self {
            Self {
                linear: LinearConfig::new(2, 2).init(device),
                norm: BatchNormConfig::new(2).init(device),
            }
        }

        fn forward(&self, x: Tensor<2>) -> Tensor<2> {
            self.norm.forward(self.linear.forward(x))
        }
    }

    fn clock(images: u64) -> Clock {
        Clock {
            seed: 0,
            round: 0,
            images,
        }
    }

    fn config(half_life_kimg: f64, ramp_up: Option<f64>) -> EmaConfig {
        EmaConfig {
            half_life_kimg,
            ramp_up,
        }
    }

    fn set_weight(net: Net, value: f64) -> Net {
        Net {
            linear: Linear {
                weight: net
                    .linear
                    .weight
                    .map(|w| Tensor::from_inner(w.inner().zeros_like() + value).require_grad()),
                bias: net.linear.bias,
            },
            norm: net.norm,
        }
    }

    fn first(state: &State, path: &str) -> f32 {
        state.groups["average"][path]
            .clone()
            .try_to_vec::<f32>()
            .unwrap()[0]
    }

    fn saved(ema: &Ema<Net>) -> State {
        let mut state = State::default();
        ema.save(&mut state);
        state
    }

    #[test]
    fn after_one_half_life_half_is_left_whatever_the_batch_size() {
        let whole = config(2.0, None);
        assert!((whole.decay(&clock(0), 2000) - 0.5).abs() < 1e-12);
        let parts = whole.decay(&clock(0), 50).powi(40);
        assert!((parts - 0.5).abs() < 1e-12);
    }

    #[test]
    fn the_ramp_begins_at_no_memory_and_ends_at_the_half_life() {
        let ramped = config(10.0, Some(0.05));
        assert_eq!(ramped.decay(&clock(0), 64), 0.0);
        let half_life = 0.05 * 20_000.0f64;
        let expected = 0.5f64.powf(64.0 / half_life);
        assert!((ramped.decay(&clock(20_000), 64) - expected).abs() < 1e-12);
        let late = clock(10_000_000);
        assert_eq!(ramped.decay(&late, 64), config(10.0, None).decay(&late, 64));
    }

    #[test]
    fn weights_move_by_the_decay_and_running_statistics_are_copied() {
        let net = set_weight(Net::new(&Device::flex().autodiff()), 1.0);
        let mut ema = Ema::new(&net, config(1.0, None));
        let net = set_weight(net, 3.0);
        let device = Device::flex().autodiff();
        net.forward(Tensor::from_floats([[1.0, 2.0], [3.0, 5.0]], &device));
        let before = first(&saved(&ema), "norm.running_mean");
        assert_eq!(
            before, 0.0,
            "the average must not share running statistics (trap 6.4)"
        );
        ema.update(&net, &clock(0), 1000);
        let state = saved(&ema);
        assert!((first(&state, "linear.weight") - 2.0).abs() < 1e-6);
        let online = snapshot_module(&net);
        assert_ne!(
            first(&state, "norm.running_mean"),
            0.0,
            "the newest forward counts"
        );
        assert_eq!(
            state.groups["average"]["norm.running_mean"],
            online["norm.running_mean"]
        );
        assert_eq!(
            state.groups["average"]["norm.running_var"],
            online["norm.running_var"]
        );
    }

    #[test]
    fn the_average_never_moves_the_online_module() {
        let net = Net::new(&Device::flex().autodiff());
        let mut ema = Ema::new(&net, config(1.0, None));
        let other = set_weight(net.clone(), 7.0);
        let before = snapshot_module(&net);
        ema.update(&other, &clock(0), 500);
        ema.update(&other, &clock(0), 500);
        assert_eq!(snapshot_module(&net), before);
        assert!(!ema.module().linear.weight.val().is_autodiff());
    }

    #[test]
    fn a_saved_average_comes_back_to_the_bit_or_says_what_is_wrong() {
        let device = Device::flex().autodiff();
        let net = Net::new(&device);
        let mut ema = Ema::new(&net, config(1.0, None));
        ema.update(&set_weight(net, 0.3), &clock(0), 300);
        let state = saved(&ema);
        let mut other = Ema::new(&Net::new(&device), config(1.0, None));
        other.load(&state).unwrap();
        assert_eq!(saved(&other), state);
        let error = other.load(&State::default()).unwrap_err();
        assert_eq!(error, StateError::MissingGroup("average".into()));
    }
}
