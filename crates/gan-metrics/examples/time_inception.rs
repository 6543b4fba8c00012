//! Times Inception features of random pictures, for a comparison with `benches/peers/inception.py`.
//!
//! ```text
//! python reference/generate/inception.py --weights /tmp/inception.pth
//! cargo run --release -p gan-metrics --example time_inception -- /tmp/inception.pth 500
//! ```

use std::error::Error;
use std::path::PathBuf;
use std::time::Instant;

use burn::prelude::*;
use gan_core::rng::Stream;
use gan_metrics::features::{Checksum, Features, InceptionFeatures, PictureShape, ResizeMode};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let weights = PathBuf::from(arguments.next().ok_or("name a file of weights")?);
    let count: usize = arguments.next().map_or(Ok(500), |count| count.parse())?;
    let shape = PictureShape {
        count: 50,
        height: 32,
        width: 32,
        channels: 3,
    };
    let start = Instant::now();
    let (mode, device) = (ResizeMode::PytorchFid, Device::flex());
    let network = InceptionFeatures::open(&weights, &Checksum::Any, mode, &device)?;
    println!("loaded in {:.2} s", start.elapsed().as_secs_f64());
    let mut stream = Stream::new(1, "pictures", 0);
    let mut sum = 0.0;
    let start = Instant::now();
    for _ in 0..count.div_ceil(shape.count) {
        let pictures: Vec<u8> = (0..shape.num_bytes())
            .map(|_| stream.below(256) as u8)
            .collect();
        let features = network.features(&pictures, shape)?.values;
        sum += features.iter().map(|value| f64::from(*value)).sum::<f64>();
    }
    let seconds = start.elapsed().as_secs_f64();
    let done = count.div_ceil(shape.count) * shape.count;
    println!(
        "{done} pictures in {seconds:.2} s: {:.1} ms each (sum {sum:.3})",
        1e3 * seconds / done as f64
    );
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find(|line| line.starts_with("VmHWM"));
    println!("{}", peak.unwrap_or("peak memory unknown"));
    Ok(())
}
