//! InceptionV3 as FID uses it.

use std::path::Path;

use burn::prelude::*;

use super::layers::{ConvSizes, Layer, chain, check_colours, chunk, prepare};
use super::{
    Checksum, FeatureBatch, Features, PictureShape, PublishedFile, ResizeMode, Weights, in_chunks,
    published,
};
use crate::error::MetricError;

/// Added to the variances of batch normalisation.
const EPSILON: f64 = 1e-3;

/// The Inception network of [FID](https://arxiv.org/abs/1706.08500):
/// [InceptionV3](https://arxiv.org/abs/1512.00567) with the weights of TensorFlow's
/// `inception-2015-12-05`, as ported by `pytorch-fid`.
///
/// It differs from torchvision's in the pools of its blocks: means leave out what is outside the
/// picture, and the last block takes the maximum. Batch normalisation is folded into the
/// convolutions.
#[derive(Debug)]
pub struct InceptionV3 {
    layers: Vec<Layer>,
    /// `[1008, 2048]`.
    classes: Tensor<2>,
}

impl InceptionV3 {
    /// Height and width of a picture.
    pub const SIDE: usize = 299;
    /// Number of features.
    pub const SIZE: usize = 2048;
    /// Number of classes; 1000 of them were trained.
    pub const CLASSES: usize = 1008;
    /// `pt_inception-2015-12-05-6726825d.pth`, from the releases of `pytorch-fid`.
    pub const FILE: PublishedFile = published::INCEPTION;
    /// SHA-256 of [`FILE`](Self::FILE).
    pub const SHA256: &str = Self::FILE.sha256;

    /// Takes the tensors of `pytorch-fid`'s file.
    ///
    /// # Errors
    ///
    /// If one is missing, of another shape, or left over.
    pub fn load(mut weights: Weights, device: &Device) -> Result<Self, MetricError> {
        let device = device.clone().without_autodiff();
        let mut load = Loader {
            weights: &mut weights,
            device: &device,
        };
        let mut layers = load.stem()?;
        for (name, inputs, pooled) in [("5b", 192, 32), ("5c", 256, 64), ("5d", 288, 64)] {
            layers.push(load.block_a(&format!("Mixed_{name}"), inputs, pooled)?);
        }
        layers.push(load.block_b("Mixed_6a", 288)?);
        for (name, inner) in [("6b", 128), ("6c", 160), ("6d", 160), ("6e", 192)] {
            layers.push(load.block_c(&format!("Mixed_{name}"), 768, inner)?);
        }
        layers.push(load.block_d("Mixed_7a", 768)?);
        layers.push(load.block_e("Mixed_7b", 1280, Layer::AvgPool)?);
        layers.push(load.block_e("Mixed_7c", 2048, max_pool(1, 1))?);
        let classes = weights.tensor("fc.weight", [Self::CLASSES, Self::SIZE], &device)?;
        // The bias of the classes is not part of the Inception Score.
        weights.take("fc.bias", [Self::CLASSES])?;
        weights.finish(&[])?;
        Ok(Self { layers, classes })
    }

    /// Features and logits.
    ///
    /// The features are the means of the last maps over their pixels. The logits are without bias, as
    /// in the [Inception Score](https://arxiv.org/abs/1606.03498)'s own program and `torch-fidelity`.
    ///
    /// # Shapes
    ///
    /// - pictures: `[batch, 3, 299, 299]`, normalised
    /// - output: `[batch, 2048]` and `[batch, 1008]`
    pub fn forward(&self, pictures: Tensor<4>) -> (Tensor<2>, Tensor<2>) {
        let x = chain(&self.layers, pictures);
        let [batch, channels, height, width] = x.dims();
        let features = x.reshape([batch, channels, height * width]).mean_dim(2);
        let features = features.reshape([batch, channels]);
        let logits = gan_core::kernel::linear(features.clone(), self.classes.clone(), None);
        (features, logits)
    }
}

fn max_pool(stride: usize, padding: usize) -> Layer {
    Layer::MaxPool {
        size: 3,
        stride,
        padding,
    }
}

struct Loader<'a> {
    weights: &'a mut Weights,
    device: &'a Device,
}

