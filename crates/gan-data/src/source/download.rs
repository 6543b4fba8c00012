//! Fetches MNIST, Fashion-MNIST and CIFAR-10 into the cache. Only with the feature `download`.
//!
//! A file is written as `name.part`, goes on where it was cut, is compared with a known SHA-256 and
//! then renamed, so what has its final name is whole. Several mirrors are tried. Without a network
//! the answer is an error after a few seconds.
//!
//! The checksums of the files of MNIST are those of the original archives; their unpacked content
//! was compared with the files that the tests of this crate use. Those of Fashion-MNIST and CIFAR-10
//! are the published SHA-256 of the authors' files.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use flate2::read::GzDecoder;
use sha2::{Digest, Sha256};
use ureq::Agent;
use ureq::http::{Response, header};

use super::Split;
use super::cifar::{CIFAR_FOLDER, cifar_files};
use super::detect::cache_dir;
use crate::DataError;
use crate::picture_file::hex;

/// The length of each file of the binary version of CIFAR-10.
const CIFAR_FILE_BYTES: u64 = 30_730_000;
/// How often one mirror is asked to go on after a cut that brought something.
const MAX_ATTEMPTS: usize = 20;

/// A data set that can be fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Remote {
    /// Handwritten digits, 11 MiB. Read with [`Mnist`](super::Mnist).
    Mnist,
    /// Clothes in the format of MNIST, 30 MiB. Read with [`Mnist`](super::Mnist).
    FashionMnist,
    /// Small colour photographs, 163 MiB. Read with [`Cifar10`](super::Cifar10).
    Cifar10,
}

/// How far a download is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress<'a> {
    /// The name of the file.
    pub file: &'a str,
    /// Bytes of the file that are there, those of an earlier attempt included.
    pub received: u64,
    /// Bytes of the whole file.
    pub total: u64,
}

/// Fetches a data set into [`cache_dir`] unless it is there; returns its folder.
///
/// # Errors
///
/// [`DataError::Download`] if no mirror had the file (no network, another content),
/// [`DataError::Io`] if the cache cannot be written, [`DataError::Refused`] if another program is
/// fetching the same file, [`DataError::Config`] if there is no place for a cache.
pub fn download(set: Remote, progress: &dyn Fn(Progress)) -> Result<PathBuf, DataError> {
    let cache = cache_dir().ok_or_else(|| {
        DataError::config(
            "GAN_CACHE_DIR",
            "is not set and there is no home folder; set it",
        )
    })?;
    download_into(set, &cache, progress)
}

/// Fetches a data set into a sub-folder of `root` (`mnist`, `fashion-mnist`, `cifar10`) unless it is
/// there; returns the sub-folder.
///
/// # Errors
///
/// Those of [`download`].
pub fn download_into(
    set: Remote,
    root: &Path,
    progress: &dyn Fn(Progress),
) -> Result<PathBuf, DataError> {
    let client = Client::new(Patience::default());
    match set {
        Remote::Mnist => {
            let folder = root.join("mnist");
            client.fetch_all(&idx_files(&MNIST_MIRRORS, &MNIST_FILES), &folder, progress)?;
            Ok(folder)
        }
        Remote::FashionMnist => {
            let folder = root.join("fashion-mnist");
            client.fetch_all(
                &idx_files(&FASHION_MIRRORS, &FASHION_FILES),
                &folder,
                progress,
            )?;
            Ok(folder)
        }
        Remote::Cifar10 => {
            let folder = root.join("cifar10");
            if !has_cifar(&folder.join(CIFAR_FOLDER)) {
                let archive = client.fetch(&cifar_archive(), &folder, progress)?;
                unpack_cifar(&archive, &folder.join(CIFAR_FOLDER), CIFAR_FILE_BYTES)?;
                fs::remove_file(&archive)
                    .map_err(|e| DataError::io(&archive, "remove the unpacked archive", e))?;
            }
            Ok(folder)
        }
    }
}

/// A file with a known content.
#[derive(Clone, Debug)]
struct RemoteFile {
    name: String,
    size: u64,
    sha256: String,
    /// Tried in order.
    addresses: Vec<String>,
}

const MNIST_MIRRORS: [&str; 2] = [
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
];
const FASHION_MIRRORS: [&str; 2] = [
    "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
    "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
];
const CIFAR_ADDRESS: &str = "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz";

