//! The network that reads codes.

use std::cmp::Ordering;

use burn::module::{Module, RunningState};
use burn::prelude::*;
use burn::tensor::activation;
use gan_core::augment::TiltConfig;
use gan_core::dual::Forward;
use gan_core::error::ConfigError;
use gan_core::loss::{contrastive_loss, shared_information_loss};
use gan_core::nn::{
    Activation, ConvCritic, ConvCriticConfig, ImageShape, LabelHead, Linear, LinearConfig, Norm,
    NormActivation, one_hot,
};
use gan_core::rng::Stream;
use serde::{Deserialize, Serialize};

/// Configuration to create a [`Reader`] using the [init function](ReaderConfig::init).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReaderConfig {
    /// Sees pictures; its halvings end in the features in place of a score.
    pub network: ConvCriticConfig,
    /// Length of the features that readings are made of, 1 or more.
    pub features: usize,
    /// Choices that are found in real pictures, as many as the code has or more. Those alike are then
    /// merged into the code's.
    pub fine_choices: usize,
    /// Weight of the shared information of two tilted views of real pictures, 0 or more.
    pub weight: f64,
    /// Weight of telling each real picture from the others by its other view, 0 or more, until choices are
    /// merged.
    pub contrast: f64,
    /// What the cosine of two views is divided by there, above 0.
    pub temperature: f64,
    /// Critic steps, 1 or more, until the fine choices are merged, for good, and the categorical code
    /// begins to count.
    pub merge_after: usize,
    /// How much the first view is tilted.
    pub first: TiltConfig,
    /// How much the second view is tilted.
    pub second: TiltConfig,
}

impl ReaderConfig {
    /// Says what is wrong, for pictures of this shape and a head.
    ///
    /// # Errors
    ///
    /// If a part is not valid, sees other pictures, or the head reads no categorical code.
    pub fn validate(&self, image: ImageShape, head: &LabelHead) -> Result<(), ConfigError> {
        self.network.validate().map_err(|e| e.within("network"))?;
        if self.network.image != image {
            let value = format!("{:?}", self.network.image);
            let allowed = format!("{image:?}, what the critic judges");
            return Err(ConfigError::new("network.image", value, allowed));
        }
        let LabelHead::Information {
            categories: categories @ 2..,
            ..
        } = *head
        else {
            let allowed = "left out, or the head must be `information` with 2 categories or more";
            return Err(ConfigError::new("network", "set", allowed));
        };
        for (field, size, least) in [
            ("features", self.features, 1),
            ("fine_choices", self.fine_choices, categories),
            ("merge_after", self.merge_after, 1),
        ] {
            if size < least {
                return Err(ConfigError::new(field, size, format!("{least} or more")));
            }
        }
        for (field, value, least) in [
            ("weight", self.weight, 0.0),
            ("contrast", self.contrast, 0.0),
            ("temperature", self.temperature, f64::MIN_POSITIVE),
        ] {
            if !(value >= least && value.is_finite()) {
                let allowed = match least {
                    0.0 => "a finite number, 0 or more",
                    _ => "a finite number above 0",
                };
                return Err(ConfigError::new(field, value, allowed));
            }
        }
        self.first.validate().map_err(|e| e.within("first"))?;
        self.second.validate().map_err(|e| e.within("second"))
    }

    /// Draws the parameters, for a code of `categories` choices.
    ///
    /// # Panics
    ///
    /// Panics if the configuration is not valid.
    pub fn init(&self, categories: usize, stream: &mut Stream, device: &Device) -> Reader {
        let initializer = self.network.initializer;
        let (norm, relu) = (Norm::batch(), Activation::Relu);
        let fine = self.fine_choices;
        Reader {
            after: NormActivation::new(self.features, norm, relu, initializer, stream, device),
            network: self.network.init_encoder(self.features, stream, device),
            choices: LinearConfig::new(self.features, fine)
                .with_initializer(initializer)
                .init(stream, device),
            pairs: RunningState::new(Tensor::zeros([fine, fine], device)),
            groups: RunningState::new(Tensor::zeros([fine, categories], device)),
            steps: RunningState::new(Tensor::zeros([1], device)),
            config: self.clone(),
        }
    }
}

