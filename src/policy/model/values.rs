//! The notations of single values: durations, sizes, networks, names, paths. Each function says what is wrong and how to mend it.

use std::net::IpAddr;

use crate::policy::findings::Mistake;
use crate::policy::run_as::RunAsParts;
use crate::policy::settings::PROTECTIONS;
use crate::sys::capability;
use crate::words::{Safe, limits, suggest};

/// Milliseconds of `90s`, `5m`, `2h`, `1d`, or several together, the larger unit first: `1h30m`.
pub fn duration(text: &str) -> Result<u64, Mistake> {
    const UNITS: [(&str, u64); 4] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000)];
    let help = "write a number and a unit of s, m, h, d: 90s, 5m, 1h30m";
    let wrong = || Mistake::new("not a duration").with_help(help);
    let (mut rest, mut total, mut units) = (text, 0u64, UNITS.iter());
    while !rest.is_empty() {
        let (number, tail) = leading_number(rest).ok_or_else(wrong)?;
        let (unit, factor) = units.find(|(unit, _)| tail.starts_with(unit)).ok_or_else(wrong)?;
        total = number.checked_mul(*factor).and_then(|part| total.checked_add(part)).ok_or_else(wrong)?;
        rest = tail.strip_prefix(unit).unwrap_or("");
    }
    match total {
        0 if text.is_empty() => Err(wrong()),
        0 => Err(Mistake::new("a duration of nothing").with_help("leave it out where there is to be no bound")),
        total => Ok(total),
    }
}

/// Bytes of `512`, `64KiB`, `16MiB`, `10MB`.
pub fn size(text: &str) -> Result<u64, Mistake> {
    let wrong = || Mistake::new("not a size").with_help("write a number of bytes, or one with KiB, MiB, GiB, TiB, kB, MB, GB, TB");
    let (number, unit) = leading_number(text).ok_or_else(wrong)?;
    let factor = match unit {
        "" | "B" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        "TiB" => 1 << 40,
        "kB" | "KB" => 1000,
        "MB" => 1_000_000,
        "GB" => 1_000_000_000,
        "TB" => 1_000_000_000_000,
        _ => return Err(wrong()),
    };
    match number.checked_mul(factor).ok_or_else(wrong)? {
        0 => Err(Mistake::new("a size of nothing").with_help("leave it out where there is to be no bound")),
        size => Ok(size),
    }
}

/// A whole number from 1.
pub fn count(text: &str) -> Result<u64, Mistake> {
    text.parse().ok().filter(|number| *number > 0).ok_or_else(|| Mistake::new("not a whole number from 1"))
}

fn leading_number(text: &str) -> Option<(u64, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (digits, rest) = text.split_at_checked(end)?;
    Some((digits.parse().ok()?, rest))
}

/// A network as `address/bits`; a plain address is a network of one.
pub fn network(text: &str) -> Result<String, Mistake> {
    let (address, bits) = text.split_once('/').map_or((text, None), |(address, bits)| (address, Some(bits)));
    let wrong = || Mistake::new("not an address or a network").with_help("write 192.0.2.7, 10.0.0.0/8 or 2001:db8::/32");
    let address: IpAddr = address.parse().map_err(|_| wrong())?;
    if let IpAddr::V6(v6) = address
        && let Some(v4) = v6.to_ipv4_mapped()
    {
        return Err(Mistake::new("an IPv4 address in IPv6 notation").with_help(format!("write the IPv4 form: {v4}")));
    }
    let most: u32 = if address.is_ipv4() { 32 } else { 128 };
    let decimal = |bits: &&str| !bits.is_empty() && bits.bytes().all(|byte| byte.is_ascii_digit());
    let bits = bits.map_or(Ok(most), |bits| Some(bits).filter(decimal).and_then(|bits| bits.parse().ok()).ok_or_else(wrong))?;
    if bits > most {
        return Err(Mistake::new(format!("a network of more than {most} bits")));
    }
    let first = masked(address, bits);
    if first != address {
        let help = format!("write {first}/{bits} for the network, {address}/{most} for the one address");
        return Err(Mistake::new("bits are set behind the network's own").with_help(help));
    }
    Ok(format!("{address}/{bits}"))
}

/// The first address of the network of `bits` that `address` is in.
fn masked(address: IpAddr, bits: u32) -> IpAddr {
    match address {
        IpAddr::V4(v4) => IpAddr::V4((u32::from(v4) & u32::MAX.checked_shl(32 - bits).unwrap_or(0)).into()),
        IpAddr::V6(v6) => IpAddr::V6((u128::from(v6) & u128::MAX.checked_shl(128 - bits).unwrap_or(0)).into()),
    }
}

