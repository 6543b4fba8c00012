use super::*;
use crate::source::synthetic::SyntheticDigitsConfig;
use crate::source::{Mnist, Split};
use crate::transform::Crop;
use crate::{ChannelMode, Picture};
use burn::data::dataloader::DataLoaderBuilder;
use burn::data::dataset::Dataset;

/// One-pixel-high pictures that show their own index; some are broken, odd or slow.
#[derive(Default)]
struct Counting {
    count: usize,
    broken: Option<usize>,
    odd: Option<(usize, usize, usize)>,
    panics: Option<usize>,
    labels: bool,
}

impl Dataset<Picture, DataError> for Counting {
    fn get(&self, index: usize) -> Result<Picture, DataError> {
        assert_ne!(self.panics, Some(index), "a bug in the data set");
        if self.broken == Some(index) {
            return Err(DataError::damaged(format!("{index}.png"), "is cut off"));
        }
        let (width, channels) = match self.odd {
            Some((odd, width, channels)) if odd == index => (width, channels),
            _ => (2, 1),
        };
        let pixels = vec![index as u8; width * channels];
        let label = self.labels.then_some(index % 3);
        Ok(Picture {
            width,
            height: 1,
            channels,
            pixels,
            label,
            caption: None,
        })
    }

    fn len(&self) -> usize {
        self.count
    }
}

impl Pictures for Counting {
    fn name(&self) -> String {
        "counting".to_string()
    }

    fn class_names(&self) -> Option<Vec<String>> {
        None
    }

    fn label(&self, index: usize) -> Option<usize> {
        self.labels.then_some(index % 3)
    }

    fn fingerprint(&self) -> String {
        String::new()
    }
}

fn counting(count: usize) -> Counting {
    Counting {
        count,
        ..Counting::default()
    }
}

fn loader(data: Counting, config: LoaderConfig) -> Loader {
    Loader::new(Arc::new(data), config, &Device::flex()).unwrap()
}

/// The indices of the pictures in a batch of [`Counting`].
fn indices(batch: &Batch) -> Vec<usize> {
    let values: Vec<f32> = batch.images.clone().into_data().try_to_vec().unwrap();
    values
        .iter()
        .step_by(2)
        .map(|value| usize::from(batch.range.decode(*value)))
        .collect()
}

fn take(loader: Loader, count: usize) -> Vec<Vec<usize>> {
    loader
        .take(count)
        .map(|batch| indices(&batch.unwrap()))
        .collect()
}

#[test]
fn an_epoch_is_a_permutation_and_the_next_one_is_another() {
    for shuffle in [true, false] {
        let config = LoaderConfig::new(5)
            .with_shuffle(shuffle)
            .with_workers(Some(0));
        let batches = take(loader(counting(20), config), 8);
        let (first, second) = (batches[..4].concat(), batches[4..].concat());
        for epoch in [&first, &second] {
            let mut sorted = epoch.clone();
            sorted.sort_unstable();
            assert_eq!(sorted, (0..20).collect::<Vec<_>>());
        }
        assert_eq!(first == second, !shuffle);
        assert_eq!(first == (0..20).collect::<Vec<_>>(), !shuffle);
    }
}

#[test]
fn every_order_is_about_equally_likely() {
    // 6 orders of 3 pictures in 6000 epochs: 1000 each, standard deviation 29
    let plan = Plan::new(Arc::new(counting(3)), LoaderConfig::new(1)).unwrap();
    let mut counts = std::collections::BTreeMap::new();
    for epoch in 0..6000 {
        *counts.entry(plan.order(epoch).to_vec()).or_insert(0) += 1;
    }
    assert_eq!(counts.len(), 6);
    assert!(
        counts.values().all(|count| (860..1140).contains(count)),
        "{counts:?}"
    );
}

#[test]
fn batches_are_the_same_whatever_the_workers() {
    let config = LoaderConfig::new(3).with_seed(9).with_drop_last(false);
    let expected = take(
        loader(counting(10), config.clone().with_workers(Some(0))),
        30,
    );
    for workers in [1, 2, 3, 5] {
        for prefetch in [0, 1, 7] {
            let config = config
                .clone()
                .with_workers(Some(workers))
                .with_prefetch(prefetch);
            assert_eq!(take(loader(counting(10), config), 30), expected);
        }
    }
    let other = take(loader(counting(10), config.with_seed(10)), 30);
    assert_ne!(other, expected);
}