/// A network of its own for the categorical code of InfoGAN, which learns from real pictures: what it reads
/// in one shall survive a tilt, and differ between pictures
/// ([Invariant Information Clustering](https://arxiv.org/abs/1807.06653)). So the choices of the code come
/// to mean what a tilt does not change.
///
/// Ten choices often end in a bad optimum, two kinds of pictures in one choice and one kind in two. So it
/// finds more of them first, and merges those that two views of a picture are most often read as: those whose
/// merging loses least of the information that the views share.
///
/// Should be created using [`ReaderConfig`].
#[derive(Module, Debug)]
pub struct Reader {
    /// Picture to features.
    pub network: ConvCritic,
    /// What follows them.
    pub after: NormActivation,
    /// Features to the fine choices.
    pub choices: Linear,
    /// Moving mean of how often two views are read as each pair of fine choices, up to a factor.
    pub pairs: RunningState<Tensor<2>>,
    /// 1 where a fine choice, the row, means a choice of the code, the column. All 0 until they are merged.
    pub groups: RunningState<Tensor<2>>,
    /// Critic steps so far, until choices are merged.
    pub steps: RunningState<Tensor<1>>,
    /// How it learns.
    #[module(skip)]
    pub config: ReaderConfig,
}

/// Share of the newest pictures in the moving mean.
const MOMENTUM: f64 = 0.02;
/// Added to the probability of a choice before the logarithm.
const EPSILON: f64 = 1e-8;

impl Reader {
    /// Features `[batch, features]` of pictures.
    pub fn features(&self, pictures: Tensor<4>) -> Tensor<2> {
        self.after.apply(self.network.apply(pictures.into())).primal
    }

    /// The code `[batch, width]` of pictures, where a head read `own`: the categorical logits are this
    /// reader's, all alike until choices are merged. They teach it nothing; what choices mean is learnt
    /// from real pictures alone. A reader that learnt it from generated ones would agree with the generator
    /// on any small mark.
    pub fn code(&self, pictures: Tensor<4>, own: Tensor<2>) -> Tensor<2> {
        let frozen = self.clone().no_grad();
        let code = frozen.merged(frozen.fine(pictures));
        let [width, categories] = [&own, &code].map(|x| x.dims()[1]);
        Tensor::cat(vec![code, own.narrow(1, categories, width - categories)], 1)
    }

    /// Probabilities of the fine choices.
    fn fine(&self, pictures: Tensor<4>) -> Tensor<2> {
        activation::softmax(self.choices.forward(self.features(pictures)), 1)
    }

    /// Logits of the choices of the code.
    fn merged(&self, fine: Tensor<2>) -> Tensor<2> {
        let groups = self.groups.value_sync().to_device(&fine.device());
        (fine.matmul(groups) + EPSILON).log()
    }

    /// Whether the fine choices have been merged.
    fn is_merged(&self) -> bool {
        self.steps.value_sync().into_scalar::<f32>() >= self.config.merge_after as f32
    }

    /// Minus the shared information of two views of real pictures, of the fine choices and of the merged
    /// ones. Until they are merged, also how badly the features tell pictures apart: without it some
    /// features know the slant and not the digit, with it for good they know single pictures too well.
    pub fn loss(&self, real: &Tensor<4>, stream: &mut Stream) -> Tensor<1> {
        let (shape, device) = (real.dims(), real.device());
        let views = [self.config.first, self.config.second].map(|tilt| {
            let warp = tilt.draw(shape, stream, &device);
            warp.apply(real.clone().into()).primal
        });
        let features = self.features(Tensor::cat(views.into(), 0));
        let logits = self.choices.forward(features.clone());
        let fine = activation::softmax(logits.clone(), 1);
        let view = |x: &Tensor<2>, index| x.clone().narrow(0, index * shape[0], shape[0]);
        let shared = |x: Tensor<2>| shared_information_loss(view(&x, 0), view(&x, 1));
        let information = shared(logits) + shared(self.merged(fine.clone()));
        let loss = information * self.config.weight;
        if self.is_merged() {
            return loss;
        }
        self.remember(view(&fine, 0), view(&fine, 1));
        let temperature = self.config.temperature;
        let apart = contrastive_loss(view(&features, 0), view(&features, 1), temperature);
        loss + apart * self.config.contrast
    }

