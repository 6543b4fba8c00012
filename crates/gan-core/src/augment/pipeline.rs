//! The changes of adaptive augmentation.

use core::f32::consts::PI;

use burn::prelude::*;
use serde::{Deserialize, Serialize};

use super::Warp;
use super::affine::Affine;
use super::bands::{self, EXPECTED_POWER, NUM_BANDS};
use super::warp::{Map, grey_and_rest};
use crate::rng::Stream;

/// The pipeline of [Karras et al. 2020](https://arxiv.org/abs/2006.06676), appendix B: which groups of
/// changes are in it. Each change of a group is made with probability `p` of its own.
///
/// | group | changes |
/// | --- | --- |
/// | `blit` | mirror image; quarter turns; shifts by whole pixels, up to an eighth of the size |
/// | `geometric` | scale `2^N(0, 0.2)`; rotation by any angle, before and after a scale of one axis against the other; shift by `N(0, ⅛)` of the size |
/// | `color` | brightness `N(0, 0.2)`; contrast `2^N(0, ½)`; negative of the luma; hue by any angle; saturation `2^N(0, 1)` |
/// | `filter` | each of four frequency bands times `2^N(0, 1)`, at constant expected power |
/// | `noise` | plus Gaussian noise of deviation `|N(0, 0.1)|` |
/// | `cutout` | a rectangle of half the size along each axis becomes 0 |
///
/// The default is what the paper found best: `blit`, `geometric` and `color`.
///
/// Hue needs three channels and is left out otherwise; with one channel there is no saturation either.
///
/// Differs from the authors' code in resampling bilinearly without doubling the picture first, and in
/// mirroring at the border without the margin that their wavelet needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PipelineConfig {
    /// Changes that move pixels without mixing them. Default: yes.
    #[serde(default = "yes")]
    pub blit: bool,
    /// Changes of the shape. Default: yes.
    #[serde(default = "yes")]
    pub geometric: bool,
    /// Changes of the colours. Default: yes.
    #[serde(default = "yes")]
    pub color: bool,
    /// Changes of the sharpness. Default: no.
    #[serde(default)]
    pub filter: bool,
    /// Noise. Default: no.
    #[serde(default)]
    pub noise: bool,
    /// A hole. Default: no.
    #[serde(default)]
    pub cutout: bool,
}

fn yes() -> bool {
    true
}

impl Default for PipelineConfig {
    fn default() -> Self {
        Self {
            blit: true,
            geometric: true,
            color: true,
            filter: false,
            noise: false,
            cutout: false,
        }
    }
}

/// Largest shift by whole pixels, as a part of the size.
const SHIFT: f32 = 0.125;
/// Deviation of the logarithm to base 2 of a scale.
const SCALE_STD: f64 = 0.2;
/// Deviation of a shift, as a part of the size.
const SHIFT_STD: f64 = 0.125;
/// Deviation of the brightness.
const BRIGHTNESS_STD: f64 = 0.2;
/// Deviation of the logarithm to base 2 of the contrast.
const CONTRAST_STD: f64 = 0.5;
/// Deviation of the logarithm to base 2 of the saturation.
const SATURATION_STD: f64 = 1.0;
/// Deviation of the logarithm to base 2 of a band.
const BAND_STD: f64 = 1.0;
/// Deviation of the deviation of the noise.
const NOISE_STD: f64 = 0.1;
/// Side of the hole, as a part of the size.
const HOLE: f64 = 0.5;

