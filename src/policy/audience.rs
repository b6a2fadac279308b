//! Whom the files of a policy are for: as their own words say it, and as somebody whom they are for.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::glob;
use super::rule::{Scope, Subject};

/// An account, and a host, that no file has to name.
const ACCOUNT: &str = "breakglass";
const HOST: &str = "host";

/// What globs leave open: several, for a `!` pattern may name one of them.
pub const FILLERS: [char; 3] = ['x', '7', 'q'];

/// Patterns of a file that are tried for a sample, which the first of them gives nearly always.
const CANDIDATES: usize = 50;

/// Somebody of whom nothing is known.
pub fn anyone() -> Subject {
    Subject {
        host: HOST.to_owned(),
        account: ACCOUNT.to_owned(),
        groups: Vec::new(),
        home: home(ACCOUNT),
        from: None,
        terminal: false,
        can_become: true,
    }
}

/// The home directory that is taken for an account's: no machine is asked.
pub fn home(account: &str) -> String {
    format!("/home/{account}")
}

/// Somebody whom a file is for, where there is one: by the first account or group, host and network that it names.
pub fn sample(scope: &Scope) -> Subject {
    let person = sampled_person(scope);
    let of_hosts = Scope { hosts: scope.hosts.clone(), ..Scope::default() };
    let on = |host: String| Subject { host, ..anyone() };
    let host = sampled_hosts(scope).find(|host| of_hosts.admits(&on(host.clone())));
    let from = scope.from.first().and_then(|network| Some(ends(network)?.0));
    Subject { host: host.unwrap_or_else(|| HOST.to_owned()), from, ..person }
}

fn sampled_person(scope: &Scope) -> Subject {
    let of_accounts = Scope { accounts: scope.accounts.clone(), ..Scope::default() };
    let named = scope.accounts.iter().filter(|account| !account.starts_with('!')).take(CANDIDATES);
    let in_none = Vec::new;
    let mut persons = named.flat_map(|name| match name.strip_prefix('%') {
        Some(group) => others(&scope.accounts).map(|account| someone(&account, vec![group.to_owned()])).collect(),
        None => vec![someone(name, in_none())],
    });
    let found = persons.find(|person| of_accounts.admits(person));
    let unnamed = || others(&scope.accounts).map(|account| someone(&account, in_none())).find(|person| of_accounts.admits(person));
    found.or_else(unnamed).unwrap_or_else(anyone)
}

/// The host that no file has to name, hosts that are named, and one that each glob matches, a few for each.
fn sampled_hosts(scope: &Scope) -> impl Iterator<Item = String> {
    let open = scope.hosts.is_empty().then(|| HOST.to_owned());
    let (globs, named): (Vec<&String>, Vec<&String>) =
        scope.hosts.iter().filter(|pattern| !pattern.starts_with('!')).partition(|pattern| pattern.contains(['*', '?', '[']));
    let globs = globs.into_iter().take(CANDIDATES);
    let matching = globs.flat_map(|glob| FILLERS.into_iter().filter_map(move |filler| glob::common(glob, "*", filler)));
    open.into_iter().chain(named.into_iter().take(CANDIDATES).cloned()).chain(matching).chain(unnamed_hosts().map(str::to_owned))
}

/// Hosts for files that only say which they are not for.
pub fn unnamed_hosts() -> impl Iterator<Item = &'static str> {
    [HOST, "another-host", "x", "7", "q"].into_iter()
}

/// The account that no file has to name, and one that these do not name.
pub fn others(named: &[String]) -> impl Iterator<Item = String> {
    let named: BTreeSet<&str> = named.iter().map(|name| bare(name)).collect();
    let numbered = (1..=named.len() + 1).map(|number| format!("somebody-{number}"));
    let free = std::iter::once("somebody".to_owned()).chain(numbered).find(|name| !named.contains(name.as_str()));
    std::iter::once(ACCOUNT.to_owned()).chain(free)
}

/// An account in these groups.
pub fn someone(account: &str, groups: Vec<String>) -> Subject {
    Subject { account: account.to_owned(), home: home(account), groups, ..anyone() }
}

/// A pattern without its `!`.
pub fn bare(pattern: &str) -> &str {
    pattern.trim_start_matches('!')
}

/// An address that is not known, the lowest ones of all, and the ends of each network and what is behind them.
pub fn addresses(scopes: &[Scope]) -> Vec<Option<IpAddr>> {
    let lowest = [IpAddr::V4(Ipv4Addr::UNSPECIFIED), IpAddr::V6(Ipv6Addr::UNSPECIFIED)];
    let mut found = vec![None, Some(lowest[0]), Some(lowest[1])];
    for (first, last) in scopes.iter().flat_map(|scope| &scope.from).filter_map(|network| ends(network)) {
        found.extend([Some(first), next(last)]);
    }
    found
}