/// A glob on host names, `!` in front for "not".
pub fn host(text: &str) -> Result<String, Mistake> {
    let glob = text.strip_prefix('!').unwrap_or(text);
    let fits = |c: char| c.is_ascii_alphanumeric() || "-._*?[]^".contains(c);
    if glob.len() > limits::HOST_BYTES {
        return Err(Mistake::new(format!("a glob of more than {} bytes", limits::HOST_BYTES)).with_help("no host's name is as long"));
    }
    match !glob.is_empty() && glob.chars().all(fits) {
        true => Ok(text.to_owned()),
        false => {
            Err(Mistake::new("not a glob on host names").with_help("write a name, with * ? [a-z] where it varies, ! in front for \"not\""))
        }
    }
}

/// An account or `%group`, `!` in front for "not".
pub fn account(text: &str) -> Result<String, Mistake> {
    let name = text.strip_prefix('!').unwrap_or(text);
    user(name.strip_prefix('%').unwrap_or(name))
        .map_err(|mistake| mistake.with_help("write an account or %group, ! in front for \"not\""))?;
    Ok(text.to_owned())
}

/// The name of a user or a group.
pub fn user(text: &str) -> Result<String, Mistake> {
    let fits = |c: char| c.is_alphanumeric() || "._-@\\$".contains(c);
    let starts = text.starts_with(|c: char| c.is_alphanumeric() || c == '_');
    match starts && text.len() <= 256 && text.chars().all(fits) {
        true => Ok(text.to_owned()),
        false => Err(Mistake::new("not the name of a user")),
    }
}

/// Whom a command runs as: `USER`, `USER:GROUP`, or `:GROUP` for the account with that primary group.
pub fn run_as(text: &str) -> Result<String, Mistake> {
    let help = "write USER, USER:GROUP, or :GROUP for the account itself with that group";
    let RunAsParts { user: name, group } = RunAsParts::of(text);
    if name.is_none() && group.is_none() {
        return Err(Mistake::new("not the name of a user").with_help(help));
    }
    name.map_or(Ok(String::new()), user).map_err(|mistake| mistake.with_help(help))?;
    group.map_or(Ok(String::new()), user).map_err(|_| Mistake::new("not the name of a group").with_help(help))?;
    Ok(text.to_owned())
}

/// The name of a type, a part or a confinement.
pub fn name(text: &str) -> Result<String, Mistake> {
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_';
    match text.starts_with(|c: char| c.is_ascii_lowercase()) && text.chars().all(fits) {
        true => Ok(text.to_owned()),
        false => Err(Mistake::new("not a name").with_help("names are made of a-z, 0-9, - and _, and begin with a letter")),
    }
}

/// An absolute path without `.`, `..`, empty names or a trailing `/`.
pub fn path(text: &str) -> Result<String, Mistake> {
    let rest = text.strip_prefix('/').ok_or_else(|| Mistake::new("not an absolute path").with_help("begin it with /"))?;
    if !rest.is_empty() && rest.split('/').any(|name| matches!(name, "" | "." | "..")) {
        return Err(Mistake::new("not a plain path").with_help("write it without `.`, `..`, `//` and a trailing /"));
    }
    Ok(text.to_owned())
}

/// An absolute path that may hold `*`, `?`, `[…]` and `**`; a leading `~` is the account's home directory.
pub fn path_glob(text: &str) -> Result<String, Mistake> {
    let absolute = match text.strip_prefix('~') {
        Some("") => "/",
        Some("/") => "//",
        Some(rest) => rest,
        None => text,
    };
    path(absolute).map(|_| text.to_owned())
}

/// A transport and a port, or one port of any transport: `tcp:443`, `udp:53`, `443`.
pub fn port(text: &str) -> Result<String, Mistake> {
    let number = text.strip_prefix("tcp:").or_else(|| text.strip_prefix("udp:")).unwrap_or(text);
    match number.parse::<u16>() {
        Ok(1..) if !number.starts_with(['+', '0']) => Ok(text.to_owned()),
        _ => Err(Mistake::new("not a port").with_help("write tcp:443, udp:53 or 443")),
    }
}

/// A capability as capabilities(7) writes it; `net_raw` is taken for `CAP_NET_RAW`.
pub fn capability(text: &str) -> Result<String, Mistake> {
    let upper = text.to_ascii_uppercase();
    let bare = upper.strip_prefix("CAP_").unwrap_or(&upper);
    if capability::NAMES.contains(&bare) {
        return Ok(format!("CAP_{bare}"));
    }
    let help = match suggest::nearest(bare, capability::NAMES) {
        Some(near) => format!("did you mean `CAP_{near}`?"),
        None => "capabilities(7) lists them".to_owned(),
    };
    Err(Mistake::new(format!("no capability `{}`", Safe(text.as_bytes()))).with_help(help))
}

