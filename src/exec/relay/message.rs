//! What the guard and its relay say to each other: one message each, a byte of what it is and its parts behind. Both are one program, so
//! numbers stand as they are in memory.

use crate::policy::settings::Redact;
use crate::screen::filter::Dropped;
use crate::screen::redact::{Found, Key};

/// What the guard asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::exec) enum Order<'a> {
    /// A line begins. With it come the reading ends of its pipes: of output and error, those that are said to.
    Open([bool; 2]),
    Begin(Begin),
    /// To be answered when nothing is on its way any more.
    Drain,
    /// The line is over: what can be passed at once is, the pipes are closed. To be answered.
    Close,
    /// From here on all is recorded. With it comes the pipe to write to.
    Record(Recording),
    /// A chapter of the recording: what a command is called there.
    Mark(&'a [u8]),
    /// The session is over: what is on its way to the person is shown, no key is taken any more. To be answered.
    Finish,
}

/// A pipeline begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::exec) struct Begin {
    /// What it may write, in bytes, everything together.
    pub allowance: Option<u64>,
    /// How much of it is recorded, in bytes.
    pub recorded: u64,
    /// Whether it has a terminal, of which the master comes with this.
    pub terminal: bool,
    /// Whether a prompt follows, which wants a line of its own.
    pub prompt: bool,
}

/// How it is recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::exec) struct Recording {
    /// Bytes that are in the file already.
    pub offset: u64,
    /// Whether secrets are taken out of it, and off the screen.
    pub redact: Redact,
    pub key: Key,
}

/// What the relay tells. Streams are counted from 0, output; 2 is the person's terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::exec) enum Event {
    /// There is more than the pipeline may write.
    Exceeded,
    /// Whoever read this stream is gone.
    Gone(usize),
    /// This stream takes no more, by an errno.
    Full(usize, i32),
    /// Nothing is recorded any more, by an errno.
    Unrecorded(i32),
    Drained(Report),
    Closed(Report),
}

/// What became of a line so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::exec) struct Report {
    /// Bytes that reached output and error, where those are no terminal.
    pub passed: [u64; 2],
    /// Bytes that commands wrote to the terminal.
    pub shown: u64,
    /// Where the command's chapter begins in the recording: bytes, and milliseconds.
    pub offset: u64,
    pub time: u64,
    /// Bytes of output that were to be recorded and are not.
    pub left_out: u64,
    /// What the terminal did not get, and what was taken out as a secret.
    pub dropped: Dropped,
    pub found: Found,
}

const DROPPED: usize = Dropped::COUNT;
const FOUND: usize = Found::COUNT;
/// Bytes of the longest messages.
pub(in crate::exec) const ORDER: usize = 1024;
pub(in crate::exec) const EVENT: usize = 1 + 8 * (6 + DROPPED + FOUND);

/// A message, being put together.
pub(in crate::exec) struct Message<const ROOM: usize> {
    bytes: [u8; ROOM],
    length: usize,
}

impl<const ROOM: usize> Message<ROOM> {
    fn of(kind: u8) -> Message<ROOM> {
        Message { bytes: [0; ROOM], length: 0 }.with(&[kind])
    }

    /// What there is no room for is left out: no message is that long.
    fn with(mut self, part: &[u8]) -> Message<ROOM> {
        let places = self.bytes.iter_mut().skip(self.length);
        self.length += places.zip(part).map(|(place, byte)| *place = *byte).count();
        self
    }

    fn number(self, number: u64) -> Message<ROOM> {
        self.with(&number.to_ne_bytes())
    }

    pub fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }
}

/// A message, being taken apart; each part is `None` where it is too short.
struct Parts<'a>(&'a [u8]);

impl<'a> Parts<'a> {
    fn take<const COUNT: usize>(&mut self) -> Option<[u8; COUNT]> {
        let (part, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*part)
    }

    fn byte(&mut self) -> Option<u8> {
        self.take::<1>().map(|[byte]| byte)
    }

    fn flag(&mut self) -> Option<bool> {
        match self.byte()? {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        }
    }

    fn number(&mut self) -> Option<u64> {
        self.take().map(u64::from_ne_bytes)
    }

    fn errno(&mut self) -> Option<i32> {
        self.take().map(i32::from_ne_bytes)
    }

    /// What was put together, where nothing is left over.
    fn all<T>(&self, value: T) -> Option<T> {
        self.0.is_empty().then_some(value)
    }
}

impl<'a> Order<'a> {
    pub fn message(self) -> Message<ORDER> {
        match self {
            Order::Open([output, error]) => Message::of(0).with(&[u8::from(output), u8::from(error)]),
            Order::Begin(Begin { allowance, recorded, terminal, prompt }) => {
                let flags = [allowance.is_some(), terminal, prompt].map(u8::from);
                Message::of(1).with(&flags).number(allowance.unwrap_or(0)).number(recorded)
            }
            Order::Drain => Message::of(2),
            Order::Close => Message::of(3),
            Order::Record(Recording { offset, redact, key }) => {
                let redact = match redact {
                    Redact::None => 0,
                    Redact::Files => 1,
                    Redact::Screen => 2,
                };
                Message::of(4).number(offset).with(&[redact]).with(key.bytes())
            }
            Order::Mark(label) => Message::of(5).with(label),
            Order::Finish => Message::of(6),
        }
    }

