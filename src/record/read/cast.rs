//! A recording: asciicast v2, <https://docs.asciinema.org/manual/asciicast/v2/>.

use std::io::{self, BufRead};

use serde::Deserialize;
use serde_json::Value;

use super::{Line, Lines};
use crate::words::limits;

/// Events later than this many seconds in a session are no times.
const LATEST: f64 = 1e9;

/// What happened at a moment of a recording.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CastEvent {
    Output(String),
    /// A command begins: its number, if the label has one, and the rest of the label.
    Command {
        number: Option<u64>,
        line: String,
    },
    /// Columns and rows.
    Resize(u16, u16),
    /// What only postern writes, or nobody knows.
    Other,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moment {
    /// Milliseconds since the start; never less than at the moment before.
    pub at: u64,
    pub event: CastEvent,
    /// Where its line begins in the file.
    pub offset: u64,
}

/// Why a recording goes no further.
#[derive(Debug, thiserror::Error)]
pub enum CastError {
    #[error("{0}")]
    System(#[from] io::Error),
    #[error("it is no asciicast of version 2")]
    Header,
    #[error("it is damaged at byte {0}")]
    Damaged(u64),
}

/// The first line of a recording.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct Header {
    version: u64,
    width: u16,
    height: u16,
    #[serde(default)]
    timestamp: Option<i64>,
}

impl Header {
    /// The window at the start, columns and rows.
    pub fn size(&self) -> (u16, u16) {
        (self.width, self.height)
    }

    /// When it began, in seconds since 1970.
    pub fn began(&self) -> Option<i64> {
        self.timestamp
    }
}

/// Reads a recording, event by event.
pub struct Cast<R> {
    lines: Lines<R>,
    at: u64,
}

impl<R: BufRead> Cast<R> {
    /// Reads the header.
    pub fn open(reader: R) -> Result<(Header, Cast<R>), CastError> {
        let mut cast = Cast::at(reader, 0);
        let header: Option<Header> = match cast.lines.read_next()? {
            Some(Line::Whole(line)) => serde_json::from_slice(line).ok(),
            _ => None,
        };
        let header = header.filter(|header| header.version == 2).ok_or(CastError::Header)?;
        Ok((header, cast))
    }

    /// From `offset` on, where an event begins, and where the reader stands.
    pub fn at(reader: R, offset: u64) -> Cast<R> {
        Cast { lines: Lines::new(reader, limits::READ_EVENT_BYTES, offset), at: 0 }
    }

    /// The next event. `None` where there is no further one, perhaps yet.
    pub fn read_next(&mut self) -> Result<Option<Moment>, CastError> {
        loop {
            let offset = self.offset();
            let event = match self.lines.read_next()? {
                None => return Ok(None),
                Some(Line::Whole([])) => continue,
                Some(Line::Whole(line)) => event(line),
                Some(Line::TooLong) => None,
            };
            let (at, event) = event.ok_or(CastError::Damaged(offset))?;
            self.at = self.at.max(at);
            return Ok(Some(Moment { at: self.at, event, offset }));
        }
    }

    /// Where the next event begins.
    pub fn offset(&self) -> u64 {
        self.lines.offset()
    }

    /// Whether it ends in the middle of an event.
    pub fn is_torn(&self) -> bool {
        self.lines.is_torn()
    }
}

fn event(line: &[u8]) -> Option<(u64, CastEvent)> {
    let (seconds, code, data): (f64, String, Value) = serde_json::from_slice(line).ok()?;
    let at = (0.0..=LATEST).contains(&seconds).then(|| (seconds * 1000.0).round() as u64)?;
    let event = match (code.as_str(), data) {
        ("o", Value::String(text)) => CastEvent::Output(text),
        ("m", Value::String(label)) => command(&label),
        ("r", Value::String(size)) => {
            let (columns, rows) = size.split_once('x')?;
            CastEvent::Resize(columns.parse().ok()?, rows.parse().ok()?)
        }
        ("o" | "m" | "r", _) => return None,
        _ => CastEvent::Other,
    };
    Some((at, event))
}

