//! One person of each kind that the files of a policy tell apart, as far as a line has to do with it.
//!
//! Who may run a line depends on a person only through the files that are in force for them. A line that needs several things, such as the
//! commands of a pipeline, is for those who are among the people of one file for each of them; so for each such set of files somebody is
//! looked for whom all of them are for, and somebody of whom also one that denies holds. Addresses and persons are found exactly: networks
//! begin and end somewhere, and somebody may be in all groups together. A host that several globs match is looked for in bounded steps.
//! What the bounds of `words::limits` leave out is said.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use super::audience::{FILLERS, addresses, anyone, bare, others, someone, unnamed_hosts};
use super::glob::{self, Common};
use super::rule::{Scope, Subject};
use crate::words::limits;

/// Some of everybody.
pub struct Kinds {
    pub subjects: Vec<Subject>,
    /// Whether nobody of another kind can have been left out.
    pub complete: bool,
}

/// Files, by their place among all: whom all of `allow` are for, and of whom the denies of `deny` hold.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Set {
    allow: BTreeSet<usize>,
    deny: Option<usize>,
}

/// One person of each kind. Of `needs`, each thing that a line asks for has the files that may give it; `denies` may take it away.
pub fn kinds(scopes: &[Scope], needs: &[BTreeSet<usize>], denies: &BTreeSet<usize>) -> Kinds {
    let mut search = Search::new(scopes);
    for set in search.sets(needs, denies) {
        search.add(&set);
    }
    Kinds { subjects: search.found, complete: search.complete }
}

/// One respect in which people differ: each file as far as it says something of that, and candidates of which no two are alike.
struct Respect {
    scopes: Vec<Scope>,
    candidates: Vec<Kind>,
}

/// Somebody, and of each file whether its allows are in force for them and whether its denies are.
#[derive(Clone)]
struct Kind {
    subject: Subject,
    in_force: Vec<bool>,
}

impl Respect {
    fn new(scopes: Vec<Scope>, candidates: impl Iterator<Item = Subject>) -> Respect {
        let mut seen = HashSet::new();
        let kinds = candidates.map(|subject| Kind::of(&scopes, subject));
        let candidates = kinds.filter(|kind| seen.insert(kind.in_force.clone())).collect();
        Respect { scopes, candidates }
    }

    /// The candidates that are in a set.
    fn within(&self, set: &Set) -> Vec<Kind> {
        self.candidates.iter().filter(|kind| kind.is_in(set)).cloned().collect()
    }
}

impl Kind {
    fn of(scopes: &[Scope], subject: Subject) -> Kind {
        // Only an unknown address is denied what it is not allowed.
        let both = |scope: &Scope| {
            let admits = scope.admits(&subject);
            [admits, if scope.from.is_empty() { admits } else { scope.denies(&subject) }]
        };
        let in_force = scopes.iter().flat_map(both).collect();
        Kind { subject, in_force }
    }

    fn is_in(&self, set: &Set) -> bool {
        let is = |index: usize| self.in_force.get(index) == Some(&true);
        set.allow.iter().all(|scope| is(2 * scope)) && set.deny.is_none_or(|scope| is(2 * scope + 1))
    }
}

struct Search<'s> {
    scopes: &'s [Scope],
    hosts: Respect,
    addresses: Respect,
    accounts: Respect,
    /// Groups of which no two are named by the same files in the same way.
    groups: Vec<String>,
    /// Hosts that sets of files have in common, by the files that name hosts.
    common: BTreeMap<BTreeSet<usize>, Vec<Kind>>,
    seen: HashSet<Vec<bool>>,
    found: Vec<Subject>,
    complete: bool,
}

