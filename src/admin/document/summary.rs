//! What holds for all commands, and for whom the policy is.

use super::super::output::count;
use super::facts::{Facts, codes, links};
use super::model::{Block, Inline, Section, Text, plain};
use crate::confine::words::size;
use crate::policy::confinement::{Base, Confinement, Exec, Processes};
use crate::policy::settings::{OnFailure, Redact, Strength};
use crate::policy::undoes::{Undone, is_undone};
use crate::policy::{Rule, Scope};
use crate::shell::message::duration;

/// A sentence that holds if no allow does something, and what is said, with the commands, if some do.
struct Promise {
    broken_by: fn(&Confinement) -> bool,
    kept: &'static str,
    but: &'static str,
}

const PROMISES: &[Promise] = &[
    Promise {
        broken_by: |confine| confine.writes_anything() || is_undone(confine, Undone::Changes),
        kept: "No command creates, changes or removes a file.",
        but: "No command creates, changes or removes a file, but for these, in the places that are named, or by the capabilities that \
              they have:",
    },
    Promise {
        broken_by: |confine| confine.exec != Exec::None,
        kept: "No command starts another program, a shell neither.",
        but: "No command starts another program, a shell neither, but for these, which start those that the exceptions list:",
    },
    Promise {
        broken_by: |confine| {
            confine.base == Base::Open
                || confine.base == Base::Network
                || !confine.network.is_empty()
                || is_undone(confine, Undone::Network)
        },
        kept: "No command reaches the network.",
        but: "No command reaches the network, but for these:",
    },
    Promise {
        broken_by: |confine| confine.base == Base::Open,
        kept: "No command waits for connections from the network.",
        but: "No command waits for connections from the network, but for these, which nothing holds:",
    },
    Promise {
        broken_by: |confine| confine.base == Base::Open || confine.all_sockets().next().is_some(),
        kept: "No command talks to a service of the host by a local socket.",
        but: "No command talks to a service of the host by a local socket, but for these; what the service does then is not the kernel's to hold:",
    },
    Promise {
        broken_by: |confine| {
            confine.base == Base::Open || !confine.unhide.is_empty() || confine.looks() || is_undone(confine, Undone::Reads)
        },
        kept: "No command reads keys, passwords, credentials, raw devices, or the memory and environment of processes.",
        but: "No command reads keys, passwords, credentials, raw devices, or the memory and environment of processes, but that these see more \
              than the others, as is said among the exceptions:",
    },
    Promise {
        broken_by: |confine| confine.base == Base::Open || confine.processes == Processes::Trace || is_undone(confine, Undone::Processes),
        kept: "No command signals, traces or ends a process that it did not start.",
        but: "No command signals, traces or ends a process that it did not start, but for these:",
    },
    Promise {
        broken_by: |confine| !confine.capabilities.is_empty(),
        kept: "No command has a privilege (capability) of root's.",
        but: "No command has a privilege (capability) of root's, but for these, which have those that the exceptions list:",
    },
];

/// What holds for every command.
pub fn section(facts: &Facts) -> Section {
    let forms = facts.allows().count();
    let commands = count(facts.commands_where(|_| true).len(), "command");
    let besides = if facts.observing().next().is_some() { ", and besides them any program, as is said at the top" } else { "" };
    let count = format!("{commands} can be run, in {}{besides}. Of all of them holds:", count(forms, "form"));
    let mut items: Vec<Text> = PROMISES.iter().map(|promise| said(facts, promise)).collect();
    items.push(who(facts));
    items.push(places(facts));
    items.extend(records(facts));
    Section::new("summary", "In short").with([Block::Paragraph(plain(count)), Block::List(items)])
}

fn said(facts: &Facts, promise: &Promise) -> Text {
    let breaking = facts.held_where(promise.broken_by);
    match breaking.is_empty() {
        true => plain(promise.kept),
        false => [plain(format!("{} ", promise.but)), breaking, plain(".")].concat(),
    }
}

/// As whom commands run.
fn who(facts: &Facts) -> Text {
    let others = facts.commands_where(|rule| rule.run_as.is_some());
    let privileged = facts.held_where(|confine| !confine.capabilities.is_empty());
    let becoming = facts.held_where(|confine| is_undone(confine, Undone::Becomes));
    let mut said = match (others.is_empty(), privileged.is_empty()) {
        (true, true) => return plain("Every command runs as the account itself, with no more rights than that has."),
        (true, false) => plain("Every command is started as the account itself"),
        (false, _) => [
            plain("Every command runs as the account itself, but for these, which run as the user or group that is named there: "),
            links(&others),
        ]
        .concat(),
    };
    if !privileged.is_empty() {
        said.extend([plain("; these have rights of root's besides: "), privileged].concat());
    }
    if !becoming.is_empty() {
        said.extend([plain("; these can make themselves another user or group: "), becoming].concat());
    }
    said.extend(plain("."));
    said
}

