//! One side of the game.

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param, ParamId};
use burn::prelude::*;
use burn::tensor::Gradients;

use super::{State, StateError, restore_module, snapshot_module};
use crate::kernel::sum_of_squares;
use crate::nn::parameter_count;
use crate::optim::{Optimizer, OptimizerConfig, Update};

/// One side of the game: a module and the optimiser that moves it.
#[derive(Debug)]
pub struct Player<M: Module> {
    name: &'static str,
    module: Option<M>,
    optimizer: Optimizer,
    clip_norm: Option<f64>,
}

/// What a step was like; tensors of shape `[1]`, unread.
#[derive(Clone, Debug)]
pub struct Step {
    /// Euclidean norm of the whole gradient before clipping.
    pub gradient_norm: Tensor<1>,
}

impl<M: Module> Player<M> {
    /// A player called `name` (in checkpoints and logs).
    pub fn new(name: &'static str, module: M, optimizer: OptimizerConfig) -> Self {
        // Clones of a lazy parameter share its uninitialised state, and switching gradients off on
        // a clone would switch them off here: a generator that silently never learns.
        module.visit(&mut Materialize);
        Self {
            name,
            module: Some(module),
            optimizer: Optimizer::new(optimizer),
            clip_norm: None,
        }
    }

    /// Scales a gradient longer than `norm` down to it.
    #[must_use]
    pub fn with_gradient_clipping(mut self, norm: Option<f64>) -> Self {
        self.clip_norm = norm;
        self
    }

    /// Its name.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// The module, tracked.
    pub fn module(&self) -> &M {
        self.module.as_ref().expect("only empty during a step")
    }

    /// The module as the other side sees it: no gradients for its parameters, but still in training
    /// mode (`valid()` would switch batch normalisation to running statistics).
    pub fn opponent(&self) -> M {
        self.module().clone().no_grad()
    }

    /// Moves against the gradient of `loss`.
    ///
    /// # Panics
    ///
    /// Panics if the loss does not depend on the player.
    pub fn minimize(&mut self, loss: Tensor<1>) -> Step {
        self.step(&mut loss.backward())
    }

    /// Takes its own part out of `gradients` and moves; one backward can move several players.
    ///
    /// A gradient that is not finite moves nothing.
    ///
    /// # Panics
    ///
    /// Panics if there is no gradient for any of its parameters.
    pub fn step(&mut self, gradients: &mut Gradients) -> Step {
        let module = self.module.take().expect("only empty during a step");
        let mut collect = Collect {
            gradients,
            squares: Vec::new(),
        };
        module.visit(&mut collect);
        assert!(
            !collect.squares.is_empty(),
            "the loss does not depend on the player `{}`",
            self.name
        );
        let norm = Tensor::cat(collect.squares, 0).sum().sqrt();
        // 1 when there is nothing to clip, and NaN when the norm is not finite: ∞ · 0 = NaN.
        let mut scale = norm.clone() * 0.0 + 1.0;
        if let Some(limit) = self.clip_norm {
            scale = scale * (norm.clone().add_scalar(1e-12).recip() * limit).clamp_max(1.0);
        }
        let mut apply = Apply {
            gradients,
            update: self.optimizer.begin(scale),
        };
        self.module = Some(module.map(&mut apply));
        Step {
            gradient_norm: norm,
        }
    }

    /// Replaces the module by what `change` makes of it: limits on weights, folded layers. The
    /// parameters must keep their ids and shapes, or the optimiser begins anew for them.
    pub fn change(&mut self, change: impl FnOnce(M) -> M) {
        self.module = self.module.take().map(change);
    }

    /// Number of trainable values.
    pub fn parameter_count(&self) -> usize {
        parameter_count(self.module())
    }

    /// Multiplies the learning rate of all coming steps.
    pub fn scale_learning_rate(&mut self, factor: f64) {
        self.optimizer.scale_learning_rate(factor);
    }

    /// Sets what a schedule multiplies the learning rate by until it is set again; not part of the state.
    pub fn set_learning_rate_factor(&mut self, factor: f64) {
        self.optimizer.set_learning_rate_factor(factor);
    }

    /// Puts weights (group `name`) and optimiser (group `name-optimizer`) into `state`.
    pub fn save(&self, state: &mut State) {
        state
            .groups
            .insert(self.name.into(), snapshot_module(self.module()));
        self.optimizer.save(self.name, self.module(), state);
    }

