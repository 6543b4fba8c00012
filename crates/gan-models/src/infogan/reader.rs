//! The network that reads codes.

use burn::module::{Module, RunningState};
use burn::prelude::*;
use gan_core::augment::TiltConfig;
use gan_core::dual::Forward;
use gan_core::error::ConfigError;
use gan_core::loss::shared_information_loss;
use gan_core::nn::{
    Activation, ConvCritic, ConvCriticConfig, ImageShape, LabelHead, LabelHeadLayer, Linear,
    LinearConfig, Norm, NormActivation,
};
use gan_core::rng::Stream;
use serde::{Deserialize, Serialize};

/// Configuration to create a [`Reader`] using the [init function](ReaderConfig::init).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReaderConfig {
    /// Sees pictures; its halvings end in the features in place of a score.
    pub network: ConvCriticConfig,
    /// Length of the features that the head gets, 1 or more.
    pub features: usize,
    /// Readings that learn side by side, 2 or more. The best one is the code's.
    pub readings: usize,
    /// Choices of a finer reading that only helps the features, 2 or more.
    pub fine_choices: usize,
    /// Weight of the shared information of two tilted views of real pictures, 0 or more.
    pub weight: f64,
    /// Critic steps in which readings learn from real pictures alone. Then the one with most shared
    /// information is chosen, for good, and the categorical code begins to count.
    pub choose_after: usize,
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
        if !matches!(
            head,
            LabelHead::Information {
                categories: 2..,
                ..
            }
        ) {
            let allowed = "left out, or the head must be `information` with 2 categories or more";
            return Err(ConfigError::new("network", "set", allowed));
        }
        for (field, size, least) in [
            ("features", self.features, 1),
            ("readings", self.readings, 2),
            ("fine_choices", self.fine_choices, 2),
        ] {
            if size < least {
                return Err(ConfigError::new(field, size, format!("{least} or more")));
            }
        }
        if !(self.weight >= 0.0 && self.weight.is_finite()) {
            let allowed = "a finite number, 0 or more";
            return Err(ConfigError::new("weight", self.weight, allowed));
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
        let mut linear = |outputs| {
            let config = LinearConfig::new(self.features, outputs);
            config.with_initializer(initializer).init(stream, device)
        };
        let others = linear((self.readings - 1) * categories);
        let fine = linear(self.fine_choices);
        let (norm, relu) = (Norm::batch(), Activation::Relu);
        Reader {
            after: NormActivation::new(self.features, norm, relu, initializer, stream, device),
            network: self.network.init_encoder(self.features, stream, device),
            others,
            fine,
            losses: RunningState::new(Tensor::zeros([self.readings], device)),
            steps: RunningState::new(Tensor::zeros([1], device)),
            config: self.clone(),
            categories,
        }
    }
}

/// A network of its own for the second head of InfoGAN, which also learns from real pictures: what it
/// reads in one shall survive a tilt, and differ between pictures
/// ([Invariant Information Clustering](https://arxiv.org/abs/1807.06653)). So the choices of the code come
/// to mean what a tilt does not change.
///
/// A reading may end in a bad optimum, two kinds of pictures in one choice and one kind in two. So several
/// learn side by side, and the one with most shared information is taken.
///
/// Should be created using [`ReaderConfig`].
#[derive(Module, Debug)]
pub struct Reader {
    /// Picture to features.
    pub network: ConvCritic,
    /// What follows them.
    pub after: NormActivation,
    /// Features to all readings but the head's own, side by side.
    pub others: Linear,
    /// Features to the finer reading.
    pub fine: Linear,
    /// Moving mean of the loss of each reading, until one is chosen.
    pub losses: RunningState<Tensor<1>>,
    /// Critic steps so far.
    pub steps: RunningState<Tensor<1>>,
    /// Choices of the code.
    pub categories: usize,
    /// How it learns.
    #[module(skip)]
    pub config: ReaderConfig,
}

/// Share of the newest loss in the moving mean.
const MOMENTUM: f64 = 0.02;

impl Reader {
    /// Length of the features.
    pub fn feature_size(&self) -> usize {
        self.config.features
    }

    /// Features `[batch, features]` of pictures.
    pub fn read(&self, pictures: Tensor<4>) -> Tensor<2> {
        self.after.apply(self.network.apply(pictures.into())).primal
    }

    /// The code `[batch, width]` in features, where the `head` alone would have read `own`: the
    /// categorical logits are those of the reading that was chosen, and 0 until one is.
    pub fn code(&self, features: Tensor<2>, own: Tensor<2>) -> Tensor<2> {
        let device = own.device();
        let state = |state: &RunningState<Tensor<1>>| state.value_sync().to_device(&device);
        let (losses, steps) = (state(&self.losses), state(&self.steps));
        let ready = steps
            .greater_equal_elem(self.config.choose_after as f64)
            .float();
        let [batch, width] = own.dims();
        let readings = self.config.readings;
        let places = Tensor::<1, Int>::arange(0..readings as i64, &device);
        let best = losses.argmin(0).expand([readings]);
        let chosen = places.equal(best).float() * ready;
        let all = self.readings(features, own.clone());
        let all = all.reshape([batch, readings, self.categories]);
        let code = all * chosen.reshape([1, readings, 1]);
        let code = code.sum_dim(1).reshape([batch, self.categories]);
        let rest = own.narrow(1, self.categories, width - self.categories);
        Tensor::cat(vec![code, rest], 1)
    }

