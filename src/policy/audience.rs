//! Whom the files of a policy are for: as their own words say it, and as somebody whom they are for.
//!
//! Who may run a line depends on a person only through the files that are in force for them. So it is enough to ask for one person of each
//! kind that the files tell apart. Of addresses those are found exactly: networks begin and end somewhere, and in between nothing changes.
//! Of hosts there is one for each pattern, for each two patterns that have a host in common, and one that none matches; of persons each
//! account that is named and one that is not, in none of the groups that are named, in one, in each two, and in all.

use std::collections::{BTreeSet, HashSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::glob;
use super::rule::{Scope, Subject};

/// An account, and a host, that no file has to name.
const ACCOUNT: &str = "breakglass";
const HOST: &str = "host";

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
    let mut subject = anyone();
    let named = scope.accounts.iter().find(|account| !account.starts_with('!'));
    match named.map(|account| (account, account.strip_prefix('%'))) {
        Some((_, Some(group))) => subject.groups.push(group.to_owned()),
        Some((account, None)) => subject.account = account.clone(),
        None => {}
    }
    subject.home = home(&subject.account);
    let hosts = hosts(std::slice::from_ref(scope));
    let admitted = |host: &&String| scope.admits(&Subject { host: (*host).clone(), ..sampled_address(scope, subject.clone()) });
    let named = scope.hosts.iter().filter(|pattern| !pattern.contains(['*', '?', '[', '!']));
    if let Some(host) = named.chain(&hosts).find(admitted).filter(|_| !scope.hosts.is_empty()) {
        subject.host = host.clone();
    }
    sampled_address(scope, subject)
}

fn sampled_address(scope: &Scope, subject: Subject) -> Subject {
    let first = scope.from.first().and_then(|network| Some(ends(network)?.0));
    Subject { from: first, ..subject }
}

/// One person of each kind that the files tell apart. The order is always the same.
pub fn kinds(scopes: &[Scope]) -> Vec<Subject> {
    let only = |respect: fn(&Scope) -> Scope| scopes.iter().map(respect).collect::<Vec<Scope>>();
    let of_hosts = only(|scope| Scope { hosts: scope.hosts.clone(), ..Scope::default() });
    let of_accounts = only(|scope| Scope { accounts: scope.accounts.clone(), ..Scope::default() });
    let of_addresses = only(|scope| Scope { from: scope.from.clone(), ..Scope::default() });
    let hosts = hosts(scopes).into_iter().map(|host| Subject { host, ..anyone() });
    let addresses = addresses(scopes).into_iter().map(|from| Subject { from, ..anyone() });
    let hosts = distinct(hosts.map(|subject| Kind::of(&of_hosts, subject)));
    let addresses = distinct(addresses.map(|subject| Kind::of(&of_addresses, subject)));
    let persons = distinct(persons(scopes).into_iter().map(|subject| Kind::of(&of_accounts, subject)));
    let places = crossed(&addresses, &hosts, |place, host| Subject { host: host.host.clone(), ..place.clone() });
    let all = crossed(&persons, &places, |person, place| Subject { host: place.host.clone(), from: place.from, ..person.clone() });
    all.into_iter().map(|kind| kind.subject).collect()
}

/// Somebody, and of each file whether its allows are in force for them and whether its denies are, as far as one respect goes.
struct Kind {
    subject: Subject,
    /// One bit for each of them, so that two respects are put together at the cost of a few words.
    in_force: Vec<u64>,
}

impl Kind {
    /// By files that say nothing in other respects.
    fn of(scopes: &[Scope], subject: Subject) -> Kind {
        let flags = scopes.iter().flat_map(|scope| [scope.admits(&subject), scope.denies(&subject)]);
        let flags: Vec<bool> = flags.collect();
        let word = |flags: &[bool]| flags.iter().rev().fold(0, |word, flag| word << 1 | u64::from(*flag));
        Kind { in_force: flags.chunks(64).map(word).collect(), subject }
    }
}