/// Where contents can be read: the union of all.
fn places(facts: &Facts) -> Text {
    let mut all: Vec<String> = Vec::new();
    for confine in facts.held() {
        for place in confine.base.roots().iter().copied().chain(confine.own_places()) {
            let known = |other: &String| place == other || place.strip_prefix(other.as_str()).is_some_and(|rest| rest.starts_with('/'));
            if !all.iter().any(known) {
                all.retain(|other| !other.strip_prefix(place).is_some_and(|rest| rest.starts_with('/')));
                all.push(place.to_owned());
            }
        }
    }
    all.sort();
    let head = "Contents of files are read at most below these places, and of each command below those of its confinement: ";
    [plain(head), codes(&all), plain(".")].concat()
}

/// What is recorded, and how a session ends.
fn records(facts: &Facts) -> Vec<Text> {
    let settings = facts.policy.settings();
    let audit = &settings.audit;
    let places = match &audit.syslog {
        Some(socket) => format!("the system log ({socket}, {}) and a file of the session below {}", audit.facility, audit.dir),
        None => format!("a file of the session below {}", audit.dir),
    };
    let otherwise = match audit.on_failure {
        OnFailure::Refuse => "Where no place takes the record, the command does not run.",
        OnFailure::Continue => "Where no place takes the record, the command runs all the same.",
    };
    let mut items =
        vec![plain(format!("Every line is on record before anything starts, and its outcome when it has ended: in {places}. {otherwise}"))];
    items.push(plain(match &settings.record {
        Some(record) => {
            let (terminal, otherwise) = (size(record.terminal), size(record.max));
            let failing = match record.required {
                true => "no command runs",
                false => "commands run all the same, and are on record",
            };
            format!(
                "What the person saw is recorded: of each command up to {terminal} of what it shows on a terminal, and up to {otherwise} of what it \
                 prints without one. What comes after that is counted alone. Where a session cannot be \
                 recorded, or no longer, {failing}."
            )
        }
        None => "What the person saw is not recorded.".to_owned(),
    }));
    items.push(plain(match settings.redact {
        Redact::Files => "Secrets in what commands print, as far as they are recognized, are made unreadable in records and recordings.",
        Redact::Screen => "Secrets in what commands print, as far as they are recognized, are made unreadable in records, in recordings and on the screen.",
        Redact::None => "Secrets in what commands print are not made unreadable.",
    }));
    let ends = [
        settings.session.idle.map(|idle| format!("{} without a key", time(idle))),
        settings.session.max.map(|max| format!("{} in any case", time(max))),
    ];
    let ends: Vec<String> = ends.into_iter().flatten().collect();
    items.push(plain(match ends.is_empty() {
        true => "A session ends when the person leaves it.".to_owned(),
        false => format!("A session ends by itself after {}.", ends.join(", and after ")),
    }));
    items.push(match &settings.strength {
        Strength::All => plain("Where the kernel lacks a part of what holds a command, the command does not run."),
        Strength::Require(names) => [
            plain("Where the kernel lacks one of these protections, the command does not run; without others it runs, and says so: "),
            codes(names),
            plain("."),
        ]
        .concat(),
        Strength::BestEffort => {
            plain("Where the kernel lacks a part of what holds a command, the command runs all the same, and the record says so.")
        }
    });
    items
}

fn time(milliseconds: u64) -> String {
    duration(std::time::Duration::from_millis(milliseconds))
}

/// Whom each file is for.
pub fn subjects(facts: &Facts) -> Section {
    let has_rules = |index: usize| {
        let of = |rules: &[Rule]| rules.iter().any(|rule| rule.scope as usize == index);
        facts.commands.values().any(|rules| of(&rules.allow) || of(&rules.deny))
    };
    let scopes = facts.policy.scopes().iter().enumerate().filter(|(index, scope)| has_rules(*index) || scope.observe.is_some());
    let definitions = scopes.map(|(_, scope)| (vec![Inline::Code(scope.source.clone())], vec![subject(scope)])).collect();
    Section::new("subjects", "For whom").with([
        Block::Paragraph(plain(
            "All files that match the account, the host and the address where somebody comes from are in force together.",
        )),
        Block::Definitions(definitions),
    ])
}

fn subject(scope: &Scope) -> Text {
    let mut text = whom(scope);
    if scope.observe.is_some() {
        text.extend([Inline::Plain("; ".to_owned()), Inline::Strong("observed only: nothing is refused by the policy".to_owned())]);
    }
    text
}

/// Whom a file is for.
pub fn whom(scope: &Scope) -> Text {
    let mut text = Text::new();
    for (what, everything, values) in [
        ("accounts ", "every account", &scope.accounts),
        (" on hosts ", " on every host", &scope.hosts),
        (" from ", " from anywhere", &scope.from),
    ] {
        match values.is_empty() {
            true => text.extend(plain(everything)),
            false => text.extend([plain(what), codes(values)].concat()),
        }
    }
    text
}
