//! Against a server on this machine.

use std::cell::RefCell;
use std::io::{BufRead, BufReader};
use std::net::{TcpListener, TcpStream};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};
use tempfile::TempDir;

use super::client::open_part;
use super::*;
use crate::picture_file::hex;

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
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
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
fn a_damaged_file_is_fetched_again_and_stays_if_that_fails() {
    for (answer, is_mended) in [(Answer::Good, true), (Answer::Status(404), false)] {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("file");
        fs::write(&path, &content()[..100]).unwrap();
        let (address, server) = serve(vec![answer]);
        let outcome = download_file(&remote(&[&address]), folder.path(), &|_| ());
        server.join().unwrap();
        if is_mended {
            assert_whole(&outcome, &folder);
            continue;
        }
        let text = outcome.unwrap_err().to_string();
        assert!(text.starts_with("file: is damaged, and could"), "{text}");
        assert!(
            text.contains(&format!("as {} by hand", path.display())),
            "{text}"
        );
        assert_eq!(fs::read(&path).unwrap().len(), 100);
    }
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
