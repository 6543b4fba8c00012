//! `--backend`: which of the compiled-in backends computes.

use std::panic::{self, AssertUnwindSafe};

use burn::prelude::*;
#[cfg(any(feature = "wgpu", feature = "vulkan"))]
use burn::tensor::DeviceKind;

use gan_core::words::count;

use crate::Failure;

/// A backend this program knows, compiled in or not.
struct Known {
    name: &'static str,
    open: Option<fn() -> Device>,
}

/// All of them; the first one that is compiled in is the default.
const KNOWN: [Known; 5] = [
    Known {
        name: "flex",
        #[cfg(feature = "flex")]
        open: Some(Device::flex),
        #[cfg(not(feature = "flex"))]
        open: None,
    },
    Known {
        name: "cuda",
        #[cfg(feature = "cuda")]
        open: Some(|| Device::cuda(0)),
        #[cfg(not(feature = "cuda"))]
        open: None,
    },
    Known {
        name: "vulkan",
        #[cfg(feature = "vulkan")]
        open: Some(|| Device::vulkan(DeviceKind::DefaultDevice)),
        #[cfg(not(feature = "vulkan"))]
        open: None,
    },
    Known {
        name: "wgpu",
        #[cfg(any(feature = "wgpu", feature = "vulkan"))]
        open: Some(|| Device::wgpu(DeviceKind::DefaultDevice)),
        #[cfg(not(any(feature = "wgpu", feature = "vulkan")))]
        open: None,
    },
    Known {
        name: "ndarray",
        #[cfg(feature = "ndarray")]
        open: Some(ndarray),
        #[cfg(not(feature = "ndarray"))]
        open: None,
    },
];

#[cfg(feature = "ndarray")]
#[allow(deprecated, reason = "people are told when they choose it")]
fn ndarray() -> Device {
    Device::ndarray()
}

/// A device that works, and what it is called.
#[derive(Clone, Debug)]
pub struct Backend {
    /// Name of the backend, as in `--backend`.
    pub name: &'static str,
    /// Its device, without autodiff.
    pub device: Device,
}

impl Backend {
    /// Opens the backend called `name`, or the first one compiled in, and computes something on it.
    ///
    /// # Errors
    ///
    /// If there is none of that name, it is not compiled in (the message says what to turn on), or
    /// its device does not answer.
    pub fn open(name: Option<&str>) -> Result<Self, Failure> {
        let known = match name {
            None => KNOWN.iter().find(|known| known.open.is_some()),
            Some(name) => KNOWN.iter().find(|known| known.name == name),
        };
        let Some(known) = known else {
            return Err(Failure::usage(match name {
                Some(name) => format!(
                    "--backend: there is no backend `{name}`; compiled in: {}; others: {}",
                    compiled_in().join(", "),
                    others()
                ),
                None => format!("no backend is compiled in; add one: {}", others()),
            }));
        };
        let Some(open) = known.open else {
            return Err(Failure::usage(format!(
                "--backend: `{0}` is not compiled in; compiled in: {1}; to add it, put \
                 `--features {0}` before the `--`: cargo run --release --features {0} --example …",
                known.name,
                compiled_in().join(", ")
            )));
        };
        Ok(Self {
            name: known.name,
            device: answer(known.name, open)?,
        })
    }

    /// Whether it computes on the processor, in the memory of the machine.
    pub fn is_on_processor(&self) -> bool {
        matches!(self.name, "flex" | "ndarray")
    }

    /// Says what a person should know before training on it; `convolutional` is whether the model
    /// has convolutions.
    pub fn warning(&self, convolutional: bool) -> Option<&'static str> {
        (self.name == "ndarray" && convolutional).then_some(
            "ndarray is deprecated and its convolutions are about 80 times slower than those of \
             flex: use --backend flex",
        )
    }

    /// What `run.json` calls the device.
    pub fn describe(&self) -> String {
        let threads = rayon::current_num_threads();
        match self.name {
            "flex" | "ndarray" => format!("{} ({})", self.name, count(threads, "thread")),
            name => name.to_owned(),
        }
    }
}

/// Names of the backends that are compiled in.
pub fn compiled_in() -> Vec<&'static str> {
    let names = KNOWN.iter().filter(|known| known.open.is_some());
    names.map(|known| known.name).collect()
}

/// The others, each with its feature.
fn others() -> String {
    let names = KNOWN.iter().filter(|known| known.open.is_none());
    let names: Vec<String> = names
        .map(|known| format!("{0} (--features {0})", known.name))
        .collect();
    if names.is_empty() {
        return "none".to_owned();
    }
    names.join(", ")
}

/// Opens a device and adds 1 and 1. Graphics drivers that are missing end in a panic deep inside,
/// which must become words.
fn answer(name: &str, open: fn() -> Device) -> Result<Device, Failure> {
    let quiet = panic::take_hook();
    panic::set_hook(Box::new(|_| {}));
    let answer = panic::catch_unwind(AssertUnwindSafe(|| {
        let device = open();
        let two = Tensor::<1>::ones([1], &device) + 1.0;
        (two.into_scalar::<f32>(), device)
    }));
    panic::set_hook(quiet);
    match answer {
        Ok((2.0, device)) => Ok(device),
        Ok((other, _)) => Err(Failure::new(format!(
            "--backend: `{name}` computes 1 + 1 = {other}; its driver is broken, use another one of: {}",
            compiled_in().join(", ")
        ))),
        Err(_) => Err(Failure::new(format!(
            "--backend: no device answers on `{name}`; install its driver, or use another one of: {}",
            compiled_in().join(", ")
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_is_the_first_one_compiled_in() {
        let backend = Backend::open(None).unwrap();
        assert_eq!(backend.name, compiled_in()[0]);
        assert!(!backend.device.is_autodiff());
    }

    #[test]
    fn an_unknown_one_lists_those_there_are_and_the_features_of_the_others() {
        let message = Backend::open(Some("tpu")).unwrap_err().to_string();
        assert!(message.contains("`tpu`"), "{message}");
        for known in KNOWN {
            assert!(message.contains(known.name), "{message}");
        }
        if KNOWN[1].open.is_none() {
            assert!(message.contains("cuda (--features cuda)"), "{message}");
            let message = Backend::open(Some("cuda")).unwrap_err().to_string();
            assert!(message.contains("--features cuda"), "{message}");
        }
    }

    #[cfg(feature = "ndarray")]
    #[test]
    fn ndarray_warns_of_slow_convolutions_only() {
        let backend = Backend::open(Some("ndarray")).unwrap();
        assert!(
            backend
                .warning(true)
                .is_some_and(|text| text.contains("80 times"))
        );
        assert!(backend.warning(false).is_none());
    }
}
