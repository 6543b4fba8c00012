//! Named colours for ink and paper.

use crate::random::Draws;

const COLOURS: [(&str, [u8; 3]); 11] = [
    ("black", [16, 16, 16]),
    ("white", [240, 240, 240]),
    ("grey", [128, 128, 128]),
    ("red", [214, 40, 40]),
    ("orange", [245, 140, 30]),
    ("yellow", [248, 220, 60]),
    ("green", [40, 160, 70]),
    ("teal", [20, 150, 160]),
    ("blue", [40, 80, 200]),
    ("purple", [120, 50, 160]),
    ("pink", [245, 150, 190]),
];

/// The least difference of brightness between ink and paper, of 255.
const CONTRAST: f32 = 70.0;

/// A colour and its name.
pub(super) struct Colour {
    pub(super) name: &'static str,
    pub(super) rgb: [u8; 3],
}

/// Draws two colours that can be told apart by their brightness: ink and paper.
pub(super) fn ink_and_paper(draws: &mut Draws) -> [Colour; 2] {
    let ink = draws.below(COLOURS.len());
    let far = |other: &usize| (luma(COLOURS[ink].1) - luma(COLOURS[*other].1)).abs() >= CONTRAST;
    let candidates: Vec<usize> = (0..COLOURS.len()).filter(far).collect();
    let paper = candidates[draws.below(candidates.len())];
    [ink, paper].map(|index| {
        let (name, base) = COLOURS[index];
        let rgb = base.map(|value| (f32::from(value) + draws.between(-14.0, 14.0)).round() as u8);
        Colour { name, rgb }
    })
}

fn luma(rgb: [u8; 3]) -> f32 {
    let [red, green, blue] = rgb.map(f32::from);
    0.299 * red + 0.587 * green + 0.114 * blue
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ink_always_stands_out_and_every_colour_occurs() {
        let mut seen = std::collections::BTreeSet::new();
        for index in 0..2000 {
            let [ink, paper] = ink_and_paper(&mut Draws::new(&[index]));
            let contrast = (luma(ink.rgb) - luma(paper.rgb)).abs();
            // each of the two may have moved by 14
            assert!(
                contrast >= CONTRAST - 29.0,
                "{} on {}: {contrast}",
                ink.name,
                paper.name
            );
            seen.extend([ink.name, paper.name]);
        }
        assert_eq!(seen.len(), COLOURS.len());
    }
}