    /// Takes weights and optimiser back.
    ///
    /// # Errors
    ///
    /// If something is missing, unexpected or of another shape.
    pub fn load(&mut self, state: &State) -> Result<(), StateError> {
        let tensors = state.group(self.name)?;
        let module = restore_module(self.module().clone(), self.name, tensors)?;
        self.optimizer.load(self.name, &module, state)?;
        self.module = Some(module);
        Ok(())
    }
}

struct Materialize;

impl ModuleVisitor for Materialize {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let _ = param.val();
    }
}

struct Collect<'a> {
    gradients: &'a Gradients,
    squares: Vec<Tensor<1>>,
}

impl ModuleVisitor for Collect<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if let Some(gradient) = param.base().grad(self.gradients) {
            self.squares.push(sum_of_squares(gradient));
        }
    }
}

struct Apply<'a> {
    gradients: &'a mut Gradients,
    update: Update<'a>,
}

impl ModuleMapper for Apply<'_> {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let id: ParamId = param.id;
        param.map(|value| {
            let Some(gradient) = value.grad_remove(self.gradients) else {
                return value;
            };
            let shape = value.dims();
            // Flat, and moved rather than cloned, so that the update can happen in place.
            let (value, gradient) = (value.inner().flatten(0, D - 1), gradient.flatten(0, D - 1));
            let updated = self.update.apply(id, &shape, value, gradient);
            let updated = updated.reshape(shape);
            Tensor::from_inner(updated).require_grad()
        })
    }
}

#[cfg(test)]
mod tests {
    use burn::nn::{BatchNorm, BatchNormConfig, Dropout, DropoutConfig, Linear, LinearConfig};

    use super::*;

    #[derive(Module, Debug)]
    struct Net {
        linear: Linear,
        norm: BatchNorm,
    }

    fn device() -> Device {
        Device::flex().autodiff()
    }

    fn net() -> Net {
        Net {
            linear: LinearConfig::new(3, 2).init(&device()),
            norm: BatchNormConfig::new(2).init(&device()),
        }
    }

    impl Net {
        fn forward(&self, x: Tensor<2>) -> Tensor<2> {
            self.norm.forward(self.linear.forward(x))
        }
    }

    fn x() -> Tensor<2> {
        Tensor::from_floats([[1.0, 2.0, 3.0], [0.0, -1.0, 5.0]], &device())
    }

    fn sgd(lr: f64) -> OptimizerConfig {
        OptimizerConfig::Sgd { lr, momentum: 0.0 }
    }

    fn values<const D: usize>(x: Tensor<D>) -> Vec<f32> {
        x.into_data().try_to_vec::<f32>().unwrap()
    }

    #[test]
    fn an_opponent_used_before_the_player_leaves_the_player_trainable() {
        // Trap 6.3: without materialising, the clone's `no_grad` would reach the original.
        let mut player = Player::new("generator", net(), sgd(0.1));
        let seen = player.opponent().forward(x());
        assert!(!seen.is_tracked());
        let before = values(player.module().linear.weight.val());
        player.minimize(player.module().linear.forward(x()).sum());
        assert_ne!(values(player.module().linear.weight.val()), before);
    }

    #[test]
    fn an_opponent_keeps_batch_statistics() {
        // Trap 6.2: `valid()` would use running statistics and give a mean far from zero.
        let player = Player::new("generator", net(), sgd(0.1));
        let shifted = Tensor::<2>::from_floats([[5.0, 9.0], [7.0, 3.0]], &device());
        let mean = |y: Tensor<2>| y.mean().into_scalar::<f32>();
        assert!(mean(player.opponent().norm.forward(shifted.clone())).abs() < 1e-5);
        assert!(mean(player.module().valid().norm.forward(shifted.inner())) > 1.0);
    }

    #[test]
    fn an_opponent_is_in_training_mode() {
        #[derive(Module, Debug)]
        struct Noisy {
            linear: Linear,
            dropout: Dropout,
        }
        let noisy = Noisy {
            linear: LinearConfig::new(1, 1).init(&device()),
            dropout: DropoutConfig::new(0.5).init(),
        };
        let player = Player::new("critic", noisy, sgd(0.1));
        let y = player
            .opponent()
            .dropout
            .forward(Tensor::<1>::ones([200], &device()));
        assert!(values(y).contains(&0.0));
    }