/// Name, size, SHA-256.
type Known = (&'static str, u64, &'static str);

const MNIST_FILES: [Known; 4] = [
    (
        "train-images-idx3-ubyte.gz",
        9_912_422,
        "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
    ),
    (
        "train-labels-idx1-ubyte.gz",
        28_881,
        "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
    ),
    (
        "t10k-images-idx3-ubyte.gz",
        1_648_877,
        "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
    ),
    (
        "t10k-labels-idx1-ubyte.gz",
        4_542,
        "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
    ),
];

const FASHION_FILES: [Known; 4] = [
    (
        "train-images-idx3-ubyte.gz",
        26_421_880,
        "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
    ),
    (
        "train-labels-idx1-ubyte.gz",
        29_515,
        "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
    ),
    (
        "t10k-images-idx3-ubyte.gz",
        4_422_102,
        "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
    ),
    (
        "t10k-labels-idx1-ubyte.gz",
        5_148,
        "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
    ),
];

fn idx_files(mirrors: &[&str], files: &[Known]) -> Vec<RemoteFile> {
    let file = |&(name, size, sha256): &Known| RemoteFile {
        name: name.to_string(),
        size,
        sha256: sha256.to_string(),
        addresses: mirrors
            .iter()
            .map(|mirror| format!("{mirror}{name}"))
            .collect(),
    };
    files.iter().map(file).collect()
}

fn cifar_archive() -> RemoteFile {
    RemoteFile {
        name: "cifar-10-binary.tar.gz".to_string(),
        size: 170_052_171,
        sha256: "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd".to_string(),
        addresses: vec![CIFAR_ADDRESS.to_string()],
    }
}

/// How long each part of a request may take.
#[derive(Clone, Copy, Debug)]
struct Patience {
    resolve: Duration,
    connect: Duration,
    response: Duration,
    /// Without a single byte.
    stall: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            resolve: Duration::from_secs(3),
            connect: Duration::from_secs(3),
            response: Duration::from_secs(10),
            stall: Duration::from_secs(20),
        }
    }
}

/// Why a transfer did not end.
enum Failure {
    /// Our side: a full disk, a file that is locked. Other mirrors would not help.
    Local(DataError),
    /// Something arrived, or the next attempt starts afresh: ask the same mirror again.
    Cut(String),
    /// This mirror does not help.
    Mirror(String),
}

/// Fetches files.
struct Client {
    agent: Agent,
}

impl Client {
    fn new(patience: Patience) -> Self {
        let config = Agent::config_builder()
            .timeout_resolve(Some(patience.resolve))
            .timeout_connect(Some(patience.connect))
            .timeout_recv_response(Some(patience.response))
            .timeout_per_read(Some(patience.stall))
            .max_redirects(5)
            .user_agent(concat!("gan-data/", env!("CARGO_PKG_VERSION")))
            .build();
        Self {
            agent: config.into(),
        }
    }

    fn fetch_all(
        &self,
        files: &[RemoteFile],
        folder: &Path,
        progress: &dyn Fn(Progress),
    ) -> Result<(), DataError> {
        for file in files {
            self.fetch(file, folder, progress)?;
        }
        Ok(())
    }

    /// Fetches one file into a folder unless it is there; returns its path.
    fn fetch(
        &self,
        file: &RemoteFile,
        folder: &Path,
        progress: &dyn Fn(Progress),
    ) -> Result<PathBuf, DataError> {
        let path = folder.join(&file.name);
        if path.is_file() && sha256_of(&path)? == file.sha256 {
            return Ok(path);
        }
        fs::create_dir_all(folder).map_err(|e| DataError::io(folder, "create the folder", e))?;
        let part = folder.join(format!("{}.part", file.name));
        let mut reasons = Vec::new();
        for address in &file.addresses {
            match self.fetch_from(address, file, &part, progress) {
                Ok(()) => {
                    fs::rename(&part, &path)
                        .map_err(|e| DataError::io(&path, "rename the finished download", e))?;
                    return Ok(path);
                }
                Err(Failure::Local(error)) => return Err(error),
                Err(Failure::Cut(reason) | Failure::Mirror(reason)) => {
                    reasons.push(format!("{address}: {reason}"));
                }
            }
        }
        let message = format!(
            "could not be fetched ({}); check the network, or put the file into {} by hand",
            reasons.join("; "),
            folder.display()
        );
        Err(DataError::download(&file.name, message))
    }

