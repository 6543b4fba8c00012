//! Train your own generator against your own critic on [Burn](https://burn.dev).

pub mod dual;
pub mod error;
pub mod game;
pub mod kernel;
pub mod loss;
pub mod nn;
pub mod optim;
pub mod penalty;
pub mod rng;
pub mod sample;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
pub mod train;