impl Loader<'_> {
    fn conv(&mut self, name: &str, sizes: ConvSizes) -> Result<Layer, MetricError> {
        sizes.load_normalised(self.weights, name, EPSILON, self.device)
    }

    /// Convolutions of stride 1 that keep the size: `(name, outputs, kernel)`.
    fn convs<const N: usize>(
        &mut self,
        block: &str,
        mut inputs: usize,
        layers: [(&str, usize, [usize; 2]); N],
    ) -> Result<Vec<Layer>, MetricError> {
        let mut chain = Vec::with_capacity(N);
        for (name, outputs, kernel) in layers {
            let sizes = ConvSizes::new(inputs, outputs, kernel).same();
            chain.push(self.conv(&format!("{block}.{name}"), sizes)?);
            inputs = outputs;
        }
        Ok(chain)
    }

    fn stem(&mut self) -> Result<Vec<Layer>, MetricError> {
        let conv = |inputs, outputs, size| ConvSizes::new(inputs, outputs, [size; 2]);
        Ok(vec![
            self.conv("Conv2d_1a_3x3", conv(3, 32, 3).stride(2))?,
            self.conv("Conv2d_2a_3x3", conv(32, 32, 3))?,
            self.conv("Conv2d_2b_3x3", conv(32, 64, 3).same())?,
            max_pool(2, 0),
            self.conv("Conv2d_3b_1x1", conv(64, 80, 1))?,
            self.conv("Conv2d_4a_3x3", conv(80, 192, 3))?,
            max_pool(2, 0),
        ])
    }

    /// A pool, then a convolution of single pixels.
    fn pool_branch(
        &mut self,
        block: &str,
        pool: Layer,
        inputs: usize,
        outputs: usize,
    ) -> Result<Vec<Layer>, MetricError> {
        let mut branch = self.convs(block, inputs, [("branch_pool", outputs, [1, 1])])?;
        branch.insert(0, pool);
        Ok(branch)
    }

    /// 35 x 35 pixels.
    fn block_a(&mut self, name: &str, inputs: usize, pooled: usize) -> Result<Layer, MetricError> {
        let (one, three, five) = ([1, 1], [3, 3], [5, 5]);
        Ok(Layer::Branches(vec![
            self.convs(name, inputs, [("branch1x1", 64, one)])?,
            self.convs(
                name,
                inputs,
                [("branch5x5_1", 48, one), ("branch5x5_2", 64, five)],
            )?,
            self.convs(
                name,
                inputs,
                [
                    ("branch3x3dbl_1", 64, one),
                    ("branch3x3dbl_2", 96, three),
                    ("branch3x3dbl_3", 96, three),
                ],
            )?,
            self.pool_branch(name, Layer::AvgPool, inputs, pooled)?,
        ]))
    }

    /// From 35 x 35 to 17 x 17 pixels.
    fn block_b(&mut self, name: &str, inputs: usize) -> Result<Layer, MetricError> {
        let halve = |inputs, outputs| ConvSizes::new(inputs, outputs, [3, 3]).stride(2);
        let first = self.conv(&format!("{name}.branch3x3"), halve(inputs, 384))?;
        let mut double = self.convs(
            name,
            inputs,
            [
                ("branch3x3dbl_1", 64, [1, 1]),
                ("branch3x3dbl_2", 96, [3, 3]),
            ],
        )?;
        double.push(self.conv(&format!("{name}.branch3x3dbl_3"), halve(96, 96))?);
        Ok(Layer::Branches(vec![
            vec![first],
            double,
            vec![max_pool(2, 0)],
        ]))
    }

    /// 17 x 17 pixels.
    fn block_c(&mut self, name: &str, inputs: usize, inner: usize) -> Result<Layer, MetricError> {
        let (one, row, column) = ([1, 1], [1, 7], [7, 1]);
        Ok(Layer::Branches(vec![
            self.convs(name, inputs, [("branch1x1", 192, one)])?,
            self.convs(
                name,
                inputs,
                [
                    ("branch7x7_1", inner, one),
                    ("branch7x7_2", inner, row),
                    ("branch7x7_3", 192, column),
                ],
            )?,
            self.convs(
                name,
                inputs,
                [
                    ("branch7x7dbl_1", inner, one),
                    ("branch7x7dbl_2", inner, column),
                    ("branch7x7dbl_3", inner, row),
                    ("branch7x7dbl_4", inner, column),
                    ("branch7x7dbl_5", 192, row),
                ],
            )?,
            self.pool_branch(name, Layer::AvgPool, inputs, 192)?,
        ]))
    }

    /// From 17 x 17 to 8 x 8 pixels.
    fn block_d(&mut self, name: &str, inputs: usize) -> Result<Layer, MetricError> {
        let halve = |outputs| ConvSizes::new(192, outputs, [3, 3]).stride(2);
        let mut single = self.convs(name, inputs, [("branch3x3_1", 192, [1, 1])])?;
        single.push(self.conv(&format!("{name}.branch3x3_2"), halve(320))?);
        let mut long = self.convs(
            name,
            inputs,
            [
                ("branch7x7x3_1", 192, [1, 1]),
                ("branch7x7x3_2", 192, [1, 7]),
                ("branch7x7x3_3", 192, [7, 1]),
            ],
        )?;
        long.push(self.conv(&format!("{name}.branch7x7x3_4"), halve(192))?);
        Ok(Layer::Branches(vec![single, long, vec![max_pool(2, 0)]]))
    }

    /// 8 x 8 pixels.
    fn block_e(&mut self, name: &str, inputs: usize, pool: Layer) -> Result<Layer, MetricError> {
        let mut single = self.convs(name, inputs, [("branch3x3_1", 384, [1, 1])])?;
        single.push(self.fork(&format!("{name}.branch3x3_2"))?);
        let mut double = self.convs(
            name,
            inputs,
            [
                ("branch3x3dbl_1", 448, [1, 1]),
                ("branch3x3dbl_2", 384, [3, 3]),
            ],
        )?;
        double.push(self.fork(&format!("{name}.branch3x3dbl_3"))?);
        Ok(Layer::Branches(vec![
            self.convs(name, inputs, [("branch1x1", 320, [1, 1])])?,
            single,
            double,
            self.pool_branch(name, pool, inputs, 192)?,
        ]))
    }

    /// A row and a column of three over the same 384 channels.
    fn fork(&mut self, name: &str) -> Result<Layer, MetricError> {
        let mut load = |end: &str, kernel| {
            let sizes = ConvSizes::new(384, 384, kernel).same();
            Ok::<_, MetricError>(vec![self.conv(&format!("{name}{end}"), sizes)?])
        };
        Ok(Layer::Branches(vec![
            load("a", [1, 3])?,
            load("b", [3, 1])?,
        ]))
    }
}

