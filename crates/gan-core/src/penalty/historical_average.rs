//! A pull towards where a player has been.

use std::any::Any;
use std::collections::HashMap;

use burn::module::{Module, ModuleVisitor, Param, ParamId};
use burn::prelude::*;

use super::sum::Sum;
use crate::game::{State, StateError, moved_towards, restore_module, snapshot_module};

/// The mean of a player's parameters over all rounds, and the distance from it: section 3.3 of
/// [Salimans et al. 2016](https://arxiv.org/abs/1606.03498),
/// `‖θ − (1/t) Σ θ[i]‖²`.
#[derive(Debug)]
pub struct HistoricalAverage<M: Module> {
    /// Group in a checkpoint.
    name: String,
    mean: Option<M>,
    rounds: u64,
}

impl<M: Module> HistoricalAverage<M> {
    /// Begins at the module as it is; `player` names it in checkpoints.
    pub fn new(player: &str, module: &M) -> Self {
        Self {
            name: format!("{player}-history"),
            mean: Some(module.valid()),
            rounds: 1,
        }
    }

    /// `‖θ − mean‖²` over all trainable parameters, `[1]`, to be added to a loss.
    ///
    /// # Panics
    ///
    /// Panics if it was made from another module, or the module has no trainable parameters.
    pub fn penalty(&self, module: &M) -> Tensor<1> {
        let mut gather = Gather(HashMap::new());
        self.mean().visit(&mut gather);
        let mut distance = Distance {
            means: gather.0,
            sum: Sum::default(),
        };
        module.visit(&mut distance);
        let total = distance.sum.total();
        total.expect("a historical average needs a module with parameters")
    }

    /// Counts the parameters as they are now, after a round.
    pub fn update(&mut self, module: &M) {
        let keep = self.rounds as f64 / (self.rounds + 1) as f64;
        self.mean = self
            .mean
            .take()
            .map(|mean| moved_towards(mean, module, keep));
        self.rounds += 1;
    }

    fn mean(&self) -> &M {
        self.mean.as_ref().expect("only empty during an update")
    }

    /// Puts the mean into a checkpoint.
    pub fn save(&self, state: &mut State) {
        let tensors = snapshot_module(self.mean());
        state.groups.insert(self.name.clone(), tensors);
        let rounds = format!("{}.rounds", self.name);
        state.numbers.insert(rounds, self.rounds as f64);
    }

    /// Takes the mean back.
    ///
    /// # Errors
    ///
    /// If something is missing, unexpected or of another shape.
    pub fn load(&mut self, state: &State) -> Result<(), StateError> {
        let tensors = state.group(&self.name)?;
        let rounds = state.number(&format!("{}.rounds", self.name))?;
        self.mean = Some(restore_module(self.mean().clone(), &self.name, tensors)?);
        self.rounds = rounds as u64;
        Ok(())
    }
}

/// Parameters by id, each a `Tensor` of its rank.
struct Gather(HashMap<ParamId, Box<dyn Any>>);

impl ModuleVisitor for Gather {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        self.0.insert(param.id, Box::new(param.val()));
    }
}

struct Distance {
    means: HashMap<ParamId, Box<dyn Any>>,
    sum: Sum,
}

impl ModuleVisitor for Distance {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if !param.is_require_grad() {
            return;
        }
        let mean = self.means.remove(&param.id);
        let mean = mean.expect("the average was made from this module");
        let mean = mean.downcast::<Tensor<D>>();
        let mean = Tensor::from_inner(*mean.expect("one id has one rank"));
        self.sum.add((param.val() - mean).square().sum());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::Linear;
    use crate::testing::{assert_close, values};

    fn linear(weight: [[f32; 2]; 1], bias: f32) -> Linear {
        let device = Device::flex().autodiff();
        Linear {
            weight: Param::from_data(weight, &device),
            bias: Some(Param::from_data([bias], &device)),
            spectral_norm: None,
        }
    }

    /// The same layer with other values.
    fn moved(layer: &Linear, weight: [[f32; 2]; 1], bias: f32) -> Linear {
        let new = linear(weight, bias);
        let mut layer = layer.clone();
        layer.weight = layer
            .weight
            .map(|_| new.weight.val().detach().require_grad());
        let bias = new.bias.expect("it has one").val();
        layer.bias = layer
            .bias
            .map(|old| old.map(|_| bias.detach().require_grad()));
        layer
    }

    /// (1, 2), (3, 2) and (5, 5) with biases 0, 3 and 3: means (3, 3) and 2.
    #[test]
    fn it_is_the_distance_from_the_mean_of_all_rounds() {
        let first = linear([[1.0, 2.0]], 0.0);
        let mut history = HistoricalAverage::new("critic", &first);
        assert_eq!(values(&history.penalty(&first)), [0.0]);
        history.update(&moved(&first, [[3.0, 2.0]], 3.0));
        history.update(&moved(&first, [[5.0, 5.0]], 3.0));
        let now = moved(&first, [[4.0, 1.0]], 2.5);
        let penalty = history.penalty(&now);
        assert!((values(&penalty)[0] - (1.0 + 4.0 + 0.25)).abs() < 1e-5);
        let grads = penalty.backward();
        let found = now.weight.val().grad(&grads).expect("it is tracked");
        let wanted = Tensor::from_floats([[2.0, -4.0]], &Device::flex());
        assert_close(&found, &wanted, 1e-5);
    }

    #[test]
    fn it_comes_back() {
        let first = linear([[1.0, 2.0]], 0.0);
        let mut history = HistoricalAverage::new("critic", &first);
        history.update(&moved(&first, [[3.0, 2.0]], 3.0));
        let mut state = State::default();
        history.save(&mut state);
        assert_eq!(state.numbers["critic-history.rounds"], 2.0);
        let mut other = HistoricalAverage::new("critic", &first);
        other.load(&state).unwrap();
        for each in [&mut history, &mut other] {
            each.update(&moved(&first, [[0.0, 0.0]], 1.0));
        }
        assert_eq!(
            snapshot_module(history.mean()),
            snapshot_module(other.mean())
        );
        let error = other.load(&State::default()).unwrap_err();
        assert_eq!(error, StateError::MissingGroup("critic-history".into()));
    }
}
