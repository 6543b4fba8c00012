//! Differentiable augmentation.

use burn::prelude::*;
use serde::{Deserialize, Serialize};

use super::Warp;
use super::warp::{Map, grey_and_rest};
use crate::error::ConfigError;
use crate::rng::Stream;

/// Which changes are made; written as in the paper, `"color,translation,cutout"` or a part of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct DiffAugmentPolicy {
    /// Brightness, saturation and contrast.
    pub color: bool,
    /// A shift by whole pixels, with zeros moving in.
    pub translation: bool,
    /// A rectangle of zeros.
    pub cutout: bool,
}

const NAMES: [&str; 3] = ["color", "translation", "cutout"];

impl DiffAugmentPolicy {
    /// All three.
    pub const ALL: Self = Self {
        color: true,
        translation: true,
        cutout: true,
    };
}

impl TryFrom<String> for DiffAugmentPolicy {
    type Error = ConfigError;

    fn try_from(text: String) -> Result<Self, ConfigError> {
        let parts: Vec<&str> = text.split(',').map(str::trim).collect();
        if parts.iter().any(|part| !NAMES.contains(part)) {
            let allowed = "one or more of color, translation and cutout, with commas between";
            return Err(ConfigError::new("policy", format!("\"{text}\""), allowed));
        }
        let has = |name| parts.contains(&name);
        Ok(Self {
            color: has(NAMES[0]),
            translation: has(NAMES[1]),
            cutout: has(NAMES[2]),
        })
    }
}

impl From<DiffAugmentPolicy> for String {
    fn from(policy: DiffAugmentPolicy) -> Self {
        let on = [policy.color, policy.translation, policy.cutout];
        let names = NAMES.into_iter().zip(on).filter(|(_, on)| *on);
        names.map(|(name, _)| name).collect::<Vec<_>>().join(",")
    }
}

/// [DiffAugment](https://arxiv.org/abs/2006.10738), with the numbers of the authors' code.
///
/// | policy | change |
/// | --- | --- |
/// | `color` | brightness `x + U(−½, ½)`; saturation, the distance from the mean of the channels times `U(0, 2)`; contrast, the distance from the mean of the picture times `U(½, 3⁄2)` |
/// | `translation` | a shift along each axis by up to `translation` of the size |
/// | `cutout` | a rectangle of zeros with `cutout` of the size along each axis, centred anywhere |
///
/// Differs from the paper in drawing one change per round and position in the batch, for real and
/// generated pictures and for both players; there every pass draws its own.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DiffAugmentConfig {
    /// Which changes are made. Default: all.
    #[serde(default = "all")]
    pub policy: DiffAugmentPolicy,
    /// Largest shift as a part of the size, in `[0, 1)`. Default: 1/8.
    #[serde(default = "eighth")]
    pub translation: f64,
    /// Sides of the rectangle as a part of the size, in `[0, 1]`. Default: 1/2.
    #[serde(default = "half")]
    pub cutout: f64,
}

fn all() -> DiffAugmentPolicy {
    DiffAugmentPolicy::ALL
}

fn eighth() -> f64 {
    0.125
}

fn half() -> f64 {
    0.5
}

impl Default for DiffAugmentConfig {
    fn default() -> Self {
        Self {
            policy: all(),
            translation: eighth(),
            cutout: half(),
        }
    }
}

impl DiffAugmentConfig {
    /// Says what is wrong.
    ///
    /// # Errors
    ///
    /// If the policy is empty, or a part of the size is outside its range.
    pub fn validate(&self) -> Result<(), ConfigError> {
        // An empty one is not read back from the configuration of a run.
        DiffAugmentPolicy::try_from(String::from(self.policy))?;
        if !(0.0..1.0).contains(&self.translation) {
            let value = self.translation;
            return Err(ConfigError::new("translation", value, "in [0, 1)"));
        }
        if !(0.0..=1.0).contains(&self.cutout) {
            return Err(ConfigError::new("cutout", self.cutout, "in [0, 1]"));
        }
        Ok(())
    }

    /// Draws a change for pictures of `shape`, `[batch, channels, height, width]`.
    pub fn draw(&self, shape: [usize; 4], stream: &mut Stream, device: &Device) -> Warp {
        let [_, _, height, width] = shape;
        let mut maps = Vec::new();
        if self.policy.color {
            maps.extend(draw_color(shape, stream, device));
        }
        let part = |size: usize, ratio: f64| (size as f64 * ratio + 0.5) as usize;
        if self.policy.translation {
            let most = [height, width].map(|size| part(size, self.translation));
            maps.push(draw_moves(shape, most, false, stream, device));
        }
        if self.policy.cutout {
            let side = [height, width].map(|size| part(size, self.cutout));
            maps.push(draw_cutout(shape, side, stream, device));
        }
        Warp::new(maps)
    }
}

