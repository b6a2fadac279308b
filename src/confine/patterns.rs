//! Patterns of paths, prepared for walks: which of them are still alive in a directory, and what the next name makes of them.
//!
//! `policy::glob` judges one path by one pattern; a walk asks 130 of them about each of a thousand names. Here a directory carries the few
//! patterns that can still match below it, each with the place that it has come to, and what a name must begin or end with to be of interest
//! to any of them: most names are settled by four bytes.

use std::cell::OnceCell;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::rc::Rc;

use super::pairs::Pairs;
use crate::policy::Confinement;
use crate::policy::glob;
use crate::policy::hidden::HIDDEN;

/// Patterns that hide, and patterns that take from those.
#[derive(Clone, Debug, Default)]
pub(super) struct Patterns(Vec<Pattern>);

#[derive(Clone, Debug)]
struct Pattern {
    names: Vec<Name>,
    shows: bool,
    /// Whether it is of the built-in list.
    built_in: bool,
}

/// One name of a pattern.
#[derive(Clone, Debug)]
enum Name {
    /// `**`: any names, none among them but at the end.
    Any,
    Exact(Vec<u8>),
    /// `a*b`: the beginning and the end, either perhaps empty.
    Around(Vec<u8>, Vec<u8>),
    /// `*a*`
    Holds(Vec<u8>),
    Glob(String),
}

/// What the patterns say of a path, and which of them can still match below it.
#[derive(Clone, Debug, Default)]
pub(super) struct Ahead {
    /// Pattern, and the name of it that comes next.
    states: Rc<Vec<(usize, usize)>>,
    /// Which names can make a difference to them.
    filter: OnceCell<Rc<Filter>>,
    /// It is hidden, unless it is shown.
    pub hidden: bool,
    /// It is taken from what is hidden, with all that is below it.
    pub shown: bool,
}

/// Tells most of the names that match none of the patterns.
#[derive(Debug, Default)]
struct Filter {
    first: Pairs,
    last: Pairs,
    /// Patterns and their names that these do not tell of.
    others: Vec<(usize, usize)>,
    /// Whether a name that matches nothing leaves the patterns where they are.
    steady: bool,
    /// Else, where it leads; most names of /etc lead there.
    other: OnceCell<Ahead>,
    /// No states, as what has nothing below it has.
    none: Rc<Vec<(usize, usize)>>,
}

impl Patterns {
    /// What a confinement hides.
    ///
    /// # Errors
    /// A pattern of its own below /proc, of which Landlock can hide nothing (see [`super::files`]).
    pub fn hidden(confinement: &Confinement, home: &str) -> Result<Patterns, String> {
        let built_in = || HIDDEN.iter().flat_map(|group| group.paths).copied();
        let own = || confinement.hide.iter().map(String::as_str);
        let below_proc = |pattern: &str| pattern == "/proc" || pattern.starts_with("/proc/");
        if let Some(pattern) = own().find(|pattern| below_proc(pattern) && built_in().all(|known| known != *pattern)) {
            return Err(format!("hide: {pattern} cannot be held: /proc is shown as a whole, but for what is private to other processes"));
        }
        let mut patterns = Patterns::built_in();
        own().filter(|pattern| !below_proc(pattern)).for_each(|pattern| patterns.push(pattern, home, false));
        confinement.unhide.iter().for_each(|pattern| patterns.push(pattern, home, true));
        Ok(patterns)
    }

    /// The built-in list, but for what is below /proc.
    pub fn built_in() -> Patterns {
        let mut patterns = Patterns::default();
        let all = HIDDEN.iter().flat_map(|group| group.paths).filter(|pattern| !pattern.starts_with("/proc/"));
        all.for_each(|pattern| patterns.push_built_in(pattern, ""));
        patterns
    }

