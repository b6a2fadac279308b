//! What a session's commands find round them: the mounts, and the policy in force, which may be another one by the next line.

use std::path::Path;
use std::rc::Rc;

use super::super::in_force::Change;
use super::super::message;
use super::Guard;
use crate::access::{self, Install};
use crate::confine::{Index, NamespaceError, Rulesets, Shape};
use crate::policy;
use crate::record::Event;
use crate::sys::rights;
use crate::words::{Safe, paths};

impl Guard {
    /// Sees to it, before each command, that the mounts and what rulesets are made with are there and as they should be.
    pub(super) fn surround(&mut self) -> Result<(), NamespaceError> {
        if let Some(error) = self.unchecked.take() {
            return Err(error);
        }
        if self.ran && !self.lasts {
            // It was to be one line.
            (self.lasts, self.surrounded) = (true, false);
        }
        if self.surrounded {
            return rights::as_root(|| self.confiner.mend()).map_err(NamespaceError::Enter)?;
        }
        match access::install() {
            Install::Root => self.enter_namespace()?,
            Install::Postern | Install::Plain => {
                let rulesets = rulesets(self.lasts, Some(Path::new(paths::STATE_DIR)));
                let index = self.index.take();
                self.confiner.set_rulesets(if index.is_some() { rulesets.with_index(index) } else { rulesets });
            }
        }
        self.surrounded = true;
        Ok(())
    }

    /// The thread that writes records was started before, and stays with the host's mounts: there, records can be written.
    fn enter_namespace(&mut self) -> Result<(), NamespaceError> {
        let index = match self.index.take() {
            Some(index) => Some(index),
            None => self.confiner.outside(|| Index::open(Path::new(paths::STATE_DIR)))?.map(Rc::new),
        };
        let settings = self.policy.settings();
        let shape = Shape {
            home: self.person.home.clone(),
            // Users of `as:` are looked up in there, where a host has sssd(8); commands have Landlock between them and it.
            unhide: settings.unhides.iter().cloned().chain(["/var/lib/sss".to_owned()]).collect(),
            write: settings.writes.clone(),
            records: self.policy.audit().dir.clone().into(),
            lasts: self.lasts,
            index: index.clone(),
        };
        let lasts = self.lasts;
        let entered = rights::as_root(|| self.confiner.enter_namespace(shape, || rulesets(lasts, None).with_index(index)));
        entered.map_err(NamespaceError::Enter)?
    }

    /// Puts on record, and tells, that the policy in force is not the one that was applied last.
    pub fn alert(&mut self, reason: &str) {
        let digest = self.policy().digest().to_owned();
        self.ledger.note(&Event::PolicyDamage { reason, policy: &digest });
    }

    /// Takes up another policy if one was applied. Returns what the person is told.
    pub fn refresh(&mut self) -> Vec<String> {
        // Inside, the state directory cannot be seen.
        let change = match self.confiner.outside(|| self.policy.refresh()) {
            Ok(change) => change,
            Err(error) => {
                // By a policy that may be out of date, nothing runs.
                self.unchecked = Some(error);
                None
            }
        };
        let mut messages = change.map(|change| self.changed(change)).unwrap_or_default();
        messages.extend(self.ledger.notices());
        messages
    }

    /// Whether another policy is in force than when this was asked before, however it came to be.
    pub fn has_changed(&mut self) -> bool {
        std::mem::take(&mut self.outdated)
    }

    /// Puts a change of the policy on record. Returns what the person is told.
    pub(super) fn changed(&mut self, change: Change) -> Vec<String> {
        match change {
            Change::Unusable(reason) => {
                self.alert(&reason);
                vec![format!("the new policy cannot be used, the session keeps the one it has: {}", Safe(reason.as_bytes()))]
            }
            Change::Replaced { before, alert } => {
                self.ledger.reconfigure(self.policy.audit(), self.policy.settings().redact);
                let digest = self.policy().digest().to_owned();
                let observe = policy::is_observed(self.policy(), &self.subject);
                self.ledger.note(&Event::PolicyChange { before: &before, policy: &digest, observe });
                let mut messages = vec![format!("another policy is in force now: {}", digest.get(..12).unwrap_or(&digest))];
                messages.extend(observe.then(|| message::OBSERVED.to_owned()));
                let settings = self.policy.settings();
                self.confiner.set_strength(settings.strength.clone());
                (self.surrounded, self.outdated) = (false, true);
                if settings.unscoped_rules && self.confiner.is_apart() {
                    messages.push(
                        "commands under `open` can signal other processes in a new session only, and so with `processes` look at them"
                            .to_owned(),
                    );
                }
                if let Some(reason) = alert {
                    self.alert(&reason);
                    messages.push(format!("it is the one before the last: {}", Safe(reason.as_bytes())));
                }
                messages
            }
        }
    }
}

/// What makes rulesets: for one line, or watching over the file system for many.
fn rulesets(lasts: bool, state: Option<&Path>) -> Rulesets {
    if lasts { Rulesets::for_session(state) } else { Rulesets::for_one_line(state) }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use nix::errno::Errno;

    use super::super::{Ground, InForce};
    use super::*;
    use crate::shell::arguments::Origin;
    use crate::syntax::{Argument, Connector, Item, Request, Stage};
    use crate::sys::start::Inherited;
    use crate::words::Span;

    /// A line that no rule allows: to be asked is enough to know that the policy decides.
    fn request() -> Request {
        let argv = vec![Argument { text: "rm".to_owned(), span: Span::new(0, 2) }];
        let item = Item { connector: Connector::Always, negated: false, stages: vec![Stage { argv, redirects: Vec::new() }] };
        Request { line: "rm".to_owned(), items: vec![item] }
    }

    /// By the demo's policy, with records in a directory of the test's own.
    fn guard(home: &Path) -> Guard {
        let mut person = access::identify().unwrap();
        person.home = home.to_str().unwrap().to_owned();
        let (policy, _) = InForce::open(&Origin::Demo, &person).unwrap();
        let ground = Ground { policy, person, account: None, inherited: Inherited::default(), relayer: None, index: None };
        Guard::open(ground, "command", None, false).unwrap()
    }

    #[test]
    fn by_a_policy_that_may_be_out_of_date_nothing_is_decided_until_it_is_known_again() {
        let home = nix::unistd::mkdtemp(&std::env::temp_dir().join("postern-guard-XXXXXX")).unwrap();
        let mut guard = guard(&home);
        let root = PathBuf::from("/");
        guard.unchecked = Some(NamespaceError::Enter(Errno::EACCES));
        let outcome = guard.submit(request(), &root, &[]);
        assert_eq!(outcome.status, 125, "{outcome:?}");
        assert!(outcome.messages.concat().starts_with("the session's mounts: "), "{outcome:?}");
        assert!(guard.refresh().is_empty());
        let outcome = guard.submit(request(), &root, &[]);
        assert_eq!(outcome.status, 126, "the control: {outcome:?}");
        let records = std::fs::read_to_string(guard.records().0).unwrap();
        assert_eq!(records.matches(r#""event":"command.deny""#).count(), 2, "{records}");
        drop(guard);
        std::fs::remove_dir_all(home).unwrap();
    }
}