fn draw_color([batch, channels, ..]: [usize; 4], stream: &mut Stream, device: &Device) -> [Map; 2] {
    let brightness = stream.uniform([batch, 1, 1], -0.5, 0.5, device);
    let saturation: Tensor<3> = stream.uniform([batch, 1, 1], 0.0, 2.0, device);
    let contrast = stream.uniform([batch, 1, 1, 1], 0.5, 1.5, device);
    let (grey, rest) = grey_and_rest(channels, device);
    let matrix = rest * saturation + grey;
    // The matrix leaves grey as it is, so that the brightness can be added after it.
    let offset = brightness.expand([batch, channels, 1]);
    [Map::Color(matrix, offset), Map::Contrast(contrast)]
}

/// A [`Warp`] that only shifts pictures of `shape` by up to `most` pixels down and right, and then mirrors half
/// of them if `flip`. Zeros move in.
pub(crate) fn draw_move_warp(
    shape: [usize; 4],
    most: [usize; 2],
    flip: bool,
    stream: &mut Stream,
    device: &Device,
) -> Warp {
    Warp::new(vec![draw_moves(shape, most, flip, stream, device)])
}

fn draw_moves(
    [batch, _, height, width]: [usize; 4],
    most: [usize; 2],
    flip: bool,
    stream: &mut Stream,
    device: &Device,
) -> Map {
    let (h, w) = (height as i64, width as i64);
    let size = batch * height * width;
    let (mut places, mut weights) = (Vec::with_capacity(size), Vec::with_capacity(size));
    for _ in 0..batch {
        let [down, right] = most.map(|most| stream.below(2 * most + 1) as i64 - most as i64);
        let mirrored = flip && stream.below(2) == 1;
        for y in 0..h {
            for x in 0..w {
                let x = if mirrored { w - 1 - x } else { x };
                let (y, x) = (y - down, x - right);
                let inside = (0..h).contains(&y) && (0..w).contains(&x);
                places.push(if inside { (y * w + x) as i32 } else { 0 });
                weights.push(f32::from(u8::from(inside)));
            }
        }
    }
    let shape = [batch, height * width];
    let places = Tensor::from_data(TensorData::new(places, shape), device);
    let weights = Tensor::from_data(TensorData::new(weights, shape), device);
    Map::Resample(vec![(places, weights)])
}

