//! The built-in types that are decided by a word alone.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::programs;

/// Every built-in type by name.
pub const BUILT_IN: [&str; 24] = [
    "awk", "cidr", "dir", "duration", "file", "group", "host", "iface", "int", "ip", "name", "number", "path", "pid", "port", "sed",
    "signal", "size", "text", "time", "unit", "url", "user", "word",
];

/// A type that needs no fact about the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Lexical {
    Number,
    Word,
    Name,
    Text,
    Host,
    Ip,
    Cidr,
    Port,
    Url,
    Pid,
    /// Users and groups alike.
    User,
    Unit,
    Iface,
    Signal,
    Duration,
    Time,
    Size,
    Awk,
    Sed,
}

impl Lexical {
    /// The type of that name.
    pub fn by_name(name: &str) -> Option<Lexical> {
        Some(match name {
            "number" => Lexical::Number,
            "word" => Lexical::Word,
            "name" => Lexical::Name,
            "text" => Lexical::Text,
            "host" => Lexical::Host,
            "ip" => Lexical::Ip,
            "cidr" => Lexical::Cidr,
            "port" => Lexical::Port,
            "url" => Lexical::Url,
            "pid" => Lexical::Pid,
            "user" | "group" => Lexical::User,
            "unit" => Lexical::Unit,
            "iface" => Lexical::Iface,
            "signal" => Lexical::Signal,
            "duration" => Lexical::Duration,
            "time" => Lexical::Time,
            "size" => Lexical::Size,
            "awk" => Lexical::Awk,
            "sed" => Lexical::Sed,
            _ => return None,
        })
    }

    /// What it takes, for people.
    pub fn words(self) -> &'static str {
        match self {
            Lexical::Number => "a number",
            Lexical::Word => "one word of letters, digits and _ . : @ % + , -",
            Lexical::Name => "a name",
            Lexical::Text => "anything that can be printed",
            Lexical::Host => "a host name or an address",
            Lexical::Ip => "an address",
            Lexical::Cidr => "an address or a network",
            Lexical::Port => "a port number",
            Lexical::Url => "a URL of http or https",
            Lexical::Pid => "the number of a process",
            Lexical::User => "the name or number of a user or group",
            Lexical::Unit => "a unit of systemd",
            Lexical::Iface => "a network interface",
            Lexical::Signal => "a signal",
            Lexical::Duration => "a length of time",
            Lexical::Time => "a moment",
            Lexical::Size => "an amount",
            Lexical::Awk => "an awk program that cannot run, write or open anything",
            Lexical::Sed => "a sed script that cannot run, write or open anything",
        }
    }

    /// Whether a word is of this type; `Err` carries a reason that the person should read.
    pub fn takes(self, word: &str) -> Result<bool, Option<String>> {
        Ok(match self {
            Lexical::Number => is_number(word),
            Lexical::Word => token(word, "_.:@%+,-", 256),
            Lexical::Name => token(word, "_.-", 256),
            Lexical::Text => true,
            Lexical::Host => is_host(word),
            Lexical::Ip => is_ip(word),
            Lexical::Cidr => is_cidr(word),
            Lexical::Port => number_in(word, 1, 65_535),
            Lexical::Url => is_url(word),
            // PID_MAX_LIMIT on 64-bit Linux, proc_sys_kernel(5).
            Lexical::Pid => number_in(word, 1, 1 << 22),
            // What useradd(8) takes, capital letters and dots too, or a number.
            Lexical::User => token(word, "_.-", 32),
            // systemd.unit(5): names are at most 255 characters.
            Lexical::Unit => token(word, ":_.\\@-", 255),
            // netdevice(7): IFNAMSIZ is 16, the NUL included.
            Lexical::Iface => token(word, "_.:-", 15),
            Lexical::Signal => is_signal(word),
            Lexical::Duration => is_duration(word),
            Lexical::Time => is_time(word),
            Lexical::Size => is_size(word),
            Lexical::Awk => return programs::check_awk(word).map(|()| true).map_err(Some),
            Lexical::Sed => return programs::check_sed(word).map(|()| true).map_err(Some),
        })
    }
}

