//! Fetches files whose content is known: mirrors, attempts, and what is there already.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use sha2::{Digest, Sha256};
use ureq::Agent;
use ureq::http::{Response, header};

use super::{Progress, RemoteFile};
use crate::DataError;
use crate::picture_file::hex;

/// How often one mirror is asked to go on after a cut that brought something.
const MAX_ATTEMPTS: usize = 20;

/// How long each part of a request may take.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    pub(super) resolve: Duration,
    pub(super) connect: Duration,
    pub(super) response: Duration,
    /// Without a single byte.
    pub(super) stall: Duration,
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
pub(super) struct Client {
    agent: Agent,
}

impl Client {
    pub(super) fn new(patience: Patience) -> Self {
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

    pub(super) fn fetch_all(
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
    pub(super) fn fetch(
        &self,
        file: &RemoteFile,
        folder: &Path,
        progress: &dyn Fn(Progress),
    ) -> Result<PathBuf, DataError> {
        let path = folder.join(&file.name);
        let is_there = path.is_file();
        if is_there && sha256_of(&path)? == file.sha256 {
            return Ok(path);
        }
        fs::create_dir_all(folder).map_err(|e| DataError::io(folder, "create the folder", e))?;
        let part = folder.join(format!("{}.part", file.name));
        // Locked until the file has its name.
        let mut output = open_part(&part)?;
        if path.is_file() && sha256_of(&path)? == file.sha256 {
            // Another program has finished meanwhile.
            remove_if_empty(&part);
            return Ok(path);
        }
        let mut reasons = Vec::new();
        for address in &file.addresses {
            match self.fetch_from(address, file, (&part, &mut output), progress) {
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
        // Nothing came, so there is nothing to go on from.
        remove_if_empty(&part);
        let damaged = if is_there { "is damaged, and " } else { "" };
        let message = format!(
            "{damaged}could not be fetched ({}); check the network, or save the file as {} by hand",
            reasons.join("; "),
            path.display()
        );
        Err(DataError::download(&file.name, message))
    }

    /// Completes `part` from one mirror and checks it.
    fn fetch_from(
        &self,
        address: &str,
        file: &RemoteFile,
        (part, output): (&Path, &mut File),
        progress: &dyn Fn(Progress),
    ) -> Result<(), Failure> {
        let mut last = "gave up".to_string();
        for _ in 0..MAX_ATTEMPTS {
            match self.transfer(address, file, (part, output), progress) {
                Ok(resumed) => {
                    let found = sha256_of(part).map_err(Failure::Local)?;
                    if found == file.sha256 {
                        return Ok(());
                    }
                    let failed = |e| Failure::Local(DataError::io(part, "empty the file", e));
                    output.set_len(0).map_err(failed)?;
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
        (part, output): (&Path, &mut File),
        progress: &dyn Fn(Progress),
    ) -> Result<bool, Failure> {
        let local = |e| Failure::Local(DataError::io(part, "write the download", e));
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
        copy(&mut reader, output, received, file, progress, &local)?;
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

fn remove_if_empty(part: &Path) {
    if fs::metadata(part).is_ok_and(|part| part.len() == 0) {
        let _ = fs::remove_file(part);
    }
}

/// Opens a part for appending, for this program alone.
pub(super) fn open_part(part: &Path) -> Result<File, DataError> {
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
