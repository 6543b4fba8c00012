//! What the layers of a convolutional critic see.

use burn::module::Module;
use burn::prelude::*;

use super::{Activation, ConvBlock, ConvCritic, CriticBlock, NormLayer};
use crate::dual::{Dual, Forward};
use crate::error::ConfigError;

impl ConvCritic {
    /// The feature maps after every block, `[batch, channels, height, width]` each, the largest first.
    pub fn feature_maps(&self, x: Tensor<4>) -> Vec<Tensor<4>> {
        let mut x: Dual<4> = match &self.from_image {
            Some(conv) => conv.apply(x.into()),
            None => x.into(),
        };
        let mut maps = Vec::with_capacity(self.blocks.len());
        for block in &self.blocks {
            x = match block {
                CriticBlock::Plain(block) => block.apply(x),
                CriticBlock::Residual(block) => block.apply(x),
            };
            maps.push(x.primal.clone());
        }
        maps
    }

    /// What in the pictures makes a channel of the last block respond where it responds most: guided
    /// backpropagation, [Springenberg et al. 2014](https://arxiv.org/abs/1412.6806), section 3.4, as in
    /// figure 5 of [DCGAN](https://arxiv.org/abs/1511.06434).
    ///
    /// The gradient of the largest value of the map with respect to the picture, of which every activation
    /// lets pass only what is positive, at units that are positive. Batch normalisation works with its
    /// running statistics.
    ///
    /// # Shapes
    ///
    /// - x: `[batch, channels, height, width]`, on a device with or without autodiff
    /// - output: the same shape, on a device without autodiff
    ///
    /// # Errors
    ///
    /// If the critic has residual blocks, pixel normalisation, or activations other than (leaky) ReLU, for
    /// which the rule has no meaning.
    ///
    /// # Panics
    ///
    /// Panics if there is no such channel, or the critic is on a device without autodiff.
    pub fn guided_gradient(&self, x: Tensor<4>, channel: usize) -> Result<Tensor<4>, ConfigError> {
        let frozen = self.clone().freeze();
        let blocks = frozen.blocks.iter().map(plain_block);
        let blocks = blocks.collect::<Result<Vec<_>, _>>()?;
        let mut inputs = Vec::with_capacity(blocks.len());
        let mut x = on_tape(x);
        for block in &blocks {
            inputs.push(x.clone());
            x = block.apply(x.into()).primal;
        }
        let [batch, channels, height, width] = x.dims();
        let map = x.inner().narrow(1, channel, 1);
        let rows = map.clone().reshape([batch, height * width]);
        let largest = rows.max_dim(1).reshape([batch, 1, 1, 1]);
        let chosen = map.equal(largest.expand([batch, 1, height, width])).float();
        let nothing = Tensor::zeros([batch, channels, height, width], &chosen.device());
        let range = [0..batch, channel..channel + 1, 0..height, 0..width];
        let mut gradient = nothing.slice_assign(range, chosen);
        for (block, input) in blocks.iter().zip(inputs).rev() {
            gradient = guided_step(block, input, gradient);
        }
        Ok(gradient)
    }
}

/// A block for which guided backpropagation has a meaning.
fn plain_block(block: &CriticBlock) -> Result<&ConvBlock, ConfigError> {
    let allowed = "a critic of plain convolutions with ReLU or leaky ReLU";
    let CriticBlock::Plain(block) = block else {
        return Err(ConfigError::new("critic.residual", true, allowed));
    };
    match (&block.after.norm, block.after.activation) {
        (Some(NormLayer::Pixel(_)), _) => Err(ConfigError::new("critic.norm", "pixel", allowed)),
        (_, Activation::Relu | Activation::LeakyRelu { .. }) => Ok(block),
        (_, other) => Err(ConfigError::new(
            "critic.activation",
            format!("{other:?}"),
            allowed,
        )),
    }
}

/// The values on a device with autodiff, as a constant.
fn on_tape(x: Tensor<4>) -> Tensor<4> {
    if x.device().is_autodiff() {
        return Tensor::from_inner(x.inner());
    }
    Tensor::from_inner(x)
}

/// From the gradient at the output of a block to that at its input.
fn guided_step(block: &ConvBlock, input: Tensor<4>, gradient: Tensor<4>) -> Tensor<4> {
    // A fresh leaf, whose gradient can be asked for.
    let x = on_tape(input).require_grad();
    let y = block.layer.apply(x.clone().into());
    let y = if block.pool { y.avg_pool2d(2) } else { y };
    let before = match &block.after.norm {
        Some(norm) => norm.apply(y).primal,
        None => y.primal,
    };
    let is_positive = before.clone().inner().greater_elem(0.0).float();
    let passed = Tensor::from_inner(gradient.clamp_min(0.0) * is_positive);
    let gradients = (before * passed).sum().backward();
    x.grad(&gradients).unwrap_or_else(|| x.inner().zeros_like())
}

