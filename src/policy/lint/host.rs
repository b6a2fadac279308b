//! The host that samples are judged on: no links, everything there.

use std::cell::RefCell;
use std::collections::BTreeMap;

use crate::policy::confinement::Confinement;
use crate::policy::types::Judge;

/// The home directory of the account that asks.
pub const HOME: &str = "/home/account";

/// What a rule's confinement reads, by the words of a path alone.
pub struct Confined<'a> {
    confine: &'a Confinement,
    /// Whether a path is hidden, and whether it is reached: thousands of lines name the same few.
    known: RefCell<BTreeMap<String, (bool, bool)>>,
}

impl<'a> Confined<'a> {
    fn by(confine: &'a Confinement) -> Confined<'a> {
        Confined { confine, known: RefCell::default() }
    }

    /// Whether an absolute path is hidden, and whether it is reached.
    fn look(&self, path: &str) -> (bool, bool) {
        let look = || (self.confine.hides(path, HOME), self.confine.reaches(path, HOME));
        *self.known.borrow_mut().entry(path.to_owned()).or_insert_with(look)
    }
}

impl Judge for Confined<'_> {
    fn leads(&self, path: &str) -> Result<String, String> {
        let path = normal(path);
        if self.look(&path).0 { Err(format!("{path} is hidden")) } else { Ok(path) }
    }

    fn reaches(&self, leads: &str) -> Result<(), String> {
        if self.look(leads).1 { Ok(()) } else { Err(format!("{leads} is out of reach")) }
    }

    fn home(&self) -> &str {
        HOME
    }
}

/// A judge for each confinement of a policy: rules with the same share what is known of paths.
pub struct Judges<'a>(Vec<Confined<'a>>);

impl<'a> Judges<'a> {
    pub fn of(confinements: impl Iterator<Item = &'a Confinement>) -> Judges<'a> {
        let mut judges: Vec<Confined<'a>> = Vec::new();
        for confine in confinements {
            if !judges.iter().any(|judge| judge.confine == confine) {
                judges.push(Confined::by(confine));
            }
        }
        Judges(judges)
    }

    /// The judge for a confinement, if that is one of the policy's.
    pub fn by(&self, confine: &Confinement) -> Option<&Confined<'a>> {
        self.0.iter().find(|judge| judge.confine == confine)
    }
}

/// A host that shows all.
pub struct Anywhere;

impl Judge for Anywhere {
    fn leads(&self, path: &str) -> Result<String, String> {
        Ok(normal(path))
    }

    fn reaches(&self, _: &str) -> Result<(), String> {
        Ok(())
    }

    fn home(&self) -> &str {
        HOME
    }
}

/// An absolute path without `.` and `..`.
fn normal(path: &str) -> String {
    let absolute = if path.starts_with('/') { path.to_owned() } else { format!("{HOME}/{path}") };
    let mut names: Vec<&str> = Vec::new();
    for name in absolute.split('/') {
        match name {
            "" | "." => {}
            ".." => drop(names.pop()),
            name => names.push(name),
        }
    }
    format!("/{}", names.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_lead_where_their_words_say() {
        for (path, leads) in [("/a/../b/./c", "/b/c"), ("x", "/home/account/x"), ("/../..", "/")] {
            assert_eq!(Anywhere.leads(path).as_deref(), Ok(leads));
        }
    }
}
