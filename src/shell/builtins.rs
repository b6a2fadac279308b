//! What the shell does by itself. Everything here shows something; only `cd` and `exit` change anything, and only of the session.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;
use std::time::Duration;

use super::in_force::{self, InForceRule};
use super::runs_as::RunsAs;
use super::{hint, message};
use crate::access;
use crate::confine::{Kernel, Plan};
use crate::policy::settings::Strength;
use crate::policy::{self, Allowed, Applied, Facts, Subject, Terms, Verdict};
use crate::syntax::Request;
use crate::words::{Safe, escape};

/// Columns of what `explain` says.
pub const COLUMNS: usize = 80;
/// Columns of a label of what `explain` says, with the blanks round it.
const LABEL: usize = 11;

/// A builtin as `help` shows it.
struct Entry {
    name: &'static str,
    usage: &'static str,
    about: &'static str,
}

const BUILTINS: [Entry; 8] = [
    Entry { name: "help", usage: "help [COMMAND]", about: "what may be run" },
    Entry { name: "explain", usage: "explain LINE", about: "what the policy says of a line, without running it" },
    Entry { name: "cd", usage: "cd [DIR|-]", about: "go to a directory; home without one" },
    Entry { name: "pwd", usage: "pwd", about: "the directory of the session" },
    Entry { name: "history", usage: "history", about: "the lines of this session" },
    Entry { name: "session", usage: "session", about: "who you are, what holds, and where the records are" },
    Entry { name: "exit", usage: "exit [STATUS]", about: "leave; so does Ctrl-D" },
    Entry { name: "logout", usage: "logout", about: "leave" },
];

/// Whether a command word names a builtin.
pub fn is_builtin(name: &str) -> bool {
    names().any(|builtin| builtin == name)
}

/// The names of all builtins.
pub fn names<'a>() -> impl Iterator<Item = &'a str> {
    BUILTINS.iter().map(|entry| entry.name)
}

/// How a builtin is used; empty for a name that is none.
pub fn usage(name: &str) -> &'static str {
    BUILTINS.iter().find(|entry| entry.name == name).map_or("", |entry| entry.usage)
}

/// The line that `explain` is asked about: all that stands behind it, as it stands, so that it need not be quoted.
pub fn explained(line: &[u8]) -> Option<&str> {
    let line = std::str::from_utf8(line).ok()?.trim_matches(' ');
    let rest = line.strip_prefix("explain ")?.trim_start_matches(' ');
    (!rest.is_empty()).then_some(rest)
}

/// The status that `exit` was given; `last` without one.
pub fn exit_status(arguments: &[String], last: u8) -> Result<u8, String> {
    match arguments {
        [] => Ok(last),
        [status] => status.parse().map_err(|_| format!("{}: a status is 0 to 255", Safe(status.as_bytes()))),
        _ => Err("give one status".to_owned()),
    }
}

/// Commands whose forms `help` shows; of more it shows the names.
const FORMS: usize = 40;

/// `help`: every form in force, by command word, and the builtins; of many commands the names of those that are installed, by the file
/// that allows them. `width` is the terminal's in columns.
pub fn help(policy: &Applied, subject: &Subject, width: usize) -> String {
    let observed = if policy::is_observed(policy, subject) { format!("{}\n\n", message::OBSERVED) } else { String::new() };
    let mut text = format!("{observed}You may run:\n");
    let commands = in_force::allowed_commands(policy, subject);
    if commands.len() > FORMS {
        text.push_str(&names_by_file(policy, subject, &commands, width));
    } else {
        for rule in commands.iter().flat_map(|command| in_force::rules_in_force(policy, subject, command)) {
            text.push_str(&form(&rule, width));
        }
    }
    text.push_str("\nPart of this shell:\n");
    for entry in &BUILTINS {
        let _ = writeln!(text, "  {:<16}{}", entry.usage, entry.about);
    }
    text.push_str("\n[…] may be left out, (a|b) is one of them, ... is one or more, <…> is a word of yours. `help COMMAND` tells more.\n");
    text
}

/// The names of many commands, as far as this host has them.
fn names_by_file(policy: &Applied, subject: &Subject, commands: &[String], width: usize) -> String {
    let mut files: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    let mut missing = 0_usize;
    for command in commands {
        let rules = in_force::rules_in_force(policy, subject, command);
        let Some(rule) = rules.first() else { continue };
        if !is_installed(policy, command, rule.path.as_deref()) {
            missing += 1;
            continue;
        }
        let file = rule.place.rsplit_once(':').map_or(rule.place.as_str(), |(file, _)| file);
        files.entry(file.to_owned()).or_default().push(command);
    }
    let mut text = String::new();
    for (file, names) in files {
        let _ = writeln!(text, "\n  {}", Safe(file.as_bytes()));
        text.push_str(&wrapped(&names.join(" "), 4, 4, width));
    }
    match missing {
        0 => text,
        _ => text + &format!("\n  and {missing} commands that are not installed here\n"),
    }
}

