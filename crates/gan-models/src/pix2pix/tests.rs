//! Pictures of pictures, task by task.

use gan_core::game::{Game, SampleRequest};
use gan_core::nn::Norm;
use gan_core::testing::{assert_close, values};

use super::*;

fn image() -> ImageShape {
    ImageShape::new(3, 16)
}

fn config(name: &str) -> TranslationConfig {
    let mut config = translation_preset(name, image()).unwrap();
    config.batch_size = 3;
    config
}

fn pictures(count: usize, [height, width]: [usize; 2]) -> Tensor<4> {
    let shape = [count, 3, height, width];
    Stream::new(1, "pictures", 0).uniform(shape, -1.0, 1.0, &Device::flex())
}

fn grey(rows: &[&[f32]]) -> Tensor<4> {
    let values: Vec<f32> = rows.concat();
    let shape = [1, 1, rows.len(), rows[0].len()];
    Tensor::from_data(TensorData::new(values, shape), &Device::flex())
}

fn pair(task: Task, loaded: Tensor<4>) -> PairedBatch {
    task.pair(loaded, &mut Stream::new(1, "source", 0))
}

#[test]
fn every_preset_is_valid_at_every_size_and_says_what_it_cannot() {
    for name in TRANSLATION_PRESETS {
        for channels in 1..=4 {
            for size in [8, 16, 28, 32, 64, 128, 256, 512, 1024] {
                let image = ImageShape::new(channels, size);
                let found = translation_preset(name, image);
                let refused = match name {
                    "colourise" => channels != 3,
                    "inpaint" => channels == 4,
                    _ => false,
                };
                if refused {
                    let error = found.unwrap_err().to_string();
                    assert!(error.contains(name), "{error}");
                    continue;
                }
                let config = found.unwrap();
                assert_eq!((config.name(), config.image()), (name, image));
                assert_eq!(config.validate(), Ok(()), "{name} {image:?}");
            }
        }
    }
    let error = translation_preset("cyclegan", image()).unwrap_err();
    assert_eq!(error.field, "preset");
    assert_eq!(
        translation_preset("edges", ImageShape::new(3, 30))
            .unwrap_err()
            .field,
        "image.size"
    );
}

#[test]
fn every_preset_plays_draws_goes_on_and_comes_back_from_a_file() {
    for name in TRANSLATION_PRESETS {
        let config = config(name);
        let text = serde_json::to_string(&config).unwrap();
        let read: TranslationConfig = serde_json::from_str(&text).unwrap();
        assert_eq!(read, config);
        let play = |game: &mut Translation, rounds: core::ops::Range<u64>| {
            for round in rounds {
                let clock = Clock {
                    round,
                    images: 3 * round,
                    ..Clock::new(1)
                };
                let batch = config.batch(pictures(3, config.loaded_size()), None, &clock);
                for (scalar, value) in game.round(batch, &clock).read() {
                    assert!(value.is_finite(), "{name}: {scalar} is {value}");
                }
            }
        };
        let mut whole = config.init(1, &Device::flex()).unwrap();
        let before = whole.state();
        play(&mut whole, 0..2);
        let after = whole.state();
        for group in ["generator", "critic"] {
            for (path, old) in &before.groups[group] {
                assert_ne!(&after.groups[group][path], old, "{name}: {group} {path}");
            }
        }
        let mut second = config.init(2, &Device::flex()).unwrap();
        second.restore(&after).unwrap();
        play(&mut whole, 2..3);
        play(&mut second, 2..3);
        assert_eq!(second.state(), whole.state(), "{name}");

        let stream = &mut Stream::new(1, "samples", 0);
        let shown = pictures(4, config.loaded_size());
        let shown = config.fixed_rows(2, Some(shown), stream, &Device::flex());
        let request = SampleRequest {
            latents: shown.rows.clone().joined(),
            averaged: true,
        };
        let made = whole.sample(&request);
        assert_eq!(made.dims(), [4, 3, 16, 16], "{name}");
        let arranged = shown.arranged(made.clone(), 2);
        assert_eq!(arranged.dims(), [12, 3, 16, 16]);
        // Two rows of two: source, result, target.
        let [sources, targets] = shown.beside.unwrap();
        let at = |row: usize| arranged.clone().narrow(0, 2 * row, 2);
        assert_close(&at(0), &sources.narrow(0, 0, 2), 0.0);
        assert_close(&at(1), &made.clone().narrow(0, 0, 2), 0.0);
        assert_close(&at(4), &made.narrow(0, 2, 2), 0.0);
        assert_close(&at(5), &targets.narrow(0, 2, 2), 0.0);
    }
}

