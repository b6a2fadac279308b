//! The recording of a session: `<audit dir>/<session id>.cast`, what the person saw, as asciicast version 2.
//!
//! The lines are made by another process ([`Encoder`]) and come through a pipe; a thread of this one copies them to the file and interprets
//! nothing but the ends of lines, so that whoever has taken the other process over can write nonsense into the recording of their own
//! session and no more. The thread has the reasons and the rights of that which writes the records (see there), and the file their modes.
//!
//! Nothing is preallocated: the room that a disk has left is for records, and a session goes on without its recording. Once the disk does
//! not take something, the file ends with its last whole line and the pipe has no reader any more, which the writer sees (EPIPE).

mod encoder;

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, SyncSender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::unistd::pipe2;

pub use encoder::Encoder;

use super::file::{create, make_read_only, no_answer, without_signals};
use super::json::{self, Field};
use crate::sys::rights;
use crate::words::limits;

/// The first line of a recording.
#[derive(Clone, Copy, Debug)]
pub struct Header<'a> {
    pub columns: u16,
    pub rows: u16,
    /// When it begins: seconds since 1970, UTC.
    pub timestamp: u64,
    pub title: &'a str,
    /// The terminal's type, `TERM`.
    pub term: Option<&'a str>,
}

impl Header<'_> {
    fn line(&self) -> String {
        let term = self.term.map(|term| Field::string("TERM", term.as_bytes()));
        let env = term.map(|term| Field { name: "env", json: json::object([&term]) });
        let fields = [
            Field::number("version", 2),
            Field::number("width", self.columns),
            Field::number("height", self.rows),
            Field::number("timestamp", self.timestamp),
            Field::string("title", self.title.as_bytes()),
        ];
        json::object(fields.iter().chain(&env)) + "\n"
    }
}

/// Why the recording ended before its time, once it has.
type Failure = Arc<Mutex<Option<String>>>;

/// The guard's end of a recording.
pub struct Recording {
    path: PathBuf,
    header_length: u64,
    writer: Option<OwnedFd>,
    failure: Failure,
    /// Hangs up when the file is closed.
    thread: Receiver<io::Result<()>>,
}

