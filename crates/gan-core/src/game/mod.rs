//! Players, their averages, and the algorithms that let them play.

mod class_gan;
mod clock;
mod ema;
#[allow(clippy::module_inception)] // The file is named for the trait in it.
mod game;
mod gan;
mod pair;
mod paired;
mod player;
mod report;
mod semi_supervised;
mod standing;
mod state;

pub use class_gan::{ClassBatch, ClassGan};
pub use clock::Clock;
pub(crate) use ema::moved_towards;
pub use ema::{Ema, EmaConfig};
pub use game::{Game, SampleRequest};
pub use gan::{Gan, GanConfig, InstanceNoise};
pub use paired::{PairedBatch, PairedConfig, PairedGan};
pub use player::{Player, Step};
pub use report::Report;
pub use semi_supervised::{Labelled, SemiSupervised};
pub use standing::standing_statistics;
pub(crate) use state::Path;
pub use state::{State, StateError, restore_module, snapshot_module};
