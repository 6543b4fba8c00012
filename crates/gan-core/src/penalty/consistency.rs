//! The critic shall not mind changes that do not matter.

use burn::prelude::*;
use serde::{Deserialize, Serialize};

use crate::augment::{Warp, draw_move_warp};
use crate::error::ConfigError;
use crate::rng::Stream;

/// Consistency of the critic under small changes of the picture, `T(x)`: a mirror image half of the time and
/// a shift by a few pixels, and under small changes of the latent.
///
/// | paper | what is on |
/// | --- | --- |
/// | CR, [Zhang et al. 2019](https://arxiv.org/abs/1910.12027) | `lambda_real` |
/// | bCR, [Zhao et al. 2020](https://arxiv.org/abs/2002.04724) | `lambda_real`, `lambda_fake` |
/// | zCR, the same | `latent` |
/// | ICR, the same | all three |
///
/// The critic minimises besides `λ_real E (D(x) − D(T(x)))² + λ_fake E (D(G(z)) − D(T(G(z))))²`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConsistencyConfig {
    /// Weight for real pictures, 0 or more; 10 in the papers. Default: 0.
    #[serde(default)]
    pub lambda_real: f64,
    /// Weight for generated pictures, 0 or more; 10 in the paper. Default: 0.
    #[serde(default)]
    pub lambda_fake: f64,
    /// Largest shift along each axis in pixels. Default: 4.
    #[serde(default = "shift")]
    pub shift: usize,
    /// Whether pictures are mirrored half of the time. Default: yes; not for letters and digits.
    #[serde(default = "yes")]
    pub flip: bool,
    /// Consistency under changes of the latent. Default: none.
    #[serde(default)]
    pub latent: Option<LatentConsistencyConfig>,
}

fn shift() -> usize {
    4
}

fn yes() -> bool {
    true
}

impl Default for ConsistencyConfig {
    fn default() -> Self {
        Self {
            lambda_real: 0.0,
            lambda_fake: 0.0,
            shift: shift(),
            flip: yes(),
            latent: None,
        }
    }
}

/// Consistency under changes of the latent, `z' = z + N(0, std²)`: the critic minimises besides
/// `λ_c E (D(G(z)) − D(G(z')))²`, and the generator `−λ_g E (G(z) − G(z'))²`, so that it does not answer by
/// drawing the same for both.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LatentConsistencyConfig {
    /// Deviation of the change, above 0; 0.05 in PyTorch-StudioGAN.
    pub std: f64,
    /// Weight `λ_c` in the critic's loss, 0 or more; 20 in PyTorch-StudioGAN for BigGAN, less for smaller
    /// networks.
    pub lambda_critic: f64,
    /// Weight `λ_g` in the generator's loss, 0 or more; 0.5 in PyTorch-StudioGAN. The square is averaged over
    /// all values of a picture.
    pub lambda_generator: f64,
}

impl ConsistencyConfig {
    /// Says what is wrong.
    ///
    /// # Errors
    ///
    /// If a number is outside its range.
    pub fn validate(&self) -> Result<(), ConfigError> {
        crate::nn::check_not_negative("lambda_real", self.lambda_real)?;
        crate::nn::check_not_negative("lambda_fake", self.lambda_fake)?;
        let Some(latent) = self.latent else {
            return Ok(());
        };
        crate::nn::check_positive("latent.std", latent.std)?;
        crate::nn::check_not_negative("latent.lambda_critic", latent.lambda_critic)?;
        crate::nn::check_not_negative("latent.lambda_generator", latent.lambda_generator)
    }

    /// Whether it looks at changed pictures.
    pub fn changes_pictures(&self) -> bool {
        self.lambda_real > 0.0 || self.lambda_fake > 0.0
    }

    /// Draws a change of pictures of `shape`, `[batch, channels, height, width]`.
    pub fn draw(&self, shape: [usize; 4], stream: &mut Stream, device: &Device) -> Warp {
        draw_move_warp(shape, [self.shift; 2], self.flip, stream, device)
    }
}

/// `E (a − b)²` of the scores of the same samples before and after a change, or of samples themselves.
///
/// # Panics
///
/// Panics if the shapes differ.
pub fn inconsistency<const D: usize>(a: Tensor<D>, b: Tensor<D>) -> Tensor<1> {
    assert_eq!(a.dims(), b.dims(), "the same samples must be compared");
    (a - b).square().mean()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::values;

    #[test]
    fn it_is_the_mean_square_of_the_difference() {
        let device = Device::flex().autodiff();
        let a = Tensor::<2>::from_floats([[1.0], [4.0]], &device).require_grad();
        let b = Tensor::<2>::from_floats([[3.0], [3.0]], &device).require_grad();
        let loss = inconsistency(a.clone(), b.clone());
        assert_eq!(values(&loss), [2.5]);
        let grads = loss.backward();
        assert_eq!(values(&a.grad(&grads).unwrap()), [-2.0, 1.0]);
        assert_eq!(values(&b.grad(&grads).unwrap()), [2.0, -1.0]);
    }

    #[test]
    fn without_shift_and_flip_nothing_changes_and_with_flip_half_are_mirrored() {
        let device = Device::flex();
        let shape = [100, 1, 2, 2];
        let picture = Tensor::<4>::from_floats([[[[1.0, 2.0], [3.0, 4.0]]]], &device);
        let x = picture.expand(shape);
        let mirrored = |flip| {
            let config = ConsistencyConfig {
                shift: 0,
                flip,
                ..ConsistencyConfig::default()
            };
            let warp = config.draw(shape, &mut Stream::new(1, "t", 0), &device);
            let y = values(&warp.apply(x.clone().into()).primal);
            let pictures: Vec<Vec<f32>> = y.chunks(4).map(<[f32]>::to_vec).collect();
            let is = |wanted: [f32; 4]| pictures.iter().filter(|p| **p == wanted).count();
            (is([1.0, 2.0, 3.0, 4.0]), is([2.0, 1.0, 4.0, 3.0]))
        };
        assert_eq!(mirrored(false), (100, 0));
        let (same, other) = mirrored(true);
        assert!(same + other == 100 && (30..70).contains(&other), "{other}");
    }

    #[test]
    fn numbers_outside_their_range_are_refused() {
        let field = |edit: fn(&mut ConsistencyConfig)| {
            let mut config = ConsistencyConfig {
                latent: Some(LatentConsistencyConfig {
                    std: 0.1,
                    lambda_critic: 5.0,
                    lambda_generator: 0.5,
                }),
                ..ConsistencyConfig::default()
            };
            config.validate().expect("it is good");
            edit(&mut config);
            config.validate().expect_err("it is bad").field
        };
        assert_eq!(field(|c| c.lambda_real = -1.0), "lambda_real");
        assert_eq!(field(|c| c.lambda_fake = f64::NAN), "lambda_fake");
        assert_eq!(
            field(|c| c.latent.as_mut().unwrap().std = 0.0),
            "latent.std"
        );
        let weight = |c: &mut ConsistencyConfig| c.latent.as_mut().unwrap().lambda_critic = -1.0;
        assert_eq!(field(weight), "latent.lambda_critic");
    }
}
