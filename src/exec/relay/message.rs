//! What the guard and its relay say to each other: one message each, of a length that is known. Both are one program, so numbers stand as
//! they are in memory.

/// What the guard asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::exec) enum Order {
    /// A line begins. With it come the reading ends of its pipes: of output and error, those that are said to.
    Open([bool; 2]),
    /// A pipeline begins, with what it may write (bytes, both streams together).
    Begin(Option<u64>),
    /// To be answered when nothing is on its way any more.
    Drain,
    /// The line is over: what can be passed at once is, the pipes are closed. To be answered.
    Close,
}

/// What the relay tells. Streams are counted from 0, output; counts are of the line, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::exec) enum Event {
    /// There is more than the pipeline may write.
    Exceeded,
    /// Whoever read this stream is gone.
    Gone(usize),
    /// This stream takes no more, by an errno.
    Full(usize, i32),
    Drained([u64; 2]),
    Closed([u64; 2]),
}

/// Kind, flags of the streams, whether there is an allowance; the allowance.
pub(in crate::exec) const ORDER: usize = 12;
/// Kind, stream; errno; counts.
pub(in crate::exec) const EVENT: usize = 24;

impl Order {
    pub fn bytes(self) -> [u8; ORDER] {
        let (head, allowance) = match self {
            Order::Open([output, error]) => ([0, u8::from(output), u8::from(error), 0], 0),
            Order::Begin(allowance) => ([1, 0, 0, u8::from(allowance.is_some())], allowance.unwrap_or(0)),
            Order::Drain => ([2, 0, 0, 0], 0),
            Order::Close => ([3, 0, 0, 0], 0),
        };
        let mut bytes = [0; ORDER];
        put(&mut bytes, 0, &head);
        put(&mut bytes, 4, &allowance.to_ne_bytes());
        bytes
    }

    /// `None` for what is no order.
    pub fn read(bytes: &[u8]) -> Option<Order> {
        let bytes: &[u8; ORDER] = bytes.try_into().ok()?;
        let allowance = u64::from_ne_bytes(take(bytes, 4)?);
        match take::<4>(bytes, 0)? {
            [0, output, error, 0] => Some(Order::Open([output == 1, error == 1])),
            [1, 0, 0, some] => Some(Order::Begin((some == 1).then_some(allowance))),
            [2, 0, 0, 0] => Some(Order::Drain),
            [3, 0, 0, 0] => Some(Order::Close),
            _ => None,
        }
    }
}

impl Event {
    pub fn bytes(self) -> [u8; EVENT] {
        let (head, errno, [output, error]) = match self {
            Event::Exceeded => ([0, 0], 0, [0, 0]),
            Event::Gone(stream) => ([1, stream as u8], 0, [0, 0]),
            Event::Full(stream, errno) => ([2, stream as u8], errno, [0, 0]),
            Event::Drained(passed) => ([3, 0], 0, passed),
            Event::Closed(passed) => ([4, 0], 0, passed),
        };
        let mut bytes = [0; EVENT];
        put(&mut bytes, 0, &head);
        put(&mut bytes, 4, &errno.to_ne_bytes());
        put(&mut bytes, 8, &output.to_ne_bytes());
        put(&mut bytes, 16, &error.to_ne_bytes());
        bytes
    }

    /// `None` for what is no event.
    pub fn read(bytes: &[u8]) -> Option<Event> {
        let bytes: &[u8; EVENT] = bytes.try_into().ok()?;
        let passed = [u64::from_ne_bytes(take(bytes, 8)?), u64::from_ne_bytes(take(bytes, 16)?)];
        match take::<2>(bytes, 0)? {
            [0, 0] => Some(Event::Exceeded),
            [1, stream @ 0..=1] => Some(Event::Gone(stream.into())),
            [2, stream @ 0..=1] => Some(Event::Full(stream.into(), i32::from_ne_bytes(take(bytes, 4)?))),
            [3, 0] => Some(Event::Drained(passed)),
            [4, 0] => Some(Event::Closed(passed)),
            _ => None,
        }
    }
}

fn put(bytes: &mut [u8], at: usize, part: &[u8]) {
    bytes.iter_mut().skip(at).zip(part).for_each(|(place, byte)| *place = *byte);
}

fn take<const COUNT: usize>(bytes: &[u8], at: usize) -> Option<[u8; COUNT]> {
    bytes.get(at..at + COUNT)?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_is_what_is_understood() {
        for order in [
            Order::Open([true, false]),
            Order::Open([false, true]),
            Order::Begin(None),
            Order::Begin(Some(u64::MAX)),
            Order::Drain,
            Order::Close,
        ] {
            assert_eq!(Order::read(&order.bytes()), Some(order));
        }
        let counts = [u64::MAX, 1 << 40];
        for event in [Event::Exceeded, Event::Gone(1), Event::Full(0, 28), Event::Drained(counts), Event::Closed(counts)] {
            assert_eq!(Event::read(&event.bytes()), Some(event));
        }
    }

    #[test]
    fn anything_else_is_nothing() {
        let (order, event) = (Order::Drain.bytes(), Event::Gone(1).bytes());
        for length in 0..ORDER {
            assert_eq!(Order::read(&order[..length]), None);
        }
        for bytes in
            [&event[..EVENT - 1], &[&event[..], &[0]].concat(), &[1, 2].iter().chain(&event[2..]).copied().collect::<Vec<_>>(), &[9; EVENT]]
        {
            assert_eq!(Event::read(bytes), None);
        }
        assert_eq!(Order::read(&[9; ORDER]), None);
    }
}
