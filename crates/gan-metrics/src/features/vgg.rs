//! VGG16, and the perceptual distance made of it.

use std::path::Path;

use burn::prelude::*;

use super::layers::{ConvSizes, Layer, chain, check_colours, chunk, prepare};
use super::{
    Checksum, FeatureBatch, Features, PictureDistance, PictureShape, PublishedFile, ResizeMode,
    Weights, host_values, in_chunks, published,
};
use crate::error::MetricError;

/// Outputs of the convolutions of each slice; a slice begins with a pool, except the first.
const SLICES: [&[usize]; 5] = [
    &[64, 64],
    &[128, 128],
    &[256, 256, 256],
    &[512, 512, 512],
    &[512, 512, 512],
];
/// Means and standard deviations of the colours of ImageNet, for values in `[0, 1]`.
const MEAN: [f32; 3] = [0.485, 0.456, 0.406];
const DEVIATION: [f32; 3] = [0.229, 0.224, 0.225];
/// The same for LPIPS, which has its own, for values in `[-1, 1]`.
const LPIPS_SHIFT: [f32; 3] = [-0.030, -0.088, -0.188];
const LPIPS_SCALE: [f32; 3] = [0.458, 0.448, 0.450];

/// The convolutions of [VGG16](https://arxiv.org/abs/1409.1556), with torchvision's weights.
#[derive(Debug)]
pub struct Vgg16 {
    slices: Vec<Vec<Layer>>,
}

impl Vgg16 {
    /// torchvision's `vgg16-397923af.pth`.
    pub const FILE: PublishedFile = published::VGG16;
    /// SHA-256 of [`FILE`](Self::FILE).
    pub const SHA256: &str = Self::FILE.sha256;
    /// Pictures must be as large as this, to be left after four pools.
    pub const SMALLEST_SIDE: usize = 16;

    /// Takes the tensors `features.…` out of the weights.
    ///
    /// # Errors
    ///
    /// If one is missing or of another shape.
    pub fn load(weights: &mut Weights, device: &Device) -> Result<Self, MetricError> {
        let device = device.clone().without_autodiff();
        let (mut inputs, mut index) = (3, 0);
        let mut slices = Vec::with_capacity(SLICES.len());
        for (number, outputs) in SLICES.into_iter().enumerate() {
            let mut slice = Vec::new();
            if number > 0 {
                slice.push(POOL);
                index += 1;
            }
            for outputs in outputs.iter().copied() {
                let sizes = ConvSizes::new(inputs, outputs, [3, 3]).same();
                slice.push(sizes.load(weights, &format!("features.{index}"), &device)?);
                inputs = outputs;
                index += 2; // the ReLU has a number, too
            }
            slices.push(slice);
        }
        Ok(Self { slices })
    }

    /// The last map before each pool: `relu1_2`, `relu2_2`, `relu3_3`, `relu4_3`, `relu5_3`.
    ///
    /// # Shapes
    ///
    /// - pictures: `[batch, 3, height, width]`, normalised
    /// - output `i`: `[batch, channels, height / 2^i, width / 2^i]`, with 64, 128, 256, 512, 512
    ///   channels
    pub fn forward(&self, pictures: Tensor<4>) -> Vec<Tensor<4>> {
        let mut maps: Vec<Tensor<4>> = Vec::with_capacity(self.slices.len());
        for slice in &self.slices {
            let x = maps.last().unwrap_or(&pictures).clone();
            maps.push(chain(slice, x));
        }
        maps
    }
}

const POOL: Layer = Layer::MaxPool {
    size: 2,
    stride: 2,
    padding: 0,
};

/// The second dense layer of VGG16, after its ReLU, as precision and recall are measured on in
/// [Kynkäänniemi et al. 2019](https://arxiv.org/abs/1904.06991).
///
/// Takes grey or RGB pictures of any size and resizes them to 224 by 224 pixels. Weights and
/// normalisation are torchvision's; the paper's program had a port of its own.
#[derive(Debug)]
pub struct VggFeatures {
    network: Vgg16,
    dense: [(Tensor<2>, Tensor<1>); 2],
    resize: ResizeMode,
    device: Device,
    name: String,
}

impl VggFeatures {
    /// Height and width of a picture.
    pub const SIDE: usize = 224;
    /// Number of features.
    pub const SIZE: usize = 4096;

