//! Resizing with antialiasing.

use crate::Picture;

/// Resizes a picture to `height` x `width` with a triangle filter. When the picture shrinks, the
/// filter grows with the factor, so that every source pixel counts (antialiasing); when it grows,
/// this is bilinear interpolation. Pixel areas are aligned, not pixel centres. With an alpha
/// channel, colours count as much as they are opaque.
///
/// # Panics
///
/// Panics if a size is 0.
pub fn resize(picture: Picture, height: usize, width: usize) -> Picture {
    assert!(
        height > 0 && width > 0,
        "resize: {height} x {width} has no pixels"
    );
    if (picture.height, picture.width) == (height, width) {
        return picture;
    }
    let channels = picture.channels;
    let has_alpha = channels == 2 || channels == 4;
    let mut values: Vec<f32> = picture.pixels.iter().map(|byte| f32::from(*byte)).collect();
    if has_alpha {
        weigh_by_alpha(&mut values, channels);
    }
    let values = rows(
        &values,
        picture.width * channels,
        &weights(picture.height, height),
    );
    let values = columns(
        &values,
        picture.width,
        channels,
        &weights(picture.width, width),
    );
    let mut pixels = Vec::with_capacity(values.len());
    for pixel in values.chunks_exact(channels) {
        let (colours, alpha) = pixel.split_at(channels - usize::from(has_alpha));
        let scale = match alpha.first() {
            Some(alpha) if *alpha > 0.0 => 255.0 / alpha,
            _ => 1.0,
        };
        // `as` saturates
        pixels.extend(colours.iter().map(|value| (value * scale).round() as u8));
        pixels.extend(alpha.iter().map(|value| value.round() as u8));
    }
    Picture {
        width,
        height,
        pixels,
        ..picture
    }
}

fn weigh_by_alpha(values: &mut [f32], channels: usize) {
    for pixel in values.chunks_exact_mut(channels) {
        let share = pixel[channels - 1] / 255.0;
        pixel[..channels - 1]
            .iter_mut()
            .for_each(|value| *value *= share);
    }
}

/// The sources of one target pixel: the first of them and their weights, which sum to 1.
struct Taps {
    first: usize,
    weights: Vec<f32>,
}

fn weights(source: usize, target: usize) -> Vec<Taps> {
    let factor = source as f32 / target as f32;
    let support = factor.max(1.0);
    (0..target)
        .map(|index| {
            let centre = (index as f32 + 0.5) * factor;
            let first = (centre - support).floor().max(0.0) as usize;
            let last = ((centre + support).ceil() as usize).min(source);
            let mut weights: Vec<f32> = (first..last)
                .map(|tap| (1.0 - ((tap as f32 + 0.5) - centre).abs() / support).max(0.0))
                .collect();
            let sum: f32 = weights.iter().sum();
            weights.iter_mut().for_each(|weight| *weight /= sum);
            Taps { first, weights }
        })
        .collect()
}

fn rows(values: &[f32], stride: usize, taps: &[Taps]) -> Vec<f32> {
    let mut target = vec![0.0; taps.len() * stride];
    for (row, taps) in target.chunks_exact_mut(stride).zip(taps) {
        for (offset, weight) in taps.weights.iter().enumerate() {
            let source = &values[(taps.first + offset) * stride..][..stride];
            for (sum, value) in row.iter_mut().zip(source) {
                *sum += weight * value;
            }
        }
    }
    target
}

fn columns(values: &[f32], width: usize, channels: usize, taps: &[Taps]) -> Vec<f32> {
    let mut target = Vec::with_capacity(values.len() / width * taps.len());
    for row in values.chunks_exact(width * channels) {
        for taps in taps {
            for channel in 0..channels {
                let source = row[taps.first * channels + channel..]
                    .iter()
                    .step_by(channels);
                target.push(
                    source
                        .zip(&taps.weights)
                        .map(|(value, weight)| value * weight)
                        .sum(),
                );
            }
        }
    }
    target
}