/// By hand for 32 pixels: the encoder 1-32-64-128-256-256, the decoder 256-256, 512-128, 256-64, 128-32, 64-3;
/// the critic 4-32-64-1.
#[test]
fn the_small_networks_have_their_sizes() {
    let config = translation_preset("colourise", ImageShape::new(3, 32)).unwrap();
    let down = 32 + 32 * 64 + 64 * 128 + 128 * 256 + 256 * 256;
    let up = 256 * 256 + 512 * 128 + 256 * 64 + 128 * 32 + 64 * 3;
    let norms = 2 * (64 + 128 + 256 + 256 + 128 + 64 + 32);
    let generator = 16 * (down + up) + norms + 32 + 256 + 3;
    let critic = 16 * (4 * 32 + 32 * 64 + 64) + 32 + 2 * 64 + 1;
    let game = config.init(1, &Device::flex()).unwrap();
    let expected = vec![("generator", generator), ("critic", critic)];
    assert_eq!(game.parameter_counts(), expected);
    let sizes = config.player_sizes(&Device::flex()).unwrap();
    assert_eq!(sizes.map(|size| size.parameters), [generator, critic]);
    assert_eq!(generator, 4_167_267);
}

/// The critic's are those of `the_critic_of_pix2pix_has_its_size` in gan-core.
#[test]
fn the_preset_pix2pix_is_the_papers() {
    let config = translation_preset("pix2pix", ImageShape::new(3, 256)).unwrap();
    let sizes = config.player_sizes(&Device::flex()).unwrap();
    assert_eq!(sizes[0].parameters, 54_414_531);
    assert_eq!(sizes[1].parameters, 2_768_705);
    assert_eq!(config.game, PairedConfig::pix2pix());
    assert_eq!((config.batch_size, config.generator.dropout), (1, 0.5));
    assert_eq!(config.loaded_size(), [256, 512]);
}

#[test]
fn grey_has_the_brightness_of_the_colours() {
    let colours = [
        [1.0, -1.0, -1.0],
        [-1.0, 1.0, -1.0],
        [-1.0, -1.0, 1.0],
        [0.5; 3],
    ];
    let values = colours.concat();
    let loaded = Tensor::<1>::from_floats(values.as_slice(), &Device::flex());
    let loaded = loaded.reshape([1, 1, 4, 3]).permute([0, 3, 1, 2]);
    let batch = pair(Task::Colourise, loaded.clone());
    let wanted = grey(&[&[2.0 * 0.299 - 1.0, 2.0 * 0.587 - 1.0, 2.0 * 0.114 - 1.0, 0.5]]);
    assert_close(&batch.sources, &wanted, 1e-6);
    assert_close(&batch.targets, &loaded, 0.0);
    // What is grey already stays.
    let again = Task::Colourise.source(batch.sources.clone().repeat_dim(1, 3), image());
    assert_close(&again, &batch.sources, 1e-6);
    let shown = Task::Colourise.shown(again, image());
    assert_eq!(shown.dims(), [1, 3, 1, 4]);
}