impl<'s> Search<'s> {
    fn new(scopes: &'s [Scope]) -> Search<'s> {
        let only = |respect: fn(&Scope) -> Scope| scopes.iter().map(respect).collect::<Vec<Scope>>();
        let of_hosts = only(|scope| Scope { hosts: scope.hosts.clone(), ..Scope::default() });
        let of_accounts = only(|scope| Scope { accounts: scope.accounts.clone(), ..Scope::default() });
        let of_addresses = only(|scope| Scope { from: scope.from.clone(), ..Scope::default() });
        let globs: BTreeSet<&str> = scopes.iter().flat_map(|scope| &scope.hosts).map(|pattern| bare(pattern)).collect();
        let single = FILLERS.into_iter().flat_map(|filler| globs.iter().filter_map(move |glob| glob::common(glob, "*", filler)));
        let single = unnamed_hosts().map(str::to_owned).chain(single).take(limits::WHO_NAMES);
        let names: Vec<String> = scopes.iter().flat_map(|scope| scope.accounts.clone()).collect();
        let (groups, accounts): (BTreeSet<&str>, BTreeSet<&str>) =
            names.iter().map(|name| bare(name)).partition(|name| name.starts_with('%'));
        let accounts: Vec<String> = others(&names).chain(accounts.into_iter().map(str::to_owned)).take(limits::WHO_NAMES).collect();
        let froms = addresses(scopes);
        let complete = globs.len() + 5 <= limits::WHO_NAMES && accounts.len() < limits::WHO_NAMES && froms.len() <= 2 * limits::WHO_NAMES;
        let froms = froms.into_iter().take(2 * limits::WHO_NAMES);
        Search {
            scopes,
            hosts: Respect::new(of_hosts, single.map(|host| Subject { host, ..anyone() })),
            addresses: Respect::new(of_addresses, froms.map(|from| Subject { from, ..anyone() })),
            accounts: Respect::new(of_accounts, accounts.iter().map(|account| someone(account, Vec::new()))),
            groups: told_apart(scopes, groups.into_iter()),
            common: BTreeMap::new(),
            seen: HashSet::new(),
            found: Vec::new(),
            complete,
        }
    }

    /// The sets of files of which somebody is looked for: none, each, those that a line needs together, and those with each that denies.
    fn sets(&mut self, needs: &[BTreeSet<usize>], denies: &BTreeSet<usize>) -> Vec<Set> {
        let mut needed = BTreeSet::from([BTreeSet::new()]);
        for alternatives in needs {
            let with = |set: &BTreeSet<usize>, one: usize| set.iter().copied().chain([one]).collect::<BTreeSet<usize>>();
            let more: BTreeSet<BTreeSet<usize>> =
                needed.iter().flat_map(|set| alternatives.iter().map(move |one| with(set, *one))).take(limits::WHO_SETS).collect();
            self.complete &= needed.len() * alternatives.len() <= limits::WHO_SETS;
            needed = more;
        }
        let each = (0..self.scopes.len()).map(|one| BTreeSet::from([one]));
        let allow: Vec<BTreeSet<usize>> = std::iter::once(BTreeSet::new()).chain(needed).chain(each).collect();
        let plain = allow.iter().map(|allow| Set { allow: allow.clone(), deny: None });
        let denied = allow.iter().flat_map(|allow| denies.iter().map(|deny| Set { allow: allow.clone(), deny: Some(*deny) }));
        let mut seen = BTreeSet::new();
        let mut sets: Vec<Set> = plain.chain(denied).filter(|set| seen.insert(set.clone())).take(2 * limits::WHO_SETS + 1).collect();
        self.complete &= sets.len() <= 2 * limits::WHO_SETS;
        sets.truncate(2 * limits::WHO_SETS);
        sets
    }

    /// Everybody of a set who differs from those who were found.
    fn add(&mut self, set: &Set) {
        let (persons, addresses) = (self.persons(set), self.addresses.within(set));
        if persons.is_empty() || addresses.is_empty() {
            return;
        }
        let both = |one: &[bool], other: &[bool]| one.iter().zip(other).map(|(one, other)| *one && *other).collect::<Vec<bool>>();
        let hosts = self.hosts_of(set);
        for person in &persons {
            for host in &hosts {
                for address in &addresses {
                    if self.found.len() >= limits::WHO_KINDS {
                        self.complete = false;
                        return;
                    }
                    let in_force = both(&both(&person.in_force, &host.in_force), &address.in_force);
                    if self.seen.insert(in_force) {
                        let (host, from) = (host.subject.host.clone(), address.subject.from);
                        self.found.push(Subject { host, from, ..person.subject.clone() });
                    }
                }
            }
        }
    }

    /// Each account that is told apart, in as few groups as will do, in those of the set, in those that keep a deny away, and in all.
    fn persons(&self, set: &Set) -> Vec<Kind> {
        let within: Vec<&Scope> = set.allow.iter().chain(&set.deny).filter_map(|scope| self.accounts.scopes.get(*scope)).collect();
        let named = |scopes: &[&Scope], sign: &str, group: &str| {
            let name = format!("{sign}%{group}");
            scopes.iter().any(|scope| scope.accounts.contains(&name))
        };
        let all: Vec<&Scope> = self.accounts.scopes.iter().collect();
        let may: Vec<&String> = self.groups.iter().filter(|group| !named(&within, "!", group)).collect();
        let wanted: Vec<&String> = may.iter().copied().filter(|group| named(&within, "", group)).collect();
        let keeping: Vec<&String> = may.iter().copied().filter(|group| !named(&all, "", group)).collect();
        let mut seen = HashSet::new();
        let mut persons = Vec::new();
        for account in &self.accounts.candidates {
            let account = account.subject.account.as_str();
            let mut few: Vec<&String> = Vec::new();
            for scope in &within {
                let of = |groups: &[&String]| someone(account, groups.iter().map(|group| (*group).clone()).collect());
                if !scope.admits(&of(&few)) {
                    let fits = |group: &&&String| scope.accounts.contains(&format!("%{group}"));
                    // Rather one that only files of the set name.
                    let count = |group: &&&String| all.iter().filter(|scope| scope.accounts.contains(&format!("%{group}"))).count();
                    few.extend(wanted.iter().filter(fits).min_by_key(count));
                }
            }
            for groups in [few.clone(), [few, keeping.clone()].concat(), wanted.clone(), may.clone()] {
                let kind = Kind::of(&self.accounts.scopes, someone(account, groups.into_iter().cloned().collect()));
                if kind.is_in(set) && seen.insert(kind.in_force.clone()) {
                    persons.push(kind);
                }
            }
        }
        persons
    }

    /// The hosts of a set: those that one glob gives, and else those that the globs of its files have in common.
    fn hosts_of(&mut self, set: &Set) -> Vec<Kind> {
        let found = self.hosts.within(set);
        if !found.is_empty() {
            return found;
        }
        let lists = set.allow.iter().chain(&set.deny).filter(|scope| self.scopes.get(**scope).is_some_and(|scope| !scope.hosts.is_empty()));
        let lists: BTreeSet<usize> = lists.copied().collect();
        if let Some(known) = self.common.get(&lists) {
            return known.clone();
        }
        let found = self.common_hosts(&lists);
        self.common.insert(lists, found.clone());
        found
    }

    fn common_hosts(&mut self, lists: &BTreeSet<usize>) -> Vec<Kind> {
        let mut steps = limits::COMMON_STEPS;
        let mut undecided = false;
        let mut found = Vec::new();
        let mut choices: Vec<Vec<&str>> = vec![Vec::new()];
        let patterns: BTreeSet<&Vec<String>> = lists.iter().filter_map(|scope| Some(&self.scopes.get(*scope)?.hosts)).collect();
        for list in patterns {
            let positive: Vec<&str> = list.iter().map(String::as_str).filter(|pattern| !pattern.starts_with('!')).collect();
            let positive = if positive.is_empty() { vec!["*"] } else { positive };
            let more = choices.iter().flat_map(|choice| positive.iter().map(|pattern| [choice.as_slice(), &[*pattern]].concat()));
            let more: Vec<Vec<&str>> = more.take(limits::WHO_NAMES).collect();
            undecided |= more.len() == limits::WHO_NAMES;
            choices = more;
        }
        for choice in &choices {
            let mut known = Common::None;
            for (filler, by_label) in FILLERS.into_iter().flat_map(|filler| [(filler, false), (filler, true)]) {
                // The first label of a host's name is matched too, so that `db-1` and `*.example.com` have hosts in common.
                let label =
                    |pattern: &&str| if by_label && !pattern.contains('.') { format!("{pattern}.*") } else { (*pattern).to_owned() };
                let patterns: Vec<String> = choice.iter().map(label).collect();
                let patterns: Vec<&str> = patterns.iter().map(String::as_str).collect();
                match glob::common_of(&patterns, filler, &mut steps) {
                    Common::Name(host) => {
                        let kind = Kind::of(&self.hosts.scopes, Subject { host: host.clone(), ..anyone() });
                        let is_common = lists.iter().all(|scope| kind.in_force.get(2 * scope) == Some(&true));
                        if is_common {
                            found.push(kind);
                        } else {
                            known = Common::Unknown;
                        }
                    }
                    Common::None => {}
                    Common::Unknown => known = Common::Unknown,
                }
            }
            undecided |= known == Common::Unknown;
        }
        self.complete &= !undecided || !found.is_empty();
        let mut seen = HashSet::new();
        found.retain(|kind| seen.insert(kind.in_force.clone()));
        found
    }
}

/// The names of groups of which no two are named by the same files in the same way.
fn told_apart<'n>(scopes: &[Scope], groups: impl Iterator<Item = &'n str>) -> Vec<String> {
    let mut named: BTreeMap<&str, Vec<(usize, bool)>> = groups.map(|group| (group, Vec::new())).collect();
    for (index, scope) in scopes.iter().enumerate() {
        for pattern in &scope.accounts {
            if let Some(by) = named.get_mut(bare(pattern)) {
                by.push((index, pattern.starts_with('!')));
            }
        }
    }
    let mut seen = HashSet::new();
    named.retain(|_, by| seen.insert(by.clone()));
    named.into_keys().map(|group| group.trim_start_matches('%').to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scope(hosts: &[&str], accounts: &[&str], from: &[&str]) -> Scope {
        let owned = |list: &[&str]| list.iter().map(|text| (*text).to_owned()).collect();
        Scope { hosts: owned(hosts), accounts: owned(accounts), from: owned(from), ..Scope::default() }
    }

    /// For which sets of files somebody was found.
    fn seen(scopes: &[Scope], kinds: &Kinds) -> BTreeSet<Vec<bool>> {
        kinds.subjects.iter().map(|subject| scopes.iter().map(|scope| scope.admits(subject)).collect()).collect()
    }

    #[test]
    fn each_kind_of_person_that_files_tell_apart_is_there() {
        // Each file by itself, each pair, all that a line needs together, and nobody's.
        let scopes = [
            scope(&["db-*"], &["%oncall"], &[]),
            scope(&["*-eu"], &["%dba"], &["10.0.0.0/8"]),
            scope(&[], &["!%guests"], &["10.1.0.0/16", "::1/128"]),
        ];
        let all: Vec<Vec<bool>> = (0..8).map(|bits| (0..3).map(|bit| bits & (1 << bit) != 0).collect()).collect();
        let needs = [BTreeSet::from([0, 1]), BTreeSet::from([1, 2]), BTreeSet::from([0, 2])];
        let kinds = kinds(&scopes, &needs, &BTreeSet::new());
        let missing: Vec<Vec<bool>> = all.into_iter().filter(|kind| !seen(&scopes, &kinds).contains(kind)).collect();
        assert!(missing.is_empty() && kinds.complete, "{missing:?}");
    }

    #[test]
    fn somebody_whom_several_files_are_for_is_found_or_it_is_said_that_none_was() {
        let long: Vec<String> = (0..9).map(|number| format!("*{}*{number}*", "ab?*".repeat(12))).collect();
        let hard: Vec<Scope> = long.iter().map(|pattern| scope(&[pattern.as_str()], &[], &[])).chain([scope(&["c*"], &[], &[])]).collect();
        for (scopes, is_found, complete) in [
            (vec![scope(&["db*"], &[], &[]), scope(&["*prod*"], &[], &[]), scope(&["*eu"], &[], &[])], true, true),
            (vec![scope(&["db*"], &[], &[]), scope(&["*prod*"], &[], &[]), scope(&["web*"], &[], &[])], false, true),
            (vec![scope(&["db-1"], &[], &[]), scope(&["*.example.com"], &[], &[])], true, true),
            (vec![scope(&[], &["%a"], &[]), scope(&[], &["%b"], &[]), scope(&[], &["%c", "!%d"], &[])], true, true),
            (vec![scope(&[], &["%a"], &[]), scope(&[], &["!%a"], &[])], false, true),
            (vec![scope(&[], &[], &["10.0.0.0/8"]), scope(&[], &[], &["10.9.0.0/16"])], true, true),
            (hard, false, false),
        ] {
            let needs: Vec<BTreeSet<usize>> = (0..scopes.len()).map(|index| BTreeSet::from([index])).collect();
            let kinds = kinds(&scopes, &needs, &BTreeSet::new());
            let found = seen(&scopes, &kinds).contains(&vec![true; scopes.len()]);
            assert_eq!((found, kinds.complete), (is_found, complete), "{scopes:?}");
        }
    }
}
