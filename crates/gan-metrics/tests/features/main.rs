//! Features against the programs they imitate (`reference/README.md`), and what happens to bad input.

mod bad_input;
mod cifar;
mod digits;
mod inception;
#[path = "../reference/mod.rs"]
mod reference;
mod resize;
mod vgg_lpips;

use burn::tensor::TensorData;
use gan_metrics::features::PictureShape;

/// Checks that no value is off by more than `tolerance` of the largest.
fn assert_close(what: &str, found: &[f32], wanted: &[f32], tolerance: f32) {
    assert_eq!(found.len(), wanted.len(), "{what}");
    let largest = wanted
        .iter()
        .fold(0f32, |most, value| most.max(value.abs()));
    assert!(largest > 1e-3, "{what}: nothing to compare");
    let mut worst = 0f32;
    for (index, (found, wanted)) in found.iter().zip(wanted).enumerate() {
        let off = (found - wanted).abs() / largest;
        assert!(
            off <= tolerance,
            "{what}: {found} is not {wanted} at {index} (largest: {largest})"
        );
        worst = worst.max(off);
    }
    println!("{what}: largest difference {worst:.1e} of the largest value");
}

// The rest is `reference/generate/pseudorandom.py`.

fn bits(name: &str) -> impl Iterator<Item = u64> {
    let seed = name.bytes().fold(0xcbf2_9ce4_8422_2325u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    (1u64..).map(move |index| {
        let z = seed.wrapping_add(index.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    })
}

fn unit(name: &str) -> impl Iterator<Item = f32> {
    bits(name).map(|bits| (bits >> 40) as f32 * 2f32.powi(-24))
}

fn picture_bytes(name: &str, count: usize) -> Vec<u8> {
    bits(name)
        .take(count)
        .map(|bits| (bits >> 56) as u8)
        .collect()
}

/// `count` colour pictures `name.0`, `name.1`, …, one after the other.
fn smooth_pictures(
    name: &str,
    count: usize,
    height: usize,
    width: usize,
) -> (Vec<u8>, PictureShape) {
    let mut pictures = Vec::new();
    for index in 0..count {
        let name = format!("{name}.{index}");
        let coarse = picture_bytes(&name, 8 * 8 * 3);
        let noise = picture_bytes(&format!("{name}.noise"), height * width * 3);
        for (index, noise) in noise.into_iter().enumerate() {
            let (pixel, channel) = (index / 3, index % 3);
            let (row, column) = (pixel / width * 8 / height, pixel % width * 8 / width);
            let coarse = coarse[(row * 8 + column) * 3 + channel];
            pictures.push(coarse / 2 + noise / 4);
        }
    }
    let shape = PictureShape {
        count,
        height,
        width,
        channels: 3,
    };
    (pictures, shape)
}

/// A tensor of `state_dict`.
fn weight(name: &str, shape: &[usize]) -> TensorData {
    let count = shape.iter().product();
    let values: Vec<f32> = if shape.len() > 1 {
        let bound = (6.0 / shape[1..].iter().product::<usize>() as f32).sqrt();
        unit(name)
            .take(count)
            .map(|u| (u * 2.0 - 1.0) * bound)
            .collect()
    } else if name.ends_with("running_var") || name.ends_with("bn.weight") {
        unit(name).take(count).map(|u| u + 0.5).collect()
    } else {
        unit(name).take(count).map(|u| (u - 0.5) * 0.2).collect()
    };
    TensorData::new(values, shape.to_vec())
}
