//! The sizes of a convolution, and which value meets which weight.

use super::packing::{Packing, Placement};

/// The sizes of a convolution from `big` to `small` pictures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ConvShape {
    /// Pictures.
    pub batch: usize,
    /// Channels on the big side.
    pub big_channels: usize,
    /// Height and width on the big side (the input of a convolution).
    pub big: [usize; 2],
    /// Channels on the small side.
    pub small_channels: usize,
    /// Height and width on the small side (its output).
    pub small: [usize; 2],
    /// Height and width of the kernel.
    pub kernel: [usize; 2],
    /// Stride.
    pub stride: usize,
    /// Zero padding above and below, left and right.
    pub padding: [usize; 2],
}

impl ConvShape {
    /// A convolution, by the dimensions of its input and of its weight `[out, in, height, width]`. The
    /// kernel fits into the padded input.
    pub(crate) fn down(
        x: [usize; 4],
        weight: [usize; 4],
        stride: usize,
        padding: [usize; 2],
    ) -> Self {
        let [batch, big_channels, big @ ..] = x;
        let [small_channels, _, kernel @ ..] = weight;
        let small = [0, 1].map(|axis| (big[axis] + 2 * padding[axis] - kernel[axis]) / stride + 1);
        Self {
            batch,
            big_channels,
            big,
            small_channels,
            small,
            kernel,
            stride,
            padding,
        }
    }

    /// A transposed convolution, by the dimensions of its input and of its weight
    /// `[in, out, height, width]`: the convolution that leads from its output to its input. The padding
    /// leaves something of the output.
    pub(crate) fn up(
        x: [usize; 4],
        weight: [usize; 4],
        stride: usize,
        padding: [usize; 2],
    ) -> Self {
        let [batch, _, small @ ..] = x;
        let [_, big_channels, kernel @ ..] = weight;
        let big = [0, 1].map(|axis| (small[axis] - 1) * stride + kernel[axis] - 2 * padding[axis]);
        Self::down(
            [batch, big_channels, big[0], big[1]],
            weight,
            stride,
            padding,
        )
    }

    /// Dimensions of the big side.
    pub(crate) fn big_dims(&self) -> [usize; 4] {
        [self.batch, self.big_channels, self.big[0], self.big[1]]
    }

    /// Dimensions of the small side.
    pub(crate) fn small_dims(&self) -> [usize; 4] {
        [
            self.batch,
            self.small_channels,
            self.small[0],
            self.small[1],
        ]
    }

    /// Floats in one picture on the big side.
    pub(crate) fn big_floats(&self) -> usize {
        self.big_channels * self.big[0] * self.big[1]
    }

    /// Floats in one picture on the small side.
    pub(crate) fn small_floats(&self) -> usize {
        self.small_channels * self.small[0] * self.small[1]
    }

    /// Values of a kernel.
    pub(crate) fn area(&self) -> usize {
        self.kernel[0] * self.kernel[1]
    }
}

/// One term of the sum: where it reads, and what it is multiplied with.
pub(crate) struct Tap {
    /// Channel of the packed side.
    pub channel: usize,
    /// Index into the weight (of one output channel for a convolution; within the kernel for a
    /// transposed one).
    pub weight: usize,
    /// Where it reads for the first column of the product.
    pub offset: usize,
}

/// How the big side is packed.
pub(crate) fn big_packing(shape: &ConvShape, pictures: usize) -> Packing {
    let plane = [0, 1].map(|axis| {
        let (size, before) = (shape.big[axis], shape.padding[axis]);
        let last = shape.stride * (shape.small[axis] - 1);
        let after = (last + shape.kernel[axis]).saturating_sub(size + before);
        // The zeros after a row are also the zeros before the next one.
        (size + before.max(after)).max(last + 1)
    });
    Packing {
        channels: shape.big_channels,
        size: shape.big,
        before: shape.padding,
        plane,
        pictures,
        tail: (shape.kernel[0] - 1) * plane[1] + shape.kernel[1] - 1,
        in_place: false,
    }
}

