//! `postern search`: what was typed, what it was allowed by, and what it printed, over all sessions.
//!
//! One session at a time is read, line by line, so that memory depends neither on how many there are nor on how long they are.

use std::collections::HashMap;
use std::io::BufReader;

use serde::Serialize;
use serde_json::{Map, Value};
use time::OffsetDateTime;

use super::super::arguments::Arguments;
use super::super::output::{json, say};
use super::super::{Failure, Status};
use super::index::from;
use super::safe;
use super::screen::Plain;
use super::store::{Entry, Store, account, complain_of};
use super::when::Since;
use crate::record::read::{Cast, CastEvent, Records, plain, text};
use crate::record::timestamp;

/// Characters of a line of output that are searched at a time.
const WINDOW: usize = 4096;
/// Characters of it that are shown round what was found.
const AROUND: usize = 100;
/// Commands of one session whose lines are remembered for what they printed.
const LINES: usize = 10_000;

/// What was found. Field names are the contract of `--json`.
#[derive(Serialize)]
struct Found {
    session: String,
    time: String,
    account: String,
    command: Option<u64>,
    line: Option<String>,
    /// `line` or `output`.
    place: &'static str,
    /// The line of the output.
    text: Option<String>,
    denied: bool,
    /// Whether it would have been refused, and was not: `mode: observe`.
    observed: bool,
    reason: Option<String>,
    rules: Vec<String>,
    /// Shows the moment.
    replay: Option<String>,
}

/// What is looked for: all that is given has to hold.
struct Query {
    text: Option<String>,
    rule: Option<String>,
    denied: bool,
    observed: bool,
    account: Option<String>,
    since: Option<Since>,
    json: bool,
}

impl Query {
    fn of(arguments: &Arguments) -> Result<Query, Failure> {
        let utf8 = |word: &std::ffi::OsStr| {
            word.to_str().map(str::to_owned).ok_or_else(|| Failure::Usage("what to look for is not UTF-8".to_owned()))
        };
        let query = Query {
            text: arguments.operands.first().map(|text| utf8(text)).transpose()?.filter(|text| !text.is_empty()),
            rule: arguments.flag("rule").map(utf8).transpose()?,
            denied: arguments.flag("denied").is_some(),
            observed: arguments.flag("observed").is_some(),
            account: account(arguments)?,
            since: Since::of(arguments)?,
            json: arguments.flag("json").is_some(),
        };
        if query.text.is_none() && query.is_output_searched() {
            return Err(Failure::Usage("what to look for? a text, --rule, --denied or --observed".to_owned()));
        }
        Ok(query)
    }

    fn is_output_searched(&self) -> bool {
        self.rule.is_none() && !self.denied && !self.observed
    }

    /// Whether this says what is looked for.
    fn is_in(&self, text: &str) -> bool {
        self.text.as_ref().is_none_or(|wanted| text.contains(wanted.as_str()))
    }

    fn takes(&self, found: &Found, words: &[String]) -> bool {
        (!(self.denied || self.observed) || (self.denied && found.denied) || (self.observed && found.observed))
            && self.rule.as_ref().is_none_or(|rule| found.rules.iter().any(|found| is_rule(found, rule)))
            && (self.is_in(found.line.as_deref().unwrap_or_default()) || words.iter().any(|word| self.is_in(word)))
    }
}

/// `policy.d/20-db.yaml:14`, or its file.
fn is_rule(found: &str, wanted: &str) -> bool {
    let file = |rule: &str| rule.rsplit_once(':').map(|(file, _)| file.to_owned());
    let ends_with = |found: &str| found.strip_suffix(wanted).is_some_and(|before| before.is_empty() || before.ends_with('/'));
    ends_with(found) || file(found).is_some_and(|file| ends_with(&file))
}

pub fn search(arguments: &Arguments) -> Result<Status, Failure> {
    let query = Query::of(arguments)?;
    let store = Store::of(arguments)?;
    let mut count: u64 = 0;
    for id in store.ids()? {
        let entry = match store.entry(&id) {
            Ok(entry) if entry.is_before(query.since.as_ref()) => continue,
            Ok(entry) => entry,
            Err(error) => {
                complain_of(&id, error);
                continue;
            }
        };
        let mut search = Search { query: &query, store: &store, entry: &entry, account: String::new(), lines: HashMap::new(), count: 0 };
        search.records()?;
        search.recording().unwrap_or_else(|error| complain_of(&id, error));
        count += search.count;
    }
    Ok(if count > 0 { Status::Done } else { Status::Findings })
}

