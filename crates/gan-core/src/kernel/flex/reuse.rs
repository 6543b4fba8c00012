//! Products of one pass through a network that a second pass, over the same values, needs again.
//!
//! Nothing is taken for granted about the second pass: a product is only used again where everything it
//! was made of is the same to the bit. So no number depends on whether there was a first pass.

use std::any::Any;
use std::cell::RefCell;
use std::sync::{Arc, OnceLock};

use rayon::prelude::*;

use super::Primitive;
use super::affine::Affine;
use super::node::values;
use super::simd::vectorised;

thread_local! {
    /// What the kernels on this thread write down, or look up.
    static PASS: RefCell<Option<Pass>> = const { RefCell::new(None) };
}

/// Values compared in one go: few enough to notice a difference early.
const CHUNK: usize = 16 * 1024;

/// The gradient of an output and what the step back made of it, once it is known.
pub(crate) type Back = Arc<OnceLock<[Primitive; 2]>>;

/// A map with what went in and what came out.
#[derive(Clone, Debug)]
struct Product {
    map: Arc<dyn Any + Send + Sync>,
    x: Primitive,
    weight: Primitive,
    bias: Option<Primitive>,
    y: Primitive,
    back: Back,
}

/// The products of a pass in their order.
#[derive(Debug, Default)]
pub(crate) struct Pass {
    products: Vec<Product>,
    /// Whether they are looked up, not written down.
    over: bool,
    /// The one found last.
    last: Option<usize>,
}

/// Puts back what was there, even if a kernel panics.
struct Restore(Option<Pass>);

impl Drop for Restore {
    fn drop(&mut self) {
        PASS.set(self.0.take());
    }
}

/// Runs `work` and writes down the products on this thread.
pub(crate) fn record<R>(work: impl FnOnce() -> R) -> (R, Pass) {
    let _restore = Restore(PASS.replace(Some(Pass::default())));
    let result = work();
    (result, PASS.take().unwrap_or_default())
}

/// Runs `work` with the products of a pass at hand.
pub(crate) fn replay<R>(pass: Pass, work: impl FnOnce() -> R) -> R {
    let pass = Pass { over: true, ..pass };
    let _restore = Restore(PASS.replace(Some(pass)));
    work()
}

/// The output of a map on the tape: `compute`, unless it is known; and where its step back looks first.
pub(super) fn output<A: Affine>(
    map: A,
    [x, weight]: [&Primitive; 2],
    bias: Option<&Primitive>,
    compute: impl FnOnce() -> Primitive,
) -> (Primitive, Option<Back>) {
    // Taken out of the cell: `same` below waits for rayon, which may give this thread other work.
    let candidates = PASS.with_borrow(|pass| pass.as_ref().map(|pass| pass.like(&map)));
    let Some((over, candidates)) = candidates else {
        return (compute(), None);
    };
    if !over {
        let product = Product {
            map: Arc::new(map),
            x: x.clone(),
            weight: weight.clone(),
            bias: bias.cloned(),
            y: compute(),
            back: Back::default(),
        };
        let (y, back) = (product.y.clone(), product.back.clone());
        PASS.with_borrow_mut(|pass| pass.as_mut().map(|pass| pass.products.push(product)));
        return (y, Some(back));
    }
    let same_bias = |other: &Option<Primitive>| match (bias, other) {
        (Some(bias), Some(other)) => same(bias, other),
        (bias, other) => bias.is_none() && other.is_none(),
    };
    for (index, product) in &candidates {
        if same(x, &product.x) && same(weight, &product.weight) && same_bias(&product.bias) {
            PASS.with_borrow_mut(|pass| pass.as_mut().map(|pass| pass.last = Some(*index)));
            return (product.y.clone(), None);
        }
    }
    // A direction follows the value it belongs to, and its gradient is that of the first pass.
    let last = PASS.with_borrow(|pass| pass.as_ref().and_then(|pass| pass.last));
    let beside = candidates.iter().find(|(index, _)| Some(*index) == last);
    let beside = beside.filter(|(_, product)| same(weight, &product.weight));
    (compute(), beside.map(|(_, product)| product.back.clone()))
}

/// The gradient of an input from that of the output, `upstream`: `compute`, unless it is known.
pub(super) fn input_gradient(
    back: Option<&Back>,
    upstream: &Primitive,
    compute: impl FnOnce() -> Primitive,
) -> Primitive {
    let Some(back) = back else { return compute() };
    match back.get() {
        Some([known, gradient]) if same(known, upstream) => gradient.clone(),
        Some(_) => compute(),
        None => {
            let gradient = compute();
            // Somebody else may have been faster: theirs is as good.
            let _ = back.set([upstream.clone(), gradient.clone()]);
            gradient
        }
    }
}

impl Pass {
    /// Whether products are looked up, and those of the same map.
    fn like<A: Affine>(&self, map: &A) -> (bool, Vec<(usize, Product)>) {
        let is_like = |(_, product): &(usize, &Product)| product.map.downcast_ref() == Some(map);
        let products = self.products.iter().enumerate().filter(is_like);
        let products = products.filter(|_| self.over);
        let products = products.map(|(index, product)| (index, product.clone()));
        (self.over, products.collect())
    }
}

/// Whether two tensors have the same shape and the same bits.
fn same(a: &Primitive, b: &Primitive) -> bool {
    let (x, y) = (values(a), values(b));
    a.layout().shape() == b.layout().shape()
        && (std::ptr::eq(x, y) || {
            let pairs = x.par_chunks(CHUNK).zip(y.par_chunks(CHUNK));
            pairs.all(|(x, y)| vectorised(|| difference(x, y)) == 0)
        })
}

/// 0 if all bits are the same.
#[inline(always)]
fn difference(x: &[f32], y: &[f32]) -> u32 {
    let bits = x.iter().zip(y).map(|(x, y)| x.to_bits() ^ y.to_bits());
    bits.fold(0, |all, bits| all | bits)
}

#[cfg(test)]
mod tests;