/// Feature maps as one row per picture: the largest value of every cell of a grid of `side × side`, all
/// maps one after the other, channel by channel. Section 5.1 of
/// [DCGAN](https://arxiv.org/abs/1511.06434) has a grid of 4 × 4.
///
/// Cells cover the map as those of PyTorch's `adaptive_max_pool2d`, and may overlap by a pixel.
///
/// # Shapes
///
/// - maps: `[batch, channels, height, width]` each
/// - output: `[batch, side² · Σ channels]`
///
/// # Panics
///
/// Panics if a map is smaller than a pixel or `side` is 0.
pub fn pooled_features(maps: &[Tensor<4>], side: usize) -> Tensor<2> {
    let rows = maps.iter().map(|map| {
        let [batch, channels, height, width] = map.dims();
        let cell = |index: usize, size: usize| {
            let (begin, end) = (index * size / side, ((index + 1) * size).div_ceil(side));
            (begin, end - begin)
        };
        let cells = (0..side * side).map(|index| {
            let (top, rows) = cell(index / side, height);
            let (left, columns) = cell(index % side, width);
            let cell = map.clone().narrow(2, top, rows).narrow(3, left, columns);
            cell.reshape([batch, channels, rows * columns]).max_dim(2)
        });
        let cells: Tensor<3> = Tensor::cat(cells.collect(), 2); // [batch, channels, side²]
        cells.reshape([batch, channels * side * side])
    });
    Tensor::cat(rows.collect(), 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::{ConvCriticConfig, Critic, ImageShape, Norm};
    use crate::rng::Stream;
    use crate::testing::{assert_close, values};

    fn critic(edit: impl Fn(&mut ConvCriticConfig)) -> ConvCritic {
        let mut config = ConvCriticConfig::dcgan(ImageShape::new(1, 8), [3]);
        config.norm = Norm::None;
        edit(&mut config);
        config.init(&mut Stream::new(1, "critic", 0), &Device::flex().autodiff())
    }

    fn picture() -> Tensor<4> {
        Stream::new(1, "x", 0).normal([2, 1, 8, 8], &Device::flex().autodiff())
    }

    #[test]
    fn the_last_map_is_what_the_dense_layer_sees() {
        let critic = critic(|config| config.extra_convs = vec![1]);
        let maps = critic.feature_maps(picture());
        assert_eq!(maps.len(), 2);
        let last = maps[1].clone().reshape([2, 3 * 16]);
        let score = critic.logit.forward(last);
        assert_close(&score, &critic.score(picture().into()).primal, 1e-5);
    }

    #[test]
    fn one_layer_gives_the_weights_at_the_place_of_the_largest_response() {
        let critic = critic(|_| ());
        let found = critic.guided_gradient(picture(), 1).unwrap();
        // With one layer nothing is held back: the view is the kernel itself, where it lies inside.
        let kernel = values(&critic.weight_of_first_block().narrow(0, 1, 1));
        let found = values(&found.narrow(0, 0, 1));
        let inside = found.iter().filter(|value| **value != 0.0);
        assert!(inside.clone().count() >= 9);
        assert!(inside.clone().all(|value| kernel.contains(value)));
    }

    impl ConvCritic {
        fn weight_of_first_block(&self) -> Tensor<4> {
            match &self.blocks[0] {
                CriticBlock::Plain(ConvBlock {
                    layer: crate::nn::SpatialLayer::Conv(conv),
                    ..
                }) => conv.weight.val(),
                other => panic!("{other:?}"),
            }
        }
    }

    #[test]
    fn critics_without_the_rule_are_refused_by_name() {
        let refused = |edit: &dyn Fn(&mut ConvCriticConfig)| {
            let error = critic(edit).guided_gradient(picture(), 0).unwrap_err();
            error.field
        };
        assert_eq!(refused(&|c| c.residual = true), "critic.residual");
        let pixel = Norm::Pixel { epsilon: 1e-8 };
        assert_eq!(
            refused(&|c| (c.norm, c.extra_convs) = (pixel, vec![1])),
            "critic.norm"
        );
        assert_eq!(
            refused(&|c| c.activation = Activation::Silu),
            "critic.activation"
        );
    }

    #[test]
    fn cells_of_a_grid_overlap_where_it_does_not_divide_the_map() {
        let map = Tensor::<1, Int>::arange(0..25, &Device::flex()).float();
        let map = map.reshape([1, 1, 5, 5]);
        // Rows and columns 0–2 and 2–4.
        assert_eq!(
            values(&pooled_features(&[map], 2)),
            [12.0, 14.0, 22.0, 24.0]
        );
    }
}