#[test]
fn a_hole_has_its_size_a_place_of_its_own_and_the_mean_of_the_rest() {
    let task = Task::Inpaint { hole: 0.5 };
    let loaded = pictures(20, [16, 16]);
    let batch = pair(task, loaded.clone());
    assert_eq!(batch.sources.dims(), [20, 4, 16, 16]);
    let (filled, hole) = (
        batch.sources.clone().narrow(1, 0, 3),
        batch.sources.clone().narrow(1, 3, 1),
    );
    let holes: Vec<Vec<f32>> = values(&hole).chunks(256).map(<[f32]>::to_vec).collect();
    for hole in &holes {
        assert_eq!(hole.iter().filter(|x| **x == 1.0).count(), 64);
        assert_eq!(hole.iter().filter(|x| **x == -1.0).count(), 192);
    }
    assert!(holes.iter().any(|hole| *hole != holes[0]));
    // Outside it is the picture, inside one colour: the mean of the outside.
    let inside = hole.greater_elem(0.0).float();
    let outside: Tensor<4> = 1.0 - inside.clone();
    let difference = (filled.clone() - loaded.clone()) * outside.clone();
    assert_eq!(difference.abs().max().into_scalar::<f32>(), 0.0);
    let sum = (loaded.clone() * outside.clone()).sum_dim(2).sum_dim(3) / 192.0;
    let found = (filled * inside.clone()).sum_dim(2).sum_dim(3) / 64.0;
    assert_close(&found, &sum, 1e-5);
    // A result is put into the hole only.
    let made = Tensor::ones([20, 3, 16, 16], &Device::flex());
    let finished = task.finished(batch.sources.clone(), made);
    let wanted = loaded.clone() * outside + inside.clone();
    assert_close(&finished, &wanted, 1e-6);
    // Transparent pixels say where a hole is.
    let alpha: Tensor<4> = 1.0 - inside * 2.0;
    let given = Tensor::cat(vec![loaded, alpha], 1);
    assert_close(&task.source(given, image()), &batch.sources, 1e-6);
}

#[test]
fn a_place_of_a_hole_comes_from_the_clock() {
    let config = config("inpaint");
    let source = |round| {
        let clock = Clock {
            round,
            ..Clock::new(1)
        };
        let batch = config.batch(pictures(3, [16, 16]), None, &clock);
        values(&batch.sources)
    };
    assert_eq!(source(4), source(4));
    assert_ne!(source(4), source(5));
}

#[test]
fn small_pictures_are_means_and_come_back_smooth() {
    let task = Task::SuperResolve { factor: 2 };
    let loaded = pictures(2, [16, 16]);
    let batch = pair(task, loaded.clone());
    assert_eq!(batch.sources.dims(), [2, 3, 16, 16]);
    let small = loaded.reshape([2, 3, 8, 2, 8, 2]).mean_dim(3).mean_dim(5);
    let small = small.reshape([2, 3, 8, 8]);
    assert_eq!(task.given_size(image()), 8);
    assert_close(&task.source(small, image()), &batch.sources, 1e-6);
    // What is one colour stays so.
    let flat = Tensor::full([1, 3, 16, 16], 0.3, &Device::flex());
    assert_close(&pair(task, flat.clone()).sources, &flat, 1e-5);
    // What is a slope stays one, away from the border; the kernel (a = −0.75) is off by a twentieth of the
    // step between two small pixels.
    let slope = Tensor::<1, Int>::arange(0..16, &Device::flex()).float() / 16.0;
    let slope = slope
        .reshape([1, 1, 1, 16])
        .repeat_dim(1, 3)
        .repeat_dim(2, 16);
    let inside = |x: Tensor<4>| x.narrow(3, 6, 4);
    assert_close(
        &inside(pair(task, slope.clone()).sources),
        &inside(slope),
        1e-2,
    );
}

/// A step from black to white is a change over two pixels: half of the gradient that four pixels would ask
/// for, so with a gain of 1 half as dark.
#[test]
fn lines_are_where_brightness_changes() {
    let row: &[f32] = &[-1.0, -1.0, -1.0, 1.0, 1.0, 1.0];
    let step = grey(&[row; 4]);
    let lines = pair(Task::Edges { gain: 4.0 }, step.clone()).sources;
    let wanted: &[f32] = &[1.0, 1.0, -1.0, -1.0, 1.0, 1.0];
    assert_close(&lines, &grey(&[wanted; 4]), 1e-6);
    let faint = pair(Task::Edges { gain: 1.0 }, step.clone()).sources;
    let wanted: &[f32] = &[1.0, 1.0, 0.0, 0.0, 1.0, 1.0];
    assert_close(&faint, &grey(&[wanted; 4]), 1e-6);
    let turned = pair(Task::Edges { gain: 4.0 }, step.permute([0, 1, 3, 2])).sources;
    assert_close(&turned, &lines.clone().permute([0, 1, 3, 2]), 1e-6);
    // A drawing is a source as it is.
    let task = Task::Edges { gain: 4.0 };
    assert_close(&task.source(lines.clone(), image()), &lines, 0.0);
}

