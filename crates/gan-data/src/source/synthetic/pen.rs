//! Renders polylines with a round pen of varying radius and a soft edge.

use super::path::{Line, Point, mix, smoothstep};

/// The distance from every pixel centre to the edge of the ink, in pixels; negative inside.
pub(super) struct Ink {
    side: usize,
    softness: f32,
    distance: Vec<f32>,
}

impl Ink {
    /// An empty square of `side` pixels; the edge of the ink fades over `softness` pixels.
    pub(super) fn new(side: usize, softness: f32) -> Self {
        Self {
            side,
            softness,
            distance: vec![f32::INFINITY; side * side],
        }
    }

    /// Draws a line in pixel coordinates; `radii` has one radius for each of its points.
    pub(super) fn stroke(&mut self, line: &[Point], radii: &[f32]) {
        for index in 1..line.len() {
            self.segment(line[index - 1], line[index], radii[index - 1], radii[index]);
        }
    }

    fn segment(&mut self, from: Point, to: Point, from_radius: f32, to_radius: f32) {
        let reach = from_radius.max(to_radius) + self.softness;
        let columns = self.covered(from[0], to[0], reach);
        let along = [to[0] - from[0], to[1] - from[1]];
        let squared_length = along[0] * along[0] + along[1] * along[1];
        let inverse = if squared_length > 0.0 {
            1.0 / squared_length
        } else {
            0.0
        };
        for row in self.covered(from[1], to[1], reach) {
            let y = row as f32 + 0.5 - from[1];
            let line = &mut self.distance[row * self.side..][..self.side];
            for column in columns.clone() {
                let x = column as f32 + 0.5 - from[0];
                let t = ((x * along[0] + y * along[1]) * inverse).clamp(0.0, 1.0);
                let (dx, dy) = (x - t * along[0], y - t * along[1]);
                let distance = (dx * dx + dy * dy).sqrt() - mix(from_radius, to_radius, t);
                line[column] = line[column].min(distance);
            }
        }
    }

    /// The pixels within `reach` of the interval between two coordinates.
    fn covered(&self, from: f32, to: f32, reach: f32) -> std::ops::Range<usize> {
        // `as` saturates, so that what lies outside of the picture is cut off
        let first = (from.min(to) - reach).floor() as usize;
        let last = (from.max(to) + reach).ceil() as usize;
        first.min(self.side)..last.min(self.side)
    }

    /// Fills the inside of a closed outline; draw its edge with [`stroke`](Self::stroke), too.
    pub(super) fn fill(&mut self, outline: &Line) {
        let mut crossings = Vec::with_capacity(8);
        for row in 0..self.side {
            let y = row as f32 + 0.5;
            crossings.clear();
            for (index, to) in outline.iter().enumerate() {
                let from = outline[(index + outline.len() - 1) % outline.len()];
                if (from[1] > y) != (to[1] > y) {
                    crossings.push(from[0] + (y - from[1]) / (to[1] - from[1]) * (to[0] - from[0]));
                }
            }
            crossings.sort_by(f32::total_cmp);
            for pair in crossings.chunks_exact(2) {
                // the centre of pixel `c` is at `c + 0.5`
                let first = ((pair[0] - 0.5).ceil() as usize).min(self.side);
                let last = ((pair[1] - 0.5).ceil() as usize).clamp(first, self.side);
                self.distance[row * self.side..][first..last].fill(f32::NEG_INFINITY);
            }
        }
    }

    /// How much of each pixel is inked, in `[0, 1]`, row by row.
    pub(super) fn coverage(&self) -> impl Iterator<Item = f32> + '_ {
        let inverse = 1.0 / self.softness;
        self.distance
            .iter()
            .map(move |distance| smoothstep(0.5 - distance * inverse))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn total(ink: &Ink) -> f32 {
        ink.coverage().sum()
    }

    #[test]
    fn a_straight_stroke_has_the_area_of_a_stadium() {
        let mut ink = Ink::new(40, 1.3);
        ink.stroke(&[[10.0, 20.0], [30.0, 20.0]], &[3.0, 3.0]);
        let area = 20.0 * 6.0 + std::f32::consts::PI * 9.0;
        assert!(
            (total(&ink) - area).abs() < 0.02 * area,
            "{} for {area}",
            total(&ink)
        );
    }

    #[test]
    fn a_filled_square_has_its_area() {
        let corners = vec![[8.0, 8.0], [32.0, 8.0], [32.0, 32.0], [8.0, 32.0]];
        let mut ink = Ink::new(40, 1.0);
        ink.fill(&corners);
        assert_eq!(total(&ink), 24.0 * 24.0);
        assert_eq!(ink.coverage().next(), Some(0.0));
    }

    #[test]
    fn what_lies_outside_is_cut_off() {
        let mut ink = Ink::new(10, 1.0);
        ink.stroke(&[[-30.0, -30.0], [-20.0, 50.0]], &[2.0, 2.0]);
        ink.fill(&vec![[-9.0, -9.0], [-5.0, -9.0], [-5.0, 30.0]]);
        assert_eq!(total(&ink), 0.0);
        ink.stroke(&[[-5.0, 5.0], [25.0, 5.0]], &[1.0, 1.0]);
        assert!((total(&ink) - 20.0).abs() < 0.5, "{}", total(&ink));
    }
}