impl PipelineConfig {
    /// Draws changes for pictures of `shape`, `[batch, channels, height, width]`, each made with
    /// probability `p`, `[1]`, which stays on the device.
    pub fn draw(&self, shape: [usize; 4], p: Tensor<1>, stream: &mut Stream) -> Warp {
        let [batch, channels, height, width] = shape;
        let mut dice = Dice { p, batch, stream };
        let mut maps = Vec::new();
        if self.blit || self.geometric {
            let mut affine = Affine::identity(batch, &dice.p.device());
            if self.blit {
                affine = draw_blit(affine, [height, width], &mut dice);
            }
            if self.geometric {
                affine = draw_geometric(affine, [height, width], &mut dice);
            }
            maps.push(affine.resample([height, width]));
        }
        if self.color {
            maps.push(draw_color(channels, &mut dice));
        }
        if self.filter {
            maps.push(draw_filter([height, width], &mut dice));
        }
        if self.noise {
            let std = dice.normal().abs() * NOISE_STD;
            let std = dice.gate(std, 0.0).reshape([batch, 1, 1, 1]);
            let noise: Tensor<4> = dice.stream.normal(shape, &dice.p.device());
            maps.push(Map::Add(noise * std));
        }
        if self.cutout {
            maps.push(draw_hole([height, width], &mut dice));
        }
        Warp::new(maps)
    }
}

/// Random numbers, one for each picture; all `[batch]`.
struct Dice<'a> {
    p: Tensor<1>,
    batch: usize,
    stream: &'a mut Stream,
}

impl Dice<'_> {
    fn normal(&mut self) -> Tensor<1> {
        self.stream.normal([self.batch], &self.p.device())
    }

    fn uniform(&mut self, low: f32, high: f32) -> Tensor<1> {
        self.stream
            .uniform([self.batch], low, high, &self.p.device())
    }

    /// One of `0, 1, …, bound − 1`.
    fn below(&mut self, bound: usize) -> Tensor<1> {
        let numbers: Vec<f32> = (0..self.batch)
            .map(|_| self.stream.below(bound) as f32)
            .collect();
        Tensor::from_floats(numbers.as_slice(), &self.p.device())
    }

    /// `2^(std · N(0, 1))`.
    fn power_of_two(&mut self, std: f64) -> Tensor<1> {
        (self.normal() * (std * core::f64::consts::LN_2)).exp()
    }

    /// `value` with probability `p`, else what changes nothing.
    fn gate(&mut self, value: Tensor<1>, identity: f64) -> Tensor<1> {
        let p = self.p.clone();
        self.gate_with(p, value, identity)
    }

    fn gate_with(&mut self, p: Tensor<1>, value: Tensor<1>, identity: f64) -> Tensor<1> {
        let spared = self.spared(p);
        value.mask_fill(spared, identity)
    }

    /// Which pictures are left as they are by a change with probability `p`.
    fn spared(&mut self, p: Tensor<1>) -> Tensor<1, Bool> {
        self.uniform(0.0, 1.0).greater_equal(p.expand([self.batch]))
    }

    /// A shift along both axes or along none; `pixels` draws it for an axis of so many pixels.
    fn shift(
        &mut self,
        affine: Affine,
        [height, width]: [usize; 2],
        pixels: impl Fn(&mut Self, f64) -> Tensor<1>,
    ) -> Affine {
        let spared = self.spared(self.p.clone());
        let [right, down] =
            [width, height].map(|size| pixels(self, size as f64).mask_fill(spared.clone(), 0.0));
        affine.shift(right, down)
    }
}

fn draw_blit(mut affine: Affine, [height, width]: [usize; 2], dice: &mut Dice) -> Affine {
    let mirrored = dice.below(2) * -2.0 + 1.0;
    let ones = mirrored.ones_like();
    affine = affine.scale(dice.gate(mirrored, 1.0), ones);
    let quarters = dice.below(4);
    let quarters = if height == width {
        quarters
    } else {
        (quarters / 2.0).floor() * 2.0 // a quarter turn would not fit
    };
    let angle = dice.gate(quarters, 0.0) * core::f64::consts::FRAC_PI_2;
    dice.shift(affine.rotate(angle), [height, width], |dice, size| {
        (dice.uniform(-SHIFT, SHIFT) * size).round()
    })
}

