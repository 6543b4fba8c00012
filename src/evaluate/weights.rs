//! Finds the published files of weights: in the cache, or on the network.

use std::path::{Path, PathBuf};

use burn::prelude::*;
use gan_data::DataError;
use gan_data::source::cache_dir;
use gan_metrics::features::{Features, FeaturesConfig, PublishedFile};

use crate::Failure;
use crate::progress::Screen;

/// Loads the features, with the published file of weights if they need one and none is named. `flags` are those
/// that choose the features, the file and its checksum.
///
/// # Errors
///
/// If a checksum is named without a file, the published file is not here and cannot be fetched, or a file is
/// not the one that is wanted.
pub(super) fn features(
    mut config: FeaturesConfig,
    [chosen, weights, checksum]: [&str; 3],
    device: &Device,
    screen: &Screen,
) -> Result<Box<dyn Features>, Failure> {
    if let (None, Some(file)) = (&config.weights, config.network.published()) {
        // `any` allows the published one as well.
        if config.checksum.take().is_some_and(|sum| sum != "any") {
            return Err(Failure::usage(format!(
                "{checksum}: it is for a file of your own; name that with {weights}"
            )));
        }
        let path = published(&file, weights, screen);
        let path = path.map_err(|failure| Failure::new(format!("{chosen}: {failure}")))?;
        config.weights = Some(path);
    }
    let features = config.init(device);
    features.map_err(|error| Failure::new(format!("{chosen}: {error}")))
}

/// The place of a published file, which is fetched if it is not in the folder `weights` of the cache.
/// `flag` names another one.
///
/// # Errors
///
/// One line with the address, the place where it is looked for, and the flag.
pub(super) fn published(
    file: &PublishedFile,
    flag: &str,
    screen: &Screen,
) -> Result<PathBuf, Failure> {
    published_in(cache_dir(), file, flag, screen)
}

fn published_in(
    cache: Option<PathBuf>,
    file: &PublishedFile,
    flag: &str,
    screen: &Screen,
) -> Result<PathBuf, Failure> {
    let Some(cache) = cache else {
        let PublishedFile { name, address, .. } = file;
        return Err(Failure::new(format!(
            "{name}: there is no home folder to look for it; set GAN_CACHE_DIR, or fetch {address} and name it \
             with {flag}"
        )));
    };
    let found = in_folder(file, &cache.join("weights"), screen);
    found.map_err(|error| match error {
        DataError::Download { .. } => Failure::new(format!("{error}, or name it with {flag}")),
        error => error.into(),
    })
}

#[cfg(feature = "download")]
fn in_folder(file: &PublishedFile, folder: &Path, screen: &Screen) -> Result<PathBuf, DataError> {
    use gan_data::source::download::{RemoteFile, download_file};
    use indicatif::HumanBytes;

    use crate::fetch::Transfer;

    if !folder.join(file.name).is_file() {
        let (name, size, folder) = (file.name, HumanBytes(file.bytes), folder.display());
        screen.say(format!("weights  fetching {name}, {size}, into {folder}"));
    }
    let remote = RemoteFile {
        name: file.name.to_owned(),
        size: file.bytes,
        sha256: file.sha256.to_owned(),
        addresses: vec![file.address.to_owned()],
    };
    let transfer = Transfer::new(screen);
    download_file(&remote, folder, &|progress| transfer.show(progress))
}