    /// The mean follows the pairs of choices; after the last of these steps they are merged.
    fn remember(&self, first: Tensor<2>, second: Tensor<2>) {
        let old = self.pairs.value_sync();
        let pairs = first.transpose().matmul(second);
        let pairs = (pairs.clone() + pairs.transpose()).detach();
        let pairs = old.clone() + (pairs - old) * MOMENTUM;
        self.pairs.update(pairs.clone().detach());
        self.steps.update((self.steps.value_sync() + 1.0).detach());
        if self.is_merged() {
            let groups = self.groups.value_sync();
            let ([fine, categories], device) = (groups.dims(), groups.device());
            let merged = TensorData::new(merge(values(pairs), categories), [fine]);
            let merged = Tensor::<1, Int>::from_data(merged, &device);
            self.groups.update(one_hot(merged, categories).detach());
        }
    }
}

/// Rows of a square matrix.
fn values(pairs: Tensor<2>) -> Vec<Vec<f64>> {
    let [size, _] = pairs.dims();
    let values: Vec<f64> = pairs.into_data().iter::<f64>().collect();
    values.chunks(size).map(<[f64]>::to_vec).collect()
}

/// The group of each choice, after merging two by two those that lose least shared information; `pairs`
/// says how often, up to a factor, two views of a picture are read as two choices.
fn merge(mut pairs: Vec<Vec<f64>>, groups: usize) -> Vec<i64> {
    let mut group_of: Vec<i64> = (0..pairs.len() as i64).collect();
    while pairs.len() > groups {
        let count = pairs.len();
        let all = (0..count).flat_map(|low| (low + 1..count).map(move |high| (low, high)));
        let information = |(low, high)| shared_information(&joined(&pairs, low, high));
        let scored = all.map(|pair| (information(pair), pair));
        let best = scored.max_by(|a, b| a.0.total_cmp(&b.0));
        let (_, (low, high)) = best.expect("there are two choices or more");
        pairs = joined(&pairs, low, high);
        for group in &mut group_of {
            match (*group as usize).cmp(&high) {
                Ordering::Less => {}
                Ordering::Equal => *group = low as i64,
                Ordering::Greater => *group -= 1,
            }
        }
    }
    group_of
}

/// The pairs after choice `high` became `low`.
fn joined(pairs: &[Vec<f64>], low: usize, high: usize) -> Vec<Vec<f64>> {
    let join = |row: &[f64]| {
        let mut row = row.to_vec();
        row[low] += row[high];
        row.remove(high);
        row
    };
    let mut rows: Vec<Vec<f64>> = pairs.iter().map(|row| join(row)).collect();
    let gone = rows.remove(high);
    rows[low].iter_mut().zip(gone).for_each(|(a, b)| *a += b);
    rows
}

/// Mutual information of rows and columns in nats.
fn shared_information(pairs: &[Vec<f64>]) -> f64 {
    let sums: Vec<f64> = pairs.iter().map(|row| row.iter().sum()).collect();
    let total: f64 = sums.iter().sum();
    let cell = |row: usize, column: usize| {
        let joint = pairs[row][column];
        if joint > 0.0 {
            joint / total * (joint * total / (sums[row] * sums[column])).ln()
        } else {
            0.0
        }
    };
    let places = 0..pairs.len();
    let row = |row| places.clone().map(|column| cell(row, column)).sum::<f64>();
    places.clone().map(row).sum()
}

#[cfg(test)]
mod tests {
    use gan_core::game::Player;
    use gan_core::optim::OptimizerConfig;
    use gan_core::testing::assert_close;

    use super::*;

    const CHOICES: usize = 3;

    fn device() -> Device {
        Device::flex().autodiff()
    }

    fn config() -> ReaderConfig {
        let tilt = TiltConfig {
            rotation: 0.2,
            stretch: 0.1,
            shear: 0.1,
            shift: 0.05,
        };
        ReaderConfig {
            network: ConvCriticConfig::dcgan(ImageShape::new(1, 8), [4]),
            features: 6,
            fine_choices: 4,
            weight: 1.0,
            contrast: 1.0,
            temperature: 0.3,
            merge_after: 2,
            first: tilt.times(0.5),
            second: tilt,
        }
    }

    fn reader() -> Reader {
        config().init(CHOICES, &mut Stream::new(1, "reader", 0), &device())
    }

    fn pictures() -> Tensor<4> {
        Stream::new(1, "x", 0).normal([8, 1, 8, 8], &device())
    }

