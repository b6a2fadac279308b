//! What stands behind the name of a password: whether it is one, and where it ends.
//!
//! Anything may be a password, so that this is a judgement. It leans to leaving alone what an engineer at night has to read: placeholders,
//! calls of functions, paths, prose. A password that is one word of letters in the middle of a sentence is not found.

use super::pattern::{Secret, Text, Verdict, is_odd};
use super::set::{ALNUM, BLANK, CONTROL, DIGIT, LETTER, QUOTE, SPACE, Set, WORD};

/// How sure the name makes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A password or passphrase.
    Password,
    /// What is as a rule made by a machine, and a key by its name.
    Secret,
    /// As `Secret`, of a name that other things have too.
    Token,
    /// A password behind an option.
    Option,
    /// A password behind a blank only.
    Prose,
}

const STOP: Set = SPACE.and(QUOTE).and(Set::of(",;<`"));
const QUOTED: Set = CONTROL.and(Set::of("\"'"));
const PLAIN_REST: Set = STOP.not();
const QUOTED_REST: Set = QUOTED.not();
const NESTED_REST: Set = QUOTED.and(Set::of("\\")).not();
const CAPITAL: Set = Set::of("A-Z_-");
/// Bytes between the separator and the value.
const GAP: usize = 8;

/// What stands instead of a password, in lower case.
const NO_VALUES: [&[u8]; 39] = [
    b"null",
    b"none",
    b"nil",
    b"true",
    b"false",
    b"undefined",
    b"unset",
    b"unknown",
    b"empty",
    b"default",
    b"required",
    b"optional",
    b"enabled",
    b"disabled",
    b"redacted",
    b"hidden",
    b"masked",
    b"removed",
    b"filtered",
    b"sensitive",
    b"prompt",
    b"expired",
    b"invalid",
    b"incorrect",
    b"changed",
    b"unchanged",
    b"updated",
    b"mismatch",
    b"missing",
    b"string",
    b"authentication",
    b"sha256",
    b"sha512",
    b"yescrypt",
    b"public",
    b"(none)",
    b"nopasswd",
    b"plaintext",
    b"basic",
];

/// Where a value begins.
#[derive(Clone, Copy)]
pub(super) struct Start {
    pub at: usize,
    quote: Option<u8>,
    /// The quote has a backslash before it.
    is_nested: bool,
    /// Nothing stands between it and the separator.
    is_joined: bool,
}

/// Finds where the value begins whose separator ends at `after`.
pub(super) fn start(text: Text<'_>, after: usize) -> Result<Start, Verdict> {
    let mut at = after;
    let next = text.from(at).first().ok_or(text.short())?;
    // `=>` of Ruby and Perl, `:=` of Go and make.
    let is_long = matches!((text.between(after.saturating_sub(1), after), next), (b"=", b'>') | (b":", b'='));
    at += usize::from(is_long);
    let gap = BLANK.span(text.from(at));
    at += gap;
    let next = text.from(at).first().ok_or(text.short())?;
    // JSON in a string of JSON.
    let is_nested = *next == b'\\';
    at += usize::from(is_nested);
    let quote = text.from(at).first().ok_or(text.short())?;
    let quote = QUOTE.has(*quote).then_some(*quote);
    at += usize::from(quote.is_some());
    if gap > GAP { Err(Verdict::No) } else { Ok(Start { at, quote, is_nested, is_joined: gap == 0 && !is_long }) }
}

/// The value whose separator ends at `after`.
pub(super) fn verdict(id: &'static str, kind: Kind, text: Text<'_>, after: usize) -> Verdict {
    let start = match start(text, after) {
        Ok(start) => start,
        Err(why) => return why,
    };
    let is_behind_colon = text.between(after.saturating_sub(1), after) == b":";
    let joined = start.is_joined && !matches!(kind, Kind::Prose | Kind::Option) && !(is_behind_colon && start.quote.is_none());
    let from = start.at;
    let rest = text.from(from);
    let length = match start.quote {
        Some(_) if start.is_nested => NESTED_REST.span(rest),
        Some(quote) => quoted(rest, quote),
        None => match plain(rest) {
            None if !text.end => return Verdict::More(None),
            length => length.unwrap_or(rest.len()),
        },
    };
    let continued = if start.quote.is_some() { &QUOTED_REST } else { &PLAIN_REST };
    if length == rest.len() && !text.end {
        let secret = Secret { id, from, to: from + length, rest: continued };
        return Verdict::More((!is_placeholder(rest)).then_some(secret));
    }
    let value = trimmed(rest.get(..length).unwrap_or_default(), start.quote.is_some());
    let to = from + value.len();
    if value.len() < least(kind, value, joined || start.quote.is_some()) || is_placeholder(value) || is_code(value) {
        return Verdict::No;
    }
    if start.quote.is_some() && is_sentence(value) {
        return Verdict::No;
    }
    // Where the sentence goes on, `password: something` is prose.
    if start.quote.is_none() && !joined && kind != Kind::Option && LETTER.span(value) == value.len() {
        match line_ends(text, to) {
            None => return text.short(),
            Some(false) => return Verdict::No,
            Some(true) => {}
        }
    }
    Verdict::Yes(Secret { id, from, to, rest: continued })
}