/// One session.
struct Search<'a> {
    query: &'a Query,
    store: &'a Store,
    entry: &'a Entry,
    account: String,
    /// Of commands that ran, by number.
    lines: HashMap<u64, String>,
    count: u64,
}

impl Search<'_> {
    fn records(&mut self) -> Result<(), Failure> {
        let mut records = Records::new(BufReader::new(&self.entry.records));
        loop {
            match records.read_next() {
                Ok(Some(record)) => self.record(&record)?,
                Ok(None) => break,
                Err(error) => {
                    complain_of(&self.entry.id, error);
                    break;
                }
            }
        }
        Ok(())
    }

    fn record(&mut self, record: &Map<String, Value>) -> Result<(), Failure> {
        if self.account.is_empty() {
            self.account = text(record, "account").unwrap_or_default();
        }
        let event = text(record, "event").unwrap_or_default();
        if !matches!(event.as_str(), "command.start" | "command.deny") || !self.is_wanted(&text(record, "time").unwrap_or_default()) {
            return Ok(());
        }
        let stages = || record.get("stages").and_then(Value::as_array).into_iter().flatten();
        let denied = event == "command.deny";
        let command = record.get("command").and_then(Value::as_u64);
        let found = Found {
            session: self.entry.id.clone(),
            time: text(record, "time").unwrap_or_default(),
            account: self.account.clone(),
            line: text(record, "line"),
            place: "line",
            text: None,
            denied,
            observed: text(record, "decision").as_deref() == Some("observe"),
            reason: text(record, "reason"),
            rules: stages().filter_map(|stage| Some(stage.get("rule")?.as_str()?.to_owned())).collect(),
            replay: command.filter(|_| !denied).and_then(|command| self.replay(command)),
            command,
        };
        let words = stages().filter_map(|stage| stage.get("argv")?.as_array());
        let words: Vec<String> = words.map(|argv| argv.iter().filter_map(Value::as_str).map(plain).collect::<Vec<_>>().join(" ")).collect();
        if self.query.takes(&found, &words) {
            self.tell(&found)?;
        }
        if let (Some(command), Some(line), false) = (found.command, found.line, denied)
            && self.lines.len() < LINES
        {
            self.lines.insert(command, line);
        }
        Ok(())
    }

    fn is_wanted(&self, time: &str) -> bool {
        self.is_of_account() && self.query.since.as_ref().is_none_or(|since| since.covers(time))
    }

    fn is_of_account(&self) -> bool {
        self.query.account.as_ref().is_none_or(|account| *account == self.account)
    }

    /// The command that shows the moment.
    fn replay(&self, command: u64) -> Option<String> {
        self.store.recording(&self.entry.id).map(|_| format!("postern replay {} --command {command}", self.entry.id))
    }

    /// What commands printed, each of them once: what was found first of what is wanted.
    fn recording(&mut self) -> Result<(), Failure> {
        if !self.query.is_output_searched() || !self.is_of_account() || self.store.recording(&self.entry.id).is_none() {
            return Ok(());
        }
        let file = from(&self.store.open_recording(&self.entry.id)?, 0)?;
        let (header, mut cast) = Cast::open(BufReader::new(file))?;
        let (mut output, mut command, mut told) = (Output::default(), None, false);
        while let Some(moment) = cast.read_next()? {
            match moment.event {
                CastEvent::Command { number, .. } => (output, command, told) = (Output::default(), number, false),
                CastEvent::Output(text) if !told => {
                    if let Some(text) = output.find(&text, |line| self.query.is_in(line)) {
                        told = self.printed(command, header.began(), moment.at, text)?;
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Whether it is told.
    fn printed(&mut self, command: Option<u64>, began: Option<i64>, at: u64, line: String) -> Result<bool, Failure> {
        let moment = began.and_then(|began| began.checked_add(i64::try_from(at / 1000).ok()?));
        let time = moment.and_then(|moment| OffsetDateTime::from_unix_timestamp(moment).ok()).map(timestamp).unwrap_or_default();
        if !self.is_wanted(&time) {
            return Ok(false);
        }
        let around = self.query.text.as_deref().map_or(line.clone(), |text| around(&line, text));
        self.tell(&Found {
            session: self.entry.id.clone(),
            time,
            account: self.account.clone(),
            line: command.and_then(|command| self.lines.get(&command).cloned()),
            place: "output",
            text: Some(around),
            denied: false,
            observed: false,
            reason: None,
            rules: Vec::new(),
            replay: command.and_then(|command| self.replay(command)),
            command,
        })?;
        Ok(true)
    }

    fn tell(&mut self, found: &Found) -> Result<(), Failure> {
        self.count += 1;
        if self.query.json {
            say(json(found)?);
            return Ok(());
        }
        let command = found.command.map_or_else(String::new, |command| format!(" #{command}"));
        let denied = match (found.denied, found.observed) {
            (true, _) => " (denied)",
            (false, true) => " (observed)",
            (false, false) => "",
        };
        let (time, account) = (safe(&found.time), safe(&found.account));
        say(format_args!("{} {time} {account}{command}{denied} {}", found.session, safe(found.line.as_deref().unwrap_or_default())));
        for detail in [&found.reason, &found.text, &found.replay].into_iter().flatten() {
            say(format_args!("    {}", safe(detail)));
        }
        Ok(())
    }
}

/// The text round what was found in it.
fn around(line: &str, wanted: &str) -> String {
    let at = line.find(wanted).unwrap_or(0);
    let start = line.char_indices().map(|(index, _)| index).rfind(|index| *index <= at.saturating_sub(AROUND / 2)).unwrap_or(0);
    line.get(start..).unwrap_or_default().chars().take(AROUND.max(wanted.chars().count())).collect::<String>().trim().to_owned()
}

/// The text of what is printed, line by line. Of a very long line the last characters are kept, so that nothing is missed where it is cut.
#[derive(Default)]
struct Output {
    plain: Plain,
    line: String,
}

impl Output {
    /// The first line in which there is what is looked for, with this piece.
    fn find(&mut self, text: &str, is_in: impl Fn(&str) -> bool) -> Option<String> {
        let Output { plain, line } = self;
        let mut found = None;
        plain.pass(text, |character| {
            if matches!(character, '\n' | '\r') || line.len() >= 2 * WINDOW {
                if found.is_none() && is_in(line) {
                    found = Some(line.clone());
                }
                let kept = if line.len() >= 2 * WINDOW { line.chars().rev().take(WINDOW / 4).collect::<Vec<char>>() } else { Vec::new() };
                line.clear();
                line.extend(kept.into_iter().rev());
            }
            if !character.is_control() {
                line.push(character);
            }
        });
        found.or_else(|| is_in(line).then(|| line.clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_is_named_by_its_place_or_its_file() {
        for (wanted, expected) in [
            ("policy.d/20-db.yaml:14", true),
            ("20-db.yaml:14", true),
            ("20-db.yaml", true),
            ("policy.d/20-db.yaml", true),
            ("db.yaml", false),
            ("14", false),
            ("20-db.yaml:1", false),
        ] {
            assert_eq!(is_rule("policy.d/20-db.yaml:14", wanted), expected, "{wanted}");
        }
    }

    #[test]
    fn what_was_printed_is_found_however_it_was_printed() {
        let has = |line: &str| line.contains("FATAL: no");
        for pieces in [
            &["x\r\nFATAL: no\r\n"][..],
            &["FA", "TAL", ": n", "o"],
            &["\x1b[31mFATAL:\x1b[0m no"],
            &["progress 1%\rFATAL: no"],
            &[&"x".repeat(3 * WINDOW), "FATAL: no"],
            &[&("x".repeat(2 * WINDOW - 4) + "FATAL: no" + &"y".repeat(WINDOW))],
        ] {
            let mut output = Output::default();
            assert!(pieces.iter().any(|piece| output.find(piece, has).is_some()), "{pieces:.60?}");
        }
        assert_eq!(Output::default().find("FATAL:\nno", has), None);
        assert_eq!(around(&format!("{}needle{}", "é".repeat(500), "z".repeat(500)), "needle").chars().count(), AROUND);
    }
}
