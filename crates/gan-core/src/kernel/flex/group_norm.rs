//! Group normalisation of a value and of a direction, each one pass forward and one backward,
//! pictures in parallel.
//!
//! With `s = (x − mean) · r`, `r = 1 / √(variance + ε)` and the means taken over a group, the value is
//! `w · s + b` and what it makes of a direction `t` is `w · J t` with
//! `J t = r · (t − mean(t) − s · mean(s · t))`. `J` is symmetric, so it is also the step back of both.

mod rows;

use std::fmt::Debug;
use std::marker::PhantomData;
use std::sync::Arc;

use burn::backend::Flex;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops};
use burn::prelude::*;

use self::rows::{Along, Groups, Moments, TangentRow, change, filled, sum_channels};
use super::Primitive;
use super::buffer::{initialised, uninitialised, write_each};
use super::node::{like, record, tensor, tracked, untyped, values};
use super::simd::vectorised;
use super::team::share;

/// The sums of the pictures, added up in their order.
fn over_pictures(sums: &[f32], channels: usize) -> Primitive {
    let mut total = vec![0.0f32; channels];
    for sums in sums.chunks_exact(channels) {
        for (total, sum) in total.iter_mut().zip(sums) {
            *total += sum;
        }
    }
    tensor(total, [channels])
}

/// The values of an optional weight or bias.
fn numbers(x: &Option<Primitive>) -> Option<&[f32]> {
    x.as_ref().map(values)
}

/// What a step of the tape keeps for its step back.
trait Pull: Clone + Debug + Send + Sync + 'static {
    /// The gradients of up to three parents, from that of the output.
    fn pull_back(&self, upstream: &Primitive) -> [Primitive; 3];
}

/// What both steps back need.
#[derive(Clone, Debug)]
struct Shared {
    x: Primitive,
    weight: Option<Primitive>,
    groups: usize,
    moments: Arc<Vec<Moments>>,
    /// Whether somebody takes the gradient of the weight or of the bias: a frozen critic's costs nothing.
    affine_wanted: bool,
}

impl Shared {
    /// The value, and what is needed to differentiate it.
    fn forward(
        x: Primitive,
        affine: Option<[Primitive; 2]>,
        affine_wanted: bool,
        groups: usize,
        epsilon: f64,
    ) -> (Primitive, Self) {
        let at = Groups::of(&x, groups);
        let [weight, bias] = match affine {
            Some(affine) => affine.map(Some),
            None => [None, None],
        };
        let (weights, biases) = (numbers(&weight), numbers(&bias));
        let mut y = uninitialised(values(&x).len());
        let mut moments = vec![Moments::default(); at.sizes.batch * groups];
        let parts = y
            .chunks_mut(at.picture())
            .zip(values(&x).chunks(at.picture()))
            .zip(moments.chunks_mut(groups));
        share(parts, |((y, x), moments)| {
            vectorised(|| {
                let rows = y.chunks_mut(at.length()).zip(x.chunks(at.length()));
                for (index, ((y, x), moments)) in rows.zip(moments).enumerate() {
                    *moments = Moments::of(x, epsilon);
                    let this = *moments;
                    let y = filled(y, x, x, |x, _| this.standard(x));
                    change(y, at.part(weights, index), |y, weight| y * weight);
                    change(y, at.part(biases, index), |y, bias| y + bias);
                }
            });
        });
        // SAFETY: every group of every picture has been written.
        let y = like(unsafe { initialised(y) }, &x);
        let moments = Arc::new(moments);
        let shared = Self {
            x,
            weight,
            groups,
            moments,
            affine_wanted,
        };
        (y, shared)
    }

