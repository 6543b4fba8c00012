//! Every network against PyTorch on the same weights (`reference/README.md`), which come as PyTorch's
//! `state_dict` and go back as the same one.

use std::collections::BTreeMap;

use burn::module::Module;
use burn::prelude::*;
use burn::tensor::TensorData;
use gan_core::game::{Game, restore_module, snapshot_module};
use gan_core::nn::{
    ClassCritic, Critic, Generator, ImageCritic, ImageCriticConfig, ImageShape, pooled_features,
};
use gan_core::rng::Stream;
use gan_core::testing::tensors_of_file;
use gan_core::weights::{SpectralNorms, WeightsFile, from_state_dict, state_dict};
use gan_models::{ClassGanConfig, ImageGanConfig, Model, SemiSupervisedConfig, TranslationConfig};
use serde_json::{Value, json};

const TOLERANCE: f32 = 1e-4;
const REFERENCE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../reference");

type Tensors = BTreeMap<String, TensorData>;

/// Which type a model is read as.
#[derive(Clone, Copy)]
enum Kind {
    Image,
    Class,
    SemiSupervised,
    Translation,
}

fn preset<M: Model>(name: &str, channels: usize, size: usize) -> Value {
    let model = M::preset(name, ImageShape::new(channels, size), 3).unwrap();
    serde_json::to_value(model).unwrap()
}

/// Name, type, and model at full size.
fn cases() -> Vec<(&'static str, Kind, Value)> {
    let image = |name, size| (Kind::Image, preset::<ImageGanConfig>(name, 1, size));
    let class = |name, size| (Kind::Class, preset::<ClassGanConfig>(name, 1, size));
    let mut resized = image("default", 16).1;
    merge(
        &mut resized,
        &json!({
            "generator": {
                "upsample": "resize3", "output": {"conv": {"kernel": 3}}, "widths": [64, 32, 16],
                "extra_convs": [0, 1, 0], "norm": {"instance": {}}, "activation": "silu",
            },
            "critic": {
                "downsample": "pool3", "norm": {"group": {"groups": 1}}, "hidden": 16,
                "activation": {"elu": {"alpha": 0.7}}, "spectral_norm": {},
            },
        }),
    );
    let mut residual = class("acgan", 16).1;
    merge(
        &mut residual,
        &json!({
            "generator": {"input": "multiply", "network": {
                "latent_size": 64, "residual": true, "output": {"conv": {"kernel": 1}},
                "widths": [64, 32, 32], "extra_convs": [1, 0, 0], "norm": {"batch": {}},
                "stem": "transposed", "spectral_norm": {},
            }},
            "critic": {"input": "plane", "head": {"kind": "twin_auxiliary", "weight": 1.0, "on_fake": null},
                "network": {
                    "image": {"channels": 2}, "residual": true, "norm": {"layer": {}}, "downsample": "strided3",
                }},
        }),
    );
    let mut varied = class("biggan-deep", 16).1;
    merge(
        &mut varied,
        &json!({
            "generator": {"widths": [256, 128, 64], "ratio": 2},
            "critic": {"widths": [32, 128, 128, 128], "ratio": 2},
        }),
    );
    let (semi, name) = (Kind::SemiSupervised, "semi-supervised");
    let mut all = vec![
        (name, semi, preset::<SemiSupervisedConfig>(name, 1, 16)),
        ("residual-multiply", Kind::Class, residual),
        ("resized", Kind::Image, resized),
        ("bottlenecks", Kind::Class, varied),
    ];
    for (name, size) in [("inpaint", 16), ("pix2pix", 64)] {
        let model = preset::<TranslationConfig>(name, 3, size);
        all.push((name, Kind::Translation, model));
    }
    for (name, preset, size) in [
        ("vanilla", "vanilla", 8),
        ("dcgan-28", "dcgan", 28),
        ("dcgan-64", "dcgan", 64),
        ("default", "default", 28),
        ("wgan-gp", "wgan-gp", 16),
        ("ebgan", "ebgan", 16),
        ("began", "began", 16),
        ("improved", "improved", 16),
    ] {
        let (kind, model) = image(preset, size);
        all.push((name, kind, model));
    }
    for name in gan_models::CLASS_PRESETS {
        let (kind, mut model) = class(name, if name == "cgan" { 8 } else { 16 });
        // The reader only helps in training; PyTorch's side does not know it.
        merge(&mut model, &json!({"critic": {"reader": null}}));
        all.push((name, kind, model));
    }
    all
}