/// Bytes up to the quote that closes.
fn quoted(text: &[u8], quote: u8) -> usize {
    let mut is_escaped = false;
    let closes = |byte: &u8| {
        let ends = *byte == quote && !is_escaped || CONTROL.has(*byte) && *byte != b'\t';
        is_escaped = *byte == b'\\' && !is_escaped;
        ends
    };
    text.iter().position(closes).unwrap_or(text.len())
}

/// Bytes up to where a bare word ends; `None` where more text is needed to know.
fn plain(text: &[u8]) -> Option<usize> {
    let length = PLAIN_REST.span(text);
    let value = text.get(..length).unwrap_or_default();
    // A parameter of a URL ends where the next one begins.
    for (at, _) in value.iter().enumerate().filter(|(_, byte)| **byte == b'&') {
        let next = text.get(at + 1..).unwrap_or_default();
        let name = WORD.span(next);
        match next.get(name) {
            None => return None,
            Some(b'=') | Some(b'&') => return Some(at),
            Some(_) if name == 0 => return Some(at),
            Some(_) => {}
        }
    }
    Some(length)
}

/// Without brackets that were opened before, and without the backslash of an escaped quote.
fn trimmed(value: &[u8], is_quoted: bool) -> &[u8] {
    let value = value.strip_suffix(b"\\").unwrap_or(value);
    let mut kept = if is_quoted || !value.ends_with(b"):") { value } else { value.strip_suffix(b":").unwrap_or(value) };
    while !is_quoted && let Some((last, rest)) = kept.split_last() {
        let opening = match last {
            b')' => b'(',
            b']' => b'[',
            b'}' => b'{',
            _ => break,
        };
        if rest.contains(&opening) {
            break;
        }
        kept = rest;
    }
    kept
}

fn least(kind: Kind, value: &[u8], is_tight: bool) -> usize {
    let is_mixed = value.iter().any(|byte| DIGIT.has(*byte)) && value.iter().any(|byte| LETTER.has(*byte));
    match kind {
        Kind::Password if is_tight => 4,
        Kind::Option if is_mixed => 4,
        Kind::Password | Kind::Prose if is_mixed => 6,
        Kind::Password | Kind::Secret | Kind::Prose => 8,
        Kind::Option => 12,
        Kind::Token if is_odd(value) && is_mixed || is_tight && value.len() > 12 => 8,
        Kind::Token => 20,
    }
}

/// Whether this stands for a value that is elsewhere, or was taken out already.
pub(super) fn is_placeholder(value: &[u8]) -> bool {
    let holds = |part: &[u8]| value.windows(part.len()).any(|window| window == part);
    let begins = |parts: &[&[u8]]| parts.iter().any(|part| value.starts_with(part));
    let Some(first) = value.first() else { return true };
    b"$<{*[(@&|=".contains(first)
        || begins(&[b"%(", b"%s", b"%{", b"%v", b"/", b"./", b"../", b"~/", b"!vault", b"!Ref", b"!Sub", b"env:", b"file:", b"vault:", b"-----BEGIN "])
        || holds(b"${")
        || holds(b"$(")
        || holds(b"{{")
        || holds(b"[redacted ")
        // `DB_PASSWORD`.
        || CAPITAL.span(value) == value.len() && super::key::is_secret(value)
        // `xxxxxxxx`, `********`, `--------`, dots and bullets.
        || value.iter().all(|byte| byte == first)
        || value.iter().all(|byte| !ALNUM.has(*byte) || b"xX".contains(byte))
        || NO_VALUES.iter().any(|word| value.eq_ignore_ascii_case(word))
}

/// Whether this is a call, an element or a member: `get_password()`, `environ[…`, `config.password`.
fn is_code(value: &[u8]) -> bool {
    let is_chain = Set::of("a-zA-Z_");
    let links = is_chain.and(DIGIT).and(Set::of(".:>-")).span(value);
    let begins_as_name = value.first().is_some_and(|byte| is_chain.has(*byte));
    let is_closed = value.ends_with(b")") || value.ends_with(b"]") || !value.contains(&b')');
    let is_call = links > 0 && is_closed && matches!(value.get(links), Some(b'(' | b'['));
    let has_link = value.contains(&b'.') || value.windows(2).any(|two| two == b"->" || two == b"::");
    let is_member = links == value.len() && has_link && super::key::is_secret(value) && !value.iter().any(|byte| DIGIT.has(*byte));
    begins_as_name && (is_call || is_member)
}

/// Whether a quoted value is words with blanks between.
fn is_sentence(value: &[u8]) -> bool {
    value.contains(&b' ') && !value.iter().any(|byte| DIGIT.has(*byte))
}

/// Whether nothing but a comment or punctuation follows on the line; `None` where the text is too short to know.
fn line_ends(text: Text<'_>, at: usize) -> Option<bool> {
    let rest = text.from(at);
    let gap = BLANK.span(rest);
    match rest.get(gap) {
        None if text.end => Some(true),
        None if gap > GAP => Some(false),
        None => None,
        Some(byte) => Some(b"\r\n,;#}])\"'<\x1b".contains(byte) && !(gap == 0 && b"\"'".contains(byte))),
    }
}
