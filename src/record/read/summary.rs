//! What the records of a session come to.

use std::io::{self, BufRead};

use serde_json::{Map, Value};

use super::Records;
use crate::record::json;

/// A session by its records. Every text is as it was written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    pub host: String,
    pub account: String,
    pub uid: Option<u64>,
    pub from: Option<String>,
    pub tty: Option<String>,
    /// `login`, `command` or `forced`; `watch` of somebody who watched; none of somebody who was not let in.
    pub way: Option<String>,
    /// The times of the first and the last record.
    pub since: String,
    pub until: String,
    /// Lines that were given, and those that were refused.
    pub commands: u64,
    pub denied: u64,
    /// How it ended, where that is on record.
    pub end: Option<String>,
    /// By whom and why, where somebody ended it.
    pub by: Option<String>,
    pub why: Option<String>,
    /// Of a watch: the session that was watched.
    pub watched: Option<String>,
    /// How many lines are no records, and the number of the first.
    pub bad: Option<(u64, u64)>,
}

impl Summary {
    /// Reads the records of a session; of a file without one, nothing is known.
    pub fn read(reader: impl BufRead) -> io::Result<Summary> {
        let mut records = Records::new(reader);
        let mut summary = Summary::default();
        while let Some(record) = records.read_next()? {
            summary.add(&record);
        }
        summary.bad = records.bad();
        Ok(summary)
    }

    fn add(&mut self, record: &Map<String, Value>) {
        let known = |name: &str| text(record, name);
        if self.since.is_empty() {
            self.since = known("time").unwrap_or_default();
            self.host = known("host").unwrap_or_default();
            self.account = known("account").unwrap_or_default();
            self.uid = record.get("uid").and_then(Value::as_u64);
            (self.from, self.tty) = (known("from"), known("tty"));
        }
        self.until = known("time").unwrap_or_default();
        match known("event").as_deref() {
            Some("session.start") => self.way = known("way"),
            Some("session.deny") => self.end = Some("refused".to_owned()),
            Some("session.watch") => {
                self.way = Some("watch".to_owned());
                self.watched = known("watched");
                self.end = record.get("duration_ms").map(|_| "exit".to_owned());
            }
            Some("session.end") => {
                self.end = known("reason");
                (self.by, self.why) = (known("by"), known("why"));
            }
            Some("command.start") => self.commands += 1,
            Some("command.deny") => (self.commands, self.denied) = (self.commands + 1, self.denied + 1),
            _ => {}
        }
    }
}

/// A text of a record, its bytes as they were where they are UTF-8.
pub fn text(record: &Map<String, Value>, name: &str) -> Option<String> {
    record.get(name)?.as_str().map(plain)
}

/// The same of one word.
pub fn plain(text: &str) -> String {
    String::from_utf8(json::bytes(text)).unwrap_or_else(|_| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_that_are_no_records_are_counted_and_passed_over() {
        let record = |event: &str, more: &str| {
            format!(
                r#"{{"v":1,"event":"{event}","session":"s","seq":1,"time":"T","host":"h","account":"a","uid":7,"from":null,"tty":null{more}}}"#
            )
        };
        let lines = [
            record("session.start", r#","way":"login""#),
            "\x1b]0;title\x07".to_owned(),
            record("command.start", ""),
            r#"{"v":2,"event":"session.end","session":"s","seq":9,"reason":"future"}"#.to_owned(),
            record("command.deny", ""),
            "x".repeat(100_000),
            record("session.end", r#","reason":"killed","by":"alice","why":"\u001b[2J""#),
            r#"{"v":1"#.to_owned(),
        ];
        let summary = Summary::read(lines.join("\n").as_bytes()).unwrap();
        assert_eq!((summary.commands, summary.denied, summary.bad), (2, 1, Some((4, 2))));
        assert_eq!(
            (summary.end.as_deref(), summary.by.as_deref(), summary.why.as_deref()),
            (Some("killed"), Some("alice"), Some("\x1b[2J"))
        );
        assert_eq!((summary.account.as_str(), summary.uid, summary.way.as_deref()), ("a", Some(7), Some("login")));
        assert_eq!(Summary::read(&b""[..]).unwrap(), Summary::default());
    }
}
