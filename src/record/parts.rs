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
    let mut joiner = Joiner::default();
    lines.into_iter().filter_map(|line| joiner.take(line).transpose()).collect()
}

/// The same line by line, in bounded memory: parts beyond [`limits::READ_PARTS`] are forgotten, oldest session first.
#[derive(Default)]
pub struct Joiner {
    waiting: BTreeMap<(String, u64), Map<String, Value>>,
    line: usize,
}

impl Joiner {
    /// Takes a line: the record that it completes, or `None` of a part.
    pub fn take(&mut self, text: &str) -> Result<Option<Map<String, Value>>, JoinError> {
        self.line += 1;
        let line = self.line;
        let mut record: Map<String, Value> = serde_json::from_str(text).map_err(|_| JoinError::NotARecord(line))?;
        let session = record.get("session").and_then(Value::as_str).ok_or(JoinError::NotARecord(line))?.to_owned();
        let seq = record.get("seq").and_then(Value::as_u64).ok_or(JoinError::NotARecord(line))?;
        if record.get("event").and_then(Value::as_str) == Some(ARGS) {
            self.waiting.insert((session, seq), record);
            if self.waiting.len() > limits::READ_PARTS {
                self.waiting.pop_first();
            }
            return Ok(None);
        }
        if let Some(parts) = record.remove("parts") {
            let parts = parts.as_u64().filter(|parts| *parts < seq).ok_or(JoinError::NotARecord(line))?;
            let moved = (1..=parts)
                .map(|part| {
                    let found = self.waiting.remove(&(session.clone(), seq - parts + part - 1));
                    found.and_then(|found| text_of(&found, part, parts)).ok_or(JoinError::Missing { line, part, parts })
                })
                .collect::<Result<String, _>>()?;
            let moved: Map<String, Value> = serde_json::from_str(&moved).map_err(|_| JoinError::NotAnObject(line))?;
            record.extend(moved);
        }
        Ok(Some(record))
    }
}