    /// Completes `part` from one mirror and checks it.
    fn fetch_from(
        &self,
        address: &str,
        file: &RemoteFile,
        part: &Path,
        progress: &dyn Fn(Progress),
    ) -> Result<(), Failure> {
        let mut last = "gave up".to_string();
        for _ in 0..MAX_ATTEMPTS {
            match self.transfer(address, file, part, progress) {
                Ok(resumed) => {
                    let found = sha256_of(part).map_err(Failure::Local)?;
                    if found == file.sha256 {
                        return Ok(());
                    }
                    let failed = |e| Failure::Local(DataError::io(part, "remove the file", e));
                    fs::remove_file(part).map_err(failed)?;
                    last = format!("its content has SHA-256 {found} instead of {}", file.sha256);
                    if !resumed {
                        return Err(Failure::Mirror(last));
                    }
                    // the earlier part may have come from elsewhere: once more from the start
                }
                Err(Failure::Cut(reason)) => last = reason,
                Err(other) => return Err(other),
            }
        }
        Err(Failure::Mirror(last))
    }

    /// Appends to `part` until it has its size. Returns whether it began with an earlier part.
    fn transfer(
        &self,
        address: &str,
        file: &RemoteFile,
        part: &Path,
        progress: &dyn Fn(Progress),
    ) -> Result<bool, Failure> {
        let local = |e| Failure::Local(DataError::io(part, "write the download", e));
        let mut output = open_part(part).map_err(Failure::Local)?;
        let mut received = output.metadata().map_err(local)?.len();
        if received > file.size {
            output.set_len(0).map_err(local)?;
            received = 0;
        }
        if received == file.size {
            return Ok(true);
        }
        let mut request = self
            .agent
            .get(address)
            .header(header::ACCEPT_ENCODING, "identity");
        if received > 0 {
            request = request.header(header::RANGE, format!("bytes={received}-"));
        }
        let response = match request.call() {
            Err(ureq::Error::StatusCode(416)) if received > 0 => {
                output.set_len(0).map_err(local)?;
                return Err(Failure::Cut("refuses to go on from a part".to_string()));
            }
            Err(error) => return Err(Failure::Mirror(error.to_string())),
            Ok(response) => response,
        };
        if !goes_on_at(&response, received) {
            output.set_len(0).map_err(local)?;
            received = 0;
        }
        let resumed = received > 0;
        if let Some(offered) = response.body().content_length()
            && received + offered != file.size
        {
            let total = received + offered;
            let reason = format!("offers {total} bytes instead of {}", file.size);
            return Err(Failure::Mirror(reason));
        }
        let mut reader = response.into_body().into_reader();
        copy(&mut reader, &mut output, received, file, progress, &local)?;
        output.sync_all().map_err(local)?;
        Ok(resumed)
    }
}

/// Copies from `received` up to the size of the file.
fn copy(
    reader: &mut dyn Read,
    output: &mut File,
    mut received: u64,
    file: &RemoteFile,
    progress: &dyn Fn(Progress),
    local: &dyn Fn(io::Error) -> Failure,
) -> Result<(), Failure> {
    let before = received;
    let mut buffer = vec![0; 64 << 10];
    loop {
        let ended = match reader.read(&mut buffer) {
            Ok(0) => "closed the connection early".to_string(),
            Ok(count) => {
                received += count as u64;
                if received > file.size {
                    output.set_len(0).map_err(local)?;
                    let reason = format!("sends more than {} bytes", file.size);
                    return Err(Failure::Mirror(reason));
                }
                output.write_all(&buffer[..count]).map_err(local)?;
                progress(Progress {
                    file: &file.name,
                    received,
                    total: file.size,
                });
                continue;
            }
            Err(error) => format!("the connection broke ({error})"),
        };
        return if received == file.size {
            Ok(())
        } else if received > before {
            Err(Failure::Cut(ended))
        } else {
            Err(Failure::Mirror(ended))
        };
    }
}

/// Opens a part for appending, for this program alone.
fn open_part(part: &Path) -> Result<File, DataError> {
    let file = OpenOptions::new()
        .append(true)
        .create(true)
        .open(part)
        .map_err(|e| DataError::io(part, "create the file", e))?;
    match file.try_lock() {
        Err(TryLockError::WouldBlock) => Err(DataError::refused(
            part,
            "is being fetched by another program; wait for it or end it",
        )),
        // not every file system can lock; the checksum still guards the content
        Ok(()) | Err(TryLockError::Error(_)) => Ok(file),
    }
}

