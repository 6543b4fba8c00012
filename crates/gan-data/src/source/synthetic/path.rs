//! Paths of a pen: smooth curves through points, and the ways they are bent.
//!
//! Only `+ − × ÷` and square roots are used: IEEE 754 defines their last bit, so a picture is the
//! same on every platform.

use crate::random::Draws;

/// `[x, y]`
pub(super) type Point = [f32; 2];

/// Straight pieces per span between two points of a glyph.
const PIECES: usize = 6;

/// A polyline.
pub(super) type Line = Vec<Point>;

/// Moves every point by a bell-shaped amount of the given spread. Points written twice stay
/// together, since they mark a corner.
pub(super) fn jitter(stroke: &[Point], spread: f32, draws: &mut Draws) -> Line {
    let mut moved: Line = Vec::with_capacity(stroke.len());
    for (index, point) in stroke.iter().enumerate() {
        if index > 0 && stroke[index - 1] == *point {
            moved.push(moved[index - 1]);
        } else {
            moved.push([
                point[0] + spread * draws.bell(),
                point[1] + spread * draws.bell(),
            ]);
        }
    }
    moved
}

/// Draws a smooth curve through the points (Catmull–Rom); a point that occurs twice is a corner.
pub(super) fn smooth(points: &[Point]) -> Line {
    let mut line = Vec::with_capacity(points.len() * PIECES + 1);
    line.push(points[0]);
    let mut start = 0;
    for end in 1..=points.len() {
        if end == points.len() || points[end] == points[end - 1] {
            smooth_run(&points[start..end], &mut line);
            start = end;
        }
    }
    line
}

fn smooth_run(points: &[Point], line: &mut Line) {
    for index in 1..points.len() {
        let (from, to) = (points[index - 1], points[index]);
        // the ends continue straight on, which leaves the curvature there to the neighbours
        let before = if index >= 2 {
            points[index - 2]
        } else {
            extend(to, from)
        };
        let after = points
            .get(index + 1)
            .copied()
            .unwrap_or_else(|| extend(from, to));
        for piece in 1..=PIECES {
            let t = piece as f32 / PIECES as f32;
            line.push([0, 1].map(|axis| cubic(before[axis], from[axis], to[axis], after[axis], t)));
        }
    }
}

fn extend(from: Point, to: Point) -> Point {
    [2.0 * to[0] - from[0], 2.0 * to[1] - from[1]]
}

fn cubic(before: f32, from: f32, to: f32, after: f32, t: f32) -> f32 {
    let linear = 0.5 * (to - before);
    let quadratic = before - 2.5 * from + 2.0 * to - 0.5 * after;
    let third = 0.5 * (after - before) + 1.5 * (from - to);
    ((third * t + quadratic) * t + linear) * t + from
}

/// A smooth random displacement of the unit square: a cubic Bézier patch of 4 x 4 random vectors.
pub(super) struct Warp {
    lattice: [[Point; 4]; 4],
}

impl Warp {
    /// Draws a warp whose vectors have the given spread.
    pub(super) fn draw(spread: f32, draws: &mut Draws) -> Self {
        let mut lattice = [[[0.0; 2]; 4]; 4];
        for vector in lattice.iter_mut().flatten().flatten() {
            *vector = spread * draws.bell();
        }
        Self { lattice }
    }

    /// Moves one point.
    pub(super) fn apply(&self, point: Point) -> Point {
        let (across, down) = (bernstein(point[0]), bernstein(point[1]));
        let mut moved = point;
        for (row, weight) in self.lattice.iter().zip(down) {
            for (vector, share) in row.iter().zip(across) {
                moved[0] += weight * share * vector[0];
                moved[1] += weight * share * vector[1];
            }
        }
        moved
    }
}

/// The weights of the four control points of a cubic Bézier curve.
fn bernstein(t: f32) -> [f32; 4] {
    let t = t.clamp(0.0, 1.0);
    let rest = 1.0 - t;
    [
        rest * rest * rest,
        3.0 * rest * rest * t,
        3.0 * rest * t * t,
        t * t * t,
    ]
}

