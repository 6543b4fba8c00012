//! Ways between latents.

use burn::prelude::*;
use serde::{Deserialize, Serialize};

/// How to go from one latent to the next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LatentPath {
    /// In a straight line. For uniform priors.
    Linear,
    /// Along the great circle, [White 2016](https://arxiv.org/abs/1609.04468): a straight line between
    /// two normal latents passes through vectors far shorter than any the generator was trained on.
    #[default]
    Spherical,
}

impl LatentPath {
    /// The point at `t`, from `a` at 0 to `b` at 1.
    ///
    /// # Panics
    ///
    /// Panics if the lengths differ.
    pub fn between(&self, a: &[f32], b: &[f32], t: f64) -> Vec<f32> {
        assert_eq!(a.len(), b.len(), "both latents must have one size");
        let (of_a, of_b) = match self {
            Self::Linear => (1.0 - t, t),
            Self::Spherical => spherical_weights(a, b, t),
        };
        a.iter()
            .zip(b)
            .map(|(a, b)| (of_a * f64::from(*a) + of_b * f64::from(*b)) as f32)
            .collect()
    }
}

/// `sin((1 − t) ω) / sin ω` and `sin(t ω) / sin ω` for the angle `ω`.
fn spherical_weights(a: &[f32], b: &[f32], t: f64) -> (f64, f64) {
    let dot = |a: &[f32], b: &[f32]| -> f64 {
        a.iter()
            .zip(b)
            .map(|(a, b)| f64::from(*a) * f64::from(*b))
            .sum()
    };
    let cosine = dot(a, b) / (dot(a, a) * dot(b, b)).sqrt();
    let angle = cosine.clamp(-1.0, 1.0).acos();
    // Nearly parallel, exactly opposite, or a zero vector (NaN): no great circle to follow.
    if angle.is_nan() || angle.sin() < 1e-6 {
        return (1.0 - t, t);
    }
    (
        ((1.0 - t) * angle).sin() / angle.sin(),
        (t * angle).sin() / angle.sin(),
    )
}

/// A walk past the rows of `waypoints`, with `steps` points per leg.
///
/// A closed walk goes back to the first waypoint without repeating it, so that a GIF of it loops
/// without a jerk; an open one ends on the last.
///
/// # Shapes
///
/// - waypoints: `[count, size]`
/// - output: `[count · steps, size]` closed, `[(count − 1) · steps + 1, size]` open, on the same device
///
/// # Panics
///
/// Panics without waypoints or steps.
pub fn walk(waypoints: Tensor<2>, steps: usize, path: LatentPath, closed: bool) -> Tensor<2> {
    let [count, size] = waypoints.dims();
    assert!(count > 0 && steps > 0, "a walk needs waypoints and steps");
    let device = waypoints.device();
    let data = waypoints.into_data().convert::<f32>();
    let values = data
        .try_to_vec::<f32>()
        .expect("converted to f32 a line above");
    let row = |index: usize| &values[index * size..(index + 1) * size];

    let legs = if closed { count } else { count - 1 };
    let mut points = Vec::with_capacity((legs * steps + 1) * size);
    for leg in 0..legs {
        for step in 0..steps {
            let t = step as f64 / steps as f64;
            points.extend(path.between(row(leg), row((leg + 1) % count), t));
        }
    }
    if !closed {
        points.extend_from_slice(row(count - 1));
    }
    let shape = [points.len() / size, size];
    Tensor::from_data(TensorData::new(points, shape), &device)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(a: &[f32], b: &[f32]) {
        assert_eq!(a.len(), b.len());
        for (x, y) in a.iter().zip(b) {
            assert!((x - y).abs() < 1e-5, "{a:?} is not {b:?}");
        }
    }

    #[test]
    fn a_quarter_circle_has_its_middle_on_the_circle() {
        let half = core::f32::consts::FRAC_1_SQRT_2;
        let path = LatentPath::Spherical;
        close(&path.between(&[1.0, 0.0], &[0.0, 1.0], 0.5), &[half, half]);
        let third = path.between(&[2.0, 0.0], &[0.0, 2.0], 1.0 / 3.0);
        close(&third, &[3f32.sqrt(), 1.0]);
        close(
            &LatentPath::Linear.between(&[1.0, 0.0], &[0.0, 1.0], 0.25),
            &[0.75, 0.25],
        );
    }

    #[test]
    fn both_paths_begin_at_a_and_end_at_b() {
        for path in [LatentPath::Linear, LatentPath::Spherical] {
            close(&path.between(&[1.0, -2.0], &[0.5, 3.0], 0.0), &[1.0, -2.0]);
            close(&path.between(&[1.0, -2.0], &[0.5, 3.0], 1.0), &[0.5, 3.0]);
        }
    }

    #[test]
    fn without_a_great_circle_the_way_is_straight() {
        let path = LatentPath::Spherical;
        close(&path.between(&[1.0, 1.0], &[1.0, 1.0], 0.3), &[1.0, 1.0]);
        close(&path.between(&[1.0, 0.0], &[-1.0, 0.0], 0.25), &[0.5, 0.0]);
        close(&path.between(&[0.0, 0.0], &[2.0, 0.0], 0.5), &[1.0, 0.0]);
    }

    #[test]
    fn a_closed_walk_goes_round_in_equal_steps_and_an_open_one_ends_on_the_last_point() {
        let corners = [[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0], [0.0, -1.0]];
        let corners = Tensor::<2>::from_floats(corners, &Device::flex());
        let closed = walk(corners.clone(), 3, LatentPath::Spherical, true);
        assert_eq!(closed.dims(), [12, 2]);
        let points = closed.into_data().try_to_vec::<f32>().unwrap();
        let point = |i: usize| (points[2 * (i % 12)], points[2 * (i % 12) + 1]);
        for i in 0..12 {
            let (a, b) = (point(i), point(i + 1));
            let step = ((a.0 - b.0).powi(2) + (a.1 - b.1).powi(2)).sqrt();
            let chord = 2.0 * (core::f32::consts::PI / 12.0).sin(); // a twelfth of the circle
            assert!((step - chord).abs() < 1e-5, "step {i}: {step}");
        }
        let open = walk(corners, 3, LatentPath::Spherical, false);
        assert_eq!(open.dims(), [10, 2]);
        let points = open.into_data().try_to_vec::<f32>().unwrap();
        close(&points[18..], &[0.0, -1.0]);
    }

    #[test]
    #[should_panic(expected = "waypoints and steps")]
    fn a_walk_without_steps_is_refused() {
        walk(
            Tensor::zeros([2, 2], &Device::flex()),
            0,
            LatentPath::Linear,
            true,
        );
    }
}
