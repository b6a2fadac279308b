//! Secrets that are known by the name before them: `name=value`, `name: value`, `"name": "value"`, `name => value`, `<name>value</name>`.
//!
//! A name counts by its end, without case, `_`, `-` and `.`: `DB_PASSWORD`, `db-password` and `spring.datasource.dbPassword` are one.

use super::pattern::Step::{Dense, From, Not, Odd, OneOf, Run, Text as Word, To};
use super::pattern::{MANY, Place, Step, Text, Verdict};
use super::set::{ALNUM, BASE64, BASE64URL, BLANK, CONTROL, HEX, LETTER, LOWER, QUOTE, Set, UPPER};
use super::value::{self, Kind};

/// Bytes of a name that are looked at.
const NAME: usize = 48;
/// Blanks between a name and its separator.
const GAP: usize = 4;

const IN_NAME: Set = ALNUM.and(Set::of("_.-"));
const PADDED: Set = BASE64.and(Set::of("="));
const CREDENTIAL: Set = BASE64URL.and(Set::of(".~+/="));
const SIGNATURE: Set = BASE64.and(Set::of("%=_-"));
const SCHEME: Set = ALNUM.and(Set::of("-"));
const COOKIE_NAME: Set = ALNUM.and(Set::of("_.-"));
const COOKIE: Set = CONTROL.and(QUOTE).not();
const SET_COOKIE: Set = CONTROL.and(QUOTE).and(Set::of("; ,")).not();

const BEARER: &[Step] = &[
    OneOf(&["bearer", "basic", "token", "apikey", "negotiate", "ssws", "splunk", "key", "genie"]),
    Run(&BLANK, 1, 4),
    From,
    Run(&CREDENTIAL, 8, MANY),
    Odd,
];
const SCHEMED: &[Step] = &[Run(&SCHEME, 2, 20), Run(&BLANK, 1, 4), From, Run(&CREDENTIAL, 20, MANY), Odd];

enum Shape {
    Steps(&'static [Step]),
    Value(Kind),
}

struct Rule {
    id: &'static str,
    /// How the name ends: lower case, letters and digits.
    names: &'static [&'static str],
    /// Whether the end is a word of its own: `db_pass`, `dbPass`, not `bypass`.
    is_word: bool,
    shape: Shape,
}