    /// What is masked in a whole session: the built-in list, but for what some rule unhides. Below /proc, only what has one name for all
    /// processes. What could be anywhere is looked for in /etc and, where people have it, right in root's and the account's home.
    pub fn masked(unhide: &[String], home: &str) -> Patterns {
        let mut patterns = Patterns::default();
        for pattern in HIDDEN.iter().flat_map(|group| group.paths) {
            match pattern.strip_prefix("/**/") {
                Some(name) => {
                    patterns.push_built_in(&format!("/etc/**/{name}"), home);
                    ["/root", home].iter().for_each(|home| patterns.push_built_in(&format!("~/{name}"), home));
                }
                None if pattern.starts_with("/proc/") && pattern.contains('*') => {}
                None => patterns.push_built_in(pattern, home),
            }
        }
        unhide.iter().for_each(|pattern| patterns.push(pattern, home, true));
        patterns
    }

    /// One pattern alone.
    pub fn one(pattern: &str, home: &str) -> Patterns {
        let mut patterns = Patterns::default();
        patterns.push(pattern, home, false);
        patterns
    }

    fn push(&mut self, pattern: &str, home: &str, shows: bool) {
        let (home, rest) = pattern.strip_prefix('~').map_or(("", pattern), |rest| (home, rest));
        let names = |path| str::split(path, '/').filter(|name| !name.is_empty());
        // The home directory is a path, not a pattern.
        let names = names(home).map(|name| Name::Exact(name.as_bytes().to_vec())).chain(names(rest).map(Name::of)).collect();
        self.0.push(Pattern { names, shows, built_in: false });
    }

    fn push_built_in(&mut self, pattern: &str, home: &str) {
        self.push(pattern, home, false);
        self.0.iter_mut().next_back().into_iter().for_each(|pattern| pattern.built_in = true);
    }

    /// Hides one path as well.
    pub fn hide(&mut self, path: &Path) {
        let names = path.as_os_str().as_bytes().split(|byte| *byte == b'/').filter(|name| !name.is_empty());
        self.0.push(Pattern { names: names.map(|name| Name::Exact(name.to_vec())).collect(), shows: false, built_in: false });
    }

    /// At `/`.
    pub fn root(&self) -> Ahead {
        let mut ahead = Ahead::default();
        (0..self.0.len()).for_each(|index| self.reach(&mut ahead, index, 0, true));
        ahead
    }

    /// At an absolute path without links.
    pub fn at(&self, path: &[u8]) -> Ahead {
        self.below(self.root(), path)
    }

    /// So many names further down.
    pub fn below(&self, here: Ahead, path: &[u8]) -> Ahead {
        let names = path.split(|byte| *byte == b'/').filter(|name| !name.is_empty());
        names.fold(here, |ahead, name| self.step(&ahead, name))
    }

    /// One name further down.
    pub fn step(&self, here: &Ahead, name: &[u8]) -> Ahead {
        let mut next = self.advance(here, name, true);
        if next.shown {
            next.keep(|_| false);
        } else if next.hidden {
            // What is below is hidden already, unless it is shown.
            next.keep(|index| self.shows(index));
        }
        next
    }

    /// The same for what has nothing below it.
    pub fn end(&self, here: &Ahead, name: &[u8]) -> Ahead {
        self.advance(here, name, false)
    }

    fn advance(&self, here: &Ahead, name: &[u8], deeper: bool) -> Ahead {
        let filter = here.filter.get_or_init(|| Rc::new(self.filter(&here.states)));
        let (hidden, shown) = (here.hidden, here.shown);
        if !self.may_match(filter, name) {
            let next = match deeper {
                false => Ahead { states: Rc::clone(&filter.none), ..Ahead::default() },
                true if filter.steady => {
                    Ahead { states: Rc::clone(&here.states), filter: OnceCell::from(Rc::clone(filter)), ..Ahead::default() }
                }
                true => filter.other.get_or_init(|| self.survivors(&here.states)).clone(),
            };
            return Ahead { hidden, shown, ..next };
        }
        let mut next = Ahead { hidden, shown, ..Ahead::default() };
        for &(index, at) in here.states.iter() {
            let Some((any, ahead)) = self.ahead(index, at) else { continue };
            if any > 0 {
                self.reach(&mut next, index, at, deeper);
            }
            if ahead.get(any).is_some_and(|item| item.matches(name)) {
                self.reach(&mut next, index, at + any + 1, deeper);
            }
        }
        next
    }

