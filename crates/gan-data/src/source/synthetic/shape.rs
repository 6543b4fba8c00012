//! Outlines of simple shapes, in a unit box.

use super::path::Line;

/// The shapes, in the order of their labels.
pub(super) const NAMES: [&str; 6] = ["circle", "square", "triangle", "star", "cross", "ring"];

/// What a shape is made of.
pub(super) struct Shape {
    /// Lines; a closed one ends where it began.
    pub(super) lines: Vec<Line>,
    /// Whether the inside may be filled; `None`: both occur.
    pub(super) filled: Option<bool>,
}

/// The shape at `index` in [`NAMES`].
pub(super) fn shape(index: usize) -> Shape {
    let (corners, filled): (&[[f32; 2]], Option<bool>) = match index {
        0 => {
            return Shape {
                lines: vec![circle()],
                filled: Some(true),
            };
        }
        1 => (
            &[[0.08, 0.08], [0.92, 0.08], [0.92, 0.92], [0.08, 0.92]],
            None,
        ),
        2 => (&[[0.5, 0.05], [0.97, 0.9], [0.03, 0.9]], None),
        3 => (&STAR, None),
        4 => {
            let bars = [[[0.5, 0.02], [0.5, 0.98]], [[0.02, 0.5], [0.98, 0.5]]];
            let lines = bars.map(|[from, to]| divide(&[from, to], false)).to_vec();
            return Shape {
                lines,
                filled: Some(false),
            };
        }
        _ => {
            return Shape {
                lines: vec![circle()],
                filled: Some(false),
            };
        }
    };
    Shape {
        lines: vec![divide(corners, true)],
        filled,
    }
}

/// Five points at radius 0.5 and five at 0.2, from the top, clockwise.
#[rustfmt::skip]
const STAR: [[f32; 2]; 10] = [
    [0.5, 0.0], [0.617_6, 0.338_2], [0.975_5, 0.345_5], [0.690_2, 0.561_8], [0.793_9, 0.904_5],
    [0.5, 0.7], [0.206_1, 0.904_5], [0.309_8, 0.561_8], [0.024_5, 0.345_5], [0.382_4, 0.338_2],
];

fn circle() -> Line {
    // a 48th of a turn, as constants: sines differ in their last bits between platforms
    const COS: f32 = 0.991_444_9;
    const SIN: f32 = 0.130_526_19;
    let mut arm = [0.0f32, -0.48];
    let mut line = Vec::with_capacity(49);
    for _ in 0..48 {
        line.push([0.5 + arm[0], 0.5 + arm[1]]);
        arm = [COS * arm[0] - SIN * arm[1], SIN * arm[0] + COS * arm[1]];
    }
    line.push(line[0]);
    line
}

/// Cuts every edge into short pieces, so that a warp can bend it.
fn divide(corners: &[[f32; 2]], closed: bool) -> Line {
    const PIECES: usize = 8;
    let mut line = vec![corners[0]];
    let edges = corners.len() - usize::from(!closed);
    for index in 0..edges {
        let (from, to) = (corners[index], corners[(index + 1) % corners.len()]);
        for piece in 1..=PIECES {
            let t = piece as f32 / PIECES as f32;
            line.push([0, 1].map(|axis| from[axis] + (to[axis] - from[axis]) * t));
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn closed_shapes_end_where_they_began_inside_the_box() {
        for (index, name) in NAMES.iter().enumerate() {
            let shape = shape(index);
            let inside = |line: &Line| line.iter().flatten().all(|v| (0.0..=1.0).contains(v));
            assert!(shape.lines.iter().all(inside), "{name}");
            if shape.filled != Some(false) {
                let line = &shape.lines[0];
                let gap = [0, 1].map(|axis| (line[0][axis] - line[line.len() - 1][axis]).abs());
                assert!(gap[0] + gap[1] < 1e-6, "{name}: {gap:?}");
            }
        }
    }

    #[test]
    fn a_circle_is_round() {
        for point in circle() {
            let radius = ((point[0] - 0.5).powi(2) + (point[1] - 0.5).powi(2)).sqrt();
            assert!((radius - 0.48).abs() < 1e-5, "{radius}");
        }
    }
}