#[test]
fn a_resumed_loader_goes_on_like_an_uninterrupted_one() {
    for workers in [0, 2] {
        let config = LoaderConfig::new(3).with_workers(Some(workers));
        let all = take(loader(counting(10), config.clone()), 20);
        for start in [0, 1, 3, 7, 12] {
            let resumed = loader(counting(10), config.clone()).start_at(start);
            assert_eq!(resumed.position(), start);
            assert_eq!(take(resumed, 20 - start as usize), all[start as usize..]);
        }
        // back to a checkpoint, and one batch out of turn
        let mut back = loader(counting(10), config.clone());
        back.by_ref().take(6).for_each(drop);
        back.seek(2);
        assert_eq!(indices(&back.batch(11).unwrap()), all[11]);
        assert_eq!(take(back, 3), all[2..5]);
    }
}

#[test]
fn far_away_batches_exist() {
    let config = LoaderConfig::new(3).with_workers(Some(0));
    let batch = loader(counting(10), config).batch(u64::MAX).unwrap();
    assert_eq!(indices(&batch).len(), 3);
}

#[test]
fn the_last_batch_is_dropped_or_short() {
    let config = LoaderConfig::new(4).with_workers(Some(0));
    let sizes = |drop_last| -> Vec<usize> {
        let loader = loader(counting(10), config.clone().with_drop_last(drop_last));
        assert_eq!(loader.batches_per_epoch(), if drop_last { 2 } else { 3 });
        take(loader, 6).iter().map(Vec::len).collect()
    };
    assert_eq!(sizes(true), [4; 6]);
    assert_eq!(sizes(false), [4, 4, 2, 4, 4, 2]);
    let whole = LoaderConfig::new(64).with_drop_last(false);
    assert_eq!(take(loader(counting(10), whole), 2).concat().len(), 20);
}

#[test]
fn pixels_and_labels_of_real_pictures_arrive_in_the_asked_range() {
    let data = SyntheticDigitsConfig::new()
        .with_colour(true)
        .with_count(64)
        .init()
        .unwrap();
    for range in [PixelRange::Unit, PixelRange::Signed] {
        let config = LoaderConfig::new(4).with_shuffle(false).with_range(range);
        let loader = Loader::new(Arc::new(data.clone()), config, &Device::flex()).unwrap();
        assert_eq!(loader.picture_shape(), [3, 28, 28]);
        let batch = loader.batch(1).unwrap();
        assert_eq!((batch.images.dims(), batch.range), ([4, 3, 28, 28], range));
        let labels: Vec<i64> = batch
            .labels
            .unwrap()
            .into_data()
            .convert::<i64>()
            .try_to_vec()
            .unwrap();
        let values: Vec<f32> = batch.images.into_data().try_to_vec().unwrap();
        for item in 0..4 {
            let picture = data.get(4 + item).unwrap();
            assert_eq!(Some(labels[item] as usize), picture.label);
            for position in 0..3 * 784 {
                let (channel, pixel) = (position / 784, position % 784);
                let expected = range.encode(picture.pixels[pixel * 3 + channel]);
                assert_eq!(values[item * 3 * 784 + position], expected);
            }
        }
    }
}

#[test]
fn batches_are_on_the_device_that_was_handed_in() {
    let device = Device::flex().autodiff();
    let config = LoaderConfig::new(4);
    let data = Counting {
        labels: true,
        ..counting(8)
    };
    let batch = Loader::new(Arc::new(data), config, &device)
        .unwrap()
        .next()
        .unwrap()
        .unwrap();
    assert_eq!(batch.images.device(), device);
    assert_eq!(batch.labels.unwrap().device(), device);
    let weight = Tensor::<4>::ones([1, 1, 1, 1], &device).require_grad();
    let gradients = (batch.images * weight.clone()).sum().backward();
    assert!(weight.grad(&gradients).is_some());
}

#[test]
fn a_broken_picture_gives_one_error_at_its_place() {
    for workers in [0, 1, 3] {
        let data = Counting {
            broken: Some(5),
            ..counting(12)
        };
        let config = LoaderConfig::new(2)
            .with_shuffle(false)
            .with_workers(Some(workers));
        let results: Vec<_> = loader(data, config).take(8).collect();
        for (number, result) in results.iter().enumerate() {
            match result {
                Ok(batch) => assert_eq!(indices(batch)[0], number % 6 * 2),
                Err(error) => {
                    assert_eq!(number, 2);
                    assert_eq!(error.to_string(), "5.png: is cut off");
                }
            }
        }
        assert_eq!(results.iter().filter(|result| result.is_err()).count(), 1);
    }
}