    /// What is left below a name that matches nothing: what may skip names.
    fn survivors(&self, states: &[(usize, usize)]) -> Ahead {
        let mut next = Ahead::default();
        let skips = states.iter().filter(|(index, at)| self.ahead(*index, *at).is_some_and(|(any, _)| any > 0));
        skips.for_each(|(index, at)| self.reach(&mut next, *index, *at, true));
        let filter = Rc::new(self.filter(&next.states));
        Ahead { filter: OnceCell::from(filter), ..next }
    }

    /// What a pattern has ahead of it, and how many of that are a `**` that is not at the end: it stands for the next name and for none.
    fn ahead(&self, index: usize, at: usize) -> Option<(usize, &[Name])> {
        let ahead = self.0.get(index)?.names.get(at..)?;
        Some((ahead.iter().take_while(|name| matches!(name, Name::Any)).count().min(ahead.len().checked_sub(1)?), ahead))
    }

    fn filter(&self, states: &[(usize, usize)]) -> Filter {
        let mut filter = Filter { steady: true, ..Filter::default() };
        for &(index, at) in states {
            let Some((any, ahead)) = self.ahead(index, at) else { continue };
            // From one `**` to the next.
            filter.steady &= any > 0;
            match ahead.get(any).map(Name::edge) {
                Some(Edge::First(pair)) => filter.first.add(pair),
                Some(Edge::Last(pair)) => filter.last.add(pair),
                _ => filter.others.push((index, at + any)),
            }
        }
        filter
    }

    fn may_match(&self, filter: &Filter, name: &[u8]) -> bool {
        let item = |(index, at): &(usize, usize)| self.0.get(*index).and_then(|pattern| pattern.names.get(*at));
        let other = || filter.others.iter().filter_map(item).any(|item| item.matches(name));
        filter.first.has(name.first_chunk()) || filter.last.has(name.last_chunk()) || other()
    }

    /// A pattern has come to one of its names, or to its end. States are in the order of their patterns.
    fn reach(&self, ahead: &mut Ahead, index: usize, at: usize, deeper: bool) {
        let Some(pattern) = self.0.get(index) else { return };
        match at < pattern.names.len() {
            false if pattern.shows => ahead.shown = true,
            false => ahead.hidden = true,
            true => {
                let known = || ahead.states.iter().rev().take_while(|state| state.0 == index).any(|state| state.1 == at);
                if deeper && !known() {
                    Rc::make_mut(&mut ahead.states).push((index, at));
                }
            }
        }
    }

    fn shows(&self, index: usize) -> bool {
        self.0.get(index).is_some_and(|pattern| pattern.shows)
    }

    /// The same without the patterns that could match anywhere at all (`/**/…`).
    pub fn without_everywhere(&self, mut ahead: Ahead) -> Ahead {
        let everywhere = |index: usize| self.0.get(index).is_some_and(|pattern| matches!(pattern.names.first(), Some(Name::Any)));
        ahead.keep(|index| self.shows(index) || !everywhere(index));
        ahead
    }

    /// The names in a directory that can make a difference; `None` where wildcards come next.
    pub fn names(&self, ahead: &Ahead) -> Option<Vec<&[u8]>> {
        let exact = |(index, at): &(usize, usize)| match self.0.get(*index)?.names.get(*at)? {
            Name::Exact(name) => Some(name.as_slice()),
            _ => None,
        };
        let mut names = ahead.states.iter().map(exact).collect::<Option<Vec<_>>>()?;
        names.sort_unstable();
        names.dedup();
        Some(names)
    }

    /// Whether something below can be hidden.
    pub fn hides_below(&self, ahead: &Ahead) -> bool {
        !self.shows_all_below(ahead) && ahead.states.iter().any(|(index, _)| !self.shows(*index))
    }

    /// Whether what is hidden below is hidden by the built-in list.
    pub fn hides_by_list(&self, ahead: &Ahead) -> bool {
        let by_list = |index: usize| self.0.get(index).is_some_and(|pattern| pattern.shows || pattern.built_in);
        !ahead.is_hidden() && ahead.states.iter().all(|(index, _)| by_list(*index))
    }

