//! Initial values of parameters.

use burn::module::Param;
use burn::prelude::*;
use serde::{Deserialize, Serialize};

use crate::error::ConfigError;
use crate::rng::Stream;

/// What parameters are before training.
///
/// Drawn on the host from a [`Stream`], so one seed gives the same network on every backend. `fan_in`
/// is the number of values an output is a sum of; only [`PyTorch`](Initializer::PyTorch) counts the
/// size of the weight without its first axis, which for a transposed convolution is
/// `out · kernel²`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Initializer {
    /// Weights and biases 0.
    Zeros,
    /// Weights N(0, 0.02²), weights of normalisations N(1, 0.02²), biases 0:
    /// [DCGAN](https://arxiv.org/abs/1511.06434), section 4, and its authors' code.
    Dcgan,
    /// Weights N(0, std²), biases 0.
    Normal {
        /// Standard deviation, 0 or more.
        std: f64,
    },
    /// Weights a random orthogonal matrix (first axis × the rest) times `gain`, biases 0:
    /// [Saxe et al.](https://arxiv.org/abs/1312.6120).
    Orthogonal {
        /// Length of the rows, or of the columns where there are more rows; above 0.
        gain: f64,
    },
    /// PyTorch's default for linear layers and convolutions: weights and biases
    /// U(−1/√fan_in, 1/√fan_in).
    #[serde(rename = "pytorch")]
    PyTorch,
    /// Weights N(0, gain² / fan_in), biases 0: [He et al.](https://arxiv.org/abs/1502.01852).
    KaimingNormal {
        /// √2 before ReLU, 1 before a linear output; above 0.
        gain: f64,
    },
    /// Weights U(−b, b) with `b = gain · √(3 / fan_in)`, biases 0.
    KaimingUniform {
        /// √2 before ReLU, 1 before a linear output; above 0.
        gain: f64,
    },
}

impl Initializer {
    /// Says what is wrong.
    ///
    /// # Errors
    ///
    /// If a standard deviation or gain is not finite or outside its range.
    pub fn validate(&self) -> Result<(), ConfigError> {
        match *self {
            Self::Normal { std } if !(std >= 0.0 && std.is_finite()) => {
                let allowed = "a finite number, 0 or more";
                Err(ConfigError::new("initializer.std", std, allowed))
            }
            Self::Orthogonal { gain }
            | Self::KaimingNormal { gain }
            | Self::KaimingUniform { gain }
                if !(gain > 0.0 && gain.is_finite()) =>
            {
                let allowed = "a finite number above 0";
                Err(ConfigError::new("initializer.gain", gain, allowed))
            }
            _ => Ok(()),
        }
    }

    /// A weight whose first axis is the output.
    pub fn weight<const D: usize>(
        &self,
        shape: [usize; D],
        stream: &mut Stream,
        device: &Device,
    ) -> Param<Tensor<D>> {
        self.weight_with_inputs(shape, fan_in(shape) as f64, stream, device)
    }

    /// A weight of a layer each of whose outputs is a sum of `inputs` values.
    pub fn weight_with_inputs<const D: usize>(
        &self,
        shape: [usize; D],
        inputs: f64,
        stream: &mut Stream,
        device: &Device,
    ) -> Param<Tensor<D>> {
        if stream.is_blank() {
            return blank_parameter(shape, device);
        }
        let count = shape.iter().product();
        let normals = |stream: &mut Stream, std: f64| scaled(stream.normals(count), std);
        let uniforms =
            |stream: &mut Stream, bound: f64| stream.uniforms(count, -bound as f32, bound as f32);
        let values = match *self {
            Self::Zeros => vec![0.0; count],
            Self::Dcgan => normals(stream, 0.02),
            Self::Normal { std } => normals(stream, std),
            Self::Orthogonal { gain } => orthogonal(shape[0], count / shape[0], gain, stream),
            Self::PyTorch => uniforms(stream, (fan_in(shape) as f64).sqrt().recip()),
            Self::KaimingNormal { gain } => normals(stream, gain / inputs.sqrt()),
            Self::KaimingUniform { gain } => uniforms(stream, gain * (3.0 / inputs).sqrt()),
        };
        parameter(values, shape, device)
    }

