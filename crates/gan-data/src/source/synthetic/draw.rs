//! One drawing: what is drawn, how it is bent, and how thick the pen is.

use super::glyph;
use super::path::{Affine, Line, Point, Warp, jitter, mix, smooth};
use super::pen::Ink;
use super::shape::{self, shape};
use crate::random::Draws;

/// Side of the canvas in the units of MNIST: the box of the content is 20 of 28 wide.
const CANVAS: f32 = 28.0;
/// Side of the box of the content.
const CONTENT: f32 = 20.0;

/// What is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Subject {
    /// A digit, `0..10`.
    Digit(usize),
    /// A shape, an index into [`shape::NAMES`].
    Shape(usize),
}

/// A rendered drawing.
pub(super) struct Drawing {
    /// How much of each pixel is inked.
    pub(super) ink: Ink,
    /// What it is in words, without an article: `"thin handwritten 7"`.
    pub(super) noun: String,
    /// How it stands in words: `"slanted right"`.
    pub(super) pose: Option<&'static str>,
}

/// Draws a subject on a square of `side` pixels.
pub(super) fn draw(subject: Subject, side: usize, draws: &mut Draws) -> Drawing {
    match subject {
        Subject::Digit(digit) => draw_digit(digit, side, draws),
        Subject::Shape(index) => draw_shape(index, side, draws),
    }
}

fn draw_digit(digit: usize, side: usize, draws: &mut Draws) -> Drawing {
    let styles = glyph::styles(digit);
    let strokes = styles[draws.below(styles.len())];
    let spread = draws.between(0.006, 0.024);
    let warp = Warp::draw(draws.between(0.05, 0.17), draws);
    // most hands lean to the right, and few lean far to the left
    let shear = (0.17 + 0.22 * draws.bell()).max(-0.2);
    let half_turn = 0.05 * draws.bell();
    let affine = Affine::new(draws.between(0.58, 1.12), shear, half_turn);
    let lines: Vec<Line> = strokes
        .iter()
        .map(|stroke| smooth(&jitter(stroke, spread, draws)))
        .map(|line| {
            line.iter()
                .map(|point| affine.apply(warp.apply(*point)))
                .collect()
        })
        .collect();

    // most pens are of medium width, a few are very thick
    let weight = draws.uniform();
    let radius = mix(0.8, 1.6, weight) + 0.45 * weight * weight * draws.uniform();
    let fit = Fit {
        box_side: CONTENT * draws.between(0.93, 1.0),
        shift: [0.25 * draws.bell(), 0.25 * draws.bell()],
    };
    let ink = render(lines, radius, 0.16, false, &fit, side, draws);
    let lean = shear + 2.0 * half_turn;
    Drawing {
        ink,
        noun: format!("{}handwritten {digit}", thickness(radius, 1.0, 1.55)),
        pose: match lean {
            lean if lean > 0.28 => Some("slanted right"),
            lean if lean < -0.12 => Some("slanted left"),
            _ => None,
        },
    }
}

fn draw_shape(index: usize, side: usize, draws: &mut Draws) -> Drawing {
    let shape = shape(index);
    let filled = shape.filled.unwrap_or_else(|| draws.chance(0.5));
    let warp = Warp::draw(draws.between(0.0, 0.05), draws);
    let half_turn = draws.between(-0.22, 0.22);
    let affine = Affine::new(draws.between(0.8, 1.0), 0.1 * draws.bell(), half_turn);
    let lines: Vec<Line> = shape
        .lines
        .iter()
        .map(|line| {
            line.iter()
                .map(|point| affine.apply(warp.apply(*point)))
                .collect()
        })
        .collect();

    let radius = if filled {
        0.5
    } else {
        draws.between(0.75, 1.9)
    };
    let scale = draws.between(0.55, 1.0);
    let slack = 0.5 * CONTENT * (1.0 - scale) + 1.5;
    let fit = Fit {
        box_side: CONTENT * scale,
        shift: [0, 1].map(|_| draws.between(-slack, slack)),
    };
    let ink = render(lines, radius, 0.08, filled, &fit, side, draws);
    let size = match scale {
        scale if scale < 0.68 => "small ",
        scale if scale > 0.87 => "large ",
        _ => "",
    };
    let kind = match (shape.filled, filled) {
        (Some(_), true) => "",
        (None, true) => "filled ",
        (Some(_), false) => thickness(radius, 1.1, 1.55),
        (None, false) => "outlined ",
    };
    // a turned circle or ring looks as before
    let has_corners = !matches!(shape::NAMES[index], "circle" | "ring");
    Drawing {
        ink,
        noun: format!("{size}{kind}{}", shape::NAMES[index]),
        pose: match half_turn {
            turn if has_corners && turn > 0.1 => Some("tilted right"),
            turn if has_corners && turn < -0.1 => Some("tilted left"),
            _ => None,
        },
    }
}