    /// Whether something below can be taken from what is hidden.
    pub fn shows_below(&self, ahead: &Ahead) -> bool {
        ahead.states.iter().any(|(index, _)| self.shows(*index))
    }

    /// Whether all that is below is shown.
    pub fn shows_all_below(&self, ahead: &Ahead) -> bool {
        ahead.shown || ahead.states.iter().any(|(index, at)| self.shows(*index) && self.ends_in_any(*index, *at))
    }

    /// Whether all that is below matches the pattern, for [`Patterns::one`].
    pub fn takes_all_below(&self, ahead: &Ahead) -> bool {
        ahead.hidden || ahead.states.iter().any(|(index, at)| self.ends_in_any(*index, *at))
    }

    fn ends_in_any(&self, index: usize, at: usize) -> bool {
        self.0.get(index).is_some_and(|pattern| at + 1 == pattern.names.len() && matches!(pattern.names.get(at), Some(Name::Any)))
    }
}

impl Ahead {
    pub fn is_hidden(&self) -> bool {
        self.hidden && !self.shown
    }

    /// Of a path with two names: what either of them says.
    pub fn and(mut self, other: Ahead) -> Ahead {
        let states = Rc::make_mut(&mut self.states);
        states.extend(other.states.iter());
        states.sort_unstable();
        states.dedup();
        Ahead { states: self.states, filter: OnceCell::new(), hidden: self.hidden || other.hidden, shown: self.shown || other.shown }
    }

    /// Drops all patterns but some.
    fn keep(&mut self, wanted: impl Fn(usize) -> bool) {
        Rc::make_mut(&mut self.states).retain(|(index, _)| wanted(*index));
        self.filter = OnceCell::new();
    }

    /// Whether a pattern can still match below.
    pub fn goes_on(&self) -> bool {
        !self.states.is_empty()
    }
}

/// What a name must have to match.
enum Edge {
    First([u8; 2]),
    Last([u8; 2]),
    None,
}

impl Name {
    fn of(name: &str) -> Name {
        let bytes = |text: &str| text.as_bytes().to_vec();
        let plain = |text: &str| !text.contains(['*', '?', '[']);
        let inner = name.strip_prefix('*').and_then(|rest| rest.strip_suffix('*'));
        match (name.split_once('*'), inner) {
            _ if name == "**" => Name::Any,
            _ if plain(name) => Name::Exact(bytes(name)),
            (Some((before, behind)), _) if plain(before) && plain(behind) => Name::Around(bytes(before), bytes(behind)),
            (_, Some(inner)) if plain(inner) && !inner.is_empty() => Name::Holds(bytes(inner)),
            _ => Name::Glob(name.to_owned()),
        }
    }

    /// What all names that match begin or end with.
    fn edge(&self) -> Edge {
        let (first, last) = match self {
            Name::Exact(text) => (text.first_chunk(), None),
            Name::Around(before, behind) => (before.first_chunk(), behind.last_chunk()),
            _ => (None, None),
        };
        first.map(|pair| Edge::First(*pair)).or(last.map(|pair| Edge::Last(*pair))).unwrap_or(Edge::None)
    }

