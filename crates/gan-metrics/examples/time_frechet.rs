//! Times mean and covariance of two sets of features, and their Fréchet distance.
//!
//! ```text
//! cargo run --release -p gan-metrics --example time_frechet -- 50000 2048
//! ```

use std::error::Error;
use std::time::Instant;

use gan_core::rng::Stream;
use gan_metrics::score::{FrechetConfig, Gaussian, Moments, Rows, frechet_distance};

/// Rows that come together, as from a network.
const BATCH: usize = 1000;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let mut number = |default| arguments.next().map_or(Ok(default), |text| text.parse());
    let (count, size) = (number(50_000)?, number(2048)?);
    // The same rows again and again, moved and mixed: to draw them all would take longer than to sum
    // them. 4 * size rows, so that the covariance has full rank.
    let pool = Stream::new(1, "features", 0).normals(4 * size * size);
    let (mut seconds, mut gaussians) = (Vec::new(), Vec::new());
    for shift in [0.0, 0.1] {
        let mut spent = 0.0;
        let mut moments = Moments::new(size);
        let mut batch = Vec::with_capacity(BATCH * size);
        for begin in (0..count).step_by(BATCH) {
            batch.clear();
            for row in begin..count.min(begin + BATCH) {
                let from = row % (4 * size) * size;
                let scale = 1.0 + (row / (4 * size)) as f32 / 50.0;
                batch.extend(pool[from..from + size].iter().map(|x| scale * x + shift));
            }
            let start = Instant::now();
            moments.add(&Rows::new("the features", &batch, size)?)?;
            spent += start.elapsed().as_secs_f64();
        }
        let start = Instant::now();
        let gaussian: Gaussian = moments.gaussian("the features")?;
        seconds.push(spent + start.elapsed().as_secs_f64());
        gaussians.push(gaussian);
    }
    let start = Instant::now();
    let distance = frechet_distance(&gaussians[0], &gaussians[1], FrechetConfig::default())?;
    let distance_seconds = start.elapsed().as_secs_f64();
    println!(
        "{count} x {size}: statistics {:.2} s and {:.2} s, distance {distance_seconds:.2} s ({distance})",
        seconds[0], seconds[1]
    );
    Ok(())
}
