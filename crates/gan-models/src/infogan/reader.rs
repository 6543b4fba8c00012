//! The network that reads codes.

use burn::module::{Module, RunningState};
use burn::prelude::*;
use burn::tensor::activation;
use gan_core::augment::TiltConfig;
use gan_core::dual::Forward;
use gan_core::error::ConfigError;
use gan_core::game::Clock;
use gan_core::loss::{contrastive_loss, shared_information_loss};
use gan_core::nn::{
    Activation, ConvCritic, ConvCriticConfig, ImageShape, LabelHead, Linear, LinearConfig, Norm,
    NormActivation, one_hot,
};
use gan_core::rng::Stream;
use serde::{Deserialize, Serialize};

use super::merge::merge_best;

/// Configuration to create a [`Reader`] using the [init function](ReaderConfig::init).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReaderConfig {
    /// Sees pictures; its halvings end in the features in place of a score.
    pub network: ConvCriticConfig,
    /// Length of the features that readings are made of, 1 or more.
    pub features: usize,
    /// Networks that learn side by side until choices are merged, 1 or more. Then the one whose merged choices
    /// share most information reads; the others are of no use any more, and stay as they are.
    pub candidates: usize,
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
    /// Share of the newest pictures in the moving mean of pairs of choices that merging goes by, above 0 and
    /// at most 1.
    pub momentum: f64,
    /// Rounds, 1 or more, until the fine choices are merged, for good, and the categorical code begins to
    /// count.
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
            ("candidates", self.candidates, 1),
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
            ("momentum", self.momentum, f64::MIN_POSITIVE),
        ] {
            if !(value >= least && value.is_finite()) {
                let allowed = match least {
                    0.0 => "a finite number, 0 or more",
                    _ => "a finite number above 0",
                };
                return Err(ConfigError::new(field, value, allowed));
            }
        }
        if self.momentum > 1.0 {
            let allowed = "at most 1";
            return Err(ConfigError::new("momentum", self.momentum, allowed));
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
        let fine = self.fine_choices;
        let mut candidate = || self.init_candidate(stream, device);
        Reader {
            candidates: (0..self.candidates).map(|_| candidate()).collect(),
            groups: RunningState::new(Tensor::zeros([fine, categories], device)),
            is_merged: false,
            config: self.clone(),
        }
    }

    fn init_candidate(&self, stream: &mut Stream, device: &Device) -> CandidateReader {
        let initializer = self.network.initializer;
        let (norm, relu) = (Norm::batch(), Activation::Relu);
        let fine = self.fine_choices;
        CandidateReader {
            after: NormActivation::new(self.features, norm, relu, initializer, stream, device),
            network: self.network.init_encoder(self.features, stream, device),
            choices: LinearConfig::new(self.features, fine)
                .with_initializer(initializer)
                .init(stream, device),
            pairs: RunningState::new(Tensor::zeros([fine, fine], device)),
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
/// merging loses least of the information that the views share. That still goes wrong for some initial
/// values. So a few networks do this side by side, and the one is kept whose merged choices share most.
///
/// Should be created using [`ReaderConfig`].
#[derive(Module, Debug)]
pub struct Reader {
    /// The first is the one that reads once choices are merged.
    pub candidates: Vec<CandidateReader>,
    /// 1 where a fine choice, the row, means a choice of the code, the column. All 0 until they are merged.
    pub groups: RunningState<Tensor<2>>,
    /// Of the clock, not of the weights: asking a device for it would wait for the device in every round.
    #[module(skip)]
    is_merged: bool,
    /// How it learns.
    #[module(skip)]
    pub config: ReaderConfig,
}

/// One of the networks of a [`Reader`].
#[derive(Module, Debug)]
pub struct CandidateReader {
    /// Picture to features.
    pub network: ConvCritic,
    /// What follows them.
    pub after: NormActivation,
    /// Features to the fine choices.
    pub choices: Linear,
    /// Moving mean of how often two views are read as each pair of fine choices, up to a factor.
    pub pairs: RunningState<Tensor<2>>,
}

/// Added to the probability of a choice before the logarithm.
const EPSILON: f64 = 1e-8;

impl Reader {
    /// Merges the fine choices when it is time to, and chooses who reads.
    pub(crate) fn begin_round(mut self, clock: &Clock) -> Self {
        let merge_after = self.config.merge_after as u64;
        self.is_merged = clock.round >= merge_after;
        if clock.round == merge_after {
            self.choose();
        }
        self
    }

    /// The best candidate becomes the first. Its parameters keep their ids, so that the optimiser goes on
    /// with them.
    fn choose(&mut self) {
        let pairs = |candidate: &CandidateReader| rows(candidate.pairs.value_sync());
        let pairs: Vec<Vec<Vec<f64>>> = self.candidates.iter().map(pairs).collect();
        let groups = self.groups.value_sync();
        let ([fine, categories], device) = (groups.dims(), groups.device());
        let (best, merged) = merge_best(&pairs, categories);
        self.candidates.swap(0, best);
        let merged = Tensor::<1, Int>::from_data(TensorData::new(merged, [fine]), &device);
        self.groups.update(one_hot(merged, categories).detach());
    }

    /// The code `[batch, width]` of pictures, where a head read `own`: the categorical logits are this
    /// reader's, all alike until choices are merged. They teach it nothing; what choices mean is learnt
    /// from real pictures alone. A reader that learnt it from generated ones would agree with the generator
    /// on any small mark.
    pub fn code(&self, pictures: &Tensor<4>, own: Tensor<2>) -> Tensor<2> {
        let [batch, width] = own.dims();
        let [_, categories] = self.groups.value_sync().dims();
        let choice = if self.is_merged {
            // A copy with running statistics of its own: generated pictures shall not move the reader's.
            let frozen = self.candidates[0].valid().train().no_grad();
            self.merged(frozen.fine(pictures.clone()))
        } else {
            Tensor::zeros([batch, categories], &own.device())
        };
        let numbers = own.narrow(1, categories, width - categories);
        Tensor::cat(vec![choice, numbers], 1)
    }

    /// Logits of the choices of the code.
    fn merged(&self, fine: Tensor<2>) -> Tensor<2> {
        let groups = self.groups.value_sync().to_device(&fine.device());
        (fine.matmul(groups) + EPSILON).log()
    }

    /// Minus the shared information of two views of real pictures, of the fine choices and of the merged
    /// ones. Until they are merged, also how badly the features tell pictures apart, and the mean over the
    /// candidates: without it some features know the slant and not the digit, with it for good they know
    /// single pictures too well.
    pub fn loss(&self, real: &Tensor<4>, stream: &mut Stream) -> Tensor<1> {
        let (shape, device) = (real.dims(), real.device());
        let views = [self.config.first, self.config.second].map(|tilt| {
            let warp = tilt.draw(shape, stream, &device);
            warp.apply(real.clone().into()).primal
        });
        let views = Tensor::cat(views.into(), 0);
        if self.is_merged {
            let logits = self.candidates[0].logits(self.candidates[0].features(views));
            let merged = self.merged(activation::softmax(logits.clone(), 1));
            return (shared(&logits) + shared(&merged)) * self.config.weight;
        }
        let losses = self.candidates.iter();
        let losses = losses.map(|candidate| candidate.first_loss(views.clone(), &self.config));
        Tensor::cat(losses.collect(), 0).mean()
    }
}

impl CandidateReader {
    /// Features `[batch, features]` of pictures.
    pub fn features(&self, pictures: Tensor<4>) -> Tensor<2> {
        self.after.apply(self.network.apply(pictures.into())).primal
    }

    fn logits(&self, features: Tensor<2>) -> Tensor<2> {
        self.choices.forward(features)
    }

    /// Probabilities of the fine choices.
    fn fine(&self, pictures: Tensor<4>) -> Tensor<2> {
        activation::softmax(self.logits(self.features(pictures)), 1)
    }

    /// What it minimises until choices are merged; the first half of `views` are the first views. The mean
    /// follows the pairs of choices.
    fn first_loss(&self, views: Tensor<4>, config: &ReaderConfig) -> Tensor<1> {
        let features = self.features(views);
        let logits = self.logits(features.clone());
        let [first, second] = halves(&activation::softmax(logits.clone(), 1));
        let pairs = first.transpose().matmul(second);
        let pairs = (pairs.clone() + pairs.transpose()).detach();
        let old = self.pairs.value_sync();
        let followed = old.clone() + (pairs - old) * config.momentum;
        self.pairs.update(followed.detach());
        let [first, second] = halves(&features);
        let apart = contrastive_loss(first, second, config.temperature);
        shared(&logits) * config.weight + apart * config.contrast
    }
}

/// Rows of first views, and those of second views.
fn halves(views: &Tensor<2>) -> [Tensor<2>; 2] {
    let half = views.dims()[0] / 2;
    [0, half].map(|start| views.clone().narrow(0, start, half))
}

/// Minus the shared information of both views, given logits.
fn shared(logits: &Tensor<2>) -> Tensor<1> {
    let [first, second] = halves(logits);
    shared_information_loss(first, second)
}

/// Rows of a square matrix.
fn rows(pairs: Tensor<2>) -> Vec<Vec<f64>> {
    let [size, _] = pairs.dims();
    let values: Vec<f64> = pairs.into_data().iter::<f64>().collect();
    values.chunks(size).map(<[f64]>::to_vec).collect()
}

#[cfg(test)]
mod tests {
    use gan_core::game::{Player, restore_module, snapshot_module};
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
            candidates: 3,
            fine_choices: 4,
            weight: 1.0,
            contrast: 1.0,
            temperature: 0.3,
            momentum: 0.5,
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

    fn at(round: u64) -> Clock {
        Clock {
            round,
            ..Clock::new(1)
        }
    }

    /// Logits of the choice in a code.
    fn choice(reader: &Reader) -> Tensor<2> {
        let own = Tensor::zeros([8, CHOICES + 2], &device());
        let code = reader.code(&pictures(), own);
        activation::softmax(code.narrow(1, 0, CHOICES), 1)
    }

    #[test]
    fn choices_are_merged_once_and_nothing_is_read_before() {
        let mut reader = reader();
        let stream = &mut Stream::new(1, "tilt", 0);
        for round in 0..2 {
            reader = reader.begin_round(&at(round));
            let even = Tensor::ones([8, CHOICES], &device()) / CHOICES as f64;
            assert_close(&choice(&reader), &even, 1e-6);
            reader.loss(&pictures(), stream);
        }
        reader = reader.begin_round(&at(2));
        let groups = reader.groups.value_sync();
        let sums = groups.clone().sum_dim(1);
        assert_close(&sums, &sums.ones_like(), 0.0);
        let least = groups.clone().sum_dim(0).min().into_scalar::<f32>();
        assert!(least >= 1.0, "a choice of the code means nothing");
        // What comes later does not move them.
        reader.loss(&pictures(), stream);
        reader = reader.begin_round(&at(3));
        assert_close(&reader.groups.value_sync(), &groups, 0.0);
        let fine = reader.candidates[0].fine(pictures());
        assert_close(&choice(&reader), &fine.matmul(groups), 1e-5);
    }

    #[test]
    fn numbers_are_read_by_the_head() {
        let own: Tensor<2> = Stream::new(2, "own", 0).normal([8, CHOICES + 2], &device());
        let numbers = |x: Tensor<2>| x.narrow(1, CHOICES, 2);
        for round in [0, 2] {
            let code = reader()
                .begin_round(&at(round))
                .code(&pictures(), own.clone());
            assert_close(&numbers(code), &numbers(own.clone()), 0.0);
        }
    }

    /// The second of three shares most: there two choices are read alike, and the other two as themselves.
    #[test]
    fn the_candidate_that_shares_most_reads() {
        let reader = reader();
        let sure = [
            [4.0, 0.0, 0.0, 4.0],
            [0.0, 8.0, 0.0, 0.0],
            [0.0, 0.0, 8.0, 0.0],
            [4.0, 0.0, 0.0, 4.0],
        ];
        let even = [[1.0; 4]; 4];
        for (candidate, pairs) in reader.candidates.iter().zip([even, sure, even]) {
            candidate
                .pairs
                .update(Tensor::from_floats(pairs, &device()));
        }
        let features =
            |reader: &Reader, index: usize| reader.candidates[index].features(pictures());
        let old = [0, 1, 2].map(|index| features(&reader, index));
        let reader = reader.begin_round(&at(2));
        for (new, old_place) in [1, 0, 2].into_iter().enumerate() {
            assert_close(&features(&reader, new), &old[old_place], 0.0);
        }
        let groups = reader.groups.value_sync();
        let group = |choice: usize| groups.clone().narrow(0, choice, 1);
        assert_close(&group(0), &group(3), 0.0);
        let alike = groups.clone().matmul(groups.clone().transpose()).sum();
        assert_close(&alike, &(alike.zeros_like() + 6.0), 0.0);
    }

    /// The optimiser goes on with the one that reads, and the others stay.
    #[test]
    fn after_the_choice_only_the_first_learns() {
        let mut player = Player::new("reader", reader(), OptimizerConfig::adam(1e-2, 0.0, 0.99));
        let stream = &mut Stream::new(1, "tilt", 0);
        let mut weights = Vec::new();
        for round in 0..4 {
            player.change(|reader| reader.begin_round(&at(round)));
            let candidates = &player.module().candidates;
            weights.push([0, 1, 2].map(|index: usize| candidates[index].choices.weight.val()));
            player.minimize(player.module().loss(&pictures(), stream));
        }
        let moved = |index: usize, rounds: [usize; 2]| {
            let [old, new] = rounds.map(|round: usize| weights[round][index].clone());
            (new - old).abs().max().into_scalar::<f32>() > 1e-4
        };
        assert_eq!([0, 1, 2].map(|index| moved(index, [0, 1])), [true; 3]);
        let after = [0, 1, 2].map(|index| moved(index, [2, 3]));
        assert_eq!(after, [true, false, false]);
    }

    /// Running statistics follow real pictures alone.
    #[test]
    fn generated_pictures_leave_nothing_behind() {
        let reader = reader().begin_round(&at(2));
        reader.loss(&pictures(), &mut Stream::new(1, "tilt", 0));
        let before = snapshot_module(&reader);
        choice(&reader);
        assert!(before == snapshot_module(&reader));
        reader.loss(&pictures(), &mut Stream::new(1, "tilt", 0));
        assert!(before != snapshot_module(&reader));
    }

    /// A rollback to before the merge, in the reader that has merged.
    #[test]
    fn a_reader_can_go_back_to_before_it_chose() {
        let reader = reader().begin_round(&at(1));
        reader.loss(&pictures(), &mut Stream::new(1, "tilt", 0));
        let before = snapshot_module(&reader);
        let chosen = reader.begin_round(&at(2));
        let groups = chosen.groups.value_sync();
        let back = restore_module(chosen, "reader", &before).unwrap();
        let back = back.begin_round(&at(1));
        assert!(before == snapshot_module(&back));
        let again = back.begin_round(&at(2));
        assert_close(&again.groups.value_sync(), &groups, 0.0);
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
        assert_eq!(field(|c| c.candidates = 0), "candidates");
        assert_eq!(field(|c| c.momentum = 0.0), "momentum");
        assert_eq!(field(|c| c.momentum = 1.1), "momentum");
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