#[test]
fn a_broken_first_picture_is_found_at_once() {
    let data = Counting {
        broken: Some(0),
        ..counting(12)
    };
    let error = Loader::new(Arc::new(data), LoaderConfig::new(2), &Device::flex()).unwrap_err();
    assert_eq!(error.to_string(), "0.png: is cut off");
}

#[test]
#[should_panic(expected = "a bug in the data set")]
fn a_panic_of_a_worker_is_handed_on() {
    let data = Counting {
        panics: Some(5),
        ..counting(12)
    };
    let config = LoaderConfig::new(2)
        .with_shuffle(false)
        .with_workers(Some(2));
    loader(data, config).take(6).for_each(drop);
}

#[test]
fn threads_end_with_the_loader() {
    let data = Arc::new(counting(12));
    let config = LoaderConfig::new(2).with_workers(Some(3)).with_prefetch(2);
    let mut loader = Loader::new(data.clone(), config, &Device::flex()).unwrap();
    loader.next().unwrap().unwrap();
    drop(loader);
    // the threads hold the data set as long as they live
    assert_eq!(Arc::strong_count(&data), 1);
}

#[test]
fn decoding_ahead_is_bounded() {
    struct Counted(Counting, std::sync::atomic::AtomicUsize);
    impl Dataset<Picture, DataError> for Counted {
        fn get(&self, index: usize) -> Result<Picture, DataError> {
            self.1.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            self.0.get(index)
        }

        fn len(&self) -> usize {
            self.0.len()
        }
    }
    impl Pictures for Counted {
        fn name(&self) -> String {
            self.0.name()
        }

        fn class_names(&self) -> Option<Vec<String>> {
            None
        }

        fn label(&self, _: usize) -> Option<usize> {
            None
        }

        fn fingerprint(&self) -> String {
            String::new()
        }
    }
    let data = Arc::new(Counted(counting(200), 0.into()));
    let config = LoaderConfig::new(1).with_workers(Some(2)).with_prefetch(6);
    let mut loader = Loader::new(data.clone(), config, &Device::flex()).unwrap();
    loader.next().unwrap().unwrap();
    std::thread::sleep(Duration::from_millis(200));
    // one to check the data, one delivered, six waiting, one in the hands of each worker
    let reads = data.1.load(std::sync::atomic::Ordering::SeqCst);
    assert!((8..=10).contains(&reads), "{reads} pictures were read");
}

#[test]
fn pictures_of_another_size_are_named_and_size_helps() {
    let config = LoaderConfig::new(4)
        .with_shuffle(false)
        .with_workers(Some(0));
    let odd = |width, channels| Counting {
        odd: Some((6, width, channels)),
        ..counting(12)
    };
    let message = loader(odd(3, 1), config.clone())
        .batch(1)
        .unwrap_err()
        .to_string();
    assert_eq!(
        message,
        "size: picture 6 of counting is 3 x 1 pixels with 1 channels, but picture 0 is 2 x 1 \
         pixels with 1 channels; set size, so that all become one size"
    );
    let message = loader(odd(2, 3), config.clone())
        .batch(1)
        .unwrap_err()
        .to_string();
    assert!(
        message.starts_with("channels: picture 6 of counting"),
        "{message}"
    );

    let transform = TransformConfig::new()
        .with_size(Some([1, 2]))
        .with_crop(Crop::Centre);
    let resized = loader(odd(3, 1), config.with_transform(transform));
    assert_eq!(indices(&resized.batch(1).unwrap()), [4, 5, 6, 7]);
}

#[test]
fn random_transforms_do_not_depend_on_the_workers() {
    let transform = TransformConfig::new()
        .with_size(Some([16, 16]))
        .with_crop(Crop::Random { min_scale: 0.7 })
        .with_flip_probability(0.5);
    let values = |workers| -> Vec<Vec<f32>> {
        let data = SyntheticDigitsConfig::new().with_count(40).init().unwrap();
        let config = LoaderConfig::new(8)
            .with_workers(Some(workers))
            .with_transform(transform.clone());
        let loader = Loader::new(Arc::new(data), config, &Device::flex()).unwrap();
        let batches = loader
            .take(10)
            .map(|batch| batch.unwrap().images.into_data());
        batches.map(|data| data.try_to_vec().unwrap()).collect()
    };
    assert_eq!(values(0), values(3));
}

