//! The file of a session: `<audit dir>/<session id>.jsonl`, written by a thread that is given up on.
//!
//! A disk can hang in the very incident that the session is about, and a write to it cannot be interrupted; so the writes are those of a
//! thread, and the shell waits [`limits::DISK_DEADLINE`] for its answer, where it needs one: what syslog has taken is written meanwhile, and
//! an error is found with the next record. A thread costs some 10 µs, a process of its own ten times that in
//! every `posternsh -c`. The price: the kernel ends a process only when its last thread comes back, so a session on a disk that never
//! answers works to its end, and its exit is seen by sshd when the disk answers.
//!
//! In a directory that is not this user's own, as /var/log/postern is, the file has no mode bits at all: whoever the records are about is
//! its owner there, and is not to read them. The descriptor that it was created with keeps its access, root reads it anyway, and what the
//! session runs cannot change its mode while it can write nothing. That lets /var/log be readable as a whole (`confine::holes`).
//!
//! The file is locked by this process as long as it writes to it: whoever lists sessions asks the kernel which are open, and whose (`sys::holder`).
//! It is never opened a second time here, for the lock would go when that was closed. The same thread looks whether an operator has ended the
//! session ([`super::order`]): it alone has the rights and the mounts that the directory can be read with.
//!
//! A full disk must not stop a running session either: space is preallocated ahead of what is written. Only whole records are in the
//! file: what was cut short is taken back.

use std::fs::{File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant};

use nix::fcntl::{FallocateFlags, OFlag, fallocate};
use nix::sys::signal::{SigSet, SigmaskHow};
use nix::unistd::{getegid, geteuid};

use super::order::Order;
use crate::sys::{holder, rights};
use crate::words::limits;

/// How much the shell needs a record to be in the file before it goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Need {
    /// It is elsewhere already.
    Later,
    /// It is nowhere else.
    Now,
    /// It is nowhere else, and must be on the disk itself.
    Durable,
    /// It is the last one: the file is closed behind it.
    Last,
}

/// What the thread is asked.
enum Job {
    /// To append whole lines.
    Append { lines: String, need: Need },
    /// Whether an operator has ended the session.
    Look(Sender<Option<Order>>),
    /// To say that what was asked before is done.
    Answer(Sender<()>),
}

/// The shell's end: asks, and waits for an answer so long and no longer.
pub(super) struct SessionFile {
    /// `None` once it is closing.
    jobs: Option<Sender<Job>>,
    answers: Receiver<io::Result<()>>,
    /// Jobs that the thread has not answered yet.
    unanswered: usize,
    /// When the first of them was asked; it is given up on after the deadline.
    asked: Instant,
}

impl SessionFile {
    /// Starts the thread, which creates the file while the shell does something else. A file that cannot be created is tried again with
    /// every record.
    ///
    /// # Errors
    /// No thread could be started.
    pub fn create(path: PathBuf) -> io::Result<SessionFile> {
        let (jobs, for_writer) = mpsc::channel();
        let (for_shell, answers) = mpsc::channel();
        let writer = Writer { path, file: None, length: 0, reserved: 0, torn: false };
        without_signals(|| {
            let builder = thread::Builder::new().name("records".to_owned()).stack_size(limits::RECORD_STACK);
            builder.spawn(move || writer.serve(&for_writer, &for_shell))
        })??;
        Ok(SessionFile { jobs: Some(jobs), answers, unanswered: 0, asked: Instant::now() })
    }

    /// Appends lines, which have to be whole. Once an answer is overdue the file takes nothing; when it comes after all, the file is in use
    /// again. The answer may be that of records before these, where they were not waited for; `None` if there is none yet.
    pub fn append(&mut self, lines: String, need: Need) -> io::Result<Option<()>> {
        let before = self.answered();
        if self.unanswered > 0 && self.asked.elapsed() >= limits::DISK_DEADLINE {
            return Err(no_answer(limits::DISK_DEADLINE));
        }
        if self.unanswered == 0 {
            self.asked = Instant::now();
        }
        self.jobs.as_ref().ok_or_else(gone)?.send(Job::Append { lines, need }).map_err(|_| gone())?;
        self.unanswered += 1;
        match need {
            Need::Later => before,
            _ => before.and(self.settle()).map(Some),
        }
    }

