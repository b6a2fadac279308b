//! What holds for all commands, and for whom the policy is.

use super::super::output::count;
use super::facts::{Facts, codes, links};
use super::model::{Block, Inline, Section, Text, plain};
use crate::policy::confinement::{Base, Confinement, Exec, Processes};
use crate::policy::settings::{OnFailure, Redact, Strength};
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
        broken_by: Confinement::writes_anything,
        kept: "No command creates, changes or removes a file.",
        but: "No command creates, changes or removes a file, but for these, in the places that are named:",
    },
    Promise {
        broken_by: |confine| confine.exec != Exec::None,
        kept: "No command starts another program, a shell neither.",
        but: "No command starts another program, a shell neither, but for these, which start those that the exceptions list:",
    },
    Promise {
        broken_by: |confine| {
            confine.base == Base::Open || confine.base == Base::Network || !confine.network.is_empty() || sends_packets(confine)
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
        broken_by: |confine| confine.base == Base::Open || !confine.unhide.is_empty() || confine.looks(),
        kept: "No command reads keys, passwords, credentials, raw devices, or the memory and environment of processes.",
        but: "No command reads keys, passwords, credentials, raw devices, or the memory and environment of processes, but that these see more \
              than the others, as is said among the exceptions:",
    },
    Promise {
        broken_by: |confine| confine.base == Base::Open || confine.processes == Processes::Trace,
        kept: "No command signals, traces or ends a process that it did not start.",
        but: "No command signals, traces or ends a process that it did not start, but for these:",
    },
    Promise {
        broken_by: |confine| !confine.capabilities.is_empty(),
        kept: "No command has a privilege (capability) of root's.",
        but: "No command has a privilege (capability) of root's, but for these, which have those that the exceptions list:",
    },
];

fn sends_packets(confine: &Confinement) -> bool {
    confine.capabilities.iter().any(|name| name == "CAP_NET_RAW" || name == "CAP_NET_ADMIN")
}

/// What holds for every command.
pub fn section(facts: &Facts) -> Section {
    let forms = facts.allows().count();
    let commands = count(facts.commands_where(|_| true).len(), "command");
    let count = format!("{commands} can be run, in {}. Of all of them holds:", count(forms, "form"));
    let mut items: Vec<Text> = PROMISES.iter().map(|promise| said(facts, promise)).collect();
    items.push(who(facts));
    items.push(places(facts));
    items.extend(records(facts));
    Section::new("summary", "In short").with([Block::Paragraph(plain(count)), Block::List(items)])
}

fn said(facts: &Facts, promise: &Promise) -> Text {
    let breaking = facts.commands_where(|rule| (promise.broken_by)(&rule.confine));
    match breaking.is_empty() {
        true => plain(promise.kept),
        false => [plain(format!("{} ", promise.but)), links(&breaking), plain(".")].concat(),
    }
}

/// As whom commands run.
fn who(facts: &Facts) -> Text {
    let others = facts.commands_where(|rule| rule.run_as.is_some());
    match others.is_empty() {
        true => plain("Every command runs as the account itself, with no more rights than that has."),
        false => [
            plain("Every command runs as the account itself, but for these, which run as the user or group that is named there: "),
            links(&others),
            plain("."),
        ]
        .concat(),
    }
}

/// Where contents can be read: the union of all.
fn places(facts: &Facts) -> Text {
    let mut all: Vec<String> = Vec::new();
    for rule in facts.allows() {
        let confine = &rule.confine;
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
        Some(_) => "What the person saw is recorded.",
        None => "What the person saw is not recorded.",
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
    if scope.observe.is_some() {
        text.push(Inline::Strong("; observed only: nothing is refused by the policy".to_owned()));
    }
    text
}