/// Puts the values of `patch` into `value`, key by key; null takes a key away.
fn merge(value: &mut Value, patch: &Value) {
    match (value, patch) {
        (Value::Object(into), Value::Object(patch)) => {
            // A choice replaces another choice as a whole.
            for (key, patch) in patch {
                match into.get_mut(key) {
                    _ if patch.is_null() => drop(into.remove(key)),
                    Some(old) if !["norm", "activation"].contains(&key.as_str()) => {
                        merge(old, patch)
                    }
                    _ => drop(into.insert(key.clone(), patch.clone())),
                }
            }
        }
        (value, patch) => *value = patch.clone(),
    }
}

/// Applies `edit` to all numbers below keys of these names.
fn edit(value: &mut Value, keys: &[&str], found: bool, edit_number: &impl Fn(u64) -> u64) {
    match value {
        Value::Object(fields) => {
            for (key, field) in fields {
                edit(field, keys, keys.contains(&key.as_str()), edit_number);
            }
        }
        Value::Array(values) => {
            for value in values {
                edit(value, keys, found, edit_number);
            }
        }
        Value::Number(number) if found => {
            *value = edit_number(number.as_u64().unwrap()).into();
        }
        _ => {}
    }
}

/// The same network with few channels: equal widths stay equal, latents keep their parts.
fn narrow(full: &Value) -> Value {
    const WIDTHS: [&str; 8] = [
        "widths",
        "latent_units",
        "class_units",
        "joint_units",
        "image_units",
        "shared_embedding",
        "hidden",
        "kernels",
    ];
    let mut narrow = full.clone();
    edit(&mut narrow, &WIDTHS, false, &|width| {
        u64::from(width.ilog2()).max(2)
    });
    let old = full.pointer("/gan/latent/size").and_then(Value::as_u64);
    let Some(old) = old else {
        return narrow; // Only a model that translates has no prior.
    };
    let new = (old / 8).max(2);
    edit(&mut narrow["gan"]["latent"], &["size"], false, &|_| new);
    edit(&mut narrow["generator"], &["latent_size"], false, &|size| {
        size - old + new
    });
    // The code of a critic that reconstructs.
    edit(&mut narrow["critic"], &["latent_size"], false, &|size| {
        size / 8
    });
    narrow
}

/// The parts of a model that decide its networks.
fn networks(model: &Value) -> Value {
    let parts = ["generator", "critic", "condition", "classes", "task"];
    let found = parts.iter().filter_map(|part| {
        let value = model.get(*part)?;
        Some(((*part).to_owned(), value.clone()))
    });
    Value::Object(found.collect())
}

/// `forward.json`, which the script makes its networks of, is what the presets are now.
#[test]
fn the_script_knows_the_presets() {
    let cases = cases().into_iter().map(|(name, _, full)| {
        let case = json!({"narrow": networks(&narrow(&full)), "full": networks(&full)});
        (name.to_owned(), case)
    });
    let cases: BTreeMap<String, Value> = cases.collect();
    let path = format!("{REFERENCE}/forward.json");
    if std::env::var_os("WRITE_REFERENCE").is_some() {
        let text = serde_json::to_string_pretty(&cases).unwrap() + "\n";
        std::fs::write(&path, text).unwrap();
    }
    let written: BTreeMap<String, Value> =
        serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
    assert!(
        written == cases,
        "the presets have changed: run this test with WRITE_REFERENCE=1, then \
         reference/generate/forward.py"
    );
}

