//! All scores of two sets of pictures, in one pass over each.
//!
//! A [`Collector`] takes pictures in batches of any size and becomes [`SetStatistics`]; [`evaluate`]
//! compares two of these. What was collected from the real pictures can be kept in a
//! [`StatisticsCache`]. Two more kinds of scores need no statistics: those of pairs of pictures
//! ([`PairCollector`]), and [`path_length`] of a generator.
//!
//! ```
//! use burn::prelude::Device;
//! use gan_metrics::features::{FeaturesConfig, PictureShape};
//! use gan_metrics::suite::{Collector, Metric, SuiteConfig, evaluate};
//!
//! # fn main() -> Result<(), gan_metrics::error::MetricError> {
//! let features = FeaturesConfig::default().init(&Device::flex())?;
//! let config = SuiteConfig::default();
//! let shape = PictureShape { count: 100, height: 28, width: 28, channels: 1 };
//! let collect = |set: &str, step: usize| {
//!     let mut collector = Collector::new(&*features, set, 100, &config);
//!     let pictures: Vec<u8> = (0..shape.num_bytes()).map(|i| (i * step % 251) as u8).collect();
//!     collector.add(&pictures, shape, None)?;
//!     collector.finish()
//! };
//! let (real, fake) = (collect("the real pictures", 7)?, collect("the generated pictures", 11)?);
//! for score in evaluate(&real, &fake, &[Metric::Fid, Metric::PrecisionRecall], &config)? {
//!     println!("{} {:.4} ({})", score.name, score.value, score.how);
//! }
//! # Ok(())
//! # }
//! ```

mod cache;
mod evaluate;
mod metric;
mod pairs;
mod path_length;
mod statistics;

pub use cache::{StatisticsCache, StatisticsKey};
pub use evaluate::{Score, check_counts, evaluate};
pub use metric::{Metric, SuiteConfig};
pub use pairs::{PairCollector, PairMetric};
pub use path_length::path_length;
pub use statistics::{Collector, SetStatistics};
