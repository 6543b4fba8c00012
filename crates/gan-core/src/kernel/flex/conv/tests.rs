use super::super::shape::ConvShape;
use super::super::weight_gradient::weight_gradient;
use super::*;
use crate::rng::Stream;

fn shape(batch: usize, channels: [usize; 2], big: [usize; 2], kernel: [usize; 3]) -> ConvShape {
    let [kernel, stride, padding] = kernel;
    oblong(batch, channels, big, [kernel; 2], stride, [padding; 2])
}

fn oblong(
    batch: usize,
    channels: [usize; 2],
    big: [usize; 2],
    kernel: [usize; 2],
    stride: usize,
    padding: [usize; 2],
) -> ConvShape {
    ConvShape {
        batch,
        big_channels: channels[0],
        big,
        small_channels: channels[1],
        small: [0, 1].map(|axis| (big[axis] + 2 * padding[axis] - kernel[axis]) / stride + 1),
        kernel,
        stride,
        padding,
    }
}

/// Calls `term(small index, big index, weight index)` for every product in the definition.
fn terms(s: &ConvShape, mut term: impl FnMut(usize, usize, usize)) {
    for n in 0..s.batch {
        for m in 0..s.small_channels {
            for y in 0..s.small[0] {
                for x in 0..s.small[1] {
                    for c in 0..s.big_channels {
                        for i in 0..s.kernel[0] {
                            for j in 0..s.kernel[1] {
                                let v = (s.stride * y + i).wrapping_sub(s.padding[0]);
                                let u = (s.stride * x + j).wrapping_sub(s.padding[1]);
                                if v < s.big[0] && u < s.big[1] {
                                    term(
                                        ((n * s.small_channels + m) * s.small[0] + y) * s.small[1]
                                            + x,
                                        ((n * s.big_channels + c) * s.big[0] + v) * s.big[1] + u,
                                        ((m * s.big_channels + c) * s.kernel[0] + i) * s.kernel[1]
                                            + j,
                                    );
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn assert_close(ours: &[f32], theirs: &[f64], what: &str, shape: &ConvShape) {
    assert_eq!(ours.len(), theirs.len());
    let scale = theirs.iter().fold(1.0f64, |a, b| a.max(b.abs()));
    for (i, (a, b)) in ours.iter().zip(theirs).enumerate() {
        assert!(
            (f64::from(*a) - b).abs() < 1e-5 * scale,
            "{what} {shape:?} at {i}: {a} is not {b}"
        );
    }
}

fn shapes() -> Vec<ConvShape> {
    vec![
        shape(3, [5, 9], [7, 7], [3, 1, 1]),
        shape(5, [3, 8], [14, 14], [4, 2, 1]),
        shape(2, [1, 17], [28, 28], [4, 2, 1]),
        shape(1, [2, 1], [9, 6], [3, 1, 1]),
        shape(4, [2, 3], [5, 5], [1, 1, 0]),
        shape(2, [3, 2], [8, 8], [5, 1, 2]),
        shape(2, [3, 4], [9, 11], [3, 2, 1]),
        shape(2, [3, 4], [8, 8], [4, 4, 0]),
        shape(2, [3, 13], [4, 4], [4, 1, 0]),
        shape(3, [2, 5], [10, 10], [3, 3, 0]),
        shape(3, [2, 6], [7, 7], [2, 2, 0]),
        shape(2, [4, 3], [6, 6], [3, 1, 0]),
        shape(2, [4, 3], [6, 6], [3, 1, 2]),
        shape(33, [4, 4], [6, 6], [4, 2, 1]),
        // Wide on both sides: vectors along the channels.
        shape(5, [20, 33], [7, 7], [4, 2, 1]),
        shape(3, [16, 48], [6, 9], [3, 1, 1]),
        shape(2, [18, 17], [1, 1], [3, 2, 1]),
        shape(2, [17, 16], [5, 5], [2, 3, 0]),
        shape(2, [16, 20], [40, 36], [4, 2, 1]),
        // Two panels; planes of a kilobyte; phases of the output without pixels.
        shape(3, [70, 130], [5, 5], [1, 1, 0]),
        shape(2, [20, 66], [16, 16], [1, 1, 0]),
        shape(1, [3, 2], [3, 3], [3, 3, 0]),
        shape(1, [3, 8], [2, 2], [4, 4, 1]),
        oblong(3, [3, 10], [9, 9], [1, 7], 1, [0, 3]),
        oblong(3, [3, 10], [9, 8], [7, 1], 1, [3, 0]),
        oblong(2, [4, 5], [9, 11], [3, 2], 2, [1, 0]),
        oblong(2, [4, 5], [6, 7], [2, 4], 3, [0, 2]),
        oblong(2, [19, 16], [6, 7], [2, 4], 3, [0, 2]),
    ]
}

struct Case {
    shape: ConvShape,
    big: Vec<f32>,
    small: Vec<f32>,
    weight: Vec<f32>,
}

fn cases() -> Vec<Case> {
    let mut stream = Stream::new(1, "conv", 0);
    shapes()
        .into_iter()
        .map(|shape| Case {
            shape,
            big: stream.normals(shape.batch * shape.big_floats()),
            small: stream.normals(shape.batch * shape.small_floats()),
            weight: stream.normals(shape.small_channels * shape.big_channels * shape.area()),
        })
        .collect()
}

#[test]
fn convolution_equals_its_definition() {
    for Case {
        shape, big, weight, ..
    } in cases()
    {
        let bias: Vec<f32> = (0..shape.small_channels).map(|m| m as f32 * 0.1).collect();
        let area = shape.small[0] * shape.small[1];
        let mut expected: Vec<f64> = (0..shape.batch * shape.small_floats())
            .map(|i| f64::from(bias[i / area % shape.small_channels]))
            .collect();
        terms(&shape, |s, b, w| {
            expected[s] += f64::from(big[b]) * f64::from(weight[w])
        });
        let ours = convolve(&big, &weight, Some(&bias), &shape);
        assert_close(&ours, &expected, "convolve", &shape);
    }
}

#[test]
fn transposed_convolution_equals_its_definition() {
    for Case {
        shape,
        small,
        weight,
        ..
    } in cases()
    {
        let mut expected = vec![0.0; shape.batch * shape.big_floats()];
        terms(&shape, |s, b, w| {
            expected[b] += f64::from(small[s]) * f64::from(weight[w])
        });
        let ours = convolve_transposed(&small, &weight, None, &shape);
        assert_close(&ours, &expected, "convolve_transposed", &shape);
    }
}

#[test]
fn weight_gradient_equals_its_definition() {
    for Case {
        shape,
        big,
        small,
        weight,
    } in cases()
    {
        let mut expected = vec![0.0; weight.len()];
        terms(&shape, |s, b, w| {
            expected[w] += f64::from(big[b]) * f64::from(small[s])
        });
        let ours = weight_gradient(&big, &small, &shape);
        assert_close(&ours, &expected, "weight_gradient", &shape);
    }
}