const fn steps(id: &'static str, names: &'static [&'static str], steps: &'static [Step]) -> Rule {
    Rule { id, names, is_word: false, shape: Shape::Steps(steps) }
}

const fn word(rule: Rule) -> Rule {
    Rule { is_word: true, ..rule }
}

const fn kind(id: &'static str, names: &'static [&'static str], kind: Kind) -> Rule {
    Rule { id, names, is_word: false, shape: Shape::Value(kind) }
}

/// In the order in which they are tried; what has a form of its own first. Names have two letters or more.
static RULES: &[Rule] = &[
    steps("aws-secret-key", &["awssecretkey", "secretaccesskey"], &[Run(&BASE64, 40, 40), Not(&BASE64)]),
    steps("aws-session-token", &["awstoken", "sessiontoken", "securitytoken"], &[Run(&PADDED, 100, MANY)]),
    steps("azure-storage-key", &["accountkey"], &[Run(&BASE64, 86, 86), Word("==")]),
    steps("azure-shared-key", &["sharedaccesskey"], &[Run(&BASE64, 43, 43), Word("=")]),
    word(steps("azure-sas", &["sig"], &[Run(&SIGNATURE, 20, MANY), Odd])),
    steps("signed-url", &["amzsignature", "googsignature"], &[Run(&HEX, 64, MANY)]),
    steps("wireguard-key", &["privatekey", "presharedkey"], &[Run(&BASE64, 43, 43), Word("="), Not(&PADDED)]),
    word(steps(
        "docker-auth",
        &["auth", "identitytoken", "registrytoken"],
        &[Run(&BASE64, 12, MANY), Run(&Set::of("="), 0, 2), To, Run(&Set::of("\\"), 0, 1), Word("\"")],
    )),
    word(steps("npm-auth", &["auth"], &[Run(&BASE64, 16, MANY), Run(&Set::of("="), 0, 2), Dense, Not(&CREDENTIAL)])),
    steps("auth-header", &["authorization"], BEARER),
    steps("auth-header", &["authorization"], SCHEMED),
    steps("auth-header", &["authorization"], &[Run(&CREDENTIAL, 16, MANY), Odd]),
    steps("session-cookie", &["setcookie"], &[Run(&COOKIE_NAME, 1, 64), Word("="), From, Run(&SET_COOKIE, 8, MANY)]),
    word(steps("session-cookie", &["cookie"], &[Run(&COOKIE_NAME, 1, 64), Word("="), From, Run(&COOKIE, 8, MANY)])),
    kind("kv-password", &["password", "passwd", "passphrase", "passwort", "pwd", "userpw"], Kind::Password),
    word(kind("kv-password", &["pass", "pw", "rediscliauth", "requirepass", "masterauth"], Kind::Password)),
    kind(
        "kv-password",
        &["secret", "apikey", "accesstoken", "clientsecret", "authtoken", "secretkey", "secretkeybase", "privatekeypass", "refreshtoken"],
        Kind::Secret,
    ),
    kind(
        "kv-token",
        &[
            "accesskey",
            "apitoken",
            "privatekey",
            "privatetoken",
            "signingkey",
            "encryptionkey",
            "masterkey",
            "sharedkey",
            "subscriptionkey",
            "licensekey",
            "appkey",
            "applicationkey",
            "functionskey",
            "deploykey",
            "bottoken",
            "vaulttoken",
            "sessiontoken",
            "securitytoken",
            "jwtkey",
            "authkey",
            "credential",
            "accountkey",
            "storagekey",
            "webhooktoken",
            "jobtoken",
            "bearertoken",
            "idtoken",
        ],
        Kind::Token,
    ),
    word(kind("kv-token", &["token", "psk"], Kind::Token)),
];

/// Names that end as those of tokens and are none.
const NO_TOKENS: [&str; 7] = ["nexttoken", "pagetoken", "continuetoken", "continuationtoken", "synctoken", "canceltoken", "clienttoken"];

/// What stands behind the separator at a place.
pub(super) fn verdict(place: Place<'_>) -> Verdict {
    let text = place.text();
    let mut space = [0; NAME];
    let name = match text.ahead.first() {
        Some(b'>') => element(place, &mut space),
        _ => name(place, &mut space),
    };
    if !may_end(name) || NO_TOKENS.iter().any(|end| ends(name, end, false)) {
        return Verdict::No;
    }
    let rules = RULES.iter().filter(|rule| rule.names.iter().any(|end| ends(name, end, rule.is_word)));
    rules.map(|rule| rule.verdict(text)).find(|verdict| *verdict != Verdict::No).unwrap_or(Verdict::No)
}

impl Rule {
    fn verdict(&self, text: Text<'_>) -> Verdict {
        match self.shape {
            Shape::Value(kind) => value::verdict(self.id, kind, text, 1),
            Shape::Steps(steps) => match value::start(text, 1) {
                Ok(start) => text.steps(self.id, steps, start.at, start.at, None),
                Err(why) => why,
            },
        }
    }
}

/// Whether a name is that of a password, as an option's.
pub(super) fn is_password(name: &[u8]) -> bool {
    ["password", "passwd", "passphrase", "pwd", "pass", "secret", "token", "apikey", "accesskey"].iter().any(|end| ends(name, end, true))
}

/// Whether a name is that of any secret.
pub(super) fn is_secret(name: &[u8]) -> bool {
    RULES.iter().any(|rule| rule.names.iter().any(|end| ends(name, end, rule.is_word)))
}

/// The name before a separator: `name`, `name  `, `"name"`, `\"name\"`, `["name"]`.
fn name<'a>(place: Place<'_>, space: &'a mut [u8; NAME]) -> &'a [u8] {
    let mut bytes = place.before().peekable();
    for _ in 0..GAP {
        bytes.next_if(|byte| BLANK.has(*byte));
    }
    bytes.next_if(|byte| *byte == b']');
    bytes.next_if(|byte| QUOTE.has(*byte));
    bytes.next_if(|byte| *byte == b'\\');
    collect(bytes.take_while(|byte| IN_NAME.has(*byte)), space)
}

/// The name of the element that begins before a `>`.
fn element<'a>(place: Place<'_>, space: &'a mut [u8; NAME]) -> &'a [u8] {
    let length = place.before().take_while(|byte| IN_NAME.has(*byte)).count();
    let is_tag = place.before().nth(length) == Some(b'<');
    collect(place.before().take(if is_tag { length } else { 0 }), space)
}

/// Turns round what was read backwards.
fn collect(bytes: impl Iterator<Item = u8>, space: &mut [u8; NAME]) -> &[u8] {
    let mut length = 0;
    for (to, byte) in space.iter_mut().rev().zip(bytes) {
        *to = byte;
        length += 1;
    }
    space.get(NAME - length..).unwrap_or_default()
}

/// By the last letter of a name, a bit for each letter before it: how the names of the rules end. Nearly no name of a log does.
static ENDINGS: [u32; 26] = endings();

#[allow(clippy::indexing_slicing, reason = "only ever evaluated by the compiler")]
const fn endings() -> [u32; 26] {
    let mut endings = [0; 26];
    let mut rule = 0;
    while rule < RULES.len() {
        let mut name = 0;
        while name < RULES[rule].names.len() {
            let text = RULES[rule].names[name].as_bytes();
            let (last, before) = (text[text.len() - 1], text[text.len() - 2]);
            endings[(last - b'a') as usize] |= 1 << (before - b'a');
            name += 1;
        }
        rule += 1;
    }
    endings
}

/// Whether any rule's name can end as this one does.
fn may_end(name: &[u8]) -> bool {
    let mut letters =
        name.iter().rev().filter(|byte| !matches!(byte, b'_' | b'-' | b'.')).map(|byte| byte.to_ascii_lowercase().wrapping_sub(b'a'));
    let (Some(last), Some(before @ 0..26)) = (letters.next(), letters.next()) else { return false };
    ENDINGS.get(usize::from(last)).is_some_and(|ending| ending >> before & 1 == 1)
}

/// Whether a name ends so.
fn ends(name: &[u8], end: &str, is_word: bool) -> bool {
    let mut rest = name;
    let mut first = 0;
    for wanted in end.bytes().rev() {
        while let Some((b'_' | b'-' | b'.', less)) = rest.split_last() {
            rest = less;
        }
        match rest.split_last() {
            Some((byte, less)) if byte.eq_ignore_ascii_case(&wanted) => (first, rest) = (*byte, less),
            _ => return false,
        }
    }
    !is_word || rest.last().is_none_or(|byte| !LETTER.has(*byte) || UPPER.has(first) && LOWER.has(*byte))
}

#[cfg(test)]
pub(super) fn ids() -> impl Iterator<Item = &'static str> {
    RULES.iter().map(|rule| rule.id)
}
