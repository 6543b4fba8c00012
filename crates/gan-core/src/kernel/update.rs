//! Updates of parameters in one pass over memory instead of one pass per operation; Muon, which multiplies
//! matrices, in a few.
//!
//! A step of Adam is limited by memory: 16 bytes in and 12 out per parameter. Written with tensor
//! operations it moves several times that.

use burn::prelude::*;

use super::orthogonalize;

/// The numbers of one step of Adam (Algorithm 1 of [Kingma and Ba](https://arxiv.org/abs/1412.6980))
/// or AdamW ([Loshchilov and Hutter](https://arxiv.org/abs/1711.05101)).
#[derive(Clone, Copy, Debug)]
pub struct AdamStep {
    /// Learning rate of this step.
    pub lr: f64,
    /// Decay of the first moment.
    pub beta_1: f64,
    /// Decay of the second moment.
    pub beta_2: f64,
    /// Added to the root of the second moment.
    pub epsilon: f64,
    /// Number of this step, from 1.
    pub time: u64,
    /// Added to the gradient, times the parameter (L2).
    pub weight_decay: f64,
    /// Taken off the parameter, times the learning rate (AdamW).
    pub decoupled_decay: f64,
}

impl AdamStep {
    /// `lr / (1 − β₁ᵗ)` and `1 / √(1 − β₂ᵗ)`.
    pub(crate) fn corrections(&self) -> (f64, f64) {
        let time = self.time as f64;
        (
            self.lr / (1.0 - self.beta_1.powf(time)),
            1.0 / (1.0 - self.beta_2.powf(time)).sqrt(),
        )
    }
}

/// One step of Adam: `(parameter, first moment, second moment)` after it.
///
/// `scale` (shape `[1]`) multiplies the gradient; where it is not finite nothing changes, which is
/// how a round with a NaN is skipped without reading anything back.
pub fn adam_step<const D: usize>(
    parameter: Tensor<D>,
    gradient: Tensor<D>,
    moments: (Tensor<D>, Tensor<D>),
    scale: Tensor<1>,
    step: &AdamStep,
) -> (Tensor<D>, Tensor<D>, Tensor<D>) {
    #[cfg(feature = "flex")]
    if super::flex::is_flex(&parameter) {
        return super::flex::update::adam_step(parameter, gradient, moments, scale, step);
    }
    plain_adam_step(parameter, gradient, moments, scale, step)
}

/// [`adam_step`] in Burn's own operations.
pub(crate) fn plain_adam_step<const D: usize>(
    parameter: Tensor<D>,
    gradient: Tensor<D>,
    (first, second): (Tensor<D>, Tensor<D>),
    scale: Tensor<1>,
    step: &AdamStep,
) -> (Tensor<D>, Tensor<D>, Tensor<D>) {
    let stays = stays(&scale, parameter.dims());
    let mut gradient = gradient * scale.reshape([1; D]);
    if step.weight_decay != 0.0 {
        gradient = gradient + parameter.clone() * step.weight_decay;
    }
    let new_first = first.clone() * step.beta_1 + gradient.clone() * (1.0 - step.beta_1);
    let new_second = second.clone() * step.beta_2 + gradient.square() * (1.0 - step.beta_2);
    let (rate, root) = step.corrections();
    let denominator = new_second.clone().sqrt() * root + step.epsilon;
    let kept = parameter.clone() * (1.0 - step.lr * step.decoupled_decay);
    let new = kept - new_first.clone() / denominator * rate;
    (
        new.mask_where(stays.clone(), parameter),
        new_first.mask_where(stays.clone(), first),
        new_second.mask_where(stays, second),
    )
}

/// Where old values stay: everywhere if `scale` is not finite, otherwise nowhere.
pub(crate) fn stays<const D: usize>(scale: &Tensor<1>, dims: [usize; D]) -> Tensor<D, Bool> {
    let is_bad: Tensor<D, Bool> = scale.clone().is_finite().bool_not().reshape([1; D]);
    is_bad.expand(dims)
}