/// The terms of one value of the small side.
pub(crate) fn big_taps(shape: &ConvShape, packing: &Packing) -> Vec<Tap> {
    let area = shape.area();
    (0..shape.big_channels * area)
        .map(|weight| {
            let (channel, position) = (weight / area, weight % area);
            let (y, x) = (position / shape.kernel[1], position % shape.kernel[1]);
            Tap {
                channel,
                weight,
                offset: channel * packing.channel_stride() + y * packing.plane[1] + x,
            }
        })
        .collect()
}

/// How the small side must be padded so that every phase of the output finds its input.
pub(crate) struct OutputPhases {
    before: [usize; 2],
    after: [usize; 2],
    furthest: [usize; 2],
}

impl OutputPhases {
    pub(crate) fn new(shape: &ConvShape) -> Self {
        let mut before = [0, 0];
        let mut after = [0, 0];
        let mut furthest = [0, 0];
        for axis in 0..2 {
            for phase in 0..shape.stride {
                for (_, shift) in axis_taps(shape, axis, phase) {
                    before[axis] = before[axis].max((-shift).max(0) as usize);
                    furthest[axis] = furthest[axis].max(shift.max(0) as usize);
                    let count = phase_count(shape.big[axis], phase, shape.stride) as isize;
                    let past = count - 1 + shift - (shape.small[axis] as isize - 1);
                    after[axis] = after[axis].max(past.max(0) as usize);
                }
            }
        }
        Self {
            before,
            after,
            furthest,
        }
    }

    pub(crate) fn packing(&self, shape: &ConvShape, pictures: usize) -> Packing {
        let most = [0, 1].map(|axis| phase_count(shape.big[axis], 0, shape.stride));
        let plane = [0, 1].map(|axis| {
            (shape.small[axis] + self.before[axis].max(self.after[axis])).max(most[axis])
        });
        Packing {
            channels: shape.small_channels,
            size: shape.small,
            before: self.before,
            plane,
            pictures,
            tail: (self.before[0] + self.furthest[0]) * plane[1]
                + self.before[1]
                + self.furthest[1],
            in_place: false,
        }
    }

    /// Terms and place of every phase of the output.
    pub(crate) fn each(
        &self,
        shape: &ConvShape,
        packing: &Packing,
    ) -> impl Iterator<Item = (Vec<Tap>, Placement)> {
        let stride = shape.stride;
        (0..stride * stride).map(move |phase| {
            let phase = [phase / stride, phase % stride];
            let taps = self.taps(shape, packing, phase);
            let placement = Placement {
                size: shape.big,
                stride,
                phase,
                count: [0, 1].map(|axis| phase_count(shape.big[axis], phase[axis], stride)),
            };
            (taps, placement)
        })
    }

    fn taps(&self, shape: &ConvShape, packing: &Packing, phase: [usize; 2]) -> Vec<Tap> {
        let at = |axis: usize, shift: isize| (self.before[axis] as isize + shift) as usize;
        let mut taps = Vec::new();
        for channel in 0..shape.small_channels {
            for (y, shift_y) in axis_taps(shape, 0, phase[0]) {
                for (x, shift_x) in axis_taps(shape, 1, phase[1]) {
                    taps.push(Tap {
                        channel,
                        weight: y * shape.kernel[1] + x,
                        offset: channel * packing.channel_stride()
                            + at(0, shift_y) * packing.plane[1]
                            + at(1, shift_x),
                    });
                }
            }
        }
        taps
    }
}

/// Pixels `phase, phase + stride, …` below `size`.
fn phase_count(size: usize, phase: usize, stride: usize) -> usize {
    size.saturating_sub(phase).div_ceil(stride)
}

/// Kernel positions that reach output pixel `s·q + phase`, with the shift `i − q` of the input pixel.
fn axis_taps(shape: &ConvShape, axis: usize, phase: usize) -> impl Iterator<Item = (usize, isize)> {
    let (stride, target) = (
        shape.stride as isize,
        (phase + shape.padding[axis]) as isize,
    );
    (0..shape.kernel[axis]).filter_map(move |k| {
        let distance = target - k as isize;
        (distance.rem_euclid(stride) == 0).then_some((k, distance.div_euclid(stride)))
    })
}
