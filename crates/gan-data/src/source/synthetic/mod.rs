//! A data set that needs no file: handwritten-looking digits and simple shapes, drawn on demand.

mod draw;
mod glyph;
mod palette;
mod path;
mod pen;
mod shape;

use burn::config::Config;
use burn::data::dataset::Dataset;
use sha2::{Digest, Sha256};

use self::draw::{Drawing, Subject};
use super::Pictures;
use crate::random::Draws;
use crate::{DataError, Picture};

/// Raised whenever the same configuration would draw other pictures than before.
const VERSION: u32 = 1;

/// Names the streams of random draws of this data set.
const PICTURE_STREAM: u64 = 0x7069_6374;
const LABEL_STREAM: u64 = 0x6c61_6265;

/// Configuration to create a [`SyntheticDigits`] data set using the
/// [init function](SyntheticDigitsConfig::init).
#[derive(Config, Debug)]
pub struct SyntheticDigitsConfig {
    /// Width and height in pixels, `28..=256`. Default: `28`
    #[config(default = 28)]
    pub size: usize,
    /// Draw coloured ink on coloured paper, three channels; otherwise white on black, one channel.
    /// Default: `false`
    #[config(default = false)]
    pub colour: bool,
    /// Draw the digits 0 to 9. Default: `true`
    #[config(default = true)]
    pub digits: bool,
    /// Draw circles, squares, triangles, stars, crosses and rings; together with the digits their
    /// labels start at 10. Default: `false`
    #[config(default = false)]
    pub shapes: bool,
    /// Another seed, other pictures. Default: `0`
    #[config(default = 0)]
    pub seed: u64,
    /// Number of pictures, at least 1. Default: `60_000`
    #[config(default = 60_000)]
    pub count: usize,
}

impl SyntheticDigitsConfig {
    /// Initialize a new [`SyntheticDigits`] data set. Nothing is drawn yet.
    ///
    /// # Errors
    ///
    /// [`DataError::Config`] if `size` is out of range, `count` is 0, or neither digits nor shapes
    /// are wanted.
    pub fn init(&self) -> Result<SyntheticDigits, DataError> {
        if !(28..=256).contains(&self.size) {
            let message = format!("{} is not allowed; use 28 to 256 pixels", self.size);
            return Err(DataError::config("size", message));
        }
        if self.count == 0 {
            return Err(DataError::config(
                "count",
                "0 pictures is not allowed; use at least 1",
            ));
        }
        let digits = (0..10).filter(|_| self.digits).map(Subject::Digit);
        let shapes = (0..shape::NAMES.len())
            .filter(|_| self.shapes)
            .map(Subject::Shape);
        let subjects: Vec<Subject> = digits.chain(shapes).collect();
        if subjects.is_empty() {
            let message = "both are off, so there is nothing to draw; turn one of them on";
            return Err(DataError::config("digits, shapes", message));
        }
        Ok(SyntheticDigits {
            config: self.clone(),
            subjects,
        })
    }
}

/// Digits and shapes that look as if they were drawn by hand: strokes with random style, slant,
/// proportions, thickness and elastic deformation.
///
/// At 28 pixels in grey the pictures are made like those of MNIST: white on black, in a box of 20
/// pixels around their centre of mass, with the same mean and spread of brightness. Every picture
/// is a function of the configuration and its index, the same on every platform. Classes are
/// balanced: every run of ten pictures (with ten classes) holds each class once.
///
/// Should be created using [`SyntheticDigitsConfig`].
#[derive(Clone, Debug)]
pub struct SyntheticDigits {
    config: SyntheticDigitsConfig,
    subjects: Vec<Subject>,
}

impl SyntheticDigits {
    /// The class of a picture: one shuffled round of all classes after the other.
    fn class_of(&self, index: usize) -> usize {
        assert!(
            index < self.config.count,
            "SyntheticDigits: index {index} is out of range for {} pictures",
            self.config.count
        );
        let classes = self.subjects.len();
        let mut round: Vec<usize> = (0..classes).collect();
        let key = [LABEL_STREAM, self.config.seed, (index / classes) as u64];
        Draws::new(&key).shuffle(&mut round);
        round[index % classes]
    }

    fn paint(&self, drawing: &Drawing, draws: &mut Draws) -> (Vec<u8>, String) {
        let pose = drawing
            .pose
            .map(|pose| format!(", {pose}"))
            .unwrap_or_default();
        if !self.config.colour {
            let bytes = drawing
                .ink
                .coverage()
                .map(|ink| (ink * 255.0).round() as u8)
                .collect();
            return (bytes, format!("{}{pose}", with_article(&drawing.noun)));
        }
        let [ink, paper] = palette::ink_and_paper(draws);
        let mut bytes = Vec::with_capacity(self.config.size * self.config.size * 3);
        for share in drawing.ink.coverage() {
            for (ink, paper) in ink.rgb.iter().zip(paper.rgb) {
                let value = path::mix(f32::from(paper), f32::from(*ink), share);
                bytes.push(value.round() as u8);
            }
        }
        let noun = with_article(&format!("{} {}", ink.name, drawing.noun));
        (bytes, format!("{noun}{pose}, on {} paper", paper.name))
    }
}

fn with_article(noun: &str) -> String {
    let article = if noun.starts_with(['a', 'e', 'i', 'o', 'u']) {
        "an"
    } else {
        "a"
    };
    format!("{article} {noun}")
}

impl Dataset<Picture, DataError> for SyntheticDigits {
    fn get(&self, index: usize) -> Result<Picture, DataError> {
        let class = self.class_of(index);
        let mut draws = Draws::new(&[PICTURE_STREAM, self.config.seed, index as u64]);
        let side = self.config.size;
        let drawing = draw::draw(self.subjects[class], side, &mut draws);
        let (pixels, caption) = self.paint(&drawing, &mut draws);
        Ok(Picture {
            width: side,
            height: side,
            channels: if self.config.colour { 3 } else { 1 },
            pixels,
            label: Some(class),
            caption: Some(caption),
        })
    }

    fn len(&self) -> usize {
        self.config.count
    }
}

impl Pictures for SyntheticDigits {
    fn name(&self) -> String {
        match (self.config.digits, self.config.shapes) {
            (true, true) => "synthetic-digits-and-shapes".to_string(),
            (false, _) => "synthetic-shapes".to_string(),
            _ => "synthetic-digits".to_string(),
        }
    }

    fn class_names(&self) -> Option<Vec<String>> {
        let name = |subject: &Subject| match subject {
            Subject::Digit(digit) => digit.to_string(),
            Subject::Shape(index) => shape::NAMES[*index].to_string(),
        };
        Some(self.subjects.iter().map(name).collect())
    }

    fn label(&self, index: usize) -> Option<usize> {
        Some(self.class_of(index))
    }

    /// Covers the configuration and the version of the drawing code, not the pixels.
    fn fingerprint(&self) -> String {
        let mut hash = Sha256::new();
        hash.update(format!("gan-data synthetic {VERSION} {:?}", self.config));
        hash.finalize()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect()
    }
}

#[cfg(test)]
mod tests;
