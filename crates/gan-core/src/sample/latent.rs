//! Where latent vectors come from.

use burn::prelude::*;
use serde::{Deserialize, Serialize};

use crate::error::ConfigError;
use crate::rng::Stream;

/// The distribution of latent vectors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind", deny_unknown_fields)]
pub enum LatentPrior {
    /// N(0, 1) in every coordinate.
    Normal {
        /// Number of coordinates, 1 or more.
        size: usize,
    },
    /// U[−1, 1) in every coordinate, as in the DCGAN paper.
    Uniform {
        /// Number of coordinates, 1 or more.
        size: usize,
    },
}

impl LatentPrior {
    /// Number of coordinates.
    pub fn size(&self) -> usize {
        match *self {
            Self::Normal { size } | Self::Uniform { size } => size,
        }
    }

    /// `count` latents, `[count, size]`, on `device`.
    pub fn draw(&self, count: usize, stream: &mut Stream, device: &Device) -> Tensor<2> {
        self.tensor(self.values(count, None, stream), device)
    }

    /// `count` latents, `[count, size]`, with every coordinate in `[-limit, limit]`: closer to the
    /// mean, so better pictures with less variety (section 3.1 of
    /// [BigGAN](https://arxiv.org/abs/1809.11096)).
    ///
    /// The normal prior gives the true truncated normal distribution, not a clamped one, which would
    /// pile up at the ends.
    ///
    /// # Panics
    ///
    /// Panics if `limit` is not above 0.
    pub fn draw_truncated(
        &self,
        count: usize,
        limit: f64,
        stream: &mut Stream,
        device: &Device,
    ) -> Tensor<2> {
        self.tensor(self.values(count, Some(limit), stream), device)
    }

    /// One latent per seed, `[seeds, size]`: a seed has the same latent whatever the other seeds.
    ///
    /// # Panics
    ///
    /// Panics if there is a truncation and it is not above 0.
    pub fn by_seed(&self, seeds: &[u64], truncation: Option<f64>, device: &Device) -> Tensor<2> {
        let values = seeds
            .iter()
            .flat_map(|seed| self.values(1, truncation, &mut Stream::new(*seed, "latent", 0)))
            .collect();
        self.tensor(values, device)
    }

    /// Says what is wrong with the numbers.
    ///
    /// # Errors
    ///
    /// If the size is 0 or above 65,536.
    pub fn validate(&self) -> Result<(), ConfigError> {
        if (1..=65_536).contains(&self.size()) {
            Ok(())
        } else {
            Err(ConfigError::new("latent.size", self.size(), "1 to 65536"))
        }
    }

    fn tensor(&self, values: Vec<f32>, device: &Device) -> Tensor<2> {
        let shape = [values.len() / self.size(), self.size()];
        Tensor::from_data(TensorData::new(values, shape), device)
    }

    fn values(&self, count: usize, limit: Option<f64>, stream: &mut Stream) -> Vec<f32> {
        let count = count * self.size();
        if let Some(limit) = limit {
            assert!(limit > 0.0, "a truncation must be above 0, got {limit}");
        }
        match (self, limit) {
            (Self::Normal { .. }, None) => stream.normals(count),
            (Self::Normal { .. }, Some(limit)) => (0..count)
                .map(|_| truncated_normal(limit as f32, stream))
                .collect(),
            (Self::Uniform { .. }, limit) => {
                let limit = limit.unwrap_or(1.0).min(1.0) as f32;
                stream.uniforms(count, -limit, limit)
            }
        }
    }
}

/// N(0, 1) given that it is in `[-limit, limit]`, by redrawing.
fn truncated_normal(limit: f32, stream: &mut Stream) -> f32 {
    loop {
        if limit > 1.0 {
            let z = stream.normals(1)[0];
            if z.abs() <= limit {
                return z;
            }
        } else {
            // A small limit would refuse nearly every normal; the density is nearly flat there, so a
            // uniform draw is kept with probability exp(−z²/2) instead.
            let z = limit * (2.0 * stream.unit() - 1.0);
            if stream.unit() < (-0.5 * z * z).exp() {
                return z;
            }
        }
    }
}

