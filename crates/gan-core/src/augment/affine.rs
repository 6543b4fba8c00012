//! Affine maps of the plane, one for each picture, and pictures seen through them.

use burn::prelude::*;

use super::warp::Map;

/// Maps `(x, y)` to `(a x + b y + right, c x + d y + down)`: from a place in the changed picture to the
/// place in the picture where its value is. Units are pixels, and the centre of the picture is the origin.
/// Every number is a tensor `[batch]`.
#[derive(Clone, Debug)]
pub(super) struct Affine {
    a: Tensor<1>,
    b: Tensor<1>,
    c: Tensor<1>,
    d: Tensor<1>,
    right: Tensor<1>,
    down: Tensor<1>,
}

impl Affine {
    pub(super) fn identity(batch: usize, device: &Device) -> Self {
        let zeros = || Tensor::zeros([batch], device);
        let ones = || Tensor::ones([batch], device);
        Self {
            a: ones(),
            b: zeros(),
            c: zeros(),
            d: ones(),
            right: zeros(),
            down: zeros(),
        }
    }

    /// The picture is scaled by `x` and `y` after what has been done so far.
    pub(super) fn scale(self, x: Tensor<1>, y: Tensor<1>) -> Self {
        Self {
            a: self.a / x.clone(),
            b: self.b / y.clone(),
            c: self.c / x,
            d: self.d / y,
            ..self
        }
    }

    /// The picture is sheared after what has been done so far: a row is moved to the right by `slope`
    /// times its place below the centre.
    pub(super) fn shear(self, slope: Tensor<1>) -> Self {
        Self {
            b: self.b - self.a.clone() * slope.clone(),
            d: self.d - self.c.clone() * slope,
            ..self
        }
    }

    /// The picture is turned by `angle` after what has been done so far, in radians, from right to down.
    pub(super) fn rotate(self, angle: Tensor<1>) -> Self {
        let (sin, cos) = (angle.clone().sin(), angle.cos());
        let turn = |x: Tensor<1>, y: Tensor<1>| {
            (
                x.clone() * cos.clone() - y.clone() * sin.clone(),
                x * sin.clone() + y * cos.clone(),
            )
        };
        let (a, b) = turn(self.a, self.b);
        let (c, d) = turn(self.c, self.d);
        Self { a, b, c, d, ..self }
    }

    /// The picture is shifted by pixels after what has been done so far.
    pub(super) fn shift(self, right: Tensor<1>, down: Tensor<1>) -> Self {
        let moved_right = self.a.clone() * right.clone() + self.b.clone() * down.clone();
        let moved_down = self.c.clone() * right + self.d.clone() * down;
        Self {
            right: self.right - moved_right,
            down: self.down - moved_down,
            ..self
        }
    }

    /// Pictures of this size seen through the map: values between pixels are bilinear, and beyond the
    /// border is the mirror image.
    pub(super) fn resample(&self, [height, width]: [usize; 2]) -> Map {
        let device = self.a.device();
        let batch = self.a.dims()[0];
        let axis = |size: usize| {
            let middle = (size as f64 - 1.0) / 2.0;
            (
                Tensor::<1, Int>::arange(0..size as i64, &device).float() - middle,
                middle,
            )
        };
        let ((columns, middle_x), (rows, middle_y)) = (axis(width), axis(height));
        let all = [batch, height, width];
        let x = columns.reshape([1, 1, width]).expand(all);
        let y = rows.reshape([1, height, 1]).expand(all);
        let each = |v: &Tensor<1>| v.clone().reshape([batch, 1, 1]);
        let from_x = x.clone() * each(&self.a) + y.clone() * each(&self.b) + each(&self.right);
        let from_y = x * each(&self.c) + y * each(&self.d) + each(&self.down);
        let x = Neighbours::of(from_x + middle_x, width);
        let y = Neighbours::of(from_y + middle_y, height);

        let flat = |t: Tensor<3>| t.reshape([batch, height * width]);
        let tap = |(row, down): (&Tensor<3>, &Tensor<3>),
                   (column, right): (&Tensor<3>, &Tensor<3>)| {
            let place = row.clone() * width as f64 + column.clone();
            (flat(place).int(), flat(down.clone() * right.clone()))
        };
        let (low_y, high_y) = ((&y.low, &y.low_weight), (&y.high, &y.high_weight));
        let (low_x, high_x) = ((&x.low, &x.low_weight), (&x.high, &x.high_weight));
        Map::Resample(vec![
            tap(low_y, low_x),
            tap(low_y, high_x),
            tap(high_y, low_x),
            tap(high_y, high_x),
        ])
    }
}

/// The pixels on both sides of a place along one axis, and their shares.
struct Neighbours {
    low: Tensor<3>,
    low_weight: Tensor<3>,
    high: Tensor<3>,
    high_weight: Tensor<3>,
}