    /// What the value makes of a direction, and what is needed to differentiate that.
    fn tangent(self, t: Primitive) -> (Primitive, Tangent) {
        let at = Groups::of(&self.x, self.groups);
        let weights = numbers(&self.weight);
        let mut y = uninitialised(values(&t).len());
        let mut along = vec![Along::default(); self.moments.len()];
        let parts = y
            .chunks_mut(at.picture())
            .zip(values(&t).chunks(at.picture()))
            .zip(values(&self.x).chunks(at.picture()))
            .zip(along.chunks_mut(at.groups))
            .zip(self.moments.chunks(at.groups));
        share(parts, |((((y, t), x), along), moments)| {
            vectorised(|| {
                let rows = y.chunks_mut(at.length()).zip(t.chunks(at.length()));
                let rows = rows.zip(x.chunks(at.length())).zip(along).zip(moments);
                for (index, ((((y, t), x), along), moments)) in rows.enumerate() {
                    *along = Along::of(t, x, *moments);
                    let (this, moments) = (*along, *moments);
                    let y = filled(y, t, x, |t, x| this.turn(t, x, moments));
                    change(y, at.part(weights, index), |y, weight| y * weight);
                }
            });
        });
        // SAFETY: every group of every picture has been written.
        let y = like(unsafe { initialised(y) }, &t);
        let shared = self;
        (y, Tangent { shared, t, along })
    }
}

impl Pull for Shared {
    /// Gradients of input, weight and bias; zeros for the last two if nobody takes them.
    fn pull_back(&self, upstream: &Primitive) -> [Primitive; 3] {
        let at = Groups::of(&self.x, self.groups);
        let (channels, picture, length) = (at.sizes.channels, at.picture(), at.length());
        let weights = numbers(&self.weight);
        let mut dx = uninitialised(values(upstream).len());
        let mut sums = [(); 2].map(|()| vec![0.0; at.sizes.batch * channels]);
        let [weight_sums, bias_sums] = &mut sums;
        let parts = dx
            .chunks_mut(picture)
            .zip(values(upstream).chunks(picture))
            .zip(values(&self.x).chunks(picture))
            .zip(weight_sums.chunks_mut(channels))
            .zip(bias_sums.chunks_mut(channels))
            .zip(self.moments.chunks(at.groups));
        share(
            parts,
            |(((((dx, upstream), x), weight_sums), bias_sums), moments)| {
                let h = &mut vec![0.0; length];
                vectorised(|| {
                    let rows = dx.chunks_mut(length).zip(upstream.chunks(length));
                    let rows = rows.zip(x.chunks(length)).zip(moments);
                    let sums = weight_sums.chunks_mut(at.channels());
                    let sums = sums.zip(bias_sums.chunks_mut(at.channels()));
                    for (index, ((((dx, g), x), moments), sums)) in rows.zip(sums).enumerate() {
                        let moments = *moments;
                        if self.affine_wanted {
                            sum_channels(sums.0, g, x, |g, x| g * moments.standard(x));
                            sum_channels(sums.1, g, g, |g, _| g);
                        }
                        h.copy_from_slice(g);
                        change(h, at.part(weights, index), |h, weight| h * weight);
                        let along = Along::of(h, x, moments);
                        write_each(dx, h, x, |h, x| along.turn(h, x, moments));
                    }
                });
            },
        );
        // SAFETY: every group of every picture has been written.
        let dx = like(unsafe { initialised(dx) }, upstream);
        let [weight, bias] = sums.map(|sums| over_pictures(&sums, channels));
        [dx, weight, bias]
    }
}

/// The direction with its means.
#[derive(Clone, Debug)]
struct Tangent {
    shared: Shared,
    t: Primitive,
    along: Vec<Along>,
}