    #[test]
    fn choices_are_merged_once_and_nothing_is_read_before() {
        let reader = reader();
        let own: Tensor<2> = Stream::new(2, "own", 0).normal([8, CHOICES + 2], &device());
        let code = || reader.code(pictures(), own.clone());
        let stream = &mut Stream::new(1, "tilt", 0);
        for _ in 0..2 {
            let choice = activation::softmax(code().narrow(1, 0, CHOICES), 1);
            let even = choice.zeros_like() + 1.0 / CHOICES as f64;
            assert_close(&choice, &even, 1e-6);
            reader.loss(&pictures(), stream);
        }
        let groups = reader.groups.value_sync();
        let sums = groups.clone().sum_dim(1);
        assert_close(&sums, &sums.ones_like(), 0.0);
        let least = groups.clone().sum_dim(0).min().into_scalar::<f32>();
        assert!(least >= 1.0, "a choice of the code means nothing");
        // What comes later does not move them.
        reader.loss(&pictures(), stream);
        assert_close(&reader.groups.value_sync(), &groups, 0.0);
        let fine = reader.fine(pictures());
        let choice = activation::softmax(code().narrow(1, 0, CHOICES), 1);
        assert_close(&choice, &fine.matmul(groups), 1e-5);
        let numbers = |x: Tensor<2>| x.narrow(1, CHOICES, 2);
        assert_close(&numbers(code()), &numbers(own.clone()), 0.0);
    }

    /// Three kinds of pictures of which one is read as three choices and one as two.
    #[test]
    fn choices_that_views_confuse_are_merged() {
        let kind = [0usize, 1, 0, 2, 1, 0];
        let often = |a: usize, b: usize| match (a == b, kind[a] == kind[b]) {
            (true, _) => 8.0,
            (_, true) => 3.0,
            _ => 0.2,
        };
        let row = |a| (0..6).map(|b| often(a, b)).collect();
        let pairs: Vec<Vec<f64>> = (0..6).map(row).collect();
        let found = merge(pairs.clone(), 3);
        for (a, b) in (0..6).flat_map(|a| (0..6).map(move |b| (a, b))) {
            assert_eq!(found[a] == found[b], kind[a] == kind[b], "{found:?}");
        }
        assert_eq!(merge(pairs, 6), [0, 1, 2, 3, 4, 5]);
    }

    #[test]
    fn shared_information_of_sure_and_of_independent_pairs() {
        let sure = [vec![5.0, 0.0], vec![0.0, 5.0]];
        assert!((shared_information(&sure) - 2f64.ln()).abs() < 1e-12);
        let independent = [vec![1.0, 3.0], vec![3.0, 9.0]];
        assert!(shared_information(&independent).abs() < 1e-12);
    }

    #[test]
    fn real_pictures_alone_teach_it_to_read() {
        let adam = OptimizerConfig::adam(1e-2, 0.0, 0.99);
        let mut player = Player::new("reader", reader(), adam);
        let stream = &mut Stream::new(1, "tilt", 0);
        let mut losses = Vec::new();
        for _ in 0..60 {
            let loss = player.module().loss(&pictures(), stream);
            losses.push(loss.clone().into_scalar::<f32>());
            player.minimize(loss);
        }
        let mean = |part: &[f32]| part.iter().sum::<f32>() / part.len() as f32;
        let (first, last) = (mean(&losses[..5]), mean(&losses[55..]));
        assert!(last < first - 0.3, "{first} became {last}");
    }

    #[test]
    fn bad_configurations_are_refused() {
        let (image, head) = (ImageShape::new(1, 8), LabelHead::information(CHOICES));
        config().validate(image, &head).unwrap();
        let field = |edit: fn(&mut ReaderConfig)| {
            let mut bad = config();
            edit(&mut bad);
            bad.validate(image, &head).unwrap_err().field
        };
        assert_eq!(field(|c| c.network.widths.clear()), "network.widths");
        assert_eq!(field(|c| c.network.image.channels = 3), "network.image");
        assert_eq!(field(|c| c.features = 0), "features");
        assert_eq!(field(|c| c.fine_choices = CHOICES - 1), "fine_choices");
        assert_eq!(field(|c| c.merge_after = 0), "merge_after");
        assert_eq!(field(|c| c.weight = f64::NAN), "weight");
        assert_eq!(field(|c| c.contrast = -1.0), "contrast");
        assert_eq!(field(|c| c.temperature = 0.0), "temperature");
        assert_eq!(field(|c| c.first.shear = -1.0), "first.shear");
        assert_eq!(field(|c| c.second.shift = -1.0), "second.shift");
        let other = config().validate(image, &LabelHead::Projection);
        assert_eq!(other.unwrap_err().field, "network");
    }
}
