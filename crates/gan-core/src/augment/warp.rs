//! A drawn change of a batch of pictures.

use burn::prelude::*;

use crate::dual::Dual;

/// A change of a batch of pictures, with all its random numbers drawn: one for each picture, the same
/// whenever it is applied.
#[derive(Clone, Debug, Default)]
pub struct Warp(Vec<Map>);

/// One affine map of pictures.
#[derive(Clone, Debug)]
pub(super) enum Map {
    /// Each pixel becomes a weighted sum of pixels: their places `[batch, height · width]`, row by row,
    /// and their weights, the same shape.
    Resample(Vec<(Tensor<2, Int>, Tensor<2>)>),
    /// Each pixel's channels are multiplied by `[batch, channels, channels]`; then `[batch, channels, 1]`
    /// is added.
    Color(Tensor<3>, Tensor<3>),
    /// The distance from the picture's mean is multiplied by `[batch, 1, 1, 1]`.
    Contrast(Tensor<4>),
    /// Multiplied by `[batch, 1, height, width]`.
    Mask(Tensor<4>),
    /// Added, `[batch, channels, height, width]`.
    Add(Tensor<4>),
    /// `rows · x · columnsᵀ`, `[batch, 1, height, height]` and `[batch, 1, width, width]`.
    Filter(Tensor<4>, Tensor<4>),
}

impl Warp {
    pub(super) fn new(maps: Vec<Map>) -> Self {
        Self(maps)
    }

    /// Whether nothing is done.
    pub fn is_identity(&self) -> bool {
        self.0.is_empty()
    }

    /// Changes pictures `[batch, channels, height, width]`.
    ///
    /// # Panics
    ///
    /// Panics if it was drawn for another shape.
    pub fn apply(&self, x: Dual<4>) -> Dual<4> {
        self.0.iter().fold(x, |x, map| map.apply(x))
    }

    /// [`apply`](Warp::apply) for samples of a rank that is only known to the caller.
    ///
    /// # Panics
    ///
    /// Panics if the rank is not 4 and something is to be done.
    pub fn apply_to_samples<const D: usize>(&self, x: Dual<D>) -> Dual<D> {
        if self.is_identity() {
            return x;
        }
        let dims = x.primal.dims();
        assert_eq!(
            D, 4,
            "only pictures can be augmented, not samples of rank {D}"
        );
        let pictures = x.reshape([dims[0], dims[1], dims[2], dims[3]]);
        self.apply(pictures).reshape(dims)
    }
}

impl Map {
    fn apply(&self, x: Dual<4>) -> Dual<4> {
        let x = x.linear_map(|x| self.linear_part(x));
        match self {
            Self::Color(_, offset) => {
                let [n, c, _] = offset.dims();
                x + Dual::from(offset.clone().reshape([n, c, 1, 1]))
            }
            Self::Add(noise) => x + Dual::from(noise.clone()),
            _ => x,
        }
    }

    fn linear_part(&self, x: Tensor<4>) -> Tensor<4> {
        let dims @ [n, c, h, w] = x.dims();
        match self {
            Self::Resample(taps) => {
                let x = x.reshape([n, c, h * w]);
                let spread = |index: &Tensor<2, Int>| {
                    let index = index.clone().reshape([n, 1, h * w]);
                    index.expand([n, c, h * w])
                };
                let tap = |(index, weight): &(Tensor<2, Int>, Tensor<2>)| {
                    x.clone().gather(2, spread(index)) * weight.clone().reshape([n, 1, h * w])
                };
                let sum = taps.iter().map(tap).reduce(|a, b| a + b);
                sum.expect("there is one tap or more").reshape(dims)
            }
            Self::Color(matrix, _) => {
                let x = x.reshape([n, c, h * w]);
                if c == 1 {
                    (x * matrix.clone()).reshape(dims)
                } else {
                    matrix.clone().matmul(x).reshape(dims)
                }
            }
            Self::Contrast(factor) => {
                let mean = x.clone().reshape([n, c * h * w]).mean_dim(1);
                let mean = mean.reshape([n, 1, 1, 1]);
                (x - mean.clone()) * factor.clone() + mean
            }
            Self::Mask(mask) => x * mask.clone(),
            Self::Filter(rows, columns) => {
                let columns = columns.clone().expand([n, c, w, w]).transpose();
                rows.clone().expand([n, c, h, h]).matmul(x).matmul(columns)
            }
            Self::Add(_) => x,
        }
    }
}