fn draw_geometric(mut affine: Affine, size: [usize; 2], dice: &mut Dice) -> Affine {
    let scale = dice.power_of_two(SCALE_STD);
    let scale = dice.gate(scale, 1.0);
    affine = affine.scale(scale.clone(), scale);
    // Of two turns with this probability each, at least one happens with probability p.
    let either = (dice.p.clone().neg() + 1.0).sqrt().neg() + 1.0;
    let turn = |affine: Affine, dice: &mut Dice| {
        let angle = dice.uniform(-PI, PI);
        affine.rotate(dice.gate_with(either.clone(), angle, 0.0))
    };
    affine = turn(affine, dice);
    let stretch = dice.power_of_two(SCALE_STD);
    let stretch = dice.gate(stretch, 1.0);
    affine = affine.scale(stretch.clone(), stretch.recip());
    affine = turn(affine, dice);
    dice.shift(affine, size, |dice, size| {
        dice.normal() * (SHIFT_STD * size)
    })
}

/// All changes of colour are a matrix and an offset.
fn draw_color(channels: usize, dice: &mut Dice) -> Map {
    let (batch, device) = (dice.batch, dice.p.device());
    let brightness = dice.normal() * BRIGHTNESS_STD;
    let brightness = dice.gate(brightness, 0.0);
    let contrast = dice.power_of_two(CONTRAST_STD);
    let contrast = dice.gate(contrast, 1.0);
    let flip = dice.below(2) * -2.0 + 1.0;
    let flip = dice.gate(flip, 1.0);
    let angle = dice.uniform(-PI, PI);
    let angle = dice.gate(angle, 0.0);
    let saturation = dice.power_of_two(SATURATION_STD);
    let saturation = dice.gate(saturation, 1.0);

    let each = |v: Tensor<1>| v.reshape([batch, 1, 1]);
    let (grey, apart) = grey_and_rest(channels, &device);
    let apart = if channels == 3 {
        // What turns a colour about the grey axis by a right angle.
        let third = 1.0 / 3f32.sqrt();
        let turn = [
            [0.0, -third, third],
            [third, 0.0, -third],
            [-third, third, 0.0],
        ];
        let turn = Tensor::<2>::from_floats(turn, &device).reshape([1, 3, 3]);
        apart * each(angle.clone().cos()) + turn * each(angle.sin())
    } else {
        apart.expand([batch, channels, channels])
    };
    let luma = grey * each(flip.clone());
    let matrix = (luma + apart * each(saturation)) * each(contrast.clone());
    // Brightness comes first, so that contrast and flip act on it too.
    let offset = each(brightness * contrast * flip).expand([batch, channels, 1]);
    Map::Color(matrix, offset)
}

fn draw_filter([height, width]: [usize; 2], dice: &mut Dice) -> Map {
    let (batch, device) = (dice.batch, dice.p.device());
    let mut gains = Tensor::<2>::ones([batch, NUM_BANDS], &device);
    let expected = Tensor::<1>::from_floats(EXPECTED_POWER.map(|v| v as f32), &device);
    let expected = expected.reshape([1, NUM_BANDS]);
    for band in 0..NUM_BANDS {
        let gain = dice.power_of_two(BAND_STD);
        let gain = dice.gate(gain, 1.0).reshape([batch, 1]);
        let here = Tensor::<2>::eye(NUM_BANDS, &device).narrow(0, band, 1);
        let gain = (gain - 1.0) * here + 1.0;
        let power = (gain.clone().square() * expected.clone()).sum_dim(1);
        gains = gains * gain / power.sqrt();
    }
    let filters = bands::filters();
    let along = |size: usize| {
        let matrices: Vec<f32> = filters
            .iter()
            .flat_map(|filter| bands::as_matrix(filter, size))
            .collect();
        let matrices = TensorData::new(matrices, [NUM_BANDS, size * size]);
        let matrices = Tensor::<2>::from_data(matrices, &device);
        gains
            .clone()
            .matmul(matrices)
            .reshape([batch, 1, size, size])
    };
    Map::Filter(along(height), along(width))
}

