//! What the programs run when nothing is asked for: the best pictures per minute on a processor.

mod preset;

pub(crate) use preset::{default, with_latents};
