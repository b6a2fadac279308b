//! `audit:`, `record:`, `redact:`, `session:` and `confinement:` of the main file.

use super::reader::{Reader, Text};
use super::values;
use crate::policy::findings::Mistake;
use crate::policy::load::{Kind, Node, Value};
use crate::policy::settings::{Audit, OnFailure, Record, Redact, Session, Strength};

pub fn read_audit(reader: &mut Reader<'_>, node: &Node) -> Audit {
    let mut audit = Audit::default();
    for entry in reader.map(node, "`audit`", &["syslog", "facility", "dir", "on_failure"]) {
        let node = &entry.value;
        match entry.key.as_str() {
            "syslog" => replace(&mut audit.syslog, reader.value(node, "`syslog`", or_none(values::path))),
            "facility" => replace(&mut audit.facility, reader.value(node, "`facility`", values::facility)),
            "dir" => replace(&mut audit.dir, reader.value(node, "`dir`", values::path)),
            _ => {
                let choices = [("refuse", OnFailure::Refuse), ("continue", OnFailure::Continue)];
                replace(&mut audit.on_failure, reader.choice(node, "`on_failure`", &choices));
            }
        }
    }
    audit
}

pub fn read_record(reader: &mut Reader<'_>, node: &Node) -> Option<Record> {
    let mut record = Record::default();
    match &node.value {
        Value::Scalar(Kind::Text, text) if text == "none" => return None,
        Value::Map(_) | Value::Refused => {}
        _ => {
            let mistake = Mistake::new("`record` must be a map, or `none`");
            reader.error(node.span, mistake.with_help("write `record: { max: 1MiB, required: false }`, or `record: none`"));
            return Some(record);
        }
    }
    for entry in reader.map(node, "`record`", &["max", "terminal", "required"]) {
        let node = &entry.value;
        match entry.key.as_str() {
            "max" => replace(&mut record.max, reader.measure(node, "`max`", values::size)),
            "terminal" => replace(&mut record.terminal, reader.measure(node, "`terminal`", values::size)),
            _ => replace(&mut record.required, reader.boolean(node, "`required`")),
        }
    }
    Some(record)
}

pub fn read_redact(reader: &mut Reader<'_>, node: &Node) -> Redact {
    let choices = [("files", Redact::Files), ("screen", Redact::Screen), ("none", Redact::None)];
    reader.choice(node, "`redact`", &choices).unwrap_or_default()
}

pub fn read_session(reader: &mut Reader<'_>, node: &Node) -> Session {
    let mut session = Session::default();
    for entry in reader.map(node, "`session`", &["idle", "max", "strikes", "output", "banner"]) {
        let node = &entry.value;
        match entry.key.as_str() {
            "idle" => replace(&mut session.idle, reader.measure(node, "`idle`", or_none(values::duration))),
            "max" => replace(&mut session.max, reader.measure(node, "`max`", or_none(values::duration))),
            "strikes" => replace(&mut session.strikes, reader.measure(node, "`strikes`", strikes)),
            "output" => replace(&mut session.output, reader.measure(node, "`output`", or_none(values::size))),
            _ => replace(&mut session.banner, reader.lines(node, "`banner`").map(banner)),
        }
    }
    session
}

pub fn read_strength(reader: &mut Reader<'_>, node: &Node) -> Strength {
    let what = "`confinement`";
    match node.value {
        Value::Map(_) => {
            let entries = reader.map(node, what, &["require"]);
            let names = entries.first().map(|entry| reader.values(&entry.value, "`require`", values::protection));
            names.map_or(Strength::All, Strength::Require)
        }
        _ => reader.choice(node, what, &[("all", &Strength::All), ("best-effort", &Strength::BestEffort)]).cloned().unwrap_or_default(),
    }
}

/// `none`, or a value.
fn or_none<T>(parse: fn(&str) -> Result<T, Mistake>) -> impl Fn(&str) -> Result<Option<T>, Mistake> {
    move |text| if text == "none" { Ok(None) } else { parse(text).map(Some) }
}

fn strikes(text: &str) -> Result<u32, Mistake> {
    text.parse().map_err(|_| Mistake::new("not a whole number").with_help("write how many refusals end a session, 0 for never"))
}

fn banner(text: Text) -> Option<String> {
    let banner = text.value.trim_end();
    (!banner.is_empty() && banner != "none").then(|| banner.to_owned())
}

fn replace<T>(setting: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *setting = value;
    }
}