/// The first of those who are alike.
fn distinct(kinds: impl Iterator<Item = Kind>) -> Vec<Kind> {
    let mut seen = HashSet::new();
    kinds.filter(|kind| seen.insert(kind.in_force.clone())).collect()
}

/// Everybody of the first with everything of the second; both are done at once, so that there are never more than differ.
fn crossed(first: &[Kind], second: &[Kind], put: impl Fn(&Subject, &Subject) -> Subject) -> Vec<Kind> {
    let (mut seen, mut found) = (HashSet::new(), Vec::new());
    for one in first {
        for other in second {
            let in_force: Vec<u64> = one.in_force.iter().zip(&other.in_force).map(|(one, other)| one & other).collect();
            if !seen.contains(&in_force) {
                seen.insert(in_force.clone());
                found.push(Kind { subject: put(&one.subject, &other.subject), in_force });
            }
        }
    }
    found
}

fn bare(pattern: &str) -> &str {
    pattern.trim_start_matches('!')
}

fn hosts(scopes: &[Scope]) -> Vec<String> {
    let patterns: BTreeSet<&str> = scopes.iter().flat_map(|scope| &scope.hosts).map(|pattern| bare(pattern)).collect();
    let mut found = vec![HOST.to_owned(), "another-host".to_owned()];
    // Several, for a `!` pattern may name one of them.
    for filler in ['x', '7', 'q'] {
        found.extend(patterns.iter().filter_map(|pattern| glob::common(pattern, "*", filler)));
        for one in &patterns {
            let others = patterns.iter().filter(|other| *other > one);
            found.extend(others.filter_map(|other| glob::common(one, other, filler)));
        }
    }
    found
}

fn persons(scopes: &[Scope]) -> Vec<Subject> {
    let named: BTreeSet<&str> = scopes.iter().flat_map(|scope| &scope.accounts).map(|account| bare(account)).collect();
    let (groups, accounts): (Vec<&str>, Vec<&str>) = named.iter().partition(|name| name.starts_with('%'));
    let groups: Vec<String> = groups.iter().map(|group| group.trim_start_matches('%').to_owned()).collect();
    let mut memberships = vec![Vec::new()];
    memberships.extend(groups.iter().map(|group| vec![group.clone()]));
    for (index, one) in groups.iter().enumerate() {
        memberships.extend(groups.iter().skip(index + 1).map(|other| vec![one.clone(), other.clone()]));
    }
    memberships.push(groups);
    let other = ["somebody", "somebody-else"].into_iter().find(|other| !named.contains(other));
    let mut persons = Vec::new();
    for account in other.into_iter().chain(accounts) {
        let of = |groups: &Vec<String>| Subject { account: account.to_owned(), home: home(account), groups: groups.clone(), ..anyone() };
        persons.extend(memberships.iter().map(of));
    }
    persons
}

/// An address that is not known, the lowest ones of all, and the ends of each network and what is behind them.
fn addresses(scopes: &[Scope]) -> Vec<Option<IpAddr>> {
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
            scope(&["web-?.example.com", "db[0-9]"], &["ada"], &["192.0.2.7/32"]),
        ] {
            let sample = sample(&scope);
            assert!(scope.admits(&sample), "{scope:?}: {sample:?}");
        }
    }

    #[test]
    fn each_kind_of_person_that_files_tell_apart_is_there() {
        // Each scope by itself, each pair that can hold together, and nobody's.
        let scopes = [
            scope(&["db-*"], &["%oncall"], &[]),
            scope(&["*-eu"], &["%dba"], &["10.0.0.0/8"]),
            scope(&[], &["!%guests"], &["10.1.0.0/16", "::1/128"]),
        ];
        let kinds = kinds(&scopes);
        let seen: BTreeSet<Vec<bool>> = kinds.iter().map(|subject| scopes.iter().map(|scope| scope.admits(subject)).collect()).collect();
        let all: Vec<Vec<bool>> = (0..8).map(|bits| (0..3).map(|bit| bits & (1 << bit) != 0).collect()).collect();
        assert_eq!(seen, all.into_iter().collect());
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
