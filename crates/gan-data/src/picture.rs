//! One 8-bit picture.

/// One picture in 8 bits per channel, with what is known about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    /// Width in pixels; at least 1.
    pub width: usize,
    /// Height in pixels; at least 1.
    pub height: usize,
    /// Number of interleaved channels: 1 grey, 2 grey and alpha, 3 RGB, 4 RGBA.
    pub channels: usize,
    /// Row-major, interleaved (`[height][width][channels]`), `width * height * channels` bytes.
    pub pixels: Vec<u8>,
    /// Class index, when the data set has classes.
    pub label: Option<usize>,
    /// One-line description, when the data set has captions.
    pub caption: Option<String>,
}

/// What the channels of the pictures of a data set are converted to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ChannelMode {
    /// Keep the channels of the first picture; another picture with other channels is refused by name.
    #[default]
    Keep,
    /// One channel: luma by ITU-R BT.601 (0.299, 0.587, 0.114); alpha is composed over white.
    Grey,
    /// Three channels; grey is repeated, alpha is composed over white.
    Rgb,
    /// Four channels; opaque where the file has no alpha.
    Rgba,
}
