//! The published files of weights.

/// A file of weights that everybody uses, and where it is.
///
/// This crate fetches nothing: a program may, and has what it needs to know here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PublishedFile {
    /// What to call it in a folder of such files.
    pub name: &'static str,
    /// Its length.
    pub bytes: u64,
    /// Its SHA-256, in lower case hexadecimal.
    pub sha256: &'static str,
    /// Where its authors keep it, with `https://`.
    pub address: &'static str,
}

/// The weights of [`InceptionV3`](super::InceptionV3), from the releases of `pytorch-fid`.
pub(super) const INCEPTION: PublishedFile = PublishedFile {
    name: "pt_inception-2015-12-05-6726825d.pth",
    bytes: 95_628_359,
    sha256: "6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2",
    address: "https://github.com/mseitzer/pytorch-fid/releases/download/fid_weights/\
              pt_inception-2015-12-05-6726825d.pth",
};

/// The weights of [`Vgg16`](super::Vgg16), of torchvision.
pub(super) const VGG16: PublishedFile = PublishedFile {
    name: "vgg16-397923af.pth",
    bytes: 553_433_881,
    sha256: "397923af8e79cdbb6a7127f12361acd7a2f83e06b05044ddf496e83de57a5bf0",
    address: "https://download.pytorch.org/models/vgg16-397923af.pth",
};

/// The weights of the maps of [`Lpips`](super::Lpips). Its authors call it `vgg.pth`, which says little beside that
/// of VGG16.
pub(super) const LPIPS: PublishedFile = PublishedFile {
    name: "lpips_vgg.pth",
    bytes: 7_289,
    sha256: "a78928a0af1e5f0fcb1f3b9e8f8c3a2a5a3de244d830ad5c1feddc79b8432868",
    address: "https://raw.githubusercontent.com/richzhang/PerceptualSimilarity/\
              082bb24f84c091ea94de2867d34c4544f68e0963/lpips/weights/v0.1/vgg.pth",
};

#[cfg(test)]
mod tests {
    use super::*;

    /// Names and addresses carry the first digits of the checksum, where their authors put them there.
    #[test]
    fn the_files_are_plausible() {
        for file in [INCEPTION, VGG16, LPIPS] {
            assert_eq!(file.sha256.len(), 64);
            assert!(file.address.starts_with("https://") && file.address.ends_with(".pth"));
            assert!(!file.address.contains(' '), "{}", file.address);
        }
        for file in [INCEPTION, VGG16] {
            assert!(file.address.ends_with(&format!("/{}", file.name)));
            let stem = file.name.trim_end_matches(".pth");
            let (_, digits) = stem.rsplit_once('-').unwrap();
            assert!(file.sha256.starts_with(digits), "{digits}");
        }
    }

    /// The one that is in the repository.
    #[test]
    fn the_weights_of_lpips_are_the_published_ones() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../reference/lpips_vgg.pth");
        let bytes = std::fs::read(path).unwrap();
        assert_eq!(bytes.len() as u64, LPIPS.bytes);
        assert_eq!(super::super::sha256(&bytes), LPIPS.sha256);
    }
}