fn thickness(radius: f32, thin: f32, thick: f32) -> &'static str {
    match radius {
        radius if radius < thin => "thin ",
        radius if radius > thick => "thick ",
        _ => "",
    }
}

/// Where the content goes, in the units of MNIST.
struct Fit {
    /// Side of the square that the content, ink included, just fits in.
    box_side: f32,
    /// Distance of the centre of mass from the centre of the canvas.
    shift: Point,
}

/// Scales and centres the lines and inks them; `pressure` is how much the radius varies along a
/// line, relative to `radius`.
fn render(
    mut lines: Vec<Line>,
    radius: f32,
    pressure: f32,
    filled: bool,
    fit: &Fit,
    side: usize,
    draws: &mut Draws,
) -> Ink {
    let pixel = side as f32 / CANVAS; // pixels per unit of MNIST
    place(&mut lines, radius, filled, fit);
    for value in lines.iter_mut().flatten().flatten() {
        *value *= pixel;
    }
    // a large picture is a little softer than a small one, as a scan of real ink is
    let softness = 1.5 * mix(1.0, pixel, 0.2);
    let mut ink = Ink::new(side, softness);
    for line in &lines {
        let radii = press(line.len(), radius * pixel, pressure, draws);
        ink.stroke(line, &radii);
        if filled {
            ink.fill(line);
        }
    }
    ink
}

/// Fits the lines into the box and puts their centre of mass in the middle of the canvas.
fn place(lines: &mut [Line], radius: f32, filled: bool, fit: &Fit) {
    let (mut low, mut high) = ([f32::INFINITY; 2], [f32::NEG_INFINITY; 2]);
    for point in lines.iter().flatten() {
        for axis in 0..2 {
            low[axis] = low[axis].min(point[axis]);
            high[axis] = high[axis].max(point[axis]);
        }
    }
    let extent = (high[0] - low[0]).max(high[1] - low[1]);
    let scale = (fit.box_side - 2.0 * radius) / extent;
    let middle = [0, 1].map(|axis| 0.5 * (low[axis] + high[axis]));
    let centre = if filled {
        middle
    } else {
        centre_of_mass(lines)
    };
    // the centre of mass may not push the content out of the canvas: leave a pixel, the soft edge
    // and what pressure adds to the radius
    let room = 0.5 * CANVAS - 1.35 * radius - 1.3;
    let offset = [0, 1].map(|axis| {
        let reach = room - 0.5 * scale * (high[axis] - low[axis]);
        let wanted = scale * (middle[axis] - centre[axis]) + fit.shift[axis];
        wanted.clamp(-reach.max(0.0), reach.max(0.0)) + 0.5 * CANVAS
    });
    for point in lines.iter_mut().flatten() {
        *point = [0, 1].map(|axis| scale * (point[axis] - middle[axis]) + offset[axis]);
    }
}

/// Centre of mass of the ink: pieces of a line weigh as much as they are long.
fn centre_of_mass(lines: &[Line]) -> Point {
    let (mut weight, mut sum) = (0.0, [0.0; 2]);
    for pair in lines.iter().flat_map(|line| line.windows(2)) {
        let along = [pair[1][0] - pair[0][0], pair[1][1] - pair[0][1]];
        let length = (along[0] * along[0] + along[1] * along[1]).sqrt();
        weight += length;
        for axis in 0..2 {
            sum[axis] += 0.5 * length * (pair[0][axis] + pair[1][axis]);
        }
    }
    sum.map(|value| value / weight)
}

/// Radii along a line: a slow random variation.
fn press(count: usize, radius: f32, pressure: f32, draws: &mut Draws) -> Vec<f32> {
    let knots = [0; 5].map(|_| 1.0 + pressure * draws.bell().clamp(-2.0, 2.0));
    (0..count)
        .map(|index| {
            let position = 3.999 * index as f32 / (count - 1).max(1) as f32;
            let knot = position as usize;
            radius * mix(knots[knot], knots[knot + 1], position - knot as f32)
        })
        .collect()
}
