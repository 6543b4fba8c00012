//! Where a critic's gradient is looked at.

use burn::prelude::*;

use crate::rng::Stream;

/// Where a penalty is evaluated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PenaltyPoints {
    /// At real samples.
    Real,
    /// At generated samples.
    Fake,
    /// At `α·real + (1 − α)·fake` with one uniform `α` per pair.
    Between,
    /// At real samples plus `½ · s · U[0, 1)` per value, `s` the standard deviation of the batch.
    Perturbed,
}

impl PenaltyPoints {
    /// The samples to evaluate at, off the tape of whatever made them.
    ///
    /// # Shapes
    ///
    /// - real, fake: `[batch, …]`, the same for both
    /// - output: `[batch, …]`
    ///
    /// # Panics
    ///
    /// Panics if the shapes differ where both are used.
    pub fn draw<const D: usize>(
        &self,
        real: Tensor<D>,
        fake: Tensor<D>,
        stream: &mut Stream,
    ) -> Tensor<D> {
        match self {
            Self::Real => real.detach(),
            Self::Fake => fake.detach(),
            Self::Between => {
                assert_eq!(
                    real.dims(),
                    fake.dims(),
                    "a penalty between real and fake needs as many of each, of one shape"
                );
                let mut shape = [1; D];
                shape[0] = real.dims()[0];
                let alpha = stream.uniform(shape, 0.0, 1.0, &real.device());
                let (real, fake) = (real.detach(), fake.detach());
                fake.clone() + (real - fake) * alpha
            }
            Self::Perturbed => {
                let real = real.detach();
                let uniform = stream.uniform(real.dims(), 0.0, 1.0, &real.device());
                let centered = real.clone() - real.clone().mean().reshape([1; D]);
                let deviation = centered.square().mean().sqrt().reshape([1; D]);
                real + uniform * deviation * 0.5
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn device() -> Device {
        Device::flex().autodiff()
    }

    fn random<const D: usize>(name: &str, shape: [usize; D]) -> Tensor<D> {
        Stream::new(11, name, 0).normal(shape, &device())
    }

    fn values<const D: usize>(x: Tensor<D>) -> Vec<f64> {
        let x = crate::testing::values(&x);
        x.into_iter().map(f64::from).collect()
    }

    #[test]
    fn points_between_lie_on_the_segment_with_one_share_per_sample() {
        let real = Tensor::<3>::ones([50, 2, 2], &device());
        let fake = real.zeros_like();
        let mut stream = Stream::new(1, "penalty", 0);
        let x = values(PenaltyPoints::Between.draw(real, fake, &mut stream));
        let shares: Vec<f64> = x.chunks(4).map(|sample| sample[0]).collect();
        assert!(
            x.chunks(4)
                .all(|sample| sample.iter().all(|v| *v == sample[0]))
        );
        assert!(shares.iter().all(|a| (0.0..1.0).contains(a)));
        let spread =
            shares.iter().cloned().fold(0.0, f64::max) - shares.iter().cloned().fold(1.0, f64::min);
        assert!(spread > 0.8, "{spread}");
    }

    #[test]
    fn other_points_are_where_they_say() {
        let (real, fake) = (random("real", [40, 5]), random("fake", [40, 5]));
        let mut stream = Stream::new(1, "penalty", 0);
        let mut draw =
            |points: PenaltyPoints| values(points.draw(real.clone(), fake.clone(), &mut stream));
        assert_eq!(draw(PenaltyPoints::Real), values(real.clone()));
        assert_eq!(draw(PenaltyPoints::Fake), values(fake.clone()));
        let x = values(real.clone());
        let mean = x.iter().sum::<f64>() / 200.0;
        let deviation = (x.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / 200.0).sqrt();
        let shift: Vec<f64> = draw(PenaltyPoints::Perturbed)
            .iter()
            .zip(x)
            .map(|(p, x)| p - x)
            .collect();
        assert!(
            shift
                .iter()
                .all(|s| *s > -1e-6 && *s < 0.5 * deviation + 1e-6)
        );
        let mean = shift.iter().sum::<f64>() / 200.0;
        assert!((mean - 0.25 * deviation).abs() < 0.05, "{mean}");
    }

    #[test]
    #[should_panic(expected = "as many of each")]
    fn points_between_need_pairs() {
        let mut stream = Stream::new(1, "penalty", 0);
        PenaltyPoints::Between.draw(random("a", [3, 2]), random("b", [2, 2]), &mut stream);
    }
}
