//! One event to as many records as it takes, and back.
//!
//! A record that is too long for [`limits::RECORD_BYTES`] keeps its order and gives its longest fields away: they go, as one JSON object,
//! into `command.args` records (`part` from 1, `parts`, `text`), and the record itself says `parts` in their place. The parts are
//! written *before* their record and have the sequence numbers right before its own: a record that is there has all of its arguments,
//! and a part without its record says that something was about to be recorded, never that something ran unrecorded.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::json::{self, Field};
use super::{Event, Session};
use crate::words::limits;

/// The version of the record format.
const VERSION: u64 = 1;
/// The event that continues another.
pub(super) const ARGS: &str = "command.args";

/// The fields that are the same in every record of a session.
pub(super) struct Common {
    session: Field,
    person: Vec<Field>,
}

impl Common {
    pub fn of(session: &Session) -> Common {
        let text = |name, value: &str| Field::string(name, value.as_bytes());
        let optional = |name, value: &Option<String>| Field::or_null(name, value.as_deref().map(|value| text(name, value)));
        let person = vec![
            text("host", &session.host),
            text("account", &session.account),
            Field::number("uid", session.uid),
            optional("from", &session.from),
            optional("tty", &session.tty),
        ];
        Common { session: text("session", &session.id), person }
    }

    /// The records of an event, in the order in which they are written. The first has the number `seq`, the others those behind it.
    pub fn records(&self, event: &Event<'_>, seq: u64, time: &str) -> Vec<String> {
        let body = event.fields();
        let fields: Vec<&Field> = self.person.iter().chain(&body).collect();
        let whole = self.record(event.name(), seq, time, &fields);
        if whole.len() <= limits::RECORD_BYTES { vec![whole] } else { self.split(event.name(), &body, seq, time) }
    }

    fn split(&self, event: &str, body: &[Field], seq: u64, time: &str) -> Vec<String> {
        let widest = |name| Field::number(name, u64::MAX);
        let (person, names): (Vec<&Field>, Vec<&Field>) =
            self.person.iter().partition(|field| field.json.len() <= limits::RECORD_NAME_BYTES);
        let bare = self.record(event, u64::MAX, time, &[&person[..], &[&widest("parts")]].concat());
        let (kept, long) = make_room(body, limits::RECORD_BYTES.saturating_sub(bare.len()));
        let moved = json::object(names.into_iter().chain(long));

        let command: Vec<&Field> = body.iter().filter(|field| field.name == "command").collect();
        let args = |seq, part, parts, text: &str| {
            let text = Field::string("text", text.as_bytes());
            self.record(ARGS, seq, time, &[&person[..], &command, &[&part, &parts, &text]].concat())
        };
        let empty = args(u64::MAX, widest("part"), widest("parts"), "");
        let texts = pieces(&moved, limits::RECORD_BYTES.saturating_sub(empty.len()));

        let parts = || Field::number("parts", texts.len() as u64);
        let numbered = texts.iter().zip(seq..).zip(1u64..);
        let mut records: Vec<String> = numbered.map(|((text, seq), part)| args(seq, Field::number("part", part), parts(), text)).collect();
        let last = seq + texts.len() as u64;
        records.push(self.record(event, last, time, &[&person[..], &kept, &[&parts()]].concat()));
        records
    }

    /// One record: the fields that all have, then the others.
    fn record(&self, event: &str, seq: u64, time: &str, fields: &[&Field]) -> String {
        let first = [Field::number("v", VERSION), Field::string("event", event.as_bytes())];
        let then = [Field::number("seq", seq), Field::string("time", time.as_bytes())];
        json::object(first.iter().chain([&self.session]).chain(&then).chain(fields.iter().copied()))
    }
}

/// Fields that fit into `room` bytes, and those that have to go, longest first, each in their order. The number of the command stays.
fn make_room(fields: &[Field], room: usize) -> (Vec<&Field>, Vec<&Field>) {
    let mut by_length: Vec<&Field> = fields.iter().filter(|field| field.name != "command").collect();
    by_length.sort_by_key(|field| std::cmp::Reverse(field.length()));
    let mut used: usize = fields.iter().map(Field::length).sum();
    let mut gone = Vec::new();
    for field in by_length {
        if used <= room {
            break;
        }
        used -= field.length();
        gone.push(field.name);
    }
    fields.iter().partition(|field| !gone.contains(&field.name))
}

/// Cuts ASCII text into pieces that take at most `room` bytes inside a JSON string.
fn pieces(text: &str, room: usize) -> Vec<String> {
    let (mut pieces, mut piece, mut used) = (Vec::new(), String::new(), 0);
    for character in text.chars() {
        let width = if matches!(character, '"' | '\\') { 2 } else { 1 };
        if used + width > room && !piece.is_empty() {
            pieces.push(std::mem::take(&mut piece));
            used = 0;
        }
        piece.push(character);
        used += width;
    }
    pieces.push(piece);
    pieces
}

/// Why lines do not make records again.
#[derive(Debug, thiserror::Error)]
pub enum JoinError {
    #[error("line {0} is not a record")]
    NotARecord(usize),
    #[error("line {line}: part {part} of {parts} is missing")]
    Missing { line: usize, part: u64, parts: u64 },
    #[error("line {0}: its parts do not make an object")]
    NotAnObject(usize),
}

/// Puts records back together: one object per event, with the fields that had moved and without `parts`. The lines may be of several
/// sessions, as a central log has them. Strings stay as they are in JSON; [`json::bytes`] gives their bytes.
///
/// Parts without a record are left out: what they belong to never came to be on record.
pub fn join<'a>(lines: impl IntoIterator<Item = &'a str>) -> Result<Vec<Map<String, Value>>, JoinError> {
    let mut waiting: BTreeMap<(String, u64), Map<String, Value>> = BTreeMap::new();
    let mut records = Vec::new();
    for (line, text) in (1..).zip(lines) {
        let mut record: Map<String, Value> = serde_json::from_str(text).map_err(|_| JoinError::NotARecord(line))?;
        let session = record.get("session").and_then(Value::as_str).ok_or(JoinError::NotARecord(line))?.to_owned();
        let seq = record.get("seq").and_then(Value::as_u64).ok_or(JoinError::NotARecord(line))?;
        if record.get("event").and_then(Value::as_str) == Some(ARGS) {
            waiting.insert((session, seq), record);
            continue;
        }
        if let Some(parts) = record.remove("parts") {
            let parts = parts.as_u64().filter(|parts| *parts < seq).ok_or(JoinError::NotARecord(line))?;
            let moved = (1..=parts)
                .map(|part| {
                    let found = waiting.remove(&(session.clone(), seq - parts + part - 1));
                    found.and_then(|found| text_of(&found, part, parts)).ok_or(JoinError::Missing { line, part, parts })
                })
                .collect::<Result<String, _>>()?;
            let moved: Map<String, Value> = serde_json::from_str(&moved).map_err(|_| JoinError::NotAnObject(line))?;
            record.extend(moved);
        }
        records.push(record);
    }
    Ok(records)
}

fn text_of(record: &Map<String, Value>, part: u64, parts: u64) -> Option<String> {
    let is = |name, value| record.get(name).and_then(Value::as_u64) == Some(value);
    let text = record.get("text")?.as_str()?;
    (is("part", part) && is("parts", parts)).then(|| text.to_owned())
}