impl Recording {
    /// Creates the file `<dir>/<id>.cast` with its header, and starts the thread that writes to it. Before the mount namespace of this
    /// process changes: the thread stays in the one that it starts in, where `dir` is what the policy means.
    ///
    /// Waits at most [`limits::DISK_DEADLINE`].
    ///
    /// # Errors
    /// The file cannot be created, something is there already, the disk is full or does not answer, or there is no pipe or thread to be had.
    pub fn open(dir: &Path, id: &str, header: &Header<'_>) -> io::Result<Recording> {
        let path = dir.join(format!("{id}.cast"));
        let header = header.line();
        let (reader, writer) = pipe()?;
        let (opened, thread) = mpsc::sync_channel(1);
        let failure = Failure::default();
        let recording = Recording {
            path: path.clone(),
            header_length: header.len() as u64,
            writer: Some(writer),
            failure: Arc::clone(&failure),
            thread,
        };
        without_signals(|| {
            let builder = thread::Builder::new().name("recording".to_owned()).stack_size(limits::RECORD_STACK);
            builder.spawn(move || serve(path, &header, File::from(reader), &opened, &failure))
        })??;
        match recording.thread.recv_timeout(limits::DISK_DEADLINE) {
            Ok(answer) => answer.map(|()| recording),
            Err(RecvTimeoutError::Timeout) => Err(no_answer(limits::DISK_DEADLINE)),
            Err(RecvTimeoutError::Disconnected) => Err(io::Error::other("the thread that writes it has ended")),
        }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Bytes of the header: where the first event stands.
    pub fn header_length(&self) -> u64 {
        self.header_length
    }

    /// The end of the pipe that takes lines, once. It never blocks; when nothing is written any more, nobody reads it. The recording ends
    /// when all copies of it are closed, so that the process that gets it should have the only one.
    pub fn writer(&mut self) -> Option<OwnedFd> {
        self.writer.take()
    }

    /// Why the recording ended before its time, once it has.
    pub fn failure(&self) -> Option<String> {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits, at most so long, until everything is in the file and nobody may write to it any more; the writers have to be gone. Returns
    /// what went wrong.
    pub fn finish(mut self, patience: Duration) -> Option<String> {
        self.writer = None;
        match self.thread.recv_timeout(patience) {
            Err(RecvTimeoutError::Timeout) => Some(self.failure().unwrap_or_else(|| no_answer(patience).to_string())),
            _ => self.failure(),
        }
    }
}

/// The reading end, and the writing end, which does not block.
fn pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    let (reader, writer) = pipe2(OFlag::O_CLOEXEC)?;
    fcntl(&writer, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
    // A user of many pipes has to do with smaller ones.
    let _ = fcntl(&writer, FcntlArg::F_SETPIPE_SZ(i32::try_from(limits::RECORDING_PIPE).unwrap_or(i32::MAX)));
    Ok((reader, writer))
}

/// The thread.
fn serve(path: PathBuf, header: &str, pipe: File, opened: &SyncSender<io::Result<()>>, failure: &Failure) {
    let begun = rights::take_owners().map_err(io::Error::from).and_then(|()| Cast::begin(path, header));
    // The channel has room for the answer. Whoever does not wait for it has no use for the pipe either.
    match begun {
        Ok(mut cast) => {
            let _ = opened.try_send(Ok(()));
            if let Err(error) = cast.copy(&pipe) {
                *failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(error.to_string());
            }
            // The writer finds out now, and the reason is there.
            drop(pipe);
            cast.close();
        }
        Err(error) => drop(opened.try_send(Err(error))),
    }
}

/// The file, as far as it is written.
struct Cast {
    path: PathBuf,
    file: File,
    /// There before anything else forks: nothing is allocated on the way.
    buffer: Vec<u8>,
    /// Bytes in the file.
    length: u64,
    /// Bytes of whole lines.
    whole: u64,
    /// When all of it was on the disk itself.
    synced: Instant,
}

impl Cast {
    fn begin(path: PathBuf, header: &str) -> io::Result<Cast> {
        let file = create(&path)?;
        let buffer = vec![0; limits::RECORDING_BYTES];
        let mut cast = Cast { path, file, buffer, length: 0, whole: 0, synced: Instant::now() };
        if let Err(error) = cast.append(header.as_bytes()) {
            // Half a header is no recording, and the disk is in need.
            let _ = std::fs::remove_file(&cast.path);
            return Err(error);
        }
        Ok(cast)
    }

    /// Copies what comes through the pipe until nobody has its other end.
    fn copy(&mut self, mut pipe: &File) -> io::Result<()> {
        let mut buffer = std::mem::take(&mut self.buffer);
        let mut unsynced = false;
        loop {
            if unsynced && !comes_within(pipe, limits::RECORDING_SYNC.saturating_sub(self.synced.elapsed()))? {
                self.file.sync_data()?;
                (self.synced, unsynced) = (Instant::now(), false);
            }
            match pipe.read(&mut buffer) {
                Ok(0) => return Ok(()),
                Ok(count) => {
                    self.append(buffer.get(..count).unwrap_or_default())?;
                    unsynced = true;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    fn append(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let written = match self.file.write(bytes) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => written,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            let (done, rest) = bytes.split_at_checked(written).unwrap_or((bytes, &[]));
            if let Some(newline) = done.iter().rposition(|byte| *byte == b'\n') {
                self.whole = self.length + newline as u64 + 1;
            }
            self.length += written as u64;
            bytes = rest;
        }
        Ok(())
    }

    /// Nothing more is written: takes back a line that was cut short, and makes the file read-only. A sync would hold the end of the
    /// session up.
    fn close(self) {
        if self.whole < self.length {
            let _ = self.file.set_len(self.whole);
        }
        make_read_only(&self.file, &self.path);
    }
}

/// Whether something comes through a pipe, or its end, within so long; rounded up, for a wait that ends early would be another sync.
fn comes_within(pipe: impl AsFd, time: Duration) -> io::Result<bool> {
    let time = PollTimeout::try_from(time + Duration::from_micros(999)).unwrap_or(PollTimeout::MAX);
    match poll(&mut [PollFd::new(pipe.as_fd(), PollFlags::POLLIN)], time) {
        Ok(ready) => Ok(ready > 0),
        // Signals do not come here.
        Err(error) => Err(error.into()),
    }
}