/// A rectangle of zeros with these sides, centred anywhere.
fn draw_cutout(
    [batch, _, height, width]: [usize; 4],
    side: [usize; 2],
    stream: &mut Stream,
    device: &Device,
) -> Map {
    let mut mask = Vec::with_capacity(batch * height * width);
    for _ in 0..batch {
        let mut hidden = |size: usize, side: usize| {
            let center = stream.below(size + 1 - side % 2);
            let begin = center as i64 - side as i64 / 2;
            begin..begin + side as i64
        };
        let (rows, columns) = (hidden(height, side[0]), hidden(width, side[1]));
        for y in 0..height as i64 {
            for x in 0..width as i64 {
                mask.push(f32::from(u8::from(
                    !(rows.contains(&y) && columns.contains(&x)),
                )));
            }
        }
    }
    let mask = TensorData::new(mask, [batch, 1, height, width]);
    Map::Mask(Tensor::from_data(mask, device))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{assert_close, assert_jvp, values};

    const SHAPE: [usize; 4] = [6, 3, 8, 8];

    fn only(policy: &str) -> DiffAugmentConfig {
        DiffAugmentConfig {
            policy: policy.to_owned().try_into().unwrap(),
            ..DiffAugmentConfig::default()
        }
    }

    fn stream(seed: u64) -> Stream {
        Stream::new(seed, "augment", 0)
    }

    fn pictures() -> Tensor<4> {
        Stream::new(1, "x", 0).normal(SHAPE, &Device::flex())
    }

    fn draw(policy: &str, seed: u64) -> Warp {
        only(policy).draw(SHAPE, &mut stream(seed), &Device::flex())
    }

    #[test]
    fn tangents_match_central_differences() {
        for policy in ["color", "translation", "cutout", "color,translation,cutout"] {
            let warp = draw(policy, 1);
            assert_jvp(|x| warp.apply(x), pictures());
        }
    }

    #[test]
    fn a_warp_applied_twice_is_the_same_and_another_draw_is_not() {
        let apply = |warp: &Warp| values(&warp.apply(pictures().into()).primal);
        let warp = draw("color,translation,cutout", 1);
        assert_eq!(apply(&warp), apply(&warp));
        assert_eq!(apply(&warp), apply(&draw("color,translation,cutout", 1)));
        assert_ne!(apply(&warp), apply(&draw("color,translation,cutout", 2)));
    }

    /// Every output is its input shifted by up to one pixel of eight, with zeros behind it.
    #[test]
    fn a_translation_is_a_shift_with_zeros() {
        let x = pictures();
        let y = values(&draw("translation", 3).apply(x.clone().into()).primal);
        let x = values(&x);
        let at = |v: &[f32], n: usize, row: i64, column: i64| {
            let inside = (0..8).contains(&row) && (0..8).contains(&column);
            if inside {
                v[n * 192 + (row * 8 + column) as usize]
            } else {
                0.0
            }
        };
        let mut seen = std::collections::BTreeSet::new();
        for n in 0..6 {
            let shifts = (-1..=1).flat_map(|down| (-1..=1).map(move |right| (down, right)));
            let found = shifts.into_iter().find(|(down, right)| {
                (0..8).all(|row| {
                    (0..8).all(|column| {
                        at(&y, n, row, column) == at(&x, n, row - down, column - right)
                    })
                })
            });
            seen.insert(found.expect("it is a shift"));
        }
        assert!(seen.len() > 2, "{seen:?}");
    }

    #[test]
    fn a_cutout_hides_a_square_of_half_the_size() {
        let ones = Tensor::<4>::ones([200, 1, 8, 8], &Device::flex());
        let warp = only("cutout").draw([200, 1, 8, 8], &mut stream(1), &Device::flex());
        let y = values(&warp.apply(ones.into()).primal);
        let hidden: Vec<usize> = y
            .chunks(64)
            .map(|picture| picture.iter().filter(|v| **v == 0.0).count())
            .collect();
        // Whole squares inside; 2 × 2 of them at a corner.
        assert_eq!(*hidden.iter().max().unwrap(), 16);
        assert!(*hidden.iter().min().unwrap() >= 4);
        assert!(y.iter().all(|v| *v == 0.0 || *v == 1.0));
    }

    /// Means and deviations of what brightness, saturation and contrast change, by their definition.
    #[test]
    fn colours_change_as_defined() {
        let x = pictures();
        let mut s = stream(4);
        let [b, sat, con] = [(-0.5, 0.5), (0.0, 2.0), (0.5, 1.5)]
            .map(|(low, high)| s.uniform::<4>([6, 1, 1, 1], low, high, &Device::flex()));
        let y = x.clone() + b;
        let grey = y.clone().mean_dim(1);
        let y = (y - grey.clone()) * sat + grey;
        let mean = y
            .clone()
            .reshape([6, 192])
            .mean_dim(1)
            .reshape([6, 1, 1, 1]);
        let wanted = (y - mean.clone()) * con + mean;
        let found = draw("color", 4).apply(x.into()).primal;
        assert_close(&found, &wanted, 1e-5);
    }

    #[test]
    fn grey_pictures_have_colours_too() {
        let x = Tensor::<4>::ones([4, 1, 8, 8], &Device::flex());
        let warp = only("color").draw([4, 1, 8, 8], &mut stream(1), &Device::flex());
        let y = values(&warp.apply(x.into()).primal);
        assert!(y.iter().all(|v| (0.5..1.5).contains(v)) && y[0] != y[64]);
    }

    #[test]
    fn a_policy_is_written_as_in_the_paper() {
        let config: DiffAugmentConfig =
            serde_json::from_str(r#"{"policy": "color, cutout"}"#).expect("it is well-formed");
        assert!(config.policy.color && config.policy.cutout && !config.policy.translation);
        let text = serde_json::to_string(&config).unwrap();
        assert_eq!(
            text,
            r#"{"policy":"color,cutout","translation":0.125,"cutout":0.5}"#
        );
        let error = serde_json::from_str::<DiffAugmentConfig>(r#"{"policy": "colour"}"#);
        let error = error.unwrap_err().to_string();
        assert!(
            error.contains("one or more of color, translation and cutout"),
            "{error}"
        );
    }

    #[test]
    fn parts_outside_their_range_are_refused() {
        let field = |edit: fn(&mut DiffAugmentConfig)| {
            let mut config = DiffAugmentConfig::default();
            edit(&mut config);
            config.validate().expect_err("it is bad").field
        };
        let nothing = DiffAugmentPolicy {
            color: false,
            translation: false,
            cutout: false,
        };
        let config = DiffAugmentConfig {
            policy: nothing,
            ..DiffAugmentConfig::default()
        };
        assert_eq!(config.validate().expect_err("it is bad").field, "policy");
        assert_eq!(field(|c| c.translation = 1.0), "translation");
        assert_eq!(field(|c| c.cutout = -0.1), "cutout");
        assert_eq!(field(|c| c.cutout = f64::NAN), "cutout");
    }
}
