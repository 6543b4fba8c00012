//! Times Inception features of pictures and the Fréchet distance between the first half of them and the second,
//! for a comparison with `benches/peers/inception.py`, which writes the pictures.
//!
//! ```text
//! python reference/generate/inception.py --weights /tmp/inception.pth
//! python benches/peers/inception.py /tmp/inception.pth 5000 /tmp/pictures.bin
//! cargo run --release -p gan-metrics --example time_inception -- /tmp/inception.pth 5000 /tmp/pictures.bin
//! ```
//!
//! Without a file of pictures they are random, and there is no distance.

use std::error::Error;
use std::fs::File;
use std::io::Read;
use std::path::PathBuf;
use std::time::Instant;

use burn::prelude::*;
use gan_core::rng::Stream;
use gan_metrics::features::{Checksum, Features, InceptionFeatures, PictureShape, ResizeMode};
use gan_metrics::score::{FrechetConfig, Moments, Rows, frechet_distance};

/// Pictures that come together.
const BATCH: usize = 50;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let weights = PathBuf::from(arguments.next().ok_or("name a file of weights")?);
    let count: usize = arguments.next().map_or(Ok(500), |count| count.parse())?;
    let mut file = arguments.next().map(File::open).transpose()?;
    let start = Instant::now();
    let (mode, device) = (ResizeMode::PytorchFid, Device::flex());
    let network = InceptionFeatures::open(&weights, &Checksum::Any, mode, &device)?;
    println!("loaded in {:.2} s", start.elapsed().as_secs_f64());
    let mut stream = Stream::new(1, "pictures", 0);
    let mut halves = [(); 2].map(|()| Moments::new(network.size()));
    let mut sum = 0.0;
    let start = Instant::now();
    for begin in (0..count).step_by(BATCH) {
        let shape = PictureShape {
            count: BATCH.min(count - begin),
            height: 32,
            width: 32,
            channels: 3,
        };
        let mut pictures = vec![0; shape.num_bytes()];
        match &mut file {
            Some(file) => file.read_exact(&mut pictures)?,
            None => pictures.fill_with(|| stream.below(256) as u8),
        }
        let features = network.features(&pictures, shape)?.values;
        sum += features.iter().map(|value| f64::from(*value)).sum::<f64>();
        let of_first = (count / 2).saturating_sub(begin).min(shape.count);
        let (first, second) = features.split_at(of_first * network.size());
        for (half, rows) in halves.iter_mut().zip([first, second]) {
            half.add(&Rows::new("the features", rows, network.size())?)?;
        }
    }
    let seconds = start.elapsed().as_secs_f64();
    println!(
        "{count} pictures in {seconds:.2} s: {:.1} ms each (sum {sum:.3})",
        1e3 * seconds / count as f64
    );
    if file.is_some() {
        let start = Instant::now();
        let [first, second] = &halves;
        let [first, second] = [first.gaussian("one")?, second.gaussian("the other")?];
        let distance = frechet_distance(&first, &second, FrechetConfig { allow_few: true })?;
        let seconds = start.elapsed().as_secs_f64();
        println!("distance {:.9} in {seconds:.2} s", distance.value);
    }
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find(|line| line.starts_with("VmHWM"));
    println!("{}", peak.unwrap_or("peak memory unknown"));
    Ok(())
}