/// Features of [`InceptionV3`], for FID, KID and the Inception Score.
///
/// Takes grey or RGB pictures of any size. The features are the 2048 means of the last maps, the
/// probabilities those of the 1008 classes.
#[derive(Debug)]
pub struct InceptionFeatures {
    network: InceptionV3,
    resize: ResizeMode,
    device: Device,
    name: String,
}

impl InceptionFeatures {
    /// Loads the network from `pytorch-fid`'s file, or from a safetensors file with the same names.
    ///
    /// # Errors
    ///
    /// If the file cannot be read, is not the one that `checksum` wants, or lacks a tensor.
    pub fn open(
        path: &Path,
        checksum: &Checksum,
        resize: ResizeMode,
        device: &Device,
    ) -> Result<Self, MetricError> {
        Self::load(
            Weights::open(path, checksum, InceptionV3::SHA256)?,
            resize,
            device,
        )
    }

    /// Loads the network from weights.
    ///
    /// # Errors
    ///
    /// If a tensor is missing, of another shape, or left over.
    pub fn load(
        weights: Weights,
        resize: ResizeMode,
        device: &Device,
    ) -> Result<Self, MetricError> {
        let device = device.clone().without_autodiff();
        let name = format!("inception-{}-{resize}", &weights.sha256()[..8]);
        Ok(Self {
            network: InceptionV3::load(weights, &device)?,
            resize,
            device,
            name,
        })
    }
}

impl Features for InceptionFeatures {
    fn name(&self) -> String {
        self.name.clone()
    }

    fn size(&self) -> usize {
        InceptionV3::SIZE
    }

    fn features(&self, pictures: &[u8], shape: PictureShape) -> Result<FeatureBatch, MetricError> {
        check_colours("Inception features", pictures, shape)?;
        let resize = Some((self.resize, InceptionV3::SIDE));
        let normalise = |_, value| self.resize.normalise(value);
        let sizes = [InceptionV3::SIZE, InceptionV3::CLASSES];
        Ok(in_chunks(pictures, shape, chunk(), sizes, |bytes| {
            let x = prepare(bytes, shape, resize, normalise, &self.device);
            let (features, logits) = self.network.forward(x);
            (features, Some(logits))
        }))
    }
}
