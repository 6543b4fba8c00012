//! Finds the real pictures.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use gan_data::source::synthetic::SyntheticDigitsConfig;
use gan_data::source::{Pictures, Split, data_dir, find_mnist, find_mnist_test, open};
use gan_data::{ChannelMode, DataError, Picture};

use crate::Failure;
use crate::progress::Screen;
use crate::resolve::DataConfig;

/// The pictures, and what `data.source` calls them.
pub(crate) fn find_data(
    wanted: Option<&str>,
    screen: &Screen,
) -> Result<(String, Arc<dyn Pictures>), Failure> {
    let is_word = |word: &str| wanted == Some(word) && !Path::new(word).exists();
    if is_word("synthetic") {
        return Ok((
            "synthetic".into(),
            Arc::new(SyntheticDigitsConfig::new().init()?),
        ));
    }
    if let Some(path) = wanted.filter(|_| !is_word("mnist")) {
        let data = open(Path::new(path), Split::Train, ChannelMode::Keep)
            .map_err(|error| Failure::new(format!("--data {error}")))?;
        let path = fs::canonicalize(path).unwrap_or_else(|_| PathBuf::from(path));
        return Ok((path.to_string_lossy().into_owned(), data));
    }
    if let Some(mnist) = find_mnist(None)? {
        if data_dir().is_none() && find_mnist_test()?.is_none() {
            // An earlier fetch was cut between the files. It is no pity if the network is gone by now.
            let _ = fetch_mnist(screen);
        }
        return Ok(("mnist".into(), mnist));
    }
    match fetch_mnist(screen) {
        Ok(mnist) => Ok(("mnist".into(), mnist)),
        Err(error) if wanted.is_some() => Err(Failure::new(format!("--data mnist: {error}"))),
        // What is wrong here would be wrong next time, too: a full disk, another program that is at it.
        Err(error @ (DataError::Io { .. } | DataError::Refused { .. })) => {
            Err(Failure::new(format!(
                "MNIST: {error}; or train on digits drawn by this program, with --data synthetic"
            )))
        }
        Err(_) => {
            screen.note(
                "no MNIST here (no --data, GAN_DATA_DIR, cache or network), so training on \
                 synthetic digits drawn by this program",
            );
            Ok((
                "synthetic".into(),
                Arc::new(SyntheticDigitsConfig::new().init()?),
            ))
        }
    }
}

#[cfg(feature = "download")]
fn fetch_mnist(screen: &Screen) -> Result<Arc<dyn Pictures>, DataError> {
    use gan_data::source::download::{Remote, download};

    use crate::fetch::Transfer;

    let transfer = Transfer::new(screen);
    let folder = download(Remote::Mnist, &|progress| transfer.show(progress))?;
    drop(transfer);
    open(&folder, Split::Train, ChannelMode::Keep)
}

#[cfg(not(feature = "download"))]
fn fetch_mnist(_: &Screen) -> Result<Arc<dyn Pictures>, DataError> {
    let message = "not on this machine, and the feature `download` is off";
    Err(DataError::download("mnist", message))
}

/// The pictures as near to how they are as the networks allow.
pub(crate) fn natural_data(
    source: String,
    data: &Arc<dyn Pictures>,
) -> Result<DataConfig, Failure> {
    if data.is_empty() {
        return Err(Failure::new(format!(
            "--data {source}: there are no pictures in it"
        )));
    }
    let first: Picture = data.get(0)?;
    let side = first.width.min(first.height);
    let size = match side {
        28 => 28,
        0..16 => 8,
        _ => 1 << side.min(1024).ilog2(),
    };
    let channels = if first.channels == 2 {
        1
    } else {
        first.channels
    };
    Ok(DataConfig {
        source,
        size,
        channels,
        flip_probability: 0.0,
    })
}

/// How pictures get the channels of the configuration.
pub(crate) fn channel_mode(config: &DataConfig) -> Result<ChannelMode, Failure> {
    match config.channels {
        1 => Ok(ChannelMode::Grey),
        3 => Ok(ChannelMode::Rgb),
        4 => Ok(ChannelMode::Rgba),
        other => {
            let message = format!("--set data.channels: {other} is not allowed; use 1, 3 or 4");
            Err(Failure::usage(message))
        }
    }
}

/// The pictures with the channels (and, if they are drawn, the size) of the configuration.
pub(crate) fn as_configured(
    data: Arc<dyn Pictures>,
    natural: &DataConfig,
    config: &DataConfig,
) -> Result<Arc<dyn Pictures>, Failure> {
    let mode = channel_mode(config)?;
    match config.source.as_str() {
        "synthetic" => {
            let drawn = SyntheticDigitsConfig::new()
                .with_size(config.size.clamp(28, 256))
                .with_colour(config.channels > 1);
            let is_grey_or_rgb = config.channels != 4;
            if !is_grey_or_rgb {
                let message = "--set data.channels: synthetic pictures have 1 or 3 channels";
                return Err(Failure::usage(message));
            }
            Ok(Arc::new(drawn.init()?))
        }
        "mnist" if config.channels != natural.channels => Err(Failure::usage(format!(
            "--set data.channels: MNIST is grey; give its folder with --data to make it {mode:?}"
        ))),
        "mnist" => Ok(data),
        // Also where it is as wanted already: a folder may mix grey and coloured pictures.
        path => Ok(open(Path::new(path), Split::Train, mode)?),
    }
}
