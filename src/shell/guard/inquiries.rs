//! What the front may ask of a session without anything happening.

use std::path::Path;
use std::rc::Rc;
use std::time::{Duration, Instant};

use time::format_description::well_known::Rfc3339;

use super::super::clock::{Clock, Ending};
use super::super::{builtins, message};
use super::Guard;
use crate::access::{self, Install, Person};
use crate::confine::Kernel;
use crate::exec::Host;
use crate::policy::decide::{Candidate, candidates};
use crate::policy::{Applied, Subject};
use crate::syntax::Request;
use crate::sys::identity::Identity;
use crate::words::Safe;

impl Guard {
    pub fn policy(&self) -> &Rc<Applied> {
        self.policy.policy()
    }

    pub fn subject(&self) -> &Subject {
        &self.subject
    }

    pub fn person(&self) -> &Person {
        &self.person
    }

    /// Whose rights the person's names are looked up with; `None`: those of this process.
    pub fn account(&self) -> Option<&Identity> {
        self.account.as_ref()
    }

    /// Whether the front is at something that it does by itself.
    pub fn is_in_builtin(&self) -> bool {
        self.builtin.is_some()
    }

    /// Where records go: the file of this session, and the syslog socket if there is one.
    pub fn records(&self) -> (&Path, Option<&str>) {
        self.ledger.places()
    }

    /// The session's clock by the policy in force. Of keys the guard knows nothing.
    pub(super) fn clock(&self) -> Clock {
        let session = &self.policy.settings().session;
        self.clock.with(None, session.max.map(Duration::from_millis))
    }

    /// How long the session has lasted.
    pub fn age(&self) -> Duration {
        self.clock.age(Instant::now())
    }

    /// When it is over whatever happens.
    pub fn until(&self) -> Option<Instant> {
        self.clock().until()
    }

    /// Why it is over, if it is.
    pub fn over(&self) -> Option<Ending> {
        self.clock().over(Instant::now())
    }

    /// The kernel as commands find it, before the first too.
    fn kernel(&self) -> Kernel {
        let expected = !self.surrounded && access::install() == Install::Root;
        Kernel { namespace: expected || self.confiner.kernel().namespace, ..self.confiner.kernel().clone() }
    }

    /// This host as a line of the person's sees it from a directory.
    pub(super) fn host(&self, directory: &Path) -> Host {
        Host::new(directory).for_person(&self.person)
    }

    /// What may stand behind complete words.
    pub fn candidates(&self, words: &[String], directory: &Path) -> Vec<Candidate> {
        candidates(self.policy(), &self.subject, words, &self.host(directory)).unwrap_or_default()
    }

    /// Says what would become of a line, and with which status.
    pub fn explain(&self, request: &Request, directory: &Path) -> (String, u8) {
        match builtins::explain(self.policy(), &self.subject, request, &self.host(directory), &self.kernel()) {
            Ok((text, true)) => (text, 0),
            Ok((text, false)) => (text, 126),
            Err(damaged) => (format!("{}\n", Safe(damaged.to_string().as_bytes())), 125),
        }
    }

    /// What `session` shows.
    pub fn about(&self) -> String {
        let settings = &self.policy().settings().session;
        let limit = |limit: Option<u64>| limit.map_or("never".to_owned(), |ms| message::duration(Duration::from_millis(ms)));
        let (file, syslog) = self.records();
        let from = self.person.from.map(|address| format!(" from {address}")).unwrap_or_default();
        let rows = [
            ("session", self.ledger.session().id.clone()),
            ("account", format!("{} on {}{from}", self.person.account, self.person.host)),
            ("policy", self.policy().digest().to_owned()),
            ("since", self.since.format(&Rfc3339).unwrap_or_default()),
            ("ends", format!("after {} without a key, after {} in any case", limit(settings.idle), limit(settings.max))),
            ("records", file.display().to_string()),
            ("syslog", syslog.unwrap_or("none").to_owned()),
        ];
        rows.iter().map(|(name, value)| format!("{name:<9}{}\n", Safe(value.as_bytes()))).collect()
    }
}