/// The numbers of one step of RMSProp as in PyTorch: not centred, no momentum.
#[derive(Clone, Copy, Debug)]
pub struct RmsPropStep {
    /// Learning rate of this step.
    pub lr: f64,
    /// Decay of the mean square.
    pub alpha: f64,
    /// Added to the root of the mean square.
    pub epsilon: f64,
}

/// One step of RMSProp: `(parameter, mean square)` after it. `scale` as in [`adam_step`].
pub fn rms_prop_step<const D: usize>(
    parameter: Tensor<D>,
    gradient: Tensor<D>,
    square: Tensor<D>,
    scale: Tensor<1>,
    step: &RmsPropStep,
) -> (Tensor<D>, Tensor<D>) {
    #[cfg(feature = "flex")]
    if super::flex::is_flex(&parameter) {
        return super::flex::update::rms_prop_step(parameter, gradient, square, scale, step);
    }
    plain_rms_prop_step(parameter, gradient, square, scale, step)
}

/// [`rms_prop_step`] in Burn's own operations.
pub(crate) fn plain_rms_prop_step<const D: usize>(
    parameter: Tensor<D>,
    gradient: Tensor<D>,
    square: Tensor<D>,
    scale: Tensor<1>,
    step: &RmsPropStep,
) -> (Tensor<D>, Tensor<D>) {
    let stays = stays(&scale, parameter.dims());
    let gradient = gradient * scale.reshape([1; D]);
    let new_square = square.clone() * step.alpha + gradient.clone().square() * (1.0 - step.alpha);
    let denominator = new_square.clone().sqrt() + step.epsilon;
    let new = parameter.clone() - gradient / denominator * step.lr;
    (
        new.mask_where(stays.clone(), parameter),
        new_square.mask_where(stays, square),
    )
}

/// The numbers of one step of [Muon](crate::optim::OptimizerConfig::Muon).
#[derive(Clone, Copy, Debug)]
pub struct MuonStep {
    /// Learning rate of this step: the root mean square of what a parameter moves by, nearly.
    pub lr: f64,
    /// Decay of the averaged gradient.
    pub momentum: f64,
    /// Added to the length of the averaged gradient: one much shorter moves the parameter less.
    pub epsilon: f64,
    /// Rows and columns of the parameter as a matrix.
    pub size: [usize; 2],
}

impl MuonStep {
    /// What an orthogonal matrix is multiplied by.
    pub(crate) fn length(&self) -> f64 {
        self.lr * (self.size[0].max(self.size[1]) as f64).sqrt()
    }
}

/// One step of Muon: `(parameter, averaged gradient)` after it, both flat. `scale` as in [`adam_step`].
///
/// # Panics
///
/// Panics if the parameter is not as large as the step says.
pub fn muon_step(
    parameter: Tensor<1>,
    gradient: Tensor<1>,
    average: Tensor<1>,
    scale: Tensor<1>,
    step: &MuonStep,
) -> (Tensor<1>, Tensor<1>) {
    let [length] = parameter.dims();
    assert_eq!(length, step.size[0] * step.size[1], "muon_step: values");
    #[cfg(feature = "flex")]
    if super::flex::is_flex(&parameter) && super::flex::orthogonal::is_fast() {
        return super::flex::update::muon_step(parameter, gradient, average, scale, step);
    }
    plain_muon_step(parameter, gradient, average, scale, step)
}

/// [`muon_step`] in Burn's own operations.
pub(crate) fn plain_muon_step(
    parameter: Tensor<1>,
    gradient: Tensor<1>,
    average: Tensor<1>,
    scale: Tensor<1>,
    step: &MuonStep,
) -> (Tensor<1>, Tensor<1>) {
    let stays = stays(&scale, parameter.dims());
    let new_average = average.clone() * step.momentum + gradient * scale * (1.0 - step.momentum);
    let direction =
        orthogonalize(new_average.clone().reshape(step.size), step.epsilon).flatten(0, 1);
    let new = parameter.clone() - direction * step.length();
    (
        new.mask_where(stays.clone(), parameter),
        new_average.mask_where(stays, average),
    )
}

/// `average · decay + online · (1 − decay)`.
pub fn lerp<const D: usize>(average: Tensor<D>, online: Tensor<D>, decay: f64) -> Tensor<D> {
    #[cfg(feature = "flex")]
    if super::flex::is_flex(&average) {
        return super::flex::update::lerp(average, online, decay);
    }
    average * decay + online * (1.0 - decay)
}