    /// By whose order the session ends, if there is one. A disk that does not answer soon has none.
    pub fn order(&self) -> Option<Order> {
        let (answer, order) = mpsc::channel();
        self.jobs.as_ref()?.send(Job::Look(answer)).ok()?;
        order.recv_timeout(limits::ORDER_DEADLINE).ok().flatten()
    }

    /// Waits until the file is there and room for its first records is reserved, or cannot be; not for a disk that does not answer soon.
    pub fn await_room(&self) {
        let (answer, done) = mpsc::channel();
        if self.jobs.as_ref().is_some_and(|jobs| jobs.send(Job::Answer(answer)).is_ok()) {
            let _ = done.recv_timeout(limits::ORDER_DEADLINE);
        }
    }

    /// The answers that have come by now; `None` if none has.
    pub fn answered(&mut self) -> io::Result<Option<()>> {
        let waiting = self.unanswered;
        self.collect(Duration::ZERO)?;
        Ok((self.unanswered < waiting).then_some(()))
    }

    /// Whether an answer is due.
    pub fn is_behind(&self) -> bool {
        self.unanswered > 0
    }

    /// Waits for the answers that are due, within the deadline.
    pub fn settle(&mut self) -> io::Result<()> {
        self.collect(limits::DISK_DEADLINE.saturating_sub(self.asked.elapsed()))?;
        if self.unanswered > 0 { Err(no_answer(limits::DISK_DEADLINE)) } else { Ok(()) }
    }

    /// Takes the answers that come within `time`, until none is due; the first error among them.
    fn collect(&mut self, time: Duration) -> io::Result<()> {
        let end = Instant::now() + time;
        let mut result = Ok(());
        while self.unanswered > 0 {
            match self.answers.recv_timeout(end.saturating_duration_since(Instant::now())) {
                Ok(answer) => result = result.and(answer),
                Err(RecvTimeoutError::Timeout) => return result,
                Err(RecvTimeoutError::Disconnected) => return result.and(Err(gone())),
            }
            self.unanswered -= 1;
        }
        result
    }
}

impl Drop for SessionFile {
    /// Waits, within the deadline, until the thread has closed the file.
    fn drop(&mut self) {
        self.jobs = None;
        let overdue = self.unanswered > 0 && self.asked.elapsed() >= limits::DISK_DEADLINE;
        if !overdue {
            // The thread ends and hangs up, or the time is over.
            while self.answers.recv_timeout(limits::DISK_DEADLINE).is_ok() {}
        }
    }
}

pub(super) fn no_answer(time: Duration) -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, format!("no answer from the disk within {time:?}"))
}

fn gone() -> io::Error {
    io::Error::other("the thread that writes it has ended")
}

/// Runs `work` with every signal blocked; a thread that it starts keeps it so. Signals of the process are then the shell's alone, and the
/// SIGXFSZ of a file-size limit (`setrlimit(2)`), which the kernel sends to the writing thread, stays pending: the write fails with EFBIG.
pub(super) fn without_signals<T>(work: impl FnOnce() -> T) -> io::Result<T> {
    let before = SigSet::all().thread_swap_mask(SigmaskHow::SIG_SETMASK)?;
    let done = work();
    before.thread_set_mask()?;
    Ok(done)
}

/// The thread's end.
struct Writer {
    path: PathBuf,
    file: Option<File>,
    /// Bytes of whole records in the file.
    length: u64,
    /// Bytes that have room on the disk, whatever else fills it.
    reserved: u64,
    /// Whether something stands behind the whole records that could not be taken back yet.
    torn: bool,
}

impl Writer {
    fn serve(mut self, jobs: &Receiver<Job>, answers: &Sender<io::Result<()>>) {
        // What goes wrong goes wrong again with the first record, which reports it.
        let _ = rights::take_owners().map_err(io::Error::from).and_then(|()| self.prepare());
        while let Ok(job) = jobs.recv() {
            let (lines, need) = match job {
                Job::Append { lines, need } => (lines, need),
                Job::Look(asked) => {
                    let _ = asked.send(self.order());
                    continue;
                }
                Job::Answer(asked) => {
                    let _ = asked.send(());
                    continue;
                }
            };
            let answer = self.append(&lines, need);
            if need == Need::Last {
                self.close();
                let _ = answers.send(answer);
                return;
            }
            if answers.send(answer).is_err() {
                break;
            }
            self.reserve(self.length + limits::RECORD_RESERVE / 2);
        }
        self.close();
    }

