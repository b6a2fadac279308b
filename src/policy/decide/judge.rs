//! What the host says of the paths on a line, and what an allow and a deny make of it.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;

use super::{DecidedRedirect, Decision};
use crate::policy::confinement::Confinement;
use crate::policy::facts::Facts;
use crate::policy::rule::Rule;
use crate::policy::types::Judge;
use crate::syntax::{Argument, RedirectKind};
use crate::words::Safe;

/// What these lead to is open for the command already, and is the shell's own when the shell looks it up.
const STREAMS: [&str; 3] = ["/dev/stdin", "/dev/stdout", "/dev/stderr"];

/// A path, and the user who looks it up.
type Lookup = (String, Option<String>);

/// What the host says of paths, asked once for each.
pub(super) struct Lookups<'a> {
    pub facts: &'a dyn Facts,
    pub known: RefCell<HashMap<Lookup, Result<String, String>>>,
}

impl Lookups<'_> {
    /// Where a path led, if it was asked for already with somebody's rights.
    pub fn known(&self, path: &str, run_as: Option<&str>) -> Option<String> {
        let known = self.known.borrow();
        known.get(&(path.to_owned(), run_as.map(str::to_owned)))?.clone().ok()
    }

    pub fn resolve(&self, path: &str, run_as: Option<&str>) -> Result<String, String> {
        let key = (path.to_owned(), run_as.map(str::to_owned));
        if let Some(known) = self.known.borrow().get(&key) {
            return known.clone();
        }
        let found = self.facts.resolve(path, run_as).and_then(|resolved| {
            let text = resolved.path.into_os_string().into_string();
            text.map_err(|_| "it leads to a name that is not UTF-8".to_owned())
        });
        let found = found.map_err(|reason| format!("{}: {reason}", Safe(path.as_bytes())));
        self.known.borrow_mut().insert(key, found.clone());
        found
    }
}

/// Judges an allow by its second door.
pub(super) struct AllowJudge<'a> {
    pub decision: &'a Decision<'a>,
    /// Who looks paths up; `None` for the account.
    pub run_as: Option<&'a str>,
    pub confine: &'a Confinement,
}

impl<'a> AllowJudge<'a> {
    /// By that of a rule.
    pub fn of(decision: &'a Decision<'a>, rule: &'a Rule) -> AllowJudge<'a> {
        AllowJudge { decision, run_as: rule.run_as.as_deref(), confine: &rule.confine }
    }

    /// A redirection, where the confinement lets the command have it.
    pub fn redirect(&self, kind: &RedirectKind) -> Result<DecidedRedirect, String> {
        let resolve = |file: &Argument| self.decision.lookups.resolve(&file.text, self.run_as);
        let leads = match kind {
            RedirectKind::ErrorToOutput | RedirectKind::Null(_) => None,
            // The shell opens the file, so the second door does not see it; and what it reads are contents, whatever the type of the slot.
            RedirectKind::Input(file) => {
                self.leads(&file.text).and_then(|leads| self.reaches(&leads))?;
                Some(resolve(file)?)
            }
            RedirectKind::Output { file, .. } => {
                let leads = resolve(file)?;
                if !self.confine.writes(&leads, self.home()) {
                    return Err(format!("the confinement `{}` cannot write {}", self.confine.name, Safe(leads.as_bytes())));
                }
                Some(leads)
            }
        };
        Ok(DecidedRedirect { kind: kind.clone(), leads })
    }
}

impl Judge for AllowJudge<'_> {
    fn leads(&self, path: &str) -> Result<String, String> {
        if STREAMS.contains(&path) {
            return Ok(path.to_owned());
        }
        let found = self.decision.lookups.resolve(path, self.run_as)?;
        match self.confine.hides(&found, self.home()) {
            true => Err(format!("the contents of {} are hidden", Safe(found.as_bytes()))),
            false => Ok(found),
        }
    }

    fn reaches(&self, leads: &str) -> Result<(), String> {
        let confine = self.confine;
        if STREAMS.contains(&leads) || confine.reaches(leads, self.home()) {
            return Ok(());
        }
        let (path, name, places) = (Safe(leads.as_bytes()), &confine.name, confine.places_in_words());
        Err(format!("{path} is out of reach of `{name}`, which reads {places}; an operator can add `read:`"))
    }

    fn home(&self) -> &str {
        &self.decision.subject.home
    }
}

/// Judges a deny: nothing is hidden from it, and what cannot be resolved counts as a match.
pub(super) struct DenyJudge<'a> {
    pub decision: &'a Decision<'a>,
    pub run_as: Option<&'a str>,
    pub unclear: Cell<bool>,
}

impl Judge for DenyJudge<'_> {
    fn leads(&self, path: &str) -> Result<String, String> {
        self.decision.lookups.resolve(path, self.run_as).inspect_err(|_| self.unclear.set(true))
    }

    fn reaches(&self, _: &str) -> Result<(), String> {
        Ok(())
    }

    fn home(&self) -> &str {
        &self.decision.subject.home
    }
}