#[test]
fn halves_are_source_and_target() {
    let [left, right] = [0.25, -0.5].map(|x| Tensor::full([2, 3, 16, 16], x, &Device::flex()));
    let both = Tensor::cat(vec![left.clone(), right.clone()], 3);
    for (direction, source, target) in [
        (Direction::AToB, &left, &right),
        (Direction::BToA, &right, &left),
    ] {
        let batch = pair(Task::SideBySide { direction }, both.clone());
        assert_close(&batch.sources, source, 0.0);
        assert_close(&batch.targets, target, 0.0);
    }
}

#[test]
fn rows_have_the_noise_of_their_seeds_and_their_sources() {
    let config = config("super-resolve");
    let sources = pictures(3, [16, 16]);
    let rows = config.rows_of(sources.clone(), &[5, 6, 7]);
    let alone = config.rows_of(sources.clone().narrow(0, 2, 1), &[7]);
    assert_close(&rows.latents.clone().narrow(0, 2, 1), &alone.latents, 0.0);
    let row = rows.joined();
    let size = config.generator.noise_size();
    assert_eq!(row.dims(), [3, size + 3 * 256]);
    assert_close(&row.narrow(1, size, 768), &sources.flatten(1, 3), 0.0);
}

#[test]
fn bad_configurations_are_refused_by_name() {
    let refused = |name: &str, change: &dyn Fn(&mut TranslationConfig)| {
        let mut bad = config(name);
        change(&mut bad);
        let error = bad.validate().unwrap_err();
        assert_eq!(bad.init(1, &Device::flex()).unwrap_err(), error);
        error.field
    };
    let task = |task: Task| refused("pix2pix", &move |c| c.task = task);
    assert_eq!(task(Task::Inpaint { hole: 0.0 }), "task.hole");
    assert_eq!(task(Task::Inpaint { hole: 1.0 }), "task.hole");
    assert_eq!(task(Task::Inpaint { hole: f64::NAN }), "task.hole");
    assert_eq!(task(Task::SuperResolve { factor: 3 }), "task.factor");
    assert_eq!(task(Task::Edges { gain: 0.0 }), "task.gain");
    // It is grey, and the networks take three channels.
    assert_eq!(task(Task::Colourise), "generator.in_channels");
    let other = |c: &mut TranslationConfig| c.critic.in_channels = 3;
    assert_eq!(refused("edges", &other), "critic.in_channels");
    let many = |c: &mut TranslationConfig| c.critic.widths = vec![4; 5];
    assert_eq!(refused("edges", &many), "critic.widths");
    let wide = |c: &mut TranslationConfig| c.generator.widths = vec![4; 5];
    assert_eq!(refused("edges", &wide), "generator.widths");
    let weight = |c: &mut TranslationConfig| c.game.reconstruction_weight = -1.0;
    assert_eq!(refused("edges", &weight), "game.reconstruction_weight");
    assert_eq!(refused("edges", &|c| c.batch_size = 0), "batch_size");
    assert_eq!(refused("edges", &|c| c.total_kimg = -1.0), "total_kimg");
    let alone = |c: &mut TranslationConfig| {
        c.generator.norm = Norm::batch();
        c.batch_size = 1;
    };
    assert_eq!(refused("edges", &alone), "batch_size");
    // At 28 pixels a factor of 8 leaves no whole pixels.
    let mut digits = translation_preset("super-resolve", ImageShape::new(1, 28)).unwrap();
    digits.task = Task::SuperResolve { factor: 8 };
    assert_eq!(digits.validate().unwrap_err().field, "task.factor");
}