impl Pull for Tangent {
    /// Gradients of direction, input and weight; zeros for the last if nobody takes it.
    fn pull_back(&self, upstream: &Primitive) -> [Primitive; 3] {
        let Shared {
            x, weight, groups, ..
        } = &self.shared;
        let at = Groups::of(x, *groups);
        let (channels, picture, length) = (at.sizes.channels, at.picture(), at.length());
        let weights = numbers(weight);
        let mut gradients = [(); 2].map(|()| uninitialised(values(upstream).len()));
        let [dt, dx] = &mut gradients;
        let mut sums = vec![0.0; at.sizes.batch * channels];
        let parts = dt
            .chunks_mut(picture)
            .zip(dx.chunks_mut(picture))
            .zip(sums.chunks_mut(channels))
            .enumerate();
        share(parts, |(n, ((dt, dx), sums))| {
            let h = &mut vec![0.0; length];
            vectorised(|| {
                let rows = dt.chunks_mut(length).zip(dx.chunks_mut(length));
                let rows = rows.zip(sums.chunks_mut(at.channels()));
                for (index, ((dt, dx), sums)) in rows.enumerate() {
                    let group = n * at.groups + index;
                    let part = group * length..(group + 1) * length;
                    let row = TangentRow {
                        g: &values(upstream)[part.clone()],
                        x: &values(x)[part.clone()],
                        t: &values(&self.t)[part],
                        weight: at.part(weights, index),
                        moments: self.shared.moments[group],
                        along: self.along[group],
                    };
                    row.pull_back(h, dt, dx);
                    if self.shared.affine_wanted {
                        row.weight_gradient(h, sums);
                    }
                }
            });
        });
        // SAFETY: every group of every picture has been written.
        let [dt, dx] = gradients.map(|values| like(unsafe { initialised(values) }, upstream));
        [dt, dx, over_pictures(&sums, channels)]
    }
}

#[derive(Debug)]
struct Step<P>(PhantomData<P>);

impl<P: Pull, const N: usize> Backward<Flex, N> for Step<P> {
    type State = P;

    fn backward(self, ops: Ops<P, N>, gradients: &mut Gradients, _checkpointer: &mut Checkpointer) {
        let upstream = gradients.consume::<Flex>(&ops.node).to_contiguous();
        let found = ops.state.pull_back(&upstream);
        for (node, gradient) in ops.parents.into_iter().zip(found) {
            if let Some(node) = node {
                gradients.register::<Flex>(node.id, gradient);
            }
        }
    }
}

/// Group normalisation on flex, on the tape or off it, and what it makes of a direction.
pub(crate) fn group_norm<const D: usize>(
    x: Tensor<D>,
    tangent: Option<Tensor<D>>,
    groups: usize,
    epsilon: f64,
    affine: Option<[Tensor<1>; 2]>,
) -> (Tensor<D>, Option<Tensor<D>>) {
    if !x.device().is_autodiff() {
        let affine = affine.map(|affine| affine.map(super::contiguous));
        let (y, shared) = Shared::forward(super::contiguous(x), affine, false, groups, epsilon);
        let tangent = tangent.map(|t| shared.tangent(super::contiguous(t)).0);
        return (
            Tensor::from_primitive::<Flex>(y),
            tangent.map(Tensor::from_primitive::<Flex>),
        );
    }
    let (x, tangent) = (tracked(x), tangent.map(tracked));
    let affine = affine.map(|affine| affine.map(tracked));
    let mut shared = None;
    let mut forward = |x, affine, affine_wanted| {
        let (y, state) = Shared::forward(x, affine, affine_wanted, groups, epsilon);
        shared = Some(state.clone());
        (y, state)
    };
    let step = || Step(PhantomData);
    let y = match affine.clone() {
        Some([weight, bias]) => {
            let parents = [x.clone(), weight, bias];
            record(step(), parents, |[x, weight, bias], wanted| {
                forward(x, Some([weight, bias]), wanted[1] || wanted[2])
            })
        }
        None => record(step(), [x.clone()], |[x], _| forward(x, None, false)),
    };
    let shared = shared.expect("the step above has run");
    let tangent = tangent.map(|t| match affine {
        Some([weight, _]) => record(Step(PhantomData), [t, x, weight], |[t, ..], _| {
            shared.tangent(t)
        }),
        None => record(Step(PhantomData), [t, x], |[t, _], _| shared.tangent(t)),
    });
    (untyped(y), tangent.map(untyped))
}
