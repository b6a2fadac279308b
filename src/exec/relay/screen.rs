//! The person's terminal, which the relay alone reads and writes.
//!
//! Behind it are two others: the front's, all session long, and that of the pipeline that runs, if one does. What they show passes the
//! output filter on its way to the person; what is typed passes the keyboard filter on its way to whichever of the two has its turn. A
//! program never has the person's terminal itself, so it cannot type on it (TIOCSTI), leave its modes changed, or hold it up.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use nix::poll::PollFlags;

use super::buffer::Buffer;
use super::keys::Keys;
use super::recorder::{CHUNK, Recorder};
use crate::policy::settings::Redact;
use crate::screen::filter::{Dropped, Filter};
use crate::screen::keyboard::At;
use crate::screen::redact::{Found, Key, Redactor};
use crate::sys::{descriptor, prompt, pty};

/// Bytes that are read of a terminal at a time: what the kernel gives at once, and a little more.
const RAW: usize = 16 << 10;
/// How often that may be read, and shown at once, before keys are looked for again.
const ROUNDS: usize = 4;
/// Bytes on their way to the person.
const SHOWN: usize = 2 * CHUNK;
/// How long a key may wait for the rest of its bytes, and a secret for the rest of its own on the screen.
const PAUSE: Duration = Duration::from_millis(50);
/// What Ctrl-Z does here.
const NO_JOBS: &[u8] = b"\r\nposternsh: no job control: continued\r\n";

/// What it works with, allocated before there is a relay.
pub(super) struct Memory {
    front: Track,
    command: Track,
    keys: Keys,
    shown: Buffer,
    clean: Buffer,
    redactor: Option<Redactor>,
    window: (u16, u16),
}

/// One of the two terminals behind, on its way to the person.
struct Track {
    filter: Filter,
    raw: Buffer,
}

/// What the relay is given of it.
pub(super) struct Given {
    pub terminal: OwnedFd,
    /// Readable when the window has another size.
    pub resized: OwnedFd,
    /// The master of the front's.
    pub front: Option<OwnedFd>,
    /// Whether it is read: its keys are not another program's.
    pub reads: bool,
}

/// The terminal at work.
pub(super) struct Screen<'a> {
    terminal: Option<File>,
    resized: File,
    reads: bool,
    front: Option<File>,
    command: Option<File>,
    /// Whether a pipeline has the screen, be its terminal gone or not.
    running: bool,
    prompt: bool,
    /// Whether the person knows that nothing is stopped here.
    told: bool,
    memory: &'a mut Memory,
    /// When something was held back from the screen.
    holding: Option<Instant>,
    /// Bytes that the commands of this line have shown.
    pub shown: u64,
    dropped: Dropped,
}

/// What the wait showed of each of its descriptors.
#[derive(Clone, Copy)]
pub(super) struct Ready {
    pub terminal: PollFlags,
    pub front: PollFlags,
    pub command: PollFlags,
    pub resized: PollFlags,
}

impl Ready {
    /// Nothing.
    pub const NOTHING: Ready =
        Ready { terminal: PollFlags::empty(), front: PollFlags::empty(), command: PollFlags::empty(), resized: PollFlags::empty() };
}

/// What the guard is told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct News {
    /// The person is gone.
    pub gone: bool,
    /// The pipeline has shown more than it may.
    pub exceeded: bool,
}

impl Memory {
    /// For a terminal with so many columns and rows.
    pub fn new(window: (u16, u16)) -> Memory {
        let track = || Track { filter: Filter::new(window.0, window.1), raw: Buffer::new(RAW) };
        let mut front = track();
        front.filter.allow_paste(true);
        Memory { front, command: track(), keys: Keys::new(), shown: Buffer::new(SHOWN), clean: Buffer::new(CHUNK), redactor: None, window }
    }
}

