//! Everything that the person reads about a line: refusals, limits, notices. Pure text; no raw byte of theirs is ever in it.

use std::io::{self, Write};
use std::time::Duration;

use super::desk::View;
use crate::confine::words::size;
use crate::exec::{Ended, Reached};
use crate::policy::confinement::Limits;
use crate::policy::{Denied, RuleRef};
use crate::record::Order;
use crate::syntax::SyntaxError;
use crate::words::diagnostic::mark;
use crate::words::escape::pasteable;
use crate::words::limits::LINE_BYTES;
use crate::words::typed::Notice;
use crate::words::{Safe, Span, suggest};

const NAME: &str = "posternsh: ";

/// Tells the person something on standard error. A reader that went away is no reason to stop.
pub fn tell(text: &str) {
    let mut error = io::stderr().lock();
    let _ = error.write_all(line(text).as_bytes()).and_then(|()| error.flush());
}

/// What the person is told, as it stands on standard error.
pub fn line(text: &str) -> String {
    format!("{NAME}{text}\n")
}

/// Puts a question to the person, the answer behind it.
pub fn ask(question: &str) {
    let mut error = io::stderr().lock();
    let _ = write!(error, "{NAME}{question}").and_then(|()| error.flush());
}

/// Ends the line of a question that got no answer.
pub fn end_line() {
    let _ = writeln!(io::stderr().lock());
}

/// By whose order the session ended.
pub fn killed(order: &Order) -> String {
    let reason = if order.reason.is_empty() { String::new() } else { format!(": {}", Safe(order.reason.as_bytes())) };
    format!("this session was ended by {}{reason}", Safe(order.by.as_bytes()))
}

/// What the person is asked before a command that changes the host, and has to type.
pub fn question(argv: &[String], word: &str) -> String {
    let words = pasteable(argv.iter().map(String::as_str));
    format!("{words} changes this host; type {} to go on: ", Safe(word.as_bytes()))
}

/// A line with a caret under the culprit, and a note behind the caret. `lead` stands before the line; `margin` is the width of what will
/// stand before `lead`.
pub fn point(lead: &str, margin: usize, line: &[u8], culprit: Span, note: &str) -> String {
    let (shown, carets) = mark(line, culprit);
    let margin = margin + lead.len();
    let text = format!("{lead}{shown}\n{:margin$}{carets} {}", "", Safe(note.as_bytes()));
    text.trim_end().to_owned()
}

/// A line that is not part of this shell: what is wrong, the line, and a caret under the culprit.
pub fn invalid(line: &[u8], error: &SyntaxError) -> String {
    let lead = " ".repeat(NAME.len());
    format!("{}\n{}", Safe(error.message.as_bytes()), point(&lead, 0, line, error.span, error.help.as_deref().unwrap_or_default()))
}

/// A line that is too long even to be on record.
pub fn too_long(recorded: usize, bytes: u64) -> String {
    format!("the line is longer than {LINE_BYTES} bytes: it has {bytes}, of which the first {recorded} are on record")
}

/// A line that does not run because of what is not in it.
pub fn not_taken(notice: Notice) -> String {
    match notice {
        Notice::TooLong => format!("more came at once than the {LINE_BYTES} bytes that a line may have; nothing of it was run"),
        Notice::Surplus => "more came at once behind the end of a line; what came behind it was not run".to_owned(),
    }
}

/// A command that no rule lets through: the line, and under the word that broke the nearest form what it should have been.
pub fn denied(line: &str, denied: &Denied) -> String {
    point("not allowed: ", NAME.len(), line.as_bytes(), denied.span, &miss(denied))
}

/// What would have been allowed, and by which rule.
pub fn miss(denied: &Denied) -> String {
    let rule = denied.rule.as_ref().map(|rule| format!(" ({rule})")).unwrap_or_default();
    format!("{}{rule}", denied.reason)
}

/// A command word that no rule in force begins with.
pub fn unknown<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    format!("no rule allows `{}`; {}", Safe(word.as_bytes()), hint(word, known))
}

/// What to do about an unknown command word: the nearest of the known ones.
pub fn hint<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    match suggest::command(word, known) {
        Some(near) => format!("did you mean `{}`?", Safe(near.as_bytes())),
        None => "`help` shows what you may run".to_owned(),
    }
}

/// A line that ran into a limit; `None` for other ends.
pub fn ended(ended: Ended, rule: Option<&RuleRef>) -> Option<String> {
    let text = match ended {
        Ended::Timeout(limit) => format!("ended after {}, its time limit", duration(limit)),
        Ended::Output(bytes) => format!("ended at {bytes} bytes of output, its limit"),
        Ended::Unrecorded => "ended: it is not recorded any more, as the policy demands".to_owned(),
        Ended::Limit(Reached::Cpu(ms)) => format!("ended after {} of processor time, its limit", duration(Duration::from_millis(ms))),
        Ended::Limit(Reached::Memory(bytes)) => format!("ended at {} of memory, its limit", size(bytes)),
        Ended::Limit(Reached::Processes(count)) => format!("ended at {count} processes, its limit"),
        Ended::Limit(Reached::FileSize(bytes)) => format!("ended at a file of {}, its limit", size(bytes)),
        Ended::SessionOutput | Ended::Until | Ended::Hangup | Ended::Terminated | Ended::Killed | Ended::Interrupted => return None,
    };
    Some(format!("{text}{}", by(rule)))
}

/// A command that failed, where its rule bounds what a program asks the kernel for; `None` where it does not.
pub fn limited(command: &str, limits: &Limits, rule: &RuleRef) -> Option<String> {
    let bounds = [limits.files.map(|count| format!("{count} open files")), limits.memory.map(|bytes| format!("{} of memory", size(bytes)))];
    let bounds: Vec<String> = bounds.into_iter().flatten().collect();
    let text = || format!("{} failed; its rule lets it have {}{}", Safe(command.as_bytes()), bounds.join(" and "), by(Some(rule)));
    (!bounds.is_empty()).then(text)
}