fn is_installed(policy: &Applied, command: &str, path: Option<&str>) -> bool {
    let places = ["/usr/sbin", "/usr/bin", "/sbin", "/bin"].into_iter().chain(policy.settings().search.iter().map(String::as_str));
    let found = |path: &Path| path.symlink_metadata().is_ok();
    path.map_or_else(|| places.into_iter().any(|place| found(&Path::new(place).join(command))), |path| found(Path::new(path)))
}

/// `help COMMAND`; the error is of one that is not allowed.
pub fn help_on(policy: &Applied, subject: &Subject, command: &str, width: usize) -> Result<String, String> {
    if let Some(entry) = BUILTINS.iter().find(|entry| entry.name == command) {
        return Ok(format!("  {}\n      {}\n", entry.usage, entry.about));
    }
    let rules = in_force::rules_in_force(policy, subject, command);
    if rules.is_empty() {
        let known = in_force::allowed_commands(policy, subject);
        return Err(message::unknown(command, known.iter().map(String::as_str)));
    }
    Ok(rules.iter().map(|rule| format!("{}      {}\n", form(rule, width), terms(rule))).collect())
}

/// A form and its note, indented, within the width.
fn form(rule: &InForceRule, width: usize) -> String {
    let mut text = wrapped(&rule.form, 2, 6, width);
    if let Some(note) = &rule.note {
        text.push_str(&wrapped(note, 6, 6, width));
    }
    text
}

/// The terms of a rule, in one line.
fn terms(rule: &InForceRule) -> String {
    let mut terms = vec![format!("rule {}", rule.place), format!("confined as {}", rule.confine)];
    terms.extend(rule.run_as.as_ref().map(|user| format!("run as {user}")));
    terms.extend(rule.timeout.map(|limit| format!("at most {}", message::duration(limit))));
    Safe(terms.join(", ").as_bytes()).to_string()
}

/// A line of what `explain` says, broken at blanks: its label, and what it says of it. Ends with a newline.
pub fn labelled(label: &str, text: &str, width: usize) -> String {
    let text = wrapped(text, LABEL, LABEL, width);
    format!("  {label:<9}{}", text.trim_start())
}

/// Breaks a text at blanks: the first line behind `first` blanks, the others behind `rest`. Ends with a newline.
fn wrapped(text: &str, first: usize, rest: usize, width: usize) -> String {
    let mut lines = String::new();
    let mut line = " ".repeat(first);
    let mut empty = true;
    for word in text.split_whitespace() {
        let word = Safe(word.as_bytes()).to_string();
        let gap = usize::from(!empty);
        if !empty && line.chars().count() + gap + word.chars().count() > width {
            let _ = writeln!(lines, "{line}");
            line = " ".repeat(rest);
        } else if gap > 0 {
            line.push(' ');
        }
        line.push_str(&word);
        empty = false;
    }
    let _ = writeln!(lines, "{line}");
    lines
}

/// What the policy says of a line: for each of its commands the rule and its terms, or the miss. And whether all of it would run.
pub fn explain(
    policy: &Applied,
    subject: &Subject,
    request: &Request,
    facts: &dyn Facts,
    kernel: &Kernel,
) -> Result<(String, bool), policy::Damaged> {
    let (mut text, mut allowed) = (String::new(), true);
    for stage in request.items.iter().flat_map(|item| &item.stages) {
        match policy::decide(policy, subject, stage, facts)? {
            Verdict::Allowed(permission) => text.push_str(&granted(&permission, subject, &policy.settings().strength, kernel)),
            Verdict::Denied(denied) => {
                let observed = policy::observe(policy, subject, stage, facts)?;
                let lead = if observed.is_some() { "would be refused: " } else { "refused: " };
                let refused = message::point(lead, 0, request.line.as_bytes(), denied.span, &message::miss(&denied));
                let _ = writeln!(text, "{refused}");
                match observed {
                    Some(permission) => text.push_str(&granted(&permission, subject, &policy.settings().strength, kernel)),
                    None => allowed = false,
                }
            }
        }
    }
    let hint = if allowed { None } else { hint::of(policy, subject, request, facts) };
    text.extend(hint.map(|hint| format!("{}\n", hint.text())));
    Ok((text, allowed))
}

