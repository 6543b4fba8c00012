//! Random numbers that are a function of (seed, what for, when).

use burn::prelude::*;
use chacha20::ChaCha8Rng;
use rand::{Rng, RngExt, SeedableRng};
use rand_distr::StandardNormal;

/// A stream of random numbers.
///
/// Drawn on the host, so a run sees the same numbers on every backend, and two games in one
/// process cannot disturb each other. Two streams with different `(seed, name, index)` are
/// independent; the same triple always gives the same numbers, so a resumed run needs no saved
/// generator state.
#[derive(Debug)]
pub struct Stream {
    generator: ChaCha8Rng,
    blank: bool,
}

impl Stream {
    /// The stream number `index` for the purpose `name` in the run with `seed`.
    pub fn new(seed: u64, name: &str, index: u64) -> Self {
        let mut key = [0u8; 32];
        key[..8].copy_from_slice(&seed.to_le_bytes());
        key[8..16].copy_from_slice(&index.to_le_bytes());
        key[16..24].copy_from_slice(&fnv1a(name.as_bytes()).to_le_bytes());
        Self {
            generator: ChaCha8Rng::from_seed(key),
            blank: false,
        }
    }

    /// A stream to look at the shapes of a network with, before anybody knows whether it fits into
    /// memory: tensors drawn from it, and weights that an [`Initializer`](crate::nn::Initializer) draws, are
    /// a single 0 seen everywhere, and take no memory however large they are. Such a network is not to
    /// be trained.
    pub fn blank() -> Self {
        Self {
            blank: true,
            ..Self::new(0, "blank", 0)
        }
    }

    /// Whether it is [`blank`](Self::blank).
    pub(crate) fn is_blank(&self) -> bool {
        self.blank
    }

    /// A number in `[0, 1)`.
    pub fn unit(&mut self) -> f32 {
        self.generator.random()
    }

    /// A whole number in `0..bound`.
    ///
    /// # Panics
    ///
    /// Panics if `bound` is 0.
    pub fn below(&mut self, bound: usize) -> usize {
        self.generator.random_range(0..bound)
    }

    /// 64 random bits.
    pub fn bits(&mut self) -> u64 {
        self.generator.next_u64()
    }

    /// `count` draws from N(0, 1).
    pub fn normals(&mut self, count: usize) -> Vec<f32> {
        (0..count)
            .map(|_| self.generator.sample(StandardNormal))
            .collect()
    }

    /// `count` draws from U[low, high).
    pub fn uniforms(&mut self, count: usize, low: f32, high: f32) -> Vec<f32> {
        (0..count)
            .map(|_| low + (high - low) * self.unit())
            .collect()
    }

    /// A tensor of N(0, 1).
    pub fn normal<const D: usize>(&mut self, shape: [usize; D], device: &Device) -> Tensor<D> {
        if self.blank {
            return Tensor::<D>::zeros([1; D], device).expand(shape);
        }
        let values = self.normals(shape.iter().product());
        Tensor::from_data(TensorData::new(values, shape), device)
    }

    /// A tensor of U[low, high).
    pub fn uniform<const D: usize>(
        &mut self,
        shape: [usize; D],
        low: f32,
        high: f32,
        device: &Device,
    ) -> Tensor<D> {
        if self.blank {
            return Tensor::<D>::zeros([1; D], device).expand(shape);
        }
        let values = self.uniforms(shape.iter().product(), low, high);
        Tensor::from_data(TensorData::new(values, shape), device)
    }
}

/// FNV-1a: short, stable across platforms and versions, unlike the standard library's hasher.
fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_triple_gives_the_same_numbers_and_any_other_does_not() {
        let draw = |seed, name, index| Stream::new(seed, name, index).bits();
        assert_eq!(draw(1, "critic", 2), draw(1, "critic", 2));
        assert_ne!(draw(1, "critic", 2), draw(2, "critic", 2));
        assert_ne!(draw(1, "critic", 2), draw(1, "generator", 2));
        assert_ne!(draw(1, "critic", 2), draw(1, "critic", 3));
    }

    #[test]
    fn a_blank_tensor_takes_no_memory() {
        let device = Device::flex();
        let shape = [1 << 20, 1 << 20]; // four terabytes
        assert_eq!(Stream::blank().normal(shape, &device).dims(), shape);
        let weight = crate::nn::Initializer::PyTorch;
        let weight = weight.weight(shape, &mut Stream::blank(), &device);
        assert_eq!(weight.val().dims(), shape);
    }

    #[test]
    fn normals_have_mean_zero_and_variance_one() {
        let x = Stream::new(3, "test", 0).normals(100_000);
        let mean = x.iter().map(|v| f64::from(*v)).sum::<f64>() / x.len() as f64;
        let variance = x
            .iter()
            .map(|v| (f64::from(*v) - mean).powi(2))
            .sum::<f64>()
            / x.len() as f64;
        assert!(mean.abs() < 0.02, "mean {mean}");
        assert!((variance - 1.0).abs() < 0.02, "variance {variance}");
    }

    #[test]
    fn uniforms_stay_in_their_interval() {
        let x = Stream::new(3, "test", 1).uniforms(10_000, -1.0, 1.0);
        assert!(x.iter().all(|v| (-1.0..1.0).contains(v)));
        let mean = x.iter().sum::<f32>() / x.len() as f32;
        assert!(mean.abs() < 0.05, "mean {mean}");
    }
}