/// Who opens it compares the checksum.
#[cfg(not(feature = "download"))]
fn in_folder(file: &PublishedFile, folder: &Path, _: &Screen) -> Result<PathBuf, DataError> {
    let path = folder.join(file.name);
    if path.is_file() {
        return Ok(path);
    }
    let message = format!(
        "is not here, and this program was built without the feature `download`; fetch {} and save it as {} by \
         hand",
        file.address,
        path.display()
    );
    Err(DataError::download(file.name, message))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of `bytes`, at this address.
    fn file(bytes: &[u8], address: String) -> PublishedFile {
        use sha2::{Digest, Sha256};

        let sha256 = Sha256::digest(bytes);
        let sha256: String = sha256.iter().map(|byte| format!("{byte:02x}")).collect();
        PublishedFile {
            name: "w.pth",
            bytes: bytes.len() as u64,
            sha256: sha256.leak(),
            address: address.leak(),
        }
    }

    fn find(cache: &Path, file: &PublishedFile) -> Result<PathBuf, String> {
        let screen = Screen::new(true);
        let found = published_in(Some(cache.to_owned()), file, "--weights FILE", &screen);
        found.map_err(|failure| failure.to_string())
    }

    /// One line that says what to fetch, where to put it, and what else can be done.
    #[track_caller]
    fn assert_helpful(message: &str, cache: &Path, file: &PublishedFile) {
        assert!(message.starts_with("w.pth: "), "{message}");
        let path = cache.join("weights/w.pth").display().to_string();
        for word in [file.address, &path, "by hand", "--weights FILE"] {
            assert!(message.contains(word), "{message} lacks {word}");
        }
        assert!(!message.contains('\n'), "{message}");
    }

    #[test]
    fn without_a_network_the_line_says_what_to_do() {
        let folder = tempfile::tempdir().unwrap();
        let file = file(b"weights", "http://127.0.0.1:9/w.pth".into());
        assert_helpful(
            &find(folder.path(), &file).unwrap_err(),
            folder.path(),
            &file,
        );
        let path = folder.path().join("weights/w.pth");
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, b"weights").unwrap();
        assert_eq!(find(folder.path(), &file).unwrap(), path);

        let nowhere = published_in(None, &file, "--weights FILE", &Screen::new(true));
        let message = nowhere.unwrap_err().to_string();
        assert!(message.contains("GAN_CACHE_DIR"), "{message}");
        assert!(message.contains(file.address), "{message}");
    }

    #[test]
    fn a_checksum_without_its_file_is_refused() {
        let config = FeaturesConfig {
            network: "inception".parse().unwrap(),
            checksum: Some("6726".into()),
            ..FeaturesConfig::default()
        };
        let flags = ["--features inception", "--weights FILE", "--checksum"];
        let refused = features(config, flags, &Device::flex(), &Screen::new(true));
        let message = refused.err().unwrap().to_string();
        assert_eq!(
            message,
            "--checksum: it is for a file of your own; name that with --weights FILE"
        );
    }

    #[cfg(feature = "download")]
    mod over_the_network {
        use std::fs;
        use std::io::{BufRead, BufReader, Write};
        use std::net::TcpListener;
        use std::thread;

        use super::*;

        const CONTENT: &[u8] = b"0123456789";

        /// Serves one body after the other, each cut off after as many bytes as are given; says from where on
        /// each was asked for.
        fn serve(bodies: Vec<(&'static [u8], usize)>) -> (String, thread::JoinHandle<Vec<usize>>) {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let address = format!("http://{}/w.pth", listener.local_addr().unwrap());
            let one = move |(body, sent): (&[u8], usize)| {
                let (mut stream, _) = listener.accept().unwrap();
                let lines = BufReader::new(&stream).lines().map_while(Result::ok);
                let lines: Vec<String> = lines.take_while(|line| !line.is_empty()).collect();
                let range = lines.iter().find_map(|line| {
                    let line = line.to_lowercase();
                    let range = line.strip_prefix("range: bytes=")?;
                    range.trim_end_matches('-').parse().ok()
                });
                let (from, length) = (range.unwrap_or(0), body.len());
                let status = match range {
                    Some(from) => format!(
                        "206 \r\nContent-Range: bytes {from}-{}/{length}",
                        length - 1
                    ),
                    None => "200 ".to_owned(),
                };
                let rest = length - from;
                let head = format!(
                    "HTTP/1.1 {status}\r\nContent-Length: {rest}\r\nConnection: close\r\n\r\n"
                );
                stream.write_all(head.as_bytes()).unwrap();
                stream.write_all(&body[from..from + sent]).unwrap();
                from
            };
            let server = thread::spawn(move || bodies.into_iter().map(one).collect());
            (address, server)
        }

        #[test]
        fn weights_are_fetched_once_and_go_on_after_a_cut() {
            let folder = tempfile::tempdir().unwrap();
            let (address, server) = serve(vec![(CONTENT, 4), (CONTENT, 6)]);
            let file = file(CONTENT, address);
            let path = find(folder.path(), &file).unwrap();
            assert_eq!(path, folder.path().join("weights/w.pth"));
            assert_eq!(fs::read(&path).unwrap(), CONTENT);
            assert_eq!(server.join().unwrap(), [0, 4]);
            // The server is gone.
            assert_eq!(find(folder.path(), &file).unwrap(), path);
        }

        #[test]
        fn a_damaged_file_in_the_cache_is_fetched_again() {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("weights/w.pth");
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, b"01234").unwrap();
            let (address, server) = serve(vec![(CONTENT, 10)]);
            assert_eq!(find(folder.path(), &file(CONTENT, address)).unwrap(), path);
            assert_eq!(fs::read(&path).unwrap(), CONTENT);
            assert_eq!(server.join().unwrap(), [0]);
        }

        #[test]
        fn another_content_is_refused_and_not_kept() {
            let folder = tempfile::tempdir().unwrap();
            let (address, server) = serve(vec![(b"abcdefghij", 10)]);
            let file = file(CONTENT, address);
            let message = find(folder.path(), &file).unwrap_err();
            server.join().unwrap();
            assert_helpful(&message, folder.path(), &file);
            assert!(message.contains("SHA-256"), "{message}");
            let left = fs::read_dir(folder.path().join("weights")).unwrap();
            assert_eq!(left.count(), 0);
        }
    }
}