    /// Loads torchvision's file, or a safetensors file with the same names. Of `resize`, the filter
    /// counts; the range is torchvision's.
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
            Weights::open(path, checksum, Vgg16::SHA256)?,
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
        mut weights: Weights,
        resize: ResizeMode,
        device: &Device,
    ) -> Result<Self, MetricError> {
        let device = device.clone().without_autodiff();
        let name = format!("vgg16-{}-{resize}", &weights.sha256()[..8]);
        let network = Vgg16::load(&mut weights, &device)?;
        let mut dense = |layer, inputs| -> Result<(Tensor<2>, Tensor<1>), MetricError> {
            let (weight, bias) = (
                format!("classifier.{layer}.weight"),
                format!("classifier.{layer}.bias"),
            );
            Ok((
                weights.tensor(&weight, [Self::SIZE, inputs], &device)?,
                weights.tensor(&bias, [Self::SIZE], &device)?,
            ))
        };
        let dense = [dense(0, 512 * 7 * 7)?, dense(3, Self::SIZE)?];
        weights.finish(&["classifier.6."])?;
        Ok(Self {
            network,
            dense,
            resize,
            device,
            name,
        })
    }
}

impl Features for VggFeatures {
    fn name(&self) -> String {
        self.name.clone()
    }

    fn size(&self) -> usize {
        Self::SIZE
    }

    fn features(&self, pictures: &[u8], shape: PictureShape) -> Result<FeatureBatch, MetricError> {
        check_colours("VGG features", pictures, shape)?;
        let resize = Some((self.resize, Self::SIDE));
        let normalise = |c: usize, value: f32| (value / 255.0 - MEAN[c]) / DEVIATION[c];
        Ok(in_chunks(
            pictures,
            shape,
            chunk(),
            [Self::SIZE, 0],
            |bytes| {
                let x = prepare(bytes, shape, resize, normalise, &self.device);
                let last = self.network.forward(x).pop();
                let x = POOL
                    .forward(last.expect("there are five maps"))
                    .flatten(1, 3);
                let features = self.dense.iter().fold(x, |x, (weight, bias)| {
                    let bias = Some(bias.clone());
                    gan_core::kernel::linear(x, weight.clone(), bias).clamp_min(0.0)
                });
                (features, None)
            },
        ))
    }
}

/// [LPIPS](https://arxiv.org/abs/1801.03924), version 0.1 on VGG16: how different two pictures look;
/// 0 for equal ones, and mostly below 1.
///
/// `d = Σ_l mean_yx ( w_l · (a_l / ‖a_l‖ − b_l / ‖b_l‖)² )` over the five maps of [`Vgg16`]; the
/// lengths are over the channels of a pixel.
#[derive(Debug)]
pub struct Lpips {
    network: Vgg16,
    /// Weights of the channels of each map, `[1, channels, 1, 1]`.
    linear: Vec<Tensor<4>>,
    device: Device,
    name: String,
}

impl Lpips {
    /// `weights/v0.1/vgg.pth` of the package `lpips`: the weights of the maps.
    pub const LINEAR_FILE: PublishedFile = published::LPIPS;
    /// SHA-256 of [`LINEAR_FILE`](Self::LINEAR_FILE).
    pub const LINEAR_SHA256: &str = Self::LINEAR_FILE.sha256;
    /// Added to the length of a pixel.
    const EPSILON: f64 = 1e-10;

    /// Loads torchvision's VGG16 and the published weights of the maps, each from a PyTorch file or a
    /// safetensors file with the same names.
    ///
    /// # Errors
    ///
    /// If a file cannot be read, is not the one that its checksum wants, or lacks a tensor.
    pub fn open(
        vgg: (&Path, &Checksum),
        linear: (&Path, &Checksum),
        device: &Device,
    ) -> Result<Self, MetricError> {
        let vgg = Weights::open(vgg.0, vgg.1, Vgg16::SHA256)?;
        let linear = Weights::open(linear.0, linear.1, Self::LINEAR_SHA256)?;
        Self::load(vgg, linear, device)
    }

    /// Loads the network and the weights of the maps.
    ///
    /// # Errors
    ///
    /// If a tensor is missing, of another shape, or left over.
    pub fn load(
        mut vgg: Weights,
        mut linear: Weights,
        device: &Device,
    ) -> Result<Self, MetricError> {
        let device = device.clone().without_autodiff();
        let checksums = [&vgg, &linear].map(|weights| &weights.sha256()[..8]);
        let name = format!("lpips-vgg16-{}-{}", checksums[0], checksums[1]);
        let network = Vgg16::load(&mut vgg, &device)?;
        vgg.finish(&["classifier."])?;
        let mut maps = Vec::with_capacity(SLICES.len());
        for (index, slice) in SLICES.into_iter().enumerate() {
            let shape = [1, slice[slice.len() - 1], 1, 1];
            maps.push(linear.tensor(&format!("lin{index}.model.1.weight"), shape, &device)?);
        }
        linear.finish(&[])?;
        Ok(Self {
            network,
            linear: maps,
            device,
            name,
        })
    }