/// The matrices that split a colour into its mean over the channels and the rest, `[1, channels, channels]`.
pub(super) fn grey_and_rest(channels: usize, device: &Device) -> (Tensor<3>, Tensor<3>) {
    let shape = [1, channels, channels];
    let grey = Tensor::ones(shape, device) / channels as f64;
    let rest = Tensor::<2>::eye(channels, device).reshape(shape) - grey.clone();
    (grey, rest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Stream;
    use crate::testing::{assert_jvp, values};

    const SHAPE: [usize; 4] = [2, 3, 4, 5];

    fn stream() -> Stream {
        Stream::new(1, "warp", 0)
    }

    /// One of every kind, with random numbers.
    fn every_kind(device: &Device) -> Vec<Map> {
        let [n, c, h, w] = SHAPE;
        let mut s = stream();
        let mut places = || {
            let places: Vec<i32> = (0..n * h * w).map(|_| s.below(h * w) as i32).collect();
            Tensor::<2, Int>::from_data(TensorData::new(places, [n, h * w]), device)
        };
        let taps = vec![places(), places()];
        let mut s = stream();
        let taps = taps
            .into_iter()
            .map(|index| (index, s.normal([n, h * w], device)))
            .collect();
        vec![
            Map::Resample(taps),
            Map::Color(s.normal([n, c, c], device), s.normal([n, c, 1], device)),
            Map::Contrast(s.normal([n, 1, 1, 1], device)),
            Map::Mask(s.normal([n, 1, h, w], device)),
            Map::Add(s.normal(SHAPE, device)),
            Map::Filter(
                s.normal([n, 1, h, h], device),
                s.normal([n, 1, w, w], device),
            ),
        ]
    }

    #[test]
    fn tangents_match_central_differences() {
        for map in every_kind(&Device::flex()) {
            assert_jvp(|x| map.apply(x), stream().normal(SHAPE, &Device::flex()));
        }
    }

    /// ⟨A x, y⟩ = ⟨x, Aᵀ y⟩, where Aᵀ is what backward computes: exact for every affine map.
    #[test]
    fn backward_is_the_adjoint_of_forward() {
        let device = Device::flex().autodiff();
        for map in every_kind(&device) {
            let warp = Warp::new(vec![map]);
            let mut s = Stream::new(2, "x", 0);
            let (x, y) = (s.normal(SHAPE, &device), s.normal(SHAPE, &device));
            let x = x.require_grad();
            let out = warp.apply(x.clone().into()).primal;
            let zero = warp.apply(x.zeros_like().into()).primal;
            let left = ((out.clone() - zero) * y.clone())
                .sum()
                .into_scalar::<f32>();
            let gradient = x.grad(&(out * y).sum().backward()).unwrap();
            let right = (gradient * x.inner()).sum().into_scalar::<f32>();
            assert!(
                (left - right).abs() < 1e-4 * left.abs().max(1.0),
                "{left} {right}"
            );
            assert!(left.abs() > 1e-2);
        }
    }

    #[test]
    fn nothing_changes_samples_of_any_rank_and_something_only_pictures() {
        let x = stream().normal([2, 3], &Device::flex());
        let same = Warp::default()
            .apply_to_samples(Dual::from(x.clone()))
            .primal;
        assert_eq!(values(&same), values(&x));
    }

    #[test]
    #[should_panic(expected = "only pictures can be augmented, not samples of rank 2")]
    fn rows_cannot_be_augmented() {
        let warp = Warp::new(every_kind(&Device::flex()));
        let _ = warp.apply_to_samples(Dual::from(stream().normal([2, 3], &Device::flex())));
    }
}