/// Presets may share networks, but none has some that are in no case.
#[test]
fn no_preset_is_left_out() {
    let known = cases().into_iter().map(|(_, _, full)| networks(&full));
    let known: Vec<Value> = known.collect();
    for name in gan_models::PRESETS {
        let at = |size: &usize| networks(&preset::<ImageGanConfig>(name, 1, *size));
        let sizes = [8, 16, 28];
        assert!(sizes.iter().any(|size| known.contains(&at(size))), "{name}");
    }
}

/// A module with the weights of the file; it must give the same state dict back.
fn load<M: Module>(module: M, file: &Tensors, prefix: &str) -> M {
    let tensors: Tensors = file
        .iter()
        .filter_map(|(name, data)| Some((name.strip_prefix(prefix)?.to_owned(), data.clone())))
        .collect();
    let mut floats = tensors.clone();
    floats.retain(|_, data| data.dtype().is_float());
    let like = snapshot_module(&module);
    let by_path = from_state_dict(WeightsFile::from_tensors(prefix, floats), &like).unwrap();
    let module = restore_module(module, prefix, &by_path).unwrap();
    let mut back = state_dict(&snapshot_module(&module), SpectralNorms::Keep);
    for (name, data) in tensors {
        let found = back.remove(&name);
        let found = found.unwrap_or_else(|| panic!("{prefix}{name} is not given back"));
        if name.ends_with("weight_v") {
            let values = |data: &TensorData| data.clone().try_to_vec::<f32>().unwrap();
            let pairs = values(&found).into_iter().zip(values(&data));
            let error = pairs.fold(0.0f32, |worst, (a, b)| worst.max((a - b).abs()));
            assert!(error < 1e-6, "{prefix}{name} differs by {error}");
        } else {
            assert_eq!(found, data, "{prefix}{name}");
        }
    }
    let more: Vec<&String> = back.keys().collect();
    assert!(more.is_empty(), "PyTorch does not have {more:?}");
    assert_folding_keeps_the_function(&module, prefix);
    module
}

/// A folded weight times its singular value is the weight.
fn assert_folding_keeps_the_function<M: Module>(module: &M, prefix: &str) {
    let tensors = snapshot_module(module);
    let kept = state_dict(&tensors, SpectralNorms::Keep);
    for (name, folded) in state_dict(&tensors, SpectralNorms::Fold) {
        let Some(weight) = kept.get(&format!("{name}_orig")) else {
            assert_eq!(kept.get(&name), Some(&folded), "{prefix}{name}");
            continue;
        };
        let values = |data: &TensorData| data.clone().try_to_vec::<f32>().unwrap();
        let (weight, folded) = (values(weight), values(&folded));
        let sigma = weight[0] / folded[0];
        for (weight, folded) in weight.iter().zip(&folded) {
            assert!((weight - sigma * folded).abs() < 1e-5, "{prefix}{name}");
        }
    }
}

fn tensor<const D: usize>(file: &Tensors, name: &str) -> Tensor<D> {
    Tensor::from_data(file[name].clone(), &Device::flex())
}

fn assert_close<const D: usize>(found: Tensor<D>, file: &Tensors, case: &str, name: &str) {
    let expected = tensor::<D>(file, name);
    assert_eq!(found.dims(), expected.dims(), "{case}: {name}");
    let size = expected.clone().abs().max().into_scalar::<f32>().max(1.0);
    let error = (found - expected).abs().max().into_scalar::<f32>();
    assert!(
        error < TOLERANCE * size,
        "{case}: {name} differs by {error}"
    );
}