/// One conservative token: ASCII letters, digits and `signs`, beginning with a letter, a digit or `_`; no `..`, so that nothing that
/// makes a path of it climbs.
fn token(word: &str, signs: &str, longest: usize) -> bool {
    word.len() <= longest
        && word.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_')
        && word.chars().all(|c| c.is_ascii_alphanumeric() || signs.contains(c))
        && !word.contains("..")
}

fn digits(word: &str) -> bool {
    !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_digit())
}

fn number_in(word: &str, low: u32, high: u32) -> bool {
    digits(word) && word.len() <= 9 && word.parse::<u32>().is_ok_and(|value| (low..=high).contains(&value))
}

/// `5`, `1.5`, `.5`, `5.`
fn unsigned(word: &str) -> bool {
    match word.split_once('.') {
        Some((whole, fraction)) => {
            !(whole.is_empty() && fraction.is_empty()) && [whole, fraction].iter().all(|part| part.is_empty() || digits(part))
        }
        None => digits(word),
    }
}

fn is_number(word: &str) -> bool {
    let word = word.strip_prefix(['+', '-']).unwrap_or(word);
    let (mantissa, exponent) = word.split_once(['e', 'E']).unwrap_or((word, "0"));
    unsigned(mantissa) && digits(exponent.strip_prefix(['+', '-']).unwrap_or(exponent))
}

/// RFC 1123 names with `_`, which DNS carries (RFC 2181), or an address.
fn is_host(word: &str) -> bool {
    token(word, "_.-", 253) || is_ip(word)
}

/// An address, an IPv6 one with a zone too (RFC 4007).
fn is_ip(word: &str) -> bool {
    match word.split_once('%') {
        Some((address, zone)) => address.parse::<std::net::Ipv6Addr>().is_ok() && token(zone, "_.-", 15),
        None => word.parse::<IpAddr>().is_ok(),
    }
}

fn is_cidr(word: &str) -> bool {
    let Some((address, bits)) = word.split_once('/') else { return is_ip(word) };
    address.parse::<IpAddr>().is_ok_and(|address| bits == "0" || number_in(bits, 1, if address.is_ipv4() { 32 } else { 128 }))
}

/// `http` and `https` only; no user information, which hides the host from a reader.
fn is_url(word: &str) -> bool {
    let Some(rest) = word.strip_prefix("http://").or_else(|| word.strip_prefix("https://")) else { return false };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or("");
    let (host, port) = match authority.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, rest)) => (address, rest.strip_prefix(':').unwrap_or(if rest.is_empty() { "80" } else { "" })),
        None => authority.split_once(':').unwrap_or((authority, "80")),
    };
    // Brackets and braces are ranges to curl(1), backslashes are slashes to some.
    is_host(host)
        && number_in(port, 1, 65_535)
        && rest[authority.len()..].bytes().all(|byte| byte.is_ascii_graphic() && !b"\"'<>\\^`{|}[]".contains(&byte))
}

/// Names of signal(7), with or without SIG, or a number.
fn is_signal(word: &str) -> bool {
    const NAMES: [&str; 33] = [
        "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "IOT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2", "PIPE", "ALRM", "TERM", "STKFLT",
        "CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG", "XCPU", "XFSZ", "VTALRM", "PROF", "WINCH", "IO", "POLL", "PWR", "SYS",
    ];
    let upper = word.to_ascii_uppercase();
    NAMES.contains(&upper.strip_prefix("SIG").unwrap_or(&upper)) || word == "0" || number_in(word, 1, 64)
}

/// Numbers with units, as sleep(1), timeout(1) and systemd.time(7) write them: `5`, `1.5s`, `2h30min`.
fn is_duration(word: &str) -> bool {
    const UNITS: [&str; 22] = [
        "", "ns", "us", "ms", "s", "sec", "second", "seconds", "m", "min", "minute", "minutes", "h", "hr", "hour", "hours", "d", "day",
        "days", "w", "week", "weeks",
    ];
    let mut rest = word;
    while !rest.is_empty() {
        let end = rest.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(rest.len());
        let (number, after) = rest.split_at(end);
        let (unit, after) = after.split_at(after.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(after.len()));
        if !unsigned(number) || !UNITS.contains(&unit) {
            return false;
        }
        rest = after;
    }
    !word.is_empty() && word.len() <= 64
}