fn draw_hole([height, width]: [usize; 2], dice: &mut Dice) -> Map {
    let (batch, device) = (dice.batch, dice.p.device());
    let half = Tensor::<1>::ones([batch], &device) * (HOLE / 2.0);
    let half = dice.gate(half, 0.0).reshape([batch, 1]);
    let mut inside = |size: usize| {
        let center = dice.uniform(0.0, 1.0).reshape([batch, 1]);
        let places = Tensor::<1, Int>::arange(0..size as i64, &device).float();
        let places = (places + 0.5) / size as f64;
        let distance = (places.reshape([1, size]).expand([batch, size]) - center).abs();
        distance.lower(half.clone().expand([batch, size])).float()
    };
    let columns = inside(width).reshape([batch, 1, 1, width]);
    let rows = inside(height).reshape([batch, 1, height, 1]);
    Map::Mask((rows * columns).neg() + 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{assert_close, assert_jvp, values};

    const SHAPE: [usize; 4] = [64, 3, 8, 8];

    const NOTHING: PipelineConfig = PipelineConfig {
        blit: false,
        geometric: false,
        color: false,
        filter: false,
        noise: false,
        cutout: false,
    };

    fn each() -> [PipelineConfig; 6] {
        [
            PipelineConfig {
                blit: true,
                ..NOTHING
            },
            PipelineConfig {
                geometric: true,
                ..NOTHING
            },
            PipelineConfig {
                color: true,
                ..NOTHING
            },
            PipelineConfig {
                filter: true,
                ..NOTHING
            },
            PipelineConfig {
                noise: true,
                ..NOTHING
            },
            PipelineConfig {
                cutout: true,
                ..NOTHING
            },
        ]
    }

    fn stream(seed: u64) -> Stream {
        Stream::new(seed, "ada", 0)
    }

    fn draw(config: PipelineConfig, shape: [usize; 4], p: f32, seed: u64) -> Warp {
        let p = Tensor::from_floats([p], &Device::flex());
        config.draw(shape, p, &mut stream(seed))
    }

    fn pictures(shape: [usize; 4]) -> Tensor<4> {
        Stream::new(1, "x", 0).normal(shape, &Device::flex())
    }

    /// How many pictures of a batch are changed.
    fn changed(config: PipelineConfig, p: f32, seed: u64) -> usize {
        let x = pictures(SHAPE);
        let y = draw(config, SHAPE, p, seed).apply(x.clone().into()).primal;
        let (x, y) = (values(&x), values(&y));
        let pairs = x.chunks(192).zip(y.chunks(192));
        pairs
            .filter(|(x, y)| x.iter().zip(*y).any(|(x, y)| (x - y).abs() > 1e-4))
            .count()
    }

    #[test]
    fn at_probability_0_nothing_changes() {
        for config in each() {
            assert_eq!(changed(config, 0.0, 1), 0, "{config:?}");
        }
    }

    /// Of 64 · 10 pictures, those with at least one change; a mirror image, a quarter turn or a shift may
    /// be drawn as nothing.
    #[test]
    fn the_probability_decides_how_many_are_changed() {
        let share = |config, p| {
            let sum: usize = (0..10).map(|seed| changed(config, p, seed)).sum();
            sum as f64 / 640.0
        };
        let [blit, geometric, color, filter, noise, cutout] = each();
        let once = |p: f64, n: i32| 1.0 - (1.0 - p).powi(n);
        for (config, at_one, wanted) in [
            (geometric, 1.0, once(0.3, 4)),
            // One in two luma flips is none.
            (color, 1.0, 1.0 - 0.7f64.powi(4) * 0.85),
            (filter, 1.0, once(0.3, 4)),
            (noise, 1.0, 0.3),
            (cutout, 1.0, 0.3),
        ] {
            let found = share(config, 0.3);
            assert!(
                (found - wanted).abs() < 0.06,
                "{config:?}: {found}, not {wanted}"
            );
            assert!((share(config, 1.0) - at_one).abs() < 0.02, "{config:?}");
        }
        let blit = share(blit, 1.0);
        assert!(blit > 0.9, "{blit}");
    }

    #[test]
    fn tangents_match_central_differences() {
        for shape in [[4, 3, 8, 8], [4, 1, 6, 8]] {
            for config in each() {
                let warp = draw(config, shape, 0.8, 2);
                assert_jvp(|x| warp.apply(x), pictures(shape));
            }
        }
    }

    /// Pixels are moved, not mixed: every value of the result is a value of the picture.
    #[test]
    fn blitting_moves_pixels_only() {
        let x = pictures([16, 1, 8, 8]);
        let blit = each()[0];
        let y = draw(blit, [16, 1, 8, 8], 1.0, 3)
            .apply(x.clone().into())
            .primal;
        let (x, y) = (values(&x), values(&y));
        for (x, y) in x.chunks(64).zip(y.chunks(64)) {
            assert!(y.iter().all(|y| x.iter().any(|x| (x - y).abs() < 1e-4)));
        }
    }

    /// Hue keeps grey and lengths; a turn by a third of the circle exchanges the channels.
    #[test]
    fn the_colour_matrix_is_made_of_rotations_about_grey() {
        let Map::Color(matrix, _) = draw_color(
            3,
            &mut Dice {
                p: Tensor::ones([1], &Device::flex()),
                batch: 5,
                stream: &mut stream(1),
            },
        ) else {
            panic!("it is a colour map");
        };
        // Apart from the grey axis: saturation · contrast · rotation, so MᵀM is a multiple of I there.
        let gram = matrix.clone().transpose().matmul(matrix);
        let apart = Tensor::<1>::from_floats([1.0, -1.0, 0.0], &Device::flex());
        let image = gram.matmul(apart.clone().reshape([1, 3, 1]).expand([5, 3, 1]));
        let factor = image.clone().narrow(1, 0, 1);
        let wanted = apart.reshape([1, 3, 1]) * factor;
        assert_close(&image, &wanted, 1e-3);
    }

    #[test]
    fn grey_pictures_keep_their_one_channel_and_lose_hue_and_saturation() {
        let x = Tensor::<4>::ones([32, 1, 8, 8], &Device::flex());
        let y = draw(each()[2], [32, 1, 8, 8], 1.0, 1)
            .apply(x.into())
            .primal;
        let y = values(&y);
        assert!(y.iter().all(|v| v.is_finite()));
        assert!(y.iter().any(|v| *v < 0.0), "some are negatives");
    }

    /// A constant picture is in the lowest band alone, whose gain is above 0.
    #[test]
    fn filtering_leaves_constant_pictures_constant() {
        let x = Tensor::<4>::ones([8, 1, 8, 8], &Device::flex());
        let y = values(&draw(each()[3], [8, 1, 8, 8], 1.0, 1).apply(x.into()).primal);
        for picture in y.chunks(64) {
            assert!(picture.iter().all(|v| (v - picture[0]).abs() < 1e-4));
            assert!(picture[0] > 0.0);
        }
    }

    #[test]
    fn the_hole_is_a_rectangle_of_half_the_size_where_it_fits() {
        let x = Tensor::<4>::ones([200, 1, 8, 8], &Device::flex());
        let y = values(
            &draw(each()[5], [200, 1, 8, 8], 1.0, 1)
                .apply(x.into())
                .primal,
        );
        let hidden = |picture: &[f32]| picture.iter().filter(|v| **v == 0.0).count();
        let most = y.chunks(64).map(hidden).max().unwrap();
        assert_eq!(most, 16);
        assert!(y.iter().all(|v| *v == 0.0 || *v == 1.0));
    }
}