    /// A `code` whose choice teaches nothing: what choices mean is learnt from real pictures alone. A
    /// reader that learnt them from generated ones would agree with the generator on any small mark.
    pub fn without_choice(&self, code: Tensor<2>) -> Tensor<2> {
        let rest = code.dims()[1] - self.categories;
        let choice = code.clone().narrow(1, 0, self.categories).detach();
        Tensor::cat(vec![choice, code.narrow(1, self.categories, rest)], 1)
    }

    /// All readings side by side, `[batch, readings · categories]`; the head's is the first.
    fn readings(&self, features: Tensor<2>, own: Tensor<2>) -> Tensor<2> {
        let own = own.narrow(1, 0, self.categories);
        Tensor::cat(vec![own, self.others.forward(features)], 1)
    }

    /// Minus the shared information of two views of real pictures, the mean of all readings and that of
    /// the fine one.
    pub fn loss(&self, real: &Tensor<4>, head: &LabelHeadLayer, stream: &mut Stream) -> Tensor<1> {
        let (shape, device) = (real.dims(), real.device());
        let views = [self.config.first, self.config.second].map(|tilt| {
            let warp = tilt.draw(shape, stream, &device);
            warp.apply(real.clone().into()).primal
        });
        let features = self.read(Tensor::cat(views.into(), 0));
        let own = head.logits(features.clone());
        let own = own.expect("the head `information` has logits");
        let readings = self.readings(features.clone(), own);
        let shared = |logits: Tensor<2>| {
            let half = |start| logits.clone().narrow(0, start, shape[0]);
            shared_information_loss(half(0), half(shape[0]))
        };
        let of_reading = |index: usize| {
            let start = index * self.categories;
            shared(readings.clone().narrow(1, start, self.categories))
        };
        let losses: Vec<_> = (0..self.config.readings).map(of_reading).collect();
        let losses = Tensor::cat(losses, 0);
        self.remember(losses.clone().detach());
        (losses.mean() + shared(self.fine.forward(features))) * self.config.weight
    }

    /// The mean follows the losses until a reading is chosen.
    fn remember(&self, losses: Tensor<1>) {
        let (old, steps) = (self.losses.value_sync(), self.steps.value_sync());
        let choosing = steps.clone().lower_elem(self.config.choose_after as f64);
        let moved = old.clone() + (losses - old) * choosing.float() * MOMENTUM;
        self.losses.update(moved.detach());
        self.steps.update((steps + 1.0).detach());
    }
}

#[cfg(test)]
mod tests {
    use gan_core::game::Player;
    use gan_core::nn::Initializer;
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
            readings: 2,
            fine_choices: 4,
            weight: 1.0,
            choose_after: 2,
            first: tilt.times(0.5),
            second: tilt,
        }
    }

    fn reader_and_head() -> (Reader, LabelHeadLayer) {
        let stream = &mut Stream::new(1, "reader", 0);
        let reader = config().init(CHOICES, stream, &device());
        let sizes = (6, CHOICES + 2);
        let head = LabelHead::information(CHOICES);
        let head = head.init(sizes, Initializer::PyTorch, None, stream, &device());
        (reader, head)
    }

    fn pictures() -> Tensor<4> {
        Stream::new(1, "x", 0).normal([8, 1, 8, 8], &device())
    }

    #[test]
    fn the_best_reading_is_chosen_once_and_nothing_is_read_before() {
        let (reader, head) = reader_and_head();
        let features = reader.read(pictures());
        let own = head.logits(features.clone()).unwrap();
        let code = || reader.code(features.clone(), own.clone());
        let numbers = own.clone().narrow(1, CHOICES, 2);
        let nothing = Tensor::zeros([8, CHOICES], &device());
        let stream = &mut Stream::new(1, "tilt", 0);
        for _ in 0..2 {
            let before = Tensor::cat(vec![nothing.clone(), numbers.clone()], 1);
            assert_close(&code(), &before, 0.0);
            reader.loss(&pictures(), &head, stream);
        }
        let others = reader.others.forward(features.clone());
        let first = own.clone().narrow(1, 0, CHOICES);
        for (losses, choice) in [([-1.0, -0.5], first), ([-1.0, -1.5], others)] {
            let losses = Tensor::<1>::from_floats(losses, &device());
            reader.losses.update(losses.clone());
            // What comes later does not move it.
            reader.loss(&pictures(), &head, stream);
            assert_close(&reader.losses.value_sync(), &losses, 0.0);
            let wanted = Tensor::cat(vec![choice, numbers.clone()], 1);
            assert_close(&code(), &wanted, 1e-6);
        }
    }

    #[test]
    fn real_pictures_alone_teach_it_to_read() {
        #[derive(Module, Debug)]
        struct Both {
            reader: Reader,
            head: LabelHeadLayer,
        }
        let (reader, head) = reader_and_head();
        let adam = OptimizerConfig::adam(1e-2, 0.0, 0.99);
        let mut player = Player::new("both", Both { reader, head }, adam);
        let stream = &mut Stream::new(1, "tilt", 0);
        let mut losses = Vec::new();
        for _ in 0..60 {
            let both = player.module();
            let loss = both.reader.loss(&pictures(), &both.head, stream);
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
        assert_eq!(field(|c| c.readings = 1), "readings");
        assert_eq!(field(|c| c.fine_choices = 1), "fine_choices");
        assert_eq!(field(|c| c.weight = f64::NAN), "weight");
        assert_eq!(field(|c| c.first.shear = -1.0), "first.shear");
        assert_eq!(field(|c| c.second.shift = -1.0), "second.shift");
        let other = config().validate(image, &LabelHead::Projection);
        assert_eq!(other.unwrap_err().field, "network");
    }
}
