//! Who runs a command, for `explain`: the rule's user or the account, and what of that this install cannot give.
//!
//! What is said here of the install, the plan of a line refuses with (`exec::plan`).

use serde::Serialize;

use crate::access::Install;
use crate::policy::{RunAsParts, Subject, Terms};
use crate::sys::user;

/// Who runs a command, and by which ids.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RunsAs {
    pub user: String,
    /// `null` where this host has no such user.
    pub uid: Option<u32>,
    /// By name, the primary one first. Of a rule's user that one alone: to find all takes long.
    pub groups: Vec<String>,
    /// Whether it is the account.
    pub account: bool,
    /// Why this install does not run it so.
    pub refused: Option<String>,
}

impl RunsAs {
    /// By the terms of a rule and for an account. `install` is `None` where none is known: then nothing is refused for it.
    pub fn of(terms: &Terms, subject: &Subject, install: Option<Install>) -> RunsAs {
        let written = terms.run_as.as_deref().unwrap_or_default();
        let RunAsParts { user, group } = RunAsParts::of(written);
        let name = user.unwrap_or(&subject.account);
        let account = name == subject.account;
        let known = user::by_name(name);
        let found = known.as_ref().ok().and_then(Option::as_ref);
        let own = || found.and_then(|user| user::group_names(&[user.gid]).ok()).unwrap_or_default();
        let mut groups = group.map_or_else(own, |group| vec![group.to_owned()]);
        if account {
            let others: Vec<String> = subject.groups.iter().filter(|group| !groups.contains(group)).cloned().collect();
            groups.extend(others);
        }
        let refused = match &known {
            Err(error) => Some(error.to_string()),
            Ok(None) if !account => Some("there is no such user".to_owned()),
            Ok(_) => install.and_then(|install| beyond(terms, subject, account && group.is_none(), install)),
        };
        RunsAs { user: name.to_owned(), uid: found.map(|user| user.uid.as_raw()), groups, account, refused }
    }

    /// In a line.
    pub fn text(&self) -> String {
        let mut text = self.user.clone();
        if self.account {
            text.push_str(" (the account)");
        }
        if let Some(uid) = self.uid {
            text.push_str(&format!(", uid {uid}"));
        }
        match self.groups.as_slice() {
            [] => {}
            [group] => text.push_str(&format!(", group {group}")),
            groups => text.push_str(&format!(", groups {}", groups.join(" "))),
        }
        if let Some(reason) = &self.refused {
            text.push_str(&format!("; refused here: {reason}"));
        }
        text
    }
}

/// What an install cannot give to a command; `as_it_is`: one that runs as the account, with its own groups.
fn beyond(terms: &Terms, subject: &Subject, as_it_is: bool, install: Install) -> Option<String> {
    let name = install.name();
    let reason = match (as_it_is, terms.confine.capabilities.is_empty()) {
        (true, true) => return None,
        (false, _) => format!("the {name} install runs commands as the account alone"),
        (true, false) => format!("the {name} install gives no capabilities"),
    };
    // Root needs nothing lent.
    (install != Install::Root && !is_root(&subject.account)).then_some(reason)
}

fn is_root(account: &str) -> bool {
    user::by_name(account).is_ok_and(|user| user.is_some_and(|user| user.uid.is_root()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::RuleRef;
    use crate::policy::confinement::Confinement;

    fn terms(run_as: Option<&str>, capabilities: &[&str]) -> Terms {
        Terms {
            program: "x".to_owned(),
            argv: vec!["x".to_owned()],
            redirects: Vec::new(),
            run_as: run_as.map(str::to_owned),
            confine: Confinement { capabilities: capabilities.iter().map(|name| (*name).to_owned()).collect(), ..Confinement::default() },
            timeout: None,
            output: None,
            account_home: false,
            rule: RuleRef { source: "policy.yaml".to_owned(), line: 3 },
            form: "x".to_owned(),
            note: None,
            confirm: false,
            slots: Vec::new(),
            witness: None,
        }
    }

    fn subject(account: &str) -> Subject {
        Subject {
            host: "db-3".to_owned(),
            account: account.to_owned(),
            groups: vec!["postern".to_owned()],
            home: "/".to_owned(),
            from: None,
            terminal: false,
            can_become: true,
        }
    }

    #[test]
    fn what_an_install_cannot_give_is_said_with_its_name() {
        use Install::{Plain, Postern, Root};
        let alone = |name: &str| Some(format!("the {name} install runs commands as the account alone"));
        let bare = |name: &str| Some(format!("the {name} install gives no capabilities"));
        for (account, run_as, capabilities, install, refused) in [
            ("daemon", None, &[][..], Some(Plain), None),
            ("daemon", Some("daemon"), &[], Some(Plain), None),
            ("daemon", Some("nobody"), &[], Some(Root), None),
            ("daemon", Some("nobody"), &[], Some(Postern), alone("postern")),
            ("daemon", Some("nobody"), &[], Some(Plain), alone("plain")),
            ("daemon", Some("nobody"), &[], None, None),
            ("daemon", None, &["CAP_NET_RAW"], Some(Root), None),
            ("daemon", None, &["CAP_NET_RAW"], Some(Postern), bare("postern")),
            ("daemon", None, &["CAP_NET_RAW"], Some(Plain), bare("plain")),
            ("root", Some("nobody"), &["CAP_NET_RAW"], Some(Plain), None),
            ("daemon", Some("no-such-user"), &[], Some(Root), Some("there is no such user".to_owned())),
        ] {
            let runs_as = RunsAs::of(&terms(run_as, capabilities), &subject(account), install);
            assert_eq!(runs_as.refused, refused, "{account} {run_as:?} {capabilities:?} {install:?}");
        }
    }

    #[test]
    fn who_runs_it_is_told_by_name_and_number() {
        for (run_as, install, text) in [
            (None, Install::Plain, "daemon (the account), uid 1, groups daemon postern"),
            (Some("root"), Install::Root, "root, uid 0, group root"),
            (Some("root"), Install::Plain, "root, uid 0, group root; refused here: the plain install runs commands as the account alone"),
            (Some("no-such-user"), Install::Root, "no-such-user; refused here: there is no such user"),
        ] {
            assert_eq!(RunsAs::of(&terms(run_as, &[]), &subject("daemon"), Some(install)).text(), text);
        }
    }
}