    /// `None` for what is no order.
    pub fn read(bytes: &'a [u8]) -> Option<Order<'a>> {
        let mut parts = Parts(bytes);
        let order = match parts.byte()? {
            0 => Order::Open([parts.flag()?, parts.flag()?]),
            1 => {
                let (some, terminal, prompt) = (parts.flag()?, parts.flag()?, parts.flag()?);
                let allowance = parts.number().map(|bytes| some.then_some(bytes))?;
                Order::Begin(Begin { allowance, recorded: parts.number()?, terminal, prompt })
            }
            2 => Order::Drain,
            3 => Order::Close,
            4 => {
                let offset = parts.number()?;
                let redact = match parts.byte()? {
                    0 => Redact::None,
                    1 => Redact::Files,
                    2 => Redact::Screen,
                    _ => return None,
                };
                Order::Record(Recording { offset, redact, key: Key::from_bytes(parts.take()?) })
            }
            5 => return Some(Order::Mark(parts.0)),
            6 => Order::Finish,
            _ => return None,
        };
        parts.all(order)
    }
}

impl Event {
    pub fn message(self) -> Message<EVENT> {
        match self {
            Event::Exceeded => Message::of(0),
            Event::Gone(stream) => Message::of(1).with(&[stream as u8]),
            Event::Full(stream, errno) => Message::of(2).with(&[stream as u8]).with(&errno.to_ne_bytes()),
            Event::Unrecorded(errno) => Message::of(3).with(&errno.to_ne_bytes()),
            Event::Drained(report) => report.put(Message::of(4)),
            Event::Closed(report) => report.put(Message::of(5)),
        }
    }

    /// `None` for what is no event.
    pub fn read(bytes: &[u8]) -> Option<Event> {
        let mut parts = Parts(bytes);
        let stream = |parts: &mut Parts<'_>| parts.byte().filter(|stream| *stream < 3).map(usize::from);
        let event = match parts.byte()? {
            0 => Event::Exceeded,
            1 => Event::Gone(stream(&mut parts)?),
            2 => Event::Full(stream(&mut parts)?, parts.errno()?),
            3 => Event::Unrecorded(parts.errno()?),
            4 => Event::Drained(Report::take(&mut parts)?),
            5 => Event::Closed(Report::take(&mut parts)?),
            _ => return None,
        };
        parts.all(event)
    }
}

impl Report {
    /// This one, and what was told later: counts of what was dropped and found are of the time between.
    pub fn then(self, mut later: Report) -> Report {
        later.dropped.add(&self.dropped);
        later.found += self.found;
        later
    }

    fn put(self, message: Message<EVENT>) -> Message<EVENT> {
        let Report { passed: [output, error], shown, offset, time, left_out, dropped, found } = self;
        let message = [output, error, shown, offset, time, left_out].into_iter().fold(message, Message::number);
        let message = dropped.counts().iter().copied().fold(message, Message::number);
        found.counts().iter().copied().fold(message, Message::number)
    }

    fn take(parts: &mut Parts<'_>) -> Option<Report> {
        let passed = [parts.number()?, parts.number()?];
        let (shown, offset, time, left_out) = (parts.number()?, parts.number()?, parts.number()?, parts.number()?);
        let (mut dropped, mut found) = ([0; DROPPED], [0; FOUND]);
        for count in dropped.iter_mut().chain(&mut found) {
            *count = parts.number()?;
        }
        let (dropped, found) = (Dropped::from_counts(dropped), Found::from_counts(found));
        Some(Report { passed, shown, offset, time, left_out, dropped, found })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn orders() -> Vec<Order<'static>> {
        let begin = |allowance, terminal| Order::Begin(Begin { allowance, recorded: 7, terminal, prompt: !terminal });
        let record = |redact| Order::Record(Recording { offset: 80, redact, key: Key::from_bytes([7; 32]) });
        vec![
            Order::Open([true, false]),
            Order::Open([false, true]),
            begin(None, true),
            begin(Some(u64::MAX), false),
            Order::Drain,
            Order::Close,
            record(Redact::None),
            record(Redact::Files),
            record(Redact::Screen),
            Order::Mark(b"3 uptime"),
            Order::Finish,
        ]
    }

    fn events() -> Vec<Event> {
        let mut dropped = [0; DROPPED];
        dropped[1] = u64::MAX;
        let report = Report {
            passed: [u64::MAX, 1 << 40],
            shown: 3,
            offset: 4,
            time: 5,
            left_out: 6,
            dropped: Dropped::from_counts(dropped),
            found: Found::from_counts([9; FOUND]),
        };
        vec![
            Event::Exceeded,
            Event::Gone(2),
            Event::Full(0, 28),
            Event::Unrecorded(5),
            Event::Drained(report),
            Event::Closed(Report::default()),
        ]
    }

    #[test]
    fn what_is_said_is_what_is_understood() {
        for order in orders() {
            assert_eq!(Order::read(order.message().bytes()), Some(order));
        }
        for event in events() {
            assert_eq!(Event::read(event.message().bytes()), Some(event));
        }
        let label = vec![b'x'; 2 * ORDER];
        assert_eq!(Order::read(Order::Mark(&label).message().bytes()), Some(Order::Mark(&label[..ORDER - 1])));
    }

    #[test]
    fn anything_else_is_nothing() {
        for order in orders().into_iter().filter(|order| !matches!(order, Order::Mark(_))) {
            let message = order.message();
            let whole = message.bytes();
            assert_eq!(Order::read(&[whole, &[0]].concat()), None, "{order:?}");
            (0..whole.len()).for_each(|length| assert_eq!(Order::read(&whole[..length]), None, "{order:?}"));
        }
        for event in events() {
            let message = event.message();
            let whole = message.bytes();
            assert_eq!(Event::read(&[whole, &[0]].concat()), None, "{event:?}");
            (0..whole.len()).for_each(|length| assert_eq!(Event::read(&whole[..length]), None, "{event:?}"));
        }
        for bytes in [&[9][..], &[0, 2, 0], &[1, 3]] {
            assert_eq!((Order::read(bytes), Event::read(bytes)), (None, None));
        }
    }
}
