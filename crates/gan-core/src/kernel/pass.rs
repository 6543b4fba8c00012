//! Two passes through one network over the same values.

/// What a pass computed, at hand for a second one. On flex, convolutions and dense layers look it up and
/// use again what was made of the same values to the bit; elsewhere it is empty. No result depends on it.
#[derive(Debug, Default)]
pub(crate) struct Pass {
    #[cfg(feature = "flex")]
    inner: super::flex::reuse::Pass,
}

impl Pass {
    /// Runs `work`, whose backward included, and remembers what it computed on this thread.
    pub(crate) fn record<R>(work: impl FnOnce() -> R) -> (R, Self) {
        #[cfg(feature = "flex")]
        {
            let (result, inner) = super::flex::reuse::record(work);
            (result, Self { inner })
        }
        #[cfg(not(feature = "flex"))]
        (work(), Self {})
    }

    /// Runs `work`, which computes the same and more. Its backward may come later.
    pub(crate) fn replay<R>(self, work: impl FnOnce() -> R) -> R {
        #[cfg(feature = "flex")]
        return super::flex::reuse::replay(self.inner, work);
        #[cfg(not(feature = "flex"))]
        work()
    }
}