/// The first and the last address of `address/bits`.
fn ends(network: &str) -> Option<(IpAddr, IpAddr)> {
    let (base, bits) = network.split_once('/').map_or((network, None), |(base, bits)| (base, Some(bits)));
    let base: IpAddr = base.parse().ok()?;
    let bits: u32 = bits.map_or(Ok(128), str::parse).ok()?;
    Some(match base {
        IpAddr::V4(base) => {
            let host = u32::MAX.checked_shr(bits.min(32)).unwrap_or(0);
            (Ipv4Addr::from_bits(base.to_bits() & !host).into(), Ipv4Addr::from_bits(base.to_bits() | host).into())
        }
        IpAddr::V6(base) => {
            let host = u128::MAX.checked_shr(bits.min(128)).unwrap_or(0);
            (Ipv6Addr::from_bits(base.to_bits() & !host).into(), Ipv6Addr::from_bits(base.to_bits() | host).into())
        }
    })
}

fn next(address: IpAddr) -> Option<IpAddr> {
    match address {
        IpAddr::V4(address) => address.to_bits().checked_add(1).map(|bits| Ipv4Addr::from_bits(bits).into()),
        IpAddr::V6(address) => address.to_bits().checked_add(1).map(|bits| Ipv6Addr::from_bits(bits).into()),
    }
}

/// Whom a file is for, as it says it: `%oncall on db-* from 10.0.0.0/8`; `everyone` if it says nothing.
pub fn words(scope: &Scope) -> String {
    let accounts = list(&scope.accounts).unwrap_or_else(|| "everyone".to_owned());
    let hosts = list(&scope.hosts).map(|hosts| format!(" on {hosts}"));
    let from = list(&scope.from).map(|from| format!(" from {from}"));
    [Some(accounts), hosts, from].into_iter().flatten().collect()
}

/// A person in words: `ada (%oncall) on db-1 from 10.0.0.7`.
pub fn person(subject: &Subject) -> String {
    let groups: Vec<String> = subject.groups.iter().map(|group| format!("%{group}")).collect();
    let groups = if groups.is_empty() { String::new() } else { format!(" ({})", groups.join(", ")) };
    let from = subject.from.map_or_else(String::new, |from| format!(" from {from}"));
    format!("{}{groups} on {}{from}", subject.account, subject.host)
}

/// `a, b (but not c)`.
fn list(patterns: &[String]) -> Option<String> {
    let (without, with): (Vec<&str>, Vec<&str>) = patterns.iter().map(String::as_str).partition(|pattern| pattern.starts_with('!'));
    let without: Vec<&str> = without.into_iter().map(bare).collect();
    match (with.is_empty(), without.is_empty()) {
        (true, true) => None,
        (false, true) => Some(with.join(", ")),
        (true, false) => Some(format!("all but {}", without.join(", "))),
        (false, false) => Some(format!("{} (but not {})", with.join(", "), without.join(", "))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scope(hosts: &[&str], accounts: &[&str], from: &[&str]) -> Scope {
        let owned = |list: &[&str]| list.iter().map(|text| (*text).to_owned()).collect();
        Scope { hosts: owned(hosts), accounts: owned(accounts), from: owned(from), ..Scope::default() }
    }

    #[test]
    fn a_sample_is_somebody_whom_the_file_is_for() {
        for scope in [
            scope(&[], &[], &[]),
            scope(&["db-*", "!db-canary"], &["breakglass", "%oncall"], &["10.0.0.0/8"]),
            scope(&["!web-*"], &["%oncall", "!root"], &["2001:db8::/32"]),
            scope(&["!host"], &[], &[]),
            scope(&["*"], &["%oncall", "!breakglass"], &[]),
            scope(&["db-[0-9]*", "!db-0x"], &["!breakglass", "!somebody"], &[]),
            scope(&["web-?.example.com", "db[0-9]"], &["ada"], &["192.0.2.7/32"]),
        ] {
            let sample = sample(&scope);
            assert!(scope.admits(&sample), "{scope:?}: {sample:?}");
        }
    }

    /// The time is that of the patterns, and not of their pairs.
    #[test]
    fn a_sample_of_many_patterns_costs_little() {
        let patterns: Vec<String> = (0..1000).map(|number| format!("*rack-{number}-*-{}", "a".repeat(40))).collect();
        let many =
            Scope { hosts: patterns.iter().cloned().chain(patterns.iter().map(|it| format!("!{it}z"))).collect(), ..Scope::default() };
        let began = std::time::Instant::now();
        assert!(many.admits(&sample(&many)));
        assert!(began.elapsed().as_secs() < 2, "{:?}", began.elapsed());
    }

    #[test]
    fn whom_a_file_is_for_reads_as_it_is_written() {
        for (scope, expected) in [
            (scope(&[], &[], &[]), "everyone"),
            (scope(&["db-*"], &["%oncall"], &["10.0.0.0/8"]), "%oncall on db-* from 10.0.0.0/8"),
            (scope(&["db-*", "!db-1"], &["!root"], &[]), "all but root on db-* (but not db-1)"),
        ] {
            assert_eq!(words(&scope), expected);
        }
    }
}