fn granted(permission: &Allowed, subject: &Subject, strength: &Strength, kernel: &Kernel) -> String {
    let terms = permission.terms();
    let rule = InForceRule {
        form: String::new(),
        path: None,
        note: terms.note.clone(),
        // In a row of its own.
        run_as: None,
        confine: terms.confine.name.clone(),
        timeout: terms.timeout.map(Duration::from_millis),
        place: terms.rule.to_string(),
    };
    let words = escape::pasteable(terms.argv.iter().map(String::as_str));
    let plan = Plan::of(&terms.confine, kernel).words(strength);
    let rows = asked(terms).into_iter().chain(plan);
    let plan: String = rows.map(|(label, text)| labelled(label, &text, COLUMNS)).collect();
    let runs_as = labelled("runs as", &RunsAs::of(terms, subject, Some(access::install())).text(), COLUMNS);
    format!("allowed: {words}\n         {}\n{runs_as}{plan}", self::terms(&rule))
}

/// What a rule asks of the person, and puts on record besides, as rows of what `explain` says.
pub fn asked(terms: &Terms) -> Vec<(&'static str, String)> {
    let asks = terms.confirmation().map(|word| ("asks", format!("the person repeats: {word}")));
    let records = terms.witness.as_ref().map(|argv| {
        let words = escape::pasteable(argv.iter().map(String::as_str));
        ("records", format!("{words} before and after"))
    });
    asks.into_iter().chain(records).collect()
}

/// What `history` shows.
pub fn history<'a>(lines: impl IntoIterator<Item = &'a str>) -> String {
    let numbered = lines.into_iter().enumerate();
    numbered.map(|(index, line)| format!("{:5}  {}\n", index + 1, Safe(line.as_bytes()))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(form: &str, note: Option<&str>) -> InForceRule {
        InForceRule {
            form: form.to_owned(),
            path: None,
            note: note.map(str::to_owned),
            run_as: Some("pgmonitor".to_owned()),
            confine: "db".to_owned(),
            timeout: Some(Duration::from_secs(300)),
            place: "policy.d/20-db.yaml:14".to_owned(),
        }
    }

    #[test]
    fn what_explain_is_asked_about_is_taken_as_it_stands() {
        for (line, rest) in [
            ("explain ls -l | grep x", Some("ls -l | grep x")),
            ("  explain   'a b'  ", Some("'a b'")),
            ("explain", None),
            ("explain ", None),
            ("explainls", None),
            ("ls explain x", None),
        ] {
            assert_eq!(explained(line.as_bytes()), rest, "{line:?}");
        }
        assert_eq!(explained(b"explain \xff"), None);
    }

    #[test]
    fn exit_takes_one_status_or_none() {
        let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        for (arguments, expected) in
            [("", Some(3)), ("0", Some(0)), ("255", Some(255)), ("256", None), ("-1", None), ("x", None), ("1 2", None)]
        {
            assert_eq!(exit_status(&words(arguments), 3).ok(), expected, "{arguments:?}");
        }
    }

    #[test]
    fn a_form_is_shown_with_its_note_within_the_width() {
        let shown = form(&rule("psql -X -d <db> -c <query:text>", Some("reads statistics views")), 24);
        assert_eq!(shown, "  psql -X -d <db> -c\n      <query:text>\n      reads statistics\n      views\n");
        assert!(form(&rule("a b", None), 1).lines().count() == 2, "one word a line, however narrow");
    }

    #[test]
    fn what_explain_says_is_set_beside_its_label() {
        let shown = labelled("reads", "/usr, /etc, /proc, /srv", 24);
        assert_eq!(shown, "  reads    /usr, /etc,\n           /proc, /srv\n");
    }

    #[test]
    fn the_terms_of_a_rule_are_told_in_one_line() {
        assert_eq!(terms(&rule("psql", None)), "rule policy.d/20-db.yaml:14, confined as db, run as pgmonitor, at most 5m");
    }

    #[test]
    fn history_shows_nothing_that_a_terminal_obeys() {
        assert_eq!(history(["ls", "a\x1b[2J"]), "    1  ls\n    2  a^[[2J\n");
    }

    #[test]
    fn every_builtin_is_listed_once_and_has_a_usage() {
        for name in names() {
            assert!(usage(name).starts_with(name));
            assert_eq!(names().filter(|other| *other == name).count(), 1);
        }
        assert!(!is_builtin("ls"));
    }
}