fn text_of(record: &Map<String, Value>, part: u64, parts: u64) -> Option<String> {
    let is = |name, value| record.get(name).and_then(Value::as_u64) == Some(value);
    let text = record.get("text")?.as_str()?;
    (is("part", part) && is("parts", parts)).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::record::{Chapter, CommandRecord, Decision, FileAccess, FileRecord, Files, Killed, StageRecord, StageStatus};

    const TIME: &str = "2026-11-21T03:12:44.123Z";

    fn session() -> Session {
        Session {
            id: "20261121-031244-9f3a1c2e".to_owned(),
            host: "db-3".to_owned(),
            account: "breakglass".to_owned(),
            uid: 1200,
            from: Some("10.1.2.3".to_owned()),
            tty: None,
        }
    }

    fn command<'a>(line: &'a [u8], argv: &[&str]) -> CommandRecord<'a> {
        let stage = StageRecord {
            argv: argv.iter().map(|word| (*word).to_owned()).collect(),
            program: Some("/usr/bin/uptime".to_owned()),
            rule: Some("policy.yaml:4".to_owned()),
            confine: Some("inspect".to_owned()),
            ..StageRecord::default()
        };
        CommandRecord {
            command: 3,
            line,
            stages: vec![stage],
            decision: Decision::Allow,
            reason: None,
            cwd: "/",
            duration_ms: None,
            bytes_out: None,
            bytes_err: None,
            recording: None,
            unrecorded: None,
            screen: Vec::new(),
            redacted: Vec::new(),
            protections: &["one_exec"],
            missing: &[],
            policy: "abc123",
        }
    }

    fn records(session: &Session, event: &Event<'_>) -> Vec<String> {
        Common::of(session).records(event, 7, TIME)
    }

    #[test]
    fn records_have_their_fields_in_the_documented_order() {
        let common = r#""session":"20261121-031244-9f3a1c2e","seq":7,"time":"2026-11-21T03:12:44.123Z","host":"db-3","account":"breakglass","uid":1200,"from":"10.1.2.3","tty":null"#;
        let start = command(b"uptime", &["uptime"]);
        let mut end = command(b"uptime | x", &["uptime"]);
        (end.duration_ms, end.bytes_out, end.reason) = (Some(12), Some(70), Some("timeout".to_owned()));
        end.recording = Some(Chapter { offset: 4711, ms: 1500, left_out: 0 });
        end.unrecorded = Some("no room".to_owned());
        (end.screen, end.redacted) = (vec![("osc", 2), ("query", 1)], vec![("aws-access-key", 1)]);
        end.stages[0].pid = Some(811);
        end.stages[0].status = Some(StageStatus::Signal("KILL".to_owned()));
        let file = |path: &[u8], access, size| FileRecord { path: path.to_vec(), access, size };
        let listed = vec![file(b"/srv/in/a\xff", FileAccess::Write, Some(9)), file(b"/srv/in/b", FileAccess::Remove, None)];
        end.stages[0].files = Files { listed, left_out: 3 };
        let mut deny = command(b"rm -rf \xff", &[]);
        (deny.decision, deny.reason, deny.stages) = (Decision::Deny, Some("no rule names rm".to_owned()), Vec::new());
        let stage = r#""argv":["uptime"],"program":"/usr/bin/uptime","rule":"policy.yaml:4","confine":"inspect""#;
        let tail = r#""protections":["one_exec"],"policy":"abc123""#;
        for (event, name, fields) in [
            (
                Event::CommandStart(&start),
                "command.start",
                format!(r#""command":3,"line":"uptime","stages":[{{{stage}}}],"decision":"allow","cwd":"/",{tail}"#),
            ),
            (
                Event::CommandEnd(&end),
                "command.end",
                format!(
                    r#""command":3,"line":"uptime | x","stages":[{{{stage},"pid":811,"status":{{"signal":"KILL"}},"files":[{{"path":"/srv/in/a\udbff\udfff","access":"write","size":9}},{{"path":"/srv/in/b","access":"remove","size":null}}],"files_left_out":3}}],"decision":"allow","reason":"timeout","cwd":"/","duration_ms":12,"bytes_out":70,"bytes_err":null,"recording":{{"offset":4711,"ms":1500,"left_out":0}},"unrecorded":"no room","screen":{{"osc":2,"query":1}},"redacted":{{"aws-access-key":1}},{tail}"#
                ),
            ),
            (
                Event::CommandDeny(&deny),
                "command.deny",
                format!(
                    r#""command":3,"line":"rm -rf \udbff\udfff","stages":[],"decision":"deny","reason":"no rule names rm","cwd":"/",{tail}"#
                ),
            ),
            (
                Event::SessionStart {
                    way: "login",
                    version: "0.1.0",
                    install: "root",
                    auid: Some(1001),
                    ses: None,
                    policy: "abc123",
                    observe: true,
                    protections: &["one_exec"],
                    recording: Some("/var/log/postern/id.cast"),
                },
                "session.start",
                format!(
                    r#""way":"login","version":"0.1.0","install":"root","auid":1001,"ses":null,"mode":"observe","recording":"/var/log/postern/id.cast",{tail}"#
                ),
            ),
            (
                Event::PolicyChange { before: "abc123", policy: "def456", observe: false },
                "policy.change",
                r#""before":"abc123","policy":"def456""#.to_owned(),
            ),
            (
                Event::PolicyDamage { reason: "bad checksum", policy: "abc123" },
                "policy.damage",
                r#""reason":"bad checksum","policy":"abc123""#.to_owned(),
            ),
            (
                Event::SessionEnd { reason: "exit", killed: None, commands: 3, denied: 1, duration_ms: 60_000 },
                "session.end",
                r#""reason":"exit","commands":3,"denied":1,"duration_ms":60000"#.to_owned(),
            ),
            (
                Event::SessionEnd {
                    reason: "killed",
                    killed: Some(Killed { by: "root", why: "shift \"over\"" }),
                    commands: 3,
                    denied: 1,
                    duration_ms: 60_000,
                },
                "session.end",
                r#""reason":"killed","by":"root","why":"shift \"over\"","commands":3,"denied":1,"duration_ms":60000"#.to_owned(),
            ),
        ] {
            let expected = format!(r#"{{"v":1,"event":"{name}",{common},{fields}}}"#);
            assert_eq!(records(&session(), &event), [expected]);
        }
    }

    #[test]
    fn a_long_record_follows_its_arguments() {
        let word = "x".repeat(3000);
        let command = command(b"ls x*", &["ls", &word]);
        let lines = records(&session(), &Event::CommandStart(&command));
        let parsed: Vec<Map<String, Value>> = lines.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
        let field = |name: &str| -> Vec<String> {
            parsed.iter().map(|record| record.get(name).map_or(String::new(), |value| value.to_string().replace('"', ""))).collect()
        };
        assert_eq!(field("event"), ["command.args", "command.args", "command.start"]);
        assert_eq!(field("seq"), ["7", "8", "9"]);
        assert_eq!(field("command"), ["3", "3", "3"]);
        assert_eq!(field("part"), ["1", "2", ""]);
        assert_eq!(field("parts"), ["2", "2", "2"]);
        assert_eq!(field("line"), ["", "", "ls x*"], "what is short stays in sight");
        let joined = join(lines.iter().map(String::as_str)).unwrap();
        assert_eq!(joined[0]["stages"][0]["argv"][1], word);
        assert!(!joined[0].contains_key("parts"));
    }

    #[test]
    fn what_was_taken_away_is_missed() {
        let word = "x".repeat(5000);
        let command = command(b"ls", &["ls", &word]);
        let lines = records(&session(), &Event::CommandStart(&command));
        for gone in 0..lines.len() - 1 {
            let left: Vec<&str> = lines.iter().enumerate().filter(|(index, _)| *index != gone).map(|(_, line)| line.as_str()).collect();
            let error = join(left).unwrap_err().to_string();
            assert_eq!(error, format!("line {}: part {} of {} is missing", lines.len() - 1, gone + 1, lines.len() - 1));
        }
        for (line, error) in [
            ("", "line 1 is not a record"),
            ("[1]", "line 1 is not a record"),
            (r#"{"session":"s"}"#, "line 1 is not a record"),
            (r#"{"session":"s","seq":3,"parts":9}"#, "line 1 is not a record"),
            (r#"{"session":"s","seq":3,"parts":-1}"#, "line 1 is not a record"),
            (r#"{"session":"s","seq":3,"parts":1}"#, "line 1: part 1 of 1 is missing"),
        ] {
            assert_eq!(join([line]).unwrap_err().to_string(), error, "{line}");
        }
    }

    /// Anything from a handful to thousands of characters, of those that grow most in JSON too.
    fn hostile() -> impl Strategy<Value = String> {
        let character = prop_oneof![any::<char>(), prop::char::range('\0', '\u{ff}'), Just('\u{10ffff}'), Just('\\'), Just('"')];
        prop_oneof![prop::collection::vec(character.clone(), 0..20), prop::collection::vec(character, 0..800)]
            .prop_map(|characters| characters.into_iter().collect())
    }

    fn bytes_of(value: &Value) -> Vec<u8> {
        json::bytes(value.as_str().unwrap())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]
        #[test]
        fn any_event_fits_and_comes_back(
            names in prop::collection::vec(hostile(), 4),
            line in prop::collection::vec(any::<u8>(), 0..4096),
            argv in prop::collection::vec(hostile(), 0..6),
            optional in prop::option::of(hostile()),
            cwd in hostile(),
            seq in 1u64..u64::MAX / 2,
        ) {
            let session = Session {
                id: "20261121-031244-9f3a1c2e".to_owned(),
                host: names[0].clone(),
                account: names[1].clone(),
                uid: 4_294_967_295,
                from: Some(names[2].clone()),
                tty: Some(names[3].clone()),
            };
            let argv: Vec<&str> = argv.iter().map(String::as_str).collect();
            let mut command = command(&line, &argv);
            (command.cwd, command.reason) = (&cwd, optional.clone());
            let lines = Common::of(&session).records(&Event::CommandEnd(&command), seq, TIME);
            for (line, seq) in lines.iter().zip(seq..) {
                prop_assert!(line.len() <= limits::RECORD_BYTES, "{}", line.len());
                prop_assert!(line.bytes().all(|byte| (b' '..=b'~').contains(&byte)), "{line}");
                let record: Map<String, Value> = serde_json::from_str(line).unwrap();
                prop_assert_eq!(&record["seq"], seq);
            }
            let joined = join(lines.iter().map(String::as_str)).unwrap();
            prop_assert_eq!(joined.len(), 1);
            let record = &joined[0];
            for (name, value) in ["host", "account", "from", "tty"].into_iter().zip(&names) {
                prop_assert_eq!(bytes_of(&record[name]), value.as_bytes(), "{}", name);
            }
            prop_assert_eq!(bytes_of(&record["line"]), line);
            prop_assert_eq!(bytes_of(&record["cwd"]), cwd.as_bytes());
            prop_assert_eq!(record.get("reason").map(bytes_of), optional.map(String::into_bytes));
            let read: Vec<Vec<u8>> = record["stages"][0]["argv"].as_array().unwrap().iter().map(bytes_of).collect();
            prop_assert_eq!(read, argv.iter().map(|word| word.as_bytes().to_vec()).collect::<Vec<_>>());
        }
    }
}