    fn append(&mut self, lines: &str, need: Need) -> io::Result<()> {
        self.prepare()?;
        let length = self.length + lines.len() as u64;
        self.reserve(length);
        let Some(file) = &mut self.file else { return Err(gone()) };
        match write_whole(file, lines.as_bytes()) {
            Ok(()) => self.length = length,
            Err(error) => {
                self.torn = true;
                // If it cannot be taken back now, then before the next record.
                let _ = self.take_back();
                return Err(error);
            }
        }
        if need == Need::Durable { file.sync_data() } else { Ok(()) }
    }

    /// The file exists, is open, and ends with a whole record.
    fn prepare(&mut self) -> io::Result<()> {
        if self.file.is_none() {
            let file = self.file.insert(create(&self.path)?);
            // A file system without locks shows the session as lost, and is no reason to have none.
            let _ = holder::hold(file);
            self.reserve(limits::RECORD_RESERVE);
        }
        if self.torn { self.take_back() } else { Ok(()) }
    }

    /// Believed where root wrote it, or whoever owns the records.
    fn order(&self) -> Option<Order> {
        let owner = self.file.as_ref()?.metadata().ok()?.uid();
        Order::read(&self.path, owner)
    }

    fn take_back(&mut self) -> io::Result<()> {
        if let Some(file) = &self.file {
            file.set_len(self.length)?;
        }
        // This gave back what was reserved behind the end, too.
        (self.torn, self.reserved) = (false, self.length);
        Ok(())
    }

    /// Sees to it that there is room up to `end`, and then for some while. A file system that cannot do that, or is full, still takes what it can.
    fn reserve(&mut self, end: u64) {
        let Some(file) = &self.file else { return };
        if end <= self.reserved {
            return;
        }
        let wanted = end.max(self.reserved + limits::RECORD_RESERVE);
        let range = (i64::try_from(self.reserved), i64::try_from(wanted - self.reserved));
        if let (Ok(offset), Ok(length)) = range
            && fallocate(file, FallocateFlags::FALLOC_FL_KEEP_SIZE, offset, length).is_ok()
        {
            self.reserved = wanted;
        }
    }

    /// Nothing more is written: gives the reserve back and makes the file read-only. It is complete without either.
    fn close(self) {
        if let Some(file) = self.file {
            let _ = file.set_len(self.length);
            make_read_only(&file, &self.path);
        }
    }
}

/// Creates the file; one that is there, or a symbolic link in its place, is not ours.
pub(super) fn create(path: &Path) -> io::Result<File> {
    let mode = if is_in_own_directory(path) { 0o600 } else { 0 };
    OpenOptions::new().create_new(true).append(true).mode(mode).custom_flags(OFlag::O_NOFOLLOW.bits()).open(path)
}

/// Nobody is to write to it any more.
pub(super) fn make_read_only(file: &File, path: &Path) {
    if is_in_own_directory(path) {
        // The group is for whoever reads records; one that the account is in reads none.
        let is_accounts = rights::owner().is_some() && file.metadata().is_ok_and(|file| file.gid() == getegid().as_raw());
        let _ = file.set_permissions(Permissions::from_mode(if is_accounts { 0o400 } else { 0o440 }));
    }
}

/// Whether the directory belongs to the user that this process acts as.
fn is_in_own_directory(path: &Path) -> bool {
    path.parent().and_then(|directory| directory.metadata().ok()).is_some_and(|directory| directory.uid() == geteuid().as_raw())
}

/// One write, so that records of one event are in the file together or not at all.
fn write_whole(file: &mut File, bytes: &[u8]) -> io::Result<()> {
    let written = loop {
        match file.write(bytes) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            other => break other?,
        }
    };
    if written == bytes.len() { Ok(()) } else { Err(io::Error::new(io::ErrorKind::StorageFull, "there is no room for a whole record")) }
}