#[test]
fn every_network_says_what_pytorch_says() {
    for (case, kind, full) in cases() {
        let file = tensors_of_file(format!("{REFERENCE}/forward_{case}.safetensors"));
        let (model, device) = (narrow(&full), Device::flex());
        let stream = &mut Stream::new(1, "weights", 0);
        let (generator, critic) = (model["generator"].clone(), model["critic"].clone());
        let pictures: Tensor<4> = tensor(&file, "pictures");
        let rows = || tensor(&file, "rows");
        let verdict = |width: usize, critic: Value| {
            let critic: gan_models::ClassCriticConfig = serde_json::from_value(critic).unwrap();
            critic.validate(width).unwrap();
            let stream = &mut Stream::new(1, "weights", 0);
            let critic = load(critic.init(width, stream, &device), &file, "d.");
            let verdict = critic.judge(pictures.clone().into(), &tensor::<2>(&file, "classes"));
            if file.contains_key("logits") {
                assert_close(verdict.logits.unwrap(), &file, case, "logits");
            }
            verdict.score.primal
        };
        let (drawn, score) = match kind {
            Kind::Image => {
                let config: ImageGanConfig = serde_json::from_value(model).unwrap();
                config.validate().unwrap();
                let generator = load(config.generator.init(stream, &device), &file, "g.");
                let critic = load(config.critic.init(stream, &device), &file, "d.");
                let score = critic.score(pictures.clone().into()).primal;
                if file.contains_key("guided") {
                    assert_views(&config.critic, &file, case);
                }
                (generator.generate(rows()), score)
            }
            Kind::Class => {
                let config: ClassGanConfig = serde_json::from_value(model).unwrap();
                config.validate().unwrap();
                let (latent, width) = (config.gan.latent.size(), config.condition.width());
                let generator = config.generator.init(latent, width, stream, &device);
                let generator = load(generator, &file, "g.");
                (generator.generate(rows()), verdict(width, critic))
            }
            Kind::Translation => {
                let config: TranslationConfig = serde_json::from_value(model).unwrap();
                config.validate().unwrap();
                let generator = load(config.generator.init(stream, &device), &file, "g.");
                let critic = load(config.critic.init(stream, &device), &file, "d.");
                let (noise, size) = (config.generator.noise_size(), config.image().size);
                let sources = rows().narrow(1, noise, config.generator.source_size());
                let sources = sources.reshape([
                    -1,
                    config.generator.in_channels as i32,
                    size as i32,
                    size as i32,
                ]);
                let seen = Tensor::cat(vec![sources, pictures.clone()], 1);
                (generator.generate(rows()), critic.score(seen.into()).primal)
            }
            Kind::SemiSupervised => {
                let generator: gan_core::nn::ImageGeneratorConfig =
                    serde_json::from_value(generator).unwrap();
                let generator = load(generator.init(stream, &device), &file, "g.");
                (generator.generate(rows()), verdict(3, critic))
            }
        };
        assert_close(drawn, &file, case, "pictures");
        assert_close(score, &file, case, "score");
    }
}

/// What the critic's convolutions see is what PyTorch's see.
fn assert_views(critic: &ImageCriticConfig, file: &Tensors, case: &str) {
    let (stream, device) = (&mut Stream::new(1, "weights", 0), Device::flex().autodiff());
    let critic = load(critic.init(stream, &device), file, "d.");
    let ImageCritic::Conv(critic) = critic else {
        panic!("{case}: a convolutional critic")
    };
    let pictures = Tensor::<4>::from_data(file["pictures"].clone(), &device);
    let frozen = critic.clone().freeze();
    let pooled = pooled_features(&frozen.feature_maps(pictures.clone()), 4);
    assert_close(pooled.inner(), file, case, "pooled");
    let guided = critic.guided_gradient(pictures, 1).unwrap();
    assert_close(guided, file, case, "guided");
}