#[test]
fn bad_configurations_say_what_to_do() {
    let bad = TransformConfig::new().with_flip_probability(2.0);
    for (count, config, start) in [
        (9, LoaderConfig::new(0), "batch_size: 0 is not allowed"),
        (0, LoaderConfig::new(1), "data: counting has no pictures"),
        (
            9,
            LoaderConfig::new(10),
            "batch_size: 10 is more than there are pictures in counting, 9; use",
        ),
        (
            9,
            LoaderConfig::new(1).with_workers(Some(1000)),
            "workers: 1000 is not allowed",
        ),
        (
            9,
            LoaderConfig::new(1).with_transform(bad),
            "flip_probability: 2",
        ),
    ] {
        let error = Loader::new(Arc::new(counting(count)), config, &Device::flex()).unwrap_err();
        assert!(error.to_string().starts_with(start), "{error}");
    }
}

#[test]
fn cheap_pictures_need_no_thread() {
    let automatic = loader(counting(9), LoaderConfig::new(3));
    assert_eq!(automatic.workers(), 0);
}

#[test]
fn the_same_data_set_works_with_the_loader_of_burn() {
    let data: Arc<dyn Pictures> =
        Arc::new(SyntheticDigitsConfig::new().with_count(50).init().unwrap());
    let theirs = DataLoaderBuilder::new(PictureBatcher {
        range: PixelRange::Signed,
    })
    .batch_size(20)
    .num_workers(2)
    .set_device(Device::flex())
    .build(BurnPictures(data.clone()));
    let batches: Vec<Batch> = theirs.iter().map(|batch| batch.unwrap()).collect();
    let mut sizes: Vec<usize> = batches.iter().map(|batch| batch.images.dims()[0]).collect();
    sizes.sort_unstable();
    assert_eq!(sizes.iter().sum::<usize>(), 50);
    assert_eq!(batches[0].images.dims()[1..], [1, 28, 28]);
    assert!(batches.iter().all(|batch| batch.labels.is_some()));

    // the pixels are those of our own loader
    let config = LoaderConfig::new(20).with_shuffle(false);
    let ours = Loader::new(data.clone(), config, &Device::flex())
        .unwrap()
        .batch(0)
        .unwrap();
    let items = (0..20).map(|index| data.get(index).unwrap()).collect();
    let batcher = PictureBatcher {
        range: PixelRange::Signed,
    };
    use burn::data::dataloader::batcher::Batcher;
    let theirs = batcher.batch(items, &Device::flex());
    theirs
        .images
        .into_data()
        .assert_eq(&ours.images.into_data(), true);
}

#[test]
#[should_panic(expected = "pictures of different shapes")]
fn the_batcher_for_burn_refuses_mixed_sizes() {
    use burn::data::dataloader::batcher::Batcher;
    let data = Counting {
        odd: Some((1, 3, 1)),
        ..counting(2)
    };
    let items = vec![data.get(0).unwrap(), data.get(1).unwrap()];
    PictureBatcher::default().batch(items, &Device::flex());
}

#[test]
fn real_mnist_is_read_without_threads() {
    let Some(folder) = std::env::var_os("GAN_DATA_DIR").map(std::path::PathBuf::from) else {
        println!("GAN_DATA_DIR is not set: the loader was tested with synthetic digits only");
        return;
    };
    let folder = folder.join("mnist");
    let data = Mnist::open(&folder, Split::Train, ChannelMode::Keep).unwrap();
    let data = Arc::new(data);
    let mut loader = Loader::new(data, LoaderConfig::new(64), &Device::flex()).unwrap();
    assert_eq!((loader.workers(), loader.batches_per_epoch()), (0, 937));
    assert_eq!(loader.picture_shape(), [1, 28, 28]);
    let start = Instant::now();
    let mut sum = 0.0;
    for batch in loader.by_ref().take(937) {
        sum += batch.unwrap().images.mean().into_scalar::<f32>();
    }
    let seconds = start.elapsed().as_secs_f64();
    println!(
        "one epoch in {seconds:.2} s, {:.0} pictures/s",
        60_000.0 / seconds
    );
    // mean 0.1307 in [0, 1] is -0.7386 in [-1, 1]
    assert!((sum / 937.0 + 0.7386).abs() < 0.001, "mean {}", sum / 937.0);
}