/// Whether the answer is the rest of the file from `received` on.
fn goes_on_at<B>(response: &Response<B>, received: u64) -> bool {
    let range = response.headers().get(header::CONTENT_RANGE);
    let range = range.and_then(|value| value.to_str().ok()).unwrap_or("");
    response.status() == 206 && range.starts_with(&format!("bytes {received}-"))
}

fn sha256_of(path: &Path) -> Result<String, DataError> {
    let failed = |e| DataError::io(path, "read the download", e);
    let mut hash = Sha256::new();
    io::copy(&mut File::open(path).map_err(failed)?, &mut hash).map_err(failed)?;
    Ok(hex(&hash.finalize()))
}

fn all_cifar_files() -> Vec<String> {
    [cifar_files(Split::Train), cifar_files(Split::Test)].concat()
}

fn has_cifar(folder: &Path) -> bool {
    let length = |name: &String| fs::metadata(folder.join(name)).map(|metadata| metadata.len());
    all_cifar_files()
        .iter()
        .all(|name| length(name).is_ok_and(|length| length == CIFAR_FILE_BYTES))
}

/// Writes the six files of the archive into `folder`, each under a temporary name first.
fn unpack_cifar(archive: &Path, folder: &Path, file_bytes: u64) -> Result<(), DataError> {
    let broken = |e: io::Error| {
        DataError::damaged(
            archive,
            format!("cannot be unpacked ({e}); remove it and fetch it again"),
        )
    };
    let file = File::open(archive).map_err(|e| DataError::io(archive, "open the file", e))?;
    fs::create_dir_all(folder).map_err(|e| DataError::io(folder, "create the folder", e))?;
    let mut missing = all_cifar_files();
    let mut tar = tar::Archive::new(GzDecoder::new(file));
    for entry in tar.entries().map_err(broken)? {
        let mut entry = entry.map_err(broken)?;
        let path = entry.path().map_err(broken)?.into_owned();
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        // only known names are written, so no path of the archive can lead elsewhere
        let Some(at) = missing.iter().position(|wanted| *wanted == name) else {
            continue;
        };
        let part = folder.join(format!("{name}.part"));
        let failed = |e| DataError::io(&part, "write the file", e);
        let mut bytes = Vec::new();
        entry
            .by_ref()
            .take(file_bytes + 1)
            .read_to_end(&mut bytes)
            .map_err(broken)?;
        if bytes.len() as u64 != file_bytes {
            let message = format!("{name} in it does not have {file_bytes} bytes");
            return Err(DataError::damaged(archive, message));
        }
        let mut output = File::create(&part).map_err(failed)?;
        output
            .write_all(&bytes)
            .and_then(|()| output.sync_all())
            .map_err(failed)?;
        drop(output);
        fs::rename(&part, folder.join(&name)).map_err(failed)?;
        missing.remove(at);
    }
    if missing.is_empty() {
        return Ok(());
    }
    let message = format!(
        "has no {}; remove it and fetch it again",
        missing.join(", ")
    );
    Err(DataError::damaged(archive, message))
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::io::{BufRead, BufReader};
    use std::net::{TcpListener, TcpStream};
    use std::thread::{self, JoinHandle};
    use std::time::Instant;

    use tempfile::TempDir;

    use super::*;

    /// What the server does with one request.
    #[derive(Clone, Copy)]
    enum Answer {
        /// The whole file or, if asked, the rest of it.
        Good,
        /// The whole file even if only the rest is asked for.
        Whole,
        /// Announces all that was asked for, sends this many bytes of it, and closes.
        Cut(usize),
        /// Sends this many bytes without saying how many will come, and closes.
        Unannounced(usize),
        /// Another content of the same length.
        Wrong,
        /// A content of another length.
        Longer,
        Status(u16),
        /// Closes at once.
        Close,
        /// Never answers.
        Silent,
    }

    fn content() -> Vec<u8> {
        (0..200_000u32).map(|at| (at * 7 / 3) as u8).collect()
    }

    /// A server for as many requests as there are answers; returns the `Range` of each.
    fn serve(answers: Vec<Answer>) -> (String, JoinHandle<Vec<Option<usize>>>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}/file", listener.local_addr().unwrap());
        let handle = thread::spawn(move || {
            answers
                .into_iter()
                .map(|answer| {
                    let (stream, _) = listener.accept().unwrap();
                    let range = requested_range(&stream);
                    // the client may hang up first, which is no failure of the server
                    let _ = reply(&stream, answer, range.unwrap_or(0));
                    if matches!(answer, Answer::Silent) {
                        // longer than the client waits
                        thread::sleep(Duration::from_millis(900));
                    }
                    range
                })
                .collect()
        });
        (address, handle)
    }

    fn requested_range(stream: &TcpStream) -> Option<usize> {
        let mut range = None;
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            if line.is_empty() {
                break;
            }
            if let Some(value) = line.to_lowercase().strip_prefix("range: bytes=") {
                range = value.trim_end_matches('-').parse().ok();
            }
        }
        range
    }

    fn reply(mut stream: &TcpStream, answer: Answer, from: usize) -> io::Result<()> {
        let all = content();
        let (from, mut body, announced) = match answer {
            Answer::Good => (from, all[from..].to_vec(), true),
            Answer::Whole => (0, all.clone(), true),
            Answer::Cut(count) => (from, all[from..].to_vec()[..count].to_vec(), true),
            Answer::Unannounced(count) => (from, all[from..from + count].to_vec(), false),
            Answer::Wrong => (0, vec![1; all.len()], true),
            Answer::Longer => (0, vec![1; all.len() + 1], true),
            Answer::Status(code) => {
                return write!(
                    stream,
                    "HTTP/1.1 {code} No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
                );
            }
            Answer::Close | Answer::Silent => return Ok(()),
        };
        let status = if from > 0 {
            format!(
                "206 Partial\r\nContent-Range: bytes {from}-{}/{}",
                all.len() - 1,
                all.len()
            )
        } else {
            "200 OK".to_string()
        };
        let length = match answer {
            Answer::Longer => all.len() + 1,
            _ => all.len() - from,
        };
        let length = if announced {
            format!("Content-Length: {length}\r\n")
        } else {
            String::new()
        };
        write!(
            stream,
            "HTTP/1.1 {status}\r\n{length}Connection: close\r\n\r\n"
        )?;
        stream.write_all(&std::mem::take(&mut body))
    }

    fn remote(addresses: &[&String]) -> RemoteFile {
        RemoteFile {
            name: "file".to_string(),
            size: content().len() as u64,
            sha256: hex(&Sha256::digest(content())),
            addresses: addresses
                .iter()
                .map(|address| address.to_string())
                .collect(),
        }
    }

    fn client() -> Client {
        let short = Duration::from_millis(500);
        Client::new(Patience {
            resolve: short,
            connect: short,
            response: short,
            stall: short,
        })
    }

    /// Fetches from servers with these answers, into a folder with this part. Returns the outcome,
    /// the ranges that were asked for, and the folder.
    fn fetch(
        part: &[u8],
        servers: &[&[Answer]],
    ) -> (Result<PathBuf, DataError>, Vec<Vec<Option<usize>>>, TempDir) {
        let folder = TempDir::new().unwrap();
        if !part.is_empty() {
            fs::write(folder.path().join("file.part"), part).unwrap();
        }
        let servers: Vec<_> = servers
            .iter()
            .map(|answers| serve(answers.to_vec()))
            .collect();
        let addresses: Vec<_> = servers.iter().map(|(address, _)| address).collect();
        let outcome = client().fetch(&remote(&addresses), folder.path(), &|_| ());
        let ranges = servers
            .into_iter()
            .map(|(_, handle)| handle.join().unwrap())
            .collect();
        (outcome, ranges, folder)
    }

    #[track_caller]
    fn assert_whole(outcome: &Result<PathBuf, DataError>, folder: &TempDir) {
        assert_eq!(outcome.as_ref().unwrap(), &folder.path().join("file"));
        assert!(fs::read(folder.path().join("file")).unwrap() == content());
        assert!(!folder.path().join("file.part").exists());
    }

    #[test]
    fn fetches_a_file_with_progress_and_does_not_fetch_it_again() {
        let folder = TempDir::new().unwrap();
        let (address, server) = serve(vec![Answer::Good]);
        let file = remote(&[&address]);
        let seen = RefCell::new(Vec::new());
        let progress = |progress: Progress| {
            assert_eq!((progress.file, progress.total), ("file", 200_000));
            seen.borrow_mut().push(progress.received);
        };
        let nested = folder.path().join("a/b");
        let path = client().fetch(&file, &nested, &progress).unwrap();
        assert!(fs::read(&path).unwrap() == content());
        assert_eq!(server.join().unwrap(), [None]);
        assert!(seen.borrow().is_sorted());
        assert_eq!(seen.borrow().last(), Some(&200_000));
        // the server is gone
        assert_eq!(client().fetch(&file, &nested, &progress).unwrap(), path);
    }

    #[test]
    fn goes_on_after_a_cut_and_from_an_earlier_part() {
        let (outcome, ranges, folder) = fetch(&[], &[&[Answer::Cut(70_000), Answer::Good]]);
        assert_whole(&outcome, &folder);
        assert_eq!(ranges, [[None, Some(70_000)]]);

        let (outcome, ranges, folder) = fetch(&[], &[&[Answer::Unannounced(9), Answer::Good]]);
        assert_whole(&outcome, &folder);
        assert_eq!(ranges, [[None, Some(9)]]);

        let (outcome, ranges, folder) = fetch(&content()[..1234], &[&[Answer::Good]]);
        assert_whole(&outcome, &folder);
        assert_eq!(ranges, [[Some(1234)]]);

        // a whole part needs no server, only a check
        let (outcome, ranges, folder) = fetch(&content(), &[&[]]);
        assert_whole(&outcome, &folder);
        assert!(ranges[0].is_empty());
    }

    #[test]
    fn starts_afresh_where_the_part_is_of_no_use() {
        // the server ignores the range
        let (outcome, ranges, folder) = fetch(&content()[..99], &[&[Answer::Whole]]);
        assert_whole(&outcome, &folder);
        assert_eq!(ranges, [[Some(99)]]);
        // the part is of another file
        let (outcome, ranges, folder) = fetch(&[0; 99], &[&[Answer::Good, Answer::Good]]);
        assert_whole(&outcome, &folder);
        assert_eq!(ranges, [[Some(99), None]]);
        // the server cannot go on
        let answers = [Answer::Status(416), Answer::Good];
        let (outcome, ranges, folder) = fetch(&content()[..99], &[&answers]);
        assert_whole(&outcome, &folder);
        assert_eq!(ranges, [[Some(99), None]]);
        // the part is too long
        let (outcome, ranges, folder) = fetch(&[0; 300_000], &[&[Answer::Good]]);
        assert_whole(&outcome, &folder);
        assert_eq!(ranges, [[None]]);
    }

    #[test]
    fn every_failure_is_one_line_with_its_reason() {
        for (answer, wanted) in [
            (Answer::Wrong, "instead of"),
            (Answer::Longer, "offers 200001 bytes instead of 200000"),
            (Answer::Status(404), "404"),
            (Answer::Status(500), "500"),
            (Answer::Close, "127.0.0.1"),
            (Answer::Cut(0), "127.0.0.1"),
            (Answer::Silent, "timeout"),
        ] {
            let (outcome, _, folder) = fetch(&[], &[&[answer]]);
            let error = outcome.unwrap_err();
            assert!(matches!(error, DataError::Download { .. }), "{error:?}");
            let text = error.to_string();
            assert!(
                text.starts_with("file: could not be fetched") && text.contains(wanted),
                "{text}"
            );
            assert!(
                text.contains("check the network") && !text.contains('\n'),
                "{text}"
            );
            assert!(!folder.path().join("file").exists());
        }
    }

    #[test]
    fn the_next_mirror_helps() {
        for first in [
            Answer::Status(404),
            Answer::Wrong,
            Answer::Close,
            Answer::Silent,
        ] {
            let (outcome, ranges, folder) = fetch(&[], &[&[first], &[Answer::Good]]);
            assert_whole(&outcome, &folder);
            assert_eq!(ranges[1], [None]);
        }
    }

    #[test]
    fn a_machine_without_network_gets_an_answer_in_seconds() {
        let closed = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap();
        let addresses = [
            format!("http://{closed}/file"),
            "http://no-such-host.invalid/file".to_string(),
        ];
        let folder = TempDir::new().unwrap();
        let start = Instant::now();
        let file = remote(&[&addresses[0], &addresses[1]]);
        let outcome = Client::new(Patience::default()).fetch(&file, folder.path(), &|_| ());
        assert!(
            start.elapsed() < Duration::from_secs(8),
            "{:?}",
            start.elapsed()
        );
        let text = outcome.unwrap_err().to_string();
        assert!(
            addresses.iter().all(|address| text.contains(address)),
            "{text}"
        );
    }

    #[test]
    fn a_part_that_another_program_fetches_is_left_alone() {
        let folder = TempDir::new().unwrap();
        let part = folder.path().join("file.part");
        let other = open_part(&part).unwrap();
        let address = "http://127.0.0.1:1/file".to_string();
        let error = client()
            .fetch(&remote(&[&address]), folder.path(), &|_| ())
            .unwrap_err();
        assert!(error.to_string().contains("by another program"), "{error}");
        drop(other);
    }

    #[test]
    fn a_cache_that_cannot_be_written_is_named() {
        let folder = TempDir::new().unwrap();
        let file = folder.path().join("cache");
        fs::write(&file, "a file where a folder should be").unwrap();
        let error = download_into(Remote::Mnist, &file, &|_| ()).unwrap_err();
        assert!(matches!(error, DataError::Io { .. }), "{error:?}");
        assert!(
            error.to_string().contains("cannot create the folder"),
            "{error}"
        );
    }

    fn tar_gz(files: &[(String, usize)]) -> Vec<u8> {
        let encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        let mut builder = tar::Builder::new(encoder);
        for (name, length) in files {
            let mut header = tar::Header::new_gnu();
            header.set_size(*length as u64);
            header.set_mode(0o644);
            let bytes = vec![1; *length];
            builder
                .append_data(&mut header, name, bytes.as_slice())
                .unwrap();
        }
        builder.into_inner().unwrap().finish().unwrap()
    }

    #[test]
    fn unpacks_the_files_of_cifar_and_nothing_else() {
        let root = TempDir::new().unwrap();
        let (archive, folder) = (root.path().join("x.tar.gz"), root.path().join("out"));
        let entry = |name: &String| (format!("cifar-10-batches-bin/{name}"), 30);
        let mut files: Vec<_> = all_cifar_files().iter().map(entry).collect();
        files.push(("cifar-10-batches-bin/readme.html".to_string(), 5));
        fs::write(&archive, tar_gz(&files)).unwrap();
        unpack_cifar(&archive, &folder, 30).unwrap();
        let mut found: Vec<_> = fs::read_dir(&folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        found.sort();
        let mut wanted = all_cifar_files();
        wanted.sort();
        assert_eq!(found, wanted);
        assert!(!has_cifar(&folder), "30 bytes are not the real files");
    }

    #[test]
    fn a_bad_archive_of_cifar_is_named() {
        let root = TempDir::new().unwrap();
        let archive = root.path().join("x.tar.gz");
        let refusal = |bytes: &[u8]| {
            fs::write(&archive, bytes).unwrap();
            let error = unpack_cifar(&archive, &root.path().join("out"), 30).unwrap_err();
            let text = error.to_string();
            assert!(text.contains("x.tar.gz: "), "{text}");
            text
        };
        let one = [("a/data_batch_1.bin".to_string(), 30)];
        let text = refusal(&tar_gz(&one));
        assert!(text.contains("has no data_batch_2.bin"), "{text}");
        for length in [29, 31] {
            let text = refusal(&tar_gz(&[("a/test_batch.bin".to_string(), length)]));
            assert!(
                text.contains("test_batch.bin in it does not have 30 bytes"),
                "{text}"
            );
        }
        assert!(refusal(b"no gzip").contains("cannot be unpacked"));
        assert!(refusal(&tar_gz(&one)[..20]).contains("cannot be unpacked"));
    }

    #[test]
    fn the_known_files_are_plausible() {
        let idx = [
            idx_files(&MNIST_MIRRORS, &MNIST_FILES),
            idx_files(&FASHION_MIRRORS, &FASHION_FILES),
        ];
        for file in idx.concat().into_iter().chain([cifar_archive()]) {
            assert_eq!(file.sha256.len(), 64, "{}", file.name);
            assert!(file.sha256.bytes().all(|byte| byte.is_ascii_hexdigit()));
            assert!(
                file.addresses
                    .iter()
                    .all(|address| address.ends_with(&file.name))
            );
        }
    }
}