/// `3t² − 2t³` of `t` clamped to `[0, 1]`.
pub(super) fn smoothstep(t: f32) -> f32 {
    let t = t.clamp(0.0, 1.0);
    t * t * (3.0 - 2.0 * t)
}

/// `from` at 0, `to` at 1.
pub(super) fn mix(from: f32, to: f32, t: f32) -> f32 {
    from + (to - from) * t
}

/// A linear map of the plane around `(0.5, 0.5)`.
pub(super) struct Affine {
    matrix: [[f32; 2]; 2],
}

impl Affine {
    /// First squeezes `x` by `aspect`, then slants by `shear` (positive: the top goes to the
    /// right), then turns clockwise by the angle whose half has the tangent `half_turn`.
    pub(super) fn new(aspect: f32, shear: f32, half_turn: f32) -> Self {
        // the half-angle form gives an exact rotation without calling a sine
        let scale = 1.0 + half_turn * half_turn;
        let (sin, cos) = (
            2.0 * half_turn / scale,
            (1.0 - half_turn * half_turn) / scale,
        );
        Self {
            matrix: [
                [cos * aspect, -cos * shear - sin],
                [sin * aspect, cos - sin * shear],
            ],
        }
    }

    /// Moves one point.
    pub(super) fn apply(&self, point: Point) -> Point {
        let (x, y) = (point[0] - 0.5, point[1] - 0.5);
        self.matrix.map(|row| row[0] * x + row[1] * y + 0.5)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_smooth_line_passes_through_its_points() {
        let points = [[0.0, 0.0], [0.3, 0.5], [0.9, 0.4], [1.0, 1.0]];
        let line = smooth(&points);
        assert_eq!(line.len(), 3 * PIECES + 1);
        for (index, point) in points.iter().enumerate() {
            let on_line = line[index * PIECES];
            assert!((on_line[0] - point[0]).abs() + (on_line[1] - point[1]).abs() < 1e-6);
        }
    }

    #[test]
    fn points_in_a_row_give_a_straight_line_and_a_double_point_a_corner() {
        let line = smooth(&[[0.0, 0.0], [1.0, 0.0], [1.0, 0.0], [1.0, 1.0]]);
        assert!(
            line.iter().all(|point| point[1] == 0.0 || point[0] == 1.0),
            "{line:?}"
        );
        let rounded = smooth(&[[0.0, 0.0], [1.0, 0.0], [1.0, 1.0]]);
        assert!(
            rounded
                .iter()
                .any(|point| point[1] != 0.0 && point[0] != 1.0)
        );
    }

    #[test]
    fn jitter_keeps_corners_and_zero_spread_moves_nothing() {
        let stroke = [[0.0, 0.0], [1.0, 0.0], [1.0, 0.0], [1.0, 1.0]];
        let moved = jitter(&stroke, 0.1, &mut Draws::new(&[1]));
        assert_eq!(moved[1], moved[2]);
        assert_ne!(moved[1], stroke[1]);
        assert_eq!(jitter(&stroke, 0.0, &mut Draws::new(&[1])), stroke.to_vec());
    }

    #[test]
    fn a_rotation_keeps_lengths_and_shear_moves_the_top_to_the_right() {
        let turned = Affine::new(1.0, 0.0, 0.2).apply([1.0, 0.5]);
        let (x, y) = (turned[0] - 0.5, turned[1] - 0.5);
        assert!((x * x + y * y - 0.25).abs() < 1e-6);
        assert!(y > 0.1, "clockwise on a screen, got {y}");
        let sheared = Affine::new(1.0, 0.3, 0.0).apply([0.5, 0.0]);
        assert!((sheared[0] - 0.65).abs() < 1e-6 && sheared[1] == 0.0);
    }

    #[test]
    fn a_warp_is_continuous() {
        let warp = Warp::draw(0.1, &mut Draws::new(&[3]));
        for step in 0..1000 {
            let x = step as f32 / 1000.0;
            let (here, next) = (warp.apply([x, 0.4]), warp.apply([x + 0.001, 0.4]));
            assert!((next[0] - here[0]).abs() < 0.01 && (next[1] - here[1]).abs() < 0.01);
        }
    }
}