/// `Σ x²`, shape `[1]`.
pub fn sum_of_squares<const D: usize>(x: Tensor<D>) -> Tensor<1> {
    #[cfg(feature = "flex")]
    if super::flex::is_flex(&x) {
        return super::flex::update::sum_of_squares(x);
    }
    x.square().sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Stream;

    /// Longer than one task of the kernel, and no multiple of any vector width.
    const LENGTH: usize = 40_003;

    fn step(time: u64) -> AdamStep {
        AdamStep {
            lr: 0.01,
            beta_1: 0.9,
            beta_2: 0.99,
            epsilon: 1e-8,
            time,
            weight_decay: 0.02,
            decoupled_decay: 0.1,
        }
    }

    fn random(name: &str) -> Tensor<1> {
        Stream::new(1, name, 0).normal([LENGTH], &Device::flex())
    }

    fn values(x: &Tensor<1>) -> Vec<f32> {
        x.to_data().try_to_vec::<f32>().unwrap()
    }

    fn one(value: f32) -> Tensor<1> {
        Tensor::from_floats([value], &Device::flex())
    }

    fn close(a: &Tensor<1>, b: &Tensor<1>) {
        for (a, b) in values(a).iter().zip(values(b)) {
            assert!((a - b).abs() <= 1e-6 * b.abs().max(1.0), "{a} is not {b}");
        }
    }

    #[test]
    fn the_kernel_agrees_with_plain_operations() {
        let (p, g) = (random("p"), random("g"));
        let (m, v) = (random("m"), random("v").square());
        let run = |f: &dyn Fn(Tensor<1>, Tensor<1>) -> (Tensor<1>, Tensor<1>, Tensor<1>)| {
            f(p.clone(), g.clone())
        };
        let moments = || (m.clone(), v.clone());
        let kernel = run(&|p, g| adam_step(p, g, moments(), one(0.5), &step(7)));
        let plain = run(&|p, g| plain_adam_step(p, g, moments(), one(0.5), &step(7)));
        close(&kernel.0, &plain.0);
        close(&kernel.1, &plain.1);
        close(&kernel.2, &plain.2);
        assert_ne!(values(&kernel.0), values(&p));
    }

    #[test]
    fn a_scale_that_is_not_finite_changes_nothing() {
        let (p, g) = (random("p"), random("g") * f32::NAN);
        let (m, v) = (random("m"), random("v").square());
        for scale in [f32::NAN, f32::INFINITY] {
            let moments = || (m.clone(), v.clone());
            let kernel = adam_step(p.clone(), g.clone(), moments(), one(scale), &step(1));
            let plain = plain_adam_step(p.clone(), g.clone(), moments(), one(scale), &step(1));
            for (new, old) in [(&kernel.0, &p), (&kernel.1, &m), (&kernel.2, &v)] {
                assert_eq!(values(new), values(old));
            }
            for (new, old) in [(&plain.0, &p), (&plain.1, &m), (&plain.2, &v)] {
                assert_eq!(values(new), values(old));
            }
        }
    }

    #[test]
    fn the_kernel_of_rms_prop_agrees_with_plain_operations() {
        let (p, g, v) = (random("p"), random("g"), random("v").square());
        let step = RmsPropStep {
            lr: 0.01,
            alpha: 0.9,
            epsilon: 1e-8,
        };
        for scale in [0.5, f32::NAN] {
            let kernel = rms_prop_step(p.clone(), g.clone(), v.clone(), one(scale), &step);
            let plain = plain_rms_prop_step(p.clone(), g.clone(), v.clone(), one(scale), &step);
            close(&kernel.0, &plain.0);
            close(&kernel.1, &plain.1);
            let has_moved = values(&kernel.0) != values(&p) && values(&kernel.1) != values(&v);
            assert_eq!(has_moved, scale.is_finite());
        }
    }

    /// Longer than one task, wide and high.
    #[test]
    fn the_kernel_of_muon_agrees_with_plain_operations() {
        for size in [[80, 500], [500, 80], [2, 3]] {
            let random = |name| random(name).narrow(0, 0, size[0] * size[1]);
            let (p, g, m) = (random("p"), random("g"), random("m"));
            let step = MuonStep {
                lr: 0.1,
                momentum: 0.7,
                epsilon: 1e-8,
                size,
            };
            for scale in [0.5, f32::NAN] {
                let kernel = muon_step(p.clone(), g.clone(), m.clone(), one(scale), &step);
                let plain = plain_muon_step(p.clone(), g.clone(), m.clone(), one(scale), &step);
                for (a, b) in values(&kernel.0).iter().zip(values(&plain.0)) {
                    assert!((a - b).abs() < 1e-4, "{size:?}: {a} is not {b}");
                }
                close(&kernel.1, &plain.1);
                let has_moved = values(&kernel.0) != values(&p) && values(&kernel.1) != values(&m);
                assert_eq!(has_moved, scale.is_finite());
            }
        }
    }

    #[test]
    fn tensors_that_somebody_else_holds_are_not_written() {
        let (p, g, m, v) = (random("p"), random("g"), random("m"), random("v").square());
        let before = [&p, &g, &m, &v].map(values);
        let _ = adam_step(
            p.clone(),
            g.clone(),
            (m.clone(), v.clone()),
            one(1.0),
            &step(1),
        );
        let _ = lerp(p.clone(), g.clone(), 0.5);
        let size = [1, LENGTH];
        let step = MuonStep {
            lr: 0.1,
            momentum: 0.5,
            epsilon: 1e-8,
            size,
        };
        let _ = muon_step(p.clone(), g.clone(), m.clone(), one(1.0), &step);
        assert_eq!([&p, &g, &m, &v].map(values), before);
    }

    #[test]
    fn views_into_a_larger_tensor_are_updated_as_if_they_were_copied() {
        let p = random("p");
        let part = p.clone().narrow(0, 1000, 100);
        let g = random("g").narrow(0, 5, 100);
        let zeros = || (g.zeros_like(), g.zeros_like());
        let kernel = adam_step(part.clone(), g.clone(), zeros(), one(1.0), &step(1)).0;
        let plain = plain_adam_step(part, g.clone(), zeros(), one(1.0), &step(1)).0;
        close(&kernel, &plain);
    }

    #[test]
    fn the_first_step_of_adam_has_the_length_of_the_learning_rate() {
        let plain = AdamStep {
            weight_decay: 0.0,
            decoupled_decay: 0.0,
            ..step(1)
        };
        let zeros = || (one(0.0), one(0.0));
        let up = adam_step(one(1.0), one(-123.0), zeros(), one(1.0), &plain).0;
        assert!((values(&up)[0] - 1.01).abs() < 1e-6);
        let down = adam_step(one(1.0), one(0.004), zeros(), one(1.0), &plain).0;
        assert!((values(&down)[0] - 0.99).abs() < 1e-6);
    }

    #[test]
    fn lerp_and_sum_of_squares_agree_with_plain_operations() {
        let (a, b) = (random("p"), random("g"));
        let plain = a.clone() * 0.75 + b.clone() * 0.25;
        close(&lerp(a.clone(), b, 0.75), &plain);
        let exact: f64 = values(&a)
            .iter()
            .map(|x| f64::from(*x) * f64::from(*x))
            .sum();
        let sum = f64::from(values(&sum_of_squares(a))[0]);
        assert!((sum - exact).abs() < 1e-5 * exact, "{sum} is not {exact}");
        let three_by_two =
            Tensor::<2>::from_floats([[1.0, 2.0], [3.0, 0.0], [0.0, -1.0]], &Device::flex());
        assert_eq!(values(&sum_of_squares(three_by_two.transpose()))[0], 15.0);
    }

    #[test]
    fn a_sum_of_squares_is_not_finite_if_any_value_is_not() {
        let x = Tensor::<1>::from_floats([1.0, f32::NAN, 2.0], &Device::flex());
        assert!(values(&sum_of_squares(x))[0].is_nan());
        let x = Tensor::<1>::from_floats([1.0, f32::INFINITY], &Device::flex());
        assert!(values(&sum_of_squares(x))[0].is_infinite());
    }
}
