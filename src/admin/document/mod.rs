//! `postern policy`: the document for those who have to agree to a policy and never saw one: what can be run and with which effect, and what
//! the kernel makes impossible.
//!
//! It is made of the compiled policy alone, so that the same policy gives the same bytes on every host, and its digest is the one that
//! every record names. A sentence that says that nothing does something is written only where no rule can.

mod commands;
mod exceptions;
mod facts;
mod html;
mod markdown;
mod model;
mod observed;
mod summary;
mod text;

use std::path::Path;
use std::rc::Rc;

use super::arguments::Arguments;
use super::output::say;
use super::{Failure, Status};
use crate::access;
use crate::access::in_force::InForce;
use crate::policy::Applied;
use crate::shell::in_force;
use crate::sys::file::Owner;
use crate::words::paths;
use facts::Facts;
use model::{Block, Document, Inline, Section, plain};

/// `postern policy [--html|--markdown] [FILE|DIR]`.
pub fn policy(arguments: &Arguments) -> Result<Status, Failure> {
    let policy = open(arguments)?;
    let facts = Facts::of(&policy).map_err(|damaged| Failure::Other(damaged.to_string()))?;
    let document = document(&facts);
    let text = match (arguments.flag("html"), arguments.flag("markdown")) {
        (Some(_), Some(_)) => return Err(Failure::Usage("one of --html and --markdown".to_owned())),
        (Some(_), None) => html::write(&document),
        (None, Some(_)) => markdown::write(&document),
        (None, None) => text::write(&document),
    };
    say(text.trim_end());
    Ok(Status::Done)
}

/// The policy in force, or the sources that are named.
fn open(arguments: &Arguments) -> Result<Rc<Applied>, Failure> {
    match arguments.operands.first() {
        Some(_) if access::privileged() => Err(Failure::Usage("FILE and DIR are not for a process with borrowed privilege".to_owned())),
        Some(path) => in_force::from_sources(Path::new(path)).map(Rc::new).map_err(|error| Failure::Other(error.to_string())),
        None => {
            let opened = InForce::open(Path::new(paths::STATE_DIR), Owner::Root).map_err(|error| Failure::Other(error.to_string()))?;
            if let Some(damage) = opened.damage {
                return Err(Failure::Other(format!("the policy in force is damaged, and the one before it is in its place: {damage}")));
            }
            Ok(opened.policy)
        }
    }
}

fn document(facts: &Facts) -> Document {
    let digest = facts.policy.digest();
    let otherwise = match facts.observing().next() {
        Some(_) => "is refused, but where it is said above",
        None => "is refused",
    };
    let doors = vec![
        Block::Paragraph(plain(format!(
            "What the accounts that this policy is for can do on a host, and what they cannot. Every line that somebody types passes two doors. \
             The policy decides what is asked for: a line runs only if one of the forms below takes it word by word, and whatever no form takes \
             {otherwise}. The kernel decides what is possible: each command runs in a process that cannot do more than its rule needs, so that a \
             program that does something else than was meant is stopped there.",
        ))),
        Block::Paragraph(vec![
            Inline::Plain("Digest of the policy: ".to_owned()),
            Inline::Code(digest.to_owned()),
            Inline::Plain(". Every record of a command names it; ".to_owned()),
            Inline::Code("postern doctor".to_owned()),
            Inline::Plain(" says which policy is in force on a host. Made by postern ".to_owned()),
            Inline::Plain(env!("CARGO_PKG_VERSION").to_owned()),
            Inline::Plain(".".to_owned()),
        ]),
    ];
    let lead = observed::warnings(facts).into_iter().chain(doors).collect();
    let sections = vec![
        summary::section(facts),
        exceptions::section(facts),
        summary::subjects(facts),
        commands::confinements(facts),
        commands::commands(facts),
        commands::refusals(facts),
        commands::types(facts),
        limits(),
    ];
    let sections = sections.into_iter().filter(|section| !(section.blocks.is_empty() && section.sections.is_empty())).collect();
    Document { title: format!("What can be run: policy {}", digest.get(..12).unwrap_or(digest)), lead, sections }
}

/// What no policy of this program holds. postern-policy(5) has it at length.
fn limits() -> Section {
    Section::new("limits", "What is not held").with([Block::List(
        [
            "Names, sizes, owners and times of files can be seen wherever the account may look. Contents cannot.",
            "The kernel holds the command, and not a server that it may talk to. Where a rule names a socket, a capability or a user, the form alone \
             says what is asked of it; those rules are among the exceptions.",
            "What can be read can be shown, photographed and remembered. Secrets among it are made unreadable in recordings as far as they are \
             recognized.",
            "A host whose kernel lacks a part of what is described here refuses the command, unless the policy says otherwise above.",
        ]
        .map(plain)
        .into(),
    )])
}

#[cfg(test)]
mod tests;
