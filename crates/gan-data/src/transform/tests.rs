use super::*;

fn ramp(width: usize, height: usize, channels: usize) -> Picture {
    let pixels = (0..width * height * channels)
        .map(|i| (i * 7 % 251) as u8)
        .collect();
    Picture {
        width,
        height,
        channels,
        pixels,
        label: Some(3),
        caption: Some("ramp".into()),
    }
}

fn constant(width: usize, height: usize, pixel: &[u8]) -> Picture {
    let mut picture = ramp(width, height, pixel.len());
    picture.pixels = pixel.repeat(width * height);
    picture
}

#[test]
fn resizing_a_constant_picture_keeps_the_constant() {
    for pixel in [
        &[77][..],
        &[9, 255],
        &[200, 3, 255],
        &[40, 130, 250, 100],
        &[0, 0, 0, 0],
    ] {
        for (height, width) in [(1, 1), (5, 31), (64, 64), (13, 17)] {
            let resized = resize(constant(13, 17, pixel), height, width);
            assert_eq!((resized.height, resized.width), (height, width));
            assert_eq!(resized.pixels, pixel.repeat(width * height));
        }
    }
}

#[test]
fn shrinking_a_checkerboard_gives_grey() {
    let mut board = constant(64, 64, &[0]);
    for (index, pixel) in board.pixels.iter_mut().enumerate() {
        *pixel = if (index / 64 + index % 64) % 2 == 0 {
            255
        } else {
            0
        };
    }
    for side in [32, 21, 16, 7] {
        let grey = resize(board.clone(), side, side).pixels;
        let (low, high) = (grey.iter().min().unwrap(), grey.iter().max().unwrap());
        assert!(*low >= 115 && *high <= 140, "{side}: {low} to {high}");
    }
}

#[test]
fn halving_is_symmetric_and_doubling_interpolates() {
    // triangle of support 2 around the middle of pixels 0 and 1, cut at the border: weights of
    // pixels 0, 1, 2 are 0.75, 0.75, 0.25, so 255 * 0.75 / 1.75 = 109 (rounded)
    let mut line = constant(4, 1, &[0]);
    line.pixels = vec![255, 0, 0, 0];
    assert_eq!(resize(line.clone(), 1, 2).pixels, [109, 0]);
    line.pixels.reverse();
    assert_eq!(resize(line, 1, 2).pixels, [0, 109]);
    let mut pair = constant(2, 1, &[0]);
    pair.pixels = vec![0, 100];
    assert_eq!(resize(pair, 1, 4).pixels, [0, 25, 75, 100]);
}

#[test]
fn invisible_colours_do_not_bleed() {
    let mut picture = constant(2, 1, &[0, 0, 0, 0]);
    picture.pixels = vec![200, 100, 50, 255, 0, 255, 0, 0];
    assert_eq!(resize(picture, 1, 1).pixels, [200, 100, 50, 128]);
}

#[test]
fn flipping_twice_changes_nothing_and_once_mirrors() {
    for channels in 1..=4 {
        let picture = ramp(5, 3, channels);
        let mut flipped = picture.clone();
        flip(&mut flipped);
        for row in 0..3 {
            for column in 0..5 {
                let at = |p: &Picture, column: usize| {
                    p.pixels[(row * 5 + column) * channels..][..channels].to_vec()
                };
                assert_eq!(at(&flipped, column), at(&picture, 4 - column));
            }
        }
        flip(&mut flipped);
        assert_eq!(flipped, picture);
    }
}

#[test]
fn the_centre_crop_is_the_middle() {
    let square = TransformConfig::new().with_crop(Crop::Centre);
    let cropped = square.apply(ramp(7, 4, 1), 0, 0, 0);
    assert_eq!((cropped.width, cropped.height), (4, 4));
    let whole = ramp(7, 4, 1).pixels;
    let expected: Vec<u8> = (0..16).map(|i| whole[i / 4 * 7 + 1 + i % 4]).collect();
    assert_eq!(cropped.pixels, expected);
    assert_eq!(
        (cropped.label, cropped.caption.as_deref()),
        (Some(3), Some("ramp"))
    );

    // a 1 x 2 window of the proportions of the target, then resized
    let wide = square.with_size(Some([2, 4]));
    let cropped = wide.apply(ramp(6, 9, 3), 0, 0, 0);
    assert_eq!((cropped.height, cropped.width), (2, 4));
}

#[test]
fn random_crops_and_flips_depend_on_seed_epoch_and_index_only() {
    let config = TransformConfig::new()
        .with_size(Some([8, 8]))
        .with_crop(Crop::Random { min_scale: 0.5 })
        .with_flip_probability(0.5);
    let at = |seed, epoch, index| config.apply(ramp(20, 16, 3), seed, epoch, index);
    assert_eq!(at(1, 2, 3), at(1, 2, 3));
    let variants = [at(1, 2, 3), at(2, 2, 3), at(1, 3, 3), at(1, 2, 4)];
    for (index, one) in variants.iter().enumerate() {
        assert!(
            variants[..index].iter().all(|other| one != other),
            "variant {index} repeats"
        );
    }
}

#[test]
fn a_random_crop_reaches_every_place() {
    let config = TransformConfig::new().with_crop(Crop::Random { min_scale: 1.0 });
    let mut picture = ramp(6, 4, 1);
    picture.pixels = (0..24).collect();
    let starts: std::collections::BTreeSet<u8> = (0..200)
        .map(|index| config.apply(picture.clone(), 0, 0, index).pixels[0])
        .collect();
    assert_eq!(starts.into_iter().collect::<Vec<_>>(), [0, 1, 2]);
}

#[test]
fn flips_are_as_frequent_as_asked() {
    for (probability, low, high) in [(0.0, 0, 0), (0.3, 540, 660), (1.0, 2000, 2000)] {
        let config = TransformConfig::new().with_flip_probability(probability);
        let picture = ramp(3, 1, 1);
        let flipped = (0..2000)
            .filter(|index| config.apply(picture.clone(), 5, 0, *index).pixels != picture.pixels)
            .count();
        assert!(
            (low..=high).contains(&flipped),
            "{flipped} of 2000 at {probability}"
        );
    }
}

#[test]
fn bad_values_name_the_field() {
    let random = |min_scale| TransformConfig::new().with_crop(Crop::Random { min_scale });
    for (config, start) in [
        (
            TransformConfig::new().with_size(Some([0, 8])),
            "size: 0 x 8",
        ),
        (
            TransformConfig::new().with_size(Some([8, usize::MAX])),
            "size: 8 x",
        ),
        (random(0.0), "crop.min_scale: 0 "),
        (random(f32::NAN), "crop.min_scale: NaN"),
        (random(0.5), "crop.min_scale: a random crop"),
        (
            TransformConfig::new().with_flip_probability(1.5),
            "flip_probability: 1.5",
        ),
        (
            TransformConfig::new().with_flip_probability(f64::NAN),
            "flip_probability: NaN",
        ),
    ] {
        let message = config.validate().unwrap_err().to_string();
        assert!(message.starts_with(start), "{message}");
    }
    assert!(random(0.5).with_size(Some([8, 8])).validate().is_ok());
}