/// A program that a command was stopped from starting.
pub fn stopped(command: &str, program: &str) -> String {
    format!("{} was stopped from starting {}", Safe(command.as_bytes()), Safe(program.as_bytes()))
}

fn by(rule: Option<&RuleRef>) -> String {
    rule.map(|rule| format!(" ({})", Safe(rule.to_string().as_bytes()))).unwrap_or_default()
}

/// A duration as policies write it: `1h30m`, `45s`; `0s` for less than a second.
pub fn duration(time: Duration) -> String {
    let seconds = time.as_secs();
    let parts = [(seconds / 3600, 'h'), (seconds / 60 % 60, 'm'), (seconds % 60, 's')];
    let text: String = parts.iter().filter(|(count, _)| *count > 0).map(|(count, unit)| format!("{count}{unit}")).collect();
    if text.is_empty() { "0s".to_owned() } else { text }
}

/// What `mode: observe` means to the person.
pub const OBSERVED: &str = "Nothing is refused here for now; what would be is on record, and commands stay confined.";

/// The first line of a session.
pub fn greeting(view: &View) -> String {
    let banner = view.banner.as_ref().map(|text| format!(" {}", Safe(text.as_bytes()))).unwrap_or_default();
    let observed = if view.observe { format!(" {OBSERVED}") } else { String::new() };
    let (host, account) = (Safe(view.host.as_bytes()), Safe(view.account.as_bytes()));
    format!("postern on {host}: {account}.{banner}{observed} `help` shows what you may run.")
}

/// The prompt: who and where, whether nothing is refused, and how the line before went if it failed.
pub fn prompt(view: &View, status: u8) -> String {
    let observed = if view.observe { " (observe)" } else { "" };
    let failure = if status == 0 { String::new() } else { format!(" [{status}]") };
    format!("{}@{}{observed}{failure}> ", Safe(view.account.as_bytes()), Safe(view.host.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view(account: &str, host: &str) -> View {
        View { account: account.to_owned(), host: host.to_owned(), ..View::default() }
    }

    fn nearest(span: Span, reason: &str) -> Denied {
        let rule = RuleRef { source: "policy.d/20-db.yaml".to_owned(), line: 14 };
        Denied { reason: reason.to_owned(), span, rule: Some(rule), form: None }
    }

    #[test]
    fn a_refusal_points_at_the_word_that_broke_the_form() {
        let line = "systemctl restart postgresql";
        let text = denied(line, &nearest(Span::new(10, 17), "expected status, show or cat"));
        assert_eq!(
            format!("{NAME}{text}"),
            "posternsh: not allowed: systemctl restart postgresql\n\
             \x20                                 ^^^^^^^ expected status, show or cat (policy.d/20-db.yaml:14)"
        );
    }

    #[test]
    fn a_missing_word_is_marked_behind_the_last() {
        let line = "systemctl status";
        let text = denied(line, &nearest(Span::new(16, 16), "expected <unit>"));
        let column = text.lines().nth(1).and_then(|carets| carets.find('^')).unwrap();
        assert_eq!(column, "posternsh: not allowed: systemctl status".len());
    }

    #[test]
    fn a_line_that_does_not_parse_is_shown_with_its_culprit() {
        let error = SyntaxError { message: "command substitution is not part of this shell".to_owned(), span: Span::new(5, 7), help: None };
        assert_eq!(
            format!("{NAME}{}", invalid(b"echo $(id)", &error)),
            "posternsh: command substitution is not part of this shell\n           echo $(id)\n                ^^"
        );
    }

    #[test]
    fn no_message_carries_a_raw_byte_of_the_person() {
        let error = SyntaxError { message: "a control character".to_owned(), span: Span::new(1, 2), help: None };
        let hostile = "a\x1b]0;x\x07\u{202e}";
        for text in [
            invalid(b"a\x1b[2J\xff\x07", &error),
            denied(hostile, &nearest(Span::new(0, 1), "no")),
            unknown(hostile, []),
            greeting(&View { banner: Some(hostile.to_owned()), ..view(hostile, hostile) }),
            prompt(&view(hostile, hostile), 1),
        ] {
            assert!(!text.contains(['\x1b', '\x07', '\u{202e}']), "{text:?}");
        }
    }

    #[test]
    fn an_unknown_command_gets_the_nearest_known_one_or_a_hint() {
        for (typed, expected) in [("jornalctl", "did you mean `journalctl`?"), ("frobnicate", "`help` shows what you may run")] {
            assert!(unknown(typed, ["journalctl", "uptime"]).ends_with(expected));
        }
    }

    #[test]
    fn the_prompt_shows_a_failure_and_that_nothing_is_refused() {
        let enforced = view("breakglass", "db-3");
        assert_eq!(prompt(&enforced, 0), "breakglass@db-3> ");
        assert_eq!(prompt(&enforced, 126), "breakglass@db-3 [126]> ");
        assert!(!greeting(&enforced).contains(OBSERVED));
        let observed = View { observe: true, ..enforced };
        assert_eq!(prompt(&observed, 126), "breakglass@db-3 (observe) [126]> ");
        assert!(greeting(&observed).contains(OBSERVED));
    }

    #[test]
    fn durations_read_as_policies_write_them() {
        for (seconds, text) in [(0, "0s"), (45, "45s"), (60, "1m"), (5400, "1h30m"), (86400, "24h")] {
            assert_eq!(duration(Duration::from_secs(seconds)), text);
        }
    }
}