    /// The bias of a layer whose weight has `fan_in`.
    pub fn bias(
        &self,
        size: usize,
        fan_in: usize,
        stream: &mut Stream,
        device: &Device,
    ) -> Param<Tensor<1>> {
        if stream.is_blank() {
            return blank_parameter([size], device);
        }
        let values = match self {
            Self::PyTorch => {
                let bound = (fan_in as f32).sqrt().recip();
                stream.uniforms(size, -bound, bound)
            }
            _ => vec![0.0; size],
        };
        parameter(values, [size], device)
    }

    /// The weight of a normalisation: around 1.
    pub fn norm_weight(
        &self,
        size: usize,
        stream: &mut Stream,
        device: &Device,
    ) -> Param<Tensor<1>> {
        if stream.is_blank() {
            return blank_parameter([size], device);
        }
        let values = match self {
            Self::Dcgan => stream
                .normals(size)
                .iter()
                .map(|v| 1.0 + 0.02 * v)
                .collect(),
            _ => vec![1.0; size],
        };
        parameter(values, [size], device)
    }
}

/// Size of a weight without its first axis.
pub fn fan_in<const D: usize>(shape: [usize; D]) -> usize {
    shape[1..].iter().product()
}

/// A parameter with these values. Not lazy: clones of a lazy one share its uninitialised state.
pub(crate) fn parameter<const D: usize>(
    values: Vec<f32>,
    shape: [usize; D],
    device: &Device,
) -> Param<Tensor<D>> {
    Param::from_data(TensorData::new(values, shape), device)
}

/// A parameter of this shape and no memory, from a [`Stream::blank`].
fn blank_parameter<const D: usize>(shape: [usize; D], device: &Device) -> Param<Tensor<D>> {
    let zero = Tensor::<D>::zeros([1; D], device).expand(shape);
    Param::from_tensor(match device.is_autodiff() {
        true => zero.require_grad(),
        false => zero,
    })
}

fn scaled(mut values: Vec<f32>, factor: f64) -> Vec<f32> {
    for value in &mut values {
        *value = (f64::from(*value) * factor) as f32;
    }
    values
}

/// `rows × columns` with orthonormal rows, or columns where there are more rows, times `gain`.
///
/// Gram–Schmidt of Gaussian vectors, each pass done twice: once is not orthogonal to machine
/// precision, twice is. The matrix is uniformly distributed, because the factor that Gram–Schmidt
/// leaves out has a positive diagonal.
fn orthogonal(rows: usize, columns: usize, gain: f64, stream: &mut Stream) -> Vec<f32> {
    let (count, length) = (rows.min(columns), rows.max(columns));
    let mut basis: Vec<Vec<f64>> = Vec::with_capacity(count);
    for _ in 0..count {
        let mut vector: Vec<f64> = stream.normals(length).into_iter().map(f64::from).collect();
        for _ in 0..2 {
            for other in &basis {
                let along = dot(&vector, other);
                for (v, o) in vector.iter_mut().zip(other) {
                    *v -= along * o;
                }
            }
        }
        let norm = dot(&vector, &vector).sqrt();
        vector.iter_mut().for_each(|v| *v /= norm);
        basis.push(vector);
    }
    let at = |row: usize, column: usize| {
        let value = if rows <= columns {
            basis[row][column]
        } else {
            basis[column][row]
        };
        (value * gain) as f32
    };
    (0..rows)
        .flat_map(|row| (0..columns).map(move |column| (row, column)))
        .map(|(row, column)| at(row, column))
        .collect()
}