    #[test]
    fn a_step_is_gradient_descent_and_reports_the_norm() {
        let mut player = Player::new("critic", net(), sgd(0.5));
        let weight = values(player.module().linear.weight.val());
        let step = player.minimize(player.module().linear.forward(x()).sum());
        // d/dw = column sums of x, the same for both outputs; d/db = number of rows.
        let sums = [1.0f32, 1.0, 8.0];
        for (index, (new, old)) in values(player.module().linear.weight.val())
            .iter()
            .zip(weight)
            .enumerate()
        {
            assert!((new - (old - 0.5 * sums[index / 2])).abs() < 1e-5);
        }
        let norm = (2.0 * (1.0 + 1.0 + 64.0) + 2.0 * 4.0f32).sqrt();
        assert!((step.gradient_norm.into_scalar::<f32>() - norm).abs() < 1e-4);
    }

    #[test]
    fn clipping_shortens_long_gradients_and_leaves_short_ones() {
        let moved = |limit: Option<f64>| {
            let mut player = Player::new("critic", net(), sgd(1.0)).with_gradient_clipping(limit);
            let before = values(player.module().linear.weight.val());
            let bias = values(player.module().linear.bias.as_ref().unwrap().val());
            player.minimize(player.module().linear.forward(x()).sum());
            let after = values(player.module().linear.weight.val());
            let bias_after = values(player.module().linear.bias.as_ref().unwrap().val());
            let square = |a: Vec<f32>, b: Vec<f32>| -> f32 {
                a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum()
            };
            (square(before, after) + square(bias, bias_after)).sqrt()
        };
        let whole = moved(None);
        assert!((moved(Some(0.1)) - 0.1).abs() < 1e-4);
        assert!((moved(Some(100.0)) - whole).abs() < 1e-4);
    }

    #[test]
    fn one_backward_moves_two_players() {
        let mut first = Player::new("first", net(), sgd(0.1));
        let mut second = Player::new("second", net(), sgd(0.1));
        let before = [&first, &second].map(|p| values(p.module().linear.weight.val()));
        let sum = first.module().linear.forward(x()) + second.module().linear.forward(x());
        let mut gradients = sum.sum().backward();
        first.step(&mut gradients);
        second.step(&mut gradients);
        let after = [&first, &second].map(|p| values(p.module().linear.weight.val()));
        assert!(before[0] != after[0] && before[1] != after[1]);
    }

    #[test]
    fn a_gradient_that_is_not_finite_moves_nothing() {
        let mut player = Player::new("critic", net(), OptimizerConfig::adam(0.1, 0.9, 0.99));
        player.minimize(player.module().linear.forward(x()).sum());
        let before = snapshot_module(player.module());
        let step = player.minimize(player.module().linear.forward(x() * f32::NAN).sum());
        assert!(step.gradient_norm.into_scalar::<f32>().is_nan());
        assert_eq!(snapshot_module(player.module()), before);
        player.minimize(player.module().linear.forward(x()).sum());
        assert_ne!(snapshot_module(player.module()), before, "and it can go on");
    }

    #[test]
    fn running_statistics_are_not_counted_as_parameters() {
        let player = Player::new("critic", net(), sgd(0.1));
        assert_eq!(player.parameter_count(), 3 * 2 + 2 + 2 + 2);
        assert_eq!(player.name(), "critic");
    }

    #[test]
    fn a_changed_module_stays_trainable() {
        let mut player = Player::new("critic", net(), sgd(0.1));
        player.change(|module| crate::penalty::clip_weights(module, 0.01));
        let before = values(player.module().linear.weight.val());
        assert!(before.iter().all(|w| w.abs() <= 0.01));
        player.minimize(player.module().linear.forward(x()).sum());
        assert_ne!(values(player.module().linear.weight.val()), before);
    }

    #[test]
    fn a_player_comes_back_to_the_bit() {
        let adam = OptimizerConfig::adam(0.1, 0.9, 0.99);
        let mut player = Player::new("critic", net(), adam);
        player.minimize(player.module().forward(x()).square().mean());
        let mut state = State::default();
        player.save(&mut state);
        let mut other = Player::new("critic", net(), adam);
        other.load(&state).unwrap();
        player.minimize(player.module().forward(x()).square().mean());
        other.minimize(other.module().forward(x()).square().mean());
        let saved = [&player, &other].map(|player| {
            let mut state = State::default();
            player.save(&mut state);
            state
        });
        assert_eq!(saved[0], saved[1]);
    }

    #[test]
    #[should_panic(expected = "the loss does not depend on the player `critic`")]
    fn a_loss_of_somebody_else_is_refused() {
        let mut player = Player::new("critic", net(), sgd(0.1));
        let other = net();
        player.minimize(other.linear.forward(x()).sum());
    }
}