/// Points in time as systemd.time(7), date(1) and sar(1) write them: dates, clock times, `-1h`, `2 hours ago`, `yesterday`, `@1700000000`.
/// A slash only between digits, so that it is never a path; a sign only before a digit, so that it is never an option.
fn is_time(word: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || " :.,+-@/".contains(c);
    let slashes = word.match_indices('/').all(|(at, _)| {
        let digit = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_digit);
        at > 0 && digit(word.as_bytes().get(at - 1)) && digit(word.as_bytes().get(at + 1))
    });
    let signed = word.strip_prefix(['+', '-']).is_none_or(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
    !word.is_empty() && word.len() <= 64 && word.chars().all(allowed) && slashes && signed && !word.contains("..")
}

/// Numbers with the suffixes of head(1), find(1) and du(1).
fn is_size(word: &str) -> bool {
    let end = word.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(word.len());
    let (number, unit) = word.split_at(end);
    let unit = unit.strip_suffix("iB").or_else(|| unit.strip_suffix('B')).unwrap_or(unit);
    unsigned(number) && unit.len() <= 1 && unit.chars().all(|c| "kKmMgGtTpPeEbcw".contains(c))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_type_takes_what_it_says_and_nothing_that_climbs_or_escapes() {
        for (name, yes, no) in [
            ("number", &["1", "-1.5", ".5", "1e9", "+2."][..], &["", "-", ".", "1x", "e5", "1e"][..]),
            ("word", &["abc", "a.b:c@d", "vm.swappiness", "%cpu"[1..].into()], &["", "-x", "a/b", "..", "a..b", "x=1", "a b", ".", "$x"]),
            ("name", &["eth0", "kube-system", "a_b.c"], &["", "a/b", "a:b", "-a", "..", "a..b"]),
            ("text", &["", "a b", "$(x)", "-x"], &[]),
            ("host", &["db-3", "a.b.example", "10.0.0.1", "::1", "fe80::1%eth0"], &["", "-h", "a/b", "u@h", "a b", "a..b"]),
            ("ip", &["10.0.0.1", "::1", "fe80::1%eth0"], &["10.0.0", "host", "10.0.0.1%x", "1.2.3.4/8"]),
            ("cidr", &["10.0.0.0/8", "10.1.2.3", "fd00::/8", "0.0.0.0/0"], &["10.0.0.0/33", "x/8", "10.0.0.0/", "10.0.0.0/-1"]),
            ("port", &["1", "65535"], &["0", "65536", "-1", "http", "+80"]),
            (
                "url",
                &["http://h", "https://h:8443/a?b=c&d", "http://[::1]:80/x", "http://10.0.0.1/"],
                &[
                    "file:///etc/passwd",
                    "gopher://h",
                    "http://",
                    "http://u@h/",
                    "http://h/{a,b}",
                    "http://h/[1-9]",
                    "HTTP:/x",
                    "http://h x",
                    "http://[::1]x/",
                ],
            ),
            ("pid", &["1", "4194304"], &["0", "-1", "4194305", "self"]),
            ("user", &["root", "_apt", "www-data", "1000", "j.doe"], &["", "-r", "a/b", "a:b", "a b"]),
            ("unit", &["postgresql@15-main.service", "a:b.mount", r"dev-disk\x2d1"], &["", "-x", "../x", "a/b", "a b"]),
            ("iface", &["eth0", "br-lan.5", "veth12"], &["", "averyveryverylongname", "../x", "a/b"]),
            ("signal", &["HUP", "SIGTERM", "9", "0", "usr1"], &["", "FOO", "65", "-9"]),
            ("duration", &["5", "1.5s", "2h30min", "10ms"], &["", "x", "5y", "-1s", "1h 2m"]),
            (
                "time",
                &["-1h", "2026-11-21 03:00:00", "yesterday", "2 hours ago", "@1700000000", "01/02/2026"],
                &["", "/etc", "a/b", "--x", "-o", "$(x)", "1/../2"],
            ),
            ("size", &["10", "1.5M", "64KiB", "512c", "2GB"], &["", "M", "1Q", "1MMM", "-1"]),
        ] {
            let lexical = Lexical::by_name(name).unwrap();
            yes.iter().for_each(|word| assert_eq!(lexical.takes(word), Ok(true), "<{name}> {word:?}"));
            no.iter().for_each(|word| assert_eq!(lexical.takes(word), Ok(false), "<{name}> {word:?}"));
        }
    }
}