/// The name of a protection.
pub fn protection(text: &str) -> Result<String, Mistake> {
    if PROTECTIONS.contains(&text) {
        return Ok(text.to_owned());
    }
    let help = match suggest::nearest(text, PROTECTIONS) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("known ones: {}", PROTECTIONS.join(", ")),
    };
    Err(Mistake::new(format!("no protection `{}`", Safe(text.as_bytes()))).with_help(help))
}

/// A syslog facility that a program other than the kernel may use.
pub fn facility(text: &str) -> Result<String, Mistake> {
    const NAMES: [&str; 11] = ["auth", "authpriv", "cron", "daemon", "ftp", "lpr", "mail", "news", "syslog", "user", "uucp"];
    let local = text.strip_prefix("local").is_some_and(|digit| matches!(digit.as_bytes(), [b'0'..=b'7']));
    match local || NAMES.contains(&text) {
        true => Ok(text.to_owned()),
        false => Err(Mistake::new("no syslog facility of that name").with_help(format!("one of {}, local0 to local7", NAMES.join(", ")))),
    }
}

/// The name of an environment variable that does not decide how programs are found, loaded or run.
pub fn environment_name(text: &str) -> Result<String, Mistake> {
    let fits = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
    if !text.starts_with(|c: char| c.is_ascii_uppercase() || c == '_') || !text.chars().all(fits) {
        let help = "names are made of A-Z, 0-9 and _, and do not begin with a digit";
        return Err(Mistake::new("not the name of an environment variable").with_help(help));
    }
    let refused = FORBIDDEN_ENVIRONMENT.iter().find(|(pattern, _)| match pattern.strip_suffix('*') {
        Some(prefix) => text.starts_with(prefix),
        None => text == *pattern || pattern.strip_prefix('*').is_some_and(|suffix| text.ends_with(suffix)),
    });
    match refused {
        None => Ok(text.to_owned()),
        Some((_, reason)) => Err(Mistake::new(format!("`{text}` may not be set: {reason}"))),
    }
}

/// Variables that would undo a door, with the reason. `*` stands at one end.
const FORBIDDEN_ENVIRONMENT: &[(&str, &str)] = &[
    ("PATH", "programs are found on the fixed PATH; add directories under `path:`"),
    ("HOME", "the shell sets it; `home: account` in a rule opts out"),
    ("XDG_*", "the shell sets it; `home: account` in a rule opts out"),
    ("SHELL", "it would start a shell"),
    ("USER", "the shell sets it"),
    ("LOGNAME", "the shell sets it"),
    ("TERM", "the shell passes on what the client says"),
    ("TERMINFO*", "it decides what programs send to the terminal"),
    ("TERMCAP", "it decides what programs send to the terminal"),
    ("LD_*", "it decides which libraries are loaded"),
    ("GLIBC_TUNABLES", "it changes how programs are loaded"),
    ("GCONV_PATH", "it decides which libraries are loaded"),
    ("MALLOC_*", "it changes how programs are loaded"),
    ("OPENSSL_*", "it decides which libraries are loaded"),
    ("IFS", "shells split words by it"),
    ("ENV", "shells run it"),
    ("BASH*", "shells run it"),
    ("SHELLOPTS", "it changes what shells run"),
    ("CDPATH", "it changes what shells run"),
    ("PROMPT_COMMAND", "shells run it"),
    ("PS4", "shells run it"),
    ("PYTHON*", "it decides which code Python loads"),
    ("PERL*", "it decides which code Perl loads"),
    ("RUBY*", "it decides which code Ruby loads"),
    ("GEM_*", "it decides which code Ruby loads"),
    ("NODE_*", "it decides which code Node.js loads"),
    ("JAVA_TOOL_OPTIONS", "it decides which code Java loads"),
    ("JDK_JAVA_OPTIONS", "it decides which code Java loads"),
    ("_JAVA_OPTIONS", "it decides which code Java loads"),
    ("CLASSPATH", "it decides which code Java loads"),
    ("AWK*", "it decides which code awk loads"),
    ("LUA_*", "it decides which code Lua loads"),
    ("TCL*", "it decides which code Tcl loads"),
    ("GIT_*", "git runs programs that it names"),
    ("LESS*", "less runs programs that it names"),
    ("*PAGER", "programs run it"),
    ("SYSTEMD_*", "it changes the pager and the editor that are run"),
    ("EDITOR", "programs run it"),
    ("*_EDITOR", "programs run it"),
    ("VISUAL", "programs run it"),
    ("BROWSER", "programs run it"),
    ("SSH_*", "sshd sets it, and ssh runs programs that it names"),
    ("SUDO_*", "sudo sets it, and runs programs that it names"),
];

