use super::*;

fn digits() -> SyntheticDigitsConfig {
    SyntheticDigitsConfig::new().with_count(2000)
}

fn picture(config: &SyntheticDigitsConfig, index: usize) -> Picture {
    config.init().unwrap().get(index).unwrap()
}

#[test]
fn a_picture_depends_on_seed_and_index_only() {
    let config = digits();
    assert_eq!(picture(&config, 17), picture(&config, 17));
    assert_eq!(
        picture(&config, 17),
        picture(&config.clone().with_count(60_000), 17)
    );
    assert_ne!(picture(&config, 17).pixels, picture(&config, 27).pixels);
    assert_ne!(
        picture(&config, 17).pixels,
        picture(&config.clone().with_seed(1), 17).pixels
    );
}

#[test]
fn the_pixels_are_pinned() {
    // the same on every platform; raise VERSION together with these numbers
    let all = SyntheticDigitsConfig::new()
        .with_shapes(true)
        .with_colour(true)
        .with_size(40);
    let mut hash = Sha256::new();
    for index in 0..200 {
        hash.update(picture(&digits(), index).pixels);
        hash.update(picture(&all, index).pixels);
    }
    let hash: String = hash
        .finalize()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    assert_eq!(
        (VERSION, hash.as_str()),
        (
            1,
            "76d1ba8e074dc0c51d41765311d2bc47db298e0c7248d81e8386169ce5756ac8"
        )
    );
}

#[test]
fn brightness_is_that_of_mnist() {
    // the 60,000 training pictures of MNIST have mean 0.1307, standard deviation 0.3081
    let data = digits().init().unwrap();
    let (mut sum, mut squares) = (0.0f64, 0.0f64);
    for index in 0..2000 {
        for byte in data.get(index).unwrap().pixels {
            let value = f64::from(byte) / 255.0;
            sum += value;
            squares += value * value;
        }
    }
    let count = 2000.0 * 784.0;
    let mean = sum / count;
    let deviation = (squares / count - mean * mean).sqrt();
    assert!((mean - 0.1307).abs() < 0.01, "mean {mean}");
    assert!((deviation - 0.3081).abs() < 0.01, "deviation {deviation}");
}

#[test]
fn digits_are_centred_by_mass_and_keep_a_black_border() {
    let data = digits().init().unwrap();
    for index in 0..500 {
        let picture = data.get(index).unwrap();
        let (mut mass, mut centre) = (0.0, [0.0; 2]);
        for (position, byte) in picture.pixels.iter().enumerate() {
            let value = f64::from(*byte);
            mass += value;
            centre[0] += value * ((position % 28) as f64 + 0.5);
            centre[1] += value * ((position / 28) as f64 + 0.5);
            let on_border =
                [0, 27].contains(&(position % 28)) || [0, 27].contains(&(position / 28));
            assert!(
                !on_border || *byte == 0,
                "picture {index} touches the border"
            );
        }
        for axis in centre {
            assert!(
                (axis / mass - 14.0).abs() < 2.0,
                "picture {index}: {}",
                axis / mass
            );
        }
        assert!(
            picture.pixels.iter().any(|byte| *byte > 230),
            "picture {index} is pale"
        );
    }
}

#[test]
fn every_class_occurs_once_per_round_in_a_random_order() {
    let data = digits().init().unwrap();
    let order = |round: usize| -> Vec<usize> {
        (0..10)
            .map(|index| data.label(10 * round + index).unwrap())
            .collect()
    };
    for round in 0..200 {
        let mut sorted = order(round);
        sorted.sort_unstable();
        assert_eq!(sorted, (0..10).collect::<Vec<_>>());
    }
    assert_ne!(order(0), order(1));
    assert!((0..100).all(|index| data.get(index).unwrap().label == data.label(index)));
}

#[test]
fn captions_name_what_is_drawn() {
    let config = digits().with_shapes(true).with_colour(true).with_size(64);
    let data = config.init().unwrap();
    let names = data.class_names().unwrap();
    assert_eq!(names.len(), 16);
    let mut captions = std::collections::BTreeSet::new();
    for index in 0..400 {
        let picture = data.get(index).unwrap();
        let caption = picture.caption.unwrap();
        assert!(
            caption.contains(&names[picture.label.unwrap()]),
            "{caption}"
        );
        assert!(
            caption.starts_with("a ") || caption.starts_with("an "),
            "{caption}"
        );
        assert!(
            caption.ends_with(" paper") && !caption.contains('\n'),
            "{caption}"
        );
        assert_eq!(picture.pixels.len(), 64 * 64 * 3);
        captions.insert(caption);
    }
    assert!(
        captions.len() > 200,
        "{} different captions of 400",
        captions.len()
    );
}

#[test]
fn a_large_picture_is_the_small_one_in_more_detail() {
    // each pixel of 28 is the mean of a block of 4 x 4 of 112, up to the softness of the edge
    let small = picture(&digits(), 5).pixels;
    let large = picture(&digits().with_size(112), 5).pixels;
    let mut difference = 0.0;
    for (position, byte) in small.iter().enumerate() {
        let (row, column) = (position / 28 * 4, position % 28 * 4);
        let block = (0..16).map(|k| f64::from(large[(row + k / 4) * 112 + column + k % 4]));
        difference += (block.sum::<f64>() / 16.0 - f64::from(*byte)).abs();
    }
    assert!(
        difference / 784.0 < 4.0,
        "mean difference {}",
        difference / 784.0
    );
}

#[test]
fn the_fingerprint_covers_the_configuration() {
    let print = |config: SyntheticDigitsConfig| config.init().unwrap().fingerprint();
    let base = print(digits());
    assert_eq!(base, print(digits()));
    assert_eq!(base.len(), 64);
    for other in [
        digits().with_size(32),
        digits().with_colour(true),
        digits().with_shapes(true),
        digits().with_seed(1),
        digits().with_count(10),
    ] {
        assert_ne!(base, print(other));
    }
}

#[test]
fn bad_configurations_name_the_field() {
    for (config, start) in [
        (digits().with_size(27), "size: 27"),
        (digits().with_size(257), "size: 257"),
        (digits().with_count(0), "count: 0"),
        (digits().with_digits(false), "digits, shapes: both are off"),
    ] {
        let message = config.init().unwrap_err().to_string();
        assert!(message.starts_with(start), "{message}");
    }
}

#[test]
#[should_panic(expected = "index 2000 is out of range for 2000 pictures")]
fn an_index_past_the_end_panics() {
    let _ = digits().init().unwrap().get(2000);
}

#[test]
fn drawing_is_quick() {
    let data = digits().init().unwrap();
    let start = std::time::Instant::now();
    for index in 0..2000 {
        data.get(index).unwrap();
    }
    let rate = 2000.0 / start.elapsed().as_secs_f64();
    println!("{rate:.0} pictures/s");
    if !cfg!(debug_assertions) {
        assert!(rate > 5_000.0, "only {rate:.0} pictures/s");
    }
}