    fn matches(&self, name: &[u8]) -> bool {
        match self {
            Name::Any => true,
            Name::Exact(text) => text.first() == name.first() && text == name,
            Name::Around(before, behind) => {
                // Almost every name is settled by its first or last byte.
                let may = (before.is_empty() || before.first() == name.first()) && (behind.is_empty() || behind.last() == name.last());
                may && name.strip_prefix(&before[..]).is_some_and(|rest| rest.ends_with(behind))
            }
            Name::Holds(text) => name.windows(text.len()).any(|window| window == text),
            Name::Glob(pattern) => glob::within_name(pattern, &String::from_utf8_lossy(name)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::confinement::Base;

    const HOME: &str = "/home/me";

    /// Every pattern, wildcards filled in, and paths beside and below each.
    fn paths() -> Vec<String> {
        let own = ["/srv/a/b", "/srv/x.key", "/data/one/two", "/etc/ssl/private/public/x", "/home/me/notes/x", "/usr/share/doc/x"];
        let built_in = HIDDEN.iter().flat_map(|group| group.paths).filter(|path| !path.starts_with("/proc/"));
        let filled = built_in.flat_map(|path| {
            let path = path.replace("/**/", "/~/").replace('*', "some");
            [path.replace('~', "one/two"), path.replace("/~/", "/"), format!("{}x", path.replace('~', "x"))]
        });
        let paths = filled.chain(own.map(str::to_owned));
        paths.flat_map(|path| [format!("{path}/below/it"), format!("{path}.key"), path]).collect()
    }

    #[test]
    fn walks_hide_what_the_policy_hides() {
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        for (hide, unhide) in [
            (&[][..], &[][..]),
            (&["~/notes", "/srv/**", "/srv/*/[ab]", "/data/?ne/**/t*o"], &["/srv/a/**", "/etc/ssl/private/public"]),
            (&["/data", "/**/x"], &["/**/*.key", "/etc/**"]),
        ] {
            let confinement = Confinement { hide: words(hide), unhide: words(unhide), ..Confinement::built_in(Base::Inspect) };
            let patterns = Patterns::hidden(&confinement, HOME).unwrap();
            let (mut hidden, mut shown) = (0, 0);
            for path in paths() {
                let walked = patterns.at(path.as_bytes()).is_hidden();
                assert_eq!(walked, confinement.hides(&path, HOME), "{path} with {hide:?} and {unhide:?}");
                *(if walked { &mut hidden } else { &mut shown }) += 1;
            }
            assert!(hidden > 50 && shown > 10, "{hidden} hidden, {shown} shown");
        }
    }

    #[test]
    fn a_directory_knows_whether_anything_below_it_can_be_hidden() {
        let confinement = Confinement { unhide: vec!["/srv/**".to_owned()], ..Confinement::built_in(Base::Inspect) };
        let patterns = Patterns::hidden(&confinement, HOME).unwrap();
        for (path, everywhere, hides) in [
            ("/etc", false, true),
            ("/etc/anything", false, true),
            ("/usr", true, true),
            ("/usr", false, false),
            ("/var/log", false, true),
            ("/var/log/apt", false, false),
            ("/proc", false, false),
            ("/srv", true, false),
        ] {
            let ahead = patterns.at(path.as_bytes());
            let ahead = if everywhere { ahead } else { patterns.without_everywhere(ahead) };
            assert_eq!(patterns.hides_below(&ahead), hides, "{path} {everywhere}");
        }
    }

    #[test]
    fn a_session_masks_what_every_rule_hides() {
        let patterns = Patterns::masked(&["/etc/redis".to_owned(), "~/.aws".to_owned()], HOME);
        for (path, masked) in [
            ("/etc/shadow", true),
            ("/etc/a/b/tls.key", true),
            ("/etc/a/.ssh", true),
            ("/root/.ssh/id_rsa", true),
            ("/root/.aws", true),
            ("/home/me/.config/gcloud", true),
            ("/home/me/.cargo/credentials.toml", true),
            ("/home/you/.ssh", false),
            ("/proc/kcore", true),
            ("/proc/1/environ", false),
            ("/etc/redis/redis.conf", false),
            ("/home/me/.aws/credentials", false),
        ] {
            assert_eq!(patterns.at(path.as_bytes()).is_hidden(), masked, "{path}");
        }
        let names = |path: &str| patterns.names(&patterns.at(path.as_bytes())).map(|names| names.len());
        assert_eq!((names("/etc"), names("/root"), names("/var/spool")), (None, None, Some(1)));
    }

    #[test]
    fn proc_is_not_hidden_by_halves() {
        let hiding = |pattern: &str| Confinement { hide: vec![pattern.to_owned()], ..Confinement::built_in(Base::Inspect) };
        assert!(Patterns::hidden(&hiding("/proc/kcore"), HOME).is_ok(), "which is closed anyway");
        assert!(Patterns::hidden(&hiding("/proc/net"), HOME).unwrap_err().contains("hide: /proc/net cannot be held"));
    }
}