/// `3 journalctl -u x`.
fn command(label: &str) -> CastEvent {
    let parts = label.split_once(' ').and_then(|(number, line)| Some((number.parse().ok()?, line)));
    match parts {
        Some((number, line)) => CastEvent::Command { number: Some(number), line: line.to_owned() },
        None => CastEvent::Command { number: label.parse().ok(), line: label.to_owned() },
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::record::Encoder;

    const HEADER: &str = r#"{"version": 2, "width": 80, "height": 24, "timestamp": 1795230764}"#;

    fn read(text: &str) -> (Vec<(u64, CastEvent)>, Option<String>) {
        let (_, mut cast) = Cast::open(text.as_bytes()).unwrap();
        let mut events = Vec::new();
        loop {
            match cast.read_next() {
                Ok(Some(moment)) => events.push((moment.at, moment.event)),
                Ok(None) => return (events, None),
                Err(error) => return (events, Some(error.to_string())),
            }
        }
    }

    #[test]
    fn events_are_read_in_order_and_times_never_go_back() {
        let text =
            [HEADER, r#"[0.5,"m","3 ls -l"]"#, r#"[0.25,"o","a\r\n"]"#, r#"[1.0004,"r","100x30"]"#, r#"[2,"c",{"n":3}]"#, r#"[3,"o","#];
        let (events, error) = read(&text.join("\n"));
        let command = CastEvent::Command { number: Some(3), line: "ls -l".to_owned() };
        let expected =
            [(500, command), (500, CastEvent::Output("a\r\n".to_owned())), (1000, CastEvent::Resize(100, 30)), (2000, CastEvent::Other)];
        assert_eq!((events.as_slice(), error), (&expected[..], None));
    }

    #[test]
    fn what_the_encoder_writes_is_read() {
        let (mut encoder, mut out, mut text) = (Encoder::new(0), [0; 4096], format!("{HEADER}\n").into_bytes());
        let at = Duration::from_millis;
        let written = encoder.marker(at(1500), b"3 echo 'a\xff\"'", &mut out);
        text.extend(&out[..written]);
        let written = encoder.output(at(1600), "\x1b[1m\u{e9}\r\n".as_bytes(), &mut out).written;
        text.extend(&out[..written]);
        let written = encoder.flush(at(1700), &mut out);
        text.extend(&out[..written]);
        let written = encoder.resize(at(1800), 100, 30, &mut out);
        text.extend(&out[..written]);
        let (events, error) = read(str::from_utf8(&text).unwrap());
        let label = |line: &str| line.starts_with("echo 'a") && line.ends_with("\"'");
        assert!(matches!(&events[0], (1500, CastEvent::Command { number: Some(3), line }) if label(line)), "{events:?}");
        let output = CastEvent::Output("\x1b[1m\u{e9}\r\n".to_owned());
        assert_eq!((&events[1..], error), (&[(1600, output), (1800, CastEvent::Resize(100, 30))][..], None));
    }

    #[test]
    fn damage_is_where_it_stops() {
        for bad in ["x", "[1]", r#"[-1,"o","x"]"#, r#"[1e300,"o","x"]"#, r#"[1,"o",7]"#, r#"[1,"r","80"]"#, &"x".repeat(2 << 20)] {
            let (events, error) = read(&format!("{HEADER}\n[0,\"o\",\"a\"]\n{bad}\n[2,\"o\",\"b\"]\n"));
            assert_eq!(events.len(), 1, "{bad:.20}");
            assert_eq!(error, Some(format!("it is damaged at byte {}", HEADER.len() + 1 + 12)), "{bad:.20}");
        }
        for header in ["", "x", r#"{"version": 3, "term": {"cols": 80}}"#, r#"{"version": 2}"#] {
            assert!(matches!(Cast::open(format!("{header}\n").as_bytes()), Err(CastError::Header)), "{header}");
        }
    }
}
