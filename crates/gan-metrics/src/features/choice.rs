//! Features by name, as programs and configurations want them.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use burn::prelude::*;
use serde::{Deserialize, Serialize};

use super::{
    Checksum, CifarClassifier, CifarFeatures, DigitClassifier, DigitFeatures, Features,
    InceptionFeatures, InceptionV3, PublishedFile, ResizeMode, Vgg16, VggFeatures,
};
use crate::error::{MetricError, by_name};

/// Networks that features come from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum FeatureNetwork {
    /// [`DigitFeatures`], whose weights are in this crate: handwritten digits, 28x28, grey.
    #[default]
    Digits,
    /// [`CifarFeatures`], with a file of one's own or untrained: 32x32, RGB.
    Cifar,
    /// [`InceptionFeatures`]: FID, KID and the Inception Score as published.
    Inception,
    /// [`VggFeatures`]: precision and recall as published.
    Vgg,
}

impl FeatureNetwork {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Digits, Self::Cifar, Self::Inception, Self::Vgg];

    /// As in files and flags.
    pub fn name(self) -> &'static str {
        match self {
            Self::Digits => "digits",
            Self::Cifar => "cifar",
            Self::Inception => "inception",
            Self::Vgg => "vgg",
        }
    }

    /// Classes that labels of data sets may mean: the digits, the classes of CIFAR-10. 0 if it has none of
    /// which data sets have labels.
    pub fn labels(self) -> usize {
        match self {
            Self::Digits => DigitClassifier::CLASSES,
            Self::Cifar => CifarClassifier::CLASSES,
            Self::Inception | Self::Vgg => 0,
        }
    }

    /// The published file of its weights; `None` if they are in this crate or one's own.
    pub fn published(self) -> Option<PublishedFile> {
        match self {
            Self::Inception => Some(InceptionV3::FILE),
            Self::Vgg => Some(Vgg16::FILE),
            Self::Digits | Self::Cifar => None,
        }
    }

    /// Channels of the pictures it was trained on: 1 or 3.
    pub fn channels(self) -> usize {
        match self {
            Self::Digits => 1,
            Self::Cifar | Self::Inception | Self::Vgg => 3,
        }
    }
}

impl fmt::Display for FeatureNetwork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for FeatureNetwork {
    type Err = MetricError;

    fn from_str(text: &str) -> Result<Self, MetricError> {
        by_name(text, Self::ALL, Self::name)
            .map_err(|names| MetricError::setting("features", text, format!("one of {names}")))
    }
}

/// Configuration to create [`Features`] by name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FeaturesConfig {
    /// The network. Default: `digits`
    pub network: FeatureNetwork,
    /// The file of its weights, which `inception` and `vgg` need (programs put the
    /// [published one](FeatureNetwork::published) here if there is none) and `cifar` may have. Default: `None`
    pub weights: Option<PathBuf>,
    /// SHA-256 that the file must have, or `any`. Default: `None`, that of the published file
    pub checksum: Option<String>,
    /// How pictures are brought to the size of the network; `digits` and `cifar` resize nothing. Default:
    /// [`ResizeMode::PytorchFid`]
    pub resize: ResizeMode,
}

impl FeaturesConfig {
    /// [`FeatureNetwork::labels`], which `cifar` has with weights only.
    pub fn labels(&self) -> usize {
        match (self.network, &self.weights) {
            (FeatureNetwork::Cifar, None) => 0,
            (network, _) => network.labels(),
        }
    }

    /// Loads the network.
    ///
    /// # Errors
    ///
    /// If there is no file of weights and the network needs one, or it has weights of its own and there
    /// is one; and those of [`Weights::open`](super::Weights::open).
    pub fn init(&self, device: &Device) -> Result<Box<dyn Features>, MetricError> {
        let checksum = match self.checksum.as_deref() {
            None => Checksum::Published,
            Some("any") => Checksum::Any,
            Some(sha256) => Checksum::Sha256(sha256.to_lowercase()),
        };
        let (network, resize) = (self.network, self.resize);
        match (network, &self.weights) {
            (FeatureNetwork::Digits, None) => Ok(Box::new(DigitFeatures::new(device)?)),
            (FeatureNetwork::Digits, Some(path)) => Err(MetricError::weights(
                path,
                "digit features have weights of their own; leave the file out, or choose inception",
            )),
            (FeatureNetwork::Cifar, None) => Ok(Box::new(CifarFeatures::untrained(device))),
            (FeatureNetwork::Cifar, Some(path)) => {
                Ok(Box::new(CifarFeatures::open(path, &checksum, device)?))
            }
            (FeatureNetwork::Inception, Some(path)) => Ok(Box::new(InceptionFeatures::open(
                path, &checksum, resize, device,
            )?)),
            (FeatureNetwork::Vgg, Some(path)) => Ok(Box::new(VggFeatures::open(
                path, &checksum, resize, device,
            )?)),
            (FeatureNetwork::Inception, None) => Err(missing(network, InceptionV3::FILE)),
            (FeatureNetwork::Vgg, None) => Err(missing(network, Vgg16::FILE)),
        }
    }
}

fn missing(network: FeatureNetwork, file: PublishedFile) -> MetricError {
    let PublishedFile { name, address, .. } = file;
    let allowed = format!("the file of weights of {network}, {name} from {address}");
    MetricError::setting("weights", "not set", allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_and_weights_are_where_they_belong() {
        for network in FeatureNetwork::ALL {
            assert_eq!(network.name().parse::<FeatureNetwork>().unwrap(), network);
        }
        let text = |error: MetricError| error.to_string();
        assert_eq!(
            text("inceptoin".parse::<FeatureNetwork>().unwrap_err()),
            "`features` is inceptoin; it must be one of digits, cifar, inception, vgg"
        );
        let device = Device::flex();
        let init = |network, weights: Option<&str>| {
            let config = FeaturesConfig {
                network,
                weights: weights.map(PathBuf::from),
                ..FeaturesConfig::default()
            };
            config.init(&device).map(|features| features.name())
        };
        let digits = init(FeatureNetwork::Digits, None).unwrap();
        assert!(digits.starts_with("digits-"), "{digits}");
        assert!(text(init(FeatureNetwork::Digits, Some("w")).unwrap_err()).starts_with("w: "));
        let cifar = init(FeatureNetwork::Cifar, None).unwrap();
        assert_eq!(cifar, "cifar-untrained");
        let labels = |weights: Option<&str>| {
            let config = FeaturesConfig {
                network: FeatureNetwork::Cifar,
                weights: weights.map(PathBuf::from),
                ..FeaturesConfig::default()
            };
            config.labels()
        };
        assert_eq!((labels(None), labels(Some("w"))), (0, 10));
        let missing = text(init(FeatureNetwork::Inception, None).unwrap_err());
        let address = "https://github.com/mseitzer/pytorch-fid/";
        assert!(
            missing.contains("weights of inception") && missing.contains(address),
            "{missing}"
        );
        for network in [FeatureNetwork::Vgg, FeatureNetwork::Cifar] {
            let absent = text(init(network, Some("/nowhere/w")).unwrap_err());
            assert!(absent.starts_with("/nowhere/w: cannot"), "{absent}");
        }
    }
}