/// The seeds in a list such as `0-63` or `3,7,100-120`, both ends of a range included.
///
/// # Errors
///
/// If a part is not a number or a rising range, or there are more than a million seeds.
pub fn parse_seeds(text: &str) -> Result<Vec<u64>, ConfigError> {
    const ALLOWED: &str = "numbers and rising ranges such as 3,7,100-120, a million seeds at most";
    let wrong = |part: &str| ConfigError::new("seeds", part, ALLOWED);
    let mut seeds = Vec::new();
    for part in text.split(',').map(str::trim) {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let number = |text: &str| text.trim().parse::<u64>().map_err(|_| wrong(part));
        let (first, last) = (number(first)?, number(last)?);
        if last < first || last - first >= 1_000_000 - seeds.len() as u64 {
            return Err(wrong(part));
        }
        seeds.extend(first..=last);
    }
    Ok(seeds)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(x: Tensor<2>) -> Vec<f32> {
        x.into_data().try_to_vec::<f32>().unwrap()
    }

    fn stream() -> Stream {
        Stream::new(5, "test", 0)
    }

    #[test]
    fn priors_have_their_moments_and_shapes() {
        let device = Device::flex();
        for (prior, variance) in [
            (LatentPrior::Normal { size: 50 }, 1.0),
            (LatentPrior::Uniform { size: 50 }, 1.0 / 3.0),
        ] {
            let z = prior.draw(400, &mut stream(), &device);
            assert_eq!(z.dims(), [400, 50]);
            let z = values(z);
            let mean = z.iter().sum::<f32>() / z.len() as f32;
            let square = z.iter().map(|z| z * z).sum::<f32>() / z.len() as f32;
            assert!(mean.abs() < 0.03, "{prior:?}: mean {mean}");
            assert!(
                (square - variance).abs() < 0.03,
                "{prior:?}: variance {square}"
            );
        }
    }

    #[test]
    fn truncation_gives_the_truncated_normal_and_does_not_pile_up_at_the_ends() {
        // Variance of N(0, 1) within ±t: 1 − 2 t φ(t) / (2 Φ(t) − 1).
        for (limit, variance) in [(0.5, 0.080_6), (1.0, 0.291_1), (2.0, 0.773_7)] {
            let prior = LatentPrior::Normal { size: 20_000 };
            let z = values(prior.draw_truncated(1, limit, &mut stream(), &Device::flex()));
            assert!(z.iter().all(|z| f64::from(z.abs()) <= limit));
            let square = z.iter().map(|z| f64::from(z * z)).sum::<f64>() / z.len() as f64;
            assert!(
                (square - variance).abs() < 0.03 * variance,
                "{limit}: {square}"
            );
            let at_the_end = z
                .iter()
                .filter(|z| f64::from(z.abs()) > 0.999 * limit)
                .count();
            assert!(at_the_end < 40, "{at_the_end} of 20000 at ±{limit}");
        }
    }

    #[test]
    fn a_truncated_uniform_is_narrower_and_never_wider() {
        let prior = LatentPrior::Uniform { size: 1000 };
        for (limit, bound) in [(0.25, 0.25), (7.0, 1.0)] {
            let z = values(prior.draw_truncated(1, limit, &mut stream(), &Device::flex()));
            let largest = z.iter().fold(0f32, |a, z| a.max(z.abs()));
            assert!(largest <= bound && largest > 0.95 * bound, "{largest}");
        }
    }

    #[test]
    fn a_seed_has_the_same_latent_in_any_list() {
        let prior = LatentPrior::Normal { size: 3 };
        let device = Device::flex();
        let many = values(prior.by_seed(&[0, 1, 2, 7], None, &device));
        assert_eq!(values(prior.by_seed(&[7], None, &device)), many[9..]);
        assert_ne!(many[..3], many[3..6]);
        let near = values(prior.by_seed(&[2, 7], Some(0.7), &device));
        assert_eq!(values(prior.by_seed(&[7], Some(0.7), &device)), near[3..]);
    }

    #[test]
    fn lists_of_seeds_are_read_or_refused_by_name() {
        assert_eq!(parse_seeds("3, 7,10-12").unwrap(), [3, 7, 10, 11, 12]);
        assert_eq!(parse_seeds("0-63").unwrap().len(), 64);
        for bad in [
            "",
            "a",
            "5-3",
            "1,,2",
            "-1",
            "0-1000000",
            "1-2-3",
            "0-18446744073709551615",
        ] {
            let error = parse_seeds(bad).unwrap_err().to_string();
            assert!(error.contains("seeds"), "{bad}: {error}");
        }
        assert_eq!(parse_seeds("0-999999").unwrap().len(), 1_000_000);
        assert!(parse_seeds("0-999998,5-6").is_err());
    }

    #[test]
    fn sizes_are_checked() {
        assert!(LatentPrior::Normal { size: 0 }.validate().is_err());
        assert!(LatentPrior::Uniform { size: 65_537 }.validate().is_err());
        assert!(LatentPrior::Normal { size: 1 }.validate().is_ok());
    }

    #[test]
    #[should_panic(expected = "must be above 0")]
    fn a_truncation_of_zero_is_refused() {
        LatentPrior::Normal { size: 1 }.draw_truncated(1, 0.0, &mut stream(), &Device::flex());
    }
}