/// Without spectral normalisation and with zeros for initial values, which cost time and do not count.
fn counted<M: Model>(mut full: Value) -> Vec<usize> {
    fn simplify(value: &mut Value) {
        if let Value::Object(fields) = value {
            for (key, field) in fields {
                match key.as_str() {
                    "initializer" => *field = "zeros".into(),
                    "spectral_norm" => *field = Value::Null,
                    _ => simplify(field),
                }
            }
        }
    }
    simplify(&mut full);
    let model: M = serde_json::from_value(full).unwrap();
    let counts = model.init(1, &Device::flex()).unwrap().parameter_counts();
    counts.into_iter().map(|(_, count)| count).collect()
}

#[test]
fn every_preset_has_as_many_parameters_as_in_pytorch() {
    for (case, kind, full) in cases() {
        let file = tensors_of_file(format!("{REFERENCE}/forward_{case}.safetensors"));
        let expected = file["counts"].clone().try_to_vec::<i64>().unwrap();
        let counts = match kind {
            Kind::Image => counted::<ImageGanConfig>(full),
            Kind::Class => counted::<ClassGanConfig>(full),
            Kind::SemiSupervised => counted::<SemiSupervisedConfig>(full),
            Kind::Translation => counted::<TranslationConfig>(full),
        };
        let counts: Vec<i64> = counts.into_iter().map(|count| count as i64).collect();
        assert_eq!(counts, expected, "{case}");
    }
}

#[test]
fn what_does_not_fit_is_listed_with_its_shape() {
    let config = gan_models::preset("default", ImageShape::new(1, 8)).unwrap();
    let stream = &mut Stream::new(1, "weights", 0);
    let generator = config.generator.init(stream, &Device::flex());
    let like = snapshot_module(&generator);
    let good = state_dict(&like, SpectralNorms::Fold);
    let refused = |change: &dyn Fn(&mut Tensors)| {
        let mut tensors = good.clone();
        change(&mut tensors);
        let file = WeightsFile::from_tensors("x.pt", tensors);
        from_state_dict(file, &like).unwrap_err().to_string()
    };
    let error = refused(&|tensors| {
        tensors.remove("stem.bias");
        tensors.insert("output.layer.bias".into(), TensorData::from([1.0f32, 2.0]));
        tensors.insert("head.weight".into(), TensorData::from([1.0f32]));
    });
    assert_eq!(
        error,
        "x.pt: does not fit the network: `output.layer.bias` is [2] instead of [1], `stem.bias` [512] is \
         missing, `head.weight` has no place"
    );
    let error = refused(&|tensors| {
        for index in 0..10 {
            tensors.insert(format!("more.{index}"), TensorData::from([1.0f32]));
        }
    });
    assert!(
        error.ends_with("`more.5` has no place, and 4 more"),
        "{error}"
    );
}

#[test]
fn folded_weights_do_not_go_where_spectral_normalisation_is_and_parametrisations_do() {
    let mut full = preset::<ClassGanConfig>("sngan", 1, 8);
    full = narrow(&full);
    let config: ClassGanConfig = serde_json::from_value(full).unwrap();
    let stream = &mut Stream::new(1, "weights", 0);
    let critic = config.critic.init(3, stream, &Device::flex());
    let like = snapshot_module(&critic);
    let folded = state_dict(&like, SpectralNorms::Fold);
    let error = from_state_dict(WeightsFile::from_tensors("x.pt", folded), &like).unwrap_err();
    let error = error.to_string();
    assert!(error.contains("`blocks.0.conv_1.weight_orig` ["), "{error}");
    assert!(error.contains("was folded into the weights"), "{error}");

    let newer = state_dict(&like, SpectralNorms::Keep)
        .into_iter()
        .map(|(name, data)| {
            let name = name.replace("weight_orig", "parametrizations.weight.original");
            let name = name.replace("weight_u", "parametrizations.weight.0._u");
            (
                name.replace("weight_v", "parametrizations.weight.0._v"),
                data,
            )
        });
    let newer = WeightsFile::from_tensors("x.pt", newer.collect());
    assert_eq!(from_state_dict(newer, &like).unwrap(), like);
}