impl Neighbours {
    fn of(place: Tensor<3>, size: usize) -> Self {
        let below = place.clone().floor();
        let high_weight = place - below.clone();
        Self {
            low: mirror(below.clone(), size),
            low_weight: high_weight.clone().neg() + 1.0,
            high: mirror(below + 1.0, size),
            high_weight,
        }
    }
}

/// Whole numbers folded into `0..size`; the border is not repeated.
fn mirror(index: Tensor<3>, size: usize) -> Tensor<3> {
    if size == 1 {
        return index.zeros_like();
    }
    let period = 2.0 * (size as f64 - 1.0);
    let index = index.abs();
    let index = index.clone() - (index / period).floor() * period;
    let back = index.clone().neg() + period;
    index.min_pair(back)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::augment::Warp;
    use crate::rng::Stream;
    use crate::testing::{assert_close, assert_jvp, values};

    fn device() -> Device {
        Device::flex()
    }

    fn number(value: f64) -> Tensor<1> {
        Tensor::from_floats([value as f32], &device())
    }

    fn see(affine: &Affine, x: Tensor<4>) -> Tensor<4> {
        let [_, _, h, w] = x.dims();
        Warp::new(vec![affine.resample([h, w])])
            .apply(x.into())
            .primal
    }

    fn count(height: usize, width: usize) -> Tensor<4> {
        let numbers: Vec<f32> = (0..height * width).map(|v| v as f32).collect();
        Tensor::from_data(TensorData::new(numbers, [1, 1, height, width]), &device())
    }

    fn identity() -> Affine {
        Affine::identity(1, &device())
    }

    #[test]
    fn the_identity_changes_no_bit() {
        let x = Stream::new(1, "x", 0).normal([1, 2, 5, 7], &device());
        assert_eq!(values(&see(&identity(), x.clone())), values(&x));
    }

    #[test]
    fn a_shift_to_the_right_moves_pixels_to_the_right_and_mirrors_the_border() {
        let y = see(&identity().shift(number(1.0), number(0.0)), count(1, 4));
        assert_eq!(values(&y), [1.0, 0.0, 1.0, 2.0]);
        let y = see(&identity().shift(number(0.0), number(-1.0)), count(3, 1));
        assert_eq!(values(&y), [1.0, 2.0, 1.0]);
    }

    #[test]
    fn half_a_pixel_is_the_mean_of_two() {
        let y = see(&identity().shift(number(-0.5), number(0.0)), count(1, 4));
        assert_eq!(values(&y), [0.5, 1.5, 2.5, 2.5]);
    }

    #[test]
    fn a_quarter_turn_sends_right_to_down() {
        // 0 1      2 0
        // 2 3  to  3 1
        let angle = number(std::f64::consts::FRAC_PI_2);
        let y = see(&identity().rotate(angle), count(2, 2));
        assert_close(
            &y,
            &Tensor::from_floats([[[[2.0, 0.0], [3.0, 1.0]]]], &device()),
            1e-5,
        );
    }

    #[test]
    fn scaling_by_two_brings_half_as_much_nearer() {
        let y = see(&identity().scale(number(2.0), number(1.0)), count(1, 5));
        assert_eq!(values(&y), [1.0, 1.5, 2.0, 2.5, 3.0]);
        let y = see(&identity().scale(number(-1.0), number(1.0)), count(1, 3));
        assert_eq!(values(&y), [2.0, 1.0, 0.0], "a negative scale mirrors");
    }

    /// What comes later acts on what is there: first twice as large, then one pixel to the right.
    #[test]
    fn maps_are_done_in_the_order_they_are_named() {
        let affine = identity()
            .scale(number(2.0), number(1.0))
            .shift(number(1.0), number(0.0));
        assert_eq!(
            values(&see(&affine, count(1, 5))),
            [0.5, 1.0, 1.5, 2.0, 2.5]
        );
        let affine = identity()
            .shift(number(1.0), number(0.0))
            .scale(number(2.0), number(1.0));
        assert_eq!(
            values(&see(&affine, count(1, 5))),
            [0.0, 0.5, 1.0, 1.5, 2.0]
        );
    }

    #[test]
    fn far_beyond_the_border_it_is_mirrored_again_and_again() {
        let index = Tensor::<1>::from_floats([-9.0, -4.0, -1.0, 0.0, 2.0, 3.0, 7.0], &device());
        let found = values(&mirror(index.reshape([1, 1, 7]), 3));
        assert_eq!(found, [1.0, 0.0, 1.0, 0.0, 2.0, 1.0, 1.0]);
        let one = mirror(Tensor::ones([1, 1, 1], &device()) * 7.0, 1);
        assert_eq!(values(&one), [0.0]);
    }

    #[test]
    fn its_tangent_matches_a_central_difference() {
        let affine = identity()
            .scale(number(1.3), number(0.8))
            .rotate(number(0.4))
            .shift(number(0.7), number(-1.2));
        let warp = Warp::new(vec![affine.resample([5, 6])]);
        let x = Stream::new(1, "x", 0).normal([1, 2, 5, 6], &device());
        assert_jvp(|x| warp.apply(x), x);
    }
}