    /// Distance of each picture of `a` to the one in `b` at the same place; the pictures are taken in
    /// their own size.
    ///
    /// # Errors
    ///
    /// If a buffer has not the size of `shape`, or the pictures are neither grey nor RGB, or smaller than
    /// 16 pixels.
    pub fn distances(
        &self,
        a: &[u8],
        b: &[u8],
        shape: PictureShape,
    ) -> Result<Vec<f64>, MetricError> {
        check_colours("LPIPS", a, shape)?;
        check_colours("LPIPS", b, shape)?;
        Self::check_sides(shape)?;
        let prepared = |pictures| {
            let normalise =
                |c: usize, value: f32| (value / 127.5 - 1.0 - LPIPS_SHIFT[c]) / LPIPS_SCALE[c];
            prepare(pictures, shape, None, normalise, &self.device)
        };
        let bytes = chunk().div_ceil(2) * shape.picture_size();
        let chunks = a.chunks(bytes).zip(b.chunks(bytes));
        Ok(chunks
            .flat_map(|(a, b)| self.distances_of_chunk(prepared(a), prepared(b)))
            .collect())
    }

    /// Refuses pictures that vanish in the pools.
    fn check_sides(shape: PictureShape) -> Result<(), MetricError> {
        if shape.height.min(shape.width) >= Vgg16::SMALLEST_SIDE {
            return Ok(());
        }
        Err(MetricError::Pictures {
            place: "LPIPS".into(),
            reason: format!(
                "it needs pictures of {0}x{0} or more, and these are {shape}; enlarge them",
                Vgg16::SMALLEST_SIDE
            ),
        })
    }

    /// Of normalised pictures `[batch, 3, height, width]`.
    fn distances_of_chunk(&self, a: Tensor<4>, b: Tensor<4>) -> Vec<f64> {
        let mut sums = vec![0.0; a.dims()[0]];
        let (a, b) = (self.network.forward(a), self.network.forward(b));
        for ((a, b), weight) in a.into_iter().zip(b).zip(&self.linear) {
            let [batch, _, height, width] = a.dims();
            let difference = (unit(a) - unit(b)).square() * weight.clone();
            let map = difference.sum_dim(1).reshape([batch, height * width]);
            for (sum, mean) in sums.iter_mut().zip(host_values(map.mean_dim(1))) {
                *sum += f64::from(mean);
            }
        }
        sums
    }
}

impl PictureDistance for Lpips {
    fn name(&self) -> String {
        self.name.clone()
    }

    fn between(&self, a: Tensor<4>, b: Tensor<4>) -> Result<Vec<f64>, MetricError> {
        let shape = PictureShape::of(&a);
        if shape.channels != 1 && shape.channels != 3 {
            return Err(MetricError::Pictures {
                place: "LPIPS".into(),
                reason: format!(
                    "it needs grey or RGB pictures, and these are {shape}; convert them"
                ),
            });
        }
        Self::check_sides(shape)?;
        let colours = |values: [f32; 3]| {
            let data = TensorData::new(values.to_vec(), [1, 3, 1, 1]);
            Tensor::<4>::from_data(data, &self.device)
        };
        let (shift, scale) = (colours(LPIPS_SHIFT), colours(LPIPS_SCALE));
        let normalised = |pictures: Tensor<4>| {
            let pictures = match shape.channels {
                1 => pictures.repeat_dim(1, 3),
                _ => pictures,
            };
            (pictures - shift.clone()) / scale.clone()
        };
        let (a, b) = (normalised(a), normalised(b));
        let step = chunk().div_ceil(2);
        let mut distances = Vec::with_capacity(shape.count);
        for begin in (0..shape.count).step_by(step) {
            let part = |pictures: &Tensor<4>| {
                let size = step.min(shape.count - begin);
                pictures.clone().narrow(0, begin, size)
            };
            distances.extend(self.distances_of_chunk(part(&a), part(&b)));
        }
        Ok(distances)
    }
}

/// Every pixel at length 1 over its channels.
fn unit(map: Tensor<4>) -> Tensor<4> {
    let length = map.clone().square().sum_dim(1).sqrt() + Lpips::EPSILON;
    map / length
}