impl<'a> Screen<'a> {
    pub fn new(given: Given, memory: &'a mut Memory) -> Screen<'a> {
        Screen {
            terminal: Some(given.terminal.into()),
            resized: given.resized.into(),
            reads: given.reads,
            front: given.front.map(File::from),
            command: None,
            running: false,
            prompt: false,
            told: false,
            memory,
            holding: None,
            shown: 0,
            dropped: Dropped::default(),
        }
    }

    /// Takes secrets off the screen from here on.
    pub fn redact(&mut self, redact: Redact, key: &Key) {
        self.memory.redactor = (redact == Redact::Screen).then(|| Redactor::new(key));
    }

    /// A line begins.
    pub fn open(&mut self) {
        self.shown = 0;
    }

    /// A pipeline begins, with this terminal; a prompt may follow, which wants a line of its own.
    pub fn begin(&mut self, command: OwnedFd, prompt: bool) {
        (self.running, self.prompt, self.told) = (true, prompt, false);
        let (columns, rows) = self.memory.window;
        self.memory.command.filter = Filter::new(columns, rows);
        self.memory.command.raw.clear();
        self.memory.keys.turn();
        self.command = Some(command.into());
        self.resize();
    }

    /// What to wait for: the terminal, the front's, the command's, the window.
    pub fn interests(&self, has_room: bool) -> [Option<(BorrowedFd<'_>, PollFlags)>; 4] {
        let mut of_terminal = PollFlags::empty();
        of_terminal.set(PollFlags::POLLIN, self.reads && self.memory.keys.has_room());
        of_terminal.set(PollFlags::POLLOUT, !self.memory.shown.is_empty());
        let takes = has_room && self.memory.shown.room() >= CHUNK;
        let of_source = |raw: &Buffer, has_turn: bool| {
            let mut flags = PollFlags::empty();
            flags.set(PollFlags::POLLIN, takes && raw.is_empty() && self.memory.clean.is_empty());
            flags.set(PollFlags::POLLOUT, has_turn && self.memory.keys.is_pending());
            flags
        };
        let front = of_source(&self.memory.front.raw, !self.running);
        let command = of_source(&self.memory.command.raw, true);
        // One that hung up shows that always: it is asked only when it can be read to its end.
        [
            self.terminal.as_ref().map(|file| (file.as_fd(), of_terminal)),
            self.front.as_ref().filter(|_| !front.is_empty()).map(|file| (file.as_fd(), front)),
            self.command.as_ref().filter(|_| !command.is_empty()).map(|file| (file.as_fd(), command)),
            Some((self.resized.as_fd(), PollFlags::POLLIN)),
        ]
    }

    /// How long until something that is held back has to be let go.
    pub fn patience(&self) -> Option<Duration> {
        let since = [self.memory.keys.waiting(), self.holding].into_iter().flatten().min()?;
        Some(PAUSE.saturating_sub(since.elapsed()))
    }

    /// Moves what can be moved.
    pub fn pass(&mut self, ready: Ready, recorder: &mut Recorder, allowance: &mut Option<u64>) -> News {
        let mut news = News::default();
        if !ready.resized.is_empty() {
            let _ = self.resized.read(&mut [0; 128]);
            self.resize();
            recorder.resize(self.memory.window);
        }
        self.read_keys(ready.terminal, &mut news);
        if self.type_keys() && !self.told {
            self.told = true;
            self.say(NO_JOBS, recorder);
        }
        self.let_go(recorder);
        if ready.front.intersects(PollFlags::POLLIN | PollFlags::POLLHUP) {
            self.read_front();
        }
        let mut has_more = ready.command.intersects(PollFlags::POLLIN | PollFlags::POLLHUP);
        for _ in 0..ROUNDS {
            if has_more && self.memory.command.raw.is_empty() && self.memory.clean.is_empty() {
                has_more = self.read_command(allowance, &mut news);
            }
            self.filter_command(recorder);
            self.filter_front(recorder);
            self.show(&mut news);
            if !(has_more || self.has_work()) || !self.memory.shown.is_empty() || !recorder.has_room() {
                break;
            }
        }
        news
    }

    /// Whether anything was read that has not been dealt with.
    pub fn has_work(&self) -> bool {
        !(self.memory.command.raw.is_empty() && self.memory.clean.is_empty() && self.memory.front.raw.is_empty())
    }

    /// Whether there is something to do without waiting for anything: the terminal took all that there was room for before.
    pub fn can_go_on(&self) -> bool {
        self.has_work() && self.memory.shown.is_empty()
    }

    /// Whether something of the pipeline is on its way.
    pub fn is_busy(&self) -> bool {
        let pending = !self.memory.command.raw.is_empty() || !self.memory.clean.is_empty() || !self.memory.shown.is_empty();
        self.terminal.is_some() && (pending || is_readable(self.command.as_ref()))
    }

    /// Whether something of the front's is on its way.
    pub fn is_front_busy(&self) -> bool {
        let pending = !self.memory.front.raw.is_empty() || !self.memory.shown.is_empty();
        self.terminal.is_some() && (pending || is_readable(self.front.as_ref()))
    }

    /// All of the pipeline was shown: the terminal is put in order.
    pub fn end_command(&mut self, recorder: &mut Recorder) {
        if !std::mem::take(&mut self.running) {
            return;
        }
        self.command = None;
        self.memory.keys.turn();
        self.memory.command.raw.clear();
        self.memory.clean.clear();
        while let Some(redactor) = &mut self.memory.redactor {
            let count = redactor.flush(self.memory.shown.free()).written;
            self.note_shown(count, recorder);
            if count == 0 {
                break;
            }
        }
        let count = self.memory.command.filter.finish(self.memory.shown.free(), self.prompt);
        self.note_shown(count, recorder);
        self.note_dropped();
    }

    /// No key is taken any more, and the front's terminal is gone.
    pub fn finish(&mut self, recorder: &mut Recorder) {
        self.end_command(recorder);
        self.reads = false;
        self.front = None;
        let count = self.memory.front.filter.finish(self.memory.shown.free(), true);
        self.note_shown(count, recorder);
    }

    /// What commands wanted of the terminal and did not get, since the last time.
    pub fn take_dropped(&mut self) -> Dropped {
        self.note_dropped();
        std::mem::take(&mut self.dropped)
    }

    /// What secrets were taken off the screen since the last time.
    pub fn take_found(&mut self) -> Found {
        self.memory.redactor.as_mut().map(Redactor::take_found).unwrap_or_default()
    }

    fn note_dropped(&mut self) {
        let dropped = self.memory.command.filter.take_dropped();
        self.dropped.add(&dropped);
    }

    /// Makes both terminals behind as large as the person's.
    fn resize(&mut self) {
        let window = self.terminal.as_ref().and_then(|terminal| prompt::window(terminal.as_fd())).unwrap_or(self.memory.window);
        self.memory.window = window;
        for terminal in [&self.front, &self.command].into_iter().flatten() {
            let _ = pty::set_window(terminal.as_fd(), window);
        }
        self.memory.front.filter.resize(window.0, window.1);
        self.memory.command.filter.resize(window.0, window.1);
    }

    /// Reads what was typed.
    fn read_keys(&mut self, ready: PollFlags, news: &mut News) {
        let Some(terminal) = &mut self.terminal else { return };
        if ready.contains(PollFlags::POLLIN) && self.memory.keys.has_room() {
            match self.memory.keys.read(terminal) {
                Ok(0) => self.lose(news),
                Ok(_) => {}
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
                Err(_) => self.lose(news),
            }
        } else if ready.intersects(PollFlags::POLLHUP | PollFlags::POLLERR | PollFlags::POLLNVAL) {
            self.lose(news);
        }
    }

    /// The person is gone. The front learns of it as of any terminal that hung up.
    fn lose(&mut self, news: &mut News) {
        news.gone = true;
        (self.terminal, self.front, self.reads) = (None, None, false);
        self.memory.shown.clear();
        self.memory.keys.end();
    }

    /// Shows the person something from the shell, where there is room for it.
    fn say(&mut self, text: &[u8], recorder: &mut Recorder) {
        let room = self.memory.shown.free().get_mut(..text.len());
        let Some(room) = room.filter(|_| recorder.has_room()) else { return };
        room.copy_from_slice(text);
        self.note_shown(text.len(), recorder);
    }

    /// Gives keys to whoever has its turn; whether one of them would have stopped the command elsewhere.
    fn type_keys(&mut self) -> bool {
        match self.running {
            true => self.memory.keys.give(&mut self.command, At::Command, PAUSE),
            false => self.memory.keys.give(&mut self.front, At::Prompt, PAUSE),
        }
    }

    /// Lets go of what was held back long enough.
    fn let_go(&mut self, recorder: &mut Recorder) {
        if self.holding.is_none_or(|since| since.elapsed() < PAUSE) || self.memory.shown.room() < CHUNK || !recorder.has_room() {
            return;
        }
        if let Some(redactor) = &mut self.memory.redactor {
            let count = redactor.pause(self.memory.shown.free()).written;
            self.holding = redactor.is_holding().then(Instant::now).filter(|_| count > 0);
            self.note_shown(count, recorder);
        }
    }

    fn read_front(&mut self) {
        let Some(front) = &mut self.front else { return };
        match self.memory.front.raw.fill(front, RAW) {
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
            // Every process that had it has ended.
            Ok(0) | Err(_) => self.front = None,
            Ok(_) => {}
        }
    }

    fn filter_front(&mut self, recorder: &mut Recorder) {
        while !self.memory.front.raw.is_empty() && self.has_room(recorder) {
            let memory = &mut *self.memory;
            let free = memory.shown.free();
            let progress = memory.front.filter.pass(memory.front.raw.bytes(), free.get_mut(..CHUNK).unwrap_or_default());
            memory.front.raw.taken(progress.taken);
            recorder.show(free.get(..progress.written).unwrap_or_default());
            memory.shown.filled(progress.written);
        }
    }

    fn has_room(&self, recorder: &Recorder) -> bool {
        self.memory.shown.room() >= CHUNK && recorder.has_room()
    }

    /// Reads what the command shows, as much as is there and there is room for; whether there may be more. A terminal gives 4 KiB at once at
    /// most.
    fn read_command(&mut self, allowance: &mut Option<u64>, news: &mut News) -> bool {
        while let Some(command) = &mut self.command
            && self.memory.command.raw.room() > 0
        {
            let limit = allowance.map_or(RAW, |left| RAW.min(usize::try_from(left).unwrap_or(usize::MAX)));
            if limit == 0 {
                if !is_readable(self.command.as_ref()) {
                    return false;
                }
                // What there is more is not looked at again.
                (self.command, news.exceeded) = (None, true);
                return false;
            }
            match self.memory.command.raw.fill(command, limit) {
                Ok(count @ 1..) => {
                    self.shown += count as u64;
                    *allowance = allowance.map(|left| left.saturating_sub(count as u64));
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return false,
                // EIO: nobody has it any more, not even the guard, so there is nothing to wait for.
                Ok(0) | Err(_) => self.command = None,
            }
        }
        self.command.is_some()
    }

    fn filter_command(&mut self, recorder: &mut Recorder) {
        while (!self.memory.command.raw.is_empty() || !self.memory.clean.is_empty()) && self.has_room(recorder) {
            let memory = &mut *self.memory;
            let free = memory.shown.free();
            let free = free.get_mut(..CHUNK).unwrap_or_default();
            let (raw, filter) = (&mut memory.command.raw, &mut memory.command.filter);
            let count = match &mut memory.redactor {
                None => {
                    let progress = filter.pass(raw.bytes(), free);
                    raw.taken(progress.taken);
                    progress.written
                }
                Some(redactor) => {
                    if memory.clean.is_empty() {
                        let progress = filter.pass(raw.bytes(), memory.clean.free());
                        raw.taken(progress.taken);
                        memory.clean.filled(progress.written);
                    }
                    let progress = redactor.pass(memory.clean.bytes(), free);
                    memory.clean.taken(progress.taken);
                    self.holding = redactor.is_holding().then(Instant::now);
                    progress.written
                }
            };
            recorder.command(free.get(..count).unwrap_or_default());
            memory.shown.filled(count);
        }
    }

    /// So many bytes of the room are to be shown.
    fn note_shown(&mut self, count: usize, recorder: &mut Recorder) {
        recorder.show(self.memory.shown.free().get(..count).unwrap_or_default());
        self.memory.shown.filled(count);
    }

    /// Shows the person what is on its way.
    fn show(&mut self, news: &mut News) {
        let Some(terminal) = &mut self.terminal else { return self.memory.shown.clear() };
        while !self.memory.shown.is_empty() {
            match self.memory.shown.drain(terminal) {
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return self.lose(news),
            }
        }
    }
}

/// Whether there is something to read.
fn is_readable(source: Option<&File>) -> bool {
    source.is_some_and(|file| descriptor::is_readable(file.as_fd()).unwrap_or(false))
}
