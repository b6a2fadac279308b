//! Who runs a command, for `explain`: the rule's user or the account, and what of that this install cannot give.
//!
//! What is said here of the install, the plan of a line refuses with (`exec::plan`).

use nix::unistd::Uid;
use serde::Serialize;

use crate::access::Install;
use crate::policy::{Subject, Terms};
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
        let name = terms.run_as.as_deref().unwrap_or(&subject.account);
        let account = name == subject.account;
        let known = user::by_name(name);
        let found = known.as_ref().ok().and_then(Option::as_ref);
        let mut groups: Vec<String> = found.and_then(|user| user::group_name(user.gid).ok()).into_iter().collect();
        if account {
            let others: Vec<String> = subject.groups.iter().filter(|group| !groups.contains(group)).cloned().collect();
            groups.extend(others);
        }
        let refused = match &known {
            Err(error) => Some(error.to_string()),
            Ok(None) if !account => Some("there is no such user".to_owned()),
            Ok(_) => install.and_then(|install| beyond(terms, account, install)),
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

/// What an install cannot give to a command.
fn beyond(terms: &Terms, account: bool, install: Install) -> Option<String> {
    let name = install.name();
    // Root can become anybody, whatever the shell is.
    let switches = account || install == Install::Root || Uid::current().is_root();
    let capable = terms.confine.capabilities.is_empty() || install == Install::Root;
    match (switches, capable) {
        (false, _) => Some(format!("the {name} install runs commands as the account alone")),
        (true, false) => Some(format!("the {name} install gives no capabilities")),
        (true, true) => None,
    }
}