/// The value of an environment variable: one line of printable text.
pub fn environment_value(text: &str) -> Result<String, Mistake> {
    match text.len() <= 1024 {
        true => Ok(text.to_owned()),
        false => Err(Mistake::new("longer than 1024 bytes")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_milliseconds() {
        for (text, milliseconds) in [("90s", 90_000), ("5m", 300_000), ("2h", 7_200_000), ("1d", 86_400_000), ("1h30m", 5_400_000)] {
            assert_eq!(duration(text), Ok(milliseconds), "{text}");
        }
        for text in ["", "60", "5 m", "m", "1m1h", "1m1m", "-5s", "1.5h", "5ms", "0s", "99999999999999999d", "18446744073709551616s"] {
            assert!(duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn sizes_are_bytes() {
        for (text, bytes) in [("512", 512), ("64KiB", 65_536), ("16MiB", 16 << 20), ("10MB", 10_000_000), ("1TiB", 1 << 40)] {
            assert_eq!(size(text), Ok(bytes), "{text}");
        }
        for text in ["", "0", "MiB", "1mb", "1.5GiB", "-1", "16 MiB", "99999999TiB"] {
            assert!(size(text).is_err(), "{text}");
        }
    }

    #[test]
    fn networks_are_normal_and_a_slip_is_corrected() {
        for (text, normal) in [
            ("10.0.0.0/8", "10.0.0.0/8"),
            ("192.0.2.7", "192.0.2.7/32"),
            ("2001:DB8::/32", "2001:db8::/32"),
            ("::1", "::1/128"),
            ("0.0.0.0/0", "0.0.0.0/0"),
            ("::/0", "::/0"),
        ] {
            assert_eq!(network(text).as_deref(), Ok(normal), "{text}");
        }
        for text in ["", "10.0.0.0/33", "10.0/8", "db-1", "10.0.0.0/", "10.0.0.0/+8", "::ffff:10.0.0.1", "2001:db8::/129", "10.0.0.0/8/8"] {
            assert!(network(text).is_err(), "{text}");
        }
        let help = network("10.1.2.3/8").unwrap_err().help.unwrap();
        assert!(help.contains("10.0.0.0/8") && help.contains("10.1.2.3/32"), "{help}");
    }

    #[test]
    fn names_and_paths_are_plain() {
        let fits = |parse: fn(&str) -> Result<String, Mistake>, good: &[&str], bad: &[&str]| {
            good.iter().for_each(|text| assert_eq!(parse(text).as_deref(), Ok(*text)));
            bad.iter().for_each(|text| assert!(parse(text).is_err(), "{text}"));
        };
        fits(host, &["db-*", "!db-canary", "web[0-9].example.com"], &["", "!", "db 1", "a/b", "!!a", "db;id"]);
        fits(account, &["breakglass", "%oncall", "!%admins", "svc_1@example.com"], &["", "%", "!", "a b", "a:b", "%!a", "-a", "*"]);
        let people = ["web", "root", "web:adm", ":adm", "svc_1@example.com:domain$"];
        fits(run_as, &people, &["", ":", "web:", "a:b:c", "a b", ":a b", "-web", "web:-adm", "%adm", ":%adm", "!web"]);
        fits(name, &["unit", "pg-log", "a1_b"], &["", "Unit", "1a", "a:b", "a b", "a<b"]);
        fits(path, &["/", "/var/log", "/a b"], &["", "var", "/var/", "//", "/a/../b", "/./a", "~/x"]);
        fits(path_glob, &["~", "~/.ssh", "/var/log/**", "/etc/*.conf"], &["", "~user/x", "var/*", "/a/../*", "~/"]);
        fits(port, &["443", "tcp:443", "udp:53"], &["", "0", "65536", "tcp:", "sctp:1", "+443", "tcp:+1", "0443"]);
        fits(facility, &["authpriv", "local0", "local7"], &["", "kern", "local8", "local", "AUTH"]);
    }

    #[test]
    fn capabilities_have_one_spelling() {
        for text in ["net_raw", "CAP_NET_RAW", "cap_net_raw", "NET_RAW"] {
            assert_eq!(capability(text).as_deref(), Ok("CAP_NET_RAW"));
        }
        assert_eq!(capability("net_row").unwrap_err().help.as_deref(), Some("did you mean `CAP_NET_RAW`?"));
    }

    #[test]
    fn variables_that_decide_what_runs_are_refused_with_a_reason() {
        for text in ["PGHOST", "_X", "TZ", "LANG", "KUBECONFIG"] {
            assert!(environment_name(text).is_ok(), "{text}");
        }
        for text in ["LD_PRELOAD", "PATH", "IFS", "HOME", "BASH_ENV", "ENV", "PYTHONPATH", "PERL5OPT", "GIT_SSH", "MANPAGER", "PAGER"] {
            assert!(environment_name(text).unwrap_err().message.contains(&format!("`{text}` may not be set: ")), "{text}");
        }
        for text in ["", "lower", "1A", "A-B", "A=B", "A B"] {
            assert!(environment_name(text).is_err(), "{text}");
        }
    }
}
