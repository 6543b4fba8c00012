//! Networks that know classes against PyTorch on the same weights (`reference/README.md`), and their
//! parameters as PyTorch's `state_dict`.

use std::collections::BTreeMap;

use burn::module::Module;
use burn::prelude::*;
use burn::tensor::TensorData;
use gan_core::game::{restore_module, snapshot_module};
use gan_core::nn::{
    Activation, ClassCritic, ConvCriticConfig, ConvGeneratorConfig, Downsample, Generator,
    ImageCriticConfig, ImageGeneratorConfig, ImageShape, Initializer, LabelHead, Norm, OutputLayer,
    SpectralNormConfig, Stem, Upsample,
};
use gan_core::rng::Stream;
use gan_core::testing::tensors_of_file;
use gan_models::biggan::{
    DeepCriticConfig, DeepGeneratorConfig, ResnetCriticConfig, ResnetGeneratorConfig,
};
use gan_models::cgan::{TwoTowerCriticConfig, TwoTowerGeneratorConfig};
use gan_models::{
    ClassCriticConfig, ClassGenerator, ClassGeneratorConfig, ClassInput, ImageClassCritic,
};

const TOLERANCE: f32 = 1e-4;
const CLASSES: usize = 3;

type Tensors = BTreeMap<String, TensorData>;

fn fixture(name: &str) -> Tensors {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../reference");
    tensors_of_file(format!("{folder}/conditional_{name}.safetensors"))
}

/// A path as PyTorch writes it: without the names of enum variants.
fn plain(path: &str) -> String {
    let parts = path.split('.');
    let fields = parts.filter(|part| !part.starts_with(|c: char| c.is_ascii_uppercase()));
    fields.collect::<Vec<_>>().join(".")
}

/// The module with the weights of the file, all of them and no others.
fn load<M: Module>(module: M, file: &Tensors, prefix: &str) -> M {
    let mut left: Vec<&String> = file.keys().filter(|key| key.starts_with(prefix)).collect();
    let tensors = snapshot_module(&module).into_keys().map(|path| {
        let key = format!("{prefix}{}", plain(&path));
        let data = file
            .get(&key)
            .unwrap_or_else(|| panic!("the file has no {key}"));
        left.retain(|other| **other != key);
        (path, data.clone())
    });
    let tensors: Tensors = tensors.collect();
    assert!(left.is_empty(), "nobody wants {left:?}");
    restore_module(module, prefix, &tensors).unwrap()
}

fn tensor<const D: usize>(file: &Tensors, name: &str) -> Tensor<D> {
    Tensor::from_data(file[name].clone(), &Device::flex())
}

fn assert_close<const D: usize>(found: Tensor<D>, file: &Tensors, name: &str) {
    let expected = tensor::<D>(file, name);
    assert_eq!(found.dims(), expected.dims(), "{name}");
    let error = (found - expected).abs().max().into_scalar::<f32>();
    assert!(error < TOLERANCE, "{name} differs by {error}");
}

/// Generator and critic with the weights of a file say what PyTorch says.
fn check(
    name: &str,
    latent: usize,
    generator: &ClassGeneratorConfig,
    critic: &ClassCriticConfig,
) -> (ClassGenerator, ImageClassCritic) {
    let file = fixture(name);
    let device = Device::flex();
    let stream = &mut Stream::new(1, "weights", 0);
    generator.validate(latent, CLASSES).unwrap();
    critic.validate(CLASSES).unwrap();
    let generator = generator.init(latent, CLASSES, stream, &device);
    let generator = load(generator, &file, "g.");
    assert_close(generator.generate(tensor(&file, "rows")), &file, "pictures");
    let critic = load(critic.init(CLASSES, stream, &device), &file, "d.");
    let verdict = critic.judge(
        tensor::<4>(&file, "x").into(),
        &tensor::<2>(&file, "classes"),
    );
    assert_close(verdict.score.primal, &file, "score");
    if file.contains_key("logits") {
        assert_close(verdict.logits.unwrap(), &file, "logits");
    }
    (generator, critic)
}

#[test]
fn the_two_towers_of_cgan_are_pytorchs() {
    let image = ImageShape::new(1, 8);
    let initializer = Initializer::PyTorch;
    check(
        "two_tower",
        5,
        &ClassGeneratorConfig::TwoTower(TwoTowerGeneratorConfig {
            image,
            latent_size: 5,
            classes: CLASSES,
            latent_units: 6,
            class_units: 7,
            joint_units: 11,
            initializer,
        }),
        &ClassCriticConfig::TwoTower(TwoTowerCriticConfig {
            image,
            classes: CLASSES,
            image_units: [6, 5],
            class_units: [4, 5],
            joint_units: [5, 4],
            initializer,
        }),
    );
}

#[test]
fn products_planes_and_classifiers_of_convolutions_are_pytorchs() {
    let activation = Activation::LeakyRelu { slope: 0.2 };
    let initializer = Initializer::PyTorch;
    let generator = ConvGeneratorConfig {
        stem: Stem::Dense,
        upsample: Upsample::Transposed4,
        output: OutputLayer::Upsample,
        norm: Norm::None,
        activation,
        initializer,
        ..ConvGeneratorConfig::dcgan(ImageShape::new(1, 8), 5, [4])
    };
    let critic = ConvCriticConfig {
        downsample: Downsample::Strided4,
        norm: Norm::None,
        activation,
        initializer,
        ..ConvCriticConfig::dcgan(ImageShape::new(2, 8), [4])
    };
    check(
        "conv",
        5,
        &ClassGeneratorConfig::Image {
            input: ClassInput::Multiply,
            network: ImageGeneratorConfig::Conv(generator),
        },
        &ClassCriticConfig::Image {
            input: ClassInput::Plane,
            head: LabelHead::auxiliary(),
            network: ImageCriticConfig::Conv(critic),
            reader: None,
        },
    );
}

#[test]
fn the_blocks_of_biggan_are_pytorchs() {
    let image = ImageShape::new(3, 8);
    let initializer = Initializer::Orthogonal { gain: 1.0 };
    let spectral_norm = Some(SpectralNormConfig::default());
    check(
        "resnet",
        6,
        &ClassGeneratorConfig::Resnet(ResnetGeneratorConfig {
            image,
            latent_size: 6,
            classes: CLASSES,
            widths: vec![8, 8],
            shared_embedding: Some(4),
            hierarchical: true,
            attention: Some(8),
            spectral_norm,
            initializer,
        }),
        &ClassCriticConfig::Resnet(ResnetCriticConfig {
            image,
            widths: vec![8, 8],
            halvings: 1,
            wide: true,
            attention: Some(4),
            head: LabelHead::Projection,
            spectral_norm,
            initializer,
        }),
    );
}

#[test]
fn the_bottlenecks_of_biggan_deep_are_pytorchs() {
    let image = ImageShape::new(3, 8);
    let initializer = Initializer::Orthogonal { gain: 1.0 };
    let spectral_norm = Some(SpectralNormConfig::default());
    let (depth, ratio) = (2, 2);
    check(
        "deep",
        6,
        &ClassGeneratorConfig::Deep(DeepGeneratorConfig {
            image,
            latent_size: 6,
            classes: CLASSES,
            widths: vec![12, 8],
            depth,
            ratio,
            shared_embedding: 4,
            attention: Some(8),
            spectral_norm,
            initializer,
        }),
        &ClassCriticConfig::Deep(DeepCriticConfig {
            image,
            widths: vec![4, 8, 8],
            halvings: 1,
            depth,
            ratio,
            attention: Some(4),
            head: LabelHead::Projection,
            spectral_norm,
            initializer,
        }),
    );
}