/// Eight sums side by side, which the compiler can put into vector registers.
fn dot(a: &[f64], b: &[f64]) -> f64 {
    let mut sums = [0.0; 8];
    let (a_chunks, b_chunks) = (a.chunks_exact(8), b.chunks_exact(8));
    let rest = a_chunks.remainder().iter().zip(b_chunks.remainder());
    let rest: f64 = rest.map(|(x, y)| x * y).sum();
    for (x, y) in a_chunks.zip(b_chunks) {
        for lane in 0..8 {
            sums[lane] += x[lane] * y[lane];
        }
    }
    sums.iter().sum::<f64>() + rest
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{assert_close, values};

    fn stream() -> Stream {
        Stream::new(7, "init", 0)
    }

    fn weight<const D: usize>(initializer: Initializer, shape: [usize; D]) -> Tensor<D> {
        let param = initializer.weight(shape, &mut stream(), &Device::flex());
        assert!(param.is_initialized());
        param.val()
    }

    fn std(values: &[f32]) -> f64 {
        let squares: f64 = values.iter().map(|v| f64::from(*v).powi(2)).sum();
        (squares / values.len() as f64).sqrt()
    }

    #[test]
    fn normal_initialisers_have_their_standard_deviation() {
        let shape = [100, 16, 5, 5];
        let check = |initializer, wanted: f64| {
            let found = std(&values(&weight(initializer, shape)));
            assert!(
                (found / wanted - 1.0).abs() < 0.02,
                "{initializer:?}: {found}"
            );
        };
        check(Initializer::Dcgan, 0.02);
        check(Initializer::Normal { std: 0.3 }, 0.3);
        check(Initializer::KaimingNormal { gain: 2.0 }, 0.1); // 2 / √(16 · 25)
        check(Initializer::KaimingUniform { gain: 2.0 }, 0.1);
        check(Initializer::PyTorch, 0.05 / 3f64.sqrt());
    }

    #[test]
    fn pytorch_draws_weight_and_bias_from_one_interval() {
        let weights = values(&weight(Initializer::PyTorch, [50, 4, 5, 5]));
        let bias = Initializer::PyTorch.bias(500, 100, &mut stream(), &Device::flex());
        for drawn in [weights, values(&bias.val())] {
            let largest = drawn.iter().fold(0.0f32, |most, v| most.max(v.abs()));
            assert!((0.095..=0.1).contains(&largest), "{largest}");
        }
    }

    #[test]
    fn biases_are_zero_and_norms_one_elsewhere() {
        let device = Device::flex();
        let bias = Initializer::Dcgan.bias(3, 9, &mut stream(), &device);
        assert_eq!(values(&bias.val()), [0.0; 3]);
        let norm = Initializer::PyTorch.norm_weight(3, &mut stream(), &device);
        assert_eq!(values(&norm.val()), [1.0; 3]);
        let norm = values(
            &Initializer::Dcgan
                .norm_weight(5000, &mut stream(), &device)
                .val(),
        );
        let off: Vec<f32> = norm.iter().map(|v| v - 1.0).collect();
        assert!((std(&off) / 0.02 - 1.0).abs() < 0.05);
    }

    #[test]
    fn orthogonal_matrices_are() {
        for (rows, columns) in [(12, 40), (40, 12), (9, 9)] {
            let w = weight(Initializer::Orthogonal { gain: 2.0 }, [rows, columns]);
            let gram = if rows <= columns {
                w.clone().matmul(w.transpose())
            } else {
                w.clone().transpose().matmul(w)
            };
            let wanted = Tensor::eye(rows.min(columns), &Device::flex()) * 4.0;
            assert_close(&gram, &wanted, 1e-5);
        }
    }

    #[test]
    fn orthogonal_takes_the_first_axis_as_rows() {
        let w = weight(Initializer::Orthogonal { gain: 1.0 }, [4, 3, 2, 2]).reshape([4, 12]);
        let gram = w.clone().matmul(w.transpose());
        assert_close(&gram, &Tensor::eye(4, &Device::flex()), 1e-5);
    }

    #[test]
    fn one_seed_gives_one_weight_whatever_the_device() {
        let initializer = Initializer::Orthogonal { gain: 1.0 };
        let on = |device: Device| values(&initializer.weight([5, 5], &mut stream(), &device).val());
        assert_eq!(on(Device::flex()), on(Device::flex().autodiff()));
    }

    #[test]
    fn names_are_plain_in_files() {
        let read = |text: &str| serde_json::from_str::<Initializer>(text).expect("it is valid");
        assert_eq!(read("\"dcgan\""), Initializer::Dcgan);
        assert_eq!(read("\"pytorch\""), Initializer::PyTorch);
        assert_eq!(
            read(r#"{"normal":{"std":0.1}}"#),
            Initializer::Normal { std: 0.1 }
        );
        assert!(serde_json::from_str::<Initializer>(r#"{"normal":{"std":1,"x":1}}"#).is_err());
    }

    #[test]
    fn bad_numbers_are_refused() {
        for bad in [f64::NAN, f64::INFINITY, -1.0] {
            assert!(Initializer::Normal { std: bad }.validate().is_err());
            assert!(Initializer::KaimingNormal { gain: bad }.validate().is_err());
            assert!(Initializer::Orthogonal { gain: bad }.validate().is_err());
        }
        assert!(Initializer::Orthogonal { gain: 0.0 }.validate().is_err());
        assert!(Initializer::Normal { std: 0.0 }.validate().is_ok());
    }
}
